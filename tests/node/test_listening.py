"""Codes of a wired scanner go to the page that puts something together, in order, once, and to no other one."""

from __future__ import annotations

import pytest

from devices.reads import NewRead
from node.listening import ALWAYS, IDLE, KEPT_MS, NEVER, Page, handed, newest
from tests.node.floor_kit import GTINS, Stage

EAN = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    body = {"name": "Week 47", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    return stage


def opened(stage: Stage, takes: str = NEVER, path: str = "") -> Page:
    page = Page(stage.as_("cora").actor, takes, path)
    stage.floor.listening.open(page)
    return page


def codes(stage: Stage, login: str = "cora", after: int = 0, path: str = "") -> list[str]:
    with stage.site.reading() as connection:
        return [text for _, text in handed(connection, Page(stage.as_(login).actor, ALWAYS, path), after)]


def to_decide(stage: Stage) -> list[tuple[str, str]]:
    with stage.site.reading() as connection:
        rows = stage.floor.undecided.rows(connection, stage.journal, stage.as_("cora"), 0, 9, owned=False)
    return [(row["text"], row["why"]) for row in rows]


def test_the_page_that_was_opened_last_decides(stage: Stage) -> None:
    listening = stage.floor.listening
    assert stage.scan(EAN)["outcome"] == "item", "no page is open"
    look = opened(stage, ALWAYS)
    assert [stage.scan(text)["outcome"] for text in (EAN, "BIN:A-01", EAN)] == ["handed"] * 3
    assert codes(stage) == [EAN, "BIN:A-01", EAN] and codes(stage, "mona") == []
    count = opened(stage)
    assert (listening.is_last(look), listening.is_last(count)) == (False, True)
    assert stage.scan("BIN:A-01")["outcome"] == "opened"
    assert stage.scan(EAN)["outcome"] == "counted"
    listening.close(count)
    assert stage.scan(EAN)["outcome"] == "handed", "the page before it decides again"
    listening.close(look)
    assert stage.scan(EAN)["outcome"] == "counted"


def test_a_page_that_begins_a_task_takes_codes_until_one_is_open(stage: Stage) -> None:
    page = opened(stage, IDLE)
    assert stage.scan("BIN:A-01")["outcome"] == "handed"
    stage.floor.listening.close(page)
    stage.scan("BIN:A-01")
    opened(stage, IDLE)
    assert stage.scan(EAN)["outcome"] == "counted"


def test_codes_stay_for_a_page_whose_line_broke_and_not_for_ever(stage: Stage) -> None:
    page = opened(stage, ALWAYS)
    with stage.site.reading() as connection:
        assert newest(connection) == 0
    stage.scan(EAN)
    stage.scan("BIN:A-01")
    with stage.site.reading() as connection:
        assert newest(connection) == 2
    assert codes(stage, after=1) == ["BIN:A-01"]
    stage.world.clock.advance(KEPT_MS + 1)
    stage.scan(EAN)
    stage.floor.scanning.settle_handed(stage.journal)
    assert codes(stage) == [EAN]
    stage.floor.listening.close(page)
    # A read acts once: taken again after a crash, it is neither handed nor counted a second time.
    (read,) = stage.journal.latest(1)
    assert stage.floor.scanning.take(read)["outcome"] == "handed" and codes(stage) == [EAN]


def test_a_code_is_taken_when_its_page_says_so_and_else_to_be_decided_about(stage: Stage) -> None:
    page = opened(stage, ALWAYS)
    for text in (EAN, "BIN:A-01"):
        stage.scan(text)
    stage.floor.scanning.settle_handed(stage.journal)
    assert (codes(stage), to_decide(stage)) == ([EAN, "BIN:A-01"], []), "it may come back for them"
    stage.floor.scanning.came(stage.as_("mona"), [1])
    stage.floor.scanning.came(stage.as_("cora"), [1])
    assert codes(stage) == ["BIN:A-01"]
    stage.floor.listening.close(page)
    for _ in range(2):
        stage.world.clock.advance(KEPT_MS + 1)
        stage.floor.scanning.settle_handed(stage.journal)
        assert codes(stage) == []
        ((text, why),) = to_decide(stage)
        assert text == "]C0BIN:A-01" or text == "BIN:A-01"
        assert "did not get it" in why
    assert [read.state for read in stage.journal.latest(2)] == ["parked", "taken"]


def test_another_kind_of_page_never_gets_a_code(stage: Stage) -> None:
    scrap = opened(stage, ALWAYS, "/floor/scrap")
    stage.scan(EAN)
    stage.floor.listening.close(scrap)
    opened(stage, ALWAYS, "/look")
    stage.scan("BIN:A-01")
    assert codes(stage, path="/look") == ["BIN:A-01"]
    assert codes(stage, path="/floor/scrap") == [EAN]


def test_what_a_tablet_scans_itself_is_never_handed_back(stage: Stage) -> None:
    opened(stage, ALWAYS)

    stage.journal.record([NewRead(device="gun", raw=EAN.encode(), client_id="t1")])
    ((_, outcome),) = stage.floor.scanning.drain(stage.journal)
    assert outcome["outcome"] == "item" and codes(stage) == []
