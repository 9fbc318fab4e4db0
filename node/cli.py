"""`tallyman node`: one warehouse site from the command line.

Exit codes: 0 done, 1 no (a refusal, or something is wrong), 2 usage, 3 try later.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ledger import commands, settings
from ledger.clock import SystemClock
from ledger.commands import Usage, contents, whole
from ledger.errors import Corrupt, LedgerError
from ledger.seams import DiskStorage, SystemRandom
from ledger.wording import counted
from node import config as node_config
from node.config import NodeConfig

CERTIFICATE_BYTES_MAX = 64 * 1024 * 1024
FOLDER_VARIABLE = "TALLYMAN_NODE_DIR"

Command = Callable[[argparse.Namespace], dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)

    def act() -> int:
        result = arguments.run(arguments)
        if result:
            print(json.dumps(result) if arguments.json else arguments.show(result))
        return int(result.get("exit", 0)) if result else 0

    return commands.run(act, lambda said, code: _refuse(arguments, said, code))


def _refuse(arguments: argparse.Namespace, said: str, code: int) -> None:
    print(f"tallyman node: {said}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"error": said, "exit": code}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallyman node",
        description="One warehouse site: its keys, its chain, its pages.",
        epilog="exit codes: 0 done, 1 no, 2 usage, 3 try later",
    )
    named = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Command, show: Callable[[dict[str, Any]], str], help: str) -> argparse.ArgumentParser:
        command = named.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        command.add_argument(
            "--dir",
            type=Path,
            default=Path(os.environ.get(FOLDER_VARIABLE, ".")),
            metavar="DIR",
            help=f"the node's data folder (default: ${FOLDER_VARIABLE}, else the current folder)",
        )
        command.add_argument("--config", type=Path, metavar="FILE", help="settings instead of DIR/node.toml")
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.set_defaults(run=run, show=show)
        return command

    init = add("init", _init, _show_init, "make a new node: keys, databases and settings; refuses a folder in use")
    init.add_argument("--site", required=True, metavar="SITE", help="name of the warehouse, such as oslo")
    enrol = add("enrol", _enrol, _show_enrol, "become the site's node with a code from `tallyman hub enrol SITE`")
    enrol.add_argument("code", metavar="CODE", help="the code as printed; - reads it from standard input")
    enrol.add_argument("--hub", default="", metavar="URL", help="the hub's address, if it is not the one in the code")
    add("run", _run, _show_nothing, "serve the site until stopped: scanners, pages, sealing and sync")
    add("status", _status, _show_status, "say where the site stands and what needs attention")
    add("seal", _seal, _show_seal, "sign what is recorded as a block now")
    add("sync", _sync, _show_sync, "exchange with the hub now")
    add("verify", _verify, _show_verify, "check every block from genesis again, and everything that follows from it")
    certificate = add(
        "certificate",
        _certificate,
        _show_certificate,
        "say which bins of a zone a posted whole count covers, or check that",
    )
    certificate.add_argument("zone", nargs="?", default="", metavar="ZONE", help="an area or bin")
    certificate.add_argument(
        "--since", type=whole(), default=0, metavar="HEIGHT", help="only counts after this block cover"
    )
    certificate.add_argument(
        "--height", type=whole(), metavar="HEIGHT", help="as of this block (default: the newest)"
    )
    certificate.add_argument("--check", metavar="FILE", help="a certificate to compare with the blocks here")
    add("rebuild", _rebuild, _show_rebuild, "make everything that follows from the blocks again; keeps the rest")
    add("config", _config, _show_config, "print every setting with its value and reason")
    return parser


# ---------------------------------------------------------------- commands


def _init(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import identity

    config = identity.init(arguments.dir, arguments.site, SystemRandom(), DiskStorage())
    keys = identity.load_keys(config)
    return {
        "site": config.site,
        "dir": str(arguments.dir),
        "key": str(keys.block.verify_key),
        "address": keys.transaction.address.hex(),
    }


def _show_init(result: dict[str, Any]) -> str:
    return (
        f"made the node of {result['site']} in {result['dir']}\n"
        f"its public key is {result['key']}\n"
        "next: get a code with `tallyman hub enrol`, then run `tallyman node enrol CODE`"
    )


def _enrol(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import enrolling

    config = _load(arguments)
    code = sys.stdin.readline() if arguments.code == "-" else arguments.code
    head = enrolling.enrol(config, code, SystemClock(), DiskStorage(), url=arguments.hub)
    return {"origin": str(head.origin), "height": head.height, "head": head.hash.hex()}


def _show_enrol(result: dict[str, Any]) -> str:
    return f"enrolled as {result['origin']}; its chain stands at block {result['height']}\nnext: `tallyman node run`"


def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import run

    run.serve(_load(arguments), json_lines=arguments.json)
    return {}


def _show_nothing(_: dict[str, Any]) -> str:
    return ""


def _status(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import status

    return status.read(_load(arguments), SystemClock().now_ms())


def _show_status(result: dict[str, Any]) -> str:
    from node import status

    return status.show(result)


def _seal(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import enrolling

    return enrolling.command(_load(arguments), "seal", SystemClock(), SystemRandom(), DiskStorage())


def _show_seal(result: dict[str, Any]) -> str:
    if not result["operations"]:
        return f"nothing is waiting; the head is block {result['height']}"
    return f"sealed {counted(result['operations'], 'operation')} in block {result['height']} {result['hash']}"


def _sync(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import enrolling

    return enrolling.command(_load(arguments), "sync", SystemClock(), SystemRandom(), DiskStorage())


def _show_sync(result: dict[str, Any]) -> str:
    lines = [
        f"{result['code']}: the hub holds {counted(result['held'], 'block')} and acknowledged {result['cosigned']}",
        f"sent {counted(result['sent_bytes'], 'byte')}, received {result['received_bytes']:,}, "
        f"in {counted(result['rounds'], 'exchange')}",
        *(f"not used: {problem}" for problem in result["problems"]),
    ]
    return "\n".join([*lines, result["message"]] if result["message"] else lines)


def _verify(arguments: argparse.Namespace) -> dict[str, Any]:
    from node import audit, enrolling

    config = _load(arguments)
    found = audit.verify(config.folder, enrolling.identity_of(config))
    return {
        "origin": found.origin,
        "blocks": found.blocks,
        "head": found.head_hash.hex(),
        "log_root": found.log_root.hex(),
        "operations": found.operations,
        "unsealed": found.unsealed,
        "tables": found.tables,
    }


def _show_verify(result: dict[str, Any]) -> str:
    return (
        f"{result['origin']}: {counted(result['blocks'], 'block')} with {counted(result['operations'], 'operation')} "
        f"verified, {result['unsealed']} more to be sealed\n"
        f"head {result['head']}\nlog  {result['log_root']}\n"
        f"all {result['tables']} derived tables are what the blocks give; the signing mark fits"
    )


def _certificate(arguments: argparse.Namespace) -> dict[str, Any]:
    from ledger.codec import json_loads
    from node import counting_certificates, enrolling, sealing, store

    config = _load(arguments)
    identity = enrolling.identity_of(config)
    if bool(arguments.zone) == bool(arguments.check):
        raise Usage("name a zone, or a certificate with --check")
    connection = store.open_reader(config.folder)
    try:
        if arguments.check:
            value = json_loads(contents(arguments.check), size_bytes_max=CERTIFICATE_BYTES_MAX)
            found = counting_certificates.check(connection, str(identity.origin), value)
            return {**found, "exit": 0 if found["complete"] else 1}
        head = sealing.read_head(connection, identity.chain)
        height = arguments.height if arguments.height is not None else 0 if head is None else head.height
        return counting_certificates.derive(connection, str(identity.origin), arguments.zone, arguments.since, height)
    finally:
        connection.close()


def _show_certificate(result: dict[str, Any]) -> str:
    if "faults" in result:
        words = "true and complete" if result["complete"] else "true, and not complete" if result["true"] else "false"
        blind = (
            [f"not counted blind: {', '.join(result['not_blind'])}"] if result["true"] and result["not_blind"] else []
        )
        return "\n".join([f"this certificate is {words}", *blind, *result["faults"]])
    said = [f"{result['zone']} at block {result['height']}: {'complete' if result['complete'] else 'not complete'}"]
    said += [
        f"{row['bin']}  counted in block {row['recorded']}, posted in {row['posted']}"
        + ("" if row["blind"] else ", not blind")
        for row in result["bins"]
    ]
    return "\n".join([*said, *(f"{bin_}  not covered" for bin_ in result["missing"])])


def _rebuild(arguments: argparse.Namespace) -> dict[str, Any]:
    from ledger import lock
    from node import audit, enrolling, store

    config = _load(arguments)
    with lock.hold(config.folder):
        identity = enrolling.identity_of(config)
        connection = store.open_writer(config.folder)
        try:
            head = audit.rebuild(connection, identity)
        finally:
            connection.close()
    return {"blocks": head.log.size, "head": head.hash.hex(), "tables": len(store.DERIVED)}


def _show_rebuild(result: dict[str, Any]) -> str:
    return f"made {result['tables']} tables and the chain's state again from {counted(result['blocks'], 'block')}"


def _config(arguments: argparse.Namespace) -> dict[str, Any]:
    config = _load(arguments)
    if unreachable := config.hub.unreachable(_kept_hub_url(config)):
        print(f"tallyman node: {unreachable}", file=sys.stderr)
    return settings.as_dict(config) if arguments.json else {"text": settings.render(config)}


def _kept_hub_url(config: NodeConfig) -> str:
    """Settings can be looked at before there is a database, or although it is damaged."""
    from ledger import db
    from node import store

    with suppress(LedgerError, Corrupt, db.DatabaseError), closing(store.open_reader(config.folder)) as reader:
        return store.hub_url(reader)
    return ""


def _show_config(result: dict[str, Any]) -> str:
    return str(result["text"])


def _load(arguments: argparse.Namespace) -> NodeConfig:
    return node_config.load(arguments.dir, arguments.config)
