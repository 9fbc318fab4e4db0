"""Several carriers on one thing, read as one: the item in one symbol, its lot and expiry in another.

GS1 asks for companions over all carriers that mark an item, and warehouse labels split them. Reads of one device
that follow each other within a quarter of a second are one presentation; their elements are checked together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from devices.decoders.elements import Element
from devices.decoders.scan import Scan, from_elements
from devices.reads import Read

TOGETHER_MS = 250
_NAMES = frozenset(("00", "01", "02", "03", "253", "255", "414", "8003", "8004", "8006"))


def presentations(reads: Iterable[Read], within_ms: int = TOGETHER_MS) -> list[list[Read]]:
    """Reads in order of position, those of one device that came together as one list. A repeat is alone: a second
    pull of the trigger on the same code is a second unit."""
    groups: list[list[Read]] = []
    newest: dict[str, list[Read]] = {}
    for read in reads:
        group = newest.get(read.device)
        near = group is not None and follows(group[-1], read, within_ms)
        if group is not None and near and not read.fault and all(read.raw != other.raw for other in group):
            group.append(read)
            continue
        newest[read.device] = group = [read]
        groups.append(group)
    return groups


def follows(first: Read, second: Read, within_ms: int = TOGETHER_MS) -> bool:
    """Whether one device sent `second` so soon after `first`. Running times of two starts cannot be compared."""
    same = (first.device, first.read_id[:16]) == (second.device, second.read_id[:16])
    return same and 0 <= second.ran_ms - first.ran_ms <= within_ms


def together(scans: Sequence[Scan], on: date) -> Scan | None:
    """What several scans of one thing say as one, or None when they are not parts of one thing.

    Parts are GS1 or retail codes that passed their own checks and do not name two things. What else they contradict
    each other in becomes a problem; a companion missing in one and found in another is missing no more.
    """
    if len(scans) < 2 or any(not scan.ok or scan.form not in ("gs1", "gtin") for scan in scans):
        return None
    names = {element for scan in scans for element in _elements(scan) if element.ai in _NAMES}
    if len({name.ai for name in names}) < len(names) or {"01", "02"} <= {name.ai for name in names}:
        return None
    found = tuple(dict.fromkeys(element for scan in scans for element in _elements(scan)))
    first = scans[0]
    doubts = tuple(warning for scan in scans for warning in scan.warnings if "separator" in warning)
    whole = replace(first, raw=b"\n".join(scan.raw for scan in scans), warnings=doubts)
    return from_elements(whole, found, on)


def _elements(scan: Scan) -> tuple[Element, ...]:
    if scan.form == "gtin" and scan.gtin is not None and all(element.ai != "01" for element in scan.elements):
        return (Element("01", scan.gtin.value), *scan.elements)
    return scan.elements
