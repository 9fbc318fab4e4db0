"""Goods are held where they stand and released by somebody else; handling units go with what is in them."""

from __future__ import annotations

from ledger.ids import CHANGE
from ledger.moves import STATUSES
from tests.sim.books import Flow, Hold, held_as, held_of
from tests.sim.count_work import GTINS
from tests.sim.machines import PIN
from tests.sim.tablets import Act, Answer, Tablets, named

UNITS = ("PAL-1", "PAL-2")
MORE_THAN_THERE = 0.1


class GoodsWork(Tablets):
    """Changes of goods where they stand."""

    def _hold(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        # What is scanned piece by piece stays free here: a scan does not say whether the goods are held.
        found = [
            (place, thing, there)
            for place in self._places(site)
            for thing, there in books.held(place)
            if not thing[2] and thing[0] not in GTINS and not held_of(thing)
        ]
        if not found:
            return None
        place, thing, there = dice.choice(found)
        quantity = there + 1 if dice.random() < MORE_THAN_THERE else dice.randint(1, there)
        status = dice.choice(STATUSES[1:])
        kept = held_as(thing, status)
        flows = (Flow(thing, quantity, place, CHANGE), Flow(kept, quantity, CHANGE, place))
        line = {**named(thing), "quantity": quantity, "location": place}
        body = {"held": status, "lines": [line], "reasons": ["damaged"]}

        def done(_: Answer) -> None:
            books.enter(str(op), "hold", flows)
            books.holds[str(op)] = Hold(kept, quantity)

        return Act(
            site,
            "hold",
            op,
            lambda node: node.parts.floor.stock.hold(op, node.who("ann"), body),
            done,
            books.can(flows, forced=True),
        )

    def _release(self, site: str) -> Act | None:
        """By somebody who did not hold them; not more than this hold has, nor more than stands there so held. Not of
        a bin that is in a count: the one approver would not be free to approve it any more."""
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        live = [each for each in books.rounds.values() if each.state in ("waiting", "counting", "review")]
        counted = {each.bin for each in live}
        found = [
            (name, hold, place, there)
            for name, hold in books.holds.items()
            for place in self._places(site)
            for thing, there in books.held(place)
            if thing == hold.thing and hold.left and place not in counted
        ]
        if not found:
            return None
        name, hold, place, there = dice.choice(found)
        most = min(hold.left, there)
        quantity = most + 1 if dice.random() < MORE_THAN_THERE else dice.randint(1, most)
        flows = (Flow(hold.thing, quantity, place, CHANGE), Flow(held_as(hold.thing, ""), quantity, CHANGE, place))
        body = {"hold": name, "lines": [{"line": 1, "quantity": quantity, "location": place}]}

        def done(_: Answer) -> None:
            books.enter(str(op), "release", flows)
            hold.left -= quantity

        return Act(
            site,
            "release",
            op,
            lambda node: node.parts.floor.holds.release(op, node.who("eve"), body, PIN),
            done,
            quantity <= hold.left and books.can(flows),
        )

    def _move_unit(self, site: str) -> Act | None:
        """A label that nobody used yet becomes a unit; whatever is in it goes along without a movement."""
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        unit = dice.choice(UNITS)
        target = dice.choice([bin_ for bin_ in self._bins(site) if bin_ != books.units.get(unit)])
        body = {"units": [{"unit": unit, "target": target}]}

        def done(_: Answer) -> None:
            books.enter(str(op), "move_unit")
            books.put_unit("ann", unit, target)

        return Act(
            site,
            "move unit",
            op,
            lambda node: node.parts.floor.stock.move_units(op, node.who("ann"), body),
            done,
        )
