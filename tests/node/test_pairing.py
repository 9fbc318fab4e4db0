"""A scanner that reads the code on somebody's screen is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.pairing import LIFE_MS
from tests.node.floor_kit import GTINS, Stage
from tests.web import kit

TABLET = "a" * 32
BOLT = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made, _ = kit.node(tmp_path / "node", watched=False)
    with kit.closing(made):
        yield made


def owner(stage: Stage, device: str) -> str:
    with stage.site.writing() as connection:
        found = stage.floor.people.owner_of(connection, device)
    return "" if found is None else found.name


def test_it_is_theirs_from_the_code_on_and_not_before(stage: Stage) -> None:
    cora = stage.as_("cora")
    code = stage.floor.pairing.code_for(cora.actor, TABLET)
    assert stage.scan(BOLT, "found-gun")["outcome"] == "nobody"
    assert stage.scan("]Q1" + code, "found-gun") == {"outcome": "paired", "actor": str(cora.actor)}
    assert owner(stage, "found-gun") == cora.name
    assert stage.scan(BOLT, "found-gun")["outcome"] != "nobody"


def test_a_scanner_changes_hands_and_one_code_pairs_several(stage: Stage) -> None:
    cora, mona = stage.as_("cora"), stage.as_("mona")
    code = stage.floor.pairing.code_for(cora.actor, TABLET)
    for device in ("gun-1", "gun-2"):
        stage.scan(code, device)
    stage.scan(stage.floor.pairing.code_for(mona.actor, TABLET), "gun-2")
    assert (owner(stage, "gun-1"), owner(stage, "gun-2")) == (cora.name, mona.name)


def test_an_old_code_and_a_replaced_one_pair_nothing(stage: Stage) -> None:
    cora = stage.as_("cora")
    first = stage.floor.pairing.code_for(cora.actor, TABLET)
    second = stage.floor.pairing.code_for(cora.actor, TABLET)
    assert stage.scan(first, "gun-9")["outcome"] == "nobody"
    stage.world.clock.advance(LIFE_MS)
    assert stage.scan(second, "gun-9")["outcome"] == "nobody" and owner(stage, "gun-9") == ""
