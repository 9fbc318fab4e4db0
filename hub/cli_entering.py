"""The commands by which people enter things at a hub: catalogue, places, announcements, policies, people."""

from __future__ import annotations

import argparse
import base64
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from hub import shown
from hub.cli_kit import Result, Run, command, reading, write
from hub.limits import NONCES_MAX
from ledger.commands import Usage, contents, whole
from ledger.errors import Rejected

Add = Callable[..., argparse.ArgumentParser]


def add_all(add: Add) -> None:
    _add_goods(add)
    _add_announcements(add)
    _add_policies(add)
    _add_people(add)


def _add_goods(add: Add) -> None:
    items = add("import-items", _import_items, shown.imported, "take over a catalogue file (CSV), all or nothing")
    items.add_argument("file", type=Path, metavar="FILE")
    items.add_argument("--dry-run", action="store_true", help="only say what it would do")
    places = add(
        "add-location",
        command("add-location", "site", "codes", "kind", "parent", "name"),
        shown.line,
        "add or change locations of a site",
    )
    places.add_argument("site", metavar="SITE")
    places.add_argument("codes", nargs="+", metavar="CODE")
    places.add_argument("--kind", default="bin", choices=("bin", "unit", "closed", "area"))
    places.add_argument("--parent", default="", metavar="CODE", help="the area it lies in")
    places.add_argument("--name", default="", metavar="TEXT")


def _add_announcements(add: Add) -> None:
    for word, text in (
        ("delivery", "tell a site of deliveries that it may expect, from a file (CSV), all or nothing"),
        ("order", "tell a site of orders that it is to pick, from a file (CSV), all or nothing"),
    ):
        announced = add(f"add-{word}", _announce(f"add-{word}"), shown.announced_file, text)
        announced.add_argument("site", metavar="SITE")
        announced.add_argument("file", type=Path, metavar="FILE", help="the CSV file; - reads standard input")
        announced.add_argument("--dry-run", action="store_true", help="only say what it would do")
    add("announced", _announced, shown.announced, "list the deliveries and orders that sites were told of")
    back = add("withdraw", command("withdraw", "site", "kind", "number"), shown.line, "take a delivery or order back")
    back.add_argument("site", metavar="SITE")
    back.add_argument("kind", choices=("delivery", "order"))
    back.add_argument("number", metavar="NUMBER")


def _add_policies(add: Add) -> None:
    rule = add("set-policy", _set_policy, shown.line, "decide about counts or stock work, at all sites or at one")
    rule.add_argument("name", choices=("counting", "stock"))
    rule.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the entry as JSON; - reads standard input")
    rule.add_argument("--site", default="", metavar="SITE", help="only there, instead of what holds for all")
    rule.add_argument("--clear", action="store_true", help="take the entry back")
    add("policies", _policies, shown.policies, "list what was decided about work at the sites")
    nonces = add(
        "issue-nonces",
        command("issue-nonces", "site", "count"),
        shown.line,
        "send a site secrets that its random samples are drawn from",
    )
    nonces.add_argument("site", metavar="SITE")
    nonces.add_argument(
        "count", nargs="?", type=whole(1, NONCES_MAX), default=10, metavar="N", help="how many (default 10)"
    )


def _add_people(add: Add) -> None:
    person = add("add-person", _add_person, shown.person, "give a person roles at a site; prints the activation code")
    person.add_argument("site", metavar="SITE")
    person.add_argument("login", metavar="LOGIN")
    person.add_argument("name", metavar="NAME")
    person.add_argument("roles", metavar="ROLES", help="such as COUNT,MOVE,RECEIVE")
    person.add_argument("--badge", default="", metavar="TEXT", help="what the person's badge reads")
    person.add_argument("--new-key", action="store_true", help="end the old key and make a new activation code")
    gone = add("revoke-person", command("revoke-person", "site", "login"), shown.line, "take a person's rights")
    gone.add_argument("site", metavar="SITE")
    gone.add_argument("login", metavar="LOGIN")
    account = add("add-account", _add_account, shown.line, "let somebody into the console, or set a new password")
    account.add_argument("login", metavar="LOGIN")
    account.add_argument("name", metavar="NAME")
    account.add_argument("roles", metavar="ROLES", help="some of ADMIN,RECONCILE,AUDIT")


def _import_items(arguments: argparse.Namespace) -> Result:
    wish = {"csv": base64.b64encode(contents(arguments.file)).decode("ascii"), "dry_run": arguments.dry_run}
    return {**write(arguments, "import-items", wish), "dry_run": arguments.dry_run}


def _announce(name: str) -> Run:
    def run(arguments: argparse.Namespace) -> Result:
        text = base64.b64encode(contents(arguments.file)).decode("ascii")
        wish = {"site": arguments.site, "csv": text, "dry_run": arguments.dry_run}
        return {**write(arguments, name, wish), "dry_run": arguments.dry_run}

    return run


def _announced(arguments: argparse.Namespace) -> Result:
    from hub import announcing

    _, opened = reading(arguments)
    try:
        with opened.read() as session:
            return {"announced": announcing.listed(session)}
    finally:
        opened.close()


def _set_policy(arguments: argparse.Namespace) -> Result:
    if arguments.clear == (arguments.file is not None):
        raise Usage("name the file with the entry, or --clear to take it back")
    text = "" if arguments.clear else _text_of(arguments.file)
    if not arguments.clear and not text.strip():
        raise Rejected(f"{arguments.file} is empty")
    return write(arguments, "set-policy", {"name": arguments.name, "site": arguments.site, "said": text})


def _policies(arguments: argparse.Namespace) -> Result:
    from hub import policies

    _, opened = reading(arguments)
    try:
        with opened.read() as session:
            return {"policies": policies.listed(session)}
    finally:
        opened.close()


def _text_of(file: Path) -> str:
    try:
        return contents(file).decode("utf-8-sig")
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
    return write(arguments, "add-person", wish)


def _add_account(arguments: argparse.Namespace) -> Result:
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    wish = {
        "login": arguments.login,
        "name": arguments.name,
        "roles": arguments.roles.split(","),
        "password": password,
    }
    return write(arguments, "add-account", wish)
