"""Every reason which the site's contracts can give, each brought about at least once."""

from __future__ import annotations

import re

import pytest

from contracts.build import SOURCES
from tests.contracts import (
    refusals_books,
    refusals_goods,
    refusals_people,
    refusals_rules,
    refusals_stock,
    refusals_units,
)
from tests.contracts.refusal import REFUSALS, Act
from tests.contracts.shop import Shop

CONTRACTS = ("StockLedger", "InventoryManager", "UserRegistry", "AuditLogger")
# Importing them writes their cases down.
CASES = (refusals_stock, refusals_books, refusals_rules, refusals_goods, refusals_units, refusals_people)


def reasons_in(contract: str) -> set[str]:
    source = (SOURCES / f"{contract}.vy").read_text(encoding="utf-8")
    return set(re.findall(r'(?:assert [^\n]*|raise )"([^"]+)"\n', source))


def test_every_reason_is_brought_about() -> None:
    assert {(name, reason) for name in CONTRACTS for reason in reasons_in(name)} == set(REFUSALS)


@pytest.mark.parametrize(
    ("reason", "act"),
    [
        pytest.param(reason, act, id=f"{name}-{act.__name__}")
        for (name, reason), acts in REFUSALS.items()
        for act in acts
    ],
)
def test_it_is_refused_for_this_reason_without_a_trace(shop: Shop, reason: str, act: Act) -> None:
    result = act(shop)
    assert (result.ok, result.reason) == (False, reason)
    assert result.events == []
