"""Where the site's contracts live: known before they exist, because block 1 creates them in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import artifacts
from ledger.codec import abi_encode, keccak256, rlp_encode, rlp_int
from ledger.ids import Origin

# Nonces 0 to 3 of the node's key, in this order; nothing else is in block 1.
CONTRACTS = ("UserRegistry", "StockLedger", "InventoryManager", "AuditLogger")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The four contracts of a site chain, 20 bytes each."""

    registry: bytes
    ledger: bytes
    manager: bytes
    audit: bytes

    @property
    def raw(self) -> bytes:
        """All four, in the order of `CONTRACTS`."""
        return self.registry + self.ledger + self.manager + self.audit

    @classmethod
    def parse(cls, raw: bytes) -> Addresses:
        """The inverse of `raw`, which has 80 bytes."""
        return cls(*(raw[at : at + 20] for at in range(0, len(raw), 20)))

    def of(self, contract: str) -> bytes:
        """The address for a `Call.CONTRACT`: manager, registry or audit."""
        return {"manager": self.manager, "registry": self.registry, "audit": self.audit}[contract]


def create_address(sender: bytes, nonce: int) -> bytes:
    """The address of the contract that `sender` creates with transaction `nonce`."""
    return keccak256(rlp_encode([sender, rlp_int(nonce)]))[12:]


def addresses(node: bytes) -> Addresses:
    """Where the contracts of the node with this secp256k1 address are."""
    return Addresses(*(create_address(node, nonce) for nonce in range(len(CONTRACTS))))


def init_codes(origin: Origin, control_key: bytes, node: bytes) -> tuple[bytes, ...]:
    """The data of the four create transactions of block 1. `control_key`: the hub's address, 20 bytes."""
    at = addresses(node)
    arguments = (
        abi_encode(
            ("string", "address", "address", "address", "address", "address"),
            (str(origin), control_key, node, at.ledger, at.manager, at.audit),
        ),
        abi_encode(("address", "address"), (at.registry, at.manager)),
        abi_encode(("address", "address"), (at.registry, at.ledger)),
        abi_encode(("address",), (at.registry,)),
    )
    return tuple(artifacts.load(name).bytecode + given for name, given in zip(CONTRACTS, arguments, strict=True))
