"""`tallyman devices sim`: a script acted by a device made of software."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from devices.simulated import SimulatedScanner, Step, parse_script
from devices.simulated_sides import ScaleSide, Side, side_for
from devices.simulated_wire import PipeWire, Trouble, Wire, serve
from ledger.clock import SystemClock
from ledger.errors import Rejected, Unavailable
from ledger.seams import SystemRandom

CLOCK, RANDOM = SystemClock(), SystemRandom()
SCALE_STEP_MS = 2_000
ANSWER_MS = 30_000
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

    @property
    def trouble(self) -> Trouble:
        """How bad the wire is."""
        return Trouble(self.lose, self.double, self.noisy)


def _say(wish: Wish, url: str, path: str) -> None:
    print(json.dumps({"path": path, "url": url}) if wish.as_json else url, flush=True)


def scanner(text: str, wish: Wish) -> int:
    """Act a script as a scanner of the wished protocol."""
    steps = parse_script(text)
    protocol = "stx" if wish.suffix == "stx" else wish.protocol
    if protocol in NODES:
        return _node(steps, wish, protocol)
    # The side adds prefix and suffix; the terminal under it only splits and pauses.
    side = side_for(protocol, suffix=_SUFFIXES[wish.suffix])
    with SimulatedScanner(wish.link, clock=CLOCK, suffix=b"", gap_ms=wish.gap_ms, piece=wish.piece) as wire:
        url = wire.url + (f"&protocol={protocol}" if protocol != "line" else "")
        url += "&suffix=none" if wish.suffix == "none" else ""
        _say(wish, url, wire.path)
        sent = _play(side, wire, steps, wish, lambda: wire.wait_opened(wish.wait_ms), _unplugged(wire, side))
        wire.drain()
    _done(wish, sent, side)
    return 0


def _unplugged(wire: SimulatedScanner, side: Side) -> Callable[[int], None]:
    def act(away_ms: int) -> None:
        wire.drain()
        side.unplugged()
        wire.unplug()
        CLOCK.sleep_ms(away_ms)
        wire.plug()

    return act


def _node(steps: list[Step], wish: Wish, protocol: str) -> int:
    """A scanner that types, or HID-POS: a FIFO in the place of the device node."""
    if wish.link is None:
        raise Rejected(f"--link is needed for {protocol}: where the FIFO in the place of its node shall be")
    if not wish.link.exists():
        os.mkfifo(wish.link)
    query = f"?layout={wish.layout}" if protocol == "keys" and wish.layout != "us" else ""
    _say(wish, f"{NODES[protocol]}://{wish.link.absolute()}{query}", str(wish.link))
    side = side_for(protocol, layout=wish.layout)
    far = -1
    deadline_ms = CLOCK.monotonic_ms() + wish.wait_ms
    while far < 0:
        try:
            far = os.open(wish.link, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if CLOCK.monotonic_ms() > deadline_ms:
                raise Unavailable(f"nobody opened {wish.link} within {wish.wait_ms // 1000} s") from error
            CLOCK.sleep_ms(20)
    try:
        sent = _play(side, PipeWire(far), steps, wish, lambda: None, CLOCK.sleep_ms)
    finally:
        os.close(far)
        wish.link.unlink(missing_ok=True)
    _done(wish, sent, side)
    return 0


def _play(
    side: Side, wire: Wire, steps: list[Step], wish: Wish, opened: Callable[[], None], unplug: Callable[[int], None]
) -> int:
    scans = 0
    for step in steps:
        if step.act == "wait":
            CLOCK.sleep_ms(step.number)
            continue
        opened()
        if step.act == "unplug":
            unplug(step.number)
        elif step.act == "scan":
            side.scan(step.data)
            serve(
                side, wire, clock=CLOCK, random=RANDOM, trouble=wish.trouble, until=lambda: not side.busy(),
                timeout_ms=ANSWER_MS,
            )  # fmt: skip
            scans += 1
        else:
            wire.send(step.data or RANDOM.bytes(step.number) + b"\r")
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
    with SimulatedScanner(wish.link, clock=CLOCK, suffix=b"") as wire:
        _say(wish, f"{wire.url}&protocol={side.protocol}", wire.path)
        wire.wait_opened(wish.wait_ms)
        for weight, moving in loads:
            side.put(weight, moving=moving)
            serve(
                side, wire, clock=CLOCK, random=RANDOM, trouble=wish.trouble, until=lambda: False,
                timeout_ms=SCALE_STEP_MS,
            )  # fmt: skip
    print(json.dumps({"weights": len(loads)}) if wish.as_json else f"{len(loads)} weights shown", flush=True)
    return 0


def printer(port: int, *, as_json: bool) -> int:
    """Take jobs on a port of this machine for ever, and show what each prints."""
    from devices.simulated_printer import SimulatedPrinter, read_zpl

    with SimulatedPrinter(port=port) as paper:
        print(json.dumps({"address": paper.address}) if as_json else paper.address, flush=True)
        seen = 0
        while True:
            CLOCK.sleep_ms(100)
            for job in paper.jobs[seen:]:
                seen += 1
                for each in read_zpl(job):
                    things = [(thing.kind, thing.data.decode("utf-8", "replace")) for thing in each.things]
                    shown = {"copies": each.copies, "things": things, "faults": each.faults}
                    print(json.dumps(shown) if as_json else f"{each.copies} × {things}", flush=True)
