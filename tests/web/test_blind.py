"""Whoever counts learns nothing of what the books expect while a count is open: from no page, answer or event."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ledger import control
from ledger.ids import OpId
from tests.node.floor_kit import GTINS, PIN, Stage, actor_of
from tests.web import described, kit, walk
from web import node_floor

# Numbers that stand nowhere else: not in an id, a time or a style.
EXPECTED, LOT_EXPECTED = 77_345_671, 66_123_457
SENT, PICKED, WANTED = 3, 40, 88_000_000
LIST = b"a list of picks."
OF_BIN = b"picks of the bin"
SHEET = ("/api/v1/counts/sheets/1", "/review/sheets/1")
SECRET = (
    EXPECTED, EXPECTED + SENT, WANTED - EXPECTED, WANTED - EXPECTED - SENT, LOT_EXPECTED, "NUMBER-OF-A-DRILL",
    "LOT-OF-THE-PAINT",
)  # fmt: skip
SEEN = re.compile("|".join(map(str, SECRET)))


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[tuple[Stage, Flask, str, str]]:
    """Goods are in A-01, a count of it is open, and a receipt of the goods is among the latest operations."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        sven, mona = stage.as_("sven"), stage.as_("mona")
        announced = [{"item": "BOLT", "quantity": WANTED}, {"item": "PAINT", "quantity": WANTED}]
        announced.append({"item": "DRILL", "quantity": 1})
        stage.floor.deliveries.expect(stage.op(), mona, {"delivery": "PO-1", "supplier": "ACME", "lines": announced})
        came = [
            {"item": "BOLT", "quantity": EXPECTED + SENT},
            {"item": "PAINT", "lot": "LOT-OF-THE-PAINT", "quantity": LOT_EXPECTED},
            {"item": "DRILL", "serial": "NUMBER-OF-A-DRILL", "quantity": 1},
        ]
        received = stage.op()
        stage.floor.stock.receive(
            received, mona, {"lines": came, "target": "A-01", "delivery": "PO-1", "confirm": True}
        )
        free = {"item": "BOLT", "quantity": PICKED, "target": "A-02"}
        stage.floor.stock.receive(stage.op(), mona, {"lines": [free]})
        picks = {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": PICKED}]}
        stage.floor.picking.open(OpId(LIST), mona, picks)
        line = {"item": "BOLT", "quantity": SENT, "source": "A-01"}
        stage.floor.transfers.dispatch(stage.op(), sven, {"receiver": "bergen", "lines": [line]}, PIN)
        # All that is left in the bin is promised to a list.
        tote = control.Location(location="TOTE-1", kind=control.UNIT)
        stage.world.send(stage.site, control.LocationsPayload(locations=(tote,)))
        stage.floor.picking.open(
            OpId(OF_BIN), mona, {"order": "SO-2", "lines": [{"item": "BOLT", "quantity": WANTED}]}
        )
        stage.floor.picking.begin(stage.op(), mona, {"list": str(OpId(OF_BIN)), "tote": "TOTE-1"})
        wish = {"name": "Blind", "bins": ["A-01"], "rule": {"line_quantity_max": 0, "control_percent": 0}}
        session = stage.floor.counting.open_session(stage.op(), sven, wish)["session"]
        # A sheet with the quantities is out; who counts cannot get at it.
        stage.floor.counting.sheets.issue(stage.op(), sven, {"session": session, "blind": False})
        yield stage, app, session, str(received)


def addresses(app: Flask, session: str, *operations: str) -> Iterator[str]:
    """Every address that can be asked, pages included, with every name that leads somewhere."""
    names: dict[str, Sequence[str]] = {
        "op_id": operations,
        "proposal": operations,
        "transfer": operations,
        "session": (session,),
        "bin": ("A-01",),
        "bin_": ("A-01",),
        "number": ("1",),
        "list": (*operations, str(OpId(LIST)), str(OpId(OF_BIN))),
        "kind": list(node_floor.WORKS),
        "name": [path.removeprefix("/") for path in node_floor.SCREENS],
        "list_": operations,
        "language": ("de",),
        "code": ("A-01", "BOLT", "PAINT", "DRILL"),
        "actor": [str(actor_of(login)) for login in ("cora", "mona", "sven")],
    }
    for route in walk.ASKS:
        for path in walk.addresses(route, names):
            yield path
            if route.keys is not None:
                yield f"{path}?limit=1"
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(("node_pages.", "node_floor.", "node_review.", "node_offline.", "node_setup.")):
            known = [names[name] for name in sorted(rule.arguments)]
            for values in itertools.product(*known):
                with app.test_request_context():
                    yield url_for(rule.endpoint, **dict(zip(sorted(rule.arguments), values, strict=True)))
    yield f"/api/v1/inventory/{GTINS['BOLT']}"
    for path in ("/api/v1/counts/", "/review/"):
        yield from (f"{path}?search=blind", f"{path}?state=counting", f"{path}?state=review&search=blind")
    for path in ("/api/v1/operations/", "/api/v1/audit/", f"/api/v1/audit/users/{actor_of('mona')}", "/operations/"):
        yield from (f"{path}?kind=receive", f"{path}?kind=record_count", f"{path}?beginning={operations[0][:9]}")
        yield from (f"{path}?reference={number}" for number in ("po-", "SO-1", operations[0], "A-01", "BOLT"))
    for path in ("/api/v1/audit/stock", "/api/v1/audit/stock.csv", "/api/v1/audit/cut-off", "/operations/stock",
                 "/operations/cut-off"):  # fmt: skip
        yield f"{path}?day=2199-12-31"
    yield from ("/api/v1/operations/?from_ms=1&until_ms=2000000000000", "/operations/?from=2020-01-01&to=2030-01-01")


def pages(client: FlaskClient, path: str) -> Iterator[TestResponse]:
    """What an address answers, and each page after it."""
    answer = client.get(path)
    yield answer
    while answer.status_code == 200 and answer.is_json and "limit=1" in path and answer.json.get("next"):
        answer = client.get(f"{path}&cursor={answer.json['next']}")
        assert answer.status_code == 200, (path, answer.text)
        yield answer


def assert_blind(app: Flask, client: FlaskClient, session: str, *operations: str) -> int:
    asked = 0
    for path in addresses(app, session, *operations):
        for answer in pages(client, path):
            assert answer.status_code < 500, path
            asked += answer.status_code == 200
            if SEEN.search(answer.get_data(as_text=True)):
                assert path.startswith(SHEET), f"{path} tells what is expected"
                # Who approves may print a sheet with quantities, and from then on cannot count its bins.
                opened = client.post("/api/v1/counts/open", json={"op_id": "5e" * 16, "bin": "A-01"})
                assert opened.status_code == 422 and "knows nothing" in opened.json["detail"], opened.text
    return asked


def test_no_act_tells_what_is_expected(counting: tuple[Stage, Flask, str, str]) -> None:
    """Every act, with the names that lead to the bin, by people who count: approvers that count among them."""
    stage, app, session, received = counting
    mona = stage.as_("mona")
    wish = {"of": received, "reasons": ["wrong"]}
    proposal = stage.floor.stock.reverse(stage.op(), mona, wish)["op_id"]
    thing = {"item": "BOLT", "quantity": EXPECTED + 1}
    line = {**thing, "source": "A-01", "target": "DOCK"}
    said = {
        "session": session, "bin": "A-01", "of": received, "proposal": proposal, "transfer": received, "kind": "move",
        "lines": [line], "reasons": ["wrong"], "pin": PIN, **line, "location": "A-01", "change": -EXPECTED - 1,
        "text": GTINS["BOLT"], "confirm": True, "reason": "wrong", "delivery": "PO-1", "tote": "A-01",
        "list": str(OpId(OF_BIN)),
    }  # fmt: skip
    for login in ("carl", "cora", "tess"):
        client = kit.logged_in(app, login)
        for route in walk.CHANGES:
            name = walk.short(route)
            if name.startswith(("auth/", "counts/cancel", "counts/uncounted")):
                continue  # these end the log-in, or the count
            members = described.members(route)
            body = {each: value for each, value in said.items() if each in members}
            if "lines" in body and name != "documents/move":
                keep = described.members_of_lines(route)
                body["lines"] = [{each: value for each, value in {**said, **line}.items() if each in keep}]
            if route.act:
                body["op_id"] = str(stage.op())
            unsure = {each: value for each, value in body.items() if each != "confirm"}
            for path in walk.addresses(route, {"code": ("BOLT",), "actor": (str(actor_of("mona")),)}):
                # A question first, where there is one.
                for asked in (unsure, body) if unsure != body else (body,):
                    answer = client.open(path, method=route.method, json=asked)
                    assert answer.status_code < 500, (path, answer.text)
                    # What was said by the asker comes back; what nobody said must not.
                    assert not SEEN.search(answer.text), f"{name} tells what is expected: {answer.text[:300]}"
        assert client.get(f"/api/v1/proposals/{proposal}").status_code == (200 if login == "tess" else 403)
        assert_blind(app, client, session, received, proposal)


def test_every_address_is_blind_until_the_bin_is_posted(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, app, session, received = counting
    stage.site.seal()
    cora, tess, audrey = kit.logged_in(app, "cora"), kit.logged_in(app, "sven"), kit.auditor(stage, app)
    assert assert_blind(app, cora, session, received) > 10
    # An auditor may ask for more than who only counts, and is told as little.
    assert assert_blind(app, audrey, session, received) > assert_blind(app, cora, session, received)
    assert any(SEEN.search(tess.get(path).text) for path in addresses(app, session, received)), "nothing to be seen"

    def act(client: FlaskClient, path: str, **wish: Any) -> dict[str, Any]:
        answer = client.post(f"/api/v1/{path}", json={"op_id": str(stage.op()), **wish})
        assert not SEEN.search(answer.text), f"{path} tells what is expected"
        return {"status": answer.status_code, **answer.json}

    assert act(cora, "counts/open", bin="A-01")["status"] == 200
    assert act(cora, "scans", text=GTINS["BOLT"])["outcome"] == "counted"
    assert act(cora, "counts/enter", item="BOLT", quantity=EXPECTED + 1)["status"] == 200
    refused = act(cora, "documents/move", lines=[{"item": "BOLT", "quantity": 1, "source": "A-01", "target": "DOCK"}])
    assert refused["status"] in (200, 422)
    act(cora, "counts/enter", item="BOLT", quantity=3)
    asked = act(cora, "counts/close", bin="A-01")
    assert asked["ask"]
    closed = act(cora, "counts/close", bin="A-01", confirm=True)
    assert closed["status"] == 200
    assert_blind(app, cora, session, received, *closed["operations"])
    carl = kit.logged_in(app, "carl")
    assert act(carl, "counts/open", bin="A-01")["status"] == 200
    assert_blind(app, cora, session, received, *closed["operations"])
    assert_blind(app, carl, session, received, *closed["operations"])
    assert_blind(app, audrey, session, received, *closed["operations"])


def test_where_a_unit_stands_is_not_told_of_the_bin_that_is_counted(
    counting: tuple[Stage, Flask, str, str],
) -> None:
    stage, app, session, _ = counting
    mona = stage.as_("mona")
    for unit, target in (("PALLET-1", "A-01"), ("PALLET-2", "A-02")):
        place = control.Location(location=unit, kind=control.UNIT)
        stage.world.send(stage.site, control.LocationsPayload(locations=(place,)))
        stage.floor.stock.move_units(stage.op(), mona, {"units": [{"unit": unit}], "target": target})
        stage.floor.stock.receive(stage.op(), mona, {"lines": [{"item": "BOLT", "quantity": 1}], "target": unit})

    def told(login: str) -> tuple[list[str], str, dict[str, str]]:
        client = kit.logged_in(app, login)
        inside = client.get("/api/v1/locations/?parent=A-01").json["rows"]
        place = client.get("/api/v1/locations/PALLET-1").json
        rows = client.get("/api/v1/inventory/BOLT/locations").json["rows"]
        units = {row["location"]: row["stands_in"] for row in rows if row["location"].startswith("PALLET")}
        return [row["location"] for row in inside], place["parent"], units

    assert told("mona") == (["PALLET-1"], "A-01", {"PALLET-1": "A-01", "PALLET-2": "A-02"})
    assert told("cora") == ([], "", {"PALLET-1": "", "PALLET-2": "A-02"})
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": session, "reason": "late"})
    assert told("cora") == told("mona")


def test_a_transfer_out_of_the_bin_waits_for_the_end_of_its_count(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, app, session, _ = counting
    [transfer] = kit.logged_in(app, "mona").get("/api/v1/transfers/").json["rows"]
    path = f"/api/v1/transfers/{transfer['transfer']}"
    told, hidden = (kit.logged_in(app, login).get(path).json for login in ("mona", "cora"))
    assert told["lines"][0]["quantity"] == SENT and "BOLT" in told["paper"] and not told["being_counted"]
    assert (hidden["lines"], hidden["paper"], hidden["being_counted"]) == ([], None, True)
    wish = {"session": session, "reason": "late"}
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), wish)
    assert kit.logged_in(app, "cora").get(path).json == told


def test_what_came_of_a_delivery_into_the_bin_is_told_when_its_count_is_finished(
    counting: tuple[Stage, Flask, str, str],
) -> None:
    stage, app, session, _ = counting
    cora = kit.logged_in(app, "cora")
    [told] = kit.logged_in(app, "mona").get("/api/v1/deliveries/").json["rows"]
    [hidden] = cora.get("/api/v1/deliveries/").json["rows"]
    assert told["lines"][0]["came"] == EXPECTED + SENT and not told["being_counted"]
    assert [line["came"] for line in hidden["lines"]] == [None] * 3 and hidden["being_counted"]
    assert [line["wanted"] for line in hidden["lines"]] == [line["wanted"] for line in told["lines"]]
    # Goods that come while it is counted are taken in, without a word about the others.
    more = {"delivery": "PO-1", "target": "DOCK", "confirm": True, "lines": [{"item": "BOLT", "quantity": WANTED}]}
    answer = cora.post("/api/v1/documents/receive", json={"op_id": str(stage.op()), **more})
    assert answer.status_code == 200 and "open" not in answer.json, answer.text
    closing = {"op_id": str(stage.op()), "delivery": "PO-1", "reason": "short"}
    refused = cora.post("/api/v1/deliveries/close", json=closing)
    assert refused.status_code == 422 and "being counted" in refused.json["detail"]
    wish = {"session": session, "reason": "late"}
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), wish)
    answer = cora.post("/api/v1/deliveries/close", json=closing)
    assert answer.status_code in (200, 422) and "being counted" not in answer.text


STREAMS = ("", "?codes=idle", "?codes=always&after=0", "?tiles=yes", "?tiles=yes&codes=always")


def heard(client: FlaskClient, query: str, most: int = 4) -> str:
    """What a stream says at first."""
    answer = client.get(f"/events{query}")
    assert answer.status_code == 200
    text = b"".join(itertools.islice(answer.response, most)).decode()
    answer.close()
    assert "event: state" in text
    return text


def test_every_event_is_blind_in_every_state_of_a_count(counting: tuple[Stage, Flask, str, str]) -> None:
    """Each kind of stream, of everybody who counts: before the bin is opened, while it is counted, when it is closed,
    and while another one counts it again."""
    stage, app, _, _ = counting
    cora, carl = stage.as_("cora"), stage.as_("carl")
    clients = [*(kit.logged_in(app, login) for login in ("cora", "carl", "tess")), kit.auditor(stage, app)]

    def assert_no_stream_tells() -> str:
        said = "".join(heard(client, query) for client in clients for query in STREAMS)
        assert not SEEN.search(said), SEEN.search(said)
        return said

    assert_no_stream_tells()
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.scan("]E0" + GTINS["BOLT"].lstrip("0"))
    stage.scan("NO-SUCH-THING")
    assert '"counted":1' in assert_no_stream_tells()
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    assert_no_stream_tells()
    stage.floor.counting.open_bin(stage.op(), carl, {"bin": "A-01"})
    assert_no_stream_tells()


def test_a_stream_that_told_would_be_seen(
    counting: tuple[Stage, Flask, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app, _, _ = counting
    mine = stage.floor.counting.mine

    def telling(*given: Any, **more: Any) -> list[dict[str, Any]]:
        return [{**each, "expected": EXPECTED} for each in mine(*given, **more)]

    monkeypatch.setattr(stage.floor.counting, "mine", telling)
    assert SEEN.search(heard(kit.logged_in(app, "cora"), ""))


def test_a_recount_looks_like_a_first_count(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, app, _, _ = counting
    cora = stage.as_("cora")
    carl = kit.logged_in(app, "carl")
    first = carl.get("/api/v1/counts/mine").json
    told = [(each["counted"], each["of"]) for each in first["progress"]]
    assert told and all(counted == 0 < of for counted, of in told)
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.floor.counting.empty(stage.op(), cora, {})
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    assert carl.get("/api/v1/counts/mine").json == first
    # Whoever counted it is told that it is counted, whatever becomes of it.
    [own] = kit.logged_in(app, "cora").get("/api/v1/counts/mine").json["progress"] or [{"counted": 1}]
    assert own["counted"] == 1


def test_an_approver_who_counts_is_not_told_why_a_bin_is_counted_again(
    counting: tuple[Stage, Flask, str, str],
) -> None:
    stage, app, session, _ = counting
    cora = stage.as_("cora")
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.floor.counting.empty(stage.op(), cora, {})
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})

    def row(login: str) -> dict[str, Any]:
        [found] = kit.logged_in(app, login).get(f"/api/v1/counts/{session}").json["bins"]
        return dict(found)

    known, told = row("sven"), row("tess")
    assert known["why"] == "variance"
    assert told == {name: value for name, value in known.items() if name != "why"}
    assert "round 2" in kit.logged_in(app, "tess").get(f"/review/{session}").text
    wish = {"session": session, "bin": "A-01", "reason": "late"}
    stage.floor.counting.review.take(stage.op(), stage.as_("sven"), wish)
    assert "why" in row("tess")  # in review nobody counts it any more
