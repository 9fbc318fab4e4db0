"""Which devices a site has: any transport with any protocol, named by one address each.

    serial:///dev/serial/by-id/usb-Zebra-if00?baud=115200&protocol=line&name=dock-1
    pipe:///run/tallyman/replay.fifo

The scheme is the transport, the path the device, the rest its settings. A setting nobody knows stops the start: a
misspelt one would otherwise show as a scanner that misreads now and then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from devices.protocols.base import READ_BYTES_MAX, Framing
from devices.protocols.line import IDLE_MS, LineProtocol
from devices.transports.base import Transport
from ledger.errors import Rejected

URL_LENGTH_MAX = 500
DEVICES_MAX = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{0,30}", re.ASCII)
_HEX = re.compile(r"([0-9A-Fa-f]{2}){0,16}", re.ASCII)

# One line a setting, for `tallyman devices --help` and the error that lists them.
SETTINGS = {
    "name": "what people call it (default: from the path)",
    "protocol": "line: reads end at CR, LF or ETX; stx: reads stand between STX and ETX (default: line)",
    "suffix": "any: a read needs its end character; none: silence ends it (default: any)",
    "idle_ms": f"silence that ends or breaks off a read, 10 to 5000 (default: {IDLE_MS})",
    "ack": "bytes in hex sent once a read is durable (default: none)",
    "nak": "bytes in hex sent when a read could not be recorded (default: none)",
    "baud": "serial speed (default: 9600)",
    "bits": "serial data bits, 5 to 8 (default: 8)",
    "parity": "serial parity: N, E, O, M or S (default: N)",
    "stop": "serial stop bits, 1 or 2 (default: 1)",
    "flow": "serial flow control: none, rtscts or xonxoff (default: none)",
}
_SERIAL_ONLY = frozenset(("baud", "bits", "parity", "stop", "flow"))


@dataclass(frozen=True, slots=True)
class Device:
    """One configured device; `transport` and `protocol` make a fresh one for each thread."""

    name: str
    url: str
    path: str
    protocol_name: str
    transport: Callable[[], Transport] = field(repr=False, compare=False)
    protocol: Callable[[], Framing] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, url: object) -> Device:
        """From an address; raises Rejected with the setting, its value and what was expected."""
        if not isinstance(url, str) or len(url) > URL_LENGTH_MAX or not url.isprintable():
            raise Rejected(f"{str(url)[:60]!r} is not a device address: expected text such as serial:///dev/ttyACM0")
        try:
            parts = urlsplit(url)
            settings = _settings(
                url, parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            )
        except ValueError as error:
            raise Rejected(f"{url} is not a device address: {error}") from error
        path = unquote(parts.path)
        if parts.scheme not in ("serial", "pipe") or parts.netloc or not path.startswith("/") or parts.fragment:
            raise Rejected(f"{url} is not a device address: expected serial:///dev/… or pipe:///…, then ?settings")
        if parts.scheme == "pipe" and (wrong := sorted(_SERIAL_ONLY & settings.keys())):
            raise Rejected(f"{url}: {wrong[0]} is a setting of serial ports, a pipe has none")
        read = _Settings(url, settings)
        name = settings.get("name") or _name_from(path)
        if not _NAME.fullmatch(name):
            raise Rejected(f"{url}: name {name!r}: expected 1 to 31 of a-z 0-9 . - beginning with a letter or digit")
        transport = _serial(path, read) if parts.scheme == "serial" else _pipe(path)
        protocol = settings.get("protocol", "line")
        return cls(name, url, path, protocol, transport, _line(read))


@dataclass(frozen=True, slots=True)
class Registry:
    """Every configured device, by name, in the order given."""

    devices: tuple[Device, ...]

    @classmethod
    def parse(cls, urls: Iterable[object]) -> Registry:
        """From addresses; raises Rejected at the first that is wrong and when two share a name or a path."""
        devices = tuple(Device.parse(url) for url in urls)
        if len(devices) > DEVICES_MAX:
            raise Rejected(f"{len(devices)} devices: expected at most {DEVICES_MAX}")
        for what in ("name", "path"):
            seen: set[str] = set()
            for device in devices:
                value = getattr(device, what)
                if value in seen:
                    raise Rejected(f"{device.url}: two devices have the {what} {value}; give each its own")
                seen.add(value)
        return cls(devices)

    def __iter__(self) -> Any:
        return iter(self.devices)

    def get(self, name: str) -> Device:
        """The device of that name; raises Rejected when there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        known = ", ".join(device.name for device in self.devices) or "none"
        raise Rejected(f"no device is called {name!r}; configured: {known}")


@dataclass(frozen=True, slots=True)
class _Settings:
    """Reads one address's settings, naming the address in every complaint."""

    url: str
    values: Mapping[str, str]

    def number(self, name: str, default: int, allowed: Iterable[int], expected: str) -> int:
        text = self.values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) in allowed):
            raise Rejected(f"{self.url}: {name}={text}: expected {expected}")
        return int(text)

    def word(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.values.get(name, default)
        if text not in allowed:
            raise Rejected(f"{self.url}: {name}={text}: expected one of {', '.join(allowed)}")
        return text

    def octets(self, name: str) -> bytes:
        text = self.values.get(name, "")
        if not _HEX.fullmatch(text):
            raise Rejected(f"{self.url}: {name}={text}: expected up to 16 bytes in hex, such as 06")
        return bytes.fromhex(text)


def _settings(url: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for name, value in pairs:
        if name not in SETTINGS:
            raise Rejected(f"{url}: {name} is not a setting; expected one of {', '.join(SETTINGS)}")
        if name in settings:
            raise Rejected(f"{url}: {name} is set twice")
        settings[name] = value
    return settings


def _name_from(path: str) -> str:
    last = path.rstrip("/").rsplit("/", 1)[-1].lower()
    return re.sub(r"[^a-z0-9.]+", "-", last).strip("-.")[:31].rstrip("-.") or "device"


def _serial(path: str, read: _Settings) -> Callable[[], Transport]:
    from devices.transports.serial import BAUD_RATES, SerialTransport

    rates = ", ".join(str(rate) for rate in BAUD_RATES)
    baud = read.number("baud", 9_600, BAUD_RATES, f"one of {rates}")
    bits = cast(Literal[5, 6, 7, 8], read.number("bits", 8, (5, 6, 7, 8), "5, 6, 7 or 8"))
    parity = cast(Literal["N", "E", "O", "M", "S"], read.word("parity", "N", ("N", "E", "O", "M", "S")))
    stop = cast(Literal[1, 2], read.number("stop", 1, (1, 2), "1 or 2"))
    flow = cast(Literal["none", "rtscts", "xonxoff"], read.word("flow", "none", ("none", "rtscts", "xonxoff")))
    return lambda: SerialTransport(path, baud, bits, parity, stop, flow)


def _pipe(path: str) -> Callable[[], Transport]:
    from devices.transports.pipe import PipeTransport

    return lambda: PipeTransport(path)


def _line(read: _Settings) -> Callable[[], Framing]:
    framing = cast(Literal["line", "stx"], read.word("protocol", "line", ("line", "stx")))
    silence = read.word("suffix", "any", ("any", "none")) == "none"
    if silence and framing == "stx":
        raise Rejected(f"{read.url}: suffix=none does not go with protocol=stx, whose reads end at ETX")
    idle_ms = read.number("idle_ms", IDLE_MS, range(10, 5_001), "10 to 5000")
    ack, nak = read.octets("ack"), read.octets("nak")
    return lambda: LineProtocol(framing, silence, idle_ms, READ_BYTES_MAX, ack, nak)
