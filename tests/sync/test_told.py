"""What is decided and entered at the hub reaches the floor: policies, classes and weights of items, nonces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub import announcing, policies
from ledger import people, policy
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from node import counting_plans, limits
from node.desk import Person
from node.policies import counting_policy
from tests.sync.site_kit import Site

SKUS = b"sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals,abc,by_weight,quantity_asked\n"


def test_an_auditor_counts_on_chain_and_audits_at_the_site(site: Site) -> None:
    hub, known = site.company.hub, site.floor.people
    for names, bits in (("COUNT MOVE", 5), ("AUDIT", 1), ("MOVE", 4), ("AUDIT", 1), ("COUNT", 1)):
        eva = Actor.parse(hub.add_person("oslo", "eva", "Eva", names.split()).actor)
        site.settle()
        with site.machine.site.reading() as connection:
            assert known.one(connection, eva)["roles"] == names.split()
            held = known.with_rights(connection, eva)
            on_chain = connection.execute("SELECT roles FROM people WHERE actor = ?", (eva.raw,)).fetchone()
        assert held is not None and people.role_names(held.roles) == names.split() and on_chain == (bits,)
        assert held.has(people.COUNT) is ("COUNT" in names) and held.has(people.MOVE) is ("MOVE" in names)
        assert held.counts is (names != "MOVE")


def test_a_policy_for_all_sites_or_for_one_is_followed_until_it_is_taken_back(site: Site) -> None:
    hub = site.company.hub
    bob = Actor.parse(site.company.codes["bob id"])
    with site.machine.site.reading() as connection:
        assert counting_policy(connection).limits_of(bob).bin_quantity_max is None
    everywhere = {
        "rule": {"line_quantity_max": 3, "rounds_max": 2},
        "approval": {"bin_quantity_max": 10},
        "approvers": {"bob": {"bin_quantity_max": 99}},
        "reasons": [["thrown-away", "Thrown away", "minus"]],
        "blind": True,
    }
    hub.set_policy("counting", everywhere)
    hub.set_policy("stock", {"adjust": {"quantity_max": 5}}, "oslo")
    site.settle()
    with site.machine.site.reading() as connection:
        found = counting_policy(connection)
        assert (found.limits_of(bob).bin_quantity_max, found.everyone.bin_quantity_max) == (99, 10)
        assert [each.code for each in found.reasons] == ["thrown-away", "relocated"] and found.blind
        assert limits.limit_of(connection, "adjust").quantity_max == 5
    # A count takes the limits that its opener does not name, and a sheet with quantities is refused.
    session = OpId(b"\x07" * 16)
    wish = {"name": "Week", "bins": ["A-01"], "rule": {"rounds_max": 3}}
    site.floor.counting.open_session(session, site.person("APPROVE"), wish)
    with site.machine.site.reading() as connection:
        (rule,) = connection.execute("SELECT rule FROM count_sessions").fetchone()
    assert '"line_quantity_max": 3' in rule and '"rounds_max": 3' in rule
    with pytest.raises(Rejected, match="blind here"):
        site.floor.counting.sheets.issue(
            OpId(b"\x08" * 16), site.person("APPROVE"), {"session": str(session), "blind": False}
        )  # fmt: skip
    hub.set_policy("counting", {"quantity_asked": 7}, "oslo")
    site.settle()
    with site.machine.site.reading() as connection:
        # The site's own entry stands in the place of the other one, as a whole.
        assert (counting_policy(connection).quantity_asked, counting_policy(connection).blind) == (7, False)
    for where in ("oslo", ""):
        hub.set_policy("counting", None, where)
    site.settle()
    with site.machine.site.reading() as connection:
        assert counting_policy(connection).quantity_asked == 10_000
    with hub.store.read() as session_:
        assert [(each["name"], each["site"]) for each in policies.listed(session_)] == [("stock", "oslo")]


@pytest.mark.parametrize(
    ("name", "said", "why"),
    [
        ("counting", {"rule": {"speed": 1}}, "is not a limit"),
        ("counting", {"rule": {"counters": 9, "rounds_max": 2}}, "by 1 to 2 people, not by 9"),
        ("counting", {"reasons": [["Lost!", "x", "minus"]]}, "is not a reason code"),
        ("counting", {"reasons": [["lost", "x", "down"]]}, "is not a direction"),
        ("counting", {"approvers": {"nobody": {}}}, "nobody's log-in"),
        ("counting", {"approval": {"bin_quantity_max": -1}}, "not a whole number"),
        ("counting", {"blind": "yes"}, "expected true or false"),
        ("counting", {"speed": 1}, "the policy says 'speed'"),
        ("counting", [1], r"the policy is \[1\]: expected a table of reasons, approval"),
        ("counting", 7, "the policy is 7: expected a table"),
        ("counting", {"reasons": None}, "reasons is nothing: expected a list"),
        ("counting", {"reasons": [True]}, "a reason is true: expected its code, its words, and plus, minus or both"),
        ("counting", {"approval": {"bin_max": 1}}, "approval says 'bin_max': expected bin_quantity_max"),
        ("counting", {"rule": 5}, "rule is 5: expected a table"),
        ("counting", {"blind": None}, "blind is nothing: expected true or false"),
        ("stock", {"adjust": {"quantity_max": 1.5}}, "not a whole number"),
        ("stock", {"adjust": {"many": 1}}, "adjust says 'many': expected quantity_max, value_max"),
        ("stock", {"steal": {}}, "the policy says 'steal'"),
        ("stock", {"adjust": 5}, "adjust is 5: expected a table"),
        ("weather", {}, "is no policy"),
    ],
)
def test_a_policy_that_no_site_could_follow_is_refused_at_the_hub(
    site: Site, name: str, said: Any, why: str
) -> None:  # fmt: skip
    with pytest.raises(Rejected, match=why):
        site.company.hub.set_policy(name, said)
    with pytest.raises(Rejected, match="no site 'rome'"):
        site.company.hub.set_policy("stock", {}, "rome")
    with pytest.raises(Rejected, match="there is no policy stock"):
        site.company.hub.set_policy("stock", None)


def test_deliveries_and_orders_reach_the_floor_as_they_are_changed_and_taken_back(site: Site) -> None:
    hub = site.company.hub
    hub.announce("deliveries", "oslo", b"delivery,supplier,item,quantity\nD-1,ACME,BOLT,8\nD-2,ACME,BOLT,1\n")
    hub.announce("orders", "oslo", b"order,item,quantity\nSO-1,BOLT,3\n")
    site.settle()
    assert site.waiting() == ({"D-1": 8, "D-2": 1}, ["SO-1"])
    wish = {"delivery": "D-1", "lines": [{"item": "BOLT", "quantity": 3, "target": "A-01"}]}
    site.floor.stock.receive(site.machine.op(), site.person("RECEIVE"), wish)
    hub.announce("deliveries", "oslo", b"delivery,supplier,item,quantity\nD-1,ACME,BOLT,5\n")
    hub.withdraw("deliveries", "oslo", "D-2")
    site.settle()
    assert site.waiting() == ({"D-1": 5}, ["SO-1"])
    opened = site.floor.picking.open(site.machine.op(), site.person("ISSUE"), {"order": "SO-1"})
    assert opened["missing"] == {} and site.waiting() == ({"D-1": 5}, [])
    site.settle()
    assert site.company.stock()["A-01"] == 3


def test_what_the_page_about_files_shows_is_taken(site: Site) -> None:
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
    entries = [part.partition("```")[0] for part in page.split("```json\n")[1:]]
    for name, entry in zip(policy.READERS, entries, strict=True):
        site.company.hub.set_policy(name, json.loads(entry))
    kinds = announcing.KINDS.values()
    heads = [SKUS.decode().strip().split(","), *([*kind.columns, *kind.more] for kind in kinds)]
    assert all(f"`{column}`" in page for head in heads for column in head)


def test_classes_and_catch_weights_come_with_the_catalogue(site: Site) -> None:
    hub = site.company.hub
    rows = b"HAM,Ham,,kg,none,1,900,EUR,3,b,yes,50000\nBOLT,Bolt M8,4006381333931,pc,none,1,10,EUR,0,A,,\n"
    before = hub.import_items(SKUS + rows, dry_run=True)
    assert (before.new, before.changed) == (1, 1)
    hub.import_items(SKUS + rows)
    site.settle()
    ham = site.item("HAM")
    assert (ham.by_weight, ham.asked, ham.decimals) == (True, 50_000, 3) and not site.item("BOLT").by_weight
    with site.machine.site.reading() as connection:
        assert counting_plans.classes(connection) == {"HAM": "B", "BOLT": "A"}
    # On the floor: ham is not counted without its pieces, and 50.001 kg of it are asked back.
    count, bob = site.floor.counting, Person(Actor.parse(site.company.codes["bob id"]), people.roles_of(("APPROVE",)))
    wish = {"name": "Ham", "bins": ["A-01"], "rule": {}}
    count.open_session(site.machine.op(), bob, wish)
    count.open_bin(site.machine.op(), site.person("COUNT"), {"bin": "A-01"})

    def enter(item: str, amount: str, **more: Any) -> dict[str, Any]:
        line = {"item": item, "amount": amount, **more}
        return count.enter(site.machine.op(), site.person("COUNT"), line)

    with pytest.raises(Rejected, match="pieces and by weight"):
        enter("HAM", "50")
    assert (enter("HAM", "50", pieces=6)["counted"], enter("BOLT", "9000")["counted"]) == (50_000, 9000)
    assert "50.001 kg of Ham" in enter("HAM", "50.001", pieces=6)["ask"]
    assert hub.import_items(SKUS + rows).changed == 0
    # A file without these columns takes them back, as one without cost does: it says all of an item.
    assert hub.import_items(b"sku,name,gtin,base_unit,tracking,pack_qty\nHAM,Ham,,kg,none,1\n", dry_run=True).changed
    for cell, why in ((b"B+", "abc"), (b"TOOLONG", "abc")):
        with pytest.raises(Rejected, match=why):
            hub.import_items(SKUS + b"X,X,,pc,none,1,,,0," + cell + b",,\n")
    with pytest.raises(Rejected, match="yes or no"):
        hub.import_items(SKUS + b"X,X,,pc,none,1,,,0,,maybe,\n")
    with pytest.raises(Rejected, match="counted by its serial"):
        hub.import_items(SKUS + b"X,X,,kg,serial,1,,,0,,yes,\n")
    with pytest.raises(Rejected, match="quantity_asked"):
        hub.import_items(SKUS + b"X,X,,kg,none,1,,,0,,,0\n")


def test_without_a_link_samples_are_drawn_from_nonces_that_the_hub_sent_before(site: Site) -> None:
    hub = site.company.hub
    assert hub.issue_nonces("oslo", 2) == 2
    site.settle()
    site.company.clock.advance(10 * 60_000)  # the link is gone since
    approver = site.person("APPROVE")
    seen = []
    for number in range(3):
        session = OpId(bytes([number + 1]) * 16)
        wish = {"name": "Sample", "plan": {"sample": 1}, "rule": {}}
        site.floor.counting.open_session(session, approver, wish)
        seen.append(site.floor.counting.plans.show(approver, session)["seed_from"])
        cancel = {"session": str(session), "reason": "again"}
        site.floor.counting.cancel(OpId(bytes([number + 9]) * 16), approver, cancel)
    assert [each.partition(":")[0] for each in seen] == ["hub-before", "hub-before", "site-chosen"]
    assert len(set(seen)) == 3
    with pytest.raises(Rejected, match="1 to 100"):
        hub.issue_nonces("oslo", 0)
    with pytest.raises(Rejected, match="no chain that is alive"):
        hub.issue_nonces("rome", 1)
