"""A node that must not sign goes on recording, however long: block after block is filled and stays unsealed.

Freed again, it signs them one after the other as they stand.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger import calls, seams
from ledger.block import Header
from ledger.errors import Unavailable
from node import audit
from node.replaying import record_missing
from node.site import Site
from tests.node.world import ANN, DOCUMENT, World, line, move, op, receive, stock

FROZEN = "FORKED: the hub holds another history of this site"


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def die(name: str) -> None:
    raise seams.Killed(name)


def heavy(site: Site, number: int) -> None:
    """A document of 200 lines, of which a block takes few."""
    lines = tuple(line(1, item="PAINT", lot=f"{number}-{place}") for place in range(200))
    site.record(calls.Receive(actor=ANN, lines=lines), op_id=op(number), document=DOCUMENT)


def stopped_for_long(made: World, documents: int = 7) -> Site:
    site = made.ready()
    site.stop_sealing(FROZEN)
    for number in range(1, documents + 1):
        made.clock.advance(60_000)
        heavy(site, number)
    return site


def heights(site: Site) -> list[int]:
    with site.reading() as connection:
        return [height for (height,) in connection.execute("SELECT height FROM journal ORDER BY sequence")]


def test_a_stopped_node_records_more_than_a_block_holds(made: World) -> None:
    site = stopped_for_long(made)
    assert len(set(heights(site))) >= 3 and heights(site) == sorted(heights(site))
    assert site.pending_count() == 7 and site.head.height == 2
    with pytest.raises(Unavailable, match="another history"):
        site.seal()
    move(site, 50, line(1, item="PAINT", lot="1-0", source="A-01", target="A-02"))
    site.close()
    site = made.open()
    assert site.stopped == FROZEN and site.pending_count() == 8
    first, again = site.find(op(1)), move(site, 50, line(1, item="PAINT", lot="1-0", source="A-01", target="A-02"))
    assert first is not None and first.height == 3 and again.repeated
    with pytest.raises(seams.Killed):
        seams.arm_failpoint("record.before_commit", die)
        receive(site, 51)
    seams.disarm_failpoints()
    assert not receive(site, 51).repeated and site.pending_count() == 9
    audit.verify(made.folder, site.identity)


@pytest.mark.parametrize("where", ["", "seal.before", "mark.taken", "seal.signed", "seal.committed"])
def test_freed_it_signs_them_as_they_stand(made: World, where: str) -> None:
    site = stopped_for_long(made)
    planned = heights(site)
    with site.reading() as connection:
        times = dict(connection.execute("SELECT height, time_s FROM journal").fetchall())
        known = stock(connection)
    site.stop_sealing(None)
    if where:
        seams.arm_failpoint(where, die)
        with pytest.raises(seams.Killed):
            site.seal()
        seams.disarm_failpoints()
        site.close()
        site = made.open()
    heavy(site, 8)
    sealed = {}
    while site.pending_count():
        made.clock.advance(2_000)
        block = site.seal()
        assert block is not None
        sealed[block.head.height] = Header.parse(block.block.header).timestamp
    assert set(planned) <= {3, *sealed} and site.head.height == max(sealed)
    assert all(times[height] == at for height, at in sealed.items() if height in times)
    for number in range(1, 9):
        found = site.find(op(number))
        assert found is not None and site.proof_state(op(number)) == "sealed"
        assert number == 8 or found.height == planned[number - 1]
    audit.verify(made.folder, site.identity)
    with site.reading() as connection:
        now = stock(connection)
    assert now["A-01", "PAINT"] == known["A-01", "PAINT"] + 200 == 1600


def test_a_database_put_back_takes_many_blocks_of_work_along(made: World) -> None:
    """What was recorded on an old copy for long goes behind the blocks that come back."""
    site = made.ready()
    site.close()
    older = World(made.folder.with_name("older"), clock=made.clock, sequence=made.sequence)
    shutil.copytree(made.folder, older.folder)
    site, restored = made.open(), older.open()
    receive(site, 40)
    made.clock.advance(2_000)
    sealed = site.seal()
    assert sealed is not None
    restored.stop_sealing("BEHIND")
    for number in range(1, 8):
        heavy(restored, number)
    restored.stop_sealing(None)
    restored.adopt([sealed.block])
    assert restored.pending_count() == 0 and restored.head.height == 3
    assert record_missing(restored) == 7 and restored.head.height >= 5, "sealed as they fill blocks"
    made.clock.advance(2_000)
    restored.seal()
    audit.verify(older.folder, restored.identity)
    with restored.reading() as connection:
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
        assert stock(connection)["A-01", "PAINT"] == 1400
