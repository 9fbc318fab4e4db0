"""A catalogue file is taken whole or not at all, and every chain learns what it needs in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import catalogue, streams
from hub.catalogue_file import read_items
from hub.csv_file import gtin
from hub.hub import Hub
from ledger import control
from ledger.clock import ManualClock
from ledger.control import ControlRecord
from ledger.errors import Rejected
from tests.hub import sitekit
from tests.hub.sitekit import Site

HEAD = "sku,name,gtin,base_unit,tracking,pack_qty"
GOOD = "4006381333931"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub") as opened:
        yield opened


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub that stays empty: everything it is given is refused."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    sitekit.found_hub(folder)
    with sitekit.open_hub(folder) as opened:
        yield opened


def _csv(*lines: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *lines, ""]).encode()


def test_a_repeated_sku_adds_a_barcode_and_may_leave_out_the_rest(hub: Hub) -> None:
    done = hub.import_items(sitekit.ITEMS)
    assert (done.rows, done.new, done.changed, done.barcodes) == (4, 3, 0, 2)
    with hub.store.read() as session:
        value = streams.get(session, streams.CATALOGUE, "", "BOLT")
    assert value == {
        "name": "Bolt M8",
        "unit": "pc",
        "tracking": 0,
        "decimals": 0,
        "cost_minor": 10,
        "currency": "EUR",
        "gtins": [["04006381333931", 1], ["05012345678900", 12]],
    }
    again = hub.import_items(sitekit.ITEMS)
    assert (again.new, again.changed) == (0, 0)


def test_a_pack_has_a_name_and_a_cost_of_its_own_and_empty_cells_are_as_before(hub: Hub) -> None:
    head = HEAD + ",cost_minor,currency,decimals"
    rows = [
        f"P,Bolt,{GOOD},pc,lot,1,12,EUR,2",
        "P,Bolts by the box,14006381333938,pc,lot,12,130,EUR,2",
        "P,Bolt,24006381333935,pc,lot,24,,,",
    ]
    assert hub.import_items(_csv(*rows, head=head)).new == 1
    with hub.store.read() as session:
        (row,) = session.all("SELECT name, cost_minor, currency, decimals FROM items WHERE sku = 'P'")
        assert dict(row) == {"name": "Bolt", "cost_minor": 12, "currency": "EUR", "decimals": 2}
        assert session.value("SELECT count(*) FROM item_codes WHERE sku = 'P'") == 3
    for other in ("P,Bolt,,kg,,12,,,", "P,Bolt,,,serial,12,,,", "P,Bolt,,,,12,,,3", "P,Bolt,,,,1,13,,"):
        with pytest.raises(Rejected, match="given before with another"):
            hub.import_items(_csv(rows[0], other, head=head))


def test_a_dry_run_changes_nothing(hub: Hub) -> None:
    assert hub.import_items(sitekit.ITEMS, dry_run=True).new == 3
    with hub.store.read() as session:
        assert session.value("SELECT count(*) FROM items") == 0


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "heading"),
        (b"sku,name\nA,B\n", "line 1: the heading"),
        (_csv(head=HEAD + ",colour"), "line 1: the heading"),
        (_csv(head=HEAD + ",sku"), "line 1: the heading"),
        (_csv(), "no items"),
        (_csv("A,B,,pc,none"), "line 2: 5 cells: expected 6"),
        (_csv("A,B,,pc,none,1,7"), "line 2: 7 cells"),
        (
            _csv("A,Bolt,,pc,none,1", "a,Bolt,,pc,none,1"),
            "line 3: sku 'a' differs from 'A' of line 2 only in its case",
        ),
        (_csv("A,Bolt,,pc,none,1", "A,Nut,,pc,none,1"), "line 3: sku 'A' was given before with another"),
        (_csv('A,"=HYPERLINK(1)",,pc,none,1'), "line 2: name '=HYPERLINK(1)' begins like a formula"),
        (_csv("@A,Bolt,,pc,none,1"), "formula"),
        (_csv("A,Bolt,4006381333932,pc,none,1"), "its last digit should be 1"),
        (_csv("A,Bolt,12345,pc,none,1"), "8, 12, 13 or 14 digits"),
        (_csv(f"A,Bolt,{GOOD},pc,none,1", f"B,Nut,{GOOD},pc,none,1"), "line 3: gtin 04006381333931 stands on line 2"),
        (_csv("A,Bolt,,pc,none,0"), "pack_qty '0'"),
        (_csv("A,Bolt,,pc,none,1.5"), "pack_qty '1.5'"),
        (_csv("A,Bolt,,pc,none,99999999999999999999"), "pack_qty"),
        (_csv("A,Bolt,,pc,batch,1"), "tracking 'batch': expected none, lot, serial, lot+serial"),
        (_csv("A,Bolt,,,none,1"), "base_unit ''"),
        (_csv(",Bolt,,pc,none,1"), "the sku is empty"),
        (_csv("A" * 32 + ",Bolt,,pc,none,1"), "too long: 31"),
        (_csv("A,Bo\x07lt,,pc,none,1"), "contains U+0007"),
        (_csv("A,Bolt,,pc,none,1,-5,EUR,0", head=HEAD + ",cost_minor,currency,decimals"), "formula"),
        (_csv("A,Bolt,,pc,none,1,5,,0", head=HEAD + ",cost_minor,currency,decimals"), "three letters"),
        (_csv("A,Bolt,,pc,none,1,5,EUR,19", head=HEAD + ",cost_minor,currency,decimals"), "from 0 to 18"),
        (b"sku,name,gtin,base_unit,tracking,pack_qty\nA,B\xff,,pc,none,1\n", "line 2 is not UTF-8"),
        (b"\x00", "NUL"),
        (_csv(*(f"S{number},Bolt,,pc,none,1" for number in range(100_001))), "more than 100000 rows: cut it"),
        (_csv('A,"Bolt,,pc,none,1'), "is not CSV"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_nothing_is_taken(empty: Hub, raw: bytes, says: str) -> None:
    with pytest.raises(Rejected) as refused:
        empty.import_items(raw)
    assert says in str(refused.value)
    with empty.store.read() as session:
        assert session.value("SELECT count(*) FROM items") == 0


def test_every_fault_is_said_at_once(hub: Hub) -> None:
    with pytest.raises(Rejected) as refused:
        hub.import_items(_csv("A,Bolt,,pc,none,0", "B,Nut,,pc,batch,1", "C,Cog,,pc,none,1"))
    assert "line 2:" in str(refused.value) and "line 3:" in str(refused.value) and "line 4" not in str(refused.value)


def test_a_file_is_judged_against_what_is_known_too(hub: Hub) -> None:
    hub.import_items(_csv(f"Bolt,Bolt,{GOOD},pc,none,1"))
    with pytest.raises(Rejected, match="of the catalogue only in its case"):
        hub.import_items(_csv("BOLT,Bolt,,pc,none,1"))
    with pytest.raises(Rejected, match="belongs to 'Bolt' already"):
        hub.import_items(_csv(f"Nut,Nut,{GOOD},pc,none,1"))
    assert hub.import_items(_csv("Bolt,Bolt M8,5012345678900,pc,none,10")).changed == 1
    with hub.store.read() as session:
        assert len(catalogue.load_items(session)["Bolt"].gtins) == 2


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    for content in (raw, HEAD.encode() + b"\n" + raw):
        try:
            read_items(content)
        except Rejected as error:
            assert str(error)


def test_gtins_of_every_length() -> None:
    assert gtin("96385074") == "00000096385074" and gtin("036000291452") == "00036000291452"
    assert gtin(GOOD) == "0" + GOOD and gtin("10614141000415") == "10614141000415"


def test_records_are_cut_to_200_and_changes_go_alone(hub: Hub) -> None:
    site = Site(hub, "oslo", ManualClock(sitekit.START_MS))
    hub.import_items(_csv(*(f"S{number:04},Item,,pc,none,1" for number in range(450))))
    hub.settle()
    site.sync()
    assert site.applied == 3
    hub.import_items(_csv("S0007,Item,,kg,none,1", "NEW1,New,,pc,none,1", "NEW2,New,,pc,none,1"))
    hub.import_items(_csv("S0008,Renamed,,pc,none,1"))
    hub.settle()
    with hub.store.read() as session:
        rows = session.all("SELECT record FROM controls ORDER BY sequence")
    contents = [ControlRecord.decode(bytes(row["record"])).content for row in rows]
    assert [len(each.items) for each in contents if isinstance(each, control.ItemsPayload)] == [200, 200, 50, 2, 1]
    hub.settle()
    with hub.store.read() as session:
        assert session.value("SELECT count(*) FROM controls") == 5
    site.sync()
    site.deliver()
    hub.verify()
    assert hub.discrepancies() == []
    # A chain enrolled later learns the present state alone.
    late = Site(hub, "late", ManualClock(sitekit.START_MS), 9)
    hub.settle()
    late.sync()
    assert late.applied == 3


def test_locations_reach_a_chain_parents_first_whatever_happened_to_them(hub: Hub) -> None:
    site = Site(hub, "oslo", ManualClock(sitekit.START_MS))
    hub.add_locations("oslo", ["BIN-1"])
    hub.add_locations("oslo", ["ZONE"], "area")
    hub.add_locations("oslo", ["BIN-1", "BIN-2"], parent="ZONE")
    hub.add_locations("oslo", ["HALL"], "area")
    hub.add_locations("oslo", ["ZONE"], "area", parent="HALL")
    hub.settle()
    site.sync()
    site.deliver()
    hub.verify()
    assert hub.discrepancies() == [] and site.applied == 1
    hub.add_locations("oslo", ["BIN-2"], "closed", parent="ZONE")
    hub.settle()
    site.sync()
    site.deliver()
    hub.verify()
    assert hub.discrepancies() == [] and site.applied == 2
    for wish in (
        {"codes": ["SUPPLIER"]},
        {"codes": ["X"], "parent": "NOWHERE"},
        {"codes": ["X"], "parent": "BIN-1"},
        {"codes": ["HALL"], "kind": "area", "parent": "ZONE"},
        {"codes": ["X" * 40]},
        {"codes": ["GOOD", ""]},
        {"codes": ["X"], "kind": "shelf"},
    ):
        with pytest.raises(Rejected):
            hub.add_locations("oslo", **wish)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="enrol it first"):
        hub.add_locations("nowhere", ["X"])
    with hub.store.read() as session:
        assert session.value("SELECT count(*) FROM locations") == 4


def test_new_words_that_look_like_others_are_refused_and_old_ones_stay(hub: Hub) -> None:
    twins = _csv("CAF\u00c9,Coffee,,pc,none,", "CAFE\u0301,Coffee,,pc,none,", "NU\u200bT,Nut,,pc,none,")
    with pytest.raises(Rejected, match=r"line 3.*U\+0301 \(COMBINING ACUTE ACCENT\)(.|\n)*line 4.*U\+200B"):
        hub.import_items(twins)
    hub.import_items(sitekit.ITEMS)
    with hub.store.write() as session:  # as an older program took it
        known = catalogue.load_items(session)["BOLT"]
        known.sku, known.gtins = "BO\u200bLT", {}
        catalogue.put_items(session, [(known, None)], 1)
    assert hub.import_items(_csv("BO\u200bLT,Bolt,,pc,none,")).changed <= 1
