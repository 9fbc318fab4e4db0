"""What the house tests read: every module of the product, its imports and its calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "ledger", "sync", "devices", "node", "hub", "web")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: `name` dotted from the root, `imports` as (line, full dotted target)."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[tuple[int, str], ...]

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def is_entry(self) -> bool:
        """May wire everything: the front door, command lines and process starters."""
        last = self.name.split(".")[-1]
        return self.package in ("tallyman", "tallyman_demo") or last in ("cli", "run", "__main__")

    def where(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product; tests are not part of it."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    paths += [path for path in (ROOT / "tallyman.py", ROOT / "tallyman_demo.py") if path.exists()]
    return tuple(parse(path) for path in paths)


def parse(path: Path) -> Module:
    """Read one file. Raises SyntaxError with its place when it is not Python."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return Module(".".join(parts), path, tree, tuple(_imports(tree)))


def _imports(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                found.append((node.lineno, "." * node.level + (node.module or "")))
            else:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found
