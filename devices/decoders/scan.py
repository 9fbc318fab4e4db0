"""From the bytes of one read to what they mean in a warehouse. Pure: the same bytes on the same day, the same scan.

    raw ──symbology──▶ GS1 carrier · retail code · our own label · plain text ──▶ Scan

`decode` never raises, whatever the bytes are: what cannot be trusted becomes kind `unknown` with its problems, to be
parked and resolved by a person. A check that fails never yields half a result.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Literal

from devices.decoders import associations, elements, link, symbology
from devices.decoders.dates import resolve
from devices.decoders.elements import GS, SEPARATORS, Element
from devices.decoders.identifiers import AIS
from devices.decoders.labels import Labels
from devices.decoders.numbers import Gln, Gtin, Sscc, expand_upc_e, has_check_digit, is_digits
from devices.decoders.table import MEASURES
from devices.reads import Read
from ledger.errors import Rejected

Kind = Literal["item", "bin", "badge", "unit", "control", "unknown"]
Form = Literal["gs1", "gtin", "internal", "plain"]

TEXT_BYTES_MAX = 8_000  # the largest QR Code holds 7,089 digits
DATES = {
    "11": "production",
    "13": "packaging",
    "15": "best before",
    "16": "sell by",
    "17": "expiry",
    "7003": "expiry",
}
OUR_LABELS = Labels()
# How much of the item there is. Gross measures and the sizes of a packing say something else in the same units.
AMOUNTS = frozenset(("net weight", "length", "area", "net volume"))
_ENVELOPE = dict.fromkeys((0x04, 0x1C, 0x1D, 0x1E, 0x1F))


@dataclass(frozen=True, slots=True)
class Measure:
    """An exact quantity as printed: `digits` whole units of 10 to the minus `decimals` of `unit`."""

    ai: str
    digits: int
    decimals: int
    unit: str
    name: str

    def __str__(self) -> str:
        text = str(self.digits).zfill(self.decimals + 1)
        number = f"{text[: -self.decimals]}.{text[-self.decimals :]}" if self.decimals else text
        return f"{number} {self.unit}"


@dataclass(frozen=True, slots=True)
class Scan:
    """One decoded read.

    `problems` say why it cannot be trusted (kind is then `unknown` and no number is filled in); `warnings` are to be
    asked back. `text` is the bin, unit, badge token or command for our own labels, the location number (with its
    extension) for a GS1 location, and the whole text for plain codes, which may still be a SKU. `gtin` with kind
    `unit` is what the unit contains, `count` how many; with kind `item` `count` is the variable count (30).
    `expiry` is (17), else the day of (7003), else best before (15).
    """

    raw: bytes
    symbology: str
    form: Form = "plain"
    kind: Kind = "unknown"
    gtin: Gtin | None = None
    lot: str = ""
    serial: str = ""
    expiry: date | None = None
    count: int | None = None
    measures: tuple[Measure, ...] = ()
    sscc: Sscc | None = None
    gln: Gln | None = None
    text: str = ""
    elements: tuple[Element, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def amounts(self) -> tuple[Measure, ...]:
        """The measures that say how much of the item there is."""
        return tuple(measure for measure in self.measures if measure.name in AMOUNTS)

    @property
    def ok(self) -> bool:
        """Whether every check passed. An ok scan may still be of kind `unknown`: plain text nobody reserved."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """All of it in JSON's types; the raw bytes in hex, GS and other bytes of the text as they are."""
        shown: dict[str, Any] = {"ok": self.ok, "raw": self.raw.hex()}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "raw" or value in (None, "", ()):
                continue
            if item.name == "elements":
                shown["ais"] = dict(value)
            elif item.name == "measures":
                shown["measures"] = {measure.ai: str(measure) for measure in value}
            else:
                shown[item.name] = value if isinstance(value, int | str) else _listed(value)
        return shown


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else str(value)


def decode(raw: bytes, *, on: date, labels: Labels = OUR_LABELS, tag: str = "", fault: str = "") -> Scan:
    """What the read `raw` of the day `on` means.

    `tag` is the symbology when the transport tells it apart from the data; else it is taken from the front of
    `raw`. `fault` is what the line protocol found wrong with the read itself, such as `truncated`.
    """
    if fault or len(raw) > TEXT_BYTES_MAX:
        return Scan(raw, tag or symbology.peek(raw), problems=(_faults(fault or "oversize"),))
    text = _text(raw)
    try:
        identifier, data = (tag, text) if tag else symbology.split(text)
    except Rejected as error:
        return Scan(raw, "", problems=(str(error),))
    scan = Scan(raw, identifier)
    try:
        return _tagged(scan, identifier, data, on, labels) if identifier else _untagged(scan, data, on, labels)
    except Rejected as error:
        form: Form = "gs1" if identifier in symbology.GS1 else "gtin" if identifier in symbology.RETAIL else "plain"
        return replace(scan, form=form, text=data if form == "plain" else "", problems=(str(error),))


def rules(labels: Labels) -> dict[str, object]:
    """What a tablet without its node needs to know of them, in JSON's types: `web/static/labels.js` reads by it."""
    return {**labels.rules(), "gs1": sorted(symbology.GS1), "retail": sorted(symbology.RETAIL)}


def decode_read(read: Read, labels: Labels = OUR_LABELS) -> Scan:
    """What a journalled read means, on the day it was recorded."""
    return decode(read.raw, on=read.day, labels=labels, fault=read.fault)


def from_elements(scan: Scan, found: tuple[Element, ...], on: date) -> Scan:
    """`scan` filled in from GS1 elements. Raises Rejected where they contradict themselves."""
    contradictions = associations.contradictions(found)
    if contradictions:
        return Scan(scan.raw, scan.symbology, form="gs1", elements=found, problems=tuple(contradictions))
    values = dict(found)
    expiry = None
    for ai in ("17", "7003", "15"):
        if ai in values:
            expiry = expiry or resolve(values[ai][:6], on)
    for ai in ("11", "13", "16"):
        if ai in values:
            resolve(values[ai], on)
    held, place = values.get("02"), values.get("414")
    number, gtin = values.get("37" if held else "30"), held or values.get("01")
    kind: Kind = "unit" if held or "00" in values else "item" if gtin else "bin" if place else "unknown"
    return Scan(
        raw=scan.raw,
        symbology=scan.symbology,
        form="gs1",
        kind=kind,
        gtin=Gtin(gtin) if gtin else None,
        lot=values.get("10", ""),
        serial=values.get("21", ""),
        expiry=expiry,
        count=int(number) if number else None,
        measures=_measures(found),
        sscc=Sscc(values["00"]) if "00" in values else None,
        gln=Gln(place) if place else None,
        text="/".join(filter(None, (place, values.get("254")))) if kind == "bin" else "",
        elements=found,
        warnings=(*scan.warnings, *associations.missing(found)),
    )


def _measures(found: tuple[Element, ...]) -> tuple[Measure, ...]:
    return tuple(
        Measure(ai, int(value), AIS[ai].decimals, *MEASURES[ai[:3]]) for ai, value in found if ai[:3] in MEASURES
    )


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _faults(fault: str) -> str:
    return {
        "oversize": f"longer than {TEXT_BYTES_MAX} bytes: no bar code is; check the scanner's baud rate and suffix",
        "truncated": "the read stopped in the middle: scan again; if it always does, set the scanner's suffix to CR",
    }.get(fault, fault)


def _tagged(scan: Scan, identifier: str, data: str, on: date, labels: Labels) -> Scan:
    if identifier in symbology.GS1:
        return _carrier(scan, data, on)
    if identifier in symbology.RETAIL:
        return _retail(scan, identifier, data, on)
    if identifier in symbology.ITF and len(data) == 14 and is_digits(data):
        return replace(scan, form="gtin", kind="item", gtin=Gtin.parse(data))
    if identifier in symbology.LINKS and link.is_address(data):
        return from_elements(scan, link.parse(data), on)
    return _own_or_plain(scan, data, labels)


def _carrier(scan: Scan, data: str, on: date) -> Scan:
    data = data.translate(SEPARATORS)
    found = elements.parse(data)
    doubt = elements.lost_separator(data, found)
    return from_elements(replace(scan, warnings=(doubt,) if doubt else ()), found, on)


def _retail(scan: Scan, identifier: str, data: str, on: date) -> Scan:
    """EAN-13 (UPC-A and UPC-E come expanded to 13), EAN-8, their add-ons, and a composite part behind `|]e0`."""
    data, bar, composite = data.partition("|")
    if identifier in ("]E1", "]E2"):
        if not is_digits(data) or len(data) != (2 if identifier == "]E1" else 5):
            raise Rejected(f"{data[:20]!r} is not an EAN add-on: expected 2 or 5 digits")
        return replace(scan, text=data, warnings=("an add-on alone names no item: scan the whole code",))
    length = 8 if identifier == "]E4" else 13
    addon = len(data) - length if identifier == "]E3" else 0
    if not is_digits(data) or addon not in (0, 2, 5) or len(data) != length + addon:
        raise Rejected(f"{data[:20]!r} is not an EAN code: expected {length} digits")
    gtin = Gtin.parse(data[:length])
    scan = replace(scan, form="gtin", kind="item", gtin=gtin)
    if not bar:
        return scan
    if not composite.startswith("]e0"):
        raise Rejected(f"{composite[:3]!r} is not the identifier of a composite part: expected ]e0")
    found = elements.parse(composite[3:].translate(SEPARATORS))
    joined = from_elements(scan, (Element("01", gtin.value), *found), on)
    return replace(joined, form="gtin", elements=found)


def _own_or_plain(scan: Scan, data: str, labels: Labels) -> Scan:
    own = labels.match(data)
    if own:
        kind, text = own
        return replace(scan, form="internal", kind=kind, text=text)  # type: ignore[arg-type]
    # An ISO/IEC 15434 message is made of FS, GS, RS and EOT; anywhere else such bytes mean a garbled read.
    shown = data.translate(_ENVELOPE) if data.startswith("[)>") else data
    if not shown.isprintable():
        raise Rejected("bytes that no label holds: check the scanner's baud rate, parity and cable")
    return replace(scan, text=data)


def _untagged(scan: Scan, data: str, on: date, labels: Labels) -> Scan:
    """A read whose scanner sends no symbology identifier: our own labels first, then what proves itself."""
    if not data:
        raise Rejected("an empty read")
    marked = data.translate(SEPARATORS)
    if GS in marked and not marked.startswith("[)>"):
        return _carrier(scan, marked, on)
    own = _own_or_plain(scan, data, labels)
    if own.form == "internal":
        return own
    if is_digits(data) and len(data) in (8, 12, 13, 14, 18):
        return _digits(scan, data)
    if link.is_address(data):
        return from_elements(scan, link.parse(data), on)
    return _self_proving(scan, data, on) if labels.untagged_gs1 else own


def _digits(scan: Scan, data: str) -> Scan:
    if len(data) == 18:
        return replace(scan, form="gs1", kind="unit", sscc=Sscc(data), elements=(Element("00", data),))
    short = _upc_e(data) if len(data) == 8 else ""
    if short and not has_check_digit(data):
        return replace(scan, form="gtin", kind="item", gtin=Gtin.parse(short))
    doubt = f"also fits UPC-E {short}: let the scanner send symbology identifiers; ask" if short else ""
    return replace(scan, form="gtin", kind="item", gtin=Gtin.parse(data), warnings=(doubt,) if doubt else ())


def _upc_e(data: str) -> str:
    try:
        return expand_upc_e(data)
    except Rejected:
        return ""


def _self_proving(scan: Scan, data: str, on: date) -> Scan:
    """GS1 only when it begins with a number whose check digit fits and the whole of it parses; else plain text."""
    length = {"00": 20, "01": 16, "02": 16}.get(data[:2], 0)
    start = data[2:length]
    if not length or len(start) != length - 2 or not is_digits(start) or not has_check_digit(start):
        return replace(scan, text=data)
    try:
        return _carrier(scan, data, on)
    except Rejected as error:
        return replace(scan, text=data, warnings=(f"begins like GS1 and is not: {error}; ask",))
