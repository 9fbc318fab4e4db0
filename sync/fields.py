"""Parts of a payload's map, taken one by one with their type; anything else is `Invalid`, named by its field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.wording import shown

TEXT_MAX = 500
_NUMBER_END = 2**63


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Invalid(f"{what} is not a map with names")
    return value


def whole(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < _NUMBER_END:
        raise Invalid(f"{name} is {shown(value)}: expected a whole number below 2^63")
    return value


def uint(body: Mapping[str, Any], name: str) -> int:
    return whole(body.get(name), name)


def text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise Invalid(f"{name} is not a text of at most {TEXT_MAX} characters")
    return value


def byte_string(body: Mapping[str, Any], name: str, least: int, most: int | None = None) -> bytes:
    value = body.get(name)
    if not isinstance(value, bytes) or not least <= len(value) <= (least if most is None else most):
        raise Invalid(f"{name} is not a byte string of the right length")
    return value


def items(body: Mapping[str, Any], name: str, most: int = 1 << 20) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise Invalid(f"{name} is not a list of at most {most}")
    return value


def byte_strings(body: Mapping[str, Any], name: str, size: int, most: int) -> Iterator[bytes]:
    for item in items(body, name, most):
        if not isinstance(item, bytes) or len(item) != size:
            raise Invalid(f"{name} holds something else than {size} bytes")
        yield item


def named(body: Mapping[str, Any], name: str, most: int) -> Iterator[tuple[str, Any]]:
    value = mapping(body.get(name), name)
    if len(value) > most:
        raise Invalid(f"{name} has {len(value)} entries: at most {most}")
    return iter(value.items())


def pair(value: Any, name: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise Invalid(f"{name} is not a pair of numbers")
    return whole(value[0], name), whole(value[1], name)


def cursor(value: Any) -> tuple[int, int]:
    return pair(value, "a stream's cursor")


def operation(value: Any) -> tuple[str, Any]:
    if isinstance(value, list) and len(value) in (2, 3) and type(value[0]) is int and isinstance(value[1], str):
        if value[0] == 0 and len(value) == 2:
            return value[1], None
        if value[0] == 1 and len(value) == 3 and value[2] is not None:
            return value[1], value[2]
    raise Invalid("DOWN: an operation is neither [1, key, value] nor [0, key]")


def origin(body: Mapping[str, Any]) -> str:
    try:
        return str(Origin.parse(body.get("origin")))
    except Rejected as error:
        raise Invalid(str(error)) from error
