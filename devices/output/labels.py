"""What labels hold, before any printer or page: texts and symbols at places in millimetres.

Every symbol is checked on the way: the text it will be read as goes through our own decoder, and a label that would
be refused at the next scan is not printed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from devices.decoders import elements as gs1
from devices.decoders.elements import Element
from devices.decoders.identifiers import AIS
from devices.decoders.labels import Labels
from devices.decoders.numbers import Gtin, Sscc
from devices.decoders.scan import OUR_LABELS, decode
from devices.output import code128
from ledger.errors import Rejected

MARGIN_MM = 3.0
NAME_LENGTH_MAX = 60
QR_BYTES_MAX = 1_000
PAPER_LINES_MAX = 12
GS1_CHARACTERS_MAX = 48
MODULES_MAX = 370  # of a quarter of a millimetre each, over the 94 mm between the margins


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `size` is its height in millimetres. What does not fit the width is made smaller."""

    x: float
    y: float
    size: float
    text: str
    width: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Code 128 of `text` (see `code128.FNC1`), at most `width` wide; `says` is what a scanner will report."""

    x: float
    y: float
    width: float
    height: float
    text: str
    says: bytes


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR Code of `text` in a square of `size`."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label of `width` by `height` millimetres."""

    width: float
    height: float
    parts: tuple[Text | Bars | Qr, ...]

    @property
    def says(self) -> list[bytes]:
        """What scanners will report of it."""
        return [part.says for part in self.parts if isinstance(part, Bars)] + [
            b"]Q1" + part.text.encode() for part in self.parts if isinstance(part, Qr)
        ]


def _line(label_width: float, y: float, size: float, text: str) -> Text:
    if len(text) > NAME_LENGTH_MAX or not text.isprintable():
        raise Rejected(f"{text[:70]!r} does not fit a label: expected up to {NAME_LENGTH_MAX} printable characters")
    return Text(MARGIN_MM, y, size, text, label_width - 2 * MARGIN_MM)


def own_label(kind: str, code: str, note: str = "", *, labels: Labels = OUR_LABELS, on: date) -> Label:
    """A bin, unit, badge or control label of ours, 100 by 50 mm; raises Rejected for a code that would not scan."""
    text = labels.printed(kind, code)
    scan = decode(b"]C0" + text.encode(), on=on, labels=labels)
    if (scan.kind, scan.text) != (kind, code):
        raise Rejected(f"{code!r} is no code of a {kind}: {'; '.join(scan.problems) or 'it would be read otherwise'}")
    shown = "•" * 8 if kind == "badge" else code
    bars = Bars(MARGIN_MM, 18, 94, 22, text, b"]C0" + text.encode())
    parts: tuple[Text | Bars | Qr, ...] = (_line(100, 3, 12, shown), bars)
    return Label(100, 50, (*parts, _line(100, 43, 4, note)) if note else parts)


def _carried(found: Sequence[Element]) -> str:
    """Elements as a carrier holds them: FNC1 in front and behind each value of variable length but the last."""
    data = code128.FNC1
    for number, (ai, value) in enumerate(found):
        last = number == len(found) - 1
        data += ai + value + ("" if last or AIS[ai].length else code128.FNC1)
    return data


def _element_bars(found: Sequence[Element], y: float, height: float, on: date) -> tuple[Bars, Text]:
    data = _carried(found)
    says = b"]C1" + data[1:].encode("ascii", "replace")
    scan = decode(says, on=on)
    if scan.problems or scan.elements != tuple(found):
        raise Rejected(f"{gs1.bracketed(tuple(found))} cannot be printed: {'; '.join(scan.problems)}")
    return Bars(MARGIN_MM, y, 94, height, data, says), _line(100, y + height + 1, 4, gs1.bracketed(tuple(found)))


def _shared_out(elements: Sequence[Element]) -> list[list[Element]]:
    """Elements over as few symbols as fit the width, in their order: warehouses read several for one thing."""
    symbols: list[list[Element]] = []
    for element in elements:
        if symbols:
            data = _carried([*symbols[-1], element])
            if len(data) <= GS1_CHARACTERS_MAX + 1 and code128.modules(data) <= MODULES_MAX:
                symbols[-1].append(element)
                continue
        symbols.append([element])
    return symbols


def item_label(
    gtin: str, name: str, *, lot: str = "", expiry: date | None = None, serial: str = "", count: int = 0, on: date
) -> Label:
    """An item with its lot, expiry, serial or variable count as GS1-128, 100 by 50 mm, or taller with more symbols
    when one would be too long. Raises Rejected for anything that would not scan."""
    elements = [Element("01", Gtin.parse(gtin).value)]
    elements += [Element("17", f"{expiry:%y%m%d}")] if expiry is not None else []
    elements += [Element("30", str(count))] if count else []
    elements += [Element(ai, value) for ai, value in (("10", lot), ("21", serial)) if value]
    parts: list[Text | Bars | Qr] = [_line(100, 3, 6, name)]
    symbols = _shared_out(elements)
    for number, some in enumerate(symbols):
        parts += _element_bars(some, 13 + 32 * number, 22, on)
    return Label(100, 18 + 32 * len(symbols), tuple(parts))


def sscc_label(sscc: str, *, gtin: str = "", count: int = 0, lot: str = "", note: str = "", on: date) -> Label:
    """A handling unit, 100 by 100 mm, with what it contains when it holds one item. Raises Rejected."""
    own = Element("00", Sscc(sscc).value)
    parts: list[Text | Bars | Qr] = [_line(100, 4, 6, note or "SSCC"), _line(100, 13, 9, sscc)]
    if gtin:
        content = [Element("02", Gtin.parse(gtin).value), Element("37", str(count))]
        content += [Element("10", lot)] if lot else []
        parts += _element_bars(content, 26, 24, on)
    parts += _element_bars([own], 60, 30, on)
    return Label(100, 100, tuple(parts))


def transfer_paper(
    transfer: str, sender: str, receiver: str, lines: Sequence[str], payload: str, *, labels: Labels = OUR_LABELS,
    on: date,
) -> Label:  # fmt: skip
    """The paper that travels with a transfer, 100 by 150 mm: what it is, in words, as bars and as a QR Code that
    holds `payload` whole. Raises Rejected when it does not fit."""
    if len(payload.encode()) > QR_BYTES_MAX:
        raise Rejected(f"{len(payload.encode())} bytes do not fit the QR Code of a paper: at most {QR_BYTES_MAX}")
    text = labels.printed("unit", transfer)
    scan = decode(b"]C0" + text.encode(), on=on, labels=labels)
    if scan.kind != "unit":
        raise Rejected(f"{transfer!r} is no code of a unit: {'; '.join(scan.problems)}")
    shown = list(lines[:PAPER_LINES_MAX])
    more = len(lines) - len(shown)
    shown += [f"and {more} more lines"] if more > 0 else []
    parts: list[Text | Bars | Qr] = [
        _line(100, 4, 7, transfer),
        _line(100, 13, 5, f"{sender} → {receiver}"),
        Bars(MARGIN_MM, 20, 94, 18, text, b"]C0" + text.encode()),
        Qr(25, 42, 50, payload),
    ]
    parts += [_line(100, 95 + 4 * number, 3.2, line) for number, line in enumerate(shown)]
    return Label(100, 150, tuple(parts))
