"""`tallyman devices sim`: a script acted by a device made of software."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from devices.simulated import Step, parse_script
from devices.simulated_places import CalledPlace, CallingPlace, InPieces, NodePlace, Place, TerminalPlace
from devices.simulated_printer import SerialPrinter, SimulatedPrinter, read_zpl
from devices.simulated_scale import ScaleSide
from devices.simulated_sides import Side, side_for
from devices.simulated_wire import Trouble, serve
from ledger.clock import SystemClock
from ledger.errors import Rejected
from ledger.seams import SystemRandom

CLOCK, RANDOM = SystemClock(), SystemRandom()
SCALE_STEP_MS = 2_000
ANSWER_MS = 30_000
PRINTER_STEP_MS = 50
NODES = {"keys": "evdev", "hidpos": "hidraw"}
_SUFFIXES = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "stx": b"\x03", "none": b""}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    protocol: str
    suffix: str
    layout: str
    link: Path | None
    gap_ms: int
    piece: int
    lose: int
    double: int
    noisy: int
    wait_ms: int
    as_json: bool
    listen: int | None = None
    call: str = ""
    rfc2217: int | None = None

    @property
    def trouble(self) -> Trouble:
        """How bad the wire is."""
        return Trouble(self.lose, self.double, self.noisy)


def _say(wish: Wish, place: Place, settings: dict[str, str]) -> None:
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    url = f"{place.url}{'&' if '?' in place.url else '?'}{query}" if query else place.url
    print(json.dumps({"path": place.path, "url": url}) if wish.as_json else url, flush=True)


def scanner(text: str, wish: Wish) -> int:
    """Act a script as a scanner of the wished protocol."""
    steps = parse_script(text)
    protocol = "stx" if wish.suffix == "stx" else wish.protocol
    # The side adds prefix and suffix.
    side = side_for(protocol, suffix=_SUFFIXES[wish.suffix], layout=wish.layout)
    settings = {} if protocol in ("line", *NODES) else {"protocol": protocol}
    settings |= {"suffix": "none"} if wish.suffix == "none" else {}
    settings |= {"layout": wish.layout} if protocol == "keys" and wish.layout != "us" else {}
    with _place(wish, protocol) as place:
        _say(wish, place, settings)
        sent = _play(side, place, steps, wish)
        place.drain()
    _done(wish, sent, side)
    return 0


def _place(wish: Wish, protocol: str) -> Place:
    if protocol in NODES:
        if wish.link is None:
            raise Rejected(f"--link is needed for {protocol}: where the FIFO in the place of its node shall be")
        return NodePlace(NODES[protocol], wish.link, CLOCK)
    if wish.call:
        host, _, port = wish.call.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65_536:
            raise Rejected(f"--call {wish.call}: expected HOST:PORT")
        return CallingPlace(host.strip("[]"), int(port), CLOCK)
    if wish.listen is not None or wish.rfc2217 is not None:
        as_server = wish.rfc2217 is not None
        return CalledPlace(int((wish.rfc2217 if as_server else wish.listen) or 0), CLOCK, as_server=as_server)
    return TerminalPlace(wish.link, CLOCK)


def _play(side: Side, place: Place, steps: list[Step], wish: Wish) -> int:
    scans = 0
    for step in steps:
        if step.act == "wait":
            CLOCK.sleep_ms(step.number)
            continue
        wire = InPieces(place.opened(wish.wait_ms), CLOCK, wish.piece, wish.gap_ms)
        if step.act == "unplug":
            side.unplugged()
            place.unplug(step.number)
        elif step.act == "scan":
            side.scan(step.data)
            serve(
                side, wire, clock=CLOCK, random=RANDOM, trouble=wish.trouble, until=lambda: not side.busy(),
                timeout_ms=ANSWER_MS,
            )  # fmt: skip
            scans += 1
        else:
            wire.send(side.begun(step.data) if step.act == "cut" else side.garbled(RANDOM.bytes(step.number)))
    return scans


def _done(wish: Wish, scans: int, side: Side) -> None:
    lost = len(side.given_up)
    if wish.as_json:
        print(json.dumps({"scans": scans} | ({"given_up": lost} if lost else {})), flush=True)
    else:
        print(f"{scans} scans sent" + (f", {lost} of them given up without an answer" if lost else ""), flush=True)


def scale(text: str, wish: Wish) -> int:
    """A weight a line, each for two seconds, `~` in front while the load moves."""
    side = ScaleSide("sics" if wish.protocol == "line" else wish.protocol)
    if side.protocol not in ("sics", "toledo", "8217"):
        raise Rejected(f"no scale speaks {wish.protocol}: expected sics, toledo or 8217")
    loads: list[tuple[Decimal, bool]] = []
    for number, line in enumerate(filter(str.strip, text.splitlines()), start=1):
        try:
            loads.append((Decimal(line.strip().lstrip("~")), line.strip().startswith("~")))
        except InvalidOperation as error:
            raise Rejected(f"line {number}: {line[:40]!r}: expected a weight such as 12.345") from error
    with _place(wish, side.protocol) as place:
        _say(wish, place, {"protocol": side.protocol})
        wire = InPieces(place.opened(wish.wait_ms), CLOCK, wish.piece, wish.gap_ms)
        for weight, moving in loads:
            side.put(weight, moving=moving)
            serve(
                side, wire, clock=CLOCK, random=RANDOM, trouble=wish.trouble, until=lambda: False,
                timeout_ms=SCALE_STEP_MS,
            )  # fmt: skip
    print(json.dumps({"weights": len(loads)}) if wish.as_json else f"{len(loads)} weights shown", flush=True)
    return 0


def printer(port: int, link: Path | None, moods: list[str], hang_up_after: int, *, as_json: bool) -> int:
    """Take jobs on a port of this machine, or on a terminal called `link`, for ever, and show what each prints.
    `moods`: see `PrinterSide`."""
    if link is None:
        with SimulatedPrinter(port=port) as paper:
            _print_for_ever(paper, paper.address, moods, hang_up_after, as_json)
    with TerminalPlace(link, CLOCK) as place:
        serial = SerialPrinter(place.wire)
        _print_for_ever(serial, place.url, moods, hang_up_after, as_json)
    return 0


def _print_for_ever(
    paper: SimulatedPrinter | SerialPrinter, address: str, moods: list[str], hang_up_after: int, as_json: bool
) -> None:
    for mood in moods:
        setattr(paper, mood.replace("-", "_"), True)
    paper.hang_up_after = hang_up_after
    print(json.dumps({"address": address}) if as_json else address, flush=True)
    seen = 0
    while True:
        CLOCK.sleep_ms(PRINTER_STEP_MS)
        if isinstance(paper, SerialPrinter):
            paper.listen(0)
        for job in paper.jobs[seen:]:
            seen += 1
            for each in read_zpl(job):
                things = [(thing.kind, thing.data.decode("utf-8", "replace")) for thing in each.things]
                shown = {"copies": each.copies, "things": things, "faults": each.faults}
                print(json.dumps(shown) if as_json else f"{each.copies} × {things}", flush=True)
