"""A scanner that was paired at a tablet stays there: with what stands beside it, and for whoever logs in next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.node.floor_kit import PIN, Stage
from tests.web import kit


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def pair(stage: Stage, client: FlaskClient, device: str) -> None:
    """The scanner reads the code that the node's page shows on this tablet."""
    assert client.get("/node").status_code == 200
    *_, code = stage.floor.pairing._shown  # the newest
    assert stage.scan("]Q1" + code, device)["outcome"] == "paired"


def change(client: FlaskClient, login: str) -> None:
    """Somebody else comes to the same tablet."""
    assert client.post("/api/v1/auth/logout", json={}).status_code == 200
    come(client, login)


def come(client: FlaskClient, login: str) -> None:
    assert client.post("/api/v1/auth/login", json={"login": login, "pin": PIN}).status_code == 200


def owner(stage: Stage, device: str) -> str:
    with stage.site.writing() as connection:
        found = stage.floor.people.owner_of(connection, device)
    return "" if found is None else found.name


def test_whoever_logs_in_at_its_tablet_next_has_it(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    here, there = kit.logged_in(app, "cora"), kit.logged_in(app, "mona")
    pair(stage, here, "gun-7")
    assert owner(stage, "gun-7") == "Cora"
    here.post("/api/v1/auth/logout", json={})
    assert owner(stage, "gun-7") == ""
    change(there, "sven")  # at another tablet
    assert owner(stage, "gun-7") == ""
    come(here, "carl")
    assert owner(stage, "gun-7") == "Carl"
    # Paired at the other one, it stays there from then on.
    pair(stage, there, "gun-7")
    change(there, "mona")
    assert owner(stage, "gun-7") == "Mona"
    there.post("/api/v1/auth/logout", json={})
    change(here, "cora")
    assert owner(stage, "gun-7") == ""


def test_nobody_loses_a_scanner_that_they_hold(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    here = kit.logged_in(app, "cora")
    pair(stage, here, "gun-7")
    come(here, "mona")  # Cora is away with the scanner and has not logged out
    assert owner(stage, "gun-7") == "Cora"


def test_what_stands_beside_it_comes_with_it(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    stage.floor.pairing.devices = lambda: [
        {"name": "gun-1", "kind": "scanner", "station": "pack-1"},
        {"name": "scale-1", "kind": "scale", "station": "pack-1"},
        {"name": "gun-2", "kind": "scanner", "station": ""},
    ]
    here = kit.logged_in(app, "cora")
    pair(stage, here, "gun-1")
    assert [owner(stage, each) for each in ("gun-1", "scale-1", "gun-2")] == ["Cora", "Cora", ""]
    change(here, "mona")
    assert [owner(stage, each) for each in ("gun-1", "scale-1", "gun-2")] == ["Mona", "Mona", ""]


def test_one_that_was_taken_by_its_button_stays_there_too(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    here = kit.logged_in(app, "cora")
    assert here.post("/api/v1/devices/bind", json={"device": "lamp"}).status_code == 200
    change(here, "mona")
    assert owner(stage, "lamp") == "Mona"
