"""What the console's API refuses, who may see and decide, and what sites' addresses say to garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hub import discrepancies, founding
from hub.hub import Hub
from ledger.clock import ManualClock
from ledger.seams import DiskStorage
from sync.client import ENROL_MEDIA_TYPE, ENROL_PATH, EXCHANGE_PATH
from sync.frames import MEDIA_TYPE
from tests.hub.sitekit import START_MS, Seeded, Site
from tests.web import kit
from web import hub_app

NUMBER = "int(max=999999999):"
LONG = "a long enough password"
EXAMPLES: dict[str, dict[str, Any]] = {
    "auth/login": {"login": "nobody", "password": LONG},
    "auth/logout": {"token": "x"},
    "anchors": {"now": True},
    "discrepancies/999/comment": {"text": "seen"},
    "discrepancies/999/owner": {"text": "kim"},
    "discrepancies/999/resolved": {"text": "done"},
    "discrepancies/1/shredded": {"text": "away"},
}
GARBAGE = (
    "x",
    "%00",
    "..%2f..%2fkeys",
    "'; DROP TABLE items--",
    "%7B%7B7*7%7D%7D",
    "%ED%A0%80",
    "9" * 30,
    "a" * 8_000,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Flask, Site]]:
    """A hub with one site, a discrepancy, and an account of each kind."""
    folder, clock = tmp_path_factory.mktemp("hub") / "hub", ManualClock(START_MS)
    founding.found(folder, "acme", clock, Seeded(1), DiskStorage(), values={"web.announce": False})
    with Hub.open(folder, clock, Seeded(2)) as hub:
        site = Site(hub, "oslo", clock)
        site.sync()
        hub.verify()
        hub.settle()
        for login, roles in (("adele", ("ADMIN",)), ("rick", ("RECONCILE",)), ("audrey", ("AUDIT",))):
            hub.add_account(login, login.title(), LONG, roles)
        evidence = {"transfer": "ab" * 16, "lines": [[0, "BOLT", "", "", 10, 8, 2]], "odd": {"deep": ["<script>"]}}
        with hub.store.write() as session:
            discrepancies.report(
                session, discrepancies.TRANSFER_SHORT, "ab" * 16, "oslo", "<b>2</b> missing", evidence, START_MS
            )
        yield hub, hub_app.create(hub), site


@pytest.fixture(scope="module")
def clients(made: tuple[Hub, Flask, Site]) -> dict[str, FlaskClient]:
    found = {}
    for login in ("adele", "rick", "audrey"):
        found[login] = made[1].test_client()
        answer = found[login].post("/api/v1/auth/login", json={"login": login, "password": LONG})
        assert answer.status_code == 200, answer.text
        [cookie] = answer.headers.getlist("Set-Cookie")
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    return found


def state(hub: Hub) -> str:
    return kit.digest(hub.config.folder / "hub.db", hub.config.folder / "heads.db")


def test_nobody_sees_anything_without_a_log_in(made: tuple[Hub, Flask, Site]) -> None:
    hub, app, _ = made
    before, client = state(hub), app.test_client()
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/") or "auth" in rule.rule:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", "comment").replace(f"<{NUMBER}{name}>", "1")
        method = "POST" if "GET" not in (rule.methods or ()) else "GET"
        for headers in ({}, {"Authorization": "Bearer " + "0" * 64}, {"Cookie": "tallyman_console=x"}):
            answer = client.open(path, method=method, json={} if method == "POST" else None, headers=headers)
            kit.assert_refused(answer, path)
            assert answer.status_code == 401, path
    for path in ("/", "/discrepancies", "/transfers", "/anchors", "/sites/acme/site/oslo/1", "/discrepancies/1"):
        answer = client.get(path)
        assert answer.status_code == 302 and answer.headers["Location"].endswith("/login"), path
    assert state(hub) == before


def test_roles(made: tuple[Hub, Flask, Site], clients: dict[str, FlaskClient]) -> None:
    hub, _, _ = made
    before = state(hub)
    for login in ("adele", "audrey"):
        answer = clients[login].post("/api/v1/discrepancies/1/resolved", json={"text": "done"})
        kit.assert_refused(answer, login)
        assert answer.status_code == 403
    for login in ("rick", "audrey"):
        answer = clients[login].post("/api/v1/anchors", json={})
        kit.assert_refused(answer, login)
        assert answer.status_code == 403
    for login in clients:
        for path in ("sites", "inventory", "transfers", "anchors", "discrepancies", "discrepancies/1"):
            assert clients[login].get(f"/api/v1/{path}").status_code == 200, path
    assert "Your account may look" in clients["audrey"].get("/discrepancies/1").text
    assert state(hub) == before


@pytest.mark.parametrize("path", EXAMPLES)
def test_broken_bodies(made: tuple[Hub, Flask, Site], clients: dict[str, FlaskClient], path: str) -> None:
    hub, _, _ = made
    before, example = state(hub), EXAMPLES[path]
    login = "adele" if path == "anchors" else "rick"
    for name, body, content_type in kit.broken_bodies(example):
        answer = kit.raw(clients[login], f"/api/v1/{path}", body, content_type)
        kit.assert_refused(answer, (path, name))
    for name in example:
        for value in kit.WRONG_VALUES:
            if isinstance(value, str) and path.startswith("discrepancies"):
                continue
            if path == "auth/login":
                continue  # wrong passwords are throttled; a test of its own
            answer = clients[login].post(f"/api/v1/{path}", json={**example, name: value})
            kit.assert_refused(answer, (path, name, str(value)[:40]))
    assert state(hub) == before


def test_garbage_in_addresses(made: tuple[Hub, Flask, Site], clients: dict[str, FlaskClient]) -> None:
    hub, app, _ = made
    before = state(hub)
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or not rule.arguments or rule.endpoint == "static":
            continue
        for garbage in GARBAGE:
            path = rule.rule
            for name in rule.arguments:
                for converter in ("", "path:", NUMBER):
                    path = path.replace(f"<{converter}{name}>", garbage)
            answer = clients["rick"].get(path)
            assert 400 <= answer.status_code < 500, (path[:80], answer.status_code)
    for query in ("limit=-1", "limit=1000000000", "limit=0", "limit=x", "limit=１２", "limit=1.5", "limit="):
        for path in ("inventory", "anchors", "discrepancies"):
            kit.assert_refused(clients["rick"].get(f"/api/v1/{path}?{query}"), (path, query))
    for query in ("site=%00", "item='; DROP TABLE stock--", "location=" + "a" * 8_000, "site=%ED%A0%80", "all=%FF"):
        for path in ("inventory", "discrepancies"):
            assert clients["rick"].get(f"/api/v1/{path}?{query}").status_code < 500, query
    assert state(hub) == before


def test_cross_site_requests_change_nothing(made: tuple[Hub, Flask, Site], clients: dict[str, FlaskClient]) -> None:
    hub, _, _ = made
    before = state(hub)
    foreign: tuple[dict[str, str], ...] = (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    )
    for path, example in {**EXAMPLES, "discrepancies/1/resolved": {"text": "done"}}.items():
        for headers in foreign:
            answer = clients["rick"].post(f"/api/v1/{path}", json=example, headers=headers)
            kit.assert_refused(answer, (path, headers))
            assert answer.status_code == 403
    assert state(hub) == before


def test_foreign_words_are_shown_and_not_obeyed(clients: dict[str, FlaskClient]) -> None:
    page = clients["rick"].get("/discrepancies/1").text
    assert (
        "&lt;b&gt;2&lt;/b&gt; missing" in page
        and "<b>2</b>" not in page
        and "<script>" not in page.replace("<script type", "").replace("<script src", "")
    )
    assert "Accepted" in page and "TRANSFER" not in page


def test_an_account_that_is_closed_is_out_at_once(made: tuple[Hub, Flask, Site]) -> None:
    hub, app, _ = made
    hub.add_account("lea", "Lea", LONG, ["AUDIT"])
    client = app.test_client()
    assert client.post("/api/v1/auth/login", json={"login": "lea", "password": LONG}).status_code == 200
    assert client.get("/api/v1/sites").status_code == 200
    hub.close_account("lea")
    answer = client.get("/api/v1/sites")
    assert answer.status_code == 401 and "closed" in answer.text
    hub.add_account("lea", "Lea", LONG, ["AUDIT"])
    assert client.get("/api/v1/sites").status_code == 401  # the old log-in does not come back


def test_passwords_are_throttled(made: tuple[Hub, Flask, Site]) -> None:
    hub, _, _ = made
    client = hub_app.create(hub).test_client()
    answers = [
        client.post("/api/v1/auth/login", json={"login": "rick", "password": f"wrong {number}"}).status_code
        for number in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2
    busy = client.post("/api/v1/auth/login", json={"login": "rick", "password": LONG})
    assert busy.status_code == 429 and busy.headers["Retry-After"]


@pytest.mark.parametrize(("path", "media_type"), [(EXCHANGE_PATH, MEDIA_TYPE), (ENROL_PATH, ENROL_MEDIA_TYPE)])
def test_sites_addresses_and_garbage(made: tuple[Hub, Flask, Site], path: str, media_type: str) -> None:
    hub, app, _ = made
    before, client = state(hub), app.test_client()
    bodies = (b"", b"\x00", b"{}", b"\xff" * 1_000, b"\x83\x01\x00\x41", b"\x9f" * 5_000, bytes(range(256)) * 40)
    for body in bodies:
        kit.assert_refused(client.post(path, data=body, content_type=media_type), (path, body[:8]))
    kit.assert_refused(client.post(path, data=b"{}", content_type="application/json"), "JSON")
    kit.assert_refused(client.post(path, data=b"{}"), "untyped")
    packed = client.post(path, data=b"x", content_type=media_type, headers={"Content-Encoding": "gzip"})
    kit.assert_refused(packed, "packed")
    kit.assert_refused(client.get(path), "GET")
    huge = client.post(
        path, data=b"", content_type=media_type, headers={"Content-Length": str(300 << 20)},
        environ_overrides={"CONTENT_LENGTH": str(300 << 20)},
    )  # fmt: skip
    kit.assert_refused(huge, "300 MB")
    assert state(hub) == before


def test_a_real_bundle_with_one_changed_byte(made: tuple[Hub, Flask, Site]) -> None:
    """Whatever a byte was, the answer is a refusal or an answer to somebody known, and the site's chain stays."""
    hub, app, site = made
    sent: list[bytes] = []

    class Tap:
        def post(self, path: str, body: bytes, media_type: str) -> Any:
            from tests.sync.hub_kit import Direct

            sent.append(body)
            return Direct(hub).post(path, body, media_type)

    site.sync(Tap())
    client, size = app.test_client(), hub.sites()[0].size
    [body, *_] = sent
    for place in range(0, len(body), max(1, len(body) // 60)):
        changed = body[:place] + bytes([body[place] ^ 0x41]) + body[place + 1 :]
        answer = client.post(EXCHANGE_PATH, data=changed, content_type=MEDIA_TYPE)
        assert answer.status_code < 500, (place, answer.text[:200])
    for end in range(0, len(body), max(1, len(body) // 40)):
        assert client.post(EXCHANGE_PATH, data=body[:end], content_type=MEDIA_TYPE).status_code < 500, end
    view = hub.sites()[0]
    assert (view.size, view.state) == (size, "well")
    assert json.loads(client.post(EXCHANGE_PATH, data=b"", content_type=MEDIA_TYPE).text)["status"] == 400
