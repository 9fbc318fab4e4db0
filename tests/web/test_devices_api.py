"""Reads about which a person decides, and weights from a real scale's bytes: what the node's API says and does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from devices.cli import main
from devices.reads import NewRead
from devices.registry import Registry
from devices.simulated import SimulatedScanner
from devices.simulated_scale import ScaleSide
from devices.supervisor import Supervisor
from devices.thread import Health
from devices.weights import Weight
from ledger.clock import SystemClock
from ledger.errors import Rejected
from ledger.seams import SystemRandom
from node import streams
from node.catalogue import Item
from node.weighing import in_unit, scale_of
from tests.devices.test_transports import served
from tests.node.floor_kit import GTINS, PIN, Stage, actor_of
from tests.web import described, kit
from web import node_app

BOLT = f"]E0{GTINS['BOLT'][1:]}".encode()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        body = {"name": "Week 47", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
        stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
        stage.scan("BIN:A-01")
        yield stage, app


def doubtful(stage: Stage, login: str = "cora", bin_: str = "A-01") -> str:
    """A read that its scanner may have sent again; answers its id."""
    said = {"actor": str(actor_of(login)), "bin": bin_}
    for again in ("", "perhaps"):
        stage.world.clock.advance(1_000)
        [read] = stage.journal.record([NewRead("gun", BOLT, context=said, again=again)])  # type: ignore[arg-type]
    stage.floor.scanning.drain(stage.journal)
    assert read.state == "parked"
    return read.read_id


def rows(client: FlaskClient) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/reads/undecided")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json["rows"]
    return found


def act(stage: Stage, client: FlaskClient, path: str, **wish: Any) -> Any:
    return client.post(f"/api/v1/{path}", json={"op_id": str(stage.op()), **wish})


def tally(stage: Stage) -> int:
    with stage.site.reading() as connection:
        (total,) = connection.execute("SELECT COALESCE(SUM(quantity), 0) FROM scan_events").fetchone()
    return int(total)


def test_its_owner_sees_a_read_that_may_be_one_twice_and_counts_it_once(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    read = doubtful(stage)
    cora, mona, sven = (kit.logged_in(app, login) for login in ("cora", "mona", "sven"))
    [row] = rows(cora)
    assert (row["read"], row["text"], row["bin"]) == (read, BOLT.decode(), "A-01")
    assert row["at_ms"] - row["before_ms"] == 1_000 and tally(stage) == 1
    assert rows(mona) == [] and len(rows(sven)) == 1
    kit.assert_refused(act(stage, mona, "reads/count", read=read), "another person's")
    wish = {"op_id": str(stage.op()), "read": read}
    first = cora.post("/api/v1/reads/count", json=wish)
    assert first.status_code == 200 and first.json["outcome"] == "counted", first.text
    assert cora.post("/api/v1/reads/count", json=wish).json == first.json
    assert tally(stage) == 2 and rows(cora) == [] and stage.journal.get(read).state == "taken"
    kit.assert_refused(act(stage, sven, "reads/count", read=read), "decided")
    kit.assert_refused(act(stage, sven, "reads/dismiss", read=read, reason="same-piece"), "decided")
    assert tally(stage) == 2


def test_what_is_dismissed_is_kept_and_never_counted(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    read = doubtful(stage)
    sven = kit.logged_in(app, "sven")
    assert act(stage, sven, "reads/dismiss", read=read, reason="same-piece").status_code == 200
    kept = stage.journal.get(read)
    assert (kept.state, kept.raw, "same-piece" in kept.note) == ("ignored", BOLT, True)
    assert rows(sven) == [] and tally(stage) == 1


def test_after_its_bin_was_closed_it_waits_beside_that_count(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    read = doubtful(stage)
    cora = kit.logged_in(app, "cora")
    assert act(stage, cora, "counts/close", bin="A-01", confirm=True).status_code == 200
    late = act(stage, cora, "reads/count", read=read)
    assert late.status_code == 200 and late.json["outcome"] == "late", late.text
    assert tally(stage) == 1 and rows(cora) == []
    with stage.site.reading() as connection:
        (parked,) = connection.execute("SELECT COUNT(*) FROM parked WHERE state = 'open'").fetchone()
    assert parked == 1


def test_one_without_any_place_stays_to_be_decided(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    stage.world.clock.advance(1_000)
    said = {"actor": str(actor_of("cora")), "bin": "A-02"}
    [read] = stage.journal.record([NewRead("gun", BOLT, context=said)])
    assert [outcome["outcome"] for _, outcome in stage.floor.scanning.drain(stage.journal)] == ["late"]
    cora = kit.logged_in(app, "cora")
    assert [row["read"] for row in rows(cora)] == [read.read_id]
    kit.assert_refused(act(stage, cora, "reads/count", read=read.read_id), "A-02 was never opened")
    assert [row["read"] for row in rows(cora)] == [read.read_id] and tally(stage) == 0
    assert act(stage, cora, "reads/dismiss", read=read.read_id, reason="mistake").status_code == 200
    assert rows(cora) == []


def test_the_command_shows_them_too(made: tuple[Stage, Flask], capsys: pytest.CaptureFixture[str]) -> None:
    stage, _ = made
    read = doubtful(stage)
    assert main(["undecided", "--dir", str(stage.world.folder)]) == 0
    shown = capsys.readouterr().out
    assert read in shown and BOLT.decode() in shown and "gun" in shown
    stage.journal.mark(read, "ignored", note="x")
    assert main(["undecided", "--dir", str(stage.world.folder)]) == 0
    assert "nothing" in capsys.readouterr().out


def test_a_scale_gives_a_stable_exact_weight_into_a_line(tmp_path: Path) -> None:
    stage, _ = kit.node(tmp_path / "node", watched=False)
    with kit.closing(stage), ExitStack() as stack:
        _weighed(stage)
        wire = stack.enter_context(SimulatedScanner(tmp_path / "scale", clock=SystemClock()))
        registry = Registry.parse([f"{wire.url}&protocol=sics&name=scale-1&station=t7"])
        supervisor = Supervisor(registry, stage.journal, clock=SystemClock(), random=SystemRandom())
        supervisor.start()
        stack.callback(supervisor.stop)
        wire.wait_opened(5_000)
        side = ScaleSide("sics")
        stack.enter_context(served(side, wire))
        parts = replace(
            kit.parts(stage),
            weigh=supervisor.weigh,
            devices=lambda: [each.as_json() for each in supervisor.health()],
        )
        parts = replace(parts, links=lambda: {**kit.parts(stage).links(), "scanners": parts.devices()})
        app = node_app.create(parts)
        described.watch(app)
        cora = kit.logged_in(app, "cora")
        side.put("1.250")
        nobody = cora.post("/api/v1/scales/weigh", json={"item": "HAM"})
        assert nobody.status_code == 422 and "no scale is yours" in nobody.json["detail"]
        assert cora.post("/api/v1/devices/bind", json={"device": "scale-1"}).status_code == 200
        found = cora.post("/api/v1/scales/weigh", json={"item": "HAM"})
        assert found.json == {"scale": "scale-1", "weight": "1.250", "unit": "kg", "net": False, "amount": "1.250"}
        line = act(
            stage, cora, "counts/enter", item="HAM", amount=found.json["amount"], pieces=1, mode="set", bin="A-01"
        )
        assert line.status_code == 200 and line.json["counted"] == 1_250, line.text
        kit.assert_refused(cora.post("/api/v1/scales/weigh", json={"item": "BOLT"}), "not weighed")
        side.put("1.300", moving=True)
        moving = cora.post("/api/v1/scales/weigh", json={"scale": "scale-1"})
        assert moving.status_code == 422 and "in motion" in moving.json["detail"]
        side.put("0.000")
        kit.assert_refused(cora.post("/api/v1/scales/weigh", json={"item": "HAM"}), "nothing on it")


def test_a_scanner_is_told_to_beep_and_one_that_cannot_says_so(tmp_path: Path) -> None:
    stage, _ = kit.node(tmp_path / "node", watched=False)
    with kit.closing(stage), ExitStack() as stack:
        kinds = {"gun": "honeywell", "plain": "line"}
        guns = [stack.enter_context(SimulatedScanner(tmp_path / name, clock=SystemClock())) for name in kinds]
        urls = [f"{gun.url}&protocol={kinds[name]}&name={name}" for gun, name in zip(guns, kinds, strict=True)]
        supervisor = Supervisor(Registry.parse(urls), stage.journal, clock=SystemClock(), random=SystemRandom())
        supervisor.start()
        stack.callback(supervisor.stop)
        for gun in guns:
            gun.wait_opened(5_000)
        told = {"devices": lambda: [each.as_json() for each in supervisor.health()]}
        app = node_app.create(
            replace(kit.parts(stage), beep=lambda name: supervisor.signal(name, "good"), **told)  # type: ignore[arg-type]
        )
        described.watch(app)
        cora = kit.logged_in(app, "cora")
        assert {each["name"]: each["sounds"] for each in cora.get("/api/v1/devices/").json["rows"]} == {
            "gun": True, "plain": False,
        }  # fmt: skip
        assert cora.post("/api/v1/devices/beep", json={"device": "gun"}).json == {"device": "gun"}
        assert guns[0].answers(5_000) == b"\x1b6"
        kit.assert_refused(cora.post("/api/v1/devices/beep", json={"device": "plain"}), "does not sound")
        kit.assert_refused(cora.post("/api/v1/devices/beep", json={"device": "nobody"}), "no scanner is called")
        page = cora.get("/node").get_data(as_text=True)
        assert page.count("data-beep") == 1 and 'data-beep="gun"' in page


def _weighed(stage: Stage) -> None:
    """An item counted by weight, and a bin open for it."""
    with stage.site.writing() as connection:
        entry = {"name": "Ham", "gtins": [], "unit": "kg", "decimals": 3, "by_weight": True, "tracking": 0}
        streams.put(connection, "catalogue", "HAM", {**entry, "currency": "EUR"})
    body = {"name": "Week 47", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.scan("BIN:A-01")


def test_a_scale_that_stands_at_a_tablet_is_its_scale(made: tuple[Stage, Flask]) -> None:
    stage, _ = made
    devices = [
        {"name": "lamp", "kind": "scanner", "station": "t1"},
        {"name": "one", "kind": "scale", "station": "t1"},
        {"name": "two", "kind": "scale", "station": "pack-1"},
    ]
    with stage.site.writing() as connection:
        connection.execute("INSERT INTO tablets (tablet, outbox, heard_ms) VALUES ('first', x'00', 0)")
        cora = stage.as_("cora")
        assert scale_of(connection, cora, "first", devices) == "one"
        assert scale_of(connection, cora, "other", devices) == ""
        stage.floor.people.bind_device(cora, "two")
        assert scale_of(connection, cora, "first", devices) == "two", "what is taken comes first"
        assert scale_of(connection, cora, "first", devices[:1]) == ""


def test_a_device_says_what_becomes_of_a_scan_while_the_node_is_away(tmp_path: Path) -> None:
    """And what it sent that was no message, to an administrator alone: half a badge may be in it."""
    stage, _ = kit.node(tmp_path / "node", watched=False)
    sure, plain = (asdict(Health(name, "serial:///dev/x", "ready", "", 1, None, None, delivery=delivery, odd=odd))
                   for name, delivery, odd in (("gun", "at-least-once", [{"at_ms": 1, "hex": "ff"}]),
                                               ("lamp", "at-most-once", [])))  # fmt: skip
    with kit.closing(stage):
        app = node_app.create(replace(kit.parts(stage), devices=lambda: [sure, plain]))
        described.watch(app)
        cora, adam = kit.logged_in(app, "cora"), kit.logged_in(app, "adam")
        page = cora.get("/node").get_data(as_text=True)
        assert page.count("keeps each scan until the node has it") == 1
        assert page.count("what it scans while the node is away is lost") == 1
        assert "no message" not in page and '<bdi class="code long" dir="ltr">ff</bdi>' in str(adam.get("/node").text)
        seen = {login: client.get("/api/v1/devices/").json["rows"] for login, client in (("c", cora), ("a", adam))}
        assert [each["delivery"] for each in seen["c"]] == ["at-least-once", "at-most-once"]
        assert [each["odd"] for each in seen["c"]] == [[], []] and seen["a"][0]["odd"] == [{"at_ms": 1, "hex": "ff"}]


def test_what_stands_together_is_taken_together(tmp_path: Path) -> None:
    """A station without a tablet: who takes its scanner weighs on its scale. One with a tablet: who logs in there."""
    stage, _ = kit.node(tmp_path / "node", watched=False)
    devices = [
        {"name": "gun-1", "kind": "scanner", "station": "pack-1"},
        {"name": "scale-1", "kind": "scale", "station": "pack-1"},
        {"name": "gun-2", "kind": "scanner", "station": "t1"},
        {"name": "gun-3", "kind": "scanner", "station": ""},
        {"name": "gun-4", "kind": "scanner", "station": ""},
    ]
    with kit.closing(stage):
        app = node_app.create(replace(kit.parts(stage), devices=lambda: devices))
        described.watch(app)
        cora, sven = kit.logged_in(app, "cora"), kit.logged_in(app, "sven")
        said = cora.post("/api/v1/devices/bind", json={"device": "gun-1"}).json
        assert said["devices"] == ["gun-1", "scale-1"]
        assert cora.post("/api/v1/devices/bind", json={"device": "gun-3"}).json["devices"] == ["gun-3"]
        with stage.site.writing() as connection:
            who = stage.as_("cora")
            assert scale_of(connection, who, "elsewhere", devices) == "scale-1"
            assert scale_of(connection, stage.as_("sven"), "elsewhere", devices) == ""
            owners = {each["name"]: stage.floor.people.owner_of(connection, each["name"]) for each in devices}
            assert {name for name, owner in owners.items() if owner and owner.actor == who.actor} == {
                "gun-1", "scale-1", "gun-3",
            }  # fmt: skip
        cookie = sven.get_cookie(node_app.TABLET_COOKIE)
        assert cookie is not None
        with stage.site.writing() as connection:
            connection.execute("INSERT INTO tablets (tablet, outbox, heard_ms) VALUES (?, x'00', 0)", (cookie.value,))
        again = sven.post("/api/v1/auth/login", json={"login": "sven", "pin": PIN})
        assert again.status_code == 200, again.text
        with stage.site.writing() as connection:
            owner = stage.floor.people.owner_of(connection, "gun-2")
        assert owner is not None and owner.actor == stage.as_("sven").actor


@pytest.mark.parametrize(
    ("value", "unit", "kept", "decimals", "amount"),
    [
        ("1.250", "kg", "kg", 3, "1.250"),
        ("1.250", "kg", "g", 0, "1250"),
        ("250", "g", "KG", 3, "0.250"),
        ("2.5", "lb", "lb", 1, "2.5"),
        ("1.2505", "kg", "kg", 3, ""),
        ("1", "lb", "kg", 3, ""),
        ("1", "kg", "lb", 3, ""),
        ("1", "lb", "g", 5, "453.59237"),
        ("0", "kg", "kg", 3, ""),
        ("-1.000", "kg", "kg", 3, ""),
        ("1.250", "kg", "pc", 0, ""),
        ("999999999999999999", "t", "mg", 3, ""),
    ],
)
def test_a_weight_is_an_amount_exactly_or_refused(
    value: str, unit: str, kept: str, decimals: int, amount: str
) -> None:
    item, weight = Item("HAM", "Ham", kept, decimals, 0, None), Weight(Decimal(value), unit, b"")
    if amount:
        assert in_unit(weight, item) == amount
    else:
        with pytest.raises(Rejected):
            in_unit(weight, item)
