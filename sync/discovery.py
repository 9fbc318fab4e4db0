"""Finding the hub on the local network: the only importer of zeroconf.

What is found is an address to try and nothing more. Anyone on the network can announce anything; whether it is the
hub shows only in its signatures, and until those are checked it is told nothing that would help it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from zeroconf import Error as ZeroconfError
from zeroconf import InterfaceChoice, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from ledger.errors import Rejected, Unavailable

SERVICE = "_tallyman-hub._tcp.local."
FOUND_MAX = 16
ANSWER_TIMEOUT_MS = 1_000
QUIET_MS = 300
_NAME = re.compile(r"[a-z0-9.-]{1,31}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """A machine that calls itself the hub of `org`, and the key hash (hex) it claims. Nothing of it is proved."""

    url: str
    org: str
    key_hash: str


class Announcement:
    """Tells the local network where the hub of `org` listens, until `stop`."""

    def __init__(
        self,
        org: str,
        addresses: Sequence[str],
        port: int,
        key_hash: bytes,
        *,
        tls: bool = False,
        loopback: bool = False,
    ) -> None:
        if not _NAME.fullmatch(org) or not 0 < port < 65_536 or not addresses:
            raise Rejected(f"cannot announce the hub of {org!r} at {list(addresses)} port {port}")
        self._loopback = loopback
        self._zeroconf: Zeroconf | None = None
        self._info = ServiceInfo(
            SERVICE,
            # Two hubs of one organisation on a network are two announcements.
            f"{org}-{key_hash.hex()[:8]}-{port}.{SERVICE}",
            addresses=[ipaddress.ip_address(address).packed for address in addresses],
            port=port,
            properties={"org": org, "key": key_hash.hex()[:32], "tls": "1" if tls else "0", "proto": "1"},
            server=f"tallyman-{key_hash.hex()[:12]}.local.",
        )

    def start(self) -> None:
        """Begin. Raises Unavailable where the machine has no multicast; the hub works without being announced."""
        try:
            self._zeroconf = Zeroconf(interfaces=_interfaces(self._loopback))
            self._zeroconf.register_service(self._info, allow_name_change=True)
        except (OSError, ZeroconfError) as error:
            self.stop()
            raise Unavailable(f"the hub cannot be announced on this network: {error}") from error

    def stop(self) -> None:
        """Take the announcement back."""
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None


def find(timeout_ms: int, *, org: str = "", loopback: bool = False) -> tuple[Found, ...]:
    """Hubs that answer within `timeout_ms`, of `org` if it is given, in the order of their addresses.

    Returns as soon as one was found and the network was quiet for a moment. At most `FOUND_MAX`, however many shout.
    """
    listener = _Listener(org)
    try:
        browser_zeroconf = Zeroconf(interfaces=_interfaces(loopback))
    except OSError as error:
        raise Unavailable(f"this network has no multicast to look for the hub with: {error}") from error
    try:
        browser = ServiceBrowser(browser_zeroconf, SERVICE, listener)
        if listener.some.wait(timeout_ms / 1000):
            # The first to answer is not the hub just because it was first: hear the others too.
            for _ in range(FOUND_MAX):
                listener.some.clear()
                if not listener.some.wait(QUIET_MS / 1000):
                    break
        browser.cancel()
    finally:
        browser_zeroconf.close()
    return tuple(sorted(listener.found.values(), key=lambda each: each.url))


class _Listener(ServiceListener):
    """Collects well-formed answers; everything else on the network is passed over."""

    def __init__(self, org: str) -> None:
        self._org = org
        self.found: dict[str, Found] = {}
        self.some = threading.Event()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if len(self.found) >= FOUND_MAX:
            return
        info = zc.get_service_info(type_, name, timeout=ANSWER_TIMEOUT_MS)
        found = None if info is None else _read(info)
        if found is not None and self._org in ("", found.org):
            self.found[name] = found
            self.some.set()

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """A changed announcement is not followed: the next search asks anew."""

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.found.pop(name, None)


def _read(info: ServiceInfo) -> Found | None:
    """An announcement as a value, or None if it is not one of ours."""
    said = {
        key.decode("ascii", "replace"): (value or b"").decode("ascii", "replace")
        for key, value in list(info.properties.items())[:16]
    }
    org, key_hash = said.get("org", ""), said.get("key", "")
    addresses = info.parsed_addresses()[:4]
    if not _NAME.fullmatch(org) or not _HEX.fullmatch(key_hash) or not info.port or not addresses:
        return None
    scheme = "https" if said.get("tls") == "1" else "http"
    return Found(f"{scheme}://{_host(addresses[0])}:{info.port}", org, key_hash)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _interfaces(loopback: bool) -> InterfaceChoice | list[str]:
    return ["127.0.0.1"] if loopback else InterfaceChoice.All


def own_addresses(host: str) -> tuple[str, ...]:
    """What to announce for a server that listens on `host`: that address, or for 0.0.0.0 the one that reaches out."""
    if host not in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return (host,)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket only asks the routing table.
            probe.connect(("192.0.2.1", 9))
            return (str(probe.getsockname()[0]),)
        except OSError:
            return ("127.0.0.1",)
