"""Commands that change a node: enrolment, and those that a running node does itself when it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ledger import control_socket, lock
from ledger.clock import Clock
from ledger.errors import Rejected
from ledger.ids import Origin
from ledger.seams import Random, Storage
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
    connect: Callable[[str], Transport] = HttpTransport,
) -> Head:
    """Redeem the code at the hub and found the chain. An attempt that was cut short is completed by repeating it.

    `url` stands in for the hub's address in the code. Raises as `identity.ask` does, and Rejected for a node that is
    enrolled already.
    """
    from node import founding

    code = Code.parse(text)
    keys = identity.load_keys(config)
    with lock.hold(config.folder):
        connection = store.open_writer(config.folder)
        try:
            known = identity.recall(connection)
            if known is None:
                address = url or code.url or _hub_address(config, code)
                known = identity.remember(connection, _ask(config, keys, code, connect(address)))
            elif str(known.origin) != code.origin:
                raise Rejected(f"this node is enrolled already, as {known.origin}: the code is for {code.origin}")
            return founding.found(config.folder, connection, known, keys, storage, clock.now_ms())
        finally:
            connection.close()


def _hub_address(config: NodeConfig, code: Code) -> str:
    from node.uplink import hub_address

    return hub_address(config, Origin.parse(code.origin).org)


def _ask(config: NodeConfig, keys: identity.NodeKeys, code: Code, transport: Transport) -> Certificate:
    try:
        return identity.ask(config, keys, code, transport)
    finally:
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
