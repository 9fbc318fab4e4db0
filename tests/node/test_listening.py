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


def opened(stage: Stage, takes: str = NEVER) -> Page:
    page = Page(stage.as_("cora").actor, takes)
    stage.floor.listening.open(page)
    return page


def codes(stage: Stage, login: str = "cora", after: int = 0) -> list[str]:
    with stage.site.reading() as connection:
        return [text for _, text in handed(connection, stage.as_(login).actor, after)]


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
    assert codes(stage) == [EAN]
    stage.floor.listening.close(page)
    # A read acts once: taken again after a crash, it is neither handed nor counted a second time.
    (read,) = stage.journal.latest(1)
    assert stage.floor.scanning.take(read)["outcome"] == "handed" and codes(stage) == [EAN]


def test_what_a_tablet_scans_itself_is_never_handed_back(stage: Stage) -> None:
    opened(stage, ALWAYS)

    stage.journal.record([NewRead(device="gun", raw=EAN.encode(), client_id="t1")])
    ((_, outcome),) = stage.floor.scanning.drain(stage.journal)
    assert outcome["outcome"] == "item" and codes(stage) == []
