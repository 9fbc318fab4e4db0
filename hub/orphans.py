"""Blocks that arrive beside a chain: linked to whatever the hub holds that they can stand on, kept as evidence."""

from __future__ import annotations

from collections.abc import Sequence

from hub import blocks, forks, sites
from hub.blocks import Held
from hub.store import Session
from ledger import chain
from ledger.chain import Link
from ledger.errors import Invalid, LedgerError
from sync import lean
from sync.lean import Parent


def take(session: Session, held: Held, start: int, values: Sequence[object], now_ms: int) -> None:
    """Blocks of a chain that has parted: those we hold are passed over, the others kept beside the chain.

    Raises Invalid at the first that stands on nothing.
    """
    before: list[chain.Head | None] | None = None
    for height, value in enumerate(values, start):
        if height < held.size and same(session, held.origin, height, value):
            before = None
            continue
        if before is None:
            before = list(forks.candidates(session, held, height))
        link = _link_to_any(session, held, before, height, value)
        if link is None:
            raise Invalid(f"block {height} is not signed behind anything the hub holds")
        forks.add_orphan(session, held, link, now_ms)
        before = [link.head]


def same(session: Session, origin: str, height: int, value: object) -> bool:
    """Whether a travelling block is the one that we hold at `height`."""
    try:
        came = lean.decode(value, blocks.parent_at(session, origin, height))
        return came == blocks.block_at(session, origin, height)
    except Invalid:
        return False


def _link_to_any(
    session: Session, held: Held, heads: Sequence[chain.Head | None], height: int, value: object
) -> Link | None:
    for head in heads:
        parent = None if head is None else Parent(head.height, head.hash, head.timestamp)
        try:
            block = lean.decode(value, parent)
            key = sites.block_key(session, held.origin, height)
            if head is None:
                return chain.link_genesis(held.identity, block, key)
            return chain.link(head, block, key)
        except LedgerError:
            continue
    return None
