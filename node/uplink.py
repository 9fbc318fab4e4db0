"""The node's side of the exchange with the hub: what it says, and what it does with the answers.

`NodeUplink` is what `sync.cycle` needs of a node. `Syncer` decides when to call. Nothing here holds up a scan: the
site is locked only for short reads and writes, never while the network is waited for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ledger import checkpoint, db, merkle
from ledger.block import Block
from ledger.errors import Invalid, Rejected, Unavailable
from ledger.ids import Actor
from ledger.keys import SigningKey, VerifyKey
from ledger.receipt_file import LogProof
from ledger.seams import Storage
from node import journal, lease, proofs, retention, sealing, store, streams
from node.config import NodeConfig
from sync import lean, messages
from sync.cycle import Standing
from sync.lean import Parent
from sync.messages import Advice, Cosignature, Delta, Manifest, Status

if TYPE_CHECKING:  # the engine behind it is slow to import
    from node.site import Site
    from sync.discovery import Found

    Find = Callable[[str], Sequence[Found]]

log = logging.getLogger(__name__)

DISCOVERY_MS = 3_000
CLAIM_DIGITS = 32  # of the hub key's hash, in an announcement
FACT_MANIFEST = "hub_manifest"
FACT_STOPPED_BY_HUB = "stopped_by_hub"

# After these the node signs nothing more until the hub says otherwise.
STOPPING = frozenset({messages.FORKED, messages.CLONE_SUSPECT, messages.STALE_INCARNATION, messages.REVOKED})
# These say from where to go on delivering, too.
DELIVERING = frozenset({messages.BEHIND, messages.FORKED, messages.STALE_INCARNATION})
HOLDING = frozenset({messages.OK, messages.PARTIAL, messages.QUARANTINED, messages.NOT_NEXT, messages.RECOVERING})


class NodeUplink:
    """One site as the source of a sync cycle. `health` gives what the node says about itself."""

    def __init__(
        self,
        site: Site,
        key: SigningKey,
        storage: Storage,
        *,
        version: str = "",
        device: str = "",
        health: Callable[[], Mapping[str, Any] | None] = lambda: None,
        advice: Callable[[], Sequence[Advice]] = tuple,
    ) -> None:
        self._site = site
        self._key = key
        self._storage = storage
        self._folder = site.config.folder
        self._files = site.identity.files
        self._version = version
        self._device = device
        self._health = health
        self._advice = advice

    @property
    def key(self) -> SigningKey:
        return self._key

    @property
    def hub_key(self) -> VerifyKey:
        return self._site.identity.hub_key

    def standing(self) -> Standing:
        """Where the node is now, read at one moment."""
        held = lease.read(self._folder, self._files)
        with self._site.reading() as connection:
            size = proofs.block_count(connection)
            head = connection.execute("SELECT hash FROM blocks WHERE height = ?", (size - 1,)).fetchone()
            (cosigned,) = connection.execute("SELECT coalesce(max(size), 0) FROM cosignatures").fetchone()
            known = store.hub_status(connection)
            waiting, oldest_ms = journal.backlog(connection)
            down = {stream: streams.cursor(connection, stream) for stream in streams.STREAMS}
            manifest, _ = _manifest(connection)
        now_ms = self._site.clock.now_ms()
        age_ms = 0 if oldest_ms is None else max(0, now_ms - oldest_ms)
        return Standing(
            origin=str(self._site.identity.origin),
            size=size,
            head=b"" if head is None else bytes(head[0]),
            cosigned=int(cosigned),
            next=int(known.get("next", cosigned)),
            hub_cosigned=int(known.get("cosigned", cosigned)),
            lease=held.value,
            tried=held.tried,
            down={stream: cursor for stream, cursor in down.items() if cursor != (0, 0)},
            manifest=manifest,
            backlog={"operations": waiting, "oldest_ms": age_ms, "blocks": max(0, size - int(cosigned))},
            version=self._version,
            device=self._device,
            now_ms=now_ms,
        )

    def will_ask(self, request: bytes) -> None:
        """Remember a request before it is sent."""
        asking = lease.read(self._folder, self._files).asking(request)
        lease.write(self._folder, asking, self._storage, self._files)

    def blocks(self, start: int) -> Iterator[tuple[Block, Parent | None]]:
        """From height `start` on; each is read by itself, so that the site is never locked for long."""
        height = start
        with self._site.reading() as connection:
            before = None if start == 0 else sealing.read_block(connection, start - 1)
        parent = None if before is None else Parent.of(before)
        while True:
            with self._site.reading() as connection:
                block = sealing.read_block(connection, height)
            if block is None:
                return
            yield block, parent
            parent = Parent.of(block)
            height += 1

    def head_note(self, size: int) -> bytes:
        """The site's signed checkpoint at `size`. The same size always gives the same bytes."""
        with self._site.reading() as connection:
            return checkpoint.sign(proofs.checkpoint_at(connection, self._site.identity, size), self._key)

    def advice(self) -> Sequence[Advice]:
        return self._advice()

    def health(self) -> Mapping[str, Any] | None:
        return self._health()

    # ------------------------------------------------------------ answers

    def take_cosignature(self, acknowledgement: Cosignature) -> None:
        """Keep the hub's acknowledgement of exactly the log that this node has."""
        identity = self._site.identity
        found = checkpoint.verify_cosigned(
            acknowledgement.note,
            str(identity.origin),
            self._key.verify_key,
            identity.origin.hub,
            self.hub_key,
        )
        size = found.checkpoint.size
        with self._site.writing() as connection:
            if size > proofs.block_count(connection):
                raise Invalid(f"the hub acknowledges {size} blocks, more than this node has")
            if proofs.checkpoint_at(connection, identity, size) != found.checkpoint:
                raise Invalid(
                    f"the hub acknowledges another history than this node's, up to {size} blocks: "
                    "two machines have signed with these keys"
                )
            connection.execute("INSERT OR IGNORE INTO cosignatures VALUES (?, ?)", (size, acknowledgement.note))

    def take_manifest(self, manifest: Manifest) -> None:
        """Keep the newest manifest; an older one would be a step back that somebody wants us to take."""
        with self._site.writing() as connection:
            known, _ = _manifest(connection)
            if manifest.version < known:
                raise Invalid(f"the hub's manifest {manifest.version} is older than {known}, which is known here")
            store.set_fact(connection, FACT_MANIFEST, f"{manifest.version} {manifest.expires_ms}")

    def take_deltas(self, stream: str, deltas: Sequence[Delta]) -> None:
        """Apply consecutive steps of one stream and its cursor in one transaction. Steps known already do nothing."""
        if stream not in streams.STREAMS:
            # A newer hub has a stream that this program knows nothing of; nothing here depends on it.
            return
        with self._erasing_people(stream), self._site.writing() as connection:
            for delta in deltas:
                self._take_delta(connection, delta)

    def take_own_blocks(self, start: int, travelling: Sequence[list[Any]]) -> None:
        """Blocks of our own that this disk has lost: linked, executed and kept like any others."""
        with self._site.reading() as connection:
            size = proofs.block_count(connection)
            before = None if size == 0 else sealing.read_block(connection, size - 1)
        if start > size:
            raise Invalid(f"the hub gives back blocks from {start} on, this node has {size}")
        parent = None if before is None else Parent.of(before)
        found = []
        for value in travelling[size - start :]:
            block = lean.decode(value, parent)
            found.append(block)
            parent = Parent.of(block)
        if found:
            head = self._site.adopt(found)
            log.warning("own blocks taken back from the hub", extra={"blocks": len(found), "height": head.height})
            # They may say that texts or photos were erased which a backup brought back. A start does the same.
            retention.erase_again(self._site)

    def take_status(self, status: Status) -> None:
        """Remember what the hub thinks, and stop or go on signing as it says."""
        known = {
            "code": status.code,
            "message": status.message,
            "at_ms": self._site.clock.now_ms(),
            "logged": status.logged_size,
            "anchored": status.anchored_size,
        }
        if status.code in HOLDING or status.code in DELIVERING:
            known |= {"next": status.next, "cosigned": status.cosigned_size}
        with self._site.writing() as connection:
            before = store.hub_status(connection)
            store.set_fact(connection, store.FACT_HUB, json.dumps({**before, **known}))
            self._obey(connection, status)
        self._site.confirm_time(status.hub_time_ms)
        if before.get("code") != status.code:
            log.info("the hub says", extra={"code": status.code, "reason": status.message})
        if status.lease:
            lease.write(self._folder, lease.Lease(status.lease), self._storage, self._files)

    def _erasing_people(self, stream: str) -> AbstractContextManager[None]:
        """Whoever is gone from the people of this site was erased at the hub, and is to be gone from this disk."""
        return self._site.erasing() if stream == streams.USERS else nullcontext()

    def _take_delta(self, connection: db.Connection, delta: Delta) -> None:
        generation, sequence = streams.cursor(connection, delta.stream)
        if delta.reset:
            streams.clear(connection, delta.stream)
        elif delta.generation == generation and delta.end <= sequence:
            return
        elif (delta.generation, delta.start) != (generation, sequence) and (generation, sequence, delta.start) != (
            0,
            0,
            0,
        ):
            raise Invalid(
                f"a step of {delta.generation}/{delta.start} does not follow {generation}/{sequence}; "
                "the next exchange asks again"
            )
        for key, value in delta.operations:
            try:
                if value is None:
                    streams.remove(connection, delta.stream, key)
                    if delta.stream == streams.USERS:
                        retention.forget(connection, Actor.parse(key))
                else:
                    if delta.stream == streams.RECEIPTS:
                        self._check_receipt(connection, key, value)
                    streams.put(connection, delta.stream, key, value)
            except (Invalid, Rejected) as error:
                # One entry that makes no sense must not hold up all that come after it.
                log.warning("entry left out", extra={"stream": delta.stream, "key": key, "reason": str(error)})
        streams.set_cursor(connection, delta.stream, delta.generation, delta.end)

    def _check_receipt(self, connection: db.Connection, size: str, value: Any) -> None:
        """The hub's proof must hold for our own checkpoint, byte for byte; then its log is one that we have seen."""
        identity = self._site.identity
        proof = LogProof.from_json(value.get("hub") if isinstance(value, dict) else None)
        stated = checkpoint.verify(proof.checkpoint, identity.origin.hub, self.hub_key)
        own = checkpoint.parse_decimal(size)
        if own > proofs.block_count(connection):
            raise Invalid(f"a receipt for {own} blocks, more than this node has")
        note = checkpoint.sign(proofs.checkpoint_at(connection, identity, own), self._key)
        merkle.verify_inclusion(merkle.leaf_hash(note), proof.index, proof.size, proof.path, stated.root)
        if stated.size != proof.size:
            raise Invalid(f"a receipt under {proof.size} entries with a checkpoint of {stated.size}")
        known = store.hub_log(connection)
        if known is None or known[0] < stated.size:
            store.set_fact(connection, store.FACT_HUB_LOG, f"{stated.size} {stated.root.hex()}")

    def _obey(self, connection: db.Connection, status: Status) -> None:
        stopped = store.fact(connection, store.FACT_STOPPED)
        ours = store.fact(connection, FACT_STOPPED_BY_HUB)
        if status.code in STOPPING:
            reason = f"{status.code}: {status.message}"
            if stopped is None or stopped == ours:
                store.set_fact(connection, store.FACT_STOPPED, reason)
                store.set_fact(connection, FACT_STOPPED_BY_HUB, reason)
        elif status.code in HOLDING and ours is not None:
            if stopped == ours:
                store.set_fact(connection, store.FACT_STOPPED, None)
            store.set_fact(connection, FACT_STOPPED_BY_HUB, None)


def hub_addresses(
    config: NodeConfig, org: str = "", *, kept: str = "", claims: bytes = b"", find: Find | None = None
) -> Iterator[str]:
    """Where the hub may be, likeliest first: the setting and nothing else, or the address `kept` from enrolment, then
    what answers on the local network, those that claim the hub key with the hash `claims` before all others.

    Addresses, never a reason to trust. Raises Rejected when none is known and none may be looked for, Unavailable
    when none is known and nobody answers.
    """
    if config.hub.url:
        yield config.hub.url
        return
    if kept:
        yield kept
    elif unreachable := config.hub.unreachable(kept):
        raise Rejected(unreachable)
    if not config.hub.discover:
        return
    try:
        found = (find or _find)(org)
    except Unavailable:
        if not kept:
            raise
        return  # what the kept address answered says more than that nothing can be looked for
    if not found and not kept:
        raise Unavailable("no hub answers on this network: put its address into hub.url of node.toml")
    wanted = claims.hex()[:CLAIM_DIGITS]
    for each in sorted(found, key=lambda hub: hub.key_hash != wanted):
        if each.url != kept:
            yield each.url


def _find(org: str) -> Sequence[Found]:
    from sync import discovery  # costs a third of a second that a set address saves

    return discovery.find(DISCOVERY_MS, org=org)


def manifest_expiry_ms(connection: db.Connection) -> int | None:
    """Until when the hub promised a newer manifest: later than that the hub's data may be held back from us."""
    version, expires_ms = _manifest(connection)
    return expires_ms if version else None


def _manifest(connection: db.Connection) -> tuple[int, int]:
    text = store.fact(connection, FACT_MANIFEST)
    if text is None:
        return 0, 0
    version, expires_ms = text.split(" ")
    return int(version), int(expires_ms)
