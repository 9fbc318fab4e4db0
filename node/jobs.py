"""What a node does by itself, as data: a name, a pace, a function. `node/run` drives it, and so may a simulation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.errors import Corrupt, LedgerError
from node import control, replaying
from node.health import Health
from node.shadow import Shadow
from node.site import Site

log = logging.getLogger(__name__)

SEAL_EVERY_MS = 250
CONTROL_EVERY_MS = 1_000
TICK_EVERY_MS = 60_000
AUDIT_EVERY_MS = 5_000
CERTIFICATE_EVERY_MS = 3_600_000
CHECK_EVERY_MS = 24 * 3_600_000
RETENTION_EVERY_MS, RETENTION_FIRST_MS = 3_600_000, 300_000


NOT_DUE = object()  # what a job answers that has a pace of its own and did nothing this time


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `every_ms`; `first_ms` after the start."""

    name: str
    every_ms: int
    run: Callable[[], object]
    first_ms: int = 0


@dataclass(slots=True)
class Guarded:
    """A job that fails is tried again at its next turn; a failure is logged when it begins and when it ends."""

    job: Job
    problem: str = field(default="", init=False)

    def __call__(self) -> None:
        try:
            if self.job.run() is NOT_DUE:
                return
        except (LedgerError, Corrupt) as error:
            if str(error) != self.problem:
                log.warning("job cannot do its work", extra={"job": self.job.name, "reason": str(error)})
            self.problem = str(error)
        except Exception:
            log.exception("job failed", extra={"job": self.job.name})
            self.problem = "unexpected"
        else:
            if self.problem:
                log.info("job works again", extra={"job": self.job.name})
            self.problem = ""


def of_node(
    site: Site,
    health: Health,
    shadow: Shadow,
    sync: Callable[[], object] | None = None,
    decisions: Callable[[], object] | None = None,
    free_revoked: Callable[[], object] | None = None,
    erase_old: Callable[[], object] | None = None,
    draw: Callable[[], object] | None = None,
) -> tuple[Job, ...]:
    """All jobs of a running node. `sync` is one turn of the uplink, which keeps its own pace; `decisions` books what
    somebody at the hub approved; `free_revoked` frees what people left open who may do it no more;
    `erase_old` erases what has been kept long enough; `draw` draws the samples whose secret the hub has sent."""
    jobs = [
        Job("seal", SEAL_EVERY_MS, site.seal_if_due),
        Job("control", CONTROL_EVERY_MS, lambda: control.apply_ready(site)),
        Job("missing", CONTROL_EVERY_MS, lambda: replaying.record_missing(site)),
        Job("clock", TICK_EVERY_MS, site.tick),
        Job("vitals", site.config.health.interval_ms, health.sample, first_ms=2_000),
        Job("audit", AUDIT_EVERY_MS, lambda: site.audit(shadow), first_ms=AUDIT_EVERY_MS),
        Job("database", CHECK_EVERY_MS, health.check_database, first_ms=TICK_EVERY_MS),
    ]
    if decisions is not None:
        jobs.append(Job("decisions", CONTROL_EVERY_MS, decisions))
    if free_revoked is not None:
        jobs.append(Job("revoked", CONTROL_EVERY_MS, free_revoked))
    if draw is not None:
        jobs.append(Job("draws", CONTROL_EVERY_MS, draw))
    if erase_old is not None:
        jobs.append(Job("retention", RETENTION_EVERY_MS, erase_old, first_ms=RETENTION_FIRST_MS))
    if sync is not None:
        jobs.append(Job("sync", 1_000, lambda: sync() or NOT_DUE))
    return tuple(jobs)
