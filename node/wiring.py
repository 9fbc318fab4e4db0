"""The parts of one node, put together: for the running process, for a single command, and for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.clock import Clock
from ledger.control_socket import Handler
from ledger.errors import Rejected
from ledger.seams import Random, Storage
from ledger.version import version
from node import identity, status, store
from node.agents.vitals import DeviceVitals
from node.config import NodeConfig
from node.floor import Floor
from node.health import Health
from node.identity import NodeKeys
from node.shadow import Shadow
from node.site import Site
from node.syncing import Syncer, as_dict
from node.uplink import NodeUplink
from sync.client import HttpTransport, Transport
from sync.discovery import own_addresses

if TYPE_CHECKING:
    from node.certificates import Certificates

MACHINE_FILE = Path("/etc/machine-id")
LINKS_EVERY_MS = 500
DEVICE_SHOWN = ("name", "kind", "station", "state", "problem")

Snapshots = Callable[[], Sequence[Mapping[str, Any]]]


@dataclass(slots=True)
class Parts:
    """Everything a node is made of. `devices` says how the scanners are, as their supervisor does."""

    site: Site
    floor: Floor
    health: Health
    shadow: Shadow
    syncer: Syncer
    clock: Clock
    random: Random
    devices: Snapshots
    certificates: Certificates | None = None
    _links: tuple[int, dict[str, Any]] = field(default=(-LINKS_EVERY_MS, {}), init=False)

    def handlers(self) -> dict[str, Handler]:
        """What a running node does when a command asks it to."""
        return {"seal": lambda _: self.seal(), "sync": lambda _: self.sync(), "status": lambda _: self.status()}

    def seal(self) -> dict[str, Any]:
        """Sign what is pending now. Raises Rejected while this node must not sign: waiting would not help."""
        if self.site.stopped:
            raise Rejected(f"this node does not sign: {self.site.stopped}")
        sealed = self.site.seal()
        head = self.site.head
        count = 0 if sealed is None else len(sealed.block.transactions)
        return {"height": head.height, "hash": head.hash.hex(), "operations": count}

    def sync(self) -> dict[str, Any]:
        """Exchange with the hub now, whatever the pace says."""
        report = self.syncer.now()
        self.floor.hub.apply_ready()
        return as_dict(report)

    def status(self) -> dict[str, Any]:
        """The same as `tallyman node status`, with what only the process itself knows."""
        found = status.read(self.site.config, self.clock.now_ms())
        return {**found, "running": True, "stopped": self.site.stopped, "hub_problem": self.syncer.problem}

    def links(self) -> dict[str, Any]:
        """How things are, for every screen: read at most twice a second, however many ask."""
        read_ran_ms, known = self._links
        ran_ms = self.clock.monotonic_ms()
        if ran_ms - read_ran_ms >= LINKS_EVERY_MS:
            known = self._read_links()
            self._links = (ran_ms, known)
        return known

    def _read_links(self) -> dict[str, Any]:
        with self.site.reading() as connection:
            answered_ms = store.hub_status(connection).get("at_ms")
            findings = self.floor.alerts.standing(connection)
        return {
            "hub_ms": answered_ms,
            "findings": [{"severity": each["severity"], "seen": each["seen"] is not None} for each in findings],
            "scanners": [{name: each[name] for name in DEVICE_SHOWN} for each in self.devices()],
        }


@contextmanager
def opened(
    config: NodeConfig,
    clock: Clock,
    random: Random,
    storage: Storage,
    *,
    devices: Snapshots = lambda: (),
    connect: Callable[[str], Transport] = HttpTransport,
) -> Iterator[Parts]:
    """An enrolled node, opened and ready; closed again at the end. The caller holds the folder's lock."""
    reader = store.open_reader(config.folder)
    try:
        certified = identity.require(reader, config)
        keys = identity.load_keys(config, certified.files)
        identity.check_keys(certified, keys)
    finally:
        reader.close()
    site = Site.open(config, certified, keys, clock, storage)
    parts = _parts(site, keys, clock, random, storage, devices, connect)
    try:
        yield parts
    finally:
        parts.shadow.close()
        site.close()


def _parts(
    site: Site,
    keys: NodeKeys,
    clock: Clock,
    random: Random,
    storage: Storage,
    devices: Snapshots,
    connect: Callable[[str], Transport],
) -> Parts:
    floor = Floor(site, keys.pepper, random, site.config.own_labels(), devices)
    health = Health(site, lambda: [_device_vitals(each, clock.now_ms()) for each in devices()], floor.alerts.notice)
    uplink = NodeUplink(
        site,
        keys.block,
        storage,
        version=version(),
        device=machine(str(site.identity.origin)),
        health=health.frame,
        advice=floor.hub.advice,
    )
    syncer = Syncer(site, uplink, clock, random, connect)
    if not site.stopped:
        floor.resume()
    shadow = Shadow(site.config.folder, site.identity, storage)
    certificates = _certificates(site, clock, storage)
    return Parts(site, floor, health, shadow, syncer, clock, random, devices, certificates)


def _certificates(site: Site, clock: Clock, storage: Storage) -> Certificates | None:
    """What HTTPS needs, when it is on."""
    web = site.config.web
    if not web.https_port:
        return None
    # Here and not above: a node without HTTPS need not carry the library.
    from node.certificates import FOLDER, Certificates, machine_names

    folder = site.config.path(FOLDER)
    names = lambda: machine_names(own_addresses(web.host), web.https_names)  # noqa: E731
    return Certificates(folder, site.config.site, names, clock, storage, lambda: site.head.timestamp)


def _device_vitals(snapshot: Mapping[str, Any], now_ms: int) -> DeviceVitals:
    """What a device's supervisor says, as vitals. Broken messages of any kind are errors."""
    counters = snapshot["counters"]
    last_ms = snapshot["last_read_ms"]
    return DeviceVitals(
        name=str(snapshot["name"]),
        state=str(snapshot["state"]),
        last_read_age_ms=None if last_ms is None else max(0, now_ms - last_ms),
        reads=int(counters.get("recorded", 0)),
        errors=sum(int(counters.get(name, 0)) for name in ("truncated", "oversize", "noise", "refused")),
    )


def machine(origin: str) -> str:
    """A name for this machine that says nothing about it, so that a copied disk shows on another one."""
    try:
        raw = MACHINE_FILE.read_bytes()[:1024]
    except OSError:
        return ""
    return hashlib.sha256(f"tallyman/machine/v1\n{origin}\n".encode() + raw).hexdigest()[:16]
