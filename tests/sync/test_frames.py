"""Frames and bundles: every beginning is useful, every limit holds before memory is spent."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import codec
from ledger.errors import Invalid, Rejected
from sync import bundle, frames
from sync.bundle import make_bundle, read_bundle

ROOMY = bundle.BUNDLE_BYTES_MAX


def sample() -> list[frames.Frame]:
    return [
        frames.make(frames.HELLO, {"origin": "acme/site/oslo/1", "size": 7}),
        frames.make(frames.HEAD, {"old_size": 3, "note": "x" * 300}),
        frames.make(frames.BLOCKS, {"start": 3, "blocks": [bytes(range(200)) * 5, b"b"]}),
        frames.make(frames.HEALTH, {}),
    ]


def test_a_bundle_comes_back_as_it_was_made() -> None:
    read = read_bundle(make_bundle(sample(), ROOMY), frames.UP)
    assert list(read.frames) == sample()
    assert read.complete and not read.failures and not read.dropped_bytes
    assert read.frames[2].body() == {"start": 3, "blocks": [bytes(range(200)) * 5, b"b"]}


def test_cut_at_every_offset_it_gives_the_whole_frames_before_the_cut() -> None:
    data = make_bundle(sample(), ROOMY)
    ends = []
    at = 0
    for frame in sample():
        at += len(frame.encode())
        ends.append(at)
    for cut in range(len(data)):
        read = read_bundle(data[:cut], frames.UP)
        whole = sum(end <= cut for end in ends)
        assert list(read.frames) == sample()[:whole], cut
        assert not read.complete
        assert read.dropped_bytes == cut - ([0, *ends])[whole]


@settings(max_examples=300)
@given(st.data())
def test_a_changed_byte_never_raises_and_never_passes_for_complete(data: st.DataObject) -> None:
    good = make_bundle(sample(), ROOMY)
    place = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    bad = good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :]
    read = read_bundle(bad, frames.UP)
    assert not read.complete
    for frame in read.frames:
        try:
            frame.body()
        except Invalid:
            continue


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_garbage_is_an_empty_or_short_bundle(junk: bytes) -> None:
    for known in (frames.UP, frames.FROM_HUB):
        read_bundle(junk, known)
        read_bundle(b"\x83" + junk, known)


def test_unknown_frames_fail_alone_or_are_skipped() -> None:
    first, *rest = sample()
    strange = frames.make(0x77, {"a": 1})
    polite = frames.make(0x78, {"a": 1}, skippable=True)
    read = read_bundle(make_bundle([first, strange, polite, *rest], ROOMY), frames.UP)
    assert list(read.frames) == sample()
    assert read.complete
    assert [(failure.index, failure.type) for failure in read.failures] == [(1, 0x77)]


def test_an_unknown_packing_fails_only_its_frame() -> None:
    odd = frames.Frame(frames.HEALTH, b"\x00", codec=2)
    read = read_bundle(make_bundle([odd, *sample()], ROOMY), frames.UP)
    assert len(read.frames) == 5
    with pytest.raises(Invalid, match="method 2"):
        read.frames[0].body()


def test_a_bomb_is_stopped_while_it_unpacks() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(frames.UNPACKED_BYTES_MAX * 8)) + packer.flush()
    assert len(bomb) < frames.PACKED_BYTES_MAX
    with pytest.raises(Invalid, match="more than"):
        frames.Frame(frames.BLOCKS, bomb, 1).body()


def test_the_limit_itself_is_allowed() -> None:
    raw = bytes(5000)
    assert frames.inflate(frames.deflate(raw), 5000) == raw
    with pytest.raises(Invalid, match="more than 4999"):
        frames.inflate(frames.deflate(raw), 4999)


def test_packed_payloads_have_one_end() -> None:
    packed = frames.deflate(b"abc" * 100)
    with pytest.raises(Invalid, match="after its end"):
        frames.inflate(packed + b"x", 1000)
    with pytest.raises(Invalid, match="too early"):
        frames.inflate(packed[:-1], 1000)


def test_nesting_is_bounded() -> None:
    with pytest.raises(Invalid, match="nested"):
        frames.Frame(frames.HELLO, b"\x81" * 60_000 + b"\x00").body()


def test_frames_over_the_limits_are_not_made_and_not_read() -> None:
    noise = b"".join(codec.keccak256(number.to_bytes(4, "big")) for number in range(2100))
    with pytest.raises(Rejected, match="packed bytes"):
        frames.make(frames.BLOCKS, noise)
    with pytest.raises(Rejected, match="may go into one"):
        frames.make(frames.BLOCKS, bytes(frames.UNPACKED_BYTES_MAX))
    big = b"\x83\x03\x00\x5a" + (frames.PACKED_BYTES_MAX + 1).to_bytes(4, "big") + noise
    read = read_bundle(big, frames.UP)
    assert not read.frames and "announces" in read.dropped_because
    read = read_bundle(bytes(ROOMY + 1), frames.UP)
    assert not read.frames and "at most" in read.dropped_because


def test_only_the_shortest_head_is_read() -> None:
    with pytest.raises(Invalid, match="shortest"):
        frames.read(b"\x83\x18\x03\x00\x40", 0)


def test_the_budget_ends_a_bundle_between_frames() -> None:
    whole = make_bundle(sample(), ROOMY)
    for budget in range(0, len(whole) + 10, 7):
        data = make_bundle(sample(), budget)
        read = read_bundle(data, frames.UP)
        assert read.complete
        assert list(read.frames) == sample()[: len(read.frames)]
        assert len(read.frames) == 1 or len(data) <= budget
    assert make_bundle(sample(), len(whole) + 5) == whole
