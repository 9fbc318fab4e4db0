"""The hub remembers what a barcode meant, and until when: a pack that changes does not change what was scanned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import catalogue, schema, shown, streams
from hub import store as stores
from hub.catalogue_file import EARLIER_TOLD_MAX, Item, read_items
from hub.hub import Hub
from hub.store import Store
from ledger.clock import ManualClock
from tests.hub import sitekit

HEAD = "sku,name,gtin,base_unit,tracking,pack_qty"
BOX, CODE = "5012345678900", "05012345678900"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def packs(*quantities: int) -> bytes:
    lines = [
        f"BOLT,Bolt M8,{code},pc,none,{quantity}"
        for code, quantity in zip((BOX, "96385074"), quantities, strict=False)
    ]
    return "\n".join([HEAD, *lines, ""]).encode()


def told(hub: Hub) -> dict[str, Any]:
    with hub.store.read() as session:
        return dict(streams.get(session, streams.CATALOGUE, "", "BOLT"))


def test_a_pack_that_changes_is_named_and_its_past_is_told(hub: Hub, clock: ManualClock) -> None:
    assert "gtins_until" not in told(hub)
    clock.advance(5_000)
    [changed] = hub.import_items(packs(10), dry_run=True).repacked
    assert (changed.gtin, changed.sku, changed.before, changed.now) == (CODE, "BOLT", 12, 10)
    assert "gtins_until" not in told(hub)
    first_ms = clock.now_ms()
    assert hub.import_items(packs(10)).repacked == (changed,)
    assert told(hub)["gtins"] == [["04006381333931", 1], [CODE, 10]]
    assert told(hub)["gtins_until"] == [[CODE, 12, first_ms]]
    # The same file again says nothing, and neither does one that changes something else.
    clock.advance(5_000)
    assert hub.import_items(packs(10)).repacked == ()
    assert hub.import_items(f"{HEAD}\nBOLT,Bolt M 8,,pc,none,1\n".encode()).repacked == ()
    assert told(hub)["name"] == "Bolt M 8" and told(hub)["gtins_until"] == [[CODE, 12, first_ms]]
    # Back again, at once, and by a clock that was set back: each meaning ends after the one before it.
    clock.at_ms = first_ms - 60_000
    assert [each.now for each in hub.import_items(packs(12)).repacked] == [12]
    assert hub.import_items(packs(11, 3)).barcodes == 2
    assert told(hub)["gtins_until"] == [[CODE, 12, first_ms], [CODE, 10, first_ms + 1], [CODE, 12, first_ms + 2]]
    assert dict(told(hub)["gtins"])["00000096385074"] == 3
    with hub.store.read() as session:
        assert catalogue.load_items(session)["BOLT"].stream_value() == told(hub)


def test_what_is_said_of_it_names_the_pack_and_asks_whether_it_is_meant(hub: Hub) -> None:
    done = {"rows": 1, "new": 0, "changed": 1, "barcodes": 1, "dry_run": True}
    [changed] = hub.import_items(packs(10), dry_run=True).repacked
    each = {"gtin": changed.gtin, "sku": "BOLT", "before": 12, "now": 10}
    said = shown.imported({**done, "repacked": [each]}).splitlines()
    assert said[1] == f"{CODE}: 12 of BOLT becomes 10 of BOLT; what was scanned before keeps the old meaning"
    assert "GTIN of its own" in said[2] and len(said) == 3
    many = shown.imported({**done, "repacked": [each] * 60}).splitlines()
    assert len(many) == 1 + shown.PACKS_SHOWN + 2 and many[-2] == "… and 10 more"
    assert len(shown.imported({**done, "repacked": []}).splitlines()) == 1


def test_a_site_is_told_no_more_of_the_past_than_fits(hub: Hub, clock: ManualClock) -> None:
    """200 barcodes that have been changed often still make one value of the stream: the newest of their past."""
    item = Item("MUCH", "M" * 200, "pc", 0)
    item.gtins = {f"{number:014}": 2**63 - 1 for number in range(200)}
    item.earlier = [(f"{number % 200:014}", 2**63 - 2, clock.now_ms() + number) for number in range(2_000)]
    with hub.store.write() as session:
        catalogue.put_items(session, [(item, None)], clock.now_ms())
        value = streams.get(session, streams.CATALOGUE, "", "MUCH")
        assert len(value["gtins_until"]) == EARLIER_TOLD_MAX
        assert min(until_ms for _, _, until_ms in value["gtins_until"]) == clock.now_ms() + 2_000 - EARLIER_TOLD_MAX


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=2), max_size=8))
def test_the_hub_s_memory_is_what_was_imported(history: list[list[int]]) -> None:
    """Of any files in a row: every meaning that a code lost is kept once, in the order in which it lost it."""
    lost: list[tuple[str, int]] = []
    known: dict[str, int] = {}
    before: Item | None = None
    for number, quantities in enumerate(history):
        [item], _ = read_items(packs(*quantities))
        for code, quantity in item.gtins.items():
            if known.setdefault(code, quantity) != quantity:
                lost.append((code, known[code]))
                known[code] = quantity
        item.follow(before, 1_000 - number)
        before = item
    if before is not None:
        assert before.gtins == known
        assert sorted(lost) == sorted((code, quantity) for code, quantity, _ in before.earlier)
        for code in known:
            times = [until_ms for each, _, until_ms in before.earlier if each == code]
            assert times == sorted(set(times))
            assert [each[1] for each in lost if each[0] == code] == [q for c, q, _ in before.earlier if c == code]


def test_a_database_of_before_knows_no_past_and_keeps_it_from_now_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(stores, "STEPS", schema.STEPS[: schema.STEPS.index(schema.PACKS)])
        stores.create(database_url, now_ms=1).close()
        store = stores.open_store(database_url, now_ms=2)
        with store.write() as session:
            session.run(
                "INSERT INTO items VALUES ('BOLT', 'bolt', 'Bolt M8', 'pc', 0, 0, NULL, '', 1, 1, 5, '', 0, NULL)"
            )
            session.run("INSERT INTO item_codes VALUES (:code, 'BOLT', 12)", code=CODE)
        store.close()
    store = stores.open_store(database_url, now_ms=3)
    _changes(store)
    store.close()


def test_what_is_kept_is_the_same_on_both_databases(store: Store) -> None:
    catalogue.import_items(store, packs(12), 5)
    _changes(store)


def _changes(store: Store) -> None:
    for quantity, now_ms in ((10, 50), (12, 60)):
        assert catalogue.import_items(store, packs(quantity), now_ms).repacked
    with store.read() as session:
        item = catalogue.load_items(session)["BOLT"]
    assert (item.gtins, item.earlier) == ({CODE: 12}, [(CODE, 12, 50), (CODE, 10, 60)])
