"""What waited on a tablet longer than ordinary Wi-Fi is silent has happened; a few milliseconds are no wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.reads import NewRead
from node.desk import Person
from tests.node.floor_kit import Stage, furnished
from tests.node.test_counting import session

AT_ONCE_MS, LONG_MS = 6, 31_000


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = furnished(tmp_path / "node")
    made.receive({"item": "BOLT", "quantity": 20})
    yield made
    made.site.close()
    made.journal.close()


def late(stage: Stage, login: str, waited_ms: int = LONG_MS) -> Person:
    return replace(stage.as_(login), waited_ms=waited_ms)


def label(stage: Stage, code: str, login: str, waited_ms: int) -> dict[str, Any]:
    """A bin label that somebody scanned on a tablet, sent so much later."""
    stage.floor.people.bind_device(stage.as_(login), "tablet-x")
    stage.world.clock.advance(1_000)
    stage.journal.record([NewRead("tablet-x", f"BIN:{code}".encode(), context={"waited_ms": waited_ms})])
    return stage.floor.scanning.drain(stage.journal)[-1][1]


# ------------------------------------------------------------ a bin that somebody else counts


def test_a_bin_that_somebody_counts_is_asked_about_although_its_scan_took_a_moment_to_come(stage: Stage) -> None:
    session(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    told = label(stage, "A-01", "carl", AT_ONCE_MS)
    assert told["outcome"] == "refused" and "somebody else" in told["why"]
    op = stage.op()
    asked = stage.floor.counting.open_bin(op, late(stage, "carl", AT_ONCE_MS), {"bin": "A-01"})
    assert asked["choices"] == ["second", "share"] and "task" not in asked


def test_a_bin_opened_without_contact_is_a_second_count_and_stays_it_when_it_is_sent_again(stage: Stage) -> None:
    session(stage, "A-01", "A-02")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    assert label(stage, "A-01", "carl", LONG_MS)["outcome"] == "opened"
    # The first answer was lost: the tablet asks again, and has waited longer by then.
    op = stage.op()
    first = stage.floor.counting.open_bin(op, late(stage, "tess", AT_ONCE_MS), {"bin": "A-02"})
    assert stage.floor.counting.open_bin(op, late(stage, "tess"), {"bin": "A-02"}) == first
