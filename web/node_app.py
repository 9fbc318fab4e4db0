"""The node's web application: tablet pages, API and event stream over one site."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, render_template, request

from devices.journal import Journal
from ledger.clock import Clock
from ledger.errors import LedgerError, Rejected
from ledger.seams import Random
from ledger.wording import shown
from node.certificates import is_called
from node.desk import Person
from node.floor import Floor
from node.site import Site
from node.stations import no_scanner
from node.tablets import Sent
from node.weighing import Weigh, no_scale
from web import kit, languages

if TYPE_CHECKING:
    from node.certificates import Certificates

FOLDER = Path(__file__).parent
SESSION_COOKIE = "tallyman_session"
TABLET_COOKIE = "tallyman_tablet"
TABLET_COOKIE_S = 400 * 86_400
SENT_HEADER = "Tallyman-Sent"
# An outbox keeps what was answered so, and sends it again: the answer says neither yes nor no to the act.
UNDECIDED = frozenset((401, 408, 429))


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What the pages act on. `sync` calls the hub now; `devices`, `links` and `status` say how things are; `weigh`
    waits for a stable weight from a scale, and `beep` makes the scanner of a name sound soon.

    `links`: {hub_ms: last answer of the hub or None, findings: [{severity, seen}],
    scanners: [{name, kind, station, state, problem}]}, cheap enough for several calls a second.
    """

    site: Site
    floor: Floor
    journal: Journal
    clock: Clock
    random: Random
    sync: Callable[[], Mapping[str, Any]]
    devices: Callable[[], Sequence[Mapping[str, Any]]]
    links: Callable[[], Mapping[str, Any]]
    status: Callable[[], Mapping[str, Any]]
    certificates: Certificates | None = None
    weigh: Weigh = no_scale
    beep: Callable[[str], None] = no_scanner

    def person(self, *, at_work: bool = True) -> Person:
        """Who is asking, by bearer token or cookie. Raises LoginNeeded, also for what another person did: an act in
        an outbox belongs to who did it, and waits there until they are logged in. `at_work`: see
        `Operators.session`."""
        token = token_given()
        if not token:
            raise kit.LoginNeeded("nobody is logged in here: log in with badge and PIN")
        try:
            who = self.floor.people.session(token, at_work=at_work)
        except Rejected as error:
            raise kit.LoginNeeded(str(error)) from error
        said = request.headers.get(SENT_HEADER)
        if said is None:
            return who
        sent = Sent.parse(said)
        if sent.actor != who.actor:
            raise kit.LoginNeeded("this was done by somebody else: it is sent when they log in")
        g.sent = sent
        return replace(who, waited_ms=sent.waited_ms)


def token_given() -> str:
    """The log-in token of this request, "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(cookie_name(SESSION_COOKIE), "")


def cookie_name(name: str) -> str:
    """A browser has one drawer of cookies for a host, and plain HTTP may not replace what HTTPS has put there."""
    return f"{name}_tls" if request.is_secure else name


def tablet(parts: NodeParts) -> str:
    """The name of the tablet that asks; a new one is given with the answer to a log-in.

    A program that keeps no cookies is one tablet as long as its log-in lasts.
    """
    known = request.cookies.get(cookie_name(TABLET_COOKIE), "")
    if known.isascii() and known.isalnum() and len(known) == 32:
        return known
    token = token_given()
    return (
        hashlib.sha256(f"tallyman/tablet\n{token}".encode()).hexdigest()[:32]
        if token
        else parts.random.bytes(16).hex()
    )


def asked_from() -> str:
    """The network address that asks. Behind a proxy that is the proxy's, which then slows all strangers as one."""
    return request.remote_addr or ""


def store(parts: NodeParts) -> str:
    """The name under which scans are journalled: the outbox they come from, which lives as long as they do."""
    sent: Sent | None = g.get("sent")
    return tablet(parts) if sent is None else sent.outbox.hex()


def refuse_other_name(also: Sequence[str]) -> None:
    """A page must not reach this node by a name that is none of its own."""
    host = request.host.rpartition(":")[0] if re.search(r":\d*$", request.host) else request.host
    if not is_called(host, also):
        raise kit.WrongAddress(
            f"this node is not called {shown(host)}: add the name to web.https_names in its settings"
        )


def create(parts: NodeParts) -> Flask:
    """The application, ready for a server or a test client."""
    # Here and not above: both sides import this module for the request's person and tablet.
    from web import node_api, node_events, node_floor, node_offline, node_pages, node_review, node_setup

    def language() -> str:
        return languages.asked(cookie_name(languages.COOKIE))

    zone = parts.site.config.web.time_zone
    app = kit.create_app("tallyman-node", FOLDER, random=parts.random, language=language, zone=zone)
    app.before_request(lambda: refuse_other_name(parts.site.config.web.https_names))
    app.register_blueprint(node_api.blueprint(parts))
    app.register_blueprint(node_events.blueprint(parts))
    app.register_blueprint(node_pages.blueprint(parts))
    app.register_blueprint(node_floor.blueprint(parts))
    app.register_blueprint(node_review.blueprint(parts))
    app.register_blueprint(node_setup.blueprint(parts))
    app.register_blueprint(node_offline.blueprint(parts, app.extensions["version"]))

    @app.after_request
    def note_number(answer: Response) -> Response:
        """Keep which number of which outbox was answered, before the tablet hears of it."""
        sent: Sent | None = g.get("sent")
        if sent is not None and answer.status_code < 500 and answer.status_code not in UNDECIDED:
            try:
                with parts.site.writing() as connection:
                    parts.floor.tablets.came(connection, tablet(parts), sent)
            except LedgerError as error:
                # The act stands and the tablet asks again: it gets the same answer.
                return kit.problem(503, "Not available at the moment", languages.said(kit.plain(str(error))))
        return answer

    app.after_request(languages.labelled)

    def failure(status: int, title: str, detail: str) -> str:
        site = parts.site.config.site
        return render_template("failure.html", status=status, title=languages.said(title), detail=detail, site=site)

    app.config["FAILURE_PAGE"] = failure
    return app
