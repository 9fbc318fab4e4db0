"""The fleet: which sites are silent, behind or ill, and how far each has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import discrepancies
from hub.config import SyncConfig
from hub.store import Session
from ledger.codec import cbor_decode
from ledger.wording import counted

WELL, ILL, BEHIND, SILENT, QUARANTINED, STOPPED, NEW = (
    "well",
    "ill",
    "behind",
    "silent",
    "quarantined",
    "stopped",
    "new",
)
ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class SiteView:
    """One chain as the console shows it. Sizes count blocks; `heard_age_ms` is None before the first call."""

    origin: str
    site: str
    state: str
    reason: str
    size: int
    head: str
    head_s: int
    cosigned: int
    verified: int
    logged: int
    anchored: int
    heard_age_ms: int | None
    backlog: int
    findings: tuple[dict[str, Any], ...]
    health: dict[str, Any]
    health_age_ms: int | None


def sites(session: Session, rules: SyncConfig, now_ms: int) -> list[SiteView]:
    """Every chain, by name."""
    rows = session.all(
        "SELECT o.*, s.silent_after_ms FROM origins o JOIN sites s ON s.site = o.site ORDER BY o.site, o.incarnation"
    )
    return [_view(session, row, rules, now_ms) for row in rows]


def judge_silence(session: Session, now_ms: int) -> None:
    """Report chains that have not called for longer than their site allows, and take back what is over."""
    for row in session.all(
        "SELECT o.origin, o.site, o.heard_ms, s.silent_after_ms FROM origins o JOIN sites s ON s.site = o.site"
        " WHERE o.state = :active AND o.heard_ms > 0",
        active=ACTIVE,
    ):
        if _silent(row, now_ms):
            discrepancies.report(
                session,
                discrepancies.SILENT_SITE,
                row["origin"],
                row["site"],
                f"{row['site']} has not called for longer than agreed",
                {"heard_ms": row["heard_ms"], "silent_after_ms": row["silent_after_ms"]},
                now_ms,
            )
        else:
            discrepancies.clear(session, discrepancies.SILENT_SITE, row["origin"], "it called again", {}, now_ms)


def as_json(view: SiteView) -> dict[str, Any]:
    """For `--json` and the API."""
    values = {name: getattr(view, name) for name in SiteView.__slots__}
    return {**values, "findings": list(view.findings)}


def _view(session: Session, row: Mapping[str, Any], rules: SyncConfig, now_ms: int) -> SiteView:
    newest = session.one(
        "SELECT body, received_ms FROM health WHERE origin = :origin ORDER BY received_ms DESC", origin=row["origin"]
    )
    health = cbor_decode(bytes(newest["body"])) if newest else {}
    found = health.get("findings") if isinstance(health, dict) else None
    findings = tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()
    backlog = row["size"] - row["projected_size"]
    state, reason = _state(row, findings, backlog, rules, now_ms)
    return SiteView(
        origin=row["origin"],
        site=row["site"],
        state=state,
        reason=reason,
        size=row["size"],
        head=bytes(row["head_hash"]).hex() if row["head_hash"] is not None else "",
        head_s=row["head_s"],
        cosigned=row["cosigned_size"],
        verified=row["verified_size"],
        logged=row["logged_size"],
        anchored=row["anchored_size"],
        heard_age_ms=now_ms - row["heard_ms"] if row["heard_ms"] else None,
        backlog=backlog,
        findings=findings,
        health=health if isinstance(health, dict) else {},
        health_age_ms=now_ms - newest["received_ms"] if newest else None,
    )


def _state(
    row: Mapping[str, Any], findings: tuple[dict[str, Any], ...], backlog: int, rules: SyncConfig, now_ms: int
) -> tuple[str, str]:
    """The worst thing that can be said about a chain, and why."""
    if row["state"] != ACTIVE:
        return STOPPED, f"{row['state']}: {row['state_reason']}"
    if row["quarantine"]:
        return QUARANTINED, row["quarantine"]
    if not row["heard_ms"]:
        return NEW, "enrolled, and has not called yet"
    if _silent(row, now_ms):
        return SILENT, f"not heard for {counted((now_ms - row['heard_ms']) // 60_000, 'minute')}"
    first = next((each for each in findings if each.get("severity") != "info"), None)
    if first is not None:
        return ILL, str(first.get("words") or first.get("code") or "it reports a problem")
    if backlog > rules.behind_blocks_max:
        return BEHIND, f"{counted(backlog, 'block')} to be verified"
    return WELL, ""


def _silent(row: Mapping[str, Any], now_ms: int) -> bool:
    return bool(now_ms - row["heard_ms"] > row["silent_after_ms"])
