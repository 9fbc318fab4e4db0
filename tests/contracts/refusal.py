"""How a refusal is written down: a function that brings it about, marked with who refuses and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import calls
from ledger.words import struct
from tests.contracts.kit import Result, line
from tests.contracts.shop import FAR, Shop

Act = Callable[[Shop], Result]
REFUSALS: dict[tuple[str, str], list[Act]] = {}
BOLT = line("BOLT", 1, "SUPPLIER", "A")
ZERO = bytes(32)


def refusal(contract: str, reason: str) -> Callable[[Act], Act]:
    """Marks a function whose result is refused by that contract for that reason."""

    def keep(act: Act) -> Act:
        REFUSALS.setdefault((contract, reason), []).append(act)
        return act

    return keep


def receive(shop: Shop, *lines: calls.Line, **given: Any) -> Result:
    return shop.do(calls.Receive(actor=shop.ann.actor, lines=lines), **given)


def move(shop: Shop, *lines: calls.Line) -> Result:
    return shop.do(calls.Move(actor=shop.ann.actor, lines=lines))


def adjust(shop: Shop, *lines: calls.Line) -> Result:
    return shop.do_approved(calls.Adjust(actor=shop.ann.actor, lines=lines), shop.bob)


def tally(shop: Shop, *lines: calls.Counted, bin_: str = "A") -> Result:
    call = calls.RecordCount(
        actor=shop.cid.actor, session=FAR, bin=bin_, round=0, opened=0, whole=True, scans=ZERO, lines=lines
    )
    return shop.do(call)


def from_writer(shop: Shop, method: str, types: list[str], *values: Any, sender: bytes | None = None) -> Result:
    return shop.direct(sender or shop.contracts.manager, shop.contracts.ledger, method, types, *values)


def from_registry(shop: Shop, method: str, row: Any) -> Result:
    kind = struct(type(row))
    return shop.direct(shop.contracts.registry, shop.contracts.ledger, method, [f"{kind.abi}[]"], [kind.to_abi(row)])


def raw(value: Any) -> tuple[Any, ...]:
    return tuple(struct(type(value)).to_abi(value))
