"""Scans of a scanner that is nobody's: kept, shown apart, taken over by somebody or dismissed with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from devices.reads import NewRead
from tests.node.floor_kit import GTINS, Stage, actor_of
from tests.web import kit
from tests.web.test_devices_api import act, rows, tally

BOLT = f"]E0{GTINS['BOLT'][1:]}".encode()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        body = {"name": "Week 48", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
        stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
        yield stage, app


def scan(stage: Stage, raw: bytes = BOLT, actor: str = "") -> str:
    """A read of a scanner that belonged to `actor` at that moment, taken; answers its id."""
    stage.world.clock.advance(1_000)
    [read] = stage.journal.record([NewRead("found-gun", raw, context={"actor": actor})])
    stage.floor.scanning.drain(stage.journal)
    return read.read_id


def unclaimed(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/reads/unclaimed", query_string=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["rows"]
    return found


def waiting(stage: Stage, login: str) -> int:
    with stage.site.reading() as connection:
        return stage.floor.undecided.count_of(connection, stage.journal, stage.as_(login))


def test_it_is_kept_apart_and_taken_over_once(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    cora, mona = kit.logged_in(app, "cora"), kit.logged_in(app, "mona")
    read = scan(stage)
    assert (stage.journal.get(read).state, tally(stage)) == ("parked", 0)
    [row] = unclaimed(cora)
    assert (row["read"], row["device"], row["text"]) == (read, "found-gun", BOLT.decode())
    # It is nobody's question yet: no one who counts is told of it.
    assert rows(cora) == [] and waiting(stage, "cora") == waiting(stage, "sven") == 0
    kit.assert_refused(act(stage, mona, "reads/count", read=read), "nothing is open")
    assert [each["read"] for each in unclaimed(mona)] == [read]

    stage.scan("BIN:A-01")  # Cora's own scanner opens the bin
    wish = {"op_id": str(stage.op()), "read": read}
    first = cora.post("/api/v1/reads/count", json=wish)
    assert (first.status_code, first.json["outcome"]) == (200, "counted"), first.text
    assert cora.post("/api/v1/reads/count", json=wish).json == first.json
    assert (tally(stage), unclaimed(cora), stage.journal.get(read).state) == (1, [], "taken")
    kit.assert_refused(act(stage, mona, "reads/count", read=read), "decided")


def test_it_is_dismissed_with_a_reason_and_kept(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    sven = kit.logged_in(app, "sven")
    read = scan(stage)
    assert act(stage, sven, "reads/dismiss", read=read, reason="scanned-again").status_code == 200
    kept = stage.journal.get(read)
    assert (kept.state, kept.raw, "scanned-again" in kept.note) == ("ignored", BOLT, True)
    assert unclaimed(sven) == [] and tally(stage) == 0


def test_a_whole_unit_and_a_bin_are_taken_over_too(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    cora = kit.logged_in(app, "cora")
    assert act(stage, cora, "reads/count", read=scan(stage, b"BIN:A-02")).json["outcome"] == "opened"


def test_many_of_them_hide_nobodys_own_question(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    many = [NewRead("found-gun", b"%d" % number, context={"actor": ""}) for number in range(250)]
    stage.journal.record(many)
    stage.scan("BIN:A-01")
    said = {"actor": str(actor_of("cora")), "bin": "A-01"}
    for again in ("", "perhaps"):
        stage.world.clock.advance(1_000)
        stage.journal.record([NewRead("gun", BOLT, context=said, again=again)])  # type: ignore[arg-type]
    while stage.floor.scanning.drain(stage.journal):
        pass
    cora = kit.logged_in(app, "cora")
    assert waiting(stage, "cora") == len(rows(cora)) == 1
    first = unclaimed(cora)
    assert len(first) == 200 and len(stage.journal.parked(1_000)) == 251


def test_it_survives_a_crash_between_its_outcome_and_its_mark(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    stage.world.clock.advance(1_000)
    [read] = stage.journal.record([NewRead("found-gun", BOLT, context={"actor": ""})])
    assert stage.floor.scanning.take(read)["outcome"] == "nobody"
    stage.floor.scanning.drain(stage.journal)  # the next start meets its own answer, and only marks
    assert [each["read"] for each in unclaimed(kit.logged_in(app, "adam"))] == [read.read_id]


def test_whoever_decides_about_no_scan_takes_over_none(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    read = scan(stage)
    kit.assert_refused(app.test_client().post("/api/v1/reads/count", json={"read": read}), "nobody is logged in")
    assert len(unclaimed(kit.logged_in(app, "sven"))) == 1
