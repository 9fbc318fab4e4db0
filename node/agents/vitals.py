"""The vitals of a node: a handful of numbers about itself, cheap to take, true without any network.

Taking them changes nothing. `node/agents/monitor` says what they mean; the last samples are kept in the store, shown
on the node's pages and sent to the hub in the health frame.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ledger.clock import Clock
from ledger.errors import Invalid

SAMPLE_BYTES_MAX = 64 * 1024
READY = "ready"
TEXT_MAX = 200


@dataclass(frozen=True, slots=True)
class DeviceVitals:
    """One scanner or scale. `state` is its supervisor's word ("ready" is the good one)."""

    name: str
    state: str
    last_read_age_ms: int | None = None
    reads: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class LedgerVitals:
    """What the site knows about its own chain. Ages are None where there is nothing that could have one.

    `stopped` is why the node does not sign, `control_problem` why it cannot follow the hub's next control record,
    `database_complaint` what SQLite's last check said; each empty in peace.
    """

    head_height: int
    head_age_ms: int | None
    unsealed: int
    unsealed_age_ms: int | None
    undelivered: int
    undelivered_age_ms: int | None
    clock_quality: int
    hub_age_ms: int | None
    control_problem: str
    stopped: str
    database_complaint: str
    database_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class MachineVitals:
    """The machine below. `clock_step_ms` is how far its clock moved against its own steady pace since last time."""

    disk_free_bytes: int
    disk_total_bytes: int
    memory_bytes: int
    clock_step_ms: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """One sample."""

    taken_at_ms: int
    ledger: LedgerVitals
    machine: MachineVitals
    devices: tuple[DeviceVitals, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def encode(self) -> str:
        """JSON for the store."""
        return json.dumps(self.as_dict(), ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Vitals:
        """The inverse of `encode`; Invalid for a sample of another version, which is then not shown."""
        if len(text) > SAMPLE_BYTES_MAX:
            raise Invalid(f"a sample of {len(text)} bytes is too large")
        try:
            entry = json.loads(text)
            return cls(
                taken_at_ms=entry["taken_at_ms"],
                ledger=LedgerVitals(**entry["ledger"]),
                machine=MachineVitals(**entry["machine"]),
                devices=tuple(DeviceVitals(**each) for each in entry["devices"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise Invalid(f"not a sample of vitals: {error}") from error


class Machine:
    """Measures the machine. It remembers one thing: both clocks at the last sample, to see a step between two."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._offset_ms: int | None = None

    def measure(self) -> MachineVitals:
        """Raises OSError where the folder itself is gone."""
        offset = self._clock.now_ms() - self._clock.monotonic_ms()
        step = 0 if self._offset_ms is None else offset - self._offset_ms
        self._offset_ms = offset
        disk = shutil.disk_usage(self._folder)
        return MachineVitals(disk.free, disk.total, resident_bytes(), step)


def resident_bytes() -> int:
    """Memory this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def take(now_ms: int, ledger: LedgerVitals, machine: MachineVitals, devices: Sequence[DeviceVitals]) -> Vitals:
    """One sample from its parts. More devices than a settings file may name are not a sample but a mistake."""
    return Vitals(now_ms, ledger, machine, tuple(devices)[:64])


def summary(sample: Vitals) -> dict[str, int | str]:
    """The sample flattened for the health frame: short, no device names (they may hold a person's)."""
    flat: dict[str, int | str] = {"taken_at_ms": sample.taken_at_ms}
    for part in (sample.ledger, sample.machine):
        for item in fields(part):
            value = getattr(part, item.name)
            if value is not None:
                flat[item.name] = value[:TEXT_MAX] if isinstance(value, str) else value
    flat["devices"] = len(sample.devices)
    flat["devices_ready"] = sum(each.state == READY for each in sample.devices)
    flat["device_errors"] = sum(each.errors for each in sample.devices)
    return flat
