"""What a person tells a hub: the same functions for a running process (by the control socket) and for the command
line when none runs. Arguments and results are plain JSON values; what is wrong with them is Rejected."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from hub import announcing
from hub.hub import Hub
from ledger import announced
from ledger.codec import json_loads
from ledger.errors import Invalid, Rejected
from ledger.transfers import TransferName
from ledger.wording import KINDS, shown

Arguments = Mapping[str, Any]
Command = Callable[[Hub, Arguments], dict[str, Any]]
T = TypeVar("T")


def enrol(hub: Hub, given: Arguments) -> dict[str, Any]:
    """A one-time code for a site's node."""
    code = hub.enrol(_text(given, "site"), _text(given, "url", ""), _of(given, "lasts_ms", int, 24 * 3_600_000))
    return {"origin": code.origin, "code": code.encode(), "expires_s": code.expires_s, "url": code.url}


def reincarnate(hub: Hub, given: Arguments) -> dict[str, Any]:
    """End a site's incarnation; a one-time code for the node of the next."""
    code = hub.reincarnate(
        _text(given, "site"),
        _text(given, "reason", ""),
        _text(given, "url", ""),
        _of(given, "lasts_ms", int, 24 * 3_600_000),
        replace=_of(given, "replace", bool, False),
    )
    return {"origin": code.origin, "code": code.encode(), "expires_s": code.expires_s, "url": code.url}


def anchor(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Verify and log what is there, and anchor it now."""
    hub.verify()
    hub.settle()
    return hub.anchor_now(_of(given, "wait_ms", int, 60_000))


def import_items(hub: Hub, given: Arguments) -> dict[str, Any]:
    """A catalogue file, base64."""
    return asdict(hub.import_items(_csv(given), dry_run=_of(given, "dry_run", bool, False)))


def add_delivery(hub: Hub, given: Arguments) -> dict[str, Any]:
    """A file of deliveries that a site may expect, base64."""
    return _announce(hub, announced.DELIVERIES, given)


def add_order(hub: Hub, given: Arguments) -> dict[str, Any]:
    """A file of orders that a site is to pick, base64."""
    return _announce(hub, announced.ORDERS, given)


def withdraw(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Take a delivery or an order back."""
    words = {kind.word: stream for stream, kind in announcing.KINDS.items()}
    kind, site, number = _text(given, "kind"), _text(given, "site"), _text(given, "number")
    if kind not in words:
        raise Rejected(f"{kind!r} is not announced: expected {' or '.join(words)}")
    hub.withdraw(words[kind], site, number)
    return {"site": site, kind: number, "state": "withdrawn"}


def set_policy(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Decide about the work at the sites: an entry as JSON, or "" to take it back."""
    name, site, text = _text(given, "name"), _text(given, "site", ""), _text(given, "said")
    try:
        said = json_loads(text, depth_max=8) if text else None
    except Invalid as error:
        raise Rejected(f"the policy is not JSON: {error}") from error
    if text and said is None:
        raise Rejected("the policy says nothing: clear it instead")
    hub.set_policy(name, said, site)
    return {"policy": name, "site": site or "all", "state": "set" if text else "cleared"}


def issue_nonces(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Secrets from which a site draws samples that nobody there could choose."""
    site = _text(given, "site")
    return {"site": site, "nonces": hub.issue_nonces(site, _of(given, "count", int))}


def add_person(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Rights for a person at a site; the answer's code is shown once."""
    added = hub.add_person(
        _text(given, "site"),
        _text(given, "login"),
        _text(given, "name"),
        _texts(given, "roles"),
        badge=_text(given, "badge", ""),
        valid_until_s=_of(given, "valid_until_s", int, 0),
        new_key=_of(given, "new_key", bool, False),
    )
    return asdict(added)


def revoke_person(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Take a person's rights at a site."""
    hub.revoke_person(_text(given, "site"), _text(given, "login"))
    return {"site": given["site"], "login": given["login"]}


def erase_person(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Take away the name of somebody who has left."""
    return {"erased": True, **asdict(hub.erase_person(_text(given, "login")))}


def close_account(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Nobody uses the console with it any more."""
    hub.close_account(_text(given, "login"))
    return {"login": given["login"], "state": "closed"}


def add_location(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Locations of a site, all of them or none."""
    site, codes = _text(given, "site"), _texts(given, "codes")
    hub.add_locations(site, codes, _text(given, "kind", "bin"), _text(given, "parent", ""), _text(given, "name", ""))
    return {"site": site, "locations": codes}


def add_approver(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Let somebody of the hub approve at a site that is too small for two people."""
    site, login = _text(given, "site"), _text(given, "login")
    return {"site": site, "login": login, "actor": hub.add_approver(site, login, _text(given, "password"))}


def approve(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Decide what waits at a site for the hub: `verdict` approved or rejected."""
    found = hub.decide_approval(
        _text(given, "op_id"),
        _text(given, "login"),
        _text(given, "password"),
        _text(given, "verdict"),
        _text(given, "reason", ""),
        _text(given, "origin", ""),
    )
    return {"op_id": found["op_id"], "site": found["site"], "state": _text(given, "verdict")}


def add_account(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Somebody who may use the console."""
    account = hub.add_account(
        _text(given, "login"), _text(given, "name"), _text(given, "password"), _texts(given, "roles")
    )
    return {"login": account.login, "name": account.name, "roles": list(account.roles)}


def decide(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Say something about a discrepancy: comment, owner, or one of the verdicts."""
    number, author, text = _of(given, "id", int), _text(given, "author"), _text(given, "text")
    what = _text(given, "what")
    if what == "comment":
        hub.comment(number, author, text)
    elif what == "owner":
        hub.assign(number, author, text)
    else:
        hub.decide(number, author, what, text, _text(given, "site", ""))
    return {"id": number, "state": hub.discrepancy(number).state}


def ask_transfer(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Open a request about a transfer, which `decide` ends."""
    name = TransferName.parse(_text(given, "transfer"))
    number = hub.ask_transfer(name, _text(given, "author"), _text(given, "text"))
    return {"id": number, "state": hub.discrepancy(number).state}


def retry(hub: Hub, given: Arguments) -> dict[str, Any]:
    """Lift the quarantine of a chain and try its next block again."""
    origin = _text(given, "origin")
    if not hub.verifier.retry(origin):
        raise Rejected(f"there is no chain {origin!r}: expected one such as acme/site/oslo/1")
    return {"origin": origin, "blocks": hub.verify()}


def troubles(hub: Hub, _: Arguments) -> dict[str, Any]:
    """What the running hub's jobs cannot do at the moment, by job."""
    return dict(hub.troubles)


COMMANDS: dict[str, Command] = {
    "troubles": troubles,
    "enrol": enrol,
    "reincarnate": reincarnate,
    "anchor": anchor,
    "import-items": import_items,
    "add-delivery": add_delivery,
    "add-order": add_order,
    "withdraw": withdraw,
    "set-policy": set_policy,
    "issue-nonces": issue_nonces,
    "add-person": add_person,
    "revoke-person": revoke_person,
    "erase-person": erase_person,
    "close-account": close_account,
    "add-location": add_location,
    "add-account": add_account,
    "add-approver": add_approver,
    "approve": approve,
    "decide": decide,
    "ask-transfer": ask_transfer,
    "retry": retry,
}


def _announce(hub: Hub, stream: str, given: Arguments) -> dict[str, Any]:
    dry_run = _of(given, "dry_run", bool, False)
    return asdict(hub.announce(stream, _text(given, "site"), _csv(given), dry_run=dry_run))


def _csv(given: Arguments) -> bytes:
    try:
        return base64.b64decode(_text(given, "csv"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("the file did not arrive whole; try again") from error


def _text(given: Arguments, name: str, default: str | None = None) -> str:
    return _of(given, name, str, default)


def _texts(given: Arguments, name: str) -> list[str]:
    values = _of(given, name, list)
    if not all(type(each) is str for each in values):
        raise Rejected(f"{name} is not a list of texts")
    return values


def _of(given: Arguments, name: str, kind: type[T], default: T | None = None) -> T:
    value = given.get(name, default)
    if type(value) is not kind:
        raise Rejected(f"{name} is {shown(value)}: expected {KINDS[kind]}")
    return value
