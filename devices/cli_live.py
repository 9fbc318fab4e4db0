"""`list`, `monitor` and `sim`: what is there, what it says, and devices made of software."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from devices.cli_read import NUMBER_MAX, config_options, configured, print_read
from devices.decoders.labels import Labels
from devices.decoders.scan import decode
from devices.doctor import ports
from devices.journal import FILE, Journal
from devices.profiles import PROFILES
from devices.protocols.base import Frame
from devices.protocols.layouts import NAMES
from devices.reads import NewRead, day_of
from devices.registry import Device
from devices.simulated_printer import MOODS
from devices.transports.base import Ended, Transport
from devices.weights import Weight
from ledger.clock import Clock, SystemClock
from ledger.commands import Usage, contents, whole
from ledger.errors import Rejected, Unavailable
from ledger.seams import SystemRandom

SCALE_PAUSE_MS = 300


def list_command(commands: Any) -> None:
    """`list`."""
    command = commands.add_parser("list", help="configured devices, and ports that nothing is configured for")
    config_options(command)
    command.add_argument("--profiles", action="store_true", help="the models whose settings are known")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_list)


def monitor_command(commands: Any) -> None:
    """`monitor`."""
    command = commands.add_parser(
        "monitor",
        help="show reads or weights as they come",
        description="Listen to a device, answer it, and show what it sends, without a node; wait for it when it is "
        "away. With --journal a read is recorded in a journal of its own before it is answered and shown.",
    )
    command.add_argument("device", help="a device address, or with --config the name of a configured device")
    command.add_argument("--count", type=whole(1, NUMBER_MAX), metavar="N", help="end after N reads")
    command.add_argument(
        "--timeout", type=whole(1, NUMBER_MAX), metavar="SECONDS", help="end with code 3 after so long a silence"
    )
    command.add_argument("--journal", metavar="FILE", help="journal to record into; created when missing")
    command.add_argument("--capture", metavar="FILE", help="also write every byte as it came, for `replay`")
    config_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_monitor)


def sim_command(commands: Any) -> None:
    """`sim`."""
    command = commands.add_parser(
        "sim",
        help="a scanner, scale or printer made of software",
        description="Make a device, print its address, wait until a program opens it and act the script: one scan a "
        "line ({GS} is 0x1D), @wait N, @cut TEXT, @noise N, @repeat N TEXT, @unplug N, and '# ' for comments. For a "
        "scale a line is a weight, with ~ in front while it moves. A printer needs no script: it shows what it got.",
    )
    command.add_argument("kind", nargs="?", choices=("scanner", "scale", "printer"), default="scanner")
    command.add_argument("--script", metavar="FILE", help="the script, or - for standard input")
    command.add_argument("--protocol", default="line", help="what it speaks, as in a device address (default: line)")
    command.add_argument("--layout", choices=NAMES, default="us", help="keys: the scanner's keyboard")
    command.add_argument(
        "--link",
        metavar="PATH",
        help="a stable name for it, kept over @unplug; a FIFO for keys; a printer with one is serial",
    )
    command.add_argument("--suffix", choices=("cr", "lf", "crlf", "stx", "none"), default="cr", help="how reads end")
    command.add_argument(
        "--gap-ms", type=whole(0, 60_000), default=0, metavar="MS", help="pause between pieces of a read"
    )
    command.add_argument("--piece", type=whole(1, NUMBER_MAX), default=4_096, metavar="BYTES", help="size of a piece")
    for name, what in (
        ("lose", "answers it never hears"),
        ("double", "reads it sends twice"),
        ("noisy", "reads with noise"),
    ):
        command.add_argument(
            f"--{name}", type=whole(0, 100), default=0, metavar="PERCENT", help=f"{what} (default: 0)"
        )
    command.add_argument(
        "--port",
        type=whole(0, 65_535),
        default=9100,
        metavar="PORT",
        help="printer: its port on this machine (default: 9100)",
    )
    command.add_argument(
        "--wait", type=whole(1, NUMBER_MAX), default=60, metavar="SECONDS", help="for a reader (default: 60)"
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--listen", type=whole(0, 65_535), metavar="PORT", help="wait there for the program's call, as for tcp://"
    )
    where.add_argument("--call", default="", metavar="HOST:PORT", help="call the program, as for tcp-listen://")
    where.add_argument(
        "--rfc2217", type=whole(0, 65_535), metavar="PORT", help="stand behind a terminal server at this port"
    )
    command.add_argument(
        "--mood", action="append", default=[], choices=MOODS, help="printer: what is the matter with it, repeatable"
    )
    command.add_argument(
        "--hang-up",
        type=whole(0, NUMBER_MAX),
        default=0,
        metavar="BYTES",
        help="printer: break each connection after so many",
    )
    command.add_argument("--json", action="store_true", help="print JSON objects")
    command.set_defaults(run=_sim)


def _list(arguments: argparse.Namespace) -> int:
    if arguments.profiles:
        profiles = {name: {"scheme": p.scheme, "settings": p.settings, "about": p.about, "prepare": p.prepare}
                    for name, p in PROFILES.items()}  # fmt: skip
        if arguments.json:
            print(json.dumps({"profiles": profiles}))
        else:
            for name, profile in PROFILES.items():
                print(f"{name:<20} {profile.about}\n{'':<20} {profile.prepare}")
        return 0
    registry, _ = configured(arguments.config)
    known = [
        {
            "name": device.name,
            "url": device.url,
            "protocol": device.protocol_name,
            "station": device.station,
            "delivery": device.delivery,
            "present": _there(device),
        }
        for device in registry
    ]
    taken = {str(Path(device.path).resolve()) for device in registry}
    free = [port for port in ports() if str(Path(port.partition("://")[2]).resolve()) not in taken]
    if arguments.json:
        print(json.dumps({"devices": known, "ports": free}))
        return 0
    for device in known:
        there = "present" if device["present"] else "absent"
        print(f"{device['name']:<31} {there:<8} {device['delivery']:<14} {device['url']}")
    for port in free:
        print(f"{'(not configured)':<31} {'present':<8} {'':<14} {port}")
    if not known and not free:
        print("no device is configured and nothing is plugged in that could be one")
    return 0


def _there(device: Device) -> bool:
    transport = device.transport()
    try:
        return transport.present()
    finally:
        transport.end()


def _monitor(arguments: argparse.Namespace) -> int:
    registry, labels = configured(arguments.config)
    device = registry.get(arguments.device) if "://" not in arguments.device else Device.parse(arguments.device)
    clock, left = SystemClock(), arguments.count or sys.maxsize
    with contextlib.ExitStack() as stack:
        capture = stack.enter_context(open(arguments.capture, "ab")) if arguments.capture else None
        source = Source(device, clock, (arguments.timeout or 0) * 1000, capture)
        stack.callback(source.close)
        if device.kind == "scale":
            for weight in source.weights():
                shown = {
                    "weight": str(weight.value),
                    "unit": weight.unit,
                    "net": weight.net,
                    "problem": weight.problem,
                }
                print(json.dumps(shown) if arguments.json else f"{weight}  {weight.problem}".rstrip(), flush=True)
                left -= 1
                if not left:
                    break
            return 0
        journal = _monitor_journal(arguments.journal, labels)
        if journal:
            stack.callback(journal.close)
        for frame in source.frames():
            new = NewRead(device.name, frame.data, frame.fault, frame.length)
            read = journal.record([new])[0] if journal else None
            source.answer(frame)
            scan = decode(frame.data, on=day_of(clock.now_ms()), labels=labels, fault=frame.fault)
            print_read(read, scan, arguments.json)
            left -= 1
            if not left:
                break
    return 0


class Source:
    """A device listened to by a command, opened again whenever it is back; ends after `timeout_ms` of silence."""

    def __init__(self, device: Device, clock: Clock, timeout_ms: int, capture: IO[bytes] | None = None) -> None:
        self._device, self._clock, self._timeout_ms, self._capture = device, clock, timeout_ms, capture
        self._transport: Transport = device.transport()
        self._heard_ms = clock.monotonic_ms()
        self._open = False
        self._problem = ""

    def close(self) -> None:
        """Let go of the device."""
        self._transport.end()

    def frames(self) -> Iterator[Frame]:
        """What a scanner reads, until its source ends."""
        self._protocol = protocol = self._device.framing()
        try:
            while True:
                chunk, lost = self._chunk(protocol.wait_ms() or 500, protocol.hello)
                if lost:
                    yield from protocol.lost()
                    continue
                frames = protocol.feed(chunk) if chunk else protocol.tick(protocol.wait_ms() or 500)
                self._write(protocol.owed())
                yield from frames
        except Ended:
            yield from protocol.lost()

    def answer(self, frame: Frame) -> None:
        """Tell the scanner that its read was taken, or that half of it was not."""
        self._write(self._protocol.refused() if frame.fault else self._protocol.accepted())

    def weights(self) -> Iterator[Weight]:
        """What a scale shows."""
        protocol = self._device.weighing()
        with contextlib.suppress(Ended):
            while True:
                chunk, lost = self._chunk(SCALE_PAUSE_MS, protocol.poll)
                if lost:
                    protocol.lost()
                elif chunk:
                    yield from protocol.feed(chunk)
                else:
                    self._write(protocol.poll())

    def chunks(self, quiet_ms: int) -> Iterator[bytes]:
        """What a device says raw, an empty text for each `quiet_ms` of silence."""
        while True:
            yield self._chunk(quiet_ms, lambda: b"")[0]

    def _chunk(self, listen_ms: int, hello: Any) -> tuple[bytes, bool]:
        """What came within `listen_ms`, and whether the device went away. Raises Unavailable after too long."""
        lost, chunk = False, b""
        try:
            if not self._open:
                self._transport.open()
                self._open, self._problem = True, ""
                print(f"{self._device.name} is ready", file=sys.stderr, flush=True)
                self._write(hello())
            chunk = self._transport.read(listen_ms)
            self._heard_ms = self._clock.monotonic_ms() if chunk else self._heard_ms
            if chunk and self._capture:
                self._capture.write(chunk)
                self._capture.flush()
        except Unavailable as error:
            if self._open or str(error) != self._problem:
                print(f"tallyman devices: {self._device.name}: {error}; waiting for it", file=sys.stderr, flush=True)
            lost, self._open, self._problem = self._open, False, str(error)
            self._clock.sleep_ms(250)
        if self._timeout_ms and self._clock.monotonic_ms() - self._heard_ms >= self._timeout_ms:
            why = self._problem or f"was silent for {self._timeout_ms // 1000} s"
            raise Unavailable(f"{self._device.name}: {why}")
        return chunk, lost

    def _write(self, data: bytes) -> None:
        if data and self._open:
            with contextlib.suppress(Unavailable):  # the next read says so
                self._transport.write(data)


def _monitor_journal(path: str | None, labels: Labels) -> Journal | None:
    if path is None:
        return None
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.exists():
        if not file.parent.is_dir():
            raise Rejected(f"there is no folder {file.parent} for a journal")
        Journal.create(file)
    return Journal(file, clock=SystemClock(), random=SystemRandom(), labels=labels)


def _sim(arguments: argparse.Namespace) -> int:
    from devices import simulated_acts

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that a link is removed
    if arguments.kind == "printer":
        link = Path(arguments.link) if arguments.link else None
        return simulated_acts.printer(arguments.port, link, arguments.mood, arguments.hang_up, as_json=arguments.json)
    if not arguments.script:
        raise Usage("--script is needed: a file, or - for standard input")
    try:
        text = contents(arguments.script).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"{arguments.script} is not UTF-8 text") from error
    wish = simulated_acts.Wish(
        protocol=arguments.protocol,
        suffix=arguments.suffix,
        layout=arguments.layout,
        link=Path(arguments.link) if arguments.link else None,
        gap_ms=arguments.gap_ms,
        piece=arguments.piece,
        lose=arguments.lose,
        double=arguments.double,
        noisy=arguments.noisy,
        wait_ms=arguments.wait * 1000,
        as_json=arguments.json,
        listen=arguments.listen,
        call=arguments.call,
        rfc2217=arguments.rfc2217,
    )
    return simulated_acts.scale(text, wish) if arguments.kind == "scale" else simulated_acts.scanner(text, wish)


ENDLESS = (_monitor, _sim)
