"""Who this node is: its keys, made here once, and what the hub certified about it.

`init` makes keys and databases and refuses to overwrite anything; `remember` stores what the hub certified, once.
There is no other way in: `run` creates nothing. The chain itself is founded by `node/founding`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from devices.journal import FILE as READS_FILE
from devices.journal import Journal
from ledger import db
from ledger.block_rules import Identity
from ledger.codec import json_loads
from ledger.deployment import Addresses
from ledger.errors import Corrupt, LedgerError, Rejected, Unavailable
from ledger.ids import Origin
from ledger.keyfiles import read_key_file, write_key_file
from ledger.keys import PEPPER_BYTES, SigningKey, TxKey, VerifyKey
from ledger.seams import Random, Storage
from node import config as settings
from node import store
from node.config import NodeConfig
from sync.client import ENROL_MEDIA_TYPE, ENROL_PATH, Answer, Transport
from sync.enrolment import Certificate, Code, make_request, read_answer


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The secrets of a node. `pepper` makes PIN hashes and personal keys useless on any other machine."""

    block: SigningKey
    transaction: TxKey
    pepper: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What the hub certified: who the site's chain is, whose keys make it, and whose word counts as the hub's."""

    certificate: Certificate
    chain: Identity

    @classmethod
    def of(cls, certificate: Certificate) -> NodeIdentity:
        """What follows from a certificate."""
        return cls(certificate, certificate.chain)

    @property
    def origin(self) -> Origin:
        return self.chain.origin

    @property
    def files(self) -> str:
        """What the names of the files end in that belong to this incarnation alone: keys, signing mark, lease.

        A later incarnation has its own, so that taking one over changes the database and nothing else: whenever that
        is cut short, the files of whichever incarnation the database says are all there.
        """
        return files_of(self.origin)

    @property
    def contracts(self) -> Addresses:
        return self.chain.contracts

    @property
    def hub_key(self) -> VerifyKey:
        """Signs the hub's checkpoints, cosignatures and answers."""
        return self.certificate.hub_key

    @property
    def block_key(self) -> VerifyKey:
        """This node's own public key, which signs its blocks and checkpoints."""
        return self.certificate.node_key

    @property
    def key_number(self) -> int:
        return self.certificate.key_number

    @property
    def not_before_s(self) -> int:
        """The hub's time of the certificate, and the time of genesis."""
        return self.certificate.not_before_s


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


def files_of(origin: Origin) -> str:
    """See `NodeIdentity.files`."""
    return "" if origin.incarnation == 1 else f"-{origin.incarnation}"


def load_keys(config: NodeConfig, files: str = "") -> NodeKeys:
    """The node's secrets. Raises Rejected in one plain line for a missing, too open or damaged key file."""
    return NodeKeys(
        block=SigningKey(read_key_file(_key_path(config, config.keys.block_file, files))),
        transaction=TxKey(read_key_file(_key_path(config, config.keys.transaction_file, files))),
        pepper=read_key_file(config.path(config.keys.pepper_file), PEPPER_BYTES),
    )


def make_keys(config: NodeConfig, files: str, random: Random, storage: Storage) -> NodeKeys:
    """The keys of an incarnation: made by `init` for the first, and now for a further one, unless an attempt that was
    cut short has made them."""
    if not files:
        return load_keys(config)
    block, transaction = SigningKey.generate(random), TxKey.generate(random)
    for name, secret in (
        (config.keys.block_file, block.seed),
        (config.keys.transaction_file, transaction.secret),
    ):
        path = _key_path(config, name, files)
        if not path.exists():
            write_key_file(path, secret, storage)
    return load_keys(config, files)


def _key_path(config: NodeConfig, name: str, files: str) -> Path:
    path = config.path(name)
    return path.with_name(f"{path.stem}{files}{path.suffix}")


def remember(connection: db.Connection, certificate: Certificate) -> NodeIdentity:
    """Store what the hub certified, for good. The same again is allowed: an attempt may have been cut short."""
    known = store.fact(connection, store.FACT_CERTIFICATE)
    text = certificate.encode().hex()
    if known is not None and known != text:
        raise Rejected(
            f"this node is enrolled already, as {_stored(known).origin}: "
            "another identity needs another folder, made by `tallyman node init`"
        )
    with db.transaction(connection):
        store.set_fact(connection, store.FACT_CERTIFICATE, text)
    return NodeIdentity.of(certificate)


def recall(connection: db.Connection) -> NodeIdentity | None:
    """What the hub certified, or None before enrolment."""
    text = store.fact(connection, store.FACT_CERTIFICATE)
    return None if text is None else _stored(text)


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


def ask(config: NodeConfig, keys: NodeKeys, code: Code, transport: Transport) -> Certificate:
    """Redeem an enrolment code at the hub. Changes nothing here; asking again gives the same certificate.

    Raises Rejected for a code of another site or one the hub refuses, Invalid for a hub that is not the code's, and
    Unavailable when nobody answers.
    """
    site = Origin.parse(code.origin).site
    if site != config.site:
        raise Rejected(f"this code is for site {site!r}, this node is for {config.site!r}: get a code for this site")
    request = make_request(code, keys.block, keys.transaction)
    answer = transport.post(ENROL_PATH, request, ENROL_MEDIA_TYPE)
    if answer.status != 200 or answer.media_type != ENROL_MEDIA_TYPE:
        reason = problem_of(answer)
        if answer.status in (429, 503):
            raise Unavailable(f"the hub cannot enrol this node now: {reason}")
        raise Rejected(f"the hub does not enrol this node: {reason}")
    return read_answer(answer.body, code, request)


def problem_of(answer: Answer) -> str:
    """The hub's own words in a refusal, made safe to print."""
    try:
        detail = json_loads(answer.body)["detail"]
    except (LedgerError, KeyError, TypeError):
        detail = ""
    plain = "".join(each for each in str(detail) if each.isprintable())[:300]
    return plain or f"it answers {answer.status} without saying why"


def _stored(text: str) -> NodeIdentity:
    try:
        return NodeIdentity.of(Certificate.decode(bytes.fromhex(text)))
    except (ValueError, LedgerError) as error:
        raise Corrupt(f"the hub's certificate as stored cannot be read: {error}; restore a backup") from error
