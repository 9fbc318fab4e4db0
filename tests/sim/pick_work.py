"""Pick lists: what is free is promised, picked into a tote, and leaves from there; or it is given back."""

from __future__ import annotations

from collections import Counter

from ledger.documents import part_op_id
from ledger.ids import CUSTOMER, OpId
from node.picking import BACK
from tests.sim.books import Books, Flow, PickList, Thing, held_of, real
from tests.sim.founding import TOTES
from tests.sim.goods_work import MORE_THAN_THERE
from tests.sim.tablets import Act, Answer, Tablets, named

PICKED = ("BOLT", "NUT", "PAINT")
LISTS_MAX = 3
ODD_TOTE = 0.2


class PickWork(Tablets):
    """Goods that leave for a customer, by list."""

    def _pick(self, site: str) -> Act | None:
        """The next thing that somebody does about the open lists."""
        books, dice = self.ledger.sites[site], self.dice
        live = books.open_lists
        if not live or (len(live) < LISTS_MAX and dice.random() < 0.2):
            return self._open_list(site)
        name = dice.choice(sorted(live))
        list_ = live[name]
        if dice.random() < 0.08:
            return self._cancel_list(site, name, list_)
        if not list_.tote:
            return self._begin_list(site, name, list_)
        if list_.left and dice.random() < 0.75:
            return self._take(site, name, list_)
        return self._issue(site, name, list_)

    def _open_list(self, site: str) -> Act:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        wanted = {item: dice.randint(1, 25) for item in dice.sample(PICKED, dice.randint(1, 2))}
        lines = [{"item": item, "quantity": quantity} for item, quantity in wanted.items()]
        left, missing = books.allot(wanted)

        def done(answer: Answer) -> None:
            books.enter(str(op), "reserve")
            books.lists[str(op)] = PickList(left)
            if answer["missing"] != missing:
                self.world.fail("books predict answers", f"{site}: {op} misses {answer['missing']}, not {missing}")

        body = {"order": f"SO-{op}"[:20], "lines": lines}
        return Act(
            site,
            "open list",
            op,
            lambda node: node.parts.floor.picking.open(op, node.who("ann"), body),
            done,
            bool(left),
        )

    def _begin_list(self, site: str, name: str, list_: PickList) -> Act:
        books, op = self.ledger.sites[site], self.op()
        # Now and then whatever is there: another's tote, or a bin that is full or being counted.
        tote = self.dice.choice(self._places(site) if self.dice.random() < ODD_TOTE else TOTES)

        def done(_: Answer) -> None:
            list_.tote = tote

        return Act(
            site,
            "begin list",
            op,
            lambda node: node.parts.floor.picking.begin(op, node.who("ann"), {"list": name, "tote": tote}),
            done,
            tote not in books.blind | books.totes and not any(books.held(tote)),
        )

    def _take(self, site: str, name: str, list_: PickList) -> Act:
        """Into the tote, from where it is promised."""
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        key = dice.choice(sorted(list_.left))
        source, item, lot = key
        total = sum(left for (_, other, _), left in list_.left.items() if other == item)
        quantity = total + 1 if dice.random() < MORE_THAN_THERE else dice.randint(1, list_.left[key])
        happened = dice.random() < 0.4
        thing: Thing = (item, lot, "")
        flow = Flow(thing, quantity, source, list_.tote)
        # Where it was promised there may be less by now: a count took it, whoever it was promised to.
        bookable = quantity <= total and source != list_.tote and books.can([flow], own=list_.left[key])
        said = {"list": name, "quantity": quantity, "source": source, "happened": happened, "confirm": True}
        body = {**named(thing), **said}

        def done(answer: Answer) -> None:
            if bookable:
                books.enter(str(op), "pick", [flow])
            else:
                self._excepted(site, op, source, "ann", [flow])
                if quantity <= total:
                    books.enter(str(part_op_id(op, BACK)), "unreserve")
            # More than the list stands for is somebody's error: it is looked at, and the list stays as it is.
            left = total - quantity if quantity <= total else total
            list_.less(key, total - left)
            if (answer["left"], bool(answer.get("exception"))) != (left, not bookable):
                self.world.fail("books predict answers", f"{site}: pick {op} said {answer}, left are {left}")

        return Act(
            site,
            "pick",
            op,
            lambda node: node.parts.floor.picking.pick(op, node.who("ann"), body),
            done,
            bookable or happened,
        )

    def _issue(self, site: str, name: str, list_: PickList) -> Act:
        """Everything free that lies in the tote leaves, whoever put it there; what is not picked is free again."""
        books, op = self.ledger.sites[site], self.op()
        flows = [
            Flow(thing, there, list_.tote, CUSTOMER) for thing, there in books.held(list_.tote) if not held_of(thing)
        ]

        def done(_: Answer) -> None:
            books.enter(str(op), "issue", flows)
            self._end(books, op, list_)

        return Act(
            site,
            "issue",
            op,
            lambda node: node.parts.floor.picking.issue(op, node.who("ann"), {"list": name, "confirm": True}),
            done,
            bool(flows) and books.can(flows),
        )

    def _cancel_list(self, site: str, name: str, list_: PickList) -> Act:
        books, op = self.ledger.sites[site], self.op()
        given_back = str(part_op_id(op, BACK)) if list_.left else ""

        def done(_: Answer) -> None:
            self._end(books, op, list_)

        return Act(
            site,
            "cancel list",
            op,
            lambda node: node.parts.floor.picking.cancel(op, node.who("eve"), {"list": name, "reason": "not-wanted"}),
            done,
            not (real(list_.tote) and any(books.held(list_.tote))),
            on_chain=given_back,
        )

    def _end(self, books: Books, op: OpId, list_: PickList) -> None:
        if list_.left:
            books.enter(str(part_op_id(op, BACK)), "unreserve")
        list_.left, list_.ended = Counter(), True
