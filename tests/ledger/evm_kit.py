"""What the executor tests share: small hand-written contracts, signed transactions, fresh chains."""

from __future__ import annotations

from eth_keys import keys

from ledger import db
from ledger.codec import keccak256, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.evm import Account, Alloc, Executor, genesis

CHAIN_ID = 0x7A11
KEY = keys.PrivateKey(b"\x11" * 32)
SENDER = KEY.public_key.to_canonical_address()
START = 1_700_000_000

OPS = {
    name: code
    for code, names in {
        0x00: "STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND",
        0x10: "LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR",
        0x20: "SHA3",
        0x30: "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY"
        " GASPRICE EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY EXTCODEHASH",
        0x40: "BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE",
        0x50: "POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST",
        0x5F: " ".join(f"PUSH{count}" for count in range(33)),
        0x80: " ".join(f"DUP{count}" for count in range(1, 17)),
        0x90: " ".join(f"SWAP{count}" for count in range(1, 17)),
        0xA0: "LOG0 LOG1 LOG2 LOG3 LOG4",
        0xF0: "CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2",
        0xFA: "STATICCALL",
        0xFD: "REVERT INVALID SELFDESTRUCT",
    }.items()
    for code, name in enumerate(names.split(), start=code)
}


def asm(text: str) -> bytes:
    """Machine code of mnemonics; numbers become the shortest PUSH, `:name` marks and `@name` pushes a place."""
    code = bytearray()
    marks: dict[str, int] = {}
    holes: list[tuple[int, str]] = []
    for word in text.split():
        if word.startswith(":"):
            marks[word[1:]] = len(code)
            code.append(OPS["JUMPDEST"])
        elif word.startswith("@"):
            holes.append((len(code) + 1, word[1:]))
            code += bytes((OPS["PUSH2"], 0, 0))
        elif word in OPS:
            code.append(OPS[word])
        else:
            value = int(word, 0)
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            code += bytes((OPS["PUSH0"] + len(raw),)) + raw
    for at, name in holes:
        code[at : at + 2] = marks[name].to_bytes(2, "big")
    return bytes(code)


def deployment(runtime: bytes) -> bytes:
    """Init code that leaves `runtime`."""
    head = asm(f"{len(runtime)} 0 CODECOPY")
    body = asm(f"{len(runtime)} 0 RETURN")
    offset = 0
    for _ in range(3):
        head = asm(f"{len(runtime)} {offset} 0 CODECOPY")
        offset = len(head) + len(body)
    return head + body + runtime


def sign(
    nonce: int,
    to: bytes,
    data: bytes = b"",
    *,
    gas: int = 1_000_000,
    chain_id: int = CHAIN_ID,
    fee: int = 0,
    value: int = 0,
    access: list[object] | None = None,
    key: keys.PrivateKey = KEY,
) -> bytes:
    """A raw type 2 transaction; `to` empty creates a contract."""
    fields: list[object] = [
        rlp_int(chain_id), rlp_int(nonce), rlp_int(fee), rlp_int(fee), rlp_int(gas), to, rlp_int(value), data,
        access or [],
    ]  # fmt: skip
    signature = key.sign_msg_hash(keccak256(b"\x02" + rlp_encode(fields)))  # type: ignore[arg-type]
    fields += [rlp_int(signature.v), rlp_int(signature.r), rlp_int(signature.s)]
    return b"\x02" + rlp_encode(fields)  # type: ignore[arg-type]


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def extra(height: int) -> bytes:
    return keccak256(b"extra %d" % height)


def contract(number: int) -> bytes:
    """An address for a contract of a genesis."""
    return bytes.fromhex("c0de") + bytes(17) + bytes([number])


def chain(alloc: Alloc | None = None, connection: Connection | None = None) -> Executor:
    """A fresh chain in memory (or in `connection`) at its genesis."""
    connection = connection or db.memory()
    header = genesis(CHAIN_ID, START, extra(0), alloc)
    with db.transaction(connection):
        return Executor.create(connection, CHAIN_ID, header, alloc)


def code_at(**contracts: str) -> dict[bytes, Account]:
    """`c1="…asm…"` as a genesis with that code at `contract(1)`."""
    return {contract(int(name[1:])): Account(code=asm(text)) for name, text in contracts.items()}


def seal(executor: Executor, connection: Connection) -> bytes:
    """Seal the open block in a transaction of its own; the header."""
    pending = executor.pending
    assert pending is not None
    with db.transaction(connection):
        return executor.seal(extra(pending.height)).header
