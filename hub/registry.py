"""The AnchorRegistry on the main chain: its calls, its event, and transactions to it.

Signatures are in `contracts/AnchorRegistry.vy`. Before the first anchor `latest` is size 0 with a root of zero bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.mainchain import Log, MainChain
from ledger.codec import abi_decode, abi_encode, keccak256, rlp_encode, rlp_int
from ledger.errors import Invalid, Rejected
from ledger.keys import TxKey

NO_ROOT = bytes(32)
GAS_ANCHOR = 300_000
GAS_DEPLOY = 3_000_000
_ANCHOR = ("uint256", "bytes32", "uint256", "bytes32", "bytes32")


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


ANCHORED = keccak256(b"Anchored(uint256,bytes32,uint256,bytes32,bytes32,address)")


@dataclass(frozen=True, slots=True)
class Anchored:
    """The event of an anchor and where it stands."""

    size: int
    root: bytes
    prev_size: int
    prev_root: bytes
    manifest: bytes
    submitter: bytes
    log: Log

    @classmethod
    def parse(cls, log: Log) -> Anchored:
        """Raises Invalid for any other event."""
        if len(log.topics) != 3 or log.topics[0] != ANCHORED:
            raise Invalid("the event is not Anchored")
        prev_size, prev_root, manifest, submitter = abi_decode(("uint256", "bytes32", "bytes32", "address"), log.data)
        return cls(
            size=int.from_bytes(log.topics[1], "big"),
            root=log.topics[2],
            prev_size=prev_size,
            prev_root=prev_root,
            manifest=manifest,
            submitter=submitter,
            log=log,
        )


@dataclass(frozen=True, slots=True)
class Registry:
    """One deployed AnchorRegistry."""

    chain: MainChain
    address: bytes

    def latest(self) -> tuple[int, bytes]:
        """(size, root) of the newest anchor; (0, zero bytes) before the first."""
        raw = self.chain.call(self.address, _selector("latest()"))
        size, root = abi_decode(("uint256", "bytes32"), raw)
        return size, root

    def root_at(self, size: int) -> bytes:
        """The root anchored at exactly this size, or zero bytes."""
        raw = self.chain.call(self.address, _selector("root_at(uint256)") + abi_encode(("uint256",), (size,)))
        (root,) = abi_decode(("bytes32",), raw)
        return bytes(root)

    def is_submitter(self, address: bytes) -> bool:
        raw = self.chain.call(self.address, _selector("submitters(address)") + abi_encode(("address",), (address,)))
        (allowed,) = abi_decode(("bool",), raw)
        return bool(allowed)

    def find(self, size: int) -> Anchored | None:
        """The anchor of exactly this size, by its event."""
        found = self.chain.logs(self.address, [ANCHORED, size.to_bytes(32, "big")])
        return Anchored.parse(found[-1]) if found else None


def anchor_data(size: int, root: bytes, prev_size: int, prev_root: bytes, manifest: bytes) -> bytes:
    """Call data of `anchor`."""
    return _selector("anchor(uint256,bytes32,uint256,bytes32,bytes32)") + abi_encode(
        _ANCHOR, (size, root, prev_size, prev_root, manifest)
    )


def deploy_data(bytecode: bytes, owner: bytes, submitter: bytes) -> bytes:
    """What creates an AnchorRegistry."""
    return bytecode + abi_encode(("address", "address"), (owner, submitter))


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs transactions of the submitter key: type 2, or legacy with EIP-155 for chains from before EIP-1559."""

    key: TxKey
    chain_id: int
    kind: str
    fee_wei: int = 0

    def sign(self, nonce: int, to: bytes | None, data: bytes, gas: int) -> bytes:
        """The raw transaction; the same arguments give the same bytes."""
        target = to or b""
        if self.kind == "dynamic":
            body: list[bytes | list[bytes]] = [
                *(rlp_int(part) for part in (self.chain_id, nonce, 0, self.fee_wei, gas)),
                *(target, b"", data),
                [],
            ]
            signature = self.key.sign_digest(keccak256(b"\x02" + rlp_encode(body)))
            tail = [rlp_int(signature.parity), rlp_int(signature.r), rlp_int(signature.s)]
            return b"\x02" + rlp_encode([*body, *tail])
        if self.kind != "legacy":
            raise Rejected(f"transactions of kind {self.kind!r} are not known: expected dynamic or legacy")
        plain = [rlp_int(nonce), rlp_int(self.fee_wei), rlp_int(gas), target, b"", data]
        signature = self.key.sign_digest(keccak256(rlp_encode([*plain, rlp_int(self.chain_id), b"", b""])))
        v = self.chain_id * 2 + 35 + signature.parity
        return rlp_encode([*plain, rlp_int(v), rlp_int(signature.r), rlp_int(signature.s)])
