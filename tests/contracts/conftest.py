"""A fresh site for each test, with the same items, places and people."""

from __future__ import annotations

import pytest

from tests.contracts.shop import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop.open()
