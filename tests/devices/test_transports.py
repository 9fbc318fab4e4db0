"""Every protocol over a real wire of its kind, and what happens when that wire breaks."""

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from devices.decoders.scan import decode_read
from devices.registry import Device
from devices.simulated import SimulatedScanner
from devices.simulated_port import PortServer
from devices.simulated_scale import ScaleSide
from devices.simulated_sides import Side, SsiSide, side_for
from devices.simulated_wire import PipeWire, SocketWire, Trouble, Wire, serve
from devices.transports.nodes import NodeTransport, speaks_pos
from devices.transports.serial import SerialTransport
from devices.transports.tcp import TcpListener, TcpTransport
from devices.weights import Weight
from ledger import seams
from ledger.errors import Rejected, Unavailable
from tests.devices import unplug
from tests.devices.rig import CLOCK, Rig, until

ITEM = b"]C1010950110153000310AB-1\x1d17261231"
SCANS = [b"]C0BIN:A-01-02", ITEM, b"]E05901234123457", b"]Q1" + b"x" * 700]


class Dice:
    """Trouble that comes again: `ledger.seams.Random` from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


def play(side: Side, wire: Wire, scans: list[bytes], trouble: Trouble | None = None) -> None:
    """Scan one after the other, each once the one before is through."""
    for data in scans:
        side.scan(data)
        assert serve(side, wire, clock=CLOCK, random=Dice(len(data)), trouble=trouble, until=lambda: not side.busy())


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[None]:
    """`act` in a thread; its failure is ours."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


@contextmanager
def served(side: Side | ScaleSide, wire: Wire) -> Iterator[None]:
    """`side` answers over `wire` for as long as the block runs."""
    over = threading.Event()
    with beside(lambda: serve(side, wire, clock=CLOCK, random=Dice(1), until=over.is_set, timeout_ms=60_000)):
        try:
            yield
        finally:
            over.set()


@pytest.mark.parametrize("protocol", ["line", "stx", "ssi", "honeywell", "datalogic"])
@pytest.mark.parametrize("split", [0, 7])
def test_scanners_on_a_terminal(protocol: str, split: int, tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        rig = rigs(f"{scanner.url}&protocol={protocol}")
        scanner.wait_opened(5_000)
        side = side_for(protocol)
        play(side, scanner, SCANS, Trouble(split=split))
        reads = rig.reads(len(SCANS))
        assert side.known == SCANS and not side.given_up
        assert [read.raw for read in reads][1:] == SCANS[1:] and decode_read(reads[0]).text == "A-01-02"
        assert decode_read(reads[1]).lot == "AB-1"


def test_ssi_tells_good_from_bad_and_obeys(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        rig = rigs(f"{scanner.url}&protocol=ssi&name=dock-1")
        scanner.wait_opened(5_000)
        side = SsiSide()
        with served(side, scanner):
            until(lambda: side.heard["C6"] == 1 and side.heard["E9"] == 1)
            side.scan(ITEM)
            until(lambda: side.known == [ITEM])
            until(lambda: side.heard["beep"] == 1)
            rig.supervisor.signal("dock-1", "error")
            until(lambda: side.heard["beep"] == 2)
            rig.supervisor.signal("dock-1", "disable")
            until(lambda: not side.enabled)
            rig.supervisor.signal("dock-1", "enable")
            until(lambda: side.enabled)
        with pytest.raises(Rejected):
            rig.supervisor.signal("nobody", "good")


def test_ssi_is_told_to_wait_while_a_commit_is_slow(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    go_on = threading.Event()
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        rig = rigs(f"{scanner.url}&protocol=ssi&name=dock-1")
        scanner.wait_opened(5_000)
        side = SsiSide()
        with served(side, scanner):
            side.scan(ITEM)
            until(lambda: side.known == [ITEM])
            seams.arm_failpoint("journal.before_commit", lambda name: (go_on.wait(60), None)[1])
            try:
                side.scan(b"BIN:A")
                until(lambda: not side.enabled)
                assert (side.known, side.given_up, rig.journal.position) == ([ITEM], [], 1), "no answer yet"
                side.scan(b"BIN:B")
                assert side.heard["disabled_pulls"] == 1
            finally:
                go_on.set()
                seams.disarm_failpoints()
            until(lambda: side.known == [ITEM, b"BIN:A"] and side.enabled)
            side.scan(b"BIN:C")
            until(lambda: side.known == [ITEM, b"BIN:A", b"BIN:C"])
        assert side.heard["EA"] == 1 and rig.health().counters["paused"] == 1
        assert [read.raw[3:] for read in rig.journal.waiting(10)] == [ITEM[3:], b"BIN:A", b"BIN:C"]


def test_ssi_through_lost_answers_and_noise(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        rig = rigs(f"{scanner.url}&protocol=ssi")
        scanner.wait_opened(5_000)
        side = SsiSide(patience_ms=120, resends=30)
        scans = [b"BIN:%d" % number for number in range(25)]
        for data in scans:
            play(side, scanner, [data], Trouble(noise=20, split=5))
        # Every answer to the first try is lost: the same packets come again, marked, and count once.
        unheard = SsiSide()
        unheard.scan(b"BIN:X")
        # On a busy machine some of those before came twice as well.
        position, again = rig.journal.position, rig.health().counters.get("retransmits", 0)
        scanner.send(unheard.say())
        until(lambda: rig.journal.position > position)
        unheard.tick(unheard.patience_ms)
        scanner.send(unheard.say())
        until(lambda: rig.health().counters.get("retransmits", 0) == again + 1)
        scans.append(b"BIN:X")
        until(lambda: len(rig.journal.waiting(100)) >= len(scans))
        time.sleep(0.1)
        assert side.known == scans[:-1]
        assert [read.raw[3:] for read in rig.journal.waiting(100)] == scans, "each once, in order"
        assert rig.health().state == "ready"


@pytest.mark.parametrize(("protocol", "scheme"), [("hidpos", "hidraw"), ("keys", "evdev")])
def test_nodes_read_through_a_fifo(protocol: str, scheme: str, tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    node = tmp_path / "node"
    os.mkfifo(node)
    rig = rigs(f"{scheme}://{node}" + ("?layout=de" if scheme == "evdev" else ""))
    until(lambda: rig.health().state == "ready")
    far = os.open(node, os.O_WRONLY)
    try:
        play(side_for(protocol, layout="de"), PipeWire(far), SCANS, Trouble(split=11))
        assert [read.raw for read in rig.reads(len(SCANS))] == SCANS
    finally:
        os.close(far)


def test_a_grab_and_a_mode_are_checked_when_opened(tmp_path: Path) -> None:
    node = tmp_path / "node"
    os.mkfifo(node)
    with pytest.raises(Unavailable, match="cannot grab"):
        NodeTransport(str(node), "evdev", grab=True).open()
    with pytest.raises(Unavailable, match="plugged in"):
        NodeTransport(str(tmp_path / "none"), "hidraw").open()
    with pytest.raises(Unavailable, match="no HID device"):
        NodeTransport("/dev/null", "hidraw").open()
    with pytest.raises(Unavailable, match="not open"):
        NodeTransport(str(node), "evdev").read(1)
    assert speaks_pos(bytes.fromhex("058c0902a10185020601ff")) and speaks_pos(bytes.fromhex("068c00a101"))
    assert not speaks_pos(bytes.fromhex("05010906a101058c"[:12])) and not speaks_pos(b"\x26\x8c\x00\x05")


@pytest.mark.parametrize("parity", ["N", "E"])
def test_a_port_shows_damage_of_the_line(parity: Literal["N", "E"]) -> None:
    """What the kernel does with it is by these flags alone (termios(3)): a byte with an error of parity or framing is
    NUL, and so is a break; neither passes as it came, nor empties what waits to be read."""
    near, far = os.openpty()
    before = termios.tcgetattr(far)
    before[0] |= (
        termios.BRKINT | termios.IGNBRK | termios.IGNPAR | termios.PARMRK | termios.ISTRIP
    )  # another program's
    termios.tcsetattr(far, termios.TCSANOW, before)
    port = SerialTransport(os.ttyname(far), parity=parity)
    try:
        port.open()
        os.write(near, b"590\0123457\r")
        assert port.read(1_000) == b"590\0123457\r" and port.read(1) == b""
        kept = termios.INPCK | termios.BRKINT | termios.IGNBRK | termios.IGNPAR | termios.PARMRK | termios.ISTRIP
        assert termios.tcgetattr(far)[0] & kept == termios.INPCK
    finally:
        port.close()
        os.close(near)
        os.close(far)


# -------------------------------------------------------------------------------------------------------- network


def test_tcp_client_through_hang_ups(rigs: Callable[..., Rig]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        rig = rigs(f"tcp://127.0.0.1:{server.getsockname()[1]}?protocol=ssi")
        for number in range(3):
            wire = SocketWire.wait_for_call(server)
            play(SsiSide(), wire, [b"BIN:%d" % number])
            rig.reads(number + 1)
            wire.close()
    until(lambda: "cannot connect" in rig.health().problem)
    assert [read.raw for read in rig.journal.waiting()] == [b"]C0BIN:%d" % number for number in range(3)]


def test_tcp_listener_takes_the_newest_caller(rigs: Callable[..., Rig]) -> None:
    port = _free_port()
    rig = rigs(f"tcp-listen://127.0.0.1:{port}?protocol=line")
    until(lambda: rig.health().state == "absent")
    wire = _called(port)
    play(side_for("line"), wire, [b"BIN:A"])
    rig.reads(1)
    wire.send(b"half")
    until(lambda: rig.health().counters["bytes"] == 10)
    again = _called(port)  # the first one lost power: it never said good-bye
    play(side_for("line"), again, [b"BIN:B"])
    until(lambda: rig.journal.position == 3)
    reads = rig.journal.latest(3)[::-1]
    assert [(read.raw, read.fault) for read in reads] == [(b"BIN:A", ""), (b"half", "truncated"), (b"BIN:B", "")]
    wire.close()
    again.close()


def test_tcp_listener_turns_strangers_away(rigs: Callable[..., Rig]) -> None:
    port = _free_port()
    rig = rigs(f"tcp-listen://127.0.0.1:{port}?allow=127.0.0.2")
    wire = _called(port)
    until(lambda: "not allowed" in rig.health().problem)
    with pytest.raises(Unavailable):
        for _ in range(100):
            wire.send(b"BIN:A\r")
            wire.answers(20)
    assert rig.journal.position == 0


def test_tcp_listener_of_both_kinds_of_addresses(rigs: Callable[..., Rig]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    rig = rigs(f"tcp-listen://[::]:{port}?allow=127.0.0.1,::1")
    wire = _called(port)
    play(side_for("line"), wire, [b"BIN:A"])
    rig.reads(1)
    again = SocketWire.connect("::1", port)
    play(side_for("line"), again, [b"BIN:B"])
    rig.reads(2)
    wire.close()
    again.close()


def test_listeners_say_why_they_cannot() -> None:
    first = TcpListener("127.0.0.1", _free_port())
    assert not first.present()
    with pytest.raises(Unavailable, match="nothing has connected"):
        first.open()
    with pytest.raises(Unavailable):
        first.read(1)
    second = TcpListener("127.0.0.1", first._port)
    with pytest.raises(Unavailable, match="cannot listen"):
        second.open()
    first.end()
    second.end()
    with pytest.raises(Unavailable, match="not connected"):
        TcpTransport("127.0.0.1", 1).write(b"x")


def test_rfc_2217_against_another_implementation(rigs: Callable[..., Rig]) -> None:
    with serial_server() as (number, far):
        rig = rigs(f"rfc2217://127.0.0.1:{number}?protocol=line&baud=19200&bits=7&parity=E")
        until(lambda: rig.health().state == "ready")
        assert (far.baudrate, far.bytesize, far.parity) == (19_200, 7, "E")
        data = b"]d1\x1d\xff\xfe\xff\xff\x00\x11"
        far.write(ITEM + b"\r" + data + b"\r")
        assert [read.raw for read in rig.reads(2)] == [ITEM, data]
        rig.close()


def test_what_comes_right_behind_the_confirmed_settings_is_read(rigs: Callable[..., Rig]) -> None:
    """A scan made just then lies in the same packet as the answers to the settings."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        rig = rigs(f"rfc2217://127.0.0.1:{server.getsockname()[1]}?protocol=line")
        wire, port = SocketWire.wait_for_call(server), PortServer()
        while not port.is_set_up():
            port.feed(wire.answers(100))
        wire.send(b"too early\r" + port.owed() + b"BIN:A\r")
        assert [read.raw for read in rig.reads(1)] == [b"BIN:A"]
        wire.close()


def test_rfc_2217_needs_a_server_that_speaks_it(rigs: Callable[..., Rig]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        rig = rigs(f"rfc2217://127.0.0.1:{server.getsockname()[1]}")
        wire = SocketWire.wait_for_call(server)
        wire.send(b"\xff\xfe\x2c")
        until(lambda: "not an RFC 2217 server" in rig.health().problem)
        wire.close()


@contextmanager
def serial_server() -> Iterator[tuple[int, Any]]:
    """A terminal server by pyserial's own RFC 2217 code, and the port behind it: a plug that hears itself."""
    import serial
    from serial.rfc2217 import PortManager

    port = serial.serial_for_url("loop://", timeout=0.02)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            server.settimeout(5)
            peer, _ = server.accept()
            peer.settimeout(0.02)
            manager = PortManager(port, type("Peer", (), {"write": staticmethod(peer.sendall)})())
            while not over.is_set():
                try:
                    chunk = peer.recv(1_024)
                except TimeoutError:
                    chunk = b""
                if chunk:
                    port.write(b"".join(manager.filter(chunk)))
                if waiting := port.read(port.in_waiting):
                    peer.sendall(b"".join(manager.escape(waiting)))
            peer.close()

        with beside(run):
            try:
                yield server.getsockname()[1], port
            finally:
                over.set()
    port.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _called(port: int) -> SocketWire:
    for _ in range(100):
        try:
            return SocketWire.connect("127.0.0.1", port)
        except Unavailable:
            time.sleep(0.02)
    raise AssertionError("the listener never came up")


# --------------------------------------------------------------------------------------------------------- unplugged


def test_unplugged_and_back_many_times(tmp_path: Path) -> None:
    assert unplug.cycles(tmp_path, 4, "ssi") <= 2_000


def test_other_programs_noise_and_wrong_speed(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    """A modem manager's questions echoed back, a wrong speed's garbage, then the right one."""
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        rig = rigs(f"{scanner.url}&protocol=ssi")
        scanner.wait_opened(5_000)
        scanner.send(b"AT\rAT+CGMI\r\n+++ATZ\r\x00\x78\xf0\x7e")
        scanner.send(bytes(byte ^ 0x55 for byte in range(256)) * 4)
        side = SsiSide(patience_ms=400, resends=5)
        started = time.monotonic()
        play(side, scanner, [ITEM])
        assert time.monotonic() - started < 2 and side.known == [ITEM]
        assert [read.raw for read in rig.journal.waiting()] == [ITEM]
        assert rig.health().counters["noise"] > 500


# ------------------------------------------------------------------------------------------------------------- scales


@pytest.mark.parametrize("protocol", ["sics", "toledo", "8217"])
def test_a_stable_weight_for_a_station(protocol: str, tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(tmp_path / "scale", clock=CLOCK) as wire:
        rig = rigs(f"{wire.url}&protocol={protocol}&name=scale-1&station=pack-1")
        wire.wait_opened(5_000)
        side = ScaleSide(protocol, every_ms=60)
        with served(side, wire):
            side.put("12.345")
            weight = rig.supervisor.weigh("pack-1", 5_000)
            assert (weight.value, weight.unit, str(weight.value)) == (Decimal("12.345"), "kg", "12.345")
            assert weight.in_grams() == 12_345
            side.put("3.100", moving=True)
            refused(rig, "in motion")
            side.put("3.100")
            assert str(rig.supervisor.weigh("scale-1", 5_000)) == "3.100 kg"
            side.overloaded = True
            refused(rig, "overload|out of range")
        assert rig.health().state == "ready" and rig.health().counters["weights"] > 3
        assert rig.journal.position == 0, "a weight is no read"
        wire.unplug()
        refused(rig, "not there|went away")
        with pytest.raises(Rejected, match="no scale"):
            rig.supervisor.weigh("nowhere")


def refused(rig: Rig, why: str) -> None:
    """Never a weight, and before long this reason; on a busy machine others may come first."""
    for _ in range(20):
        with pytest.raises(Unavailable) as caught:
            rig.supervisor.weigh("scale-1", 450)
        if re.search(why, str(caught.value)):
            return
    raise AssertionError(str(caught.value))


def test_a_silent_scale_is_said(tmp_path: Path, rigs: Callable[..., Rig]) -> None:
    with SimulatedScanner(tmp_path / "scale", clock=CLOCK) as wire:
        rig = rigs(f"{wire.url}&protocol=sics&name=scale-1")
        wire.wait_opened(5_000)
        with pytest.raises(Unavailable, match="says nothing"):
            rig.supervisor.weigh("scale-1", 300)


def test_a_weight_is_exact() -> None:
    assert Weight(Decimal("1.10"), "lb", b"").in_grams() == Decimal("498.9516070")
    with pytest.raises(Rejected, match="shows 3 decimals"):
        ScaleSide().put("1.2345")
    assert Device.parse("pipe:///x?protocol=8217&unit=lb").weighing().poll() == b"W"


def test_the_structures_are_the_kernels() -> None:
    assert struct.calcsize("@llHHi") == 24 or struct.calcsize("@l") == 4
    assert fcntl.ioctl is not None
    hidden: Any = NodeTransport("/dev/x", "evdev")
    hidden.wake()
    hidden.write(b"a keyboard takes no report")


@pytest.mark.parametrize("protocol", ["honeywell", "ssi"])
def test_what_was_sent_while_nobody_listened_counts_once(
    protocol: str, tmp_path: Path, rigs: Callable[..., Rig]
) -> None:
    """A scanner tried, gave up, and was triggered again, while the node was away and the wire kept the bytes."""
    with SimulatedScanner(tmp_path / "scanner", clock=CLOCK) as scanner:
        for _ in range(3):
            again = side_for(protocol)
            again.scan(b"BIN:A")
            scanner.send(again.say())
        rig = rigs(f"{scanner.url}&protocol={protocol}")
        until(lambda: rig.journal.position == 3)
        time.sleep(0.1)
        answers = scanner.answers(500)
        assert answers.count(bytes.fromhex("04D00400FF28") if protocol == "ssi" else b"\x1b7") == 1
        play(side_for(protocol), scanner, [b"BIN:A"])  # it had given that up, too, before the answer came
        play(side_for(protocol), scanner, [b"BIN:A"])
        until(lambda: rig.journal.position == 5)
        states = [read.state for read in rig.journal.latest(5)[::-1]]
        assert states == ["recorded", "parked", "parked", "parked", "recorded"]
