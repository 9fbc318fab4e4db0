"""Did a tablet lose anything? Its outbox numbers the acts of each person, and here is kept which numbers came.

An outbox is the store of one browser: everything scanned or pressed there is put into it before it is sent, and stays
until the node has said yes or no. It sends in order, so a number that is passed over never comes by itself: a gap is
an alert until the number comes after all, or somebody accepts that it is gone.

A number is noted after its act was answered, never before: dying in between makes the tablet send it again, which
acts once. A tablet whose store was emptied begins a new one; one whose store went back uses a number twice.

What a tablet says of itself is kept as well, its last word only: how much waits on it, and how its battery is. That
word may be wrong or stay away, so nothing follows from it but what people are told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import ADMIN, APPROVE
from ledger.wording import shown
from node.agents.monitor import WARNING, Finding, duration
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.values import Fields, amount

SHOWN_MAX = 5
LANES_MAX = 200
UNSENT_MAX = 1_000_000
PERCENT_MAX = 100
BATTERY_LOW = 15  # per cent
SILENT_MS = 30 * 60_000  # a tablet that is in use repeats itself three times in that
GAP, WENT_BACK, EMPTIED, SILENT, BATTERY = (
    "tablet_gap", "tablet_went_back", "tablet_emptied", "tablet_silent", "tablet_battery",
)  # fmt: skip
ASK = "ask the counter what was done there; if it is gone, say so on this node's page"
ASK_SILENT = (
    "find it, switch it on in reach of the Wi-Fi, and let who worked there log in: nothing in it is lost while it is"
    " not reset"
)
ASK_BATTERY = "put it on its charger; what is not sent stays on it, also when it goes out"
NO_OUTBOX = b""
_SENT = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{64}) ([1-9][0-9]{0,14}) ([0-9a-f]{32}) ([0-9]{1,14})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Word:
    """What a tablet says of itself: acts that wait in its outbox, whether its browser promises to keep its store, its
    battery in per cent and whether that charges; both None where the browser does not know."""

    unsent: int
    kept: bool
    battery: int | None = None
    charging: bool | None = None

    @staticmethod
    def parse(body: object) -> Word:
        """{unsent, kept} and any `battery` {percent, charging}; Rejected for anything else."""
        fields = Fields(body, "tablet")
        unsent, kept, battery = fields.take("unsent"), fields.take("kept"), fields.take("battery")
        fields.done()
        word = Word(_up_to(unsent, "unsent", UNSENT_MAX), _yes_or_no(kept, "kept"))
        if battery is None:
            return word
        of_it = Fields(battery, "battery")
        percent, charging = of_it.take("percent"), of_it.take("charging")
        of_it.done()
        return Word(word.unsent, word.kept, _up_to(percent, "percent", PERCENT_MAX), _yes_or_no(charging, "charging"))

    def told(self, at_ms: int) -> Answer:
        battery = None if self.battery is None else {"percent": self.battery, "charging": bool(self.charging)}
        return {"at_ms": at_ms, "unsent": self.unsent, "kept": self.kept, "battery": battery}


@dataclass(frozen=True, slots=True)
class Sent:
    """How an act came out of a tablet's outbox: `number` within what `actor` did there, `waited_ms` since then."""

    outbox: bytes
    actor: Actor
    number: int
    op_id: OpId
    waited_ms: int

    @staticmethod
    def parse(text: str) -> Sent:
        """`<outbox> <actor> <number> <op_id> <milliseconds waited>`; Rejected for anything else."""
        found = _SENT.fullmatch(text)
        if found is None:
            raise Rejected("what the tablet says of its outbox is not understood: reload the page")
        outbox, actor, number, op_id, waited_ms = found.groups()
        return Sent(bytes.fromhex(outbox), Actor.parse(actor), int(number), OpId.parse(op_id), int(waited_ms))


class Tablets:
    """The tablets that were ever used here, by the number on their label: T1, T2, …"""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._operators = operators

    def came(self, connection: Connection, tablet: str, sent: Sent) -> None:
        """Note that a number was answered. The same number of the same act again changes nothing."""
        number = self._number(connection, tablet, sent.outbox)
        row = connection.execute(
            "SELECT lane, tablet FROM outbox_lanes WHERE outbox = ? AND actor = ?", (sent.outbox, sent.actor.raw)
        ).fetchone()
        if row is None:
            row = connection.execute(
                "INSERT INTO outbox_lanes (outbox, actor, tablet) VALUES (?, ?, ?) RETURNING lane, tablet",
                (sent.outbox, sent.actor.raw, number),
            ).fetchone()
        lane = int(row[0])
        if row[1] != number:
            connection.execute("UPDATE outbox_lanes SET tablet = ? WHERE lane = ?", (number, lane))
        known = connection.execute(
            "SELECT op_id FROM outbox_numbers WHERE lane = ? AND number = ?", (lane, sent.number)
        ).fetchone()
        if known is not None:
            if bytes(known[0]) != sent.op_id.raw:
                connection.execute("UPDATE outbox_lanes SET twice = twice + 1 WHERE lane = ?", (lane,))
            return
        connection.execute("INSERT INTO outbox_numbers VALUES (?, ?, ?)", (lane, sent.number, sent.op_id.raw))
        connection.execute(
            "UPDATE outbox_lanes SET newest = max(newest, ?1), came = came + (?1 > settled) WHERE lane = ?2",
            (sent.number, lane),
        )

    def tell(self, tablet: str, body: object) -> Answer:
        """Keep what a tablet says of itself (`Word.parse`) in place of what it said before. Answers {tablet}."""
        word = Word.parse(body)
        with self._desk.site.writing() as connection:
            number = self._number(connection, tablet)
            connection.execute(
                "UPDATE tablets SET told_ms = heard_ms, unsent = ?, kept = ?, battery = ?, charging = ?"
                " WHERE number = ?",
                (word.unsent, word.kept, word.battery, word.charging, number),
            )
        return {"tablet": number}

    def _number(self, connection: Connection, tablet: str, outbox: bytes = NO_OUTBOX) -> int:
        """The number of a tablet that is heard at this moment, perhaps for the first time; with its outbox."""
        now_ms = self._desk.now_ms()
        row = connection.execute("SELECT number, outbox FROM tablets WHERE tablet = ?", (tablet,)).fetchone()
        if row is None:
            (number,) = connection.execute(
                "INSERT INTO tablets (tablet, outbox, heard_ms) VALUES (?, ?, ?) RETURNING number",
                (tablet, outbox, now_ms),
            ).fetchone()
            return int(number)
        known = bytes(row[1])
        # The browser threw its store away: what had not been sent is gone, and no gap will ever show it.
        renewed = ", renewed_ms = :now" if outbox and known not in (NO_OUTBOX, outbox) else ""
        connection.execute(
            f"UPDATE tablets SET outbox = :outbox, heard_ms = :now{renewed} WHERE number = :number",  # noqa: S608
            {"outbox": outbox or known, "now": now_ms, "number": row[0]},
        )
        return int(row[0])

    # ------------------------------------------------------------ what is wrong

    def overview(self, connection: Connection) -> list[Answer]:
        """Every tablet, newest first: {tablet, heard_ms, acts, missing, alerts, codes, told}; `alerts` in words and
        `codes` the same for machines; `told`: {at_ms, unsent, kept, battery}, its last word on itself, or None, with
        `battery` {percent, charging} or None."""
        return [
            {**tablet, "alerts": [each.words for each in alerts], "codes": [each.code for each in alerts]}
            for tablet, alerts in self._all(connection)
        ]

    def findings(self, connection: Connection) -> list[Finding]:
        """The alerts as findings of the node's health."""
        return [each for _, alerts in self._all(connection) for each in alerts]

    def _all(self, connection: Connection) -> list[tuple[Answer, list[Finding]]]:
        rows = connection.execute(
            "SELECT t.number, t.heard_ms, t.renewed_ms, t.told_ms, t.unsent, t.kept, t.battery, t.charging,"
            " COALESCE(SUM(l.newest), 0) FROM tablets t LEFT JOIN outbox_lanes l ON l.tablet = t.number"
            " GROUP BY t.number ORDER BY t.heard_ms DESC LIMIT ?",
            (LANES_MAX,),
        ).fetchall()
        found = []
        for number, heard_ms, renewed_ms, told_ms, unsent, kept, battery, charging, acts in rows:
            lanes = connection.execute(
                "SELECT lane, actor, newest - settled - came, twice FROM outbox_lanes WHERE tablet = ?"
                " AND (newest > settled + came OR twice > 0) ORDER BY lane LIMIT ?",
                (number, LANES_MAX),
            ).fetchall()
            alerts = [alert for lane in lanes for alert in self._alerts(connection, int(number), *lane)]
            if renewed_ms is not None:
                words = f"T{number} began a new store: what it had not sent before is gone"
                alerts.append(Finding(EMPTIED, f"T{number}", WARNING, words, ASK))
            missing = sum(int(lane[2]) for lane in lanes)
            tablet = {"tablet": int(number), "heard_ms": heard_ms, "acts": int(acts), "missing": missing}
            word = None if told_ms is None else Word(unsent, bool(kept), battery, charging)
            if word is not None:
                alerts += self._of_itself(int(number), word, heard_ms, told_ms)
            found.append(({**tablet, "told": None if word is None else word.told(told_ms)}, alerts))
        return found

    def _of_itself(self, number: int, word: Word, heard_ms: int, told_ms: int) -> list[Finding]:
        """What follows from its last word. A length of time is no part of the subject: it stays one alert."""
        # Its name is said as one: where words run from right to left, a T beside a number would change sides.
        name, now_ms, alerts = f"T{number}", self._desk.now_ms(), []
        silent_ms = now_ms - heard_ms
        if word.unsent and silent_ms > SILENT_MS:
            words = f"{name} has been silent for {duration(silent_ms)}, {word.unsent} unsent"
            alerts.append(Finding(SILENT, name, WARNING, words, ASK_SILENT))
        low = word.battery is not None and word.battery <= BATTERY_LOW and not word.charging
        if low and now_ms - told_ms <= SILENT_MS:
            words = f"the battery of {name} is at {word.battery} per cent and does not charge"
            alerts.append(Finding(BATTERY, name, WARNING, words, ASK_BATTERY))
        return alerts

    def _alerts(
        self, connection: Connection, number: int, lane: int, actor: bytes, missing: int, twice: int
    ) -> list[Finding]:
        who = self._operators.name_of(connection, Actor(bytes(actor)))
        subject, alerts = f"T{number} {bytes(actor).hex()}", []
        if missing > 0:
            first = ", ".join(map(str, missing_of(connection, lane)))
            words = f"number {first} never came" if missing == 1 else f"{missing} acts never came: numbers {first}"
            words = f"T{number}, {who}: {words}{' …' if missing > SHOWN_MAX else ''}"
            alerts.append(Finding(GAP, subject, WARNING, words, ASK))
        if twice:
            words = f"T{number}, {who}: a number came twice for different acts, so its store went back"
            alerts.append(Finding(WENT_BACK, subject, WARNING, words, ASK))
        return alerts

    def settle(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Accept that what a tablet has not sent is gone: `tablet`. The alerts end; a number that comes late acts."""
        who.need(ADMIN | APPROVE, "settle what a tablet lost")
        fields = Fields(body, "settle")
        number = amount(fields.take("tablet"), "tablet", least=1)
        fields.done()

        def work(connection: Connection) -> Answer:
            row = connection.execute("SELECT 1 FROM tablets WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise Rejected(f"there is no tablet T{number} here")
            (gone,) = connection.execute(
                "SELECT COALESCE(SUM(newest - settled - came), 0) FROM outbox_lanes WHERE tablet = ?", (number,)
            ).fetchone()
            connection.execute(
                "UPDATE outbox_lanes SET settled = newest, came = 0, twice = 0 WHERE tablet = ?", (number,)
            )
            connection.execute("UPDATE tablets SET renewed_ms = NULL, unsent = 0 WHERE number = ?", (number,))
            return {"tablet": number, "gone": int(gone)}

        return self._desk.once(op_id, who.actor, "settle_tablet", {"tablet": number}, work)


def _up_to(value: object, what: str, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise Rejected(f"tablet: {what} is {shown(value)}: expected a whole number from 0 to {most}")
    return value


def _yes_or_no(value: object, what: str) -> bool:
    if type(value) is not bool:
        raise Rejected(f"tablet: {what} is {shown(value)}: expected true or false")
    return value


def missing_of(connection: Connection, lane: int) -> list[int]:
    """The first numbers of a lane that did not come, at most SHOWN_MAX."""
    gaps: list[Any] = connection.execute(
        "SELECT before, number FROM (SELECT n.number, COALESCE(LAG(n.number) OVER (ORDER BY n.number), l.settled)"
        " AS before FROM outbox_lanes l JOIN outbox_numbers n ON n.lane = l.lane AND n.number > l.settled"
        " WHERE l.lane = ?) WHERE number > before + 1 ORDER BY number LIMIT ?",
        (lane, SHOWN_MAX),
    ).fetchall()
    numbers = [number for before, after in gaps for number in range(before + 1, min(after, before + 1 + SHOWN_MAX))]
    return numbers[:SHOWN_MAX]
