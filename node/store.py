"""What a node keeps in `site.db`, in two kinds of tables.

Kept tables are first-hand knowledge: blocks, journal, what the hub said, sessions and scans. Derived tables can be
made again from the blocks by `tallyman node rebuild`, which touches nothing kept; only `node/projection` writes them,
from transactions and their events, so that the same blocks always give the same rows. The chain's own state (tables
`state_*`, owned by `ledger/evm`) is derived too.

Rows of a derived table belong to a block by its height. A height above the head means: recorded, not yet sealed.
Nothing has to be changed when that block is sealed.

Op ids have 16 bytes, people 32, hashes 32. Locations, items, lots, serials are texts ("" for none); quantities are
whole base units; `status` is 0 free, 1 quality, 2 damage, 3 expired; `*_ms` are Unix milliseconds by our clock.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger import db
from ledger.block import Block
from ledger.errors import Corrupt, Invalid
from ledger.seams import Storage
from node import dated, dues, floor_store, numbers

DATABASE_FILE = "site.db"
ROW_BYTES_MAX = 16 * 1024 * 1024
# A recorded operation touches a dozen tables and indexes a little: with small pages half as much is written to the
# flash for it. The log is copied back when it has grown to 4 MiB all the same.
PAGE_BYTES = 1024
AUTOCHECKPOINT_PAGES = 4096

KEPT_1 = """
-- The chain itself, and the one source of every derived table. `body` is the encoded block, deflated. Below height 0
-- are the blocks of earlier incarnations.
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    time_s INTEGER NOT NULL,
    sealed_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Operations that were acknowledged and are not in a block yet, in the order of their execution. The block that
-- seals them removes them in the same transaction. `time_s` and `quality` are the pending block's, fixed when it was
-- opened; `outcome` is what execution answered, hashed: a restart must get the same. That an op id comes once is the
-- business of `operations`, which is written beside it: an index here would cost a page a scan.
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY,
    op_id BLOB NOT NULL,
    content BLOB NOT NULL,
    raw BLOB NOT NULL,
    document BLOB NOT NULL,
    height INTEGER NOT NULL,
    time_s INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    outcome BLOB NOT NULL
) STRICT;

-- Operations that were acknowledged and that the chain refused when it had to take another course (see
-- `node/replaying`): kept as they were, for people to settle.
CREATE TABLE claims (
    op_id BLOB PRIMARY KEY, content BLOB NOT NULL, raw BLOB NOT NULL, document BLOB NOT NULL, reason TEXT NOT NULL,
    recorded_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Single facts the node must not forget, by name: see FACT_* below.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What the hub acknowledged: the site's note of that size with the hub's cosignature line.
CREATE TABLE cosignatures (size INTEGER PRIMARY KEY, note BLOB NOT NULL) STRICT;

-- The hub's streams, latest value by key (CBOR); the cursor moves in the same transaction as the values.
CREATE TABLE streams (
    stream TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (stream, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (
    stream TEXT PRIMARY KEY, generation INTEGER NOT NULL, sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Barcodes out of the catalogue stream: which item, and how many base units one scan of it means.
CREATE TABLE gtins (gtin TEXT PRIMARY KEY, item TEXT NOT NULL, quantity INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX gtins_item ON gtins (item);

-- Out of the receipts stream: site checkpoints that the hub logged, and whether an anchor covers them.
CREATE TABLE proofs (size INTEGER PRIMARY KEY, anchored INTEGER NOT NULL) STRICT;

-- The last samples of vitals.
CREATE TABLE vitals (taken_at_ms INTEGER PRIMARY KEY, sample TEXT NOT NULL) STRICT;
"""

DERIVED_1 = """
-- Where each operation stands. `actor` is NULL for what no person asked for (control records, deployment).
CREATE TABLE operations (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, place INTEGER NOT NULL, call TEXT NOT NULL, actor BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_place ON operations (height, place);

-- The newest block, as far as the next one depends on it (`ledger.chain.Head`).
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), head BLOB NOT NULL) STRICT;

-- The EVM receipts of each block as trie values (CBOR list, deflated): needed to prove an operation.
CREATE TABLE evm_receipts (height INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;

-- Complete subtrees of the site log above its leaves (RFC 6962); a leaf's hash follows from `blocks.hash`.
CREATE TABLE log_nodes (
    level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- Control records as the chain decided on them, in their sequence.
CREATE TABLE controls (
    sequence INTEGER PRIMARY KEY, op_id BLOB NOT NULL, kind INTEGER NOT NULL, refused INTEGER NOT NULL,
    height INTEGER NOT NULL
) STRICT;

-- Items and locations as the chain knows them. Names and barcodes are in the catalogue and locations streams.
CREATE TABLE items (
    item TEXT PRIMARY KEY, tracking INTEGER NOT NULL, unit TEXT NOT NULL, decimals INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE locations (location TEXT PRIMARY KEY, kind INTEGER NOT NULL, parent TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- People and their rights. `key` is the address of the personal key bound at first log-in, NULL before.
CREATE TABLE people (
    actor BLOB PRIMARY KEY, roles INTEGER NOT NULL, activation BLOB NOT NULL, valid_from INTEGER NOT NULL,
    valid_until INTEGER NOT NULL, revoked INTEGER NOT NULL, key BLOB
) STRICT, WITHOUT ROWID;

-- What is where. Rows of quantity 0 are removed. Virtual locations may be negative.
CREATE TABLE stock (
    location TEXT NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (location, item, lot, status)
) STRICT, WITHOUT ROWID;
CREATE INDEX stock_item ON stock (item, lot);
CREATE TABLE serials (
    item TEXT NOT NULL, serial TEXT NOT NULL, location TEXT NOT NULL, lot TEXT NOT NULL, status INTEGER NOT NULL,
    PRIMARY KEY (item, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX serials_location ON serials (location);

-- Every booked line, in the order of the chain.
CREATE TABLE movements (
    height INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL,
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (height, place, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX movements_item ON movements (item);
CREATE INDEX movements_source ON movements (source);
CREATE INDEX movements_target ON movements (target);

-- Recorded counts. A line is posted once, by the operation `posted`; `missing` is what a count short of stock could
-- not take away; `elsewhere` is where a counted serial stands by the books.
CREATE TABLE counts (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL,
    counter BLOB NOT NULL, stable INTEGER NOT NULL, whole INTEGER NOT NULL, scans BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_session ON counts (session, bin, round);
CREATE TABLE count_lines (
    count BLOB NOT NULL, line INTEGER NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL,
    status INTEGER NOT NULL, counted INTEGER NOT NULL, expected INTEGER NOT NULL,
    posted BLOB, missing INTEGER NOT NULL DEFAULT 0, elsewhere TEXT NOT NULL DEFAULT '', PRIMARY KEY (count, line)
) STRICT, WITHOUT ROWID;

-- Transfers out: dispatched here, `settled` by the hub's outcome. A transfer's id is the op id of its dispatch.
CREATE TABLE transfers (
    transfer BLOB PRIMARY KEY, height INTEGER NOT NULL, receiver TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE transfer_lines (
    transfer BLOB NOT NULL, line INTEGER NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL,
    status INTEGER NOT NULL, quantity INTEGER NOT NULL, source TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (transfer, line)
) STRICT, WITHOUT ROWID;

-- Transfers in: what arrived here, by any number of acceptances of one transfer. `position` is the dispatch's line.
CREATE TABLE acceptances (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, transfer BLOB NOT NULL, sender TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX acceptances_transfer ON acceptances (transfer);
CREATE TABLE acceptance_lines (
    op_id BLOB NOT NULL, line INTEGER NOT NULL, position INTEGER NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL,
    serial TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL, missing INTEGER NOT NULL,
    target TEXT NOT NULL, PRIMARY KEY (op_id, line)
) STRICT, WITHOUT ROWID;

-- Physical acts that the rules could not book: no effect on stock, a reason to count `location`.
CREATE TABLE exceptions (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, location TEXT NOT NULL, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE exception_lines (
    op_id BLOB NOT NULL, line INTEGER NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL,
    status INTEGER NOT NULL, quantity INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (op_id, line)
) STRICT, WITHOUT ROWID;

-- Operation `of` was booked backwards by `op_id`.
CREATE TABLE reversals (of BLOB PRIMARY KEY, op_id BLOB NOT NULL, height INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Facts without stock: log-ins, overrides, configuration, verdicts. `actor` is NULL for the node itself.
CREATE TABLE notes (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, actor BLOB, kind TEXT NOT NULL, subject BLOB NOT NULL,
    document BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

DERIVED_2 = """
-- What posted which count, and who approved it. A count without lines is posted as well.
CREATE TABLE count_posts (
    op_id BLOB PRIMARY KEY, count BLOB NOT NULL, height INTEGER NOT NULL, approver BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX count_posts_count ON count_posts (count);

-- When a lot expires, as the documents said it from that block on.
CREATE TABLE lots (
    item TEXT NOT NULL, lot TEXT NOT NULL, height INTEGER NOT NULL, expiry TEXT NOT NULL,
    PRIMARY KEY (item, lot, height)
) STRICT, WITHOUT ROWID;

-- What a location was from that block on: `locations` with its past.
CREATE TABLE placements (
    location TEXT NOT NULL, height INTEGER NOT NULL, kind INTEGER NOT NULL, parent TEXT NOT NULL,
    PRIMARY KEY (location, height)
) STRICT, WITHOUT ROWID;
"""

DERIVED_3 = """
-- What orders were promised, and what of it is neither used up nor given back.
CREATE TABLE reservations (
    reservation BLOB NOT NULL, location TEXT NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, status INTEGER NOT NULL,
    quantity INTEGER NOT NULL, rest INTEGER NOT NULL, PRIMARY KEY (reservation, location, item, lot, status)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_stock ON reservations (location, item, lot, status) WHERE rest > 0;

-- What an operation held, by its booked line, and how much of that was released. Where the goods are is in `stock`.
CREATE TABLE holds (
    hold BLOB NOT NULL, line INTEGER NOT NULL, height INTEGER NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL,
    serial TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL, freed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hold, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_goods ON holds (item, lot, status);

-- Documents in parts. `booked` is what booked a part, or sealed it as an exception, NULL while it waits.
CREATE TABLE parts (
    whole BLOB NOT NULL, number INTEGER NOT NULL, count INTEGER NOT NULL, act INTEGER NOT NULL, op_id BLOB NOT NULL,
    booked BLOB, PRIMARY KEY (whole, number)
) STRICT, WITHOUT ROWID;

-- Count plans as the chain fixed them: hashes of scope and rule, and the height that they look at.
CREATE TABLE plans (
    op_id BLOB PRIMARY KEY, height INTEGER NOT NULL, scope BLOB NOT NULL, rule BLOB NOT NULL, seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

# What one person did, newest first (`node/listings`).
LISTED_1 = """
CREATE INDEX operations_actor ON operations (actor, height, place) WHERE actor IS NOT NULL;
"""

# Which part of which document an operation is (`node/parts`).
PARTS_1 = """
CREATE INDEX parts_op_id ON parts (op_id);
CREATE INDEX parts_booked ON parts (booked) WHERE booked IS NOT NULL;
"""

# What happened to a lot or a piece (`node/listings`); goods without either cost no page here.
LISTED_2 = """
CREATE INDEX movements_lot ON movements (item, lot) WHERE lot <> '';
CREATE INDEX movements_serial ON movements (item, serial) WHERE serial <> '';
"""

# What waits on the floor, oldest first (`node/holds`, `node/picking`).
LISTED_3 = """
CREATE INDEX holds_open ON holds (height, hold, line) WHERE freed < quantity;
CREATE INDEX pick_lists_open ON pick_lists (opened_at_ms, list) WHERE state = 'open';
"""

DERIVED_4 = """
-- What was stated of a place and moved nothing: counts and exceptions, each as a row 0 without an item and its lines
-- from 1 on. `quantity`: what was counted, or what the exception says.
CREATE TABLE stated (
    height INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL, location TEXT NOT NULL,
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (height, place, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX stated_item ON stated (item) WHERE item <> '';
CREATE INDEX stated_serial ON stated (item, serial) WHERE serial <> '';
CREATE INDEX stated_location ON stated (location) WHERE item = '';
INSERT INTO stated SELECT o.height, o.place, 0, c.bin, '', '', '', 0, 0
    FROM counts c JOIN operations o ON o.op_id = c.op_id;
INSERT INTO stated SELECT o.height, o.place, l.line + 1, c.bin, l.item, l.lot, l.serial, l.status, l.counted
    FROM count_lines l JOIN counts c ON c.op_id = l.count JOIN operations o ON o.op_id = c.op_id;
INSERT INTO stated SELECT o.height, o.place, 0, e.location, '', '', '', 0, 0
    FROM exceptions e JOIN operations o ON o.op_id = e.op_id;
INSERT INTO stated SELECT o.height, o.place, l.line + 1, e.location, l.item, l.lot, l.serial, l.status, l.quantity
    FROM exception_lines l JOIN exceptions e ON e.op_id = l.op_id JOIN operations o ON o.op_id = e.op_id;
"""

DERIVED_5 = """
-- Which units went from where to where, in which operation. What is in a unit goes along without a movement.
CREATE TABLE unit_moves (
    height INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL, unit TEXT NOT NULL, source TEXT NOT NULL,
    target TEXT NOT NULL, PRIMARY KEY (height, place, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX unit_moves_source ON unit_moves (source, height);
CREATE INDEX unit_moves_target ON unit_moves (target, height);
CREATE INDEX counts_bin ON counts (bin, height);
-- Marks of documents (`ledger.documents.MARKS`), in their order; most documents have none.
CREATE TABLE marks (
    height INTEGER NOT NULL, place INTEGER NOT NULL, number INTEGER NOT NULL, mark TEXT NOT NULL,
    PRIMARY KEY (height, place, number)
) STRICT, WITHOUT ROWID;
-- The roots of scan events that documents have.
CREATE TABLE scanned (
    height INTEGER NOT NULL, place INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (height, place)
) STRICT, WITHOUT ROWID;
"""

DERIVED_6 = """
-- When a count was finished, and posted, and when what became an exception was done, as its document says. What was
-- recorded before this table has the time of its block here, until the tables are made again.
CREATE TABLE happened (
    height INTEGER NOT NULL, place INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (height, place)
) STRICT, WITHOUT ROWID;
INSERT INTO happened SELECT o.height, o.place, b.time_s * 1000 FROM operations o JOIN blocks b ON b.height = o.height
    WHERE o.call IN ('record_count', 'post_count', 'except_document');
"""

# What is not free, place by place, and what brought it there (`node/holds`).
LISTED_4 = """
DROP INDEX holds_open;
CREATE INDEX stock_held ON stock (location, item, lot, status) WHERE status > 0 AND quantity > 0;
CREATE INDEX movements_held ON movements (item, lot, serial, status) WHERE status > 0;
"""

DERIVED_7 = """
-- What went along with a unit, in which operation: what was in it then by the books, and in the units in it.
CREATE TABLE carried (
    height INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL, unit TEXT NOT NULL,
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status INTEGER NOT NULL, quantity INTEGER NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (height, place, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX carried_item ON carried (item);
CREATE INDEX carried_lot ON carried (item, lot) WHERE lot <> '';
CREATE INDEX carried_serial ON carried (item, serial) WHERE serial <> '';
CREATE INDEX unit_moves_unit ON unit_moves (unit);
INSERT INTO carried SELECT height, place, ROW_NUMBER() OVER (PARTITION BY height, place) - 1, unit, item, lot, serial,
    status, quantity, source, target FROM (
        SELECT u.height, u.place, u.line, u.unit, m.item, m.lot, m.serial, m.status, u.source, u.target,
            SUM(CASE WHEN m.target = u.unit THEN m.quantity ELSE -m.quantity END) AS quantity
        FROM unit_moves u JOIN movements m ON (m.target = u.unit OR m.source = u.unit)
            AND (m.height, m.place) < (u.height, u.place)
        GROUP BY u.height, u.place, u.line, m.item, m.lot, m.serial, m.status HAVING SUM(
            CASE WHEN m.target = u.unit THEN m.quantity ELSE -m.quantity END) > 0);
"""

DERIVED_8 = """
-- What a count said of its lot's expiry: a lot that has none takes it when the line is posted.
ALTER TABLE count_lines ADD COLUMN expiry TEXT NOT NULL DEFAULT '';
"""

TRANSIT_1 = """
-- Which items a transfer of the hub's stream is about, while it has not ended (`streams.put` keeps it).
CREATE TABLE under_way (
    item TEXT NOT NULL, transfer TEXT NOT NULL, PRIMARY KEY (item, transfer)
) STRICT, WITHOUT ROWID;
CREATE INDEX under_way_transfer ON under_way (transfer);
CREATE INDEX transfer_lines_open ON transfer_lines (item) WHERE quantity > settled;
-- The hub tells of every transfer again, and each is noted then.
DELETE FROM cursors WHERE stream = 'transfers';
"""

NAMES_1 = """
-- What a search of items and places looks through: code and name in small letters (`streams.put` keeps it).
CREATE TABLE named (
    stream TEXT NOT NULL, key TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (stream, key)
) STRICT, WITHOUT ROWID;
-- The hub tells of each again, and its name is noted then.
DELETE FROM cursors WHERE stream IN ('catalogue', 'locations');
"""

AUDITORS_1 = """
-- Whom the hub has marked as an auditor (`streams.put` keeps it), and all roles with that (`ledger.people.held`).
CREATE TABLE auditors (actor BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE VIEW rights AS
    SELECT p.actor, CASE WHEN p.roles = 1 AND a.actor IS NOT NULL THEN 512 ELSE p.roles END AS roles, p.valid_from,
    p.valid_until, p.revoked, p.key FROM people p LEFT JOIN auditors a ON a.actor = p.actor;
"""

DERIVED_9 = """
-- The handling unit in which a line of a dispatch travels, or '' where it is loose.
ALTER TABLE transfer_lines ADD COLUMN unit TEXT NOT NULL DEFAULT '';
"""

LISTED_5 = """
-- Operations of a kind, of a person, of a day (`node/listings`): each index has all that these are asked together.
DROP INDEX operations_actor;
CREATE INDEX operations_actor ON operations (actor, height, place, call) WHERE actor IS NOT NULL;
CREATE INDEX operations_call ON operations (call, height, place, actor);
CREATE INDEX blocks_sealed ON blocks (sealed_at_ms);
"""

DERIVED_10 = """
-- Numbers on papers (`node/numbers`, as they are compared there) with the operations that name them: here with all
-- that is asked together, so that of many the newest are found without a look at each operation.
CREATE TABLE referred (
    height INTEGER NOT NULL, place INTEGER NOT NULL, number TEXT NOT NULL, call TEXT NOT NULL, actor BLOB,
    PRIMARY KEY (height, place, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX referred_number ON referred (number, height, place);
INSERT INTO referred SELECT o.height, o.place, lower(hex(t.transfer)), o.call, o.actor FROM operations o JOIN (
    SELECT transfer AS op_id, transfer FROM transfers UNION ALL SELECT op_id, transfer FROM acceptances
) t ON t.op_id = o.op_id;
"""

PACKS_1 = """
-- What one scan of a barcode meant until when, and means now (`streams.NO_END`).
ALTER TABLE gtins RENAME TO gtins_now;
DROP INDEX gtins_item;
CREATE TABLE gtins (
    gtin TEXT NOT NULL, until_ms INTEGER NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (gtin, until_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX gtins_item ON gtins (item);
INSERT INTO gtins SELECT gtin, 9223372036854775807, item, quantity FROM gtins_now;
DROP TABLE gtins_now;
-- The hub tells of each again, and what it meant before is noted then.
DELETE FROM cursors WHERE stream = 'catalogue';
"""


def _documents(connection: db.Connection) -> Iterator[tuple[int, int, bytes]]:
    """Every document with its place: they are in blocks and journal, where SQL cannot read."""
    for height, body in connection.execute("SELECT height, body FROM blocks"):
        try:
            documents = Block.decode(unpack(body)).documents
        except (Corrupt, Invalid):  # `verify` names it; the others can be read all the same
            continue
        yield from ((height, place, document) for place, document in enumerate(documents) if document)
    yield from connection.execute(
        "SELECT o.height, o.place, j.document FROM journal j JOIN operations o ON o.op_id = j.op_id"
    )


def read_numbers(connection: db.Connection) -> None:
    """What documents name that were here before `referred`."""
    for height, place, document in _documents(connection):
        numbers.keep_said(connection, height, place, document)


def bare_notes(connection: db.Connection) -> None:
    """Delivery notes that were received before they were compared by letters and digits alone."""
    connection.execute("CREATE INDEX deliveries_note ON deliveries (note)")
    rows = connection.execute("SELECT supplier, note, op_id FROM deliveries").fetchall()
    connection.execute("DELETE FROM deliveries")
    connection.executemany(
        "INSERT INTO deliveries VALUES (?, ?, ?)",
        [(numbers.bare(supplier), numbers.bare(note), op_id) for supplier, note, op_id in rows],
    )


DERIVED_11 = """
-- What moved stock, with the business date of its document (`node/dated`, `node/days`). `call`: as in `operations`,
-- of a document in parts what it is in one piece.
CREATE TABLE dated (
    height INTEGER NOT NULL, place INTEGER NOT NULL, day TEXT NOT NULL, call TEXT NOT NULL,
    PRIMARY KEY (height, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX dated_call ON dated (call, day, height, place);

-- What a day changed of what lies at a place or is on its way; rows of quantity 0 are removed.
CREATE TABLE day_changes (
    item TEXT NOT NULL, location TEXT NOT NULL, lot TEXT NOT NULL, status INTEGER NOT NULL, day TEXT NOT NULL,
    quantity INTEGER NOT NULL, PRIMARY KEY (item, location, lot, status, day)
) STRICT, WITHOUT ROWID;
"""


LISTED_6 = """
-- Counts that wait for their posting (`node/counting_facts`).
CREATE INDEX count_lines_open ON count_lines (count) WHERE posted IS NULL;
"""


LISTED_7 = """
-- A piece or lot by its number alone, as it is scanned (`node/lookups`).
CREATE INDEX serials_serial ON serials (serial);
CREATE INDEX stock_lot ON stock (lot) WHERE lot <> '';
"""

LISTED_8 = """
-- An item or place by its code in any case, as it is typed (`node/listings.typed`).
CREATE INDEX named_words ON named (stream, words);
CREATE INDEX items_small ON items (lower(item));
CREATE INDEX locations_small ON locations (lower(location));
"""


DUES_1 = """
-- What waits to come and to be picked, by its day (`node/dues`); `day` is 9999 where none was said.
CREATE TABLE dues (
    stream TEXT NOT NULL, number TEXT NOT NULL, day TEXT NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (stream, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX dues_waiting ON dues (stream, day, number) WHERE done = 0;
"""


def read_days(connection: db.Connection) -> None:
    """What was booked before `dated`."""
    dated.read(connection, _documents(connection))


DERIVED = (
    "head",
    "operations",
    "evm_receipts",
    "log_nodes",
    "controls",
    "items",
    "locations",
    "placements",
    "lots",
    "people",
    "stock",
    "serials",
    "reservations",
    "holds",
    "parts",
    "plans",
    "movements",
    "counts",
    "count_lines",
    "count_posts",
    "transfers",
    "transfer_lines",
    "acceptances",
    "acceptance_lines",
    "exceptions",
    "exception_lines",
    "stated",
    "unit_moves",
    "carried",
    "marks",
    "scanned",
    "happened",
    "referred",
    "dated",
    "day_changes",
    "reversals",
    "notes",
)

RECOVERY_1 = """
-- Earlier incarnations whose blocks are in `blocks` below height 0, each from row `first` on (see `node/eras`).
CREATE TABLE earlier (
    origin TEXT PRIMARY KEY, first INTEGER NOT NULL UNIQUE, certificate BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Blocks that were signed here and that no later incarnation goes on from: kept for whoever wants to see them.
CREATE TABLE orphans (
    hash BLOB PRIMARY KEY, origin TEXT NOT NULL, height INTEGER NOT NULL, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Operations that were acknowledged and are in no block of the chain as it came back from the hub: they are recorded
-- again, one by one, and leave with that (see `node/replaying`). `raw` is the transaction as it was.
CREATE TABLE replays (
    sequence INTEGER PRIMARY KEY, op_id BLOB NOT NULL UNIQUE, raw BLOB NOT NULL, document BLOB NOT NULL,
    recorded_at_ms INTEGER NOT NULL
) STRICT;

-- What the hub has sent of earlier incarnations so far, until all of it is here and taken over at once.
CREATE TABLE fetched (
    origin TEXT NOT NULL, branch INTEGER NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (origin, branch, place)
) STRICT, WITHOUT ROWID;
"""

# Steps are only ever added at the end: a database remembers how many of them it has seen.
STEPS: tuple[db.Step, ...] = (
    KEPT_1,
    DERIVED_1,
    floor_store.FLOOR_1,
    DERIVED_2,
    floor_store.FLOOR_2,
    floor_store.TABLETS_1,
    floor_store.FLOOR_3,
    DERIVED_3,
    RECOVERY_1,
    floor_store.PICKING_1,
    floor_store.DAY_1,
    LISTED_1,
    floor_store.ATTACHMENTS_1,
    PARTS_1,
    floor_store.COUNTERS_1,
    floor_store.LANGUAGES_1,
    floor_store.HANDED_1,
    floor_store.UNITS_1,
    floor_store.DELIVERED_1,
    floor_store.BASELINES_1,
    LISTED_2,
    LISTED_3,
    DERIVED_4,
    floor_store.HUB_ANSWERS_1,
    floor_store.SECOND_FACTORS_1,
    floor_store.LATE_1,
    floor_store.SCANS_1,
    DERIVED_5,
    DERIVED_6,
    floor_store.ALERTS_1,
    LISTED_4,
    floor_store.PARKED_2,
    floor_store.PAIRED_1,
    floor_store.ISSUED_1,
    DERIVED_7,
    DERIVED_8,
    TRANSIT_1,
    NAMES_1,
    DERIVED_9,
    floor_store.CHOSEN_1,
    floor_store.HALVES_1,
    floor_store.BEGUN_1,
    AUDITORS_1,
    floor_store.TESTED_1,
    floor_store.SESSIONS_1,
    LISTED_5,
    floor_store.DRAFTS_1,
    floor_store.TABLETS_2,
    floor_store.RETENTION_1,
    DERIVED_10,
    read_numbers,
    PACKS_1,
    DERIVED_11,
    read_days,
    LISTED_6,
    floor_store.ANNOUNCER_1,
    bare_notes,
    floor_store.PROPOSED_1,
    floor_store.TASKS_2,
    floor_store.HANDED_2,
    LISTED_7,
    floor_store.DRAWN_1,
    floor_store.RELOCATED_LATE_1,
    LISTED_8,
    floor_store.SCANS_2,
    DUES_1,
    dues.read,
)

FACT_CERTIFICATE = "certificate"  # what the hub certified at enrolment, as it signed it, in hex
FACT_TRUSTED_MS = "trusted_ms"  # the last moment at which the machine's clock was believed
FACT_CONFIRMED_MS = "confirmed_ms"  # the hub's time at its last answer, by the node's clock
FACT_HUB_LOG = "hub_log"  # the newest hub log whose checkpoint was verified, as "<size> <root in hex>"
FACT_CONTROL_PROBLEM = "control_problem"  # why the next control record cannot be applied; absent in peace
FACT_HUB = "hub_status"  # what the hub said last, as JSON (`hub_status`)
FACT_HUB_URL = "hub_url"  # where the hub was said to be at enrolment; absent when it was found by looking
FACT_ADOPTED = "adopted"  # blocks came back from the hub up to here, and the signing mark has yet to follow
FACT_STOPPED = "stopped"  # why this node must not sign until its hub decides; absent in peace


def create(folder: Path, storage: Storage) -> db.Connection:
    """A new, empty `site.db`; refuses an existing one."""
    connection = db.create(folder / DATABASE_FILE, storage, page_bytes=PAGE_BYTES)
    db.migrate(connection, STEPS)
    return connection


def open_writer(folder: Path) -> db.Connection:
    """The one writing connection, its schema brought up to date."""
    connection = db.open_writer(folder / DATABASE_FILE)
    connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
    db.migrate(connection, STEPS)
    return connection


def open_reader(folder: Path) -> db.Connection:
    """A read-only connection for one request or command."""
    return db.open_reader(folder / DATABASE_FILE)


def fact(connection: db.Connection, name: str) -> str | None:
    """One fact, or None when nobody has stated it."""
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def set_fact(connection: db.Connection, name: str, value: str | None) -> None:
    """State a fact, or with None take it back. The caller owns the transaction."""
    if value is None:
        connection.execute("DELETE FROM facts WHERE name = ?", (name,))
    else:
        connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def hub_url(connection: db.Connection) -> str:
    """Where the hub was said to be at enrolment; empty when it was found by looking."""
    return fact(connection, FACT_HUB_URL) or ""


def hub_status(connection: db.Connection) -> dict[str, Any]:
    """What the hub said last: code, message, at_ms, next, cosigned, logged, anchored. Empty before it first spoke."""
    text = fact(connection, FACT_HUB)
    found = {} if text is None else json.loads(text)
    return found if isinstance(found, dict) else {}


def hub_log(connection: db.Connection) -> tuple[int, bytes] | None:
    """(size, root) of the newest hub log whose checkpoint this node verified; None before the first."""
    value = fact(connection, FACT_HUB_LOG)
    if value is None:
        return None
    size, _, root = value.partition(" ")
    return int(size), bytes.fromhex(root)


def set_hub_log(connection: db.Connection, size: int, root: bytes) -> None:
    """Remember a verified checkpoint of the hub's log, unless a newer one is known already."""
    known = hub_log(connection)
    if known is None or size > known[0]:
        set_fact(connection, FACT_HUB_LOG, f"{size} {root.hex()}")


def pack(raw: bytes) -> bytes:
    """Bytes for a column: deflated at a level that costs little (blocks repeat themselves)."""
    return zlib.compress(raw, 3)


def unpack(stored: object) -> bytes:
    """The inverse of `pack`. What we stored ourselves and cannot read is `Corrupt`."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(bytes(stored), ROW_BYTES_MAX)  # type: ignore[call-overload]
    except (zlib.error, TypeError) as error:
        raise Corrupt(f"a stored row cannot be unpacked: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise Corrupt("a stored row is cut short or too long")
    return raw
