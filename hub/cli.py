"""`tallyman hub`: the hub from the command line.

Exit codes: 0 done, 1 no (a refusal, or something is wrong), 2 usage, 3 try later. A command that changes something is
done by the running hub if one runs in the folder, else by this process under the folder's lock.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hub import cli_entering, shown
from hub.cli_kit import Result, Run, command, reading, write
from hub.limits import CODE_LASTS_MS, CODE_LASTS_MS_MAX, HOUR_MS
from hub.settling import VERDICTS
from ledger import commands
from ledger.clock import SystemClock
from ledger.commands import whole
from ledger.seams import DiskStorage, SystemRandom

FOLDER_VARIABLE = "TALLYMAN_HUB_DIR"


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
        return 1 if result and result.get("ok") is False else 0

    return commands.run(act, lambda said, code: _refuse(arguments, said, code))


def _refuse(arguments: argparse.Namespace, said: str, code: int) -> None:
    print(f"tallyman hub: {said}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({"error": said, "exit": code}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallyman hub",
        description="The hub: all sites' blocks held, executed again, compared and anchored.",
        epilog="exit codes: 0 done, 1 no, 2 usage, 3 try later",
    )
    named = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Run, show: Callable[[Result], str], help: str) -> argparse.ArgumentParser:
        command = named.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        command.add_argument(
            "--dir",
            type=Path,
            default=Path(os.environ.get(FOLDER_VARIABLE, ".")),
            metavar="DIR",
            help=f"the hub's data folder (default: ${FOLDER_VARIABLE}, else the current folder)",
        )
        command.add_argument("--config", type=Path, metavar="FILE", help="settings instead of DIR/hub.toml")
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.set_defaults(run=run, show=show)
        return command

    _add_founding(add)
    add("run", _run, shown.nothing, "serve sites and console until stopped: receive, verify, log, anchor")
    add("status", _status, shown.status, "say how far every site has come and what needs attention")
    found = add("discrepancies", _discrepancies, shown.discrepancies, "list records that cannot all be true")
    found.add_argument("--all", action="store_true", help="also those that are decided")
    found.add_argument("id", nargs="?", type=whole(1), metavar="ID", help="show one with everything said about it")
    decide = add("decide", _decide, shown.line, "say something about a discrepancy, by a new entry")
    decide.add_argument("id", type=whole(1), metavar="ID")
    decide.add_argument("what", choices=("comment", "owner", "resolved", "accepted", *VERDICTS))
    decide.add_argument("text", metavar="TEXT", help="why; or the new owner's name")
    decide.add_argument("--author", default=getpass.getuser(), metavar="NAME", help="who decides (default: you)")
    decide.add_argument("--site", default="", metavar="SITE", help="to which a transfer is diverted")
    asking = add("ask-transfer", _ask_transfer, shown.line, "open a request about a transfer, to be decided")
    asking.add_argument("transfer", metavar="SENDER/ID")
    asking.add_argument("text", metavar="TEXT", help="what is wanted, and why")
    asking.add_argument("--author", default=getpass.getuser(), metavar="NAME", help="who asks (default: you)")
    add("anchor", command("anchor"), shown.anchor, "anchor what is verified now, and wait until it is final")
    add("verify", _verify, shown.verify, "execute every stored block again and compare everything with it")
    retry = add("retry", command("retry", "origin"), shown.line, "try a quarantined chain again")
    retry.add_argument("origin", metavar="ORIGIN", help="such as acme/site/oslo/1")
    _add_recovery(add)
    cli_entering.add_all(add)
    add("config", _config, shown.config, "print every setting with its value and reason")
    return parser


def _add_founding(add: Callable[..., argparse.ArgumentParser]) -> None:
    init = add("init", _init, shown.init, "make a new hub: keys, databases, main chain; refuses a folder in use")
    init.add_argument("--org", required=True, metavar="ORG", help="name of the organisation, such as acme")
    init.add_argument("--port", type=whole(0, 65_535), metavar="PORT", help="where it listens (default 8480)")
    init.add_argument("--host", metavar="HOST", help="where it listens (default 127.0.0.1)")
    init.add_argument("--database", metavar="URL", help="postgresql://… (default: SQLite in the folder)")
    init.add_argument("--rpc", metavar="URL", help="JSON-RPC of the main chain (default: one of its own)")
    init.add_argument("--chain-id", type=whole(1), metavar="ID", help="id of the main chain (default 1337)")
    init.add_argument("--contract", metavar="ADDRESS", help="the AnchorRegistry on that chain")
    init.add_argument("--deploy", action="store_true", help="create the AnchorRegistry there")
    enrol = add("enrol", _enrol, shown.enrol, "print a one-time code for the node of a site")
    enrol.add_argument("site", metavar="SITE", help="name of the warehouse, such as oslo")
    enrol.add_argument("--url", default="", metavar="URL", help="the hub's address, to be put into the code")
    _add_hours(enrol)


def _add_recovery(add: Callable[..., argparse.ArgumentParser]) -> None:
    again = add(
        "reincarnate", _reincarnate, shown.enrol, "end a frozen site's chain; prints a code for its next node"
    )
    again.add_argument("site", metavar="SITE")
    again.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
    again.add_argument("--replace", action="store_true", help="although it is well: its machine or disk is lost")
    again.add_argument("--url", default="", metavar="URL", help="the hub's address, to be put into the code")
    _add_hours(again)


def _add_hours(code: argparse.ArgumentParser) -> None:
    lasts, most = CODE_LASTS_MS // HOUR_MS, CODE_LASTS_MS_MAX // HOUR_MS
    text = f"how long the code lasts, 1 to {most} (default {lasts})"
    code.add_argument("--hours", type=whole(1, most), default=lasts, metavar="N", help=text)


# ---------------------------------------------------------------- commands


def _init(arguments: argparse.Namespace) -> Result:
    from hub import founding

    wishes = {
        "web.port": arguments.port,
        "web.host": arguments.host,
        "database": arguments.database,
        "chain.kind": "rpc" if arguments.rpc else None,
        "chain.url": arguments.rpc,
        "chain.chain_id": arguments.chain_id,
        "chain.contract": arguments.contract,
    }
    made = founding.found(
        arguments.dir,
        arguments.org,
        SystemClock(),
        SystemRandom(),
        DiskStorage(),
        values={name: value for name, value in wishes.items() if value is not None},
        deploy=arguments.deploy,
    )
    return {
        "dir": str(arguments.dir),
        "name": made.config.name,
        "log_key": made.log_key,
        "chain_id": made.chain_id,
        "contract": "0x" + made.contract.hex(),
        "login": founding.ADMINISTRATOR,
        "password": made.password,
    }


def _run(arguments: argparse.Namespace) -> Result:
    from hub import run

    run.serve(arguments.dir, arguments.config, json_lines=arguments.json)
    return {}


def _status(arguments: argparse.Namespace) -> Result:
    from hub import views
    from hub.heads import Heads
    from ledger import control_socket, lock

    config, opened = reading(arguments)
    try:
        signed = Heads.read(config.path(config.keys.heads_file), config.name)
        with opened.read() as session:
            found = views.status(session, config, SystemClock().now_ms(), signed.size if signed else 0)
        troubles = control_socket.ask(arguments.dir, "troubles") or {}
        return {"running": lock.is_held(arguments.dir), "troubles": troubles, **found}
    finally:
        opened.close()


def _discrepancies(arguments: argparse.Namespace) -> Result:
    from hub import discrepancies

    _, opened = reading(arguments)
    now_ms = SystemClock().now_ms()
    try:
        with opened.read() as session:
            if arguments.id is not None:
                return discrepancies.as_json(discrepancies.find(session, arguments.id, now_ms))
            found = discrepancies.listed(session, now_ms, everything=arguments.all)
            return {"discrepancies": [discrepancies.as_json(each) for each in found]}
    finally:
        opened.close()


def _verify(arguments: argparse.Namespace) -> Result:
    from hub import founding
    from hub.auditing import Auditor
    from hub.heads import Heads

    config, opened = reading(arguments)
    try:
        keys = founding.load_keys(config)
        heads = config.path(config.keys.heads_file)
        auditor = Auditor(
            opened, config, keys.control.address, keys.log.verify_key, lambda name: Heads.read(heads, name)
        )
        with tempfile.TemporaryDirectory(prefix="verify-", dir=arguments.dir) as folder:
            return auditor.run(Path(folder), SystemClock().now_ms()).as_json()
    finally:
        opened.close()


def _enrol(arguments: argparse.Namespace) -> Result:
    wish = {"site": arguments.site, "url": arguments.url, "lasts_ms": arguments.hours * HOUR_MS}
    return write(arguments, "enrol", wish)


def _reincarnate(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("site", "reason", "replace", "url")}
    return write(arguments, "reincarnate", {**wish, "lasts_ms": arguments.hours * HOUR_MS})


def _decide(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("id", "what", "text", "author", "site")}
    return write(arguments, "decide", wish)


def _ask_transfer(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("transfer", "text", "author")}
    return write(arguments, "ask-transfer", wish)


def _config(arguments: argparse.Namespace) -> Result:
    from hub import config as hub_config
    from ledger import settings

    config = hub_config.load(arguments.dir, arguments.config)
    return settings.as_dict(config) if arguments.json else {"text": settings.render(config)}
