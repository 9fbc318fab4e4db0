"""Pages: none longer than 200, nothing twice, nothing missing while rows come; ETag, If-Match and Idempotency-Key."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ledger import control
from ledger.errors import Invalid
from ledger.ids import OpId
from node import proofs
from tests.node.floor_kit import PIN, Stage, actor_of
from tests.web import kit, walk
from tests.web.fuzz import ENDING
from web import cursors
from web.server import Server

API = "/api/v1"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def rows_of(client: FlaskClient, path: str, limit: int, member: str = "rows") -> Iterator[dict[str, Any]]:
    """Every row of a list, page by page."""
    cursor = ""
    while True:
        answer = client.get(f"{API}/{path}", query_string={"limit": limit, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        rows = answer.json[member]
        assert len(rows) <= limit
        yield from rows
        cursor = answer.json["next"]
        if not cursor:
            return
        assert len(rows) == limit, "a page before the last one is short"


def fill(stage: Stage) -> None:
    """A few of everything: bins with stock, lots, pieces, moves, sessions and proposals."""
    for number in range(6):
        stage.receive(
            {"item": "BOLT", "quantity": 10 + number},
            {"item": "PAINT", "lot": f"L{number}", "quantity": 2},
            {"item": "DRILL", "serial": f"S{number}", "quantity": 1},
        )
        move = {"item": "BOLT", "quantity": 1, "source": "A-01", "target": ("A-02", "DOCK")[number % 2]}
        stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [move]})
        wish = {"lines": [{"item": "BOLT", "location": "A-02", "change": 1}], "reasons": ["found"]}
        stage.floor.stock.adjust(stage.op(), stage.as_("mona"), wish)
        stage.world.clock.advance(1_000)
        if number == 3:
            stage.site.seal()


LISTS = {
    "users/": ("actor",),
    "inventory/": ("item",),
    "inventory/BOLT/locations": ("location", "lot", "status"),
    "inventory/BOLT/history": None,
    "locations/": ("location",),
    "locations/A-01/inventory": ("item", "lot", "status"),
    "locations/A-01/serials": ("item", "serial"),
    "locations/A-01/history": None,
    "audit/": ("op_id",),
    f"audit/users/{actor_of('mona')}": ("op_id",),
    "audit/items/BOLT": ("op_id",),
    "operations/": ("op_id",),
    "proposals/": ("proposal",),
    "devices/": ("name",),
}


@pytest.mark.parametrize("path", LISTS)
def test_pages_together_are_the_whole_list(made: tuple[Stage, Flask], path: str) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    whole = list(rows_of(client, path, 200))
    assert len(whole) > 1, "too short to say anything"
    for limit in (1, 2, 3):
        assert list(rows_of(client, path, limit)) == whole
    key = LISTS[path]
    if key is not None:
        keys = [tuple(row[name] for name in key) for row in whole]
        assert len(set(keys)) == len(keys)


def test_what_comes_meanwhile_neither_repeats_nor_hides_a_row(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    before = [row["op_id"] for row in rows_of(client, "audit/", 200)]
    seen = []
    for number, row in enumerate(rows_of(client, "audit/", 2)):
        seen.append(row["op_id"])
        if number % 2 == 0:
            stage.receive({"item": "BOLT", "quantity": 1})
    assert seen == before


def test_histories_say_what_the_books_say(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    stock = {row["location"]: row["quantity"] for row in rows_of(client, "inventory/BOLT/locations", 1)}
    summed: dict[str, int] = {}
    for row in rows_of(client, "inventory/BOLT/history", 2):
        summed[row["target"]] = summed.get(row["target"], 0) + row["quantity"]
        summed[row["source"]] = summed.get(row["source"], 0) - row["quantity"]
    assert stock == {place: left for place, left in summed.items() if place != "SUPPLIER"}
    [bolt] = [row for row in rows_of(client, "inventory/", 200) if row["item"] == "BOLT"]
    assert bolt["quantity"] == bolt["free"] == sum(stock.values())
    both = list(rows_of(client, "locations/A-01/history", 3))
    assert {row["source"] for row in both} == {"SUPPLIER", "A-01"}


def test_an_entry_names_its_person_until_the_name_is_erased(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    entries = list(rows_of(client, f"audit/users/{actor_of('mona')}", 4))
    assert {entry["by"] for entry in entries} == {"Mona"} and {entry["actor"] for entry in entries} == {
        str(actor_of("mona"))
    }
    states = [entry["state"] for entry in rows_of(client, "audit/", 200)]
    assert states == sorted(states, key=["recorded", "sealed"].index) and set(states) == {"recorded", "sealed"}
    with stage.site.writing() as connection:
        connection.execute("DELETE FROM streams WHERE stream = 'users' AND key = ?", (str(actor_of("mona")),))
    entries = list(rows_of(client, "audit/items/BOLT", 4))
    assert {entry["by"] for entry in entries} == {str(actor_of("mona"))[:8]}


def test_a_code_with_a_slash_is_found(made: tuple[Stage, Flask]) -> None:
    """A slash in a code is written %2F, and no server takes it for one that divides."""
    stage, app = made
    code = "SET 1/2"
    item = control.Item(item=code, tracking=0, unit="pc", decimals=0)
    stage.world.send(stage.site, control.ItemsPayload(items=(item,)))
    stage.receive({"item": code, "quantity": 3})
    server = Server(app, "127.0.0.1", 0)
    _, port = server.start()
    headers = {"Authorization": f"Bearer {stage.tokens['sven']}"}
    try:
        for rest in ("", "/history", "/locations"):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            line.request("GET", f"{API}/inventory/SET%201%2F2{rest}", headers=headers)
            answer = line.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["rows" if rest else "stock"]
            line.close()
    finally:
        server.stop()


def test_what_an_earlier_incarnation_left_was_verified() -> None:
    """Its blocks stand below 0, where no size of the present log counts."""
    assert proofs.Progress(0, 0, 0, 0).state(-1) == "verified"
    assert proofs.Progress(9, 9, 5, 3).state(-7) == "anchored"
    states = [proofs.Progress(9, 7, 5, 3).state(height) for height in (2, 3, 5, 7, 9)]
    assert states == ["anchored", "verified", "delivered", "sealed", "recorded"]


PART = st.one_of(st.text(max_size=20), st.integers(-(2**63) + 1, 2**63 - 1))


@given(st.lists(PART, min_size=1, max_size=3).map(tuple))
def test_a_cursor_is_read_back_as_it_was_or_refused(key: tuple[Any, ...]) -> None:
    kinds = tuple(type(part) for part in key)
    try:
        assert cursors.decode(cursors.encode("a", key), "a", kinds) == key
    except (Invalid, UnicodeEncodeError):
        assert any(
            isinstance(part, str) and any(0xD800 <= ord(c) < 0xE000 or c == "\0" for c in part) for part in key
        )
    for other in itertools.product((str, int), repeat=len(key)):
        if other != kinds:
            with pytest.raises((Invalid, UnicodeEncodeError)):
                cursors.decode(cursors.encode("a", key), "a", other)
    with pytest.raises((Invalid, UnicodeEncodeError)):
        cursors.decode(cursors.encode("a", key), "b", kinds)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_cursors(text: str) -> None:
    for kinds in ((str,), (int, int), (str, str, int)):
        with contextlib.suppress(Invalid):
            assert cursors.encode("a", cursors.decode(text, "a", kinds)) == text


def test_a_cursor_of_one_list_is_refused_by_another(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    cursor = client.get(f"{API}/inventory/BOLT/history?limit=1").json["next"]
    assert client.get(f"{API}/inventory/BOLT/history?cursor={cursor}").status_code == 200
    for other in ("inventory/PAINT/history", "locations/A-01/history", "audit/items/BOLT"):
        answer = client.get(f"{API}/{other}?cursor={cursor}")
        assert (answer.status_code, "belongs to another list" in answer.json["detail"]) == (400, True)


# ---------------------------------------------------------------- ETag, If-Match


def test_an_answer_known_already_is_not_sent_again(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    fill(stage)
    client = kit.logged_in(app, "sven")
    for path in (*LISTS, "inventory/BOLT", "locations/A-01", "operations/" + str(OpId(b"act" + (1000).to_bytes(13)))):
        first = client.get(f"{API}/{path}")
        tag = first.headers["ETag"]
        again = client.get(f"{API}/{path}", headers={"If-None-Match": tag})
        assert again.status_code == 304 and not again.data and again.headers["ETag"] == tag
        assert client.get(f"{API}/{path}", headers={"If-None-Match": '"other"'}).status_code == 200
    tag = client.get(f"{API}/inventory/").headers["ETag"]
    stage.receive({"item": "BOLT", "quantity": 1})
    changed = client.get(f"{API}/inventory/", headers={"If-None-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag


def counted(stage: Stage) -> str:
    """A session whose bin A-01 is in review."""
    stage.receive({"item": "BOLT", "quantity": 5})
    wish = {"name": "Week", "bins": ["A-01", "A-02"], "rule": {"line_quantity_max": None, "control_percent": 0}}
    session = stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"]
    cora = stage.as_("cora")
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 4})
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    return str(session)


def test_a_decision_on_what_has_changed_is_refused(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    session = counted(stage)
    client = kit.logged_in(app, "sven")
    tag = client.get(f"{API}/counts/{session}").headers["ETag"]
    paged = client.get(f"{API}/counts/{session}?limit=1")
    assert paged.headers["ETag"] == tag and len(paged.json["bins"]) == 1 and paged.json["next"]
    wish = {"session": session, "bin": "A-02", "reason": "late"}

    def act(op_id: OpId, tag: str, path: str = "counts/uncounted", **more: Any) -> int:
        said = {"op_id": str(op_id), **wish, **more}
        answer = client.post(f"{API}/{path}", json=said, headers={"If-Match": tag})
        if answer.status_code == 412:
            kit.assert_refused(answer, path)
        return answer.status_code

    stage.floor.counting.assign(
        stage.op(), stage.as_("sven"), {"session": session, "bin": "A-02", "assignee": str(actor_of("carl"))}
    )
    before = kit.digest(stage.world.folder / "site.db")
    first = stage.op()
    assert act(first, tag) == 412
    assert act(first, '"*"') == 412
    assert kit.digest(stage.world.folder / "site.db") == before
    tag = client.get(f"{API}/counts/{session}").headers["ETag"]
    assert act(first, f'"elsewhere", {tag}') == 200
    assert act(first, tag) == 200, "the same act again gets its answer, although it has changed the session itself"
    # What a bin's review compares is its own.
    review = f"{API}/counts/{session}/bins/A-01"
    tag = client.get(review).headers["ETag"]
    wish = {"session": session, "bin": "A-01"}
    assert act(stage.op(), '"old"', "counts/approve", pin=PIN, reason="lost") == 412
    assert act(stage.op(), tag, "counts/approve", pin=PIN, reason="lost") == 200
    assert client.get(review, headers={"If-None-Match": tag}).status_code == 200


def test_a_proposal_decided_meanwhile_is_not_decided_again(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    wish = {"lines": [{"item": "BOLT", "location": "A-02", "change": 1}], "reasons": ["found"]}
    proposal = stage.floor.stock.adjust(stage.op(), stage.as_("mona"), wish)["op_id"]
    client = kit.logged_in(app, "sven")
    tag = client.get(f"{API}/proposals/{proposal}").headers["ETag"]
    stage.floor.stock.proposals.reject(stage.op(), stage.as_("tess"), {"proposal": proposal, "reason": "no"})
    said = {"op_id": str(stage.op()), "proposal": proposal, "pin": PIN}
    assert client.post(f"{API}/documents/approve", json=said, headers={"If-Match": tag}).status_code == 412
    assert client.post(f"{API}/documents/approve", json=said, headers={"If-Match": "*"}).status_code == 422
    assert stage.stock("A-02", "BOLT") == 0


def test_if_match_is_never_passed_over(made: tuple[Stage, Flask]) -> None:
    """RFC 9110, 13.1.1: where there is no ETag none matches, and `*` asks only that the thing is there."""
    stage, app = made
    for login in ("mona", "sven", "adam"):
        tablet = kit.logged_in(app, login)
        for route in walk.ROUTES:
            if route.version is not None or route.path in (*ENDING, "/events"):
                continue
            plain, other = walk.ask(tablet, route), walk.ask(tablet, route, headers={"If-Match": '"other"'})
            where = (login, route.path, plain.status_code, other.text)
            kit.assert_refused(other, where)
            # Who may not ask, or asks for what is not here, hears that.
            assert other.status_code == 412 or other.status_code == plain.status_code in (403, 404), where
            if plain.status_code == 200 and not route.unsafe:
                assert walk.ask(tablet, route, headers={"If-Match": "*"}).status_code == 200, where
    stream = kit.logged_in(app, "mona").get("/events", headers={"If-Match": '"other"'})
    assert stream.status_code == 412, stream.text
    tablet = kit.logged_in(app, "mona")
    tag = tablet.get(f"{API}/inventory/").headers["ETag"]
    for said, status in ((tag, 200), (f'"a", {tag}', 200), (f"W/{tag}", 412), ("", 412)):
        assert tablet.get(f"{API}/inventory/", headers={"If-Match": said}).status_code == status, said
    assert tablet.get(f"{API}/inventory/", headers={"If-Match": tag, "If-None-Match": tag}).status_code == 304
    wish = {"lines": [{"item": "BOLT", "quantity": 5, "target": "DOCK"}]}
    for said, status in (('"other"', 412), ("", 412), ("*", 200)):
        body = {"op_id": str(stage.op()), **wish}
        answer = tablet.post(f"{API}/documents/receive", json=body, headers={"If-Match": said})
        assert answer.status_code == status, (said, answer.text)
    assert stage.stock("DOCK", "BOLT") == 5


def test_a_draft_is_kept_only_over_the_one_that_was_seen(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, path = kit.logged_in(app, "mona"), f"{API}/drafts/scrap"
    tag = tablet.get(path).headers["ETag"]
    said = {"op_id": str(stage.op()), "on": "", "work": {"lines": [{"code": "BOLT"}]}}
    assert tablet.put(path, json=said, headers={"If-Match": tag}).json["kept"]
    assert tablet.put(path, json=said, headers={"If-Match": tag}).status_code == 412


# ---------------------------------------------------------------- Idempotency-Key

RECEIPT = {"lines": [{"item": "BOLT", "quantity": 5, "target": "DOCK"}]}


def receive(client: FlaskClient, key: str | None, wish: dict[str, Any] = RECEIPT) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"{API}/documents/receive", json=wish, headers=headers)


def test_a_key_is_one_act_of_one_person(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    mona, cora = kit.logged_in(app, "mona"), kit.logged_in(app, "cora")
    first = receive(mona, "delivery 4711")
    assert first.status_code == 200, first.text
    assert receive(mona, "delivery 4711").json == first.json
    assert stage.stock("DOCK", "BOLT") == 5
    more = {"lines": [{"item": "BOLT", "quantity": 6, "target": "DOCK"}]}
    refused = receive(mona, "delivery 4711", more)
    assert refused.status_code == 422 and "already used" in refused.json["detail"]
    other = receive(cora, "delivery 4711")
    assert other.status_code == 200 and other.json["op_id"] != first.json["op_id"]
    assert stage.stock("DOCK", "BOLT") == 10
    op_id = str(stage.op())
    assert receive(mona, op_id).json["op_id"] == op_id
    assert receive(mona, op_id, {"op_id": op_id, **RECEIPT}).json["op_id"] == op_id
    assert receive(mona, None, {"op_id": op_id, **RECEIPT}).json["op_id"] == op_id
    assert stage.stock("DOCK", "BOLT") == 15
    # A tablet's op_id and a program's key cannot meet by chance, and a key in capitals is no op_id.
    assert receive(mona, op_id.upper()).json["op_id"] != op_id


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "ключ", "\x7f", " a", "a "])
def test_hostile_keys(made: tuple[Stage, Flask], key: str) -> None:
    stage, app = made
    client = kit.logged_in(app, "mona")
    before = kit.digest(stage.world.folder / "site.db")
    environ = {"HTTP_IDEMPOTENCY_KEY": key.encode().decode("latin-1")}
    answer = client.post(f"{API}/documents/receive", json=RECEIPT, environ_overrides=environ)
    kit.assert_refused(answer, key)
    assert answer.status_code == 400
    both = client.post(
        f"{API}/documents/receive", json={"op_id": str(stage.op()), **RECEIPT}, headers={"Idempotency-Key": "k"}
    )
    assert both.status_code == 400
    nothing = client.post(
        f"{API}/documents/receive", json={"op_id": None, **RECEIPT}, headers={"Idempotency-Key": "k"}
    )
    assert nothing.status_code == 400
    assert kit.digest(stage.world.folder / "site.db") == before
