"""The people of the simulated company: legal work, a little that the rules must refuse, and repeats of everything."""

from __future__ import annotations

from collections.abc import Callable

from ledger.ids import OpId
from tests.sim.books import COST
from tests.sim.count_work import CountWork
from tests.sim.goods_work import GoodsWork
from tests.sim.machines import Down
from tests.sim.pick_work import PickWork
from tests.sim.stock_work import StockWork
from tests.sim.tablets import Act
from tests.sim.transfer_work import TransferWork

HEADER = "sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals"


class Workload(StockWork, CountWork, TransferWork, GoodsWork, PickWork):
    """Draws acts from the seed, at the sites and at the hub."""

    def turn(self, site: str) -> None:
        """Somebody does something at `site`, or asks again what was not answered."""
        if not self.world.nodes[site].up:
            return
        act = self.doubt.get(site) or self._draw(site)
        if act is not None:
            self.put(act)

    def _draw(self, site: str) -> Act | None:
        kinds: tuple[tuple[int, Callable[[str], Act | None]], ...] = (
            (14, self._receive),
            (22, self._move),
            (5, self._adjust),
            (8, self._approve_proposal),
            (3, self._reverse),
            (4, self._except),
            (6, self._hold),
            (12, self._release),
            (4, self._move_unit),
            (26, self._pick),
            (30, self._count),
            (3, self._test),
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
            known = next(each for each in hub.transfers() if str(each.name) == chosen.subject)
            self.giving_up = (chosen.id, known.id, {line.line: line.missing for line in known.lines})
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
