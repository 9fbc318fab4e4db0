"""Twenty kinds of bad scan (21 to 40 of the sixty bad inputs; 1 to 20 are in test_bad_inputs), byte for byte.

From a pseudo-terminal through reader, journal and floor to what the counter's tablet is told: whatever comes, no line
is added, nothing is recorded at the site, a refusal is in plain words, and the next good scan counts as ever.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from devices.protocols.keys import EVENT
from devices.protocols.line import DOUBT_MS
from devices.registry import Registry
from devices.simulated import SimulatedScanner
from devices.supervisor import Supervisor
from ledger.clock import SystemClock
from ledger.errors import Rejected
from ledger.seams import SystemRandom
from node import taking
from node.whereabouts import Whereabouts
from tests.devices.rig import until
from tests.node.floor_kit import GTINS, Stage
from tests.web import kit

BOLT, DRILL = GTINS["BOLT"].encode(), GTINS["DRILL"].encode()
EAN = BOLT[1:]
GOOD = b"]E0" + EAN
# Kept or said, and never a line.
HARMLESS = {"parked", "ignored", "refused", "bin", "badge", "control", "joined"}
# What a read changes by being one: it is kept, set aside for its person, and its scanner's owner was at work.
# What was counted is compared as the tablet shows it.
OF_READS = frozenset(
    {"taken_reads", "parked", "sqlite_sequence", "log_ins", "guesses", "bound_devices", "scan_events"}
)


class Gun:
    """Cora's scanner at its far end, and what her tablet is told."""

    def __init__(self, stage: Stage, tablet: FlaskClient, wire: SimulatedScanner, supervisor: Supervisor) -> None:
        self.stage, self.tablet, self.wire, self.supervisor = stage, tablet, wire, supervisor

    def send(self, data: bytes, reads: int | None = 1) -> list[dict[str, Any]]:
        """Exactly these bytes; answers what became of each of the reads that they are, None for any number."""
        before, heard = self.stage.journal.position, self.counters().get("bytes", 0)
        self.wire.send(data)
        until(lambda: self.counters().get("bytes", 0) >= heard + len(data))
        if reads is not None:
            until(lambda: self.stage.journal.position >= before + reads)
        else:
            SystemClock().sleep_ms(50)
        return self.settled(before)

    def settled(self, before: int) -> list[dict[str, Any]]:
        def nothing_waits() -> bool:
            self.stage.world.clock.advance(500)
            return not self.stage.journal.waiting(1)

        until(nothing_waits)
        reads = self.stage.journal.history(10_000, after=before)
        with self.stage.site.reading() as connection:
            rows = connection.execute("SELECT read, outcome FROM taken_reads").fetchall()
        known = {bytes(read).hex(): json.loads(outcome) for read, outcome in rows}
        return [known[read.read_id] for read in reads]

    def counters(self) -> dict[str, int]:
        return dict(next(each for each in self.supervisor.health() if each.name == "gun").counters)

    def screen(self) -> dict[str, Any]:
        return dict(self.tablet.get("/api/v1/counts/mine").get_json()["screen"])

    def bolts(self) -> int:
        return sum(line["counted"] for line in self.screen()["lines"] if line["item"] == "BOLT")

    def state(self) -> dict[str, list[str]]:
        """Every row of the site that no read may change, and the lines on the tablet."""
        with self.stage.site.reading() as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            names = [str(name) for (name,) in rows if name not in OF_READS]
            found = {name: [repr(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in names}
        return {**found, "lines": [repr(line) for line in self.screen()["lines"]]}


@pytest.fixture(scope="module")
def gun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gun]:
    folder = tmp_path_factory.mktemp("scans")
    stage, app = kit.node(folder / "node")
    body = {"name": "Week 47", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    with ExitStack() as stack:
        stack.enter_context(kit.closing(stage))
        whereabouts = Whereabouts(stage.world.folder, stage.world.clock)
        stack.callback(whereabouts.close)
        wire = stack.enter_context(SimulatedScanner(folder / "gun", clock=SystemClock()))
        os.mkfifo(folder / "keys")
        urls = [f"{wire.url}&name=gun", f"evdev://{folder}/keys?name=keys"]
        supervisor = Supervisor(
            Registry.parse(urls),
            stage.journal,
            clock=SystemClock(),
            random=SystemRandom(),
            context=whereabouts,
        )
        supervisor.start()
        stack.callback(supervisor.stop)
        stack.enter_context(taking.at_work(stage.floor.scanning, stage.journal, stage.world.clock, lambda *_: None))
        wire.wait_opened(5_000)
        stage.floor.people.bind_device(stage.as_("cora"), "keys")
        made = Gun(stage, kit.logged_in(app, "cora"), wire, supervisor)
        assert made.send(b"BIN:A-01\r")[0]["outcome"] == "opened"
        yield made


@pytest.fixture(autouse=True)
def nothing_changes(gun: Gun) -> Iterator[None]:
    before = gun.state()
    yield
    after = gun.state()
    assert [name for name in after if after[name] != before[name]] == []
    counted = gun.bolts()
    (outcome,) = gun.send(GOOD + b"\r")
    assert (outcome["outcome"], gun.bolts()) == ("counted", counted + 1), "the floor does not go on"


def harmless(gun: Gun, *scans: bytes, reads: int = 1, but: frozenset[str] = frozenset()) -> None:
    """None of them is a line; each is said in printable words or stands for itself."""
    for scan in scans:
        for outcome in gun.send(scan + b"\r", reads):
            assert outcome["outcome"] in HARMLESS - but, (scan, outcome)
            why = outcome.get("why", "")
            assert why.isprintable() and (why or outcome["outcome"] not in ("parked", "refused", "ignored")), outcome


def test_21_reads_of_nothing(gun: Gun) -> None:
    for nothing in (b"\r", b"\n", b"\r\n\r\n", b"\r\r\r"):
        assert gun.send(nothing, reads=0) == []


def test_22_twenty_thousand_bytes_without_an_end(gun: Gun) -> None:
    harmless(gun, b"9" * 20_000)
    assert gun.counters()["oversize"] == 1


def test_23_two_codes_in_one_and_one_in_two(gun: Gun) -> None:
    harmless(gun, EAN + DRILL[1:], EAN + EAN, b"]E0" + EAN + b"]E0" + EAN)
    gun.wire.send(EAN[:6])
    before = gun.stage.journal.position
    SystemClock().sleep_ms(350)
    gun.wire.send(EAN[6:] + b"\r\n\n")
    until(lambda: gun.stage.journal.position > before)
    SystemClock().sleep_ms(200)
    assert all(each["outcome"] == "parked" for each in gun.settled(before))


def test_24_every_byte_that_no_code_holds(gun: Gun) -> None:
    for byte in (*range(0x20), *range(0x7F, 0x100)):
        ends = byte in (10, 13)  # then it is two reads, each half a number
        harmless(gun, EAN[:5] + bytes((byte,)) + EAN[5:], reads=2 if ends else 1)


def test_25_keystrokes_that_would_do_something_in_a_browser(gun: Gun) -> None:
    harmless(gun, b"\x0f", b"\x10", b"\x1bOP", b"\x1b[15~", b"\x17", EAN + b"\x17" + EAN)
    ctrl, alt, win, f4, o, r, enter = 29, 56, 125, 62, 24, 19, 28
    keys = [EVENT.pack(0, 0, 1, code, value) for held, struck in ((ctrl, o), (alt, f4), (win, r))
            for code, value in ((held, 1), (struck, 1), (struck, 0), (held, 0))]  # fmt: skip
    keys += [EVENT.pack(0, 0, 1, enter, value) for value in (1, 0)]
    before = gun.stage.journal.position
    node = Path(gun.wire.path).with_name("keys")
    with node.open("wb", buffering=0) as line:
        line.write(b"".join(keys))
        SystemClock().sleep_ms(300)
    for outcome in gun.settled(before):
        assert outcome["outcome"] in HARMLESS, outcome


def test_26_and_27_text_that_some_programs_run(gun: Gun) -> None:
    texts = (b"<script>alert(1)</script>", b"<img src=x onerror=alert(1)>", b"javascript:alert(1)",
             b'=HYPERLINK("http://evil.example","x")', b"@SUM(A1:A9)", b"+1-1", b"{{7*7}}",
             b"'; DROP TABLE parked--")  # fmt: skip
    harmless(gun, *texts, but=frozenset({"ignored"}))
    answer = gun.tablet.get("/api/v1/scans/parked")
    told = {each["text"] for each in answer.get_json()["rows"]}
    assert answer.mimetype == "application/json" and {text.decode() for text in texts} <= told


def test_28_numbers_that_are_no_gtin(gun: Gun) -> None:
    wrong = EAN[:-1] + b"%d" % ((EAN[-1] - 48 + 1) % 10)
    harmless(
        gun, b"]E0" + wrong, wrong, b"]C101" + EAN, b"]C1010" + wrong, EAN[1:], EAN[2:], b"0" * 14, b"]E0" + EAN[1:]
    )


def test_29_elements_that_gs1_forbids(gun: Gun) -> None:
    one = b"]C101" + BOLT
    harmless(
        gun, one + b"10ABC17271231", one + b"01" + DRILL, one + b"17000000",
        one + b"17991332", one + b"17270100" + b"17270101", one + b"310", one + b"310x000123", one + b"31030001",
        one + b"89123", one + b"10" + b"A" * 21, one + b"21" + b"S" * 21, one + b"1727123", b"]C1" + BOLT,
        one + b"\x1d\x1d10A", one + b"30", one + b"30123456789", one + b"3700",
    )  # fmt: skip


def test_30_identifiers_that_are_not_the_symbols(gun: Gun) -> None:
    harmless(gun, b"]C1]C101" + BOLT, b"]C1]E0" + EAN, b"]Z9" + EAN, b"]", b"]C", b"]C1", b"]E001" + BOLT,
             b"]E4" + EAN, b"C101" + BOLT, b"]c101" + BOLT)  # fmt: skip


def test_31_codes_that_configure_a_scanner(gun: Gun) -> None:
    harmless(gun, b"\x16M\x0dDEFALT.", reads=2)
    harmless(gun, b"MNUDFT.", b"$P\x0b", b"]L9\xf1", b"N.D0006A00", b"SUFBK2990D", b"\xf3A1", b"@ADFRULE1")


def test_32_a_trigger_that_sticks(gun: Gun) -> None:
    """Nothing is dropped: while counting each is a thing, and all but the first are marked."""
    before, counted = gun.stage.journal.position, gun.bolts()
    gun.wire.send((GOOD + b"\r") * 100)
    until(lambda: gun.stage.journal.position == before + 100)
    outcomes = gun.settled(before)
    assert [each["outcome"] for each in outcomes] == ["counted"] * 100
    assert sum("repeat" in each for each in outcomes) >= 90 and gun.bolts() == counted + 100
    for _ in range(100):
        assert gun.send(b"CTL:UNDO\r")[0]["outcome"] == "counted"
    assert gun.bolts() == counted


def test_33_badges_items_and_forged_controls_where_they_do_not_belong(gun: Gun) -> None:
    harmless(gun, b"BADGE:badge-cora", b"BADGE:", b"BADGE:<x>", b"CTL:CLOSE", b"CTL:", b"CTL:undo",
             b"CTL:UNDO;CLOSE", b"]C1CTL:UNDO", b"]d2CTL:UNDO", b"CTL:" + b"A" * 60)  # fmt: skip
    for login in (EAN.decode(), GOOD.decode(), "CTL:UNDO", "BIN:A-01"):
        wish = {"login": login, "pin": "482913"}
        assert 400 <= gun.tablet.post("/api/v1/auth/login", json=wish).status_code < 500


def test_34_another_keyboard_layout_and_a_locked_shift(gun: Gun) -> None:
    harmless(gun, b"BIN>A/02", b"bin:a-02", "BINÖA-02".encode(), "BINÖA'02".encode("latin-1"), b"+E=",
             "é\"'(-è_çà".encode(), b"bolt", b"BOLt", b"ctl:undo", b"CTLYUNDO", b"]e0" + EAN)  # fmt: skip


def test_35_pulled_in_the_middle_of_a_code_and_back_as_another_terminal(gun: Gun) -> None:
    gun.wire.send(EAN[:7])
    SystemClock().sleep_ms(30)
    before, name = gun.stage.journal.position, os.readlink(gun.wire.path)
    gun.wire.unplug()
    until(lambda: not os.path.exists(name))
    taken: list[int] = []
    while not os.path.exists(name):  # somebody else gets its old number
        taken += os.openpty()
    gun.wire.plug()
    assert os.readlink(gun.wire.path) != name
    gun.wire.wait_opened(10_000)
    gun.wire.send(EAN[7:] + b"\r")
    until(lambda: gun.stage.journal.latest(1)[0].raw == EAN[7:])
    assert all(each["outcome"] in HARMLESS for each in gun.settled(before))
    for end in taken:
        os.close(end)
    for urls in (
        [f"{gun.wire.url}&name=gun", "serial:///dev/ttyACM9?name=gun"],
        [f"{gun.wire.url}&name=gun", f"{gun.wire.url}&name=other"],
    ):
        with pytest.raises(Rejected, match="two devices"):
            Registry.parse(urls)


def test_36_what_a_wrong_speed_makes_of_a_code(gun: Gun) -> None:
    dice = random.Random(36)
    for _ in range(20):
        garbled = bytes(byte ^ dice.randrange(1, 256) for byte in GOOD)
        outcomes = gun.send(garbled + b"\xf8\x00\r", reads=None)
        assert all(each["outcome"] in HARMLESS for each in outcomes), garbled


def test_36_breaks_and_errors_of_parity(gun: Gun) -> None:
    """As the kernel hands them over: NUL for every byte that was damaged, and for a break."""
    harmless(gun, *(GOOD[:place] + b"\0" + GOOD[place + 1 :] for place in range(len(GOOD))))
    for bare in (b"\0" + GOOD, b"\0BIN:A-02", b"LOT\0AB"):
        (outcome,) = gun.send(bare + b"\r")
        assert outcome["outcome"] == "parked" and "check the scanner's baud rate, parity and cable" in outcome["why"]
    (broken,) = gun.send(b"\0" * 3)  # a cable that is pulled, and silence
    assert broken["outcome"] == "parked" and "scan again" in broken["why"]
    time.sleep(DOUBT_MS / 1000)


def test_37_text_that_is_cut_or_in_another_encoding(gun: Gun) -> None:
    harmless(gun, "Schraube grün".encode()[:-2], "Schraube ü".encode("latin-1"), "ねじ".encode("shift-jis"),
             b"\xef\xbb\xbf" + EAN, "BOLT".encode("utf-16-le"), b"\xc0\xaf", b"\xed\xa0\x80",
             "ＢＯＬＴ".encode())  # fmt: skip


def test_38_links_to_the_node_itself(gun: Gun) -> None:
    for path in ("api/v1/seal", "api/v1/auth/logout", "review/", "api/v1/counts/close?bin=A-01", "setup"):
        harmless(gun, f"http://127.0.0.1:8470/{path}".encode(), f"]Q1https://tallyman.local/{path}".encode())


def test_39_numbers_that_a_spreadsheet_would_change(gun: Gun) -> None:
    harmless(gun, b"1E5", b"0012", b"12", b"1.0", b"2026-11-28", b"1/2", b"TRUE", EAN + b".0", b"4.00638E+12")


def test_40_scans_of_nobody_and_onto_a_full_disk(gun: Gun) -> None:
    with gun.stage.site.writing() as connection:
        connection.execute("DELETE FROM bound_devices WHERE device = 'gun'")
    (outcome,) = gun.send(GOOD + b"\r")
    assert outcome["outcome"] == "nobody" and "log in" in outcome["why"]
    gun.stage.floor.people.bind_device(gun.stage.as_("cora"), "gun")
    before, refused = gun.stage.journal.position, gun.counters().get("refused", 0)
    heard, writer = gun.counters()["bytes"], gun.stage.journal._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    long = b"X" * 3_000 + b"\r"
    for _ in range(8):  # what is free in the file's own pages is used first
        gun.wire.send(long)
    taken = len(long) * 8
    until(lambda: gun.counters().get("bytes", 0) >= heard + taken)
    until(lambda: gun.counters()["refused"] - refused + gun.stage.journal.position - before == 8)
    assert gun.counters()["refused"] > refused
    (health,) = [each for each in gun.supervisor.health() if each.name == "gun"]
    assert health.state == "degraded" and "full" in health.problem, "nobody is told"
    writer.execute("PRAGMA max_page_count = 1000000")
    assert all(each["outcome"] == "parked" for each in gun.settled(before))
