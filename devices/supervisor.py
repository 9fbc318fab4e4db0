"""One thread a device: open it, listen, journal what it says, and only then answer. It never gives up.

Whatever goes wrong with a device (unplugged, taken by another program, babbling at the wrong speed) ends its session
and not its thread: the device is closed, the pause grows up to ten seconds with some jitter, and it is opened
again, for ever. A device that comes back is opened within a second or so, however long it was away.

    absent ─▶ opening ─▶ ready ◀─▶ degraded (reads cannot be recorded)
       ▲         │         │
       └──── backoff ◀─────┘            ended: a replayed file is through

A read the journal does not take is refused: no acknowledgement, no beep, a counter, and the reason in the health
snapshot. The operator hears no "good" tone and scans again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from devices.journal import Journal
from devices.protocols.base import Frame
from devices.reads import NewRead, Read
from devices.registry import Device, Registry
from devices.transports.base import Ended
from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Unavailable
from ledger.seams import Random, failpoint

State = Literal["absent", "opening", "ready", "degraded", "backoff", "ended", "stopped"]

LISTEN_MS = 500
PRESENCE_MS = 500
SETTLE_MS = 100  # a new device node is there before its permissions are
PAUSES_MS = (250, 500, 1_000, 2_000, 5_000, 10_000)
PAUSES_OPENED = 1
STOP_MS = 3_000

_log = logging.getLogger("tallyman.devices")


class Feedback(Protocol):
    """What is told to people. Called in the device's thread, after the journal has decided."""

    def recorded(self, device: str, reads: Sequence[Read]) -> None:
        """These reads are durable: beep, show, hand on."""

    def refused(self, device: str, reason: str) -> None:
        """A read was not recorded: sound the error tone; nobody may believe it counted."""


class Silence:
    """No feedback but what the protocol itself sends."""

    def recorded(self, device: str, reads: Sequence[Read]) -> None:
        return None

    def refused(self, device: str, reason: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Health:
    """A device at one moment. Times are wall-clock milliseconds, None for never; counters grow since the start.

    Counters: bytes, frames, empty, truncated, oversize, noise (by the protocol); recorded, repeats, refused, opened,
    lost, failures, feedback_errors (by the thread).
    """

    name: str
    url: str
    state: State
    problem: str
    since_ms: int
    last_seen_ms: int | None
    last_read_ms: int | None
    counters: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


class Supervisor:
    """All devices of a node. `context(device)` says who is working where, to be stored with each read."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        *,
        clock: Clock,
        random: Random,
        feedback: Feedback | None = None,
        context: Callable[[str], Mapping[str, Any]] = lambda device: {},
    ) -> None:
        self._listeners = [
            Listener(device, journal, clock=clock, random=random, feedback=feedback or Silence(), context=context)
            for device in registry
        ]

    def start(self) -> None:
        """Start every device's thread; returns at once, whether or not the devices are there."""
        for listener in self._listeners:
            listener.start()

    def stop(self) -> None:
        """End every thread; a read that was begun and not completed is recorded as truncated."""
        for listener in self._listeners:
            listener.ask_to_stop()
        for listener in self._listeners:
            listener.join(STOP_MS)

    def health(self) -> list[Health]:
        """A snapshot of every device, in the order configured."""
        return [listener.health() for listener in self._listeners]


class Listener:
    """The thread of one device."""

    def __init__(
        self,
        device: Device,
        journal: Journal,
        *,
        clock: Clock,
        random: Random,
        feedback: Feedback,
        context: Callable[[str], Mapping[str, Any]],
    ) -> None:
        self._device, self._journal, self._clock, self._random = device, journal, clock, random
        self._feedback, self._context = feedback, context
        self._transport, self._protocol = device.transport(), device.protocol()
        self._counters: Counter[str] = Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._state: State = "absent"
        self._problem = ""
        self._since_ms = clock.now_ms()
        self._last_seen_ms: int | None = None
        self._last_read_ms: int | None = None
        self._pauses = 0
        # At the start nobody knows whether the last answer of the run before was heard.
        self._unanswered = bool(self._protocol.accepted(1))
        self._thread = threading.Thread(target=self._run, name=f"device-{device.name}", daemon=True)

    def start(self) -> None:
        """Begin listening."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Make the thread end soon."""
        self._stop.set()
        self._transport.wake()

    def join(self, timeout_ms: int) -> None:
        """Wait for the thread's end."""
        if self._thread.ident is not None:
            self._thread.join(timeout_ms / 1000)

    def health(self) -> Health:
        """This device now."""
        with self._lock:
            counters = {name: count for name, count in (self._counters + self._protocol.counters).items() if count}
            return Health(
                self._device.name,
                self._device.url,
                self._state,
                self._problem,
                self._since_ms,
                self._last_seen_ms,
                self._last_read_ms,
                counters,
            )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._session()
            except Ended as ended:
                self._close()
                self._become("ended", str(ended))
                return
            except Unavailable as error:
                self._fail(str(error))
            except Exception as error:
                # A fault of ours must not cost the site its scanner: said aloud, counted, and tried again.
                _log.exception("device thread failed", extra={"device": self._device.name})
                self._fail(f"internal fault: {error}")
            self._close()
            self._pause()
        self._become("stopped", "")

    def _session(self) -> None:
        if not self._transport.present():
            raise Unavailable(f"{self._device.path} is not there; is it plugged in?")
        if self._state == "absent":
            self._become("opening", "")
        self._transport.open()
        self._count("opened")
        # It opens, so it is no port in use: whatever ends this session, the next try comes within a second.
        self._pauses = min(self._pauses, PAUSES_OPENED)
        self._become("ready", "")
        while not self._stop.is_set():
            waits_ms = self._protocol.wait_ms()
            listen_ms = LISTEN_MS if waits_ms is None else min(waits_ms, LISTEN_MS)
            chunk = self._transport.read(listen_ms)
            if chunk:
                with self._lock:
                    self._last_seen_ms = self._clock.now_ms()
                    self._pauses = 0
                    frames = self._protocol.feed(chunk)
            elif self._stop.is_set():
                return
            else:
                with self._lock:
                    frames = self._protocol.tick(listen_ms)
            if frames:
                self._take(frames)

    def _take(self, frames: list[Frame]) -> None:
        """Record `frames`, then answer for each. Raises Unavailable when the device no longer takes an answer."""
        try:
            context = self._context_now()
            reads = self._journal.record(
                [self._new(frame, context, first=number == 0) for number, frame in enumerate(frames)]
            )
        except (LedgerError, Corrupt) as error:
            reason = str(error)
            self._count("refused", len(frames))
            self._become("degraded", reason)
            _log.warning("read refused", extra={"device": self._device.name, "reason": reason})
            self._tell(lambda: self._feedback.refused(self._device.name, reason))
            self._answer(self._protocol.refused() * len(frames))
            return
        # The reads are durable and the scanner waits. If we die here, a scanner that wants an answer sends again
        # and the repeat is recorded and marked; one that wants none is not told anything anyway.
        self._unanswered = bool(self._protocol.accepted(1))
        failpoint("device.before_answer")
        with self._lock:
            self._last_read_ms = reads[-1].at_ms
        self._count("recorded", len(reads))
        self._count("repeats", sum(read.repeat_of is not None for read in reads))
        if self._state == "degraded":
            self._become("ready", "")
        good = [read for read in reads if not read.fault]
        self._answer(
            b"".join(self._protocol.refused() if frame.fault else self._protocol.accepted(1) for frame in frames)
        )
        if len(good) < len(reads):
            fault = next(frame.fault for frame in frames if frame.fault)
            self._tell(lambda: self._feedback.refused(self._device.name, fault))
        self._tell(lambda: self._feedback.recorded(self._device.name, reads))

    def _new(self, frame: Frame, context: Mapping[str, Any], *, first: bool) -> NewRead:
        resent = first and self._unanswered
        return NewRead(self._device.name, frame.data, frame.fault, frame.length, context, resent=resent)

    def _context_now(self) -> Mapping[str, Any]:
        try:
            return self._context(self._device.name)
        except Exception:
            _log.exception("no context for a read", extra={"device": self._device.name})
            self._count("feedback_errors")
            return {}

    def _answer(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
        self._unanswered = False

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            _log.exception("feedback failed", extra={"device": self._device.name})
            self._count("feedback_errors")

    def _fail(self, problem: str) -> None:
        self._count("lost" if self._state in ("ready", "degraded") else "failures")
        with self._lock:
            self._problem = problem

    def _close(self) -> None:
        """Close the device and keep what it had begun to say."""
        self._transport.close()
        with self._lock:
            begun = self._protocol.lost()
        if begun:
            try:
                self._journal.record(
                    [
                        NewRead(self._device.name, frame.data, frame.fault, frame.length, self._context_now())
                        for frame in begun
                    ]
                )
            except Exception as error:
                self._count("refused", len(begun))
                _log.warning("read refused", extra={"device": self._device.name, "reason": str(error)})

    def _pause(self) -> None:
        """Wait before the next try: long when the device is there and will not open, short once it comes back."""
        pause_ms = _jittered(PAUSES_MS[min(self._pauses, len(PAUSES_MS) - 1)], self._random)
        self._pauses += 1
        away = not self._transport.present()
        self._become("absent" if away else "backoff", self._problem)
        while pause_ms > 0 and not self._stop.is_set():
            step_ms = min(pause_ms, PRESENCE_MS)
            self._stop.wait(step_ms / 1000)
            pause_ms -= step_ms
            if away and self._transport.present():
                self._stop.wait(SETTLE_MS / 1000)
                self._pauses = 0
                return

    def _become(self, state: State, problem: str) -> None:
        with self._lock:
            if self._state != state:
                self._since_ms = self._clock.now_ms()
            changed = self._state != state
            self._state, self._problem = state, problem
        if changed and state in ("ready", "absent", "degraded"):
            _log.info("device is %s", state, extra={"device": self._device.name, "problem": problem})

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counters[name] += by


def _jittered(pause_ms: int, random: Random) -> int:
    """`pause_ms` give or take a fifth, so that many devices of one hub do not try in step."""
    return pause_ms * (800 + random.bytes(1)[0] * 400 // 255) // 1_000
