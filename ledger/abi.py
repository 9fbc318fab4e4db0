"""Ethereum contract ABI for the few types our contracts use: strict, canonical, and quick to import.

Types are written as in Solidity: `bytes32`, `bytes4`, `uint256`, `int256`, `address`, `bool`, `bytes`, `string`,
`(…)` and `T[]`. Values: bytes for `bytesN`, `address` (20) and `bytes`; int; bool; str; tuple for `(…)`; a list or
tuple for `T[]`.

`decode` accepts only what `encode` would have produced: same offsets, no gaps, zero padding, nothing left over. The
general library for this takes a quarter of a second to import, which a node that starts in half a second cannot
spend; the tests hold ours against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ledger.errors import Invalid, Rejected

WORD = 32
_UINT_END = 1 << 256
_INT_END = 1 << 255


@dataclass(frozen=True, slots=True)
class Type:
    """A parsed ABI type. `size` is its length in a head, in bytes; 32 for anything dynamic."""

    name: str
    parts: tuple[Type, ...] = ()
    dynamic: bool = False
    size: int = WORD


@cache
def parse(text: str) -> Type:
    """A type from its written form; raises `Rejected` for a type that our contracts do not use."""
    if text.endswith("[]"):
        return Type("[]", (parse(text[:-2]),), dynamic=True)
    if text.startswith("(") and text.endswith(")"):
        parts = tuple(parse(part) for part in _split(text[1:-1]))
        dynamic = any(part.dynamic for part in parts)
        return Type("()", parts, dynamic, WORD if dynamic else sum(part.size for part in parts))
    if text in ("bytes", "string"):
        return Type(text, dynamic=True)
    if text in ("bytes32", "bytes4", "uint256", "int256", "address", "bool"):
        return Type(text)
    raise Rejected(f"{text!r} is not an ABI type that Tallyman uses")


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """The values as arguments of a call (without selector); raises `Rejected` for one that does not fit its type."""
    return _encode_tuple(parse(f"({','.join(types)})"), values)


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The inverse of `encode`; raises `Invalid` for bytes that `encode` cannot have made."""
    kind = parse(f"({','.join(types)})")
    if len(data) % WORD:
        raise Invalid(f"ABI data of {len(data)} bytes: expected a multiple of {WORD}")
    values, end = _decode_tuple(kind, data, 0)
    if end != len(data):
        raise Invalid(f"ABI data has {len(data) - end} bytes too many")
    return values


def _split(text: str) -> list[str]:
    parts: list[str] = []
    depth = start = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]] if text else []


def _encode_tuple(kind: Type, values: Sequence[Any]) -> bytes:
    if len(kind.parts) != len(values):
        raise Rejected(f"{len(values)} values for {len(kind.parts)} ABI types")
    return _encode_parts(kind.parts, values)


def _encode_parts(kinds: Sequence[Type], values: Sequence[Any]) -> bytes:
    """Heads, then the tails of the dynamic ones in order."""
    heads: list[bytes] = []
    tails: list[bytes] = []
    at = sum(kind.size for kind in kinds)
    for kind, value in zip(kinds, values, strict=True):
        if kind.dynamic:
            tail = _encode_one(kind, value)
            heads.append(at.to_bytes(WORD, "big"))
            tails.append(tail)
            at += len(tail)
        else:
            heads.append(_encode_one(kind, value))
    return b"".join(heads) + b"".join(tails)


def _encode_one(kind: Type, value: Any) -> bytes:
    name = kind.name
    if name == "()":
        return _encode_tuple(kind, value)
    if name == "[]":
        return len(value).to_bytes(WORD, "big") + _encode_parts(kind.parts * len(value), value)
    if name == "bytes32" and type(value) is bytes and len(value) == WORD:
        return value
    if name == "uint256" and type(value) is int and 0 <= value < _UINT_END:
        return value.to_bytes(WORD, "big")
    if name == "int256" and type(value) is int and -_INT_END <= value < _INT_END:
        return value.to_bytes(WORD, "big", signed=True)
    if name == "bool" and type(value) is bool:
        return value.to_bytes(WORD, "big")
    if name == "address" and type(value) is bytes and len(value) == 20:
        return bytes(12) + value
    if name == "bytes4" and type(value) is bytes and len(value) == 4:
        return value + bytes(28)
    if name == "bytes" and type(value) is bytes:
        return _counted(value)
    if name == "string" and type(value) is str:
        return _counted(value.encode())
    raise Rejected(f"{value!r} does not fit the ABI type {name}")


def _counted(raw: bytes) -> bytes:
    return len(raw).to_bytes(WORD, "big") + raw + bytes(-len(raw) % WORD)


def _decode_tuple(kind: Type, data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
    """The parts of a tuple whose head begins at `start`, and the position after its last tail."""
    return _decode_parts(kind.parts, data, start)


def _decode_parts(kinds: Sequence[Type], data: bytes, start: int) -> tuple[tuple[Any, ...], int]:
    at = start
    # Canonical form leaves no choice where a tail lies: right after the previous one.
    tail = start + sum(kind.size for kind in kinds)
    values: list[Any] = []
    for kind in kinds:
        if kind.dynamic:
            offset = _uint(data, at)
            if start + offset != tail:
                raise Invalid(f"ABI data points to byte {offset}: expected {tail - start}")
            value, tail = _decode_dynamic(kind, data, tail)
        elif kind.name == "()":
            value, _ = _decode_parts(kind.parts, data, at)
        else:
            value = _decode_word(kind.name, _word(data, at))
        values.append(value)
        at += kind.size
    return tuple(values), tail


def _decode_dynamic(kind: Type, data: bytes, start: int) -> tuple[Any, int]:
    if kind.name == "()":
        return _decode_parts(kind.parts, data, start)
    count = _uint(data, start)
    body = start + WORD
    if kind.name == "[]":
        if count * kind.parts[0].size > len(data) - body:
            raise Invalid(f"ABI data ends within a list of {count}")
        return _decode_parts(kind.parts * count, data, body)
    end = body + count + (-count % WORD)
    if end > len(data):
        raise Invalid(f"ABI data ends within {count} bytes of {kind.name}")
    raw = data[body : body + count]
    if any(data[body + count : end]):
        raise Invalid("ABI data has padding that is not zero")
    if kind.name == "bytes":
        return raw, end
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise Invalid("ABI data has a string that is not UTF-8") from error


def _decode_word(name: str, word: bytes) -> Any:
    if name == "bytes32":
        return word
    if name == "uint256":
        return int.from_bytes(word, "big")
    if name == "int256":
        return int.from_bytes(word, "big", signed=True)
    if name == "address" and not any(word[:12]):
        return word[12:]
    if name == "bytes4" and not any(word[4:]):
        return word[:4]
    if name == "bool" and not any(word[:31]) and word[31] < 2:
        return bool(word[31])
    raise Invalid(f"ABI word {word.hex()} is not a {name}")


def _word(data: bytes, at: int) -> bytes:
    word = data[at : at + WORD]
    if len(word) != WORD:
        raise Invalid(f"ABI data ends at byte {len(data)}: expected a word at {at}")
    return word


def _uint(data: bytes, at: int) -> int:
    return int.from_bytes(_word(data, at), "big")
