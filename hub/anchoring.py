"""From the hub's log to the main chain: each root is anchored exactly once, whatever is lost on the way.

One anchor is in flight at a time. Its row walks through these states, each committed before the next act:

    intended   what shall be anchored is decided; nothing is signed
    signed     the raw transaction is kept; from now on these bytes and no others are sent
    sent       the chain has been given them at least once
    mined      its event stands in a block
    final      and that block is deep enough; receipts go out
    aside      it can never be mined as it is; the next anchor covers what it would have covered

The contract is asked before anything is sent, and what it says counts more than what we remember: an anchor that it
already holds is adopted from its event. A block that vanishes takes its anchor back to `sent`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from hub import discrepancies, logbook, receipts, recovering
from hub.config import AnchorConfig, ChainConfig
from hub.logbook import Logbook, LogHead
from hub.mainchain import MainChain, NonceUsed
from hub.registry import GAS_ANCHOR, NO_ROOT, Anchored, Registry, Signer, anchor_data
from hub.store import Session, Store
from ledger import merkle
from ledger.clock import Clock
from ledger.codec import keccak256
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.seams import failpoint

INTENDED, SIGNED, SENT, MINED, FINAL, ASIDE = "intended", "signed", "sent", "mined", "final", "aside"
REFUSALS_MAX = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pins:
    """What makes the main chain the right one: checked at the start of every session with it."""

    chain_id: int
    genesis_hash: bytes
    contract: bytes
    code_hash: bytes

    def check(self, chain: MainChain) -> None:
        """Raises Rejected when `chain` is another chain, or holds another contract."""
        found_id = chain.chain_id()
        if found_id != self.chain_id:
            raise Rejected(f"the main chain has id {found_id}: expected {self.chain_id}; nothing is sent to it")
        found = chain.genesis_hash()
        if found != self.genesis_hash:
            raise Rejected(
                f"the main chain begins with block {found.hex()}: expected {self.genesis_hash.hex()}; it was reset "
                "or is another one"
            )
        code = keccak256(chain.code(self.contract))
        if code != self.code_hash:
            raise Rejected(
                f"the code at {self.contract.hex()} has hash {code.hex()}: expected {self.code_hash.hex()}; this is "
                "not our AnchorRegistry"
            )


class Anchorer:
    """Anchors the log. For one thread at a time, in the one process that leads (`Store.leads`)."""

    def __init__(
        self,
        store: Store,
        book: Logbook,
        chain: MainChain,
        pins: Pins,
        signer: Signer,
        chain_rules: ChainConfig,
        rules: AnchorConfig,
        clock: Clock,
    ) -> None:
        self._store = store
        self._book = book
        self._chain = chain
        self._pins = pins
        self._signer = signer
        self._chain_rules = chain_rules
        self._rules = rules
        self._clock = clock
        self._registry = Registry(chain, pins.contract)
        self._checked = False

    def tick(self, *, now: bool = False) -> str:
        """Do the next thing that can be done; answers the state of the anchor in flight, or "" when none is.

        `now` begins an anchor for anything new without waiting for the interval. Raises Unavailable when the main
        chain does not answer, Rejected when it is the wrong one. Calling again is always right.
        """
        if not self._checked:
            self._pins.check(self._chain)
            # Before anything is signed on top of it: does the chain know a longer log than we do?
            self._check_ours(*self._registry.latest())
            self._checked = True
        try:
            self._publish()
            row = self._in_flight()
            if row is None:
                row = self._intend(now)
            return "" if row is None else self._advance(row)
        except Unavailable:
            # Whoever answers next may be another node, or another chain.
            self._checked = False
            raise

    def close(self) -> None:
        self._chain.close()

    # ------------------------------------------------------------ steps

    def _in_flight(self) -> dict[str, Any] | None:
        with self._store.read() as session:
            return session.one(
                "SELECT * FROM anchors WHERE state NOT IN (:final, :aside) ORDER BY sequence DESC",
                final=FINAL,
                aside=ASIDE,
            )

    def _intend(self, now: bool) -> dict[str, Any] | None:
        """Decide on the next anchor, if there is something new and it is time."""
        with self._store.read() as session:
            head = logbook.newest_head(session)
            last = _newest(session)
        if last is not None and self._lost(last):
            now, last = True, None
        if head is None or (last is not None and head.size <= last["size"]):
            return None
        if not now and not self._due(head, last):
            return None
        self._pins.check(self._chain)
        size, root = self._registry.latest()
        self._check_ours(size, root)
        if size >= head.size:
            # Somebody anchored what we know, and our database has forgotten it: an old backup.
            return self._remember(size, root)
        with self._store.write() as session:
            self._insert(session, head.size, head.root, size, root, logbook.manifest(session, head.size), "")
        failpoint("hub.anchor_intended")
        return self._in_flight()

    def _advance(self, row: dict[str, Any]) -> str:
        if row["state"] == MINED:
            return self._settle(row)
        adopted = self._adopt(row)
        if adopted is not None:
            return adopted
        if row["state"] == INTENDED:
            row = self._sign(row)
        return self._send(row)

    def _adopt(self, row: dict[str, Any]) -> str | None:
        """Ask the contract: is it there already, is there still room for it, or never?"""
        size, root = self._registry.latest()
        if self._registry.root_at(row["size"]) == bytes(row["root"]):
            event = self._registry.find(row["size"])
            if event is None:
                return str(row["state"])  # the node has the state but not yet its logs: ask again later
            return self._mined(row, event)
        if (size, root) == (row["prev_size"], bytes(row["prev_root"])):
            return None
        self._check_ours(size, root)
        return self._set_aside(row, f"the contract's latest anchor is {size}, not {row['prev_size']}, any more")

    def _sign(self, row: dict[str, Any]) -> dict[str, Any]:
        nonce = self._chain.nonce(self._signer.key.address)
        data = anchor_data(
            row["size"], bytes(row["root"]), row["prev_size"], bytes(row["prev_root"]), bytes(row["manifest"])
        )
        raw = self._signer.sign(nonce, self._pins.contract, data, GAS_ANCHOR)
        values = {"nonce": nonce, "raw": raw, "tx_hash": keccak256(raw), "state": SIGNED}
        self._update(row, **values)
        failpoint("hub.anchor_signed")
        return {**row, **values}

    def _send(self, row: dict[str, Any]) -> str:
        now_ms = self._clock.now_ms()
        mined = self._chain.mined(keccak256(bytes(row["raw"])))
        if mined is not None and not mined.ok:
            return self._set_aside(row, f"the transaction was reverted in block {mined.block_number}")
        waiting = row["state"] == SENT and now_ms - (row["sent_ms"] or 0) < self._chain_rules.resend_ms
        if mined is not None or waiting:
            return str(row["state"])
        # The same bytes every time: a transaction that was lost, and one that was not, come to the same thing.
        self._pins.check(self._chain)
        try:
            self._chain.send(bytes(row["raw"]))
        except NonceUsed as error:
            return self._nonce_used(row, str(error))
        except Rejected as error:
            return self._refused(row, str(error))
        failpoint("hub.anchor_sent")
        self._update(row, state=SENT, sent_ms=now_ms, attempts=row["attempts"] + 1, reason="")
        return SENT

    def _nonce_used(self, row: dict[str, Any], reason: str) -> str:
        mined = self._chain.mined(keccak256(bytes(row["raw"])))
        if mined is not None and mined.ok:
            self._update(row, state=SENT, sent_ms=self._clock.now_ms())
            return SENT  # it was ours that used it: the next look at the contract adopts it
        return self._set_aside(row, f"another transaction of the submitter has its nonce {row['nonce']}: {reason}")

    def _refused(self, row: dict[str, Any], reason: str) -> str:
        """The node says no to the bytes themselves. Bytes that are refused again and again are signed anew."""
        attempts = row["attempts"] + 1
        _log.warning("the main chain refuses an anchor", extra={"reason": reason, "attempts": attempts})
        if attempts >= REFUSALS_MAX:
            return self._set_aside(row, reason)
        self._update(row, attempts=attempts, reason=reason)
        return str(row["state"])

    def _mined(self, row: dict[str, Any], event: Anchored) -> str:
        self._update(
            row,
            state=MINED,
            tx_hash=event.log.tx_hash,
            block_number=event.log.block_number,
            block_hash=event.log.block_hash,
            log_index=event.log.index,
            reason="",
        )
        failpoint("hub.anchor_mined")
        return self._settle({**row, "block_number": event.log.block_number, "block_hash": event.log.block_hash})

    def _settle(self, row: dict[str, Any]) -> str:
        """Follow the anchor's block until it is deep enough."""
        if self._chain.block_hash(row["block_number"]) != bytes(row["block_hash"]):
            # A reorganisation: the transaction is waiting again, or stands in another block.
            state = SENT if row["raw"] is not None else INTENDED
            self._update(row, state=state, sent_ms=0, block_number=None, block_hash=None, log_index=None)
            return state
        if self._chain.height() - row["block_number"] < self._chain_rules.confirmations:
            return MINED
        self._update(row, state=FINAL, final_ms=self._clock.now_ms())
        failpoint("hub.anchor_final")
        self._publish()
        return FINAL

    # ------------------------------------------------------------ helpers

    def _publish(self) -> None:
        """Send receipts for the newest final anchor; does nothing when they are out."""
        with self._store.read() as session:
            row = _newest(session)
            head = None if row is None else logbook.head_at(session, row["size"])
        if row is None or head is None:
            return
        receipts.publish(self._store, self._book)
        receipts.publish_anchor(self._store, self._book, head, logbook.anchor_of(row))

    def _due(self, head: LogHead, last: dict[str, Any] | None) -> bool:
        since = (last or {}).get("made_ms", 0)
        size = (last or {}).get("size", 0)
        waited = self._clock.now_ms() - since >= self._rules.interval_ms
        return bool(waited or head.size - size >= self._rules.entries_max)

    def _lost(self, last: dict[str, Any]) -> bool:
        """Whether the chain has forgotten our newest final anchor; then what it covered has to be anchored again."""
        size, _ = self._registry.latest()
        if size >= last["size"]:
            return False
        now_ms = self._clock.now_ms()
        with self._store.write() as session:
            gone = session.all(
                "SELECT sequence, size FROM anchors WHERE state = :final AND size > :size", final=FINAL, size=size
            )
            session.run(
                "UPDATE anchors SET state = :aside, reason = :reason WHERE state = :final AND size > :size",
                aside=ASIDE,
                final=FINAL,
                size=size,
                reason="the main chain lost it after it was final",
            )
            receipts.withdraw(session, size)
            discrepancies.report(
                session,
                discrepancies.ANCHOR_LOST,
                f"{self._book.name}:{last['size']}",
                "",
                "the main chain lost anchors that counted as final: raise chain.confirmations",
                {"sizes": [row["size"] for row in gone], "latest_size": size},
                now_ms,
            )
        return True

    def _check_ours(self, size: int, root: bytes) -> None:
        """What the contract holds must be a state that our log was in."""
        if size == 0 and root == NO_ROOT:
            return
        with self._store.read() as session:
            have = logbook.log_size(session)
            ours = merkle.tree_root(size, logbook.reader(session)) if size <= have else None
        if ours is None:
            # Only we can have anchored it, so we have signed it: the log must not grow into another history.
            signed = self._book.promised_elsewhere(size, root)
            with self._store.write() as session:
                recovering.stand_still(session, self._book.name, have, signed, self._clock.now_ms())
            raise Corrupt(
                f"the main chain holds an anchor of {size} entries and the log has {have}: this database is older "
                "than its anchors; restore a newer one"
            )
        if ours != root:
            raise Corrupt(
                f"the main chain holds another root for {size} entries of our log: nothing more is anchored"
            )

    def _remember(self, size: int, root: bytes) -> dict[str, Any] | None:
        event = self._registry.find(size)
        if event is None:
            return None
        with self._store.write() as session:
            self._book.sign_again(session, size, root, self._clock.now_ms())
            self._insert(
                session, size, root, event.prev_size, event.prev_root, event.manifest, "found on the main chain"
            )
        return self._in_flight()

    def _insert(
        self,
        session: Session,
        size: int,
        root: bytes,
        prev_size: int,
        prev_root: bytes,
        manifest: bytes,
        reason: str,
    ) -> None:
        session.run(
            "INSERT INTO anchors(sequence, size, root, prev_size, prev_root, manifest, state, reason, chain_id,"
            " contract, made_ms) VALUES ((SELECT coalesce(max(sequence), 0) + 1 FROM anchors), :size, :root,"
            " :prev_size, :prev_root, :manifest, :state, :reason, :chain, :contract, :now)",
            size=size,
            root=root,
            prev_size=prev_size,
            prev_root=prev_root,
            manifest=manifest,
            state=INTENDED,
            reason=reason,
            chain=self._pins.chain_id,
            contract=self._pins.contract,
            now=self._clock.now_ms(),
        )

    def _set_aside(self, row: dict[str, Any], reason: str) -> str:
        _log.warning("an anchor is set aside", extra={"size": row["size"], "reason": reason})
        self._update(row, state=ASIDE, reason=reason)
        return ASIDE

    def _update(self, row: dict[str, Any], **values: Any) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        with self._store.write() as session:
            session.run(
                f"UPDATE anchors SET {sets} WHERE sequence = :sequence",  # noqa: S608
                sequence=row["sequence"],
                **values,
            )


def _newest(session: Session) -> dict[str, Any] | None:
    return session.one("SELECT * FROM anchors WHERE state = :final ORDER BY size DESC", final=FINAL)
