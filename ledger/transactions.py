"""Transactions of type 2 (EIP-1559), signed and parsed by hand: free of fees, without access list or value.

The node signs every transaction of its chain in this one form; `parse` accepts no other, so that a block's bytes
leave no room for a second reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.codec import keccak256, rlp_decode, rlp_encode, rlp_int, rlp_uint
from ledger.errors import Invalid, Rejected
from ledger.keys import Signature, TxKey, recover

TYPE = b"\x02"
FIELDS = 12
DATA_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Tx:
    """A signed transaction as parsed. `to` is None when it creates a contract; `hash` is Keccak-256 of its bytes."""

    sender: bytes
    nonce: int
    to: bytes | None
    data: bytes
    gas: int
    chain_id: int
    hash: bytes


def sign(key: TxKey, chain_id: int, nonce: int, to: bytes | None, data: bytes, gas: int) -> bytes:
    """The raw transaction, type byte first. Deterministic: the same arguments give the same bytes."""
    if to is not None and len(to) != 20:
        raise Rejected(f"a contract address has 20 bytes, not {len(to)}")
    body: list[bytes | list[bytes]] = [
        rlp_int(chain_id),
        rlp_int(nonce),
        b"",  # priority fee
        b"",  # fee cap
        rlp_int(gas),
        to or b"",
        b"",  # value
        data,
        [],  # access list
    ]
    signature = key.sign_digest(keccak256(TYPE + rlp_encode(body)))
    return TYPE + rlp_encode([*body, rlp_int(signature.parity), rlp_int(signature.r), rlp_int(signature.s)])


def parse(raw: bytes) -> Tx:
    """The one transaction that these bytes are; raises `Invalid` for another type, a fee, a value or a list."""
    if raw[:1] != TYPE:
        raise Invalid(f"transaction type {raw[:1].hex() or 'none'}: expected 02")
    if len(raw) > DATA_BYTES_MAX:
        raise Invalid(f"a transaction of {len(raw)} bytes: at most {DATA_BYTES_MAX}")
    fields = rlp_decode(raw[1:], depth_max=2)
    if not isinstance(fields, list) or len(fields) != FIELDS:
        raise Invalid(f"a transaction of type 2 has {FIELDS} fields")
    chain_id, nonce, priority, cap, gas, to, value, data, access, parity, r, s = fields
    if not isinstance(to, bytes) or len(to) not in (0, 20) or not isinstance(data, bytes):
        raise Invalid("the transaction's target is an address of 20 bytes or nothing, its data a byte string")
    if priority != b"" or cap != b"" or value != b"" or access != []:
        raise Invalid("a site's transactions carry no fee, no value and no access list")
    digest = keccak256(TYPE + rlp_encode(fields[:9]))
    return Tx(
        sender=recover(digest, Signature(rlp_uint(parity), rlp_uint(r), rlp_uint(s))),
        nonce=rlp_uint(nonce, size_bytes_max=8),
        to=to or None,
        data=data,
        gas=rlp_uint(gas, size_bytes_max=8),
        chain_id=rlp_uint(chain_id, size_bytes_max=8),
        hash=keccak256(raw),
    )
