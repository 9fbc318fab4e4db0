"""What a node's API refuses: everything that is wrong, in plain words, and without changing a row."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ledger.people import roles_of
from tests.node.floor_kit import PEOPLE as PEOPLE_HERE
from tests.node.floor_kit import PIN, Stage
from tests.web import kit, walk
from tests.web.walk import BARE, EXAMPLES, OTHERS

PEOPLE = ("sven", "mona", "tess", "cora", "adam")
HOSTILE_CURSORS = (
    "", "x", "%00", "....", "e30", "W10", "W3RydWVd", "WyIiXQ==", "W251bGxd", "WzEuNSwxXQ", "bnVsbA",
    "WyJhIiwiYiIsImMiLCJkIl0", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", "WyJcdTAwMDAiXQ", "WyJcdWQ4MDAiXQ", "W1tdXQ", "W3t9XQ",
    "A" * 401, "'; DROP TABLE items--", "%E2%80%AE",
)  # fmt: skip
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


CHANGES = {walk.short(route): route for route in walk.CHANGES}


def post(client: FlaskClient, path: str, body: object, **more: Any) -> TestResponse:
    route = CHANGES[path]
    return client.open(walk.address(route), method=route.method, json=body, **more)


def test_every_route_is_known_to_these_tests() -> None:
    assert set(CHANGES) == {*EXAMPLES, *OTHERS, *BARE}


def test_every_address_of_the_application_is_a_page_or_in_the_table(made: tuple[Stage, Flask]) -> None:
    """What is served and not described would be neither checked nor told."""
    described = {(route.method, route.rule()) for route in walk.ROUTES}
    for rule in made[1].url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            pages = (
                "static",
                "versioned",
                "words",
                "node_pages.",
                "node_floor.",
                "node_review.",
                "node_offline.",
                "node_setup.",
            )
            page = rule.endpoint.startswith(pages)
            assert page or (method, rule.rule) in described, (method, rule.rule)
            assert not page or method == "GET", rule.rule


@pytest.mark.parametrize("login", PEOPLE)
def test_what_does_not_exist_is_refused_whoever_asks(
    made: tuple[Stage, Flask], clients: dict[str, FlaskClient], login: str
) -> None:
    stage, _ = made
    before = state(stage)
    for path in EXAMPLES:
        kit.assert_refused(walk.ask(clients[login], CHANGES[path]), (login, path))
    assert state(stage) == before


@pytest.mark.parametrize("path", [*EXAMPLES, *OTHERS, *BARE])
def test_broken_bodies(made: tuple[Stage, Flask], clients: dict[str, FlaskClient], path: str) -> None:
    stage, _ = made
    before, route = state(stage), CHANGES[path]
    for login in (allowed(path), "cora"):
        for name, body, content_type in kit.broken_bodies(walk.body_of(route)):
            answer = clients[login].open(
                walk.address(route), method=route.method, data=body, content_type=content_type
            )
            kit.assert_refused(answer, (path, login, name))
    assert state(stage) == before


def allowed(path: str) -> str:
    """Somebody whose roles this act asks for."""
    wanted = CHANGES[path].allow
    return next(each for each in PEOPLE if not wanted or wanted & roles_of(PEOPLE_HERE[each]))


@pytest.mark.parametrize("path", [*EXAMPLES, "scans/", "devices/bind"])
def test_wrong_values_in_every_member(made: tuple[Stage, Flask], clients: dict[str, FlaskClient], path: str) -> None:
    stage, _ = made
    before = state(stage)
    example = walk.body_of(CHANGES[path])
    for name in example:
        for value in kit.WRONG_VALUES:
            if path == "devices/bind" and value in ("12", "'; DROP TABLE items--", "{{7*7}}", "１２"):
                continue  # a name like any other
            if path == "scans/" and name == "text" and isinstance(value, str) and len(value) < 5_000:
                continue  # a scan may say anything
            for login in (allowed(path), "tess"):
                answer = post(clients[login], path, {**example, name: value})
                kit.assert_refused(answer, (path, login, name, str(value)[:40]))
        without = {key: value for key, value in example.items() if key != name}
        if path != "scans/" or name != "text":
            kit.assert_refused(post(clients[allowed(path)], path, without), (path, "without", name))
    assert state(stage) == before


def test_wrong_values_in_lines(made: tuple[Stage, Flask], clients: dict[str, FlaskClient]) -> None:
    stage, _ = made
    before = state(stage)
    paths = ("documents/receive", "documents/move", "documents/adjust", "documents/hold", "documents/scrap")
    for path in (*paths, "transfers/dispatch"):
        client, example = clients[allowed(path)], walk.body_of(CHANGES[path])
        [line] = example["lines"]
        for name in line:
            for value in kit.WRONG_VALUES:
                answer = post(client, path, {**example, "lines": [{**line, name: value}]})
                kit.assert_refused(answer, (path, name, str(value)[:40]))
        kit.assert_refused(post(client, path, {**example, "lines": [line] * 100_000}), (path, "100,000 lines"))
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
        if rule.endpoint in ("static", "versioned"):
            continue
        for garbage in GARBAGE:
            path = re.sub("<[^>]*>", lambda _, garbage=garbage: garbage, rule.rule)
            for login in ("tess", "adam"):
                answer = clients[login].get(path)
                assert 400 <= answer.status_code < 500, (path[:80], login, answer.status_code)
                if path.startswith("/api/"):
                    kit.assert_refused(answer, path[:80])
    assert state(stage) == before


@pytest.mark.parametrize("path", [walk.short(route) for route in walk.ASKS if route.path.startswith("/api/")])
def test_garbage_in_queries(made: tuple[Stage, Flask], clients: dict[str, FlaskClient], path: str) -> None:
    stage, _ = made
    before, route = state(stage), next(each for each in walk.ASKS if walk.short(each) == path)
    client = clients["sven"]
    queries = ["page=-1", "limit=1&limit=2", "cursor=&cursor=", "role=admin", "__proto__=1", "limit=%00"]
    if route.keys is not None:
        queries += [
            f"limit={wrong}" for wrong in ("", "0", "-1", "201", "1e3", "1.5", "10**9", "9" * 400, "１２", "true")
        ]
        queries += [f"cursor={wrong}" for wrong in HOSTILE_CURSORS]
    for name in route.query:
        queries += [f"{name}=%00", f"{name}=" + "x" * 5_000, f"{name}=a&{name}=b"]
    for query in queries:
        answer = client.get(f"{walk.address(route)}?{query}")
        kit.assert_refused(answer, (path, query[:80]))
        assert answer.status_code == 400, (path, query[:80])
    assert state(stage) == before


def test_methods_and_unknown_addresses(clients: dict[str, FlaskClient]) -> None:
    for route in walk.ROUTES:
        served = {each.method for each in walk.ROUTES if each.path == route.path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"} - served:
            answer = clients["tess"].open(walk.address(route), method=method)
            kit.assert_refused(answer, (method, route.path))
            other = [each for each in walk.ROUTES if each.path != route.path and each.method == method]
            assert answer.status_code == 405 or other, (method, route.path)
            if answer.status_code == 405:
                assert served <= {word.strip() for word in answer.headers["Allow"].split(",")}, route.path
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
    for route in walk.CHANGES:
        for headers in foreign:
            for login in ("tess", "adam"):
                answer = walk.ask(clients[login], route, headers=headers)
                kit.assert_refused(answer, (route.path, headers))
                assert answer.status_code == 403, (route.path, headers)
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
        for path, more in (("login", {}), ("second-factor", {}), ("register", {"op_id": "1" * 32, "code": "A" * 20})):
            if path == "register":  # which has no person's bucket but the one of where it is asked from
                with stage.site.writing() as connection:
                    connection.execute("UPDATE guesses SET failures = 20")
            wish = {"login": "carl", "pin": PIN, **more}
            waits = client.post(f"/api/v1/auth/{path}", json=wish)
            kit.assert_refused(waits, path)
            assert waits.status_code == 429 and waits.headers["Retry-After"] == "30", path
            assert "wait 30 seconds" in json.loads(waits.text)["detail"]
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
