"""The settings of a node: TOML in, frozen dataclasses out; anything unknown or impossible stops the start.

Every setting has a default, its unit last in its name, and the reason for the default beside it, which
`tallyman node config` prints. A secret is never a setting: only the path of the file that holds it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from ledger.errors import Rejected
from ledger.ids import Origin

CONFIG_FILE = "node.toml"
CONFIG_BYTES_MAX = 1 << 20
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS

Check = Callable[[Any], str]  # "" when the value is good, else what was expected
Section = TypeVar("Section")


def _range(least: int, most: int) -> Check:
    return lambda value: "" if least <= value <= most else f"a whole number from {least} to {most}"


def _words(*allowed: str) -> Check:
    return lambda value: "" if value in allowed else "one of " + ", ".join(allowed)


def _text(length_max: int = 500) -> Check:
    return lambda value: "" if len(value) <= length_max and value.isprintable() else f"text up to {length_max}"


def _http(value: str) -> str:
    good = value == "" or re.fullmatch(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9._~/\-]*)?", value, re.ASCII)
    return "" if good else 'an address such as "https://hub.example.com", or "" to look for the hub on the network'


def _site_name(value: str) -> str:
    try:
        Origin("a", value, 1)
    except Rejected:
        return "a site name: 1 to 31 of a-z 0-9 . -"
    return ""


def _file(value: str) -> str:
    return "" if value and len(value) <= 500 and value.isprintable() else "the path of a file"


def _devices(value: tuple[str, ...]) -> str:
    good = len(value) <= 32 and all(re.match(r"[a-z0-9+]+:", url, re.ASCII) for url in value)
    return "" if good else 'up to 32 device addresses such as "serial:///dev/serial/by-id/usb-scanner?baud=115200"'


def setting(default: Any, check: Check, why: str) -> Any:
    """One setting: its default, what it may be, and why it is what it is."""
    return field(default=default, metadata={"check": check, "why": why})


@dataclass(frozen=True, slots=True)
class WebConfig:
    host: str = setting("127.0.0.1", _text(255), "loopback until someone decides that the floor may see this node")
    port: int = setting(8470, _range(0, 65_535), "0 takes any free port and prints it")
    threads: int = setting(16, _range(2, 256), "each tablet's open stream holds one thread")
    session_idle_ms_max: int = setting(
        15 * MINUTE_MS, _range(MINUTE_MS, DAY_MS), "a tablet left on a pallet must not stay logged in"
    )


@dataclass(frozen=True, slots=True)
class HubConfig:
    url: str = setting("", _http, "empty: look for it by zeroconf; an address is never trusted, only its signatures")
    discover: bool = setting(True, lambda _: "", "off where multicast is forbidden; then `url` must be set")
    interval_ms: int = setting(
        60_000, _range(1_000, DAY_MS), "how often to call when the hub has not asked for another pace"
    )
    bundle_bytes_max: int = setting(
        1 << 20, _range(64 << 10, 64 << 20), "one exchange; a thin link resumes at the frame where it was cut"
    )


@dataclass(frozen=True, slots=True)
class SealingConfig:
    operations_max: int = setting(50, _range(1, 500), "20 operations to a block cost less than half of one each")
    age_ms_max: int = setting(15_000, _range(1_000, 3_600_000), "how long an operation may wait for its signature")
    gas_max: int = setting(
        50_000_000, _range(1_000_000, 60_000_000), "leaves room for one large document in the block's 60 M"
    )
    interval_ms_min: int = setting(
        1_000,
        _range(1_000, 60_000),
        "header time is in whole seconds and must grow; faster would run ahead",
    )


@dataclass(frozen=True, slots=True)
class ClockConfig:
    ahead_ms_max: int = setting(
        7 * DAY_MS,
        _range(60_000, 90 * DAY_MS),
        "further past the last trusted time is a flat battery, not a pause",
    )
    confirmed_ms_max: int = setting(
        DAY_MS, _range(MINUTE_MS, 30 * DAY_MS), "how long a clock counts as confirmed by the hub; crystals drift"
    )
    differs_ms_max: int = setting(
        60_000, _range(1_000, 3_600_000), "a slow link's own delay is not an error of the clock"
    )


@dataclass(frozen=True, slots=True)
class KeyConfig:
    block_file: str = setting("keys/block.key", _file, "signs blocks and checkpoints; relative to the data folder")
    transaction_file: str = setting("keys/transaction.key", _file, "sends transactions to the site's own chain")
    pepper_file: str = setting("keys/pepper.key", _file, "makes PIN hashes useless without this machine")


@dataclass(frozen=True, slots=True)
class HealthConfig:
    interval_ms: int = setting(30_000, _range(1_000, 3_600_000), "often enough to act, seldom enough to cost nothing")
    kept: int = setting(2_880, _range(10, 100_000), "a day of samples at the usual pace")
    disk_free_bytes_min: int = setting(
        1 << 30,
        _range(1 << 20, 1 << 40),
        "weeks of work; below it the node asks for room, below a tenth urgently",
    )
    unsealed_age_ms_max: int = setting(120_000, _range(10_000, DAY_MS), "sealing takes seconds; minutes mean failure")
    undelivered_age_ms_max: int = setting(
        7 * DAY_MS, _range(MINUTE_MS, 365 * DAY_MS), "until delivered, work exists on this disk alone"
    )
    scanner_silent_ms_max: int = setting(
        DAY_MS, _range(MINUTE_MS, 365 * DAY_MS), "a scanner nobody used for a day may be unplugged"
    )
    clock_step_ms_max: int = setting(
        5_000, _range(100, 3_600_000), "a larger jump of the clock against the machine's own pace is worth a look"
    )
    memory_bytes_max: int = setting(400 << 20, _range(64 << 20, 1 << 40), "well above what a healthy node needs")


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything a node may be told. `folder` is where its data lives; it comes from the command line."""

    site: str = setting("", _site_name, "the warehouse this node runs; the hub's certificate must name the same")
    log_level: str = setting(
        "info", _words("debug", "info", "warning", "error"), "debug shows each step, never a secret"
    )
    devices: tuple[str, ...] = setting((), _devices, "what is plugged in, as any transport with any protocol")
    web: WebConfig = field(default_factory=WebConfig, metadata={"why": "the tablet and administration pages"})
    hub: HubConfig = field(default_factory=HubConfig, metadata={"why": "where blocks are delivered"})
    sealing: SealingConfig = field(
        default_factory=SealingConfig, metadata={"why": "when pending operations become a signed block"}
    )
    clock: ClockConfig = field(default_factory=ClockConfig, metadata={"why": "when the machine's clock is believed"})
    keys: KeyConfig = field(
        default_factory=KeyConfig, metadata={"why": "the files that hold secrets; readable by their owner only"}
    )
    health: HealthConfig = field(
        default_factory=HealthConfig, metadata={"why": "when the node speaks up about itself"}
    )
    folder: Path = field(default=Path("."), metadata={"hidden": True})

    def path(self, name: str) -> Path:
        """A file of the node: relative names are inside the data folder."""
        return self.folder / name


def load(folder: Path, file: Path | None = None) -> NodeConfig:
    """The settings of the node in `folder`; `file` stands in for its own `node.toml`.

    Raises Rejected with one plain line for a missing file, an unknown key, or a value that cannot be.
    """
    path = file or folder / CONFIG_FILE
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise Rejected(f"{path} is larger than {CONFIG_BYTES_MAX} bytes: that is not a settings file")
        raw = path.read_bytes()
    except OSError as error:
        raise Rejected(
            f"cannot read the settings {path}: {error.strerror}; create a node with `tallyman node init`"
        ) from error
    return parse(raw, str(path), folder)


def parse(raw: bytes, name: str, folder: Path) -> NodeConfig:
    """`raw` TOML as settings; `name` is what messages call it."""
    try:
        tree = tomllib.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Rejected(f"{name} is not TOML: {error}") from error
    config = _read(NodeConfig, tree, name, "")
    values = {item.name: getattr(config, item.name) for item in fields(config)}
    return NodeConfig(**{**values, "folder": folder})


def first_file(site: str) -> str:
    """What `init` writes: the one setting without a usable default, and where to find the rest."""
    complaint = _site_name(site)
    if complaint:
        raise Rejected(f"{site!r} is not {complaint}")
    return (
        "# Settings of this node. `tallyman node config` prints every one with its value, default and reason.\n"
        f"site = {_toml(site)}\n"
    )


def render(config: NodeConfig) -> str:
    """The effective settings as TOML that `parse` reads back to the same, each with its reason above it."""
    return "\n".join(_render(config, ""))


def as_dict(config: Any) -> dict[str, Any]:
    """The effective settings for `--json`."""
    result: dict[str, Any] = {}
    for item in _settings(type(config)):
        value = getattr(config, item.name)
        result[item.name] = as_dict(value) if is_dataclass(value) else list(value) if type(value) is tuple else value
    return result


def _settings(kind: type[Any]) -> Iterator[Any]:
    return (item for item in fields(kind) if not item.metadata.get("hidden"))


def _read(kind: type[Section], tree: dict[str, Any], name: str, prefix: str) -> Section:
    hints = get_type_hints(kind)
    known = {item.name: item for item in _settings(kind)}
    values: dict[str, Any] = {}
    for key, value in tree.items():
        item = known.get(key)
        if item is None:
            raise Rejected(f"{name}: unknown setting {prefix + key!r}; expected one of {', '.join(sorted(known))}")
        values[key] = _value(item, hints[key], value, name, prefix + key)
    for item in known.values():
        if item.name not in values and item.default is not MISSING and item.metadata["check"](item.default):
            raise Rejected(
                f"{name}: {prefix + item.name!r} is missing; expected {item.metadata['check'](item.default)}"
            )
    return kind(**values)


def _value(item: Any, kind: Any, value: Any, name: str, key: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise Rejected(f"{name}: {key!r} is {value!r}; expected a table of settings")
        return _read(cast(type[Any], kind), value, name, key + ".")
    if kind == tuple[str, ...] and isinstance(value, list) and all(type(each) is str for each in value):
        value = tuple(value)
        kind = tuple
    if type(value) is not kind:
        expected = {str: "text", int: "a whole number", bool: "true or false"}.get(kind, "a list of texts")
        raise Rejected(f"{name}: {key!r} is {value!r}; expected {expected}")
    complaint = item.metadata["check"](value)
    if complaint:
        raise Rejected(f"{name}: {key!r} is {value!r}; expected {complaint}")
    return value


def _render(config: Any, prefix: str) -> Iterator[str]:
    tables = []
    for item in _settings(type(config)):
        value = getattr(config, item.name)
        if is_dataclass(value):
            tables.append((item, value))
            continue
        default = "" if value == item.default or not item.default else f" (default {_toml(item.default)})"
        yield f"# {item.metadata['why']}{default}"
        yield f"{item.name} = {_toml(value)}"
    for item, value in tables:
        yield ""
        yield f"# {item.metadata['why']}"
        yield f"[{prefix}{item.name}]"
        yield from _render(value, f"{prefix}{item.name}.")


def _toml(value: Any) -> str:
    """A value in TOML; JSON's text, number, truth and list syntax are TOML's too for what settings can hold."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
