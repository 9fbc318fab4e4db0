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
from ledger.wording import counted

Verdict = Literal["ok", "look", "problem"]
RULES = "60-tallyman.rules"
RULE_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
PORT_FOLDERS = ("/dev/serial/by-id", "/dev/serial/by-path")
PORT_PATTERNS = ("ttyACM*", "ttyUSB*", "rfcomm*")
INPUT_FOLDER, HIDPOS_FOLDER = "/dev/input/by-id", "/dev/tallyman"
_UNSTABLE = ("/dev/tty", "/dev/input/event", "/dev/hidraw")
_MEDDLERS = {
    "ModemManager": (
        "it sends modem commands to each serial port that is plugged in, for ten seconds",
        "install the udev rules, which tell it to leave scanners alone; see below",
    ),
    "brltty": (
        "it takes USB serial ports for braille displays",
        "stop it, unless somebody reads with it: systemctl disable --now brltty",
    ),
}
_INSTALL = (
    f"as root: tallyman devices doctor --rules > /etc/udev/rules.d/{RULES} && udevadm control --reload "
    "&& udevadm trigger"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and what to do next; `advice` is empty when that is nothing."""

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


def look(registry: Registry | None, *, root: Path = Path("/")) -> list[Finding]:
    """Everything worth knowing, what is configured first; `root` is where the file system begins, for tests.

    Without a registry nobody said which devices there are to be.
    """
    devices = () if registry is None else tuple(registry)
    return [
        *_devices(registry),
        *_meddlers(root / "proc", any(device.url.startswith("serial:") for device in devices)),
        _rules(root, any(device.url.startswith(("serial:", "evdev:", "hidraw:")) for device in devices)),
        _serial_library(),
        *_seen({os.path.realpath(device.path) for device in devices}),
    ]


def summary(findings: Iterable[Finding]) -> str:
    """The last line: whether there is anything to do."""
    verdicts = [finding.verdict for finding in findings]
    problems, looks = verdicts.count("problem"), verdicts.count("look")
    said = [counted(problems, "problem")] * bool(problems)
    said += [counted(looks, "thing to look at", "things to look at")] * bool(looks)
    return ", ".join(said) or "nothing is in the way"


def _devices(registry: Registry | None) -> Iterator[Finding]:
    if registry is None:
        yield Finding(
            "ok",
            "no settings were named, so that no configured device was looked at",
            "tallyman devices doctor --config node.toml",
        )
    elif not list(registry):
        yield Finding("ok", "the settings name no device", "add one, if this node has any: see docs/devices.md")
    for device in registry or ():
        yield _device(device)
        if device.url.startswith("evdev:") and "grab=yes" not in device.url:
            yield Finding(
                "look",
                f"{device.name}: what it types also reaches this machine's console",
                "add grab=yes to its address",
            )


def _device(device: Device) -> Finding:
    name, path, scheme = device.name, device.path, device.url.partition(":")[0]
    if scheme == "tcp-listen":
        return Finding("ok", f"{name}: it comes to {device.url} by itself once the node listens there")
    if scheme not in ("serial", "evdev", "hidraw", "pipe"):
        return Finding(
            "ok",
            f"{name}: {device.url} is on the network and was not tried",
            f"tallyman devices monitor '{device.url}'",
        )
    if not os.path.exists(path):
        return Finding(
            "problem",
            f"{name}: there is no {path}",
            "plug it in, or correct its address in the settings; `tallyman devices list` shows what is plugged in",
        )
    if not os.access(path, os.R_OK | (os.W_OK if scheme == "serial" else 0)):
        return Finding(
            "problem", f"{name}: this user may not open {path}", f"{_who_may(path)}; or install the udev rules"
        )
    if path.startswith(_UNSTABLE):
        return Finding(
            "look",
            f"{name}: {path} is whatever was plugged in first",
            "give it its lasting name, as `tallyman devices list` shows it",
        )
    return Finding("ok", f"{name}: {path} is there and may be opened")


def _who_may(path: str) -> str:
    try:
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (KeyError, OSError):
        return "add the user to the group of the port"
    return f"add the user to the group {group} and log in again"


def _meddlers(proc: Path, serial: bool) -> Iterator[Finding]:
    running = set()
    for comm in proc.glob("[0-9]*/comm"):
        try:
            running.add(comm.read_text(encoding="utf-8", errors="replace").strip())
        except OSError:
            continue
    found = [name for name in _MEDDLERS if name[:15] in running]
    for name in found:
        harm, advice = _MEDDLERS[name]
        yield Finding("problem" if serial else "look", f"{name} is running: {harm}", advice)
    if not found:
        yield Finding("ok", "no program is running that is known to take scanners' ports")


def _rules(root: Path, needed: bool) -> Finding:
    places = [root / folder.lstrip("/") / RULES for folder in RULE_FOLDERS]
    installed = next((place for place in places if place.exists()), None)
    if installed is None:
        return Finding(
            "look" if needed else "ok",
            "the udev rules are not installed: they let this user open scanners and give these lasting names",
            _INSTALL,
        )
    if installed.read_text(encoding="utf-8", errors="replace") != rules():
        return Finding("look", f"the udev rules in {installed} differ from this version's", _INSTALL)
    return Finding("ok", f"the udev rules are installed: {installed}")


def _serial_library() -> Finding:
    if importlib.util.find_spec("serial") is None:
        return Finding("problem", "pyserial is missing: serial ports cannot be opened", "pip install pyserial")
    return Finding("ok", "pyserial is installed: serial ports can be opened")


def _seen(configured: set[str]) -> Iterator[Finding]:
    free = [port for port in ports() if os.path.realpath(port.partition("://")[2]) not in configured]
    for port in free:
        yield Finding(
            "ok",
            f"{port} is plugged in and not configured",
            f"if it is a scanner: tallyman devices calibrate '{port}'",
        )
    if not free:
        yield Finding("ok", "nothing else is plugged in that could be a scanner")
