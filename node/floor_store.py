"""The kept tables of floor work: what people and scanners told this node. Nothing here can be made again from blocks.

Scan events are append-only, and the database itself refuses anything else: an undo is one more event. Tallies, bin
states and variances are derived from events and from the chain's tables when asked for.
"""

from __future__ import annotations

FLOOR_1 = """
-- Every wish that changed something, under the op_id it came with: the same wish again gets the same answer.
CREATE TABLE acts (
    op_id BLOB PRIMARY KEY, verb TEXT NOT NULL, actor BLOB NOT NULL, content BLOB NOT NULL, answer TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A person's own key, opened only by PIN and this machine's pepper together. `address` is what the chain knows.
CREATE TABLE personal_keys (
    actor BLOB PRIMARY KEY, address BLOB NOT NULL, sealed BLOB NOT NULL, made_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wrong PINs in a row, by person and by tablet, written before each PIN is tried.
CREATE TABLE guesses (subject TEXT PRIMARY KEY, failures INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Who is logged in where. `token` is the SHA-256 of what the tablet holds.
CREATE TABLE log_ins (
    token BLOB PRIMARY KEY, actor BLOB NOT NULL, tablet TEXT NOT NULL, opened_at_ms INTEGER NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX log_ins_actor ON log_ins (actor);

-- Whose reads a scanner's are, until its owner logs out, it lies idle, or a day's work is over.
CREATE TABLE bound_devices (
    device TEXT PRIMARY KEY, actor BLOB NOT NULL, bound_at_ms INTEGER NOT NULL, seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a person is busy with: counting a bin, or a receipt or move being scanned together. One open task a person.
CREATE TABLE tasks (
    task INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK (kind IN ('count', 'receive', 'move')),
    actor BLOB NOT NULL, state TEXT NOT NULL CHECK (state IN ('open', 'closing', 'closed', 'dropped')),
    source TEXT NOT NULL, target TEXT NOT NULL, opened_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX tasks_open ON tasks (actor) WHERE state = 'open';

-- What was said in a task, in order. `quantity` is the change of the line's tally; `entered` what was keyed in;
-- `read` the raw read behind it, 16 bytes, each used once, and `digest` the SHA-256 of its bytes; `negates` the event
-- that this one undoes; `status` -1 when nobody said it. `leaf`: this event's hash in the task's Merkle tree.
CREATE TABLE scan_events (
    event INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER NOT NULL REFERENCES tasks, number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('scan', 'key', 'set', 'undo', 'empty', 'resolve', 'repeat')),
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status INTEGER NOT NULL, expiry TEXT NOT NULL,
    place TEXT NOT NULL, quantity INTEGER NOT NULL, entered INTEGER, read BLOB UNIQUE, digest BLOB,
    negates INTEGER UNIQUE REFERENCES scan_events, actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    leaf BLOB NOT NULL, UNIQUE (task, number)
) STRICT;
CREATE INDEX scan_events_thing ON scan_events (task, item, lot);
CREATE INDEX scan_events_serial ON scan_events (item, serial) WHERE serial <> '';
CREATE TRIGGER scan_events_stay BEFORE UPDATE ON scan_events BEGIN SELECT RAISE(ABORT, 'scan events stay'); END;
CREATE TRIGGER scan_events_last BEFORE DELETE ON scan_events BEGIN SELECT RAISE(ABORT, 'scan events stay'); END;

-- Reads that could not be counted as they were: kept with their bytes until someone says what they are.
CREATE TABLE parked (
    park INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER NOT NULL REFERENCES tasks, read BLOB UNIQUE,
    raw BLOB NOT NULL, symbology TEXT NOT NULL, why TEXT NOT NULL, hint TEXT NOT NULL, at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'dismissed')), reason TEXT NOT NULL, settled_by BLOB
) STRICT;
CREATE INDEX parked_task ON parked (task, state);

-- Every raw read that was handed to the floor, and what became of it (JSON): none acts twice.
CREATE TABLE taken_reads (
    read BLOB PRIMARY KEY, outcome TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE count_sessions (
    session BLOB PRIMARY KEY, name TEXT NOT NULL, rule TEXT NOT NULL, opened_by BLOB NOT NULL,
    opened_at_ms INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('draft', 'active', 'cancelled', 'closed')),
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `items`: '' for the whole bin, else a JSON list: then nothing is said about other items of the bin.
CREATE TABLE count_bins (
    session BLOB NOT NULL REFERENCES count_sessions, bin TEXT NOT NULL, items TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'counting', 'closing', 'review', 'posted', 'uncounted')),
    reason TEXT NOT NULL, PRIMARY KEY (session, bin)
) STRICT, WITHOUT ROWID;
CREATE INDEX count_bins_bin ON count_bins (bin);

-- `why`: first, variance, unstable, control, parked or ordered. `changes`: the bin's change counter at its opening.
CREATE TABLE count_rounds (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, why TEXT NOT NULL, assignee BLOB,
    deadline_ms INTEGER, task INTEGER UNIQUE REFERENCES tasks, changes INTEGER, height INTEGER,
    PRIMARY KEY (session, bin, round), FOREIGN KEY (session, bin) REFERENCES count_bins
) STRICT, WITHOUT ROWID;

-- The operations that a closed round was recorded with (one for every 200 lines), and those that posted it. `call`
-- and `document` are kept while several parts are under way.
CREATE TABLE count_parts (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, part INTEGER NOT NULL,
    op_id BLOB NOT NULL UNIQUE, call BLOB, document BLOB, post BLOB, PRIMARY KEY (session, bin, round, part)
) STRICT, WITHOUT ROWID;

-- Who has seen what the books expect of a bin: such a person cannot count it any more in this session.
CREATE TABLE count_reveals (
    session BLOB NOT NULL, bin TEXT NOT NULL, actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (session, bin, actor)
) STRICT, WITHOUT ROWID;

-- Adjustments and reversals that wait for another person's signature.
CREATE TABLE proposals (
    op_id BLOB PRIMARY KEY, call BLOB NOT NULL, document BLOB NOT NULL, actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected')), reason TEXT NOT NULL, decided_by BLOB
) STRICT, WITHOUT ROWID;

-- Delivery notes by supplier: the same one twice is asked back.
CREATE TABLE deliveries (
    supplier TEXT NOT NULL, note TEXT NOT NULL, op_id BLOB NOT NULL, PRIMARY KEY (supplier, note, op_id)
) STRICT, WITHOUT ROWID;

-- Free text behind a commitment in a document. Erasing a row erases the text; the document still verifies.
CREATE TABLE erasable (digest BLOB PRIMARY KEY, salt BLOB NOT NULL, content TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

# SQLite cannot change a CHECK: the three tables are made again with the states that were missing.
FLOOR_2 = """
CREATE TABLE new_sessions (
    session BLOB PRIMARY KEY, name TEXT NOT NULL, rule TEXT NOT NULL, opened_by BLOB NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'active', 'cancelled', 'rejected', 'closed')),
    reason TEXT NOT NULL, frozen INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO new_sessions SELECT session, name, rule, opened_by, opened_at_ms, state, reason, 0 FROM count_sessions;
CREATE TABLE new_bins (
    session BLOB NOT NULL REFERENCES new_sessions, bin TEXT NOT NULL, items TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('waiting', 'counting', 'closing', 'review', 'posted', 'uncounted', 'rejected')),
    reason TEXT NOT NULL, PRIMARY KEY (session, bin)
) STRICT, WITHOUT ROWID;
INSERT INTO new_bins SELECT * FROM count_bins;
CREATE TABLE new_rounds (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, why TEXT NOT NULL, assignee BLOB,
    deadline_ms INTEGER, task INTEGER UNIQUE REFERENCES tasks, changes INTEGER, height INTEGER,
    PRIMARY KEY (session, bin, round), FOREIGN KEY (session, bin) REFERENCES new_bins
) STRICT, WITHOUT ROWID;
INSERT INTO new_rounds SELECT * FROM count_rounds;
DROP TABLE count_rounds;
DROP TABLE count_bins;
DROP TABLE count_sessions;
ALTER TABLE new_sessions RENAME TO count_sessions;
ALTER TABLE new_bins RENAME TO count_bins;
ALTER TABLE new_rounds RENAME TO count_rounds;
CREATE INDEX count_bins_bin ON count_bins (bin);

-- How a session's bins were chosen: the rule, the block it looked at, and for a sample the seed and who chose that.
-- `content` is what the session's note on the chain is the hash of.
CREATE TABLE count_plans (
    session BLOB PRIMARY KEY REFERENCES count_sessions, content BLOB NOT NULL, height INTEGER NOT NULL,
    seed BLOB NOT NULL, seed_from TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Pieces beside the weight, for items that are counted by both.
ALTER TABLE scan_events ADD COLUMN pieces INTEGER NOT NULL DEFAULT 0;

-- What was decided about goods missing in `source` and found in `target`.
CREATE TABLE count_relocations (
    session BLOB NOT NULL REFERENCES count_sessions, item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL,
    status INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, quantity INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'declined')), actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (session, item, lot, serial, status, source, target)
) STRICT, WITHOUT ROWID;
"""

PICKING_1 = """
-- Orders to be picked. The list's id is its first reservation; more come when something was short. `tote`: where its
-- goods are collected, '' before a picker begins.
CREATE TABLE pick_lists (
    list BLOB PRIMARY KEY, reference TEXT NOT NULL, opened_by BLOB NOT NULL, opened_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'issued', 'cancelled')), picker BLOB, tote TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pick_lists_tote ON pick_lists (tote) WHERE state = 'open' AND tote <> '';
CREATE TABLE pick_wishes (
    list BLOB NOT NULL REFERENCES pick_lists, item TEXT NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (list, item)
) STRICT, WITHOUT ROWID;
CREATE TABLE pick_reservations (
    reservation BLOB PRIMARY KEY, list BLOB NOT NULL REFERENCES pick_lists
) STRICT, WITHOUT ROWID;

-- What was not where it was promised, by the operation that said so.
CREATE TABLE pick_shorts (
    op_id BLOB NOT NULL, list BLOB NOT NULL REFERENCES pick_lists, location TEXT NOT NULL, item TEXT NOT NULL,
    lot TEXT NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (op_id, location, item, lot)
) STRICT, WITHOUT ROWID;
"""

COUNTERS_1 = """
-- A bin that several people share: each has an area with a tally of its own, and a round's tallies are summed when it
-- is closed. Area 0 is that of the round's own counter, whose task is the round's. `state`: asked for, agreed to by
-- that counter or declined, being counted, counted, left uncounted.
CREATE TABLE count_areas (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, area INTEGER NOT NULL, name TEXT NOT NULL,
    actor BLOB NOT NULL, task INTEGER UNIQUE REFERENCES tasks,
    state TEXT NOT NULL CHECK (state IN ('asked', 'agreed', 'declined', 'counting', 'counted', 'left')),
    PRIMARY KEY (session, bin, round, area), FOREIGN KEY (session, bin, round) REFERENCES count_rounds
) STRICT, WITHOUT ROWID;
CREATE INDEX count_areas_actor ON count_areas (actor, bin);

-- Every tally that a count consists of.
CREATE VIEW count_tallies AS
    SELECT session, bin, round, 0 AS area, task FROM count_rounds WHERE task IS NOT NULL
    UNION ALL SELECT session, bin, round, area, task FROM count_areas WHERE task IS NOT NULL;
"""

DAY_1 = """
-- What each person did of an item in a day (the site's days since 1970), for the limits of a day.
CREATE TABLE day_sizes (
    op_id BLOB NOT NULL, act TEXT NOT NULL, item TEXT NOT NULL, actor BLOB NOT NULL, day INTEGER NOT NULL,
    quantity INTEGER NOT NULL, PRIMARY KEY (op_id, act, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX day_sizes_person ON day_sizes (actor, day, item);

-- Deliveries that suppliers announced. `over_percent`: how much more of a line is taken without a reason.
CREATE TABLE expected (
    delivery TEXT PRIMARY KEY, supplier TEXT NOT NULL, over_percent INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed')), reason TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE expected_lines (
    delivery TEXT NOT NULL REFERENCES expected, item TEXT NOT NULL, quantity INTEGER NOT NULL, came INTEGER NOT NULL,
    PRIMARY KEY (delivery, item)
) STRICT, WITHOUT ROWID;
"""

TABLETS_1 = """
-- Tablets by the number on their label. `outbox` is the store it used last; `renewed_ms` when it began that one
-- although it had another, until somebody has settled it.
CREATE TABLE tablets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, tablet TEXT NOT NULL UNIQUE, outbox BLOB NOT NULL,
    heard_ms INTEGER NOT NULL, renewed_ms INTEGER
) STRICT;

-- What one person does at one outbox is numbered from 1 without a gap. Up to `settled` somebody has accepted what is
-- gone; `came` counts the numbers beyond it; `twice`: how often a number came for another act.
CREATE TABLE outbox_lanes (
    lane INTEGER PRIMARY KEY, outbox BLOB NOT NULL, actor BLOB NOT NULL, tablet INTEGER NOT NULL REFERENCES tablets,
    newest INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, came INTEGER NOT NULL DEFAULT 0,
    twice INTEGER NOT NULL DEFAULT 0, UNIQUE (outbox, actor)
) STRICT;
CREATE INDEX outbox_lanes_tablet ON outbox_lanes (tablet);
CREATE TABLE outbox_numbers (
    lane INTEGER NOT NULL REFERENCES outbox_lanes, number INTEGER NOT NULL, op_id BLOB NOT NULL,
    PRIMARY KEY (lane, number)
) STRICT, WITHOUT ROWID;

-- Tasks in which something waited on a tablet without contact, and how long: such a count is unstable.
CREATE TABLE task_gaps (task INTEGER PRIMARY KEY REFERENCES tasks, waited_ms INTEGER NOT NULL) STRICT;
"""

FLOOR_3 = """
-- `blind` 0: a sheet told what is expected. `sheet`: the number of the sheet that the count came in on.
ALTER TABLE count_rounds ADD COLUMN blind INTEGER NOT NULL DEFAULT 1;
ALTER TABLE count_rounds ADD COLUMN sheet INTEGER;

-- Count sheets on paper or in a file, numbered for ever. `digest`: SHA-256 of what came back.
CREATE TABLE count_sheets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session BLOB NOT NULL REFERENCES count_sessions, blind INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('issued', 'returned', 'void', 'missing')), reason TEXT NOT NULL,
    height INTEGER NOT NULL, issued_by BLOB NOT NULL, issued_at_ms INTEGER NOT NULL, settled_by BLOB,
    settled_at_ms INTEGER, digest BLOB
) STRICT;
CREATE INDEX count_sheets_session ON count_sheets (session);
CREATE TABLE count_sheet_bins (
    number INTEGER NOT NULL REFERENCES count_sheets, bin TEXT NOT NULL, round INTEGER NOT NULL,
    PRIMARY KEY (number, bin)
) STRICT, WITHOUT ROWID;
"""

ATTACHMENTS_1 = """
-- Photos and files (`node/attachments`). `digest` is what the chain has; `content`: SHA-256 of the bytes, which names
-- their file in hex, or '' once it was erased: then salt and name are gone too.
CREATE TABLE attachments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, salt BLOB NOT NULL, content TEXT NOT NULL,
    name TEXT NOT NULL, media TEXT NOT NULL, size INTEGER NOT NULL, item TEXT, location TEXT, operation TEXT,
    line INTEGER, actor BLOB NOT NULL, op_id BLOB NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX attachments_item ON attachments (item, number) WHERE item IS NOT NULL;
CREATE INDEX attachments_location ON attachments (location, number) WHERE location IS NOT NULL;
CREATE INDEX attachments_operation ON attachments (operation, number) WHERE operation IS NOT NULL;
"""

# The language in which a person reads, by its code; who never chose one is not here.
LANGUAGES_1 = """
CREATE TABLE languages (actor BLOB PRIMARY KEY, language TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

# Units that came in by a receipt that is being scanned: where each stands, and the delivery that announced it or ''.
UNITS_1 = """
CREATE TABLE task_units (
    task INTEGER NOT NULL, unit TEXT NOT NULL, stands TEXT NOT NULL, delivery TEXT NOT NULL, PRIMARY KEY (task, unit)
) STRICT, WITHOUT ROWID;
-- SQLite cannot change a CHECK: the table is made again with one more kind.
CREATE TABLE new_events (
    event INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER NOT NULL REFERENCES tasks, number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('scan', 'key', 'set', 'undo', 'empty', 'resolve', 'repeat', 'sealed')),
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status INTEGER NOT NULL, expiry TEXT NOT NULL,
    place TEXT NOT NULL, quantity INTEGER NOT NULL, entered INTEGER, read BLOB UNIQUE, digest BLOB,
    negates INTEGER UNIQUE REFERENCES new_events, actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    leaf BLOB NOT NULL, pieces INTEGER NOT NULL DEFAULT 0, UNIQUE (task, number)
) STRICT;
INSERT INTO new_events SELECT * FROM scan_events;
DROP TABLE scan_events;
ALTER TABLE new_events RENAME TO scan_events;
CREATE INDEX scan_events_thing ON scan_events (task, item, lot);
CREATE INDEX scan_events_serial ON scan_events (item, serial) WHERE serial <> '';
CREATE TRIGGER scan_events_stay BEFORE UPDATE ON scan_events BEGIN SELECT RAISE(ABORT, 'scan events stay'); END;
CREATE TRIGGER scan_events_last BEFORE DELETE ON scan_events BEGIN SELECT RAISE(ABORT, 'scan events stay'); END;
-- Unopened units that were confirmed in a bin by their label; `stood`: where the books had each.
CREATE TABLE count_sealed (
    session BLOB NOT NULL, bin TEXT NOT NULL, unit TEXT NOT NULL, stood TEXT NOT NULL,
    PRIMARY KEY (session, bin, unit)
) STRICT, WITHOUT ROWID;
"""

# Codes that a wired scanner read for a page (`node/listening`), kept for a while.
HANDED_1 = """
CREATE TABLE handed_codes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, actor BLOB NOT NULL, read BLOB NOT NULL UNIQUE, text TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX handed_codes_actor ON handed_codes (actor, number);
"""

DELIVERED_1 = """
-- The bins that goods of an announced delivery came into.
CREATE TABLE delivery_bins (
    delivery TEXT NOT NULL REFERENCES expected, bin TEXT NOT NULL, PRIMARY KEY (delivery, bin)
) STRICT, WITHOUT ROWID;
"""

BASELINES_1 = """
-- The newest operation when the count of a bin began: who changes what is in it after that does not recount it.
CREATE TABLE count_baselines (
    session BLOB NOT NULL, bin TEXT NOT NULL, height INTEGER NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY (session, bin)
) STRICT, WITHOUT ROWID;
"""

HUB_ANSWERS_1 = """
-- What became of the hub's decisions, by the op_id they are about; `why`: what stood against the last one.
CREATE TABLE hub_answers (
    op_id BLOB PRIMARY KEY, number INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('done', 'refused')),
    why TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

SECOND_FACTORS_1 = """
-- Authenticators of supervisors: the secret sealed like a personal key, the newest time step of which a code was
-- used, how many steps their clock is ahead of ours.
CREATE TABLE second_factors (
    actor BLOB PRIMARY KEY, sealed BLOB NOT NULL, step INTEGER NOT NULL, drift INTEGER NOT NULL,
    confirmed INTEGER NOT NULL, made_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

LATE_1 = """
-- Totes that somebody picked into without contact although the rules would have refused it: beside `pick_lists.tote`.
CREATE TABLE pick_totes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, list BLOB NOT NULL REFERENCES pick_lists, actor BLOB NOT NULL,
    tote TEXT NOT NULL, UNIQUE (list, actor, tote)
) STRICT;
"""

SCANS_1 = """
-- Bytes of what a page read and sent with an act; those of a read that has an id are in the device journal.
ALTER TABLE scan_events ADD COLUMN raw BLOB;
-- The first `events` of which tasks, one after the other, stand under a root that a document has.
CREATE TABLE scan_roots (
    root BLOB NOT NULL, place INTEGER NOT NULL, task INTEGER NOT NULL REFERENCES tasks, events INTEGER NOT NULL,
    PRIMARY KEY (root, place)
) STRICT, WITHOUT ROWID;
-- What was scanned for a pick list, in order: a task for each act.
CREATE TABLE pick_tasks (
    task INTEGER PRIMARY KEY REFERENCES tasks, list BLOB NOT NULL REFERENCES pick_lists
) STRICT;
CREATE INDEX pick_tasks_list ON pick_tasks (list, task);
"""

ALERTS_1 = """
-- Who has seen an alert that stands: by the code and subject of the finding, with its severity as it was then.
CREATE TABLE seen_alerts (
    code TEXT NOT NULL, subject TEXT NOT NULL, severity TEXT NOT NULL, actor BLOB NOT NULL, at_ms INTEGER NOT NULL,
    note TEXT NOT NULL, PRIMARY KEY (code, subject)
) STRICT, WITHOUT ROWID;
"""

PARKED_2 = """
-- Of all the reads that were ever parked few are open.
CREATE INDEX parked_open ON parked (park) WHERE state = 'open';
"""

PAIRED_1 = """
-- At which tablet a scanner was taken last: it stays there when its owner logs out.
CREATE TABLE paired_devices (device TEXT PRIMARY KEY, tablet TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX paired_devices_tablet ON paired_devices (tablet);
"""

ISSUED_1 = """
-- What has left for which order, whoever announced it. Lists that ended before this was kept have issued all that
-- they wanted.
CREATE TABLE order_issues (
    reference TEXT NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (reference, item)
) STRICT, WITHOUT ROWID;
INSERT INTO order_issues SELECT l.reference, w.item, SUM(w.quantity)
    FROM pick_wishes w JOIN pick_lists l ON l.list = w.list WHERE l.state = 'issued' GROUP BY 1, 2;
"""

CHOSEN_1 = """
-- Which round an approver decides on in place of the newest one, and why.
CREATE TABLE count_choices (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, reason TEXT NOT NULL, actor BLOB NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (session, bin)
) STRICT, WITHOUT ROWID;
"""

BEGUN_1 = """
-- A count begins for those who move goods when it is ordered, no longer when its bin is opened.
INSERT OR IGNORE INTO count_baselines SELECT b.session, b.bin, o.height, o.place
    FROM count_bins b JOIN count_sessions s ON s.session = b.session AND s.state = 'active'
    JOIN (SELECT height, place FROM operations ORDER BY height DESC, place DESC LIMIT 1) o;
"""

HALVES_1 = """
-- Which side of a relocation is posted: 'source', 'target' or 'both'; '' while neither is.
ALTER TABLE count_relocations ADD COLUMN half TEXT NOT NULL DEFAULT '';
"""

TESTED_1 = """
-- `test`: an auditor's own count. Its bins end as tested: SQLite cannot change a CHECK, so the table is made again,
-- with those that refer to it.
ALTER TABLE count_sessions ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
DROP VIEW count_tallies;
CREATE TABLE new_bins (
    session BLOB NOT NULL REFERENCES count_sessions, bin TEXT NOT NULL, items TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('waiting', 'counting', 'closing', 'review', 'posted', 'uncounted', 'rejected', 'tested')),
    reason TEXT NOT NULL, PRIMARY KEY (session, bin)
) STRICT, WITHOUT ROWID;
INSERT INTO new_bins SELECT * FROM count_bins;
CREATE TABLE new_rounds (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, why TEXT NOT NULL, assignee BLOB,
    deadline_ms INTEGER, task INTEGER UNIQUE REFERENCES tasks, changes INTEGER, height INTEGER,
    blind INTEGER NOT NULL DEFAULT 1, sheet INTEGER,
    PRIMARY KEY (session, bin, round), FOREIGN KEY (session, bin) REFERENCES new_bins
) STRICT, WITHOUT ROWID;
INSERT INTO new_rounds SELECT * FROM count_rounds;
CREATE TABLE new_areas (
    session BLOB NOT NULL, bin TEXT NOT NULL, round INTEGER NOT NULL, area INTEGER NOT NULL, name TEXT NOT NULL,
    actor BLOB NOT NULL, task INTEGER UNIQUE REFERENCES tasks,
    state TEXT NOT NULL CHECK (state IN ('asked', 'agreed', 'declined', 'counting', 'counted', 'left')),
    PRIMARY KEY (session, bin, round, area), FOREIGN KEY (session, bin, round) REFERENCES new_rounds
) STRICT, WITHOUT ROWID;
INSERT INTO new_areas SELECT * FROM count_areas;
DROP TABLE count_areas;
DROP TABLE count_rounds;
DROP TABLE count_bins;
ALTER TABLE new_bins RENAME TO count_bins;
ALTER TABLE new_rounds RENAME TO count_rounds;
ALTER TABLE new_areas RENAME TO count_areas;
CREATE INDEX count_bins_bin ON count_bins (bin);
CREATE INDEX count_areas_actor ON count_areas (actor, bin);
CREATE VIEW count_tallies AS
    SELECT session, bin, round, 0 AS area, task FROM count_rounds WHERE task IS NOT NULL
    UNION ALL SELECT session, bin, round, area, task FROM count_areas WHERE task IS NOT NULL;
"""

SESSIONS_1 = """
-- The list of counts, newest first, with what it is searched by (`node/counting_review`).
CREATE INDEX count_sessions_opened ON count_sessions (opened_at_ms, session, state, name, test);
"""

DRAFTS_1 = """
-- What people have begun on a tablet and not sent; `op_id`: of the act that it is to become, `work`: JSON of the
-- page that it belongs to. Nothing follows from a row, and losing one loses no act.
CREATE TABLE drafts (
    actor BLOB NOT NULL, name TEXT NOT NULL, op_id BLOB NOT NULL, lines INTEGER NOT NULL, work TEXT NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (actor, name)
) STRICT;
"""

TABLETS_2 = """
-- What a tablet said of itself last, at `told_ms`: acts of all its people that wait in its outbox, whether the
-- browser promises to keep its store, its battery in per cent and whether that charges; NULL where it does not know.
-- One that never sent an act has an empty `outbox`.
ALTER TABLE tablets ADD COLUMN told_ms INTEGER;
ALTER TABLE tablets ADD COLUMN unsent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tablets ADD COLUMN kept INTEGER;
ALTER TABLE tablets ADD COLUMN battery INTEGER;
ALTER TABLE tablets ADD COLUMN charging INTEGER;
"""

RETENTION_1 = """
-- When a text was written. One from before counts from now on: nobody noted it.
ALTER TABLE erasable ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE erasable SET at_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
"""

ANNOUNCER_1 = """
-- Who of the site announced a delivery; NULL for the hub, and where nobody can tell any more.
ALTER TABLE expected ADD COLUMN announcer BLOB;
UPDATE expected SET announcer = (SELECT actor FROM acts WHERE verb = 'expect' AND answer ->> 'delivery' = delivery);
"""

PROPOSED_1 = """
-- Whether what waits for a signature had happened when it was proposed: then it is booked, or kept as an exception.
ALTER TABLE proposals ADD COLUMN happened INTEGER NOT NULL DEFAULT 0;
"""

TASKS_2 = """
-- The expected delivery that a receipt was begun for, or ''.
ALTER TABLE tasks ADD COLUMN delivery TEXT NOT NULL DEFAULT '';
"""

HANDED_2 = """
-- The page in front when the code was read, and whether it has said that the code came.
ALTER TABLE handed_codes ADD COLUMN page TEXT NOT NULL DEFAULT '';
ALTER TABLE handed_codes ADD COLUMN came INTEGER NOT NULL DEFAULT 0;
"""

DRAWN_1 = """
-- Sessions whose sample the hub is to draw: who counts it and until when, whether it stays a draft, and why it could
-- not be drawn.
CREATE TABLE count_draws (
    session BLOB PRIMARY KEY REFERENCES count_sessions, assignee BLOB, deadline_ms INTEGER, draft INTEGER NOT NULL,
    problem TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- What is drawn by chance within a session; one from before has none, and its draws stay as they were.
ALTER TABLE count_sessions ADD COLUMN secret BLOB NOT NULL DEFAULT x'';
"""

RELOCATED_LATE_1 = """
-- What had posted one of the two bins before this was decided of the other; NULL where neither was posted.
ALTER TABLE count_relocations ADD COLUMN posted BLOB;
"""

SCANS_2 = """
-- The act by which a tablet said it; NULL for what a scanner of the node read, and before this.
ALTER TABLE scan_events ADD COLUMN act BLOB;
"""
