"""Pairing a scanner of the node with a tablet and whoever stands before it: its screen shows a code, the scanner
reads it.

The codes live in memory: after a restart the screen shows another. Who sees the code of somebody else's screen could
give them a scanner, and nothing else: so it is short-lived, and no secret for longer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ledger.clock import Clock
from ledger.ids import Actor
from ledger.seams import Random
from node.stations import Devices

# Nothing in a code lies elsewhere on the keyboards of other countries: no punctuation, no A, M, Q, W, Y, Z.
PREFIX = "JOIN"
LIFE_MS = 10 * 60_000
# 32 of them, so that a byte falls on each alike.
_SIGNS = "BCDEFGHIJKLNOPRSTUVXbcdefghijkln"
_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Shown:
    actor: Actor
    tablet: str
    until_ran_ms: int


class Pairing:
    """The codes that are shown now. Safe for several threads. `devices`: what there is, for what stands together."""

    def __init__(self, clock: Clock, random: Random, devices: Callable[[], Devices] = lambda: ()) -> None:
        self.devices = devices
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._shown: dict[str, Shown] = {}

    def code_for(self, actor: Actor, tablet: str) -> str:
        """A code for this person's screen: any scanner that reads it within ten minutes is theirs, at that tablet.
        Those that were shown to them before end, so that a page that is loaded again and again leaves nothing behind.
        """
        code = PREFIX + "".join(_SIGNS[each % len(_SIGNS)] for each in self._random.bytes(_LENGTH))
        with self._lock:
            now = self._clock.monotonic_ms()
            self._shown = {
                text: one for text, one in self._shown.items() if one.until_ran_ms > now and one.actor != actor
            }
            self._shown[code] = Shown(actor, tablet, now + LIFE_MS)
        return code

    def whose(self, text: str) -> Shown | None:
        """Whose screen shows this code, and on which tablet; None for any other code and for one that is too old."""
        with self._lock:
            found = self._shown.get(text)
        return found if found is not None and found.until_ran_ms > self._clock.monotonic_ms() else None
