"""A bounded run of schemathesis in every test run; `make quick` has the long one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given, settings
from schemathesis.generation import GenerationMode

from tests.node.floor_kit import PIN
from tests.processes.trials import run_program
from tests.web import fuzz_hooks, kit, walk
from tests.web.day import NEVER
from tests.web.fuzz import ENDING, PLANTED, STREAM, Tally, everybody, opened
from tests.web.fuzz import PEOPLE as ASKING
from web.server import Server

SECONDS = 30  # `make quick` does it for five minutes


def test_nothing_generated_gets_a_5xx_or_an_answer_that_is_not_described() -> None:
    said = run_program("tests.web.fuzz", "--seconds", str(SECONDS))
    for _, roles, _ in ASKING:
        assert f"{len(opened(roles))} selected / {len(walk.ROUTES)} total" in said, "routes are left out"
    assert f"{len(ENDING)} selected / " in said
    asked = {word for _, roles, _ in ASKING for word in opened(roles)}
    assert len(asked) == len(walk.ROUTES) - len(ENDING) - 1, "all but the stream"


def test_planted_faults_are_seen() -> None:
    said = run_program("tests.web.fuzz", "--planted")
    assert f'{{"planted": {len(PLANTED)}, "not_seen": []}}' in said


def test_an_operation_that_nobody_gets_into_is_told(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    tally = Tally()
    tally.watch(app)
    with kit.closing(stage):
        for login in (None, "mona"):
            client = app.test_client() if login is None else kit.logged_in(app, login)
            for route in walk.ROUTES:
                if route.path not in (*ENDING, STREAM, "/api/v1/notes/erase"):
                    walk.ask(client, route)
            if login is None:
                assert {"get_inventory", "post_seal"} < set(tally.unreached()), "who is asked to log in got nowhere"
    unreached = set(tally.unreached())
    assert {"post_notes_erase", "get_admin_system_health", "post_auth_refresh"} < unreached, unreached
    assert not unreached & {"get_inventory", "post_seal", "get_events"}, unreached
    never = set(tally.never_done())
    assert {"post_counts_open", "post_notes_erase"} < never, "who is only refused has done nothing"
    assert not never & {"get_inventory", "post_seal", *NEVER}, never


def test_a_log_in_that_ends_is_had_although_wrong_pins_are_made_up_at_the_same_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app = kit.node(tmp_path / "node")
    everybody(stage)
    server = Server(app, "127.0.0.1", 0)
    _, port = server.start()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setitem(fuzz_hooks.NAMES, "pin", [PIN])
    monkeypatch.setitem(fuzz_hooks.NAMES, "ending", ["every"])
    with kit.closing(stage):
        try:
            wish = {"login": "nobody", "pin": "0"}
            said = [requests.post(f"{url}/api/v1/auth/login", json=wish, timeout=20).json() for _ in range(21)]
            assert "wait" in said[-1]["detail"], "strangers at this address are not slowed"
            operation = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")["/api/v1/auth/refresh"]["POST"]
            old = {"Authorization": "Bearer old"}  # of a run, whose headers come after all others
            answers = [operation.Case(headers=dict(old), body={}).call(headers=old) for _ in range(2)]
        finally:
            server.stop()
    assert [answer.json()["name"] for answer in answers] == ["Every"] * 2, [answer.text for answer in answers]


BODY = {
    "type": "object",
    "required": ["source"],
    "additionalProperties": False,
    "properties": {"source": {"type": "string", "maxLength": 8}},
}
POST = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
    "responses": {"200": {"description": "begun"}},
}
DESCRIPTION = {"openapi": "3.1.0", "info": {"title": "One", "version": "1"}, "paths": {"/begin": {"post": POST}}}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_a_real_name_stands_in_half_of_what_fits_and_mends_nothing_that_does_not(
    mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fuzz_hooks.NAMES, "source", ["DOCK"])
    bodies: list[Any] = []

    @settings(max_examples=200)
    @given(case=schemathesis.openapi.from_dict(DESCRIPTION)["/begin"]["POST"].as_strategy(generation_mode=mode))
    def generate(case: Any) -> None:
        bodies.append(case.body)

    generate()
    named = bodies.count({"source": "DOCK"})
    assert named > 50 if mode is GenerationMode.POSITIVE else named == 0
