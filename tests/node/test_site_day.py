"""A day is the site's own: of documents, of what somebody may do in a day, of what has expired."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from node import streams
from node.desk import Person
from tests.node.floor_kit import Stage, actor_of

HOUR_MS = 3_600_000
LOTS = ({"item": "PAINT", "lot": "L1", "quantity": 5, "expiry": "2023-11-14"},)


@pytest.fixture
def utc(stage: Stage) -> Stage:
    """It is 22:13 of 2023-11-14 by UTC, and the site names no time zone."""
    return stage


@pytest.fixture
def oslo(utc: Stage) -> Stage:
    """It is 23:13 there."""
    config = utc.site.config
    utc.site.config = replace(config, web=replace(config.web, time_zone="Europe/Oslo"))
    return utc


def mona(stage: Stage) -> Person:
    """Whatever became of her log-in meanwhile."""
    with stage.site.reading() as connection:
        found = stage.floor.people.with_rights(connection, actor_of("mona"))
    assert found is not None
    return found


def receive(stage: Stage, **more: Any) -> Document:
    op_id: OpId = stage.op()
    body = {"lines": [{"item": "BOLT", "quantity": 6}], "target": "A-01", **more}
    stage.floor.stock.receive(op_id, mona(stage), body)
    with stage.site.reading() as connection:
        row = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op_id.raw,)).fetchone()
    return Document.decode(bytes(row[0]))


def test_a_document_has_the_sites_own_date(oslo: Stage) -> None:
    assert receive(oslo).business_date == "2023-11-14"
    oslo.world.clock.advance(HOUR_MS)
    assert receive(oslo).business_date == "2023-11-15"
    before = oslo.world.clock.now_ms() - HOUR_MS
    assert receive(oslo, occurred_ms=before).business_date == "2023-11-14"


def test_without_a_time_zone_it_is_the_date_by_utc(utc: Stage) -> None:
    utc.world.clock.advance(HOUR_MS)
    assert receive(utc).business_date == "2023-11-14"


def test_the_limit_of_a_day_begins_anew_at_the_sites_midnight(oslo: Stage) -> None:
    with oslo.site.writing() as connection:
        streams.put(connection, "policy", "stock", {"blind-receipt": {"quantity_max": 10}})
    receive(oslo)
    with pytest.raises(Rejected, match="12 of BOLT today"):
        receive(oslo)
    oslo.world.clock.advance(HOUR_MS)
    receive(oslo)
    oslo.world.clock.advance(HOUR_MS)  # the midnight of UTC ends no day there
    with pytest.raises(Rejected, match="12 of BOLT today"):
        receive(oslo)


def test_a_lot_has_expired_when_its_day_is_over_at_the_site(oslo: Stage) -> None:
    receive(oslo, lines=list(LOTS))
    wish = {"order": "SO-1", "lines": [{"item": "PAINT", "quantity": 1}]}
    oslo.floor.picking.open(oslo.op(), mona(oslo), wish)
    oslo.world.clock.advance(HOUR_MS)
    with pytest.raises(Rejected, match="nothing of this order is free"):
        oslo.floor.picking.open(oslo.op(), mona(oslo), {**wish, "order": "SO-2"})
