"""What flows down to the sites: named streams of (key, value), each with a generation and a sequence.

A site keeps (generation, sequence) for each stream and gets what changed since. Only the newest value of a key is
kept, so that a delta is never longer than the stream. Where the hub cannot tell what changed (another generation, a
cursor ahead of it), the site gets all of it with `reset`: that is a normal answer and not an error.

The catalogue and the sites are the same for all; users, locations, transfers, policy, orders and deliveries belong to
a site; receipts, control records and decisions to one incarnation of its chain. The manifest says where every stream
of a site stands; its version never falls, and a site that knows a newer one than the hub tells it that the hub was
put back from a backup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hub.store import Session
from ledger.announced import DELIVERIES, ORDERS
from ledger.approvals import STREAM as DECISIONS
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Rejected
from ledger.ids import Origin
from sync.messages import Delta, Manifest

CATALOGUE = "catalogue"
POLICY = "policy"
USERS = "users"
LOCATIONS = "locations"
TRANSFERS = "transfers"
RECEIPTS = "receipts"
CONTROL = "control"
SITES = "sites"

SHARED = frozenset({CATALOGUE, SITES})
OF_SITE = frozenset({USERS, LOCATIONS, TRANSFERS, POLICY, DELIVERIES, ORDERS})
OF_ORIGIN = frozenset({RECEIPTS, CONTROL, DECISIONS})
# What changes rules and what a person waits for goes first; the catalogue can be long.
ORDER = (CONTROL, SITES, DECISIONS, TRANSFERS, USERS, LOCATIONS, POLICY, ORDERS, DELIVERIES, RECEIPTS, CATALOGUE)

VALUE_BYTES_MAX = 32 * 1024
# A step must fit one frame even if nothing in it can be deflated.
DELTA_BYTES = 56 * 1024
ROW_OVERHEAD_BYTES = 16
ROWS_AT_ONCE = 500
VERSION_MAX = 2**62
MANIFEST_LASTS_MS = 30 * 24 * 3600 * 1000
_MANIFEST = "manifest"
_FIRST_GENERATION = 1

_UPSERT = (
    "INSERT INTO stream_entries(stream, site, key, sequence, value) VALUES (:stream, :site, :key, :sequence, :value)"
    " ON CONFLICT(stream, site, key) DO UPDATE SET sequence = excluded.sequence, value = excluded.value"
)

_PAGE = (
    "SELECT key, sequence, value FROM stream_entries WHERE stream = :stream AND site = :site AND sequence > :last"
    " ORDER BY sequence LIMIT :most"
)
_PAGE_ALIVE = (
    "SELECT key, sequence, value FROM stream_entries WHERE stream = :stream AND site = :site AND sequence > :last"
    " AND value IS NOT NULL ORDER BY sequence LIMIT :most"
)


def scope(stream: str, origin: Origin) -> str:
    """Whose copy of `stream` the site chain `origin` reads: the `scope` that `put` wants."""
    if stream in SHARED:
        return ""
    if stream in OF_SITE:
        return origin.site
    if stream in OF_ORIGIN:
        return str(origin)
    raise Rejected(f"{stream!r} is not a stream: expected one of {', '.join(ORDER)}")


def put(session: Session, stream: str, scope: str, key: str, value: Any) -> None:
    """Say that `key` now has `value` (anything CBOR but null). The same value again changes nothing."""
    put_many(session, stream, scope, [(key, value)])


def put_many(session: Session, stream: str, scope: str, pairs: Iterable[tuple[str, Any]]) -> int:
    """`put` for many keys; answers how many really changed."""
    wanted = {key: _encoded(stream, key, value) for key, value in pairs}
    known = _known(session, stream, scope, wanted)
    changed = [(key, raw) for key, raw in wanted.items() if known.get(key) != raw]
    if changed:
        sequence = _advance(session, stream, scope, len(changed)) - len(changed)
        rows = [
            {"stream": stream, "site": scope, "key": key, "sequence": sequence + place, "value": raw}
            for place, (key, raw) in enumerate(changed, 1)
        ]
        session.many(_UPSERT, rows)
    return len(changed)


def remove(session: Session, stream: str, scope: str, key: str) -> bool:
    """Say that `key` is gone; False if it was not there."""
    if get(session, stream, scope, key) is None:
        return False
    sequence = _advance(session, stream, scope, 1)
    session.run(_UPSERT, stream=stream, site=scope, key=key, sequence=sequence, value=None)
    return True


def get(session: Session, stream: str, scope: str, key: str) -> Any | None:
    """The value of `key`, or None."""
    raw = session.value(
        "SELECT value FROM stream_entries WHERE stream = :stream AND site = :site AND key = :key",
        stream=stream,
        site=scope,
        key=key,
    )
    return None if raw is None else cbor_decode(bytes(raw))


def entries(session: Session, stream: str) -> Iterator[tuple[str, str, Any]]:
    """Everything in a stream: (scope, key, value), in their order."""
    rows = session.all(
        "SELECT site, key, value FROM stream_entries WHERE stream = :stream AND value IS NOT NULL ORDER BY site, key",
        stream=stream,
    )
    for row in rows:
        yield str(row["site"]), str(row["key"]), cbor_decode(bytes(row["value"]))


def restart(session: Session, stream: str, scope: str) -> None:
    """Forget the stream and begin a new generation: every reader drops what it has."""
    generation, _ = _state(session, stream, scope)
    session.run("DELETE FROM stream_entries WHERE stream = :stream AND site = :site", stream=stream, site=scope)
    session.run("DELETE FROM streams WHERE stream = :stream AND site = :site", stream=stream, site=scope)
    session.run(
        "INSERT INTO streams VALUES (:stream, :site, :generation, 0)",
        stream=stream,
        site=scope,
        generation=max(generation, _FIRST_GENERATION) + 1,
    )


def deltas(
    session: Session, origin: Origin, cursors: Mapping[str, tuple[int, int]], *, afresh: bool = False
) -> Iterator[Delta]:
    """The steps that bring a site from its `cursors` up to date, in the order of `ORDER`; taken as far as wanted.

    `afresh`: the site knows things that this database has forgotten, so every stream starts again for it.
    """
    for stream in ORDER:
        yield from _steps(session, stream, scope(stream, origin), cursors.get(stream, (0, 0)), afresh)


def manifest(session: Session, origin: Origin, known: int, now_ms: int) -> Manifest:
    """The current manifest of a site that knows version `known`. Writes only when something changed."""
    streams = {stream: _state(session, stream, scope(stream, origin)) for stream in ORDER}
    content = cbor_encode({stream: list(cursor) for stream, cursor in streams.items() if cursor != (0, 0)})
    row = session.one(
        "SELECT s.generation AS version, e.sequence AS expires_ms, e.value AS content"
        " FROM streams s JOIN stream_entries e ON e.stream = s.stream AND e.site = s.site AND e.key = ''"
        " WHERE s.stream = :stream AND s.site = :site",
        stream=_MANIFEST,
        site=str(origin),
    )
    version, expires_ms = (0, 0) if row is None else (int(row["version"]), int(row["expires_ms"]))
    fresh = row is not None and bytes(row["content"]) == content and version >= known
    if not fresh or expires_ms < now_ms + MANIFEST_LASTS_MS // 2:
        version, expires_ms = min(max(version, known) + 1, VERSION_MAX), now_ms + MANIFEST_LASTS_MS
        session.run(
            "INSERT INTO streams VALUES (:stream, :site, :version, 0)"
            " ON CONFLICT(stream, site) DO UPDATE SET generation = excluded.generation",
            stream=_MANIFEST,
            site=str(origin),
            version=version,
        )
        session.run(_UPSERT, stream=_MANIFEST, site=str(origin), key="", sequence=expires_ms, value=content)
    return Manifest(version, expires_ms, {stream: cursor for stream, cursor in streams.items() if cursor != (0, 0)})


def known_manifest(session: Session, origin: Origin) -> int:
    """The newest manifest version this database remembers for a site; 0 for none."""
    return _state(session, _MANIFEST, str(origin))[0]


def _steps(session: Session, stream: str, site: str, cursor: tuple[int, int], afresh: bool) -> Iterator[Delta]:
    generation, sequence = _state(session, stream, site)
    reset = cursor != (0, 0) and (afresh or cursor[0] != generation or cursor[1] > sequence)
    at = 0 if reset or cursor == (0, 0) else cursor[1]
    if at == sequence and not reset:
        return
    # A reader who starts at nothing needs no word about keys that are gone.
    page = _PAGE_ALIVE if at == 0 else _PAGE
    pending: list[tuple[str, Any]] = []
    start = last = at
    size = 0
    while True:
        rows = session.all(page, stream=stream, site=site, last=last, most=ROWS_AT_ONCE)
        for row in rows:
            raw = None if row["value"] is None else bytes(row["value"])
            if pending and size + len(raw or b"") > DELTA_BYTES:
                yield Delta(stream, generation, start, last, reset, tuple(pending))
                pending, start, size, reset = [], last, 0, False
            pending.append((row["key"], None if raw is None else cbor_decode(raw)))
            last, size = int(row["sequence"]), size + len(row["key"]) + len(raw or b"") + ROW_OVERHEAD_BYTES
        if len(rows) < ROWS_AT_ONCE:
            break
    # The newest change may be a key that is gone again: the step leads to the end of the stream all the same.
    yield Delta(stream, generation, start, sequence, reset, tuple(pending))


def _state(session: Session, stream: str, site: str) -> tuple[int, int]:
    row = session.one(
        "SELECT generation, sequence FROM streams WHERE stream = :stream AND site = :site", stream=stream, site=site
    )
    return (0, 0) if row is None else (int(row["generation"]), int(row["sequence"]))


def _advance(session: Session, stream: str, site: str, count: int) -> int:
    """Take the next `count` sequence numbers; answers the last of them."""
    generation, sequence = _state(session, stream, site)
    session.run(
        "INSERT INTO streams VALUES (:stream, :site, :generation, :sequence)"
        " ON CONFLICT(stream, site) DO UPDATE SET sequence = excluded.sequence",
        stream=stream,
        site=site,
        generation=generation or _FIRST_GENERATION,
        sequence=sequence + count,
    )
    return sequence + count


def _known(session: Session, stream: str, site: str, wanted: Mapping[str, bytes]) -> dict[str, bytes]:
    sql = "SELECT key, value FROM stream_entries WHERE stream = :stream AND site = :site AND value IS NOT NULL"
    if len(wanted) > ROWS_AT_ONCE:
        return {row["key"]: bytes(row["value"]) for row in session.all(sql, stream=stream, site=site)}
    found = {}
    for key in wanted:
        row = session.one(sql + " AND key = :key", stream=stream, site=site, key=key)
        if row is not None:
            found[key] = bytes(row["value"])
    return found


def _encoded(stream: str, key: str, value: Any) -> bytes:
    raw = cbor_encode(value)
    if value is None or not 0 < len(key) <= 128 or len(raw) > VALUE_BYTES_MAX:
        raise Rejected(
            f"{stream} {key[:80]!r}: a value is not null and has at most {VALUE_BYTES_MAX} bytes, a key 1 to 128 "
            "characters"
        )
    return raw
