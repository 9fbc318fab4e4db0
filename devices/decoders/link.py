"""GS1 Digital Link: a web address that carries the same elements. It is read, never followed.

Source: GS1 Digital Link URI syntax 1.6: the rightmost primary key of the path counts, its qualifiers follow in a
fixed order, everything else is an attribute of the query; names that are not numbers are somebody else's.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from devices.decoders.elements import Element
from devices.decoders.identifiers import AIS, KEYS
from devices.decoders.numbers import is_digits
from ledger.errors import Rejected

SCHEMES = ("http://", "https://", "HTTP://", "HTTPS://")
_ADDRESS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_DOMAIN = re.compile(r"[A-Za-z0-9\-.:\[\]]+", re.ASCII)
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_GTIN_IDENTIFIERS = ("01", "02", "03")
PARTS_MAX = 200


def is_address(text: str) -> bool:
    """Whether `text` begins like a web address."""
    return text.startswith(SCHEMES)


def parse(text: str, *, short_gtin: bool = False) -> tuple[Element, ...]:
    """The elements of a link; raises Rejected. `short_gtin` permits 8, 12 or 13 digits where 14 belong."""
    scheme = next((scheme for scheme in SCHEMES if text.startswith(scheme)), None)
    if scheme is None or not _ADDRESS.fullmatch(text):
        raise Rejected(f"{text[:60]!r} is not a link: expected http:// or https:// and characters of an address")
    rest, _, query = text[len(scheme) :].partition("#")[0].partition("?")
    domain, *segments = rest.split("/")
    if not _DOMAIN.fullmatch(domain):
        raise Rejected(f"{text[:60]!r} has no host name")
    if len(segments) > PARTS_MAX or query.count("&") > PARTS_MAX:
        raise Rejected("a link of too many parts")
    path = _path(segments, short_gtin)
    return _with_attributes(path, query, short_gtin)


def _path(segments: list[str], short_gtin: bool) -> list[Element]:
    for start in range(len(segments) - 2, -1, -2):
        if segments[start] in KEYS:
            break
    else:
        raise Rejected("a web address without a GS1 key such as /01/")
    codes = segments[start::2]
    sequences = KEYS[codes[0]]
    if len(codes) > 1 and not any(_in_order(codes[1:], sequence) for sequence in sequences):
        order = ", ".join("/".join(sequence) for sequence in sequences) or "–"
        raise Rejected(f"/{'/'.join(codes)[:60]}: after key ({codes[0]}) only {order} may follow, in this order")
    values = segments[start + 1 :: 2]
    return [_element(code, value, short_gtin) for code, value in zip(codes, values, strict=True)]


def _in_order(codes: list[str], sequence: tuple[str, ...]) -> bool:
    places = [sequence.index(code) if code in sequence else -1 for code in codes]
    return -1 not in places and places == sorted(set(places))


def _with_attributes(path: list[Element], query: str, short_gtin: bool) -> tuple[Element, ...]:
    elements = list(path)
    seen = {element.ai for element in path}
    key, qualifiers = path[0].ai, seen - {path[0].ai}
    for parameter in query.split("&"):
        name, sign, value = parameter.partition("=")
        if not sign or (name and not is_digits(name)):
            continue
        if name not in AIS or not AIS[name].attribute:
            raise Rejected(f"?{name[:20]}= is not an identifier that may be an attribute of a link")
        if name in seen:
            raise Rejected(f"({name}) appears twice in the link")
        if any(name in sequence and qualifiers <= set(sequence) for sequence in KEYS[key]):
            raise Rejected(f"({name}) belongs into the path after key ({key}), not behind the ?")
        seen.add(name)
        elements.append(_element(name, value.replace("+", " "), short_gtin))
    return tuple(elements)


def _element(code: str, text: str, short_gtin: bool) -> Element:
    if _BAD_PERCENT.search(text):
        raise Rejected(f"{text[:60]!r}: a percent sign must be followed by two hex digits")
    value = unquote_to_bytes(text).decode("latin-1")
    if short_gtin and code in _GTIN_IDENTIFIERS and len(value) in (8, 12, 13):
        value = value.zfill(14)
    AIS[code].check(value)
    return Element(code, value)
