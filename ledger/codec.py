"""Canonical bytes: Keccak-256, RLP, deterministic CBOR, strict JSON. The only importer of their libraries.

Every decoder here accepts exactly one writing of a value and bounds size and nesting before it recurses: what was
signed can be recomputed by anyone, and a hostile nest cannot end the process (importing the chain engine raises
Python's recursion limit far beyond the real stack).

Values of RLP: bytes, or lists of values. Values of CBOR: int (64 bit, negative too), bytes, str, bool, None, list,
and dict with keys of int, str or bytes. Values of JSON: str, int, bool, None, list, dict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

import cbor2

from ledger.abi import decode as abi_decode
from ledger.abi import encode as abi_encode
from ledger.codec_keccak import keccak256
from ledger.errors import Invalid, Rejected

__all__ = [
    "abi_decode",
    "abi_encode",
    "cbor_decode",
    "cbor_encode",
    "cbor_sequence",
    "json_canonical",
    "json_loads",
    "keccak256",
    "rlp_decode",
    "rlp_encode",
    "rlp_int",
    "rlp_list",
    "rlp_uint",
]

Rlp: TypeAlias = "bytes | Sequence[Rlp]"
SIZE_BYTES_MAX = 16 * 1024 * 1024
DEPTH_MAX = 16
JSON_DIGITS_MAX = 20
# Whole numbers beyond this have no exact double, and RFC 8785 writes numbers as doubles.
JSON_INTEGER_MAX = 2**53 - 1

_UINT64_END = 1 << 64
# Possessive, with an optional end: an unterminated string is passed over once, not once for every quote in it.
_BRACKETS_AND_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


# --- RLP (Ethereum yellow paper, appendix B) ---------------------------------------------------------------------


def rlp_encode(value: Rlp) -> bytes:
    """`value` (bytes, or nested lists of bytes) as RLP."""
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < 0x80:
            return value
        return _rlp_head(0x80, len(value)) + value
    if not isinstance(value, list | tuple):
        raise Rejected(f"{type(value).__name__} has no RLP: expected bytes or lists of bytes")
    body = b"".join([rlp_encode(part) for part in value])
    return _rlp_head(0xC0, len(body)) + body


def rlp_int(value: int) -> bytes:
    """A non-negative number as RLP writes it: big-endian without leading zeros, zero as no bytes."""
    if value < 0:
        raise Rejected(f"{value} has no RLP: expected a number from 0")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def rlp_decode(data: bytes, *, depth_max: int = DEPTH_MAX) -> Any:
    """The one value that `rlp_encode` writes as exactly these bytes; raises `Invalid`."""
    value, end = _rlp_item(data, 0, len(data), depth_max)
    if end != len(data):
        raise Invalid(f"RLP has {len(data) - end} bytes too many")
    return value


def rlp_list(data: bytes, count: int) -> list[bytes]:
    """A flat RLP list of exactly `count` byte strings; raises `Invalid`."""
    value = rlp_decode(data, depth_max=1)
    if not isinstance(value, list) or len(value) != count or not all(isinstance(part, bytes) for part in value):
        raise Invalid(f"expected an RLP list of {count} byte strings")
    return value


def rlp_uint(raw: Any, *, size_bytes_max: int = 32) -> int:
    """A decoded RLP field as a number; leading zeros and lists are refused."""
    if not isinstance(raw, bytes) or len(raw) > size_bytes_max or raw[:1] == b"\0":
        raise Invalid(f"{raw!r} is not an RLP number of at most {size_bytes_max} bytes")
    return int.from_bytes(raw, "big")


def _rlp_head(base: int, length: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    size = rlp_int(length)
    return bytes([base + 55 + len(size)]) + size


def _rlp_item(data: bytes, at: int, limit: int, depth: int) -> tuple[Any, int]:
    if at >= limit:
        raise Invalid("RLP ends too early")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    base = 0xC0 if first >= 0xC0 else 0x80
    length = first - base
    at += 1
    if length > 55:
        width = length - 55
        size = data[at : at + width]
        at += width
        length = int.from_bytes(size, "big")
        if len(size) != width or size[0] == 0 or length < 56:
            raise Invalid("RLP length is not written in its shortest form")
    end = at + length
    if end > limit:
        raise Invalid(f"RLP ends too early: {length} bytes announced, {limit - at} there")
    if base == 0x80:
        if length == 1 and data[at] < 0x80:
            raise Invalid("RLP byte is not written in its shortest form")
        return data[at:end], end
    if depth == 0:
        raise Invalid("RLP lists are nested too deep")
    parts: list[Any] = []
    while at < end:
        part, at = _rlp_item(data, at, end, depth - 1)
        parts.append(part)
    return parts, end


# --- CBOR (RFC 8949, core deterministic encoding of section 4.2.1) -----------------------------------------------


def cbor_encode(value: Any) -> bytes:
    """`value` in the one deterministic encoding; raises `Rejected` for floats, tags and what else we do not use."""
    return cbor2.dumps(_cbor_ordered(value, DEPTH_MAX))


def cbor_decode(data: bytes, *, size_bytes_max: int = SIZE_BYTES_MAX, depth_max: int = DEPTH_MAX) -> Any:
    """The value whose deterministic encoding is exactly `data`; raises `Invalid` for every other byte string."""
    if len(data) > size_bytes_max:
        raise Invalid(f"CBOR of {len(data)} bytes: at most {size_bytes_max} are accepted")
    if _cbor_end(data, 0, depth_max) != len(data):
        raise Invalid("CBOR has bytes after its end")
    return _cbor_load(data)


def cbor_sequence(data: bytes, *, depth_max: int = DEPTH_MAX) -> Iterator[Any]:
    """The values of a CBOR sequence (RFC 8742), one by one; raises `Invalid` where the first bad one begins."""
    at = 0
    while at < len(data):
        end = _cbor_end(data, at, depth_max)
        yield _cbor_load(data[at:end])
        at = end


def _cbor_load(data: bytes) -> Any:
    try:
        value = cbor2.loads(data)
        again = cbor_encode(value)
    except (cbor2.CBORError, ValueError, TypeError, Rejected, RecursionError) as error:
        raise Invalid(f"not deterministic CBOR: {error}") from error
    if again != data:
        raise Invalid("not deterministic CBOR: another encoding of the same value was expected")
    return value


def _cbor_end(data: bytes, start: int, depth_max: int) -> int:
    """Where the item at `start` ends. Checks heads, lengths and nesting without recursion or building anything."""
    at = start
    pending = [1]
    while pending:
        if pending[-1] == 0:
            pending.pop()
            continue
        pending[-1] -= 1
        major, argument, at = _cbor_head(data, at)
        if major in (2, 3):
            at += argument
            if at > len(data):
                raise Invalid("CBOR ends too early")
        elif major in (4, 5):
            items = argument * (major - 3)
            if items > len(data) - at:
                raise Invalid("CBOR ends too early")
            if len(pending) > depth_max:
                raise Invalid(f"CBOR is nested deeper than {depth_max}")
            pending.append(items)
    return at


def _cbor_head(data: bytes, at: int) -> tuple[int, int, int]:
    if at >= len(data):
        raise Invalid("CBOR ends too early")
    major, extra = data[at] >> 5, data[at] & 31
    at += 1
    if major == 6 or (major == 7 and extra not in (20, 21, 22)):
        raise Invalid("CBOR tags, floats and special values are not used here")
    if extra < 24:
        return major, extra, at
    if extra > 27:
        raise Invalid("CBOR of indefinite length is not used here")
    width = 1 << (extra - 24)
    if at + width > len(data):
        raise Invalid("CBOR ends too early")
    return major, int.from_bytes(data[at : at + width], "big"), at + width


def _cbor_ordered(value: Any, depth: int) -> Any:
    """The same value with maps in the order of their encoded keys, which cbor2 then keeps."""
    kind = type(value)
    if kind in (bytes, bool) or value is None:
        return value
    if kind is str:
        _refuse_surrogates(value)
        return value
    if kind is int:
        if not -_UINT64_END <= value < _UINT64_END:
            raise Rejected(f"{value} does not fit CBOR's 64 bits")
        return value
    if depth == 0:
        raise Rejected("the value is nested too deep for CBOR")
    if isinstance(value, list | tuple):
        return [_cbor_ordered(part, depth - 1) for part in value]
    if isinstance(value, Mapping):
        ordered = sorted(value.items(), key=lambda pair: _cbor_key(pair[0]))
        return {key: _cbor_ordered(part, depth - 1) for key, part in ordered}
    raise Rejected(f"{kind.__name__} has no place in our CBOR")


def _cbor_key(key: Any) -> bytes:
    if type(key) not in (int, str, bytes):
        raise Rejected(f"{key!r} is not a key of our CBOR: expected int, str or bytes")
    return _cbor_key_bytes(type(key).__name__, _cbor_ordered(key, 0))


@lru_cache(maxsize=4096)
def _cbor_key_bytes(_kind: str, key: Any) -> bytes:
    return cbor2.dumps(key)


# --- JSON (RFC 8259 read strictly, RFC 8785 written) -------------------------------------------------------------


def json_loads(text: str | bytes, *, size_bytes_max: int = 1024 * 1024, depth_max: int = DEPTH_MAX) -> Any:
    """A JSON text of whole numbers, read strictly; raises `Invalid` in words that can be shown to its sender.

    Refused beside plain errors: NaN and Infinity, fractions and exponents, repeated names, lone surrogates, NUL in
    strings, a byte order mark, numbers over 20 digits, nesting over `depth_max`, more than `size_bytes_max`.
    """
    if len(text) > size_bytes_max:
        raise Invalid(f"JSON of {len(text)} bytes: at most {size_bytes_max} are accepted")
    from_bytes = isinstance(text, bytes)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid("not JSON: the text is not UTF-8") from error
    _bound_json_depth(text, depth_max)
    try:
        value = json.loads(
            text,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_whole_number,
            object_pairs_hook=_once_each,
        )
    except json.JSONDecodeError as error:
        raise Invalid(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Invalid(f"JSON is nested deeper than {depth_max}") from error
    # Half a character or a NUL gets past UTF-8 and the parser only as an escape.
    if not from_bytes or "\\u" in text:
        _check_json_strings(value)
    return value


def json_canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON of str, int, bool, list and dict; raises `Rejected` for anything else."""
    return json.dumps(_json_ordered(value, DEPTH_MAX), ensure_ascii=False, separators=(",", ":")).encode()


def _json_ordered(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is bool:
        return value
    if kind is str:
        _refuse_surrogates(value)
        return value
    if kind is int:
        if abs(value) > JSON_INTEGER_MAX:
            raise Rejected(f"{value} has no exact number in canonical JSON: write it as text")
        return value
    if depth == 0:
        raise Rejected("the value is nested too deep for JSON")
    if isinstance(value, list | tuple):
        return [_json_ordered(part, depth - 1) for part in value]
    if isinstance(value, Mapping):
        for name in value:
            if type(name) is not str:
                raise Rejected(f"{name!r} is not a JSON name")
            _refuse_surrogates(name)
        # RFC 8785 3.2.3: names sort by their UTF-16 code units.
        ordered = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be"))
        return {name: _json_ordered(part, depth - 1) for name, part in ordered}
    raise Rejected(f"{kind.__name__} has no place in our canonical JSON")


def _bound_json_depth(text: str, depth_max: int) -> None:
    # Fewer opening brackets than levels, wherever they stand, need no closer look: most of our texts are such.
    if text.count("{") + text.count("[") <= depth_max:
        return
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(text):
        sign = match[0]
        if sign in "[{":
            depth += 1
            if depth > depth_max:
                raise Invalid(f"JSON is nested deeper than {depth_max}")
        elif sign in "]}":
            depth -= 1


def _refuse_number(text: str) -> NoReturn:
    raise Invalid(f"{text[:40]} is not a whole number: write quantities in base units, without a point or exponent")


def _whole_number(text: str) -> int:
    if len(text) > JSON_DIGITS_MAX:
        raise Invalid(f"{text[:JSON_DIGITS_MAX]}… has too many digits: at most {JSON_DIGITS_MAX}")
    return int(text)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Invalid(f"the JSON name {name[:60]!r} stands twice")
        found[name] = value
    return found


def _check_json_strings(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise Invalid("the JSON text contains a NUL character")
        try:
            _refuse_surrogates(value)
        except Rejected as error:
            raise Invalid(str(error)) from error
    elif isinstance(value, list):
        for part in value:
            _check_json_strings(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_json_strings(name)
            _check_json_strings(part)


def _refuse_surrogates(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Rejected(f"{text[:60]!r} contains half a character (a lone surrogate)") from error
