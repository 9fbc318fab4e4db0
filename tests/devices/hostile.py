"""Hostile bytes against every protocol and decoder: `python -m tests.devices.hostile --inputs 100000`.

After each input the same machine must still read a good message whole; memory stays bounded; nothing raises.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from datetime import date

from devices.decoders import elements, link
from devices.decoders.scan import decode
from ledger.errors import Rejected
from tests.devices.protocol_kit import CASES

ON = date(2026, 1, 15)
# What each protocol must still understand after a hostile input and a pause.
GOOD = {name: case.pieces[0] for name, case in CASES.items()}
GOOD |= {
    "line": b"BIN:A\r",
    "line-tab": b"BIN:A\t",
    "stx": b"\x02BIN:A\x03",
    "keys": CASES["keys"].pieces[0] + CASES["keys"].pieces[3],
}
SEEDS = (
    b"]C1010950110153000310AB-1\x1d17261231", b"]E05901234123457", b"]Q1https://a/01/09501101530003?10=A",
    b"BIN:A-01", b"00123456789012345675", b"01234565", b"]d2\x1d01", b"(01)09501101530003(10)A",
    b"[)>\x1e06\x1d", b"]e0",
)  # fmt: skip


def _bytes(dice: random.Random, pieces: tuple[bytes, ...]) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(dice.randrange(300))
    made = bytearray(b"".join(dice.choice(pieces) for _ in range(dice.randrange(1, 12))))
    if kind > 1 and made:
        for _ in range(dice.randrange(1, 6)):
            place = dice.randrange(len(made))
            act = dice.randrange(3)
            if act == 0:
                made[place] = dice.randrange(256)
            elif act == 1:
                made[place:place] = dice.randbytes(dice.randrange(8))
            else:
                del made[place : place + dice.randrange(1, 5)]
            made = made or bytearray(b"\0")
    return bytes(made)


def protocol(name: str, inputs: int, seed: int) -> None:
    """`inputs` streams into one machine; a good message must be understood after every fiftieth."""
    dice, case = random.Random(seed), CASES[name]
    machine = case.make()
    for number in range(inputs):
        stream = _bytes(dice, case.pieces)
        place = dice.randrange(len(stream) + 1)
        for chunk in (stream[:place], stream[place:]):
            machine.feed(chunk)
            if hasattr(machine, "owed"):
                assert len(machine.owed()) < 5_000
        if hasattr(machine, "tick") and number % 7 == 0:
            machine.tick(dice.randrange(400))
        if number % 50 == 49 and hasattr(machine, "lost"):
            machine.lost()
            assert machine.feed(GOOD[name]), (name, number, seed)
    for held in ("_held", "_message", "_sub"):
        assert len(getattr(machine, held, b"")) < 10_000


def decoders(inputs: int, seed: int) -> None:
    """`inputs` texts through `decode`, the element, bracket and link parsers: an answer or a refusal, never else."""
    dice = random.Random(seed)
    for _ in range(inputs):
        raw = _bytes(dice, SEEDS)
        scan = decode(raw, on=ON)
        assert scan.raw == raw and (scan.ok or scan.kind == "unknown")
        text = raw.decode("utf-8", "replace")
        for parse in (elements.parse, elements.parse_bracketed, link.parse):
            try:
                parse(text)
            except Rejected:
                continue


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.devices.hostile", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args(argv)
    for name in (*CASES, "decoders"):
        started = time.monotonic()
        if name == "decoders":
            decoders(wish.inputs, wish.seed)
        else:
            protocol(name, wish.inputs, wish.seed)
        print(f"{name:15} {wish.inputs} hostile inputs survived, {time.monotonic() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
