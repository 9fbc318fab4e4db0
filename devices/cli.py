"""`tallyman devices`: what is plugged in, what a read means, and a scanner made of software.

Exit codes: 0 done, 1 no (a read that is not ok, a wish refused), 2 usage, 3 try later.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from devices.decoders import elements, link
from devices.decoders.labels import Labels
from devices.decoders.scan import Scan, decode, from_elements
from devices.journal import FILE, Journal
from devices.protocols.base import Frame
from devices.reads import NewRead, Read, day_of
from devices.registry import Device, Registry
from devices.settings import SETTINGS
from devices.transports.base import Ended
from ledger.clock import Clock, SystemClock
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.seams import SystemRandom

PORT_FOLDERS = ("/dev/serial/by-id", "/dev/serial/by-path")
PORT_PATTERNS = ("ttyACM*", "ttyUSB*", "rfcomm*")
LINE_BYTES_MAX = 64_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (Rejected, Invalid, Corrupt) as error:
        print(f"tallyman devices: {error}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"tallyman devices: {error}", file=sys.stderr)
        return 3
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(f"  {name:10}{text}" for name, text in SETTINGS.items())
    parser = argparse.ArgumentParser(
        prog="tallyman devices",
        description="Scanners: from trigger pull to decoded read.",
        epilog=f"settings of a device address (serial:///dev/…?name=value&…):\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _list_command(commands)
    _decode_command(commands)
    _monitor_command(commands)
    _simulate_command(commands)
    return parser


def _list_command(commands: Any) -> None:
    command = commands.add_parser("list", help="configured devices, and ports that nothing is configured for")
    _config_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_list)


def _decode_command(commands: Any) -> None:
    command = commands.add_parser(
        "decode",
        help="what a read means",
        description="Decode reads given as arguments, or one a line from standard input. {GS} stands for 0x1D. "
        "Exit code 1 when a read is not ok.",
    )
    command.add_argument("text", nargs="*", help="reads as a scanner sends them, AIM symbology identifier first")
    command.add_argument("--hex", action="store_true", help="the reads are written in hex")
    command.add_argument(
        "--format",
        choices=("scan", "element", "bracketed", "dl"),
        default="scan",
        help="scan: as scanned (default); element: GS1 element string; bracketed: (01)…(10)…; dl: GS1 Digital Link",
    )
    command.add_argument("--on", metavar="DATE", help="day of the scan, YYYY-MM-DD (default: today, UTC)")
    command.add_argument("--strict", action="store_true", help="a missing companion, such as a lot alone, is not ok")
    command.add_argument("--short-gtin", action="store_true", help="permit 8, 12 or 13 digits in a Digital Link")
    command.add_argument("--config", metavar="FILE", help="TOML file whose [labels] describe your own labels")
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_decode)


def _monitor_command(commands: Any) -> None:
    command = commands.add_parser(
        "monitor",
        help="show reads as they come",
        description="Listen to a device and show what it sends, without a node; wait for it when it is away. "
        "With --journal a read is recorded in a journal of its own before it is shown.",
    )
    command.add_argument("device", help="a device address, or with --config the name of a configured device")
    command.add_argument("--count", type=_positive, metavar="N", help="end after N reads")
    command.add_argument(
        "--timeout", type=_positive, metavar="SECONDS", help="end with code 3 after so long a silence"
    )
    command.add_argument("--journal", metavar="FILE", help="journal to record into; created when missing")
    _config_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_monitor)


def _simulate_command(commands: Any) -> None:
    command = commands.add_parser(
        "simulate",
        help="a scanner made of software, on a pseudo-terminal",
        description="Make a scanner, print where it is, wait until a program opens it and act the script: one scan a "
        "line ({GS} is 0x1D), @wait N, @cut TEXT, @noise N, @repeat N TEXT, @unplug N, and '# ' for comments.",
    )
    command.add_argument("--script", required=True, metavar="FILE", help="the script, or - for standard input")
    command.add_argument("--link", metavar="PATH", help="a stable name for the scanner, kept over @unplug")
    command.add_argument("--suffix", choices=("cr", "lf", "crlf", "stx", "none"), default="cr", help="how reads end")
    command.add_argument("--gap-ms", type=int, default=0, metavar="MS", help="pause between pieces of a read")
    command.add_argument("--piece", type=_positive, default=4_096, metavar="BYTES", help="size of a piece")
    command.add_argument("--wait", type=_positive, default=60, metavar="SECONDS", help="for a reader (default: 60)")
    command.add_argument("--json", action="store_true", help="print JSON objects")
    command.set_defaults(run=_simulate)


def _config_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", metavar="FILE", help="TOML file with `devices = [addresses]` and perhaps [labels]"
    )


def _positive(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above zero")
    return value


def _configured(path: str | None) -> tuple[Registry, Labels]:
    if path is None:
        return Registry(()), Labels()
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise Rejected(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"{path} is not TOML: {error}") from error
    urls, labels = values.get("devices", []), values.get("labels", {})
    if not isinstance(urls, list) or not isinstance(labels, dict):
        raise Rejected(f'{path}: expected `devices = ["serial:///…"]` and a table [labels]')
    return Registry.parse(urls), Labels.parse(labels)


def _list(arguments: argparse.Namespace) -> int:
    registry, _ = _configured(arguments.config)
    configured = [
        {"name": device.name, "url": device.url, "protocol": device.protocol_name, "present": _there(device)}
        for device in registry
    ]
    taken = {str(Path(device.path).resolve()) for device in registry}
    ports = [port for port in _ports() if str(Path(port).resolve()) not in taken]
    if arguments.json:
        print(json.dumps({"devices": configured, "ports": ports}))
        return 0
    for device in configured:
        print(f"{device['name']:<31} {'present' if device['present'] else 'absent':<8} {device['url']}")
    for port in ports:
        print(f"{'(not configured)':<31} {'present':<8} serial://{port}")
    if not configured and not ports:
        print("no device is configured and no serial port is there")
    return 0


def _there(device: Device) -> bool:
    return device.transport().present()


def _ports() -> list[str]:
    named: dict[str, str] = {}
    for folder in PORT_FOLDERS:
        for port in sorted(Path(folder).glob("*")):
            named.setdefault(str(port.resolve()), str(port))
    for pattern in PORT_PATTERNS:
        for port in sorted(Path("/dev").glob(pattern)):
            named.setdefault(str(port), str(port))
    return list(named.values())


def _decode(arguments: argparse.Namespace) -> int:
    _, labels = _configured(arguments.config)
    on = _day(arguments.on)
    good = True
    for text in arguments.text or _lines():
        scan = _decoded(text, arguments, on, labels)
        shown = _shown(scan, strict=arguments.strict)
        good = good and bool(shown["ok"])
        print(json.dumps(shown, ensure_ascii=True) if arguments.json else _sentence(shown), flush=True)
    return 0 if good else 1


def _day(text: str | None) -> date:
    if text is None:
        return day_of(SystemClock().now_ms())
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Rejected(f"--on {text}: expected a day such as 2026-03-31") from error


def _lines() -> Iterator[str]:
    while line := sys.stdin.buffer.readline(LINE_BYTES_MAX):
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _decoded(text: str, arguments: argparse.Namespace, on: date, labels: Labels) -> Scan:
    raw = _raw(text, arguments.hex)
    if arguments.format == "scan":
        return decode(raw, on=on, labels=labels)
    scan = Scan(raw, "", form="gs1")
    content = raw.decode("utf-8", "replace")
    try:
        if arguments.format == "element":
            found = elements.parse(content)
        elif arguments.format == "bracketed":
            found = elements.parse_bracketed(content)
        else:
            found = link.parse(content, short_gtin=arguments.short_gtin)
        return from_elements(scan, found, on)
    except Rejected as error:
        return Scan(raw, "", form="gs1", problems=(str(error),))


def _raw(text: str, as_hex: bool) -> bytes:
    if as_hex:
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise Rejected(f"{text[:60]!r} is not hex") from error
    return text.encode("utf-8", "surrogateescape").replace(b"{GS}", b"\x1d")


def _shown(scan: Scan, *, strict: bool) -> dict[str, Any]:
    """The stable object of `decode --json`: `kind` is the form of the code, `means` what it is in the warehouse."""
    details = scan.as_json()
    problems = list(scan.problems) + (list(scan.warnings) if strict else [])
    shown = {
        "ok": not problems,
        "kind": scan.form,
        "symbology": scan.symbology,
        "ais": dict(scan.elements),
        "errors": problems,
        "warnings": list(scan.warnings),
        "means": scan.kind,
    }
    return shown | {name: value for name, value in details.items() if name not in (*shown, "form", "problems")}


def _sentence(shown: dict[str, Any]) -> str:
    names = ("gtin", "sscc", "gln", "lot", "serial", "expiry", "count", "text")
    parts = [
        f"{name} {shown[name]!r}" if name == "text" else f"{name} {shown[name]}" for name in names if name in shown
    ]
    parts += [f"{measure}" for measure in shown.get("measures", {}).values()]
    head = f"{'ok ' if shown['ok'] else 'NO '} {shown['kind']:<8} {shown['means']:<8} {shown['symbology']:<3}"
    lines = [f"{head} {', '.join(parts)}".rstrip()]
    lines += [f"     problem: {problem}" for problem in shown["errors"]]
    lines += [f"     ask: {warning}" for warning in shown["warnings"] if warning not in shown["errors"]]
    return "\n".join(lines)


def _monitor(arguments: argparse.Namespace) -> int:
    registry, labels = _configured(arguments.config)
    device = registry.get(arguments.device) if "://" not in arguments.device else Device.parse(arguments.device)
    clock, journal = SystemClock(), _monitor_journal(arguments.journal)
    left = arguments.count or sys.maxsize
    try:
        for frame in _frames(device, clock, (arguments.timeout or 0) * 1000):
            new = NewRead(device.name, frame.data, frame.fault, frame.length)
            read = journal.record([new])[0] if journal else None
            scan = decode(frame.data, on=day_of(clock.now_ms()), labels=labels, fault=frame.fault)
            _print_read(read, scan, arguments.json)
            left -= 1
            if not left:
                break
    finally:
        if journal:
            journal.close()
    return 0


def _frames(device: Device, clock: Clock, timeout_ms: int) -> Iterator[Frame]:
    """What a device says, until its source ends; raises Unavailable after `timeout_ms` of silence (0: never)."""
    transport, protocol = device.transport(), device.framing()
    heard_ms, is_open = clock.monotonic_ms(), False
    try:
        while True:
            try:
                if not is_open:
                    transport.open()
                    is_open = True
                    print(f"{device.name} is ready", file=sys.stderr, flush=True)
                listen_ms = protocol.wait_ms() or 500
                chunk = transport.read(listen_ms)
                heard_ms = clock.monotonic_ms() if chunk else heard_ms
                yield from protocol.feed(chunk) if chunk else protocol.tick(listen_ms)
            except Unavailable as error:
                if is_open:
                    print(f"tallyman devices: {error}; waiting for it", file=sys.stderr, flush=True)
                is_open = False
                yield from protocol.lost()
                clock.sleep_ms(250)
            if timeout_ms and clock.monotonic_ms() - heard_ms >= timeout_ms:
                raise Unavailable(f"{device.name} was silent for {timeout_ms // 1000} s")
    except Ended:
        yield from protocol.lost()
    finally:
        transport.close()


def _monitor_journal(path: str | None) -> Journal | None:
    if path is None:
        return None
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.exists():
        Journal.create(file)
    return Journal(file, clock=SystemClock(), random=SystemRandom())


def _print_read(read: Read | None, scan: Scan, as_json: bool) -> None:
    shown = _shown(scan, strict=False)
    if read is not None:
        shown |= {"read_id": read.read_id, "sequence": read.sequence, "at_ms": read.at_ms}
    print(json.dumps(shown) if as_json else _sentence(shown), flush=True)


def _simulate(arguments: argparse.Namespace) -> int:
    from devices.simulated import SimulatedScanner, parse_script

    try:
        text = sys.stdin.read() if arguments.script == "-" else Path(arguments.script).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"cannot read {arguments.script}: {error}") from error
    steps = parse_script(text)
    suffix = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "stx": b"\x03", "none": b""}[arguments.suffix]
    link_path = Path(arguments.link) if arguments.link else None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the link is removed
    with SimulatedScanner(
        link_path,
        clock=SystemClock(),
        suffix=suffix,
        prefix=b"\x02" if arguments.suffix == "stx" else b"",
        gap_ms=max(0, arguments.gap_ms),
        piece=arguments.piece,
    ) as scanner:
        url = scanner.url + ("&protocol=stx" if arguments.suffix == "stx" else "")
        url += "&suffix=none" if arguments.suffix == "none" else ""
        print(json.dumps({"path": scanner.path, "url": url}) if arguments.json else url, flush=True)
        scans = scanner.play(steps, arguments.wait * 1000)
        scanner.drain()
    print(json.dumps({"scans": scans}) if arguments.json else f"{scans} scans sent", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
