"""What should come of everybody's work, kept beside the product by plain rules of its own: the shadow ledger.

It hears only what a person hears: an answer, a refusal, or nothing. The rules (product.md, ledger.md) are written
here a second time and much shorter, so that both would have to be wrong in the same way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ledger.ids import CUSTOMER, IN_TRANSIT, SHRINKAGE, VIRTUAL
from ledger.moves import STATUSES

# Item, lot, serial. What is held is another thing than the same goods free: its lot ends in `HELD` and its status.
Thing = tuple[str, str, str]
HELD = "~"
Key = tuple[str, str, str]  # location, item, lot

# The hub's own limits (hub.config.RulesConfig): a line further off is reported.
OFF_MAX, OFF_PERCENT_MAX, OFF_VALUE_MAX = 5, 10, 10_000
COST = 20
COSTS = {"BOLT": 10, "NUT": 5, "PAINT": 500, "DRILL": 9_900}


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """So much of a thing from one place to another."""

    thing: Thing
    quantity: int
    source: str
    target: str

    @property
    def back(self) -> Flow:
        return Flow(self.thing, self.quantity, self.target, self.source)


@dataclass(frozen=True, slots=True)
class Compared:
    """One count line: what was counted beside what the books held."""

    thing: Thing
    counted: int
    expected: int

    @property
    def off(self) -> int:
        return self.counted - self.expected

    @property
    def reported(self) -> bool:
        size = abs(self.off)
        return bool(size) and (
            not self.expected
            or size > OFF_MAX
            or 100 * size > OFF_PERCENT_MAX * self.expected
            or size * COSTS.get(self.thing[0], COST) > OFF_VALUE_MAX
        )


@dataclass(slots=True)
class Hold:
    """So much of a held thing that one act has held and nobody has released."""

    thing: Thing
    left: int


@dataclass(slots=True)
class PickList:
    """What is promised to it and not picked yet, and where what is picked lies."""

    left: Counter[Key]
    tote: str = ""
    ended: bool = False

    def less(self, key: Key, quantity: int) -> None:
        self.left[key] -= quantity
        self.left = +self.left


@dataclass(slots=True)
class Way:
    """One line of a transfer."""

    thing: Thing
    sent: int
    came: int = 0
    said_missing: int = 0
    lost: int = 0

    @property
    def open(self) -> int:
        return max(0, self.sent - self.came - self.said_missing)

    @property
    def missing(self) -> int:
        return max(0, min(self.said_missing, self.sent - self.came) - self.lost)


@dataclass(slots=True)
class Transfer:
    sender: str
    receiver: str
    ways: list[Way]


@dataclass(slots=True)
class Round:
    """A bin in a count session, in its newest round."""

    session: str
    bin: str
    test: bool = False  # an auditor's own
    items: tuple[str, ...] = ()  # all that it is about; none: everything in the bin
    since: int = 0  # acts by when it was ordered
    number: int = 0
    state: str = "waiting"
    who: str = ""
    touched: int = 0
    recorded: int = 0
    close: str = ""  # the act that recorded it
    empty: bool = False
    counters: set[str] = field(default_factory=set)
    movers: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # something of what the books have there
    tally: Counter[Thing] = field(default_factory=Counter)
    entered: set[Thing] = field(default_factory=set)
    lines: list[Compared] = field(default_factory=list)
    stable: list[dict[Thing, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Of which items an act leaves a place in doubt, which act of all it is, and whether it was a posting, which is
    later than the count it posts."""

    op: str
    place: str
    items: frozenset[str]
    act: int
    posting: bool = False


class Books:
    """One site as it should be, by what was acknowledged there."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.stock: dict[Key, int] = defaultdict(int)
        self.serials: dict[tuple[str, str], str] = {}
        self.touched: Counter[str] = Counter()
        # What was acknowledged, in that order, and what each of it moved.
        self.acts: dict[str, tuple[Flow, ...]] = {}
        self.calls: dict[str, str] = {}
        self.reversed: set[str] = set()
        self.holds: dict[str, Hold] = {}
        self.lists: dict[str, PickList] = {}
        self.units: dict[str, str] = {}  # where each stands
        self.rounds: dict[str, Round] = {}
        # Sessions whose sample is not drawn yet: how many of which bins.
        self.draws: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.counted: dict[str, list[str]] = defaultdict(list)  # the counts of each bin; tests are none
        self.posted: dict[str, list[tuple[str, Round]]] = defaultdict(list)  # with the act that recorded each
        self.doubts: list[Doubt] = []
        # What is open at the hub about bins until a count of each is posted that was recorded later.
        self.doubtful: dict[tuple[str, str], list[Doubt]] = {}
        self.newest: dict[tuple[str, str], list[Compared]] = {}

    # ------------------------------------------------------------ stock

    def can(self, flows: Iterable[Flow], *, own: int = 0, forced: bool = False) -> bool:
        """Whether the rules let all of this be booked, line after line. What is promised to a list stays for it:
        `own` of it is the act's own, and what is `forced` asks nobody."""
        stock: dict[Key, int] = {}
        serials: dict[tuple[str, str], str] = {}
        for flow in flows:
            item, lot, serial = flow.thing
            if serial:
                at = serials.get((item, serial), self.serials.get((item, serial), ""))
                if real(flow.source) and at != flow.source:
                    return False
                if not real(flow.source) and real(at) and real(flow.target):
                    return False
                serials[item, serial] = flow.target
            key = (flow.source, item, lot)
            left = stock.get(key, self.stock.get(key, 0)) - flow.quantity
            if real(flow.source) and left < 0:
                return False
            covered = min(own, flow.quantity)
            if real(flow.source) and not forced and covered < flow.quantity:
                promised = self.promised(key)
                if promised and left < promised - covered:
                    return False
            stock[key] = left
            taker = (flow.target, item, lot)
            stock[taker] = stock.get(taker, self.stock.get(taker, 0)) + flow.quantity
        return True

    def standing(self, flows: Iterable[Flow]) -> tuple[list[Flow], list[Flow]]:
        """(those that can be booked, each behind those before it; the others), in their order."""
        kept: list[Flow] = []
        left: list[Flow] = []
        for flow in flows:
            (kept if self.can([*kept, flow]) else left).append(flow)
        return kept, left

    def promised(self, key: Key) -> int:
        return sum(list_.left[key] for list_ in self.lists.values())

    @property
    def open_lists(self) -> dict[str, PickList]:
        return {name: each for name, each in self.lists.items() if not each.ended}

    @property
    def totes(self) -> set[str]:
        return {each.tote for each in self.open_lists.values() if each.tote}

    def allot(self, wanted: dict[str, int]) -> tuple[Counter[Key], dict[str, int]]:
        """Where so much would be promised, and what is missing: place by place, but not where somebody counts just
        now, nor out of somebody's tote. No goods here expire."""
        taken = self.totes | {each.bin for each in self.rounds.values() if each.state == "counting"}
        found: Counter[Key] = Counter()
        missing = {}
        for item, quantity in wanted.items():
            for key, there in sorted(self.stock.items()):
                place, other, lot = key
                if other == item and real(place) and HELD not in lot and place not in taken:
                    found[key] = max(0, min(quantity, there - self.promised(key)))
                    quantity -= found[key]
            if quantity:
                missing[item] = quantity
        return +found, missing

    def book(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            item, lot, serial = flow.thing
            self.stock[flow.source, item, lot] -= flow.quantity
            self.stock[flow.target, item, lot] += flow.quantity
            if serial:
                self.serials[item, serial] = flow.target
            for place in (flow.source, flow.target):
                self.touched[place] += real(place)

    def enter(self, op_id: str, call: str, flows: Iterable[Flow] = ()) -> None:
        """An act was acknowledged: it stands, once, with exactly these movements."""
        self.acts[op_id] = tuple(flows)
        self.calls[op_id] = call
        self.book(self.acts[op_id])

    def moved(self, who: str, flows: Iterable[Flow]) -> None:
        """Who changes what is in a bin after its count was ordered does not recount it."""
        for flow in flows:
            for round_ in self.rounds.values():
                if round_.bin in (flow.source, flow.target):
                    round_.movers.add(who)

    def put_unit(self, who: str, unit: str, target: str) -> None:
        """A place changes when a unit comes or goes; what is in it does not move. `target`: "" for out of use."""
        for place in (self.units.get(unit, ""), target):
            self.touched[place] += real(place)
            for round_ in self.rounds.values():
                if round_.bin == place:
                    round_.movers.add(who)
        self.units[unit] = target

    def held(self, place: str) -> Iterator[tuple[Thing, int]]:
        """What the books have in a place, in order; things with serials piece by piece."""
        pieces = {(item, serial) for (item, serial), at in self.serials.items() if at == place}
        for item, serial in sorted(pieces):
            yield (item, "", serial), 1
        for (at, item, lot), quantity in sorted(self.stock.items()):
            if at == place and quantity and not any(item == tracked for tracked, _ in pieces):
                yield (item, lot, ""), quantity

    # ------------------------------------------------------------ counting

    @property
    def blind(self) -> set[str]:
        """Bins in an unfinished count."""
        return {each.bin for each in self.rounds.values() if each.state not in ("posted", "uncounted", "tested")}

    def explain(self, round_: Round) -> set[tuple[str, str]]:
        """The posting of this round ends doubts; answers of what none is left."""

        def left(doubt: Doubt) -> bool:
            return doubt.place != round_.bin or doubt.act >= round_.recorded or not self.covers(round_, doubt)

        still = {name: [each for each in doubts if left(each)] for name, doubts in self.doubtful.items()}
        self.doubtful = {name: doubts for name, doubts in still.items() if doubts}
        return still.keys() - self.doubtful.keys()

    @staticmethod
    def covers(round_: Round, doubt: Doubt) -> bool:
        """Whether a count says something of all that is in doubt: a whole one does, one of some items of these."""
        return not round_.items or doubt.items <= {line.thing[0] for line in round_.lines}

    def with_units(self, wanted: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """What is counted whole, with the units in it that have goods and are in no count yet."""
        units = {
            unit: ()
            for unit, at in self.units.items()
            if wanted.get(at) == () and unit not in self.blind and any(self.held(unit))
        }
        return {**units, **wanted}

    def in_task(self, round_: Round) -> Iterator[tuple[Thing, int]]:
        """What the books have in a bin of what its count is about."""
        return (
            (thing, held) for thing, held in self.held(round_.bin) if not round_.items or thing[0] in round_.items
        )

    def close(self, round_: Round) -> list[Compared]:
        """What the count of a bin says now, in the order of the chain."""
        held = dict(self.in_task(round_))
        things = sorted(set(held) | {thing for thing, quantity in round_.tally.items() if quantity})
        things.sort(key=in_chain_order)
        return [Compared(thing, round_.tally[thing], held.get(thing, 0)) for thing in things]

    def judge(self, round_: Round, rounds_max: int) -> str:
        """The state that a bin must be in after a round was recorded with no tolerance and no control counts."""
        if round_.test:
            return "tested"
        stable = round_.touched == self.touched[round_.bin]
        off = {line.thing: line.off for line in round_.lines if line.off}
        agreed = off in round_.stable
        if stable:
            round_.stable.append(off)
        if round_.number + 1 >= rounds_max:
            return "review"
        return "waiting" if not stable or (off and not agreed) else "review"

    def post(self, round_: Round) -> tuple[list[Flow], list[tuple[str, int]]]:
        """What posting every line moves now, and what is reported of it by line: (kind, line)."""
        flows: list[Flow] = []
        said: list[tuple[str, int]] = []
        for number, line in enumerate(round_.lines):
            item, lot, serial = line.thing
            at = self.serials.get((item, serial), "") if serial else ""
            if not line.off:
                continue
            if line.off > 0:
                if serial and real(at):
                    said.append(("serial elsewhere", number))
                else:
                    flows.append(Flow(line.thing, line.off, SHRINKAGE, round_.bin))
                continue
            there = int(at == round_.bin) if serial else self.stock[round_.bin, item, lot]
            taken = min(-line.off, there)
            if taken:
                flows.append(Flow(line.thing, taken, round_.bin, SHRINKAGE))
            if taken < -line.off:
                said.append(("count short", number))
        return flows, said


class Ledger:
    """The whole company as it should be."""

    def __init__(self, sites: Iterable[str]) -> None:
        self.sites = {site: Books(site) for site in sites}
        self.transfers: dict[str, Transfer] = {}
        # (kind, subject) of what the hub must report because of single acts.
        self.reports: set[tuple[str, str]] = set()
        self.refused: set[str] = set()

    def settled(self, site: str) -> list[Flow]:
        """What the hub's outcome records must have moved at the sender by the end."""
        flows = []
        for transfer in self.transfers.values():
            if transfer.sender == site:
                for way in transfer.ways:
                    flows.append(Flow(way.thing, min(way.came, way.sent - way.lost), IN_TRANSIT, CUSTOMER))
                    flows.append(Flow(way.thing, way.lost, IN_TRANSIT, SHRINKAGE))
        return [flow for flow in flows if flow.quantity]

    def stock(self, site: str) -> dict[Key, int]:
        """The stock of a site once everything is settled, virtual places included."""
        found = dict(self.sites[site].stock)
        for flow in self.settled(site):
            item, lot, _ = flow.thing
            for place, sign in ((flow.source, -1), (flow.target, 1)):
                found[place, item, lot] = found.get((place, item, lot), 0) + sign * flow.quantity
        return {key: quantity for key, quantity in found.items() if quantity}

    def discrepancies(self, origins: dict[str, str]) -> set[tuple[str, str]]:
        """What must be open at the hub once everything has arrived; `origins` by site."""
        found = set(self.reports)
        for name, transfer in self.transfers.items():
            if any(way.missing for way in transfer.ways):
                found.add(("transfer short", f"{transfer.sender}/{name}"))
            if any(way.came > way.sent for way in transfer.ways):
                found.add(("transfer over", f"{transfer.sender}/{name}"))
        for site, books in self.sites.items():
            for (session, bin_), lines in books.newest.items():
                if any(line.reported for line in lines):
                    found.add(("count variance over limit", f"{origins[site]}:{session}:{bin_}"))
        return found


def held_of(thing: Thing) -> str:
    """The status by which goods are held, "" for free ones."""
    return thing[1].partition(HELD)[2]


def held_as(thing: Thing, status: str) -> Thing:
    """The same goods held by that status, or free for ""."""
    item, lot, serial = thing
    return item, tagged(lot.partition(HELD)[0], status), serial


def tagged(lot: str, status: str) -> str:
    return f"{lot}{HELD}{status}" if status not in ("", STATUSES[0]) else lot


def in_chain_order(thing: Thing) -> tuple[str, str, str, int]:
    item, lot, serial = thing
    return item, lot.partition(HELD)[0], serial, STATUSES.index(held_of(thing) or STATUSES[0])


def real(place: str) -> bool:
    """Whether goods can lie there."""
    return bool(place) and place not in VIRTUAL
