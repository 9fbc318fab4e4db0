"""Goods come in, change place, are corrected, taken back, and stated where they could not be booked."""

from __future__ import annotations

from ledger.documents import booking_op_id, part_op_id
from ledger.ids import SHRINKAGE, SUPPLIER
from node.exceptions import CHECK
from tests.sim.books import Flow
from tests.sim.founding import COUNTERS
from tests.sim.machines import PIN, NodeMachine
from tests.sim.tablets import Act, Answer, Tablets, named

LOTS = ("L1", "L2")


class StockWork(Tablets):
    """Documents of one site."""

    def _receive(self, site: str) -> Act:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        who = dice.choice(("ann", "ann", "dan"))
        flows = []
        (items, strange), bins = self._items(site), self._places(site)
        for _ in range(dice.randint(1, 4)):
            item = dice.choice(items)
            lot, serial, quantity = "", "", dice.randint(1, 60)
            if item == "PAINT":
                lot = dice.choice(LOTS)
            if item == "DRILL":
                self.serials += 1
                serial, quantity = f"SN-{site}-{self.serials}", 1
            flows.append(Flow((item, lot, serial), quantity, SUPPLIER, dice.choice(bins)))
        body = {"lines": [{**named(flow.thing), "quantity": flow.quantity, "target": flow.target} for flow in flows]}

        def done(_: Answer) -> None:
            books.enter(str(op), "receive", flows)
            books.moved(who, flows)

        return Act(
            site,
            "receive",
            op,
            lambda node: node.parts.floor.stock.receive(op, node.who(who), body),
            done,
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
            targets = [place for place in self._places(site) if place != source]
            flows.append(Flow(thing, quantity, source, dice.choice(targets)))
        lines = [
            {**named(flow.thing), "quantity": flow.quantity, "source": flow.source, "target": flow.target}
            for flow in flows
        ]
        body = {"lines": lines, "happened": happened}
        bookable = books.can(flows)
        # To a counter a refusal would tell what the books hold: it becomes an exception without a word.
        hidden = who in COUNTERS and bool(books.blind & {flow.source for flow in flows})
        # What happened is booked as far as it stands, and the rest comes apart.
        kept, left = books.standing(flows) if happened else (flows, []) if bookable else ([], flows)
        parts = bool(kept and left)
        first, second = (booking_op_id(op, 1), booking_op_id(op, 2)) if parts else (op, op)

        def done(answer: Answer) -> None:
            if parts:
                for number in (1, 2):
                    books.enter(str(part_op_id(op, number)), "record_part")
            if kept:
                books.enter(str(first), "book_part" if parts else "move", kept)
            if left:
                self._excepted(site, second, left[0].source, who, left)
            books.moved(who, flows)
            said = bool(answer.get("exception"))
            # Its place is to be counted now, and a counter must not learn what is booked there.
            if said != (not bookable and who not in COUNTERS):
                self.world.fail("books predict answers", f"{site}: move {op} said exception {said}")

        return Act(
            site,
            "move",
            op,
            lambda node: node.parts.floor.stock.move(op, node.who(who), body),
            done,
            bookable or happened or hidden,
            on_chain=str(first),
        )

    def _adjust(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        found = self._stocked(books)
        if found is None or found[1][2]:
            return None
        place, thing, held = found
        change = dice.choice((-dice.randint(1, held), dice.randint(1, 9), -held - 3))
        flow = Flow(thing, change, SHRINKAGE, place) if change > 0 else Flow(thing, -change, place, SHRINKAGE)
        body = {"lines": [{**named(thing), "location": place, "change": change}], "reasons": ["damaged"]}

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
            of not in books.reversed,
        )

    def _approve_proposal(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        if not self.proposals[site]:
            return None
        proposal = dice.choice(sorted(self.proposals[site]))
        flows, of = self.proposals[site][proposal], self.backwards.get(proposal, "")
        body = {"proposal": proposal}
        ends = sorted({place for flow in flows for place in (flow.source, flow.target)})
        doubted: list[str] = []

        def ask(node: NodeMachine) -> Answer:
            # What was wrong when it was proposed may be put right already by a count that ended after that.
            since_ms = node.proposed_ms(proposal)
            doubted[:] = [
                end for end in ends if any(node.happened_ms(each) > since_ms for each in books.counted[end])
            ]
            return node.parts.floor.stock.proposals.approve(op, node.who("eve"), body, PIN)

        def done(_: Answer) -> None:
            del self.proposals[site][proposal]
            books.enter(proposal, "reverse" if of else "adjust", flows)
            for round_ in books.rounds.values():
                if round_.bin in ends and round_.state == "review":
                    round_.state, round_.number = "waiting", round_.number + 1
            self._order(site, str(part_op_id(op, CHECK)), dict.fromkeys(doubted, ()))
            if of:
                books.reversed.add(of)

        legal = books.can(flows, forced=not of) and of not in books.reversed
        return Act(
            site,
            "approve",
            op,
            ask,
            done,
            legal,
            on_chain=proposal,
        )

    def _except(self, site: str) -> Act | None:
        books, op = self.ledger.sites[site], self.op()
        # Often where a count waits for its approver: what it says is older than this.
        counted = [each.bin for each in books.rounds.values() if each.state == "review"]
        found = [(bin_, *each) for bin_ in counted for each in books.held(bin_)]
        chosen = self.dice.choice(found) if found and self.dice.random() < 0.5 else self._stocked(books)
        if chosen is None:
            return None
        place, thing, held = chosen
        line = {**named(thing), "quantity": held, "source": place, "target": "A-01" if place != "A-01" else "A-02"}
        body = {"location": place, "reason": "locked", "lines": [line]}

        def done(_: Answer) -> None:
            self._excepted(site, op, place, "ann", [Flow(thing, held, place, line["target"])], stated=True)

        return Act(
            site,
            "except",
            op,
            lambda node: node.parts.floor.stock.except_document(op, node.who("ann"), body),
            done,
        )
