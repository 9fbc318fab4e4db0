"""Takes reads out of the journal as they come, and those that came while nobody could take them.

Their scanner hears what became of them, where that is not what its good tone says.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from devices.decoders.presentation import TOGETHER_MS
from devices.journal import Journal
from devices.protocols.base import Signal
from devices.reads import Read
from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Rejected
from node.scanning import Scanning, signal_for

log = logging.getLogger(__name__)

LOOK_MS = 100  # how soon a read is looked at again that waits for its other half
TROUBLE_MS = 500
NEWS_MS = 5_000  # whoever scanned earlier does not listen for it any more

Tell = Callable[[str, Signal], None]


@contextmanager
def at_work(scanning: Scanning, journal: Journal, clock: Clock, tell: Tell) -> Iterator[None]:
    """Take reads in a thread of their own. `tell(device, signal)` makes a scanner sound or shine."""
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(scanning, journal, clock, tell, stop), name="scans", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def _work(scanning: Scanning, journal: Journal, clock: Clock, tell: Tell, stop: threading.Event) -> None:
    problem = ""
    while not stop.is_set():
        position = journal.position
        try:
            while taken := scanning.drain(journal, TOGETHER_MS):
                for read, outcome in taken:
                    _tell(tell, read, signal_for(outcome), clock.now_ms())
            for read in scanning.unheard(journal):
                _tell(tell, read, "error", clock.now_ms())
            scanning.settle_handed(journal)
            problem = ""
        except (LedgerError, Corrupt) as error:
            # The read stays in the journal and is taken when this is over: nothing is lost by waiting.
            if str(error) != problem:
                log.warning("scans wait", extra={"reason": str(error)})
            problem = str(error)
            stop.wait(TROUBLE_MS / 1000)
        except Exception:
            log.exception("scans wait")
            stop.wait(TROUBLE_MS / 1000)
        journal.wait(position, LOOK_MS)


def _tell(tell: Tell, read: Read, signal: Signal | None, now_ms: int) -> None:
    if signal is None or read.client_id is not None or abs(now_ms - read.at_ms) > NEWS_MS:
        return
    with suppress(Rejected):  # a device that is configured no more
        tell(read.device, signal)
