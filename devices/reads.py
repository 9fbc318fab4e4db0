"""A raw read, before and after it is in the journal: values that devices, journal and consumers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

State = Literal["recorded", "taken", "parked", "ignored"]
Again = Literal["", "perhaps", "surely"]


@dataclass(frozen=True, slots=True)
class NewRead:
    """A read on its way into the journal. `context` says who was working where at that moment; `client_id` is the
    sender's own id (a tablet's), under which the same read sent again is the same read. `again` says that the same
    bytes as last time are that read sent again: `surely` when the device marked them so, `perhaps` when the answer to
    its last read may never have reached it."""

    device: str
    raw: bytes
    fault: str = ""
    length: int = 0
    context: Mapping[str, Any] = field(default_factory=dict)
    client_id: str | None = None
    again: Again = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A durable read. `position` orders all reads of the node, `sequence` those of one device; `ran_ms` is the
    machine's own running time, for durations that a wrong clock must not bend. `repeat_of` names the read of the
    same bytes by the same device just before, if there was one: the consumer decides what a repeat means."""

    read_id: str
    position: int
    device: str
    sequence: int
    at_ms: int
    ran_ms: int
    clock: int
    symbology: str
    raw: bytes
    fault: str
    length: int
    repeat_of: str | None
    client_id: str | None
    context: Mapping[str, Any]
    state: State = "recorded"
    note: str = ""
    decoded: Mapping[str, Any] | None = None

    @property
    def day(self) -> date:
        """The UTC day of the read, against which its two-digit years are resolved."""
        return day_of(self.at_ms)

    @property
    def ends(self) -> str:
        """The last four characters, of eight or more: enough to know a label again that one has just read, and
        never the whole of what it says. Empty for a read that came torn."""
        text = self.raw.decode("utf-8", "replace").removeprefix(self.symbology)
        shown = "".join(each if each.isprintable() else " " for each in text[-4:])
        return shown if len(text) >= 8 and not self.fault else ""

    def as_json(self) -> dict[str, Any]:
        """For people and programs to read; the raw bytes in hex."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return shown | {"raw": self.raw.hex(), "context": dict(self.context)}


def day_of(at_ms: int) -> date:
    """The UTC day of a time; one outside the calendar (a clock gone mad) counts as 1970."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return date(1970, 1, 1)


def readable(raw: bytes) -> str:
    """Raw bytes for people: printable ASCII as it is, everything else as its code."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"<{byte:02x}>" for byte in raw[:200])
