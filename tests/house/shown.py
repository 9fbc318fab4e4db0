"""Lists of what must be shown, and the tests that show it: a test that is renamed or deleted leaves a hole there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
What = TypeVar("What")


def names_in(file: str) -> set[str]:
    """The names of the tests of a file below `tests`."""
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


def holes(shown: Mapping[What, Iterable[str]]) -> list[str]:
    """What of `shown`, {what: tests as FILE::NAME}, names a test that is not there, or names none."""
    known: dict[str, set[str]] = {}
    found = [f"{what}: nothing" for what, tests in shown.items() if not tests]
    for what, tests in shown.items():
        for each in tests:
            file, _, name = each.partition("::")
            if name not in known.setdefault(file, names_in(file)):
                found.append(f"{what}: {each}")
    return found
