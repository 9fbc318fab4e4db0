"""Codes that were presented together, made one: the item in one symbol, its lot and expiry in another.

An imager reads every symbol in its view, one after the other. What says enough by itself is taken at once. What does
not (a lot without its item, an item without the lot it is tracked by) waits a quarter of a second for the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from devices.decoders import associations
from devices.decoders.labels import Labels
from devices.decoders.presentation import follows, presentations, together
from devices.decoders.scan import Scan, decode_read
from devices.reads import Read
from ledger.db import Connection
from node import catalogue, streams


@dataclass(frozen=True, slots=True)
class Presented:
    """Reads that say one thing together, mostly just one read. `scan` is what they say."""

    reads: tuple[Read, ...]
    scans: tuple[Scan, ...]
    scan: Scan

    @property
    def first(self) -> Read:
        return self.reads[0]

    def with_more(self, more: Presented) -> Presented | None:
        """Both as one; None when they are not parts of one thing."""
        scans = self.scans + more.scans
        whole = together(scans, self.first.day)
        return None if whole is None else Presented(self.reads + more.reads, scans, whole)

    def is_followed_by(self, more: Presented) -> bool:
        """Whether `more` came so soon after this that both may be of one thing."""
        return follows(self.reads[-1], more.first)


def alone(read: Read, labels: Labels) -> Presented:
    """One read by itself."""
    scan = decode_read(read, labels)
    return Presented((read,), (scan,), scan)


def presented(reads: Iterable[Read], labels: Labels, lacks: Callable[[Scan], bool]) -> list[Presented]:
    """What `reads` say, in the order of their first ones. A tablet's read was one thing already. `lacks` tells
    whether a scan says too little by itself: two that each say enough are two things, however fast they came."""
    found: list[Presented] = []
    for group in presentations(reads):
        found += [alone(read, labels) for read in group] if group[0].client_id else _joined(group, labels, lacks)
    return found


def _joined(group: Sequence[Read], labels: Labels, lacks: Callable[[Scan], bool]) -> list[Presented]:
    found: list[Presented] = []
    for read in group:
        one = alone(read, labels)
        parts = bool(found) and (lacks(found[-1].scan) or lacks(one.scan))
        whole = found[-1].with_more(one) if parts else None
        # Two codes that each name the thing and contradict each other are of two things of one kind.
        if whole is None or not (whole.scan.ok or is_companion(one.scan)):
            found.append(one)
        else:
            found[-1] = whole
    return found


def is_companion(scan: Scan) -> bool:
    """Whether it says something about a thing that it does not name."""
    return scan.ok and scan.form == "gs1" and bool(associations.missing(scan.elements))


def says_too_little(connection: Connection, scan: Scan) -> bool:
    """Whether its other half may be in another symbol of the same thing."""
    if not scan.ok or scan.kind != "item" or scan.gtin is None:
        return is_companion(scan)
    named = streams.item_of(connection, scan.gtin.value, None)
    item = None if named is None else catalogue.item(connection, named[0])
    if item is None:
        return False
    missing_weight = item.by_weight and not scan.amounts
    return (item.has_lots and not scan.lot) or (item.has_serials and not scan.serial) or missing_weight
