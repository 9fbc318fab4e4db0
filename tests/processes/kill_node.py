"""Kill -9 of a working node: no acknowledged operation is lost or doubled, and the chain verifies every time.

    python -m tests.processes.kill_node --trials 300

One trial: a process opens a real node in its own folder and records from several threads while another seals. It is
killed at a random moment, or kills itself at a named failpoint. The tester keeps what was acknowledged, and every
signature that was made. A second process then opens what is left and is asked for everything again, as by a tablet.

The modules are imported once and the processes forked from there; databases are opened in the children only.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger import seams
from ledger.errors import Corrupt, LedgerError
from ledger.keys import SigningKey, VerifyKey
from ledger.seams import DiskStorage
from ledger.transactions import parse as parse_transaction
from node import audit, founding, identity, sealing, store
from node.config import SealingConfig
from node.site import Site
from tests.node import world
from tests.node.world import World, line, op

SPEED = 40  # milliseconds of the node's clock for each real one: blocks may follow each other within 25 ms
THREADS = 3
OPERATIONS_MAX = 60  # a thread stops by itself after so many, in case nobody kills it
ALIVE_S_MAX = 60
FIRST_HEIGHT = 4  # genesis, deployment, furnishing and the stock on the dock come before

ACK = b"A"  # operation number: it was acknowledged
SIGNED = b"S"  # height and block hash: a signature is about to leave the key
EVENT = struct.Struct(">cQ32s")

RUNNING = (
    "record.before_commit",
    "record.after_commit",
    "db.before_commit",
    "db.after_commit",
    "seal.before",
    "mark.before",
    "mark.taken",
    "seal.signed",
    "seal.stored",
    "seal.committed",
)
FOUNDING = ("found.genesis", "found.signed", "found.committed")
FAILPOINTS = RUNNING + FOUNDING


class FastClock:
    """The machine's clock, running faster, from a fixed date."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._began = time.monotonic()

    def monotonic_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000 * SPEED)

    def now_ms(self) -> int:
        return self._start_ms + self.monotonic_ms()

    def sleep_ms(self, duration_ms: int) -> None:
        time.sleep(duration_ms / 1000 / SPEED)


@dataclass(frozen=True)
class WatchedKey:
    """The node's signing key; whatever it signs as a block is told to the tester first."""

    key: SigningKey
    pipe: int

    @property
    def verify_key(self) -> VerifyKey:
        return self.key.verify_key

    def sign(self, message: bytes) -> bytes:
        tag, _, height, block_hash = message.split(b"\n", 3)
        if tag == b"tallyman/block/v1":
            os.write(self.pipe, EVENT.pack(SIGNED, int(height), block_hash))
        return self.key.sign(message)


@dataclass(frozen=True)
class Trial:
    """What one trial does; everything follows from the seed. `failpoint` is empty for a kill from outside."""

    seed: int
    failpoint: str = ""
    planted: bool = False


# ---------------------------------------------------------------- the process that is killed


def work(folder: Path, trial: Trial, pipe: int) -> None:
    """Be a node under load until killed."""
    dice = random.Random(trial.seed)
    if trial.failpoint in FOUNDING:
        _arm(trial.failpoint, 1)
        _found(folder, pipe)
        return
    site = _open(folder, pipe)
    seen = threading.local()
    if trial.planted:
        _plant(pipe, seen)
    if trial.failpoint:
        # Sealing passes its points once a block, recording once an operation.
        per_block = trial.failpoint.startswith(("seal", "mark"))
        _arm(trial.failpoint, dice.randint(1, 3 if per_block else 40))
    threads = [
        threading.Thread(target=_record, args=(site, number, pipe, trial, seen), daemon=True)
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        site.seal_if_due()
        time.sleep(0.002)
    # Nobody killed us: leave something pending half of the time, so that the checker sees both.
    if dice.random() < 0.5:
        site.seal()


def _record(site: Site, thread: int, pipe: int, trial: Trial, seen: Any) -> None:
    for number in numbers_of(thread):
        seen.number = number
        wish(site, number)
        if not trial.planted:
            os.write(pipe, EVENT.pack(ACK, number, bytes(32)))


def _plant(pipe: int, seen: Any) -> None:
    """The fault that the harness must see: the operator is told before the operation is durable."""
    if os.environ.get("TALLYMAN_TESTING") != "1":
        raise SystemExit("the planted fault needs TALLYMAN_TESTING=1")
    seams.arm_failpoint(
        "record.before_commit",
        lambda _: os.write(pipe, EVENT.pack(ACK, seen.number, bytes(32))) and None,
    )


def _arm(name: str, count: int) -> None:
    left = [count]

    def die(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    seams.arm_failpoint(name, die)


def numbers_of(thread: int) -> range:
    """The operations one thread asks for. A number is also a quantity, so a lost or doubled one shows in stock."""
    return range(thread + 1, THREADS * OPERATIONS_MAX + 1, THREADS)


def wish(site: Site, number: int) -> Any:
    """Operation `number`: every fourth moves some of what the first ones brought."""
    if number % 4 == 0:
        return world.move(site, number, line(1, source="DOCK", target="A-02"))
    return world.receive(site, number, line(number, target="A-01"))


def _open(folder: Path, pipe: int | None = None) -> Site:
    made = World(folder)
    config = replace(made.config, sealing=SealingConfig(operations_max=12, age_ms_max=4_000))
    keys = identity.load_keys(config)
    if pipe is not None:
        keys = replace(keys, block=WatchedKey(keys.block, pipe))  # type: ignore[arg-type]
    return Site.open(config, made.identity, keys, FastClock(world.START_MS + 60_000), DiskStorage())


def _found(folder: Path, pipe: int | None = None) -> None:
    made = World(folder)
    keys = identity.load_keys(made.config)
    if pipe is not None:
        keys = replace(keys, block=WatchedKey(keys.block, pipe))  # type: ignore[arg-type]
    connection = store.open_writer(folder)
    certified = identity.remember(connection, made.certify())
    founding.found(folder, connection, certified, keys, DiskStorage(), world.START_MS)
    connection.close()


# ---------------------------------------------------------------- the process that checks


def check(folder: Path, trial: Trial, acknowledged: set[int], signed: dict[int, set[bytes]]) -> str:
    """Open what is left, ask for everything again, and say what is wrong; "" if nothing is."""
    if trial.failpoint in FOUNDING:
        try:
            _found(folder)
        except LedgerError as error:
            if trial.failpoint != "found.committed":
                return f"founding cannot be repeated: {error}"
    site = _open(folder)
    if site.stopped:
        return f"the node stopped: {site.stopped}"
    if trial.failpoint in FOUNDING:
        return _check_chain(site, folder, signed)
    kept = {number for number in range(1, THREADS * OPERATIONS_MAX + 1) if site.find(op(number)) is not None}
    lost = acknowledged - kept
    if lost:
        return f"acknowledged and lost: {sorted(lost)}"
    # What a tablet does after a silence: the same again, known to have happened or not.
    for number in sorted(kept):
        if not wish(site, number).repeated:
            return f"operation {number} was recorded and acted again"
    again = [number for number in range(1, max(kept, default=0) + 1) if number not in kept]
    for number in again:
        if wish(site, number).repeated:
            return f"operation {number} was not found and yet known"
    site.seal()
    return _check_chain(site, folder, signed) or _check_stock(site, kept | set(again))


def _check_chain(site: Site, folder: Path, signed: dict[int, set[bytes]]) -> str:
    with site.reading() as connection:
        for height, hashes in signed.items():
            block = sealing.read_block(connection, height)
            if len(hashes) > 1 or (block is not None and hashes != {block.hash}):
                return f"two different blocks were signed at height {height}"
            if block is None:
                return f"block {height} was signed and is gone"
    try:
        audit.verify(folder, site.identity)
    except Corrupt as error:
        return f"the chain does not verify: {error}"
    return ""


def _check_stock(site: Site, expected: set[int]) -> str:
    """Each operation once in the blocks, and the stock that follows from exactly these."""
    with site.reading() as connection:
        found = []
        for height in range(FIRST_HEIGHT, site.head.height + 1):
            block = sealing.read_block(connection, height)
            assert block is not None
            found += [int.from_bytes(parse_transaction(raw).data[4:20], "big") for raw in block.transactions]
        levels = world.stock(connection)
    if sorted(found) != sorted(expected):
        return f"the blocks hold {sorted(found)}: expected {sorted(expected)}"
    received = sum(number for number in expected if number % 4)
    moved = sum(1 for number in expected if number % 4 == 0)
    if (levels.get(("A-01", "BOLT"), 0), levels.get(("A-02", "BOLT"), 0)) != (received, moved):
        return f"stock is {levels}: expected {received} in A-01 and {moved} in A-02"
    return ""


# ---------------------------------------------------------------- the tester


def in_child(task: Callable[[int], str]) -> tuple[int, int]:
    """Fork: the child runs `task(pipe)` and ends; answers its process id and where to read what it writes."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    code = 1
    try:
        os.close(reading)
        os.write(writing, task(writing).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def run_trial(template: Path, bare: Path, trial: Trial) -> str:
    """One trial; what is wrong, or ""."""
    with tempfile.TemporaryDirectory(prefix="tallyman-kill-") as place:
        folder = Path(place) / "node"
        shutil.copytree(bare if trial.failpoint in FOUNDING else template, folder)
        process, pipe = in_child(lambda writing: str(work(folder, trial, writing) or ""))
        acknowledged, signed = _watch(process, pipe, trial)
        checker, answer = in_child(lambda _: check(folder, trial, acknowledged, signed))
        with os.fdopen(answer, "rb") as file:
            words = file.read().decode()
        _, status = os.waitpid(checker, 0)
        return words or ("" if status == 0 else f"the checker ended with status {status}")


def _watch(process: int, pipe: int, trial: Trial) -> tuple[set[int], dict[int, set[bytes]]]:
    """Let the process work, kill it unless it does so itself, and collect what it said."""
    acknowledged: set[int] = set()
    signed: dict[int, set[bytes]] = {}
    delay = 0.0 if trial.failpoint else random.Random(~trial.seed).uniform(0.0, 0.6)
    killer = threading.Timer(delay if not trial.failpoint else ALIVE_S_MAX, os.kill, (process, signal.SIGKILL))
    started = False
    with os.fdopen(pipe, "rb", buffering=0) as file:
        if trial.failpoint:
            killer.start()
            started = True
        rest = b""
        while True:
            part = file.read(EVENT.size * 64)
            if not part:
                break
            if not started:
                # The moment is drawn from when the node works, not from when it starts: openings are all alike.
                killer.start()
                started = True
            rest += part
            while len(rest) >= EVENT.size:
                kind, number, content = EVENT.unpack(rest[: EVENT.size])
                rest = rest[EVENT.size :]
                if kind == ACK:
                    acknowledged.add(number)
                else:
                    signed.setdefault(number, set()).add(content)
    killer.cancel()
    os.waitpid(process, 0)
    return acknowledged, signed


def prepare(folder: Path) -> tuple[Path, Path]:
    """Two folders to copy from: a furnished node with stock on its dock, and one that was only made."""
    template, bare = folder / "template", folder / "bare"

    def make(_: int) -> str:
        World(bare).init()
        made = World(template)
        site = made.ready()
        world.receive(site, 1_000_000, line(1_000_000, target="DOCK"))
        made.clock.advance(2_000)
        site.seal()
        site.close()
        return ""

    process, pipe = in_child(make)
    os.close(pipe)
    _, status = os.waitpid(process, 0)
    if status:
        raise SystemExit("the node to copy from could not be made")
    return template, bare


def plan(trials: int, seed: int) -> list[Trial]:
    """Each named failpoint once, and ten times in three hundred; the rest at random moments."""
    named = [name for _ in range(max(1, trials // 30)) for name in FAILPOINTS][:trials]
    names = named + [""] * (trials - len(named))
    return [Trial(seed * 1_000_003 + number, name) for number, name in enumerate(names)]


def run(trials: list[Trial], jobs: int = 2, *, report: Callable[[str], None] = print) -> list[tuple[Trial, str]]:
    """All trials on `jobs` processes; the failures."""
    with tempfile.TemporaryDirectory(prefix="tallyman-kill-") as place:
        template, bare = prepare(Path(place))
        children = []
        for share in range(jobs):

            def loop(pipe: int, share: int = share) -> str:
                for number in range(share, len(trials), jobs):
                    words = run_trial(template, bare, trials[number])
                    if words:
                        os.write(pipe, f"{number} {' '.join(words.split())[:500]}\n".encode())
                return ""

            children.append(in_child(loop))
        failures = []
        for process, pipe in children:
            with os.fdopen(pipe, "r") as file:
                for entry in file:
                    number, _, words = entry.rstrip("\n").partition(" ")
                    failures.append((trials[int(number)], words))
                    report(f"failed: {trials[int(number)]}: {words}")
            _, status = os.waitpid(process, 0)
            if status:
                raise SystemExit(f"a runner ended with status {status}")
        return failures


def negative_control(jobs: int = 2, trials: int = 4) -> bool:
    """Whether the planted fault is seen: an acknowledgement before the commit, killed between the two."""
    planted = [Trial(seed, "db.before_commit", planted=True) for seed in range(trials)]
    os.environ["TALLYMAN_TESTING"] = "1"
    try:
        return bool(run(planted, jobs, report=lambda _: None))
    finally:
        del os.environ["TALLYMAN_TESTING"]


def named_in_product() -> set[str]:
    """Every failpoint that recording, sealing or founding passes, as the source names them."""
    root = Path(__file__).resolve().parents[2]
    text = "".join(
        (root / name).read_text()
        for name in (
            "node/site.py",
            "node/keeper.py",
            "node/sealing.py",
            "node/mark.py",
            "node/founding.py",
            "ledger/db.py",
        )
    )
    return set(re.findall(r'failpoint\("([a-z_.]+)"\)', text)) - {"db.migrated", "adopt.committed"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.kill_node", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="how many trials at the same time")
    parser.add_argument("--planted", action="store_true", help="run the planted fault alone; it must be seen")
    arguments = parser.parse_args()
    if arguments.planted:
        seen = negative_control(arguments.jobs)
        print("the planted fault was seen" if seen else "THE PLANTED FAULT WAS NOT SEEN")
        return 0 if seen else 1
    began = time.monotonic()
    failures = run(plan(arguments.trials, arguments.seed), arguments.jobs)
    seen = negative_control(arguments.jobs)
    took_s = time.monotonic() - began
    print(f"negative control (acknowledged before the commit): {'seen' if seen else 'NOT SEEN'}; {took_s:.0f} s")
    print(f"{arguments.trials - len(failures)} passed, {len(failures)} failed")
    return 1 if failures or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
