"""S1: no route answers without its stated permission: every route × every role × none, ended, revoked, foreign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger import control
from ledger.people import ROLES, activation_hash
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, introduce
from tests.web import kit, walk
from tests.web.test_node_api import state
from web.routes import OPEN, Route

Headers = Mapping[str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Flask]]:
    """A site with one person for each role, who has no other."""
    stage, app = kit.node(tmp_path_factory.mktemp("roles") / "node")
    for name in ROLES:
        introduce(stage.world, stage.site, name.lower(), (name,))
        answer = stage.floor.people.activate(stage.op(), name.lower(), code_of(name.lower()), PIN, "tablet-1")
        stage.tokens[name] = answer["token"]
    with kit.closing(stage):
        yield stage, app


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_is_stated_and_nothing_else(made: tuple[Stage, Flask], role: str) -> None:
    stage, app = made
    before, client = state(stage), app.test_client()
    for route in walk.ROUTES:
        if not route.allow or route.path.startswith("/events"):
            continue
        answer = walk.ask(client, route, headers=bearer(stage.tokens[role]))
        if (route.roles or 0) & ROLES[role]:
            if route.path.endswith("/transfer") and role == "TRANSFER":
                assert answer.status_code == 403  # within the site it is a move
                continue
            # The verb below judges for itself, because scanners reach it without a route: both must say the same.
            assert answer.status_code not in (401, 403), (route.path, role, answer.text)
            assert "needs the role" not in answer.text, (route.path, role, answer.text)
            if role == "AUDIT" and route.method == "POST":
                before = state(stage)  # a test count of the bin that is named begins, with no order before
        else:
            kit.assert_refused(answer, (route.path, role))
            assert answer.status_code == 403 and "needs the role" in answer.text, (route.path, role, answer.text)
    assert state(stage) == before


def nobody(stage: Stage) -> Iterator[tuple[str, Headers]]:
    yield "nothing", {}
    yield "no token", {"Authorization": "Bearer "}
    yield "a token that never was", bearer("0" * 64)
    yield "a cut token", bearer(stage.tokens["cora"][:-1])
    yield "a longer token", bearer(stage.tokens["cora"] + "0")
    yield "in capitals", bearer(stage.tokens["cora"].upper())
    yield "another scheme", {"Authorization": "Basic " + stage.tokens["cora"]}
    yield "an unsigned web token", bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGFtIn0.")
    yield "an unknown cookie", {"Cookie": "tallyman_session=x"}
    yield "an empty cookie", {"Cookie": "tallyman_session="}


def assert_shut(app: Flask, headers: Headers, why: str) -> None:
    """Nothing but what is open to everybody answers."""
    client = app.test_client()
    for route in walk.ROUTES:
        answer = walk.ask(client, route, headers=headers)
        if route.allow is OPEN:
            assert answer.status_code != 401 or route.path.endswith("login"), (route.path, why)
            continue
        kit.assert_refused(answer, (route.path, why))
        assert answer.status_code == 401, (route.path, why, answer.text)


def test_nobody_gets_in_without_a_log_in(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    before = state(stage)
    for why, headers in nobody(stage):
        assert_shut(app, headers, why)
    assert state(stage) == before


def _idle(stage: Stage, app: Flask) -> Headers:
    stage.world.clock.advance(stage.site.config.web.session_idle_ms_max + 1)
    return bearer(stage.tokens["sven"])


def _set_back(stage: Stage, app: Flask) -> Headers:
    stage.world.clock.jump(-stage.site.config.web.session_idle_ms_max - 1)
    return bearer(stage.tokens["sven"])


def _logged_out(stage: Stage, app: Flask) -> Headers:
    headers = bearer(stage.tokens["sven"])
    assert app.test_client().post("/api/v1/auth/logout", json={}, headers=headers).status_code == 200
    return headers


def _renewed(stage: Stage, app: Flask) -> Headers:
    headers = bearer(stage.tokens["sven"])
    assert app.test_client().post("/api/v1/auth/refresh", json={}, headers=headers).status_code == 200
    return headers


def _payload(login: str, **more: object) -> control.PersonPayload:
    said = {"valid_from": 0, "valid_until": 0, "revoked": False, **more}
    return control.PersonPayload(
        actor=actor_of(login), roles=ROLES["APPROVE"], activation=activation_hash(code_of(login)), **said
    )


def _revoked(stage: Stage, app: Flask) -> Headers:
    assert stage.world.send(stage.site, _payload("sven", revoked=True)) == 1
    return bearer(stage.tokens["sven"])


def _over(stage: Stage, app: Flask) -> Headers:
    now_s = stage.world.clock.now_ms() // 1000
    assert stage.world.send(stage.site, _payload("sven", valid_until=now_s + 5)) == 1
    stage.world.clock.advance(10_000)
    return bearer(stage.tokens["sven"])


def _elsewhere(stage: Stage, app: Flask) -> Headers:
    other, foreign = kit.node(stage.world.folder.parent / "other")
    with kit.closing(other):
        answer = foreign.test_client().post("/api/v1/auth/login", json={"login": "sven", "pin": PIN})
        assert answer.status_code == 200
    # Both sites began as the same folder and make the same random bytes: this one must not be another's token.
    return bearer(answer.json["token"])


def books(stage: Stage) -> str:
    """Everything but who is logged in: asking with a log-in that is over, or to end it, ends it."""
    folder = stage.world.folder
    but = frozenset({"guesses", "log_ins", "bound_devices"})
    return kit.digest(folder / "site.db", folder / "reads.db", but=but)


@pytest.mark.parametrize("end", [_idle, _set_back, _logged_out, _renewed, _revoked, _over, _elsewhere])
def test_a_log_in_that_is_over_opens_nothing(tmp_path: Path, end: Callable[[Stage, Flask], Headers]) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        assert app.test_client().get("/api/v1/users/me", headers=bearer(stage.tokens["sven"])).status_code == 200
        headers = end(stage, app)
        before = books(stage)
        assert_shut(app, headers, end.__name__)
        assert app.test_client().get("/", headers=headers).status_code == 302
        assert books(stage) == before


def test_people_see_themselves_and_others_only_with_a_role(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    client = app.test_client()
    for path in ("users/{}", "users/{}/roles", "audit/users/{}"):
        own, other = (f"/api/v1/{path.format(actor_of(login))}" for login in ("cora", "mona"))
        headers = bearer(stage.tokens["cora"])
        assert client.get(own, headers=headers).status_code == 200
        assert client.get(other, headers=headers).status_code == 403
        for role in ROLES:
            answer = client.get(other, headers=bearer(stage.tokens[role]))
            assert answer.status_code == (200 if role in ("APPROVE", "ADMIN", "AUDIT") else 403), (path, role)


def test_roles_are_changed_at_the_hub(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    before = state(stage)
    path = f"/api/v1/users/{actor_of('cora')}/roles"
    answer = app.test_client().put(path, json={"roles": ["ADMIN"]}, headers=bearer(stage.tokens["ADMIN"]))
    kit.assert_refused(answer, path)
    assert answer.status_code == 409 and "hub" in answer.json["detail"]
    assert state(stage) == before


def test_a_renewed_log_in_goes_on_where_the_old_one_stood(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        tablet = kit.logged_in(app, "sven")
        first = tablet.get("/api/v1/users/me").json
        [cookie] = [each for each in tablet._cookies.values() if each.key == "tallyman_session"]
        stage.world.clock.advance(10 * 60 * 1000)
        renewed = tablet.post("/api/v1/auth/refresh", json={})
        assert renewed.status_code == 200 and renewed.json["token"] != cookie.value
        assert tablet.get("/api/v1/users/me").json == first
        # The key stays open: what needs a signature asks for no PIN again.
        wish = {"lines": [{"item": "BOLT", "location": "A-01", "change": 2}], "reasons": ["found"]}
        proposal = stage.floor.stock.adjust(
            stage.op(),
            stage.as_("mona"),
            wish,
        )["op_id"]
        approved = tablet.post("/api/v1/documents/approve", json={"op_id": str(stage.op()), "proposal": proposal})
        assert approved.status_code == 200, approved.text
        # However often it is renewed, badge and PIN are asked for after a day's work.
        assert renewed.json["ends_ms"] < stage.world.clock.now_ms() + 12 * 3600 * 1000
        for _ in range(80):
            stage.world.clock.advance(10 * 60 * 1000)
            answer = tablet.post("/api/v1/auth/refresh", json={})
            if answer.status_code == 401:
                break
        assert answer.status_code == 401
        assert stage.world.clock.now_ms() - renewed.json["ends_ms"] <= 10 * 60 * 1000


def test_a_lock_is_opened_by_somebody_else(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):

        def guess(pin: str) -> int:
            return app.test_client().post("/api/v1/auth/login", json={"login": "carl", "pin": pin}).status_code

        for _ in range(5):
            assert guess("000001") == 422
        assert guess(PIN) == 429
        path = f"/api/v1/users/{actor_of('carl')}/unlock"
        client: FlaskClient = kit.logged_in(app, "adam")
        assert kit.logged_in(app, "cora").post(path, json={"op_id": str(stage.op())}).status_code == 403
        opened = client.post(path, json={}, headers={"Idempotency-Key": "open carl"})
        assert opened.status_code == 200, opened.text
        assert guess(PIN) == 200


def _all(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_no_two_routes_share_an_address() -> None:
    names = [_all(route) for route in walk.ROUTES]
    assert len(set(names)) == len(names)
    assert len({route.name for route in walk.ROUTES}) == len(names)
