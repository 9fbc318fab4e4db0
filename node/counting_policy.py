"""What the hub decides about counts at every site: reasons for a difference, limits of approvers, absurd quantities.

Entry `counting` of the policy stream: `reasons` [[code, words, direction]], `approval` {limit: number} for everyone,
`approvers` {person: {limit: number}} over it, `quantity_asked`. What it leaves out is as below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.counts import Compared, Cost
from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected, Unavailable
from ledger.ids import Actor
from ledger.moves import QUANTITY_MAX
from node import streams

STREAM, KEY = "policy", "counting"
PLUS, MINUS, BOTH = "plus", "minus", "both"
RELOCATED = "relocated"
# From this many base units on (times ten for each decimal of the item) a quantity is asked back.
QUANTITY_ASKED = 10_000


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for a difference. `direction`: whether it explains more (plus), less (minus) or both."""

    code: str
    words: str
    direction: str = BOTH

    def explains(self, difference: int) -> bool:
        return self.direction == BOTH or (difference > 0) == (self.direction == PLUS)


REASONS = (
    Reason("miscounted-before", "Counted or booked wrongly before"),
    Reason("not-booked", "Moved and not booked"),
    Reason("misplaced", "Misplaced: it lies somewhere else"),
    Reason("found", "Found: it was not in the books", PLUS),
    Reason("lost", "Lost or stolen", MINUS),
    Reason("damaged", "Damaged and gone", MINUS),
    Reason("expired", "Expired and gone", MINUS),
    Reason(RELOCATED, "Relocated: found in another bin of this count"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one person may approve, gross; None is no limit. Values in minor units of currency."""

    bin_quantity_max: int | None = None
    bin_value_max: int | None = None
    session_value_max: int | None = None

    def refuse_bin(self, differences: Iterable[tuple[str, int]], costs: Mapping[str, Cost]) -> None:
        """Refuse a posting of these (item, difference) that is more than the person may approve."""
        found = [(item, abs(size)) for item, size in differences if size]
        if self.bin_quantity_max is not None and sum(size for _, size in found) > self.bin_quantity_max:
            raise Rejected(f"this bin differs by more than the {self.bin_quantity_max} you may approve: ask another")
        if self.bin_value_max is not None and gross_value(found, costs) > self.bin_value_max:
            raise Rejected("this bin differs by more value than you may approve: ask another person")

    def refuse_session(self, before: int, differences: Iterable[tuple[str, int]], costs: Mapping[str, Cost]) -> None:
        """The same for all that the person approved in a session; `before`: the value so far."""
        if self.session_value_max is None:
            return
        if before + gross_value(((item, abs(size)) for item, size in differences), costs) > self.session_value_max:
            raise Rejected(
                "with this bin you would approve more value in this count than you may: ask another person"
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force."""

    reasons: tuple[Reason, ...] = REASONS
    everyone: Limits = field(default_factory=Limits)
    approvers: Mapping[str, Limits] = field(default_factory=dict)
    quantity_asked: int = QUANTITY_ASKED

    def limits_of(self, actor: Actor) -> Limits:
        return self.approvers.get(str(actor), self.everyone)

    def reason(self, code: str, difference: int) -> str:
        """The code, or `Rejected` when nobody configured it or it does not explain a difference of this sign."""
        known = next((each for each in self.reasons if each.code == code), None)
        if known is None:
            raise Rejected(f"{code} is not a reason here: expected {', '.join(each.code for each in self.reasons)}")
        if difference and not known.explains(difference):
            raise Rejected(f"{code} explains {'more' if known.direction == PLUS else 'less'} than expected, not this")
        return code


def gross_value(sizes: Iterable[tuple[str, int]], costs: Mapping[str, Cost]) -> int:
    """The value of differences without regard to their sign. What has no cost is worth more than any limit."""
    return sum((costs[item].of(size) if item in costs else QUANTITY_MAX) for item, size in sizes if size)


def value_of(lines: Iterable[Compared], costs: Mapping[str, Cost]) -> int:
    """The gross value of count lines; lines without a cost add nothing. For reports, never for limits."""
    return sum(costs[line.item].of(abs(line.difference)) for line in lines if line.item in costs)


def policy(connection: Connection) -> Policy:
    """The policy in force. `Unavailable` when the hub sent one that this program cannot read: nothing is approved."""
    said = streams.get(connection, STREAM, KEY)
    if said is None:
        return Policy()
    try:
        return _read(said)
    except (Rejected, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"the hub's policy for counts cannot be read: {error}") from error


def _read(said: Any) -> Policy:
    unknown = set(said) - {"reasons", "approval", "approvers", "quantity_asked"}
    if unknown:
        raise Rejected(f"it says {sorted(unknown)[0]!r}, which this program does not know")
    reasons: tuple[Reason, ...] = REASONS
    if "reasons" in said:
        reasons = tuple(
            Reason(reason_code(code), str(words), _direction(way)) for code, words, way in said["reasons"]
        )
    if all(each.code != RELOCATED for each in reasons):
        reasons += (next(each for each in REASONS if each.code == RELOCATED),)
    return Policy(
        reasons,
        _limits(said.get("approval", {})),
        {str(Actor.parse(actor)): _limits(limits) for actor, limits in said.get("approvers", {}).items()},
        _whole(said.get("quantity_asked", QUANTITY_ASKED)),
    )


def _limits(said: Any) -> Limits:
    return Limits(**{name: _whole(value) for name, value in said.items()})


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Rejected(f"{value!r} is not a whole number from 0")
    return value


def _direction(way: Any) -> str:
    if way not in (PLUS, MINUS, BOTH):
        raise Rejected(f"{way!r} is not a direction: expected plus, minus or both")
    return str(way)
