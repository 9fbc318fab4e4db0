"""Random contracts that mostly run: well-formed enough to get far, wrong often enough to fail in every way."""

from __future__ import annotations

import random

from tests.ledger.evm_kit import OPS, asm, contract

CONTRACTS = 3
NUMBERS = (
    0, 0, 1, 1, 2, 3, 31, 32, 33, 64, 96, 255, 256, 1000, 2**16, 2**31, 2**63, 2**64 - 1, 2**128, 2**160 - 1,
    2**255 - 1, 2**255, 2**256 - 1, 2**256 - 2, 2**256 - 31,
)  # fmt: skip
PLACES = (0, 0, 1, 16, 31, 32, 33, 64, 95, 128, 200)
SIZES = (0, 1, 20, 31, 32, 33, 64, 96)
_BINARY = "ADD MUL SUB DIV SDIV MOD SMOD EXP SIGNEXTEND LT GT SLT SGT EQ AND OR XOR BYTE SHL SHR SAR"
BINARY = _BINARY.split()
UNARY = ["ISZERO", "NOT", "BALANCE", "EXTCODESIZE", "EXTCODEHASH", "CALLDATALOAD", "BLOCKHASH", "MLOAD", "SLOAD"]
_NULLARY = (
    "ADDRESS ORIGIN CALLER CALLVALUE CALLDATASIZE CODESIZE GASPRICE RETURNDATASIZE COINBASE TIMESTAMP NUMBER PC MSIZE"
    " GAS PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE"
)
NULLARY = _NULLARY.split()
_STEPS = "push binary ternary unary nullary dup swap pop mstore mload sload sstore sha3 copy log call odd"
STEPS = _STEPS.split()
WEIGHTS = (12, 22, 3, 8, 6, 10, 8, 4, 9, 7, 6, 8, 4, 4, 3, 7, 0.3)


# Leaves the topmost word as it is, but nobody can know that before it runs.
UNKNOWN = "CALLDATASIZE DUP1 SUB ADD"


class Writer:
    """Writes one contract, word by word, as text for `asm`."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.words: list[str] = []
        self.height = 0

    def number(self) -> str:
        if self.dice.random() < 0.2:
            return str(self.dice.getrandbits(self.dice.choice([8, 64, 160, 256])))
        return str(self.dice.choice(NUMBERS))

    def push(self, *values: object) -> None:
        self.words += [str(value) for value in values]
        self.height += len(values)

    def op(self, name: str, takes: int, gives: int) -> None:
        # A stack that is too short is a failure like any other, but should not be the usual one.
        while self.height < takes and self.dice.random() < 0.998:
            self.push(self.number())
        self.words.append(name)
        self.height = max(0, self.height - takes) + gives

    def place(self) -> int:
        return self.dice.choice(PLACES) if self.dice.random() < 0.99 else self.dice.choice(NUMBERS)

    def size(self) -> int:
        return self.dice.choice(SIZES) if self.dice.random() < 0.99 else self.dice.choice(NUMBERS)

    def step(self) -> None:
        [kind] = self.dice.choices(STEPS, WEIGHTS)
        getattr(self, f"_{kind}")()

    def _push(self) -> None:
        self.push(self.number())

    def _binary(self) -> None:
        self.op(self.dice.choice(BINARY), 2, 1)

    def _ternary(self) -> None:
        self.op(self.dice.choice(["ADDMOD", "MULMOD"]), 3, 1)

    def _unary(self) -> None:
        name = self.dice.choice(UNARY)
        if name in ("MLOAD", "CALLDATALOAD", "SLOAD"):
            self.push(self.place())
        elif name.startswith(("EXT", "BAL")):
            self.push(self.address())
        self.op(name, 1, 1)

    def _nullary(self) -> None:
        self.op(self.dice.choice(NULLARY), 0, 1)

    def _dup(self) -> None:
        depth = self.dice.randint(1, min(16, max(1, self.height + (self.dice.random() < 0.01))))
        self.op(f"DUP{depth}", 0 if self.height >= depth else depth, 1)

    def _swap(self) -> None:
        if self.height >= 2:
            self.words.append(f"SWAP{self.dice.randint(1, min(16, self.height - 1))}")

    def _pop(self) -> None:
        self.op("POP", 1, 0)

    def _mstore(self) -> None:
        if self.dice.random() < 0.5:
            self._push()
        self.push(self.place())
        self.op(self.dice.choice(["MSTORE", "MSTORE", "MSTORE8"]), 2, 0)

    def _mload(self) -> None:
        self.push(self.place())
        self.op("MLOAD", 1, 1)

    def _sload(self) -> None:
        self.push(self.dice.randint(0, 3))
        self.op("SLOAD", 1, 1)

    def _sstore(self) -> None:
        if self.dice.random() < 0.6:
            self.push(self.dice.choice([0, 0, 1, 2, 7]))
        self.push(self.dice.randint(0, 3))
        self.op("SSTORE", 2, 0)

    def _sha3(self) -> None:
        self.push(self.size(), self.place())
        self.op("SHA3", 2, 1)

    def _copy(self) -> None:
        name = self.dice.choice(["CALLDATACOPY", "CODECOPY", "RETURNDATACOPY", "EXTCODECOPY"])
        size = 0 if name == "RETURNDATACOPY" and self.dice.random() < 0.9 else self.size()
        self.push(size, self.place() if size else 0, self.place())
        if name == "EXTCODECOPY":
            self.push(self.address())
        self.op(name, 4 if name == "EXTCODECOPY" else 3, 0)

    def _log(self) -> None:
        topics = self.dice.randint(0, 4)
        for _ in range(topics):
            self._push()
        self.push(self.size(), self.place())
        self.op(f"LOG{topics}", 2 + topics, 0)

    def _call(self) -> None:
        name = self.dice.choice(["CALL", "CALL", "STATICCALL", "DELEGATECALL"])
        self.push(self.size(), self.place(), self.size(), self.place())
        if name == "CALL":
            self.push(0)
        self.push(self.address(), self.dice.choice([0, 700, 3_000, 20_000, 2**255]))
        self.op(name, 7 if name == "CALL" else 6, 1)

    def _odd(self) -> None:
        self.words.append(self.dice.choice(["INVALID", "STOP", "JUMP", "CREATE", "CALLCODE", "ADD ADD ADD ADD ADD"]))

    def address(self) -> int:
        known = [int.from_bytes(contract(number)) for number in range(1, CONTRACTS + 2)]
        return self.dice.choice([*known, *known, 1, 2, 4, 4, 0, 3, self.dice.getrandbits(200)])


def program(dice: random.Random) -> bytes:
    """The code of one contract: pieces with labels between which it jumps."""
    writer = Writer(dice)
    pieces = dice.randint(1, 5)
    for piece in range(pieces):
        if piece:
            writer.words.append(f":p{piece}")
            # Several ways lead here, each with another stack.
            writer.height = 0 if dice.random() < 0.8 else writer.height
        for _ in range(dice.randint(1, 18)):
            writer.step()
        way = dice.random()
        if pieces > 1 and way < 0.75:
            # Mostly onwards: ways back soon burn all the gas.
            ahead = piece + 1 < pieces and dice.random() < 0.85
            label = f"@p{dice.randint(piece + 1, pieces - 1) if ahead else dice.randint(1, pieces - 1)}"
            writer.words.append(label)
            writer.height += 1
            if way < 0.1:
                writer.words.append(UNKNOWN)
            if way < 0.2:
                writer.op("JUMP", 1, 0)
            else:
                writer.words.append("SWAP1" if writer.height >= 2 and dice.random() < 0.05 else "GAS POP")
                if writer.height < 2:
                    writer.push(1)
                    writer.words.append("SWAP1")
                writer.op("JUMPI", 2, 0)
    writer.push(writer.size(), writer.place())
    writer.words.append(dice.choice(["RETURN", "RETURN", "RETURN", "STOP", "REVERT"]))
    return asm(" ".join(writer.words))


def garbage(dice: random.Random) -> bytes:
    """Any bytes at all, with more of what exists."""
    known = list(OPS.values())
    return bytes(
        dice.choice(known) if dice.random() < 0.9 else dice.randint(0, 255) for _ in range(dice.randint(1, 80))
    )
