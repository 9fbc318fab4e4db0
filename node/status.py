"""What `tallyman node status` says: where the site stands, read from its files without touching anything."""

from __future__ import annotations

from typing import Any

from ledger import db, lock
from ledger.chain import Head
from ledger.errors import Corrupt
from ledger.wording import counted
from node import health, identity, journal, mark, store
from node.config import NodeConfig
from node.sealing import judge_mark, read_head

STALE_MS = 5 * 60_000
AGES = ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "seconds"))


def read(config: NodeConfig, now_ms: int) -> dict[str, Any]:
    """Everything as JSON values. A node that is not enrolled yet has a status too."""
    connection = store.open_reader(config.folder)
    try:
        known = identity.recall(connection)
        result: dict[str, Any] = {
            "site": config.site,
            "running": lock.is_held(config.folder),
            "enrolled": known is not None,
            "database": db.library(),
            "unreachable": config.hub.unreachable(store.hub_url(connection)),
        }
        if known is None:
            return result
        found = {**result, **_chain(connection, known, now_ms), **_health(connection, config, now_ms)}
        if not result["running"] and not found["stopped"]:
            found["stopped"] = _mark_problem(config, known, read_head(connection, known.chain))
        return found
    finally:
        connection.close()


def _chain(connection: db.Connection, known: identity.NodeIdentity, now_ms: int) -> dict[str, Any]:
    head = read_head(connection, known.chain)
    unsealed, oldest_ms = journal.backlog(connection)
    sizes = {
        "delivered": "SELECT max(size) FROM cosignatures",
        "verified": "SELECT max(size) FROM proofs",
        "anchored": "SELECT max(size) FROM proofs WHERE anchored",
    }
    counted = {name: int(connection.execute(query).fetchone()[0] or 0) for name, query in sizes.items()}
    return {
        "origin": str(known.origin),
        "height": -1 if head is None else head.height,
        "head": "" if head is None else head.hash.hex(),
        "sealed": 0 if head is None else head.log.size,
        **counted,
        "unsealed": unsealed,
        "missing": int(connection.execute("SELECT count(*) FROM replays").fetchone()[0]),
        "claims": int(connection.execute("SELECT count(*) FROM claims").fetchone()[0]),
        "unsealed_age_ms": None if oldest_ms is None else max(0, now_ms - oldest_ms),
        "stopped": store.fact(connection, store.FACT_STOPPED) or "",
    }


def _mark_problem(config: NodeConfig, known: identity.NodeIdentity, head: Head | None) -> str:
    """Why the next start will not sign, if it will not. A running node knows it itself."""
    if head is None:
        return ""
    try:
        judge_mark(head, mark.read(config.path(mark.file_of(known.files))))
    except Corrupt as error:
        return str(error)
    return ""


def _health(connection: db.Connection, config: NodeConfig, now_ms: int) -> dict[str, Any]:
    report = health.latest(connection, config)
    if report is None:
        return {}
    told, known = report.as_dict(), health.seen(connection)
    for finding in told["findings"]:
        finding["seen"] = known.get((finding["code"], finding["subject"]))
    return {"health": {**told, "age_ms": max(0, now_ms - report.sample.taken_at_ms)}}


def show(result: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"{result['site']} is {'running' if result['running'] else 'not running'}"]
    if not result["enrolled"]:
        return lines[0] + ", and not enrolled yet: get a code at the hub and run `tallyman node enrol CODE`"
    lines.append(f"{result['origin']} stands at block {result['height']} {result['head'][:16]}")
    lines.append(
        f"blocks: {result['sealed']} sealed, {result['delivered']} delivered, {result['verified']} verified, "
        f"{result['anchored']} anchored"
    )
    waiting = f"{counted(result['unsealed'], 'operation')} to be sealed"
    if result["unsealed_age_ms"] is not None:
        waiting += f", the oldest since {_duration(result['unsealed_age_ms'])}"
    lines.append(waiting)
    if result["missing"]:
        lines.append(
            f"{counted(result['missing'], 'operation')} of an earlier incarnation still to be recorded again"
        )
    if result["claims"]:
        lines.append(f"{counted(result['claims'], 'claim')}: acknowledged before, refused since, told to the hub")
    if result["stopped"]:
        lines.append(f"SIGNING HAS STOPPED: {result['stopped']}")
    if result["unreachable"]:
        lines.append(result["unreachable"])
    found = result.get("health", {})
    if found and found["age_ms"] > STALE_MS:
        lines.append(f"what follows was so {_duration(found['age_ms'])} ago:")
    for finding in found.get("findings", ()):
        lines.append(f"{finding['severity']}: {finding['words']}\n  {finding['action']}")
        if finding["seen"]:
            lines.append(f"  seen by {finding['seen']['name']}")
    lines.append(result["database"])
    return "\n".join(lines)


def _duration(duration_ms: int) -> str:
    for length_ms, unit in AGES:
        if duration_ms >= 2 * length_ms:
            return f"{duration_ms // length_ms} {unit}"
    return f"{duration_ms} ms"
