"""Counts: what was found in a bin, what was expected there, and when a difference is too large to leave as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from ledger.errors import Rejected
from ledger.moves import FREE
from ledger.wording import shown
from ledger.words import Text, Uint

# In place of the change counter at a bin's opening, when nobody can say what the books had there: no bin's counter
# ever reaches it, so the chain itself records that count as unstable.
UNSEEN = 2**256 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One count line: what was found, zero included."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    counted: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One count line beside what the chain expected when the count was recorded."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    counted: Uint
    expected: Uint

    @property
    def difference(self) -> int:
        """Counted less expected, in base units: what posting the line books."""
        return self.counted - self.expected

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What the line is about; lots, serials and statuses are never netted."""
        return (self.item, self.lot, self.serial, self.status)


@dataclass(frozen=True, slots=True)
class Cost:
    """An item's standard cost: `minor` units of currency for 10 to the `decimals` base units."""

    minor: int
    decimals: int = 0

    def of(self, quantity: int) -> int:
        """The cost of a quantity, rounded up: a limit must not be passed by rounding."""
        scale: int = 10**self.decimals
        return -(-quantity * self.minor // scale)


def _is_share(percent: object) -> bool:
    return type(percent) is int and 0 <= percent <= 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a count has to be repeated. A limit of None is not set; 0 tolerates nothing.

    Limits of a line: base units, per cent of expected, value in minor units of currency. Limits of a bin and of a
    session are gross: a plus here and a minus there both count. `counters`: how many people count each bin in any
    case; then only equal differences are agreed, others are counted again. `rounds_max`: rounds in all, after which
    the approver decides. `control_percent`: how many of the bins without any difference are counted again, so that a
    recount tells the counter nothing. `open_percent`: how many of the unopened handling units are to be opened and
    counted, not only confirmed by their label. (product.md, Counting 3, 7 and 8)
    """

    line_quantity_max: int | None = 0
    line_percent_max: int | None = None
    line_value_max: int | None = None
    bin_quantity_max: int | None = None
    bin_value_max: int | None = None
    session_value_max: int | None = None
    counters: int = 1
    rounds_max: int = 3
    control_percent: int = 10
    open_percent: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not name.endswith(("quantity_max", "percent_max", "value_max")):
                continue
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 0 <= value < 2**53):
                raise Rejected(f"{shown(value)} is no limit of a count: say a whole number from 0, or none")
        if type(self.rounds_max) is not int or not 1 <= self.rounds_max <= 9:
            raise Rejected(f"a bin is counted in 1 to 9 rounds, not in {shown(self.rounds_max)}")
        if type(self.counters) is not int or not 1 <= self.counters <= self.rounds_max:
            people, rounds = shown(self.counters), self.rounds_max
            raise Rejected(f"in at most {rounds} rounds a bin is counted by 1 to {rounds} people, not by {people}")
        if not _is_share(self.control_percent):
            again = shown(self.control_percent)
            raise Rejected(f"of bins without a difference 0 to 100 per cent are counted again, not {again}")
        if not _is_share(self.open_percent):
            raise Rejected(f"of closed units 0 to 100 per cent are opened, not {shown(self.open_percent)}")

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Rule:
        """From named limits; raises `Rejected` for a name that is no limit."""
        for name in values:
            if name not in cls.__slots__:
                raise Rejected(f"{name[:60]!r} is not a limit of a count: expected {', '.join(cls.__slots__)}")
        return cls(**values)  # type: ignore[arg-type]

    def as_json(self) -> dict[str, int | None]:
        return asdict(self)

    def over(self, line: Compared, cost: Cost | None) -> str:
        """Why this line has to be counted again, in words for the approver; empty when it is within every limit."""
        size = abs(line.difference)
        if not size:
            return ""
        if not line.expected:
            return "nothing was expected"
        if self.line_quantity_max is not None and size > self.line_quantity_max:
            return f"differs by more than {self.line_quantity_max}"
        if self.line_percent_max is not None and 100 * size > self.line_percent_max * line.expected:
            return f"differs by more than {self.line_percent_max} %"
        if self.line_value_max is not None:
            if cost is None:
                return "has no standard cost"
            if cost.of(size) > self.line_value_max:
                return "differs by more than the value allowed"
        return ""

    def over_bin(self, lines: Iterable[Compared], costs: Mapping[str, Cost]) -> str:
        """The same for all lines of a bin together."""
        differing = [line for line in lines if line.difference]
        if (
            self.bin_quantity_max is not None
            and sum(abs(line.difference) for line in differing) > self.bin_quantity_max
        ):
            return f"the bin differs by more than {self.bin_quantity_max} in all"
        return self._over_value(
            differing, costs, self.bin_value_max, 0, "the bin differs by more than the value allowed"
        )

    def over_session(self, before: int, lines: Iterable[Compared], costs: Mapping[str, Cost]) -> str:
        """The same for a bin whose session differs by the value `before` already."""
        differing = [line for line in lines if line.difference]
        words = "with this bin the whole count differs by more than the value allowed"
        return self._over_value(differing, costs, self.session_value_max, before, words)

    @staticmethod
    def _over_value(
        differing: list[Compared], costs: Mapping[str, Cost], most: int | None, before: int, words: str
    ) -> str:
        if most is None or not differing:
            return ""
        if any(line.item not in costs for line in differing):
            return "an item of the bin has no standard cost"
        return words if before + sum(costs[line.item].of(abs(line.difference)) for line in differing) > most else ""


def differences(lines: Iterable[Compared]) -> dict[tuple[str, str, str, int], int]:
    """What a round found, as differences: rounds are compared by these and never by what was counted."""
    return {line.key: line.difference for line in lines if line.difference}
