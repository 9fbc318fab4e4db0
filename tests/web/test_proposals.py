"""What waits for another person's signature, as the API tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from node import waiting
from tests.node.floor_kit import PIN, Stage, introduce
from tests.web import kit

NOTE = "Crushed by the truck of Friday"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def scrapped(stage: Stage) -> str:
    line = {"item": "BOLT", "quantity": 3, "source": "A-01", "reasons": ["crushed"]}
    wish = {"lines": [line], "reasons": ["damaged"], "note": NOTE}
    return str(stage.floor.stock.scrap(stage.op(), stage.as_("mona"), wish)["op_id"])


def test_it_says_what_and_why_and_of_which_operation(site: tuple[Stage, Flask]) -> None:
    stage, app = site
    received = stage.receive({"item": "BOLT", "quantity": 40})
    scrap = scrapped(stage)
    origin = {"supplier": "ACME", "origin": "DN-7"}
    back = {"lines": [{"item": "BOLT", "quantity": 1, "source": "A-01"}], "reasons": ["damaged"], **origin}
    stage.floor.stock.send_back(stage.op(), stage.as_("mona"), back)
    stage.floor.stock.reverse(stage.op(), stage.as_("mona"), {"of": str(received), "reasons": ["twice"]})
    rows = kit.logged_in(app, "sven").get("/api/v1/proposals/").json["rows"]
    assert [each["act"] for each in rows] == ["scrap", "send-back", "reverse"]
    assert (rows[0]["proposal"], rows[0]["reasons"], rows[0]["note"]) == (scrap, ["damaged"], NOTE)
    assert rows[0]["lines"][0]["reasons"] == ["crushed"] and not rows[0]["own"]
    assert (rows[0]["lines"][0]["unit"], rows[0]["lines"][0]["decimals"]) == ("pc", 0)
    assert rows[1]["references"] == origin
    assert [each["of"] for each in rows] == ["", "", str(received)]


def test_who_signs_is_told_that_it_has_happened_and_what_became_of_it(site: tuple[Stage, Flask]) -> None:
    stage, app = site
    stage.receive({"item": "BOLT", "quantity": 40})
    wish = {"lines": [{"item": "BOLT", "quantity": 3, "source": "A-01"}], "reasons": ["damaged"], "happened": True}
    proposal = str(stage.floor.stock.scrap(stage.op(), stage.as_("mona"), wish)["op_id"])
    client = kit.logged_in(app, "sven")
    assert client.get(f"/api/v1/proposals/{proposal}").json["happened"] is True
    assert "It has been done already" in client.get("/review/proposals").text
    body = {"op_id": str(stage.op()), "proposal": proposal, "reason": "not-so"}
    answer = client.post("/api/v1/documents/reject", json=body).json
    assert answer["state"] == "rejected" and answer["exception"] is True


def test_a_counter_is_told_nothing_of_a_bin_that_is_being_counted(site: tuple[Stage, Flask]) -> None:
    stage, app = site
    stage.receive({"item": "BOLT", "quantity": 40})
    proposal = scrapped(stage)
    wish = {"name": "Blind", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    counter, other = kit.logged_in(app, "tess"), kit.logged_in(app, "sven")
    path = f"/api/v1/proposals/{proposal}"
    told, hidden = other.get(path).json, counter.get(path).json
    assert told["note"] == NOTE and told["lines"][0]["quantity"] == 3
    assert hidden["being_counted"] and not (hidden["note"] or hidden["lines"] or hidden["reasons"])
    page = counter.get("/review/proposals").text
    assert NOTE not in page and "being counted" in page and "data-sign>" not in page
    assert NOTE in other.get("/review/proposals").text


def test_who_may_sign_is_told_how_many_wait(site: tuple[Stage, Flask]) -> None:
    stage, app = site
    stage.receive({"item": "BOLT", "quantity": 40})
    scrapped(stage)
    page = kit.logged_in(app, "sven").get("/review/proposals").text
    assert "data-sign>" in page and NOTE in page
    assert [signs(stage, name) for name in ("sven", "mona", "cora")] == [1, 0, 0]


def signs(stage: Stage, login: str) -> int:
    """How many proposals wait for this person's signature, as their start page says."""
    with stage.site.reading() as connection:
        return waiting.of(stage.floor, connection, stage.as_(login), stage.world.clock.now_ms()).get("sign", 0)


def test_what_somebody_may_not_sign_does_not_wait_for_them(site: tuple[Stage, Flask]) -> None:
    stage, app = site
    stage.receive({"item": "BOLT", "quantity": 40})
    scrapped(stage)
    assert [signs(stage, name) for name in ("sven", "tess")] == [1, 1]
    wish = {"name": "Counted", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    number = stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"]
    assert [signs(stage, name) for name in ("sven", "tess")] == [1, 0]  # who may count is shown nothing of it
    stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("tess"), {"item": "BOLT", "quantity": 40})
    stage.floor.counting.close_bin(stage.op(), stage.as_("tess"), {"bin": "A-01", "confirm": True})
    # Whoever counted the bin in a count that goes on signs for nothing else there, whatever they may do by now.
    introduce(stage.world, stage.site, "tess", ("APPROVE",))
    assert [signs(stage, name) for name in ("sven", "tess")] == [1, 0]
    [waits] = kit.logged_in(app, "tess").get("/api/v1/proposals/").json["rows"]
    sign = {"op_id": str(stage.op()), "proposal": waits["proposal"], "pin": PIN}
    assert (
        "who counted A-01" in kit.logged_in(app, "tess").post("/api/v1/documents/approve", json=sign).json["detail"]
    )
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": number, "reason": "late"})
    assert signs(stage, "tess") == 1
