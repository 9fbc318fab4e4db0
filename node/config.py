"""The settings of a node. Every one has a default, its unit last in its name, and its reason beside it.

A secret is never a setting: only the path of the file that holds it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices.decoders.labels import Labels
from devices.registry import Registry
from ledger import settings
from ledger.errors import Rejected
from ledger.settings import DAY_MS, MINUTE_MS, any_truth, file_path, host, one_of, setting, text, whole

CONFIG_FILE = "node.toml"
_LABELS = Labels()


def _site(value: str) -> str:
    return "a site name: 1 to 31 of a-z 0-9 . -" if settings.name(value) else ""


def _http(value: str) -> str:
    good = value == "" or re.fullmatch(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9._~/\-]*)?", value, re.ASCII)
    return "" if good else 'an address such as "https://hub.example.com", or "" to look for the hub on the network'


def _devices(value: tuple[str, ...]) -> str:
    try:
        Registry.parse(value)
    except Rejected as error:
        return f"addresses of devices ({error})"
    return ""


def _names(value: tuple[str, ...]) -> str:
    good = all(re.fullmatch(r"[a-z0-9.:\-]{1,253}", name, re.ASCII) for name in value)
    return "" if good else 'names and addresses, as "node7.local" or "192.168.4.20"'


def _zone(value: str) -> str:
    try:
        known = value == "" or bool(ZoneInfo(value))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        known = False
    return "" if known else 'the name of a time zone, as "Europe/Oslo", or "" for that of each tablet'


@dataclass(frozen=True, slots=True)
class WebConfig:
    host: str = setting("127.0.0.1", host, "loopback until someone decides that the floor may see this node")
    port: int = setting(8470, whole(0, 65_535), "0 takes any free port and prints it")
    session_idle_ms_max: int = setting(
        15 * MINUTE_MS, whole(MINUTE_MS, DAY_MS), "a tablet left on a pallet must not stay logged in"
    )
    second_factor: bool = setting(
        False,
        any_truth,
        "on: who approves or administers gives the code of an authenticator after the PIN; its clock is this one's",
    )
    https_port: int = setting(
        0,
        whole(0, 65_535),
        "0: plain HTTP only, for loopback or behind a proxy; a port: HTTPS there, and plain HTTP is for set-up",
    )
    https_names: tuple[str, ...] = setting(
        (), _names, "names and addresses on the local network by which tablets call this node, beside its own"
    )
    time_zone: str = setting(
        "",
        _zone,
        "as in Europe/Oslo: moments and days by the site's own time; empty: moments by the tablet's, days by UTC",
    )
    contact_gap_ms_max: int = setting(
        30_000,
        whole(1_000, DAY_MS),
        "what waited longer on its tablet has happened: no rule refuses it, its count is unstable; less is Wi-Fi",
    )


@dataclass(frozen=True, slots=True)
class HubConfig:
    url: str = setting("", _http, "empty: look for it by zeroconf; an address is never trusted, only its signatures")
    discover: bool = setting(True, any_truth, "off where multicast is forbidden; then `url` must be set")
    interval_ms: int = setting(
        60_000, whole(1_000, DAY_MS), "how often to call when the hub has not asked for another pace"
    )
    bundle_bytes_max: int = setting(
        1 << 20, whole(64 << 10, 4 << 20), "one exchange; a thin link resumes at the frame where it was cut"
    )

    def unreachable(self, kept: str) -> str:
        """Why there will be no exchange at all, or empty; `kept` is the address that was given at enrolment."""
        if self.url or kept or self.discover:
            return ""
        return (
            "this site will not sync until the hub's address is known: put it into hub.url of node.toml, or allow "
            "hub.discover"
        )


@dataclass(frozen=True, slots=True)
class SealingConfig:
    operations_max: int = setting(50, whole(1, 500), "20 operations to a block cost less than half of one each")
    age_ms_max: int = setting(15_000, whole(1_000, 3_600_000), "how long an operation may wait for its signature")
    gas_max: int = setting(
        50_000_000, whole(1_000_000, 60_000_000), "leaves room for one large document in the block's 60 M"
    )
    interval_ms_min: int = setting(
        1_000,
        whole(1_000, 60_000),
        "header time is in whole seconds and must grow; faster would run ahead",
    )


@dataclass(frozen=True, slots=True)
class ClockConfig:
    ahead_ms_max: int = setting(
        7 * DAY_MS,
        whole(60_000, 90 * DAY_MS),
        "further past the last trusted time is a flat battery, not a pause",
    )
    confirmed_ms_max: int = setting(
        DAY_MS, whole(MINUTE_MS, 30 * DAY_MS), "how long a clock counts as confirmed by the hub; crystals drift"
    )
    differs_ms_max: int = setting(
        60_000, whole(1_000, 3_600_000), "a slow link's own delay is not an error of the clock"
    )


@dataclass(frozen=True, slots=True)
class KeyConfig:
    block_file: str = setting(
        "keys/block.key", file_path, "signs blocks and checkpoints; relative to the data folder"
    )
    transaction_file: str = setting("keys/transaction.key", file_path, "sends transactions to the site's own chain")
    pepper_file: str = setting("keys/pepper.key", file_path, "makes PIN hashes useless without this machine")


@dataclass(frozen=True, slots=True)
class HealthConfig:
    interval_ms: int = setting(30_000, whole(1_000, 3_600_000), "often enough to act, seldom enough to cost nothing")
    kept: int = setting(2_880, whole(10, 100_000), "a day of samples at the usual pace")
    disk_free_bytes_min: int = setting(
        1 << 30,
        whole(1 << 20, 1 << 40),
        "weeks of work; below it the node asks for room, below a tenth urgently",
    )
    unsealed_age_ms_max: int = setting(120_000, whole(10_000, DAY_MS), "sealing takes seconds; minutes mean failure")
    undelivered_age_ms_max: int = setting(
        7 * DAY_MS, whole(MINUTE_MS, 365 * DAY_MS), "until delivered, work exists on this disk alone"
    )
    scanner_silent_ms_max: int = setting(
        DAY_MS, whole(MINUTE_MS, 365 * DAY_MS), "a scanner nobody used for a day may be unplugged"
    )
    clock_step_ms_max: int = setting(
        5_000, whole(100, 3_600_000), "a larger jump of the clock against the machine's own pace is worth a look"
    )
    memory_bytes_max: int = setting(400 << 20, whole(64 << 20, 1 << 40), "well above what a healthy node needs")


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """The company's own labels (`devices.decoders.labels`), which are never read as GS1."""

    bin_prefix: str = setting(
        _LABELS.bin_prefix, text(16), "a scan that begins so names a bin; empty: there are none"
    )
    bin_pattern: str = setting(
        _LABELS.bin_pattern,
        text(200),
        "a regular expression for bins printed without a prefix; of what tablets read too: characters, sets, groups,"
        " alternatives, repetitions",
    )
    badge_prefix: str = setting(_LABELS.badge_prefix, text(16), "a scan that begins so is a person's badge")
    unit_prefix: str = setting(_LABELS.unit_prefix, text(16), "a scan that begins so names a handling unit")
    control_prefix: str = setting(_LABELS.control_prefix, text(16), "a scan that begins so is a command")
    untagged_gs1: bool = setting(
        _LABELS.untagged_gs1, any_truth, "scanners that send no symbology identifier still read GS1"
    )
    check_character: bool = setting(
        _LABELS.check_character,
        any_truth,
        "on: labels end with a character that finds misreads and wrong layouts; ones without it are refused",
    )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything a node may be told. `folder` is where its data lives; it comes from the command line."""

    site: str = setting("", _site, "the warehouse this node runs; the hub's certificate must name the same")
    log_level: str = setting(
        "info", one_of("debug", "info", "warning", "error"), "debug shows each step, never a secret"
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
    labels: LabelConfig = field(default_factory=LabelConfig, metadata={"why": "how the company's own labels look"})
    health: HealthConfig = field(
        default_factory=HealthConfig, metadata={"why": "when the node speaks up about itself"}
    )
    folder: Path = field(default=Path("."), metadata={"hidden": True})

    def own_labels(self) -> Labels:
        """The company's labels; Rejected when two of them could not be told apart."""
        return Labels.parse(settings.as_dict(self.labels))

    def path(self, name: str) -> Path:
        """A file of the node: relative names are inside the data folder."""
        return self.folder / name


def load(folder: Path, file: Path | None = None) -> NodeConfig:
    """The settings of the node in `folder`; `file` stands in for its own `node.toml`.

    Raises Rejected with one plain line for a missing file, an unknown key, or a value that cannot be.
    """
    config = settings.load(NodeConfig, file, folder, CONFIG_FILE, "create a node with `tallyman node init`")
    config.own_labels()
    return config


def first_file(site: str) -> str:
    """What `init` writes: the one setting without a usable default, and where to find the rest."""
    complaint = _site(site)
    if complaint:
        raise Rejected(f"{site!r} is not {complaint}")
    return (
        "# Settings of this node. `tallyman node config` prints every one with its value, default and reason.\n"
        f"site = {settings.toml(site)}\n"
    )
