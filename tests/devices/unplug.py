"""A scanner unplugged and plugged in again, over and over: `python -m tests.devices.unplug --cycles 50`.

Each time a read must be durable within two seconds of the device's return, none lost, none twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from devices.simulated import SimulatedScanner
from devices.simulated_sides import side_for
from devices.simulated_wire import serve
from ledger.errors import Unavailable
from ledger.seams import SystemRandom
from tests.devices.rig import CLOCK, Rig

LIMIT_MS = 2_000


def cycles(folder: Path, count: int, protocol: str) -> int:
    """The longest time from plugging in to a durable read, in milliseconds."""
    worst = 0.0
    with SimulatedScanner(folder / "scanner", clock=CLOCK) as scanner:
        rig = Rig(folder, f"{scanner.url}&protocol={protocol}")
        try:
            for number in range(count):
                started = time.monotonic()
                data = b"BIN:%d" % number
                _scanned(scanner, protocol, data, started)
                # What broke off is kept as well, so how many there are says nothing.
                while not any(read.raw.endswith(data) and not read.fault for read in rig.journal.latest(3)):
                    assert time.monotonic() - started < 5, f"cycle {number}: no read"
                    time.sleep(0.002)
                worst = max(worst, time.monotonic() - started)
                if number % 3 == 0:
                    scanner.send(b"\x09\xf3\x00")  # in the middle of something
                scanner.unplug()
                time.sleep(0.05 * (number % 4))
                scanner.plug()
            raws = [read.raw.removeprefix(b"]C0") for read in rig.journal.waiting(1_000) if not read.fault]
            expected = [b"BIN:%d" % number for number in range(count)]
            assert raws == expected, f"each once, in order: {raws} are not {count}"
        finally:
            rig.close()
    return int(worst * 1000)


def _scanned(scanner: SimulatedScanner, protocol: str, data: bytes, started: float) -> None:
    side = side_for(protocol)
    scanner.wait_opened(5_000)
    side.scan(data)
    try:
        serve(side, scanner, clock=CLOCK, random=SystemRandom(), until=lambda: not side.busy(), timeout_ms=5_000)
    except Unavailable as error:
        raise AssertionError(f"the port went away {time.monotonic() - started:.1f} s after plugging in") from error


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.devices.unplug", description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    wish = parser.parse_args(argv)
    for protocol in ("line", "ssi"):
        with tempfile.TemporaryDirectory() as folder:
            worst = cycles(Path(folder), wish.cycles, protocol)
        print(f"{protocol}: {wish.cycles} unplugs, slowest read {worst} ms after the device's return", flush=True)
        assert worst <= LIMIT_MS
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
