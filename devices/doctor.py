"""`tallyman devices doctor`: what stands between this machine and its scanners, each with what to do about it.

It only looks: nothing is opened that another program may hold, nothing is written to a port.
"""

from __future__ import annotations

import grp
import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from devices.registry import Device, Registry

Verdict = Literal["ok", "look", "problem"]
RULES = "60-tallyman.rules"
RULE_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
PORT_FOLDERS = ("/dev/serial/by-id", "/dev/serial/by-path")
PORT_PATTERNS = ("ttyACM*", "ttyUSB*", "rfcomm*")
INPUT_FOLDER, HIDPOS_FOLDER = "/dev/input/by-id", "/dev/tallyman"
_UNSTABLE = ("/dev/tty", "/dev/input/event", "/dev/hidraw")
_MEDDLERS = {
    "ModemManager": "it sends modem commands to new ports for ten seconds; install the udev rules",
    "brltty": "it takes USB serial converters for braille displays; remove it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` is empty when it is fine."""

    verdict: Verdict
    what: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


def rules() -> str:
    """The udev rules that the product ships."""
    return resources.files("devices").joinpath("udev", RULES).read_text(encoding="utf-8")


def ports() -> list[str]:
    """Addresses of everything plugged in that could be a scanner or a scale, by stable name where there is one."""
    named: dict[str, str] = {}
    for folder in PORT_FOLDERS:
        for port in sorted(Path(folder).glob("*")):
            named.setdefault(str(port.resolve()), f"serial://{port}")
    for pattern in PORT_PATTERNS:
        for port in sorted(Path("/dev").glob(pattern)):
            named.setdefault(str(port), f"serial://{port}")
    for port in sorted(Path(INPUT_FOLDER).glob("*-event-kbd")):
        named.setdefault(str(port.resolve()), f"evdev://{port}")
    for port in sorted(Path(HIDPOS_FOLDER).glob("hidpos-*")):
        named.setdefault(str(port.resolve()), f"hidraw://{port}")
    return list(named.values())


def look(registry: Registry, *, root: Path = Path("/")) -> list[Finding]:
    """Everything worth knowing; `root` is where the file system begins, for tests."""
    return [
        *_devices(registry),
        *_meddlers(root / "proc", _needs_quiet(registry)),
        _rules(root, registry),
        _serial_library(),
        _seen(),
    ]


def _devices(registry: Iterable[Device]) -> Iterator[Finding]:
    for device in registry:
        scheme = device.url.partition(":")[0]
        what = f"{device.name}: {device.path}"
        if scheme not in ("serial", "evdev", "hidraw", "pipe"):
            yield Finding("ok", what, "")
        elif not os.path.exists(device.path):
            yield Finding("problem", what, "it is not there: plug it in, or correct its address")
        elif not os.access(device.path, os.R_OK | (os.W_OK if scheme == "serial" else 0)):
            yield Finding("problem", what, f"no permission: {_who_may(device.path)}, or install the udev rules")
        elif device.path.startswith(_UNSTABLE):
            yield Finding("look", what, "this name changes with the order of plugging in: use one of /dev/…/by-id")
        else:
            yield Finding("ok", what)
        if scheme == "evdev" and "grab=yes" not in device.url:
            yield Finding(
                "look", f"{device.name}: not grabbed", "what it types also reaches the console; add grab=yes"
            )


def _who_may(path: str) -> str:
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (KeyError, OSError):
        return "add the user to the group of the port"
    return f"add the user to the group {group} and log in again"


def _needs_quiet(registry: Iterable[Device]) -> bool:
    return any(device.url.startswith("serial:") for device in registry)


def _meddlers(proc: Path, serial: bool) -> Iterator[Finding]:
    running = set()
    for comm in proc.glob("[0-9]*/comm"):
        try:
            running.add(comm.read_text(encoding="utf-8", errors="replace").strip())
        except OSError:
            continue
    for name, advice in _MEDDLERS.items():
        if name[:15] in running:
            yield Finding("problem" if serial else "look", f"{name} is running", advice)


def _rules(root: Path, registry: Registry) -> Finding:
    places = [root / folder.lstrip("/") / RULES for folder in RULE_FOLDERS]
    installed = next((place for place in places if place.exists()), None)
    if installed is None:
        verdict: Verdict = (
            "look" if any(device.url.startswith(("serial:", "evdev:", "hidraw:")) for device in registry) else "ok"
        )
        return Finding(
            verdict,
            "the udev rules are not installed",
            f"tallyman devices doctor --rules > /etc/udev/rules.d/{RULES} && udevadm control --reload",
        )
    if installed.read_text(encoding="utf-8", errors="replace") != rules():
        return Finding("look", f"{installed} differs from this version's rules", "install them again")
    return Finding("ok", f"{installed}")


def _serial_library() -> Finding:
    if importlib.util.find_spec("serial") is None:
        return Finding("problem", "pyserial is missing", "install it: serial devices cannot be opened")
    return Finding("ok", "pyserial")


def _seen() -> Finding:
    found = ports()
    return Finding("ok", f"plugged in: {', '.join(found) or 'nothing that could be a scanner'}")
