"""The monitor: what a sample of vitals means, in words for the person who can do something about it.

Pure: a sample and the limits in, findings out. It never acts, asks nobody and keeps nothing; healing is another
agent's work. Each check is one small function, so that a new one is a new function in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from ledger.wording import counted
from node.agents.vitals import READY, Vitals
from node.config import HealthConfig

INFO, WARNING, URGENT = "info", "warning", "urgent"
SEVERITIES = (INFO, WARNING, URGENT)
# Their words name a device.
OF_DEVICES = ("device_away", "device_silent", "device_errors")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know. `code` and `subject`, what it is about, are stable for machines and tell it from every other
    one; `words` and `action`, what to do next, are for people."""

    code: str
    subject: str
    severity: str
    words: str
    action: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Check: TypeAlias = Callable[[Vitals, HealthConfig], Iterator[Finding]]


def examine(sample: Vitals, limits: HealthConfig) -> tuple[Finding, ...]:
    """Everything there is to say about one sample, the most urgent first."""
    found = [finding for check in CHECKS for finding in check(sample, limits)]
    return tuple(sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity)))


def worst(findings: tuple[Finding, ...]) -> str:
    """The severity of the worst finding; "ok" when there is none."""
    return findings[0].severity if findings else "ok"


def _signing(sample: Vitals, _: HealthConfig) -> Iterator[Finding]:
    if sample.ledger.stopped:
        yield Finding(
            "signing_stopped",
            "chain",
            URGENT,
            f"this node does not sign blocks: {sample.ledger.stopped}",
            "call the hub's administrator; do not restore, copy or delete anything",
        )


def _database(sample: Vitals, _: HealthConfig) -> Iterator[Finding]:
    if sample.ledger.database_complaint:
        yield Finding(
            "database_damaged",
            "database",
            URGENT,
            f"the database check says: {sample.ledger.database_complaint}",
            "replace the disk and enrol the node again; what the hub holds comes back",
        )


def _disk(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    free = sample.machine.disk_free_bytes
    if free < limits.disk_free_bytes_min:
        urgent = free * 10 < limits.disk_free_bytes_min
        yield Finding(
            "disk_low",
            "disk",
            URGENT if urgent else WARNING,
            f"{_size(free)} are free on the disk; at least {_size(limits.disk_free_bytes_min)} are wanted",
            "free some room: without any, this node refuses scans rather than lose them",
        )


def _clock(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    step = sample.machine.clock_step_ms
    if abs(step) > limits.clock_step_ms_max:
        yield Finding(
            "clock_stepped",
            "clock",
            WARNING,
            f"the clock jumped {'forward' if step > 0 else 'back'} by {duration(abs(step))}",
            "check the machine's time and its battery; order and quantities are not affected",
        )
    if sample.ledger.clock_quality == 2:
        yield Finding(
            "clock_doubtful",
            "clock",
            WARNING,
            "the clock is not believed: it stands before the last block, or far past the last trusted time",
            "set the machine's time, or connect to the hub, which confirms it; blocks say 'doubtful' until then",
        )


def _sealing(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    age = sample.ledger.unsealed_age_ms
    if age is not None and age > limits.unsealed_age_ms_max:
        yield Finding(
            "unsealed_backlog",
            "chain",
            URGENT,
            f"{counted(sample.ledger.unsealed, 'operation')} not sealed since {duration(age)}",
            "they are safe in the journal; restart the node, and call for help if that does not clear it",
        )


def _delivery(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    age = sample.ledger.undelivered_age_ms
    if age is not None and age > limits.undelivered_age_ms_max:
        yield Finding(
            "undelivered_backlog",
            "hub",
            WARNING,
            f"{counted(sample.ledger.undelivered, 'block')} on this disk alone, the oldest since {duration(age)}",
            "restore the link to the hub, or carry the blocks there by USB stick",
        )


def _control(sample: Vitals, _: HealthConfig) -> Iterator[Finding]:
    if sample.ledger.control_problem:
        yield Finding(
            "control_stuck",
            "hub",
            WARNING,
            f"the hub's next instruction cannot be followed: {sample.ledger.control_problem}",
            "tell the hub's administrator; roles, items and locations stay as they are until it is put right",
        )


def _devices(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    for device in sample.devices:
        if device.state != READY:
            yield Finding(
                "device_away",
                device.name,
                WARNING,
                f"the device {device.name} is {device.state}",
                "check its cable, charge and radio; it is taken back by itself",
            )
        elif device.last_read_age_ms is not None and device.last_read_age_ms > limits.scanner_silent_ms_max:
            yield Finding(
                "device_silent",
                device.name,
                INFO,
                f"{device.name} has read nothing for {duration(device.last_read_age_ms)}",
                "scan any label to see whether it still works",
            )
        if device.errors and device.errors * 10 > device.reads:
            yield Finding(
                "device_errors",
                device.name,
                WARNING,
                f"{device.name} sent {device.errors} broken messages beside {device.reads} good ones",
                "check its baud rate, suffix and cable; `tallyman devices decode` shows what a scan means",
            )


def _memory(sample: Vitals, limits: HealthConfig) -> Iterator[Finding]:
    if sample.machine.memory_bytes > limits.memory_bytes_max:
        yield Finding(
            "memory_high",
            "memory",
            WARNING,
            f"the node holds {_size(sample.machine.memory_bytes)} of memory; it should need less than "
            f"{_size(limits.memory_bytes_max)}",
            "restart it at a quiet moment and report the figure",
        )


CHECKS: tuple[Check, ...] = (_signing, _database, _disk, _clock, _sealing, _delivery, _control, _devices, _memory)


def _size(count_bytes: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count_bytes >= size:
            return f"{count_bytes // size} {unit}"
    return f"{count_bytes} bytes"


def duration(duration_ms: int) -> str:
    """A length of time in the largest unit of which it has two: "30 minutes"."""
    for unit, length_ms in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000)):
        if duration_ms >= 2 * length_ms:
            return f"{duration_ms // length_ms} {unit}"
    return f"{duration_ms} ms"
