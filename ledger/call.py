"""What every call of the site's contracts is made of: its bytes, and a person's approval of its subject.

Approvals: an EIP-712 signature of the person, whose digest covers the operation, the person, the method and the
subject (ledger.md, People).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ledger.codec import abi_encode, keccak256
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.words import Kind, Person, Uint, Word, from_values, kinds, struct, to_values

NO_DOCUMENT = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's own signature; `v` is 27 or 28."""

    actor: Person
    v: Uint
    r: Word
    s: Word


def _signed(value: Approval | None) -> Any:
    if value is None:
        raise Rejected("the approval is missing: this call needs a person's own signature")
    return to_values(value)


Signature = Annotated[
    Approval | None, Kind(struct(Approval).abi, _signed, lambda value: from_values(Approval, value))
]


class Call:
    """What the calls have in common. `METHOD` and `CONTRACT` say where the call goes."""

    __slots__ = ()
    METHOD: ClassVar[str]
    CONTRACT: ClassVar[str]

    def encode(self, op_id: OpId) -> bytes:
        """Call data: selector, op_id, arguments. Raises `Rejected` for values that have no place in it."""
        return selector(type(self)) + abi_encode(
            ("bytes32", *kinds(type(self)).types), (op_id.word, *to_values(self))
        )

    @property
    def lines_count(self) -> int:
        return len(getattr(self, "lines", ()))


class ApprovedCall(Call):
    """A call that carries a person's approval of its subject."""

    __slots__ = ()

    def subject(self) -> bytes:
        """What the approval binds, ABI-encoded."""
        raise NotImplementedError

    @property
    def payload(self) -> bytes:
        """Keccak-256 of the subject, as the contract computes it."""
        return keccak256(self.subject())

    def digest(self, chain_id: int, manager: bytes, op_id: OpId, actor: Actor) -> bytes:
        """What `actor` signs to approve this very call."""
        return approval_digest(chain_id, manager, op_id, actor, selector(type(self)), self.payload)


def with_approval(call: ApprovedCall, approval: Approval) -> ApprovedCall:
    """The same call, signed."""
    return dataclasses.replace(call, approval=approval)  # type: ignore[type-var]


def signature(cls: type[Call]) -> str:
    """The method as Solidity writes it, such as `move(bytes32,bytes32,…)`."""
    return f"{cls.METHOD}({','.join(('bytes32', *kinds(cls).types))})"


_selectors: dict[type[Call], bytes] = {}


def selector(cls: type[Call]) -> bytes:
    """The first four bytes of the call data."""
    if cls not in _selectors:
        _selectors[cls] = keccak256(signature(cls).encode())[:4]
    return _selectors[cls]


def approval_digest(
    chain_id: int, manager: bytes, op_id: OpId, actor: Actor, selector: bytes, payload: bytes
) -> bytes:
    """EIP-712 digest of `Approval(bytes32 op_id,bytes32 actor,bytes4 call,bytes32 payload)` for InventoryManager."""
    body = abi_encode(
        ("bytes32", "bytes32", "bytes32", "bytes4", "bytes32"),
        (_APPROVAL_TYPE, op_id.word, actor.raw, selector, payload),
    )
    return typed_digest(chain_id, manager, body)


def typed_digest(chain_id: int, contract: bytes, body: bytes) -> bytes:
    """EIP-712: the digest of an encoded struct under the domain {Tallyman, 1, chain, contract}."""
    domain = keccak256(
        abi_encode(
            ("bytes32", "bytes32", "bytes32", "uint256", "address"),
            (_DOMAIN_TYPE, keccak256(b"Tallyman"), keccak256(b"1"), chain_id, contract),
        )
    )
    return keccak256(b"\x19\x01" + domain + keccak256(body))


_DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_APPROVAL_TYPE = keccak256(b"Approval(bytes32 op_id,bytes32 actor,bytes4 call,bytes32 payload)")
