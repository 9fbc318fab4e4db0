"""Which devices a site has: any transport with any protocol, named by one address each.

    serial:///dev/serial/by-id/usb-Zebra-if00?baud=115200&protocol=ssi&name=dock-1
    tcp://10.0.0.7:2101?protocol=line          tcp-listen://0.0.0.0:5001?allow=10.0.0.8
    rfc2217://10.0.0.9:4001?baud=9600&protocol=sics&station=pack-1
    evdev:///dev/input/by-id/usb-…-event-kbd?layout=de&grab=yes
    hidraw:///dev/tallyman/hidpos-…            pipe:///run/tallyman/replay.fifo

The scheme is the transport, the path the device, the rest its settings. A setting nobody knows stops the start: a
misspelt one would otherwise show as a scanner that misreads now and then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from devices.profiles import PROFILES
from devices.protocols.base import READ_BYTES_MAX, Framing, Signal
from devices.protocols.line import IDLE_MS, LineProtocol
from devices.settings import OF_ALL, OF_PROTOCOL, OF_SCHEME, SCALES, TONES, Settings, settings_of
from devices.transports.base import Transport
from ledger.errors import Rejected

if TYPE_CHECKING:
    from devices.protocols.scales import Weighing

URL_LENGTH_MAX = 500
DEVICES_MAX = 64
_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{0,30}", re.ASCII)
_HOSTED = ("tcp", "tcp-listen", "rfc2217")
_PROTOCOL_OF = {"evdev": "keys", "hidraw": "hidpos"}
EXPECTED = "serial:///dev/…, evdev:///…, hidraw:///…, pipe:///…, tcp://host:port, tcp-listen://…, rfc2217://…"


@dataclass(frozen=True, slots=True)
class Device:
    """One configured device; `transport` and `protocol` make a fresh one for each thread."""

    name: str
    url: str
    path: str
    protocol_name: str
    transport: Callable[[], Transport] = field(repr=False, compare=False)
    protocol: Callable[[], Any] = field(repr=False, compare=False)
    station: str = ""

    @property
    def kind(self) -> Literal["scanner", "scale"]:
        """What it is, by its protocol."""
        return "scale" if self.protocol_name in SCALES else "scanner"

    @property
    def delivery(self) -> str:
        """What the protocol itself promises on the way from the trigger to the journal."""
        if self.kind == "scale":
            return "on-request"
        return "at-least-once" if self.framing().waits_for_answer else "at-most-once"

    def framing(self) -> Framing:
        """A scanner's protocol; Rejected for a scale."""
        if self.kind != "scanner":
            raise Rejected(f"{self.name} is a scale: it has no reads")
        return cast(Framing, self.protocol())

    def weighing(self) -> Weighing:
        """A scale's protocol; Rejected for a scanner."""
        if self.kind != "scale":
            raise Rejected(f"{self.name} is a scanner: it has no weights")
        return cast("Weighing", self.protocol())

    @classmethod
    def parse(cls, url: object) -> Device:
        """From an address; raises Rejected with the setting, its value and what was expected."""
        if not isinstance(url, str) or len(url) > URL_LENGTH_MAX or not url.isprintable():
            raise Rejected(f"{str(url)[:60]!r} is not a device address: expected text such as serial:///dev/ttyACM0")
        try:
            parts = urlsplit(url)
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            path = _path(parts)
        except ValueError as error:
            raise Rejected(f"{url} is not a device address: {error}") from error
        if not path:
            raise Rejected(f"{url} is not a device address: expected {EXPECTED}, then ?settings")
        read = _with_profile(url, parts.scheme, settings_of(url, pairs))
        protocol = read.word("protocol", _PROTOCOL_OF.get(parts.scheme, "line"), tuple(OF_PROTOCOL))
        read.must_fit(parts.scheme, protocol)
        name = read.values.get("name") or _name_from(path)
        station = read.values.get("station", "")
        for what, text in (("name", name), ("station", station or "x")):
            if not _NAME.fullmatch(text):
                raise Rejected(
                    f"{url}: {what} {text!r}: expected 1 to 31 of a-z 0-9 . - beginning with a letter or digit"
                )
        transport = _transport(parts, path, read)
        return cls(name, url, path, protocol, transport, _protocol(protocol, read), station)


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

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices)

    def get(self, name: str) -> Device:
        """The device of that name; raises Rejected when there is none."""
        for device in self.devices:
            if device.name == name:
                return device
        known = ", ".join(device.name for device in self.devices) or "none"
        raise Rejected(f"no device is called {name!r}; configured: {known}")


def _path(parts: SplitResult) -> str:
    """The device's path, or host:port; empty when the address is none. Raises ValueError for a port that is none."""
    if parts.fragment or parts.scheme not in OF_SCHEME:
        return ""
    if parts.scheme in _HOSTED:
        plain = parts.path in ("", "/") and parts.username is None
        return f"{parts.hostname}:{parts.port}" if plain and parts.hostname and parts.port else ""
    path = unquote(parts.path)
    return path if path.startswith("/") and not parts.netloc else ""


def _with_profile(url: str, scheme: str, values: dict[str, str]) -> Settings:
    name = values.get("profile")
    if name is None:
        return Settings(url, values)
    profile = PROFILES.get(name)
    if profile is None:
        raise Rejected(f"{url}: profile={name}: expected one of {', '.join(PROFILES)}")
    # On a serial server or a pipe it keeps its protocol; the settings of its own port mean nothing there.
    known = OF_ALL | OF_SCHEME[scheme] | OF_PROTOCOL[profile.settings["protocol"]]
    return Settings(url, {**{key: value for key, value in profile.settings.items() if key in known}, **values})


def _name_from(path: str) -> str:
    last = path.rstrip("/").rsplit("/", 1)[-1].lower()
    return re.sub(r"[^a-z0-9.]+", "-", last).strip("-.")[:31].rstrip("-.") or "device"


def _transport(parts: SplitResult, path: str, read: Settings) -> Callable[[], Transport]:
    host, port = parts.hostname or "", 0 if parts.scheme not in _HOSTED else parts.port or 0
    if parts.scheme in ("serial", "rfc2217"):
        return _serial(path, read) if parts.scheme == "serial" else _rfc2217(host, port, read)
    if parts.scheme in ("evdev", "hidraw"):
        from devices.transports.nodes import NodeTransport

        kind = cast(Literal["evdev", "hidraw"], parts.scheme)
        grab = read.yes("grab", "no")
        return lambda: NodeTransport(path, kind, grab)
    if parts.scheme == "pipe":
        from devices.transports.pipe import PipeTransport

        return lambda: PipeTransport(path)
    from devices.transports.tcp import TcpListener, TcpTransport

    if parts.scheme == "tcp":
        return lambda: TcpTransport(host, port)
    allowed = frozenset(filter(None, read.values.get("allow", "").split(",")))
    return lambda: TcpListener(host, port, allowed)


def _line_settings(read: Settings) -> tuple[int, int, str, int, str]:
    from devices.transports.serial import BAUD_RATES

    rates = ", ".join(str(rate) for rate in BAUD_RATES)
    return (
        read.number("baud", 9_600, BAUD_RATES, f"one of {rates}"),
        read.number("bits", 8, (5, 6, 7, 8), "5, 6, 7 or 8"),
        read.word("parity", "N", ("N", "E", "O", "M", "S")),
        read.number("stop", 1, (1, 2), "1 or 2"),
        read.word("flow", "none", ("none", "rtscts", "xonxoff")),
    )


def _serial(path: str, read: Settings) -> Callable[[], Transport]:
    from devices.transports.serial import SerialTransport

    settings: Any = _line_settings(read)
    return lambda: SerialTransport(path, *settings)


def _rfc2217(host: str, port: int, read: Settings) -> Callable[[], Transport]:
    from devices.protocols.telnet import PortClient
    from devices.transports.tcp import TcpTransport

    baud, bits, parity, stop, flow = _line_settings(read)
    return lambda: TcpTransport(host, port, lambda: PortClient(baud, bits, parity, stop, flow))


def _protocol(name: str, read: Settings) -> Callable[[], Any]:
    if name in SCALES:
        return _scale(name, read)
    if name == "ssi":
        from devices.protocols.ssi import SsiProtocol

        setup = read.yes("setup", "yes")
        return lambda: SsiProtocol(setup)
    if name == "hidpos":
        from devices.protocols.hidpos import HidPosProtocol

        return HidPosProtocol
    line = _line(name, read)
    if name != "keys":
        return line
    from devices.protocols.keys import KeysProtocol
    from devices.protocols.layouts import NAMES

    layout = read.word("layout", "us", NAMES)
    return lambda: KeysProtocol(layout, line())


def _line(name: str, read: Settings) -> Callable[[], LineProtocol]:
    from devices.protocols import datalogic, honeywell

    maker: Any = {"honeywell": honeywell, "datalogic": datalogic}.get(name)
    accepted, refused, signals = (maker.ACCEPTED, maker.REFUSED, maker.SIGNALS) if maker else (b"", b"", {})
    suffix = read.word("suffix", "any", ("any", "tab", "none"))
    if suffix != "any" and name == "stx":
        raise Rejected(f"{read.url}: suffix={suffix} does not go with protocol=stx, whose reads end at ETX")
    idle_ms = read.number("idle_ms", IDLE_MS, range(10, 5_001), "10 to 5000")
    ack, nak = read.octets("ack", accepted), read.octets("nak", refused)
    prefix, separator = read.octets("prefix"), read.octets("gs")
    tones: dict[Signal, bytes] = {tone: read.octets(tone, signals.get(tone, b"")) for tone in TONES}
    framing: Literal["line", "stx"] = "stx" if name == "stx" else "line"
    return lambda: LineProtocol(
        framing,
        suffix == "none",
        idle_ms,
        READ_BYTES_MAX,
        ack,
        nak,
        prefix,
        separator,
        suffix == "tab",
        signals={**signals, **tones},
    )


def _scale(name: str, read: Settings) -> Callable[[], Weighing]:
    from devices.protocols.scales import SicsProtocol, Toledo8217, ToledoContinuous

    if name == "sics":
        return SicsProtocol
    if name == "toledo":
        checked = read.yes("checksum", "no")
        return lambda: ToledoContinuous(checked)
    unit = read.word("unit", "kg", ("kg", "lb"))
    return lambda: Toledo8217(unit)
