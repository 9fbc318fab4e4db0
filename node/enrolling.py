"""Commands that change a node: enrolment, and those that a running node does itself when it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ledger import control_socket, db, lock
from ledger.clock import Clock
from ledger.errors import LedgerError, Rejected, Unavailable
from ledger.ids import Origin
from ledger.seams import Random, Storage, SystemRandom
from node import identity, store
from node.config import NodeConfig
from node.identity import NodeIdentity
from sync.client import HttpTransport, Transport
from sync.enrolment import Certificate, Code

if TYPE_CHECKING:
    from ledger.chain import Head


def enrol(
    config: NodeConfig,
    text: str,
    clock: Clock,
    storage: Storage,
    *,
    url: str = "",
    random: Random | None = None,
    connect: Callable[[str], Transport] = HttpTransport,
) -> Head:
    """Redeem the code at the hub and found the chain. An attempt that was cut short is completed by repeating it.

    In the folder of an earlier incarnation, or for a site whose disk is lost, this takes over what came before.

    `url` stands in for the hub's address in the code; whichever was given is kept for the exchanges. Raises as
    `identity.ask` does, and Rejected for a node that is enrolled already.
    """
    code = Code.parse(text)
    with lock.hold(config.folder):
        connection = store.open_writer(config.folder)
        try:
            known = identity.recall(connection)
            if known is not None and not _goes_on(known.origin, Origin.parse(code.origin)):
                raise Rejected(f"this node is enrolled already, as {known.origin}: the code is for {code.origin}")
            files = identity.files_of(Origin.parse(code.origin))
            keys = identity.make_keys(config, files, random or SystemRandom(), storage)
            certificate, address = None if known is None else known.certificate, url or code.url
            if certificate is None or certificate.origin != code.origin:
                certificate, address = _ask(config, keys, code, address, connect)
            _keep_address(connection, url or code.url, connect)
            return _begin(config, connection, certificate, keys, connect, address, storage, clock.now_ms())
        finally:
            connection.close()


def _goes_on(known: Origin, wanted: Origin) -> bool:
    """Whether a node that is `known` may become `wanted`: the same again, or a later incarnation of its site."""
    same_site = (known.org, known.site) == (wanted.org, wanted.site)
    return same_site and known.incarnation <= wanted.incarnation


def _begin(
    config: NodeConfig,
    connection: db.Connection,
    certificate: Certificate,
    keys: identity.NodeKeys,
    connect: Callable[[str], Transport],
    address: str,
    storage: Storage,
    now_ms: int,
) -> Head:
    """Found the chain that the hub certified; a later incarnation takes over what came before it."""
    from node import founding, recovering

    known = identity.recall(connection)
    if (known is None and certificate.continued is None) or (known is not None and known.certificate == certificate):
        known = identity.remember(connection, certificate)
        return founding.found(config.folder, connection, known, keys, storage, now_ms)
    transport = connect(address)
    try:
        return recovering.take_over(config, connection, certificate, keys, transport, storage, now_ms)
    finally:
        _close(transport)


def _ask(
    config: NodeConfig, keys: identity.NodeKeys, code: Code, given: str, connect: Callable[[str], Transport]
) -> tuple[Certificate, str]:
    """Ask at the address that is given; without one, at each that is found until the code's own hub answers."""
    if given:
        return _ask_at(config, keys, code, connect(given)), given
    from node.uplink import hub_addresses

    refusal: LedgerError | None = None
    for address in hub_addresses(config, Origin.parse(code.origin).org, claims=code.hub_key_hash):
        try:
            return _ask_at(config, keys, code, connect(address)), address
        except LedgerError as error:
            # Anyone on the network may announce a hub and refuse; the first refusal is the likeliest to be ours.
            refusal = refusal or error
    raise refusal or Unavailable("no hub answers on this network: name its address with --url")


def _ask_at(config: NodeConfig, keys: identity.NodeKeys, code: Code, transport: Transport) -> Certificate:
    try:
        return identity.ask(config, keys, code, transport)
    finally:
        _close(transport)


def _keep_address(connection: db.Connection, address: str, connect: Callable[[str], Transport]) -> None:
    """Remember where the hub is. Raises Rejected for what is no address, before it is kept."""
    if not address:
        return
    _close(connect(address))
    with db.transaction(connection):
        store.set_fact(connection, store.FACT_HUB_URL, address)


def _close(transport: Transport) -> None:
    close = getattr(transport, "close", None)
    if close is not None:
        close()


def identity_of(config: NodeConfig) -> NodeIdentity:
    """Who this node is; Rejected before enrolment. Needs no key file."""
    connection = store.open_reader(config.folder)
    try:
        return identity.require(connection, config)
    finally:
        connection.close()


def command(config: NodeConfig, name: str, clock: Clock, random: Random, storage: Storage) -> dict[str, Any]:
    """Let the running node do it; without one, take its place for this one command."""
    answer = control_socket.ask(config.folder, name)
    if answer is not None:
        return answer
    from node import wiring

    with lock.hold(config.folder), wiring.opened(config, clock, random, storage) as parts:
        return parts.handlers()[name]({})
