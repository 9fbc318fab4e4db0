"""What a tablet tells its node of itself: by whom it is taken, what is shown of it, and whom it keeps logged in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from node.tablets import SILENT_MS
from tests.node.floor_kit import Stage
from tests.web import kit

THIS, ALL = "/api/v1/tablets/this", "/api/v1/tablets/"
LOW = {"percent": 9, "charging": False}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def rows(app: Flask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kit.logged_in(app, "sven").get(ALL).get_json()["rows"]
    return found


def test_whoever_is_logged_in_tells_of_their_tablet_and_approvers_see_it(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    said = {"unsent": 12, "kept": False, "battery": LOW}
    for number, client in enumerate([kit.logged_in(app, "cora"), kit.auditor(stage, app)], start=1):
        for _ in range(2):
            answer = client.put(THIS, json=said)
            assert (answer.status_code, answer.get_json()) == (200, {"tablet": number})
    at_ms = stage.world.clock.now_ms()
    assert [each["told"] for each in rows(app)] == [{"at_ms": at_ms, **said}] * 2
    assert kit.logged_in(app, "cora").get(ALL).status_code == 403
    page = kit.logged_in(app, "cora").get("/node").get_data(as_text=True)
    assert page.count("store may be cleared by the browser") == 2 and page.count("12 unsent") == 2
    assert "Battery" in page and "9 %" in page and "charging</div>" not in page
    # A battery is nothing that anybody could settle.
    assert "data-settle" not in kit.logged_in(app, "sven").get("/node").get_data(as_text=True)


def test_a_silent_tablet_can_be_settled_on_the_page(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    assert kit.logged_in(app, "cora").put(THIS, json={"unsent": 2, "kept": True}).status_code == 200
    stage.world.clock.advance(SILENT_MS + 1)
    client = kit.logged_in(app, "sven")
    page = client.get("/node").get_data(as_text=True)
    assert 'data-settle="1"' in page and "T1 has been silent for 30 minutes, 2 unsent" in page
    assert client.post("/api/v1/tablets/settle", json={"op_id": "1" * 32, "tablet": 1}).status_code == 200
    assert rows(app)[0]["codes"] == []


@pytest.mark.parametrize(("language", "words"), [("nb", "taust"), ("de", "schweigt seit"), ("ar", "لا خبر من")])
def test_its_alerts_are_said_in_the_readers_language(made: tuple[Stage, Flask], language: str, words: str) -> None:
    stage, app = made
    kit.logged_in(app, "cora").put(THIS, json={"unsent": 2, "kept": True})
    stage.world.clock.advance(SILENT_MS + 1)
    kit.logged_in(app, "carl").put(THIS, json={"unsent": 0, "kept": True, "battery": LOW})
    client = kit.logged_in(app, "sven")
    page = client.get("/node", headers={"Accept-Language": language}).get_data(as_text=True)
    assert words in page and "has been silent" not in page and "charge" not in page


def test_what_a_tablet_tells_by_itself_keeps_nobody_logged_in(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    client, idle_ms = kit.logged_in(app, "cora"), stage.site.config.web.session_idle_ms_max
    stage.world.clock.advance(idle_ms - 1_000)
    assert client.put(THIS, json={"unsent": 0, "kept": True}).status_code == 200
    stage.world.clock.advance(2_000)
    assert client.put(THIS, json={"unsent": 0, "kept": True}).status_code == 401
    assert client.get("/api/v1/users/me").status_code == 401


def test_nobody_tells_without_a_log_in_and_nothing_but_what_fits(made: tuple[Stage, Flask]) -> None:
    _, app = made
    assert app.test_client().put(THIS, json={"unsent": 0, "kept": True}).status_code == 401
    client = kit.logged_in(app, "cora")
    for body in ({}, {"unsent": -1, "kept": True}, {"unsent": 10**6 + 1, "kept": True}, {"unsent": 1, "kept": "yes"},
                 {"unsent": 1, "kept": True, "battery": {"percent": 101, "charging": True}},
                 {"unsent": 1, "kept": True, "battery": 50}, {"unsent": 1, "kept": True, "tablet": 1}):  # fmt: skip
        kit.assert_refused(client.put(THIS, json=body), body)
    assert rows(app) == []
