"""What the hub knows of each site's chain: who it is, whose key signs it, how far it has come."""

from __future__ import annotations

from hub.store import Session
from ledger.block import Previous
from ledger.block_rules import Identity
from ledger.codec import cbor_decode
from ledger.deployment import Addresses
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.keys import VerifyKey


def identity(session: Session, origin: str, control_address: bytes) -> Identity:
    """Who the chain `origin` is, as the hub's certificate said at its enrolment; raises Rejected if it is unknown."""
    row = session.one(
        "SELECT o.contracts, o.continued, n.address FROM origins o JOIN nodes n ON n.origin = o.origin"
        " WHERE o.origin = :origin ORDER BY n.key_number",
        origin=origin,
    )
    if row is None:
        raise Rejected(f"the chain {origin} was never enrolled here")
    name, node = Origin.parse(origin), bytes(row["address"])
    if row["continued"] is None:
        return Identity.first(name, node, control_address)
    before, height, block_hash, state_root = cbor_decode(bytes(row["continued"]))
    contracts = Addresses.parse(bytes(row["contracts"]))
    return Identity(name, node, control_address, contracts, Previous(before, height, block_hash), state_root)


def block_key(session: Session, origin: str, height: int) -> VerifyKey:
    """The key that must have signed the block at `height`."""
    row = session.one(
        "SELECT block_key, trusted_size FROM nodes WHERE origin = :origin AND first_height <= :height"
        " ORDER BY first_height DESC, key_number DESC",
        origin=origin,
        height=height,
    )
    if row is None:
        raise Rejected(f"no key of {origin} is known for height {height}: the chain was never enrolled here")
    if row["trusted_size"] is not None and height >= row["trusted_size"]:
        raise Invalid(f"the key of {origin} is revoked from height {row['trusted_size']} on")
    return VerifyKey(bytes(row["block_key"]))
