"""The stage of the demonstration: real processes of ours, a link that can be cut, a client of their API.

Everything is on loopback and in one folder. Nothing here knows what is counted; that is `tallyman_demo`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tallyman
from ledger.errors import Rejected, Unavailable

START_S_MAX = 40
STOP_S_MAX = 15
ANSWER_S_MAX = 30
POLL_S = 0.1
PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
STEADY_S = 30.0
PIECE_BYTES = 64 * 1024

Json = dict[str, Any]


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_op_id() -> str:
    """An idempotency key as a tablet makes one."""
    return secrets.token_hex(16)


def wait_for(what: str, ask: Callable[[], Any], seconds: float = ANSWER_S_MAX) -> Any:
    """Ask until the answer is true; raises Unavailable naming `what` when it takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(Unavailable, OSError):
            found = ask()
            if found:
                return found
        if time.monotonic() > deadline:
            raise Unavailable(f"waited {seconds:g} s for {what}")
        time.sleep(POLL_S)


def command(*words: str) -> Json:
    """Run one of our commands with `--json`; its answer. Raises Rejected with its own words when it says no.

    In this process: starting an interpreter for each of twenty commands would take longer than the story itself.
    """
    answer, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(complaint):
        code = tallyman.main([*words, "--json"])
    if code:
        said = (complaint.getvalue() or answer.getvalue()).strip()
        raise Rejected(f"tallyman {' '.join(words[:2])} ended with {code}: {said}")
    result: Json = json.loads(answer.getvalue())
    return result


class Process:
    """One of our servers, with its log in a file, and started again when it dies, as a service manager does it."""

    def __init__(self, name: str, words: list[str], log: Path) -> None:
        self.name = name
        self._words = words
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._pause_s = 0.0
        self._due_s: float | None = None

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def start(self, now_s: float = 0.0) -> None:
        """Start it; `now_s` is the moment by the clock that `revive` is told, from any beginning."""
        self._started_s, self._due_s = now_s, None
        with self._log.open("ab") as log, whole():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tallyman", *self._words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parent,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise Unavailable with the end of its log if it has died."""
        if self._process is not None and self._process.poll() is not None:
            tail = self._log.read_text(errors="replace")[-1500:]
            raise Unavailable(f"{self.name} ended with {self._process.returncode}:\n{tail}")

    def revive(self, now_s: float) -> str:
        """If it has died, start it again after a pause: a second, and twice as long each time it did not hold.

        Answers what there is to tell, or nothing.
        """
        if self._process is None or self._process.poll() is None:
            return ""
        if self._due_s is None:
            held = now_s - self._started_s >= STEADY_S
            self._pause_s = PAUSE_S_MIN if held or not self._pause_s else min(2 * self._pause_s, PAUSE_S_MAX)
            self._due_s = now_s + self._pause_s
            code = self._process.returncode
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            return f"{self.name} {how}; it starts again in {self._pause_s:g} s (log: {self._log})"
        if now_s < self._due_s:
            return ""
        self.start(now_s)
        return f"{self.name} starts again"

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Api:
    """JSON over HTTP as a tablet or program speaks it. Raises Rejected for 4xx and Unavailable for the rest."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token

    def get(self, path: str) -> Json:
        return self._call("GET", path, None)

    def act(self, path: str, **body: Any) -> Json:
        """A change, under an op_id of its own."""
        return self._call("POST", path, {"op_id": new_op_id(), **body})

    def post(self, path: str, **body: Any) -> Json:
        return self._call("POST", path, body)

    def raw(self, path: str) -> bytes:
        """The bytes of a GET."""
        return self._ask("GET", path, None)[1]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Json:
        status, content = self._ask(method, path, None if body is None else json.dumps(body).encode())
        answer = json.loads(content) if content else {}
        if not isinstance(answer, dict):
            raise Unavailable(f"{path} answered {status} with something else than an object")
        return answer

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S_MAX)
        try:
            connection.request(method, f"/api/v1/{path}", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"nobody answers at port {self.port}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 500:
            raise Unavailable(f"{path} answered {answer.status}: {content[:300]!r}")
        if answer.status >= 400:
            raise Rejected(f"{path} answered {answer.status}: {_detail(content)}")
        return answer.status, content


class Link:
    """The line between a site and the hub: passes bytes until it is cut, and again once it is restored."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._whole = True
        self._lock = threading.Lock()
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="link", daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about."""
        with self._lock:
            self._whole = False
            for side in self._open:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        with self._lock:
            self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                whole = self._whole
            if not whole:
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near,), name="link", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            with self._lock:
                self._open |= {near, far}
            try:
                _pump(near, far)
            finally:
                with self._lock:
                    self._open -= {near, far}


def _pump(near: socket.socket, far: socket.socket) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(near, selectors.EVENT_READ, far)
        waiting.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in waiting.select():
                side = key.fileobj
                if not isinstance(side, socket.socket):
                    continue
                piece = side.recv(PIECE_BYTES)
                if not piece:
                    return
                key.data.sendall(piece)


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        return repr(content[:200])


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """Nobody who ends this program ends it within: it is told at the end. For the main thread.

    Between the birth of a process and the moment its number is known here, an end would leave it to run for ever.
    The signals are not blocked, as a child would inherit that.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


@contextlib.contextmanager
def stopping(processes: list[Process]) -> Iterator[None]:
    """Stop every process at the end, the last started first."""
    try:
        yield
    finally:
        for process in reversed(processes):
            process.stop()


def extend_settings(file: Path, text: str) -> None:
    """Add settings to a fresh settings file."""
    with file.open("a", encoding="utf-8") as settings:
        settings.write(text)
        settings.flush()
        os.fsync(settings.fileno())
