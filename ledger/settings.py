"""Settings of a node or hub: TOML in, frozen dataclasses out; anything unknown or impossible stops the start.

A settings class is a frozen dataclass whose fields are made by `setting` (a value with its check and its reason) or
are such classes themselves with metadata `why` (a TOML table). A field with metadata `hidden` comes from the command
line, not the file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import MISSING, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from ledger.commands import Usage
from ledger.errors import Rejected
from ledger.ids import Origin
from ledger.wording import KINDS, shown

FILE_BYTES_MAX = 1 << 20
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS

Check = Callable[[Any], str]
"""A check answers "" when the value is good, else what was expected."""

Section = TypeVar("Section")


def setting(default: Any, check: Check, why: str) -> Any:
    """One setting: its default, what it may be, and why it is what it is."""
    return field(default=default, metadata={"check": check, "why": why})


def whole(least: int, most: int) -> Check:
    return lambda value: "" if least <= value <= most else f"a whole number from {least} to {most}"


def one_of(*allowed: str) -> Check:
    return lambda value: "" if value in allowed else "one of " + ", ".join(allowed)


def text(length_max: int = 500) -> Check:
    return lambda value: "" if len(value) <= length_max and value.isprintable() else f"text up to {length_max}"


def any_truth(_: bool) -> str:
    return ""


def file_path(value: str) -> str:
    return "" if value and len(value) <= 500 and value.isprintable() else "the path of a file"


def host(value: str) -> str:
    good = re.fullmatch(r"[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?|[0-9A-Fa-f:.]{2,45}", value)
    return "" if good else "the name or IP address of one of this machine's interfaces"


def name(value: str) -> str:
    try:
        Origin("a", value, 1)
    except Rejected:
        return "a name: 1 to 31 of a-z 0-9 . -"
    return ""


def load(kind: type[Section], named: Path | None, folder: Path, own: str, hint: str) -> Section:
    """The settings in the file that was `named`, else in `own` in the folder; `hint` says how to make that one.

    Raises Rejected with one plain line for a missing file, an unknown key, or a value that cannot be; Usage for a
    `named` file that cannot be read.
    """
    path = folder / own if named is None else named
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise Rejected(f"{path} is larger than {FILE_BYTES_MAX} bytes: that is not a settings file")
        raw = path.read_bytes()
    except OSError as error:
        if named is not None:
            raise Usage(f"cannot read {named}: {error.strerror}") from error
        raise Rejected(f"cannot read the settings {path}: {error.strerror}; {hint}") from error
    return parse(kind, raw, str(path), folder)


def parse(kind: type[Section], raw: bytes, title: str, folder: Path) -> Section:
    """`raw` TOML as settings; `title` is what messages call it. The class has a hidden field `folder`."""
    try:
        tree = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Rejected(f"{title} is not TOML: it is no UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Rejected(f"{title} is not TOML: {error}") from error
    return cast(Section, replace(cast(Any, _read(kind, tree, title, "")), folder=folder))


def render(config: Any) -> str:
    """The effective settings as TOML that `parse` reads back to the same, each with its reason above it."""
    return "\n".join(_render(config, ""))


def as_dict(config: Any) -> dict[str, Any]:
    """The effective settings for `--json`."""
    result: dict[str, Any] = {}
    for item in _settings(type(config)):
        value = getattr(config, item.name)
        result[item.name] = as_dict(value) if is_dataclass(value) else list(value) if type(value) is tuple else value
    return result


def toml(value: Any) -> str:
    """A value in TOML; JSON's text, number, truth and list syntax are TOML's too for what settings can hold."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _settings(kind: type[Any]) -> Iterator[Any]:
    return (item for item in fields(kind) if not item.metadata.get("hidden"))


def _read(kind: type[Section], tree: dict[str, Any], title: str, prefix: str) -> Section:
    hints = get_type_hints(kind)
    known = {item.name: item for item in _settings(kind)}
    values: dict[str, Any] = {}
    for key, value in tree.items():
        item = known.get(key)
        if item is None:
            raise Rejected(f"{title}: unknown setting {prefix + key!r}; expected one of {', '.join(sorted(known))}")
        values[key] = _value(item, hints[key], value, title, prefix + key)
    for item in known.values():
        if item.name not in values and item.default is not MISSING and item.metadata["check"](item.default):
            raise Rejected(
                f"{title}: {prefix + item.name!r} is missing; expected {item.metadata['check'](item.default)}"
            )
    return kind(**values)


def _value(item: Any, kind: Any, value: Any, title: str, key: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise Rejected(f"{title}: {key!r} is {shown(value)}; expected a table of settings")
        return _read(cast(type[Any], kind), value, title, key + ".")
    if kind == tuple[str, ...] and isinstance(value, list) and all(type(each) is str for each in value):
        value = tuple(value)
        kind = tuple
    if type(value) is not kind:
        raise Rejected(f"{title}: {key!r} is {shown(value)}; expected {KINDS.get(kind, 'a list of texts')}")
    complaint = item.metadata["check"](value)
    if complaint:
        raise Rejected(f"{title}: {key!r} is {shown(value)}; expected {complaint}")
    return value


def _render(config: Any, prefix: str) -> Iterator[str]:
    tables = []
    for item in _settings(type(config)):
        value = getattr(config, item.name)
        if is_dataclass(value):
            tables.append((item, value))
            continue
        default = "" if value == item.default or not item.default else f" (default {toml(item.default)})"
        yield f"# {item.metadata['why']}{default}"
        yield f"{item.name} = {toml(value)}"
    for item, value in tables:
        yield ""
        yield f"# {item.metadata['why']}"
        yield f"[{prefix}{item.name}]"
        yield from _render(value, f"{prefix}{item.name}.")
