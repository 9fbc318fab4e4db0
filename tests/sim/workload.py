"""The people of the simulated company: legal work, a little that the rules must refuse, and repeats of everything.

One tablet's act at a time is in doubt at a site: after a silence it is asked again under the same op_id until there
is an answer, as a tablet does. `Books` hears of it when a person would.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devices.reads import NewRead
from ledger.errors import Rejected, Unavailable
from ledger.ids import IN_TRANSIT, SHRINKAGE, SUPPLIER, OpId
from ledger.seams import Killed
from node import rounds
from tests.sim.books import COST, Books, Flow, Ledger, Round, Thing, Transfer, Way
from tests.sim.founding import BINS, COUNTERS
from tests.sim.machines import PIN, Down, NodeMachine

if TYPE_CHECKING:
    from tests.sim.world import World

ROUNDS_MAX = 3
GTINS = {"BOLT": "4006381333931", "NUT": "9521234500018"}
BOX = "5012345678900"  # twelve bolts
LOTS = ("L1", "L2")
ITEMS = ("BOLT", "BOLT", "NUT", "PAINT", "DRILL")
HEADER = "sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals"
# Refusals that say nothing about the books: the same wish may be good later.
FOR_NOW = ("too many wrong PINs",)
Answer = Any


@dataclass(slots=True)
class Act:
    """A wish at a site. `legal`: whether the rules must take it; None where both is right."""

    site: str
    verb: str
    op_id: OpId
    ask: Callable[[NodeMachine], Answer]
    done: Callable[[Answer], None]
    legal: bool | None = True
    on_chain: str = ""
    answer: Answer = None


class Workload:
    """Draws acts from the seed and carries them to the sites."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.dice = random.Random(f"work of {world.seed}")
        self.doubt: dict[str, Act] = {}
        self.past: dict[str, list[Act]] = {site: [] for site in ledger.sites}
        self.serials = 0
        # What the hub's people have entered on the way: bins by site, and items.
        self.new_bins: dict[str, list[str]] = {site: [] for site in ledger.sites}
        self.new_items: list[str] = []
        self.proposals: dict[str, dict[str, tuple[Flow, ...]]] = {site: {} for site in ledger.sites}
        self.backwards: dict[str, str] = {}
        # A decision at the hub whose answer is not known yet, and how often each discrepancy was decided.
        self.giving_up: tuple[int, str, dict[int, int]] | None = None
        self.given_up: dict[int, int] = {}
        self.counts = {"acts": 0, "refused": 0, "unknown": 0, "repeated": 0}

    # ------------------------------------------------------------ asking

    def turn(self, site: str) -> None:
        """Somebody does something at `site`, or asks again what was not answered."""
        if not self.world.nodes[site].up:
            return
        act = self.doubt.get(site) or self._draw(site)
        if act is not None:
            self.put(act)

    def put(self, act: Act) -> None:
        """Ask for an act, and tell the books what was heard."""
        machine = self.world.nodes[act.site]
        self.counts["acts"] += 1
        self.doubt[act.site] = act
        try:
            answer = machine.run(lambda: act.ask(machine))
        except Rejected as error:
            self.world.note(machine, act.verb, f"{act.op_id} refused", str(error))
            del self.doubt[act.site]
            if any(words in str(error) for words in FOR_NOW):
                return
            if act.legal is True:
                self.world.fail("books predict answers", f"{act.site}: a legal {act.verb} was refused: {error}")
            self.counts["refused"] += 1
            self.ledger.refused.add(act.on_chain or str(act.op_id))
            return
        except (Down, Unavailable) as error:
            self.world.note(machine, act.verb, f"{act.op_id} unknown", str(error))
            self.counts["unknown"] += 1
            return
        except Killed:
            self.world.note(machine, act.verb, f"{act.op_id} unknown")
            self.counts["unknown"] += 1
            raise
        del self.doubt[act.site]
        self._heard(act, machine, answer)

    def _heard(self, act: Act, machine: NodeMachine, answer: Answer) -> None:
        self.world.note(machine, act.verb, f"{act.op_id} {answer}")
        if act.answer is not None:
            self.counts["repeated"] += 1
            if answer != act.answer:
                self.world.fail(
                    "repeats do nothing", f"{act.verb} {act.op_id} answered {act.answer}, repeated {answer}"
                )
            return
        if act.legal is False:
            self.world.fail("books predict answers", f"{act.site}: {act.verb} {act.op_id} was not refused: {answer}")
        act.answer = answer
        on_chain = act.on_chain or str(act.op_id)
        known = len(self.ledger.sites[act.site].acts)
        act.done(answer)
        self.ledger.refused.discard(on_chain)  # a proposal that could not be booked at first
        self.past[act.site].append(act)
        if len(self.ledger.sites[act.site].acts) > known:
            self.world.acknowledged(machine, on_chain)

    # ------------------------------------------------------------ choosing

    def _draw(self, site: str) -> Act | None:
        kinds: tuple[tuple[int, Callable[[str], Act | None]], ...] = (
            (14, self._receive),
            (22, self._move),
            (5, self._adjust),
            (8, self._approve_proposal),
            (3, self._reverse),
            (3, self._except),
            (30, self._count),
            (10, self._dispatch),
            (14, self._accept),
            (6, self._repeat),
            (3, self._misuse),
        )
        books = self.ledger.sites[site]
        if not books.acts:
            return self._receive(site)
        for _ in range(6):
            kind = self.dice.choices([each for _, each in kinds], [weight for weight, _ in kinds])[0]
            act = kind(site)
            if act is not None:
                return act
        return self._receive(site)

    def op(self) -> OpId:
        return OpId(self.dice.randbytes(16))

    def _bins(self, site: str) -> list[str]:
        """The bins that the site knows by now."""
        if not self.new_bins[site]:
            return list(BINS)
        with self.world.nodes[site].parts.site.reading() as connection:
            known = {row[0] for row in connection.execute("SELECT location FROM locations")}
        return [*BINS, *(bin_ for bin_ in self.new_bins[site] if bin_ in known)]

    def _items(self, site: str) -> tuple[list[str], set[str]]:
        """What the site can name, and which items its chain does not know yet."""
        if not self.new_items:
            return list(ITEMS), set()
        with self.world.nodes[site].parts.site.reading() as connection:
            listed = {row[0] for row in connection.execute("SELECT key FROM streams WHERE stream = 'catalogue'")}
            known = {row[0] for row in connection.execute("SELECT item FROM items")}
        new = [item for item in self.new_items if item in listed]
        return [*ITEMS, *new], set(self.new_items) - known

    def _stocked(self, books: Books) -> tuple[str, Thing, int] | None:
        found = [(place, thing, held) for place in self._bins(books.site) for thing, held in books.held(place)]
        return self.dice.choice(found) if found else None

    # ------------------------------------------------------------ stock

    def _receive(self, site: str) -> Act:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        who = dice.choice(("ann", "ann", "dan"))
        flows = []
        (items, strange), bins = self._items(site), self._bins(site)
        for _ in range(dice.randint(1, 4)):
            item = dice.choice(items)
            lot, serial, quantity = "", "", dice.randint(1, 60)
            if item == "PAINT":
                lot = dice.choice(LOTS)
            if item == "DRILL":
                self.serials += 1
                serial, quantity = f"SN-{site}-{self.serials}", 1
            flows.append(Flow((item, lot, serial), quantity, SUPPLIER, dice.choice(bins)))
        body = {"lines": [{**_named(flow.thing), "quantity": flow.quantity, "target": flow.target} for flow in flows]}
        return Act(
            site,
            "receive",
            op,
            lambda node: node.parts.floor.stock.receive(op, node.who(who), body),
            lambda _: books.enter(str(op), "receive", flows),
            # An item in the catalogue can be used when its control record has come; both ways are right until then.
            None if any(flow.thing[0] in strange for flow in flows) else books.can(flows),
        )

    def _move(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        who = dice.choice(("ann", "ann", "bea"))
        happened = dice.random() < 0.4
        flows = []
        for _ in range(dice.randint(1, 3)):
            found = self._stocked(books)
            if found is None:
                return None
            source, thing, held = found
            quantity = 1 if thing[2] else dice.randint(1, held)
            if not thing[2] and dice.random() < 0.07:
                quantity = held + dice.randint(1, 30)
            targets = [bin_ for bin_ in self._bins(site) if bin_ != source]
            flows.append(Flow(thing, quantity, source, dice.choice(targets)))
        lines = [
            {**_named(flow.thing), "quantity": flow.quantity, "source": flow.source, "target": flow.target}
            for flow in flows
        ]
        body = {"lines": lines, "happened": happened}
        bookable = books.can(flows)
        # To a counter a refusal would tell what the books hold: it becomes an exception without a word.
        hidden = who in COUNTERS and bool(books.blind & {flow.source for flow in flows})

        def done(answer: Answer) -> None:
            if bookable:
                books.enter(str(op), "move", flows)
            else:
                books.enter(str(op), "except_document")
                self._report(site, "unbookable act", str(op))
            said = bool(answer.get("exception"))
            if said != (not bookable and not hidden):
                self.world.fail("books predict answers", f"{site}: move {op} said exception {said}")

        return Act(
            site,
            "move",
            op,
            lambda node: node.parts.floor.stock.move(op, node.who(who), body),
            done,
            bookable or happened or hidden,
        )

    def _adjust(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        found = self._stocked(books)
        if found is None or found[1][2]:
            return None
        place, thing, held = found
        change = dice.choice((-dice.randint(1, held), dice.randint(1, 9), -held - 3))
        flow = Flow(thing, change, SHRINKAGE, place) if change > 0 else Flow(thing, -change, place, SHRINKAGE)
        body = {"lines": [{**_named(thing), "location": place, "change": change}], "reasons": ["damaged"]}

        def done(_: Answer) -> None:
            self.proposals[site][str(op)] = (flow,)

        return Act(
            site,
            "propose adjustment",
            op,
            lambda node: node.parts.floor.stock.adjust(op, node.who("ann"), body),
            done,
        )

    def _reverse(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        able = [name for name, call in books.calls.items() if call in ("receive", "move", "adjust")]
        if not able:
            return None
        of = dice.choice(able[-6:])
        body = {"of": of, "reasons": ["mistake"]}

        def done(_: Answer) -> None:
            self.proposals[site][str(op)] = tuple(flow.back for flow in books.acts[of])
            self.backwards[str(op)] = of

        return Act(
            site,
            "propose reversal",
            op,
            lambda node: node.parts.floor.stock.reverse(op, node.who("ann"), body),
            done,
        )

    def _approve_proposal(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        if not self.proposals[site]:
            return None
        proposal = dice.choice(sorted(self.proposals[site]))
        flows, of = self.proposals[site][proposal], self.backwards.get(proposal, "")
        body = {"proposal": proposal}

        def done(_: Answer) -> None:
            del self.proposals[site][proposal]
            books.enter(proposal, "reverse" if of else "adjust", flows)
            if of:
                books.reversed.add(of)

        legal = books.can(flows) and of not in books.reversed
        return Act(
            site,
            "approve",
            op,
            lambda node: node.parts.floor.stock.proposals.approve(op, node.who("eve"), body, PIN),
            done,
            legal,
            on_chain=proposal,
        )

    def _except(self, site: str) -> Act | None:
        books, op = self.ledger.sites[site], self.op()
        found = self._stocked(books)
        if found is None:
            return None
        place, thing, held = found
        line = {**_named(thing), "quantity": held, "source": place, "target": "A-01" if place != "A-01" else "A-02"}
        body = {"location": place, "reason": "locked", "lines": [line]}

        def done(_: Answer) -> None:
            books.enter(str(op), "except_document")
            self._report(site, "unbookable act", str(op))

        return Act(
            site,
            "except",
            op,
            lambda node: node.parts.floor.stock.except_document(op, node.who("ann"), body),
            done,
        )

    # ------------------------------------------------------------ again, and wrongly

    def _repeat(self, site: str) -> Act | None:
        past = self.past[site]
        return self.dice.choice(past[-12:]) if past else None

    def _misuse(self, site: str) -> Act | None:
        """Other content under an op_id that was used."""
        used = sorted(self.ledger.sites[site].acts)
        if not used:
            return None
        op = OpId.parse(self.dice.choice(used))
        body = {"lines": [{"item": "BOLT", "quantity": 987, "target": "A-01"}]}
        return Act(
            site,
            "misuse",
            op,
            lambda node: node.parts.floor.stock.receive(op, node.who("ann"), body),
            lambda _: None,
            False,
            on_chain="misused",
        )

    # ------------------------------------------------------------ counting

    def _count(self, site: str) -> Act | None:
        books = self.ledger.sites[site]
        live = [each for each in books.rounds.values() if each.state in ("waiting", "counting", "review")]
        if not live or (len(live) < 3 and self.dice.random() < 0.1):
            return self._open_session(site)
        # Bins that are open come first: a person finishes what they began.
        begun = [each for each in live if each.state == "counting"]
        round_ = self.dice.choice(begun or live)
        if round_.state == "waiting":
            return self._open_bin(site, round_)
        if round_.state == "review":
            return self._approve_count(site, round_)
        return self._count_on(site, round_)

    def _open_session(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        free = [bin_ for bin_ in self._bins(site) if bin_ not in books.blind]
        if not free:
            return None
        bins = dice.sample(free, min(len(free), dice.randint(1, 2)))
        body = {"name": "count", "bins": bins, "rule": {"rounds_max": ROUNDS_MAX, "control_percent": 0}}

        def done(_: Answer) -> None:
            for bin_ in bins:
                books.rounds[bin_] = Round(str(op), bin_)

        return Act(
            site,
            "open session",
            op,
            lambda node: node.parts.floor.counting.open_session(op, node.who("eve"), body),
            done,
        )

    def _open_bin(self, site: str, round_: Round) -> Act | None:
        books, op = self.ledger.sites[site], self.op()
        busy = {each.who for each in books.rounds.values() if each.state == "counting"}
        able = [login for login in COUNTERS if login not in round_.counters | busy]
        if not able:
            return self._leave_uncounted(site, round_) if set(COUNTERS) <= round_.counters else None
        who = self.dice.choice(able)

        def done(_: Answer) -> None:
            round_.state, round_.who = "counting", who
            round_.touched = books.touched[round_.bin]
            round_.tally.clear()
            round_.entered.clear()
            round_.empty = False

        return Act(
            site,
            "open bin",
            op,
            lambda node: node.parts.floor.counting.open_bin(op, node.who(who), {"bin": round_.bin}),
            done,
        )

    def _leave_uncounted(self, site: str, round_: Round) -> Act:
        op = self.op()
        body = {"session": round_.session, "bin": round_.bin, "reason": "no-counter"}

        def done(_: Answer) -> None:
            round_.state = "uncounted"

        return Act(
            site,
            "uncounted",
            op,
            lambda node: node.parts.floor.counting.uncounted(op, node.who("eve"), body),
            done,
        )

    def _count_on(self, site: str, round_: Round) -> Act:
        """The next thing a counter does in an open bin."""
        books, dice = self.ledger.sites[site], self.dice
        left = [(thing, held) for thing, held in books.held(round_.bin) if thing not in round_.entered]
        counted = any(round_.tally.values())
        if not counted and not left:
            return self._close_bin(site, round_) if round_.empty else self._say_empty(site, round_)
        if round_.empty or (counted and (not left or dice.random() < 0.25)):
            return self._close_bin(site, round_)
        thing, held = dice.choice(left) if left else (("BOLT", "", ""), 3)
        if dice.random() < 0.2:
            held = max(1, held + dice.choice((-4, -1, 2, 9))) if not thing[2] else 1
        if thing[0] in GTINS and dice.random() < 0.4:
            return self._scan(site, round_, thing)
        round_.entered.add(thing)
        return self._enter(site, round_, thing, held)

    def _say_empty(self, site: str, round_: Round) -> Act:
        op, who = self.op(), round_.who

        def done(_: Answer) -> None:
            round_.empty = True
            round_.counters.add(who)

        return Act(
            site,
            "say empty",
            op,
            lambda node: node.parts.floor.counting.empty(op, node.who(who), {}),
            done,
        )

    def _enter(self, site: str, round_: Round, thing: Thing, quantity: int) -> Act:
        op, who = self.op(), round_.who
        body = {**_named(thing), "quantity": quantity, "mode": "set"}

        def done(_: Answer) -> None:
            round_.tally[thing] = quantity
            round_.counters.add(who)

        # A serial that was counted in another bin of the session is refused, and rightly.
        return Act(
            site,
            "enter",
            op,
            lambda node: node.parts.floor.counting.enter(op, node.who(who), body),
            done,
            None if thing[2] else True,
        )

    def _scan(self, site: str, round_: Round, thing: Thing) -> Act:
        """One trigger pull: journalled under the scanner's own id, then taken. Pulled again it is the same read."""
        op, who = self.op(), round_.who
        box = thing[0] == "BOLT" and self.dice.random() < 0.3
        read = NewRead(f"gun-{who}", b"]E0" + (BOX if box else GTINS[thing[0]]).encode(), client_id=str(op))

        def ask(node: NodeMachine) -> Answer:
            people = node.parts.floor.people
            with node.parts.site.writing() as connection:
                mine = people.owner_of(connection, read.device) is not None
            if not mine:
                people.bind_device(node.who(who), read.device)
            (known,) = node.journal.record([read])
            taken = [answer for each, answer in node.parts.floor.scanning.drain(node.journal) if each == known]
            return taken[0] if taken else node.parts.floor.scanning.take(known)

        def done(answer: Answer) -> None:
            if answer["outcome"] != "counted":
                self.world.fail("books predict answers", f"{site}: a scan into {round_.bin} was {answer}")
            round_.tally[thing] += 12 if box else 1
            round_.counters.add(who)

        return Act(site, "scan", op, ask, done)

    def _close_bin(self, site: str, round_: Round) -> Act:
        books, op, who = self.ledger.sites[site], self.op(), round_.who
        number = round_.number
        states: list[str] = []

        def ask(node: NodeMachine) -> Answer:
            answer = node.parts.floor.counting.close_bin(op, node.who(who), {"bin": round_.bin, "confirm": True})
            with node.parts.site.reading() as connection:
                latest = rounds.latest(connection, OpId.parse(round_.session), round_.bin)
                found = rounds.parts(connection, latest.session, round_.bin, number)
            states.append(latest.bin_state)
            lines = [(line.item, line.lot, line.serial, line.counted, line.expected) for line in found[0].lines]
            return {**answer, "lines": lines}

        def done(answer: Answer) -> None:
            round_.counters.add(who)
            round_.lines = books.close(round_)
            books.enter(str(op), "record_count")
            expected = books.judge(round_, ROUNDS_MAX)
            lines = [(*line.thing, line.counted, line.expected) for line in round_.lines]
            if (answer["lines"], states[-1]) != (lines, expected):
                self.world.fail(
                    "books predict answers",
                    f"{site}: the count of {round_.bin} became {answer['lines']} and {states[-1]}: "
                    f"expected {lines} and {expected}",
                )
            books.newest[round_.session, round_.bin] = list(round_.lines)
            round_.state = expected
            if expected == "waiting":
                round_.number += 1

        return Act(site, "close bin", op, ask, done)

    def _approve_count(self, site: str, round_: Round) -> Act:
        books, op = self.ledger.sites[site], self.op()
        body = {"session": round_.session, "bin": round_.bin, "reason": "counted"}

        def done(_: Answer) -> None:
            flows, said = books.post(round_)
            books.enter(str(op), "post_count", flows)
            for kind, line in said:
                self._report(site, kind, f"{op}:{line}")
            round_.state = "posted"

        return Act(
            site,
            "approve count",
            op,
            lambda node: node.parts.floor.counting.review.approve(op, node.who("eve"), body, PIN),
            done,
        )

    # ------------------------------------------------------------ between sites

    def _dispatch(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        flows: list[Flow] = []
        for _ in range(dice.randint(1, 3)):
            found = self._stocked(books)
            if found is not None and all(flow.thing != found[1] for flow in flows):
                source, thing, held = found
                flows.append(Flow(thing, 1 if thing[2] else dice.randint(1, held), source, IN_TRANSIT))
        if not flows:
            return None
        receiver = dice.choice([other for other in self.ledger.sites if other != site])
        lines = [{**_named(flow.thing), "quantity": flow.quantity, "source": flow.source} for flow in flows]
        body = {"receiver": receiver, "lines": lines}

        def done(_: Answer) -> None:
            books.enter(str(op), "dispatch", flows)
            ways = [Way(flow.thing, flow.quantity) for flow in flows]
            self.ledger.transfers[str(op)] = Transfer(site, receiver, ways)

        return Act(
            site,
            "dispatch",
            op,
            lambda node: node.parts.floor.transfers.dispatch(op, node.who("ann"), body, PIN),
            done,
            books.can(flows),
        )

    def _accept(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        coming = [
            name
            for name, transfer in self.ledger.transfers.items()
            if transfer.receiver == site and any(way.open or way.missing for way in transfer.ways)
        ]
        if not coming:
            return None
        name = dice.choice(coming)
        transfer = self.ledger.transfers[name]
        paper = self._paper(name, transfer) if dice.random() < 0.3 else None
        if paper is None and not self._is_known(site, name):
            return None
        target = dice.choice(self._bins(site))
        lines, ways, flows = [], [], []
        for index, way in enumerate(transfer.ways):
            took = self._took(way)
            if took is None:
                continue
            quantity, missing = took
            lines.append({"index": index, "quantity": quantity, "missing": missing, "reasons": ["as-found"]})
            ways.append((way, quantity, missing))
            if quantity:
                flows.append(Flow(way.thing, quantity, IN_TRANSIT, target))
        if not lines:
            return None
        body: dict[str, Any] = {"transfer": name, "lines": lines, "target": target}
        if paper is not None:
            body["paper"] = paper

        def done(_: Answer) -> None:
            books.enter(str(op), "accept_transfer", flows)
            for way, quantity, missing in ways:
                way.came += quantity
                way.said_missing += missing

        return Act(
            site,
            "accept",
            op,
            lambda node: node.parts.floor.transfers.accept(op, node.who("ann"), body, PIN),
            done,
            None if self._items(site)[1] & {way.thing[0] for way, _, _ in ways} else books.can(flows),
        )

    def _took(self, way: Way) -> tuple[int, int] | None:
        """What arrives of a line now: (quantity, named missing)."""
        dice = self.dice
        if way.missing and not way.open:
            return (way.missing, 0) if dice.random() < 0.3 else None  # it turned up after all
        if not way.open or dice.random() < 0.1:
            return None
        if way.thing[2]:
            return (1, 0) if dice.random() < 0.85 else (0, 1)
        kind = dice.random()
        if kind < 0.6:
            return way.open, 0
        if kind < 0.8:
            came = dice.randrange(way.open + 1)
            return came, way.open - came
        if kind < 0.9:
            return way.open + dice.randint(1, 5), 0
        return dice.randint(1, way.open), 0

    def _is_known(self, site: str, transfer: str) -> bool:
        machine = self.world.nodes[site]
        with machine.parts.site.reading() as connection:
            coming = machine.parts.floor.transfers.coming(connection)
        return any(each["transfer"] == transfer for each in coming)

    def _paper(self, name: str, transfer: Transfer) -> str | None:
        sender = self.world.nodes[transfer.sender]
        if not sender.up or self.doubt.get(transfer.sender) is not None:
            return None
        with sender.parts.site.reading() as connection:
            return sender.parts.floor.transfers.paper(connection, OpId.parse(name))

    def _report(self, site: str, kind: str, subject: str) -> None:
        self.ledger.reports.add((kind, f"{self.world.nodes[site].origin}:{subject}"))

    # ------------------------------------------------------------ at the hub

    def enter_master_data(self) -> None:
        """A new bin at a site, or a new item everywhere. Entering the same again changes nothing."""
        hub, dice = self.world.hub, self.dice
        site, number = dice.choice(list(self.ledger.sites)), dice.randint(1, 3)
        item = f"NEW-{number}"
        row = f"{item},New {number},,pc,none,1,{COST},EUR,0"
        try:
            if dice.random() < 0.5:
                self.new_bins[site] = sorted({*self.new_bins[site], f"B-{number:02}"})
                hub.run(lambda: hub.hub.add_locations(site, (f"B-{number:02}",)))
            else:
                self.new_items = sorted({*self.new_items, item})
                hub.run(lambda: hub.hub.import_items(f"{HEADER}\n{row}\n".encode()))
        except Down:
            self.world.note(hub, "master data", "unknown")

    def decide(self) -> None:
        """Somebody at the hub gives up the goods of a short transfer, or looks whether they did."""
        hub = self.world.hub
        try:
            if self.giving_up is None:
                hub.run(self._give_up)
            hub.run(self._was_given_up)
        except Down:
            self.world.note(hub, "decide", "unknown")

    def _give_up(self) -> None:
        hub = self.world.hub.hub
        found = [each for each in hub.discrepancies() if each.kind == "transfer short"]
        if found:
            chosen = self.dice.choice(found)
            lines = next(each.lines for each in hub.transfers() if each.id == chosen.subject)
            self.giving_up = (chosen.id, chosen.subject, {line.line: line.missing for line in lines})
            hub.decide(chosen.id, "rita", "lost", "the carrier confirmed the loss")

    def _was_given_up(self) -> None:
        if self.giving_up is None:
            return
        number, transfer, missing = self.giving_up
        entries = self.world.hub.hub.discrepancy(number).entries
        self.giving_up = None
        if sum(entry.kind == "resolved" for entry in entries) > self.given_up.get(number, 0):
            self.given_up[number] = self.given_up.get(number, 0) + 1
            self.world.note(self.world.hub, "given up", f"{transfer} {missing}")
            for line, quantity in missing.items():
                self.ledger.transfers[transfer].ways[line].lost += quantity


def _named(thing: Thing) -> dict[str, str]:
    return {name: value for name, value in zip(("item", "lot", "serial"), thing, strict=True) if value}
