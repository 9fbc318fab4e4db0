"""Exception documents: what the rules cannot book is sealed all the same, its place is suspect, and a count of it is
ordered in the same transaction. A count that is recorded later, and posted by an approver's signature, ends that.
(product.md, A physical act is never refused after the fact)"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import calls
from ledger.db import Connection
from ledger.documents import Document, part_op_id
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, OpId
from ledger.moves import Line
from node import catalogue
from node.counting import Counting
from node.desk import Person
from node.site import Site

NOT_BOOKABLE = "not-bookable"
# The part of an act's op_id that names the count it orders; parts of its document have lower numbers.
CHECK = 1_002


def place_of(lines: Sequence[Line]) -> str:
    """The place that an act in these lines makes suspect: where its first line takes from, or else brings to."""
    return lines[0].target if lines[0].source in VIRTUAL else lines[0].source


def seal(
    site: Site, connection: Connection, counting: Counting, op_id: OpId, who: Person, place: str,
    lines: tuple[Line, ...], document: Document,
) -> None:  # fmt: skip
    """Keep what happened and could not be booked."""
    stated = calls.ExceptDocument(actor=who.actor, location=place, reason=NOT_BOOKABLE, lines=lines)
    site.record(stated, op_id=op_id, document=document)
    order_count(connection, counting, op_id, who, place)


def order_count(
    connection: Connection, counting: Counting, op_id: OpId, who: Person, place: str, items: tuple[str, ...] = ()
) -> None:
    """Have a place counted because of the act `op_id`, with `items` only for these. Nothing where stock cannot lie;
    a place that is in a count already is left to that one."""
    try:
        catalogue.need_bin(connection, place)
    except Rejected:
        return
    name = f"{'Zero-check' if items else 'Check'} {place}"
    counting.order(connection, part_op_id(op_id, CHECK), who, name, {place: items})
