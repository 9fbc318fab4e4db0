"""What a barcode means is told by time: what was scanned means what the pack held then, whenever it comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import db
from ledger.errors import Invalid
from ledger.seams import DiskStorage
from node import store, streams

CODES = ("04006381333931", "14006381333938", "00000000000017")
# (gtin, base units, how long after the change before it, in ms)
CHANGES = st.lists(
    st.tuples(st.sampled_from(CODES), st.integers(1, 4), st.integers(0, 5)), max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[db.Connection]:
    made = store.create(tmp_path_factory.mktemp("packs"), DiskStorage())
    yield made
    made.close()


def entry(now: dict[str, int], before: list[tuple[str, int, int]]) -> dict[str, Any]:
    return {
        "name": "Thing",
        "gtins": [[code, quantity] for code, quantity in sorted(now.items())],
        **({"gtins_until": [list(each) for each in before]} if before else {}),
    }


@given(CHANGES)
def test_a_barcode_means_at_any_time_what_it_meant_then(
    connection: db.Connection, changes: list[tuple[str, int, int]]
) -> None:
    """Against a walk over everything that was said, in order: {gtin: [(from, base units)]}."""
    said: dict[str, list[tuple[int, int]]] = {}
    now: dict[str, int] = {}
    before: list[tuple[str, int, int]] = []
    at_ms = 100
    for code, quantity, later in changes:
        at_ms += later + 1
        if code in now and now[code] != quantity:
            before.append((code, now[code], at_ms))
        now[code] = quantity
        said.setdefault(code, []).append((at_ms, quantity))
        with db.transaction(connection):
            streams.clear(connection, streams.CATALOGUE)
            streams.put(connection, streams.CATALOGUE, "BOLT", entry(now, before))
    for code in CODES:
        history = said.get(code, [])
        for when in range(98, at_ms + 3):
            held = [quantity for began, quantity in history if began <= when] or [each[1] for each in history[:1]]
            wanted = ("BOLT", held[-1]) if held else None
            assert streams.item_of(connection, code, when) == wanted
        assert streams.item_of(connection, code, None) == (("BOLT", history[-1][1]) if history else None)


def test_earlier_meanings_come_and_go_with_their_item(connection: db.Connection) -> None:
    one, two, three = CODES
    with db.transaction(connection):
        streams.clear(connection, streams.CATALOGUE)
        # A code that means nothing any more had a meaning all the same, and one of another item has its own past.
        streams.put(connection, streams.CATALOGUE, "BOLT", entry({one: 1}, [(one, 3, 50), (two, 12, 70)]))
        streams.put(connection, streams.CATALOGUE, "NUT", entry({two: 5, three: 7}, [(three, 6, 50)]))
    assert [streams.item_of(connection, one, at) for at in (0, 49, 50)] == [("BOLT", 3), ("BOLT", 3), ("BOLT", 1)]
    assert [streams.item_of(connection, two, at) for at in (69, 70, None)] == [("BOLT", 12), ("NUT", 5), ("NUT", 5)]
    with db.transaction(connection):
        streams.remove(connection, streams.CATALOGUE, "BOLT")
    assert streams.item_of(connection, one, 0) is None and streams.item_of(connection, two, 0) == ("NUT", 5)
    # A hub that knows of no past takes it back, one that is put back from a backup tells the stream anew.
    with db.transaction(connection):
        streams.put(connection, streams.CATALOGUE, "NUT", entry({three: 7}, []))
    assert streams.item_of(connection, three, 0) == ("NUT", 7)
    with db.transaction(connection):
        streams.clear(connection, streams.CATALOGUE)
    assert streams.item_of(connection, three, 0) is None


@pytest.mark.parametrize(
    "before",
    [
        None, 3, "x", {}, [3], [[]], [[CODES[0], 3]], [[CODES[0], 3, 50, 1]], [[7, 3, 50]], [["40063a", 3, 50]],
        [["1" * 15, 3, 50]], [["٤", 3, 50]], [[CODES[0], 0, 50]], [[CODES[0], -3, 50]], [[CODES[0], True, 50]],
        [[CODES[0], 2**63, 50]], [[CODES[0], 3.0, 50]], [[CODES[0], 3, True]], [[CODES[0], 3, "50"]],
        [[CODES[0], 3, 0]], [[CODES[0], 3, -1]], [[CODES[0], 3, 2**63 - 1]], [[CODES[0], 3, 2**63]],
        [[CODES[0], 3, 2**200]], [[CODES[0], 3, 50], [CODES[0], 4, 50]], [[CODES[0], 3, 50], [CODES[0][1:], 4, 50]],
        [[CODES[0], 3, None]], [[b"4006381333931", 3, 50]],
    ],
)  # fmt: skip
def test_a_senseless_past_changes_nothing(connection: db.Connection, before: object) -> None:
    good = entry({CODES[0]: 1}, [(CODES[0], 2, 60)])
    with db.transaction(connection):
        streams.clear(connection, streams.CATALOGUE)
        streams.put(connection, streams.CATALOGUE, "BOLT", good)
    with pytest.raises(Invalid, match="BOLT"), db.transaction(connection):
        streams.put(connection, streams.CATALOGUE, "BOLT", {**entry({CODES[0]: 9}, []), "gtins_until": before})
    assert streams.get(connection, streams.CATALOGUE, "BOLT") == good
    assert [streams.item_of(connection, CODES[0], at) for at in (59, 60)] == [("BOLT", 2), ("BOLT", 1)]


def test_barcodes_of_an_older_program_mean_the_same_until_the_hub_tells_more(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE, DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(older, store.STEPS[: store.STEPS.index(store.PACKS_1)])
    with db.transaction(older):
        older.execute("INSERT INTO gtins VALUES (?, 'BOLT', 12)", (CODES[1],))
        for stream in streams.STREAMS:
            streams.set_cursor(older, stream, 3, 17)
    older.close()
    writer = store.open_writer(tmp_path)
    assert [streams.item_of(writer, CODES[1], at) for at in (0, 2**62, None)] == [("BOLT", 12)] * 3
    again = {stream for stream in streams.STREAMS if streams.cursor(writer, stream) == (0, 0)}
    assert again == {streams.CATALOGUE}
    with db.transaction(writer):
        streams.put(writer, streams.CATALOGUE, "BOLT", entry({CODES[1]: 10}, [(CODES[1], 12, 50)]))
    assert [streams.item_of(writer, CODES[1], at) for at in (49, 50)] == [("BOLT", 12), ("BOLT", 10)]
    writer.close()
