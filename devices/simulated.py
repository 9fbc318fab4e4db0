"""A scanner made of software: it writes real bytes to a real pseudo-terminal, as clumsily as a real one.

For demonstrations, training and tests with no hardware at all. What it sends goes through the same transport,
protocol and journal as a scanner's; it can pause inside a code, stop half-way, babble, and be unplugged.

A script is one act a line:

    ]C1010950110153000310AB-1{GS}17261231     scan this, suffix and all; {GS} and {0x1D} are that byte
    @wait 500                                 milliseconds
    @cut BIN:A-01                             begin a scan and never end it
    @noise 40                                 that many bytes of line noise, then the suffix
    @repeat 3 5901234123457                   the same scan three times
    @unplug 300                               away for that many milliseconds, then back under the same name
    # this is a comment
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import termios
import tty
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.clock import Clock
from ledger.errors import Rejected, Unavailable
from ledger.seams import Random, SystemRandom

CONTROLS = {"NUL": 0, "STX": 2, "ETX": 3, "EOT": 4, "ACK": 6, "TAB": 9, "LF": 10, "CR": 13, "NAK": 21, "ESC": 27}
CONTROLS |= {"FS": 28, "GS": 29, "RS": 30, "US": 31}
_TOKEN = re.compile(r"\{([A-Z]{2,3}|0x[0-9A-Fa-f]{2})\}", re.ASCII)
_STEP_MS = 5
SEND_MS_MAX = 5_000
STEPS_MAX = 1_000_000

Act = Literal["scan", "cut", "noise", "wait", "unplug"]


def scan_bytes(text: str) -> bytes:
    """A line as written by people to the bytes a scanner sends: `{GS}`, `{CR}`, `{0x1D}` stand for one byte."""
    raw = bytearray()
    position = 0
    for token in _TOKEN.finditer(text):
        name = token[1]
        if not name.startswith("0x") and name not in CONTROLS:
            continue
        raw += text[position : token.start()].encode("utf-8", "surrogateescape")
        raw.append(int(name, 16) if name.startswith("0x") else CONTROLS[name])
        position = token.end()
    return bytes(raw + text[position:].encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a script: `data` of a scan, `number` of milliseconds or bytes."""

    act: Act
    data: bytes = b""
    number: int = 0


def parse_script(text: str) -> list[Step]:
    """A script's steps; raises Rejected with the line that is wrong."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("# "):
            continue
        steps += _steps(number, line) if line.startswith("@") else [Step("scan", scan_bytes(line))]
        if len(steps) > STEPS_MAX:
            raise Rejected(f"line {number}: more than {STEPS_MAX} steps")
    return steps


def _steps(number: int, line: str) -> list[Step]:
    name, _, rest = line[1:].partition(" ")
    count, _, text = rest.partition(" ")
    if name == "cut" and rest:
        return [Step("cut", scan_bytes(rest))]
    if count.isascii() and count.isdigit() and len(count) < 7:
        if name in ("wait", "unplug", "noise") and not text:
            return [Step(name, number=int(count))]  # type: ignore[arg-type]
        if name == "repeat" and text:
            return [Step("scan", scan_bytes(text))] * int(count)
    raise Rejected(
        f"line {number}: {line[:60]!r}: expected @wait N, @unplug N, @noise N, @cut TEXT or @repeat N TEXT"
    )


class SimulatedScanner:
    """A pseudo-terminal with a scanner at its far end. Also a context manager: leaving it unplugs for good.

    `link` is a stable name for it, as `/dev/serial/by-id` gives; `gap_ms` the pause between pieces of `piece` bytes.
    """

    def __init__(
        self,
        link: Path | None = None,
        *,
        clock: Clock,
        suffix: bytes = b"\r",
        prefix: bytes = b"",
        gap_ms: int = 0,
        piece: int = 4_096,
        random: Random | None = None,
    ) -> None:
        self._link, self._clock, self._random = link, clock, random or SystemRandom()
        self._prefix, self._suffix, self._gap_ms, self._piece = prefix, suffix, gap_ms, max(1, piece)
        self._far = -1
        self._name = ""
        self.plug()

    def __enter__(self) -> SimulatedScanner:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @property
    def path(self) -> str:
        """Where a program opens the scanner."""
        return str(self._link) if self._link is not None else self._name

    @property
    def url(self) -> str:
        """The address of the scanner for a device registry."""
        return f"serial://{self.path}?baud=115200"

    def plug(self) -> None:
        """Appear: a new terminal, under the same link if there is one."""
        self.unplug()
        far, near = os.openpty()
        tty.setraw(near, termios.TCSANOW)
        tty.setraw(far, termios.TCSANOW)
        os.set_blocking(far, False)
        self._far, self._name = far, os.ttyname(near)
        # With the near end closed, the far end shows a hang-up until somebody opens it: that is how we know.
        os.close(near)
        if self._link is not None:
            draft = self._link.with_name(self._link.name + ".draft")
            draft.unlink(missing_ok=True)
            draft.symlink_to(self._name)
            draft.replace(self._link)

    def unplug(self) -> None:
        """Vanish, as a cable that is pulled: bytes not yet read are lost."""
        if self._far >= 0:
            os.close(self._far)
            self._far = -1
            if self._link is not None:
                self._link.unlink(missing_ok=True)

    def opened(self) -> bool:
        """Whether a program has the scanner open."""
        return self._far >= 0 and not self._events(select.POLLHUP) & select.POLLHUP

    def wait_opened(self, timeout_ms: int) -> None:
        """Return once a program has it open; raises Unavailable when none does in time."""
        self._until(self.opened, timeout_ms, f"nobody opened {self.path} within {timeout_ms} ms")

    def drain(self, timeout_ms: int = SEND_MS_MAX) -> None:
        """Return once everything sent has been read; raises Unavailable when it is not in time."""
        self._until(lambda: self._unread() == 0, timeout_ms, f"nobody reads {self.path}")

    def scan(self, content: str | bytes) -> None:
        """Scan a code: prefix, content and suffix, in pieces with gaps."""
        self.send(self._prefix + (scan_bytes(content) if isinstance(content, str) else content) + self._suffix)

    def send(self, data: bytes) -> None:
        """Exactly these bytes; raises Unavailable when it is unplugged or nobody reads for five seconds."""
        position = 0
        while position < len(data):
            if self._far < 0:
                raise Unavailable(f"{self.path} is unplugged")
            piece = data[position : position + self._piece]
            deadline_ms = self._clock.monotonic_ms() + SEND_MS_MAX
            while piece:
                try:
                    sent = os.write(self._far, piece)
                except BlockingIOError:
                    sent = 0
                piece = piece[sent:]
                position += sent
                if piece and self._clock.monotonic_ms() > deadline_ms:
                    raise Unavailable(f"nobody reads {self.path}")
                if piece:
                    self._clock.sleep_ms(_STEP_MS)
            if self._gap_ms and position < len(data):
                self._clock.sleep_ms(self._gap_ms)

    def answers(self, timeout_ms: int = 0) -> bytes:
        """What the program has sent to the scanner since the last call."""
        if self._far >= 0 and select.select([self._far], [], [], timeout_ms / 1000)[0]:
            with contextlib.suppress(OSError):
                return os.read(self._far, 4_096)
        return b""

    def play(self, steps: Iterable[Step], open_ms_max: int = 30_000) -> int:
        """Act a script, waiting for a reader where one is needed; answers how many scans were sent whole."""
        scans = 0
        for step in steps:
            if step.act == "wait":
                self._clock.sleep_ms(step.number)
                continue
            self.wait_opened(open_ms_max)
            if step.act == "scan":
                self.scan(step.data)
                scans += 1
            elif step.act == "cut":
                self.send(self._prefix + step.data)
            elif step.act == "noise":
                self.send(self._random.bytes(step.number) + self._suffix)
            else:
                self.drain()
                self.unplug()
                self._clock.sleep_ms(step.number)
                self.plug()
        return scans

    def _events(self, wanted: int) -> int:
        poll = select.poll()
        poll.register(self._far, wanted)
        return next((events for _, events in poll.poll(0)), 0)

    def _unread(self) -> int:
        with contextlib.suppress(OSError):
            near = os.open(self._name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                # A worker of the kernel carries bytes across, on a busy machine a good while later. Asking whether
                # something is there waits for it; the count alone would not.
                select.select([near], [], [], 0)
                return int(struct.unpack("i", fcntl.ioctl(near, termios.FIONREAD, b"\0\0\0\0"))[0])
            finally:
                os.close(near)
        return 0

    def _until(self, holds: Callable[[], bool], timeout_ms: int, complaint: str) -> None:
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        while not holds():
            if self._clock.monotonic_ms() >= deadline_ms:
                raise Unavailable(complaint)
            self._clock.sleep_ms(_STEP_MS)
