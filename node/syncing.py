"""When the node calls the hub: at the pace the hub asks for, at once when there is a new block, and patiently when
nobody answers.

`Syncer.turn` is called every second or so and mostly does nothing; `now` calls whatever the pace says. Neither holds
the site's lock while it waits for the network.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Rejected, Unavailable
from ledger.seams import Random
from node import control, proofs, replaying, store
from node.rounds import waits_for_draws
from node.uplink import HOLDING, NodeUplink, hub_addresses
from sync.backoff import FIRST_MS, Backoff
from sync.client import HttpTransport, Transport
from sync.cycle import CycleReport, run_cycle
from sync.enrolment import key_hash
from sync.frames import PACKED_BYTES_MAX

if TYPE_CHECKING:  # the engine behind it is slow to import
    from node.site import Site
    from node.uplink import Find

log = logging.getLogger(__name__)

# A new block is delivered at once, but a busy floor should not call more often than this.
BETWEEN_CALLS_MS = 2_000
# Somebody waits for what the hub is to draw.
DRAW_CALLS_MS = 5_000


class Syncer:
    """Keeps one site in touch with its hub. `connect` makes a transport to an address; `find` looks for the hubs of
    an organisation on the local network, by default with zeroconf."""

    def __init__(
        self,
        site: Site,
        uplink: NodeUplink,
        clock: Clock,
        random: Random,
        connect: Callable[[str], Transport] = HttpTransport,
        find: Find | None = None,
    ) -> None:
        self._site = site
        self._uplink = uplink
        self._clock = clock
        self._random = random
        self._connect = connect
        self._find = find
        self._transport: Transport | None = None
        # Where a short pace is wanted, waiting long after a first failure is not.
        self._backoff = Backoff(first_ms=min(FIRST_MS, site.config.hub.interval_ms))
        self._lock = threading.Lock()
        self._due_ran_ms = 0
        self._last_ran_ms = -BETWEEN_CALLS_MS
        self.problem = ""

    def turn(self) -> CycleReport | None:
        """Call the hub if it is time to; None if it is not. Raises Unavailable when nobody answers."""
        if not self._is_due():
            return None
        return self.now()

    def now(self) -> CycleReport:
        """Seal what is pending and exchange with the hub until both sides have nothing more to say."""
        with self._lock:
            self._last_ran_ms = self._clock.monotonic_ms()
            try:
                self._seal()
                report = self._exchange()
            except (Unavailable, Rejected) as error:
                self._failed(str(error))
                raise
            self._backoff = self._backoff.reset()
            self.problem = "" if report.code in HOLDING else f"{report.code}: {report.message}"
            pace_ms = report.next_sync_after_s * 1000 or self._site.config.hub.interval_ms
            self._due_ran_ms = self._clock.monotonic_ms() + pace_ms
        for problem in report.problems:
            log.warning("a part of the hub's answer is not used", extra={"reason": problem})
        control.apply_ready(self._site)
        replaying.record_missing(self._site)
        return report

    def link_up(self) -> None:
        """The network is back: do not wait for the rest of a long pause."""
        self._backoff = self._backoff.reset()
        self._due_ran_ms = 0

    def _is_due(self) -> bool:
        ran_ms = self._clock.monotonic_ms()
        if ran_ms >= self._due_ran_ms:
            return True
        if self._backoff.failures or self.problem or ran_ms < self._last_ran_ms + BETWEEN_CALLS_MS:
            return False
        with self._site.reading() as connection:
            if proofs.block_count(connection) > int(store.hub_status(connection).get("next", 0)):
                return True
            return ran_ms >= self._last_ran_ms + DRAW_CALLS_MS and waits_for_draws(connection)

    def _budget_bytes(self) -> int:
        """Less at once after each failure: a link that keeps breaking loses less with every break."""
        most = self._site.config.hub.bundle_bytes_max
        return max(min(most, PACKED_BYTES_MAX), most >> min(self._backoff.failures, 8))

    def _seal(self) -> None:
        try:
            self._site.seal()
        except (LedgerError, Corrupt) as error:
            # A node that must not sign still has blocks to deliver, and an administrator's decision to fetch.
            log.info("nothing sealed before the exchange", extra={"reason": str(error)})

    def _exchange(self) -> CycleReport:
        """With the hub as it was reached last, or with the first address at which our hub answers."""
        if self._transport is not None:
            return self._cycle(self._transport)
        failure: Unavailable | None = None
        for address in self._addresses():
            self._transport = self._connect(address)
            try:
                return self._cycle(self._transport)
            except Unavailable as error:
                # Nobody there, or somebody whose signature is not our hub's: the hub may be at the next one.
                failure = failure or error
                self._leave()
        raise failure or Unavailable("no hub answers on this network: put its address into hub.url of node.toml")

    def _cycle(self, transport: Transport) -> CycleReport:
        return run_cycle(self._uplink, transport, self._random, budget_bytes=self._budget_bytes())

    def _addresses(self) -> Iterator[str]:
        with self._site.reading() as connection:
            kept = store.hub_url(connection)
        identity = self._site.identity
        claims = key_hash(identity.hub_key)
        return hub_addresses(self._site.config, identity.origin.org, kept=kept, claims=claims, find=self._find)

    def _failed(self, reason: str) -> None:
        self._backoff = self._backoff.failed()
        wait_ms = self._backoff.delay_ms(self._random)
        self._due_ran_ms = self._clock.monotonic_ms() + wait_ms
        self.problem = reason
        self._leave()

    def _leave(self) -> None:
        """Give up an address that was found: it may have moved. One that is set does not change."""
        if self._site.config.hub.url:
            return
        close = getattr(self._transport, "close", None)
        self._transport = None
        if close is not None:
            close()


def as_dict(report: CycleReport) -> dict[str, Any]:
    """What `tallyman node sync` prints. `exit` is 0 when the hub holds what it was sent."""
    return {
        "code": report.code,
        "message": report.message,
        "held": report.held,
        "cosigned": report.cosigned,
        "rounds": report.rounds,
        "sent_bytes": report.sent_bytes,
        "received_bytes": report.received_bytes,
        "problems": report.problems,
        "exit": 0 if report.code in HOLDING else 1,
    }
