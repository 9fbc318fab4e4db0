"""The dispatch paper: what one site says it has sent, signed by its node, as a text that travels with the goods.

Canonical JSON (RFC 8785) `{form, lines, origin, receiver, signature, transfer}`. `lines` are [line, item, lot,
serial, status, quantity] as in the dispatch, with the handling unit in which the line travels if it does; `signature`
is the sending node's Ed25519 one in hex, over `TAG` and the same JSON without it. The receiver holds the keys of the
other sites from the hub's `sites` stream, so that a paper is checked where nobody can be reached, and a paper that
somebody made up moves no goods.

A text that is too long for one readable QR Code is printed as numbered parts, `tallyman/part/1 DIGEST K/N CHUNK`,
which are scanned in any order. DIGEST is the first 16 hex digits of the text's SHA-256: parts of two papers never
mix.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.codec import json_canonical, json_loads
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId, Origin
from ledger.keys import VerifyKey
from ledger.moves import QUANTITY_MAX, STATUSES
from ledger.words import LINES_MAX
from node.values import Fields, text_id

FORM = "tallyman/dispatch/2"
TAG = b"tallyman/dispatch/v2\n"
TEXT_BYTES_MAX = 128 * 1024
# A symbol of 89 modules: read from paper by a handheld imager and by a tablet's camera at arm's length.
PART_BYTES = 660
PARTS_MAX = 256
SCANNED_MAX = 2 * PARTS_MAX
_PART = re.compile(r"tallyman/part/1 ([0-9a-f]{16}) ([1-9][0-9]{0,2})/([1-9][0-9]{0,2}) (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sent:
    """One line of a dispatch."""

    index: int
    item: str
    lot: str
    serial: str
    status: int
    quantity: int
    unit: str = ""

    @classmethod
    def parse(cls, line: object, unit: int = 6) -> Sent:
        """From [line, item, lot, serial, status, quantity, …], as paper and stream write it; member `unit` is the
        handling unit that it travels in, and is not there for what is loose."""
        if not isinstance(line, list) or len(line) < 6:
            raise Rejected("a line of the transfer is not complete")
        index, item, lot, serial, status, quantity = line[:6]
        numbers = all(type(value) is int and 0 <= value <= QUANTITY_MAX for value in (index, status, quantity))
        if not numbers or status >= len(STATUSES):
            raise Rejected("a line of the transfer has a number that cannot be")
        return cls(
            index,
            text_id(item, "item"),
            text_id(lot, "lot", empty=True),
            text_id(serial, "serial", empty=True),
            status,
            quantity,
            text_id(line[unit], "unit", empty=True) if len(line) > unit else "",
        )

    @property
    def written(self) -> list[Any]:
        """See `parse`."""
        said = [self.index, self.item, self.lot, self.serial, self.status, self.quantity]
        return [*said, self.unit] if self.unit else said


@dataclass(frozen=True, slots=True)
class DispatchPaper:
    """What a paper says. `origin` is the chain of the sender that has the dispatch."""

    transfer: OpId
    origin: Origin
    receiver: str
    lines: tuple[Sent, ...]

    def signed(self, sign: Callable[[bytes], bytes]) -> str:
        """The text, with the signature that `sign` makes."""
        said = {
            "form": FORM,
            "lines": [line.written for line in self.lines],
            "origin": str(self.origin),
            "receiver": self.receiver,
            "transfer": str(self.transfer),
        }
        return json_canonical({**said, "signature": sign(TAG + json_canonical(said)).hex()}).decode()

    @classmethod
    def read(cls, text: object, key_of: Callable[[Origin], VerifyKey]) -> DispatchPaper:
        """From its text, checked with the key that `key_of` has for its origin. Raises Rejected, in plain words, for
        one that is damaged or not signed by that key; `key_of` raises it for an origin it knows no key of."""
        if not isinstance(text, str) or len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
            raise Rejected("a dispatch paper is a text as it was printed")
        try:
            said = json_loads(text, depth_max=4)
            if not isinstance(said, dict) or json_canonical(said) != text.encode():
                raise Rejected("it is not written as a node writes it")
            if said.get("form") != FORM:
                raise Rejected(f"its form is not {FORM}")
            signature = said.pop("signature", None)
            signed = TAG + json_canonical(said)
            del said["form"]
            fields = Fields(said, "dispatch paper")
            transfer, origin = OpId.parse(str(fields.take("transfer"))), Origin.parse(str(fields.take("origin")))
            receiver = fields.text("receiver")
            lines = tuple(Sent.parse(line) for line in fields.objects("lines", LINES_MAX))
            fields.done()
            if not isinstance(signature, str) or not re.fullmatch("[0-9a-f]{128}", signature):
                raise Rejected("it has no signature")
            key_of(origin).verify(signed, bytes.fromhex(signature))
        except (Invalid, Rejected) as error:
            raise Rejected(f"this is not a dispatch paper that can be relied on: {error}") from error
        return cls(transfer, origin, receiver, lines)


def parts(text: str) -> list[str]:
    """What is printed, a QR Code each: the text itself where it is short."""
    if len(text.encode()) <= PART_BYTES:
        return [text]
    chunks, chunk = [], b""
    for character in text:
        raw = character.encode()
        if len(chunk) + len(raw) > PART_BYTES:
            chunks.append(chunk.decode())
            chunk = b""
        chunk += raw
    chunks.append(chunk.decode())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return [f"tallyman/part/1 {digest} {number}/{len(chunks)} {each}" for number, each in enumerate(chunks, 1)]


def joined(scanned: Sequence[object]) -> str:
    """The text behind what was scanned, in any order and as often as it came. Raises Rejected: for parts of two
    papers, and, with their numbers, while some are missing."""
    texts = [text for text in scanned if isinstance(text, str)]
    if not texts or len(texts) < len(scanned) or len(texts) > SCANNED_MAX:
        raise Rejected("a dispatch paper is one or several scanned texts")
    found = [_PART.fullmatch(text) for text in texts]
    if not any(found) and len(set(texts)) == 1:
        return texts[0]
    names = {(match[1], match[3]) for match in found if match is not None}
    if None in found or len(names) != 1:
        raise Rejected("these are parts of different papers: scan the parts of one")
    ((digest, count),) = names
    by_number = {int(match[2]): match[4] for match in found if match is not None}
    missing = [number for number in range(1, min(int(count), PARTS_MAX) + 1) if number not in by_number]
    if missing:
        raise Rejected(f"part {', '.join(map(str, missing[:20]))} of {count} is still missing: scan it too")
    text = "".join(by_number[number] for number in sorted(by_number))
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] != digest:
        raise Rejected("the parts do not make the paper that they name: scan them again")
    return text
