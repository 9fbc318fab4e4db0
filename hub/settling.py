"""What the hub does about transfers: it tells both sites, settles what was taken over, and lets people end the rest.

A person ends what has not arrived by a verdict on a discrepancy of the transfer:

  lost       what is missing was lost: SHRINKAGE at the sender, by a control record; what its chain has as taken over
             by an acceptance that was reversed since, at the site that reversed it; what the receiver says is on its
             way back only where nothing else is missing
  returned   what nobody accepted comes back: the sender accepts it by a signed document of its own, like any arrival
  cancelled  it never left: the goods go back into the bin that the sender named when it asked, by a control record
  diverted   another site accepts what is left of it: from now on it is the receiver

`returned`, `cancelled` and `diverted` are rulings: they stand beside the transfer, go down to the sites with it, and
end what the receiver of the dispatch may do. They are refused once that has accepted something that contradicts them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hub import controls, discrepancies, streams
from hub.config import RulesConfig
from hub.discrepancies import Discrepancy
from hub.store import Session
from hub.transfers import IN_TRANSIT, NOT_ARRIVED, Transfer, TransferLine, Undone, as_json, key_of, load, named
from ledger import control
from ledger.documents import Document
from ledger.errors import Invalid, Rejected
from ledger.ids import CUSTOMER, SHRINKAGE, OpId
from ledger.moves import FREE
from ledger.transfers import BIN, CANCELLED, DIVERTED, RETURNED, Settled, TransferName

LOST = "lost"
VERDICTS = (LOST, RETURNED, CANCELLED, DIVERTED)
ONLY_OF = {LOST: (discrepancies.TRANSFER_SHORT,), CANCELLED: (discrepancies.TRANSFER_ASKED,)}
OF_TRANSFERS = (
    discrepancies.TRANSFER_SHORT,
    discrepancies.TRANSFER_LATE,
    discrepancies.TRANSFER_UNMATCHED,
    discrepancies.TRANSFER_ASKED,
)


def judge(session: Session, name: TransferName, rules: RulesConfig, now_ms: int, before: str = "") -> None:
    """After one half has changed: tell the sites, settle what was taken over, and say what does not fit. `before`:
    who was its receiver, when that is another one now."""
    known = load(session, name)
    settle(session, known, now_ms)
    known = load(session, name)
    for site in sorted({known.sender, known.receiver, known.addressed, before} - {""}):
        streams.put(session, streams.TRANSFERS, site, str(name), as_json(known, site))
    _report(session, known, rules, now_ms)
    _report_twice(session, name, now_ms)


def judge_late(session: Session, rules: RulesConfig, now_ms: int) -> None:
    """Look at transfers that nothing new has been heard of."""
    rows = session.all(
        f"SELECT sender, transfer FROM transfers t WHERE dispatched_s < :limit AND {NOT_ARRIVED}"  # noqa: S608
        " OR dispatched_s IS NULL AND EXISTS (SELECT 1 FROM transfer_arrivals a"
        " WHERE a.transfer = t.transfer AND a.sender = t.sender AND a.at_s < :limit)",
        limit=(now_ms - rules.transfer_late_ms) // 1000,
    )
    for row in rows:
        _report(session, load(session, named(row)), rules, now_ms)


def settle(session: Session, transfer: Transfer, now_ms: int) -> None:
    """Cut the record that clears the sender's IN_TRANSIT of what the receiver has taken over, as far as untold."""
    rows = [_settled(line, line.taken_over, CUSTOMER) for line in transfer.lines if line.taken_over]
    _cut(session, transfer, rows, now_ms)


def ask(session: Session, name: TransferName, author: str, text: str, evidence: dict[str, Any], now_ms: int) -> int:
    """Somebody wants a transfer ended: it waits for a verdict. Answers the discrepancy's number."""
    known = load(session, name)
    summary = f"{known.sender} to {known.receiver}: {text}"
    return discrepancies.report(
        session,
        discrepancies.TRANSFER_ASKED,
        str(name),
        known.sender,
        summary,
        {"by": author, "text": text, **evidence},
        now_ms,
    )


def asked(session: Session, name: TransferName, op_id: str, document: bytes, rules: RulesConfig, now_ms: int) -> None:
    """The sender asks to cancel. What the receiver has accepted is not cancelled any more, and the sender is told."""
    try:
        bin_, known = Document.decode(document).references.get(BIN, ""), load(session, name)
    except (Invalid, Rejected):
        return
    if known.dispatched_s is None:
        return
    number = ask(session, name, name.sender, "the sender asks to cancel it", {"op_id": op_id, BIN: bin_}, now_ms)
    if refusal := _has_arrived(known):
        discrepancies.close(session, number, discrepancies.SYSTEM, discrepancies.ACCEPTED, refusal, now_ms)
    judge(session, name, rules, now_ms)


def verdicts(kind: str) -> tuple[str, ...]:
    """What can be said of a discrepancy of this kind to end its transfer."""
    return tuple(each for each in VERDICTS if kind in ONLY_OF.get(each, OF_TRANSFERS))


def diversions(session: Session, found: Discrepancy) -> list[str]:
    """The sites to which the transfer of a discrepancy can be diverted now."""
    if DIVERTED not in verdicts(found.kind):
        return []
    try:
        known = load(session, TransferName.parse(found.subject))
        _refuse_diverting(known)
    except Rejected:
        return []
    rows = session.all("SELECT site FROM sites ORDER BY site")
    return [row["site"] for row in rows if row["site"] not in (known.sender, known.receiver)]


def decide(
    session: Session, found: Discrepancy, author: str, verdict: str, text: str, site: str, rules: RulesConfig,
    now_ms: int,
) -> None:  # fmt: skip
    """Close a discrepancy by a new entry; a verdict of VERDICTS also ends the transfer that it is about. `site`: to
    which a transfer is diverted."""
    if bool(site) != (verdict == DIVERTED):
        raise Rejected("a transfer is diverted to a site; no other verdict names one")
    if verdict not in VERDICTS:
        discrepancies.close(session, found.id, author, verdict, text, now_ms)
        if found.kind == discrepancies.TRANSFER_ASKED:
            judge(session, TransferName.parse(found.subject), rules, now_ms)
        return
    if verdict not in verdicts(found.kind):
        wanted = ", ".join(ONLY_OF.get(verdict, OF_TRANSFERS))
        raise Rejected(f"one can say {verdict} only of: {wanted}; this is: {found.kind}")
    discrepancies.close(session, found.id, author, discrepancies.RESOLVED, text, now_ms)
    name = TransferName.parse(found.subject)
    known = load(session, name)
    if known.dispatched_s is None:
        raise Rejected(f"the dispatch of transfer {name} has not arrived: nothing can be done with it yet")
    if verdict == LOST:
        _write_off(session, known, now_ms)
    elif verdict == CANCELLED:
        _cancel(session, known, str(discrepancies.evidence(session, found.id).get(BIN, "")), now_ms)
    elif verdict == RETURNED:
        _return(session, known, now_ms)
    else:
        _divert(session, known, site, now_ms)
    judge(session, name, rules, now_ms, known.receiver)


def _write_off(session: Session, transfer: Transfer, now_ms: int) -> None:
    gone = {line: line.missing - line.returning for line in transfer.lines}
    if not any(gone.values()):
        gone = {line: line.missing for line in transfer.lines}
    rows = [_settled(line, min(quantity, line.at_sender), SHRINKAGE) for line, quantity in gone.items()]
    there = [
        each for line, quantity in gone.items() for each in _lost_there(transfer, line, quantity - line.at_sender)
    ]
    if not any(gone.values()):
        raise Rejected(f"transfer {transfer.name} misses nothing")
    _cut(session, transfer, [row for row in rows if row.quantity], now_ms)
    for site, of in dict.fromkeys((undone.site, undone.of) for undone, _ in there):
        lost = [row for undone, row in there if (undone.site, undone.of) == (site, of)]
        _cut(session, transfer, lost, now_ms, site, of)


def _lost_there(transfer: Transfer, line: TransferLine, quantity: int) -> list[tuple[Undone, Settled]]:
    """What is lost of a line although the sender's chain was told that it is taken over, by an acceptance that was
    reversed since. That chain is told of the same goods once; the reversal is a dispatch of its site, so the loss is
    settled on that one, in the books of the site that had the goods last."""
    found = []
    for undone in line.undone:
        many = min(quantity, undone.left)
        if many > 0:
            found.append((undone, replace(_settled(line, many, SHRINKAGE), index=undone.index, status=FREE)))
            quantity -= many
    if quantity > 0:
        raise _taken_over(transfer)
    return found


def _taken_over(transfer: Transfer) -> Rejected:
    """Why the sender's chain cannot carry something out: it was told of an acceptance that was reversed since, and is
    told of the same goods once."""
    return Rejected(
        f"the books of {transfer.sender} have it as taken over by {transfer.receiver}, which reversed that since:"
        " say that it comes back, or accept it as it is"
    )


def _cancel(session: Session, transfer: Transfer, bin_: str, now_ms: int) -> None:
    if refusal := _has_arrived(transfer):
        raise Rejected(refusal)
    if not bin_:
        raise Rejected(f"{transfer.sender} has not asked for it: it names the bin where the goods stand")
    if any(line.in_flight > line.at_sender for line in transfer.lines):
        raise _taken_over(transfer)
    rows = [_settled(line, line.in_flight, bin_) for line in transfer.lines if line.in_flight]
    if not rows:
        raise Rejected(f"nothing of transfer {transfer.name} is on its way any more")
    _cut(session, transfer, rows, now_ms)
    _rule(session, transfer, CANCELLED, "", now_ms)


def _return(session: Session, transfer: Transfer, now_ms: int) -> None:
    if not any(line.in_flight or line.missing for line in transfer.lines):
        took = any(each["site"] == transfer.sender for each in transfer.elsewhere)
        if not took:
            raise Rejected(f"nothing of transfer {transfer.name} is on its way or missing: nothing can come back")
    _rule(session, transfer, RETURNED, "", now_ms)


def _divert(session: Session, transfer: Transfer, site: str, now_ms: int) -> None:
    if session.value("SELECT 1 FROM sites WHERE site = :site", site=site) is None:
        raise Rejected(f"there is no site {site!r}")
    if site == transfer.sender:
        raise Rejected(f"{site} has sent it: say that it is returned")
    if site == transfer.receiver:
        raise Rejected(f"{site} is its receiver already")
    _refuse_diverting(transfer)
    _rule(session, transfer, DIVERTED, site, now_ms)


def _refuse_diverting(transfer: Transfer) -> None:
    if transfer.receiver != transfer.addressed and any(line.accepted > line.kept for line in transfer.lines):
        raise Rejected(
            f"{transfer.receiver} has accepted some of it: let that site send on what it has, or let the rest return"
        )
    if not any(line.in_flight or line.missing for line in transfer.lines):
        raise Rejected(f"nothing of transfer {transfer.name} is on its way any more")


def _has_arrived(transfer: Transfer) -> str:
    """Why it cannot be cancelled, "" if it can."""
    sites = [transfer.receiver] if transfer.arrived_s is not None else [each["site"] for each in transfer.elsewhere]
    return f"{sites[0]} has accepted it already: what is to come back is returned, not cancelled" if sites else ""


def _rule(session: Session, transfer: Transfer, kind: str, site: str, now_ms: int) -> None:
    session.run(
        "INSERT INTO rulings VALUES (:transfer, :sender, :kind, :site, :now) ON CONFLICT(transfer, sender)"
        " DO UPDATE SET kind = excluded.kind, site = excluded.site, made_ms = excluded.made_ms",
        **key_of(transfer.name),
        kind=kind,
        site=site,
        now=now_ms,
    )


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


def _cut(
    session: Session, transfer: Transfer, rows: list[Settled], now_ms: int, site: str = "", of: OpId | None = None
) -> None:
    """Tell the sender's chain what became of its dispatch; or the chain of `site` what of its reversal `of`."""
    if not rows or transfer.dispatched_s is None:
        return
    # The site may have a later incarnation by now: its accounts went over, and so does its transit.
    origin = session.value(
        "SELECT origin FROM origins WHERE site = :site ORDER BY incarnation DESC", site=site or transfer.sender
    )
    for start in range(0, len(rows), controls.SETTLED_MAX):
        part = tuple(rows[start : start + controls.SETTLED_MAX])
        payload = control.SettlePayload(transfer=of or transfer.name.transfer, lines=part)
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
            + ([line.returning] if line.returning else [])
            for line in transfer.lines
            if line.accepted != line.dispatched
        ],
        "elsewhere": list(transfer.elsewhere),
    }
    strangers = sorted({each["site"] for each in transfer.elsewhere})
    route = f"{transfer.sender} to {transfer.receiver}"
    missing = sum(line.missing for line in transfer.lines) if transfer.dispatched_s is not None else 0
    returning = sum(line.returning for line in transfer.lines)
    short = f"{route}: {missing} base units missing on arrival"
    over = sum(line.over for line in transfer.lines) if transfer.dispatched_s is not None else 0
    age_ms = now_ms - 1000 * (transfer.dispatched_s or transfer.arrived_s or 0)
    late = transfer.state == IN_TRANSIT and age_ms > rules.transfer_late_ms
    alone = transfer.dispatched_s is None and transfer.arrived_s is not None and age_ms > rules.transfer_late_ms
    findings = (
        (
            discrepancies.TRANSFER_SHORT,
            missing,
            f"{short}, {returning} of them on the way back" if returning else short,
        ),
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
