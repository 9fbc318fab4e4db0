"""Protocols as state machines: any chunking, the same reads; what each device's bytes mean; no answer too early."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.protocols import honeywell, ssi_packet
from devices.protocols.base import SIGNALS, Frame
from devices.protocols.hidpos import HidPosProtocol
from devices.protocols.keys import EVENT, KeysProtocol
from devices.protocols.layouts import NAMES, layout
from devices.protocols.line import DOUBT_MS, LineProtocol
from devices.protocols.scales import SicsProtocol, Toledo8217, ToledoContinuous
from devices.protocols.ssi import COMMAND_MS, IDLE_MS, MESSAGE_MS, SETUP, SsiProtocol
from devices.protocols.ssi_packet import (
    ACK,
    BEEP,
    HOST,
    MORE,
    NAK,
    PARAM_SEND,
    RESENT,
    SCAN_ENABLE,
    SCANNER,
    Packet,
    Packets,
)
from devices.simulated_keys import typed
from devices.simulated_sides import PlainSide
from ledger.errors import Rejected
from tests.devices import hostile
from tests.devices.protocol_kit import CASES, key, report, said, ssi

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "devices.tsv"
ACKED = bytes(Packet(ACK))
# What the keyboards of these countries have no key for; no label of ours holds it.
ABSENT = {"it": {"`", "~"}}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=150)
@given(data=st.data())
def test_any_chunking_gives_the_same(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    pieces = st.lists(st.sampled_from(case.pieces), max_size=25).map(b"".join)
    stream = data.draw(st.one_of(st.binary(max_size=300), pieces))
    cuts = data.draw(st.lists(st.integers(0, 2_000), max_size=12))
    places = sorted({0, len(stream), *(place % (len(stream) + 1) for place in cuts)})
    whole, cut, single = case.make(), case.make(), case.make()
    expected = said(whole, [stream])
    assert said(cut, [stream[start:stop] for start, stop in pairwise(places)]) == expected
    assert said(single, [bytes((byte,)) for byte in stream]) == expected
    assert whole.counters == cut.counters == single.counters
    if hasattr(whole, "owed") and name != "ssi":
        assert whole.owed() == cut.owed() == single.owed()


@pytest.mark.parametrize("name", CASES)
def test_hostile_bytes_leave_every_protocol_working(name: str) -> None:
    hostile.protocol(name, inputs=400, seed=7)


def test_hostile_bytes_leave_the_decoder_working() -> None:
    hostile.decoders(inputs=3_000, seed=7)


# ------------------------------------------------------------------------------------------------------ devices.tsv


def _d10(_: bytes) -> None:
    # The vector elides the data: two full reports, the first saying that more follows.
    protocol = HidPosProtocol()
    first, second = report(b"0" * 56, b"]Q0", 1), report(b"1" * 10, b"]Q0")
    assert first[:5] == bytes.fromhex("02385D5130") and first[63] == 1
    assert protocol.feed(first) == []
    assert protocol.feed(second) == [Frame(b"]Q0" + b"0" * 56 + b"1" * 10, "", 69)]


def _packet(raw: bytes, opcode: int, data: bytes) -> None:
    assert list(Packets(raw[2]).feed(raw)) == [Packet(opcode, raw[2], raw[3], data)]


def _no_read(raw: bytes) -> None:
    protocol = SsiProtocol()
    assert protocol.feed(raw) == [] and protocol.counters["no_reads"] == 1
    assert protocol.owed() == ACKED


def _invalid(raw: bytes) -> None:
    assert None in list(Packets(HOST).feed(raw))
    damaged = SsiProtocol()
    assert damaged.feed(ssi(b"AB")[:-1] + b"\x00") == []
    assert damaged.owed() == bytes(Packet(NAK, data=b"\x01")), "a damaged packet is asked for again"


def _jaguar(raw: bytes) -> None:
    weight = ToledoContinuous().feed(raw)[0]
    assert weight.raw[4:10] == b"   200" and weight.raw[10:16] == b" " * 6 and weight.stable and not weight.net
    # Status A says 001: one zero behind the digits is printed on the scale and not sent.
    assert (weight.value, weight.unit, weight.tare) == (Decimal(2000), "lb", 0)


VECTORS = {
    "D01": lambda raw: _packet(raw, 0x10, b""),
    "D02": lambda raw: _packet(raw, 0x00, b"\x12"),
    "D03": lambda raw: _packet(raw, 0x00, b"\x12\xe3"),
    "D04": _no_read,
    "D05": lambda raw: _packet(raw, 0x00, b"\x00"),
    "D06": _invalid,
    "D07": lambda raw: _same(ssi_packet.checksum(raw), bytes.fromhex("FB05")),
    "D08": lambda raw: _same(Toledo8217.is_echo(raw), True),
    "D09": _jaguar,
    "D10": _d10,
    "D11": lambda raw: _same(honeywell.over_hid(honeywell.BEEP), raw),
    "D12": lambda raw: _same(honeywell.TRIGGER_ON, raw),
    "D13": lambda raw: _same(honeywell.menu("REVINF."), raw),
    "D14": lambda raw: _same(honeywell.ACCEPTED, raw),
    "D15": lambda raw: _same(honeywell.REFUSED, raw),
}


def _same(ours: object, theirs: object) -> None:
    assert ours == theirs


@pytest.mark.skipif(not SHARED.exists(), reason="the shared vectors are not beside this checkout")
def test_shared_device_vectors() -> None:
    with SHARED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["id"] for row in rows} == set(VECTORS)
    for row in rows:
        text = row["bytes_hex"]
        VECTORS[row["id"]](bytes.fromhex(text) if re.fullmatch("[0-9A-F]+", text) else b"")


# -------------------------------------------------------------------------------------------------------------- SSI


def test_ssi_sets_the_scanner_up_one_command_at_a_time() -> None:
    protocol = SsiProtocol()
    assert protocol.hello() == bytes(Packet(PARAM_SEND, data=SETUP))
    assert protocol.owed() == b"" and protocol.wait_ms() == COMMAND_MS
    assert protocol.tick(COMMAND_MS) == [] and protocol.owed() == bytes(Packet(PARAM_SEND, status=RESENT, data=SETUP))
    protocol.feed(bytes(Packet(ACK, SCANNER)))
    assert protocol.owed() == bytes(Packet(SCAN_ENABLE))
    for _ in range(5):
        protocol.tick(COMMAND_MS)
        protocol.owed()
    assert protocol.counters["commands_failed"] == 1 and protocol.wait_ms() is None, (
        "a deaf scanner is not waited for"
    )
    assert SsiProtocol(setup=False).hello() == b""


def test_ssi_acknowledges_only_when_told() -> None:
    protocol = SsiProtocol()
    frames = protocol.feed(ssi(b"0109501101530003", 0x0F))
    assert frames == [Frame(b"]C10109501101530003", "", 19)]
    assert protocol.owed() == b"", "nothing before the read is durable"
    assert protocol.accepted() == ACKED + bytes(Packet(BEEP, data=b"\x00"))
    assert protocol.refused() == bytes(Packet(NAK, data=b"\x01"))


def test_ssi_joins_packets_and_acknowledges_the_inner_ones() -> None:
    protocol = SsiProtocol()
    parts = [b"A" * 250, b"B" * 250, b"C"]
    assert protocol.feed(ssi(parts[0], 0x1C, MORE)) == [] and protocol.owed() == ACKED
    assert protocol.feed(ssi(parts[0], 0x1C, MORE | RESENT)) == [] and protocol.owed() == ACKED, (
        "sent twice, kept once"
    )
    assert protocol.feed(ssi(parts[1], 0x1C, MORE)) == [] and protocol.owed() == ACKED
    frames = protocol.feed(ssi(parts[2], 0x1C))
    assert frames[0].data == b"]Q1" + b"".join(parts) and protocol.owed() == b""


def test_ssi_marks_what_was_sent_again() -> None:
    protocol = SsiProtocol()
    frames = protocol.feed(ssi(b"X") + ssi(b"X") + ssi(b"X", 3, RESENT))
    assert [frame.again for frame in frames] == ["", "", "surely"]
    assert protocol.counters["retransmits"] == 1
    # A second scan of the same code, damaged on the wire, comes as sent again too: nobody may be sure then.
    frames = protocol.feed(ssi(b"X")[:-1] + b"\0") + protocol.feed(ssi(b"X", 3, RESENT) + ssi(b"X", 3, RESENT))
    assert [frame.again for frame in frames] == ["perhaps", "surely"]


def test_ssi_gives_up_what_never_ends() -> None:
    protocol = SsiProtocol()
    protocol.feed(ssi(b"whole")[:4])
    assert protocol.tick(IDLE_MS) == [] and protocol.owed() == bytes(Packet(NAK, data=b"\x01"))
    protocol.feed(ssi(b"A" * 10, 0x1C, MORE))
    assert protocol.tick(MESSAGE_MS - 1) == []
    assert protocol.tick(1) == [Frame(b"]Q1" + b"A" * 10, "truncated", 13)]
    protocol.feed(ssi(b"B", 3, MORE))
    assert protocol.lost()[0].fault == "truncated" and protocol.wait_ms() is None


def test_ssi_is_bounded() -> None:
    protocol = SsiProtocol(length_max=1_000)
    for _ in range(200):
        protocol.feed(ssi(b"A" * 250, 0x1C, MORE))
    frame = protocol.feed(ssi(b"A", 0x1C))[0]
    assert (frame.fault, frame.length) == ("oversize", 200 * 250 + 1 + 1) and len(frame.data) == 256
    for _ in range(100):
        protocol.signal("error")
    assert protocol.counters["commands_dropped"] > 80


def test_ssi_noise_before_a_read_costs_nothing() -> None:
    protocol = SsiProtocol()
    assert protocol.feed(b"AT\r\x07\xf3\x00\x00\x01junk" + ssi(b"5901234123457", 0x0B))[0].data == b"]E05901234123457"
    assert protocol.owed() == b"", "the read's own answer settles it"


@pytest.mark.parametrize(
    ("kind", "text", "data"),
    [
        (0x08, b"614141000036", b"]E00614141000036"),
        (0x09, b"04252614", b"]E00042100005264"),
        (0x09, b"04252613", b"04252613"),
        (0x09, b"0425261", b"0425261"),
        (0x0B, b"5901234123457", b"]E05901234123457"),
        (0x0B, b"590123412345712", b"590123412345712"),
        (0x03, b"]C0ABC", b"]C0ABC"),
        (0x77, b"ABC", b"ABC"),
    ],
)
def test_ssi_code_types(kind: int, text: bytes, data: bytes) -> None:
    assert SsiProtocol().feed(ssi(text, kind))[0].data == data


# ---------------------------------------------------------------------------------------------------- HID-POS, keys


def test_hid_pos_skips_noise_and_marks_half_a_read() -> None:
    protocol = HidPosProtocol()
    assert protocol.feed(b"\x01\x00\x02\xff" + report(b"10AB\x1d21C"))[0].data == b"]C110AB\x1d21C"
    assert protocol.feed(report(b"x" * 56, more=1)) == [] and protocol.wait_ms() is not None
    assert protocol.tick(10_000)[0].fault == "truncated"
    assert protocol.feed(report(b"")) == [] and protocol.counters["empty"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_layout_types_what_labels_hold(name: str) -> None:
    text = "0123456789ABCXYZQWAMabcxyzqwam-_/.:+%&*()<>=?!;,'\"#$@[]{}|\\~^`"
    untypable = {character for character in text if layout(name).keys(character) is None}
    assert untypable <= ABSENT.get(name, set())
    for character in set(text) - untypable:
        assert KeysProtocol(name).feed(typed(character + "\r", name)) == [Frame(character.encode(), "", 1)]
    frames = KeysProtocol(name).feed(typed("]C1010950110153000310AB\x1d17261231\r", name))
    assert [frame.data for frame in frames] == [b"]C1010950110153000310AB\x1d17261231"]


def test_the_wrong_layout_is_seen_by_the_check_digit() -> None:
    frames = KeysProtocol("us").feed(typed("BIN:A-01\r", "de"))
    assert frames[0].data != b"BIN:A-01"


def test_keys_as_scanners_press_them() -> None:
    alt = key(56) + b"".join(key(code) + key(code, 0) for code in (82, 80, 73)) + key(56, 0)
    assert KeysProtocol().feed(alt + typed("A\r", "us"))[0].data == b"\x1dA", "Alt+029"
    held = key(30) + key(30, 2) + key(30, 2) + key(30, 0)
    assert KeysProtocol().feed(held + typed("\r", "us"))[0].data == b"a", "a key held is one character"
    caps = key(58) + key(58, 0)
    assert KeysProtocol().feed(caps + typed("ab1\r", "us"))[0].data == b"AB1"
    altgr = key(29) + key(56) + key(16) + key(16, 0) + key(56, 0) + key(29, 0)
    assert KeysProtocol("de").feed(altgr + typed("\r", "de"))[0].data == b"@", "Ctrl with Alt is AltGr"
    dead = key(41) + key(41, 0) + key(18) + key(18, 0)
    assert KeysProtocol("de").feed(dead + typed("\r", "de"))[0].data == "ê".encode()
    keypad = b"".join(key(code) + key(code, 0) for code in (79, 80, 83, 81, 96))
    assert KeysProtocol().feed(keypad)[0].data == b"12.3"
    protocol = KeysProtocol()
    assert protocol.feed(key(30) + EVENT.pack(0, 0, 0, 3, 0))[0].fault == "truncated", "the kernel dropped events"
    assert protocol.feed(key(200) + key(200, 0)) == [] and protocol.counters["unknown_keys"] == 1


def test_a_dead_key_that_nothing_follows_is_not_put_on_the_next_read() -> None:
    protocol = KeysProtocol("de")
    assert protocol.feed(key(41) + key(41, 0)) == [] and protocol.wait_ms() == protocol.line.idle_ms
    assert protocol.tick(protocol.line.idle_ms - 1) == [] and protocol.wait_ms() == 1, "a slow accent is still one"
    assert [(frame.data, frame.fault) for frame in protocol.tick(1)] == [(b"^", "truncated")]
    assert protocol.wait_ms() is None
    assert protocol.feed(typed("e\r", "de"))[0].data == b"e"
    ends = KeysProtocol("de", LineProtocol(silence_ends=True))
    assert ends.feed(typed("AB", "de") + key(41) + key(41, 0)) == []
    assert ends.tick(ends.line.idle_ms) == [Frame(b"AB^", "", 3)], "a scanner without suffix said it"


@given(dice=st.binary(min_size=20, max_size=20), name=st.sampled_from(NAMES))
@settings(max_examples=200, deadline=None)
def test_a_read_after_keys_leant_on_is_whole(dice: bytes, name: str) -> None:
    side, protocol = PlainSide(form="keys", layout=name), KeysProtocol(name)
    protocol.feed(side.garbled(dice))
    protocol.tick(protocol.line.idle_ms)
    protocol.tick(DOUBT_MS)
    assert protocol.feed(typed("]E05901234123457\r", name))[-1] == Frame(b"]E05901234123457", "", 16)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(Rejected, match="expected one of"):
        layout("dvorak")


# ------------------------------------------------------------------------------------------- line, signals, scales


def test_what_was_put_before_a_read_and_for_gs_is_undone() -> None:
    protocol = LineProtocol(prefix=b"#", separator=b"^", signals=honeywell.SIGNALS, greeting=b"hi")
    assert [frame.data for frame in protocol.feed(b"#]C110AB^21C\r10AB^#\r")] == [b"]C110AB\x1d21C", b"10AB\x1d#"]
    assert protocol.hello() == b"hi" and protocol.signal("repeat") == b"\x1b4\x1b4" and protocol.owed() == b""


def test_every_machine_takes_every_signal() -> None:
    for make in (SsiProtocol, HidPosProtocol, KeysProtocol, LineProtocol):
        protocol = make()
        assert all(isinstance(protocol.signal(signal), bytes) for signal in SIGNALS)
        assert isinstance(protocol.refused() + protocol.hello() + protocol.owed(), bytes)
    assert Packet(ssi_packet.SCAN_DISABLE) == next(Packets(HOST).feed(SsiProtocol().signal("disable")))


def test_menu_commands_are_checked() -> None:
    for wrong in ("", "REVINF", "A\rB."):
        with pytest.raises(Rejected):
            honeywell.menu(wrong)
    with pytest.raises(Rejected):
        honeywell.over_hid(b"x" * 63)


@pytest.mark.parametrize(
    ("line", "value", "problem"),
    [
        (b"S S     100.00 g\r\n", "100.00", ""),
        (b"S S      -0.500 kg\r\n", "-0.500", ""),
        (b"S D     100.01 g\r\n", "100.01", "in motion"),
        (b"S I\r\n", "0", "not ready"),
        (b"S +\r\n", "0", "overload"),
        (b"S S  12 PCS\r\n", "12", "in PCS, which is no weight"),
    ],
)
def test_mt_sics(line: bytes, value: str, problem: str) -> None:
    weight = SicsProtocol().feed(line)[0]
    assert (str(weight.value), weight.problem, weight.stable) == (value, problem, not problem)


def test_mt_sics_errors_are_no_weights() -> None:
    protocol = SicsProtocol()
    assert protocol.feed(b"ES\r\nS S\r\nS D 1.0.0 g\r\nS S 1e5 g\r\n" + b"9" * 500 + b"\r\n") == []
    assert protocol.counters["errors"] == 1 and protocol.poll() == b"SI\r\n"


@pytest.mark.parametrize(
    ("status", "digits", "shown", "problem"),
    [
        (b"\x2c\x30\x20", b" 12345", "123.45 kg", ""),
        (b"\x2d\x31\x20", b" 12345", "12.345 kg net", ""),
        (b"\x2c\x32\x20", b"  1000", "-10.00 kg", ""),
        (b"\x2c\x38\x20", b" 12345", "123.45 kg", "in motion"),
        (b"\x2c\x34\x20", b" 12345", "123.45 kg", "out of range"),
        (b"\x2a\x20\x21", b"   250", "250 g", ""),
        (b"\x2c\x70\x20", b" 12345", "123.45 kg", "not zeroed"),
        (b"\x2c\x30\x30", b" 12345", "123.45 kg", "ten times enlarged on the display"),
        (b"\x2c\x30\x24", b" 12345", "123.45 ozt", "in ozt, which is unclear"),
    ],
)
def test_toledo_continuous(status: bytes, digits: bytes, shown: str, problem: str) -> None:
    body = b"\x02" + status + digits + b"000000\r"
    weight = ToledoContinuous().feed(b"noise" + body + b"\x55" + body)
    assert len(weight) == 2 and (str(weight[0]), weight[0].problem) == (shown, problem)
    checked = body + bytes((-sum(body) & 0x7F,))
    assert len(ToledoContinuous(True).feed(checked * 2)) == 2
    assert ToledoContinuous(True).feed(body + bytes(((-sum(body) + 1) & 0x7F,)) + b"\0" * 20) == []


def test_toledo_8217() -> None:
    weights = Toledo8217().feed(b"\x02 1.234\r\x0200.50N\r\x02?\x01\r\x02?\x42\rjunk\r")
    assert [(str(weight), weight.problem) for weight in weights] == [
        ("1.234 kg", ""),
        ("0.50 kg net", ""),
        ("0 kg", "in motion"),
        ("0 kg", "overload"),
    ]
    assert Toledo8217("lb").feed(b"\x021.00\r")[0].in_grams() == Decimal("453.59237")
