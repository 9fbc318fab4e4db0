"""The hub's streams as the node holds them: the latest value by key, in `streams`, with look-ups derived in place.

Streams (sync-and-hub.md): catalogue (sku), users (actor in hex), locations (code), transfers (sender/op id in hex),
sites (name), receipts (site size in decimal), control (sequence in decimal), policy, orders and deliveries (number),
decisions (op_id in hex). Values are what `ledger.codec` writes as CBOR.

The caller owns the SQL transaction: a delta, its look-ups and its cursor are stored together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ledger import announced, approvals
from ledger.codec import cbor_decode, cbor_encode
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid
from ledger.transfers import CANCELLED, RETURNED
from node import dues, store

STREAMS = (
    "catalogue", "users", "locations", "policy", "transfers", "sites", "receipts", "control", "orders", "deliveries",
    "decisions",
)  # fmt: skip
OF_ORIGIN = ("receipts", "control", "decisions")  # about one incarnation of the site, not about the site
CATALOGUE = "catalogue"
RECEIPTS = "receipts"
TRANSFERS = "transfers"
ENDED = ("arrived", "settled", RETURNED, CANCELLED)  # states of a transfer of which nothing is on its way
USERS = "users"
SEARCHED = (CATALOGUE, "locations")  # of these, codes and names are searched
FACT_CHANGES = "catalogue_changes"
NO_END = 2**63 - 1  # `until_ms` of what a barcode means now


def put(connection: Connection, stream: str, key: str, value: Any) -> None:
    """Store one value. Raises Invalid, with nothing written, for a value that its look-up cannot make sense of."""
    gtins = _gtins(key, value) if stream == CATALOGUE else []
    proof = _proof(key, value) if stream == RECEIPTS else None
    said = announced.READERS[stream](key, value) if stream in announced.READERS else None
    if stream == approvals.STREAM:
        approvals.decision(value)
    connection.execute("INSERT OR REPLACE INTO streams VALUES (?, ?, ?)", (stream, key, cbor_encode(value)))
    if stream in SEARCHED:
        connection.execute("INSERT OR REPLACE INTO named VALUES (?, ?, ?)", (stream, key, _searched(key, value)))
    if stream == TRANSFERS:
        connection.execute("DELETE FROM under_way WHERE transfer = ?", (key,))
        connection.executemany("INSERT OR IGNORE INTO under_way VALUES (?, ?)", _under_way(key, value))
    if stream == USERS:
        connection.execute("DELETE FROM auditors WHERE actor = ?", (bytes.fromhex(key),))
        if _is_auditor(value):
            connection.execute("INSERT INTO auditors VALUES (?)", (bytes.fromhex(key),))
    if stream == CATALOGUE:
        _changed(connection)
        connection.execute("DELETE FROM gtins WHERE item = ?", (key,))
        connection.executemany("INSERT OR REPLACE INTO gtins VALUES (?, ?, ?, ?)", gtins)
    if said is not None:
        dues.told(connection, said)
    if proof is not None:
        connection.execute("INSERT OR REPLACE INTO proofs VALUES (?, ?)", proof)


def remove(connection: Connection, stream: str, key: str) -> None:
    """Forget one value."""
    for table in ("streams", "named"):
        connection.execute(f"DELETE FROM {table} WHERE stream = ? AND key = ?", (stream, key))  # noqa: S608
    if stream == CATALOGUE:
        _changed(connection)
        connection.execute("DELETE FROM gtins WHERE item = ?", (key,))
    if stream == TRANSFERS:
        connection.execute("DELETE FROM under_way WHERE transfer = ?", (key,))
    if stream == USERS:
        connection.execute("DELETE FROM auditors WHERE actor = ?", (bytes.fromhex(key),))
    if stream == RECEIPTS:
        connection.execute("DELETE FROM proofs WHERE CAST(size AS TEXT) = ?", (key,))
    if stream in announced.READERS:
        dues.untold(connection, stream, key)


def person_name(connection: Connection, actor: str) -> str:
    """The name of a person by their id in hex; "" once it was erased."""
    stored = stored_value(connection, USERS, actor)
    return "" if stored is None else _name_in(actor, stored)


@lru_cache(maxsize=1024)  # asked for with every change, on every tablet
def _name_in(actor: str, stored: bytes) -> str:
    value = decoded(USERS, actor, stored)
    name = value.get("name", "") if isinstance(value, dict) else ""
    return name if isinstance(name, str) else ""


def clear(connection: Connection, stream: str) -> None:
    """Forget a whole stream: the hub starts it again (a new generation).

    Receipts stay. They are proofs, and good whatever the hub may have forgotten since.
    """
    if stream == RECEIPTS:
        return
    for table in ("streams", "named"):
        connection.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))  # noqa: S608
    if stream == CATALOGUE:
        _changed(connection)
        connection.execute("DELETE FROM gtins")
    if stream == TRANSFERS:
        connection.execute("DELETE FROM under_way")
    if stream == USERS:
        connection.execute("DELETE FROM auditors")
    if stream in announced.READERS:
        dues.all_untold(connection, stream)


def get(connection: Connection, stream: str, key: str) -> Any | None:
    """The value of `key`, or None."""
    stored = stored_value(connection, stream, key)
    return None if stored is None else decoded(stream, key, stored)


def stored_value(connection: Connection, stream: str, key: str) -> bytes | None:
    """The value of `key` as it is stored, or None: for who knows what these bytes mean."""
    row = connection.execute("SELECT value FROM streams WHERE stream = ? AND key = ?", (stream, key)).fetchone()
    return None if row is None else bytes(row[0])


def every_stored(connection: Connection, stream: str, after: str = "") -> Iterator[tuple[str, bytes]]:
    """All of a stream as it is stored, in the order of its keys, or what comes after one. Write nothing meanwhile."""
    # Row by row: ten thousand rows at once make the garbage collector walk over everything that lives.
    for key, value in connection.execute(
        "SELECT key, value FROM streams WHERE stream = ? AND key > ? ORDER BY key", (stream, after)
    ):
        yield str(key), bytes(value)


def every(connection: Connection, stream: str, after: str = "") -> Iterator[tuple[str, Any]]:
    """All of a stream in the order of its keys, or what comes after one."""
    for key, value in list(every_stored(connection, stream, after)):
        yield key, decoded(stream, key, value)


def ending(connection: Connection, stream: str, tail: str) -> list[str]:
    """The keys of a stream that end in `tail`, in order."""
    rows = connection.execute(
        "SELECT key FROM streams WHERE stream = ? AND substr(key, ?) = ? ORDER BY key", (stream, -len(tail), tail)
    )
    return [str(key) for (key,) in rows]


def cursor(connection: Connection, stream: str) -> tuple[int, int]:
    """(generation, sequence) up to which the stream is known; (0, 0) before the first delta."""
    row = connection.execute("SELECT generation, sequence FROM cursors WHERE stream = ?", (stream,)).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def set_cursor(connection: Connection, stream: str, generation: int, sequence: int) -> None:
    """Move the cursor, in the transaction that stores what it stands for."""
    connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (stream, generation, sequence))


def changes(connection: Connection) -> int:
    """How often the catalogue was changed here: a number that no other content of it had."""
    return int(store.fact(connection, FACT_CHANGES) or 0)


def _changed(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO facts VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value + 1 AS TEXT)",
        (FACT_CHANGES,),
    )


def item_of(connection: Connection, gtin: str, at_ms: int | None) -> tuple[str, int] | None:
    """The item behind a barcode of 14 digits and the base units that one scan meant at `at_ms`, or means now (None);
    None when nobody sells it here. What was read before a code was first told means what it was told as."""
    row = connection.execute(
        "SELECT item, quantity FROM gtins WHERE gtin = ? AND until_ms > ? ORDER BY until_ms LIMIT 1",
        (gtin, NO_END - 1 if at_ms is None else at_ms),
    ).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def proof_for(connection: Connection, height: int, *, anchored: bool) -> int | None:
    """The smallest site size whose receipt covers block `height`; with `anchored`, an anchored one."""
    (size,) = connection.execute(
        "SELECT min(size) FROM proofs WHERE size > ? AND anchored >= ?", (height, anchored)
    ).fetchone()
    return None if size is None else int(size)


def _proof(size: str, value: Any) -> tuple[int, bool]:
    if not (size.isascii() and size.isdecimal() and len(size) < 19 and isinstance(value, dict) and "hub" in value):
        raise Invalid(f"receipt {size!r} is not a site's size with the hub's proof")
    return int(size), "anchor" in value


def _searched(key: str, value: Any) -> str:
    """What a search looks through: code and name, in small letters."""
    name = value.get("name") if isinstance(value, dict) else None
    return f"{key} {name if isinstance(name, str) else ''}".casefold()


def _under_way(key: str, value: Any) -> set[tuple[str, str]]:
    """(item, key) for each item of a transfer that has not ended. Who reads a transfer judges it, not we."""
    if not isinstance(value, dict) or value.get("state") in ENDED:
        return set()
    lines = value.get("lines")
    named = [line[1:2] for line in (lines if isinstance(lines, list) else ()) if isinstance(line, list)]
    return {(item, key) for (item,) in filter(None, named) if isinstance(item, str)}


def _is_auditor(value: Any) -> bool:
    """Whether the hub marks this person as an auditor; what the chain lets them do is judged with it."""
    roles = value.get("roles") if isinstance(value, dict) else None
    return isinstance(roles, list) and "AUDIT" in roles


def _gtins(item: str, value: Any) -> list[tuple[str, int, str, int]]:
    """The barcodes of a catalogue entry, as rows of `gtins`: what they mean now (`gtins`, [code, base units]), and
    what they meant until when (`gtins_until`, [code, base units, Unix milliseconds]; left out by an older hub)."""
    said = value if isinstance(value, dict) else {"gtins": None}
    now = [_gtin(item, each, 2) for each in _listed(item, said.get("gtins", []))]
    before = [_gtin(item, each, 3) for each in _listed(item, said.get("gtins_until", []))]
    if len({row[:2] for row in before}) != len(before):
        raise Invalid(f"catalogue entry {item!r}: a barcode meant two things until the same time")
    return [*before, *now]


def _listed(item: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f"catalogue entry {item!r}: its barcodes are not a list")
    return value


def _gtin(item: str, value: Any, size: int) -> tuple[str, int, str, int]:
    """One row of `gtins`; of a code without a time, what it means now."""
    code, quantity, until_ms = (*value, NO_END)[:3] if isinstance(value, list) and len(value) == size else (None,) * 3
    if not (type(code) is str and code.isascii() and code.isdecimal() and len(code) <= 14):
        raise Invalid(f"catalogue entry {item!r}: {value!r} is not a barcode with its quantity")
    if type(quantity) is not int or not 0 < quantity < 2**63:
        raise Invalid(f"catalogue entry {item!r}: {quantity!r} is not a number of base units in {code}")
    if type(until_ms) is not int or not 0 < until_ms < NO_END + (size == 2):
        raise Invalid(f"catalogue entry {item!r}: {until_ms!r} is not a time until which {code} meant something")
    return code.zfill(14), until_ms, item, quantity


def decoded(stream: str, key: str, stored: bytes) -> Any:
    """A stored value. Raises Corrupt when it cannot be read."""
    try:
        return cbor_decode(stored)
    except Invalid as error:
        raise Corrupt(f"{stream} {key} as stored cannot be read: {error}") from error
