"""Earlier incarnations' blocks for the node that goes on from them (`sync.history`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from hub import blocks, incarnations, sites
from hub.blocks import Held
from hub.store import Session, Store
from ledger.errors import Rejected
from sync.history import Question, make_answer


def answer(store: Store, control_address: bytes, raw: bytes) -> bytes:
    """Raises Invalid for a question that is none, Rejected for one that this node may not ask."""
    question = Question.read(raw)
    with store.read() as session:
        asker = blocks.held(session, question.origin, control_address)
        if asker is None:
            raise Rejected(f"{question.origin} is not enrolled at this hub")
        question.verify(sites.block_key(session, question.origin, 0))
        held = blocks.held(session, question.of, control_address)
        if held is None or held.site != asker.site or held.incarnation >= asker.incarnation:
            raise Rejected(f"{question.of} is not an earlier incarnation of {asker.site}")
        certificate = session.value("SELECT certificate FROM nodes WHERE origin = :origin", origin=held.origin)
        if question.branch:
            found: Iterator[bytes] = islice(incarnations.branch(session, held), question.start, None)
            return make_answer(bytes(certificate), incarnations.branch_size(session, held), found)
        return make_answer(bytes(certificate), held.verified_size, _kept(session, held, question.start))


def _kept(session: Session, held: Held, start: int) -> Iterator[bytes]:
    for block in blocks.blocks_from(session, held.origin, start, held.verified_size):
        yield block.encode()
