"""Transfers between sites: what arrived, and how the hub settled the rest."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.moves import FREE
from ledger.words import Text, Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One line of a transfer at its receiver: `quantity` came in, `missing` did not; `index` in the dispatch."""

    index: Uint
    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    missing: Uint = 0
    target: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One line that the hub's outcome clears from the sender's IN_TRANSIT."""

    index: Uint
    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    target: Text
