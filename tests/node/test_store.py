"""The store: strict tables of two declared kinds, facts, streams and their look-ups."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import db
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.seams import DiskStorage
from node import floor_store, store, streams

ENTRY = {"name": "Bolt", "gtins": [["4006381333931", 1], ["14006381333938", 100]], "unit": "pc"}


@pytest.fixture
def connection(tmp_path: Path) -> db.Connection:
    return store.create(tmp_path, DiskStorage())


def tables(connection: db.Connection) -> dict[str, bool]:
    """Each table with whether it is strict."""
    rows = connection.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")
    return {name: bool(strict) for name, strict in rows if not name.startswith("sqlite_")}


def test_every_table_is_strict_and_of_a_declared_kind(connection: db.Connection) -> None:
    found = tables(connection)
    assert all(found.values()), [name for name, strict in found.items() if not strict]
    assert set(store.DERIVED) <= set(found)
    steps = "".join(text for name, text in vars(store).items() if name.startswith("DERIVED_"))
    made = {line.split()[2] for line in steps.splitlines() if line.startswith("CREATE TABLE")}
    assert made == set(store.DERIVED), "a derived table is missing from DERIVED, so rebuild would not clear it"


def test_it_is_created_once_and_opened_after(tmp_path: Path) -> None:
    store.create(tmp_path, DiskStorage()).close()
    with pytest.raises(Rejected, match="exists already"):
        store.create(tmp_path, DiskStorage())
    writer = store.open_writer(tmp_path)
    with db.transaction(writer):
        store.set_fact(writer, "colour", "red")
    reader = store.open_reader(tmp_path)
    assert store.fact(reader, "colour") == "red"
    assert store.fact(reader, "shape") is None
    with pytest.raises(db.OperationalError):
        reader.execute("DELETE FROM facts")
    with db.transaction(writer):
        store.set_fact(writer, "colour", None)
    assert store.fact(reader, "colour") is None


def test_a_newer_database_is_refused_untouched(tmp_path: Path) -> None:
    writer = store.create(tmp_path, DiskStorage())
    writer.execute(f"PRAGMA user_version={len(store.STEPS) + 1}")
    writer.close()
    with pytest.raises(Rejected, match="newer program"):
        store.open_writer(tmp_path)


def test_counts_of_an_older_program_are_kept(tmp_path: Path) -> None:
    """The tables of a count are made again for one more state: their rows and what refers to them stay."""
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(floor_store.TESTED_1)])
    session, ana = b"s" * 16, b"a" * 32
    kept = {
        "count_bins": [(session, "A-01", "[]", "counting", ""), (session, "A-02", '["BOLT"]', "posted", "late")],
        "count_rounds": [
            (session, "A-01", 0, "", ana, 7, None, 3, 5, 1, None),
            (session, "A-01", 1, "variance", None, None, None, None, None, 0, 9),
        ],
        "count_areas": [(session, "A-01", 0, 1, "left", ana, None, "agreed")],
    }
    with db.transaction(older):
        older.execute("INSERT INTO count_sessions VALUES (?, 'Week', '{}', ?, 1, 'active', '', 1)", (session, ana))
        for table, rows in kept.items():
            for row in rows:
                older.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    older.close()
    writer = store.open_writer(tmp_path)
    for table, rows in kept.items():
        assert writer.execute(f"SELECT * FROM {table}").fetchall() == rows
    assert writer.execute("SELECT frozen, test FROM count_sessions").fetchall() == [(1, 0)]
    assert writer.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(db.IntegrityError), db.transaction(writer):
        writer.execute("DELETE FROM count_bins WHERE bin = 'A-01'")  # a round of it refers to it still
    writer.close()


def test_packed_bytes_come_back_and_damage_is_noticed() -> None:
    raw = bytes(range(256)) * 9
    packed = store.pack(raw)
    assert store.unpack(packed) == raw
    for damaged in (packed[:-1], packed + b"x", b"", b"plain", "text"):
        with pytest.raises(Corrupt):
            store.unpack(damaged)


def test_streams_hold_the_latest_value_and_their_cursor(connection: db.Connection) -> None:
    with db.transaction(connection):
        streams.put(connection, "users", "aa", {"name": "Kari"})
        streams.put(connection, "users", "bb", {"name": "Ola"})
        streams.put(connection, "users", "aa", {"name": "Kari N"})
        streams.set_cursor(connection, "users", 1, 7)
    assert list(streams.every(connection, "users")) == [("aa", {"name": "Kari N"}), ("bb", {"name": "Ola"})]
    assert streams.cursor(connection, "users") == (1, 7)
    assert streams.cursor(connection, "policy") == (0, 0)
    streams.remove(connection, "users", "aa")
    assert streams.get(connection, "users", "aa") is None
    streams.clear(connection, "users")
    assert list(streams.every(connection, "users")) == []


def test_barcodes_follow_the_catalogue(connection: db.Connection) -> None:
    streams.put(connection, "catalogue", "BOLT", ENTRY)
    assert streams.item_of(connection, "04006381333931", None) == ("BOLT", 1)
    assert streams.item_of(connection, "14006381333938", None) == ("BOLT", 100)
    streams.put(connection, "catalogue", "BOLT", {**ENTRY, "gtins": [["4006381333931", 5]]})
    assert streams.item_of(connection, "04006381333931", None) == ("BOLT", 5)
    assert streams.item_of(connection, "14006381333938", None) is None
    streams.remove(connection, "catalogue", "BOLT")
    assert streams.item_of(connection, "04006381333931", None) is None
    streams.put(connection, "catalogue", "BOLT", ENTRY)
    streams.clear(connection, "catalogue")
    assert streams.item_of(connection, "04006381333931", None) is None


@pytest.mark.parametrize("gtins", [3, [3], [["4006381333931"]], [["40063a", 1]], [["4006381333931", 0]], [[7, 1]]])
def test_a_senseless_barcode_changes_nothing(connection: db.Connection, gtins: object) -> None:
    streams.put(connection, "catalogue", "BOLT", ENTRY)
    with pytest.raises(Invalid, match="BOLT"):
        streams.put(connection, "catalogue", "BOLT", {"gtins": gtins})
    assert streams.get(connection, "catalogue", "BOLT") == ENTRY
    assert streams.item_of(connection, "04006381333931", None) == ("BOLT", 1)


def test_receipts_tell_which_blocks_are_logged_and_anchored(connection: db.Connection) -> None:
    streams.put(connection, "receipts", "9", {"hub": {}})
    streams.put(connection, "receipts", "12", {"hub": {}, "anchor": {}})
    streams.put(connection, "receipts", "30", {"hub": {}})
    assert [streams.proof_for(connection, height, anchored=False) for height in (0, 8, 9, 29, 30)] == [
        9,
        9,
        12,
        30,
        None,
    ]
    assert [streams.proof_for(connection, height, anchored=True) for height in (0, 11, 12)] == [12, 12, None]
    streams.remove(connection, "receipts", "9")
    assert streams.proof_for(connection, 0, anchored=False) == 12
    for size, value in (("x", {"hub": {}}), ("9", {}), ("9", 3)):
        with pytest.raises(Invalid):
            streams.put(connection, "receipts", size, value)


def test_pages_are_small_for_the_sake_of_the_flash(connection: db.Connection) -> None:
    assert connection.execute("PRAGMA page_size").fetchone() == (store.PAGE_BYTES,)
