"""An act inside a larger change never meets a full block: it goes into a further one, and both are sealed in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import Rejected
from node import audit
from node.site import Site
from tests.node.test_stopped import heavy, heights
from tests.node.world import World, receive, stock


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def filled(made: World) -> tuple[Site, int]:
    """Documents of 200 lines inside one change each, as the floor records them, until a block was not enough."""
    site = made.ready()
    number = 0
    while len(set(heights(site))) < 2:
        number += 1
        with site.writing():
            heavy(site, number)
    return site, number


def test_a_full_block_refuses_nobody(made: World) -> None:
    site, count = filled(made)
    (first, second) = sorted(set(heights(site)))
    assert (second, site.pending_count()) == (first + 1, count)
    # Nobody waits for the age of a block that can take no more.
    made.clock.advance(1_100)
    sealed = site.seal_if_due()
    assert sealed is not None and len(sealed.receipts) == count - 1
    made.clock.advance(1_100)
    assert receive(site, 90).height == second
    assert site.seal() is not None and site.pending_count() == 0
    site.close()
    site = made.open()
    audit.verify(made.folder, site.identity)


def test_a_further_block_goes_with_the_change_that_opened_it(made: World) -> None:
    site, count = filled(made)
    site.close()
    other = World(made.folder.parent / "other")
    site = other.ready()
    for number in range(1, count):
        with site.writing():
            heavy(site, number)
    with pytest.raises(Rejected, match="after all"), site.writing():
        heavy(site, count)
        raise Rejected("not after all")
    assert site.head.height == heights(site)[0] - 1  # memory follows the database at the next use
    assert site.pending_count() == count - 1 and len(set(heights(site))) == 1
    with site.reading() as connection:
        before = stock(connection)
    heavy(site, count + 1)
    other.clock.advance(2_000)
    site.seal()
    with site.reading() as connection:
        assert stock(connection) != before
    audit.verify(other.folder, site.identity)
