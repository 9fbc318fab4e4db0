"""People's data at a site: whom the hub erased is gone from the disk, texts and photos go by age, all proofs hold."""

from __future__ import annotations

import base64
import shutil
from typing import Any

import pytest

from ledger import seams
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.settings import DAY_MS
from node import audit, notes, proofs, store, streams
from node.desk import Person
from node.floor import Floor
from tests.sync.recovery_kit import Machine
from tests.sync.site_kit import Site

NAME, LOGIN, BADGE, TEXT = "Kari Fjordvik Nordmann", "kari.f", "BADGE-4711", "Olav from the blue truck dented it"
PIN = "481592"
PHOTO = "kari-with-truck.png"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)


def hired(site: Site, *roles: str, login: str = LOGIN, name: str = NAME) -> Person:
    """Somebody who has logged in here."""
    added = site.company.hub.add_person("oslo", login, name, roles, badge=BADGE if login == LOGIN else "")
    site.settle()
    told = site.floor.people.activate(site.machine.op(), login, added.code, PIN, "tablet-1")
    return site.floor.people.session(told["token"])


def received(site: Site, who: Person, note: str = "") -> OpId:
    op = site.machine.op()
    line = {"item": "BOLT", "quantity": 3}
    site.floor.stock.receive(op, who, {"lines": [line], "target": "A-01", **({"note": note} if note else {})})
    return op


def attached(site: Site, who: Person, name: str) -> bytes:
    wish = {"name": name, "content": base64.b64encode(PNG).decode(), "location": "A-01"}
    return bytes.fromhex(site.floor.attachments.attach(site.machine.op(), who, wish)["attachment"])


def found(site: Site, *secrets: str) -> set[str]:
    """Which of these the node's disk has, as it stands when the power fails now."""
    files = [path.read_bytes() for path in site.machine.folder.rglob("*") if path.is_file()]
    return {secret for secret in secrets if any(secret.encode() in raw for raw in files)}


def rows(site: Site, sql: str, *values: Any) -> list[Any]:
    with site.machine.site.reading() as connection:
        return connection.execute(sql, values).fetchall()


def test_an_erased_person_is_gone_from_the_site_and_what_they_signed_still_verifies(site: Site) -> None:
    hub, kari = site.company.hub, hired(site, "RECEIVE", "MOVE")
    site.floor.people.speak(kari.actor, "nb")
    op = received(site, kari)
    site.settle()
    assert found(site, NAME, LOGIN, BADGE) == {NAME, LOGIN, BADGE}
    hub.revoke_person("oslo", LOGIN)
    site.settle()
    with site.machine.site.reading() as connection:
        left = site.floor.people.one(connection, kari.actor)
        assert (left["name"], left["roles"], left["revoked"]) == (NAME, ["RECEIVE", "MOVE"], True)
        assert site.floor.people.by_badge(connection, BADGE) is None
    with pytest.raises(Rejected, match="withdrawn"):
        site.floor.people.log_in(LOGIN, PIN, "tablet-1")
    hub.erase_person(LOGIN)
    site.settle()
    assert found(site, NAME, LOGIN, BADGE) == set()
    with site.machine.site.reading() as connection:
        assert site.floor.people.name_of(connection, kari.actor) == str(kari.actor)[:8]
    for table in ("personal_keys", "log_ins", "languages"):
        assert not rows(site, f"SELECT 1 FROM {table} WHERE actor = ?", kari.actor.raw), table
    with pytest.raises(Rejected, match="badge, login or PIN is wrong"):
        site.floor.people.log_in(LOGIN, PIN, "tablet-1")
    site.machine.verify()
    assert site.company.audit(site.machine.folder.parent / "audit") == []
    hub.anchor_now()
    site.settle()
    with site.machine.site.reading() as connection:
        state = proofs.state_of(connection, op)
    assert state == proofs.ANCHORED


def test_texts_and_photos_go_by_age_once_they_are_anchored(site: Site) -> None:
    hub, kari = site.company.hub, hired(site, "RECEIVE", "MOVE")
    hub.set_policy("retention", {"notes_days": 30, "attachments_days": 60})
    op, photo = received(site, kari, TEXT), attached(site, kari, "kari-with-truck.png")
    site.settle()
    secrets = (TEXT, "kari-with-truck.png")

    def later(days: int) -> dict[str, int]:
        site.company.clock.advance(days * DAY_MS)
        site.settle()
        return site.floor.erase_old()

    assert later(31) == {"notes": 0, "attachments": 0}  # nothing is anchored yet
    received(site, hired(site, "RECEIVE", login="ola", name="Ola"))
    site.settle()
    hub.anchor_now()
    assert later(1) == {"notes": 1, "attachments": 0}
    assert found(site, *secrets) == {"kari-with-truck.png"}
    hub.set_policy("retention", {"notes_days": 30, "attachments_days": 60, "hold": "inquiry 12"})
    assert later(30) == {"notes": 0, "attachments": 0} and found(site, *secrets)
    hub.set_policy("retention", {"notes_days": 30, "attachments_days": 60})
    assert later(1) == {"notes": 0, "attachments": 1}
    assert found(site, *secrets) == set() and not list((site.machine.folder / "attachments").iterdir())
    with site.machine.site.reading() as connection:
        assert site.floor.notes.of(connection, kari, op)["erased"]  # type: ignore[index]
        assert site.floor.attachments.one(connection, kari, photo)["erased"]
    site.machine.verify()


def test_nobody_erases_by_hand_under_a_legal_hold(site: Site) -> None:
    hub, kari = site.company.hub, hired(site, "RECEIVE")
    boss = hired(site, "ADMIN", login="boss", name="Boss")
    op, photo = received(site, kari, TEXT), attached(site, kari, "dent.png")
    hub.set_policy("retention", {"hold": "inquiry 12"}, "oslo")
    site.settle()
    note = {"operation": str(op), "reasons": ["privacy"]}
    picture = {"attachment": photo.hex(), "reasons": ["privacy"]}
    with pytest.raises(Rejected, match=r"legal hold is in force .inquiry 12"):
        site.floor.notes.erase(site.machine.op(), boss, note)
    with pytest.raises(Rejected, match="legal hold"):
        site.floor.attachments.erase(site.machine.op(), boss, picture)
    hub.set_policy("retention", None, "oslo")
    site.settle()
    assert site.floor.notes.erase(site.machine.op(), boss, note)["erased"]
    assert site.floor.attachments.erase(site.machine.op(), boss, picture)["erased"]


def test_a_clock_that_nobody_confirms_erases_nothing(site: Site) -> None:
    hub, kari = site.company.hub, hired(site, "RECEIVE")
    hub.set_policy("retention", {"notes_days": 30})
    received(site, kari, TEXT)
    site.settle()
    hub.anchor_now()
    site.settle()
    site.company.clock.advance(400 * DAY_MS)
    assert site.floor.erase_old() == {} and found(site, TEXT)


def test_what_the_policy_says_must_be_readable(site: Site) -> None:
    kari = hired(site, "RECEIVE")
    received(site, kari, TEXT)
    with site.machine.site.writing() as connection:
        streams.put(connection, "policy", "retention", {"notes_days": 1, "from_the_future": True})
    with pytest.raises(Exception, match="retention cannot be read"):
        site.floor.erase_old()
    assert found(site, TEXT)


def start(site: Site) -> None:
    """As a process does it after a stop or a death."""
    site.machine.close()
    site.floor = Floor(site.machine.site, bytes(32), site.machine.chance)
    site.floor.resume()


def erased_since(site: Site, name: str) -> Machine:
    """A backup with a text and a photo of before both were erased by hand, which the hub has heard of."""
    kari, boss = hired(site, "RECEIVE"), hired(site, "ADMIN", login="boss", name="Boss")
    op, photo = received(site, kari, TEXT), attached(site, kari, PHOTO)
    site.settle()
    backup = site.machine.copied(name, 1)
    start(site)
    site.floor.notes.erase(site.machine.op(), boss, {"operation": str(op), "reasons": ["privacy"]})
    site.floor.attachments.erase(site.machine.op(), boss, {"attachment": photo.hex(), "reasons": ["privacy"]})
    site.settle()
    assert found(site, TEXT, PHOTO) == set() and not files(site)
    return backup


def put_back(site: Site, backup: Machine) -> None:
    """The database and the photos of a backup take the place of today's."""
    site.machine.put_back(backup)
    shutil.copytree(backup.folder / "attachments", site.machine.folder / "attachments", dirs_exist_ok=True)
    assert found(site, TEXT, PHOTO) == {TEXT, PHOTO} and files(site)


def files(site: Site) -> list[str]:
    return [path.name for path in (site.machine.folder / "attachments").iterdir()]


def test_what_was_erased_after_a_backup_is_erased_again_once_the_hub_gives_the_blocks_back(site: Site) -> None:
    backup = erased_since(site, "backup")
    put_back(site, backup)
    site.settle()
    assert found(site, TEXT, PHOTO) == set() and not files(site)
    site.machine.verify()


@pytest.mark.parametrize("where", ["adopt.committed", "erased_again.committed"])
def test_a_death_after_the_blocks_came_back_leaves_nothing_of_it_after_the_next_start(site: Site, where: str) -> None:
    put_back(site, erased_since(site, "backup"))

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint(where, die)
    try:
        with pytest.raises(seams.Killed):
            site.settle()
    finally:
        seams.disarm_failpoints()
    assert files(site)
    start(site)
    assert found(site, TEXT, PHOTO) == set() and not files(site)
    site.settle()
    site.machine.verify()


def test_what_came_back_before_anybody_acted_on_it_goes_with_the_start_after_a_rebuild(site: Site) -> None:
    backup, identity = erased_since(site, "backup"), site.machine.site.identity
    site.machine.close()
    old, connection = store.open_reader(backup.folder), store.open_writer(site.machine.folder)
    for table in ("erasable", "attachments"):
        kept = old.execute(f"SELECT * FROM {table}").fetchall()
        places = ", ".join("?" * len(kept[0]))
        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", kept)
    audit.rebuild(connection, identity)
    connection.close()
    old.close()
    shutil.copytree(backup.folder / "attachments", site.machine.folder / "attachments", dirs_exist_ok=True)
    assert found(site, TEXT, PHOTO) == {TEXT, PHOTO} and files(site)
    start(site)
    assert found(site, TEXT, PHOTO) == set() and not files(site)
    site.machine.verify()


def test_an_erasure_of_another_branch_is_recorded_again_and_erases_what_is_here(site: Site) -> None:
    kari, boss = hired(site, "RECEIVE"), hired(site, "ADMIN", login="boss", name="Boss")
    op = received(site, kari, TEXT)
    site.settle()
    backup = site.machine.copied("backup", 1)
    start(site)
    received(site, kari)
    site.settle()
    site.machine.put_back(backup)
    start(site)
    site.floor.notes.erase(site.machine.op(), boss, {"operation": str(op), "reasons": ["privacy"]})
    assert site.machine.sync() == "FORKED" and found(site, TEXT) == set()
    site.machine.put_back(backup)
    site.machine.enrol(site.company.hub.reincarnate("oslo", "a backup was put back, twice"))
    start(site)
    assert found(site, TEXT) == {TEXT}
    site.settle()
    assert found(site, TEXT) == set()
    assert rows(site, "SELECT 1 FROM notes WHERE kind = ?", notes.ERASED) and not site.machine.claims()
    site.machine.verify()


def test_an_erased_person_stays_gone_when_an_older_backup_is_put_back(site: Site) -> None:
    hub, kari = site.company.hub, hired(site, "RECEIVE")
    received(site, kari)
    site.settle()
    backup = site.machine.copied("backup", 1)
    hub.revoke_person("oslo", LOGIN)
    site.settle()
    hub.erase_person(LOGIN)
    site.settle()
    site.machine.put_back(backup)
    assert found(site, NAME, LOGIN, BADGE) == {NAME, LOGIN, BADGE}
    site.settle()
    assert found(site, NAME, LOGIN, BADGE) == set()
