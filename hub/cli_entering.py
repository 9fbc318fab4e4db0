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
from ledger import policy
from ledger.commands import Usage, contents, whole
from ledger.errors import Rejected

Add = Callable[..., argparse.ArgumentParser]


def add_all(add: Add) -> None:
    _add_goods(add)
    _add_announcements(add)
    _add_policies(add)
    _add_people(add)
    _add_approvals(add)


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
    found = add("announced", _announced, shown.announced, "list deliveries and orders, and how much of each is done")
    found.add_argument("number", nargs="?", default="", metavar="NUMBER", help="only this one, with its lines")
    found.add_argument("--site", default="", metavar="SITE", help="only what this site was told of")
    back = add("withdraw", command("withdraw", "site", "kind", "number"), shown.line, "take a delivery or order back")
    back.add_argument("site", metavar="SITE")
    back.add_argument("kind", choices=("delivery", "order"))
    back.add_argument("number", metavar="NUMBER")


def _add_policies(add: Add) -> None:
    rule = add(
        "set-policy",
        _set_policy,
        shown.line,
        "decide about counts, stock work, receipts or retention, at all or one site",
    )
    rule.add_argument("name", choices=tuple(policy.READERS))
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
    person.add_argument("roles", metavar="ROLES", help="such as COUNT,MOVE,RECEIVE; AUDIT or ADMIN alone")
    person.add_argument("--badge", default="", metavar="TEXT", help="what the person's badge reads")
    person.add_argument("--new-key", action="store_true", help="end the old key and make a new activation code")
    gone = add("revoke-person", command("revoke-person", "site", "login"), shown.line, "take a person's rights")
    gone.add_argument("site", metavar="SITE")
    gone.add_argument("login", metavar="LOGIN")
    erased = add(
        "erase-person",
        command("erase-person", "login"),
        shown.line,
        "take away, for good, the name of somebody who has left: here, at the sites, in backups that come back",
    )
    erased.add_argument("login", metavar="LOGIN")
    account = add("add-account", _add_account, shown.line, "let somebody into the console, or set a new password")
    account.add_argument("login", metavar="LOGIN")
    account.add_argument("name", metavar="NAME")
    account.add_argument("roles", metavar="ROLES", help="some of ADMIN,RECONCILE,AUDIT")
    closed = add(
        "close-account", command("close-account", "login"), shown.line, "nobody uses the console with it any more"
    )
    closed.add_argument("login", metavar="LOGIN")


def _add_approvals(add: Add) -> None:
    found = add("approvals", _approvals, shown.approvals, "list what waits at sites for a signature of the hub")
    found.add_argument("id", nargs="?", metavar="ID", help="show one with its lines")
    may = add("add-approver", _add_approver, shown.line, "let somebody of the console approve for a site; asks them "
              "for their password, which seals their key")  # fmt: skip
    may.add_argument("site", metavar="SITE")
    may.add_argument("login", metavar="LOGIN", help="of their console account, with the role ADMIN")
    decide = add("approve", _approve, shown.line, "approve or reject what waits at a site; asks for the password")
    decide.add_argument("op_id", metavar="ID")
    decide.add_argument("login", metavar="LOGIN", help="who decides")
    decide.add_argument("--reason", default="", metavar="CODE", help="why it differs, or why it is rejected")
    decide.add_argument("--reject", dest="verdict", action="store_const", const="rejected", default="approved")
    decide.add_argument("--origin", default="", metavar="ORIGIN", help="at which chain, if two have this id")


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
            found = announcing.progress(session, site=arguments.site, number=arguments.number)
            if arguments.number and not found:
                raise Rejected(f"nothing is announced under {arguments.number!r}")
            return {"announced": found, **({"number": arguments.number} if arguments.number else {})}
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


def _approvals(arguments: argparse.Namespace) -> Result:
    from hub import approving

    _, opened = reading(arguments)
    try:
        with opened.read() as session:
            if arguments.id is not None:
                return approving.in_full(session, approving.find(session, arguments.id))
            return {"approvals": [approving.as_json(session, each) for each in approving.waiting(session)]}
    finally:
        opened.close()


def _add_approver(arguments: argparse.Namespace) -> Result:
    wish = {"site": arguments.site, "login": arguments.login, "password": _password()}
    return write(arguments, "add-approver", wish)


def _approve(arguments: argparse.Namespace) -> Result:
    wish = {name: getattr(arguments, name) for name in ("op_id", "login", "verdict", "reason", "origin")}
    return write(arguments, "approve", {**wish, "password": _password()})


def _password() -> str:
    return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _add_account(arguments: argparse.Namespace) -> Result:
    password = _password()
    wish = {
        "login": arguments.login,
        "name": arguments.name,
        "roles": arguments.roles.split(","),
        "password": password,
    }
    return write(arguments, "add-account", wish)
