"""What a node's API refuses: everything that is wrong, in plain words, and without changing a row."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.node.floor_kit import PIN, Stage
from tests.web import kit

STANDING = {"item": "NO-SUCH", "quantity": 1, "location": "A-01"}
SESSION = {"session": kit.NOBODY}
LINE = {"item": "BOLT", "quantity": 1, "source": "A-02", "target": "A-01"}
# One body a route that is well formed and refused all the same, because what it names does not exist or is not there:
# so whatever is made of it must be refused too.
EXAMPLES: dict[str, dict[str, Any]] = {
    "counts": {"name": "Week", "bins": ["NO-SUCH"], "rule": {"line_quantity_max": 1}},
    "counts/start": SESSION,
    "counts/cancel": {**SESSION, "reason": "late"},
    "counts/assign": {**SESSION, "bin": "A-01", "assignee": None},
    "counts/uncounted": {**SESSION, "bin": "A-01", "reason": "late"},
    "counts/open": {"bin": "A-01"},
    "counts/leave": {"bin": "A-01"},
    "counts/enter": {"item": "BOLT", "quantity": 1, "mode": "set"},
    "counts/undo": {"number": 1},
    "counts/empty": {},
    "counts/close": {"bin": "A-01", "confirm": True},
    "counts/reject": {**SESSION, "reason": "doubtful"},
    "counts/recount": {**SESSION, "bin": "A-01", "reason": "doubtful"},
    "counts/approve": {**SESSION, "bin": "A-01", "lines": [0], "reason": "lost", "pin": PIN},
    "counts/approve-bins": {**SESSION, "bins": ["A-01"], "pin": PIN},
    "counts/relocate": {**SESSION, "item": "BOLT", "source": "A-01", "target": "A-02", "accept": True},
    "counts/sheets": {**SESSION, "bins": ["A-01"], "blind": True},
    "counts/sheets/settle": {"sheet": 999, "state": "void", "reason": "torn"},
    "counts/sheets/return": {"sheet": 999, "csv": "x", "counter": kit.NOBODY * 2, "counted_ms": 1},
    "counts/certificate": {"zone": "NO-SUCH", "since": 1},
    "scans/resolve": {"park": 999, "item": "BOLT", "quantity": 1},
    "scans/dismiss": {"park": 999, "reason": "not-stock"},
    "tasks/begin": {"kind": "count"},
    "tasks/finish": {"confirm": True},
    "tasks/drop": {},
    "documents/receive": {"lines": [{"item": "NO-SUCH", "quantity": 1, "target": "A-01"}]},
    "documents/move": {"lines": [LINE]},
    "documents/adjust": {"lines": [{"item": "NO-SUCH", "quantity": 1, "location": "A-01"}], "reason": "lost"},
    "documents/reverse": {"of": kit.NOBODY, "reason": "wrong"},
    "documents/exception": {"location": "NO-SUCH", "reason": "unbookable", "lines": []},
    "documents/hold": {"held": "damage", "lines": [STANDING], "reasons": ["crushed"]},
    "documents/relabel": {"lot": "L2", "lines": [STANDING], "reasons": ["faded"]},
    "documents/issue": {"lines": [LINE], "order": "SO-1"},
    "documents/scrap": {"lines": [LINE], "reasons": ["crushed"]},
    "documents/send-back": {"lines": [LINE], "supplier": "ACME", "origin": "DN-1", "reasons": ["crushed"]},
    "documents/release": {"hold": kit.NOBODY, "lines": [{"line": 1, "quantity": 1, "location": "A-01"}], "pin": PIN},
    "units/move": {"units": [{"unit": "PAL-7", "target": "NO-SUCH"}]},
    "deliveries": {"delivery": "D-1", "supplier": "ACME", "lines": [{"item": "NO-SUCH", "quantity": 1}]},
    "deliveries/close": {"delivery": "NO-SUCH"},
    "picks": {"order": "SO-1", "lines": [{"item": "NO-SUCH", "quantity": 1}]},
    "picks/begin": {"list": kit.NOBODY, "tote": "A-01"},
    "picks/pick": {"list": kit.NOBODY, "item": "BOLT", "quantity": 1, "source": "A-01"},
    "picks/short": {"list": kit.NOBODY, "location": "A-01", "item": "BOLT"},
    "picks/issue": {"list": kit.NOBODY, "confirm": True},
    "picks/cancel": {"list": kit.NOBODY, "reason": "withdrawn"},
    "tablets/settle": {"tablet": 1},
    "documents/reject": {"proposal": kit.NOBODY, "reason": "wrong"},
    "documents/approve": {"proposal": kit.NOBODY, "pin": PIN},
    "transfers/dispatch": {
        "receiver": "bergen", "lines": [{"item": "BOLT", "quantity": 1, "source": "A-02"}], "pin": PIN,
    },
    "transfers/accept": {"transfer": kit.NOBODY, "lines": [], "pin": PIN},
}  # fmt: skip
# Without an op_id: log-in and what is the same however often it is done.
OTHERS: dict[str, dict[str, Any]] = {
    "counts/preview": {"areas": ["NO-SUCH"]},
    "counts/certificate/check": {"format": "x"},
    "auth/login": {"login": "nobody", "pin": PIN},
    "auth/activate": {"op_id": kit.NOBODY, "login": "nobody", "code": "0" * 20, "pin": PIN},
    "scans": {"op_id": kit.NOBODY, "text": "x" * 5_000},
    "devices/bind": {"device": "\n"},
}
BARE = ("auth/logout", "sync/now", "seal")
OPEN = ("auth/login", "auth/activate", "auth/logout")
PEOPLE = ("cora", "sven", "tess", "mona", "adam")
GARBAGE = (
    "x",
    "%00",
    "..%2f..%2fkeys",
    "'; DROP TABLE items--",
    "%7B%7B7*7%7D%7D",
    "%ED%A0%80",
    "%E2%80%AE",
    "a" * 8_000,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path_factory.mktemp("node") / "node")
    with kit.closing(stage):
        yield stage, app


@pytest.fixture(scope="module")
def clients(made: tuple[Stage, Flask]) -> dict[str, FlaskClient]:
    return {login: kit.logged_in(made[1], login) for login in PEOPLE}


def state(stage: Stage) -> str:
    """Everything but how often somebody guessed a PIN, which is counted on purpose."""
    folder = stage.world.folder
    return kit.digest(folder / "site.db", folder / "reads.db", but=frozenset({"guesses"}))


def test_every_route_is_known_to_these_tests(made: tuple[Stage, Flask]) -> None:
    posts = {
        rule.rule.removeprefix("/api/v1/") for rule in made[1].url_map.iter_rules() if "POST" in (rule.methods or ())
    }
    assert posts == {*EXAMPLES, *OTHERS, *BARE}


def test_nobody_gets_in_without_a_log_in(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    before, client = state(stage), app.test_client()
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(("/api/", "/events")) or rule.rule.endswith(tuple(OPEN)):
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", kit.NOBODY).replace(f"<path:{name}>", "A-01")
        for headers in (
            {},
            {"Authorization": "Bearer " + "0" * 64},
            {"Authorization": "Bearer "},
            {"Cookie": "tallyman_session=x"},
        ):
            method = "POST" if "POST" in (rule.methods or ()) else "GET"
            answer = client.open(path, method=method, json={} if method == "POST" else None, headers=headers)
            if path == "/api/v1/status":
                assert answer.status_code == 200
                continue
            kit.assert_refused(answer, path)
            assert answer.status_code == 401, path
    assert state(stage) == before


@pytest.mark.parametrize("login", PEOPLE)
def test_what_does_not_exist_is_refused_whoever_asks(
    made: tuple[Stage, Flask], clients: dict[str, FlaskClient], login: str
) -> None:
    stage, _ = made
    before = state(stage)
    for path, example in EXAMPLES.items():
        answer = clients[login].post(f"/api/v1/{path}", json={"op_id": kit.NOBODY, **example})
        if path == "counts/undo" and answer.status_code == 200:
            pytest.fail("nothing was open, and something was undone")
        kit.assert_refused(answer, (login, path))
    assert state(stage) == before


@pytest.mark.parametrize("path", [*EXAMPLES, *OTHERS, *BARE])
def test_broken_bodies(made: tuple[Stage, Flask], clients: dict[str, FlaskClient], path: str) -> None:
    stage, _ = made
    before = state(stage)
    example = {"op_id": kit.NOBODY, **EXAMPLES[path]} if path in EXAMPLES else OTHERS.get(path, {})
    for login in ("tess", "cora") if path not in BARE else ("adam",):
        for name, body, content_type in kit.broken_bodies(example):
            kit.assert_refused(kit.raw(clients[login], f"/api/v1/{path}", body, content_type), (path, login, name))
    assert state(stage) == before


@pytest.mark.parametrize("path", [*EXAMPLES, "scans", "devices/bind"])
def test_wrong_values_in_every_member(made: tuple[Stage, Flask], clients: dict[str, FlaskClient], path: str) -> None:
    stage, _ = made
    before = state(stage)
    example = {"op_id": kit.NOBODY, **EXAMPLES[path]} if path in EXAMPLES else OTHERS[path]
    for name in example:
        for value in kit.WRONG_VALUES:
            if path == "devices/bind" and value in ("12", "'; DROP TABLE items--", "{{7*7}}", "１２"):
                continue  # a name like any other
            if path == "scans" and name == "text" and isinstance(value, str) and len(value) < 5_000:
                continue  # a scan may say anything
            for login in ("tess", "mona"):
                answer = clients[login].post(f"/api/v1/{path}", json={**example, name: value})
                kit.assert_refused(answer, (path, login, name, str(value)[:40]))
        without = {key: value for key, value in example.items() if key != name}
        if path != "scans" or name != "text":
            kit.assert_refused(clients["tess"].post(f"/api/v1/{path}", json=without), (path, "without", name))
    assert state(stage) == before


def test_wrong_values_in_lines(made: tuple[Stage, Flask], clients: dict[str, FlaskClient]) -> None:
    stage, _ = made
    before = state(stage)
    paths = ("documents/receive", "documents/move", "documents/adjust", "documents/hold", "documents/scrap")
    for path in (*paths, "transfers/dispatch"):
        example = {"op_id": kit.NOBODY, **EXAMPLES[path]}
        [line] = example["lines"]
        for name in line:
            for value in kit.WRONG_VALUES:
                answer = clients["mona" if path.startswith("doc") else "sven"].post(
                    f"/api/v1/{path}", json={**example, "lines": [{**line, name: value}]}
                )
                kit.assert_refused(answer, (path, name, str(value)[:40]))
        many = {**example, "lines": [line] * 100_000}
        kit.assert_refused(clients["mona"].post(f"/api/v1/{path}", json=many), (path, "100,000 lines"))
    assert state(stage) == before


def test_an_op_id_is_used_once(made: tuple[Stage, Flask], clients: dict[str, FlaskClient]) -> None:
    stage, _ = made
    wish = {"op_id": stage.op().raw.hex(), "lines": [{"item": "BOLT", "quantity": 5, "target": "DOCK"}]}
    first = clients["mona"].post("/api/v1/documents/receive", json=wish)
    assert first.status_code == 200, first.text
    before = state(stage)
    again = clients["mona"].post("/api/v1/documents/receive", json=wish)
    assert (again.status_code, again.json) == (200, first.json)
    other = {**wish, "lines": [{"item": "BOLT", "quantity": 6, "target": "DOCK"}]}
    kit.assert_refused(clients["mona"].post("/api/v1/documents/receive", json=other), "other content")
    kit.assert_refused(clients["cora"].post("/api/v1/documents/receive", json=wish), "another person")
    elsewhere = {
        "op_id": wish["op_id"],
        "lines": [{"item": "BOLT", "quantity": 1, "source": "DOCK", "target": "A-01"}],
    }
    kit.assert_refused(clients["mona"].post("/api/v1/documents/move", json=elsewhere), "another verb")
    assert state(stage) == before
    assert stage.stock("DOCK", "BOLT") == 5


def test_garbage_in_addresses(made: tuple[Stage, Flask], clients: dict[str, FlaskClient]) -> None:
    stage, app = made
    before = state(stage)
    gets = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and rule.arguments]
    for rule in gets:
        if rule.endpoint == "static":
            continue
        for garbage in GARBAGE:
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<{name}>", garbage).replace(f"<path:{name}>", garbage)
            for login in ("tess", "adam"):
                answer = clients[login].get(path)
                assert 400 <= answer.status_code < 500, (path[:80], login, answer.status_code)
                if path.startswith("/api/"):
                    kit.assert_refused(answer, path[:80])
    assert state(stage) == before


def test_methods_and_unknown_addresses(clients: dict[str, FlaskClient]) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        kit.assert_refused(clients["tess"].open("/api/v1/counts", method=method), method)
    overridden = clients["tess"].get("/api/v1/seal", headers={"X-HTTP-Method-Override": "POST"})
    kit.assert_refused(overridden, "override")
    kit.assert_refused(clients["tess"].get("/api/v1/nothing"), "unknown")
    kit.assert_refused(clients["tess"].get("/api/v1//counts"), "doubled slash")


def test_cross_site_requests_change_nothing(made: tuple[Stage, Flask], clients: dict[str, FlaskClient]) -> None:
    """No cookie of ours acts for a page of somebody else, on any route."""
    stage, _ = made
    before = state(stage)
    foreign: tuple[dict[str, str], ...] = (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    )
    for path in (*EXAMPLES, *OTHERS, *BARE):
        example = {"op_id": kit.NOBODY, **EXAMPLES[path]} if path in EXAMPLES else OTHERS.get(path, {})
        for headers in foreign:
            answer = clients["tess"].post(f"/api/v1/{path}", json=example, headers=headers)
            kit.assert_refused(answer, (path, headers))
            assert answer.status_code == 403, (path, headers)
    assert state(stage) == before
    own = clients["tess"].post("/api/v1/seal", json={}, headers={"Origin": "http://localhost"})
    assert own.status_code == 200


def test_log_in_cookies_and_throttle(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = app.test_client()
        answer = client.post("/api/v1/auth/login", json={"login": "badge-cora", "pin": PIN})
        assert answer.status_code == 200
        cookies = answer.headers.getlist("Set-Cookie")
        assert len(cookies) == 2
        for cookie in cookies:
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
        secure = app.test_client().post(
            "/api/v1/auth/login", json={"login": "cora", "pin": PIN}, base_url="https://localhost"
        )
        assert all("Secure" in cookie for cookie in secure.headers.getlist("Set-Cookie"))
        for _ in range(5):
            kit.assert_refused(client.post("/api/v1/auth/login", json={"login": "carl", "pin": "000001"}), "wrong")
        locked = client.post("/api/v1/auth/login", json={"login": "carl", "pin": PIN})
        kit.assert_refused(locked, "throttled")
        assert "wait" in json.loads(locked.text)["detail"]
        assert client.post("/api/v1/auth/logout", json={}).status_code == 200
        assert client.get("/api/v1/users/me").status_code == 401


def test_scans_count_for_who_sent_them_whoever_takes_them_first(tmp_path: Path) -> None:
    """The node drains its journal all the time: a scan of a program without cookies must not be nobody's then."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        wish = {"name": "Scans", "bins": ["A-01"], "rule": {}}
        stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
        stop = threading.Event()

        def drain() -> None:
            while not stop.is_set():
                stage.floor.scanning.drain(stage.journal)

        draining = threading.Thread(target=drain)
        draining.start()
        try:
            headers = {"Authorization": f"Bearer {stage.tokens['cora']}"}
            for text in ("BIN:A-01", *["4006381333931"] * 40):
                answer = app.test_client().post(
                    "/api/v1/scans", json={"op_id": str(stage.op()), "text": text}, headers=headers
                )
                assert answer.status_code == 200, answer.text
                assert answer.json["outcome"] in ("opened", "counted"), answer.json
            shown = app.test_client().get("/api/v1/counts/mine", headers=headers).json["screen"]
        finally:
            stop.set()
            draining.join()
        assert [line["counted"] for line in shown["lines"]] == [40]
