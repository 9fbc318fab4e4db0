"""One world: machines, network, people, and the order of events, all drawn from one seed."""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger import seams
from ledger.errors import Unavailable
from tests import MEMORY
from tests.sim import checkers, looking
from tests.sim.books import Ledger
from tests.sim.founding import Company, company
from tests.sim.machines import DAY_MS, UNEXPECTED, Down, HubMachine, Machine, NodeMachine, SimClock, attempt
from tests.sim.network import FATES, Network
from tests.sim.watching import Watch
from tests.sim.workload import Workload

STEPS = 130
HEAL_ROUNDS_MAX = 12
CHECK_EVERY = 30
TAIL = 60

NODE_DEATHS = (
    "record.before_commit", "record.after_commit", "db.before_commit", "db.after_commit", "seal.before",
    "mark.before", "mark.taken", "seal.signed", "seal.stored", "seal.committed", "lease.written",
    "sync.before_send", "sync.answered", "sync.applied", "count.part_recorded",
)  # fmt: skip
HUB_DEATHS = (
    "hub.before_commit", "hub.after_commit", "hub.lease_moved", "hub.blocks_added", "hub.head_promised",
    "hub.cosigned", "hub.answered", "hub.replica_committed", "hub.projected", "hub.logged", "hub.log_signed",
    "hub.control_signed", "hub.receipts_sent", "hub.anchor_intended", "hub.anchor_signed", "hub.anchor_sent",
    "hub.anchor_mined", "hub.anchor_final", "mainchain.mined", "db.before_commit", "db.after_commit",
)  # fmt: skip
JUMPS_MS = (
    -60 * 365 * DAY_MS, 10 * 365 * DAY_MS, 3 * DAY_MS, -3 * DAY_MS, 30 * DAY_MS, 3_600_000, -3_600_000, 45_000,
    -45_000,
)  # fmt: skip


class Violation(BaseException):
    """Something that must be true is not. No handler of the product may survive it."""

    def __init__(self, oracle: str, text: str) -> None:
        super().__init__(f"{oracle}: {text}")
        self.oracle = oracle


@dataclass(slots=True)
class Result:
    """What became of a seed. `oracle` and `text` are empty when everything was true."""

    seed: int
    digest: str = ""
    oracle: str = ""
    text: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)


class World:
    """A company in a folder of its own, from a seed."""

    def __init__(self, seed: int, folder: Path, made: Company, steps: int) -> None:
        self.seed = seed
        self.steps = steps
        self.folder = folder
        self.company = made
        self.dice = random.Random(f"events of {seed}")
        self.now_ms = made.end_ms
        self.trace: list[str] = []
        self._hash = hashlib.sha256()
        self.stack: list[Machine] = []
        self.deaths: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.busy = False
        shutil.copytree(made.folder, folder, dirs_exist_ok=True)
        self.hub = HubMachine(self, "hub", folder / "hub", self._clock())
        self.nodes: dict[str, NodeMachine] = {
            name: NodeMachine(self, name, folder / name, self._clock(), dict(made.tokens[name]))
            for name in made.sites
        }
        self.machines: list[Machine] = [self.hub, *self.nodes.values()]
        self.network = Network(self)
        self.watch = Watch(self)
        self.ledger = Ledger(made.sites)
        self.work = Workload(self, self.ledger)
        self.memory = looking.Memory()
        self._draw_faults()

    # ------------------------------------------------------------ what everything stands on

    def note(self, machine: Machine | None, what: str, detail: str = "", aside: str = "") -> None:
        """One line of the history; `aside` is for people only and may name what differs between two runs."""
        where = "network" if machine is None else f"{machine.name} @{machine.clock.at_ms}"
        line = f"{self.now_ms} {where} {what} {detail}".rstrip()
        self._hash.update(line.encode() + b"\n")
        self.trace.append(f"{line}  ({aside})" if aside else line)

    def fail(self, oracle: str, text: str) -> None:
        raise Violation(oracle, text)

    def pass_ms(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        for machine in self.machines:
            machine.clock.advance(duration_ms)

    def passing(self, name: str) -> None:
        if not self.stack:
            return
        machine = self.stack[-1]
        if name == "seal.committed" and isinstance(machine, NodeMachine):
            looking.sealed(self, machine)
        machine.passing(name)

    def acknowledged(self, machine: NodeMachine, op_id: str) -> None:
        """A person was just told that it stands: then it does, whatever happens next."""
        if not machine.durable(bytes.fromhex(op_id)):
            self.fail("acknowledged is durable", f"{machine.name} acknowledged {op_id}, which is in no committed row")

    def interlude(self, site: str) -> None:
        """While an exchange is under way, the floor goes on working."""
        if self.busy or self.dice.randrange(100) >= self.interludes:
            return
        self.busy = True
        try:
            other = self.dice.choice(list(self.nodes))
            self.work.turn(other)
            if other != site:
                self._job(self.nodes[other], "seal")
        finally:
            self.busy = False

    # ------------------------------------------------------------ the history

    def run(self) -> None:
        """Everything from the first event to the last check."""
        for machine in self.machines:
            machine.start()
        for number in range(self.steps):
            self.pass_ms(self.dice.choice((50, 300, 1_000, 1_500, 2_500, 6_000)))
            for machine in self.machines:
                if not machine.up and machine.back_ms <= self.now_ms:
                    machine.start()
            self._event()
            if number % CHECK_EVERY == CHECK_EVERY - 1:
                looking.along_the_way(self)
        self.heal()
        checkers.at_the_end(self)

    def heal(self) -> None:
        """The network is whole, clocks are set right, nobody dies any more: then all must agree, and soon."""
        self.note(None, "healing")
        self.interludes = 0
        self.network.weather.clear()
        for machine in self.machines:
            machine.fuse = None
            machine.clock.jump(self.now_ms - machine.clock.at_ms)
            if not machine.up and not machine.start():
                self.fail("healing", f"{machine.name} does not start")
        while self.network.under_way:
            self.network.late(0)
        for number in range(HEAL_ROUNDS_MAX):
            self.counts["rounds"] = number + 1
            self._calm_round()
            if not looking.unfinished(self):
                return
        self.fail("everything converges", f"after {HEAL_ROUNDS_MAX} rounds: {looking.unfinished(self)}")

    def _calm_round(self) -> None:
        self.pass_ms(31_000)
        for site, machine in self.nodes.items():
            if site in self.work.doubt:
                self.work.turn(site)
            for turn in ("seal", "control", "clock"):
                self._job(machine, turn)
            self._sync(machine)
        if self.work.giving_up is not None:
            self.work.decide()
        for name, job in self.hub.jobs().items():
            if name != "anchor":
                self.hub.run(job)
        if looking.unlogged(self) == "":
            self._anchor_now()

    def _event(self) -> None:
        events: tuple[tuple[int, Callable[[], None]], ...] = (
            (100, lambda: self.work.turn(self._any_site())),
            (36, lambda: self._sync(self.nodes[self._any_site()])),
            (14, lambda: self._job(self.nodes[self._any_site()], "seal")),
            (
                6,
                lambda: self._job(
                    self.nodes[self._any_site()], self.dice.choice(("control", "clock", "sync", "audit"))
                ),
            ),
            (34, self._hub_works),
            (2, self.work.decide),
            (3, self.work.enter_master_data),
            (self.faults["late"], lambda: self.network.late(self.dice.randrange(1_000))),
            (self.faults["apart"], self._change_weather),
            (self.faults["clock"], self._jump),
            (self.faults["node deaths"], lambda: self._node_dies(self._any_site())),
            (self.faults["hub deaths"], self._hub_dies),
            (self.faults["power"], lambda: self._cut_power(self.dice.choice(self.machines))),
        )
        draw = self.dice.choices([act for _, act in events], [weight for weight, _ in events])[0]
        draw()

    # ------------------------------------------------------------ events

    def _any_site(self) -> str:
        return self.dice.choice(list(self.nodes))

    def _sync(self, machine: NodeMachine) -> None:
        if not machine.up:
            return
        try:
            report = machine.run(lambda: machine.parts.syncer.now())
            self.note(machine, "synced", f"{report.code} {report.held} {report.cosigned} {report.rounds}")
        except Unavailable as error:
            self.note(machine, "not synced", "", str(error))
        except Down:
            pass

    def _job(self, machine: NodeMachine, name: str) -> None:
        if machine.up:
            try:
                reason = machine.run(lambda: attempt(machine.jobs()[name]))
                self.note(machine, name, reason.split(":")[0], reason)
            except Down:
                pass

    def _hub_works(self) -> None:
        if not self.hub.up:
            return
        jobs = list(self.hub.jobs())
        name = self.dice.choices(jobs, [1 if name in ("anchor", "watch") else 4 for name in jobs])[0]
        with suppress(Down):
            self._hub_job(name)
        self.note(self.hub, name, "", "" if not self.hub.up else str(self.hub.hub.troubles or ""))

    def _change_weather(self) -> None:
        site = self._any_site()
        apart = self.network.weather.apart
        (apart.remove if site in apart else apart.add)(site)
        self.note(None, "apart", " ".join(sorted(apart)))

    def _jump(self) -> None:
        machine = self.dice.choice(self.machines)
        wrong_ms = machine.clock.at_ms - self.now_ms
        # A clock that is far off is set right again now and then.
        by_ms = -wrong_ms if abs(wrong_ms) > 60_000 and self.dice.random() < 0.6 else self.dice.choice(JUMPS_MS)
        self.note(machine, "clock jumps", str(by_ms))
        machine.clock.jump(by_ms)

    def _node_dies(self, site: str) -> None:
        """A node will die soon; often in the middle of what it is let do next."""
        machine = self.nodes[site]
        self._arm(machine, NODE_DEATHS)
        todo: tuple[Callable[[], None], ...] = (
            lambda: self.work.turn(site),
            lambda: self._sync(machine),
            lambda: self._job(machine, "seal"),
            lambda: self._dies_over_the_answer(machine),
            lambda: None,
        )
        self.dice.choice(todo)()

    def _dies_over_the_answer(self, machine: NodeMachine) -> None:
        """There is much to take in, and the node dies in the middle of that."""
        if machine.up and self.hub.up:
            for name in ("verify-0", "settle"):
                with suppress(Down):
                    self._hub_job(name)
            machine.fuse, machine.fuse_name, machine.fuse_after = self.dice.randint(1, 12), "", "sync.answered"
            self._sync(machine)

    def _hub_job(self, name: str) -> None:
        """One turn of one of the hub's jobs. Raises Down when it is off or dies of it."""
        self.hub.run(lambda: self.hub.jobs()[name]())

    def _hub_dies(self) -> None:
        self._arm(self.hub, HUB_DEATHS)
        todo: tuple[Callable[[], None], ...] = (
            lambda: self._sync(self.nodes[self._any_site()]),
            self._hub_works,
            self._anchor_now,
            lambda: None,
        )
        self.dice.choice(todo)()

    def _anchor_now(self) -> None:
        """Somebody does not want to wait for the next anchor."""
        if self.hub.up:
            with suppress(Down):
                self.hub.run(lambda: self.hub.hub.guarded("anchor", lambda: self.hub.hub.anchor(now=True)))

    def _arm(self, machine: Machine, names: tuple[str, ...]) -> None:
        if machine.up and machine.fuse is None:
            named = self.dice.random() < 0.5
            machine.fuse_name, machine.fuse_after = self.dice.choice(names) if named else "", ""
            machine.fuse = self.dice.randint(1, 2) if named else self.dice.randint(1, 16)
            self.note(machine, "will die", f"{machine.fuse_name or 'anywhere'} {machine.fuse}")

    def _cut_power(self, machine: Machine) -> None:
        if machine.up:
            self.note(machine, "power cut")
            machine.lose_power()

    # ------------------------------------------------------------ made from the seed

    def _clock(self) -> SimClock:
        skew_ms = self.dice.choice((0, 0, self.dice.randint(-20_000, 20_000)))
        return SimClock(self, self.now_ms + skew_ms, self.dice.choice((0, 0, self.dice.randint(-200, 200))))

    def _draw_faults(self) -> None:
        """Each world has some kinds of trouble, and none of the others: trouble of one kind hides another's."""
        dice = self.dice

        def some(share: float, least: int, most: int) -> int:
            return dice.randint(least, most) if dice.random() < share else 0

        self.faults = {
            "late": some(0.6, 3, 8),
            "apart": some(0.4, 1, 4),
            "clock": some(0.5, 2, 6),
            "node deaths": some(0.75, 15, 50),
            "hub deaths": some(0.6, 8, 30),
            "power": some(0.4, 1, 3),
        }
        self.interludes = some(0.6, 5, 30)
        weather = self.network.weather
        weather.chances = {fate: some(0.45, 3, 14) for fate in FATES}
        weather.delay_ms_max = some(0.5, 100, 4_000)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Everything that has to be in place around a run."""
        noise = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        seams.arm_failpoint("*", self.passing)
        try:
            with self.watch.looking():
                yield
        finally:
            seams.disarm_failpoints()
            for machine in self.machines:
                machine.up = False
                machine._drop()
            logging.disable(noise)

    def digest(self) -> str:
        """Of the whole history, and of everything that is stored at its end."""
        for row in checkers.everything(self):
            self._hash.update(row)
        return self._hash.hexdigest()


def play(seed: int, *, steps: int = STEPS) -> Result:
    """One seed, from nothing to its result."""
    made = company(2 + seed % 2)
    result = Result(seed)
    with tempfile.TemporaryDirectory(prefix="tallyman-world-", dir=MEMORY) as folder:
        world = World(seed, Path(folder), made, steps)
        with world.alive():
            try:
                world.run()
                result.digest = world.digest()
            except Violation as error:
                result.oracle, result.text = error.oracle, str(error)
            except (Exception, seams.Killed) as error:
                import traceback

                result.oracle = UNEXPECTED
                result.text = "".join(traceback.format_exception(error))
        result.counts = {**world.work.counts, **world.counts, "signatures": world.watch.signatures}
        result.counts["blocks"] = len(world.watch.blocks)
        result.counts["deaths"] = sum(world.deaths.values())
        result.trace = world.trace
    return result
