"""What a pack held before, and until when, reaches the floor from the catalogue, however late the site hears."""

from __future__ import annotations

from node import streams
from tests.sync.site_kit import Site

CODE = "05012345678900"  # twelve bolts, as the company begins
HOUR_MS = 3_600_000


def change(site: Site, quantity: int) -> int:
    """The hub's catalogue says that the pack holds so many from now on; the moment, by the hub's clock."""
    site.company.hub.import_items(
        f"sku,name,gtin,base_unit,tracking,pack_qty\nBOLT,Bolt M8,{CODE[1:]},pc,none,{quantity}\n".encode()
    )
    return site.company.hub.clock.now_ms()


def meant(site: Site, *times: int | None) -> list[int]:
    found = []
    with site.machine.site.reading() as connection:
        for at_ms in times:
            item, quantity = streams.item_of(connection, CODE, at_ms) or ("", 0)
            assert item == "BOLT"
            found.append(quantity)
    return found


def test_a_site_that_heard_nothing_of_two_changes_knows_what_was_scanned_before_and_between(site: Site) -> None:
    first_ms = change(site, 10)
    site.company.clock.advance(HOUR_MS)
    second_ms = change(site, 6)
    assert meant(site, 0, None) == [12, 12]
    site.settle()
    times = (0, first_ms - 1, first_ms, second_ms - 1, second_ms, None)
    assert meant(site, *times) == [12, 12, 10, 10, 6, 6]
    # The hub tells the stream anew, as after an upgrade of the node: the same is known again.
    with site.machine.site.writing() as connection:
        connection.execute("DELETE FROM cursors WHERE stream = 'catalogue'")
    site.settle()
    assert meant(site, *times) == [12, 12, 10, 10, 6, 6]
    # On the floor: what came in before and is only said now is booked as it was.
    for occurred_ms, pieces in ((first_ms - 1, 12), (second_ms - 1, 10), (second_ms, 6)):
        before = on_hand(site)
        line = {"barcode": CODE, "quantity": 1}
        body = {"lines": [line], "target": "A-01", "occurred_ms": occurred_ms, "reasons": ["late"]}
        site.floor.stock.receive(site.machine.op(), site.person("RECEIVE"), body)
        assert on_hand(site) == before + pieces


def on_hand(site: Site) -> int:
    with site.machine.site.reading() as connection:
        (total,) = connection.execute(
            "SELECT COALESCE(SUM(quantity), 0) FROM stock WHERE item = 'BOLT' AND location = 'A-01'"
        ).fetchone()
    return int(total)
