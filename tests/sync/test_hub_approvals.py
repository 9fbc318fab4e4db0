"""A site too small for two people: what nobody there may approve is decided at the hub, with both real ends."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import approving, cli, discrepancies, streams
from ledger.calls import Bind
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import activation_code
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from node.desk import Person
from node.floor import Floor
from tests.hub import sitekit
from tests.sync.recovery_kit import Company, Machine
from web import hub_app

PASSWORD = "correct horse battery"
PIN = "482913"


class Small:
    """One site where Solo does everything, and Erna at the hub who may approve there."""

    def __init__(self, company: Company, folder: Path) -> None:
        self.company, self.hub = company, company.hub
        code = company.hub.enrol("oslo", url="http://hub.test")
        self.machine = Machine(company, folder, 11).init()
        self.machine.enrol(code)
        company.furnish()
        for login in ("erna", "egon"):
            self.hub.add_account(login, login.title(), PASSWORD, ("ADMIN",) if login == "erna" else ("RECONCILE",))
        self.hub.add_approver("oslo", "erna", PASSWORD)
        solo = self.hub.add_person("oslo", "solo", "Solo", (*sitekit.ROLES, "APPROVE"))
        self.open()
        self.settle()
        answer = self.floor.people.activate(self.op(), "solo", solo.code, PIN, "tablet")
        self.token = answer["token"]
        self.settle()

    def open(self) -> None:
        self.floor = Floor(self.machine.site, bytes(32), self.machine.chance)
        self.machine.advice = self.floor.hub.advice

    def op(self) -> OpId:
        return self.machine.op()

    @property
    def solo(self) -> Person:
        return self.floor.people.session(self.token)

    def settle(self) -> None:
        """The site syncs and books what it was told, twice, so that the hub knows of it."""
        for _ in range(2):
            self.company.settle()
            self.machine.settle()
            self.floor.hub.apply_ready()

    def count(self, found: int, **rule: int) -> tuple[OpId, str]:
        """Solo counts A-01, in which 20 bolts should be; answers the session."""
        session, counting = self.op(), self.floor.counting
        self.receive()
        rule = {"control_percent": 0, "rounds_max": 1, **rule}
        counting.open_session(session, self.solo, {"name": "Week", "bins": ["A-01"], "rule": rule})
        counting.open_bin(self.op(), self.solo, {"bin": "A-01"})
        counting.enter(self.op(), self.solo, {"item": "BOLT", "quantity": found})
        counting.close_bin(self.op(), self.solo, {"bin": "A-01", "confirm": True})
        return session, "A-01"

    def receive(self) -> None:
        wish = {"lines": [{"item": "BOLT", "quantity": 20}], "target": "A-01"}
        self.floor.stock.receive(self.op(), self.solo, wish)

    def propose(self, change: int, location: str = "A-01") -> OpId:
        op = self.op()
        line = {"item": "BOLT", "location": location, "change": change}
        self.floor.stock.adjust(op, self.solo, {"lines": [line], "reasons": ["damaged"]})
        return op

    def waiting(self) -> list[dict[str, Any]]:
        with self.hub.store.read() as session:
            return [approving.as_json(session, each) for each in approving.waiting(session)]

    def decide(self, op_id: str, verdict: str = "approved", reason: str = "lost", login: str = "erna") -> None:
        self.hub.decide_approval(op_id, login, PASSWORD, verdict, reason)

    def bin_state(self, session: OpId) -> str:
        with self.machine.site.reading() as connection:
            (state,) = connection.execute("SELECT state FROM count_bins WHERE session = ?", (session.raw,)).fetchone()
        return str(state)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    company = Company.found(tmp_path / "hub")
    made = Small(company, tmp_path / "oslo")
    yield made
    made.machine.close()
    company.hub.close()


def test_a_count_by_the_only_person_is_approved_at_the_hub_and_posted_at_the_site(small: Small) -> None:
    session, bin_ = small.count(18)
    wish = {"session": str(session), "bin": bin_, "reason": "lost"}
    with pytest.raises(Rejected, match="somebody else has to approve it"):
        small.floor.counting.posting.approve(small.op(), small.solo, wish, PIN)
    with small.machine.site.reading() as connection:
        assert small.floor.hub.waits(connection, session, bin_)
    assert small.waiting() == []  # the site has not called yet
    small.settle()
    [one] = small.waiting()
    assert (one["site"], one["act"], one["bin"], one["by"]) == ("oslo", "count", "A-01", ["Solo"])
    [line] = one["lines"]
    assert (line["item"], line["counted"], line["expected"], line["difference"]) == ("BOLT", 18, 20, -2)
    with pytest.raises(Rejected, match="explains more than expected"):
        small.decide(one["op_id"], reason="found")
    small.decide(one["op_id"])
    with pytest.raises(Rejected, match="already"):
        small.decide(one["op_id"])
    # Decided, and the site does not know it yet: it goes on working, without a network.
    assert small.machine.stock() == {"A-01": 20} and small.waiting()[0]["decided"] == "approved"
    small.floor.stock.move(
        small.op(),
        small.solo,
        {"lines": [{"item": "BOLT", "quantity": 5}], "source": "A-01", "target": "A-02"},
    )
    small.settle()
    assert small.machine.stock() == {"A-01": 13, "A-02": 5} and small.bin_state(session) == "posted"
    small.settle()
    assert small.waiting() == [] and small.company.stock() == {"A-01": 13, "A-02": 5}
    with small.hub.store.read() as rows:
        assert rows.value("SELECT posted_by FROM count_lines WHERE item = 'BOLT'") == one["op_id"]
    # The approver on the chain is Erna, by her own id.
    with small.machine.site.reading() as connection:
        (approver,) = connection.execute("SELECT approver FROM count_posts").fetchone()
    with small.hub.store.read() as rows:
        erna = rows.value("SELECT actor FROM approvers WHERE login = 'erna'")
    assert bytes(approver).hex() == erna


def test_a_rejected_count_books_nothing_and_what_is_counted_again_waits_anew(small: Small) -> None:
    session, _ = small.count(18)
    small.settle()
    first = small.waiting()[0]["op_id"]
    small.decide(first, "rejected", "count-again")
    small.settle()
    assert small.bin_state(session) == "rejected" and small.machine.stock() == {"A-01": 20}
    assert small.waiting() == []
    small.count(40)
    small.settle()
    assert [each["differs"] for each in small.waiting()] == [0]
    small.decide(small.waiting()[0]["op_id"], reason="")
    small.settle()
    assert small.machine.stock() == {"A-01": 40}


def test_an_adjustment_waits_for_the_hub_while_nobody_else_at_the_site_may_sign(small: Small) -> None:
    small.receive()
    proposal = small.propose(-3)
    small.settle()
    [one] = small.waiting()
    assert (one["op_id"], one["act"], one["reasons"]) == (str(proposal), "adjust", ["damaged"])
    assert [(line["quantity"], line["source"]) for line in one["lines"]] == [(3, "A-01")]
    # Bob logs in for the first time: from now on somebody at the site may sign, and the hub need not.
    code = small.company.codes["bob"]
    small.floor.people.activate(small.op(), "bob", code, PIN, "tablet")
    small.settle()
    assert small.waiting() == []
    with pytest.raises(Rejected, match="nothing waits"):
        small.decide(str(proposal))
    small.hub.revoke_person("oslo", "bob")
    small.settle()
    small.decide(str(proposal), reason="")
    small.settle()
    assert small.machine.stock() == {"A-01": 17}


def test_what_the_site_could_not_book_is_asked_again_with_the_reason(small: Small) -> None:
    small.receive()
    proposal = small.propose(-3)
    small.settle()
    small.decide(str(proposal), reason="")
    # Before the decision arrives the goods are gone.
    wish = {"lines": [{"item": "BOLT", "quantity": 19}], "source": "A-01", "target": "A-02"}
    small.floor.stock.move(small.op(), small.solo, wish)
    small.settle()
    [one] = small.waiting()
    assert one["decided"] == "" and one["why"] and small.machine.stock() == {"A-01": 1, "A-02": 19}
    wish = {"lines": [{"item": "BOLT", "quantity": 9}], "source": "A-02", "target": "A-01"}
    small.floor.stock.move(small.op(), small.solo, wish)
    small.settle()
    assert small.machine.stock() == {"A-01": 10, "A-02": 10}  # an old decision is not tried for ever
    with small.hub.store.write() as session:
        session.run("DELETE FROM decisions")  # the hub was put back from a backup: its next one is new all the same
    small.decide(str(proposal), reason="")
    small.settle()
    assert small.waiting() == [] and small.machine.stock() == {"A-01": 7, "A-02": 10}


def test_who_may_not_decide(small: Small) -> None:
    small.count(18)
    small.settle()
    name = small.waiting()[0]["op_id"]
    with pytest.raises(Rejected, match="needs the role ADMIN"):
        small.decide(name, login="egon")
    with pytest.raises(Rejected, match="password is wrong"):
        small.hub.decide_approval(name, "erna", "not her password", "approved", "lost")
    with pytest.raises(Rejected, match="needs the role ADMIN"):
        small.hub.add_approver("oslo", "egon", PASSWORD)
    small.hub.add_account("solo", "Solo", PASSWORD, ("ADMIN",))
    small.hub.add_approver("oslo", "solo", PASSWORD)
    small.settle()
    with pytest.raises(Rejected, match="somebody else has to decide"):
        small.decide(name, login="solo")
    # A new password opens no old key.
    small.hub.add_account("erna", "Erna", "another password", ("ADMIN",))
    with pytest.raises(Rejected, match="does not open"):
        small.hub.decide_approval(name, "erna", "another password", "approved", "lost")
    small.hub.add_approver("oslo", "erna", "another password")
    with pytest.raises(Rejected, match="has not taken"):
        small.hub.decide_approval(name, "erna", "another password", "approved", "lost")
    small.settle()
    small.hub.decide_approval(name, "erna", "another password", "approved", "lost")
    small.settle()
    assert small.machine.stock() == {"A-01": 18}


def test_a_site_that_takes_the_place_of_an_approver_is_found_out(small: Small) -> None:
    small.hub.add_account("eva", "Eva", PASSWORD, ("ADMIN",))
    actor = Actor.parse(small.hub.add_approver("oslo", "eva", PASSWORD))
    small.company.settle()
    small.machine.settle()
    small.machine.run_jobs()
    with small.hub.store.read() as session:
        code = streams.get(session, streams.USERS, "oslo", str(actor))["code"]  # type: ignore[index]
    stolen = Bind(actor=actor, key=b"\x13" * 20, code=activation_code(code))
    small.machine.site.record(stolen, op_id=small.op())
    small.count(18)
    small.settle()
    with pytest.raises(Rejected, match="another key"):
        small.decide(small.waiting()[0]["op_id"], login="eva")
    assert discrepancies.STRANGE_KEY in small.company.kinds()


def test_the_site_decides_by_itself_where_somebody_may(small: Small) -> None:
    """Beyond what a person may approve, the hub is asked although somebody else is there."""
    code = small.company.codes["bob"]
    small.floor.people.activate(small.op(), "bob", code, PIN, "tablet")
    small.settle()
    small.count(18)
    small.settle()
    assert small.waiting() == []
    small.hub.set_policy("counting", {"approval": {"bin_quantity_max": 1}}, "oslo")
    small.settle()
    small.settle()
    [one] = small.waiting()
    small.decide(one["op_id"])
    small.settle()
    assert small.machine.stock() == {"A-01": 18}


def test_a_node_that_dies_at_any_point_of_a_decision_books_it_once(small: Small) -> None:
    session, _ = small.count(18)
    small.settle()
    small.decide(small.waiting()[0]["op_id"])
    small.company.settle()
    small.machine.settle()

    def die(_: str) -> None:
        raise Killed

    for name in ("record.before_commit", "record.after_commit", "db.after_commit"):
        arm_failpoint(name, die)
        with pytest.raises(Killed):
            small.floor.hub.apply_ready()
        disarm_failpoints()
        small.machine.close()
        small.open()
    small.floor.hub.apply_ready()
    small.settle()
    assert small.machine.stock() == {"A-01": 18} and small.bin_state(session) == "posted"
    assert small.waiting() == []


def test_rights_end_as_everybody_elses(small: Small) -> None:
    small.count(18)
    small.settle()
    name = small.waiting()[0]["op_id"]
    small.decide(name)
    small.hub.revoke_person("oslo", "erna@hub")
    small.settle()
    # The record that ends the rights and the decision came together: the chain takes no signature any more.
    assert small.machine.stock() == {"A-01": 20} and small.waiting() == []


def test_the_console_shows_what_waits_and_signs_with_the_password(small: Small, tmp_path: Path) -> None:
    client = hub_app.create(small.hub).test_client()
    assert client.post("/api/v1/auth/login", json={"login": "erna", "password": PASSWORD}).status_code == 200
    assert "Nothing waits" in client.get("/approvals").text
    small.count(18)
    small.settle()
    name = small.waiting()[0]["op_id"]
    assert "Count of" in client.get("/approvals").text and "A-01" in client.get("/approvals").text
    page = client.get(f"/approvals/{name}").text
    assert "Lost or stolen" in page and "Found: it was not" not in page  # only reasons that explain less
    assert client.get(f"/api/v1/approvals/{name}").json["lines"][0]["difference"] == -2
    address = f"/api/v1/approvals/{name}"
    for verdict, body, status in (
        ("approved", {"password": "wrong"}, 403),
        ("shredded", {"password": PASSWORD}, 404),
        ("approved", {"password": PASSWORD}, 422),  # no reason
        ("approved", {"password": PASSWORD, "reason": "lost", "more": 1}, 422),
    ):
        assert client.post(f"{address}/{verdict}", json=body).status_code == status, body
    wish = {"password": PASSWORD, "reason": "lost"}
    assert client.post(f"{address}/approved", json=wish).json["decided"] == "approved"
    assert "waits for oslo to fetch it" in client.get(f"/approvals/{name}").text
    small.settle()
    assert small.machine.stock() == {"A-01": 18}
    # Who may look and not decide.
    small.count(15)
    small.settle()
    name = small.waiting()[0]["op_id"]
    egon = hub_app.create(small.hub).test_client()
    egon.post("/api/v1/auth/login", json={"login": "egon", "password": PASSWORD})
    assert "may look, not decide" in egon.get(f"/approvals/{name}").text
    assert egon.post(f"/api/v1/approvals/{name}/approved", json=wish).status_code == 403


def test_who_decides_at_the_hub_is_told_how_the_count_came_about(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session, counting = small.op(), small.floor.counting
    small.receive()
    wish = {"name": "Week", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    counting.open_session(session, small.solo, wish)
    counting.open_bin(small.op(), small.solo, {"bin": "A-01"})
    counting.enter(small.op(), small.solo, {"item": "BOLT", "quantity": 18})
    small.receive()  # while it is counted
    # That the books could not take it tells something of what they have there.
    many = {"lines": [{"item": "BOLT", "quantity": 4_000}], "source": "A-01", "target": "A-02", "happened": True}
    small.floor.stock.move(small.op(), small.solo, many)
    counting.close_bin(small.op(), small.solo, {"bin": "A-01", "confirm": True})
    small.settle()
    client = hub_app.create(small.hub).test_client()
    client.post("/api/v1/auth/login", json={"login": "erna", "password": PASSWORD})
    name = small.waiting()[0]["op_id"]
    assert client.get(f"/api/v1/approvals/{name}").json["marks"] == ["unstable", "not-blind"]
    page = client.get(f"/approvals/{name}").text
    assert "Stock moved while it was counted" in page and "Not counted blind" in page
    small.hub.close()
    assert cli.main(["approvals", "--dir", str(tmp_path / "hub"), name]) == 0
    assert "unstable, not-blind" in capsys.readouterr().out
    small.hub = small.company.hub = sitekit.open_hub(tmp_path / "hub", small.company.clock, seed=5)


def test_the_command_line_lists_and_decides(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small.count(18)
    proposal = small.propose(2, "A-02")
    small.settle()
    small.hub.close()

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
        code = cli.main([arguments[0], "--dir", str(tmp_path / "hub"), *arguments[1:]])
        return code, capsys.readouterr().out

    code, out = run("approvals")
    assert code == 0 and "count A-01" in out and "adjust" in out and "1 of 1 line" in out
    found = json.loads(run("approvals", "--json")[1])["approvals"]
    names = {each["act"]: each["op_id"] for each in found}
    assert names["adjust"] == str(proposal)
    assert "counted 18, expected 20, difference -2 pc" in run("approvals", names["count"])[1]
    assert run("approve", names["count"], "erna", "--reason", "found")[0] == 1
    assert json.loads(run("approve", names["count"], "erna", "--reason", "lost", "--json")[1])["state"] == "approved"
    assert run("approve", names["adjust"], "erna", "--reject", "--reason", "not-plausible")[0] == 0
    assert run("approvals", "0" * 32)[0] == 1
    assert "actor" in json.loads(run("add-approver", "oslo", "erna", "--json")[1])
    small.hub = small.company.hub = sitekit.open_hub(tmp_path / "hub", small.company.clock, seed=5)
    assert {each["decided"] for each in small.waiting()} == {"approved", "rejected"}
