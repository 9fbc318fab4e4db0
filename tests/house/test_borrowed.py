"""What one test file takes from another is there: a fixture that has moved would stop every test from being found."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.source import ROOT

TESTS = ROOT / "tests"


@cache
def names_of(source: Path) -> frozenset[str]:
    """What a module has at its top, also within `if`, `try` and `with`; nothing where there is no such module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if source.exists() else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(each.asname or each.name).split(".")[0] for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def missing(path: Path, tree: ast.Module) -> Iterator[str]:
    """Each name that `path` takes from a test module that has no such name, as `file:line: sentence`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("tests"):
            continue
        place = ROOT.joinpath(*str(node.module).split("."))
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        known = names_of(source)
        for each in node.names:
            if (
                each.name not in known
                and not (place / f"{each.name}.py").exists()
                and not (place / each.name).is_dir()
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.module} has no {each.name}"


def test_every_name_that_a_test_borrows_is_there() -> None:
    paths = sorted(TESTS.rglob("*.py"))
    assert len(paths) > 300
    faults = [fault for path in paths for fault in missing(path, ast.parse(path.read_text(encoding="utf-8")))]
    assert not faults, "\n".join(faults)


def test_a_name_that_has_moved_is_found() -> None:
    moved = "from tests.house.source import ROOT, gone\nfrom tests.house import source, nowhere\n"
    found = list(missing(TESTS / "planted.py", ast.parse(moved)))
    assert found == [
        "tests/planted.py:1: tests.house.source has no gone",
        "tests/planted.py:2: tests.house has no nowhere",
    ]
