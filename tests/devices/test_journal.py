"""The journal: durable before anyone hears of it, in order, each read once, across crashes and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.journal import Journal
from devices.protocols.base import READ_BYTES_MAX
from devices.reads import Again, NewRead, Read
from ledger import seams
from ledger.clock import ManualClock
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.seams import Killed, SystemRandom

ROOT = Path(__file__).resolve().parents[2]


def opened(path: Path, clock: ManualClock | None = None) -> Journal:
    return Journal(path, clock=clock or ManualClock(), random=SystemRandom())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Journal.create(tmp_path / "reads.db")
    return tmp_path / "reads.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = opened(path)
    yield journal
    journal.close()


def raws(reads: list[Read]) -> list[bytes]:
    return [read.raw for read in reads]


def test_a_read_is_stored_as_it_came(path: Path) -> None:
    clock = ManualClock(at_ms=1_768_478_400_123, ran_ms=5_000)
    journal = Journal(path, clock=clock, random=SystemRandom(), quality=lambda: 2)
    raw = bytes(range(256))
    [read] = journal.record([NewRead("dock-1", b"]C1" + raw, context={"operator": "Ø", "bin": "A-01"})])
    assert journal.get(read.read_id) == read == journal.waiting()[0]
    assert (read.raw, read.symbology, read.at_ms, read.ran_ms) == (b"]C1" + raw, "]C1", clock.at_ms, 5_000)
    assert (read.clock, read.sequence, read.position, read.state) == (2, 1, 1, "recorded")
    assert read.context == {"operator": "Ø", "bin": "A-01"} and str(read.day) == "2026-01-15"
    journal.close()


def test_of_a_read_no_more_than_its_end_is_shown(journal: Journal) -> None:
    codes = [b"]E09521234500018", b"]C1A-01", b"9521\x1d018", b"", b"]Q112345678"]
    torn = NewRead("dock", b"9521234500018", fault="truncated")
    ends = [read.ends for read in journal.record([*(NewRead("dock", code) for code in codes), torn])]
    assert ends == ["0018", "", " 018", "", "5678", ""]


def test_reads_wait_in_order_and_leave_once(journal: Journal) -> None:
    for number in range(5):
        journal.record([NewRead(f"d{number % 2}", b"%d" % number)])
    waiting = journal.waiting()
    assert raws(waiting) == [b"0", b"1", b"2", b"3", b"4"]
    assert [read.sequence for read in waiting] == [1, 1, 2, 2, 3]
    journal.mark(waiting[0].read_id, "taken", decoded={"kind": "item"})
    journal.mark(waiting[1].read_id, "parked", note="unknown code")
    journal.mark_all([(waiting[2].read_id, "ignored"), (waiting[3].read_id, "taken")])
    assert raws(journal.waiting()) == [b"4"] and raws(journal.parked()) == [b"1"]
    assert journal.get(waiting[0].read_id).decoded == {"kind": "item"}
    assert journal.counts() == {"all": 5, "recorded": 1, "parked": 1}
    assert raws(journal.latest(2)) == [b"4", b"3"]
    assert raws(journal.waiting(after=waiting[4].position)) == []


def test_a_state_moves_only_forward(journal: Journal) -> None:
    [one, two] = journal.record([NewRead("d", b"1"), NewRead("d", b"2")])
    taken = journal.mark(one.read_id, "taken", note="line 1")
    assert journal.mark(one.read_id, "taken") == taken, "the same again changes nothing"
    for state in ("parked", "ignored", "recorded"):
        with pytest.raises(Rejected, match="cannot become"):
            journal.mark(one.read_id, state)  # type: ignore[arg-type]
    journal.mark(two.read_id, "parked", note="unknown")
    assert journal.mark(two.read_id, "ignored", note="dismissed: poster").note == "dismissed: poster"
    for wrong in ("", "zz", "00" * 16, "ff" * 16, one.read_id.upper() + "0", one.read_id[:-1]):
        with pytest.raises(Rejected):
            journal.mark(wrong, "taken")
        with pytest.raises(Rejected):
            journal.get(wrong)


def test_what_is_taken_out_of_order_leaves_the_others_waiting(path: Path) -> None:
    journal = opened(path)
    reads = journal.record([NewRead("d", b"%d" % number) for number in range(6)])
    for number, left in ((3, b"01245"), (0, b"1245"), (1, b"245"), (5, b"24"), (2, b"4")):
        journal.mark(reads[number].read_id, "ignored" if number == 1 else "taken")
        assert b"".join(raws(journal.waiting())) == left
        journal.close()
        journal = opened(path)
        assert b"".join(raws(journal.waiting())) == left and journal.counts()["recorded"] == len(left)
    journal.mark(reads[4].read_id, "parked")
    journal.record([NewRead("d", b"6")])
    assert raws(journal.waiting()) == [b"6"] and raws(journal.parked()) == [b"4"]
    journal.close()


def test_all_marks_or_none(journal: Journal) -> None:
    [one] = journal.record([NewRead("d", b"1")])
    with pytest.raises(Rejected):
        journal.mark_all([(one.read_id, "taken"), ("00" * 16, "taken")])
    assert journal.get(one.read_id).state == "recorded"


def test_a_restart_resumes_in_order_with_new_unique_ids(path: Path) -> None:
    first = opened(path)
    old = first.record([NewRead("a", b"1"), NewRead("b", b"2"), NewRead("a", b"3")])
    first.mark(old[1].read_id, "taken")
    first.close()
    second = opened(path)
    assert raws(second.waiting()) == [b"1", b"3"]
    [new] = second.record([NewRead("a", b"4")])
    assert (new.sequence, new.position) == (3, 4)
    assert len({read.read_id for read in [*old, new]}) == 4
    second.close()


def test_an_older_copy_of_the_file_never_repeats_an_id(path: Path, tmp_path: Path) -> None:
    """A restored backup continues at the same positions; its reads must not pass for those already booked."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    ids = set()
    for file in (path, copy):
        journal = opened(file)
        ids.add(journal.record([NewRead("a", b"1")])[0].read_id)
        journal.close()
    assert len(ids) == 2


def test_repeats_are_recorded_and_marked(path: Path) -> None:
    clock = ManualClock()
    journal = opened(path, clock)
    [one] = journal.record([NewRead("a", b"X")])
    clock.advance(300)
    clock.jump(-10_000_000)  # the machine's wall clock is set back: durations do not care
    [two] = journal.record([NewRead("a", b"X")])
    [other] = journal.record([NewRead("b", b"X")])
    clock.advance(301)
    [late] = journal.record([NewRead("a", b"X")])
    [both] = [journal.record([NewRead("a", b"Y"), NewRead("a", b"Y")])]
    assert two.repeat_of == one.read_id
    assert other.repeat_of is None and late.repeat_of is None
    assert both[1].repeat_of == both[0].read_id
    assert len(journal.waiting()) == 6, "nothing is dropped"
    journal.close()


def test_a_read_sent_again_after_a_restart_is_marked(path: Path) -> None:
    journal = opened(path)
    [one] = journal.record([NewRead("a", b"X")])
    journal.close()
    cases: list[tuple[Again, bool, str]] = [
        ("perhaps", False, "recorded"),
        ("perhaps", True, "parked"),
        ("surely", True, "ignored"),
        ("", False, "recorded"),
    ]
    for again, marked, state in cases:
        journal = opened(path)
        before = journal.latest(1)[0].read_id
        [read] = journal.record([NewRead("a", b"Y", again=again)])
        assert (read.repeat_of, read.state, bool(read.note)) == (before if marked else None, state, marked)
        assert journal.get(read.read_id) == read, "as written, so read"
        journal.close()
    assert one.repeat_of is None
    journal = opened(path)
    [broken] = journal.record([NewRead("a", b"Y", "truncated", again="surely")])
    [whole] = journal.record([NewRead("a", b"Y", again="surely")])
    assert broken.repeat_of is None and whole.state == "recorded", "half a read is not the read"
    journal.close()


def test_only_a_crash_leaves_it_open_whether_an_answer_was_heard(path: Path) -> None:
    journal = opened(path)
    assert not journal.unanswered("a")
    [one] = journal.record([NewRead("a", b"X")])
    journal.answered("a", one.sequence)
    assert journal.unanswered("a"), "written only at the end: until then a crash would leave it open"
    journal.close()
    journal = opened(path)
    assert not journal.unanswered("a") and not journal.unanswered("b")
    journal.record([NewRead("a", b"Y")])
    journal.close()
    journal = opened(path)
    assert journal.unanswered("a")
    journal.close()


def test_a_senders_own_id_makes_sending_again_harmless(journal: Journal) -> None:
    [one] = journal.record([NewRead("tablet-1", b"X", client_id="c-1")])
    journal.mark(one.read_id, "taken")
    [again] = journal.record([NewRead("tablet-1", b"X", client_id="c-1")])
    assert again.read_id == one.read_id and again.state == "taken"
    [other] = journal.record([NewRead("tablet-2", b"X", client_id="c-1")])
    assert other.read_id != one.read_id
    with pytest.raises(Rejected, match="another read"):
        journal.record([NewRead("tablet-1", b"Z", client_id="c-2"), NewRead("tablet-1", b"Y", client_id="c-1")])
    assert journal.position == 2 and len(journal.latest()) == 2, "a refused batch leaves nothing"
    [next_one] = journal.record([NewRead("tablet-1", b"Z", client_id="c-2")])
    assert (next_one.sequence, next_one.position) == (2, 3)


@pytest.mark.parametrize(
    "read",
    [
        NewRead("", b"x"),
        NewRead("a\nb", b"x"),
        NewRead("a" * 65, b"x"),
        NewRead("a", b"x" * (READ_BYTES_MAX + 1)),
        NewRead("a", b"x", client_id=""),
        NewRead("a", b"x", context={"k": "x" * 5_000}),
    ],
)
def test_malformed_reads_are_refused(journal: Journal, read: NewRead) -> None:
    with pytest.raises(Rejected):
        journal.record([NewRead("a", b"good"), read])
    assert journal.position == 0 and journal.record([]) == []


def test_many_threads_share_commits_and_lose_nothing(journal: Journal) -> None:
    commits: list[str] = []

    def before(name: str) -> None:
        if not commits:  # the first takes as long as all the others need to come
            end = time.monotonic() + 30
            while len(journal._queue) < 5 and time.monotonic() < end:
                time.sleep(0.001)
        commits.append(name)

    seams.arm_failpoint("journal.before_commit", before)

    def work(device: str) -> None:
        for number in range(40):
            journal.record([NewRead(device, b"%d" % number)])

    threads = [threading.Thread(target=work, args=(f"d{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reads = journal.waiting(1_000)
    assert [read.position for read in reads] == list(range(1, 241))
    for device in {read.device for read in reads}:
        own = [read for read in reads if read.device == device]
        assert [read.sequence for read in own] == list(range(1, 41))
        assert raws(own) == [b"%d" % number for number in range(40)]
    assert len(commits) < 240, "reads that waited together were committed together"


def test_one_senders_mistake_does_not_spoil_the_commit_of_others(journal: Journal) -> None:
    journal.record([NewRead("t", b"X", client_id="c")])
    entered, go = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        entered.set()
        go.wait(10)

    outcomes: dict[str, Any] = {}

    def send(name: str, read: NewRead) -> None:
        try:
            outcomes[name] = journal.record([read])
        except Rejected as error:
            outcomes[name] = error

    seams.arm_failpoint("journal.before_commit", hold)
    first = threading.Thread(target=send, args=("first", NewRead("a", b"1")))
    first.start()
    assert entered.wait(10)
    wishes = {"bad": NewRead("t", b"Y", client_id="c"), "good": NewRead("b", b"2")}
    others = [threading.Thread(target=send, args=wish) for wish in wishes.items()]
    for thread in others:
        thread.start()
    while len(journal._queue) < 2:
        pass
    seams.disarm_failpoints()
    go.set()
    for thread in [first, *others]:
        thread.join()
    assert isinstance(outcomes["bad"], Rejected)
    assert outcomes["good"][0].raw == b"2" and sorted(raws(journal.waiting())) == [b"1", b"2", b"X"]


def test_waiting_for_the_next_read(journal: Journal) -> None:
    assert not journal.wait(0, 10)
    threading.Timer(0.05, lambda: journal.record([NewRead("a", b"1")])).start()
    assert journal.wait(0, 5_000)
    assert journal.wait(0, 0) and not journal.wait(1, 0)


class Consumer:
    """A consumer as node/scanning is one: it keeps its results elsewhere, under the read's id, then marks."""

    def __init__(self) -> None:
        self.applied: dict[str, bytes] = {}
        self.acts: list[bytes] = []

    def run(self, journal: Journal) -> None:
        for read in journal.waiting():
            if read.read_id not in self.applied:
                self.applied[read.read_id] = read.raw
                self.acts.append(read.raw)
            seams.failpoint("consumer.applied")
            journal.mark(read.read_id, "taken")


PLACES = (
    "db.before_commit",
    "journal.before_commit",
    "journal.committed",
    "db.after_commit",
    "consumer.applied",
    "journal.before_mark_commit",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_death_anywhere_neither_loses_nor_doubles(path: Path, place: str, at: int) -> None:
    """Killed at the `at`-th passing of `place`, reopened, and run again, with a scanner that sends until answered."""
    consumer, passed = Consumer(), 0

    def die(_: str) -> None:
        nonlocal passed
        passed += 1
        if passed == at:
            raise Killed(place)

    seams.arm_failpoint(place, die)
    acknowledged: list[bytes] = []
    journal = opened(path)
    try:
        for number in range(3):
            journal.record([NewRead("a", b"%d" % number)])
            acknowledged.append(b"%d" % number)
            consumer.run(journal)
    except Killed:
        pass
    assert passed == at
    seams.disarm_failpoints()
    journal.close()
    journal = opened(path)
    consumer.run(journal)
    assert consumer.acts == sorted(consumer.acts), "in order"
    assert len(consumer.acts) == len(set(consumer.acts)), "nothing twice"
    assert set(acknowledged) <= set(consumer.acts), "nothing acknowledged is lost"
    assert journal.waiting() == []
    journal.close()


_CHILD = """
import os, sys
from pathlib import Path
from devices.journal import Journal
from devices.reads import Again, NewRead
from ledger.clock import SystemClock
from ledger.seams import SystemRandom, arm_from_environment
arm_from_environment(dict(os.environ))
journal = Journal(Path(sys.argv[1]), clock=SystemClock(), random=SystemRandom())
for number in range(20):
    [read] = journal.record([NewRead("a", b"%d" % number)])
    print(read.read_id, flush=True)
"""


@pytest.mark.parametrize("place", ["journal.before_commit:7", "journal.committed:7", "db.before_commit:8"])
def test_a_killed_process_keeps_what_it_acknowledged(path: Path, place: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TALLYMAN_FAILPOINT": place, "TALLYMAN_TESTING": "1"}
    child = subprocess.run([sys.executable, "-c", _CHILD, str(path)], env=environment, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    told = child.stdout.split()
    journal = opened(path)
    kept = [read.read_id for read in journal.waiting()]
    assert kept[: len(told)] == told and len(kept) - len(told) <= 1
    journal.close()


def test_a_full_disk_refuses_and_recovers(journal: Journal) -> None:
    journal.record([NewRead("a", b"before")])
    pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.execute(f"PRAGMA max_page_count={pages}")
    refused = 0
    for number in range(30):
        try:
            journal.record([NewRead("a", b"%d" % number + b"x" * 4_000)])
        except Unavailable as error:
            assert "full" in str(error)
            refused += 1
    assert refused
    journal._writer.execute("PRAGMA max_page_count=1000000")
    [after] = journal.record([NewRead("a", b"after")])
    reads = journal.waiting(1_000)
    assert [read.sequence for read in reads] == list(range(1, len(reads) + 1)) and reads[-1] == after


def test_a_commit_that_fails_leaves_no_gap(journal: Journal) -> None:
    def fail(_: str) -> None:
        raise Unavailable("no")

    journal.record([NewRead("a", b"1")])
    seams.arm_failpoint("journal.before_commit", fail)
    for _ in range(2):
        with pytest.raises(Unavailable):
            journal.record([NewRead("a", b"2"), NewRead("b", b"2")])
    seams.disarm_failpoints()
    assert (journal.position, len(journal.latest())) == (1, 1)
    again = journal.record([NewRead("a", b"2"), NewRead("b", b"2")])
    assert [(read.position, read.sequence, read.repeat_of) for read in again] == [(2, 2, None), (3, 1, None)]


def test_a_closed_journal_says_so(path: Path) -> None:
    journal = opened(path)
    journal.close()
    for act in (lambda: journal.record([NewRead("a", b"1")]), journal.waiting, journal.counts):
        with pytest.raises(Unavailable, match="closed"):
            act()


def test_damage_is_not_mistaken_for_a_full_disk(path: Path) -> None:
    journal = opened(path)
    journal.record([NewRead("a", b"x" * 4_000) for _ in range(20)])
    journal.close()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 4_096 * 8)
    with pytest.raises(Corrupt, match="damaged"):
        opened(path).record([NewRead("a", b"y")])


def test_create_and_open_refuse_what_is_not_theirs(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="exists"):
        Journal.create(path)
    with pytest.raises(Rejected, match="missing"):
        opened(tmp_path / "none.db")
