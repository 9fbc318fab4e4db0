"""Files of deliveries and orders: taken whole or not at all, and every fault is said by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import announcing, streams
from hub.csv_file import sscc
from hub.hub import Hub
from ledger import announced
from ledger.announced import DELIVERIES, ORDERS
from ledger.errors import Invalid, Rejected
from tests.hub import sitekit

PALLET = "106141412345678908"
BOX = "5012345678900"  # 12 bolts
COMING = "delivery,supplier,item,quantity,lot,sscc,over_percent,due"
GOING = "order,item,quantity,due"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("announcing") / "hub"
    sitekit.found_hub(folder)
    with sitekit.open_hub(folder) as opened:
        opened.import_items(sitekit.ITEMS + b"CHEESE,Cheese,,kg,lot,1,,,3\n")
        opened.enrol("oslo", url="http://hub.test")
        yield opened


def _csv(head: str, *lines: str) -> bytes:
    return "\n".join([head, *lines, ""]).encode()


def _told(hub: Hub, stream: str, number: str) -> Any:
    with hub.store.read() as session:
        return streams.get(session, stream, "oslo", number)


def test_a_file_announces_several_and_says_what_stands_for_all_of_one_once(hub: Hub) -> None:
    file = _csv(
        COMING,
        f"D-1,ACME,BOLT,5,,{PALLET},10,2026-12-01",
        f"D-1,,{BOX},2,,,,",
        "D-1,ACME,CHEESE,1.25,L7,,,",
        "D-2,Globex,BOLT,1,,,,",
    )
    before = hub.announce(DELIVERIES, "oslo", file, dry_run=True)
    assert (before.rows, before.new, before.changed) == (4, 2, 0) and _told(hub, DELIVERIES, "D-1") is None
    assert hub.announce(DELIVERIES, "oslo", file) == before
    assert _told(hub, DELIVERIES, "D-1") == {
        "supplier": "ACME",
        "lines": [["BOLT", 5, "", PALLET], ["BOLT", 24, "", ""], ["CHEESE", 1250, "L7", ""]],
        "over": 10,
        "due": "2026-12-01",
    }
    again = hub.announce(DELIVERIES, "oslo", file.replace(b"D-2,Globex,BOLT,1", b"D-2,Globex,BOLT,2"))
    assert (again.new, again.changed) == (0, 1)
    hub.announce(ORDERS, "oslo", _csv(GOING, "SO-1,BOLT,3,2026-12-24", "SO-1,CHEESE,0.5,"))
    assert _told(hub, ORDERS, "SO-1") == {"lines": [["BOLT", 3], ["CHEESE", 500]], "due": "2026-12-24"}
    with hub.store.read() as session:
        found = announcing.progress(session)
    assert [(each["kind"], each["number"], len(each["lines"]), each["due"]) for each in found] == [
        ("delivery", "D-1", 2, "2026-12-01"),
        ("order", "SO-1", 2, "2026-12-24"),
        ("delivery", "D-2", 1, ""),
    ]
    assert {each["state"] for each in found} == {"waits"}
    for stream, number in ((DELIVERIES, "D-1"), (DELIVERIES, "D-2"), (ORDERS, "SO-1")):
        hub.withdraw(stream, "oslo", number)
        with pytest.raises(Rejected, match=f"{number}' is announced to oslo"):
            hub.withdraw(stream, "oslo", number)


@pytest.mark.parametrize(
    ("stream", "raw", "says"),
    [
        (DELIVERIES, b"", "line 1: the heading"),
        (DELIVERIES, _csv("delivery,supplier,item"), "line 1: the heading"),
        (DELIVERIES, _csv(COMING), "announces nothing"),
        (DELIVERIES, _csv(COMING, "D,ACME,NUT,1,,,,"), "line 2: item 'NUT' is neither an sku nor a barcode"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,0,,,,"), "line 2: quantity 0: expected more than 0"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1.5,,,,"), "line 2: quantity 1.5: BOLT has 0 decimals"),
        (DELIVERIES, _csv(COMING, f"D,ACME,{BOX},1.5,,,,"), "line 2: quantity 1.5: BOLT has 0 decimals"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1e3,,,,"), "line 2: quantity '1e3': expected a number"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,-1,,,,"), "begins like a formula"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,9999999999999,,,,"), "at most 1000000000000 base units"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1,L1,,,"), "line 2: lot 'L1': BOLT has no lots"),
        (DELIVERIES, _csv(COMING, f"D,ACME,BOLT,1,,{PALLET[:-1]}7,,"), "its last digit should be 8"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1,,123,,"), "sscc '123': expected 18 digits"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1,,,101,"), "over_percent '101'"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1,,,,1.12.2026"), "expected YYYY-MM-DD"),
        (DELIVERIES, _csv(COMING, "D,,BOLT,1,,,,"), "line 2: delivery 'D': its supplier is missing"),
        (DELIVERIES, _csv(COMING, "D,A,BOLT,1,,,,", "D,B,BOLT,1,,,,"), "line 3: supplier 'B': line 2 said 'A'"),
        (DELIVERIES, _csv(COMING, ",ACME,BOLT,1,,,,"), "line 2: '' is not a document number"),
        (DELIVERIES, _csv(COMING, "D,ACME,BOLT,1,,,"), "line 2: 7 cells: expected 8"),
        (DELIVERIES, _csv(COMING, *["D,ACME,BOLT,1,,,,"] * 201), "line 2: delivery 'D': it has 201 lines"),
        (ORDERS, _csv(GOING, "SO,BOLT,1,soon"), "line 2: order 'SO': due 'soon' is not a day"),
        (ORDERS, _csv(GOING, "SO,BOLT,1,20261201"), "expected YYYY-MM-DD"),
        (ORDERS, _csv(GOING, "SO,BOLT,1,2026-12-01", "SO,BOLT,1,2026-12-02"), "line 3: due '2026-12-02'"),
    ],
)
def test_a_faulty_file_announces_nothing_and_names_the_line(hub: Hub, stream: str, raw: bytes, says: str) -> None:
    for dry_run in (True, False):
        with pytest.raises(Rejected) as refusal:
            hub.announce(stream, "oslo", raw, dry_run=dry_run)
        assert says in str(refusal.value)
    assert _told(hub, stream, "D") is None and _told(hub, stream, "SO") is None


def test_every_fault_of_a_file_is_said_and_a_site_has_to_be_known(hub: Hub) -> None:
    with pytest.raises(Rejected) as refusal:
        hub.announce(ORDERS, "oslo", _csv(GOING, "SO,NUT,1,", "SO,BOLT,x,", "SP,BOLT,1,", "SP,BOLT,1,2026-13-01"))
    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()[1:]] == ["line 2", "line 3", "line 4"]
    with pytest.raises(Rejected, match="no site 'rome'"):
        hub.announce(ORDERS, "rome", _csv(GOING, "SO,BOLT,1,"))


@given(st.lists(st.sampled_from("0123456789"), min_size=17, max_size=17).map("".join))
def test_an_sscc_has_one_last_digit(digits: str) -> None:
    good = []
    for last in "0123456789":
        try:
            good.append(sscc(digits + last))
        except Rejected:
            continue
    (number,) = good
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(number))
    assert total % 10 == 0


@pytest.mark.parametrize(
    ("stream", "number", "value"),
    [
        (DELIVERIES, "D", {"lines": [["BOLT", 1, "", ""]]}),
        (DELIVERIES, "D", {"supplier": "A", "lines": []}),
        (DELIVERIES, "D", {"supplier": "A", "lines": [["BOLT", 1]]}),
        (DELIVERIES, "D", {"supplier": "A", "lines": [["BOLT", True, "", ""]]}),
        (DELIVERIES, "D", {"supplier": "A", "lines": [["BOLT", 1, "", ""]], "over": 101}),
        (DELIVERIES, "D", {"supplier": "A", "lines": [["BOLT", 1, "", ""]], "more": 1}),
        (DELIVERIES, "", {"supplier": "A", "lines": [["BOLT", 1, "", ""]]}),
        (ORDERS, "S", {"lines": [["", 1]]}),
        (ORDERS, "S", {"lines": [["B" * 40, 1]]}),
        (ORDERS, "S", {"lines": [["BOLT", 1]], "due": 7}),
        (ORDERS, "S", {"lines": [["BOLT", 0]]}),
        (ORDERS, "S", {"lines": "BOLT"}),
        (ORDERS, "S", [1]),
    ],
)
def test_an_entry_that_cannot_be_is_not_read(stream: str, number: str, value: Any) -> None:
    with pytest.raises(Invalid):
        announced.READERS[stream](number, value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    coming = announced.Delivery("D", "A", (announced.Expected("BOLT", 2, "L", PALLET),), 5, "2026-12-01")
    assert announced.delivery("D", coming.value()) == coming
    going = announced.Order("S", (("BOLT", 2), ("BOLT", 3)))
    assert announced.order("S", going.value()) == going and going.wanted == {"BOLT": 5}
