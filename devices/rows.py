"""How reads lie in reads.db: the schema, a row as a value, a read's id, and what is refused at the door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from devices.protocols.base import READ_BYTES_MAX
from devices.reads import NewRead, Read, State
from ledger import db
from ledger.errors import Corrupt, Rejected, Unavailable

CONTEXT_BYTES_MAX = 4_096
NOTE_LENGTH_MAX = 500
DEVICE_LENGTH_MAX = 64

# `reads` only grows at its end and no index covers what a new read holds, so recording touches one page. A read's id
# is the run's random number and the row's position; what still waits stands behind `settled.upto`, since reads are
# taken in order; a device's last sequence is found backwards from the end.
SCHEMA = (
    """
    CREATE TABLE reads (
        position   INTEGER PRIMARY KEY,
        run        BLOB NOT NULL,
        device     TEXT NOT NULL,
        sequence   INTEGER NOT NULL,
        at_ms      INTEGER NOT NULL,
        ran_ms     INTEGER NOT NULL,
        clock      INTEGER NOT NULL,
        symbology  TEXT NOT NULL,
        raw        BLOB NOT NULL,
        fault      TEXT NOT NULL,
        length     INTEGER NOT NULL,
        repeat_of  TEXT,
        client_id  TEXT,
        context    TEXT NOT NULL,
        state      TEXT NOT NULL CHECK (state IN ('recorded', 'taken', 'parked', 'ignored')),
        note       TEXT NOT NULL,
        decoded    TEXT
    ) STRICT;
    CREATE INDEX reads_parked ON reads (position) WHERE state = 'parked';
    CREATE UNIQUE INDEX reads_client ON reads (device, client_id) WHERE client_id IS NOT NULL;
    CREATE TABLE devices (device TEXT PRIMARY KEY, first INTEGER NOT NULL) STRICT;
    CREATE TABLE settled (one INTEGER PRIMARY KEY CHECK (one = 1), upto INTEGER NOT NULL) STRICT;
    INSERT INTO settled VALUES (1, 0);
    """,
    # Up to which sequence the device is known to have heard our answers, written when the program ends in order.
    "ALTER TABLE devices ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;",
    # Nobody's scanner may have read thousands: they must not stand before what somebody has to decide.
    """
    CREATE INDEX reads_parked_owned ON reads ((coalesce(json_extract(context, '$.actor'), '') = ''), position)
        WHERE state = 'parked';
    """,
)
# Word for word as in the index, which is used only so.
OF_NOBODY = "(coalesce(json_extract(context, '$.actor'), '') = '')"
INSERT = """INSERT INTO reads (position, run, device, sequence, at_ms, ran_ms, clock, symbology, raw, fault, length,
    repeat_of, client_id, context, state, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
COLUMNS = """position, run, device, sequence, at_ms, ran_ms, clock, symbology, raw, fault, length, repeat_of,
    client_id, context, state, note, decoded"""

_encode = json.JSONEncoder(sort_keys=True).encode


@contextmanager
def plainly() -> Iterator[None]:
    """Turns the database's errors into ours: what the disk refuses is for later, what is damaged is not."""
    try:
        yield
    except db.OperationalError as error:
        raise Unavailable(
            f"the read journal cannot be used: {error}; make room on the disk and scan again"
        ) from error
    except db.DatabaseError as error:
        raise Corrupt(f"the read journal is damaged: {error}") from error


def checked(read: NewRead) -> str:
    """The context of a well-formed read as JSON; raises Rejected for any other."""
    if not read.device or len(read.device) > DEVICE_LENGTH_MAX or not read.device.isprintable():
        raise Rejected(f"{read.device[:80]!r} is not a device name: expected up to {DEVICE_LENGTH_MAX} characters")
    if len(read.raw) > READ_BYTES_MAX:
        raise Rejected(f"a read of {len(read.raw)} bytes: expected at most {READ_BYTES_MAX}; no bar code is longer")
    if read.client_id is not None and not (0 < len(read.client_id) <= 64 and read.client_id.isprintable()):
        raise Rejected("a client's id has 1 to 64 printable characters")
    context = _encode(dict(read.context)) if read.context else "{}"
    if len(context) > CONTEXT_BYTES_MAX:
        raise Rejected(f"the context of a read has more than {CONTEXT_BYTES_MAX} bytes")
    return context


def place_of(text: str) -> tuple[int, bytes]:
    try:
        raw = bytes.fromhex(text)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != 16 or raw.hex() != text or raw[8] > 127:
        raise Rejected(f"{text!r} is not a read's id: expected 32 lower-case hex digits")
    return int.from_bytes(raw[8:], "big"), raw[:8]


def read_id(run: bytes, position: int) -> str:
    """The id of the read at `position` that was recorded in the run of the program with that random number."""
    return f"{run.hex()}{position:016x}"


def read_from(row: db.Row) -> Read:
    """A row as a value; text the program cannot have written means damage."""
    position, run = int(row[0]), bytes(row[1])
    try:
        context, decoded = json.loads(row[13]), None if row[16] is None else json.loads(row[16])
    except ValueError as error:
        raise Corrupt(f"read {position} of the journal is damaged: {error}") from error
    return Read(
        read_id=read_id(run, position),
        position=position,
        device=row[2],
        sequence=row[3],
        at_ms=row[4],
        ran_ms=row[5],
        clock=row[6],
        symbology=row[7],
        raw=bytes(row[8]),
        fault=row[9],
        length=row[10],
        repeat_of=row[11],
        client_id=row[12],
        context=context,
        state=cast(State, row[14]),
        note=row[15],
        decoded=decoded,
    )
