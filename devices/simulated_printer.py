"""A label printer made of software: takes ZPL on a port, answers ~HS, and shows what would be on the paper.

It understands what `output.zpl` writes and no more; anything else is a `fault`, so that a test notices. Its paper is
a list of symbols and texts, read from the bytes alone: nothing is handed over from the writing side.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field

from devices.simulated_wire import Wire

_COMMAND = re.compile(rb"\^(XA|XZ|CI|LH|PW|LL|FO|A0N|BY|BC|BQ|FH_|FD|FS|PQ)([^\^~]*)|\s+|(~HS)|(.)", re.S)
_HEX = re.compile(rb"_([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Printed:
    """One thing on paper: `kind` text, code128 or qr; `data` as printed; `values` of a Code 128; place in dots."""

    kind: str
    data: bytes
    x: int
    y: int
    values: tuple[int, ...] = ()
    module: int = 0
    height: int = 0


@dataclass(slots=True)
class Paper:
    """What one job prints."""

    width: int = 0
    height: int = 0
    copies: int = 1
    things: list[Printed] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_zpl(data: bytes) -> list[Paper]:
    """The papers of a stream of ZPL."""
    papers: list[Paper] = []
    state: dict[str, bytes] = {}
    for found in _COMMAND.finditer(data):
        name, value = (found[1] or b"").decode(), (found[2] or b"").strip()
        if found[4]:
            if papers:
                papers[-1].faults.append(f"byte {found[4]!r} outside a field")
        elif name == "XA":
            papers.append(Paper())
            state = {}
        elif name and papers:
            _command(papers[-1], state, name, value)
    return papers


def _command(paper: Paper, state: dict[str, bytes], name: str, value: bytes) -> None:
    if name == "PW":
        paper.width = int(value)
    elif name == "LL":
        paper.height = int(value)
    elif name == "PQ":
        paper.copies = int(value)
    elif name == "FS":
        _field(paper, state)
        for done in ("A0N", "BC", "BQ", "FD", "FO"):
            state.pop(done, None)
    else:
        state[name] = value


def _field(paper: Paper, state: dict[str, bytes]) -> None:
    data = _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), state.get("FD", b""))
    x, y = (int(part) for part in state["FO"].split(b","))
    if "BC" in state:
        height = int(state["BC"].split(b",")[1])
        paper.things.append(
            Printed("code128", data, x, y, tuple(code128_values(data)), int(state.get("BY", b"2")), height)
        )
    elif "BQ" in state:
        paper.things.append(Printed("qr", data.removeprefix(b"MA,"), x, y, (), int(state["BQ"].split(b",")[2])))
    else:
        paper.things.append(Printed("text", data, x, y))


def code128_values(data: bytes) -> list[int]:
    """The symbol values that a printer makes of ^BC data with invocation codes."""
    starts = {b">:": (104, False), b">;": (105, True)}
    start, in_c = starts[data[:2]]
    found, place = [start], 2
    while place < len(data):
        two = data[place : place + 2]
        if two in (b">8", b">0"):
            found.append(102 if two == b">8" else ord(">") - 32)
        elif two == b">5" and not in_c:
            found.append(99)
            in_c = True
        elif two == b">6" and in_c:
            found.append(100)
            in_c = False
        elif in_c:
            found.append(int(two))
        else:
            found.append(data[place] - 32)
            place -= 1
        place += 2
    return found


STATUS, END = b"~HS", b"^XZ"
MOODS = ("paper-out", "paused", "head-open", "mute")


class PrinterSide:
    """What a printer says and gets. `paper_out`, `paused`, `head_open` are its moods; `mute` never answers a status;
    `hang_up_after` breaks the connection after so many bytes; `left` labels of its batch are still to come."""

    def __init__(self) -> None:
        self.jobs: list[bytes] = []
        self.paper_out = self.paused = self.head_open = self.mute = False
        self.left = 0
        self.hang_up_after = 0

    @property
    def papers(self) -> list[Paper]:
        """What has been printed."""
        return [paper for job in self.jobs for paper in read_zpl(job)]

    def asked(self, taken: bytes) -> tuple[bytes, bytes]:
        """What was `taken` without the questions in it, and the answers to them."""
        count = taken.count(STATUS)
        return taken.replace(STATUS, b""), b"" if self.mute else self.status() * count

    def status(self) -> bytes:
        """The three lines of ~HS."""
        one = f"030,{self.paper_out:d},{self.paused:d},0799,000,0,0,0,000,0,0,0"
        two = f"000,0,{self.head_open:d},0,0,2,4,0,{self.left:08},1,000"
        return f"\x02{one}\x03\r\n\x02{two}\x03\r\n\x020000,0\x03\r\n".encode()


class SimulatedPrinter(PrinterSide):
    """Listens on a port of this machine, where a job is a connection. Also a context manager."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__()
        self._server = socket.create_server((host, port))
        self.address = f"tcp://{host}:{self._server.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="simulated-printer", daemon=True)

    def __enter__(self) -> SimulatedPrinter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self._server.getsockname(), 1).close()
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            peer, _ = self._server.accept()
            with peer, contextlib.suppress(OSError):
                self._take(peer)

    def _take(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        taken = b""
        while chunk := peer.recv(4_096):
            taken, said = self.asked(taken + chunk)
            peer.sendall(said)
            if self.hang_up_after and len(taken) >= self.hang_up_after:
                return
        if taken:
            self.jobs.append(taken)


class SerialPrinter(PrinterSide):
    """At the far end of a wire, where a job ends with the label that it prints."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire, self._taken = wire, b""

    def listen(self, for_ms: int) -> None:
        """Take what comes, and answer."""
        self._taken, said = self.asked(self._taken + self._wire.answers(for_ms))
        if said:
            self._wire.send(said)
        *whole, self._taken = self._taken.split(END)
        self.jobs += [job + END for job in whole]
