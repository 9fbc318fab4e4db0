"""What the hub decides about the work at its sites, for all of them or for one: the entries of the policy stream.

An entry for one site stands in the place of the one for all, as a whole. What an entry may say is `ledger/policy`'s;
here approvers may be named by their log-in instead of their id.
"""

from __future__ import annotations

from typing import Any

from hub import streams
from hub.store import Session
from ledger import policy
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Rejected
from ledger.ids import Actor

ALL_SITES = ""


def put(session: Session, name: str, site: str, said: Any, now_ms: int) -> None:
    """Set an entry for `site`, or for all of them. Raises Rejected for what no site could follow."""
    _need(session, name, site)
    said = _with_ids(session, said) if name == policy.COUNTING else said
    policy.read(name, said)
    session.run(
        "INSERT INTO policies VALUES (:site, :name, :value, :now) ON CONFLICT(site, name) DO UPDATE SET"
        " value = excluded.value, changed_ms = excluded.changed_ms",
        site=site,
        name=name,
        value=cbor_encode(said),
        now=now_ms,
    )


def clear(session: Session, name: str, site: str) -> None:
    """Take an entry back. Raises Rejected when there is none."""
    _need(session, name, site)
    if not session.run("DELETE FROM policies WHERE site = :site AND name = :name", site=site, name=name):
        raise Rejected(f"there is no policy {name} for {site or 'all sites'}")


def publish(session: Session, site: str) -> None:
    """Tell a site what is in force there."""
    for name in policy.READERS:
        value = in_force(session, name, site)
        if value is None:
            streams.remove(session, streams.POLICY, site, name)
        else:
            streams.put(session, streams.POLICY, site, name, value)


def in_force(session: Session, name: str, site: str) -> Any | None:
    """The entry that a site follows; None when the program's own defaults hold."""
    raw = session.value(
        "SELECT value FROM policies WHERE name = :name AND site IN (:site, '') ORDER BY site DESC LIMIT 1",
        name=name,
        site=site,
    )
    return None if raw is None else cbor_decode(bytes(raw), depth_max=8)


def listed(session: Session) -> list[dict[str, Any]]:
    """Every entry: {site ("" for all), name, changed_ms, value}."""
    rows = session.all("SELECT site, name, changed_ms, value FROM policies ORDER BY name, site")
    return [{**row, "value": cbor_decode(bytes(row["value"]), depth_max=8)} for row in rows]


def _need(session: Session, name: str, site: str) -> None:
    if name not in policy.READERS:
        raise Rejected(f"{name!r} is no policy: expected {' or '.join(policy.READERS)}")
    if site and session.value("SELECT count(*) FROM sites WHERE site = :site", site=site) == 0:
        raise Rejected(f"there is no site {site!r}: enrol it first")


def _with_ids(session: Session, said: Any) -> Any:
    """`approvers` by the ids of the people that are named by log-in."""
    if not isinstance(said, dict) or not isinstance(said.get("approvers"), dict):
        return said
    ids: dict[str, Any] = {}
    for name, limits in said["approvers"].items():
        actor = session.value("SELECT actor FROM people WHERE login = :login", login=name)
        if actor is None:
            try:
                actor = str(Actor.parse(name))
            except Rejected as error:
                raise Rejected(f"approver {name!r} is nobody's log-in here") from error
        ids[str(actor)] = limits
    return {**said, "approvers": ids}
