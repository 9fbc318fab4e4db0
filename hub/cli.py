"""`tallyman hub`: the hub from the command line.

Exit codes: 0 done, 1 no (a refusal, or something is wrong), 2 usage, 3 try later. A command that changes something is
done by the running hub if one runs in the folder, else by this process under the folder's lock.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hub import shown
from ledger.clock import SystemClock
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.seams import DiskStorage, SystemRandom

FOLDER_VARIABLE = "TALLYMAN_HUB_DIR"

Result = dict[str, Any]
Run = Callable[[argparse.Namespace], Result]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        result = arguments.run(arguments)
        if result:
            print(json.dumps(result) if arguments.json else arguments.show(result))
        return 1 if result and result.get("ok") is False else 0
    except (Rejected, Invalid, Corrupt) as error:
        return _refuse(arguments, error, 1)
    except Unavailable as error:
        return _refuse(arguments, error, 3)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:  # what the disk or a folder refuses
        return _refuse(arguments, error, 1)
    except KeyboardInterrupt:
        return 0


def _refuse(arguments: argparse.Namespace, error: Exception, code: int) -> int:
    if arguments.json:
        print(json.dumps({"error": str(error), "exit": code}))
    print(f"tallyman hub: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallyman hub",
        description="The hub: all sites' blocks held, executed again, compared and anchored.",
        epilog="exit codes: 0 done, 1 no, 2 usage, 3 try later",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Run, show: Callable[[Result], str], help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
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
    found.add_argument("id", nargs="?", type=int, metavar="ID", help="show one with everything said about it")
    decide = add("decide", _decide, shown.line, "say something about a discrepancy, by a new entry")
    decide.add_argument("id", type=int, metavar="ID")
    decide.add_argument("what", choices=("comment", "owner", "resolved", "accepted", "lost"))
    decide.add_argument("text", metavar="TEXT", help="why; or the new owner's name")
    decide.add_argument("--author", default=getpass.getuser(), metavar="NAME", help="who decides (default: you)")
    add("anchor", _command("anchor"), shown.anchor, "anchor what is verified now, and wait until it is final")
    add("verify", _verify, shown.verify, "execute every stored block again and compare everything with it")
    retry = add("retry", _command("retry", "origin"), shown.line, "try a quarantined chain again")
    retry.add_argument("origin", metavar="ORIGIN", help="such as acme/site/oslo/1")
    _add_recovery(add)
    _add_entering(add)
    add("config", _config, shown.config, "print every setting with its value and reason")
    return parser


def _add_founding(add: Callable[..., argparse.ArgumentParser]) -> None:
    init = add("init", _init, shown.init, "make a new hub: keys, databases, main chain; refuses a folder in use")
    init.add_argument("--org", required=True, metavar="ORG", help="name of the organisation, such as acme")
    init.add_argument("--port", type=int, metavar="PORT", help="where it listens (default 8480)")
    init.add_argument("--host", metavar="HOST", help="where it listens (default 127.0.0.1)")
    init.add_argument("--database", metavar="URL", help="postgresql://… (default: SQLite in the folder)")
    init.add_argument("--rpc", metavar="URL", help="JSON-RPC of the main chain (default: one of its own)")
    init.add_argument("--chain-id", type=int, metavar="ID", help="id of the main chain (default 1337)")
    init.add_argument("--contract", metavar="ADDRESS", help="the AnchorRegistry on that chain")
    init.add_argument("--deploy", action="store_true", help="create the AnchorRegistry there")
    enrol = add("enrol", _enrol, shown.enrol, "print a one-time code for the node of a site")
    enrol.add_argument("site", metavar="SITE", help="name of the warehouse, such as oslo")
    enrol.add_argument("--url", default="", metavar="URL", help="the hub's address, to be put into the code")
    enrol.add_argument("--hours", type=int, default=24, metavar="N", help="how long the code lasts (default 24)")


def _add_recovery(add: Callable[..., argparse.ArgumentParser]) -> None:
    again = add(
        "reincarnate", _reincarnate, shown.enrol, "end a frozen site's chain; prints a code for its next node"
    )
    again.add_argument("site", metavar="SITE")
    again.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
    again.add_argument("--replace", action="store_true", help="although it is well: its machine or disk is lost")
    again.add_argument("--url", default="", metavar="URL", help="the hub's address, to be put into the code")
    again.add_argument("--hours", type=int, default=24, metavar="N", help="how long the code lasts (default 24)")


def _add_entering(add: Callable[..., argparse.ArgumentParser]) -> None:
    items = add("import-items", _import_items, shown.imported, "take over a catalogue file (CSV), all or nothing")
    items.add_argument("file", type=Path, metavar="FILE")
    items.add_argument("--dry-run", action="store_true", help="only say what it would do")
    places = add(
        "add-location",
        _command("add-location", "site", "codes", "kind", "parent", "name"),
        shown.line,
        "add or change locations of a site",
    )
    places.add_argument("site", metavar="SITE")
    places.add_argument("codes", nargs="+", metavar="CODE")
    places.add_argument("--kind", default="bin", choices=("bin", "unit", "closed", "area"))
    places.add_argument("--parent", default="", metavar="CODE", help="the area it lies in")
    places.add_argument("--name", default="", metavar="TEXT")
    rule = add("set-policy", _set_policy, shown.line, "decide about counts or stock work, at all sites or at one")
    rule.add_argument("name", choices=("counting", "stock"))
    rule.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the entry as JSON; - reads standard input")
    rule.add_argument("--site", default="", metavar="SITE", help="only there, instead of what holds for all")
    rule.add_argument("--clear", action="store_true", help="take the entry back")
    add("policies", _policies, shown.policies, "list what was decided about work at the sites")
    nonces = add(
        "issue-nonces",
        _command("issue-nonces", "site", "count"),
        shown.line,
        "send a site secrets that its random samples are drawn from",
    )
    nonces.add_argument("site", metavar="SITE")
    nonces.add_argument("count", nargs="?", type=int, default=10, metavar="N", help="how many (default 10)")
    person = add("add-person", _add_person, shown.person, "give a person roles at a site; prints the activation code")
    person.add_argument("site", metavar="SITE")
    person.add_argument("login", metavar="LOGIN")
    person.add_argument("name", metavar="NAME")
    person.add_argument("roles", metavar="ROLES", help="such as COUNT,MOVE,RECEIVE")
    person.add_argument("--badge", default="", metavar="TEXT", help="what the person's badge reads")
    person.add_argument("--new-key", action="store_true", help="end the old key and make a new activation code")
    gone = add("revoke-person", _command("revoke-person", "site", "login"), shown.line, "take a person's rights")
    gone.add_argument("site", metavar="SITE")
    gone.add_argument("login", metavar="LOGIN")
    account = add("add-account", _add_account, shown.line, "let somebody into the console, or set a new password")
    account.add_argument("login", metavar="LOGIN")
    account.add_argument("name", metavar="NAME")
    account.add_argument("roles", metavar="ROLES", help="some of ADMIN,RECONCILE,AUDIT")


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

    config, opened = _reading(arguments)
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

    _, opened = _reading(arguments)
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

    config, opened = _reading(arguments)
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
    wish = {"site": arguments.site, "url": arguments.url, "lasts_ms": arguments.hours * 3_600_000}
    return _write(arguments, "enrol", wish)


def _reincarnate(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("site", "reason", "replace", "url")}
    return _write(arguments, "reincarnate", {**wish, "lasts_ms": arguments.hours * 3_600_000})


def _import_items(arguments: argparse.Namespace) -> Result:
    try:
        raw = arguments.file.read_bytes()
    except OSError as error:
        raise Rejected(f"cannot read {arguments.file}: {error.strerror}") from error
    wish = {"csv": base64.b64encode(raw).decode("ascii"), "dry_run": arguments.dry_run}
    return {**_write(arguments, "import-items", wish), "dry_run": arguments.dry_run}


def _set_policy(arguments: argparse.Namespace) -> Result:
    if arguments.clear == (arguments.file is not None):
        raise Rejected("name the file with the entry, or --clear to take it back")
    text = "" if arguments.clear else _text_of(arguments.file)
    if not arguments.clear and not text.strip():
        raise Rejected(f"{arguments.file} is empty")
    return _write(arguments, "set-policy", {"name": arguments.name, "site": arguments.site, "said": text})


def _policies(arguments: argparse.Namespace) -> Result:
    from hub import policies

    _, opened = _reading(arguments)
    try:
        with opened.read() as session:
            return {"policies": policies.listed(session)}
    finally:
        opened.close()


def _text_of(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise Rejected(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Rejected(f"{file} is not UTF-8 text") from error


def _add_person(arguments: argparse.Namespace) -> Result:
    wish = {
        "site": arguments.site,
        "login": arguments.login,
        "name": arguments.name,
        "roles": arguments.roles.split(","),
        "badge": arguments.badge,
        "new_key": arguments.new_key,
    }
    return _write(arguments, "add-person", wish)


def _add_account(arguments: argparse.Namespace) -> Result:
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    wish = {
        "login": arguments.login,
        "name": arguments.name,
        "roles": arguments.roles.split(","),
        "password": password,
    }
    return _write(arguments, "add-account", wish)


def _decide(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("id", "what", "text", "author")}
    return _write(arguments, "decide", wish)


def _config(arguments: argparse.Namespace) -> Result:
    from hub import config as hub_config
    from ledger import settings

    config = hub_config.load(arguments.dir, arguments.config)
    return settings.as_dict(config) if arguments.json else {"text": settings.render(config)}


def _command(name: str, *fields: str) -> Run:
    return lambda arguments: _write(arguments, name, {each: getattr(arguments, each) for each in fields})


def _write(arguments: argparse.Namespace, name: str, wish: Result) -> Result:
    """Have the running hub do it, or do it here under the folder's lock."""
    from ledger import control_socket, lock

    answer = control_socket.ask(arguments.dir, name, wish)
    if answer is not None:
        return answer
    from hub.commands import COMMANDS
    from hub.hub import Hub

    with lock.hold(arguments.dir), Hub.open(arguments.dir, SystemClock(), SystemRandom(), arguments.config) as hub:
        return COMMANDS[name](hub, wish)


def _reading(arguments: argparse.Namespace) -> tuple[Any, Any]:
    from hub import config as hub_config
    from hub import store

    config = hub_config.load(arguments.dir, arguments.config)
    return config, store.open_store(config.database_url(), now_ms=SystemClock().now_ms(), upgrade=False)
