"""The hub's web application: console pages, API and the sites' exchange over one hub."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask, render_template, request

from hub.hub import Hub
from hub.people import Account
from ledger.clock import Clock
from ledger.errors import Rejected
from ledger.seams import Random
from web import hub_sync, kit

FOLDER = Path(__file__).parent
SESSION_COOKIE = "tallyman_console"
GUESSES_MAX = 10
GUESS_WINDOW_MS = 5 * 60_000
SESSIONS_MAX = 500


@dataclass(slots=True)
class _Session:
    account: Account
    seen_ms: int


@dataclass(slots=True)
class Sessions:
    """Who is logged in to the console. In memory: a restart of the hub logs everybody out, and nothing can be stolen
    from its disk."""

    clock: Clock
    random: Random
    idle_ms_max: int
    _open: dict[bytes, _Session] = field(default_factory=dict)
    _failed: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, account: Account) -> str:
        """A new log-in; answers its token, of which only the hash is kept."""
        token = self.random.bytes(32).hex()
        with self._lock:
            if len(self._open) >= SESSIONS_MAX:
                oldest = min(self._open, key=lambda name: self._open[name].seen_ms)
                del self._open[oldest]
            self._open[_hashed(token)] = _Session(account, self.clock.monotonic_ms())
        return token

    def account(self, token: str) -> Account:
        """Whose token this is. Raises LoginNeeded."""
        now_ms = self.clock.monotonic_ms()
        with self._lock:
            session = self._open.get(_hashed(token))
            if session is None or now_ms - session.seen_ms > self.idle_ms_max:
                self._open.pop(_hashed(token), None)
                raise kit.LoginNeeded("nobody is logged in here: log in to the console")
            session.seen_ms = now_ms
            return session.account

    def close(self, token: str) -> None:
        with self._lock:
            self._open.pop(_hashed(token), None)

    def guess(self) -> None:
        """Count a log-in attempt before its password is tried; raises Busy when too many failed lately."""
        now_ms = self.clock.monotonic_ms()
        with self._lock:
            self._failed[:] = [at_ms for at_ms in self._failed if now_ms - at_ms < GUESS_WINDOW_MS]
            if len(self._failed) >= GUESSES_MAX:
                raise kit.Busy("too many failed log-ins: wait five minutes")
            self._failed.append(now_ms)

    def guessed_right(self) -> None:
        with self._lock:
            self._failed.clear()


@dataclass(frozen=True, slots=True)
class HubParts:
    """What the console acts on."""

    hub: Hub
    sessions: Sessions

    def account(self, role: str = "") -> Account:
        """Who is asking. Raises LoginNeeded, or Forbidden when `role` is not held."""
        account = self.hub.account(self.sessions.account(token_given()).login)
        if account is None:
            self.sessions.close(token_given())
            raise kit.LoginNeeded("this account was closed: ask an administrator")
        if role and role not in account.roles:
            raise kit.Forbidden(f"your account may not do this: that needs the role {role}")
        return account

    def log_in(self, login: str, password: str) -> str:
        """Check a password; answers the token of the new log-in."""
        try:
            return self.sessions.open(self._checked(login, password))
        except Rejected as error:
            raise kit.LoginNeeded(str(error)) from error

    def confirm(self, account: Account, password: str) -> None:
        """Who is logged in shows once more that it is they. Raises Forbidden."""
        try:
            self._checked(account.login, password)
        except Rejected as error:
            raise kit.Forbidden("this is not your password") from error

    def _checked(self, login: str, password: str) -> Account:
        self.sessions.guess()
        account = self.hub.log_in(login, password)
        self.sessions.guessed_right()
        return account


def token_given() -> str:
    """The console token of this request, "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(SESSION_COOKIE, "")


def create(hub: Hub) -> Flask:
    """The application, ready for a server or a test client."""
    from web import hub_api, hub_pages

    app = kit.create_app("tallyman-hub", FOLDER, random=hub.random)
    parts = HubParts(hub, Sessions(hub.clock, hub.random, hub.config.web.session_idle_ms_max))
    app.register_blueprint(hub_sync.blueprint(hub))
    app.register_blueprint(hub_api.blueprint(parts))
    app.register_blueprint(hub_pages.blueprint(parts))

    def failure(status: int, title: str, detail: str) -> str:
        return render_template("failure.html", status=status, title=title, detail=detail)

    app.config["FAILURE_PAGE"] = failure
    return app


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
