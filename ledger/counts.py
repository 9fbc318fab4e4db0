"""Counts: what was found in a bin, and what was expected there."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.moves import FREE
from ledger.words import Text, Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One count line: what was found, zero included."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    counted: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One count line beside what the chain expected when the count was recorded."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    counted: Uint
    expected: Uint
