"""Asking for acts as a tablet does it, and telling the books what was heard."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.documents import part_op_id
from ledger.errors import Rejected, Unavailable
from ledger.ids import OpId
from ledger.seams import Killed
from node.counting_sessions import AFTER
from node.exceptions import CHECK
from tests.sim.books import Books, Doubt, Flow, Ledger, Round, Thing, held_as, held_of, real
from tests.sim.founding import BINS
from tests.sim.machines import Down, NodeMachine

if TYPE_CHECKING:
    from tests.sim.world import World

# Refusals that say nothing about the books: the same wish may be good later.
FOR_NOW = ("too many wrong PINs", "sync first, the hub tells of it")
ITEMS = ("BOLT", "BOLT", "NUT", "PAINT", "DRILL")
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


class Tablets:
    """Everybody's tablets: one act at a time is in doubt at a site, and is asked again until there is an answer."""

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
        acts = self.ledger.sites[act.site].acts
        known = len(acts)
        act.done(answer)
        self.ledger.refused.discard(on_chain)  # a proposal that could not be booked at first
        self.past[act.site].append(act)
        for op_id in list(acts)[known:]:
            self.world.acknowledged(machine, op_id)

    def op(self) -> OpId:
        return OpId(self.dice.randbytes(16))

    def _bins(self, site: str) -> list[str]:
        """The bins that the site knows by now."""
        if not self.new_bins[site]:
            return list(BINS)
        with self.world.nodes[site].parts.site.reading() as connection:
            known = {row[0] for row in connection.execute("SELECT location FROM locations")}
        return [*BINS, *(bin_ for bin_ in self.new_bins[site] if bin_ in known)]

    def _places(self, site: str) -> list[str]:
        """Bins, and handling units as they stand in them."""
        return [*self._bins(site), *(unit for unit, at in self.ledger.sites[site].units.items() if at)]

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
        found = [(place, thing, held) for place in self._places(books.site) for thing, held in books.held(place)]
        return self.dice.choice(found) if found else None

    def _report(self, site: str, kind: str, subject: str, *doubts: Doubt) -> None:
        """The hub must report this; posted counts that say something of all of `doubts` end it."""
        books, name = self.ledger.sites[site], (kind, f"{self.world.nodes[site].origin}:{subject}")
        self.ledger.reports.add(name)
        if doubts:
            books.doubts += doubts
            books.doubtful[name] = list(doubts)

    def _excepted(
        self, site: str, op: OpId, place: str, who: str, flows: list[Flow], *, stated: bool = False
    ) -> None:
        """An act was sealed as an exception: it is reported, and its place is to be counted; where it could not be
        booked, both ends of all of it are, and where the books have its pieces."""
        books = self.ledger.sites[site]
        books.enter(str(op), "except_document")
        ends = dict.fromkeys(end for flow in flows for end in (flow.source, flow.target) if real(end))
        places = [place] if stated else [place, *(end for end in ends if end != place)]
        about = {
            each: frozenset(flow.thing[0] for flow in flows if each in (flow.source, flow.target)) for each in places
        }
        doubts = (Doubt(str(op), each, items, len(books.acts)) for each, items in about.items())
        self._report(site, "unbookable act", str(op), *doubts)
        if place in books.blind:
            books.rounds[place].told.add(who)
        if not stated:
            places += [books.serials.get((flow.thing[0], flow.thing[2]), "") for flow in flows if flow.thing[2]]
        self._order(site, str(part_op_id(op, CHECK)), {each: () for each in places if real(each)})

    def _order(self, site: str, session: str, places: dict[str, tuple[str, ...]]) -> None:
        """Places are to be counted; one in a count is left to that, and a test gives way."""
        books = self.ledger.sites[site]
        tests = {each.bin for each in books.rounds.values() if each.test}
        free = {place: items for place, items in places.items() if place not in books.blind - tests}
        if not free:
            return
        wanted = books.with_units(free)
        books.enter(session, "plan_count")
        for place, items in wanted.items():
            books.rounds[place] = Round(session, place, items=items, since=len(books.acts))

    def _ended(self, site: str, op: OpId, round_: Round, elsewhere: dict[str, str]) -> None:
        """The act `op` ended a count. What was doubted of its bin meanwhile and that leaves open is counted now, and
        a piece that was found while the books have it `elsewhere` (place by item), at both places."""
        books, node = self.ledger.sites[site], self.world.nodes[site]
        left: dict[str, set[str]] = {}
        for doubt in books.doubts:
            if doubt.place == round_.bin and doubt.act > round_.since and not self._settled(books, node, doubt):
                left.setdefault(doubt.place, set()).update(doubt.items)
        for place, item in elsewhere.items():
            left.setdefault(place, set()).add(item)
            left.setdefault(round_.bin, set()).add(item)
        wanted = {place: tuple(sorted(items)) for place, items in left.items()}
        self._order(site, str(part_op_id(op, AFTER)), wanted)

    @staticmethod
    def _settled(books: Books, node: NodeMachine, doubt: Doubt) -> bool:
        """Whether a posted count of the place says something of all that is in doubt, and was done after it."""
        done_ms, height = node.done(doubt.op)
        since = (done_ms, height + doubt.posting)
        return any(
            books.covers(round_, doubt) and node.done(recorded) >= since
            for recorded, round_ in books.posted[doubt.place]
        )


def named(thing: Thing) -> dict[str, str]:
    """The fields of a line by which a thing is named."""
    item, lot, serial = held_as(thing, "")
    said = {"item": item, "lot": lot, "serial": serial, "status": held_of(thing)}
    return {name: value for name, value in said.items() if value}
