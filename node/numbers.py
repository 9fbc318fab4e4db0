"""The numbers of papers, by which people ask for what was done with them.

An operation has those that its document names, and of a transfer the one that its paper bears. What a document names
of this site itself (a place, an item, another operation) is not among them: what was done at a place is asked of the
place, which keeps it from those who count there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ledger.db import Connection
from ledger.documents import Document
from ledger.errors import Invalid

# Of a document's references.
KINDS = frozenset({"delivery-note", "delivery", "order", "return-of", "origin", "vehicle", "seal", "sheet"})

# Label 9 and a map of 1 to 8: what has no references is not worth decoding where there are a hundred thousand.
_MAYBE = re.compile(rb"\x09[\xa1-\xa8]")


def folded(text: str) -> str:
    """A number as it is compared: small and capital letters are one, and so is what looks the same (NFC)."""
    small = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", small).strip()


def bare(text: str) -> str:
    """What is left of a number or name that several people write from one paper: letters and digits, in whatever case
    and width; of one that has none all of it."""
    small = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in small if each.isalnum()) or folded(text)


def of_document(document: Document) -> list[str]:
    return [text for kind, text in document.references.items() if kind in KINDS]


def keep(connection: Connection, height: int, place: int, found: Iterable[str]) -> None:
    """Write the numbers of an operation, each once. The caller owns the transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO referred SELECT height, place, ?, call, actor FROM operations"
        " WHERE height = ? AND place = ?",
        [(number, height, place) for number in map(folded, found) if number],
    )


def keep_said(connection: Connection, height: int, place: int, raw: bytes) -> None:
    """The same from a document's bytes; one that cannot be read names none."""
    if not _MAYBE.search(raw):
        return
    try:
        keep(connection, height, place, of_document(Document.decode(raw)))
    except Invalid:
        return
