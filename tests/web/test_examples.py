"""The examples in the description of the API: each fits its shape, and is done on the day that they tell of."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from tests.web import day, described, kit, walk
from tests.web.fuzz import STREAM
from web import node_examples
from web.routes import Route

IDS = [route.name for route in walk.ROUTES]


@pytest.mark.parametrize("route", walk.ROUTES, ids=IDS)
def test_it_fits_the_shape_that_stands_beside_it(route: Route) -> None:
    told = described.operation(route)
    shown = [(each["schema"], each["example"]) for each in told.get("parameters", []) if each["in"] == "path"]
    if route.body is not None:
        media = told["requestBody"]["content"]["application/json"]
        assert ("op_id" in media["example"]) >= route.act
        shown.append((media["schema"], media["example"]))
    for schema, example in shown:
        whole = {**schema, "components": described.description()["components"]}
        jsonschema_rs.Draft202012Validator(whole).validate(example)


def test_none_is_of_an_operation_that_is_not_there() -> None:
    assert set(node_examples.BODIES) <= {walk.short(route) for route in walk.ROUTES if route.body is not None}


def test_each_is_done_on_the_day_that_they_tell_of(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        [known] = day.until_then(stage, app)
        refused = {}
        for route in walk.ROUTES:
            if route.path != STREAM:
                answer = day.ask(known, route)
                if answer.status_code >= 300 or (answer.is_json and "ask" in answer.json):
                    refused[route.name] = answer.text
    not_done = "\n".join(f"{name}: {text}" for name, text in refused.items())
    assert set(refused) | {"get_events"} == set(day.NEVER), not_done
