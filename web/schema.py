"""What a member may be, said once in JSON Schema's own words (2020-12), for the description of the API.

These describe; they do not judge. What comes in is judged by the verb that acts on it (`node/values`), so that a rule
stands in one place; that both say the same is shown by tests: every answer in them is held against its description,
and generated requests are sent that keep to it and that break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

ROWS_MAX = 200
ID_CHARACTERS_MAX = 31


def text(doc: str = "", *, least: int = 0, most: int | None = None, pattern: str = "") -> Schema:
    return _said({"type": "string"}, doc, minLength=least or None, maxLength=most, pattern=pattern or None)


def whole(doc: str = "", *, least: int | None = 0, most: int | None = 2**63 - 1) -> Schema:
    return _said({"type": "integer"}, doc, minimum=least, maximum=most)


def flag(doc: str = "") -> Schema:
    return _said({"type": "boolean"}, doc)


def one_of(*values: str, doc: str = "") -> Schema:
    """One of these words."""
    return _said({"type": "string", "enum": list(values)}, doc)


def array(of: Schema, most: int | None = ROWS_MAX, doc: str = "") -> Schema:
    return _said({"type": "array", "items": of}, doc, maxItems=most)


def or_null(schema: Schema) -> Schema:
    return {
        **schema,
        "type": [schema["type"], "null"],
        **({"enum": [*schema["enum"], None]} if "enum" in schema else {}),
    }


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def record(name: str, need: Mapping[str, Schema], may: Mapping[str, Schema] | None = None, doc: str = "") -> Schema:
    """An object with exactly these members, those of `may` optional; `name` is its name in the description."""
    shape: Schema = {"type": "object", "properties": {**need, **(may or {})}, "additionalProperties": False}
    if need:
        shape["required"] = list(need)
    return _said(shape, doc, title=name or None)


def counts(doc: str = "") -> Schema:
    """A number by name."""
    return _said({"type": "object", "additionalProperties": whole()}, doc)


def by_item(shape: Schema, doc: str = "") -> Schema:
    """One of these for each item."""
    return _said({"type": "object", "additionalProperties": shape}, doc)


def _said(shape: Schema, doc: str, **more: object) -> Schema:
    return {
        **shape,
        **{key: value for key, value in more.items() if value is not None},
        **({"description": doc} if doc else {}),
    }


# What is named all over the product.
OP_ID = text("An operation: 128 bits as 32 lower-case hex digits", pattern="^[0-9a-f]{32}$")
ACTOR = text("A person: the random id of an employment, 64 lower-case hex digits", pattern="^[0-9a-f]{64}$")
HASH = text("A hash or an id in hex", pattern="^([0-9a-f]{2})*$")
NAME = text("A name for people to read")
WORDS = text("A sentence for people to read")
CODE = text(
    "A code: of an item, a lot, a serial, a location. At most 31 bytes of UTF-8, no space at either end", most=31
)
QUANTITY = whole("Base units of the item")
SIGNED = whole("Base units of the item; negative takes away", least=None, most=None)
WHEN = whole("UTC, milliseconds since 1970")
HEIGHT = whole("Of a block; above the head: not sealed yet; below 0: of an earlier incarnation", least=None)
STATUS = one_of("free", "quality", "damage", "expired", doc="Of stock: free, or why it is held")
STATE = one_of("recorded", "sealed", "delivered", "verified", "anchored", doc="How far the proof has come")
