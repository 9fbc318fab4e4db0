"""Expected deliveries: what a supplier announced, and what of it came. A partial receipt keeps the delivery open.

They are announced here or at the hub. What the hub says of a delivery stands over what was said here. Its stream
holds what is announced; the tables hold what happened, from the first goods of a delivery on.

What came into a bin is what the books expect there: while that bin is being counted, nobody who counts is told what
came of its delivery, in no list, answer or refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from ledger import announced, policy
from ledger.announced import DELIVERIES, Expected
from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import Actor, OpId
from ledger.moves import HELD_BECAUSE, Line
from ledger.people import APPROVE, RECEIVE
from ledger.words import LINES_MAX
from node import catalogue, dues, parts, streams
from node.desk import Answer, Desk, Person
from node.numbers import bare
from node.policies import STREAM
from node.rounds import blind_bins
from node.values import Fields, amount, reference

LISTED_MAX = 200


class Deliveries:
    """The verbs. Each answers {op_id, delivery}."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def expect(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A delivery is announced: `delivery` (its number), `supplier`, `lines` [{item or barcode, quantity}],
        `over_percent` (how much more of a line is taken without a reason, 0 to 100)."""
        who.need(RECEIVE | APPROVE, "announce a delivery")
        fields = Fields(body, "delivery")
        name, supplier = reference(fields.take("delivery")), fields.text("supplier")
        entries, percent = fields.objects("lines", LINES_MAX), fields.take("over_percent")
        percent = 0 if percent is None else amount(percent, "over_percent")
        fields.done()
        if percent > 100:
            raise Rejected(f"over_percent is {percent}: expected 0 to 100")
        wanted: dict[str, int] = {}
        with self._site.reading() as connection:
            for number, entry in enumerate(entries):
                line = Fields(entry, f"line {number}")
                item, pack = catalogue.item_named(connection, line, None)
                wanted[item.sku] = wanted.get(item.sku, 0) + line.quantity("quantity", least=1) * pack
                line.done()
        if not wanted:
            raise Rejected("the delivery has no lines")

        def work(connection: Connection) -> Answer:
            if find(connection, name) is not None:
                raise Rejected(f"delivery {name} was announced before")
            known = Known(name, supplier, percent, "open", wanted, announcer=who.actor)
            _keep(connection, known, self._desk.now_ms())
            return {"delivery": name}

        lines = sorted(map(list, wanted.items()))
        content = {"delivery": name, "supplier": supplier, "lines": lines, "over": percent}
        return self._desk.once(op_id, who.actor, "expect", content, work)

    def close(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Nothing more comes of a delivery: `delivery`, `reason` when something is short."""
        who.need(RECEIVE | APPROVE, "close a delivery")
        fields = Fields(body, "close a delivery")
        name, reason = reference(fields.take("delivery")), fields.take("reason")
        reason = "" if reason is None else reason_code(reason)
        fields.done()

        def work(connection: Connection) -> Answer:
            known = need_open(connection, name)
            if is_blind(connection, who, name):
                raise Rejected(f"goods of {name} are being counted: close it when that count is finished")
            if known.short and not reason:
                raise ReasonNeeded(f"{catalogue.written(connection, known.short)} are short: give a reason")
            _keep(connection, known, self._desk.now_ms())
            _turn(connection, known, "closed", reason)
            return {"delivery": name, "short": known.short}

        return self._desk.once(op_id, who.actor, "close_delivery", {"delivery": name, "reason": reason}, work)

    def waiting(
        self,
        connection: Connection,
        who: Person,
        after: tuple[str, str] = ("", ""),
        most: int = LISTED_MAX,
        *,
        only: str = "",
    ) -> list[Answer]:
        """Open deliveries, those that are due first, then by their number: [{delivery, supplier, due, lines
        [{item, unit, decimals, wanted, came, lots, units}], being_counted}], `lots` and `units` (SSCCs) being those
        that were announced. `came` is None where the person must not know it now. `after`: (`due_key`, number) of the
        one after which to go on. `only`: the one of this number."""
        who.may_see(RECEIVE | APPROVE, "see what is expected")
        named = (find(connection, name) for name in dues.waiting(connection, DELIVERIES, after, only))
        # The hub may say that less is to come than what came.
        listed = islice((known for known in named if known is not None and known.short), most)
        hidden = _hidden(connection, who)
        return [_shown(connection, known, _came_into(connection, known.name, hidden)) for known in listed]


@dataclass(frozen=True, slots=True)
class Known:
    """A delivery as far as it is known here. Base units by item. `over_percent`: its own tolerance; `granted`: its
    supplier's by the hub's policy. The larger of them holds. `announcer`: who of the site announced it, if the hub
    did not."""

    name: str
    supplier: str
    over_percent: int
    state: str
    wanted: dict[str, int]
    came: dict[str, int] = field(default_factory=dict)
    due: str = ""
    lines: tuple[Expected, ...] = ()
    granted: int = 0
    announcer: Actor | None = None

    def most(self, item: str) -> int:
        """How much of an item may come in all without a reason."""
        wanted = self.wanted.get(item, 0)
        return wanted + wanted * max(self.over_percent, self.granted) // 100

    @property
    def room(self) -> dict[str, int]:
        """What may still come, base units by item: so much above what is wanted needs no reason."""
        return {item: self.most(item) - self.came.get(item, 0) for item in self.wanted}

    @property
    def short(self) -> dict[str, int]:
        """What is still to come."""
        left = {item: wanted - self.came.get(item, 0) for item, wanted in sorted(self.wanted.items())}
        return {item: size for item, size in left.items() if size > 0}

    def marks(self, item: str, name: str) -> list[str]:
        """The lots or units of an item that were announced."""
        return sorted({getattr(line, name) for line in self.lines if line.item == item} - {""})


def _shown(connection: Connection, known: Known, blind: bool) -> Answer:
    """A delivery for a screen. What came beside what was announced is not even named to who is `blind`."""
    items = known.wanted if blind else {*known.wanted, *known.came}
    return {
        "delivery": known.name,
        "supplier": known.supplier,
        "due": known.due,
        "being_counted": blind,
        "lines": [
            {
                "item": item,
                **catalogue.measure(connection, item),
                "wanted": known.wanted.get(item, 0),
                "came": None if blind else known.came.get(item, 0),
                "lots": known.marks(item, "lot"),
                "units": known.marks(item, "unit"),
            }
            for item in sorted(items)
        ],
    }


def is_blind(connection: Connection, who: Person, name: str) -> bool:
    """Whether the person counts and goods of this delivery came into a bin that is being counted."""
    return _came_into(connection, name, _hidden(connection, who))


def _hidden(connection: Connection, who: Person) -> frozenset[str]:
    """The bins of which the person must not know what came into them."""
    return blind_bins(connection) if who.counts else frozenset()


def _came_into(connection: Connection, name: str, bins: frozenset[str]) -> bool:
    """Whether goods of this delivery came into one of these bins."""
    rows = connection.execute("SELECT bin FROM delivery_bins WHERE delivery = ?", (name,)).fetchall()
    return not bins.isdisjoint(str(bin_) for (bin_,) in rows)


def find(connection: Connection, name: str) -> Known | None:
    """The delivery of this number, or None."""
    said = streams.get(connection, DELIVERIES, name)
    told = None if said is None else announced.delivery(name, said)
    row = connection.execute(
        "SELECT supplier, over_percent, state, announcer FROM expected WHERE delivery = ?", (name,)
    ).fetchone()
    if row is None and told is None:
        return None
    rows = connection.execute(
        "SELECT item, quantity, came FROM expected_lines WHERE delivery = ?", (name,)
    ).fetchall()
    came = {str(item): int(size) for item, _, size in rows if size}
    state = "open" if row is None else str(row[2])
    if told is not None:
        known = Known(name, told.supplier, told.over_percent, state, told.wanted, came, told.due, told.lines)
    else:
        wanted = {str(item): int(size) for item, size, _ in rows if size}
        by = None if row[3] is None else Actor(bytes(row[3]))
        known = Known(name, str(row[0]), int(row[1]), state, wanted, came, announcer=by)
    return replace(known, granted=_granted(connection, known.supplier))


def _granted(connection: Connection, supplier: str) -> int:
    """The tolerance of a supplier by the hub's policy; none while that cannot be read: a reason can be given."""
    said = streams.get(connection, STREAM, policy.RECEIPTS)
    try:
        tolerances = policy.receipts({} if said is None else said)
    except Rejected:
        return 0
    return tolerances.over(supplier)


def room(connection: Connection, who: Person, name: str) -> dict[str, int]:
    """What of a delivery may still come with its tolerance, base units by item; nothing of one that is not known, or
    that the person announced: that is their own word twice. For who must not know what came it is all of it."""
    known = find(connection, name)
    if known is None or known.announcer == who.actor:
        return {}
    return {item: known.most(item) for item in known.wanted} if is_blind(connection, who, name) else known.room


def on_unit(connection: Connection, unit: str) -> tuple[str, tuple[Expected, ...]]:
    """The open delivery that announced this unit, and its lines on it; "" and none when nobody did. The one that is
    due first stands for several."""
    for name in dues.waiting(connection, DELIVERIES):
        said = streams.get(connection, DELIVERIES, name)
        lines = () if said is None else announced.delivery(name, said).lines
        if on_it := tuple(line for line in lines if line.unit == unit):
            return name, on_it
    return "", ()


def need_open(connection: Connection, name: str) -> Known:
    """An open delivery; `Rejected` for any other."""
    known = find(connection, name)
    if known is None:
        raise Rejected(f"delivery {name} is not expected here: receive it without, or announce it")
    if known.state != "open":
        raise Rejected(f"delivery {name} was closed already")
    return known


def closed_meanwhile(connection: Connection, name: str) -> str:
    """What to ask before goods are received without the delivery that their receipt is of; '' while it is open."""
    known = find(connection, name) if name else None
    if not name or (known is not None and known.state == "open"):
        return ""
    return f"delivery {name} was closed meanwhile: receive these goods without it?"


def take_in(
    connection: Connection, who: Person, name: str, lines: Iterable[Line], reasons: Mapping[int, tuple[str, ...]],
    every: object, *, happened: bool, now_ms: int,
) -> Answer:  # fmt: skip
    """Goods of a delivery arrive: what is beyond the tolerance, or was never announced, needs a reason; when all is
    there the delivery closes. What `happened` already is only kept: nobody can say no to it any more. Answers {open},
    what is still to come, unless that would tell a counter what came before."""
    known = find(connection, name) if happened else need_open(connection, name)
    if known is None:
        return {}
    _keep(connection, known, now_ms)
    blind, came = is_blind(connection, who, name), dict(known.came)
    for number, line in enumerate(lines):
        wanted, size = known.wanted.get(line.item, 0), came.get(line.item, 0) + line.quantity
        # That goods arrive damaged says nothing about how many came.
        why = reasons.get(number, ())
        explained = happened or blind or every or (why and why != (HELD_BECAUSE.get(line.status),))
        if size > known.most(line.item) and not explained:
            here, due = (catalogue.written(connection, {line.item: each}) for each in (size, wanted))
            raise ReasonNeeded(f"line {number}: {here} of {line.item} instead of {due}: give a reason")
        came[line.item] = size
        connection.execute(
            "INSERT INTO expected_lines VALUES (?, ?, 0, ?) ON CONFLICT (delivery, item)"
            " DO UPDATE SET came = came + excluded.came",
            (name, line.item, line.quantity),
        )
        connection.execute("INSERT OR IGNORE INTO delivery_bins VALUES (?, ?)", (name, line.target))
    left = replace(known, came=came).short
    if not left:
        _turn(connection, known, "closed")
    return {} if blind else {"open": left}


def received_before(connection: Connection, op_id: OpId, references: Mapping[str, str]) -> str:
    """What to ask when a delivery note was received by another act, of the same supplier or where one of the two
    names none; '' when it was not. How they are spelled makes no difference."""
    supplier, note = _noted(references)
    row = connection.execute(
        "SELECT op_id FROM deliveries WHERE note = ?2 AND op_id <> ?3 AND (supplier IN (?1, '') OR ?1 = '')",
        (supplier, note, op_id.raw),
    ).fetchone()
    note = references.get("delivery-note", "")
    return "" if row is None else f"delivery note {note} was received before ({bytes(row[0]).hex()[:8]}…): again?"


def keep_note(connection: Connection, op_id: OpId, references: Mapping[str, str]) -> None:
    """Remember which delivery note an act received."""
    if references.get("delivery-note"):
        connection.execute("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?)", (*_noted(references), op_id.raw))


def _noted(references: Mapping[str, str]) -> tuple[str, str]:
    """Supplier and delivery note as they are compared."""
    return bare(references.get("supplier", "")), bare(references.get("delivery-note", ""))


def take_back(connection: Connection, name: str, lines: Iterable[Line]) -> None:
    """A receipt of these lines was reversed: what is short again is expected again, also of a delivery that was
    closed."""
    connection.executemany(
        "UPDATE expected_lines SET came = MAX(0, came - ?) WHERE delivery = ? AND item = ?",
        [(line.quantity, name, line.item) for line in lines],
    )
    known = find(connection, name)
    if known is not None and known.short:
        _turn(connection, known, "open", "")


def forget_note(connection: Connection, of: OpId) -> None:
    """What a delivery note brought was reversed, if it came in parts all of them: it can be received again."""
    part = parts.one(connection, of)
    whole = of if part is None else part.whole
    connection.execute(
        "DELETE FROM deliveries WHERE op_id = ?1 AND NOT EXISTS (SELECT 1 FROM parts WHERE whole = ?1"
        " AND booked NOT IN (SELECT of FROM reversals))",
        (whole.raw,),
    )


def _turn(connection: Connection, known: Known, state: str, reason: str | None = None) -> None:
    """A delivery that has rows is open or closed from here on, its `reason` another one or what it was."""
    connection.execute(
        "UPDATE expected SET state = ?, reason = coalesce(?, reason) WHERE delivery = ?", (state, reason, known.name)
    )
    dues.keep(connection, DELIVERIES, known.name, known.due, done=state == "closed")


def _keep(connection: Connection, known: Known, now_ms: int) -> None:
    """Have rows for a delivery: from now on something is done about it here."""
    dues.keep(connection, DELIVERIES, known.name, known.due, done=known.state == "closed")
    connection.execute(
        "INSERT OR IGNORE INTO expected VALUES (?, ?, ?, ?, '', ?, ?)",
        (
            known.name,
            known.supplier,
            known.over_percent,
            known.state,
            now_ms,
            None if known.announcer is None else known.announcer.raw,
        ),
    )
    connection.executemany(
        "INSERT INTO expected_lines VALUES (?, ?, ?, 0) ON CONFLICT (delivery, item)"
        " DO UPDATE SET quantity = excluded.quantity",
        [(known.name, item, size) for item, size in known.wanted.items()],
    )
