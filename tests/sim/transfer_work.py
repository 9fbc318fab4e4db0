"""Goods between sites: complete, short, over, in parts, by paper, and what turns up after all."""

from __future__ import annotations

from typing import Any

from ledger.documents import units_op_id
from ledger.ids import IN_TRANSIT, OpId
from tests.sim.books import Flow, Transfer, Way, held_of
from tests.sim.machines import PIN
from tests.sim.tablets import Act, Answer, Tablets, named


class TransferWork(Tablets):
    """Dispatches and acceptances."""

    def _dispatch(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        flows: list[Flow] = []
        for _ in range(dice.randint(1, 3)):
            found = self._stocked(books)
            # Held goods do not leave; of two lines that name the same goods one is enough.
            if found is not None and not held_of(found[1]) and all(flow.thing != found[1] for flow in flows):
                source, thing, held = found
                flows.append(Flow(thing, 1 if thing[2] else dice.randint(1, held), source, IN_TRANSIT))
        if not flows:
            return None
        receiver = dice.choice([other for other in self.ledger.sites if other != site])
        lines = [{**named(flow.thing), "quantity": flow.quantity, "source": flow.source} for flow in flows]
        # Whether the hub has told of the other site by now or not.
        body = {"receiver": receiver, "lines": lines, "confirm": True}

        def done(_: Answer) -> None:
            books.enter(str(op), "dispatch", flows)
            # A unit of which all leaves goes with its goods.
            emptied = [unit for unit in sorted({flow.source for flow in flows} & {*books.units})
                       if not any(books.held(unit))]  # fmt: skip
            if emptied:
                books.enter(str(units_op_id(op)), "move_unit")
            for unit in emptied:
                books.put_unit("ann", unit, "")
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
