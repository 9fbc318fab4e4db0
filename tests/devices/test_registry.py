"""Device addresses: every setting, and one plain line for each mistake."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from devices.profiles import PROFILES
from devices.protocols.line import LineProtocol
from devices.registry import Device, Registry
from devices.settings import OF_PROTOCOL, OF_SCHEME, SCALES, SETTINGS
from devices.transports.pipe import PipeTransport
from devices.transports.serial import SerialTransport
from ledger.errors import Rejected


def test_a_full_address() -> None:
    device = Device.parse(
        "serial:///dev/serial/by-id/usb-Zebra_DS%203678-if00?baud=115200&bits=7&parity=E&stop=2&flow=rtscts"
        "&protocol=stx&idle_ms=50&ack=06&nak=15&name=dock-1"
    )
    transport, protocol = device.transport(), device.protocol()
    assert isinstance(transport, SerialTransport) and isinstance(protocol, LineProtocol)
    assert (transport.path, transport.baud, transport.bits) == (
        "/dev/serial/by-id/usb-Zebra_DS 3678-if00",
        115_200,
        7,
    )
    assert (transport.parity, transport.stop, transport.flow) == ("E", 2, "rtscts")
    assert (protocol.framing, protocol.idle_ms, protocol.accepted(), protocol.refused()) == (
        "stx",
        50,
        b"\x06",
        b"\x15",
    )
    assert device.name == "dock-1" and device.transport() is not transport


def test_defaults() -> None:
    device = Device.parse("serial:///dev/ttyACM0")
    assert device.name == "ttyacm0" and device.transport() == SerialTransport("/dev/ttyACM0")
    assert isinstance(Device.parse("pipe:///tmp/scans.txt?suffix=none").transport(), PipeTransport)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (7, "device address"),
        ("", "device address"),
        ("ttyACM0", "device address"),
        ("http://host/dev", "device address"),
        ("serial://host/dev/ttyACM0", "device address"),
        ("serial:///dev/ttyACM0#x", "device address"),
        ("serial:dev", "device address"),
        ("serial:///dev/x?speed=9600", "speed is not a setting"),
        ("serial:///dev/x?baud=9601", "baud=9601"),
        ("serial:///dev/x?baud=-1", "baud=-1"),
        ("serial:///dev/x?baud=9600&baud=1200", "twice"),
        ("serial:///dev/x?baud", "device address"),
        ("serial:///dev/x?parity=n", "parity=n"),
        ("serial:///dev/x?idle_ms=5", "idle_ms=5"),
        ("serial:///dev/x?ack=6", "ack=6"),
        ("serial:///dev/x?ack=ZZ", "ack=ZZ"),
        ("serial:///dev/x?protocol=morse", "protocol=morse"),
        ("serial:///dev/x?protocol=ssi&suffix=none", "suffix is not a setting"),
        ("serial:///dev/x?protocol=keys&layout=xx", "layout=xx"),
        ("serial:///dev/x?protocol=line&layout=de", "layout is not a setting"),
        ("serial:///dev/x?profile=acme", "profile=acme"),
        ("serial:///dev/x?station=A%201", "station"),
        ("evdev:///dev/x?grab=perhaps", "grab=perhaps"),
        ("evdev://host/dev/x", "device address"),
        ("tcp://host", "device address"),
        ("tcp://host:99999", "device address"),
        ("tcp://host:1/path", "device address"),
        ("tcp://host:1?allow=1.2.3.4", "allow is not a setting"),
        ("tcp://user@host:1", "device address"),
        ("rfc2217://host:1?grab=yes", "grab is not a setting"),
        ("serial:///dev/x?protocol=stx&suffix=none", "suffix=none"),
        ("serial:///dev/x?name=Dock%201", "name"),
        ("pipe:///x?baud=9600", "baud"),
        ("serial:///" + "x" * 600, "device address"),
    ],
)
def test_mistakes_are_named(url: object, word: str) -> None:
    with pytest.raises(Rejected) as caught:
        Device.parse(url)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_names_and_paths_are_unique() -> None:
    registry = Registry.parse(["serial:///dev/ttyACM0?name=a", "serial:///dev/ttyACM1?name=b"])
    assert [device.name for device in registry] == ["a", "b"] and registry.get("b").path == "/dev/ttyACM1"
    with pytest.raises(Rejected, match="no device is called"):
        registry.get("c")
    for urls in (["pipe:///x?name=a", "pipe:///y?name=a"], ["pipe:///x?name=a", "pipe:///x?name=b"]):
        with pytest.raises(Rejected, match="two devices"):
            Registry.parse(urls)
    with pytest.raises(Rejected, match="at most"):
        Registry.parse([f"pipe:///x{number}" for number in range(65)])


def test_every_setting_is_explained() -> None:
    assert all(text and not text.endswith(".") for text in SETTINGS.values())


def test_every_transport_goes_with_every_protocol() -> None:
    places = {
        "serial": "/dev/x", "pipe": "/x", "evdev": "/dev/x", "hidraw": "/dev/x", "tcp": "h:1", "rfc2217": "h:1",
        "tcp-listen": "127.0.0.1:0001",
    }  # fmt: skip
    assert set(places) == set(OF_SCHEME)
    for scheme, place in places.items():
        for protocol in OF_PROTOCOL:
            device = Device.parse(f"{scheme}://{place}?protocol={protocol}")
            assert device.protocol() is not device.protocol()
            assert device.kind == ("scale" if protocol in SCALES else "scanner")
            device.transport().close()
    assert Device.parse("evdev:///dev/x").protocol_name == "keys"
    assert Device.parse("hidraw:///dev/x").protocol_name == "hidpos"


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_a_device(name: str) -> None:
    profile = PROFILES[name]
    device = Device.parse(f"{profile.scheme}:///dev/x?profile={name}&name=d&station=pack-1")
    assert device.protocol_name == profile.settings["protocol"] and device.station == "pack-1"
    assert profile.about and profile.prepare
    assert Device.parse(f"tcp://h:1?profile={name}").protocol_name == device.protocol_name


def test_an_address_wins_over_its_profile() -> None:
    device = Device.parse("serial:///dev/x?profile=zebra-cdc&baud=9600&protocol=stx")
    transport, protocol = device.transport(), device.framing()
    assert isinstance(transport, SerialTransport) and transport.baud == 9_600
    assert isinstance(protocol, LineProtocol) and protocol.framing == "stx"


def test_a_make_that_nobody_knows_can_be_told_its_tones() -> None:
    framing = Device.parse("serial:///dev/x?unknown=07&error=0707").framing()
    assert framing.signal("unknown") == b"\a" and framing.signal("error") == b"\a\a"
    assert framing.signal("repeat") == b"" and not framing.waits_for_answer
    honeywell = Device.parse("serial:///dev/x?protocol=honeywell&repeat=1b31").framing()
    assert honeywell.signal("repeat") == b"\x1b1" and honeywell.signal("error") == b"\x1b8"
    plain = Device.parse("serial:///dev/x?profile=honeywell-serial").framing()
    tones = {plain.signal(tone) for tone in ("repeat", "unknown", "error")}
    assert len(tones) == 3 and all(tone.startswith(b"\x16\x07\r") for tone in tones)


def test_a_scale_has_no_reads_and_a_scanner_no_weights() -> None:
    with pytest.raises(Rejected):
        Device.parse("pipe:///x?protocol=sics").framing()
    with pytest.raises(Rejected):
        Device.parse("pipe:///x").weighing()


def test_the_addresses_of_the_documentation_are_addresses() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    example = tomllib.loads(text.split("```toml\n")[1].split("```")[0])
    assert [device.kind for device in Registry.parse(example["devices"])] == [
        "scanner",
        "scanner",
        "scanner",
        "scale",
    ]
    assert all(f"`{name}`" in text or name in text for name in OF_PROTOCOL)
