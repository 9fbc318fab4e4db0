"""One site of a company with its floor work, as its hub and its people meet it."""

from __future__ import annotations

from pathlib import Path

from ledger import people
from node import catalogue, orders
from node.desk import Person
from node.floor import Floor
from tests.sync.recovery_kit import Company, Machine


class Site:
    """One site of the company, enrolled and furnished."""

    def __init__(self, company: Company, folder: Path) -> None:
        self.company = company
        code = company.hub.enrol("oslo", url="http://hub.test")
        self.machine = Machine(company, folder, 11).init()
        self.machine.enrol(code)
        company.furnish()
        self.machine.settle()
        self.floor = Floor(self.machine.site, bytes(32), self.machine.chance)

    def settle(self) -> None:
        """The hub's jobs run, and the site syncs."""
        self.company.settle()
        self.machine.settle()

    def person(self, *roles: str) -> Person:
        """Somebody with these rights; as `ann` where the chain asks."""
        return Person(self.company.ann, people.roles_of(roles))

    def waiting(self) -> tuple[dict[str, int], list[str]]:
        """Bolts wanted by delivery, and the orders nobody picks."""
        with self.machine.site.reading() as connection:
            coming = self.floor.deliveries.waiting(connection, self.person("RECEIVE"))
            ordered = orders.waiting(connection, self.person("ISSUE"))
        return (
            {each["delivery"]: sum(line["wanted"] for line in each["lines"]) for each in coming},
            [each["order"] for each in ordered],
        )

    def item(self, sku: str) -> catalogue.Item:
        with self.machine.site.reading() as connection:
            return catalogue.need_item(connection, sku)
