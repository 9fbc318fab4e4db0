"""Transfers between sites: the two halves joined, whichever arrives first.

For each line: `dispatched` left the sender, `accepted` came in at the receiver, `missing` the receiver says is not
there, `settled` is what the hub has told the sender's chain about, and `in_flight` is the rest: neither here nor
there yet, and nobody's fault. Acceptances of one line add up, without those that were reversed; beyond dispatched is
over; what a later acceptance brings is missing no more. Only the receiver that the dispatch names can accept: what
others say they took settles nothing, and is shown as it is.

A ruling of a person (`hub/settling`) changes who may accept: of a diverted transfer another site is the receiver of
what the one that the dispatch names has not taken (what that took is `kept`, what it missed is not missing), of
a returned one the sender takes back what nobody accepted. What came back is `back`, and with what is lost `ended`.
What the receiver says the carrier took back the sender takes in without a ruling: of what is missing, `returning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub import controls, discrepancies
from hub.store import Session
from ledger import control
from ledger.control import ControlRecord
from ledger.documents import reversal_op_id
from ledger.errors import Rejected
from ledger.ids import CUSTOMER, SHRINKAGE, OpId
from ledger.transfers import ASKED, CANCELLED, DECLINED, RETURNED, TransferName

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
COMING_BACK = "coming back"
NOT_ARRIVED = (
    "NOT EXISTS (SELECT 1 FROM transfer_arrivals a WHERE a.transfer = t.transfer AND a.sender = t.sender"
    " AND a.site = t.receiver AND a.kind = 'accepted')"
)


@dataclass(frozen=True, slots=True)
class Undone:
    """A line of an acceptance that was reversed: the line `index` of the operation `of` by which `site` put it back
    into transit. `left`: how much of it that site's chain can still be told is lost."""

    site: str
    of: OpId
    index: int
    left: int


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
    back: int = 0
    ended: int = 0
    returned: int = 0
    """What the receiver gave back to the carrier, whether the sender has it by now or not."""
    reversed: int = 0
    """What was accepted and then not: the sender's chain may have been told of it."""
    undone: tuple[Undone, ...] = ()
    kept: int = 0
    """What was accepted where the transfer went before it was diverted."""

    @property
    def rest(self) -> TransferLine:
        """The line to the site to which it was diverted."""
        names = ("dispatched", "accepted", "settled")
        return replace(self, **{name: max(0, getattr(self, name) - self.kept) for name in names})

    @property
    def returning(self) -> int:
        return min(self.missing, max(0, self.returned - self.back))

    @property
    def in_flight(self) -> int:
        known = max(self.accepted + self.missing + self.ended, self.settled - self.reversed)
        return max(0, self.dispatched - known)

    @property
    def at_sender(self) -> int:
        """What the sender's chain still has in transit: nothing else can be settled there."""
        return max(0, self.dispatched - self.settled)

    @property
    def over(self) -> int:
        return max(0, self.accepted - (self.dispatched - self.back))

    @property
    def taken_over(self) -> int:
        """What the sender's chain is still to be told that the receiver has."""
        return max(0, min(self.accepted, self.dispatched - self.ended) - (self.settled - self.ended))


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
    """What sites accepted although another one is the receiver."""
    addressed: str = ""
    """The receiver that the dispatch names, "" while that is unknown."""
    ruling: str = ""
    request: str = ""
    """What became of the sender's request to cancel it: ASKED, DECLINED, or "" for none."""

    reversed: bool = False
    """Whether an acceptance of it was reversed."""

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
        if self.ruling in (RETURNED, CANCELLED):
            still = any(line.missing or line.in_flight for line in self.lines)
            return self.ruling if not still else COMING_BACK if self.ruling == RETURNED else IN_TRANSIT
        if any(line.missing > line.returning for line in self.lines):
            return SHORT
        if any(line.in_flight for line in self.lines):
            return IN_TRANSIT
        if any(line.returning for line in self.lines):
            return COMING_BACK
        return SETTLED if all(line.settled >= line.dispatched for line in self.lines) else ARRIVED


def load(session: Session, name: TransferName) -> Transfer:
    """The transfer as it is known now; raises Rejected when neither half is here."""
    key = key_of(name)
    row = session.one("SELECT * FROM transfers WHERE transfer = :transfer AND sender = :sender", **key)
    if row is None:
        raise Rejected(f"there is no transfer {name}")
    sent = session.all(
        "SELECT * FROM transfer_lines WHERE transfer = :transfer AND sender = :sender ORDER BY line", **key
    )
    arrived = session.all(
        "SELECT * FROM transfer_arrivals WHERE transfer = :transfer AND sender = :sender"
        " AND kind IN ('accepted', 'reversed') ORDER BY at_s, site, origin, op_id, line",
        **key,
    )
    came = [each for each in arrived if each["kind"] == "accepted"]
    undone = [each for each in arrived if each["kind"] == "reversed" and each["site"] != name.sender]
    dispatched = row["dispatched_s"] is not None
    ruled = session.one("SELECT kind, site FROM rulings WHERE transfer = :transfer AND sender = :sender", **key) or {}
    addressed = row["receiver"]
    receiver = ruled.get("site") or addressed
    accepted = [each for each in came if not dispatched or each["site"] in (receiver, addressed)]
    returns = ruled.get("kind") == RETURNED or any(each["returned"] for each in accepted)
    back = [each for each in came if returns and each["site"] == name.sender]
    told, moved = _told(session, name), _moved_back(session, undone)
    before = [each for each in accepted if dispatched and each["site"] != receiver]
    lines = [_line(each, accepted, before, back, undone, moved, told) for each in sent]
    elsewhere = [each for each in came if dispatched and each not in accepted and each not in back]
    known = {each["line"] for each in sent}
    extra = sorted({each["entry"] for each in accepted} - known)
    lines += [_unknown_line(number, accepted, known_dispatch=dispatched) for number in extra]
    return Transfer(
        name=name,
        receiver=receiver if dispatched or not came else came[0]["site"],
        document=row["document"],
        dispatched_s=row["dispatched_s"],
        arrived_s=accepted[-1]["at_s"] if accepted else None,
        origin=row["dispatch_origin"],
        lines=tuple(lines),
        elsewhere=tuple(_elsewhere(each) for each in elsewhere),
        addressed=addressed,
        ruling=ruled.get("kind", ""),
        request=_request(session, name),
        reversed=any(each["kind"] == "reversed" for each in arrived),
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
    found = [load(session, named(row)) for row in rows]
    return [each for each in found if not open_only or each.state != SETTLED]


def count(session: Session) -> int:
    """How many `listed` has of them."""
    return int(session.value("SELECT count(*) FROM transfers") or 0)


def count_not_arrived(session: Session) -> int:
    """How many dispatches their receiver has accepted nothing of."""
    return int(session.value(f"SELECT count(*) FROM transfers t WHERE dispatched_s IS NOT NULL AND {NOT_ARRIVED}"))  # noqa: S608


def as_json(transfer: Transfer, site: str = "") -> dict[str, Any]:
    """The value in the transfers stream of a site and of the API.

    A line is [line, item, lot, serial, status, dispatched, accepted, missing, settled, handling unit, returned], the
    last two only where there is one: a list without names, because 200 lines must fit one stream value.
    """
    diverted_here = site == transfer.receiver != transfer.addressed
    lines = [line.rest if diverted_here else line for line in transfer.lines[:LINES_SHOWN_MAX]]
    return {
        "sender": transfer.sender,
        "receiver": transfer.receiver,
        "document": transfer.document,
        "state": transfer.state,
        "dispatched_s": transfer.dispatched_s or 0,
        "arrived_s": transfer.arrived_s or 0,
        **{name: said for name in ("ruling", "request") if (said := getattr(transfer, name))},
        **({"reversed": True} if transfer.reversed else {}),
        "lines": [
            [
                *(line.line, line.item, line.lot, line.serial, line.status),
                *(min(number, NUMBER_MAX) for number in (line.dispatched, line.accepted, line.missing, line.settled)),
                *([line.unit] if line.unit or line.returned else []),
                *([min(line.returned, NUMBER_MAX)] if line.returned else []),
            ]
            for line in lines
        ],
    }


def _line(
    sent: Mapping[str, Any],
    accepted: list[dict[str, Any]],
    before: list[dict[str, Any]],
    returned: list[dict[str, Any]],
    undone: list[dict[str, Any]],
    moved: list[tuple[int, Undone]],
    told: Mapping[tuple[OpId, int], tuple[int, int, int]],
) -> TransferLine:
    mine = [each for each in accepted if each["entry"] == sent["line"]]
    came = sum(each["quantity"] for each in mine if each["item"] in ("", sent["item"]))
    settled, lost, back = told.get((OpId.parse(sent["transfer"]), sent["line"]), (0, 0, 0))
    lost_there = {
        each: told.get((each.of, each.index), (0, 0, 0))[1] for entry, each in moved if entry == sent["line"]
    }
    settled, lost = settled + lost, lost + sum(lost_there.values())
    back += sum(each["quantity"] for each in returned if each["entry"] == sent["line"])
    here = [each for each in mine if each not in before]
    said = sum(each["missing"] for each in here)
    missing = max(0, min(said, sent["quantity"] - came) - lost - back)
    return TransferLine(
        line=sent["line"],
        item=sent["item"],
        lot=sent["lot"],
        serial=sent["serial"],
        status=sent["status"],
        dispatched=sent["quantity"],
        accepted=came,
        missing=missing,
        settled=settled + back,
        unit=sent["unit"],
        back=back,
        ended=lost + back,
        returned=min(sum(each["returned"] for each in here), missing + back),
        reversed=sum(each["quantity"] for each in undone if each["entry"] == sent["line"]),
        kept=sum(each["quantity"] for each in mine if each in before),
        undone=tuple(replace(each, left=each.left - many) for each, many in lost_there.items()),
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


def _request(session: Session, name: TransferName) -> str:
    state = session.value(
        "SELECT state FROM discrepancies WHERE kind = :kind AND subject = :subject",
        kind=discrepancies.TRANSFER_ASKED,
        subject=str(name),
    )
    return "" if state is None else ASKED if state in discrepancies.ALIVE else DECLINED


def _moved_back(session: Session, undone: list[dict[str, Any]]) -> list[tuple[int, Undone]]:
    """The lines of acceptances that were reversed, each with its line of the transfer; none of an acceptance that was
    reversed in other lines than its own, as a node never does."""
    found: list[tuple[int, Undone]] = []
    goods = ("item", "lot", "serial", "quantity")
    for key in dict.fromkeys((each["site"], each["op_id"]) for each in undone):
        of = reversal_op_id(OpId.parse(key[1]))
        mine = [each for each in undone if (each["site"], each["op_id"]) == key and each["quantity"]]
        moves = session.all(
            "SELECT m.line, m.item, m.lot, m.serial, m.quantity FROM movements m"
            " JOIN origins o ON o.origin = m.origin WHERE o.site = :site AND m.op_id = :op ORDER BY m.line",
            site=key[0],
            op=str(of),
        )
        if [[each[name] for name in goods] for each in moves] == [[each[name] for name in goods] for each in mine]:
            pairs = zip(mine, moves, strict=True)
            found += [(row["entry"], Undone(key[0], of, move["line"], move["quantity"])) for row, move in pairs]
    return found


def _told(session: Session, name: TransferName) -> dict[tuple[OpId, int], tuple[int, int, int]]:
    """By operation and line of it: (taken over, lost, put back) in the SETTLE records cut so far, those that act
    nowhere left out. The operation is the dispatch, or the reversal of an acceptance of it."""
    told: dict[tuple[OpId, int], tuple[int, int, int]] = {}
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
                over, lost, back = told.get((content.transfer, line.index), (0, 0, 0))
                if line.target == CUSTOMER:
                    over += line.quantity
                elif line.target == SHRINKAGE:
                    lost += line.quantity
                else:
                    back += line.quantity
                told[content.transfer, line.index] = (over, lost, back)
    return told


def named(row: Mapping[str, Any]) -> TransferName:
    return TransferName(row["sender"], OpId.parse(row["transfer"]))


def key_of(name: TransferName) -> dict[str, str]:
    return {"transfer": str(name.transfer), "sender": name.sender}
