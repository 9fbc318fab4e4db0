"""The store promises the same on both databases: all or nothing, compare-and-swap, migrations once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hub import schema
from hub import store as stores
from hub.store import Store
from ledger import db, seams
from ledger.errors import Corrupt, Rejected


def _site(store: Store, name: str) -> None:
    with store.write() as session:
        session.run("INSERT INTO sites VALUES (:site, :site, 5, 6)", site=name)


def _sites(store: Store) -> list[str]:
    with store.read() as session:
        return [row["site"] for row in session.all("SELECT site FROM sites ORDER BY site")]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    _site(store, "oslo")
    with pytest.raises(RuntimeError), store.write() as session:
        session.run("INSERT INTO sites VALUES ('bergen', 'x', 5, 6)")
        raise RuntimeError("power")
    assert _sites(store) == ["oslo"]


def test_a_kill_before_the_commit_leaves_nothing(store: Store) -> None:
    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint("hub.before_commit", die)
    with pytest.raises(seams.Killed):
        _site(store, "oslo")
    seams.disarm_failpoints()
    assert _sites(store) == []
    _site(store, "oslo")
    assert _sites(store) == ["oslo"]


def test_nested_writes_join_and_readers_see_only_what_is_committed(store: Store) -> None:
    with store.write() as outer:
        outer.run("INSERT INTO sites VALUES ('a', 'x', 5, 6)")
        _site(store, "b")
        assert _sites(store) == []
        assert outer.value("SELECT count(*) FROM sites") == 2
    assert _sites(store) == ["a", "b"]


def test_compare_and_swap_tells_who_lost(store: Store) -> None:
    with store.write() as session:
        session.run("INSERT INTO streams VALUES ('users', '', 1, 7)")
    change = "UPDATE streams SET sequence = sequence + 1 WHERE stream = 'users' AND sequence = :seen"
    with store.write() as session:
        assert session.run(change, seen=7) == 1
        assert session.run(change, seen=7) == 0


def test_values_come_back_as_they_went_in(store: Store) -> None:
    body = bytes(range(256)) * 300
    row = {"origin": "acme/site/oslo/1", "height": 2**62, "hash": b"\0" * 32, "body": body, "received_ms": 3}
    with store.write() as session:
        session.insert("blocks", [row, {**row, "height": 1}])
        assert session.one("SELECT * FROM blocks WHERE height = :height", height=2**62) == row
        assert session.all("SELECT height FROM blocks ORDER BY height") == [{"height": 1}, {"height": 2**62}]
        assert session.one("SELECT * FROM blocks WHERE height = 5") is None


def test_a_sum_beyond_64_bits_is_refused_and_never_rounded(store: Store) -> None:
    most = {"stream": "users", "site": "", "generation": 1, "sequence": 2**63 - 1}
    with store.write() as session:
        session.insert("streams", [most])
    with pytest.raises(Corrupt), store.write() as session:
        session.run("UPDATE streams SET sequence = sequence + 1")
    with store.read() as session:
        assert session.one("SELECT * FROM streams") == most


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises((Corrupt, stores.Unavailable)), store.read() as session:
        session.run("INSERT INTO sites VALUES ('a', 'x', 5, 6)")


def test_writers_in_threads_take_turns(store: Store) -> None:
    with store.write() as session:
        session.run("INSERT INTO streams VALUES ('users', '', 1, 0)")

    def add() -> None:
        for _ in range(10):
            with store.write() as session:
                seen = session.value("SELECT sequence FROM streams")
                session.run("UPDATE streams SET sequence = :next", next=seen + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        assert session.value("SELECT sequence FROM streams") == 40


def test_migrations_run_once_and_survive_a_kill_at_each_step(database_url: str) -> None:
    died = 0

    def die(name: str) -> None:
        nonlocal died
        died += 1
        raise seams.Killed(name)

    seams.arm_failpoint("hub.migrated", die)
    with pytest.raises(seams.Killed):
        stores.create(database_url, now_ms=1)
    for _ in schema.STEPS[1:]:
        with pytest.raises(seams.Killed):
            stores.open_store(database_url, now_ms=2)
    seams.disarm_failpoints()
    store = stores.open_store(database_url, now_ms=3)
    with store.read() as session:
        steps = [row["step"] for row in session.all("SELECT step FROM schema_steps ORDER BY step")]
    assert steps == list(range(1, len(schema.STEPS) + 1)) and died == len(schema.STEPS)
    store.close()


def test_init_never_overwrites_and_a_newer_database_is_refused(database_url: str) -> None:
    store = stores.create(database_url, now_ms=1)
    with pytest.raises(Rejected, match=r"already|exists"):
        stores.create(database_url, now_ms=2)
    with store.write() as session:
        session.run("INSERT INTO schema_steps VALUES (:step, 9)", step=len(schema.STEPS) + 1)
    store.close()
    with pytest.raises(Rejected, match="newer program"):
        stores.open_store(database_url, now_ms=3)


def test_what_is_no_hub_database_is_refused(tmp_path: Path) -> None:
    for url in ("", "mysql://x/y", "sqlite://", f"sqlite:///{tmp_path}/missing.db"):
        with pytest.raises(Rejected):
            stores.open_store(url, now_ms=1)
    db.create(tmp_path / "empty.db").close()
    with pytest.raises(Rejected, match="init"):
        stores.open_store(f"sqlite:///{tmp_path}/empty.db", now_ms=1)
