"""Items and places are found by any part of their code or name, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from node import streams
from tests.node.floor_kit import Stage
from tests.web import kit

Made = tuple[Stage, Flask]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        with stage.site.writing() as connection:
            for number in range(5):
                streams.put(connection, "catalogue", f"GLOVE-{number}", {"name": f"Work glove, Größe {number + 7}"})
            streams.put(connection, "locations", "A-01", {"name": "Blue shelf by the DOOR"})
        yield stage, app


def found(app: Flask, path: str, login: str = "mona", **query: object) -> Any:
    answer = kit.logged_in(app, login).get(f"/api/v1/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def codes(answer: Any) -> list[str]:
    return [row.get("item") or row["location"] for row in answer["rows"]]


def test_any_part_of_code_or_name_finds_in_any_case_and_order(made: Made) -> None:
    _, app = made
    assert codes(found(app, "inventory/", search="glove")) == [f"GLOVE-{number}" for number in range(5)]
    assert codes(found(app, "inventory/", search="GRÖSSE 9")) == ["GLOVE-2"]
    assert codes(found(app, "inventory/", search="10 work")) == ["GLOVE-3"]
    assert codes(found(app, "inventory/", search="ve-4")) == ["GLOVE-4"]
    assert codes(found(app, "inventory/", search="100%")) == codes(found(app, "inventory/", search="glo_e")) == []
    assert codes(found(app, "inventory/", search="glove", beginning="GLOVE-4")) == ["GLOVE-4"]
    assert codes(found(app, "locations/", search="door shelf")) == ["A-01"]
    assert "A-02" in codes(found(app, "locations/", search="-02"))
    assert len(codes(found(app, "inventory/", search="  "))) > 5


def test_it_goes_on_by_a_cursor_and_forgets_what_is_gone(made: Made) -> None:
    stage, app = made
    first = found(app, "inventory/", search="work", limit=3)
    rest = found(app, "inventory/", search="work", limit=3, cursor=first["next"])
    assert codes(first) + codes(rest) == [f"GLOVE-{number}" for number in range(5)] and rest["next"] is None
    with stage.site.writing() as connection:
        streams.put(connection, "catalogue", "GLOVE-1", {"name": "Mitten"})
        streams.remove(connection, "catalogue", "GLOVE-2")
    assert codes(found(app, "inventory/", search="work")) == ["GLOVE-0", "GLOVE-3", "GLOVE-4"]
    assert codes(found(app, "inventory/", search="mitten")) == ["GLOVE-1"]
    with stage.site.writing() as connection:
        streams.clear(connection, "catalogue")
    assert codes(found(app, "inventory/", search="mitten")) == []
    assert codes(found(app, "inventory/", search="bolt")) == ["BOLT"], "what the chain knows is found by its code"
