"""The signing mark: what is taken is what is read, and damage of any kind is noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import seams
from ledger.errors import Corrupt, Invalid
from ledger.seams import DiskStorage
from node import mark
from node.mark import Mark

SAMPLE = Mark("acme/site/oslo/1", 812, bytes(range(32)), 1_700_000_000, b"\xa1\x01\x02", 9_000)

marks = st.builds(
    Mark,
    origin=st.text(max_size=80),
    height=st.integers(0, 2**63),
    hash=st.binary(min_size=32, max_size=32),
    time_s=st.integers(0, 2**40),
    meta=st.binary(max_size=300),
    sequence=st.integers(0, 2**63),
)


@given(marks)
def test_a_mark_reads_back_to_the_same(one: Mark) -> None:
    assert Mark.decode(one.encode()) == one


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    raw = SAMPLE.encode()
    for at in range(len(raw) * 8):
        damaged = bytearray(raw)
        damaged[at // 8] ^= 1 << at % 8
        with pytest.raises(Invalid):
            Mark.decode(bytes(damaged))
    for length in range(len(raw)):
        with pytest.raises(Invalid):
            Mark.decode(raw[:length])
    with pytest.raises(Invalid):
        Mark.decode(raw + b"\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_mark_or_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        Mark.decode(raw)


def test_it_is_taken_and_read(tmp_path: Path) -> None:
    path = tmp_path / "signing.mark"
    mark.take(path, SAMPLE, DiskStorage())
    assert mark.read(path) == SAMPLE
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing_linked_or_damaged_means_no_signature(tmp_path: Path) -> None:
    path = tmp_path / "signing.mark"
    with pytest.raises(Corrupt, match="cannot be read"):
        mark.read(path)
    mark.take(path, SAMPLE, DiskStorage())
    os.symlink(path, tmp_path / "link")
    with pytest.raises(Corrupt, match="cannot be read"):
        mark.read(tmp_path / "link")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(Corrupt, match="damaged"):
        mark.read(path)


@pytest.mark.parametrize("where", ["mark.before", "mark.taken"])
def test_a_death_around_it_leaves_the_old_or_the_new_one(tmp_path: Path, where: str) -> None:
    path = tmp_path / "signing.mark"
    mark.take(path, SAMPLE, DiskStorage())
    later = Mark("acme/site/oslo/1", 813, bytes(32), 1_700_000_001, b"", 9_001)

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint(where, die)
    with pytest.raises(seams.Killed):
        mark.take(path, later, DiskStorage())
    assert mark.read(path) == (SAMPLE if where == "mark.before" else later)
