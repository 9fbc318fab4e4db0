"""The scan events behind a document, and how one of them is opened: shown to stand under the document's `scans`.

The root is that of the RFC 6962 tree over the events in order; an event's leaf data is the deterministic CBOR list of
what it says (`Event.encode`). With the document, whose SHA-256 is in the sealed transaction, an event and its audit
path say what was read or keyed in, to whoever holds the receipt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ledger import merkle
from ledger.codec import cbor_encode
from ledger.documents import Document
from ledger.errors import Invalid
from ledger.wording import shown

_BYTES = ("read", "digest")
_TEXTS = ("kind", "item", "lot", "serial", "expiry", "place")
_MAYBE = ("entered", "read", "digest", "negates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What was said once while something was counted, received, moved or picked.

    `number`: from 1 within its task; `kind`: scan, key, set, undo, empty, resolve, repeat, sealed; `status`: -1 where
    nobody said it; `place`: where the thing goes, or the place whose label this is when there is no item; `quantity`:
    the change in base units; `entered`: what was keyed in; `read`: id of the raw read, 16 bytes; `digest`: SHA-256 of
    the bytes that were read; `negates`: number of the event that it takes back; `pieces`: beside a weight.
    """

    number: int
    kind: str
    item: str
    lot: str
    serial: str
    status: int
    expiry: str
    place: str
    quantity: int
    entered: int | None
    read: bytes | None
    digest: bytes | None
    negates: int | None
    at_ms: int
    pieces: int = 0

    def encode(self) -> bytes:
        """The leaf data; pieces stand last, and only where there are any."""
        said = [getattr(self, each.name) for each in fields(self)]
        return cbor_encode(said if self.pieces else said[:-1])

    @property
    def leaf(self) -> bytes:
        return merkle.leaf_hash(self.encode())

    def to_json(self) -> dict[str, Any]:
        """By name, bytes in lower-case hex."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value.hex() if isinstance(value, bytes) else value for name, value in said.items()}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Event:
        """The inverse of `to_json`; raises Invalid for anything else."""
        names = [each.name for each in fields(cls)]
        if sorted(said) != sorted(names):
            raise Invalid(f"a scan event has the names {', '.join(names)}")
        values = dict(said)
        for name, value in values.items():
            if value is None and name in _MAYBE:
                continue
            if name in _BYTES:
                values[name] = _hex(value)
            elif type(value) is not (str if name in _TEXTS else int):
                raise Invalid(f"{name} of a scan event is {shown(value)}")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Opening:
    """One event of a document: leaf `index` of `size`, with its audit path, leaf side first. `document`: the bytes
    whose SHA-256 the call names."""

    event: Event
    index: int
    size: int
    path: tuple[bytes, ...]
    document: bytes

    def verify(self, document_hash: bytes) -> Document:
        """The document that the event belongs to. Raises Invalid unless it is the one with this hash (the `document`
        of the sealed call), and its root has this very event at this place."""
        if hashlib.sha256(self.document).digest() != document_hash:
            raise Invalid("the document is not the one that the sealed call names")
        document = Document.decode(self.document)
        if document.scans is None:
            raise Invalid("the document has no scan events")
        merkle.verify_inclusion(self.event.leaf, self.index, self.size, self.path, document.scans)
        return document

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Opening:
        """From `event`, `index`, `size`, `path` and `document` as the node answers them; raises Invalid."""
        path, index, size = said.get("path"), said.get("index"), said.get("size")
        event = said.get("event")
        if not isinstance(path, Sequence) or isinstance(path, str) or not isinstance(event, Mapping):
            raise Invalid("an opening has an event and a path")
        if type(index) is not int or type(size) is not int:
            raise Invalid("index and size are whole numbers")
        nodes = tuple(_hex(each) for each in path)
        return cls(Event.from_json(event), index, size, nodes, _hex(said.get("document")))


def _hex(text: object) -> bytes:
    try:
        if not isinstance(text, str) or text != text.lower():
            raise ValueError
        return bytes.fromhex(text)
    except ValueError:
        raise Invalid(f"{shown(text)} is not lower-case hex") from None
