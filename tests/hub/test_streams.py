"""Streams down: any reader, however far behind or ahead, ends with the same table."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import store as hub_store
from hub import streams
from hub.store import Session, Store
from ledger.errors import Rejected
from ledger.ids import Origin
from sync.messages import Delta

OSLO = Origin("acme", "oslo", 1)
ROME = Origin("acme", "rome", 1)


class Reader:
    """A node's side, in memory."""

    def __init__(self) -> None:
        self.cursors: dict[str, tuple[int, int]] = {}
        self.tables: dict[str, dict[str, Any]] = {}

    def take(self, delta: Delta) -> None:
        table = self.tables.setdefault(delta.stream, {})
        generation, sequence = self.cursors.get(delta.stream, (0, 0))
        if delta.reset:
            table.clear()
        else:
            assert (generation, sequence) in ((delta.generation, delta.start), (0, 0))
        for key, value in delta.operations:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        self.cursors[delta.stream] = (delta.generation, delta.end)

    def read(self, session: Session, origin: Origin = OSLO, most: int = 1000, afresh: bool = False) -> int:
        found = 0
        for delta in streams.deltas(session, origin, self.cursors, afresh=afresh):
            if found == most:
                break
            self.take(delta)
            found += 1
        return found


def test_a_reader_gets_what_changed_and_nothing_twice(store: Store) -> None:
    reader = Reader()
    with store.write() as session:
        streams.put(session, streams.CATALOGUE, "", "A", {"name": "Bolt"})
        streams.put(session, streams.LOCATIONS, "oslo", "BIN-1", {"kind": 1})
        streams.put(session, streams.LOCATIONS, "rome", "BIN-9", {"kind": 1})
        streams.put(session, streams.CONTROL, str(OSLO), "1", {"record": b"r", "signature": b"s"})
        assert reader.read(session) == 3
        assert reader.tables == {
            "catalogue": {"A": {"name": "Bolt"}},
            "locations": {"BIN-1": {"kind": 1}},
            "control": {"1": {"record": b"r", "signature": b"s"}},
        }
        assert reader.read(session) == 0
        streams.put(session, streams.CATALOGUE, "", "A", {"name": "Bolt"})
        assert reader.read(session) == 0, "the same value again is no change"
        assert streams.remove(session, streams.CATALOGUE, "", "A")
        assert not streams.remove(session, streams.CATALOGUE, "", "A")
        assert reader.read(session) == 1
        assert reader.tables["catalogue"] == {}


def test_a_new_generation_and_a_cursor_ahead_of_us_are_resets(store: Store) -> None:
    reader = Reader()
    with store.write() as session:
        streams.put_many(session, streams.CATALOGUE, "", [(f"{n}", n) for n in range(5)])
        reader.read(session)
        streams.restart(session, streams.CATALOGUE, "")
        streams.put(session, streams.CATALOGUE, "", "new", 1)
        (delta,) = streams.deltas(session, OSLO, reader.cursors)
        assert delta.reset and delta.operations == (("new", 1),)
        reader.take(delta)
        assert reader.tables["catalogue"] == {"new": 1}
        reader.cursors["catalogue"] = (reader.cursors["catalogue"][0], 99)
        (delta,) = streams.deltas(session, OSLO, reader.cursors)
        assert delta.reset
        reader.take(delta)
        assert reader.tables["catalogue"] == {"new": 1}
        # A stream that this hub has never heard of is emptied.
        reader.cursors["policy"] = (4, 4)
        (delta,) = streams.deltas(session, OSLO, reader.cursors)
        assert delta.reset and (delta.generation, delta.end) == (0, 0)


def test_long_streams_come_in_steps_that_can_be_cut_anywhere(store: Store) -> None:
    with store.write() as session:
        streams.put_many(session, streams.CATALOGUE, "", [(f"SKU-{n}", {"name": "x" * 300}) for n in range(1500)])
        assert len(list(streams.deltas(session, OSLO, {}))) > 3
        reader = Reader()
        rounds = 0
        while reader.read(session, most=1):
            rounds += 1
            streams.put(session, streams.CATALOGUE, "", f"SKU-{rounds}", {"name": "changed"})
            if rounds > 20:
                break
        reader.read(session)
        assert len(reader.tables["catalogue"]) == 1500
        assert reader.tables["catalogue"]["SKU-1"] == {"name": "changed"}


def test_the_manifest_version_never_falls(store: Store) -> None:
    with store.write() as session:
        first = streams.manifest(session, OSLO, 0, 1000)
        assert streams.manifest(session, OSLO, first.version, 2000) == first
        streams.put(session, streams.POLICY, "oslo", "p", 1)
        second = streams.manifest(session, OSLO, first.version, 3000)
        assert second.version > first.version and second.streams == {"policy": (1, 1)}
        # The site knows more than we do: we were put back from a backup.
        third = streams.manifest(session, OSLO, 50, 4000)
        assert third.version == 51
        # Half of its time is over: a new one is due.
        fourth = streams.manifest(session, OSLO, 51, 3000 + streams.MANIFEST_LASTS_MS)
        assert fourth.version == 52 and fourth.expires_ms > third.expires_ms
        assert streams.manifest(session, ROME, 0, 1).version == 1
        assert streams.manifest(session, OSLO, 2**63 - 1, 1).version == streams.VERSION_MAX


def test_values_and_keys_have_limits(store: Store) -> None:
    with store.write() as session:
        for key, value in (("", 1), ("k" * 129, 1), ("k", None), ("k", b"x" * 40_000)):
            with pytest.raises(Rejected):
                streams.put(session, streams.POLICY, "oslo", key, value)
        with pytest.raises(Rejected):
            streams.scope("gossip", OSLO)


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 5), st.integers(0, 3)),
            st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
            st.tuples(st.just("restart"), st.just(0), st.just(0)),
            st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 1)),
        ),
        max_size=30,
    )
)
def test_every_reader_ends_with_the_hubs_table(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _compare(hub_store.create(f"sqlite:///{folder}/hub.db", now_ms=1), steps)


def _compare(opened: Store, steps: list[tuple[str, int, int]]) -> None:
    model: dict[str, Any] = {}
    readers = [Reader() for _ in range(3)]
    with opened.write() as session:
        for action, number, value in steps:
            if action == "put":
                streams.put(session, streams.POLICY, "oslo", f"k{number}", value)
                model[f"k{number}"] = value
            elif action == "remove":
                streams.remove(session, streams.POLICY, "oslo", f"k{number}")
                model.pop(f"k{number}", None)
            elif action == "restart":
                streams.restart(session, streams.POLICY, "oslo")
                model.clear()
            else:
                readers[number].read(session, afresh=bool(value))
        for reader in readers:
            reader.read(session)
            assert reader.tables.get("policy", {}) == model
    opened.close()
