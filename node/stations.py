"""What stands together: a scanner and a scale at one packing table (`station=pack-1` in their addresses), or at a
tablet (`station=t3` for T3). Whoever takes one thing of a station takes all of it; logging in at a tablet does.

A scanner that moves about has no such address: it stays at the tablet where it was taken last, by the code on its
screen or by a button. When its owner logs out it is nobody's, and then of whoever logs in there next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.db import Connection
from ledger.errors import Rejected

Devices = Sequence[Mapping[str, Any]]  # each with at least `name` and `station`


def of_tablet(connection: Connection, tablet: str) -> str:
    """The station of a tablet by its number; empty for one that was never heard of."""
    row = connection.execute("SELECT number FROM tablets WHERE tablet = ?", (tablet,)).fetchone()
    return "" if row is None else f"t{int(row[0])}"


def at(station: str, devices: Devices) -> list[str]:
    """The names of what stands there; nothing stands at no station."""
    return [str(each["name"]) for each in devices if station and each["station"] == station]


def stays_at(connection: Connection, device: str, tablet: str) -> None:
    """A device was taken at this tablet."""
    connection.execute("INSERT OR REPLACE INTO paired_devices VALUES (?, ?)", (device, tablet))


def staying_at(connection: Connection, tablet: str) -> list[str]:
    """The names of the devices that were taken at this tablet last."""
    rows = connection.execute("SELECT device FROM paired_devices WHERE tablet = ? ORDER BY device", (tablet,))
    return [str(name) for (name,) in rows.fetchall()]


def tablets_of(connection: Connection) -> dict[str, int]:
    """The number of the tablet at which each device was taken last, by its name, where that tablet has one."""
    rows = connection.execute("SELECT p.device, t.number FROM paired_devices p JOIN tablets t ON t.tablet = p.tablet")
    return {str(device): int(number) for device, number in rows.fetchall()}


def with_neighbours(device: str, devices: Devices) -> list[str]:
    """That device and what stands where it stands."""
    station = next((str(each["station"]) for each in devices if each["name"] == device), "")
    return list(dict.fromkeys((device, *at(station, devices))))


def no_scanner(name: str) -> None:
    """The scanners of a node that has none."""
    raise Rejected(f"no scanner is called {name!r}")
