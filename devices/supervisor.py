"""All devices of a node: what scanners say is journalled and only then answered; what scales say can be asked for.

A read the journal does not take is refused: no acknowledgement, no beep, a counter, and the reason in the health
snapshot. The operator hears no "good" tone and scans again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from devices.decoders import symbology
from devices.journal import Journal
from devices.protocols.base import Frame, Signal
from devices.reads import Again, NewRead, Read
from devices.registry import Device, Registry
from devices.scales import Scale
from devices.thread import DeviceThread, Health, log
from devices.transports.base import Ended
from devices.weights import Weight
from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Rejected, Unavailable
from ledger.seams import Random, failpoint

STOP_MS = 3_000
SIGNALS_MAX = 8
FRESH_MS = 1_000  # what arrives so soon after opening may have been sent before, and more of it may follow
STALE_MS = 100
HEARD_BYTES_MAX = 64_000
SLOW_MS = 1_000  # a commit that takes longer: the scanner is told to wait, before it loses patience after two seconds
LOOK_MS = 250
ANSWER_MS = 500  # after this the scanner may have given up, so that nobody knows whether it heard the answer


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
        self._listeners = {
            device.name: Listener(
                device, journal, clock=clock, random=random, feedback=feedback or Silence(), context=context
            )
            for device in registry
            if device.kind == "scanner"
        }
        self._scales = {
            device.name: Scale(device, clock=clock, random=random) for device in registry if device.kind == "scale"
        }
        both: dict[str, DeviceThread] = {**self._listeners, **self._scales}
        self._threads = [both[device.name] for device in registry]
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._watch_commits, name="device-commits", daemon=True)

    def start(self) -> None:
        """Start every device's thread; returns at once, whether or not the devices are there."""
        for thread in self._threads:
            thread.start()
        if any(listener.can_pause for listener in self._listeners.values()):
            self._watch.start()

    def stop(self) -> None:
        """End every thread; a read that was begun and not completed is recorded as truncated."""
        self._stopping.set()
        for thread in self._threads:
            thread.ask_to_stop()
        for thread in self._threads:
            thread.join(STOP_MS)

    def health(self) -> list[Health]:
        """A snapshot of every device, in the order configured."""
        return [thread.health() for thread in self._threads]

    def signal(self, device: str, signal: Signal) -> None:
        """Make a scanner sound, shine, or stop scanning; nothing where it cannot. Rejected for an unknown one."""
        if device not in self._listeners:
            raise Rejected(f"no scanner is called {device!r}")
        self._listeners[device].signal(signal)

    def weigh(self, where: str, timeout_ms: int = 3_000) -> Weight:
        """A stable weight from the scale of that name, or of that station or tablet; see `Scale.weigh`."""
        for scale in self._scales.values():
            if where in (scale.name, scale.station):
                return scale.weigh(timeout_ms)
        raise Rejected(f"no scale is called {where!r} or stands at a station of that name")

    def _watch_commits(self) -> None:
        while not self._stopping.wait(LOOK_MS / 1000):
            for listener in self._listeners.values():
                listener.pause_if_slow()


class Listener(DeviceThread):
    """The thread of one scanner."""

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
        super().__init__(device, clock=clock, random=random)
        self._journal, self._feedback, self._context = journal, feedback, context
        self._protocol = device.framing()
        self._signals: deque[Signal] = deque(maxlen=SIGNALS_MAX)
        # Whether the last answer was heard: after a crash nobody knows.
        self._unanswered = self._protocol.waits_for_answer and journal.unanswered(device.name)
        self._opened_ms = 0
        self._old = False
        # While a read is being committed the protocol belongs to whoever holds this lock.
        self._commit = threading.Lock()
        self._committing_ms: int | None = None
        self._paused = False

    @property
    def can_pause(self) -> bool:
        """Whether it can be told to wait while a read of it is not durable yet."""
        return self._protocol.can_pause

    @property
    def sounds(self) -> bool:
        """Whether it beeps when it is told `good`."""
        return self._protocol.sounds

    def pause_if_slow(self) -> None:
        """Stop the scanner when its read has waited long for its commit: without an answer it would give the read up,
        and each pull of the trigger would be another one to give up. Called from another thread."""
        with self._commit:
            since_ms = self._committing_ms
            slow = since_ms is not None and self._clock.monotonic_ms() - since_ms >= SLOW_MS
            if not slow or self._paused or not self.can_pause:
                return
            self._paused = True
            self._count("paused")
            with contextlib.suppress(Unavailable):  # its own thread will meet that
                self._write(self._protocol.signal("disable"))

    def signal(self, signal: Signal) -> None:
        """Say `signal` to the scanner soon, from its own thread."""
        self._signals.append(signal)
        self._transport.wake()

    # ------------------------------------------------------------------------------------------------- DeviceThread

    def _opened(self) -> None:
        self._opened_ms = self._clock.monotonic_ms()
        self._write(self._protocol.hello())
        self._resume()

    def _listen_ms(self) -> int | None:
        return self._protocol.wait_ms()

    def _heard(self, chunk: bytes) -> None:
        if self._protocol.waits_for_answer:
            chunk = self._with_all_that_waits(chunk)
        with self._lock:
            frames = self._protocol.feed(chunk)
        self._go_on(frames)

    def _with_all_that_waits(self, chunk: bytes) -> bytes:
        """`chunk` and what lies behind it: a scanner that waits for an answer and has said more since gave up what it
        said first, for example while nobody had the port open. An answer to that would pass for the newest read's."""
        fresh = self._clock.monotonic_ms() - self._opened_ms < FRESH_MS
        self._opened_ms -= FRESH_MS  # only the first that is heard may have waited
        # Nobody knows how long it had waited, so nor whether the scanner still listens for our answer.
        self._old = fresh
        with contextlib.suppress(Ended, Unavailable):  # the next listening says so
            while len(chunk) < HEARD_BYTES_MAX and (more := self._transport.read(STALE_MS if fresh else 0)):
                chunk += more
        return chunk

    def _silent(self, for_ms: int) -> None:
        with self._lock:
            frames = self._protocol.tick(for_ms)
        self._go_on(frames)

    def _go_on(self, frames: list[Frame]) -> None:
        # Parts of a longer message and damaged packets are answered at once; reads only after the journal.
        self._write(self._protocol.owed())
        if frames:
            self._take(frames)
        while self._signals:
            self._write(self._protocol.signal(self._signals.popleft()))

    def _lost(self) -> None:
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
                log.warning("read refused", extra={"device": self._device.name, "reason": str(error)})

    def _protocol_counters(self) -> Counter[str]:
        return self._protocol.counters

    # --------------------------------------------------------------------------------------------------------- reads

    def _take(self, frames: list[Frame]) -> None:
        """Record `frames`, then answer. Raises Unavailable when the device no longer takes an answer."""
        heard_ms = self._clock.monotonic_ms()
        try:
            context = self._context_now()
            reads = self._recorded([self._new(frame, context, number) for number, frame in enumerate(frames)])
        except (LedgerError, Corrupt) as error:
            reason = str(error)
            self._count("refused", len(frames))
            self._become("degraded", reason)
            log.warning("read refused", extra={"device": self._device.name, "reason": reason})
            self._tell(lambda: self._feedback.refused(self._device.name, reason))
            self._write(self._protocol.refused())
            self._resume()
            return
        # The reads are durable and the scanner waits. If we die here, a scanner that wants an answer sends again
        # and the repeat is recorded and marked; one that wants none is not told anything anyway.
        self._unanswered = self._protocol.waits_for_answer
        failpoint("device.before_answer")
        with self._lock:
            last = reads[-1]
            self._last_read_ms = last.at_ms
            self._last_read = {
                "symbology": symbology.name(last.symbology) if last.symbology else "",
                "ends": last.ends,
            }
        self._count("recorded", len(reads))
        self._count("repeats", sum(read.repeat_of is not None for read in reads))
        if self._state == "degraded":
            self._become("ready", "")
        good = [read for read in reads if not read.fault]
        self._write(self._protocol.refused() if frames[-1].fault else self._protocol.accepted())
        if self._unanswered and not self._old and self._clock.monotonic_ms() - heard_ms < ANSWER_MS:
            self._unanswered = False
            self._journal.answered(self._device.name, reads[-1].sequence)
        self._resume()
        if parked := sum(read.state == "parked" for read in reads):
            self._count("parked", parked)
            self._write(self._protocol.signal("repeat"))
        if len(good) < len(reads):
            fault = next(frame.fault for frame in frames if frame.fault)
            self._tell(lambda: self._feedback.refused(self._device.name, fault))
        self._tell(lambda: self._feedback.recorded(self._device.name, reads))

    def _recorded(self, new: Sequence[NewRead]) -> list[Read]:
        with self._commit:
            self._committing_ms = self._clock.monotonic_ms()
        try:
            return self._journal.record(new)
        finally:
            with self._commit:
                self._committing_ms = None

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._write(self._protocol.signal("enable"))

    def _new(self, frame: Frame, context: Mapping[str, Any], number: int) -> NewRead:
        # Two reads at once from a device that waits for an answer: it gave the first one up and was triggered again.
        doubtful = self._protocol.waits_for_answer if number else self._unanswered
        again: Again = frame.again or ("perhaps" if doubtful else "")
        return NewRead(self._device.name, frame.data, frame.fault, frame.length, context, again=again)

    def _context_now(self) -> Mapping[str, Any]:
        try:
            return self._context(self._device.name)
        except Exception:
            log.exception("no context for a read", extra={"device": self._device.name})
            self._count("feedback_errors")
            return {}

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(data)

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.exception("feedback failed", extra={"device": self._device.name})
            self._count("feedback_errors")
