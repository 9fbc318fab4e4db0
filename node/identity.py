"""Who this node is: its keys, made here once, and what the hub certified about it.

`init` makes keys and databases and refuses to overwrite anything; `remember` stores what the hub certified, once.
There is no other way in: `run` creates nothing. The chain itself is founded by `node/founding`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.journal import FILE as READS_FILE
from devices.journal import Journal
from ledger import db
from ledger.block_rules import Identity
from ledger.deployment import Addresses
from ledger.errors import Corrupt, LedgerError, Rejected
from ledger.ids import Origin
from ledger.keyfiles import read_key_file, write_key_file
from ledger.keys import PEPPER_BYTES, SigningKey, TxKey, VerifyKey
from ledger.seams import Random, Storage
from node import config as settings
from node import store
from node.config import NodeConfig

IDENTITY_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The secrets of a node. `pepper` makes PIN hashes and personal keys useless on any other machine."""

    block: SigningKey
    transaction: TxKey
    pepper: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What the hub certified. `certificate` is the hub's signed statement as it came, kept as evidence.

    `chain` says who the site's chain is; `hub_key` signs for the hub; `block_key` is this node's own public key, with
    its number; `not_before_s` is the hub's time of the certificate and the time of genesis.
    """

    chain: Identity
    hub_key: VerifyKey
    block_key: VerifyKey
    not_before_s: int
    key_number: int = 0
    certificate: bytes = b""

    @property
    def origin(self) -> Origin:
        return self.chain.origin

    @property
    def contracts(self) -> Addresses:
        return self.chain.contracts

    def encode(self) -> str:
        """JSON for the store."""
        return json.dumps(
            {
                "origin": str(self.chain.origin),
                "node": self.chain.node.hex(),
                "control_key": self.chain.control_key.hex(),
                "hub_key": self.hub_key.raw.hex(),
                "block_key": self.block_key.raw.hex(),
                "not_before_s": self.not_before_s,
                "key_number": self.key_number,
                "certificate": self.certificate.hex(),
            }
        )

    @classmethod
    def decode(cls, text: str) -> NodeIdentity:
        """The inverse of `encode`; what we stored ourselves and cannot read is `Corrupt`."""
        try:
            entry: dict[str, Any] = json.loads(text)
            identity = cls(
                chain=Identity.first(
                    Origin.parse(entry["origin"]), bytes.fromhex(entry["node"]), bytes.fromhex(entry["control_key"])
                ),
                hub_key=VerifyKey(bytes.fromhex(entry["hub_key"])),
                block_key=VerifyKey(bytes.fromhex(entry["block_key"])),
                not_before_s=entry["not_before_s"],
                key_number=entry["key_number"],
                certificate=bytes.fromhex(entry["certificate"]),
            )
        except (ValueError, TypeError, KeyError, LedgerError) as error:
            raise Corrupt(f"the node's identity as stored cannot be read: {error}; restore a backup") from error
        if identity.encode() != text:
            raise Corrupt("the node's identity as stored is not what this program wrote; restore a backup")
        return identity


def init(folder: Path, site: str, random: Random, storage: Storage) -> NodeConfig:
    """A new node in `folder`: settings, three key files, two databases. Refuses a folder that holds anything.

    The settings file is written last: a folder without it was cut short and is safe to empty.
    """
    text = settings.first_file(site)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Rejected(f"{folder} is not a folder; name one that is empty or does not exist yet")
    if folder.exists() and any(folder.iterdir()):
        raise Rejected(f"{folder} is not empty: a node is never created over something else; name another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    storage.sync_directory(folder.parent)
    config = NodeConfig(site=site, folder=folder)
    (folder / "keys").mkdir(mode=0o700)
    storage.sync_directory(folder)
    write_key_file(config.path(config.keys.block_file), SigningKey.generate(random).seed, storage)
    write_key_file(config.path(config.keys.transaction_file), TxKey.generate(random).secret, storage)
    write_key_file(config.path(config.keys.pepper_file), random.bytes(PEPPER_BYTES), storage)
    store.create(folder, storage).close()
    Journal.create(folder / READS_FILE, storage)
    storage.replace_file(folder / settings.CONFIG_FILE, text.encode(), 0o644)
    return settings.load(folder)


def load_keys(config: NodeConfig) -> NodeKeys:
    """The node's secrets. Raises Rejected in one plain line for a missing, too open or damaged key file."""
    return NodeKeys(
        block=SigningKey(read_key_file(config.path(config.keys.block_file))),
        transaction=TxKey(read_key_file(config.path(config.keys.transaction_file))),
        pepper=read_key_file(config.path(config.keys.pepper_file), PEPPER_BYTES),
    )


def remember(connection: db.Connection, identity: NodeIdentity) -> None:
    """Store what the hub certified, for good. The same again is allowed: an attempt may have been cut short."""
    known = store.fact(connection, store.FACT_IDENTITY)
    if known is not None and known != identity.encode():
        raise Rejected(
            f"this node is enrolled already, as {NodeIdentity.decode(known).origin}: "
            "another identity needs another folder, made by `tallyman node init`"
        )
    with db.transaction(connection):
        store.set_fact(connection, store.FACT_IDENTITY, identity.encode())


def recall(connection: db.Connection) -> NodeIdentity | None:
    """What the hub certified, or None before enrolment."""
    text = store.fact(connection, store.FACT_IDENTITY)
    return None if text is None else NodeIdentity.decode(text)


def require(connection: db.Connection, config: NodeConfig, keys: NodeKeys | None = None) -> NodeIdentity:
    """The identity of an enrolled node. Rejected before enrolment, and when settings or keys are another node's."""
    identity = recall(connection)
    if identity is None:
        raise Rejected("this node is not enrolled yet: get a code at the hub and run `tallyman node enrol CODE`")
    if identity.origin.site != config.site:
        raise Rejected(
            f"the settings say site {config.site!r}, the hub's certificate {identity.origin.site!r}: "
            "one of the two is another node's"
        )
    if keys is not None:
        check_keys(identity, keys)
    return identity


def check_keys(identity: NodeIdentity, keys: NodeKeys) -> None:
    """Rejected unless these are the keys that the hub certified."""
    if keys.block.verify_key != identity.block_key or keys.transaction.address != identity.chain.node:
        raise Rejected(
            f"the key files are not those that the hub certified for {identity.origin}: restore the ones made here"
        )
