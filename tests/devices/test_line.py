"""The line protocol: the same reads however the bytes are cut, nothing lost unmarked, bounded whatever comes."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.protocols.base import FAULT_BYTES_KEPT, READ_BYTES_MAX, Frame
from devices.protocols.line import DOUBT_MS, IDLE_MS, LineProtocol

PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"\x1d", b"A", b"]C1", b"\x00", b"0109", b"X" * 40]
)


def data(frames: list[Frame]) -> list[bytes]:
    return [frame.data for frame in frames if not frame.fault]


@settings(max_examples=300)
@given(
    stream=st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join)),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    framing=st.sampled_from(["line", "stx"]),
    limit=st.sampled_from([8, READ_BYTES_MAX]),
)
def test_any_chunking_gives_the_same_reads(
    stream: bytes, cuts: list[int], framing: Literal["line", "stx"], limit: int
) -> None:
    whole = LineProtocol(framing, length_max=limit)
    expected = whole.feed(stream) + whole.tick(IDLE_MS)
    cut = LineProtocol(framing, length_max=limit)
    places = sorted({0, len(stream), *(place % (len(stream) + 1) for place in cuts)})
    found = [frame for start, stop in pairwise(places) for frame in cut.feed(stream[start:stop])]
    assert found + cut.tick(IDLE_MS) == expected
    assert cut.counters == whole.counters
    single = LineProtocol(framing, length_max=limit)
    found = [frame for byte in stream for frame in single.feed(bytes([byte]))]
    assert found + single.tick(IDLE_MS) == expected


@pytest.mark.parametrize("ending", [b"\r", b"\n", b"\r\n", b"\x03", b"\x03\r", b"\x03\r\n"])
def test_every_ending_ends_one_read(ending: bytes) -> None:
    protocol = LineProtocol()
    assert data(protocol.feed(b"A" + ending + b"\x02B" + ending + b"C" + ending)) == [b"A", b"B", b"C"]
    assert protocol.counters["empty"] == 0


def test_control_bytes_are_content() -> None:
    assert data(LineProtocol().feed(b"]C1\x1dA\x00\x1b\xffB\r")) == [b"]C1\x1dA\x00\x1b\xffB"]
    assert data(LineProtocol("stx").feed(b"noise\x02A\r\nB\x03noise")) == [b"A\r\nB"]


def test_empty_reads_are_counted_not_invented() -> None:
    protocol = LineProtocol()
    assert protocol.feed(b"\r\r\n\n\x02\x03\r") == []
    assert protocol.counters["empty"] == 4


def test_silence_breaks_off_a_read_and_marks_both_halves() -> None:
    protocol = LineProtocol()
    assert protocol.feed(b"0950110") == [] and protocol.wait_ms() == IDLE_MS
    assert protocol.tick(IDLE_MS - 1) == [] and protocol.wait_ms() == 1
    assert protocol.tick(1) == [Frame(b"0950110", "truncated", 7)]
    assert protocol.feed(b"1530003\r") == [Frame(b"1530003", "truncated", 7)]
    assert protocol.feed(b"0950110") == [] and protocol.tick(IDLE_MS)
    protocol.tick(DOUBT_MS)
    assert protocol.feed(b"BIN:A\r") == [Frame(b"BIN:A", "", 5)], "a new scan after a pause is whole again"


def test_silence_ends_a_read_of_a_scanner_without_suffix() -> None:
    protocol = LineProtocol(silence_ends=True, idle_ms=50)
    protocol.feed(b"5901234123457")
    assert protocol.tick(50) == [Frame(b"5901234123457", "", 13)]
    assert protocol.tick(50) == [] and protocol.wait_ms() is None


def test_a_second_stx_marks_the_first_half() -> None:
    protocol = LineProtocol("stx")
    assert protocol.feed(b"\x02AB\x02CD\x03") == [Frame(b"AB", "truncated", 2), Frame(b"CD", "", 2)]
    protocol.feed(b"\x02EF")
    assert protocol.lost() == [Frame(b"EF", "truncated", 2)]


def test_twenty_kilobytes_are_refused_and_the_next_read_is_fine() -> None:
    protocol = LineProtocol()
    frames = protocol.feed(b"9" * 20_000 + b"\rBIN:A\r")
    assert frames == [Frame(b"9" * FAULT_BYTES_KEPT, "oversize", 20_000), Frame(b"BIN:A", "", 5)]
    assert protocol.counters["oversize"] == 1
    assert len(LineProtocol().feed(b"9" * READ_BYTES_MAX + b"\r")[0].data) == READ_BYTES_MAX


def test_endless_noise_takes_no_memory() -> None:
    protocol = LineProtocol()
    for _ in range(300):
        protocol.feed(b"\xaa" * 4_096)
    assert len(protocol._held) <= READ_BYTES_MAX + 1
    assert protocol.lost()[0].length == 300 * 4_096


def test_answers_are_what_was_configured() -> None:
    protocol = LineProtocol(acknowledge=b"\x06", refuse=b"\x15")
    assert (protocol.accepted(), protocol.refused()) == (b"\x06", b"\x15")
