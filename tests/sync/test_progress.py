"""How much of what the hub announced is done, as the blocks of the site tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub import announcing, cli
from ledger import calls
from ledger.calls import Approval
from ledger.ids import SUPPLIER, Actor
from ledger.moves import Line
from tests.sync.recovery_kit import DOCUMENT, DOCUMENT_HASH
from tests.sync.site_kit import Site

DELIVERIES = b"delivery,supplier,item,quantity\nD-1,ACME,BOLT,8\nD-1,ACME,PAINT,2\n"
ORDERS = b"order,item,quantity,due\nSO-1,BOLT,3,2027-02-01\n"


def told(site: Site) -> dict[str, tuple[str, dict[str, tuple[int, int, int]]]]:
    """By number: how it stands, and of each item what was wanted, done and is left."""
    with site.company.hub.store.read() as session:
        found = announcing.progress(session)
    return {
        each["number"]: (
            each["state"],
            {line["item"]: (line["wanted"], line["done"], line["left"]) for line in each["lines"]},
        )
        for each in found
    }


def receive(site: Site, delivery: str, quantity: int, **more: Any) -> Any:
    op_id = site.machine.op()
    wish = {"delivery": delivery, "lines": [{"item": "BOLT", "quantity": quantity, "target": "A-01"}], **more}
    site.floor.stock.receive(op_id, site.person("RECEIVE"), wish)
    return op_id


@pytest.fixture
def announced(site: Site) -> Site:
    hub = site.company.hub
    hub.announce("deliveries", "oslo", DELIVERIES)
    hub.announce("orders", "oslo", ORDERS)
    site.settle()
    return site


def test_what_came_and_went_is_told_in_part_whole_and_over(announced: Site) -> None:
    nothing = {"BOLT": (8, 0, 8), "PAINT": (2, 0, 2)}
    assert told(announced) == {"D-1": ("waits", nothing), "SO-1": ("waits", {"BOLT": (3, 0, 3)})}
    receive(announced, "D-1", 5)
    assert told(announced)["D-1"] == ("waits", nothing)  # no block of it has been verified yet
    announced.settle()
    assert told(announced)["D-1"] == ("part", {"BOLT": (8, 5, 3), "PAINT": (2, 0, 2)})
    wish: dict[str, Any] = {"lines": [{"item": "BOLT", "quantity": 3, "source": "A-01"}], "order": "SO-1"}
    announced.floor.stock.issue(announced.machine.op(), announced.person("ISSUE"), wish)
    # Goods of no delivery change nothing here.
    wish = {"lines": [{"item": "BOLT", "quantity": 50, "target": "A-01"}], "delivery_note": "N-1"}
    announced.floor.stock.receive(announced.machine.op(), announced.person("RECEIVE"), {**wish, "supplier": "ACME"})
    announced.settle()
    assert told(announced)["SO-1"] == ("whole", {"BOLT": (3, 3, 0)})
    receive(announced, "D-1", 4, reasons=["over"])
    announced.settle()
    assert told(announced)["D-1"] == ("part", {"BOLT": (8, 9, 0), "PAINT": (2, 0, 2)})
    announced.company.hub.announce("deliveries", "oslo", DELIVERIES.replace(b"D-1,ACME,PAINT,2\n", b""))
    assert told(announced)["D-1"] == ("over", {"BOLT": (8, 9, 0)})


def test_what_is_reversed_did_not_come(announced: Site) -> None:
    of = receive(announced, "D-1", 5)
    machine, company = announced.machine, announced.company
    machine.bind_bob()
    bob, op_id = Actor.parse(company.codes["bob id"]), machine.op()
    line = Line(item="BOLT", quantity=5, source=SUPPLIER, target="A-01")
    call: Any = calls.Reverse(actor=company.ann, document=DOCUMENT_HASH, of=of, lines=(line,))
    origin, manager = machine.site.identity.origin, machine.site.identity.contracts.manager
    made = company.key.sign_digest(call.digest(origin.chain_id, manager, op_id, bob))
    signed = Approval(actor=bob, v=made.v, r=made.raw[:32], s=made.raw[32:64])
    machine.site.record(call, op_id=op_id, document=DOCUMENT, approval=signed)
    announced.settle()
    assert told(announced)["D-1"] == ("waits", {"BOLT": (8, 0, 8), "PAINT": (2, 0, 2)})


def test_an_audit_of_the_hub_finds_the_same(announced: Site, tmp_path: Path) -> None:
    receive(announced, "D-1", 5)
    announced.settle()
    assert announced.company.audit(tmp_path / "audit") == []
    with announced.company.hub.store.write() as session:
        session.run("UPDATE announced_acts SET number = 'D-9'")
    assert "announced_acts" in " ".join(announced.company.audit(tmp_path / "again"))


def test_the_command_line_says_it_in_the_items_own_units(
    announced: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(announced, "D-1", 5)
    announced.settle()
    folder = str(tmp_path / "hub")
    assert cli.main(["announced", "--dir", folder]) == 0
    out = capsys.readouterr().out
    assert "D-1" in out and "part" in out and out.index("SO-1") < out.index("D-1")  # what is due comes first
    assert cli.main(["announced", "D-1", "--dir", folder]) == 0
    assert "BOLT: 5 of 8 pc" in capsys.readouterr().out
    assert cli.main(["announced", "D-9", "--dir", folder]) == 1
    assert cli.main(["announced", "--site", "rome", "--dir", folder]) == 0
