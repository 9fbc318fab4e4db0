"""What a scanner really sends, found out from two codes of a sheet: layout, prefix, suffix, symbology identifier, GS.

The first code holds the characters that differ between keyboards; the second is a GS1-128 whose separator shows what
the scanner makes of FNC1. Nothing is asked of the scanner: a person scans the two codes, one after the other, with a
second in between, and the settings of the device's address follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import parse_qsl, quote, urlencode

from devices.decoders import symbology
from devices.output.code128 import FNC1
from devices.output.labels import Bars, Label, Text
from devices.protocols.keys import KeysProtocol
from devices.protocols.layouts import DEAD, NAMES, layout
from devices.protocols.line import LineProtocol
from devices.settings import OF_PROTOCOL
from ledger.errors import Rejected

LETTERS = '0123456789-_/.:+"ABCxyzQWAZM'
GS1 = ("0109501101530003", "10", "CAL-1", "21", "42")
_BEFORE, _AFTER = GS1[0] + GS1[1] + GS1[2], GS1[3] + GS1[4]
_ENDS = (b"\r\n", b"\r", b"\n", b"\t", b"\x03")
_SUBSTITUTE_MAX = 16
_FOUND = frozenset(("layout", "prefix", "suffix", "gs"))


@dataclass(frozen=True, slots=True)
class Findings:
    """`settings` for the device's address; `advice` what a person should change on the scanner itself."""

    settings: dict[str, str]
    advice: tuple[str, ...]
    suffix: str
    identifier: bool
    separator: str

    def address(self, given: str) -> str:
        """The address `given` with what was found in the place of what it said about that, and all else as it was."""
        base, _, query = given.partition("?")
        old = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if name not in _FOUND}
        if old.get("protocol") == "stx":
            del old["protocol"]
        settings = old | self.settings
        return f"{base}?{urlencode(settings, safe='/:,', quote_via=quote)}" if settings else base

    def fitted(self, protocol: str) -> Findings:
        """The same where `protocol` packs its reads: what it cannot undo is for a person to switch off."""
        wrong = {name: value for name, value in self.settings.items() if name not in OF_PROTOCOL[protocol]}
        advice = tuple(f"{name}={value} cannot be undone with {protocol}: switch that off on the scanner"
                       for name, value in wrong.items())  # fmt: skip
        kept = {name: value for name, value in self.settings.items() if name not in wrong}
        return replace(self, settings=kept, advice=self.advice + advice)


def sheet(on: date) -> Label:
    """The calibration sheet, a page of 148 by 105 mm; `on` is printed on it."""
    second = FNC1 + _BEFORE + FNC1 + _AFTER
    return Label(
        148,
        105,
        (
            Text(6, 6, 7, "Tallyman: calibrate a scanner", 136),
            Text(6, 16, 4, "Scan 1, wait a second, scan 2. Cover the other code with your hand.", 136),
            Bars(6, 26, 136, 24, LETTERS, b"]C0" + LETTERS.encode()),
            Text(6, 51, 4, "1", 10),
            Bars(6, 64, 136, 24, second, b"]C1" + (_BEFORE + "\x1d" + _AFTER).encode()),
            Text(6, 89, 4, f"2      {on:%Y-%m-%d}", 60),
        ),
    )


def of_bytes(first: bytes, second: bytes) -> Findings:
    """From what a serial, network or HID scanner sent for each code; raises Rejected when it is not the sheet."""
    found, text = _around(first)
    return _with_separator(found, second, text)


def of_keys(first: bytes, second: bytes) -> Findings:
    """From the key events of each code: the layout that makes sense of the first one. Raises Rejected."""
    if any(LETTERS.encode() in _typed(first, name).swapcase() for name in NAMES):
        raise Rejected("capitals and small letters are exchanged: switch CapsLock off on the scanner, then repeat")
    fits = [name for name in NAMES if LETTERS.encode() in _typed(first, name)]
    if not fits:
        raise Rejected("no keyboard layout known here makes sense of the first code; set the scanner to US keyboard")
    name = fits[0]
    found, prefix = _around(_typed(first, name))
    settings = ({"layout": name} if name != "us" else {}) | found.settings
    return _with_separator(replace(found, settings=settings), _typed(second, name), prefix)


def garbled() -> dict[str, tuple[tuple[str, str], ...]]:
    """What a tablet shows of the first code for (layout of its scanner, its own layout); no pairs where it is right.

    Several pairs can give the same text. A dead key shows nothing by itself, and a character that the scanner's
    layout has no key for is not typed.
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {LETTERS: ()}
    for scanner in NAMES:
        for tablet in NAMES:
            text = "".join(_read(character, scanner, tablet) for character in LETTERS)
            if text != LETTERS:
                found[text] = (*found.get(text, ()), (scanner, tablet))
    return found


def _read(character: str, scanner: str, tablet: str) -> str:
    pressed = layout(scanner).keys(character)
    if pressed is None:
        return ""
    code, shift, altgr, _ = pressed
    shown = layout(tablet).character(code, shift=shift, altgr=altgr)
    return "" if shown in DEAD else shown


def _typed(events: bytes, name: str) -> bytes:
    """The characters of key events, each line end as CR."""
    protocol = KeysProtocol(name, LineProtocol())
    ended = b"".join(frame.data + b"\r" for frame in protocol.feed(events))
    return ended + b"".join(frame.data for frame in protocol.lost())


def _around(first: bytes) -> tuple[Findings, bytes]:
    """What stands before and behind the letters of the first code; and the prefix."""
    before, found, after = first.partition(LETTERS.encode())
    if not found:
        if LETTERS.encode().swapcase() in first:
            raise Rejected("capitals and small letters are exchanged: switch that off on the scanner, then repeat")
        raise Rejected("this is not the first code of the sheet, or it arrived garbled: check speed, parity, layout")
    settings: dict[str, str] = {}
    advice: list[str] = []
    before = before.removeprefix(b"\x02") if after[:1] == b"\x03" else before
    stx = before != first[: len(before)]
    identifier = symbology.peek(before[-3:]) != ""
    prefix = before[:-3] if identifier else before
    if prefix:
        settings["prefix"] = prefix.hex()
    if not identifier:
        advice.append("let the scanner send the AIM symbology identifier: it alone tells GS1 codes from others")
    ending = next((end for end in _ENDS if after.startswith(end)), b"")
    if stx:
        settings["protocol"] = "stx"
    elif ending == b"\t":
        settings["suffix"] = "tab"
    elif not ending:
        settings["suffix"] = "none"
        advice.append("let the scanner send CR after each read: only then is half a read noticed")
    shown = {b"\r\n": "CR LF", b"\r": "CR", b"\n": "LF", b"\t": "TAB", b"\x03": "ETX", b"": "none"}[ending]
    return Findings(settings, tuple(advice), shown, identifier, ""), prefix


def _with_separator(found: Findings, second: bytes, prefix: bytes) -> Findings:
    text = second.removeprefix(prefix)
    _, start, rest = text.partition(_BEFORE.encode())
    between, end, _ = rest.partition(_AFTER.encode())
    if not start or not end or len(between) > _SUBSTITUTE_MAX:
        raise Rejected("this is not the second code of the sheet: scan it again, with the first one covered")
    settings, advice = dict(found.settings), found.advice
    plain = {b"\x1d": "GS", "\u241d".encode(): "GS", "\uf70b".encode(): "GS"}.get(between, "")
    if not between:
        advice += ("the scanner drops GS: switch that on (function codes, Ctrl+]), or lots run into what follows",)
    elif not plain:
        settings["gs"] = between.hex()
    return replace(found, settings=settings, advice=advice, separator=plain or between.decode("utf-8", "replace"))
