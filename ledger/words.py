"""How our values become ABI values and back: the annotations that calls, events and control records are written with.

A dataclass field written `item: Text` is a `str` to the program and a `bytes32` to the contract; method signatures,
selectors, encoders and decoders all follow from the declaration, so there is no second list to keep in step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

from ledger.abi import decode as abi_decode
from ledger.abi import encode as abi_encode
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor, OpId, text_to_word, word_to_text

LINES_MAX = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """One ABI type with the conversions to and from our value."""

    abi: str
    to_abi: Callable[[Any], Any]
    from_abi: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Indexed:
    """Marks an event field that is a topic."""


INDEXED = _Indexed()


def _same(value: Any) -> Any:
    return value


def _op_word(value: OpId) -> bytes:
    return value.word


def _raw(value: Actor) -> bytes:
    return value.raw


def _raw_or_none(value: Actor | None) -> bytes:
    return value.raw if value else bytes(32)


def _actor_or_none(value: bytes) -> Actor | None:
    return Actor(value) if any(value) else None


TEXT = Kind("bytes32", text_to_word, word_to_text)
OPERATION = Kind("bytes32", _op_word, OpId.from_word)
PERSON = Kind("bytes32", _raw, Actor)
WORD = Kind("bytes32", _same, _same)
UINT = Kind("uint256", _same, _same)
FLAG = Kind("bool", _same, _same)

Text = Annotated[str, TEXT]
Operation = Annotated[OpId, OPERATION]
Person = Annotated[Actor, PERSON]
# An empty actor is the node itself, or the hub by a control record.
Anyone = Annotated[Actor | None, Kind("bytes32", _raw_or_none, _actor_or_none)]
Word = Annotated[bytes, WORD]
Uint = Annotated[int, UINT]
Flag = Annotated[bool, FLAG]
Address = Annotated[bytes, Kind("address", _same, _same)]
Selector = Annotated[bytes, Kind("bytes4", _same, _same)]
Bytes = Annotated[bytes, Kind("bytes", _same, _same)]
String = Annotated[str, Kind("string", _same, _same)]


def struct(cls: type[Any]) -> Kind:
    """The kind of a nested dataclass."""
    return Kind(
        f"({','.join(kinds(cls).types)})", lambda value: to_values(value), lambda value: from_values(cls, value)
    )


def array(cls: type[Any], most: int = LINES_MAX) -> Kind:
    """The kind of a list of dataclasses, at most `most` long."""
    inner = struct(cls)

    def to_abi(values: tuple[Any, ...]) -> list[Any]:
        if len(values) > most:
            raise Rejected(f"{len(values)} lines: a document of this kind has at most {most}; send it in parts")
        return [inner.to_abi(value) for value in values]

    def from_abi(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) > most:
            raise Invalid(f"{len(values)} lines: a document of this kind has at most {most}")
        return tuple(inner.from_abi(value) for value in values)

    return Kind(f"{inner.abi}[]", to_abi, from_abi)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The fields of a dataclass in order, with their kinds."""

    names: tuple[str, ...]
    fields: tuple[Kind, ...]
    indexed: tuple[bool, ...]

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(kind.abi for kind in self.fields)


_known: dict[type[Any], Kinds] = {}


def kinds(cls: type[Any]) -> Kinds:
    """Read the declaration of dataclass `cls`: every field that has a kind, in order."""
    if cls not in _known:
        hints = get_type_hints(cls, include_extras=True)
        marked = [(field.name, _marks(hints[field.name])) for field in fields(cls)]
        found = [(name, marks, [mark for mark in marks if isinstance(mark, Kind)]) for name, marks in marked]
        _known[cls] = Kinds(
            tuple(name for name, _, own in found if own),
            tuple(own[0] for _, _, own in found if own),
            tuple(any(isinstance(mark, _Indexed) for mark in marks) for _, marks, own in found if own),
        )
    return _known[cls]


def _marks(hint: Any) -> tuple[Any, ...]:
    """The annotations of `Annotated[…]`, also inside `Annotated[…] | None`."""
    found = tuple(getattr(hint, "__metadata__", ()))
    for part in getattr(hint, "__args__", ()):
        found += tuple(getattr(part, "__metadata__", ()))
    return found


def to_values(value: Any) -> tuple[Any, ...]:
    """The ABI values of a dataclass, in order."""
    known = kinds(type(value))
    return tuple(kind.to_abi(getattr(value, name)) for name, kind in zip(known.names, known.fields, strict=True))


def from_values(cls: type[T], values: tuple[Any, ...]) -> T:
    """The dataclass of these ABI values; raises `Invalid` when one of them is not ours."""
    known = kinds(cls)
    try:
        return cls(
            **{
                name: kind.from_abi(value)
                for name, kind, value in zip(known.names, known.fields, values, strict=True)
            }
        )
    except Rejected as error:
        raise Invalid(f"{cls.__name__}: {error}") from error


def pack(value: Any) -> bytes:
    """A dataclass as ABI arguments."""
    return abi_encode(kinds(type(value)).types, to_values(value))


def unpack(cls: type[T], data: bytes) -> T:
    """The inverse of `pack`; raises `Invalid`."""
    return from_values(cls, abi_decode(kinds(cls).types, data))


def pack_all(*parts: tuple[Any, Kind]) -> bytes:
    """Single values with their kinds as ABI arguments."""
    return abi_encode([kind.abi for _, kind in parts], [kind.to_abi(value) for value, kind in parts])
