"""`decode`, `replay` and `undecided`: what reads mean, from arguments, standard input, a journal or a recording."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from devices.decoders import elements, link
from devices.decoders.labels import Labels
from devices.decoders.scan import Scan, decode, decode_read, from_elements
from devices.journal import FILE, Journal
from devices.protocols.base import Frame
from devices.reads import Read, day_of, readable
from devices.registry import Device, Registry
from ledger.clock import SystemClock
from ledger.commands import Usage, contents, whole
from ledger.errors import Rejected
from ledger.seams import SystemRandom

LINE_BYTES_MAX = 64_000
PAGE = 500
NUMBER_MAX = 999_999_999
_SQLITE = b"SQLite format 3\0"


def config_options(command: argparse.ArgumentParser) -> None:
    """Where devices and labels are configured."""
    command.add_argument(
        "--config", metavar="FILE", help="TOML file with `devices = [addresses]` and perhaps [labels]"
    )


def configured(path: str | None) -> tuple[Registry, Labels]:
    """The devices and labels of a settings file; raises Usage without one, Rejected for what it cannot hold."""
    if path is None:
        return Registry(()), Labels()
    try:
        values = tomllib.loads(contents(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Rejected(f"{path} is not TOML: it is no UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Rejected(f"{path} is not TOML: {error}") from error
    urls, labels = values.get("devices", []), values.get("labels", {})
    if not isinstance(urls, list) or not isinstance(labels, dict):
        raise Rejected(f'{path}: expected `devices = ["serial:///…"]` and a table [labels]')
    return Registry.parse(urls), Labels.parse(labels)


def decode_command(commands: Any) -> None:
    """`decode`."""
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
        help="scan: as scanned, the identifier must be there; element: GS1 element string; bracketed: (01)…(10)…; "
        "dl: GS1 Digital Link (default: as scanned, by scanners with and without identifiers)",
    )
    command.add_argument("--on", metavar="DATE", help="day of the scan, YYYY-MM-DD (default: today, UTC)")
    command.add_argument("--strict", action="store_true", help="a missing companion, such as a lot alone, is not ok")
    command.add_argument("--short-gtin", action="store_true", help="permit 8, 12 or 13 digits in a Digital Link")
    command.add_argument("--config", metavar="FILE", help="TOML file whose [labels] describe your own labels")
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_decode)


def replay_command(commands: Any) -> None:
    """`replay`."""
    command = commands.add_parser(
        "replay",
        help="what recorded reads mean today",
        description="Decode again what was recorded: the reads of a journal (reads.db), each on its own day, or the "
        "bytes that `monitor --capture` wrote, through the protocol of a device address. Nothing is changed.",
    )
    command.add_argument("file", help="a journal, or a recording")
    command.add_argument("--device", metavar="NAME", help="only reads of this device (journal)")
    command.add_argument(
        "--after", type=whole(), default=0, metavar="POSITION", help="only reads behind it (journal)"
    )
    command.add_argument(
        "--url", metavar="ADDRESS", default="pipe:///recording", help="device address whose protocol applies"
    )
    config_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_replay)


def _decode(arguments: argparse.Namespace) -> int:
    _, labels = configured(arguments.config)
    on = day(arguments.on)
    good = True
    for text in arguments.text or _lines():
        scan = _decoded(text, arguments, on, labels)
        object_ = shown(scan, strict=arguments.strict)
        good = good and bool(object_["ok"])
        print(json.dumps(object_, ensure_ascii=True) if arguments.json else sentence(object_), flush=True)
    return 0 if good else 1


def day(text: str | None) -> date:
    """A day as written, today when there is none; raises Usage."""
    if text is None:
        return day_of(SystemClock().now_ms())
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Usage(f"{text}: expected a day such as 2026-03-31") from error


def _lines() -> Iterator[str]:
    """Each as one read; of a longer one than any code can be, only so much that it shows."""
    while line := sys.stdin.buffer.readline(LINE_BYTES_MAX):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = sys.stdin.buffer.readline(LINE_BYTES_MAX)
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _decoded(text: str, arguments: argparse.Namespace, on: date, labels: Labels) -> Scan:
    raw = _raw(text, arguments.hex)
    if arguments.format == "scan" and not raw.startswith(b"]"):
        return Scan(raw, "", problems=("no symbology identifier: expected ] and two characters first",))
    if arguments.format in (None, "scan"):
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
            raise Usage(f"{text[:60]!r} is not hex") from error
    return text.encode("utf-8", "surrogateescape").replace(b"{GS}", b"\x1d")


def shown(scan: Scan, *, strict: bool) -> dict[str, Any]:
    """The stable object of `decode --json`: `kind` is the form of the code, `means` what it is in the warehouse."""
    details = scan.as_json()
    problems = list(scan.problems) + (list(scan.warnings) if strict else [])
    found = {
        "ok": not problems,
        "kind": scan.form,
        "symbology": scan.symbology,
        "ais": dict(scan.elements),
        "errors": problems,
        "warnings": list(scan.warnings),
        "means": scan.kind,
    }
    return found | {name: value for name, value in details.items() if name not in (*found, "form", "problems")}


def sentence(found: dict[str, Any]) -> str:
    """The same for people."""
    names = ("gtin", "sscc", "gln", "lot", "serial", "expiry", "count", "text")
    parts = [
        f"{name} {found[name]!r}" if name == "text" else f"{name} {found[name]}" for name in names if name in found
    ]
    parts += [f"{measure}" for measure in found.get("measures", {}).values()]
    head = f"{'ok ' if found['ok'] else 'NO '} {found['kind']:<8} {found['means']:<8} {found['symbology']:<3}"
    lines = [f"{head} {', '.join(parts)}".rstrip()]
    lines += [f"     problem: {problem}" for problem in found["errors"]]
    lines += [f"     ask: {warning}" for warning in found["warnings"] if warning not in found["errors"]]
    return "\n".join(lines)


def print_read(read: Read | None, scan: Scan, as_json: bool) -> None:
    """One read, with its place in the journal when it has one."""
    found = shown(scan, strict=False)
    if read is not None:
        found |= {
            "read_id": read.read_id,
            "device": read.device,
            "sequence": read.sequence,
            "at_ms": read.at_ms,
            "state": read.state,
            "repeat_of": read.repeat_of,
        }
    print(json.dumps(found) if as_json else sentence(found), flush=True)


def _replay(arguments: argparse.Namespace) -> int:
    _, labels = configured(arguments.config)
    path = Path(arguments.file)
    try:
        with path.open("rb") as file:
            is_journal = file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from error
    if not is_journal:
        for frame in _recorded(path, Device.parse(arguments.url)):
            scan = decode(frame.data, on=day(None), labels=labels, fault=frame.fault)
            print_read(None, scan, arguments.json)
        return 0
    journal = Journal(path, clock=SystemClock(), random=SystemRandom())
    try:
        after = arguments.after
        while reads := journal.history(PAGE, after=after):
            for read in reads:
                if arguments.device in (None, read.device):
                    print_read(read, decode_read(read, labels), arguments.json)
            after = reads[-1].position
    finally:
        journal.close()
    return 0


def _recorded(path: Path, device: Device) -> Iterator[Frame]:
    protocol = device.framing()
    with path.open("rb") as file:
        while chunk := file.read(4_096):
            yield from protocol.feed(chunk)
    yield from protocol.lost()


def undecided_command(commands: Any) -> None:
    """`undecided`."""
    command = commands.add_parser(
        "undecided",
        help="reads that a person has to decide about",
        description="Reads that their scanner may have sent twice, or that came too late: kept and counted nowhere, "
        "until somebody says at a tablet (This node, or the counting page) whether they count.",
    )
    command.add_argument("--dir", default=".", metavar="DIR", help="the node's folder, or a journal (default: here)")
    command.add_argument("--json", action="store_true", help="print one JSON object a read")
    command.set_defaults(run=_undecided)


def _undecided(arguments: argparse.Namespace) -> int:
    path, after, some = Path(arguments.dir), 0, False
    path = path / FILE if path.is_dir() else path
    if not path.exists():
        raise Usage(f"{path} is not there: name the folder of a node")
    journal = Journal(path, clock=SystemClock(), random=SystemRandom())
    try:
        while reads := journal.parked(PAGE, after=after):
            after, some = reads[-1].position, True
            for read in reads:
                if arguments.json:
                    print(json.dumps(read.as_json()), flush=True)
                else:
                    print(f"{read.read_id}  {read.device}  {readable(read.raw)}\n     ask: {read.note}", flush=True)
    finally:
        journal.close()
    if not some and not arguments.json:
        print("nothing waits for a decision")
    return 0
