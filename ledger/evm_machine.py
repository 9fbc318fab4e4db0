"""Our own machine for message calls: runs contracts as the Python functions that `ledger.evm_compiler` writes.

It knows what our contracts use. At anything else (CREATE, a call with value, an odd precompile, a very deep stack or
call) it gives up with `Unsupported`, and the whole message runs again on py-evm, which is also its judge: the tests
run random code and every block of the product's own tests on both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

from ledger.codec import keccak256
from ledger.errors import Invalid
from ledger.evm_compiler import FALL, REVERTED, compiled
from ledger.evm_opcodes import NAMES, jump_targets
from ledger.evm_transition import BlockContext, Message, RawLog, Result
from ledger.keys import SECP256K1_ORDER, Signature, recover
from ledger.state_journal import ABSENT, Journal

# Below this the machine cannot meet Python's own limit of nested calls; contracts of ours nest four deep.
DEPTH_MAX = 100
MEMORY_BYTES_MAX = 1 << 32
CODE_BYTES_MAX = 24_576
PROGRAMS_MAX = 64
HASHES_MAX = 8_192
HASHED_BYTES_MAX = 256
ADDRESS_MASK = (1 << 160) - 1


class Halt(Exception):
    """A call fails exceptionally: its gas is gone and its changes are undone."""


class OutOfGas(Halt):
    pass


class StackUnderflow(Halt):
    pass


class InvalidJump(Halt):
    pass


class InvalidInstruction(Halt):
    pass


class OutOfBoundsRead(Halt):
    pass


class WriteProtection(Halt):
    pass


class Unsupported(Exception):
    """Not for this machine: the whole message has to run on the other."""


Block: TypeAlias = "Callable[[Frame, list[int], bytearray], int]"


class Program(dict[int, Block]):
    """One contract's code: its functions by entry, each made when execution first comes to it."""

    __slots__ = ("code", "targets")

    def __init__(self, code: bytes) -> None:
        super().__init__()
        self.code = code
        self.targets = jump_targets(code)

    def __missing__(self, entry: int) -> Block:
        if entry < FALL and entry not in self.targets:
            raise InvalidJump
        space = dict(_GLOBALS)
        exec(compiled(self.code, self.targets, entry % FALL), space)  # noqa: S102 - written by our own compiler
        block: Block = space["block"]
        self[entry] = block
        return block


class Frame:
    """One running call: what it was given, what it has so far."""

    __slots__ = (
        "address", "address_word", "block", "caller", "caller_word", "code", "data", "depth", "error", "gas",
        "journal", "logs", "origin", "origin_word", "output", "refund", "returned", "static", "status", "value",
    )  # fmt: skip

    def __init__(
        self,
        journal: Journal,
        block: BlockContext,
        origin: bytes,
        caller: bytes,
        address: bytes,
        code: bytes,
        data: bytes,
        gas: int,
        depth: int,
        static: bool,
    ) -> None:
        self.journal = journal
        self.block = block
        self.origin = origin
        self.caller = caller
        self.address = address
        self.code = code
        self.data = data
        self.gas = gas
        self.depth = depth
        self.static = static
        self.origin_word = int.from_bytes(origin)
        self.caller_word = int.from_bytes(caller)
        self.address_word = int.from_bytes(address)
        self.value = 0
        self.status = 0
        self.refund = 0
        self.returned = b""
        self.output = b""
        self.error = ""
        self.logs: list[RawLog] = []


_programs: dict[bytes, Program] = {}


def _program(code: bytes) -> Program:
    program = _programs.get(code)
    if program is None:
        if len(_programs) >= PROGRAMS_MAX:
            _programs.clear()
        program = _programs[code] = Program(code)
    return program


def run(journal: Journal, block: BlockContext, message: Message) -> Result:
    """Run `message` to its end. A failed one leaves the journal as it was."""
    start = journal.record()
    frame = Frame(
        journal, block, message.sender, message.sender, message.created or message.to, message.code, message.data,
        message.gas, 0, False,
    )  # fmt: skip
    try:
        ok = _created(frame) if message.created is not None else _ran(frame)
    except (Unsupported, RecursionError):
        journal.discard(start)
        return _on_the_other(journal, block, message)
    if not ok:
        journal.discard(start)
        return Result(False, frame.gas, 0, frame.output, (), frame.error)
    return Result(True, frame.gas, frame.refund, frame.output, tuple(frame.logs), "")


def _on_the_other(journal: Journal, block: BlockContext, message: Message) -> Result:
    from ledger import evm_engine  # half a second and 35 MB that our own contracts never need

    return evm_engine.run(journal, block, message)


def _ran(frame: Frame) -> bool:
    """Run the frame's code; whether it succeeded. The caller undoes the changes of one that did not."""
    program = _program(frame.code)
    stack: list[int] = []
    memory = bytearray()
    at = FALL
    try:
        while True:
            at = program[at](frame, stack, memory)
            if at < 0:
                break
    except Halt as halt:
        frame.gas = 0
        frame.output = b""
        frame.error = type(halt).__name__
        return False
    return at != REVERTED


def _created(frame: Frame) -> bool:
    """Run creation code and keep what it gives as the new contract's (EIP-170, 3541, 3860)."""
    journal = frame.journal
    journal.increment_nonce(frame.address)
    frame.gas -= 2 * ((len(frame.code) + 31) // 32)
    if frame.gas < 0:
        frame.gas, frame.error = 0, "OutOfGas"
        return False
    if not _ran(frame):
        return False
    code = frame.output
    cost = 200 * len(code)
    if len(code) > CODE_BYTES_MAX or code[:1] == b"\xef" or cost > frame.gas:
        frame.gas, frame.output, frame.error = 0, b"", "OutOfGas" if cost > frame.gas else "InvalidCode"
        return False
    frame.gas -= cost
    if code:
        journal.set_code(frame.address, code)
    return True


# ---------------------------------------------------------------- what the written functions call


def _grow(m: bytearray, end: int, g: int) -> int:
    """Make the memory reach to `end`, and charge for it."""
    if end > MEMORY_BYTES_MAX:
        raise OutOfGas
    before, after = len(m) // 32, (end + 31) // 32
    g -= 3 * (after - before) + after * after // 512 - before * before // 512
    if g < 0:
        raise OutOfGas
    m.extend(bytes(32 * (after - before)))
    return g


_hashes: dict[bytes, int] = {}


def _sha3(data: bytes) -> int:
    """Keccak as a word; storage keys are hashed again and again, so short inputs are remembered."""
    known = _hashes.get(data)
    if known is None:
        known = int.from_bytes(keccak256(data))
        if len(data) <= HASHED_BYTES_MAX:
            if len(_hashes) >= HASHES_MAX:
                _hashes.clear()
            _hashes[data] = known
    return known


def _word_at(data: bytes, start: int) -> int:
    word = data[start : start + 32]
    return int.from_bytes(word if len(word) == 32 else word.ljust(32, b"\0"))


def _part(data: bytes, start: int, size: int) -> bytes:
    """Exactly `size` bytes of `data` from `start`, zeros after its end."""
    return data[start : start + size].ljust(size, b"\0")


def _warm_slot(f: Frame, slot: int, g: int) -> int:
    journal = f.journal
    key = (f.address, slot)
    if key in journal.warm:
        g -= 100
    else:
        journal.undo.append((journal.warm, key, ABSENT))
        journal.warm[key] = True
        g -= 2100
    if g < 0:
        raise OutOfGas
    return g


def _sstore(f: Frame, slot: int, value: int, g: int) -> int:
    """EIP-2200 with the costs of EIP-2929 and the refunds of EIP-3529."""
    if f.static:
        raise WriteProtection
    if g <= 2300:
        raise OutOfGas
    journal, address = f.journal, f.address
    key = (address, slot)
    if key not in journal.warm:
        journal.undo.append((journal.warm, key, ABSENT))
        journal.warm[key] = True
        g -= 2100
    current = journal.get_storage(address, slot)
    if current == value:
        g -= 100
    else:
        original = journal.get_storage(address, slot, False)
        if original == current:
            g -= 2900 if original else 20_000
            if original and not value:
                f.refund += 4800
        else:
            g -= 100
            if original:
                if not current:
                    f.refund -= 4800
                if not value:
                    f.refund += 4800
            if original == value:
                f.refund += 2800 if original else 19_900
        if g >= 0:
            journal.set_storage(address, slot, value)
    if g < 0:
        raise OutOfGas
    return g


def _log(f: Frame, topics: tuple[bytes, ...], data: bytes, g: int) -> int:
    if f.static:
        raise WriteProtection
    g -= 8 * len(data)
    if g < 0:
        raise OutOfGas
    f.logs.append((f.address, topics, data))
    return g


def _warm_account(f: Frame, word: int, g: int) -> int:
    word &= ADDRESS_MASK
    journal = f.journal
    address = word.to_bytes(20)
    if address in journal.warm or 1 <= word <= 9:
        g -= 100
    else:
        journal.mark_address_warm(address)
        g -= 2600
    if g < 0:
        raise OutOfGas
    return g


def _address(word: int) -> bytes:
    return (word & ADDRESS_MASK).to_bytes(20)


def _code_of(f: Frame, word: int) -> bytes:
    return f.journal.get_code(_address(word))


def _code_size(f: Frame, word: int) -> int:
    return len(_code_of(f, word))


def _code_hash(f: Frame, word: int) -> int:
    address = _address(word)
    return 0 if f.journal.account_is_empty(address) else int.from_bytes(f.journal.get_code_hash(address))


def _balance(f: Frame, address: bytes) -> int:
    return f.journal.get_balance(address)


def _balance_of(f: Frame, word: int) -> int:
    return f.journal.get_balance(_address(word))


def _ancestor(f: Frame, height: int) -> int:
    if not f.block.height - 256 <= height < f.block.height:
        return 0
    return int.from_bytes(f.block.ancestor(height))


def _call(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    if value:
        raise Unsupported
    address = _address(to)
    return _message(f, m, g, wanted, address, address, f.address, f.static, a, n, out, size)


def _staticcall(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    address = _address(to)
    return _message(f, m, g, wanted, address, address, f.address, True, a, n, out, size)


def _delegatecall(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    return _message(f, m, g, wanted, _address(to), f.address, f.caller, f.static, a, n, out, size)


def _message(
    f: Frame,
    m: bytearray,
    g: int,
    wanted: int,
    code_at: bytes,
    address: bytes,
    caller: bytes,
    static: bool,
    start: int,
    count: int,
    out: int,
    size: int,
) -> int:
    """A call from a contract: its result goes to `f.status` and `f.returned`, the gas that is left is returned."""
    if count and len(m) < start + count:
        g = _grow(m, start + count, g)
    if size and len(m) < out + size:
        g = _grow(m, out + size, g)
    word = int.from_bytes(code_at)
    g = _warm_account(f, word, g)
    gas = min(wanted, g - g // 64)
    g -= gas
    if f.depth >= DEPTH_MAX:
        raise Unsupported
    data = bytes(m[start : start + count]) if count else b""
    if 1 <= word <= 9:
        left, output = _precompile(word, data, gas)
        ok = left >= 0
        g += max(left, 0)
    else:
        journal = f.journal
        code = journal.get_code(code_at)
        if not code:
            ok, output = True, b""
            g += gas
        else:
            begun = len(journal.undo)
            child = Frame(journal, f.block, f.origin, caller, address, code, data, gas, f.depth + 1, static)
            ok = _ran(child)
            if ok:
                f.logs += child.logs
                f.refund += child.refund
            else:
                journal.discard(begun)
            output = child.output
            g += child.gas
    f.status = 1 if ok else 0
    f.returned = output
    if size and output:
        written = output[:size]
        m[out : out + len(written)] = written
    return g


def _precompile(number: int, data: bytes, gas: int) -> tuple[int, bytes]:
    """Gas left and output of a built-in contract; less than no gas when it fails."""
    words = (len(data) + 31) // 32
    if number == 4:
        left, output = gas - 15 - 3 * words, data
    elif number == 2:
        left = gas - 60 - 12 * words
        output = hashlib.sha256(data).digest() if left >= 0 else b""
    elif number == 1:
        left = gas - 3000
        output = _ecrecover(data.ljust(128, b"\0")) if left >= 0 else b""
    else:
        raise Unsupported
    return left, output if left >= 0 else b""


def _ecrecover(data: bytes) -> bytes:
    """The address that signed, as a word; no bytes for no signature. Other than in transactions, any s will do."""
    v, r, s = (int.from_bytes(data[at : at + 32]) for at in (32, 64, 96))
    if v not in (27, 28):
        return b""
    parity = v - 27
    if SECP256K1_ORDER // 2 < s < SECP256K1_ORDER:
        # The same point signs with the negated s under the other parity.
        parity, s = 1 - parity, SECP256K1_ORDER - s
    try:
        return bytes(12) + recover(data[:32], Signature(parity, r, s))
    except Invalid:
        return b""


_GLOBALS: dict[str, Any] = {
    **NAMES,
    "from_bytes": int.from_bytes,
    "grow": _grow,
    "sha3": _sha3,
    "word_at": _word_at,
    "part": _part,
    "warm_slot": _warm_slot,
    "sstore": _sstore,
    "log": _log,
    "warm_account": _warm_account,
    "code_of": _code_of,
    "extcodesize": _code_size,
    "extcodehash": _code_hash,
    "own_balance": _balance,
    "balance": _balance_of,
    "ancestor": _ancestor,
    "call": _call,
    "staticcall": _staticcall,
    "delegatecall": _delegatecall,
    "OutOfGas": OutOfGas,
    "StackUnderflow": StackUnderflow,
    "InvalidJump": InvalidJump,
    "InvalidInstruction": InvalidInstruction,
    "OutOfBoundsRead": OutOfBoundsRead,
    "Unsupported": Unsupported,
    "__builtins__": {"len": len, "bytes": bytes, "pow": pow},
}
