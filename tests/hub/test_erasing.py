"""People who have left are erased: by hand or by age, not under a legal hold, and for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import discrepancies
from ledger import seams
from ledger.clock import ManualClock
from ledger.errors import Rejected
from ledger.settings import DAY_MS
from tests.hub import sitekit
from tests.hub.test_people import PASSWORD
from tests.hub.test_restored import World

LOGIN, NAME, BADGE = "ann.oslo", "Ann of Oslo Fjordvik", "BADGE-4711"
SECRETS = (LOGIN, NAME, BADGE)


def begun(folder: Path, **values: str) -> World:
    sitekit.found_hub(folder, **values)
    clock = ManualClock(sitekit.START_MS)
    made = World(folder, clock, sitekit.open_hub(folder, clock), {})
    made.hub.import_items(sitekit.ITEMS)
    made.add("oslo")
    made.hub.add_person("oslo", LOGIN, NAME, ["COUNT", "MOVE", "RECEIVE"], badge=BADGE)
    return made


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """On either kind of database."""
    made = begun(tmp_path / "hub", database=database_url)
    yield made
    made.hub.close()


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[World]:
    """On a file that can be copied and put back."""
    made = begun(tmp_path / "hub")
    yield made
    made.hub.close()


def told(world: World) -> str:
    """All that the hub's tables have of people, and what it tells the sites."""
    names = ("people", "accounts", "approvers", "decisions", "discrepancies", "discrepancy_entries", "stream_entries")
    with world.hub.store.read() as session:
        found = {name: session.all(f"SELECT * FROM {name}") for name in names}
    return repr(found)


def known(world: World) -> set[str]:
    said = told(world)
    return {secret for secret in SECRETS if secret in said}


def test_who_left_keeps_a_name_until_they_are_erased(world: World) -> None:
    hub = world.hub
    with pytest.raises(Rejected, match="still has rights at oslo"):
        hub.erase_person(LOGIN)
    with pytest.raises(Rejected, match="nobody has the log-in"):
        hub.erase_person("nobody")
    hub.revoke_person("oslo", LOGIN)
    assert known(world) == {LOGIN, NAME}
    erased = hub.erase_person(LOGIN)
    assert known(world) == set() and erased.sites == ("oslo",) and erased.known_as.startswith("former-")
    with pytest.raises(Rejected, match="nobody has the log-in"):
        hub.erase_person(LOGIN)
    with pytest.raises(Rejected, match="erased person"):
        hub.add_person("oslo", erased.known_as, "Somebody", ["COUNT"])
    # Another employment is another person, of whom nothing leads to the first.
    before = world.sites["oslo"].people["ann"].actor
    assert hub.add_person("oslo", LOGIN, NAME, ["COUNT"]).actor != str(before)


def test_what_somebody_did_at_the_console_is_by_a_former_person(world: World) -> None:
    hub = world.hub
    hub.add_account("rita.hansen", "Rita Hansen", PASSWORD, ["RECONCILE"])
    with hub.store.write() as session:
        number = discrepancies.report(
            session, discrepancies.SILENT_SITE, "acme/site/oslo/1", "oslo", "it is silent", {}, 1
        )
    hub.comment(number, "rita.hansen", "looked at")
    hub.assign(number, "rita.hansen", "rita.hansen")
    with pytest.raises(Rejected, match="close-account"):
        hub.erase_person("rita.hansen")
    hub.close_account("rita.hansen")
    erased = hub.erase_person("rita.hansen")
    found = hub.discrepancy(number)
    assert {each.author for each in found.entries} == {discrepancies.SYSTEM, erased.known_as}
    assert found.owner == erased.known_as and "rita" not in told(world).casefold()
    with pytest.raises(Rejected, match="login or password is wrong"):
        hub.log_in("rita.hansen", PASSWORD)


@pytest.mark.parametrize("site", ["", "oslo"])
def test_nothing_is_erased_under_a_legal_hold(world: World, site: str) -> None:
    hub = world.hub
    hub.revoke_person("oslo", LOGIN)
    hub.set_policy("retention", {"names_days": 30, "hold": "inquiry 12"}, site)
    with pytest.raises(Rejected, match=r"legal hold is in force .inquiry 12"):
        hub.erase_person(LOGIN)
    if site:
        hub.set_policy("retention", {"names_days": 30})
    world.clock.advance(31 * DAY_MS)
    hub.watch()
    assert known(world) == {LOGIN, NAME}
    hub.set_policy("retention", None, site)
    hub.set_policy("retention", {"names_days": 30})
    hub.watch()
    assert known(world) == set()


def test_names_go_as_long_after_the_end_of_their_rights_as_the_policy_says(world: World) -> None:
    hub = world.hub
    hub.add_account("old.account", NAME, PASSWORD, ["AUDIT"])
    hub.close_account("old.account")
    hub.set_policy("retention", {"names_days": 30})
    world.clock.advance(31 * DAY_MS)
    hub.watch()
    assert known(world) == set(SECRETS) and "old.account" not in told(world)  # rights that have not ended keep a name
    hub.revoke_person("oslo", LOGIN)
    world.clock.advance(29 * DAY_MS)
    hub.watch()
    assert known(world) == {LOGIN, NAME}
    world.clock.advance(2 * DAY_MS)
    hub.watch()
    assert known(world) == set()
    with hub.store.read() as session:
        assert session.value("SELECT count(*) FROM people WHERE name <> ''") > 0  # the others stay


def test_a_database_from_a_backup_forgets_them_again(copied: World) -> None:
    copied.hub.revoke_person("oslo", LOGIN)
    copied.back_up("hub.db")
    copied.clock.advance(1_000)
    copied.hub.erase_person(LOGIN)
    copied.put_back("hub.db")
    copied.open()
    assert known(copied) == set()
    # Who has the log-in since is somebody else.
    copied.clock.advance(1_000)
    copied.hub.add_person("oslo", LOGIN, "Anna Second", ["COUNT"])
    copied.hub.close()
    copied.open()
    assert "Anna Second" in told(copied)


def test_one_that_was_promised_is_erased_after_a_death(copied: World) -> None:
    copied.hub.revoke_person("oslo", LOGIN)

    def die(_: str) -> None:
        raise KeyboardInterrupt

    seams.arm_failpoint("hub.erasure_promised", die)
    with pytest.raises(KeyboardInterrupt):
        copied.hub.erase_person(LOGIN)
    seams.disarm_failpoints()
    assert known(copied) == {LOGIN, NAME}
    copied.hub.close()
    copied.open()
    assert known(copied) == set()


@pytest.mark.parametrize(
    "said",
    [
        {"notes_days": 0},
        {"notes_days": 40_000},
        {"names_days": "30"},
        {"hold": 7},
        {"hold": "x" * 201},
        {"hold": "a\u202eb"},
        {"photos": 3},
        [],
    ],
)
def test_a_retention_that_nobody_could_keep_is_refused(copied: World, said: object) -> None:
    with pytest.raises(Rejected):
        copied.hub.set_policy("retention", said)
