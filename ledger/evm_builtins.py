"""What compiled contracts call: memory, hashes, storage, accounts, logs and the built-in contracts.

Each function that costs gas takes what is left and returns what is left then; `Halt` ends the call. Costs: yellow
paper, appendix G, with EIP-150, 2200, 2929, 3529.
"""

from __future__ import annotations

import hashlib

from ledger.codec import keccak256
from ledger.errors import Invalid
from ledger.evm_transition import BlockContext, RawLog
from ledger.keys import SECP256K1_ORDER, Signature, recover
from ledger.state_journal import ABSENT, Journal

MEMORY_BYTES_MAX = 1 << 32
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


def grow(m: bytearray, end: int, g: int) -> int:
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


def sha3(data: bytes) -> int:
    """Keccak as a word; storage keys are hashed again and again, so short inputs are remembered."""
    known = _hashes.get(data)
    if known is None:
        known = int.from_bytes(keccak256(data))
        if len(data) <= HASHED_BYTES_MAX:
            if len(_hashes) >= HASHES_MAX:
                _hashes.clear()
            _hashes[data] = known
    return known


def word_at(data: bytes, start: int) -> int:
    word = data[start : start + 32]
    return int.from_bytes(word if len(word) == 32 else word.ljust(32, b"\0"))


def part(data: bytes, start: int, size: int) -> bytes:
    """Exactly `size` bytes of `data` from `start`, zeros after its end."""
    return data[start : start + size].ljust(size, b"\0")


def warm_slot(f: Frame, slot: int, g: int) -> int:
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


def sstore(f: Frame, slot: int, value: int, g: int) -> int:
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


def log(f: Frame, topics: tuple[bytes, ...], data: bytes, g: int) -> int:
    if f.static:
        raise WriteProtection
    g -= 8 * len(data)
    if g < 0:
        raise OutOfGas
    f.logs.append((f.address, topics, data))
    return g


def warm_account(f: Frame, word: int, g: int) -> int:
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


def address(word: int) -> bytes:
    return (word & ADDRESS_MASK).to_bytes(20)


def code_of(f: Frame, word: int) -> bytes:
    return f.journal.get_code(address(word))


def code_size(f: Frame, word: int) -> int:
    return len(code_of(f, word))


def code_hash(f: Frame, word: int) -> int:
    at = address(word)
    return 0 if f.journal.account_is_empty(at) else int.from_bytes(f.journal.get_code_hash(at))


def own_balance(f: Frame, at: bytes) -> int:
    return f.journal.get_balance(at)


def balance_of(f: Frame, word: int) -> int:
    return f.journal.get_balance(address(word))


def ancestor(f: Frame, height: int) -> int:
    if not f.block.height - 256 <= height < f.block.height:
        return 0
    return int.from_bytes(f.block.ancestor(height))


def precompile(number: int, data: bytes, gas: int) -> tuple[int, bytes]:
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
