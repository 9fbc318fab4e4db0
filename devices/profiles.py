"""Common models: the settings that fit them, and what to scan or switch so that they do.

A profile is a default and no magic: every setting in the address wins over it. None was tried on the real device
here; the settings follow the makers' manuals, and `tallyman devices calibrate` finds out what a scanner really does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devices.protocols.honeywell import BEEP


@dataclass(frozen=True, slots=True)
class Profile:
    """`settings` of an address, the `scheme` they belong to, and what a person must do on the device once."""

    scheme: str
    settings: dict[str, str]
    about: str
    prepare: str


def _made(scheme: str, about: str, prepare: str, **settings: Any) -> Profile:
    return Profile(scheme, {name: str(value) for name, value in settings.items()}, about, prepare)


PROFILES = {
    "zebra-ssi-cdc": _made(
        "serial",
        "Zebra DS, LI and CS series by USB",
        "scan: SSI over USB CDC; transmit AIM code ID",
        protocol="ssi",
        baud=9600,
    ),
    "zebra-ssi-rs232": _made(
        "serial",
        "Zebra DS and LI series by RS-232",
        "scan: SSI host, 9600 baud; transmit AIM code ID",
        protocol="ssi",
        baud=9600,
        flow="rtscts",
    ),
    "zebra-cdc": _made(
        "serial",
        "Zebra scanners as a USB serial port",
        "scan: USB CDC host; suffix CR; transmit AIM code ID",
        protocol="line",
        baud=115200,
    ),
    "zebra-hidpos": _made("hidraw", "Zebra by USB HID-POS", "scan: USB HID-POS", protocol="hidpos"),
    "honeywell-hostack": _made(
        "serial",
        "Honeywell Xenon, Granit, Voyager with Host ACK",
        "scan: USB serial or RS-232; Host ACK on; suffix CR; AIM ID as prefix",
        protocol="honeywell",
        baud=115200,
    ),
    "honeywell-serial": _made(
        "serial",
        "Honeywell as a USB serial port",
        "scan: USB serial; suffix CR; AIM ID as prefix",
        protocol="line",
        baud=115200,
        # Its beep (SYN BEL CR) is all it knows without Host ACK.
        repeat=f"{BEEP.hex()}",
        unknown=f"{(2 * BEEP).hex()}",
        error=f"{(3 * BEEP).hex()}",
    ),
    "honeywell-hidpos": _made("hidraw", "Honeywell by HID-POS", "scan: USB HID bar code scanner", protocol="hidpos"),
    "datalogic-ack": _made(
        "serial",
        "Datalogic Gryphon, PowerScan with ACK/NAK",
        "scan: USB-COM or RS-232; ACK/NAK for label transmission; suffix CR; AIM ID",
        protocol="datalogic",
        baud=9600,
    ),
    "keyboard": _made(
        "evdev",
        "any scanner that types",
        "scan: USB keyboard; suffix Enter; GS as Ctrl+] (function codes on)",
        protocol="keys",
        grab="yes",
    ),
    "bluetooth-spp": _made(
        "serial",
        "any scanner over Bluetooth SPP (/dev/rfcomm…)",
        "pair it and bind it with rfcomm; suffix CR; AIM ID",
        protocol="line",
        baud=115200,
        idle_ms=500,
    ),
    "mettler-sics": _made(
        "serial",
        "Mettler Toledo, Kern, Ohaus and others with MT-SICS",
        "set the port to MT-SICS, 9600 8N1",
        protocol="sics",
        baud=9600,
    ),
    "toledo-continuous": _made(
        "serial",
        "Mettler Toledo IND and compatibles, continuous output",
        "set: continuous mode, 9600 7E1, no checksum",
        protocol="toledo",
        baud=9600,
        bits=7,
        parity="E",
    ),
    "toledo-8217": _made(
        "serial",
        "Mettler Toledo checkout scales",
        "set: protocol 8217, 9600 7E1",
        protocol="8217",
        baud=9600,
        bits=7,
        parity="E",
    ),
}
