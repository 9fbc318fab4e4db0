"""Making a hub: folder, keys, databases, main chain and the contract on it. `init` never overwrites anything.

The settings file is written last: a folder without it was never finished, and is removed by hand before trying again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub import chains, people, store
from hub import config as hub_config
from hub.config import HubConfig
from hub.heads import Heads
from ledger import keyfiles, settings
from ledger.checkpoint import format_key
from ledger.clock import Clock
from ledger.errors import LedgerError, Rejected
from ledger.keys import PEPPER_BYTES, SigningKey, TxKey
from ledger.people import new_code
from ledger.seams import Random, Storage

ADMINISTRATOR = "admin"


@dataclass(frozen=True, slots=True)
class HubKeys:
    """What the hub signs with. Each lies in a file of its own."""

    log: SigningKey
    control: TxKey
    submitter: TxKey
    pepper: bytes


@dataclass(frozen=True, slots=True)
class Founded:
    """A new hub. `password` is the administrator's, shown this once."""

    config: HubConfig
    log_key: str
    contract: bytes
    chain_id: int
    password: str


def found(
    folder: Path,
    org: str,
    clock: Clock,
    random: Random,
    storage: Storage,
    *,
    values: Mapping[str, Any] | None = None,
    deploy: bool = False,
) -> Founded:
    """Make a hub in `folder`. `values`: settings by dotted name; `deploy`: put the contract on a JSON-RPC chain.

    What could not be made to its end leaves the folder empty again, so that the same command can be repeated.
    """
    raw = hub_config.first_file({"org": org, **(values or {})})
    config = settings.parse(HubConfig, raw.encode(), "the new settings", folder)
    hub_config.check(config)
    _make_folder(folder, config)
    try:
        return _fill(config, raw, clock, random, storage, deploy=deploy)
    except LedgerError:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        raise


def _fill(config: HubConfig, raw: str, clock: Clock, random: Random, storage: Storage, *, deploy: bool) -> Founded:
    keys = _make_keys(config, random, storage)
    Heads.create(config.path(config.keys.heads_file), storage).close()
    # The chain first: what it refuses must not leave tables in a database that others may keep.
    prepared = chains.prepare(config, keys.submitter, clock, random, deploy=deploy)
    prepared.chain.close()
    opened = store.create(config.database_url(), now_ms=clock.now_ms(), storage=storage)
    try:
        password = new_code(random.bytes(16))
        with opened.write() as session:
            chains.save(session, prepared.pins)
            people.add_account(
                session,
                ADMINISTRATOR,
                "Administrator",
                password,
                people.CONSOLE_ROLES,
                keys.pepper,
                random,
                clock.now_ms(),
            )
    finally:
        opened.close()
    storage.replace_file(config.folder / hub_config.CONFIG_FILE, raw.encode())
    return Founded(
        config=config,
        log_key=format_key(config.name, keys.log.verify_key),
        contract=prepared.pins.contract,
        chain_id=prepared.pins.chain_id,
        password=password,
    )


def load_keys(config: HubConfig) -> HubKeys:
    """The hub's keys from their files; raises Rejected in one plain line for a missing or too open one."""

    def read(name: str, size: int = keyfiles.SECRET_BYTES) -> bytes:
        return keyfiles.read_key_file(config.path(name), size)

    return HubKeys(
        log=SigningKey(read(config.keys.log_file)),
        control=TxKey(read(config.keys.control_file)),
        submitter=TxKey(read(config.keys.submitter_file)),
        pepper=read(config.keys.pepper_file, PEPPER_BYTES),
    )


def _make_folder(folder: Path, config: HubConfig) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise Rejected(f"{folder} is not empty: `init` makes a hub in a new folder and overwrites nothing")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (config.keys.log_file, config.keys.control_file, config.keys.submitter_file, config.keys.heads_file):
        config.path(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make_keys(config: HubConfig, random: Random, storage: Storage) -> HubKeys:
    keys = HubKeys(
        SigningKey.generate(random), TxKey.generate(random), TxKey.generate(random), random.bytes(PEPPER_BYTES)
    )
    for name, secret in (
        (config.keys.log_file, keys.log.seed),
        (config.keys.control_file, keys.control.secret),
        (config.keys.submitter_file, keys.submitter.secret),
        (config.keys.pepper_file, keys.pepper),
    ):
        keyfiles.write_key_file(config.path(name), secret, storage)
    return keys
