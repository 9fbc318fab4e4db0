"""The hub: all sites' blocks held, executed again, shown as one picture, and anchored.

    exchange  bundles in, cosignatures and streams out                 (hub.receiving)
    verify    linked blocks executed, projected, judged                (hub.verifying, hub.projection, hub.findings)
    settle    what follows: control records, the log, receipts         (hub.controls, hub.logbook, hub.receipts)
    anchor    the log's root to the main chain                         (hub.anchoring, hub.mainchain)
    watch     what time alone makes suspicious                         (hub.fleet, hub.settling)

Several processes may share one PostgreSQL, each in a folder of its own with the same keys: any of them takes and
verifies blocks; settling, anchoring and watching are done by the one that leads.

`Hub` is the application object: it owns the store, the keys and the one lock of each step. Each step may be repeated
at any time; each finds in the database what is left to do. Who calls them and how often stands in `hub.jobs`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from hub import (
    catalogue,
    chains,
    controls,
    discrepancies,
    fleet,
    founding,
    history,
    incarnations,
    logbook,
    people,
    policies,
    proofs,
    receipts,
    settling,
    store,
    transfers,
)
from hub import (
    config as hub_config,
)
from hub.anchoring import ASIDE, FINAL, Anchorer
from hub.answering import Reply
from hub.config import HubConfig
from hub.discrepancies import Discrepancy
from hub.enrolment import Enrolment
from hub.entering import Entering
from hub.fleet import SiteView
from hub.founding import HubKeys
from hub.heads import Heads
from hub.limits import CODE_LASTS_MS
from hub.logbook import Logbook
from hub.people import Account
from hub.receiving import Receiver
from hub.recovering import Recovery
from hub.store import Store
from hub.transfers import Transfer
from hub.verifying import Verifier
from ledger import checkpoint
from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Rejected, Unavailable
from ledger.ids import OpId
from ledger.seams import Random
from ledger.transfers import TransferName
from sync.enrolment import Code

SITES_FOLDER = "sites"
ANCHOR_PAUSE_MS = 200
log = logging.getLogger(__name__)


class Hub(Entering):
    """An open hub. Safe for several threads; hold the folder's lock (`ledger.lock`) while one is open for writing."""

    def __init__(self, config: HubConfig, keys: HubKeys, opened: Store, heads: Heads, clock: Clock, random: Random):
        self.config = config
        self.keys = keys
        self.store = opened
        self.heads = heads
        self.clock = clock
        self.random = random
        self.book = Logbook(opened, heads, keys.log, config.name)
        self.verifier = Verifier(opened, config.path(SITES_FOLDER), keys.control.address, config.rules, clock, random)
        self.receiver = Receiver(
            opened,
            heads,
            keys.log,
            keys.control.address,
            clock,
            interval_s=config.sync.interval_ms // 1000,
            bundle_bytes_max=config.sync.bundle_bytes_max,
        )
        self.enrolment = Enrolment(opened, heads, keys.log, keys.control, config.org, random)
        # Called when blocks have come in; the process that runs the jobs sets it to start them sooner.
        self.wake: Callable[[], None] = lambda: None
        self.troubles: dict[str, str] = {}
        # Where it can be reached, while it is; enrolment codes name it.
        self.url = ""
        self._anchorer: Anchorer | None = None
        self._settling = threading.Lock()
        self._anchoring = threading.Lock()

    @classmethod
    def open(cls, folder: Path, clock: Clock, random: Random, config_file: Path | None = None) -> Hub:
        """The hub in `folder`; raises Rejected in one plain line when something it needs is missing or too open."""
        config = hub_config.load(folder, config_file)
        keys = founding.load_keys(config)
        heads = Heads.open(config.path(config.keys.heads_file))
        signed = [name for name in heads.names() if name.endswith("/hub")]
        if signed and config.name not in signed:
            heads.close()
            raise Rejected(
                f"this hub has signed as {signed[0]}, and org = {config.org!r} in {config.folder} would make it "
                f"{config.name}: put the old name back"
            )
        try:
            opened = store.open_store(config.database_url(), now_ms=clock.now_ms())
        except BaseException:
            heads.close()
            raise
        hub = cls(config, keys, opened, heads, clock, random)
        recovery = Recovery(opened, heads, hub.book, keys.log, keys.control, config.sync.silent_after_ms)
        try:
            recovery.run(clock.now_ms())
            with opened.write() as session:
                people.erase_again(session, heads.erased(), keys.pepper, random)
        except BaseException:
            hub.close()
            raise
        return hub

    def close(self) -> None:
        """Give everything back. What was not committed never was."""
        self.verifier.close()
        if self._anchorer is not None:
            self._anchorer.close()
        self.store.close()
        self.heads.close()

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def log_key(self) -> str:
        """The key of the hub's log as people write it: `name+id+base64`."""
        return checkpoint.format_key(self.config.name, self.keys.log.verify_key)

    # ------------------------------------------------------------ sites call

    def exchange(self, body: bytes) -> Reply:
        """Answer a site's bundle. Raises Invalid for bytes that nobody can be answered for."""
        reply = self.receiver.exchange(body)
        self.wake()
        return reply

    def redeem(self, request: bytes) -> bytes:
        """Turn a node's enrolment request into its certificate."""
        answer = self.enrolment.redeem(request, self.clock.now_ms())
        self.wake()
        return answer

    def enrol(self, site: str, url: str = "", lasts_ms: int = CODE_LASTS_MS) -> Code:
        """A one-time code for the node of `site`, which is added if it is new."""
        return self.enrolment.make_code(
            site,
            self.clock.now_ms(),
            url=url or self.url,
            lasts_ms=lasts_ms,
            silent_after_ms=self.config.sync.silent_after_ms,
        )

    def reincarnate(
        self, site: str, reason: str = "", url: str = "", lasts_ms: int = CODE_LASTS_MS, *, replace: bool = False
    ) -> Code:
        """End a site's incarnation and give its place to the node that redeems this code.

        Raises Rejected for a site that is well, unless it is to be replaced.
        """
        self.verify()
        code = self.enrolment.reincarnate(
            site, self.clock.now_ms(), reason=reason, replace=replace, url=url or self.url, lasts_ms=lasts_ms
        )
        self.wake()
        return code

    def history(self, request: bytes) -> bytes:
        """Blocks of earlier incarnations, for the node that goes on from them."""
        return history.answer(self.store, self.keys.control.address, request)

    # ------------------------------------------------------------ steps

    def verify(self, shard: int = 0, shards: int = 1) -> int:
        """Execute and project what is linked; answers the number of blocks."""
        return self.verifier.run(shard, shards)

    def settle(self) -> None:
        """Everything that follows from what is verified or entered, up to the signed log and the receipts.

        Of several processes on one database the leading one does it; so with `anchor` and `watch`.
        """
        with self._settling:
            if not self.store.leads():
                return
            now_ms = self.clock.now_ms()
            self._cut_records(now_ms)
            try:
                controls.sign_all(self.store, self.heads, self.keys.control)
            finally:
                # A log that is shorter than what was signed must not grow into another history.
                self.book.check()
                logbook.append_verified(self.store, self.book, now_ms)
                self.book.sign(now_ms)
                receipts.publish(self.store, self.book)

    def anchor(self, *, now: bool = False) -> str:
        """One step of anchoring; answers the state of the anchor in flight, or "" when nothing is."""
        with self._anchoring:
            if not self.store.leads():
                return ""
            if self._anchorer is None:
                with self.store.read() as session:
                    if logbook.newest_head(session) is None:
                        return ""  # nothing was ever logged: the main chain's libraries can wait
                    pins = chains.load(session)
                self._anchorer = Anchorer(
                    self.store,
                    self.book,
                    chains.reach(self.config, pins, self.clock, self.random),
                    pins,
                    chains.signer(self.config, self.keys.submitter),
                    chains.rules(self.config),
                    self.config.anchors,
                    self.clock,
                )
            return self._anchorer.tick(now=now)

    def anchor_now(self, wait_ms: int = 60_000) -> dict[str, Any]:
        """Anchor everything that is logged, and wait until it is final. Raises Unavailable when it takes too long."""
        deadline = self.clock.monotonic_ms() + wait_ms
        while True:
            state = self.anchor(now=True)
            with self.store.read() as session:
                done = session.one("SELECT * FROM anchors WHERE state = :final ORDER BY size DESC", final=FINAL)
                head = logbook.newest_head(session)
            if state in ("", FINAL) and (head is None or (done is not None and done["size"] >= head.size)):
                return {name: done[name] if done else 0 for name in ("size", "block_number")}
            if self.clock.monotonic_ms() >= deadline:
                raise Unavailable(f"the anchor is {state or 'not begun'} after {wait_ms} ms; it goes on by itself")
            if state not in (FINAL, ASIDE):
                self.clock.sleep_ms(ANCHOR_PAUSE_MS)

    def watch(self) -> None:
        """What time alone makes suspicious: silence, goods too long on their way, a log too long without anchor."""
        if not self.store.leads():
            return
        now_ms = self.clock.now_ms()
        with self.store.write() as session:
            fleet.judge_silence(session, now_ms)
            incarnations.judge_missing(session, self.keys.control.address, now_ms)
            settling.judge_late(session, self.config.rules, now_ms)
            logbook.judge_overdue(session, self.config.name, self.config.anchors.overdue_ms, now_ms)
            leaving = people.kept_long_enough(session, now_ms)
        for login in leaving:
            with suppress(Rejected):  # a legal hold at one of their sites, or an account that is still open
                self.erase_person(login)

    def guarded(self, name: str, step: Callable[[], Any]) -> None:
        """Run a step of a job: what it raises is remembered and logged, and the next run tries again."""
        try:
            step()
            self.troubles.pop(name, None)
        except (LedgerError, Corrupt) as error:
            if self.troubles.get(name) != str(error):
                log.warning("a job stopped", extra={"job": name, "reason": str(error)})
            self.troubles[name] = str(error)
        except Exception as error:  # a fault of ours in one job must not end the others
            log.exception("a job failed", extra={"job": name})
            self.troubles[name] = f"{type(error).__name__}: {error}"

    # ------------------------------------------------------------ the console's accounts

    def add_account(self, login: str, name: str, password: str, roles: Iterable[str]) -> Account:
        """Let somebody into the console."""
        with self.store.write() as session:
            return people.add_account(
                session, login, name, password, roles, self.keys.pepper, self.random, self.clock.now_ms()
            )

    def account(self, login: str) -> Account | None:
        """The console account as it is now; None once it was closed."""
        with self.store.read() as session:
            return people.open_account(session, login)

    def close_account(self, login: str) -> None:
        """Nobody uses the console with it any more."""
        with self.store.write() as session:
            people.close_account(session, login, self.clock.now_ms())

    def log_in(self, login: str, password: str) -> Account:
        """The console account with this password; Rejected otherwise."""
        with self.store.read() as session:
            return people.log_in(session, login, password, self.keys.pepper)

    # ------------------------------------------------------------ discrepancies

    def discrepancies(self, *, everything: bool = False) -> list[Discrepancy]:
        """Open ones, oldest first, or all."""
        with self.store.read() as session:
            return discrepancies.listed(session, self.clock.now_ms(), everything=everything)

    def discrepancy(self, number: int) -> Discrepancy:
        """One with all its entries."""
        with self.store.read() as session:
            return discrepancies.find(session, number, self.clock.now_ms())

    def comment(self, number: int, author: str, text: str) -> None:
        with self.store.write() as session:
            discrepancies.comment(session, number, author, text, self.clock.now_ms())

    def assign(self, number: int, author: str, owner: str) -> None:
        with self.store.write() as session:
            discrepancies.assign(session, number, author, owner, self.clock.now_ms())

    def decide(self, number: int, author: str, verdict: str, text: str, site: str = "") -> None:
        """Close a discrepancy by a new entry. Those of `hub.settling` end a transfer; `diverted` names a `site`."""
        now_ms = self.clock.now_ms()
        with self.store.write() as session:
            found = discrepancies.find(session, number, now_ms)
            settling.decide(session, found, author, verdict, text, site, self.config.rules, now_ms)
        self.wake()

    def ask_transfer(self, name: TransferName, author: str, text: str) -> int:
        """Open a request about a transfer that nothing is wrong with yet, to be decided. Answers its number."""
        with self.store.write() as session:
            return settling.ask(session, name, author, text, {}, self.clock.now_ms())

    # ------------------------------------------------------------ views

    def sites(self) -> list[SiteView]:
        """Every chain and how it does."""
        with self.store.read() as session:
            return fleet.sites(session, self.config.sync, self.clock.now_ms())

    def transfers(self, *, open_only: bool = False) -> list[Transfer]:
        """Transfers between sites, newest first."""
        with self.store.read() as session:
            return transfers.listed(session, open_only=open_only)

    def receipt(self, op_id: OpId, origin: str = "") -> bytes:
        """The canonical receipt of an operation (on the chain `origin`), as strong as it can be now."""
        return proofs.of_operation(self.store, self.verifier, self.book, op_id, origin)

    def reading(self) -> Any:
        """A read-only session for the functions of `hub.views`."""
        return self.store.read()

    def _cut_records(self, now_ms: int) -> None:
        with self.store.read() as session:
            chains_alive = session.all(
                "SELECT origin, site FROM origins WHERE state = :active ORDER BY origin", active=fleet.ACTIVE
            )
        for row in chains_alive:
            with self.store.write(row["origin"]) as session:
                catalogue.cut_records(session, row["origin"], row["site"], now_ms)
                people.cut_records(session, row["origin"], row["site"], now_ms)
                policies.publish(session, row["site"])
