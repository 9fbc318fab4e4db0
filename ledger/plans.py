"""Which bins a count covers: a pure function of a rule and of the stock at one height, for anyone to derive again.

A `Scope` says what is looked for, a `Picture` what the chain held at a height, and `planned` gives the bins. What the
chain does not hold (the ABC class of an item) is resolved into items first, and the resolved scope is what counts. A
random sample is drawn by a seed that is named beside the plan. (product.md, Counting 1)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache

from ledger.codec import cbor_decode, cbor_encode
from ledger.control import BIN, CLOSED, UNIT
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId

COUNTED_BINS = (BIN, CLOSED)  # a closed bin takes nothing in, but it can be emptied and counted
SEED_BYTES = 32
# The kind of note by which the hub sends a secret that one sample is drawn from: `subject` is the secret, `document`
# the session whose rule was sealed before (its op_id as a word), or zeros when it was sent ahead, for any.
NONCE = "count-nonce"
# Who chose the seed of a sample, and when: the hub after the rule was sealed, the hub before, or the site itself. The
# first two are followed by ":" and the op_id of the note.
HUB_AFTER, HUB_BEFORE, BY_SITE = "hub-after", "hub-before", "site-chosen"
# The part of a session's op_id under which the bins of its sample are recorded, once they are drawn.
DRAWN = 1_006


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a plan looks for; everything that is set has to hold.

    `areas`: the bin lies in one of them, or is one of them. `items`, `abc`: the books have one of these items there,
    by code or by class. `not_counted_since_s`: no whole count of it was posted from that second on.
    `expiring_before`: the books have a lot there that expires before this date. `empty`: the books have nothing there
    (a zero-check). `suspect`: something could not be booked there, and nobody has counted since. `most`: this many,
    the longest uncounted first. `sample`: this many of all that fits, drawn by the seed. `whole`: count all of the
    bin; otherwise only the items that were looked for.
    """

    areas: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    abc: tuple[str, ...] = ()
    not_counted_since_s: int | None = None
    expiring_before: str = ""
    empty: bool = False
    suspect: bool = False
    most: int | None = None
    sample: int | None = None
    whole: bool = True

    def __post_init__(self) -> None:
        if self.sample is not None and self.most is not None:
            raise Rejected("a plan is a sample or the longest uncounted, not both")
        if self.empty and self.looks_for_stock:
            raise Rejected("a bin without stock holds none of these items: plan the two apart")
        if not self.whole and not self.looks_for_stock:
            raise Rejected("only some items of each bin: say which items, classes or expiry dates")

    @property
    def looks_for_stock(self) -> bool:
        return bool(self.items or self.abc or self.expiring_before)

    def as_json(self) -> dict[str, object]:
        """The scope with what is not set left out: the same scope has one writing."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {
            name: value for name, value in values.items() if value not in (None, [], "", False) or name == "whole"
        }

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Scope:
        """The inverse of `as_json`; raises `Invalid` for what it never writes."""
        try:
            named = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
            scope = cls(**named)  # type: ignore[arg-type]
        except (TypeError, Rejected) as error:
            raise Invalid(f"this is no rule of a count: {error}") from error
        listed = (scope.areas, scope.items, scope.abc)
        numbers = (scope.not_counted_since_s, scope.most, scope.sample)
        flags = (scope.empty, scope.suspect, scope.whole)
        if (
            not all(type(each) is tuple and _are_texts(each) for each in listed)
            or not all(each is None or type(each) is int for each in numbers)
            or not all(type(each) is bool for each in flags)
            or type(scope.expiring_before) is not str
        ):
            raise Invalid("this is no rule of a count")
        return scope

    def resolved(self, classes: Mapping[str, str]) -> Scope:
        """The scope with its classes as items; `classes`: item to class."""
        if not self.abc:
            return self
        found = {sku for sku, letter in classes.items() if letter in self.abc}
        items = found & set(self.items) if self.items else found
        if not items:
            raise Rejected(f"no item is of class {' or '.join(self.abc)}" + (" among these" if self.items else ""))
        return replace(self, items=tuple(sorted(items)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the chain held at a height. `places`: location to (kind, the location it lies in); `stock`: bin to the
    (item, lot) pairs there; `counted_s`: bin to when its newest posted whole count was recorded; `expiries`: (item,
    lot) to ISO date."""

    height: int
    places: Mapping[str, tuple[int, str]]
    stock: Mapping[str, frozenset[tuple[str, str]]]
    counted_s: Mapping[str, int]
    suspects: frozenset[str]
    expiries: Mapping[tuple[str, str], str]

    def bins(self, areas: Iterable[str] = ()) -> Iterator[str]:
        """The bins and the handling units with goods in these areas (all, when none is named), in the order of their
        codes."""
        wanted = set(areas)
        # A thousand bins lie in one hall: which areas it lies in itself is looked at once.
        within = cache(lambda code: not wanted.isdisjoint(self._upwards(code)))
        for code in sorted(self.places):
            if self._is_counted(code) and (not wanted or code in wanted or within(self.places[code][1])):
                yield code

    def _is_counted(self, code: str) -> bool:
        kind = self.places[code][0]
        return kind in COUNTED_BINS or (kind == UNIT and code in self.stock)

    def holding(self) -> frozenset[str]:
        """Every place in which goods stand, directly or on a unit in it."""
        return frozenset(place for code in self.stock for place in self._upwards(code))

    def _upwards(self, code: str) -> Iterator[str]:
        seen: set[str] = set()
        while code in self.places and code not in seen:
            yield code
            seen.add(code)
            code = self.places[code][1]


@dataclass(frozen=True, slots=True)
class Planned:
    """One bin of a plan. `items`: empty for the whole bin."""

    bin: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the document of a planned count says, whose SHA-256 the call on the chain names.

    `rule`: `Scope.as_json`, empty when somebody named the bins; `height`: the block it looks at, in the numbers of
    its own incarnation; `seed`, `seed_from`: of a sample; `bins`: what is counted; `busy`: bins that the rule gives
    and that were in another count. A plan that `asks` is the first of two: it fixes the rule, and the bins follow in
    a second one, once the hub has sent the secret of the draw.
    """

    session: OpId
    rule: Mapping[str, object]
    height: int
    seed: bytes = b""
    seed_from: str = ""
    bins: tuple[Planned, ...] = ()
    busy: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        return self.seed_from == HUB_AFTER

    def encode(self) -> bytes:
        """Deterministic CBOR [session, rule, height, seed, seed_from, [[bin, [item]]], [busy bin]]."""
        chosen = [[each.bin, list(each.items)] for each in sorted(self.bins, key=lambda each: each.bin)]
        return cbor_encode(
            [self.session.raw, dict(self.rule), self.height, self.seed, self.seed_from, chosen, list(self.busy)]
        )

    @classmethod
    def decode(cls, raw: bytes) -> Plan:
        """The inverse of `encode`; raises `Invalid`."""
        try:
            session, rule, height, seed, seed_from, chosen, busy = cbor_decode(raw, depth_max=6)
            plan = cls(
                session=OpId(session),
                rule=rule,
                height=height,
                seed=seed,
                seed_from=seed_from,
                bins=tuple(Planned(bin_, tuple(items)) for bin_, items in chosen),
                busy=tuple(busy),
            )
            exact = plan.encode() == raw
        except (Rejected, TypeError, ValueError, AttributeError) as error:
            raise Invalid(f"this is no plan of a count: {error}") from error
        texts = (plan.seed_from, *plan.busy, *(text for each in plan.bins for text in (each.bin, *each.items)))
        if not exact or not _are_texts(texts) or type(plan.height) is not int or type(plan.seed) is not bytes:
            raise Invalid("this is no plan of a count")
        return plan


def _are_texts(values: Iterable[object]) -> bool:
    return all(type(each) is str for each in values)


def seed_of(secret: bytes, session: OpId) -> bytes:
    """The seed by which the sample of a session is drawn, from a secret that nobody knew when its rule was sealed."""
    return hashlib.sha256(secret + session.raw).digest()


def planned(scope: Scope, picture: Picture, seed: bytes = b"") -> tuple[Planned, ...]:
    """The bins of a plan in the order of their codes. The same arguments give the same bins, for ever."""
    for area in scope.areas:
        if area not in picture.places:
            raise Rejected(f"{area!r} is no area or bin here: check its code")
    holding = picture.holding() if scope.empty else frozenset()
    found = {
        each.bin: each
        for bin_ in picture.bins(scope.areas)
        if not (scope.empty and bin_ in holding) and (each := _fits(scope, picture, bin_)) is not None
    }
    codes: list[str] = list(found)
    if scope.most is not None:
        codes = sorted(codes, key=lambda bin_: (picture.counted_s.get(bin_, -1), bin_))[: scope.most]
    if scope.sample is not None:
        codes = drawn(codes, seed, scope.sample)
    return tuple(found[bin_] for bin_ in sorted(codes))


def drawn(codes: Iterable[str], seed: bytes, count: int) -> list[str]:
    """`count` of the codes, by the order of SHA-256(seed ‖ code): whoever chooses neither can foresee the draw."""
    if len(seed) != SEED_BYTES:
        raise Rejected("a sample is drawn by a seed of 32 bytes")
    return sorted(codes, key=lambda code: hashlib.sha256(seed + code.encode()).digest())[:count]


def _fits(scope: Scope, picture: Picture, bin_: str) -> Planned | None:
    held = picture.stock.get(bin_, frozenset())
    wanted = {
        item
        for item, lot in held
        if (not (scope.items or scope.abc) or item in scope.items)
        and (not scope.expiring_before or _expires(picture, item, lot, scope.expiring_before))
    }
    fits = (
        (not scope.looks_for_stock or bool(wanted))
        and (not scope.suspect or bin_ in picture.suspects)
        and (scope.not_counted_since_s is None or picture.counted_s.get(bin_, -1) < scope.not_counted_since_s)
    )
    if not fits:
        return None
    return Planned(bin_, () if scope.whole else tuple(sorted(wanted)))


def _expires(picture: Picture, item: str, lot: str, before: str) -> bool:
    day = picture.expiries.get((item, lot), "")
    return bool(day) and day < before
