"""What every page and API answer shares: the error table, strict JSON, cross-site defence, headers.

One table maps the product's errors to RFC 9457 problem answers, so that no view decides a status by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map

from ledger import codec
from ledger.errors import Corrupt, Invalid, ReasonNeeded, Rejected, Unavailable
from ledger.logs import correlation
from ledger.seams import Random
from ledger.wording import shown
from web import languages
from web.languages import N_
from web.rendering import Pages

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 1024 * 1024
TEXT_CHARACTERS_MAX = 2_000
DETAIL_CHARACTERS_MAX = 500
RETRY_AFTER_S = 5
UNKEPT = frozenset('/\\:;*?"<>|')  # what some system takes in the name of a file for something else
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class NotFound(Rejected):
    """There is no such thing here."""


class Forbidden(Rejected):
    """Known, but not allowed to do this."""


class LoginNeeded(Rejected):
    """Nobody is logged in, or the log-in has ended."""


class Changed(Rejected):
    """The asker decided on something that is no longer so (If-Match)."""


class Elsewhere(Rejected):
    """A wish that is granted, but not here."""


class NotJson(Rejected):
    """A body in another form than the one that is read here."""


class Busy(Unavailable):
    """Asked too often; in `retry_after_s` it is heard."""

    def __init__(self, words: str, retry_after_s: int = RETRY_AFTER_S) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s


class WrongAddress(Invalid):
    """A page was asked for by a name or with a day that leads nowhere: a person reads it, not only a program."""


# Most specific first. The titles never change, so that a program can rely on `type` and `status`.
ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (LoginNeeded, 401, N_("Log in first")),
    (Forbidden, 403, N_("Not allowed")),
    (NotFound, 404, N_("Not found")),
    (Elsewhere, 409, N_("Not decided here")),
    (Changed, 412, N_("Changed meanwhile")),
    (NotJson, 415, N_("Not in JSON")),
    (ReasonNeeded, 422, N_("A reason is needed")),
    (Rejected, 422, N_("Refused")),
    (Invalid, 400, N_("Not valid")),
    (Busy, 429, N_("Too many attempts")),
    (Unavailable, 503, N_("Not available at the moment")),
    (Corrupt, 503, N_("Stopped for safety")),
)


# The same of what is refused before any view is asked, by status; whatever is not here is said as 400.
BEFORE = {
    400: (N_("Not valid"), N_("this request cannot be read: open the page again")),
    404: (N_("Not found"), N_("there is nothing at this address: go on from the start page")),
    405: (N_("Not allowed"), N_("this address takes no such request: go on from the start page")),
    413: (N_("Too large"), N_("what was sent is larger than this address takes")),
}


def plain(detail: str) -> str:
    """A message that may repeat what a stranger sent: one line, of bounded length, with nothing invisible in it."""
    text = "".join(each if each.isprintable() else "?" for each in detail[: DETAIL_CHARACTERS_MAX + 1])
    return text if len(text) <= DETAIL_CHARACTERS_MAX else text[: DETAIL_CHARACTERS_MAX - 1] + "…"


def problem(status: int, title: str, detail: str) -> Response:
    """An RFC 9457 answer. `detail` is one plain sentence: what, the value, what to do; see `plain` and `said`."""
    content = {"type": "about:blank", "status": status, "title": title, "detail": detail}
    answer = Response(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")), status, mimetype="application/problem+json"
    )
    if status in (429, 503):
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def answer(content: object, status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(
        json.dumps(languages.in_words(content), ensure_ascii=False, separators=(",", ":")),
        status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store"},
    )


def kept_as(name: str, endings: tuple[str, ...], way: str = "attachment") -> str:
    """Content-Disposition (RFC 6266): under which name a browser keeps a file that people have named, in plain
    letters and in full. It leads out of no folder, and ends as the content does: a double click starts nothing."""
    kept = "".join(each if each.isprintable() and each not in UNKEPT else "_" for each in name).strip(". ") or "file"
    if not kept.lower().endswith(endings):
        kept += endings[0]
    plain = "".join(each if each.isascii() and each != "%" else "_" for each in kept)
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(kept, safe='')}"


class Fields:
    """The members of a JSON object, taken one by one; what is left over at the end is refused."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._left = dict(values)
        self._asked: list[str] = []

    def text(self, name: str, *, most: int = TEXT_CHARACTERS_MAX, need: bool = True) -> str:
        self._asked.append(name)
        value = self._left.pop(name, None if need else "")
        if not isinstance(value, str):
            raise Rejected(f"{name!r} is {shown(value)}: expected a text")
        if len(value) > most:
            raise Rejected(f"{name!r} has {len(value)} characters: at most {most} are allowed")
        return value

    def number(self, name: str) -> int | None:
        """From 1; None where it is left out."""
        self._asked.append(name)
        value = self._left.pop(name, None)
        if value is not None and (type(value) is not int or value < 1):
            raise Rejected(f"{name!r} is {shown(value)}: expected a whole number from 1")
        return value

    def flag(self, name: str) -> bool:
        """Whether it is said; left out it is not."""
        self._asked.append(name)
        value = self._left.pop(name, False)
        if type(value) is not bool:
            raise Rejected(f"{name!r} is {shown(value)}: expected true or false")
        return value

    def done(self) -> None:
        """Every member was asked for; a misspelt or smuggled one is refused instead of ignored."""
        if self._left:
            expected = ", ".join(self._asked) or "nothing"
            raise Rejected(f"{shown(sorted(self._left)[0])} is not known here: expected only {expected}")


def body() -> dict[str, Any]:
    """The request's JSON object. Refuses other types, NaN, repeated names, deep nesting, and lone surrogates."""
    if request.mimetype != "application/json":
        raise NotJson(f"the body is {shown(request.mimetype or 'untyped')}: send application/json")
    raw = request.get_data(cache=False)
    if len(raw) < (request.content_length or 0):  # its sender was gone before the end (RFC 9112, 8)
        raise Invalid(f"the body has {len(raw)} bytes of {request.content_length}: send it again")
    value = codec.json_loads(raw)
    if not isinstance(value, dict):
        raise Invalid(f"the body is {shown(value)}: expected an object")
    return value


def taken(wish: dict[str, Any], *names: str) -> dict[str, Any]:
    """These members as they came, None for an absent one; any other member is refused."""
    extra = sorted(set(wish) - set(names))
    if extra:
        raise Rejected(f"{shown(extra[0])} is not known here: expected only {', '.join(names) or 'nothing'}")
    return {name: wish.get(name) for name in names}


def fields() -> Fields:
    """The request's JSON object, member by member."""
    return Fields(body())


def iso(at_ms: int) -> str:
    """A moment for machines."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def create_app(
    name: str,
    folder: Path,
    *,
    random: Random,
    language: Callable[[], str] = lambda: languages.ENGLISH,
    zone: str = "",
) -> Flask:
    """A Flask application with nothing in it yet but our manners. `language` of a request, by its code."""
    app = _App(name, template_folder=str(folder / "templates"), static_folder=str(folder / "static"))
    app.config.update(MAX_CONTENT_LENGTH=BODY_BYTES_MAX, TRAP_HTTP_EXCEPTIONS=False, PROPAGATE_EXCEPTIONS=False)
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["of"] = _Of
    version = Version(folder)
    app.extensions["version"] = version
    app.jinja_env.globals.update(asset=version.address, module=version.address)
    app.add_url_rule("/s/<version>/<path:filename>", "versioned", lambda version, filename: _static(app, filename))
    app.jinja_env.filters.update(iso=iso)
    languages.install(app, version, language, zone)
    app.before_request(lambda: _begin(random))
    app.before_request(refuse_cross_site)
    app.after_request(_finish)
    app.register_error_handler(Exception, _failed)
    return app


class _App(Flask):
    jinja_environment = Pages


def refuse_cross_site() -> None:
    """A page of another site must not act with this browser's cookie (S4).

    Browsers say where a request comes from; a program that says nothing carries no cookie of ours either.
    """
    if request.method in SAFE_METHODS:
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this request comes from another site: open the page itself and repeat")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Forbidden(f"this request comes from {shown(origin)}: open the page itself and repeat")


def wants_page() -> bool:
    """Whether a person's browser asked, who should see a page rather than a problem document."""
    return (
        not request.path.startswith(("/api/", "/sync/", "/events", "/metrics"))
        and request.accept_mimetypes.accept_html
    )


class _Of(BaseConverter):
    """A part of a path that is drawn from some characters: what is anything else is another address, or none."""

    def __init__(self, map: Map, characters: str, least: int, most: int) -> None:
        super().__init__(map)
        self.regex = f"[{characters}]{{{least},{most}}}"


class Version:
    """One short hash of all static files and templates, which is a folder in the addresses of the files: a page never
    mixes two versions, a browser may keep each file for ever, and modules import one another by plain names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[dict[str, int], str] = ({}, "")

    def files(self) -> list[str]:
        """The static files by name."""
        return sorted(path.name for path in (self._folder / "static").iterdir() if path.is_file())

    def now(self) -> str:
        """Of what is on the disk at the beginning of this request: an upgrade may come under a running server."""
        known: str | None = g.get("version")
        if known is None:
            known = g.version = self._read()
        return known

    def is_of(self, version: str, path: str) -> bool:
        """Whether a static file, or what has no file, is of this version. A file that is still the one that was read
        needs no look at the others: a tablet that is opened for the first time asks for all of them."""
        seen, known = self._known
        place = str(self._folder / "static" / path)
        with contextlib.suppress(OSError):
            if version == known and seen.get(place) == os.stat(place).st_mtime_ns:
                return True
        return version == self.now()

    def _read(self) -> str:
        seen = dict(each for name in ("static", "templates", "words") for each in _files(self._folder / name))
        if seen != self._known[0]:
            digest = hashlib.sha256()
            for path in sorted(seen):
                content = Path(path).read_bytes()
                name = Path(path).relative_to(self._folder).as_posix().encode()
                digest.update(name + b"\n" + hashlib.sha256(content).digest())
            self._known = (seen, digest.hexdigest()[:12])
        return self._known[1]

    def address(self, path: str) -> str:
        return f"/s/{self.now()}/{path}"


def _files(folder: Path | str) -> Iterator[tuple[str, int]]:
    """Every file under a folder and when it was written (ns). Asked at each request, so by the quickest call."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _files(entry.path)
        elif "." in entry.name:
            yield entry.path, entry.stat().st_mtime_ns


def _static(app: Flask, filename: str) -> Response:
    return app.send_static_file(filename)


def _begin(random: Random) -> None:
    length = request.environ.get("CONTENT_LENGTH") or "0"
    given = request.headers.get("X-Request-ID", "")
    plain = given.isascii() and given.replace("-", "").isalnum() and len(given) <= 64
    g.correlation = given if plain else random.bytes(8).hex()
    correlation.set(g.correlation)
    if not (length.isascii() and length.isdecimal()):
        raise Invalid(f"Content-Length is {shown(length)}: expected a whole number")


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = g.get("correlation", "")
    version: Version = current_app.extensions["version"]
    asked = request.view_args or {}
    if request.endpoint in ("versioned", "words") and version.is_of(asked["version"], asked.get("filename", "")):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _failed(error: Exception) -> Response:
    for kind, status, title in ERRORS:
        if isinstance(error, kind):
            refusal = _shown_failure(status, title, str(error))
            if isinstance(error, Busy):
                refusal.headers["Retry-After"] = str(error.retry_after_s)
            return refusal
    if isinstance(error, HTTPException):
        status = error.code or 500
        if isinstance(error.response, Response):  # a redirect, complete as it stands
            return error.response
        refusal = _shown_failure(status, *BEFORE.get(status, BEFORE[400]))
        allowed = dict(error.get_headers()).get("Allow")
        if allowed is not None:  # 405: which methods there are
            refusal.headers["Allow"] = allowed
        return refusal
    log.exception("unexpected", extra={"path": request.path})
    return _shown_failure(
        500, N_("Our mistake"), f"nothing was changed; report the number {g.get('correlation', '')}"
    )


def _shown_failure(status: int, title: str, detail: str) -> Response:
    detail = languages.said(plain(detail))
    if not wants_page():
        return problem(status, title, detail)
    render: Callable[[int, str, str], str] | None = current_app.config.get("FAILURE_PAGE")
    if render is None:
        page = (
            f"<!doctype html><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1><p>{html.escape(detail)}"
        )
        return Response(page, status, mimetype="text/html")
    return Response(render(status, title, detail), status, mimetype="text/html")
