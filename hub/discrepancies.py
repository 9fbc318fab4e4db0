"""Records that cannot all be true, and who is on it. A discrepancy is never edited: everything about it is an entry.

A discrepancy is one (kind, subject), so finding the same thing twice adds to it instead of doubling it. Entries:
opened, evidence, again, comment, owner, resolved, accepted, cleared. Its state follows from the newest deciding one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.store import Session
from ledger.errors import Rejected

TRANSFER_SHORT = "transfer short"
TRANSFER_OVER = "transfer over"
TRANSFER_LATE = "transfer late"
TRANSFER_UNMATCHED = "transfer unmatched"
TRANSFER_TWICE = "transfer id twice"
TRANSFER_ASKED = "transfer request"
COUNT_VARIANCE = "count variance over limit"
COUNT_SHORT = "count short"
UNBOOKABLE = "unbookable act"
SERIAL_ELSEWHERE = "serial elsewhere"
SERIAL_TWICE = "serial at two sites"
SITE_FORK = "site fork"
SITE_ROLLBACK = "site rollback"
CLONE = "clone suspicion"
FAILED_REEXECUTION = "failed re-execution"
SILENT_SITE = "silent site"
CONTROL_REFUSED = "control record refused"
UNANCHORED = "unanchored too long"
ANCHOR_LOST = "anchor lost"
HUB_RESTORED = "hub restored"
STRANGE_KEY = "strange key"
DOUBTFUL_SAMPLE = "doubtful sample"

KINDS = (
    TRANSFER_SHORT,
    TRANSFER_OVER,
    TRANSFER_LATE,
    TRANSFER_UNMATCHED,
    TRANSFER_TWICE,
    TRANSFER_ASKED,
    COUNT_VARIANCE,
    COUNT_SHORT,
    UNBOOKABLE,
    SERIAL_ELSEWHERE,
    SERIAL_TWICE,
    SITE_FORK,
    SITE_ROLLBACK,
    CLONE,
    FAILED_REEXECUTION,
    SILENT_SITE,
    CONTROL_REFUSED,
    UNANCHORED,
    ANCHOR_LOST,
    HUB_RESTORED,
    STRANGE_KEY,
    DOUBTFUL_SAMPLE,
)

OPEN, WORKING = "open", "working"
RESOLVED, ACCEPTED, CLEARED = "resolved", "accepted", "cleared"
ALIVE = (OPEN, WORKING)
SYSTEM = "hub"  # the author of what the hub finds by itself
TEXT_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement about a discrepancy."""

    number: int
    kind: str
    author: str
    text: str
    evidence: dict[str, Any]
    made_ms: int


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """What is known now; `age_ms` counts from its first entry."""

    id: int
    kind: str
    subject: str
    site: str
    summary: str
    state: str
    owner: str
    opened_ms: int
    changed_ms: int
    age_ms: int
    entries: tuple[Entry, ...] = ()


def report(
    session: Session,
    kind: str,
    subject: str,
    site: str,
    summary: str,
    evidence: Mapping[str, Any],
    now_ms: int,
) -> int:
    """Say that `subject` shows a discrepancy of this kind; answers its id. The same finding again changes nothing."""
    if kind not in KINDS:
        raise Rejected(f"{kind!r} is not a kind of discrepancy: expected one of {', '.join(KINDS)}")
    row = _row(session, kind, subject)
    if row is None:
        session.run(
            "INSERT INTO discrepancies(kind, subject, site, summary, state, owner, opened_ms, changed_ms)"
            " VALUES (:kind, :subject, :site, :summary, :state, '', :now, :now)",
            kind=kind,
            subject=subject,
            site=site,
            summary=summary,
            state=OPEN,
            now=now_ms,
        )
        number = int((_row(session, kind, subject) or {})["id"])
        _add(session, number, "opened", SYSTEM, summary, evidence, now_ms)
        return number
    number = int(row["id"])
    if row["state"] in ALIVE:
        if _newest_evidence(session, number) != _text(evidence):
            _add(session, number, "evidence", SYSTEM, summary, evidence, now_ms)
            _change(session, number, now_ms, summary=summary)
    elif _newest_evidence(session, number) != _text(evidence):
        # A person closed it knowing the old evidence; new evidence is a new question.
        _add(session, number, "again", SYSTEM, summary, evidence, now_ms)
        _change(session, number, now_ms, summary=summary, state=OPEN)
    return number


def clear(session: Session, kind: str, subject: str, text: str, evidence: Mapping[str, Any], now_ms: int) -> bool:
    """Say that later records explain it; False if there was nothing open."""
    row = _row(session, kind, subject)
    if row is None or row["state"] not in ALIVE:
        return False
    _add(session, int(row["id"]), "cleared", SYSTEM, text, evidence, now_ms)
    _change(session, int(row["id"]), now_ms, state=CLEARED)
    return True


def comment(session: Session, number: int, author: str, text: str, now_ms: int) -> None:
    """Add a remark."""
    _alive(session, number, any_state=True)
    _add(session, number, "comment", author, _checked(text), {}, now_ms)
    _change(session, number, now_ms)


def assign(session: Session, number: int, author: str, owner: str, now_ms: int) -> None:
    """Name who is on it."""
    _alive(session, number)
    _add(session, number, "owner", author, _checked(owner), {}, now_ms)
    _change(session, number, now_ms, owner=owner, state=WORKING)


def close(session: Session, number: int, author: str, verdict: str, text: str, now_ms: int) -> Entry:
    """Decide it by a new entry. `verdict` is resolved (something was done) or accepted (it stands as it is)."""
    if verdict not in (RESOLVED, ACCEPTED):
        raise Rejected(f"{verdict!r} is not a verdict: expected {RESOLVED} or {ACCEPTED}")
    _alive(session, number)
    evidence = json.loads(_newest_evidence(session, number) or "{}")
    entry = _add(session, number, verdict, author, _checked(text), evidence, now_ms)
    _change(session, number, now_ms, state=verdict)
    return entry


def find(session: Session, number: int, now_ms: int) -> Discrepancy:
    """One discrepancy with everything said about it; raises Rejected when there is none."""
    row = session.one("SELECT * FROM discrepancies WHERE id = :id", id=number)
    if row is None:
        raise Rejected(f"there is no discrepancy {number}")
    entries = session.all("SELECT * FROM discrepancy_entries WHERE discrepancy = :id ORDER BY number", id=number)
    return _value(row, now_ms, tuple(_entry(each) for each in entries))


def listed(
    session: Session, now_ms: int, *, everything: bool = False, limit: int = 1_000, skip: int = 0
) -> list[Discrepancy]:
    """The open ones, oldest first, or all of them."""
    rows = session.all(
        f"SELECT * FROM discrepancies{_which(everything)} ORDER BY opened_ms, id LIMIT :limit OFFSET :skip",  # noqa: S608
        limit=limit,
        skip=skip,
    )
    return [_value(row, now_ms) for row in rows]


def count(session: Session, *, everything: bool = False) -> int:
    """How many `listed` has of them."""
    return int(session.value(f"SELECT count(*) FROM discrepancies{_which(everything)}") or 0)  # noqa: S608


def _which(everything: bool) -> str:
    return "" if everything else " WHERE state IN ('open', 'working')"


def alive(session: Session, site: str, kinds: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """What is open at a site, of these kinds: [(id, kind, subject)]."""
    rows = session.all(
        "SELECT id, kind, subject FROM discrepancies WHERE site = :site AND state IN ('open', 'working') ORDER BY id",
        site=site,
    )
    return [(int(row["id"]), row["kind"], row["subject"]) for row in rows if row["kind"] in kinds]


def evidence(session: Session, number: int) -> dict[str, Any]:
    """What a discrepancy was found by, as last said."""
    found: dict[str, Any] = json.loads(_newest_evidence(session, number) or "{}")
    return found


def as_json(item: Discrepancy) -> dict[str, Any]:
    """For `--json` and the API."""
    result: dict[str, Any] = {
        name: getattr(item, name)
        for name in (
            "id",
            "kind",
            "subject",
            "site",
            "summary",
            "state",
            "owner",
            "opened_ms",
            "changed_ms",
            "age_ms",
        )
    }
    if item.entries:
        result["entries"] = [
            {name: getattr(entry, name) for name in ("number", "kind", "author", "text", "evidence", "made_ms")}
            for entry in item.entries
        ]
    return result


def _row(session: Session, kind: str, subject: str) -> dict[str, Any] | None:
    return session.one(
        "SELECT id, state FROM discrepancies WHERE kind = :kind AND subject = :subject", kind=kind, subject=subject
    )


def _alive(session: Session, number: int, *, any_state: bool = False) -> None:
    state = session.value("SELECT state FROM discrepancies WHERE id = :id", id=number)
    if state is None:
        raise Rejected(f"there is no discrepancy {number}")
    if state not in ALIVE and not any_state:
        raise Rejected(f"discrepancy {number} is {state} already; a comment can still be added")


def _add(
    session: Session, number: int, kind: str, author: str, text: str, evidence: Mapping[str, Any], now_ms: int
) -> Entry:
    place = int(
        session.value(
            "SELECT coalesce(max(number), 0) + 1 FROM discrepancy_entries WHERE discrepancy = :id", id=number
        )
    )
    session.run(
        "INSERT INTO discrepancy_entries VALUES (:id, :number, :kind, :author, :text, :evidence, :now)",
        id=number,
        number=place,
        kind=kind,
        author=author,
        text=text,
        evidence=_text(evidence),
        now=now_ms,
    )
    return Entry(place, kind, author, text, dict(evidence), now_ms)


def _change(session: Session, number: int, now_ms: int, **values: str) -> None:
    sets = "".join(f", {name} = :{name}" for name in values)
    session.run(
        f"UPDATE discrepancies SET changed_ms = :now{sets} WHERE id = :id",  # noqa: S608
        now=now_ms,
        id=number,
        **values,
    )


def _newest_evidence(session: Session, number: int) -> str:
    return str(
        session.value(
            "SELECT evidence FROM discrepancy_entries WHERE discrepancy = :id"
            " AND kind IN ('opened', 'evidence', 'again', 'cleared', 'resolved', 'accepted') ORDER BY number DESC",
            id=number,
        )
        or ""
    )


def _text(evidence: Mapping[str, Any]) -> str:
    return json.dumps(evidence, sort_keys=True, ensure_ascii=False)


def _checked(text: str) -> str:
    if not text.strip() or len(text) > TEXT_MAX:
        raise Rejected(f"say it in words: 1 to {TEXT_MAX} characters, not {len(text)}")
    return text


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(row["number"], row["kind"], row["author"], row["text"], json.loads(row["evidence"]), row["made_ms"])


def _value(row: Mapping[str, Any], now_ms: int, entries: tuple[Entry, ...] = ()) -> Discrepancy:
    return Discrepancy(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        site=row["site"],
        summary=row["summary"],
        state=row["state"],
        owner=row["owner"],
        opened_ms=row["opened_ms"],
        changed_ms=row["changed_ms"],
        age_ms=now_ms - row["opened_ms"],
        entries=entries,
    )
