"""What the hub decides about the work at its sites: entries of the policy stream, as hub and node both read them.

`counting`: `reasons` [[code, words, direction]], `approval` {limit: number} for everyone, `approvers` {person:
{limit: number}} over it, `quantity_asked`, `rule` {limit: number} for counts whose opener names no limit of that
name, `blind` (true: no sheet shows quantities). `stock`: {act: {"quantity_max": base units, "value_max": minor units
of currency}} for what one person may do of an item in a day, and `document_quantity_max` and `document_value_max` for
all lines of one document. `receipts`: `over_percent`, how much more than expected is taken without a reason, 0 to
100, and `suppliers` {supplier: the same for it}. `retention`: `notes_days`, `attachments_days` and `names_days`, how
long free texts, photos and files, and the names of people whose rights have ended are kept (without a number: for
good), and `hold`, in words why nothing at all is erased now. What an entry leaves out is as below. (product.md,
Counting, Roles, Other floor work, People's data)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import spelling
from ledger.counts import Compared, Cost, Rule
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import Actor
from ledger.moves import QUANTITY_MAX
from ledger.settings import DAY_MS
from ledger.wording import shown

COUNTING, STOCK, RECEIPTS, RETENTION = "counting", "stock", "receipts", "retention"
ADJUST, BLIND_RECEIPT, LOOSE_ISSUE = "adjust", "blind-receipt", "issue-without-order"
DAY_ACTS = (ADJUST, BLIND_RECEIPT, LOOSE_ISSUE)
PLUS, MINUS, BOTH = "plus", "minus", "both"
RELOCATED = "relocated"
# From this many base units on (times ten for each decimal of the item) a quantity is asked back.
QUANTITY_ASKED = 10_000
PERCENT_MAX = 100
DAYS_MAX = 36_500
HOLD_CHARS_MAX = 200


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
class Counting:
    """The policy of counts in force. `rule`: the limits that it has a word on; `blind`: no sheet shows quantities."""

    reasons: tuple[Reason, ...] = REASONS
    everyone: Limits = field(default_factory=Limits)
    approvers: Mapping[str, Limits] = field(default_factory=dict)
    quantity_asked: int = QUANTITY_ASKED
    rule: Mapping[str, object] = field(default_factory=dict)
    blind: bool = False

    def rule_of(self, wished: Mapping[str, object]) -> Rule:
        """The rule of a count: what its opener wished, the policy's limits where they wished nothing."""
        return Rule.parse({**self.rule, **wished})

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


@dataclass(frozen=True, slots=True)
class DayLimit:
    """How much one person may do: of an item in a day, and in one document of all its items together, gross. Base
    units, and value in minor units of currency; None is no limit."""

    quantity_max: int | None = None
    value_max: int | None = None
    document_quantity_max: int | None = None
    document_value_max: int | None = None


@dataclass(frozen=True, slots=True)
class Receipts:
    """How much more than expected is taken without a reason, in hundredths, of everyone and of suppliers by name."""

    over_percent: int = 0
    suppliers: Mapping[str, int] = field(default_factory=dict)

    def over(self, supplier: str) -> int:
        return self.suppliers.get(supplier, self.over_percent)


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days each class of what people wrote, took or are called is kept; None is for good. `hold`: in words
    why nothing is erased, by age or by hand (a legal hold); "" without one."""

    notes_days: int | None = None
    attachments_days: int | None = None
    names_days: int | None = None
    hold: str = ""

    def before_ms(self, days: int | None, now_ms: int) -> int:
        """What is older than this moment has been kept long enough; 0 when nothing has."""
        return 0 if days is None or self.hold else max(0, now_ms - days * DAY_MS)

    def need_no_hold(self) -> None:
        """Raises `Rejected` while nothing may be erased."""
        if self.hold:
            raise Rejected(f"a legal hold is in force ({self.hold}): nothing is erased until it ends")


def counting(said: Any) -> Counting:
    """The entry `counting`; raises `Rejected` for what this program does not know or cannot be."""
    said = _table(said, "the policy", ("reasons", "approval", "approvers", "quantity_asked", "rule", "blind"))
    reasons: tuple[Reason, ...] = REASONS
    if "reasons" in said:
        if not isinstance(said["reasons"], list):
            raise Rejected(f"reasons is {shown(said['reasons'])}: expected a list")
        reasons = tuple(_reason(entry) for entry in said["reasons"])
    if all(each.code != RELOCATED for each in reasons):
        reasons += (next(each for each in REASONS if each.code == RELOCATED),)
    approvers = _table(said.get("approvers", {}), "approvers")
    rule, blind = said.get("rule", {}), said.get("blind", False)
    if type(blind) is not bool:
        raise Rejected(f"blind is {shown(blind)}: expected true or false")
    Rule.parse(_table(rule, "rule"))
    return Counting(
        reasons,
        _limits(said.get("approval", {}), "approval"),
        {str(Actor.parse(actor)): _limits(limits, actor) for actor, limits in approvers.items()},
        _whole(said.get("quantity_asked", QUANTITY_ASKED)),
        dict(rule),
        blind,
    )


def stock(said: Any) -> dict[str, DayLimit]:
    """The entry `stock`: limits by act; raises `Rejected` likewise."""
    said = _table(said, "the policy", DAY_ACTS)
    found = {act: DayLimit(**_table(limits, act, DayLimit.__slots__)) for act, limits in said.items()}
    for limit in found.values():
        for value in (getattr(limit, name) for name in DayLimit.__slots__):
            if value is not None and _whole(value) > QUANTITY_MAX:
                raise Rejected(f"{shown(value)} is more than any limit: expected at most {QUANTITY_MAX}")
    return found


def receipts(said: Any) -> Receipts:
    """The entry `receipts`; raises `Rejected` likewise."""
    said = _table(said, "the policy", ("over_percent", "suppliers"))
    suppliers = _table(said.get("suppliers", {}), "suppliers")
    found = Receipts(said.get("over_percent", 0), dict(suppliers))
    for percent in (found.over_percent, *found.suppliers.values()):
        if _whole(percent) > PERCENT_MAX:
            raise Rejected(f"{shown(percent)} percent is more than twice as much: expected 0 to {PERCENT_MAX}")
    return found


def retention(said: Any) -> Retention:
    """The entry `retention`; raises `Rejected` likewise."""
    said = _table(said, "the policy", Retention.__slots__)
    hold = said.get("hold", "")
    if not isinstance(hold, str) or len(hold) > HOLD_CHARS_MAX:
        raise Rejected(f"hold is {shown(hold)}: expected why, in up to {HOLD_CHARS_MAX} characters")
    days = {name: said[name] for name in Retention.__slots__ if name != "hold" and name in said}
    for name, value in days.items():
        if not 1 <= _whole(value) <= DAYS_MAX:
            raise Rejected(f"{name} is {value}: expected 1 to {DAYS_MAX}, or nothing to keep them for good")
    return Retention(**days, hold=spelling.name(hold) if hold else "")


READERS: Mapping[str, Callable[[Any], object]] = {
    COUNTING: counting,
    STOCK: stock,
    RECEIPTS: receipts,
    RETENTION: retention,
}


def read(name: str, said: Any) -> Any:
    """An entry by its name, as a value of this module; raises `Rejected` for one that cannot be read."""
    if name not in READERS:
        raise Rejected(f"{name!r} is no policy: expected {' or '.join(READERS)}")
    return READERS[name](said)


def _table(said: Any, what: str, known: Sequence[str] | None = None) -> Mapping[str, Any]:
    """`said` as a table with these names alone, any name without `known`."""
    if not isinstance(said, Mapping):
        raise Rejected(f"{what} is {shown(said)}: expected a table" + (f" of {', '.join(known)}" if known else ""))
    for name in said:
        if not isinstance(name, str) or (known is not None and name not in known):
            raise Rejected(f"{what} says {shown(name)}: expected {', '.join(known or ('names',))}")
    return said


def _reason(entry: Any) -> Reason:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise Rejected(f"a reason is {shown(entry)}: expected its code, its words, and plus, minus or both")
    code, words, way = entry
    return Reason(reason_code(code), str(words), _direction(way))


def _limits(said: Any, what: str) -> Limits:
    named = _table(said, what, Limits.__slots__)
    return Limits(**{name: _whole(value) for name, value in named.items()})


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Rejected(f"{shown(value)} is not a whole number from 0")
    return value


def _direction(way: Any) -> str:
    if way not in (PLUS, MINUS, BOTH):
        raise Rejected(f"{shown(way)} is not a direction: expected plus, minus or both")
    return str(way)
