"""People: roles reach the chain, codes are shown once, secrets are not kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import people
from hub.hub import Hub
from ledger.clock import ManualClock
from ledger.codec import keccak256
from ledger.errors import Rejected
from ledger.people import activation_code
from tests.hub import sitekit
from tests.hub.sitekit import Site

PASSWORD = "correct horse battery"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub") as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with one site, to which nobody is added."""
    folder = tmp_path_factory.mktemp("furnished") / "hub"
    sitekit.found_hub(folder)
    with sitekit.open_hub(folder) as opened:
        Site(opened, "oslo", ManualClock(sitekit.START_MS))
        yield opened


def test_a_person_acts_with_the_code_and_not_after_being_revoked(hub: Hub) -> None:
    oslo = Site(hub, "oslo", ManualClock(sitekit.START_MS))
    oslo.furnish()
    oslo.receive(5)
    oslo.deliver()
    hub.revoke_person("oslo", "ann.oslo")
    hub.settle()
    oslo.sync()
    oslo.deliver()
    left = oslo.node.tables["users"][str(oslo.people["ann"].actor)]
    assert left == {"login": "ann.oslo", "name": "Ann", "badge": "", "roles": []}
    with pytest.raises(AssertionError, match="role missing"):
        oslo.receive(5)


def test_only_the_hash_of_a_code_is_kept_and_a_new_key_ends_the_old_one(hub: Hub) -> None:
    oslo = Site(hub, "oslo", ManualClock(sitekit.START_MS))
    added = hub.add_person("oslo", "eva", "Eva", ["COUNT"], badge="B-17")
    with hub.store.read() as session:
        row = session.one("SELECT * FROM grants")
        assert row is not None and bytes(row["activation"]) == keccak256(activation_code(added.code))
        dump = repr(session.all("SELECT * FROM stream_entries")) + repr(session.all("SELECT * FROM people"))
    assert added.code not in dump and activation_code(added.code).hex() not in dump
    again = hub.add_person("oslo", "eva", "Eva", ["COUNT", "MOVE"])
    assert again.actor == added.actor and again.code == ""
    renewed = hub.add_person("oslo", "eva", "Eva", ["COUNT"], new_key=True)
    assert renewed.code not in ("", added.code)
    hub.settle()
    oslo.sync()
    assert oslo.applied == 1 + 1  # the items, and eva as she is now
    assert oslo.node.tables["users"][added.actor] == {
        "login": "eva",
        "name": "Eva",
        "badge": "B-17",
        "roles": ["COUNT"],
    }


def test_the_same_person_has_one_actor_id_everywhere(hub: Hub) -> None:
    clock = ManualClock(sitekit.START_MS)
    Site(hub, "oslo", clock)
    Site(hub, "bergen", clock, 8)
    here, there = (hub.add_person(site, "eva", "Eva", ["COUNT"]) for site in ("oslo", "bergen"))
    assert here.actor == there.actor and here.code != there.code


@pytest.mark.parametrize(
    ("site", "login", "name", "roles"),
    [
        ("oslo", "eva", "Eva", ["ADMIN", "COUNT"]),
        ("oslo", "eva", "Eva", ["AUDIT", "COUNT"]),
        ("oslo", "eva", "Eva", ["AUDIT", "ADMIN"]),
        ("oslo", "eva", "Eva", ["BOSS"]),
        ("oslo", "eva", "Eva", []),
        ("turku", "eva", "Eva", ["COUNT"]),
        ("oslo", "", "Eva", ["COUNT"]),
        ("oslo", " eva", "Eva", ["COUNT"]),
        ("oslo", "eva", "E\x00va", ["COUNT"]),
        ("oslo", "eva", "E" * 101, ["COUNT"]),
    ],
)
def test_what_cannot_be_granted(furnished: Hub, site: str, login: str, name: str, roles: list[str]) -> None:
    with pytest.raises(Rejected):
        furnished.add_person(site, login, name, roles)
    with furnished.store.read() as session:
        assert session.value("SELECT count(*) FROM people") == 0


def test_console_accounts(hub: Hub) -> None:
    hub.add_account("rita", "Rita", PASSWORD, ["RECONCILE"])
    assert hub.log_in("rita", PASSWORD).roles == ("RECONCILE",)
    for login, password in (("rita", "wrong"), ("nobody", PASSWORD), ("rita", ""), ("admin", PASSWORD)):
        with pytest.raises(Rejected, match="login or password is wrong"):
            hub.log_in(login, password)
    for password, roles in (("short", ["AUDIT"]), (PASSWORD, ["BOSS"]), (PASSWORD, [])):
        with pytest.raises(Rejected):
            hub.add_account("new", "New", password, roles)
    with hub.store.write() as session:
        people.close_account(session, "rita", 1)
    with pytest.raises(Rejected):
        hub.log_in("rita", PASSWORD)
    with hub.store.read() as session:
        assert PASSWORD not in repr(session.all("SELECT * FROM accounts"))
