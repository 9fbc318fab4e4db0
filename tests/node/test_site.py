"""The site: an operation is done once, durably, and answered; whatever goes wrong, memory and database agree."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import calls, db, receipt, seams
from ledger.errors import Rejected, Unavailable
from ledger.ids import Actor
from node import audit, journal, store
from tests.node.world import ANN, DOCUMENT, World, dump, line, move, op, receive, stock


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def die(name: str) -> None:
    raise seams.Killed(name)


def test_an_operation_is_answered_with_what_the_chain_said(made: World) -> None:
    site = made.ready()
    answer = receive(site, 1, line(10), line(5, target="A-02"))
    assert (answer.height, answer.place, answer.repeated) == (site.head.height + 1, 0, False)
    assert [type(each).__name__ for each in answer.events] == ["Recorded", "Moved", "Moved"]
    assert move(site, 2, line(3, source="A-01", target="DOCK")).place == 1
    with site.reading() as connection:
        assert stock(connection) == {
            ("SUPPLIER", "BOLT"): -15,
            ("A-01", "BOLT"): 7,
            ("A-02", "BOLT"): 5,
            ("DOCK", "BOLT"): 3,
        }
        assert journal.backlog(connection) == (2, made.clock.now_ms())
    assert site.proof_state(op(1)) == "recorded"
    assert site.proof_state(op(9)) is None


def test_the_same_again_gets_the_same_answer_and_other_content_is_refused(made: World) -> None:
    """Before the seal, after it, after a restart, and after the tables were rebuilt."""
    site = made.ready()
    first = receive(site, 1, line(10))

    def ask_again() -> None:
        again = receive(site, 1, line(10))
        assert again == replace(first, repeated=True)
        assert site.find(op(1)) == first
        with pytest.raises(Rejected, match="already recorded with other content"):
            receive(site, 1, line(11))
        other = replace(DOCUMENT, occurred_ms=DOCUMENT.occurred_ms + 1)
        with pytest.raises(Rejected, match="already recorded"):
            site.record(calls.Receive(actor=ANN, lines=(line(10),)), op_id=op(1), document=other)

    ask_again()
    made.clock.advance(2_000)
    site.seal()
    ask_again()
    site.close()
    site = made.open()
    ask_again()
    with site.reading() as connection:
        audit.rebuild(connection, site.identity)
    site.close()
    site = made.open()
    ask_again()
    with site.reading() as connection:
        assert stock(connection)["A-01", "BOLT"] == 10


def test_a_refusal_is_in_plain_words_and_leaves_no_trace(made: World) -> None:
    site = made.ready()
    receive(site, 1, line(2))
    with site.reading() as connection:
        before = dump(connection)
    refusals = {
        "This move is refused: not enough stock": lambda: move(site, 2, line(3, source="A-01", target="A-02")),
        "This receipt of goods is refused: ": lambda: receive(site, 3, line(1, item="NAIL")),
        "This move is refused: ": lambda: site.record(
            calls.Move(actor=Actor(b"\x77" * 32), lines=(line(1, source="A-01", target="A-02"),)),
            op_id=op(4),
            document=DOCUMENT,
        ),
    }
    for words, act in refusals.items():
        with pytest.raises(Rejected) as refused:
            act()
        assert str(refused.value).startswith(words)
    with site.reading() as connection:
        assert dump(connection) == before
        assert journal.backlog(connection)[0] == 1
    # A refused op_id was never used.
    assert move(site, 2, line(1, source="A-01", target="A-02")).place == 1


def test_a_call_to_the_stock_contracts_needs_a_document(made: World) -> None:
    site = made.ready()
    with pytest.raises(Rejected, match="needs a document"):
        site.record(calls.Receive(actor=ANN, lines=(line(),)), op_id=op(1))


def test_a_restart_makes_the_same_block_as_no_restart(tmp_path: Path) -> None:
    """The journal is executed again at the time the pending block was opened: the block comes out the same."""
    heads = []
    for restarts in (False, True):
        made = World(tmp_path / str(restarts))
        site = made.ready()
        for number in range(1, 8):
            receive(site, number, line(number))
            made.clock.advance(700)
            if restarts:
                site.close()
                site = made.open()
                assert site.pending_count() == number
        heads.append(site.seal().head)  # type: ignore[union-attr]
        assert audit.verify(made.folder, site.identity).operations == 11
        site.close()
    assert heads[0].hash == heads[1].hash


def test_an_answer_that_changed_stops_the_node(made: World) -> None:
    """Re-execution must give what the operator was told; anything else would sign an untruth."""
    site = made.ready()
    receive(site, 1, line(10))
    receive(site, 2, line(10))
    with site.writing() as connection:
        connection.execute("UPDATE journal SET outcome = ? WHERE op_id = ?", (bytes(32), op(2).raw))
    height = site.head.height
    site.close()
    site = made.open()
    assert "gives another answer" in site.stopped
    assert site.head.height == height
    for act in (lambda: receive(site, 3), site.seal, site.seal_if_due, lambda: site.find(op(1))):
        with pytest.raises(Unavailable, match="gives another answer"):
            act()
    assert site.proof_state(op(1)) == "recorded"


@pytest.mark.parametrize("where", ["record.before_commit", "db.before_commit", "db.after_commit"])
def test_a_death_around_the_commit_leaves_all_or_nothing(made: World, where: str) -> None:
    site = made.ready()
    receive(site, 1, line(1))
    seams.arm_failpoint(where, die)
    with pytest.raises(seams.Killed):
        receive(site, 2, line(10))
    seams.disarm_failpoints()
    # The same object goes on, as after an error that was no death: it loads itself again.
    assert (site.find(op(2)) is not None) == (where == "db.after_commit")
    assert receive(site, 2, line(10)).repeated == (where == "db.after_commit")
    assert receive(site, 3, line(100)).place == 2
    made.clock.advance(2_000)
    site.seal()
    audit.verify(made.folder, site.identity)
    with site.reading() as connection:
        assert stock(connection)["A-01", "BOLT"] == 111


def test_kept_rows_and_an_operation_are_durable_together(made: World) -> None:
    site = made.ready()
    with pytest.raises(RuntimeError), site.writing() as connection:
        store.set_fact(connection, "note", "x")
        receive(site, 1, line(10))
        raise RuntimeError
    assert site.find(op(1)) is None
    with site.reading() as connection:
        assert store.fact(connection, "note") is None
        assert stock(connection) == {}
    with site.writing() as connection:
        store.set_fact(connection, "note", "x")
        assert not receive(site, 1, line(10)).repeated
        assert receive(site, 2, line(10)).place == 1
    site.close()
    site = made.open()
    assert site.pending_count() == 2


def test_the_change_after_one_that_was_taken_back_simply_works(made: World) -> None:
    """Memory is loaded again before the transaction begins, not refused inside it until something else loads it."""
    site = made.ready()
    with pytest.raises(RuntimeError), site.writing():
        receive(site, 1, line(10))
        raise RuntimeError
    with site.writing():
        assert receive(site, 2, line(10)).place == 0
    assert site.find(op(1)) is None and site.pending_count() == 1


def test_a_part_that_failed_after_execution_takes_the_whole_change_back(made: World) -> None:
    """Even a caller who swallows the error cannot commit what the chain executed and the journal does not have."""
    site = made.ready()
    with site.writing() as connection:
        connection.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON movements BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Unavailable, match="taken back"), site.writing() as connection:
        store.set_fact(connection, "note", "x")
        with pytest.raises(db.IntegrityError):
            receive(site, 1, line(10))
    with site.writing() as connection:
        connection.execute("DROP TRIGGER no")
    assert site.find(op(1)) is None
    assert receive(site, 1, line(10)).place == 0
    with site.reading() as connection:
        assert store.fact(connection, "note") is None


def test_a_savepoint_rolled_back_around_an_operation_takes_the_whole_change_back(made: World) -> None:
    """The journal would lack what the pending block has; an earlier operation of the same change goes with it."""
    site = made.ready()
    with pytest.raises(Unavailable, match="taken back"), site.writing() as connection:
        receive(site, 1, line(10))
        connection.execute("SAVEPOINT part")
        receive(site, 2, line(10))
        connection.execute("ROLLBACK TO part")
        connection.execute("RELEASE part")
        receive(site, 3, line(10))
    assert [site.find(op(number)) for number in (1, 2, 3)] == [None, None, None]
    assert receive(site, 2, line(10)).place == 0


def test_no_block_is_sealed_in_the_middle_of_another_change(made: World) -> None:
    site = made.ready()
    with site.writing():
        receive(site, 1, line(10))
        with pytest.raises(Unavailable, match="in the middle"):
            site.seal()
    made.clock.advance(2_000)
    assert site.seal() is not None


def test_a_document_that_does_not_fit_waits_for_the_seal(made: World) -> None:
    """A document reserves gas for its lines, two thirds of a block for 200: what does not fit opens the next."""
    site = made.ready()
    heights = [
        receive(site, number, *[line(1, item="PAINT", lot=f"{number}-{lot}") for lot in range(200)]).height
        for number in range(1, 5)
    ]
    assert heights[0] == 3
    assert heights == sorted(heights) and heights[-1] > heights[0]
    made.clock.advance(2_000)
    site.seal()
    assert audit.verify(made.folder, site.identity).operations == 8


def test_a_full_disk_refuses_in_plain_words_and_goes_on_without_restart(made: World) -> None:
    site = made.ready()
    receive(site, 1, line(1))
    with site.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
    refused, number = 0, 2
    while not refused:
        try:
            receive(site, number, *[line(1, lot=f"L{number}-{lot}", item="PAINT") for lot in range(150)])
        except Unavailable as error:
            assert "disk is full" in str(error)
            refused = number
        number += 1
    assert site.find(op(refused)) is None and site.find(op(1)) is not None
    with site.reading() as connection:
        connection.execute("PRAGMA max_page_count=1000000")
    assert not receive(site, refused, *[line(1, lot=f"L{lot}", item="PAINT") for lot in range(150)]).repeated
    made.clock.advance(2_000)
    site.seal()
    audit.verify(made.folder, site.identity)


def test_many_threads_record_each_operation_once(made: World) -> None:
    site = made.ready()
    answers: list[tuple[int, bool]] = []

    def work() -> None:
        for number in range(1, 16):
            answers.append((number, receive(site, number, line(number)).repeated))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 45
    assert sorted(number for number, repeated in answers if not repeated) == list(range(1, 16))
    with site.reading() as connection:
        assert stock(connection)["A-01", "BOLT"] == sum(range(1, 16))


def test_stopped_sealing_still_records(made: World) -> None:
    site = made.ready()
    site.stop_sealing("the hub holds another history of this site")
    receive(site, 1, line(1))
    made.clock.advance(60_000)
    assert site.seal_if_due() is None
    with pytest.raises(Unavailable, match="another history"):
        site.seal()
    site.close()
    site = made.open()
    assert site.stopped == "the hub holds another history of this site"
    receive(site, 2, line(1))
    site.stop_sealing(None)
    assert site.seal() is not None


def test_a_receipt_verifies_and_grows_with_the_log(made: World) -> None:
    site = made.ready()
    receive(site, 1, line(10))
    with pytest.raises(Rejected, match="not sealed yet"):
        site.receipt(op(1))
    with pytest.raises(Rejected, match="not recorded here"):
        site.receipt(op(9))
    for number in range(2, 6):
        made.clock.advance(2_000)
        site.seal()
        receive(site, number, line(1))
        raw = site.receipt(op(1))
        verified = receipt.verify(raw, [site.identity.block_key.raw])
        assert verified.strength == receipt.SITE_SIGNED
        assert (verified.receipt.height, verified.receipt.site.size) == (3, number + 2)
    assert site.proof_state(op(1)) == "sealed"
    assert b"acme/site/oslo/1\n7\n" in site.checkpoint()


def test_looks_at_the_database_are_of_one_moment_and_of_now(made: World) -> None:
    site = made.ready()
    receive(site, 1)
    with site.looking() as first:
        assert stock(first)["A-01", "BOLT"] == 1
        receive(site, 2)
        with site.looking() as second:
            assert second is not first and stock(second)["A-01", "BOLT"] == 2
        assert stock(first)["A-01", "BOLT"] == 1
    with site.looking() as again:
        assert again in (first, second) and stock(again)["A-01", "BOLT"] == 2
        with pytest.raises(db.OperationalError):
            again.execute("DELETE FROM stock")
    with pytest.raises(Rejected), site.looking() as refused:
        raise Rejected("no")
    with site.looking() as other:
        assert other is not refused
        assert other.execute("SELECT * FROM movements").fetchone()
    # Nobody looks any more: the log can be emptied.
    busy, *_ = db.open_writer(made.folder / store.DATABASE_FILE).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    site.close()
    with pytest.raises(db.DatabaseError):
        other.execute("SELECT 1")
