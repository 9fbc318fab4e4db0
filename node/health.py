"""The node's own health: takes a sample of vitals now and then, keeps the last ones, and has the findings ready."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger import db
from ledger.errors import Corrupt, Invalid
from node import journal, store, streams
from node.agents import monitor, vitals
from node.agents.monitor import Finding
from node.agents.vitals import DeviceVitals, LedgerVitals, Machine, Vitals
from node.config import NodeConfig

if TYPE_CHECKING:  # the engine behind it is slow to import, and a status needs none
    from node.site import Site

# A frame is small; the first is the worst.
FINDINGS_SENT_MAX = 4

Devices = Callable[[], Sequence[DeviceVitals]]
Notice = Callable[[db.Connection, tuple[Finding, ...]], None]


@dataclass(frozen=True, slots=True)
class Report:
    """One sample and what it means."""

    sample: Vitals
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "severity": monitor.worst(self.findings),
            "findings": [each.as_dict() for each in self.findings],
            "vitals": self.sample.as_dict(),
        }

    def frame(self, known: Container[tuple[str, str]] = ()) -> dict[str, Any]:
        """For the hub: the sample in short, and the worst findings without what is to be done here about them. Of
        those that are `known`, by code and subject, somebody here has said that they have seen them."""
        told = [
            {**_told(each), **({"seen": True} if (each.code, each.subject) in known else {})}
            for each in self.findings[:FINDINGS_SENT_MAX]
        ]
        return {**vitals.summary(self.sample), "findings": told}


class Health:
    """Observes one site. It changes nothing but the table of samples; `notice` hears what each look has found."""

    def __init__(
        self, site: Site, devices: Devices = lambda: (), notice: Notice = lambda connection, found: None
    ) -> None:
        self._site = site
        self._devices = devices
        self._notice = notice
        self._machine = Machine(site.config.folder, site.clock)
        self._complaint = ""
        self.last: Report | None = None

    def sample(self) -> Report:
        """Take a sample, keep it, and say what it means. Raises Unavailable when it cannot be kept."""
        site, now_ms = self._site, self._site.clock.now_ms()
        reader = site.reader()
        try:
            ledger = ledger_vitals(site, reader, self._complaint)
        finally:
            reader.close()
        sample = vitals.take(now_ms, ledger, self._machine.measure(), self._devices())
        report = Report(sample, monitor.examine(sample, site.config.health))
        with site.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO vitals VALUES (?, ?)", (now_ms, sample.encode()))
            connection.execute(
                "DELETE FROM vitals WHERE taken_at_ms <= (SELECT taken_at_ms FROM vitals ORDER BY taken_at_ms DESC"
                " LIMIT 1 OFFSET ?)",
                (site.config.health.kept,),
            )
            self._notice(connection, report.findings)
        self.last = report
        return report

    def frame(self) -> dict[str, Any] | None:
        """What the hub is told, or None before the first sample."""
        if self.last is None:
            return None
        reader = self._site.reader()
        try:
            return self.last.frame(seen(reader))
        finally:
            reader.close()

    def check_database(self) -> None:
        """SQLite's own check of the whole file, on a connection of its own: slow on a large one, so seldom."""
        reader = self._site.reader()
        try:
            db.check(reader)
            self._complaint = ""
        except (Corrupt, db.DatabaseError) as error:
            self._complaint = str(error)
        finally:
            reader.close()


def _told(finding: Finding) -> dict[str, Any]:
    told = {"code": finding.code, "severity": finding.severity}
    # The name of a device may hold a person's: it stays here.
    return told if finding.code in monitor.OF_DEVICES else {**told, "words": finding.words[: vitals.TEXT_MAX]}


def latest(connection: db.Connection, config: NodeConfig) -> Report | None:
    """The last sample that was kept, with its findings; None before the first."""
    row = connection.execute("SELECT sample FROM vitals ORDER BY taken_at_ms DESC LIMIT 1").fetchone()
    if row is None:
        return None
    try:
        sample = Vitals.decode(str(row[0]))
    except Invalid:
        return None
    return Report(sample, monitor.examine(sample, config.health))


def seen(connection: db.Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """Who has seen which finding (`node/alerts`): {actor, name, at_ms, note} by its code and subject."""
    rows = connection.execute("SELECT code, subject, actor, at_ms, note FROM seen_alerts").fetchall()
    return {
        (code, subject): {
            "actor": bytes(actor).hex(),
            "name": streams.person_name(connection, bytes(actor).hex()) or bytes(actor).hex()[:8],
            "at_ms": at_ms,
            "note": note,
        }
        for code, subject, actor, at_ms, note in rows
    }


def ledger_vitals(site: Site, reader: db.Connection, complaint: str = "") -> LedgerVitals:
    """The site's part of a sample."""
    now_ms = site.clock.now_ms()
    unsealed, oldest_ms = journal.backlog(reader)
    head = reader.execute("SELECT height, time_s, sealed_at_ms FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
    height, time_s, sealed_at_ms = head or (0, 0, None)
    (delivered,) = reader.execute("SELECT max(size) FROM cosignatures").fetchone()
    undelivered, waiting_ms = reader.execute(
        "SELECT count(*), min(sealed_at_ms) FROM blocks WHERE height >= ?", (delivered or 0,)
    ).fetchone()
    return LedgerVitals(
        head_height=int(height),
        head_age_ms=_age(now_ms, sealed_at_ms),
        unsealed=unsealed,
        unsealed_age_ms=_age(now_ms, oldest_ms),
        undelivered=int(undelivered),
        undelivered_age_ms=_age(now_ms, waiting_ms),
        clock_quality=site.time.quality(int(time_s)),
        hub_age_ms=site.time.hub_age_ms(),
        control_problem=store.fact(reader, store.FACT_CONTROL_PROBLEM) or "",
        stopped=site.stopped,
        database_complaint=complaint,
        database_bytes=_size(site.config.folder / store.DATABASE_FILE),
        wal_bytes=_size(site.config.folder / f"{store.DATABASE_FILE}-wal"),
    )


def _age(now_ms: int, since_ms: int | None) -> int | None:
    """A clock that was set back makes nothing young: ages are never negative."""
    return None if since_ms is None else max(0, now_ms - since_ms)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
