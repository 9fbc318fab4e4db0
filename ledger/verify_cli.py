"""`tallyman verify RECEIPT`: what a receipt proves, step by step, without network, node, hub or vendor.

Works from the file alone and follows no address in it. The one thing that needs a network, whether the anchor stands
on the main chain, is asked only with --rpc, of the server the user names.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from ledger import calls, checkpoint, commands, receipt
from ledger.block import Header, Meta
from ledger.codec import json_canonical, json_loads
from ledger.commands import Usage
from ledger.errors import Invalid, Unavailable
from ledger.receipt import Rpc, Step
from ledger.receipt_file import SIZE_BYTES_MAX, Receipt
from ledger.scans import Opening

RPC_ANSWER_BYTES_MAX = 8 * 1024 * 1024

Post = Callable[[str, bytes], bytes]
"""(url, JSON) -> JSON by HTTP POST; raises Unavailable. The entry module hands it in: nothing here has a network."""

_CLOCKS = (
    "the block's time agrees with the hub's clock, and is no better than that",
    "the block's time is the site's own clock",
    "the block's time is doubtful by the site's own account",
)


@dataclass(slots=True)
class Report:
    """What is shown: as lines for people or as JSON for programs."""

    receipt: Receipt | None = None
    steps: list[Step] = field(default_factory=list)
    refused: str = ""
    unavailable: str = ""
    proves: list[str] = field(default_factory=list)
    proves_not: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        if self.refused:
            return commands.NO
        return commands.LATER if self.unavailable else commands.DONE


def main(argv: Sequence[str], *, post: Post | None = None, out: TextIO | None = None) -> int:
    """Run the command; answers its exit code: 0 it holds, 1 it does not, 2 usage, 3 the main chain did not answer."""
    try:
        options = _parser().parse_args(list(argv))
    except SystemExit as stop:
        return int(stop.code or 0)
    return commands.run(
        lambda: _show(_examined(options, post), options.json, out or sys.stdout),
        lambda said, _: print(f"tallyman verify: {said}", file=sys.stderr),
    )


def _examined(options: argparse.Namespace, post: Post | None) -> Report:
    """Raises Usage for options that cannot be meant; what is wrong with the receipt stands in the report."""
    site_keys = {_key("--site-key", text) for text in options.site_key}
    hub_keys = {_key("--hub-key", text) for text in options.hub_key}
    contract = _address(options.contract) if options.contract is not None else None
    rpc = _rpc(options.rpc, post) if options.rpc is not None else None
    if contract and not rpc:
        raise Usage("--contract says what to look for with --rpc, and no --rpc is given")
    event = None if options.event is None else _read(options.event)
    return examine(_read(options.receipt), site_keys, hub_keys, rpc, contract, event)


def _show(report: Report, as_json: bool, screen: TextIO) -> int:
    if as_json:
        print(json.dumps(_as_json(report), ensure_ascii=False, indent=2), file=screen)
    else:
        tick, cross = ("✓", "✗") if "utf" in (screen.encoding or "").lower() else ("ok", "NO")
        print("\n".join(_as_lines(report, tick, cross)), file=screen)
    return report.exit_code


def examine(
    raw: bytes, site_keys: set[bytes], hub_keys: set[bytes], rpc: Rpc | None = None, contract: bytes | None = None,
    event: bytes | None = None,
) -> Report:  # fmt: skip
    """Every step of the verification until the first that fails, and what follows from them. `event`: a scan event of
    the operation as the node answers it."""
    report = Report()
    try:
        found = report.receipt = Receipt.parse(raw)
        report.steps.append(receipt.FORM)
        for step in receipt.steps(found, site_keys, hub_keys):
            report.steps.append(step)
        if event is not None:
            report.steps.append(_opened(found, event))
        if rpc is not None:
            if found.anchor is None:
                raise Invalid("the receipt has no anchor that --rpc could check")
            report.steps.append(receipt.check_on_chain(found.anchor, rpc, contract))
    except Invalid as error:
        report.refused = str(error)
        return report
    except Unavailable as error:
        report.unavailable = str(error)
    on_chain = rpc is not None and not report.unavailable
    report.proves = _proves(found, bool(site_keys), bool(hub_keys), on_chain)
    report.proves_not = _proves_not(found, bool(site_keys), bool(hub_keys), on_chain, contract is not None)
    return report


def _opened(found: Receipt, raw: bytes) -> Step:
    """Raises Invalid unless the event stands under the root in the operation's document."""
    said = json_loads(raw)
    if not isinstance(said, dict):
        raise Invalid("the event is not a JSON object")
    opening = Opening.from_json(said)
    _, call = calls.decode(receipt.call_data(found))
    opening.verify(getattr(call, "document", b""))
    number = f"{opening.index + 1} of {opening.size}"
    return Step("event", f"scan event {number} stands under the root in the document that the operation names")


def _proves(found: Receipt, site_known: bool, hub_known: bool, on_chain: bool) -> list[str]:
    site = "the site whose key you gave" if site_known else "whoever holds the site key in the file"
    hub = "the hub whose key you gave" if hub_known else "whoever holds the hub key in the file"
    lines = [
        f"{site} signed that operation {found.op_id.hex()} took effect in block {found.height} of {found.origin}",
        f"{site} signed a log of {found.site.size} blocks that holds this one at its place",
    ]
    if found.hub:
        lines.append(f"{hub} holds that log's state in its own log of {found.hub.size} entries, and signed for it")
    if on_chain and found.anchor:
        lines.append("that hub log existed, in this order, when the main chain made the block named above")
    return lines


def _proves_not(found: Receipt, site_known: bool, hub_known: bool, on_chain: bool, contract_known: bool) -> list[str]:
    lines = ["that the goods were as recorded: only that it was recorded so, and not changed since"]
    quality = Meta.decode(found.meta).clock_quality
    lines.append(f"at what moment it happened: {_CLOCKS[quality]}")
    if not site_known:
        lines.append("who the site is: the key stands in the file itself; give the one you know with --site-key")
    if found.hub is None:
        lines.append("that anyone but the site holds it: until a hub does, a site could still show another history")
    elif not hub_known:
        lines.append("who the hub is: the key stands in the file itself; give the one you know with --hub-key")
    if found.anchor and not on_chain:
        lines.append("that the anchor exists: where it should be is only named here; --rpc URL looks it up")
    if on_chain and not contract_known and found.anchor:
        lines.append(f"that contract 0x{found.anchor.contract.hex()} is your company's: give yours with --contract")
    return lines


def _as_lines(report: Report, tick: str, cross: str) -> Iterator[str]:
    if report.receipt:
        said = f"operation {report.receipt.op_id.hex()} in block {report.receipt.height} of {report.receipt.origin}"
        yield f"the receipt says: {said}{_time(report)}"
    for step in report.steps:
        yield f"  {tick} {step.name:<16}{step.text}"
    if report.refused:
        yield f"  {cross} {report.refused}"
        yield "refused: this receipt proves nothing"
        return
    if report.unavailable:
        yield f"  ? {'main chain':<16}{report.unavailable}"
    if report.receipt:
        yield f"strength: {receipt.strength(report.receipt)}"
    yield "it proves:"
    yield from (f"  - {line}" for line in report.proves)
    yield "it does not prove:"
    yield from (f"  - {line}" for line in report.proves_not)


def _as_json(report: Report) -> dict[str, Any]:
    found = report.receipt
    content: dict[str, Any] = {
        "verified": not report.refused,
        "strength": receipt.strength(found) if found and not report.refused else None,
        "steps": [{"name": step.name, "text": step.text} for step in report.steps],
        "refused": report.refused or None,
        "unavailable": report.unavailable or None,
        "proves": report.proves,
        "does_not_prove": report.proves_not,
    }
    if found:
        content |= {"origin": found.origin, "op_id": found.op_id.hex(), "height": found.height}
        content["site_keys"] = sorted({found.key.hex(), found.site.key.hex()})
        content["hub_key"] = found.hub.key.hex() if found.hub else None
    return content


def _time(report: Report) -> str:
    """The block's time, once its header has been checked."""
    if report.receipt is None or len(report.steps) < 2:
        return ""
    at = datetime.fromtimestamp(min(Header.parse(report.receipt.header).timestamp, 2**37), UTC)
    return f", {at:%Y-%m-%d %H:%M:%S} UTC"


def _read(path: str) -> bytes:
    """The file, or standard input for `-`; one byte more than allowed is enough to refuse it."""
    if path == "-":
        return sys.stdin.buffer.read(SIZE_BYTES_MAX + 1)
    try:
        with Path(path).open("rb") as file:
            return file.read(SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise Usage(f"cannot read {path}: {error.strerror}") from error


def _key(option: str, text: str) -> bytes:
    try:
        return checkpoint.parse_key(text).raw
    except Invalid as error:
        raise Usage(f"{option}: {error}") from error


def _address(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise Usage(f"{text!r} is not a contract's address: expected 40 hex digits")
    return raw


def _rpc(url: str, post: Post | None) -> Rpc:
    """JSON-RPC 2.0 over `post`: one question, one answer."""
    if post is None:
        raise Usage("--rpc needs a network, and this program was started without one")
    if not _is_address(url):
        raise Usage(f"{url!r} is not the address of a server: expected one such as http://127.0.0.1:8545")

    def ask(method: str, params: list[Any]) -> Any:
        question = json_canonical({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            answer = json_loads(post(url, question), size_bytes_max=RPC_ANSWER_BYTES_MAX)
        except Invalid as error:
            raise Unavailable(f"{url} does not answer as a JSON-RPC server: {error}") from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise Unavailable(f"{url} does not answer {method}: {str(answer)[:200]}")
        return answer["result"]

    return ask


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            not re.search(r"[^!-~]", url)
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
        )
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallyman verify",
        description="Check a receipt offline: its operation, block, site log, hub log and anchor.",
        epilog="Exit code: 0 it holds, 1 it does not, 2 usage, 3 the main chain did not answer.",
    )
    parser.add_argument("receipt", metavar="RECEIPT", help="the receipt file, or - for standard input")
    parser.add_argument(
        "--site-key",
        action="append",
        default=[],
        metavar="KEY",
        help="an Ed25519 key of the site that you know: 64 hex digits or name+id+base64; may be repeated",
    )
    parser.add_argument(
        "--hub-key",
        action="append",
        default=[],
        metavar="KEY",
        help="the hub's key that you know, in the same forms; may be repeated",
    )
    parser.add_argument("--rpc", metavar="URL", help="look the anchor up at this JSON-RPC server of the main chain")
    parser.add_argument("--contract", metavar="ADDRESS", help="with --rpc: the anchor contract that you know")
    parser.add_argument(
        "--event", metavar="FILE", help="a scan event of the operation, as the node answers operations/OP/events/N"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
