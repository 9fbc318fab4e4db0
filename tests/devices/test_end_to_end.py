"""From bytes on a pseudo-terminal to decoded reads in the journal, through what real scanners do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.decoders.scan import decode_read
from devices.simulated import SimulatedScanner, Step, parse_script
from devices.simulated_sides import SsiSide
from devices.simulated_wire import serve
from devices.transports.base import Ended
from devices.transports.pipe import PipeTransport
from devices.transports.serial import SerialTransport
from ledger import seams
from ledger.errors import Corrupt, Unavailable
from ledger.seams import Killed, SystemRandom
from tests.devices.rig import CLOCK, Rig, until


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "scanner"


@pytest.fixture
def scanner(link: Path) -> Iterator[SimulatedScanner]:
    with SimulatedScanner(link, clock=CLOCK) as scanner:
        yield scanner


def test_bytes_on_a_terminal_become_decoded_reads(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url + "&name=dock-1", context=lambda device: {"operator": "op-7", "device": device})
    scanner.wait_opened(5_000)
    for text in ("BIN:A-01-02", "]C1010950110153000310AB-1{GS}17261231", "]E05901234123457"):
        scanner.scan(text)
    reads = rig.reads(3)
    assert [read.sequence for read in reads] == [1, 2, 3] and {read.device for read in reads} == {"dock-1"}
    assert reads[0].context == {"operator": "op-7", "device": "dock-1"}
    scans = [decode_read(read) for read in reads]
    assert [scan.kind for scan in scans] == ["bin", "item", "item"]
    assert scans[0].text == "A-01-02"
    assert (str(scans[1].gtin), scans[1].lot, str(scans[1].expiry)) == ("09501101530003", "AB-1", "2026-12-31")
    until(lambda: rig.floor.good == [read.raw for read in reads])
    assert not rig.floor.bad
    health = rig.health()
    assert health.state == "ready" and health.counters["recorded"] == 3 and health.last_read_ms is not None


def test_slow_pieces_are_one_read(link: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(link, clock=CLOCK, gap_ms=3, piece=2, suffix=b"\r\n") as scanner:
        rig = rigs(scanner.url)
        scanner.wait_opened(5_000)
        scanner.scan("]C1010950110153000310AB-1{GS}17261231")
        assert [read.raw for read in rig.reads(1)] == [b"]C1010950110153000310AB-1\x1d17261231"]
        assert rig.health().counters.get("empty") is None


def test_a_scanner_is_acknowledged_only_after_the_commit(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    seen: list[tuple[int, bytes]] = []
    seams.arm_failpoint("device.before_answer", lambda _: seen.append((rig.journal.position, scanner.answers())))
    rig = rigs(scanner.url + "&ack=06&nak=15")
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A")
    assert scanner.answers(5_000) == b"\x06"
    assert seen == [(1, b"")], "durable, and the scanner had heard nothing yet"
    scanner.send(b"BIN:")
    assert scanner.answers(5_000) == b"\x15", "half a read gets no acknowledgement"
    until(lambda: rig.floor.bad == ["truncated"])


def test_unplugged_inside_a_code_and_back(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url)
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A-01")
    rig.reads(1)
    scanner.send(b"]C10109501101")
    until(lambda: rig.health().counters["bytes"] == 22)
    scanner.unplug()
    until(lambda: rig.health().state == "absent")
    assert "went away" in rig.health().problem
    scanner.plug()
    scanner.wait_opened(2_000)
    scanner.scan("BIN:A-02")
    reads = rig.reads(3)
    assert [(read.raw, read.fault) for read in reads] == [
        (b"BIN:A-01", ""),
        (b"]C10109501101", "truncated"),
        (b"BIN:A-02", ""),
    ]
    assert decode_read(reads[1]).kind == "unknown"
    assert rig.health().counters["opened"] == 2 and rig.health().counters["lost"] == 1


def test_ten_unplugs_in_a_row(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url)
    for number in range(10):
        scanner.wait_opened(2_000)  # back within two seconds each time
        scanner.scan(f"BIN:{number}")
        rig.reads(number + 1)
        scanner.unplug()
        scanner.plug()
    assert [read.raw for read in rig.reads(10)] == [b"BIN:%d" % number for number in range(10)]


def test_a_device_that_keeps_failing_is_still_found_soon(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url)
    for _ in range(7):
        scanner.wait_opened(2_000)
        scanner.unplug()
        scanner.plug()
    scanner.wait_opened(2_000)
    scanner.scan("BIN:A")
    rig.reads(1)


def test_a_device_that_comes_late_is_found(tmp_path: Path, link: Path, rigs: Callable[..., Rig]) -> None:
    rig = rigs(f"serial://{link}")
    until(lambda: "not there" in rig.health().problem)
    assert rig.health().state == "absent"
    with SimulatedScanner(link, clock=CLOCK) as scanner:
        scanner.wait_opened(2_000)
        scanner.scan("BIN:A")
        rig.reads(1)


def test_a_restart_resumes_what_nobody_took(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url)
    scanner.wait_opened(5_000)
    for text in ("BIN:A", "5901234123457", "BIN:B"):
        scanner.scan(text)
    first = rig.reads(3)
    rig.journal.mark(first[0].read_id, "taken")
    rig.close()
    again = rigs(scanner.url)
    scanner.wait_opened(5_000)
    scanner.scan("BIN:C")
    reads = again.reads(4)
    assert [read.raw for read in reads] == [b"5901234123457", b"BIN:B", b"BIN:C"]
    assert reads[:2] == first[1:] and reads[2].sequence == 4


def test_twenty_kilobytes_and_noise_leave_the_thread_alive(
    scanner: SimulatedScanner, rigs: Callable[..., Rig]
) -> None:
    rig = rigs(scanner.url)
    scanner.wait_opened(5_000)
    scanner.send(b"9" * 20_000 + b"\r")
    scanner.send(bytes(range(256)) * 8)
    scanner.scan("")
    scanner.scan("BIN:A")
    until(lambda: rig.health().counters.get("bytes", 0) == 20_000 + 1 + 2_048 + 1 + 6)
    until(lambda: [read.raw for read in rig.journal.latest(1)] == [b"BIN:A"])
    reads = rig.journal.waiting()
    assert (reads[0].fault, reads[0].length, len(reads[0].raw)) == ("oversize", 20_000, 256)
    assert decode_read(reads[0]).problems
    assert rig.health().counters["oversize"] == 1 and rig.health().state == "ready"


def test_bytes_that_were_no_message_are_kept_to_be_looked_at(
    scanner: SimulatedScanner, rigs: Callable[..., Rig]
) -> None:
    rig = rigs(scanner.url + "&protocol=ssi")
    scanner.wait_opened(5_000)
    side = SsiSide()
    side.scan(b"BIN:A")
    serve(side, scanner, clock=CLOCK, random=SystemRandom(), until=lambda: not side.busy(), timeout_ms=5_000)
    assert rig.health().odd == () and rig.health().delivery == "at-least-once"
    for number in range(12):
        scanner.send(b"\xff\xfe%02d" % number)
        until(lambda number=number: rig.health().counters.get("noise", 0) >= 4 * number + 4)  # type: ignore[misc]
    odd = rig.health().odd
    assert len(odd) == 8 and odd[-1]["hex"].endswith(b"\xff\xfe11".hex()) and odd[-1]["at_ms"] >= odd[0]["at_ms"]
    assert len(odd[-1]["hex"]) <= 128


def test_half_a_read_that_only_silence_ends_is_kept_to_be_looked_at(
    scanner: SimulatedScanner, rigs: Callable[..., Rig]
) -> None:
    rig = rigs(scanner.url)
    scanner.wait_opened(5_000)
    scanner.send(b"\xfe\x80\xe6")
    until(lambda: rig.health().counters.get("truncated") == 1)
    assert [each["hex"] for each in rig.health().odd] == ["fe80e6"]


def test_a_second_program_is_refused(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url)
    until(lambda: rig.health().state == "ready")
    second = SerialTransport(scanner.path)
    with pytest.raises(Unavailable, match="another program has it open"):
        second.open()
    scanner.scan("BIN:A")
    rig.reads(1)
    rig.close()
    second.open()
    third = SerialTransport(scanner.path)
    with pytest.raises(Unavailable, match="another program"):
        third.open()
    second.close()


def test_a_port_in_use_is_tried_again_until_free(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    holder = SerialTransport(scanner.path)
    holder.open()
    rig = rigs(scanner.url)
    until(lambda: rig.health().state == "backoff" and rig.health().counters["failures"] >= 5, 12_000)
    assert "another program" in rig.health().problem
    holder.close()
    freed = time.monotonic()
    until(lambda: rig.health().state == "ready", 12_000)
    assert time.monotonic() - freed < 2, "however long the other program had it"


def test_a_journal_that_cannot_write_refuses_aloud_and_recovers(
    scanner: SimulatedScanner, rigs: Callable[..., Rig]
) -> None:
    rig = rigs(scanner.url + "&ack=06&nak=15")
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A")
    assert scanner.answers(5_000) == b"\x06"
    for error in (
        Unavailable("the disk is full"),
        Corrupt("the journal is damaged"),
        RuntimeError("a fault of ours"),
    ):

        def fail(_: str, error: Exception = error) -> None:
            raise error

        seams.arm_failpoint("journal.before_commit", fail)
        scanner.wait_opened(5_000)
        scanner.scan("BIN:B")
        if isinstance(error, RuntimeError):
            until(lambda: "internal fault" in rig.health().problem)
        else:
            assert scanner.answers(5_000) == b"\x15"
            told = str(error)
            until(lambda told=told: (rig.health().state, rig.health().problem) == ("degraded", told))  # type: ignore[misc]
        seams.disarm_failpoints()
    until(lambda: rig.health().state == "ready")
    scanner.scan("BIN:C")
    assert scanner.answers(5_000) == b"\x06"
    assert [read.raw for read in rig.reads(2)] == [b"BIN:A", b"BIN:C"], "what was refused was not recorded"
    until(lambda: rig.floor.bad == ["the disk is full", "the journal is damaged"])
    until(lambda: rig.health().state == "ready" and rig.health().counters["refused"] == 2)


def test_feedback_that_fails_costs_nothing(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    def broken(device: str) -> dict[str, Any]:
        raise KeyError(device)

    rig = rigs(scanner.url, context=broken)
    rig.floor.recorded = broken  # type: ignore[method-assign, assignment]
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A")
    scanner.scan("BIN:B")
    assert [read.raw for read in rig.reads(2)] == [b"BIN:A", b"BIN:B"]
    until(lambda: rig.health().counters["feedback_errors"] >= 2)
    assert rig.health().state == "ready"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_dying_before_the_answer_keeps_the_read(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    def die(_: str) -> None:
        raise Killed("device.before_answer")

    seams.arm_failpoint("device.before_answer", die)
    rig = rigs(scanner.url + "&ack=06")
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A")
    rig.reads(1)
    assert scanner.answers(200) == b""
    seams.disarm_failpoints()
    scanner.unplug()
    scanner.plug()
    again = rigs(scanner.url + "&ack=06")
    scanner.wait_opened(5_000)
    scanner.scan("BIN:A")  # it was never answered, so it sends again
    assert scanner.answers(5_000) == b"\x06"
    for _ in range(2):
        scanner.scan("BIN:A")  # the first of these may be the one before, given up; the second cannot
        assert scanner.answers(5_000) == b"\x06"
    waiting = again.reads(4)
    reads = again.journal.latest(4)[::-1]
    assert [read.raw for read in reads] == [b"BIN:A"] * 4
    assert reads[1].repeat_of == reads[0].read_id, "the same read again, and marked as such"
    assert [read.state for read in reads] == ["recorded", "parked", "parked", "recorded"]
    assert waiting == [reads[0], reads[3]]
    assert again.health().counters["repeats"] >= 2 and again.health().counters["parked"] == 2


def test_a_recorded_file_is_replayed_once(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    file = tmp_path / "scans.txt"
    file.write_bytes(b"BIN:A\r\n]C1010950110153000310L1\x1d17261231\r\nBIN:B")
    rig = rigs(f"pipe://{file}")
    until(lambda: rig.health().state == "ended")
    reads = rig.reads(3)
    assert [(read.raw[:5], read.fault) for read in reads] == [(b"BIN:A", ""), (b"]C101", ""), (b"BIN:B", "truncated")]


def test_a_fifo_waits_for_its_next_writer(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    rig = rigs(f"pipe://{fifo}")
    for number in range(2):
        fifo.write_bytes(b"BIN:%d\r" % number)
        rig.reads(number + 1)
    assert rig.health().state == "ready"


def test_a_pipe_ends_with_its_writer_and_wakes() -> None:
    near, far = os.pipe()
    pipe = PipeTransport(descriptor=near)
    assert pipe.present()
    pipe.open()
    pipe.wake()
    assert pipe.read(5_000) == b""
    os.write(far, b"A\r")
    assert pipe.read(100) == b"A\r" and pipe.read(1) == b""
    os.close(far)
    with pytest.raises(Ended):
        pipe.read(100)
    pipe.close()
    with pytest.raises(Unavailable):
        pipe.read(1)


def test_stopping_is_quick(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    rig = rigs(scanner.url, f"serial://{scanner.path}-none?name=none")
    scanner.wait_opened(5_000)
    started = time.monotonic()
    rig.supervisor.stop()
    assert time.monotonic() - started < 1.5
    assert {health.state for health in rig.supervisor.health()} == {"stopped"}


def test_a_script_is_acted_as_written(scanner: SimulatedScanner, rigs: Callable[..., Rig]) -> None:
    steps = parse_script(
        "# a morning\nBIN:A\n@repeat 2 5901234123457\n@noise 12\n@cut BIN:\n@wait 1400\n@unplug 50\n]C100{GS}\n\n"
    )
    assert steps[0] == Step("scan", b"BIN:A") and steps[-1].data == b"]C100\x1d"
    rig = rigs(scanner.url)
    assert scanner.play(steps) == 4
    until(lambda: [read.raw for read in rig.journal.latest(1)] == [b"]C100\x1d"])
    reads = rig.journal.waiting()
    assert [read.raw for read in reads[:3]] == [b"BIN:A", b"5901234123457", b"5901234123457"]
    assert reads[2].repeat_of == reads[1].read_id and reads[1].repeat_of is None
    assert [read.raw for read in reads if read.fault == "truncated"][-1:] == [b"BIN:"]


def test_nobody_reading_is_said(tmp_path: Path) -> None:
    with SimulatedScanner(clock=CLOCK) as scanner:
        with pytest.raises(Unavailable, match="nobody opened"):
            scanner.wait_opened(20)
        scanner.unplug()
        with pytest.raises(Unavailable, match="unplugged"):
            scanner.scan("A")
