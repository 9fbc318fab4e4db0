"""One thread a device: open it, listen, and begin again whatever happens. It never gives up.

Whatever goes wrong with a device (unplugged, taken by another program, babbling at the wrong speed) ends its session
and not its thread: the device is closed, the pause grows to a second and a half with some jitter, and it is opened
again, for ever. A device that comes back is opened within a second or so, however long it was away.

    absent ─▶ opening ─▶ ready ◀─▶ degraded (what it says cannot be taken)
       ▲         │         │
       └──── backoff ◀─────┘            ended: a replayed file is through
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from devices.registry import Device
from devices.transports.base import Ended
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.seams import Random

State = Literal["absent", "opening", "ready", "degraded", "backoff", "ended", "stopped"]

LISTEN_MS = 500
PRESENCE_MS = 500
SETTLE_MS = 100  # a new device node is there before its permissions are
PAUSES_MS = (250, 500, 1_000, 1_500)
PAUSES_OPENED = 1
# What a protocol counts when bytes were no message; the newest such places are kept for whoever looks for the cause.
NO_MESSAGE = ("noise", "checksum", "truncated", "oversize", "errors", "unknown_keys")
ODD_KEPT, ODD_BYTES = 8, 64

log = logging.getLogger("tallyman.devices")


@dataclass(frozen=True, slots=True)
class Health:
    """A device at one moment; `kind`: scanner or scale, `station`: where it stands, `delivery`: what its protocol
    promises on the way to the journal, `sounds`: the node can make it beep. Times are wall-clock ms, None for never;
    counters grow since the start. `odd`: where bytes were no message, newest last, each {at_ms, hex}: the last bytes
    up to that moment. `last_read`: what kind of code a scanner read last, and how it ends (`Read.ends`).

    Counters: bytes, frames, empty, truncated, oversize, noise, checksum, retransmits, no_reads, weights (by the
    protocol); recorded, repeats, parked, refused, paused, opened, lost, failures, feedback_errors (by the thread).
    """

    name: str
    url: str
    state: State
    problem: str
    since_ms: int
    last_seen_ms: int | None
    last_read_ms: int | None
    kind: str = "scanner"
    station: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
    delivery: str = "at-most-once"
    odd: Sequence[Mapping[str, Any]] = ()
    sounds: bool = False
    last_read: Mapping[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


class DeviceThread(ABC):
    """The thread of one device, whatever it says."""

    def __init__(self, device: Device, *, clock: Clock, random: Random) -> None:
        self._device, self._clock, self._random = device, clock, random
        self._transport = device.transport()
        self._counters: Counter[str] = Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._state: State = "absent"
        self._problem = ""
        self._since_ms = clock.now_ms()
        self._last_seen_ms: int | None = None
        self._last_read_ms: int | None = None
        self._last_read: Mapping[str, str] | None = None
        self._pauses = 0
        self._heard_last = b""
        self._odd: deque[Mapping[str, Any]] = deque(maxlen=ODD_KEPT)
        self._thread = threading.Thread(target=self._run, name=f"device-{device.name}", daemon=True)

    # ------------------------------------------------------------------------------------ what the kinds differ in

    @abstractmethod
    def _opened(self) -> None:
        """The device was opened just now."""

    @abstractmethod
    def _listen_ms(self) -> int | None:
        """How long to listen at most, None when it does not matter."""

    @abstractmethod
    def _heard(self, chunk: bytes) -> None:
        """The device said `chunk`."""

    @abstractmethod
    def _silent(self, for_ms: int) -> None:
        """It said nothing for so long."""

    @abstractmethod
    def _lost(self) -> None:
        """The device is closed; what it had begun to say ends here. Must not raise."""

    @abstractmethod
    def _protocol_counters(self) -> Counter[str]:
        """Those of the protocol."""

    # ------------------------------------------------------------------------------------------------- for the owner

    @property
    def sounds(self) -> bool:
        """Whether the node can make it beep."""
        return False

    @property
    def name(self) -> str:
        """The device's name."""
        return self._device.name

    @property
    def station(self) -> str:
        """The station or tablet the device belongs to, empty for none."""
        return self._device.station

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
            sums = self._counters + self._protocol_counters()
            counters = {name: count for name, count in sums.items() if count}
            return Health(
                self._device.name,
                self._device.url,
                self._state,
                self._problem,
                self._since_ms,
                self._last_seen_ms,
                self._last_read_ms,
                self._device.kind,
                self._device.station,
                counters,
                self._device.delivery,
                tuple(self._odd),
                self.sounds,
                self._last_read,
            )

    # ---------------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not self._one_session():
                    return
                self._pause()
            self._become("stopped", "")
        finally:
            self._transport.end()

    def _one_session(self) -> bool:
        """False when the device has nothing more to say, ever."""
        try:
            self._session()
        except Ended as ended:
            self._close()
            self._become("ended", str(ended))
            return False
        except Unavailable as error:
            self._fail(str(error))
        except Exception as error:
            # A fault of ours must not cost the site its scanner: said aloud, counted, and tried again.
            log.exception("device thread failed", extra={"device": self._device.name})
            self._fail(f"internal fault: {error}")
        self._close()
        return True

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
        self._opened()
        while not self._stop.is_set():
            wish_ms = self._listen_ms()
            listen_ms = LISTEN_MS if wish_ms is None else min(wish_ms, LISTEN_MS)
            started_ms = self._clock.monotonic_ms()
            chunk = self._transport.read(listen_ms)
            if chunk:
                with self._lock:
                    self._last_seen_ms = self._clock.now_ms()
                    self._pauses = 0
                self._heard_last = (self._heard_last + chunk)[-ODD_BYTES:]
                with self._noting():
                    self._heard(chunk)
            elif not self._stop.is_set():
                # Woken early to say something, it has listened for less; never for more than it listened.
                heard_ms = self._clock.monotonic_ms() - started_ms
                with self._noting():
                    self._silent(listen_ms if heard_ms >= listen_ms else max(0, heard_ms))

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep the last bytes when it is found inside that they were no message."""
        before = self._no_messages()
        try:
            yield
        finally:
            if self._no_messages() != before:
                with self._lock:
                    self._odd.append({"at_ms": self._clock.now_ms(), "hex": self._heard_last.hex()})

    def _no_messages(self) -> int:
        counters = self._protocol_counters()
        return sum(counters[name] for name in NO_MESSAGE)

    def _fail(self, problem: str) -> None:
        self._count("lost" if self._state in ("ready", "degraded") else "failures")
        with self._lock:
            self._problem = problem

    def _close(self) -> None:
        self._transport.close()
        self._lost()

    def _pause(self) -> None:
        """Wait before the next try: long when the device is there and will not open, short once it comes back."""
        wish_ms = min(PAUSES_MS[min(self._pauses, len(PAUSES_MS) - 1)], self._transport.patience_ms)
        pause_ms = _jittered(wish_ms, self._random)
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
            changed = self._state != state
            if changed:
                self._since_ms = self._clock.now_ms()
            self._state, self._problem = state, problem
        if changed and state in ("ready", "absent", "degraded"):
            log.info("device is %s", state, extra={"device": self._device.name, "problem": problem})

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counters[name] += by


def _jittered(pause_ms: int, random: Random) -> int:
    """`pause_ms` give or take a fifth, so that many devices of one hub do not try in step."""
    return pause_ms * (800 + random.bytes(1)[0] * 400 // 255) // 1_000
