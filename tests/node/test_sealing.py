"""Sealing: a block is signed once or never, whatever dies around it, and time never runs away."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import checkpoint, db, seams
from ledger.block import Block, Meta
from ledger.claims import CLAIM, note_op_id
from ledger.errors import Corrupt, Invalid, Unavailable
from ledger.seams import DiskStorage
from node import audit, mark, sealing, store
from node.config import SealingConfig
from node.mark import MARK_FILE, Mark
from node.replaying import record_missing
from node.sealing import Pending
from node.site import Site
from tests.node.world import World, line, move, op, receive, stock

STEPS = (
    "seal.before",
    "mark.before",
    "mark.taken",
    "seal.signed",
    "seal.stored",
    "db.before_commit",
    "db.after_commit",
    "seal.committed",
)


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def die(name: str) -> None:
    raise seams.Killed(name)


def copy(made: World, name: str) -> World:
    """Another machine with a copy of the folder as it is now."""
    folder = made.folder.with_name(name)
    shutil.copytree(made.folder, folder)
    return World(folder, clock=made.clock, sequence=made.sequence)


# ---------------------------------------------------------------- when


def test_what_makes_a_block_due() -> None:
    config = SealingConfig()
    pending = Pending(7, 1_000, 1, opened_ran_ms=5_000)
    assert not sealing.due(None, 10**9, config)
    assert not sealing.due(pending, 10**9, config), "an empty block is never due"
    pending.waiting = [None] * 49  # type: ignore[list-item]
    assert not sealing.due(pending, 19_999, config)
    assert sealing.due(pending, 20_000, config)
    pending.gas_used = 50_000_000
    assert sealing.due(pending, 5_000, config)
    pending.gas_used = 0
    pending.waiting.append(None)  # type: ignore[arg-type]
    assert sealing.due(pending, 5_000, config)


def test_it_is_sealed_by_age_and_number_and_at_most_once_a_second(made: World) -> None:
    site = made.ready()
    made.clock.advance(5_000)
    receive(site, 1)
    made.clock.advance(14_999)
    assert site.seal_if_due() is None
    made.clock.advance(1)
    assert site.seal_if_due() is not None
    for number in range(2, 52):
        receive(site, number)
    made.clock.advance(999)
    assert site.seal_if_due() is None
    made.clock.advance(1)
    sealed = site.seal_if_due()
    assert sealed is not None and len(sealed.block.transactions) == 50
    receive(site, 60)
    before_ms = made.clock.now_ms()
    assert site.seal() is not None, "on demand it waits out the second"
    assert made.clock.now_ms() == before_ms + 1_000
    assert site.seal() is None


def test_the_block_says_what_the_site_knows(made: World) -> None:
    site = made.ready()
    with site.writing() as connection:
        store.set_hub_log(connection, 40, b"\x05" * 32)
        store.set_hub_log(connection, 39, b"\x04" * 32)
    receive(site, 1)
    made.clock.advance(2_000)
    sealed = site.seal()
    assert sealed is not None
    meta = Meta.decode(sealed.block.meta)
    assert (meta.hub_seen, meta.clock_quality, meta.flags) == ((40, b"\x05" * 32), 1, 0)
    site.confirm_time(made.clock.now_ms() + 900)
    receive(site, 2)
    made.clock.advance(2_000)
    sealed = site.seal()
    assert sealed is not None and Meta.decode(sealed.block.meta).clock_quality == 0


# ---------------------------------------------------------------- dying


@pytest.mark.parametrize("where", STEPS)
@pytest.mark.parametrize("restart", [True, False])
def test_a_death_at_any_step_ends_in_the_same_block_or_none(made: World, where: str, restart: bool) -> None:
    site = made.ready()
    for number in range(1, 4):
        receive(site, number, line(number))
    made.clock.advance(2_000)
    seams.arm_failpoint(where, die)
    with pytest.raises(seams.Killed):
        site.seal()
    seams.disarm_failpoints()
    promised = mark.read(made.folder / MARK_FILE)
    if restart:
        site.close()
        made.clock.advance(10_000)
        site = made.open()
    marked = where not in ("seal.before", "mark.before")
    assert (site.head.height, site.pending_count()) == ((3, 0) if marked else (2, 3))
    if marked:
        assert site.head.hash == promised.hash
    receive(site, 4, line(4))
    made.clock.advance(2_000)
    site.seal()
    audit.verify(made.folder, site.identity)
    with site.reading() as connection:
        assert stock(connection)["A-01", "BOLT"] == 10


@pytest.mark.parametrize("where", ["mark.taken", "seal.stored"])
def test_an_io_error_after_the_mark_finishes_that_block_first(made: World, where: str) -> None:
    site = made.ready()
    receive(site, 1, line(1))
    made.clock.advance(2_000)

    def fail(_: str) -> None:
        raise db.OperationalError("disk I/O error")

    seams.arm_failpoint(where, fail)
    with pytest.raises(Unavailable, match="does not answer"):
        site.seal()
    promised = mark.read(made.folder / MARK_FILE)
    seams.disarm_failpoints()
    # The operation that comes next must not slip into the block that is already promised.
    assert receive(site, 2, line(2)).height == 4
    assert site.head.hash == promised.hash


def test_a_mark_that_cannot_be_written_leaves_the_block_unsealed(made: World) -> None:
    site = made.ready()
    receive(site, 1)
    made.clock.advance(2_000)

    def fail(_: str) -> None:
        raise OSError(28, "No space left on device")

    seams.arm_failpoint("mark.before", fail)
    with pytest.raises(Unavailable, match="No space left"):
        site.seal()
    seams.disarm_failpoints()
    assert site.pending_count() == 1
    sealed = site.seal()
    assert sealed is not None and sealed.head.height == 3


# ---------------------------------------------------------------- copies


def test_an_older_database_under_a_newer_mark_signs_nothing(made: World) -> None:
    site = made.ready()
    receive(site, 1)
    site.close()
    older = copy(made, "older")
    site = made.open()
    for number in (2, 3):
        receive(site, number)
        made.clock.advance(2_000)
        site.seal()
    shutil.copy(made.folder / MARK_FILE, older.folder / MARK_FILE)
    restored = older.open()
    assert "put back from an older copy" in restored.stopped
    with pytest.raises(Unavailable):
        restored.seal()
    with pytest.raises(Unavailable):
        receive(restored, 9)
    assert restored.head.height == 2, "it still shows what it has"


def test_a_database_whose_log_was_deleted_signs_nothing(made: World) -> None:
    """A process that died leaves its newest commits in the file beside the database: whoever cleans up takes them."""
    made.ready().close()
    site = made.open()
    for number in (1, 2):
        receive(site, number)
        made.clock.advance(2_000)
        site.seal()
    died = copy(made, "died")
    assert (died.folder / "site.db-wal").stat().st_size > 0
    for path in died.folder.glob("site.db-*"):
        path.unlink()
    cleaned = died.open()
    assert "put back from an older copy" in cleaned.stopped
    with pytest.raises(Unavailable):
        cleaned.seal()
    with pytest.raises(Unavailable):
        receive(cleaned, 9)


def test_one_block_behind_with_a_shorter_journal_signs_nothing(made: World) -> None:
    """The mark promises an operation that the older journal does not have."""
    site = made.ready()
    receive(site, 1)
    site.close()
    older = copy(made, "older")
    site = made.open()
    receive(site, 2)
    made.clock.advance(2_000)
    site.seal()
    shutil.copy(made.folder / MARK_FILE, older.folder / MARK_FILE)
    assert "not where the journal ends" in older.open().stopped


def test_one_block_behind_with_another_journal_signs_nothing(made: World) -> None:
    """The same number of rows, other content: the block would come out with another hash."""
    site = made.ready()
    site.close()
    other = copy(made, "other")
    site = made.open()
    receive(site, 1, line(1))
    made.clock.advance(2_000)
    site.seal()
    fork = other.open()
    receive(fork, 1, line(2))
    fork.close()
    shutil.copy(made.folder / MARK_FILE, other.folder / MARK_FILE)
    fork = other.open()
    assert "two different signed blocks" in fork.stopped
    with fork.reading() as connection:
        assert sealing.read_block(connection, 3) is None
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (1,), "the journal is as it was"


@pytest.mark.parametrize("change", ["missing", "damaged", "older", "foreign", "other"])
def test_a_mark_that_does_not_fit_signs_nothing(made: World, change: str) -> None:
    site = made.ready()
    path = made.folder / MARK_FILE
    before = path.read_bytes()
    receive(site, 1)
    made.clock.advance(2_000)
    site.seal()
    last = mark.read(path)
    changes: dict[str, Callable[[], object]] = {
        "missing": path.unlink,
        "damaged": lambda: path.write_bytes(path.read_bytes().replace(b"3", b"4", 1)),
        "older": lambda: path.write_bytes(before),
        "foreign": lambda: mark.take(path, replace(last, origin="acme/site/bergen/1"), DiskStorage()),
        "other": lambda: mark.take(path, replace(last, hash=bytes(32)), DiskStorage()),
    }
    site.close()
    changes[change]()
    site = made.open()
    assert site.stopped
    with pytest.raises(Unavailable):
        receive(site, 2)
    with pytest.raises(Corrupt):
        audit.verify(made.folder, site.identity)


# ---------------------------------------------------------------- blocks that come back


def blocks_of(site: Site, start: int) -> list[Block]:
    with site.reading() as connection:
        found = [sealing.read_block(connection, height) for height in range(start, site.head.height + 1)]
    return [block for block in found if block is not None]


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("where", ["", "adopt.before_commit", "adopt.committed", "mark.before", "mark.taken"])
def test_a_restored_node_takes_its_blocks_back_and_goes_on(made: World, where: str, marked: bool) -> None:
    """From a backup of everything, or of the database alone under the mark of today; dying anywhere in between."""
    site = made.ready()
    receive(site, 1, line(1))
    receive(site, 2, line(2))
    site.close()
    older = copy(made, "older")
    site = made.open()
    receive(site, 3, line(4))
    made.clock.advance(2_000)
    site.seal()
    receive(site, 4, line(8))
    made.clock.advance(2_000)
    site.seal()
    if marked:
        shutil.copy(made.folder / MARK_FILE, older.folder / MARK_FILE)
    restored = older.open()
    assert bool(restored.stopped) == marked
    if not marked:
        # Acknowledged after the restore, in no block anywhere: it must survive.
        receive(restored, 5, line(16))
    back = blocks_of(site, 3)
    if where:
        seams.arm_failpoint(where, die)
        with pytest.raises(seams.Killed):
            restored.adopt(back)
        seams.disarm_failpoints()
        restored.close()
        restored = older.open()
        if where == "adopt.before_commit":
            restored.adopt(back)
    else:
        restored.adopt(back)
    assert restored.stopped == ""
    assert restored.head.hash == site.head.hash
    record_missing(restored)
    assert restored.pending_count() == (0 if marked else 1)
    with restored.reading() as connection:
        assert connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    assert receive(restored, 3, line(4)).repeated
    receive(restored, 6, line(32))
    made.clock.advance(2_000)
    sealed = restored.seal()
    assert sealed is not None and sealed.head.height == site.head.height + 1
    audit.verify(older.folder, restored.identity)
    with restored.reading() as connection:
        assert stock(connection)["A-01", "BOLT"] == (47 if marked else 63)


def test_a_mark_of_another_history_is_not_healed_by_blocks(made: World) -> None:
    """This machine signed a block that the hub does not know: taking the hub's back does not unsign it."""
    site = made.ready()
    site.close()
    other, older = copy(made, "other"), copy(made, "older")
    site, fork = made.open(), other.open()
    for each, quantity in ((site, 1), (fork, 2)):
        receive(each, 1, line(quantity))
        made.clock.advance(2_000)
        each.seal()
    shutil.copy(other.folder / MARK_FILE, older.folder / MARK_FILE)
    restored = older.open()
    with pytest.raises(Unavailable, match="put back from an older copy"):
        restored.adopt(blocks_of(site, 3))
    restored.close()
    assert "put back from an older copy" in older.open().stopped


def test_an_operation_that_the_longer_chain_refuses_becomes_a_claim(made: World) -> None:
    site = made.ready()
    receive(site, 1, line(1))
    made.clock.advance(2_000)
    site.seal()
    site.close()
    older = copy(made, "older")
    site, restored = made.open(), older.open()
    for each, number in ((site, 2), (restored, 3)):
        move(each, number, line(1, source="A-01", target="A-02"))
    made.clock.advance(2_000)
    site.seal()
    restored.adopt(blocks_of(site, 4))
    assert restored.find(op(3)) is None and record_missing(restored) == 1
    with restored.reading() as connection:
        claims = connection.execute("SELECT op_id, reason FROM claims").fetchall()
        notes = connection.execute("SELECT op_id, kind, subject FROM notes").fetchall()
    assert claims == [(op(3).raw, "This move is refused: not enough stock")]
    assert notes == [(note_op_id("acme/site/oslo/1", op(3)).raw, CLAIM, op(3).word)], "the hub hears of it"
    assert record_missing(restored) == 0 and restored.find(op(3)) is None


def test_blocks_of_another_history_are_not_taken(made: World) -> None:
    site = made.ready()
    site.close()
    other = copy(made, "other")
    site, fork = made.open(), other.open()
    for each, quantity in ((site, 1), (fork, 2)):
        receive(each, 1, line(quantity))
        made.clock.advance(2_000)
        each.seal()
    receive(fork, 2)
    with pytest.raises(Invalid):
        fork.adopt(blocks_of(site, 3))
    assert fork.head.height == 3 and fork.pending_count() == 1
    audit.verify(other.folder, fork.identity)


# ---------------------------------------------------------------- time


def test_header_time_over_hundreds_of_blocks_of_a_clock_gone_mad(made: World) -> None:
    """1970, ten years ahead, an hour back: header time grows, never runs ahead, and the quality tells."""
    site = made.ready()
    dice = random.Random(5)
    wrong = {"1970": -made.clock.now_ms(), "ahead": 3650 * 86_400_000, "back": -3_600_000}
    for number in range(1, 251):
        made.clock.advance(dice.choice([1_000, 1_000, 1_300, 40_000]))
        kind = dice.choice(["good", "good", "good", "1970", "ahead", "back"])
        parent, true_ms = site.head.timestamp, made.clock.now_ms()
        made.clock.jump(wrong.get(kind, 0))
        receive(site, number)
        sealed = site.seal()
        assert sealed is not None
        made.clock.jump(-wrong.get(kind, 0))
        expected = parent + 1 if kind in wrong else max(parent + 1, true_ms // 1000)
        assert sealed.head.timestamp == expected
        assert Meta.decode(sealed.block.meta).clock_quality == (2 if kind in wrong else 1)
        assert sealed.head.timestamp * 1000 <= made.clock.now_ms() + 1_000
    note = checkpoint.verify(site.checkpoint(), str(site.identity.origin), site.identity.block_key)
    assert note.size == site.head.height + 1
    audit.verify(made.folder, site.identity)


def test_the_mark_judges_thousands_of_heads(made: World) -> None:
    """Only the same head and the one just before it are ever signed on."""
    site = made.ready()
    head = site.head
    origin = str(head.origin)
    dice = random.Random(6)
    for _ in range(5_000):
        height = max(0, head.height + dice.choice([-2, -1, 0, 1, 2, 10**6]))
        block_hash = dice.choice([head.hash, bytes(32)])
        last = Mark(dice.choice([origin, "acme/site/bergen/1"]), height, block_hash, 1, b"", 1)
        allowed = last.origin == origin and (
            height == head.height + 1 or (height == head.height and block_hash == head.hash)
        )
        try:
            unfinished = sealing.judge_mark(head, last)
        except Corrupt:
            assert not allowed
        else:
            assert allowed and unfinished == (height == head.height + 1)
