"""One line of the bench table: a promise, our figure, the peer or floor of the same run, their ratio, the bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`better` says which way the ratio ours / theirs is good: "more" (speed) or "less" (cost)."""

    promise: str
    what: str
    ours: float
    theirs: float
    unit: str
    peer: str
    bar: float
    better: str = "less"
    absolute: bool = False  # the bar is for our own figure, the peer's stands beside it

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else float("inf")

    @property
    def judged(self) -> float:
        return self.ours if self.absolute else self.ratio

    @property
    def met(self) -> bool:
        return self.judged >= self.bar if self.better == "more" else self.judged <= self.bar


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text, each with "met" or "NOT MET"."""
    lines = [f"{'':4} {'figure':58} {'ours':>12} {'floor or peer':>14} {'ratio':>8} {'bar':>9}  verdict"]
    for row in rows:
        sign = "≥" if row.better == "more" else "≤"
        bar = f"{sign} {row.bar:g}" + ("" if row.absolute else " ×")
        lines.append(
            f"{row.promise:4} {row.what[:58]:58} {_short(row.ours):>7} {row.unit:<4} {_short(row.theirs):>9} "
            f"{row.unit:<4} {row.ratio:7.2f}× {bar:>9}  {'met' if row.met else 'NOT MET'}  ({row.peer})"
        )
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> str:
    """How many bars are met, and a line for each that is not."""
    missed = [row for row in rows if not row.met]
    told = [f"not met: {row.promise} {row.what}: {row.judged:.4g}, the bar is {row.bar:g}" for row in missed]
    return "\n".join([f"{len(rows) - len(missed)} of {len(rows)} bars met", *told])


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"
