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
from tests.web.fuzz import ENDING, everybody
from web.server import Server

SECONDS = 20  # `make quick` does it for five minutes


def test_nothing_generated_gets_a_5xx_or_an_answer_that_is_not_described() -> None:
    said = run_program("tests.web.fuzz", "--seconds", str(SECONDS))
    total = len(walk.ROUTES) - 1  # it has read the description already
    for count in (total - len(ENDING) - 1, len(ENDING)):  # all but the stream
        assert f"{count} selected / {total} total" in said, "routes are left out"


def test_a_log_in_that_ends_is_had_although_wrong_pins_are_made_up_at_the_same_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app = kit.node(tmp_path / "node")
    everybody(stage)
    server = Server(app, "127.0.0.1", 0)
    _, port = server.start()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setitem(fuzz_hooks.NAMES, "pin", [PIN])
    with kit.closing(stage):
        try:
            wish = {"login": "nobody", "pin": "0"}
            said = [requests.post(f"{url}/api/v1/auth/login", json=wish, timeout=20).json() for _ in range(21)]
            assert "wait" in said[-1]["detail"], "strangers at this address are not slowed"
            operation = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")["/api/v1/auth/logout"]["POST"]
            case = operation.Case(headers={"Authorization": "Bearer old"})
            fuzz_hooks.before_call(None, case, {})
            answer = requests.get(f"{url}/api/v1/users/me", headers=dict(case.headers), timeout=20)
        finally:
            server.stop()
    assert answer.json()["name"] == "Every"


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
