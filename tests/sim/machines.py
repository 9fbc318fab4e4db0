"""The simulated machines: a clock that may be wrong, a folder that survives, and a process that may die anywhere.

Death is a `Killed` raised at a failpoint; everything in memory is then dropped and the next start opens the files.
Closing a database connection commits nothing, so for the files that is the same as `kill -9`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from devices.journal import FILE as READS_FILE
from devices.journal import Journal
from hub import jobs as hub_jobs
from hub.hub import Hub
from ledger import db
from ledger.clock import ManualClock
from ledger.documents import happened_ms
from ledger.errors import LedgerError, Rejected
from ledger.seams import DiskStorage, Killed
from node import config as node_config
from node import jobs as node_jobs
from node import store, wiring
from node.desk import Person
from sync.client import WsgiTransport
from web import hub_app

if TYPE_CHECKING:
    from tests.sim.world import World

_T = TypeVar("_T")
PIN = "482913"
DAY_MS = 24 * 3600 * 1000
# A simulated company must not depend on which machine plays it.
wiring.MACHINE_FILE = Path(__file__)


UNEXPECTED = "nothing unexpected"  # the oracle of everything that falls over


class Down(Exception):
    """The machine that was asked has no power, or lost it before it could answer."""


class Seeded:
    """Repeatable bytes for keys, tokens, salts, nonces and leases."""

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._dice.randbytes(count)


class SimClock(ManualClock):
    """One machine's clock. Waiting lets the whole world's time pass; `rate` is its drift in millionths."""

    def __init__(self, world: World, at_ms: int, rate: int) -> None:
        super().__init__(at_ms)
        self.world = world
        self.rate = rate
        self.earliest_ms = self.latest_ms = at_ms
        self._rest = 0

    def sleep_ms(self, duration_ms: int) -> None:
        self.world.pass_ms(duration_ms)

    def advance(self, duration_ms: int) -> None:
        self._rest += duration_ms * self.rate
        more, self._rest = divmod(self._rest, 1_000_000)
        super().advance(duration_ms + more)
        self._mark()

    def jump(self, by_ms: int) -> None:
        super().jump(max(by_ms, -self.at_ms))
        self._mark()

    def forget(self) -> None:
        """From now on `earliest_ms` and `latest_ms` are about what it says from now on."""
        self.earliest_ms = self.latest_ms = self.at_ms

    def _mark(self) -> None:
        self.earliest_ms = min(self.earliest_ms, self.at_ms)
        self.latest_ms = max(self.latest_ms, self.at_ms)


class Machine:
    """A machine that is on or off.

    `fuse`: how many failpoints it still passes before it dies; `fuse_name`: only those of this name count, or all;
    `fuse_after`: none counts before this one was passed.
    """

    def __init__(self, world: World, name: str, folder: Path, clock: SimClock) -> None:
        self.world = world
        self.name = name
        self.folder = folder
        self.clock = clock
        self.up = False
        self.starts = 0
        self.back_ms = 0
        self.fuse: int | None = None
        self.fuse_name = self.fuse_after = ""

    def run(self, act: Callable[[], _T]) -> _T:
        """Do something in this machine's process. Raises Down when that is off or dies of it.

        Where the process was already at work further out, its death goes on to there as `Killed`.
        """
        if not self.up:
            raise Down(self.name)
        nested = self in self.world.stack
        self.world.stack.append(self)
        try:
            return act()
        except Killed:
            self.up = False
            if nested:
                raise
        finally:
            self.world.stack.pop()
        self.lose_power()
        raise Down(self.name)

    def start(self) -> bool:
        """Open what the files hold; False when it dies again over that."""
        self.starts += 1
        self.world.note(self, "start", str(self.starts))
        self.world.stack.append(self)
        try:
            self._open(Seeded(f"{self.world.seed}/{self.name}/{self.starts}"))
            self.up = True
        except Killed:
            pass
        finally:
            self.world.stack.pop()
        if not self.up:
            self.lose_power()
            return False
        return True

    def lose_power(self) -> None:
        """Drop everything in memory."""
        self.up = False
        self.fuse = None
        self._drop()
        self.back_ms = self.world.now_ms + self.world.dice.choice((0, 0, 1_000, 5_000, 30_000))
        self.world.note(self, "down")

    def passing(self, name: str) -> None:
        """A failpoint is reached in this machine's process."""
        if self.fuse is None or self.fuse_after:
            self.fuse_after = "" if self.fuse_after == name else self.fuse_after
            return
        if self.fuse_name not in ("", name):
            return
        self.fuse -= 1
        if self.fuse <= 0:
            self.fuse = None
            self.world.note(self, "dies at", name)
            self.world.deaths[name] += 1
            raise Killed(name)

    def _open(self, chance: Seeded) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        raise NotImplementedError


class NodeMachine(Machine):
    """A site's machine, with the tablets' tokens that outlive its process."""

    parts: wiring.Parts
    journal: Journal

    def __init__(self, world: World, name: str, folder: Path, clock: SimClock, tokens: dict[str, str]) -> None:
        super().__init__(world, name, folder, clock)
        self.config = node_config.load(folder)
        self.tokens = tokens
        self.logins = 0
        self._open_parts: Any = None
        self._reader: db.Connection | None = None

    @property
    def origin(self) -> str:
        return str(self.parts.site.identity.origin)

    def who(self, login: str) -> Person:
        """The person at the tablet, logging in again where the log-in has ended. Runs in the machine's process."""
        people = self.parts.floor.people
        try:
            return people.session(self.tokens.get(login, ""))
        except Rejected:
            answer = people.log_in(f"{login}.{self.name}", PIN, "tablet")
            self.tokens[login] = answer["token"]
            self.logins += 1
            return people.session(answer["token"])

    def jobs(self) -> dict[str, Callable[[], object]]:
        """What the process does by itself. The samples of vitals look at the real machine and are left out; what is
        to be drawn is drawn by an act (`count_work`), whose answer the books hear."""
        parts = self.parts
        found = node_jobs.of_node(
            parts.site, parts.health, parts.shadow, parts.syncer.turn, parts.floor.hub.apply_ready,
            parts.floor.free_revoked,
        )  # fmt: skip
        return {job.name: job.run for job in found if job.name not in ("vitals", "database")}

    def durable(self, op_id: bytes) -> bool:
        """Whether another process would find this operation recorded."""
        row = self.reading().execute("SELECT 1 FROM operations WHERE op_id = ?", (op_id,)).fetchone()
        return row is not None

    def proposed_ms(self, op_id: str) -> int:
        """When this was proposed, by the clock of the node."""
        found = self.reading().execute("SELECT at_ms FROM proposals WHERE op_id = ?", (bytes.fromhex(op_id),))
        return int(found.fetchone()[0])

    def happened_ms(self, op_id: str) -> int:
        """When the count that this operation records was done, by the clock of the node."""
        joined = "SELECT h.at_ms FROM operations o JOIN happened h ON h.height = o.height AND h.place = o.place"
        return int(self.reading().execute(f"{joined} WHERE o.op_id = ?", (bytes.fromhex(op_id),)).fetchone()[0])

    def done(self, op_id: str) -> tuple[int, int]:
        """When the act that this operation records was done by its document, a minute after its block at most, and
        that block's height."""
        said_ms, height, block_s = (
            self.reading()
            .execute(
                "SELECT COALESCE(h.at_ms, 0), o.height, COALESCE(b.time_s, (SELECT time_s FROM journal))"
                " FROM operations o LEFT JOIN happened h ON h.height = o.height AND h.place = o.place"
                " LEFT JOIN blocks b ON b.height = o.height WHERE o.op_id = ?",
                (bytes.fromhex(op_id),),
            )
            .fetchone()
        )
        return happened_ms(int(said_ms), int(block_s)), int(height)

    def reading(self) -> db.Connection:
        """A connection of another process, so to speak: it sees what is committed and nothing else."""
        if self._reader is None:
            self._reader = store.open_reader(self.folder)
        return self._reader

    def _open(self, chance: Seeded) -> None:
        opened = wiring.opened(
            self.config, self.clock, chance, DiskStorage(), connect=lambda _: self.world.network.line(self.name)
        )
        self.parts = opened.__enter__()
        self._open_parts = opened
        self.journal = Journal(self.folder / READS_FILE, clock=self.clock, random=chance)
        if self.parts.site.stopped:
            self.world.fail("node keeps working", f"{self.name} stopped: {self.parts.site.stopped}")
        self.parts.floor.scanning.drain(self.journal)

    def _drop(self) -> None:
        opened, self._open_parts = self._open_parts, None
        journal = self.__dict__.pop("journal", None)
        if journal is not None:
            journal.close()
        if opened is not None:
            opened.__exit__(None, None, None)
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class HubMachine(Machine):
    """The hub's machine, behind its real web application."""

    hub: Hub
    web: WsgiTransport

    _reader: db.Connection | None = None

    def jobs(self) -> dict[str, Callable[[], object]]:
        return {job.name: job.run for job in hub_jobs.of_hub(self.hub)}

    def durable_size(self, origin: str) -> int:
        """How many consecutive blocks of `origin` another process would find."""
        if self._reader is None:
            self._reader = db.open_reader(self.folder / "hub.db")
        count, newest = self._reader.execute(
            "SELECT count(*), coalesce(max(height), -1) FROM blocks WHERE origin = ?", (origin,)
        ).fetchone()
        return int(count) if count == newest + 1 else -1

    def _open(self, chance: Seeded) -> None:
        self.hub = Hub.open(self.folder, self.clock, chance)
        self.web = WsgiTransport(hub_app.create(self.hub))
        self.world.watch.still_true()

    def _drop(self) -> None:
        hub = self.__dict__.pop("hub", None)
        if hub is not None:
            hub.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def attempt(act: Callable[[], object]) -> str:
    """A job's turn as its scheduler does it: what stops it is tried again at the next turn. Answers the reason."""
    try:
        act()
    except LedgerError as error:
        return f"{type(error).__name__}: {error}"
    return ""
