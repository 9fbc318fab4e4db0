"""`label`, `calibrate` and `doctor`: paper out, and what stands between this machine and its scanners."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

from devices import calibration, doctor
from devices.cli_live import Source
from devices.cli_read import NUMBER_MAX, config_options, configured, day
from devices.decoders.labels import Labels
from devices.output import page, zpl
from devices.output.labels import Label, item_label, own_label, sscc_label, transfer_paper
from devices.output.printer import printer_at
from devices.output.printing import FILE, PrintQueue
from devices.registry import Device
from devices.transports.base import Ended
from ledger.clock import SystemClock
from ledger.commands import Usage, whole
from ledger.errors import Rejected, Unavailable

QUIET_MS = 800
PACKED = ("hidpos", "ssi")  # protocols that say themselves where a read ends
KINDS = ("bin", "unit", "badge", "control", "item", "sscc", "transfer")


def label_command(commands: Any) -> None:
    """`label`."""
    command = commands.add_parser(
        "label",
        help="make labels, print them, and say what became of print jobs",
        description="Labels of bins, units, badges and commands by their codes, of items by GTIN, of handling units "
        "by SSCC, and papers of transfers, as ZPL, PDF or PNG by the name of the file, or straight to a printer "
        "(tcp://host:9100, serial:///dev/…, file:///dev/usb/lp0). A label that would not scan is refused.",
    )
    command.add_argument(
        "kind",
        choices=(*KINDS, "jobs", "again", "waiting"),
        help="what to label; or: jobs, again JOB, waiting (print the jobs that still wait for a printer)",
    )
    command.add_argument(
        "code", nargs="*", help="codes, one label each; a GTIN or SSCC; the transfer; a job's number"
    )
    command.add_argument("--out", metavar="FILE", help="labels.pdf, label.png or labels.zpl")
    command.add_argument("--printer", metavar="ADDRESS", help="print it now")
    command.add_argument("--jobs", metavar="FILE", default=FILE, help=f"where print jobs are kept (default: {FILE})")
    command.add_argument("--copies", type=whole(1, NUMBER_MAX), default=1, metavar="N", help="of each (default: 1)")
    command.add_argument("--dpi", type=int, choices=(203, 300, 600), default=203, help="ZPL: dots (default: 203)")
    for name, what in (
        ("name", "item: what it is called; sscc: its title"), ("lot", "lot"), ("expiry", "expiry, YYYY-MM-DD"),
        ("serial", "serial number"), ("gtin", "sscc: the item it contains"), ("note", "a line under the code"),
        ("sender", "transfer: from where"), ("receiver", "transfer: to where"), ("payload", "transfer: QR text"),
    ):  # fmt: skip
        command.add_argument(f"--{name}", default="", help=what)
    command.add_argument("--line", action="append", default=[], help="transfer: a line of the paper, repeatable")
    command.add_argument(
        "--count",
        type=whole(0, NUMBER_MAX),
        default=0,
        metavar="N",
        help="how many: item variable count, or contained",
    )
    config_options(command)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_label)


def calibrate_command(commands: Any) -> None:
    """`calibrate`."""
    command = commands.add_parser(
        "calibrate",
        help="find out what a scanner sends: layout, prefix, suffix, identifiers, GS",
        description="With --sheet, write the sheet of two codes. With a device address, listen while a person scans "
        "the two, one after the other, and print the address with its settings. A scanner that types or that ends "
        "its reads with a character is sent nothing.",
    )
    command.add_argument(
        "device", nargs="?", help="a device address (serial, evdev, tcp …) with the settings of its port"
    )
    command.add_argument("--sheet", metavar="FILE", help="write the sheet: sheet.pdf or sheet.png")
    command.add_argument(
        "--timeout", type=whole(1, NUMBER_MAX), default=60, metavar="SECONDS", help="of silence (default: 60)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_calibrate)


def doctor_command(commands: Any) -> None:
    """`doctor`."""
    command = commands.add_parser(
        "doctor",
        help="what stands between this machine and its scanners",
        description="Look at ports, permissions, other programs and udev rules. Exit code 1 when there is a problem.",
    )
    config_options(command)
    command.add_argument("--rules", action="store_true", help="print the udev rules to install")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.rules:
        print(doctor.rules(), end="")
        return 0
    findings = doctor.look(configured(arguments.config)[0] if arguments.config else None)
    if arguments.json:
        print(json.dumps({"findings": [finding.as_json() for finding in findings]}))
    else:
        for finding in findings:
            print(
                f"{finding.verdict:<8} {finding.what}"
                + (f"\n{'':<8} next: {finding.advice}" if finding.advice else "")
            )
        print(doctor.summary(findings))
    return 1 if any(finding.verdict == "problem" for finding in findings) else 0


def _label(arguments: argparse.Namespace) -> int:
    if arguments.kind in ("jobs", "again", "waiting"):
        return _jobs(arguments)
    if not arguments.code or bool(arguments.out) == bool(arguments.printer):
        raise Usage("expected at least one code, and either --out or --printer")
    _, labels = configured(arguments.config)
    on = day(None)
    made = [_made(arguments, code, labels, on) for code in arguments.code]
    if arguments.out:
        _write(Path(arguments.out), made, arguments)
    else:
        return _print(arguments, made)
    said = [raw.decode("utf-8", "replace") for label in made for raw in label.says]
    print(
        json.dumps({"labels": len(made), "says": said}) if arguments.json else f"{len(made)} labels: {arguments.out}"
    )
    return 0


def _made(arguments: argparse.Namespace, code: str, labels: Labels, on: date) -> Label:
    kind = arguments.kind
    if kind == "item":
        expiry = day(arguments.expiry) if arguments.expiry else None
        return item_label(
            code, arguments.name or code, lot=arguments.lot, expiry=expiry, serial=arguments.serial,
            count=arguments.count, on=on,
        )  # fmt: skip
    if kind == "sscc":
        return sscc_label(
            code, gtin=arguments.gtin, count=arguments.count, lot=arguments.lot, note=arguments.name, on=on
        )
    if kind == "transfer":
        payload = arguments.payload or f"tallyman:transfer:{code}"
        return transfer_paper(
            code, arguments.sender, arguments.receiver, arguments.line, payload, labels=labels, on=on
        )
    return own_label(kind, code, arguments.note, labels=labels, on=on)


def _write(path: Path, made: list[Label], arguments: argparse.Namespace) -> None:
    if path.suffix == ".png" and len(made) != 1:
        raise Rejected(f"a PNG holds one label, not {len(made)}: write a PDF")
    if path.suffix == ".pdf":
        data = page.pdf([label for label in made for _ in range(arguments.copies)])
    elif path.suffix == ".png":
        data = page.png(made[0])
    elif path.suffix == ".zpl":
        data = b"\n".join(zpl.job(label, dpi=arguments.dpi, copies=arguments.copies) for label in made)
    else:
        raise Usage(f"{path}: expected a name that ends with .pdf, .png or .zpl")
    _put(path, data)


def _put(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Rejected(f"cannot write {path}: {error.strerror}") from error


def _print(arguments: argparse.Namespace, made: list[Label]) -> int:
    printer = printer_at(arguments.printer)
    jobs = [zpl.job(label, dpi=arguments.dpi, copies=arguments.copies) for label in made]
    queue = _queue(arguments)
    try:
        for code, data in zip(arguments.code, jobs, strict=True):
            queue.add(arguments.printer, f"{arguments.kind} {code}", data)
        return _print_waiting(queue, arguments.printer, printer, arguments.json)
    finally:
        queue.close()


def _print_waiting(queue: PrintQueue, name: str, printer: Any, as_json: bool) -> int:
    good = True
    while job := queue.print_next(name, printer):
        good = good and job.state in ("sent", "confirmed")
        shown = {"job": job.job, "title": job.title, "state": job.state, "note": job.note}
        print(
            json.dumps(shown) if as_json else f"job {job.job} {job.title}: {job.state} {job.note}".rstrip(),
            flush=True,
        )
    return 0 if good else 1


def _print_all(queue: PrintQueue, names: list[str], as_json: bool) -> int:
    """A printer that cannot print does not keep the others from it. Raises Unavailable for the first such one."""
    codes, trouble = [0], []
    for name in names:
        try:
            codes.append(_print_waiting(queue, name, printer_at(name), as_json))
        except Unavailable as error:
            trouble.append(error)
    if trouble:
        raise trouble[0]
    return max(codes)


def _queue(arguments: argparse.Namespace) -> PrintQueue:
    path = Path(arguments.jobs)
    if path.is_dir() or not path.parent.is_dir():
        raise Rejected(f"{path} cannot be a file: name one in a folder that is there")
    return PrintQueue(path, clock=SystemClock())


def _jobs(arguments: argparse.Namespace) -> int:
    queue = _queue(arguments)
    try:
        if arguments.kind == "again":
            for code in arguments.code:
                job = queue.again(_job(code))
                _print_waiting(queue, job.printer, printer_at(job.printer), arguments.json)
            return 0
        if arguments.kind == "waiting":
            return _print_all(queue, [arguments.printer] if arguments.printer else queue.waiting(), arguments.json)
        for job in queue.jobs():
            shown = {"job": job.job, "title": job.title, "state": job.state, "note": job.note, "again": job.again}
            print(
                json.dumps(shown) if arguments.json else f"job {job.job} {job.title}: {job.state} {job.note}".rstrip()
            )
        return 0
    finally:
        queue.close()


def _job(code: str) -> int:
    try:
        return whole(1)(code)
    except argparse.ArgumentTypeError as error:
        raise Usage(f"a job's number: {error}") from error


def _calibrate(arguments: argparse.Namespace) -> int:
    if arguments.sheet:
        path = Path(arguments.sheet)
        sheet = calibration.sheet(day(None))
        if path.suffix not in (".pdf", ".png"):
            raise Usage(f"{path}: expected a name that ends with .pdf or .png")
        _put(path, page.pdf([sheet]) if path.suffix == ".pdf" else page.png(sheet))
    if not arguments.device:
        if not arguments.sheet:
            raise Usage("expected a device address, or --sheet")
        print(json.dumps({"sheet": arguments.sheet}) if arguments.json else arguments.sheet)
        return 0
    device = Device.parse(arguments.device)
    source = Source(device, SystemClock(), arguments.timeout * 1000)
    try:
        first, second = (_scanned(source, device, which) for which in ("first", "second"))
    finally:
        source.close()
    found = (calibration.of_keys if device.protocol_name == "keys" else calibration.of_bytes)(first, second)
    found = found.fitted(device.protocol_name) if device.protocol_name in PACKED else found
    url = found.address(arguments.device)
    if arguments.json:
        shown = {
            "url": url, "settings": found.settings, "suffix": found.suffix, "identifier": found.identifier,
            "separator": found.separator, "advice": list(found.advice),
        }  # fmt: skip
        print(json.dumps(shown))
        return 0
    print(f"address    {url}\nsuffix     {found.suffix}\nidentifier {'sent' if found.identifier else 'not sent'}")
    print(f"GS         {found.separator or 'dropped'}")
    for advice in found.advice:
        print(f"advice     {advice}")
    return 0


def _scanned(source: Source, device: Device, which: str) -> bytes:
    """What arrives until the device is quiet again: bytes, key events, or reads where a protocol packs them."""
    print(f"scan the {which} code of the sheet", file=sys.stderr, flush=True)
    if device.protocol_name in PACKED:
        for frame in source.frames():
            source.answer(frame)
            return frame.data + b"\r"
        raise Unavailable(f"{device.name} has ended")
    taken = b""
    with contextlib.suppress(Ended):
        for chunk in source.chunks(QUIET_MS):
            taken += chunk
            if taken and not chunk:
                break
    return taken
