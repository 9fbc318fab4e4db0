"""What left for other sites, and what became of it as far as the hub has told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import ASKED, CANCEL, CANCELLED, DECLINED, DIVERTED, RETURNED, TransferName
from node import streams
from node.desk import Answer

STREAM = "transfers"
IN_TRANSIT, COMING_BACK = "in transit", "coming back"
# The hub's words for a transfer, and ours for one that it has not told of yet.
STATES = (
    *("", IN_TRANSIT, "arrived", "short", "over", "unmatched", "settled"),
    *(COMING_BACK, RETURNED, CANCELLED),
)
_LINE, _ACCEPTED, _MISSING, _RETURNED = 0, 6, 7, 10  # members of a line in the stream (`hub/transfers.as_json`)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state`: one of STATES; `lines`: (accepted, missing, returned) by the number of a line; `receiver`: of one that
    was diverted the site that takes it; `request`: of one to cancel it, ASKED, DECLINED or "". What is returned comes
    back or has come: until then it is missing too. `reversed`: an acceptance was, of which this chain may know."""

    state: str = ""
    lines: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    receiver: str = ""
    request: str = ""
    reversed: bool = False


def outcome(connection: Connection, name: TransferName) -> Outcome:
    """What the hub says of a transfer; nothing for one that it has not told of, or in a way that nobody can read."""
    said = streams.get(connection, STREAM, str(name))
    noted = connection.execute(
        "SELECT 1 FROM notes WHERE kind = ? AND subject = ?", (CANCEL, name.transfer.word)
    ).fetchone()
    waits = ASKED if noted is not None else ""
    if not isinstance(said, dict):
        return Outcome(request=waits)
    state, lines = said.get("state"), said.get("lines")
    found = {
        line[_LINE]: (line[_ACCEPTED], line[_MISSING], _returned(line))
        for line in (lines if isinstance(lines, list) else ())
        if isinstance(line, list)
        and len(line) > _MISSING
        and all(_whole(line[n]) for n in (_LINE, _ACCEPTED, _MISSING))
    }
    ruling, request = said.get("ruling"), said.get("request")
    receiver = said.get("receiver") if ruling == DIVERTED else ""
    return Outcome(
        state if state in STATES else "",
        found,
        receiver if isinstance(receiver, str) else "",
        "" if ruling else request if request in (ASKED, DECLINED) else waits,
        said.get("reversed") is True,
    )


def refuse_ended(told: Outcome) -> None:
    """Refuse to cancel what the receiver has, or what has ended, and say what can be done instead."""
    if told.request == ASKED:
        raise Rejected("the hub has been asked to cancel this transfer already: it answers by the next sync")
    if told.state in ("arrived", "short", "over", "settled") or any(came for came, *_ in told.lines.values()):
        raise Rejected("the receiver has accepted it already: ask the hub to let what comes back be returned")
    if told.state in (COMING_BACK, RETURNED, CANCELLED):
        raise Rejected("this transfer comes back or is cancelled already")


def count(connection: Connection) -> int:
    """How many dispatches there are."""
    return int(connection.execute("SELECT COUNT(*) FROM transfers").fetchone()[0])


def newest(connection: Connection, site: str, skip: int = 0, most: int = 200) -> list[Answer]:
    """Dispatches of this site, newest first: [{transfer, receiver, at_ms, lines, state, missing}]. `at_ms`: of its
    block, None while it is in none; `lines`: how many; `missing`: of how many of them something is;
    `diverted`: to which site, or ""; `request`, `reversed`: see `Outcome`."""
    rows = connection.execute(
        "SELECT t.transfer, t.receiver, b.time_s,"
        " (SELECT COUNT(*) FROM transfer_lines l WHERE l.transfer = t.transfer)"
        " FROM transfers t JOIN operations o ON o.op_id = t.transfer LEFT JOIN blocks b ON b.height = o.height"
        " ORDER BY o.height DESC, o.place DESC LIMIT ? OFFSET ?",
        (most, skip),
    )
    found = []
    for transfer, receiver, time_s, lines in rows.fetchall():
        told = outcome(connection, TransferName(site, OpId(bytes(transfer))))
        found.append(
            {
                "transfer": bytes(transfer).hex(),
                "receiver": str(receiver),
                "at_ms": None if time_s is None else int(time_s) * 1000,
                "lines": int(lines),
                "state": told.state,
                "missing": sum(missing > 0 for _, missing, _ in told.lines.values()),
                "diverted": told.receiver,
                "request": told.request,
                "reversed": told.reversed,
            }
        )
    return found


def _returned(line: list[Any]) -> int:
    return line[_RETURNED] if len(line) > _RETURNED and _whole(line[_RETURNED]) else 0


def _whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
