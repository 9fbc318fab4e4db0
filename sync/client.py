"""Calling the hub over HTTP: the only importer of requests.

Nothing around us is trusted to be helpful. Proxies and settings of the environment are ignored, redirects and pages
(a hotel's log-in, a router's error) are refused by name, answers are bounded and never unpacked on the way. There is
no limit on the whole exchange, because a thin link is slow and not broken: only a minute without a byte is.

`Transport` is the seam: a simulation hands in `WsgiTransport` around the real hub, or its own one that loses things.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

from ledger.errors import Invalid, Rejected, Unavailable
from sync.bundle import BUNDLE_BYTES_MAX

EXCHANGE_PATH = "/sync/v1/exchange"
ENROL_PATH = "/sync/v1/enrol"
HISTORY_PATH = "/sync/v1/history"
HISTORY_MEDIA_TYPE = "application/vnd.tallyman.history"
ENROL_MEDIA_TYPE = "application/vnd.tallyman.enrolment"
PROBLEM_MEDIA_TYPE = "application/problem+json"
STALL_TIMEOUT_S = 60
PROBLEM_BYTES_MAX = 16 * 1024
RETRY_AFTER_S_MAX = 6 * 60 * 60
# Small pieces, so that the stall time-out counts from the last piece that went out and not from the first.
PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: one of our own media types, whole, not yet judged."""

    status: int
    media_type: str
    body: bytes
    retry_after_s: int = 0


class Transport(Protocol):
    """One exchange of bytes with the hub. Raises `Unavailable` when it did not happen, or nobody knows whether."""

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        """Send `body` to `path` at the hub and wait for the answer."""


class HttpTransport:
    """The hub at `url`, over one kept connection. `adapter` replaces the network below HTTP."""

    def __init__(self, url: str, *, ca_file: Path | None = None, adapter: BaseAdapter | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Rejected(f"{url!r} is not a hub's address: expected one like https://hub.example.com:8443")
        if parts.username or parts.password:
            raise Rejected("a hub's address holds no user name or password: the node's own key says who it is")
        self._base = url.rstrip("/")
        self._session = requests.Session()
        # Without this a variable, a .netrc or a proxy setting of the machine would decide where blocks go.
        self._session.trust_env = False
        self._session.verify = str(ca_file) if ca_file is not None else True
        self._session.headers.clear()
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, adapter if adapter is not None else HTTPAdapter(pool_connections=1))

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        headers = {
            "Content-Type": media_type,
            "Accept": f"{media_type}, {PROBLEM_MEDIA_TYPE}",
            "Accept-Encoding": "identity",
            "User-Agent": "tallyman",
        }
        try:
            with self._session.post(
                self._base + path,
                data=io.BytesIO(body),
                headers=headers,
                timeout=(STALL_TIMEOUT_S, STALL_TIMEOUT_S),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(response, media_type)
        except (requests.RequestException, OSError) as error:
            raise Unavailable(f"the hub at {self._base} does not answer: {_plain(error)}") from error

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


class WsgiTransport(HttpTransport):
    """The same client in front of a WSGI application in this process: everything but the sockets is real."""

    def __init__(self, application: Callable[..., Iterable[bytes]], url: str = "http://hub.test") -> None:
        super().__init__(url, adapter=WsgiAdapter(application))


class WsgiAdapter(BaseAdapter):
    """Carries a prepared request to a WSGI application and its answer back, without a socket."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        super().__init__()
        self._application = application

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        body: Any = request.body
        raw: bytes = body.read() if hasattr(body, "read") else (body or b"")
        parts = urlsplit(cast(str, request.url))
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method or "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "SERVER_NAME": parts.hostname or "hub.test",
            "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": parts.netloc,
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(raw),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "HOST"):
                environ["HTTP_" + key] = value
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            begun.append((status, headers))
            return lambda _: None

        pieces = self._application(environ, start_response)
        try:
            content = b"".join(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        status, headers = begun[-1]
        response = requests.Response()
        response.status_code = int(status.split(" ", 1)[0])
        response.headers.update(headers)
        response.raw = io.BytesIO(content)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held."""


def _read(response: requests.Response, wanted: str) -> Answer:
    status = response.status_code
    if 300 <= status < 400:
        target = response.headers.get("Location", "somewhere else")[:100]
        raise Unavailable(f"the hub's address redirects to {target!r}: perhaps this network wants a log-in first")
    media_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unavailable("the answer is packed by something between here and the hub: it is not read")
    retry_after_s = _retry_after_s(response.headers.get("Retry-After", ""))
    if media_type == wanted:
        return Answer(status, media_type, _bounded(response, BUNDLE_BYTES_MAX), retry_after_s)
    if media_type == PROBLEM_MEDIA_TYPE:
        return Answer(status, media_type, _bounded(response, PROBLEM_BYTES_MAX), retry_after_s)
    raise Unavailable(
        f"the hub's address answered {status} with {media_type or 'no type'}: expected {wanted}; "
        "is the address right, and is there a log-in page in between?"
    )


def _bounded(response: requests.Response, size_bytes_max: int) -> bytes:
    """The body, read in pieces; each piece may take as long as the stall time-out, the whole as long as it needs."""
    parts: list[bytes] = []
    size = 0
    try:
        for piece in response.iter_content(PIECE_BYTES):
            size += len(piece)
            if size > size_bytes_max:
                raise Invalid(f"the hub's answer is longer than {size_bytes_max} bytes")
            parts.append(piece)
    except requests.RequestException:
        # The hub has acted already, and half an answer may hold whole frames: better used than asked for again.
        if not parts:
            raise
    return b"".join(parts)


def _retry_after_s(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 8:
        return min(int(text), RETRY_AFTER_S_MAX)
    return 0


def _plain(error: Exception) -> str:
    """The innermost reason in one line: the libraries wrap a refused connection four times."""
    inner: BaseException = error
    while inner.__context__ is not None or inner.__cause__ is not None:
        inner = inner.__cause__ or cast(BaseException, inner.__context__)
    return f"{type(inner).__name__}: {inner}"[:300]
