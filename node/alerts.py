"""The node's alerts: what its monitor and its tablets' outboxes say now, and who has seen which of it.

An alert is known by its code and its subject. That somebody has seen it holds while it stands and gets no worse: what
went away and comes back is new, and so is what was a warning and is urgent now. The monitor looks every half minute;
what goes and comes back between two looks has not gone.
"""

from __future__ import annotations

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import ADMIN, APPROVE
from ledger.wording import shown
from node.agents.monitor import SEVERITIES, Finding
from node.desk import Answer, Desk, Person
from node.health import seen
from node.tablets import Tablets
from node.values import Fields

MAY_SEE = ADMIN | APPROVE
KEY_CHARS_MAX = 200


class Alerts:
    """What stands, what is new about it, and saying that one has seen it."""

    def __init__(self, desk: Desk, tablets: Tablets) -> None:
        self._desk = desk
        self._tablets = tablets
        self._noticed: tuple[Finding, ...] = ()

    def notice(self, connection: Connection, findings: tuple[Finding, ...]) -> None:
        """The monitor has looked, and this is all it found. Whoever has seen what is gone or worse by now has not
        seen what comes next."""
        self._noticed = findings
        now = {(each.code, each.subject): each.severity for each in self._all(connection)}
        for code, subject, severity in connection.execute(
            "SELECT code, subject, severity FROM seen_alerts"
        ).fetchall():
            if (code, subject) not in now or _is_worse(now[code, subject], severity):
                _forget(connection, code, subject)

    def standing(self, connection: Connection) -> list[Answer]:
        """Every alert, those that nobody has seen first, each as a finding with `seen`: None or {actor, name, at_ms,
        note}."""
        known = seen(connection)
        found = [{**each.as_dict(), "seen": known.get((each.code, each.subject))} for each in self._all(connection)]
        return sorted(found, key=lambda each: (each["seen"] is not None, -SEVERITIES.index(each["severity"])))

    def see(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Say that one has seen an alert: its `code` and `subject`, its `severity` as one saw it, any `note`."""
        who.need(MAY_SEE, "say for all that an alert was seen")
        fields = Fields(body, "seen")
        code, subject, severity = _key(fields, "code"), _key(fields, "subject"), fields.take("severity")
        note = fields.note("note")
        fields.done()
        if severity not in SEVERITIES:
            raise Rejected(f"seen: severity {shown(severity)}: expected {', '.join(SEVERITIES)}")

        def work(connection: Connection) -> Answer:
            found = next((one for one in self._all(connection) if (one.code, one.subject) == (code, subject)), None)
            if found is None:
                raise Rejected("this alert is not there any more: load the page again")
            if _is_worse(found.severity, severity):
                raise Rejected("this got worse meanwhile: load the page and look at it again")
            before = seen(connection).get((code, subject))
            if before is not None:
                raise Rejected(f"{before['name']} has seen this already: load the page again")
            at_ms = self._desk.did_at_ms(who, None)
            connection.execute(
                "INSERT INTO seen_alerts VALUES (?, ?, ?, ?, ?, ?)",
                (code, subject, found.severity, who.actor.raw, self._desk.now_ms() if at_ms is None else at_ms, note),
            )
            return {"code": code, "subject": subject}

        content = {"code": code, "subject": subject, "severity": severity, "note": note}
        return self._desk.once(op_id, who.actor, "see_alert", content, work)

    def unsee(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Take it back, one's own word or another's: the alert `code`, `subject` is new again."""
        who.need(MAY_SEE, "say for all that an alert was not seen")
        fields = Fields(body, "unseen")
        code, subject = _key(fields, "code"), _key(fields, "subject")
        fields.done()

        def work(connection: Connection) -> Answer:
            if not _forget(connection, code, subject):
                raise Rejected("nobody has said that they have seen this alert: load the page again")
            return {"code": code, "subject": subject}

        return self._desk.once(op_id, who.actor, "unsee_alert", {"code": code, "subject": subject}, work)

    def _all(self, connection: Connection) -> tuple[Finding, ...]:
        return (*self._noticed, *self._tablets.findings(connection))


def _key(fields: Fields, name: str) -> str:
    value = fields.take(name)
    if not isinstance(value, str) or len(value) > KEY_CHARS_MAX:
        raise Rejected(f"{name} is {shown(value)}: expected a text of at most {KEY_CHARS_MAX} characters")
    return value


def _is_worse(severity: str, than: str) -> bool:
    return SEVERITIES.index(severity) > SEVERITIES.index(than)


def _forget(connection: Connection, code: str, subject: str) -> bool:
    gone = connection.execute("DELETE FROM seen_alerts WHERE code = ? AND subject = ?", (code, subject))
    return gone.rowcount > 0
