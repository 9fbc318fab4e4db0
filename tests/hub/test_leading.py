"""Several processes of one hub on one PostgreSQL: any takes blocks and verifies, one logs, signs and anchors."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.auditing import Auditor
from hub.hub import Hub
from ledger.clock import ManualClock
from tests.hub import chains, sitekit
from tests.hub.sitekit import Site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def anvil() -> Iterator[chains.Anvil]:
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    with chains.anvil() as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path, clock: ManualClock, postgres_server: str, anvil: chains.Anvil) -> Iterator[tuple[Hub, Hub]]:
    """Two open hubs with the same keys, in folders of their own."""
    import psycopg

    name = f"pair_{tmp_path.name[-8:].replace('-', '_')}"
    with psycopg.connect(postgres_server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    values = {"chain.kind": "rpc", "chain.url": anvil.url, "chain.confirmations": 0}
    sitekit.found_hub(tmp_path / "one", deploy=True, database=f"{postgres_server}/{name}", **values)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = sitekit.open_hub(tmp_path / "one", clock), sitekit.open_hub(tmp_path / "two", clock, seed=3)
    one.import_items(sitekit.ITEMS)
    yield one, two
    for hub in (one, two):
        hub.close()


def _leads_soon(hub: Hub) -> bool:
    """The server ends a session in its own time."""
    return any(hub.store.leads() or time.sleep(0.05) for _ in range(100))


def _logged(hub: Hub) -> int:
    with hub.store.read() as session:
        return int(session.value("SELECT count(*) FROM log"))


def _anchors(hub: Hub) -> list[str]:
    with hub.store.read() as session:
        return [row["state"] for row in session.all("SELECT state FROM anchors ORDER BY sequence")]


def test_one_of_two_hubs_leads_and_the_other_takes_over(
    pair: tuple[Hub, Hub], clock: ManualClock, tmp_path: Path
) -> None:
    one, two = pair
    one.settle()
    oslo = Site(one, "oslo", clock)
    oslo.furnish()
    oslo.receive(10)
    oslo.hub = two  # whichever answers
    oslo.deliver()
    two.verify()
    size = _logged(one)
    assert two.sites()[0].verified == oslo.chain.size
    two.settle()
    assert _logged(one) == size and two.anchor(now=True) == "" and _anchors(two) == []
    one.settle()
    assert _logged(one) > size
    assert one.anchor_now()["size"] == _logged(one) and _anchors(two) == ["final"]
    two.settle()
    assert two.anchor(now=True) == "" and two.troubles == {}
    one.close()
    assert _leads_soon(two)
    oslo.receive(5)
    oslo.deliver()
    two.verify()
    two.settle()
    assert two.anchor_now()["size"] == _logged(two) > size and _anchors(two) == ["final", "final"]
    assert two.discrepancies() == []
    folder = tmp_path / "audit"
    folder.mkdir()
    auditor = Auditor(two.store, two.config, two.keys.control.address, two.keys.log.verify_key, two.heads.get)
    assert auditor.run(folder, 1).complaints == []


def test_who_loses_the_database_leads_no_more(pair: tuple[Hub, Hub], clock: ManualClock) -> None:
    one, two = pair
    assert one.store.leads() and not two.store.leads() and one.store.leads()
    with two.store.write() as session:
        session.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    " AND pid <> pg_backend_pid()")  # fmt: skip
    assert _leads_soon(two) and not one.store.leads()
    two.close()
    assert _leads_soon(one)


def test_a_hub_on_sqlite_is_alone(tmp_path: Path, clock: ManualClock) -> None:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as hub:
        assert hub.store.leads()
