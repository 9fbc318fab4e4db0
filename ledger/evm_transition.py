"""What a transaction does around its message call, by Shanghai's rules without fees.

A site's transactions carry no fee and no value (`ledger.transactions` accepts no other), so what is left of section 6
of the yellow paper is: the nonce, the gas its size costs, what is warm from the start (EIP-2929, EIP-3651), where a
new contract goes, the refund (EIP-3529), and that no empty account stays behind (EIP-161).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ledger.codec import keccak256, rlp_encode, rlp_int
from ledger.errors import Rejected
from ledger.state_journal import Journal
from ledger.transactions import Tx

TX_GAS = 21_000
CREATE_GAS = 32_000
ZERO_BYTE_GAS = 4
OTHER_BYTE_GAS = 16
INIT_CODE_BYTES_MAX = 49_152
REFUND_QUOTIENT = 5
COINBASE = bytes(20)

RawLog: TypeAlias = "tuple[bytes, tuple[bytes, ...], bytes]"


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a contract can read of the block it runs in. `ancestor` gives the hash of an earlier block."""

    chain_id: int
    height: int
    timestamp: int
    ancestor: Callable[[int], bytes]

    def ancestors(self) -> Iterable[bytes]:
        """The hashes of the blocks before, newest first."""
        for height in range(self.height - 1, max(-1, self.height - 257), -1):
            yield self.ancestor(height)


@dataclass(frozen=True, slots=True)
class Message:
    """One call from outside. `to` is empty and `created` an address when `code` makes a contract."""

    sender: bytes
    to: bytes
    data: bytes
    code: bytes
    gas: int
    created: bytes | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a message ended. `error` is empty after success, and after a revert, whose words are in `output`."""

    ok: bool
    gas_left: int
    refund: int
    output: bytes
    logs: tuple[RawLog, ...]
    error: str


Machine: TypeAlias = Callable[[Journal, BlockContext, Message], Result]


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished transaction: gas it used, and its result."""

    gas_used: int
    result: Result


def intrinsic_gas(tx: Tx) -> int:
    """What a transaction costs before it does anything (EIP-2028)."""
    zeros = tx.data.count(0)
    gas = TX_GAS + zeros * ZERO_BYTE_GAS + (len(tx.data) - zeros) * OTHER_BYTE_GAS
    return gas + (CREATE_GAS if tx.to is None else 0)


def run_transaction(machine: Machine, journal: Journal, block: BlockContext, tx: Tx) -> Ran:
    """Run `tx`; a failed one leaves no change at all. Raises `Rejected` when it cannot run."""
    cost = intrinsic_gas(tx)
    nonce = journal.get_nonce(tx.sender)
    if tx.nonce != nonce:
        raise Rejected(f"its nonce is {tx.nonce}, the next of 0x{tx.sender.hex()} is {nonce}")
    if tx.gas < cost:
        raise Rejected(f"it brings {tx.gas} gas, its size alone costs {cost}")
    if tx.to is None and len(tx.data) > INIT_CODE_BYTES_MAX:
        raise Rejected(f"it creates a contract with {len(tx.data)} bytes of code, at most {INIT_CODE_BYTES_MAX} may")
    journal.lock_changes()
    journal.increment_nonce(tx.sender)
    journal.mark_address_warm(tx.sender)
    journal.mark_address_warm(COINBASE)
    if tx.to is None:
        created = keccak256(rlp_encode([tx.sender, rlp_int(nonce)]))[12:]
        journal.mark_address_warm(created)
        if journal.account_has_code_or_nonce(created):
            journal.discard(0)
            raise Rejected(f"there is a contract at 0x{created.hex()} already")
        message = Message(tx.sender, b"", b"", tx.data, tx.gas - cost, created)
    else:
        journal.mark_address_warm(tx.to)
        message = Message(tx.sender, tx.to, tx.data, journal.get_code(tx.to), tx.gas - cost)
    try:
        result = machine(journal, block, message)
    except BaseException:
        journal.discard(0)
        raise
    used = tx.gas - result.gas_left
    used -= min(result.refund, used // REFUND_QUOTIENT)
    if result.ok:
        journal.clear_empty()
    else:
        journal.discard(0)
    return Ran(used, result)


def run_view(machine: Machine, journal: Journal, block: BlockContext, message: Message) -> Result:
    """Run a message that must change nothing, and undo what it does change."""
    journal.lock_changes()
    for address in (message.sender, COINBASE, message.to):
        journal.mark_address_warm(address)
    try:
        return machine(journal, block, message)
    finally:
        journal.discard(0)


def words_of(result: Result) -> str:
    """Why a message failed, for a person: the contract's own words if it gave any."""
    output = result.output
    if result.error:
        return result.error
    if output[:4] == b"\x08\xc3\x79\xa0" and len(output) >= 68:  # Error(string)
        size = int.from_bytes(output[36:68], "big")
        return output[68 : 68 + min(size, 1024)].decode("utf-8", "replace")
    if output[:4] == b"\x4e\x48\x7b\x71" and len(output) == 36:  # Panic(uint256)
        return f"panic {int.from_bytes(output[4:], 'big'):#x}"
    if output:
        return f"reverted with 0x{output[:64].hex()}"
    return "reverted without a reason"
