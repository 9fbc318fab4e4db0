"""Transfers between sites: the two halves joined, whichever arrives first.

For each line: `dispatched` left the sender, `accepted` came in at the receiver, `missing` the receiver says is not
there, `settled` is what the hub has told the sender's chain about, and `in_flight` is the rest: neither here nor
there yet, and nobody's fault. Acceptances of one line add up; beyond dispatched is over; what a later acceptance
brings is missing no more. Only the receiver that the dispatch names can accept: what others say they took settles
nothing, and is shown as it is.

The outcome goes to both sites by the transfers stream. To the sender's chain goes a SETTLE control record for what
was taken over (IN_TRANSIT to CUSTOMER); what is missing stays in transit until somebody decides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub import controls, discrepancies, streams
from hub.config import RulesConfig
from hub.discrepancies import Discrepancy
from hub.store import Session
from ledger import control
from ledger.control import ControlRecord
from ledger.errors import Rejected
from ledger.ids import CUSTOMER, SHRINKAGE, OpId
from ledger.transfers import Settled, TransferName

LINES_SHOWN_MAX = 220  # what a dispatch can have, and some that it never had; more would not fit a stream value
NUMBER_MAX = 2**63 - 1

IN_TRANSIT, ARRIVED, SHORT, OVER, UNMATCHED, SETTLED = (
    "in transit",
    "arrived",
    "short",
    "over",
    "unmatched",
    "settled",
)
_NOT_ARRIVED = (
    "NOT EXISTS (SELECT 1 FROM transfer_arrivals a WHERE a.transfer = t.transfer AND a.sender = t.sender"
    " AND a.site = t.receiver AND a.kind = 'accepted')"
)


@dataclass(frozen=True, slots=True)
class TransferLine:
    """One line; quantities in base units. A line that was never dispatched has `dispatched` 0."""

    line: int
    item: str
    lot: str
    serial: str
    status: int
    dispatched: int
    accepted: int
    missing: int
    settled: int
    unit: str = ""

    @property
    def in_flight(self) -> int:
        return max(0, self.dispatched - max(self.accepted + self.missing, self.settled))

    @property
    def over(self) -> int:
        return max(0, self.accepted - self.dispatched)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer as both halves say together. `dispatched_s` or `arrived_s` is None while that half is unknown."""

    name: TransferName
    receiver: str
    document: str
    dispatched_s: int | None
    arrived_s: int | None
    origin: str
    lines: tuple[TransferLine, ...]
    elsewhere: tuple[dict[str, Any], ...]
    """What sites accepted although the dispatch names another receiver."""

    @property
    def id(self) -> str:
        """The op_id of its dispatch, which another sender may have used too."""
        return str(self.name.transfer)

    @property
    def sender(self) -> str:
        return self.name.sender

    @property
    def state(self) -> str:
        if self.dispatched_s is None:
            return UNMATCHED
        if any(line.over for line in self.lines):
            return OVER
        if any(line.missing for line in self.lines):
            return SHORT
        if any(line.in_flight for line in self.lines):
            return IN_TRANSIT
        return SETTLED if all(line.settled >= line.dispatched for line in self.lines) else ARRIVED


def load(session: Session, name: TransferName) -> Transfer:
    """The transfer as it is known now; raises Rejected when neither half is here."""
    key = _key(name)
    row = session.one("SELECT * FROM transfers WHERE transfer = :transfer AND sender = :sender", **key)
    if row is None:
        raise Rejected(f"there is no transfer {name}")
    sent = session.all(
        "SELECT * FROM transfer_lines WHERE transfer = :transfer AND sender = :sender ORDER BY line", **key
    )
    came = session.all(
        "SELECT * FROM transfer_arrivals WHERE transfer = :transfer AND sender = :sender AND kind = 'accepted'"
        " ORDER BY at_s, site, origin, op_id, line",
        **key,
    )
    dispatched = row["dispatched_s"] is not None
    accepted = [each for each in came if not dispatched or each["site"] == row["receiver"]]
    told = _told(session, name)
    lines = [_line(each, accepted, told) for each in sent]
    known = {each["line"] for each in sent}
    extra = sorted({each["entry"] for each in accepted} - known)
    lines += [_unknown_line(number, accepted, known_dispatch=dispatched) for number in extra]
    return Transfer(
        name=name,
        receiver=row["receiver"] if dispatched else came[0]["site"],
        document=row["document"],
        dispatched_s=row["dispatched_s"],
        arrived_s=accepted[-1]["at_s"] if accepted else None,
        origin=row["dispatch_origin"],
        lines=tuple(lines),
        elsewhere=tuple(_elsewhere(each) for each in came if dispatched and each["site"] != row["receiver"]),
    )


def listed(session: Session, *, open_only: bool = False, limit: int = 1_000, skip: int = 0) -> list[Transfer]:
    """Transfers, newest first; `open_only` leaves out those that are wholly settled."""
    rows = session.all(
        "SELECT sender, transfer FROM transfers t ORDER BY coalesce(dispatched_s, (SELECT max(at_s)"
        " FROM transfer_arrivals a WHERE a.transfer = t.transfer AND a.sender = t.sender)) DESC, transfer, sender"
        " LIMIT :limit OFFSET :skip",
        limit=limit,
        skip=skip,
    )
    found = [load(session, _name(row)) for row in rows]
    return [each for each in found if not open_only or each.state != SETTLED]


def count(session: Session) -> int:
    """How many `listed` has of them."""
    return int(session.value("SELECT count(*) FROM transfers") or 0)


def count_not_arrived(session: Session) -> int:
    """How many dispatches their receiver has accepted nothing of."""
    return int(session.value(f"SELECT count(*) FROM transfers t WHERE dispatched_s IS NOT NULL AND {_NOT_ARRIVED}"))  # noqa: S608


def judge(session: Session, name: TransferName, rules: RulesConfig, now_ms: int) -> None:
    """After one half has changed: tell both sites, settle what was taken over, and say what does not fit."""
    known = load(session, name)
    settle(session, known, now_ms)
    known = load(session, name)
    value = as_json(known)
    for site in sorted({known.sender, known.receiver}):
        streams.put(session, streams.TRANSFERS, site, str(name), value)
    _report(session, known, rules, now_ms)
    _report_twice(session, name, now_ms)


def judge_late(session: Session, rules: RulesConfig, now_ms: int) -> None:
    """Look at transfers that nothing new has been heard of."""
    rows = session.all(
        f"SELECT sender, transfer FROM transfers t WHERE dispatched_s < :limit AND {_NOT_ARRIVED}"  # noqa: S608
        " OR dispatched_s IS NULL AND EXISTS (SELECT 1 FROM transfer_arrivals a"
        " WHERE a.transfer = t.transfer AND a.sender = t.sender AND a.at_s < :limit)",
        limit=(now_ms - rules.transfer_late_ms) // 1000,
    )
    for row in rows:
        _report(session, load(session, _name(row)), rules, now_ms)


def settle(session: Session, transfer: Transfer, now_ms: int) -> None:
    """Cut the record that clears the sender's IN_TRANSIT of what the receiver has taken over, as far as untold."""
    rows = [
        _settled(line, min(line.accepted, line.dispatched) - line.settled, CUSTOMER)
        for line in transfer.lines
        if min(line.accepted, line.dispatched) > line.settled
    ]
    _cut(session, transfer, rows, now_ms)


def write_off(session: Session, transfer: Transfer, target: str, now_ms: int) -> None:
    """Cut the record that ends what is missing: SHRINKAGE (lost), or a bin of the sender (it came back)."""
    if target == CUSTOMER:
        raise Rejected("what is missing was not taken over: expected SHRINKAGE or a bin of the sender")
    rows = [_settled(line, line.missing, target) for line in transfer.lines if line.missing > 0]
    if not rows:
        raise Rejected(f"transfer {transfer.name} misses nothing")
    _cut(session, transfer, rows, now_ms)


def as_json(transfer: Transfer) -> dict[str, Any]:
    """The value in the transfers stream and of the API.

    A line is [line, item, lot, serial, status, dispatched, accepted, missing, settled], with the handling unit in
    which it travels if it does: a list without names, because 200 lines must fit one stream value.
    """
    return {
        "sender": transfer.sender,
        "receiver": transfer.receiver,
        "document": transfer.document,
        "state": transfer.state,
        "dispatched_s": transfer.dispatched_s or 0,
        "arrived_s": transfer.arrived_s or 0,
        "lines": [
            [
                *(line.line, line.item, line.lot, line.serial, line.status),
                *(min(number, NUMBER_MAX) for number in (line.dispatched, line.accepted, line.missing, line.settled)),
                *([line.unit] if line.unit else []),
            ]
            for line in transfer.lines[:LINES_SHOWN_MAX]
        ],
    }


def _line(
    sent: Mapping[str, Any], accepted: list[dict[str, Any]], told: Mapping[int, tuple[int, int]]
) -> TransferLine:
    mine = [each for each in accepted if each["entry"] == sent["line"]]
    came = sum(each["quantity"] for each in mine if each["item"] in ("", sent["item"]))
    settled, written_off = told.get(sent["line"], (0, 0))
    said = sum(each["missing"] for each in mine)
    missing = max(0, min(said, sent["quantity"] - came) - written_off)
    return TransferLine(
        line=sent["line"],
        item=sent["item"],
        lot=sent["lot"],
        serial=sent["serial"],
        status=sent["status"],
        dispatched=sent["quantity"],
        accepted=came,
        missing=missing,
        settled=settled + written_off,
        unit=sent["unit"],
    )


def _unknown_line(number: int, accepted: list[dict[str, Any]], *, known_dispatch: bool) -> TransferLine:
    mine = [each for each in accepted if each["entry"] == number]
    return TransferLine(
        line=number,
        item=mine[0]["item"],
        lot=mine[0]["lot"],
        serial=mine[0]["serial"],
        status=mine[0]["status"],
        dispatched=0,
        accepted=sum(each["quantity"] for each in mine),
        missing=0 if known_dispatch else sum(each["missing"] for each in mine),
        settled=0,
    )


def _elsewhere(row: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in ("site", "item", "lot", "serial", "missing")}
    return {**said, "line": row["entry"], "accepted": row["quantity"]}


def _told(session: Session, name: TransferName) -> dict[int, tuple[int, int]]:
    """By line: (taken over, written off) in the SETTLE records cut so far, those that act nowhere left out."""
    told: dict[int, tuple[int, int]] = {}
    for row in session.all(
        "SELECT record FROM controls WHERE kind = :kind AND subject = :subject AND state NOT IN (:refused, :moved)",
        kind=control.SETTLE,
        subject=str(name),
        refused=controls.REFUSED,
        moved=controls.MOVED,
    ):
        content = ControlRecord.decode(bytes(row["record"])).content
        if isinstance(content, control.SettlePayload):
            for line in content.lines:
                over, off = told.get(line.index, (0, 0))
                if line.target == CUSTOMER:
                    told[line.index] = (over + line.quantity, off)
                else:
                    told[line.index] = (over, off + line.quantity)
    return told


def _settled(line: TransferLine, quantity: int, target: str) -> Settled:
    return Settled(
        index=line.line,
        item=line.item,
        lot=line.lot,
        serial=line.serial,
        status=line.status,
        quantity=quantity,
        target=target,
    )


def _cut(session: Session, transfer: Transfer, rows: list[Settled], now_ms: int) -> None:
    if not rows or transfer.dispatched_s is None:
        return
    # The sender may have a later incarnation by now: its accounts went over, and so does its transit.
    origin = session.value(
        "SELECT origin FROM origins WHERE site = :site ORDER BY incarnation DESC", site=transfer.sender
    )
    for start in range(0, len(rows), controls.SETTLED_MAX):
        part = tuple(rows[start : start + controls.SETTLED_MAX])
        payload = control.SettlePayload(transfer=transfer.name.transfer, lines=part)
        controls.cut(session, str(origin), payload, str(transfer.name), now_ms)


def _report(session: Session, transfer: Transfer, rules: RulesConfig, now_ms: int) -> None:
    # What the halves say, and nothing that the hub does about it: that is no new evidence.
    evidence = {
        "transfer": transfer.id,
        "origin": transfer.origin,
        "sender": transfer.sender,
        "receiver": transfer.receiver,
        "lines": [
            [line.line, line.item, line.lot, line.serial, line.dispatched, line.accepted, line.missing]
            for line in transfer.lines
            if line.accepted != line.dispatched
        ],
        "elsewhere": list(transfer.elsewhere),
    }
    strangers = sorted({each["site"] for each in transfer.elsewhere})
    route = f"{transfer.sender} to {transfer.receiver}"
    missing = sum(line.missing for line in transfer.lines) if transfer.dispatched_s is not None else 0
    over = sum(line.over for line in transfer.lines) if transfer.dispatched_s is not None else 0
    age_ms = now_ms - 1000 * (transfer.dispatched_s or transfer.arrived_s or 0)
    late = transfer.state == IN_TRANSIT and age_ms > rules.transfer_late_ms
    alone = transfer.dispatched_s is None and age_ms > rules.transfer_late_ms
    findings = (
        (discrepancies.TRANSFER_SHORT, missing, f"{route}: {missing} base units missing on arrival"),
        (discrepancies.TRANSFER_OVER, over, f"{route}: {over} base units more than dispatched"),
        (discrepancies.TRANSFER_LATE, late, f"{route}: goods still in transit after the agreed time"),
        (
            discrepancies.TRANSFER_UNMATCHED,
            alone or strangers,
            f"{route}: accepted by {', '.join(strangers)}"
            if strangers
            else f"{route}: accepted, but the sender's dispatch never arrived",
        ),
    )
    for kind, found, summary in findings:
        if found:
            discrepancies.report(session, kind, str(transfer.name), transfer.sender, summary, evidence, now_ms)
        else:
            explained = f"{route}: later records explain it"
            discrepancies.clear(session, kind, str(transfer.name), explained, evidence, now_ms)


def _report_twice(session: Session, name: TransferName, now_ms: int) -> None:
    """Two senders of one id: each keeps its own transfer, and the one that came later is asked about it."""
    rows = session.all(
        "SELECT sender AS site, dispatch_origin AS origin, dispatch_height AS block FROM transfers"
        " WHERE transfer = :transfer AND dispatched_s IS NOT NULL ORDER BY sender",
        transfer=str(name.transfer),
    )
    if len(rows) > 1:
        report_twice(session, name, f"{' and '.join(row['site'] for row in rows)} use one transfer id", rows, now_ms)


def report_twice(
    session: Session, name: TransferName, summary: str, dispatches: list[dict[str, Any]], now_ms: int
) -> None:
    """Say that the id of the transfer `name` was used by each of `dispatches`, {site, origin, block}."""
    evidence = {"transfer": str(name.transfer), "dispatches": dispatches}
    discrepancies.report(
        session, discrepancies.TRANSFER_TWICE, str(name.transfer), name.sender, summary, evidence, now_ms
    )


def _name(row: Mapping[str, Any]) -> TransferName:
    return TransferName(row["sender"], OpId.parse(row["transfer"]))


def _key(name: TransferName) -> dict[str, str]:
    return {"transfer": str(name.transfer), "sender": name.sender}


LOST = "lost"


def decide(
    session: Session, found: Discrepancy, author: str, verdict: str, text: str, rules: RulesConfig, now_ms: int
) -> None:
    """Close a discrepancy by a new entry. The verdict `lost` on a short transfer also settles what is missing."""
    if verdict != LOST:
        discrepancies.close(session, found.id, author, verdict, text, now_ms)
        return
    if found.kind != discrepancies.TRANSFER_SHORT:
        raise Rejected(f"only goods of a short transfer can be lost; this is: {found.kind}")
    discrepancies.close(session, found.id, author, discrepancies.RESOLVED, text, now_ms)
    name = TransferName.parse(found.subject)
    write_off(session, load(session, name), SHRINKAGE, now_ms)
    judge(session, name, rules, now_ms)
