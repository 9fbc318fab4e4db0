"""The hub's tables, as ordered steps. Step n takes a database from version n to n + 1, each in one transaction.

One text serves SQLite and PostgreSQL: `{bytes}`, `{int}` and `{id}` are the dialect's words for a byte string, a
64-bit integer and a primary key that counts up by itself, `{end}` closes a table. A step that has been released is
never edited: changes are new steps at the end. Times are milliseconds since 1970 unless the name ends otherwise.

A table is one of three kinds. *Evidence* (blocks, checkpoints, the log, anchors, controls) is never rewritten.
*Derived* (`DERIVED`) follows from the blocks by one command. The rest is what people and sites told us.

A site chooses its op_ids itself. So a key with an op_id in it also says whose: no site can take another's place.
"""

from __future__ import annotations

DERIVED = (
    "stock",
    "serials",
    "reservations",
    "units",
    "operations",
    "movements",
    "counts",
    "count_lines",
    "transfers",
    "transfer_lines",
    "transfer_arrivals",
    "binds",
    "parts",
    "announced_acts",
)

CORE = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL){end}

CREATE TABLE sites(
    site TEXT PRIMARY KEY, title TEXT NOT NULL, added_ms {int} NOT NULL, silent_after_ms {int} NOT NULL
){end}

CREATE TABLE origins(
    origin TEXT PRIMARY KEY, site TEXT NOT NULL, incarnation {int} NOT NULL, chain_id {int} NOT NULL,
    state TEXT NOT NULL, state_reason TEXT NOT NULL DEFAULT '', version {int} NOT NULL DEFAULT 0,
    size {int} NOT NULL DEFAULT 0, head_hash {bytes}, head_s {int} NOT NULL DEFAULT 0, head {bytes},
    contracts {bytes},
    cosigned_size {int} NOT NULL DEFAULT 0, cosigned_root {bytes},
    verified_size {int} NOT NULL DEFAULT 0, projected_size {int} NOT NULL DEFAULT 0,
    logged_size {int} NOT NULL DEFAULT 0, anchored_size {int} NOT NULL DEFAULT 0,
    quarantine TEXT NOT NULL DEFAULT '', quarantined_height {int},
    lease_prev {bytes}, heard_ms {int} NOT NULL DEFAULT 0, enrolled_ms {int} NOT NULL,
    UNIQUE(site, incarnation)
){end}

CREATE TABLE leases(
    origin TEXT NOT NULL, lease {bytes} NOT NULL, issued_ms {int} NOT NULL, PRIMARY KEY(origin, lease)
){end}

CREATE TABLE replies(
    origin TEXT NOT NULL, request {bytes} NOT NULL, reply {bytes} NOT NULL, made_ms {int} NOT NULL,
    PRIMARY KEY(origin, request)
){end}

CREATE TABLE blocks(
    origin TEXT NOT NULL, height {int} NOT NULL, hash {bytes} NOT NULL, body {bytes} NOT NULL,
    received_ms {int} NOT NULL, PRIMARY KEY(origin, height)
){end}

CREATE TABLE evidence(
    id {id}, origin TEXT NOT NULL, height {int} NOT NULL, hash {bytes} NOT NULL, kind TEXT NOT NULL,
    body {bytes} NOT NULL, reason TEXT NOT NULL, received_ms {int} NOT NULL, UNIQUE(origin, kind, hash)
){end}

CREATE TABLE checkpoints(
    origin TEXT NOT NULL, size {int} NOT NULL, root {bytes} NOT NULL, note {bytes} NOT NULL,
    cosignature {bytes} NOT NULL, received_ms {int} NOT NULL, PRIMARY KEY(origin, size)
){end}

CREATE TABLE enrolments(
    code_hash {bytes} PRIMARY KEY, site TEXT NOT NULL, incarnation {int} NOT NULL, made_ms {int} NOT NULL,
    expires_ms {int} NOT NULL, used_ms {int}, origin TEXT NOT NULL DEFAULT '', answer {bytes}
){end}

CREATE TABLE nodes(
    origin TEXT NOT NULL, key_number {int} NOT NULL, block_key {bytes} NOT NULL, address {bytes} NOT NULL,
    certificate {bytes} NOT NULL, fingerprint TEXT NOT NULL DEFAULT '', first_height {int} NOT NULL DEFAULT 0,
    trusted_size {int}, added_ms {int} NOT NULL, PRIMARY KEY(origin, key_number)
){end}

CREATE TABLE health(
    origin TEXT NOT NULL, received_ms {int} NOT NULL, body {bytes} NOT NULL, PRIMARY KEY(origin, received_ms)
){end}

CREATE TABLE advice(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, kind TEXT NOT NULL, body {bytes} NOT NULL,
    received_ms {int} NOT NULL, PRIMARY KEY(origin, op_id, kind)
){end}

CREATE TABLE streams(
    stream TEXT NOT NULL, site TEXT NOT NULL, generation {int} NOT NULL, sequence {int} NOT NULL,
    PRIMARY KEY(stream, site)
){end}

CREATE TABLE stream_entries(
    stream TEXT NOT NULL, site TEXT NOT NULL, key TEXT NOT NULL, sequence {int} NOT NULL, value {bytes},
    PRIMARY KEY(stream, site, key)
){end}
CREATE UNIQUE INDEX stream_order ON stream_entries(stream, site, sequence);
"""

LOG = """
CREATE TABLE log(
    position {int} PRIMARY KEY, origin TEXT NOT NULL, size {int} NOT NULL, leaf_hash {bytes} NOT NULL,
    logged_ms {int} NOT NULL, UNIQUE(origin, size)
){end}

CREATE TABLE log_nodes(
    level {int} NOT NULL, place {int} NOT NULL, hash {bytes} NOT NULL, PRIMARY KEY(level, place)
){end}

CREATE TABLE log_heads(
    size {int} PRIMARY KEY, root {bytes} NOT NULL, note {bytes} NOT NULL, signed_ms {int} NOT NULL
){end}

CREATE TABLE anchors(
    sequence {int} PRIMARY KEY, size {int} NOT NULL, root {bytes} NOT NULL, prev_size {int} NOT NULL,
    prev_root {bytes} NOT NULL, manifest {bytes} NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    nonce {int}, raw {bytes}, tx_hash {bytes}, sent_ms {int}, attempts {int} NOT NULL DEFAULT 0,
    chain_id {int} NOT NULL, contract {bytes} NOT NULL, block_number {int}, block_hash {bytes}, log_index {int},
    made_ms {int} NOT NULL, final_ms {int}
){end}

CREATE TABLE receipts(
    origin TEXT NOT NULL, size {int} NOT NULL, hub_size {int} NOT NULL, anchored {int} NOT NULL,
    PRIMARY KEY(origin, size)
){end}
CREATE INDEX receipts_anchored ON receipts(anchored);

CREATE TABLE controls(
    origin TEXT NOT NULL, sequence {int} NOT NULL, kind {int} NOT NULL, subject TEXT NOT NULL,
    record {bytes} NOT NULL, signature {bytes} NOT NULL, state TEXT NOT NULL, made_ms {int} NOT NULL,
    answered_height {int}, PRIMARY KEY(origin, sequence)
){end}

CREATE TABLE control_cursors(
    origin TEXT NOT NULL, subject TEXT NOT NULL, revision {int} NOT NULL, PRIMARY KEY(origin, subject)
){end}
"""

MASTER = """
CREATE TABLE items(
    sku TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, name TEXT NOT NULL, unit TEXT NOT NULL,
    decimals {int} NOT NULL, tracking {int} NOT NULL, cost_minor {int}, currency TEXT NOT NULL DEFAULT '',
    first_revision {int} NOT NULL, chain_revision {int} NOT NULL, changed_ms {int} NOT NULL
){end}
CREATE UNIQUE INDEX items_chain ON items(chain_revision);

CREATE TABLE item_codes(gtin TEXT PRIMARY KEY, sku TEXT NOT NULL, pack_qty {int} NOT NULL){end}
CREATE INDEX item_codes_sku ON item_codes(sku);

CREATE TABLE locations(
    site TEXT NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, kind {int} NOT NULL, parent TEXT NOT NULL,
    first_revision {int} NOT NULL, chain_revision {int} NOT NULL, changed_ms {int} NOT NULL, PRIMARY KEY(site, code)
){end}
CREATE UNIQUE INDEX locations_chain ON locations(chain_revision);

CREATE TABLE people(
    actor TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, name TEXT NOT NULL, added_ms {int} NOT NULL
){end}

CREATE TABLE grants(
    actor TEXT NOT NULL, site TEXT NOT NULL, roles {int} NOT NULL, activation {bytes} NOT NULL,
    valid_from_s {int} NOT NULL, valid_until_s {int} NOT NULL, revoked {int} NOT NULL,
    chain_revision {int} NOT NULL, changed_ms {int} NOT NULL, PRIMARY KEY(actor, site)
){end}
CREATE UNIQUE INDEX grants_chain ON grants(chain_revision);

CREATE TABLE accounts(
    login TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL, roles TEXT NOT NULL,
    added_ms {int} NOT NULL, closed_ms {int}
){end}
"""

PICTURE = """
CREATE TABLE stock(
    site TEXT NOT NULL, location TEXT NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, status {int} NOT NULL,
    quantity {int} NOT NULL, PRIMARY KEY(site, location, item, lot, status)
){end}
CREATE INDEX stock_item ON stock(item, site);

CREATE TABLE serials(
    site TEXT NOT NULL, item TEXT NOT NULL, serial TEXT NOT NULL, location TEXT NOT NULL,
    origin TEXT NOT NULL, height {int} NOT NULL, op_id TEXT NOT NULL, PRIMARY KEY(item, serial, site)
){end}

CREATE TABLE reservations(
    site TEXT NOT NULL, reservation TEXT NOT NULL, location TEXT NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL,
    status {int} NOT NULL, quantity {int} NOT NULL, rest {int} NOT NULL,
    PRIMARY KEY(site, reservation, location, item, lot, status)
){end}

CREATE TABLE units(
    site TEXT NOT NULL, unit TEXT NOT NULL, parent TEXT NOT NULL, origin TEXT NOT NULL, height {int} NOT NULL,
    PRIMARY KEY(site, unit)
){end}

CREATE TABLE operations(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, site TEXT NOT NULL, height {int} NOT NULL, tx_index {int} NOT NULL,
    call TEXT NOT NULL, actor TEXT NOT NULL, document TEXT NOT NULL, at_s {int} NOT NULL,
    PRIMARY KEY(origin, op_id)
){end}
CREATE INDEX operations_height ON operations(origin, height);
CREATE INDEX operations_op ON operations(op_id);

CREATE TABLE movements(
    origin TEXT NOT NULL, height {int} NOT NULL, tx_index {int} NOT NULL, log_index {int} NOT NULL,
    op_id TEXT NOT NULL, line {int} NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL,
    status {int} NOT NULL, quantity {int} NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY(origin, height, tx_index, log_index)
){end}
CREATE INDEX movements_item ON movements(item, origin, height);

CREATE TABLE counts(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, site TEXT NOT NULL, session TEXT NOT NULL, bin TEXT NOT NULL,
    round {int} NOT NULL, counter TEXT NOT NULL, stable {int} NOT NULL, whole {int} NOT NULL,
    height {int} NOT NULL, at_s {int} NOT NULL, PRIMARY KEY(origin, op_id)
){end}
CREATE INDEX counts_bin ON counts(site, bin);

CREATE TABLE count_lines(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, line {int} NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL,
    serial TEXT NOT NULL, status {int} NOT NULL, counted {int} NOT NULL, expected {int} NOT NULL,
    posted_by TEXT NOT NULL, PRIMARY KEY(origin, op_id, line)
){end}

CREATE TABLE transfers(
    transfer TEXT NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL, document TEXT NOT NULL,
    dispatched_s {int}, dispatch_origin TEXT NOT NULL, dispatch_height {int}, PRIMARY KEY(transfer, sender)
){end}

CREATE TABLE transfer_lines(
    transfer TEXT NOT NULL, sender TEXT NOT NULL, line {int} NOT NULL, item TEXT NOT NULL, lot TEXT NOT NULL,
    serial TEXT NOT NULL, status {int} NOT NULL, quantity {int} NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY(transfer, sender, line)
){end}

CREATE TABLE transfer_arrivals(
    transfer TEXT NOT NULL, sender TEXT NOT NULL, origin TEXT NOT NULL, op_id TEXT NOT NULL, line {int} NOT NULL,
    entry {int} NOT NULL, site TEXT NOT NULL, at_s {int} NOT NULL,
    item TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, status {int} NOT NULL,
    quantity {int} NOT NULL, missing {int} NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY(transfer, sender, origin, op_id, line)
){end}

CREATE TABLE binds(
    origin TEXT NOT NULL, height {int} NOT NULL, tx_index {int} NOT NULL, actor TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY(origin, height, tx_index)
){end}

CREATE TABLE discrepancies(
    id {id}, kind TEXT NOT NULL, subject TEXT NOT NULL, site TEXT NOT NULL, summary TEXT NOT NULL,
    state TEXT NOT NULL, owner TEXT NOT NULL, opened_ms {int} NOT NULL, changed_ms {int} NOT NULL,
    UNIQUE(kind, subject)
){end}

CREATE TABLE discrepancy_entries(
    discrepancy {int} NOT NULL, number {int} NOT NULL, kind TEXT NOT NULL, author TEXT NOT NULL,
    text TEXT NOT NULL, evidence TEXT NOT NULL, made_ms {int} NOT NULL, PRIMARY KEY(discrepancy, number)
){end}
"""

# What a later incarnation goes on from: CBOR [origin, height, hash, state root]; `contracts` were in force there.
CONTINUED = """
ALTER TABLE origins ADD COLUMN continued {bytes};
"""

# Documents in parts: which operations stated and booked each part of which act. `booked` is '' while it waits.
PARTS = """
CREATE TABLE parts(
    origin TEXT NOT NULL, site TEXT NOT NULL, whole TEXT NOT NULL, number {int} NOT NULL, count {int} NOT NULL,
    op_id TEXT NOT NULL, booked TEXT NOT NULL, PRIMARY KEY(origin, whole, number)
){end}
CREATE INDEX parts_whole ON parts(whole);
"""

# What the hub decides about work at the sites, `site` '' for all of them (CBOR); ABC class, catch weight and absurd
# quantities of items.
POLICIES = """
CREATE TABLE policies(
    site TEXT NOT NULL, name TEXT NOT NULL, value {bytes} NOT NULL, changed_ms {int} NOT NULL, PRIMARY KEY(site, name)
){end}
ALTER TABLE items ADD COLUMN abc TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN by_weight {int} NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN quantity_asked {int};
"""

# People of the hub who may approve at a site, with all keys they had for it (the last one holds), each sealed by the
# password of its time, and what they decided there.
APPROVALS = """
CREATE TABLE approvers(
    site TEXT NOT NULL, login TEXT NOT NULL, number {int} NOT NULL, actor TEXT NOT NULL, address {bytes} NOT NULL,
    sealed {bytes} NOT NULL, made_ms {int} NOT NULL, PRIMARY KEY(site, login, number)
){end}

CREATE TABLE decisions(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, number {int} NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
    author TEXT NOT NULL, made_ms {int} NOT NULL, PRIMARY KEY(origin, op_id, number)
){end}
"""

# Operations whose document names a delivery or order (`kind`) by its number.
ANNOUNCED = """
CREATE TABLE announced_acts(
    origin TEXT NOT NULL, op_id TEXT NOT NULL, site TEXT NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL,
    PRIMARY KEY(origin, op_id, kind)
){end}
CREATE INDEX announced_acts_number ON announced_acts(site, kind, number);
CREATE INDEX movements_op ON movements(origin, op_id);
"""

# The handling unit in which a line travels, '' where it is loose: what the dispatch's document says.
IN_UNITS = """
ALTER TABLE transfer_lines ADD COLUMN unit TEXT NOT NULL DEFAULT '';
"""

# What a person ruled of a transfer (`hub.settling`), as of now. `site`: the receiver of one that was diverted.
RULINGS = """
CREATE TABLE rulings(
    transfer TEXT NOT NULL, sender TEXT NOT NULL, kind TEXT NOT NULL, site TEXT NOT NULL, made_ms {int} NOT NULL,
    PRIMARY KEY(transfer, sender)
){end}
"""

# What barcodes meant before: `pack_qty` base units of `sku` until then.
PACKS = """
CREATE TABLE earlier_codes(
    gtin TEXT NOT NULL, until_ms {int} NOT NULL, sku TEXT NOT NULL, pack_qty {int} NOT NULL,
    PRIMARY KEY(gtin, until_ms)
){end}
CREATE INDEX earlier_codes_sku ON earlier_codes(sku);
"""

# How much of what is missing of an accepted line the carrier took back: what the acceptance's document says.
WENT_BACK = """
ALTER TABLE transfer_arrivals ADD COLUMN returned {int} NOT NULL DEFAULT 0;
"""

# What a sample is drawn from, until it is drawn: CBOR [[bin, [item]]], as its rule gave them when it was sealed.
# `drawn`: the operation that will say the bins. Not derived: what is left of it depends on what was judged since.
POPULATIONS = """
CREATE TABLE populations(
    site TEXT NOT NULL, drawn TEXT NOT NULL, bins {bytes} NOT NULL, PRIMARY KEY(site, drawn)
){end}
"""

STEPS: tuple[str, ...] = (
    CORE,
    LOG,
    MASTER,
    PICTURE,
    CONTINUED,
    PARTS,
    POLICIES,
    APPROVALS,
    ANNOUNCED,
    IN_UNITS,
    RULINGS,
    PACKS,
    WENT_BACK,
    POPULATIONS,
)
