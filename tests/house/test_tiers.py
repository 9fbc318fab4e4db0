"""Every file and test that the tiers name is there, and each tier has something to do."""

from __future__ import annotations

import ast

from tests.house.source import ROOT
from tests.tiers import EVERYDAY_PAGES, LONG, is_long


def absent(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / file
    if not path.exists():
        return True
    functions = {each.name for each in ast.parse(path.read_text("utf-8")).body if isinstance(each, ast.FunctionDef)}
    return bool(test) and test not in functions


def test_what_the_tiers_name_is_there() -> None:
    assert [name for name in sorted(LONG | EVERYDAY_PAGES) if absent(name)] == []


def test_a_name_that_has_moved_is_found() -> None:
    assert absent("tests/browser/test_gone.py") and absent("tests/browser/test_floor.py::test_gone")


def test_a_test_is_long_by_its_file_or_its_name() -> None:
    assert is_long("tests/web/test_fuzz.py::test_any[positive]") and is_long("tests/browser/test_plan.py::test_any")
    assert is_long("tests/browser/test_floor.py::test_every_screen_of_floor_work")
    assert not is_long("tests/browser/test_floor.py::test_goods") and not is_long("tests/node/test_days.py::test_any")
