"""A site under random orders beside the model: every answer, every stock figure and every serial must agree.

Hypothesis draws seeds, and what happens follows from them. Most acts are sensible ones of people who may; about one
in six is spoilt in one way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_utils import keccak
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from contracts import artifacts
from ledger import calls, control, events
from ledger.abi import encode as abi_encode
from ledger.deployment import create_address
from ledger.ids import OpId
from tests.contracts import kit
from tests.contracts.chance import ANYWHERE, BOX, ITEMS, KINDS, Chance
from tests.contracts.kit import ADMIN, Person, Result, Site
from tests.contracts.machine_goods import GoodsActs
from tests.contracts.model import Model
from tests.contracts.model_books import VIRTUAL, Rights, move_of

OPEN = ["A", "B", "CRATE"]
LATER = kit.START + 1_000
SESSION = OpId(bytes([7]) * 16)
FAR_TRANSFER = OpId(bytes([8]) * 16)
REVERSIBLE = calls.Receive | calls.Move | calls.Pick | calls.Issue | calls.Adjust | calls.BookPart
SEED_MAX = 2**32
SEEDS = st.integers(0, SEED_MAX - 1)


_opened: dict[tuple[bytes, ...], tuple[kit.Frozen, list[tuple[Person, Rights]]]] = {}


def opened_site(creation: dict[str, bytes]) -> tuple[kit.Frozen, list[tuple[Person, Rights]]]:
    """A site with its items, places and people, made once for every kind of code."""
    key = tuple(creation.values())
    if key not in _opened:
        site = Site(creation)
        site.order(kit.items(*ITEMS.items()))
        for name, kind in KINDS.items():
            site.order(kit.bins(name, kind=kind))
        every = ADMIN - 1
        rights = [
            *(Rights(every) for _ in range(3)),
            Rights(ADMIN),
            Rights(every, valid_from=LATER),
            Rights(every, valid_until=LATER),
        ]
        people = [
            site.person(number, each.roles, valid_from=each.valid_from, valid_until=each.valid_until)
            for number, each in enumerate(rights, start=1)
        ]
        _opened[key] = (site.frozen(), list(zip(people, rights, strict=True)))
    return _opened[key]


class SiteMachine(GoodsActs, RuleBasedStateMachine):
    """The rules. `CREATION` replaces the creation code of contracts by faulty code."""

    CREATION: dict[str, bytes] = {}  # noqa: RUF012 - a subclass sets it as a whole

    def __init__(self) -> None:
        super().__init__()
        frozen, people = opened_site(self.CREATION)
        self.site = Site.thawed(frozen)
        self.model = Model(now=kit.START, items=dict(ITEMS))
        self.model.kinds |= KINDS
        self.people = [person for person, _ in people]
        self.model.people = {person.actor: replace(rights) for person, rights in people}
        self.ops: list[tuple[OpId, Any]] = []
        self.managers = 0
        self.steps = 0
        self.sound = True

    @rule(seed=SEEDS)
    def act(self, seed: int) -> None:
        """Something happens. One rule for all, because the draw of rules favours few of many."""
        self.steps += 1
        # Drawn seeds often repeat; the same act twice in a row shows little.
        chance = Chance(seed * 1_000 + self.steps)
        acts = {
            self._receive: 4,
            self._move: 4,
            self._issue: 3,
            self._hold: 3,
            self._reserve: 3,
            self._relabel: 2,
            self._move_unit: 4,
            self._record_part: 2,
            self._plan_count: 1,
            self._release: 6 if self.model.held else 0,
            self._pick: 4 if self.model.promised else 0,
            self._unreserve: 2 if self.model.promised else 0,
            self._book_part: 5 if self.model.parts else 0,
            self._adjust: 2,
            self._record_count: 4,
            self._dispatch: 3,
            self._accept_transfer: 2,
            self._change_a_person: 4,
            self._reverse: 3 if self.ops else 0,
            self._repeat: 1 if self.ops else 0,
            self._post_count: 5 if self.model.counts else 0,
            self._settle: 4 if self.model.under_way else 0,
            self._replace_manager: 0 if self.managers else 1,
        }
        self.sound = False
        chance.choices(list(acts), list(acts.values()))[0](chance)
        self.sound = True

    # ------------------------------------------------------------ one operation

    def _who(self, chance: Chance, *others: Any) -> Person:
        """Someone who is none of `others`, or now and then one of those whose rights are in doubt."""
        fit = [person for person in self.people[:3] if person.actor not in others]
        return chance.choice(self.people[3:] if chance.odd(8) or not fit else fit)

    def _second(self, chance: Chance, who: Person) -> Person:
        """Who approves what `who` does: someone else, or now and then nobody else."""
        return who if chance.odd(4) else self._who(chance, who.actor)

    def _do(self, call: Any, approver: Person | None = None, op_id: OpId | None = None) -> Result:
        op_id = op_id or self.site.op()
        if approver is not None:
            call = self.site.approve(call, op_id, approver)
        result = self.site.do(call, op_id)
        why = self.model.attempt(op_id, call)
        assert result.ok == (not why), f"{call}: chain says {result.reason!r}, model {why!r}"
        if result.ok:
            self.ops.append((op_id, call))
            self._check_events(call, result)
        self._check_books(getattr(call, "lines", ()), getattr(call, "bin", "SHRINKAGE"))
        return result

    def _check_events(self, call: Any, result: Result) -> None:
        assert type(result.events[0]) is events.Recorded
        assert result.events[0].actor == call.actor
        assert [(each.line, each.missing) for each in result.of(events.CountShort)] == self.model.short
        assert [(each.line, each.location) for each in result.of(events.SerialElsewhere)] == self.model.elsewhere

    def _check_books(self, lines: Any, *places: str) -> None:
        """Stock and serials of what was named, where it was named: chain and model agree."""
        for line in lines:
            if isinstance(line, calls.UnitMove):
                assert self.site.parent_of(line.unit) == self.model.parents.get(line.unit, "")
                continue
            ends = {getattr(line, end, "CHANGE") for end in ("source", "target", "location")} | {*places}
            for location in ends:
                self._check_stock(location, line.item, line.lot, line.status)
            if getattr(line, "serial", ""):
                place = self.model.serials.get((line.item, line.serial), ("",))[0]
                assert self.site.place_of(line.item, line.serial) == place

    def _check_stock(self, location: str, item: str, lot: str, status: int) -> int:
        held = self.site.stock(location, item, lot, status)
        assert held == self.model.stock[location, item, lot, status], (location, item, lot, status)
        assert held >= 0 or location in VIRTUAL, "less than nothing in a real place"
        assert self.site.reserved(location, item, lot, status) == self.model.reserved((location, item, lot, status))
        return held

    def teardown(self) -> None:
        """Over the whole site nothing came out of nowhere, and every serial is where the model has it."""
        if not self.sound:
            # An act has failed already, and says better why.
            return
        for item, lot, status in {key[1:] for key in self.model.stock}:
            places = (*VIRTUAL, *KINDS, BOX)
            assert sum(self._check_stock(location, item, lot, status) for location in places) == 0
        for (item, serial), (location, _, _) in self.model.serials.items():
            assert self.site.place_of(item, serial) == location

    # ------------------------------------------------------------ goods

    def _of_stock(self, chance: Chance, targets: list[str]) -> tuple[calls.Line, ...]:
        """Lines of what is really there, sometimes a little more than that."""
        there = sorted(key for key, held in self.model.stock.items() if held > 0 and key[0] not in VIRTUAL)
        if targets in (["IN_TRANSIT"], ["CUSTOMER"]) and not chance.odd():
            there = [key for key in there if key[3] == 0]
        if self.model.counts and chance.odd(3):
            # What was counted is taken away before the count is posted.
            counted = list(self.model.counts.values())[-1].bin
            there = [key for key in there if key[0] == counted] or there
        if not there:
            return chance.lines(OPEN, targets)
        found = []
        for location, item, lot, status in (chance.choice(there) for _ in range(chance.randint(1, 2))):
            wanted = (location, lot, status)
            serials = sorted(name for (of, name), at in self.model.serials.items() if of == item and at == wanted)
            held = self.model.stock[location, item, lot, status]
            what = calls.Line(
                item=item,
                lot=lot,
                serial=chance.choice(serials) if serials else "",
                status=status,
                quantity=1 if serials else chance.choice([held, chance.randint(1, held + chance.odd())]),
                source=location,
                target=chance.choice([each for each in targets if each != location]),
            )
            found.append(what)
        return tuple(found)

    def _receive(self, chance: Chance) -> None:
        lines = chance.lines(["SUPPLIER"] if chance.odd(2) else ["SUPPLIER", "CUSTOMER"], OPEN)
        if not chance.odd():
            # What comes back from a customer comes in held.
            lines = tuple(replace(line, status=line.status or 2 * (line.source == "CUSTOMER")) for line in lines)
        self._do(calls.Receive(actor=self._who(chance).actor, lines=chance.spoil(lines) if chance.odd() else lines))

    def _move(self, chance: Chance) -> None:
        lines = self._of_stock(chance, OPEN)
        self._do(calls.Move(actor=self._who(chance).actor, lines=chance.spoil(lines) if chance.odd() else lines))

    def _adjust(self, chance: Chance) -> None:
        found = chance.choice([True, False])
        gone = ["SHRINKAGE", "SHRINKAGE", "SUPPLIER"]
        lines = chance.lines(["SHRINKAGE"], OPEN) if found else self._of_stock(chance, gone)
        who = self._who(chance)
        call = calls.Adjust(actor=who.actor, lines=chance.spoil(lines) if chance.odd() else lines)
        self._do(call, self._second(chance, who))

    def _reverse(self, chance: Chance) -> None:
        goods = [each for each in self.ops if isinstance(each[1], REVERSIBLE)]
        of, call = chance.choice(self.ops if chance.odd(8) or not goods else goods[-4:])
        lines = tuple(line for line in getattr(call, "lines", ()) if isinstance(line, calls.Line))
        who = self._who(chance)
        undo = calls.Reverse(actor=who.actor, of=of, lines=chance.spoil(lines) if chance.odd() else lines)
        self._do(undo, self._second(chance, who))

    def _repeat(self, chance: Chance) -> None:
        """The same again, then something else, under an op_id that acted already."""
        op_id, call = chance.choice(self.ops)
        assert not self.site.do(call, op_id).ok
        self._do(calls.Receive(actor=self.people[0].actor, lines=chance.lines(["SUPPLIER"], OPEN)), op_id=op_id)

    # ------------------------------------------------------------ counts

    def _tally(self, chance: Chance, bin_: str) -> tuple[calls.Counted, ...]:
        """What someone writes down in a bin: some of what is there, some of what is not."""
        found = [{**chance.goods(), "counted": chance.randint(0, 1)} for _ in range(chance.randint(0, 2))]
        for (location, item, lot, status), held in sorted(self.model.stock.items()):
            if location == bin_ and not ITEMS[item] & 2 and not chance.odd(4):
                counted = max(0, chance.choice([0, held // 2, held, held + 2]))
                found.append({"item": item, "lot": lot, "serial": "", "status": status, "counted": counted})
        for (item, serial), (at, lot, status) in sorted(self.model.serials.items()):
            if at == bin_ and not chance.odd(4):
                seen = chance.randint(0, 1)
                found.append({"item": item, "lot": lot, "serial": serial, "status": status, "counted": seen})
        if not chance.odd():
            # Otherwise the same goods may stand there twice.
            found = list(
                {(each["item"], each["serial"] or each["lot"], each["status"]): each for each in found}.values()
            )
        return tuple(calls.Counted(**each) for each in found)

    def _record_count(self, chance: Chance) -> None:
        bin_ = chance.choice(ANYWHERE if chance.odd(10) else [*OPEN, "SHUT"])
        tally = self._tally(chance, bin_)
        late = chance.odd(4)
        call = calls.RecordCount(
            actor=self._who(chance).actor,
            session=SESSION,
            bin=bin_,
            round=0,
            opened=self.site.changes(bin_) + late,
            whole=True,
            scans=bytes(32),
            lines=tally,
        )
        # The model only knows whether something moved in between, not how the ledger counts.
        self.model.opened[bin_] = call.opened - late
        result = self._do(call)
        if result.ok:
            told = [(each.counted, each.expected) for each in result.of(events.CountLine)]
            assert told == [(line.counted, line.expected) for line in self.model.counts[self.ops[-1][0]].lines]
            assert [each.stable for each in result.of(events.CountRecorded)] == [not late]

    def _post_count(self, chance: Chance) -> None:
        op_id, count = chance.choice(list(self.model.counts.items())[-3:])
        compared = tuple(count.lines)
        mask = (1 << len(compared)) - 1
        select = mask if chance.odd(2) else chance.randint(0, mask)
        wrong = chance.randrange(16)
        if wrong == 0 and compared:
            compared = (replace(compared[0], expected=compared[0].expected + 1), *compared[1:])
        who = self._who(chance)
        call = calls.PostCount(
            actor=who.actor,
            count=op_id,
            session=SESSION,
            bin=count.bin,
            round=0,
            counter=count.counter,
            stable=count.stable != (wrong == 1),
            lines=compared,
            select=select | (mask + 1) * (wrong == 2),
        )
        self._do(call, self._who(chance, who.actor, count.counter))

    # ------------------------------------------------------------ transfers

    def _dispatch(self, chance: Chance) -> None:
        lines = self._of_stock(chance, ["IN_TRANSIT"])
        who = self._who(chance)
        call = calls.Dispatch(
            actor=who.actor, receiver="bergen", lines=chance.spoil(lines) if chance.odd() else lines
        )
        self._do(call, who)

    def _accept_transfer(self, chance: Chance) -> None:
        lines = chance.lines(["IN_TRANSIT"], OPEN)
        rows = tuple(
            calls.Accepted(
                index=index,
                item=line.item,
                lot=line.lot,
                serial=line.serial,
                status=line.status,
                quantity=0 if chance.odd(8) else line.quantity,
                missing=chance.choice([0, 2, 2]),
                target=line.target,
            )
            for index, line in enumerate(chance.spoil(lines) if chance.odd() else lines)
        )
        who = self._who(chance)
        call = calls.AcceptTransfer(actor=who.actor, transfer=FAR_TRANSFER, sender="bergen", lines=rows)
        result = self._do(call, who)
        told = [(each.index, each.missing) for each in result.of(events.AcceptedLine)]
        assert told == [(row.index, row.missing) for row in rows if result.ok]

    def _settle(self, chance: Chance) -> None:
        transfer, sent = chance.choice(list(self.model.under_way.items())[-2:])
        rows = []
        for index in range(len(sent) + chance.odd(8)):
            line = sent[index % len(sent)][0]
            target = chance.choice(["CUSTOMER", "SHRINKAGE", "A"])
            move = move_of(line, chance.randint(1, line.quantity), "IN_TRANSIT", target)
            move = chance.spoil((move,))[0] if chance.odd(10) else move
            rows.append(
                calls.Settled(
                    index=index,
                    item=move.item,
                    lot=move.lot,
                    serial=move.serial,
                    status=move.status,
                    quantity=move.quantity,
                    target=move.target,
                )
            )
        result = self.site.apply(self.site.record(control.SettlePayload(transfer=transfer, lines=tuple(rows))))
        assert result.ok, result.reason
        why = self.model.settle(transfer, tuple(rows))
        assert bool(result.of(events.ControlApplied)) == (not why), f"{rows}: {why!r}"
        self._check_books(rows)

    # ------------------------------------------------------------ people, time, releases

    def _change_a_person(self, chance: Chance) -> None:
        person = self.people[chance.randint(3, 5)]
        rights = self.model.people[person.actor]
        rights.revoked = chance.odd(2)
        self.site.order(
            control.PersonPayload(
                actor=person.actor,
                roles=rights.roles,
                activation=bytes(32),
                valid_from=rights.valid_from,
                valid_until=rights.valid_until,
                revoked=rights.revoked,
            )
        )
        self.model.now += chance.choice([0, 500, 1_000])
        self.site.at(self.model.now)

    def _replace_manager(self, chance: Chance) -> None:
        """The hub releases a new InventoryManager: the stock stays, the old one can do nothing more."""
        self.managers += 1
        site, before = self.site, self.site.contracts
        address = create_address(kit.NODE.address, 10 + self.managers)
        code = artifacts.load("InventoryManager").bytecode
        given = abi_encode(("address", "address"), (before.registry, before.ledger))
        assert site.create(kit.NODE.address, address, code + given).ok
        site.order(control.ReleasePayload(manager=address, code_hash=keccak(site.state.get_code(address))))
        call = calls.Receive(actor=self.people[0].actor, lines=(kit.line("BOLT", 1, "SUPPLIER", "A"),))
        assert site.do(call).reason == "only the writer"
        site.contracts = replace(before, manager=address)
