"""Goods leave for a site that the hub told of; another name is asked back before anything is signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Rejected
from node import streams
from tests.node.floor_kit import PIN, Stage
from tests.web import kit

LINE = {"item": "BOLT", "quantity": 2, "source": "A-01"}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 30})
    with stage.site.writing() as connection:
        streams.clear(connection, "sites")
    return stage


def told(stage: Stage, *sites: str) -> None:
    with stage.site.writing() as connection:
        for site in sites:
            streams.put(connection, "sites", site, {"origin": f"acme/site/{site}/1", "key": ""})


def dispatch(stage: Stage, receiver: str, **more: Any) -> dict[str, Any]:
    body = {"receiver": receiver, "lines": [LINE], **more}
    return stage.floor.transfers.dispatch(stage.op(), stage.as_("sven"), body, PIN)


def test_a_site_that_the_hub_told_of_is_sent_to(stage: Stage) -> None:
    told(stage, "oslo", "bergen")
    assert dispatch(stage, "bergen")["state"] == "recorded"
    assert stage.stock("IN_TRANSIT", "BOLT") == 2


def test_a_name_that_nobody_knows_is_asked_back_and_then_taken(stage: Stage) -> None:
    told(stage, "oslo", "bergen", "tromso")
    question = "the hub has told of no site brgen, only of bergen, tromso: send it all the same?"
    assert dispatch(stage, "brgen")["ask"] == question
    assert stage.stock("IN_TRANSIT", "BOLT") == 0
    op, body = stage.op(), {"receiver": "hamar", "lines": [LINE], "confirm": True}
    for _ in range(2):
        assert stage.floor.transfers.dispatch(op, stage.as_("sven"), body, PIN)["state"] == "recorded"
    # What is done is done, whether or not the retry says so again.
    retry = {"receiver": "hamar", "lines": [LINE]}
    assert stage.floor.transfers.dispatch(op, stage.as_("sven"), retry, PIN)["state"] == "recorded"
    assert stage.stock("IN_TRANSIT", "BOLT") == 2


def test_before_the_hub_has_told_of_any_site_every_name_is_asked_about(stage: Stage) -> None:
    told(stage, "oslo")
    assert dispatch(stage, "bergen")["ask"] == "no other site is known here yet: is bergen its name?"
    assert dispatch(stage, "bergen", confirm=True)["state"] == "recorded"
    for name in ("Bergen", "bergen 2", "bergen/1", "æ"):
        with pytest.raises(Rejected, match="not a site"):
            dispatch(stage, name, confirm=True)


def test_the_sites_are_a_list_of_the_api(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        told(stage, "oslo", "bergen", "tromso")
        client = kit.logged_in(app, "sven")
        first = client.get("/api/v1/sites/", query_string={"limit": 1}).json
        assert [row["site"] for row in first["rows"]] == ["bergen"]
        rest = client.get("/api/v1/sites/", query_string={"cursor": first["next"]}).json
        assert rest == {"rows": [{"site": "tromso"}], "next": None}
        body = {"op_id": "5" * 32, "receiver": "hamar", "quantity": 1, "source": "A-01", "pin": PIN}
        asked = client.post("/api/v1/inventory/BOLT/transfer", json=body)
        assert asked.status_code == 200 and "hamar" in asked.json["ask"]
