"""What waits at a site for the hub's signature, and what was decided there (product.md: a site too small for two
people sends the approval to the hub). Both ends read these values here.

A wish goes up beside the blocks, in the advice `approvals`, which holds all that wait: {"wishes": [wish, …]}. Of a
count it names what the hub has in verified blocks: {"name", "session", "bin", "parts" [[count, lines to post as 32
bytes]]}; a proposal is on no chain yet, so it is sent: {"name", "act", "call", "document"}. `name` is the op_id that
the operation will have, of a count in parts that of the whole. `tried`, `why`: the number of the decision that the
site could not book, and the reason.

A decision comes down in the stream `decisions` under that name: {"number", "verdict", "actor", "signatures" [65
bytes: r, s, v], "reason", "by"}, a signature for each part, by the key of a person of the hub who may approve there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.codec import cbor_encode
from ledger.documents import part_op_id, reason_code
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor, OpId, text_to_word
from ledger.wording import shown
from ledger.words import LINES_MAX

ADVICE, STREAM = "approvals", "decisions"
APPROVED, REJECTED = "approved", "rejected"
PARTS_MAX = 50
WISHES_MAX = 200
TEXT_MAX = 500
SIGNATURE_BYTES = 65


@dataclass(frozen=True, slots=True)
class CountWish:
    """A counted bin to post. `parts`: recorded counts, each with its lines to post as bits."""

    name: OpId
    session: OpId
    bin: str
    parts: tuple[tuple[OpId, int], ...]
    tried: int = 0
    why: str = ""

    def value(self) -> dict[str, Any]:
        parts = [[count.raw, select.to_bytes(32, "big")] for count, select in self.parts]
        return {"session": self.session.raw, "bin": self.bin, "parts": parts, **_common(self)}

    def names(self) -> tuple[OpId, ...]:
        """The op_ids under which the parts are posted."""
        if len(self.parts) == 1:
            return (self.name,)
        return tuple(part_op_id(self.name, number) for number in range(1, len(self.parts) + 1))


@dataclass(frozen=True, slots=True)
class ProposalWish:
    """An adjustment, scrap or reversal to book. `call`: its call data, a blank in the signature's place."""

    name: OpId
    act: str
    call: bytes
    document: bytes
    tried: int = 0
    why: str = ""

    def value(self) -> dict[str, Any]:
        return {"act": self.act, "call": self.call, "document": self.document, **_common(self)}

    def names(self) -> tuple[OpId, ...]:
        return (self.name,)


Wish = CountWish | ProposalWish


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody at the hub decided. `reason`: for what differs, or why it was rejected."""

    number: int
    verdict: str
    actor: Actor
    signatures: tuple[bytes, ...]
    reason: str
    by: str

    def value(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "verdict": self.verdict,
            "actor": self.actor.raw,
            "signatures": list(self.signatures),
            "reason": self.reason,
            "by": self.by,
        }


def count_wish(origin: str, session: OpId, bin_: str, parts: Sequence[tuple[OpId, int]]) -> CountWish:
    """The wish that these lines be posted: another choice of lines, or another chain, is another wish."""
    content = [origin, [[count.raw, select.to_bytes(32, "big")] for count, select in parts]]
    name = OpId(hashlib.sha256(b"tallyman/hub-approval/v1\n" + cbor_encode(content)).digest()[:16])
    return CountWish(name, session, bin_, tuple(parts))


def wishes(body: Mapping[str, Any]) -> list[Wish]:
    """The wishes in an advice; what cannot be read is left out, as a hint that helps nobody."""
    found = body.get("wishes")
    read = []
    for value in found[:WISHES_MAX] if isinstance(found, list) else ():
        try:
            read.append(_wish(value))
        except (Invalid, Rejected):
            continue
    return read


def decision(value: Any) -> Decision:
    """The entry of the stream; raises Invalid for what it cannot be."""
    said = _map(value, "a decision")
    number, verdict, by, signatures = said.get("number"), said.get("verdict"), said.get("by"), said.get("signatures")
    if type(number) is not int or number < 1 or verdict not in (APPROVED, REJECTED):
        raise Invalid(f"decision {shown(number)}: {shown(verdict)} is no verdict")
    if not isinstance(signatures, list) or len(signatures) > PARTS_MAX:
        raise Invalid(f"expected at most {PARTS_MAX} signatures")
    made = tuple(_bytes(each, SIGNATURE_BYTES) for each in signatures)
    try:
        reason = reason_code(said.get("reason"))
    except Rejected as error:
        raise Invalid(str(error)) from error
    return Decision(number, verdict, Actor(_bytes(said.get("actor"), 32)), made, reason, _text(by))


def _wish(value: Any) -> Wish:
    said = _map(value, "a wish")
    name, tried, why = OpId(_bytes(said.get("name"), 16)), said.get("tried", 0), _text(said.get("why", ""))
    if type(tried) is not int or tried < 0:
        raise Invalid(f"{shown(tried)} is not the number of a decision")
    if "call" in said:
        call, document = said["call"], said.get("document")
        if not isinstance(call, bytes) or not isinstance(document, bytes):
            raise Invalid("a proposal is its call data with its document")
        return ProposalWish(name, _text(said.get("act")), call, document, tried, why)
    parts, bin_ = said.get("parts"), _text(said.get("bin"))
    text_to_word(bin_)
    if not isinstance(parts, list) or not 0 < len(parts) <= PARTS_MAX:
        raise Invalid(f"a counted bin has 1 to {PARTS_MAX} parts")
    found = []
    for part in parts:
        if not isinstance(part, list) or len(part) != 2:
            raise Invalid("a part is a count with its lines")
        select = int.from_bytes(_bytes(part[1], 32), "big")
        if select >> LINES_MAX:
            raise Invalid(f"a count has at most {LINES_MAX} lines")
        found.append((OpId(_bytes(part[0], 16)), select))
    return CountWish(name, OpId(_bytes(said.get("session"), 16)), bin_, tuple(found), tried, why)


def _common(wish: Wish) -> dict[str, Any]:
    tried = {"tried": wish.tried, "why": wish.why[:TEXT_MAX]} if wish.tried else {}
    return {"name": wish.name.raw, **tried}


def _map(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{shown(value)} is not {what}")
    return value


def _bytes(value: Any, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise Invalid(f"{shown(value)} is not {size} bytes")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX or not (value.isprintable() or not value):
        raise Invalid(f"{shown(value)} is not a text of at most {TEXT_MAX} characters")
    return value
