"""The control socket: how a command reaches the process that runs a node or hub.

A Unix socket inside the data folder, whose permissions are its access control. One line asks, one line answers:

    {"command": "seal", "arguments": {}}    {"ok": true, "result": {…}}  or  {"ok": false, "kind": …, "message": …}
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from ledger.codec import json_loads
from ledger.errors import Corrupt, Invalid, LedgerError, Rejected, Unavailable

log = logging.getLogger(__name__)

SOCKET_FILE = "control.sock"
# A whole catalogue may come as one argument; who may open the socket may do everything anyway.
LINE_BYTES_MAX = 128 << 20
CALLER_TIMEOUT_S = 30
WAITING_MAX = 8
READ_BYTES = 64 * 1024

Handler: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]

_KINDS: dict[str, type[Exception]] = {
    "rejected": Rejected,
    "invalid": Invalid,
    "unavailable": Unavailable,
    "corrupt": Corrupt,
}


class CommandServer:
    """Answers commands, one caller at a time. The data folder's lock must be held, so no other server is alive."""

    def __init__(self, folder: Path, handlers: Mapping[str, Handler]) -> None:
        self._folder = folder
        self._handlers = handlers
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises Unavailable where the file system does not do sockets."""
        # What lies there is of a process that died: whoever holds the lock is the only one alive.
        (self._folder / SOCKET_FILE).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with _address(self._folder) as address:
                listener.bind(address)
            (self._folder / SOCKET_FILE).chmod(0o600)
            listener.listen(WAITING_MAX)
        except OSError as error:
            listener.close()
            raise Unavailable(f"the control socket cannot be opened in {self._folder}: {error}") from error
        self._socket = listener
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="commands", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and take the socket away."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._thread is not None:
            self._thread.join(CALLER_TIMEOUT_S)
        (self._folder / SOCKET_FILE).unlink(missing_ok=True)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                try:
                    caller.settimeout(CALLER_TIMEOUT_S)
                    caller.sendall(json.dumps(self._answer(_read_line(caller))).encode() + b"\n")
                except OSError as error:
                    log.info("a command's caller went away", extra={"reason": str(error)})

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json_loads(line, size_bytes_max=LINE_BYTES_MAX)
            command = request.get("command") if isinstance(request, dict) else None
            arguments = request.get("arguments", {}) if isinstance(request, dict) else {}
            handler = self._handlers.get(command) if isinstance(command, str) else None
            if handler is None or not isinstance(arguments, dict):
                known = ", ".join(sorted(self._handlers))
                raise Rejected(f"{command!r} is not a command of the running process: expected {known}")
            return {"ok": True, "result": handler(arguments)}
        except (LedgerError, Corrupt) as error:
            kind = next(name for name, cls in _KINDS.items() if isinstance(error, cls))
            return {"ok": False, "kind": kind, "message": str(error)}
        except Exception:
            # A command must not end the thread that answers commands.
            log.exception("command failed")
            return {"ok": False, "kind": "unavailable", "message": "the process failed at this command; see its log"}


def ask(
    folder: Path, command: str, arguments: Mapping[str, Any] | None = None, timeout_s: int = 600
) -> dict[str, Any] | None:
    """The running process's answer, or None when none listens in `folder`. Raises what the process raised."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with caller:
        caller.settimeout(timeout_s)
        try:
            with _address(folder) as address:
                caller.connect(address)
        except OSError:
            return None
        try:
            request = json.dumps({"command": command, "arguments": dict(arguments or {})})
            caller.sendall(request.encode() + b"\n")
            answer = json_loads(_read_line(caller), size_bytes_max=LINE_BYTES_MAX)
        except (OSError, Invalid) as error:
            raise Unavailable(
                f"the running process did not answer: {error}; what it did is not known, ask again"
            ) from error
    if answer.get("ok") is True:
        return dict(answer["result"])
    raise _KINDS.get(answer.get("kind"), Unavailable)(str(answer.get("message")))


def _read_line(stream: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) <= LINE_BYTES_MAX:
        part = stream.recv(READ_BYTES)
        if not part:
            break
        line += part
    return bytes(line)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A name of the socket that is short enough for the kernel (108 bytes), however deep the folder lies."""
    path = folder.absolute() / SOCKET_FILE
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_FILE}"
    finally:
        os.close(descriptor)
