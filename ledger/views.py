"""Questions to InventoryManager that change nothing: call data and the reading of the answer."""

from __future__ import annotations

from ledger.codec import abi_decode, abi_encode, keccak256
from ledger.ids import text_to_word

_CHANGES_OF = keccak256(b"changes_of(bytes32)")[:4]


def changes_of(location: str) -> bytes:
    """Call data for a location's change counter, which grows with every operation that touched its stock."""
    return _CHANGES_OF + abi_encode(("bytes32",), (text_to_word(location),))


def number(answer: bytes) -> int:
    """An answer of one uint256."""
    value: int = abi_decode(("uint256",), answer)[0]
    return value
