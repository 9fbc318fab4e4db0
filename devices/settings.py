"""The settings of a device address: their names, what each means, and reading them with one plain line a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devices.protocols.base import Signal
from devices.protocols.layouts import NAMES
from devices.protocols.line import IDLE_MS
from ledger.errors import Rejected

_HEX = re.compile(r"([0-9A-Fa-f]{2}){0,16}", re.ASCII)

# One line a setting, for `tallyman devices --help` and the error that lists them.
SETTINGS = {
    "name": "what people call it (default: from the path)",
    "station": "the station or tablet it stands at (default: none)",
    "profile": "settings for a model; any given beside it wins (see `tallyman devices list --profiles`)",
    "protocol": "line, stx, ssi, honeywell, datalogic, hidpos, keys, sics, toledo, 8217 (default: by the transport)",
    "suffix": "any: a read ends with CR, LF or ETX; tab: with TAB too; none: with silence (default: any)",
    "idle_ms": f"silence that ends or breaks off a read, 10 to 5000 (default: {IDLE_MS})",
    "ack": "bytes in hex sent once a read is durable (default: by the protocol)",
    "nak": "bytes in hex sent when a read could not be recorded (default: by the protocol)",
    "repeat": "bytes in hex that sound the tone for what was counted before (default: by the protocol)",
    "unknown": "bytes in hex that sound a question (default: by the protocol)",
    "error": "bytes in hex that sound an error (default: by the protocol)",
    "prefix": "bytes in hex that the scanner puts before every read (default: none)",
    "gs": "bytes in hex that stand in the place of GS (default: none)",
    "layout": f"keys: country of the scanner's keyboard: {', '.join(NAMES)} (default: us)",
    "grab": "evdev: yes takes the keyboard away from everything else (default: no)",
    "setup": "ssi: yes sets the scanner up when it is opened (default: yes)",
    "checksum": "toledo: yes when a checksum follows each weight (default: no)",
    "unit": "8217: the scale's unit, kg or lb (default: kg)",
    "allow": "tcp-listen: addresses that may connect, separated by commas (default: all)",
    "baud": "serial speed (default: 9600)",
    "bits": "serial data bits, 5 to 8 (default: 8)",
    "parity": "serial parity: N, E, O, M or S (default: N)",
    "stop": "serial stop bits, 1 or 2 (default: 1)",
    "flow": "serial flow control: none, rtscts or xonxoff (default: none)",
}
TONES: tuple[Signal, ...] = ("repeat", "unknown", "error")
_LINE = frozenset(("suffix", "idle_ms", "ack", "nak", *TONES, "prefix", "gs"))
_SERIAL = frozenset(("baud", "bits", "parity", "stop", "flow"))
# What a transport or protocol understands beside what every device has.
OF_SCHEME = {
    "serial": _SERIAL,
    "rfc2217": _SERIAL,
    "evdev": frozenset(("grab",)),
    "tcp-listen": frozenset(("allow",)),
    "tcp": frozenset[str](),
    "hidraw": frozenset[str](),
    "pipe": frozenset[str](),
}
OF_PROTOCOL = {
    "line": _LINE,
    "stx": _LINE,
    "honeywell": _LINE,
    "datalogic": _LINE,
    "ssi": frozenset(("setup",)),
    "hidpos": frozenset[str](),
    "keys": frozenset(("layout", "suffix", "idle_ms", "prefix", "gs")),
    "sics": frozenset[str](),
    "toledo": frozenset(("checksum",)),
    "8217": frozenset(("unit",)),
}
OF_ALL = frozenset(("name", "station", "profile", "protocol"))
SCALES = frozenset(("sics", "toledo", "8217"))


@dataclass(frozen=True, slots=True)
class Settings:
    """Reads one address's settings, naming the address in every complaint."""

    url: str
    values: Mapping[str, str]

    def number(self, name: str, default: int, allowed: Iterable[int], expected: str) -> int:
        """A whole number out of `allowed`."""
        text = self.values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) in allowed):
            raise Rejected(f"{self.url}: {name}={text}: expected {expected}")
        return int(text)

    def word(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of `allowed`."""
        text = self.values.get(name, default)
        if text not in allowed:
            raise Rejected(f"{self.url}: {name}={text}: expected one of {', '.join(allowed)}")
        return text

    def yes(self, name: str, default: str) -> bool:
        """Yes or no."""
        return self.word(name, default, ("yes", "no")) == "yes"

    def octets(self, name: str, default: bytes = b"") -> bytes:
        """Up to 16 bytes in hex."""
        text = self.values.get(name)
        if text is None:
            return default
        if not _HEX.fullmatch(text):
            raise Rejected(f"{self.url}: {name}={text}: expected up to 16 bytes in hex, such as 06")
        return bytes.fromhex(text)

    def must_fit(self, scheme: str, protocol: str) -> None:
        """Refuse a setting that neither this transport nor this protocol has: it would silently do nothing."""
        fit = OF_ALL | OF_SCHEME[scheme] | OF_PROTOCOL[protocol]
        if wrong := sorted(self.values.keys() - fit):
            raise Rejected(f"{self.url}: {wrong[0]} is not a setting of {scheme} with protocol={protocol}")


def settings_of(url: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Each once and known, or Rejected."""
    settings: dict[str, str] = {}
    for name, value in pairs:
        if name not in SETTINGS:
            raise Rejected(f"{url}: {name} is not a setting; expected one of {', '.join(SETTINGS)}")
        if name in settings:
            raise Rejected(f"{url}: {name} is set twice")
        settings[name] = value
    return settings
