"""What is known here of another site's dispatch: by the hub's transfers stream, or by the paper that came along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId, Origin
from ledger.keys import VerifyKey
from ledger.transfers import RETURNED, TransferName
from node import streams
from node.dispatch_paper import DispatchPaper, Sent
from node.sent import STREAM

SITES = "sites"
STREAM_ACCEPTED = 6
STREAM_UNIT, STREAM_RETURNED = 9, 10  # members of a line in the stream (`hub/transfers.as_json`), where they are said


@dataclass(frozen=True, slots=True)
class Coming:
    """A dispatch to this site, or one of this site of which goods come `back`: of that, `lines` are what nobody
    accepted where the hub has ruled so, else what the receiver says it gave back to the carrier. `dispatched`: its
    lines as they left; `by_paper`: known only from what came with the goods; `ruling`: what the hub ruled of it
    (`ledger.transfers`)."""

    name: TransferName
    receiver: str
    lines: tuple[Sent, ...]
    dispatched: tuple[Sent, ...]
    by_paper: bool
    settled: bool = False
    ruling: str = ""
    back: bool = False


def known(connection: Connection, site: str, transfer: OpId, sender: str, paper: object) -> Coming:
    """The dispatch that is meant, as `site` sees it, from the hub's stream or else from its paper; raises Rejected
    where there is none, or more than one."""
    printed = None if paper is None else from_paper(connection, paper)
    if printed is not None and (printed.name.transfer != transfer or sender not in ("", printed.name.sender)):
        raise Rejected(f"this is not the dispatch paper of transfer {transfer}: it is of {printed.name}")
    sender = sender or ("" if printed is None else printed.name.sender)
    keys = streams.ending(connection, STREAM, f"/{transfer}")
    names = [name for name in map(TransferName.parse, keys) if sender in ("", name.sender)]
    found = [from_stream(str(name), streams.get(connection, STREAM, str(name)), site) for name in names]
    told = [each for each in found if each is not None]
    if len(told) > 1:
        senders = ", ".join(each.name.sender for each in told)
        raise Rejected(f"two sites have dispatched under this id: {senders}; name the sender")
    meant = told[0] if told else printed
    if meant is None:
        raise Rejected(f"transfer {transfer} is not known here yet: sync first, or scan its paper")
    return meant


def from_stream(key: str, value: Any, site: str) -> Coming | None:
    """The dispatch as the hub tells it to `site`; None while the hub has only heard of its arrival."""
    if not isinstance(value, dict) or not value.get("dispatched_s", 1):
        return None
    lines = dispatched = tuple(Sent.parse(line, STREAM_UNIT) for line in value.get("lines", []))
    name, settled, ruling = TransferName.parse(key), value.get("state") == "settled", value.get("ruling")
    back = ruling == RETURNED
    if back or name.sender == site:
        which = _not_accepted if back else _returned
        rest = (replace(line, quantity=which(line, said)) for line, said in zip(lines, value["lines"], strict=True))
        lines = tuple(line for line in rest if line.quantity > 0)
        back = back or bool(lines)
    ruling = ruling if isinstance(ruling, str) else ""
    return Coming(name, str(value["receiver"]), lines, dispatched, False, settled, ruling, back)


def _not_accepted(line: Sent, said: list[Any]) -> int:
    return line.quantity - int(said[STREAM_ACCEPTED])


def _returned(line: Sent, said: list[Any]) -> int:
    """What the receiver gave back, whether it is here by now or not."""
    return int(said[STREAM_RETURNED]) if len(said) > STREAM_RETURNED else 0


def from_paper(connection: Connection, text: object) -> Coming:
    """The dispatch as its paper tells it; raises Rejected for one that is damaged or not signed by its sender."""

    def key_of(origin: Origin) -> VerifyKey:
        said = streams.get(connection, SITES, origin.site)
        if not isinstance(said, dict):
            raise Rejected(f"no key of {origin.site} is known here: sync first, the hub tells of it")
        if said.get("origin") != str(origin):
            raise Rejected(f"it is of {origin}, but {origin.site} goes on as {said.get('origin')}: sync first")
        return VerifyKey.parse(str(said.get("key")))

    paper = DispatchPaper.read(text, key_of)
    return Coming(TransferName(paper.origin.site, paper.transfer), paper.receiver, paper.lines, paper.lines, True)


def came(connection: Connection, name: TransferName) -> dict[int, int]:
    """What of each line was accepted or named missing here, and not reversed."""
    rows = connection.execute(
        "SELECT l.position, SUM(l.quantity + l.missing) FROM acceptances a JOIN acceptance_lines l"
        " ON l.op_id = a.op_id WHERE a.transfer = ? AND a.sender = ? AND a.op_id NOT IN (SELECT of FROM reversals)"
        " GROUP BY l.position",
        (name.transfer.raw, name.sender),
    ).fetchall()
    return {int(position): int(total) for position, total in rows}


def reopened(connection: Connection) -> set[TransferName]:
    """Transfers of which an acceptance was reversed here: what the hub has told of them may be older."""
    rows = connection.execute(
        "SELECT a.sender, a.transfer FROM reversals r JOIN acceptances a ON a.op_id = r.of"
    ).fetchall()
    return {TransferName(str(sender), OpId(bytes(transfer))) for sender, transfer in rows}
