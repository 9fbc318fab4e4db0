"""A database put back from a backup: what this hub has signed since is made whole from its file of signed heads.

    certificates   chains that were enrolled since are known again
    log            the entries in their order, each with its site's own note: the same tree up to the signed root
    records        what chains were told since, signed again byte for byte; rights follow them
    blocks         the sites have them, and are asked for them             (hub.receiving: RECOVERING)

What people entered here since is in no signature and is lost; the discrepancy says what can be known of it. Where
the file does not reach back far enough the log stands still (`Logbook.check`): nothing is ever signed against what
was signed. All of it is one transaction, at every start; where nothing is missing it does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub import blocks, controls, discrepancies, enrolment, logbook, people
from hub.findings import RECORDS
from hub.heads import Heads, SignedHead
from hub.logbook import Logbook
from hub.store import Session, Store
from ledger import checkpoint, control
from ledger.codec import cbor_decode
from ledger.control import ControlRecord
from ledger.ids import Origin
from ledger.keys import SigningKey, TxKey
from ledger.merkle import leaf_hash
from sync.enrolment import Certificate

SHOWN_MAX = 200
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Missing:
    """What the database lacks of what was signed; each list as the discrepancy shows it."""

    log_had: int = 0
    log_signed: int = 0
    enrolled: list[str] = field(default_factory=list)
    chains: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        # Blocks alone come back by themselves.
        return bool(self.log_signed > self.log_had or self.enrolled or self.records or self.lost)

    def evidence(self) -> dict[str, Any]:
        lists = ("enrolled", "chains", "records", "lost")
        return {
            "log_had": self.log_had,
            "log_signed": self.log_signed,
            **{name: getattr(self, name)[:SHOWN_MAX] for name in lists},
        }


@dataclass(frozen=True, slots=True)
class Recovery:
    """Makes one database whole. `key` is the hub's log key, `control_key` that of its control records."""

    store: Store
    heads: Heads
    book: Logbook
    key: SigningKey
    control_key: TxKey
    silent_after_ms: int

    def run(self, now_ms: int) -> bool:
        """Bring back what can be brought back, and report it; answers whether anything was missing."""
        with self.store.write("log") as session:
            missing = _Missing()
            for name in self.heads.names():
                origin = name.partition("#")[0]
                if name == enrolment.promised(origin):
                    self._chain(session, origin, missing, now_ms)
            self._log(session, missing, now_ms)
            for row in session.all("SELECT origin, site FROM origins ORDER BY origin"):
                self._blocks(session, row["origin"], missing)
                self._records(session, row, missing, now_ms)
            blocks.tell_keys(session)
            if missing:
                _report(session, self.book.name, missing, now_ms)
        return bool(missing)

    def _chain(self, session: Session, origin: str, missing: _Missing, now_ms: int) -> None:
        if session.value("SELECT count(*) FROM origins WHERE origin = :origin", origin=origin):
            return
        last = self.heads.get(enrolment.promised(origin))
        kept = None if last is None else self.heads.kept(enrolment.promised(origin), last.size - 1, last.size)
        if not kept:
            missing.lost.append(f"the certificate of {origin}")
            return
        enrolment.add_site(session, Origin.parse(origin).site, self.silent_after_ms, now_ms)
        enrolment.register(session, Certificate.decode(kept[0]), now_ms)
        missing.enrolled.append(origin)

    def _log(self, session: Session, missing: _Missing, now_ms: int) -> None:
        last, name = self.heads.get(self.book.name), self.book.name
        have = logbook.log_size(session)
        if last is None or last.size <= have:
            return
        missing.log_had, missing.log_signed = have, last.size
        entries = self.heads.kept(name, have, last.size)
        if entries is None or _root_with(session, have, entries) != last.root:
            missing.lost.append(f"entries of the log between {have} and {last.size}")
            return
        for entry in entries:
            origin, size, note = cbor_decode(entry)
            self.book.append(session, origin, size, note, now_ms)
            session.run(
                "INSERT INTO checkpoints VALUES (:origin, :size, :root, :note, :cosignature, :now)"
                " ON CONFLICT(origin, size) DO NOTHING",
                origin=origin,
                size=size,
                root=checkpoint.Note.parse(note).checkpoint.root,
                note=note,
                cosignature=checkpoint.cosign(note, name, self.key, now_ms // 1000),
                now=now_ms,
            )
            session.run("UPDATE origins SET logged_size = :size WHERE origin = :origin", size=size, origin=origin)
        self.book.sign_again(session, last.size, last.root, now_ms)

    def _blocks(self, session: Session, origin: str, missing: _Missing) -> None:
        held = int(session.value("SELECT size FROM origins WHERE origin = :origin", origin=origin))
        last = self.heads.get(origin)
        if last is not None and last.size > held:
            missing.chains.append({"origin": origin, "held": held, "acknowledged": last.size})

    def _records(self, session: Session, row: Mapping[str, Any], missing: _Missing, now_ms: int) -> None:
        origin, site, name = row["origin"], row["site"], controls.promised(row["origin"])
        last = self.heads.get(name)
        signed = controls.signed_size(session, origin)
        if last is None or last.size <= signed:
            return
        kept = self.heads.kept(name, signed, last.size)
        if kept is None:
            missing.lost.append(f"control records of {origin} between {signed} and {last.size}")
            return
        known = controls.waiting(session, origin, signed)[: len(kept)]
        controls.put_back(session, origin, kept, signed, self.control_key, now_ms)
        # Those that are here, unsigned, are from a death between promise and signature, and not forgotten.
        for body in kept if kept != known else ():
            subject, raw = cbor_decode(body)
            record = ControlRecord.decode(raw)
            if isinstance(record.content, control.PersonPayload):
                people.relearn(session, site, record.content, now_ms)
            said = {"origin": origin, "sequence": record.sequence, "kind": RECORDS.get(record.kind, "unknown")}
            missing.records.append({**said, "subject": subject})


def stand_still(session: Session, name: str, have: int, signed: SignedHead, now_ms: int) -> None:
    """Report that the log cannot be made whole."""
    missing = _Missing(log_had=have, log_signed=signed.size)
    missing.lost.append(f"entries of the log between {have} and {signed.size}")
    _report(session, name, missing, now_ms)


def _root_with(session: Session, have: int, entries: Sequence[bytes]) -> bytes:
    """The root that the log would have with these entries behind its first `have`."""
    edge = logbook.frontier(session, have)
    for entry in entries:
        edge, _ = edge.append(leaf_hash(cbor_decode(entry)[2]))
    return edge.root()


def _report(session: Session, name: str, missing: _Missing, now_ms: int) -> None:
    if missing.lost:
        summary = (
            f"the hub's database is older than what this hub has signed, and {missing.lost[0]} cannot be made again: "
            "stop the hub, put back a newer database or the newest heads file, and start it again"
        )
    else:
        summary = (
            "the hub's database was put back from a backup, and what this hub had signed since is made whole: enter "
            "again what people entered here since (see the records), then resolve this"
        )
    _log.warning(summary, extra={"log_had": missing.log_had, "log_signed": missing.log_signed})
    discrepancies.report(session, discrepancies.HUB_RESTORED, name, "", summary, missing.evidence(), now_ms)
