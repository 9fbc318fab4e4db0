"""The settings of the hub. Every one has a default, its unit last in its name, and its reason beside it.

A secret is never a setting: only the path of the file that holds it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ledger import settings
from ledger.errors import Rejected
from ledger.settings import DAY_MS, MINUTE_MS, any_truth, file_path, host, one_of, setting, whole

CONFIG_FILE = "hub.toml"


def _org(value: str) -> str:
    return "an organisation name: 1 to 31 of a-z 0-9 . -" if settings.name(value) else ""


def _url(value: str) -> str:
    good = value == "" or re.fullmatch(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9._~/\-]*)?", value, re.ASCII)
    return "" if good else 'an address such as "http://node1.example.com:8545", or ""'


def _database(value: str) -> str:
    good = value == "" or value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://"))
    return "" if good and value.isprintable() else '"", sqlite:///FILE or postgresql://USER@HOST/NAME'


def _contract(value: str) -> str:
    good = value == "" or re.fullmatch(r"0x[0-9a-f]{40}", value)
    return "" if good else '"" or a contract address such as "0x" and 40 lower-case hex digits'


def _hash(value: str) -> str:
    good = value == "" or re.fullmatch(r"0x[0-9a-f]{64}", value)
    return "" if good else '"" or a hash such as "0x" and 64 lower-case hex digits'


@dataclass(frozen=True, slots=True)
class WebConfig:
    host: str = setting("127.0.0.1", host, "loopback until someone decides who may reach the hub")
    port: int = setting(8480, whole(0, 65_535), "0 takes any free port and prints it")
    session_idle_ms_max: int = setting(
        30 * MINUTE_MS, whole(MINUTE_MS, DAY_MS), "an unattended console logs itself out"
    )
    announce: bool = setting(True, any_truth, "zeroconf tells nodes the address, never whom to trust")


@dataclass(frozen=True, slots=True)
class SyncConfig:
    interval_ms: int = setting(60_000, whole(1_000, DAY_MS), "the pace asked of a site that has nothing urgent")
    bundle_bytes_max: int = setting(4 << 20, whole(64 << 10, 4 << 20), "one exchange; more follows in the next")
    silent_after_ms: int = setting(
        4 * 60 * MINUTE_MS, whole(MINUTE_MS, 90 * DAY_MS), "a site that has not called for so long is reported silent"
    )
    behind_blocks_max: int = setting(500, whole(1, 10_000_000), "a backlog above this shows the site as behind")


@dataclass(frozen=True, slots=True)
class ChainConfig:
    kind: str = setting(
        "embedded",
        one_of("embedded", "rpc"),
        "embedded: a development chain in the data folder; rpc: the company's permissioned chain",
    )
    url: str = setting("", _url, "the JSON-RPC address of the main chain")
    chain_id: int = setting(1337, whole(1, 2**53 - 1), "another chain at the same address is refused")
    genesis_hash: str = setting("", _hash, "block 0 of the main chain; pinned by `hub init` when empty")
    contract: str = setting("", _contract, "the AnchorRegistry; deployed or asked for by `hub init`")
    transactions: str = setting("dynamic", one_of("dynamic", "legacy"), "legacy for chains from before EIP-1559")
    confirmations: int = setting(
        1, whole(0, 1_000), "blocks on top until final: 0 or 1 with QBFT, 12 without finality"
    )
    timeout_ms: int = setting(10_000, whole(100, 600_000), "how long one question to the main chain may take")
    resend_ms: int = setting(
        60_000, whole(1_000, DAY_MS), "a transaction not mined for so long is sent again, unchanged"
    )


@dataclass(frozen=True, slots=True)
class AnchorConfig:
    interval_ms: int = setting(
        10 * MINUTE_MS, whole(1_000, 30 * DAY_MS), "an anchor covers everything; cost is per anchor"
    )
    entries_max: int = setting(10_000, whole(1, 1_000_000), "so many new log entries do not wait for the interval")
    overdue_ms: int = setting(60 * MINUTE_MS, whole(MINUTE_MS, 90 * DAY_MS), "unanchored so long is a discrepancy")


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """Limits of the discrepancy rules."""

    variance_quantity_max: int = setting(5, whole(0, 10**12), "a count line further off in base units is reported")
    variance_percent_max: int = setting(
        10, whole(0, 1_000), "or further off than this share of the expected quantity"
    )
    variance_value_minor_max: int = setting(10_000, whole(0, 10**15), "or worth more than this at standard cost")
    transfer_late_ms: int = setting(
        7 * DAY_MS, whole(60_000, 365 * DAY_MS), "a dispatch not accepted for so long is reported late"
    )


@dataclass(frozen=True, slots=True)
class KeyConfig:
    log_file: str = setting("keys/log.key", file_path, "signs hub checkpoints and cosignatures")
    control_file: str = setting("keys/control.key", file_path, "signs control records for the sites' contracts")
    submitter_file: str = setting(
        "keys/submitter.key", file_path, "sends anchors to the main chain; can do nothing else"
    )
    pepper_file: str = setting("keys/pepper.key", file_path, "makes password hashes useless without this machine")
    heads_file: str = setting(
        "heads.db", file_path, "what the hub has signed; keep it out of the backup that holds the database"
    )


@dataclass(frozen=True, slots=True)
class HubConfig:
    """Everything the hub may be told. `folder` is where its data lives; it comes from the command line."""

    org: str = setting("", _org, "the organisation whose sites report here; part of every log name")
    log_level: str = setting(
        "info", one_of("debug", "info", "warning", "error"), "debug shows each step, never a secret"
    )
    database: str = setting("", _database, "empty: SQLite in the data folder")
    verifiers: int = setting(1, whole(1, 64), "threads that re-execute; a site is always verified by one at a time")
    web: WebConfig = field(default_factory=WebConfig, metadata={"why": "console, API and the sites' exchange"})
    sync: SyncConfig = field(default_factory=SyncConfig, metadata={"why": "how sites report"})
    chain: ChainConfig = field(default_factory=ChainConfig, metadata={"why": "the main chain that anchors go to"})
    anchors: AnchorConfig = field(default_factory=AnchorConfig, metadata={"why": "when the hub's log is anchored"})
    rules: RulesConfig = field(default_factory=RulesConfig, metadata={"why": "what counts as a discrepancy"})
    keys: KeyConfig = field(
        default_factory=KeyConfig, metadata={"why": "the files that hold secrets; readable by their owner only"}
    )
    folder: Path = field(default=Path("."), metadata={"hidden": True})

    @property
    def name(self) -> str:
        """The name of the hub's log and of its signatures."""
        return f"{self.org}/hub"

    def path(self, name: str) -> Path:
        """A file of the hub: relative names are inside the data folder."""
        return self.folder / name

    def database_url(self) -> str:
        """The address that `hub.store` opens."""
        return self.database or f"sqlite:///{self.folder / 'hub.db'}"


def load(folder: Path, file: Path | None = None) -> HubConfig:
    """The settings of the hub in `folder`; `file` stands in for its own `hub.toml`."""
    config = settings.load(HubConfig, file, folder, CONFIG_FILE, "create a hub with `tallyman hub init`")
    check(config)
    return config


def check(config: HubConfig) -> None:
    """What one setting alone cannot say; raises Rejected."""
    if config.chain.kind == "rpc" and not config.chain.url:
        raise Rejected("the main chain of kind 'rpc' needs chain.url: the address of its JSON-RPC")


def first_file(values: dict[str, Any]) -> str:
    """What `init` writes: the values that were given, by dotted name, and where to find the rest."""
    top = {key: value for key, value in values.items() if "." not in key}
    lines = ["# Settings of this hub. `tallyman hub config` prints every one with its value, default and reason."]
    lines += [f"{key} = {settings.toml(value)}" for key, value in top.items()]
    for table in [item.name for item in fields(HubConfig)]:
        inner = {key.removeprefix(f"{table}."): value for key, value in values.items() if key.startswith(f"{table}.")}
        if inner:
            lines += ["", f"[{table}]", *(f"{key} = {settings.toml(value)}" for key, value in inner.items())]
    raw = "\n".join(lines) + "\n"
    settings.parse(HubConfig, raw.encode(), "the new settings", Path("."))
    return raw
