"""Zebra SSI, the host's side: reads in checked packets, answered one by one.

A scanner sends a message in one or more packets and waits for ACK after each; without one it sends the packet again,
marked as such, and gives up after a few times. Packets inside a message are acknowledged at once, the last one only
when the whole read is durable: until then the scanner keeps it. A damaged packet is answered with NAK RESEND. A
packet marked as sent again is reported so: surely, when nothing damaged came before it, since then only our answer
can have been lost; perhaps, when it may also be the damaged packet of a second scan of the same code.

Our own commands (parameters at the start, beeps, lights) wait in a queue: one at a time, until the scanner
acknowledges it, sent again at most twice. Nothing here can make the scanner forget reads that it still holds.

The tone for a good read is ours, sent with the last ACK: the set-up switches the scanner's own off, which it would
sound before anything is durable. Known limit: when this program dies inside a message of several packets (more than
250 characters), the rest that the scanner sends to its successor looks whole; only its own checks can tell.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from devices.decoders import symbology
from devices.decoders.numbers import expand_upc_e
from devices.protocols.base import READ_BYTES_MAX, TRUNCATED, Frame, Signal, framed
from devices.protocols.ssi_packet import (
    ACK,
    BEEP,
    DECODE_DATA,
    FROM_SCANNER,
    LED_OFF,
    LED_ON,
    MORE,
    NAK,
    NAK_RESEND,
    PARAM_SEND,
    RESENT,
    SCAN_DISABLE,
    SCAN_ENABLE,
    SCANNER,
    Packet,
    Packets,
)
from devices.reads import Again
from ledger.errors import Rejected

IDLE_MS = 300  # a packet is sent in one go: a pause inside it means that the rest was lost
MESSAGE_MS = 3_000  # longer than a scanner waits before it gives a message up
COMMAND_MS = 2_000
COMMAND_TRIES = 3
COMMANDS_MAX = 16
NO_READ = b"NR"

# Reads in packets, each acknowledged; no beep of its own; no programming by bar codes that lie about.
SETUP = bytes.fromhex("FF 9F01 EE01 3800 EC00")
_BEEPS: dict[Signal, int] = {"good": 0x00, "repeat": 0x06, "unknown": 0x16, "error": 0x11}

# Zebra's own code types in the words of ISO/IEC 15424; what is not here keeps only its text.
IDENTIFIERS = {
    0x01: "]A0", 0x02: "]F0", 0x03: "]C0", 0x06: "]I0", 0x07: "]G0", 0x0A: "]E4", 0x0B: "]E0", 0x0F: "]C1",
    0x11: "]L0", 0x13: "]A4", 0x1B: "]d1", 0x1C: "]Q1", 0x2D: "]z0", 0x30: "]e0", 0x31: "]e0", 0x32: "]e0",
}  # fmt: skip
_UPC_A, _UPC_E, _EAN_13 = 0x08, 0x09, 0x0B


@dataclass(slots=True)
class SsiProtocol:
    """State between chunks: the message begun, the last one taken, and our commands under way."""

    setup: bool = True
    length_max: int = READ_BYTES_MAX
    counters: Counter[str] = field(default_factory=Counter)
    _packets: Packets = field(init=False)
    _message: bytearray = field(default_factory=bytearray)
    _length: int = 0
    _part: bytes = b""
    _last: bytes | None = None
    _damaged: bool = False
    _silent_ms: int = 0
    _answer: bytes = b""
    _commands: deque[Packet] = field(default_factory=deque)
    _due: bytes = b""
    _tries: int = 0
    _waited_ms: int = 0

    def __post_init__(self) -> None:
        self._packets = Packets(SCANNER, FROM_SCANNER, self.counters)

    @property
    def waits_for_answer(self) -> bool:
        """Always."""
        return True

    @property
    def can_pause(self) -> bool:
        """Unless nothing may be changed about it: after a crash only the set-up would make it scan again."""
        return self.setup

    @property
    def sounds(self) -> bool:
        """A beep is a command of this protocol."""
        return True

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads completed by `chunk`; see `base.Framing`."""
        frames: list[Frame] = []
        if chunk:
            self.counters["bytes"] += len(chunk)
            self._silent_ms = 0
        for packet in self._packets.feed(chunk):
            if packet is None:
                self._complain()
            else:
                frames += self._heard(packet)
        return frames

    def tick(self, silent_ms: int) -> list[Frame]:
        """Gives up a packet cut off, then a message whose next part never came; sends a command again."""
        self._silent_ms += silent_ms
        if self._packets.pending() and self._silent_ms >= IDLE_MS:
            self.counters["noise"] += self._packets.reset()
            self._complain()
        self._waited_ms += silent_ms
        if self._tries and self._waited_ms >= COMMAND_MS:
            self._answered(again=True)
        return self._break_off() if self._length and self._silent_ms >= MESSAGE_MS else []

    def lost(self) -> list[Frame]:
        """What had begun when the device went away."""
        self._packets.reset()
        self._commands.clear()
        self._answer = self._due = b""
        self._tries = 0
        return self._break_off() if self._length else []

    def wait_ms(self) -> int | None:
        """Milliseconds until something is overdue, or None."""
        waits = []
        if self._packets.pending():
            waits.append(IDLE_MS - self._silent_ms)
        if self._length:
            waits.append(MESSAGE_MS - self._silent_ms)
        if self._tries:
            waits.append(COMMAND_MS - self._waited_ms)
        return max(1, min(waits)) if waits else None

    def hello(self) -> bytes:
        """Set the scanner up, when that is wished, and let it scan."""
        if self.setup:
            self._command(Packet(PARAM_SEND, data=SETUP))
            self._command(Packet(SCAN_ENABLE))
        return self.owed()

    def owed(self) -> bytes:
        """Answers to packets, and the next command when the last one is through."""
        if self._commands and not self._tries:
            self._tries, self._waited_ms = 1, 0
            self._due = bytes(self._commands[0])
        owed, self._answer, self._due = self._answer + self._due, b"", b""
        return owed

    def accepted(self) -> bytes:
        """An ACK, then the good tone."""
        return bytes(Packet(ACK)) + (self.signal("good") if self.setup else b"")

    def refused(self) -> bytes:
        """NAK RESEND: the scanner still holds the read and sends it again, or sounds its error tone."""
        return bytes(Packet(NAK, data=bytes((NAK_RESEND,))))

    def signal(self, signal: Signal) -> bytes:
        """A beep, a light, or scanning itself."""
        simple = {"enable": SCAN_ENABLE, "disable": SCAN_DISABLE}
        if signal in simple:
            self._command(Packet(simple[signal]))
        elif signal in ("light_on", "light_off"):
            self._command(Packet(LED_ON if signal == "light_on" else LED_OFF, data=b"\x01"))
        else:
            self._command(Packet(BEEP, data=bytes((_BEEPS[signal],))))
        return self.owed()

    def _command(self, packet: Packet) -> None:
        if len(self._commands) < COMMANDS_MAX:
            self._commands.append(packet)
        else:
            self.counters["commands_dropped"] += 1

    def _complain(self) -> None:
        self._damaged = True
        self._owe(Packet(NAK, data=bytes((NAK_RESEND,))))

    def _owe(self, packet: Packet) -> None:
        # One answer at a time: a scanner never sends a second packet before it heard of the first.
        self._answer = bytes(packet)

    def _heard(self, packet: Packet) -> list[Frame]:
        if packet.opcode in (ACK, NAK):
            self._answered(again=packet.opcode == NAK and packet.data[:1] == bytes((NAK_RESEND,)))
            return []
        if packet.opcode != DECODE_DATA:
            self.counters["events"] += 1
            self._owe(Packet(ACK))
            return []
        return self._decoded(packet)

    def _answered(self, *, again: bool) -> None:
        """The command under way is through, or is sent once more, or is given up."""
        if not self._tries:
            return
        self._waited_ms = 0
        if again and self._tries < COMMAND_TRIES:
            self._tries += 1
            self._due = bytes(self._commands[0].again())
            return
        self.counters["commands_failed"] += again
        self._commands.popleft()
        self._tries = 0

    def _decoded(self, packet: Packet) -> list[Frame]:
        resent = bool(packet.status & RESENT)
        if packet.status & MORE:
            self._owe(Packet(ACK))
            if resent and self._length and packet.data == self._part:
                self.counters["retransmits"] += 1
                return []
            self._hold(packet.data)
            return []
        if not packet.data or (packet.data[1:] == NO_READ and not self._length):
            self.counters["no_reads" if packet.data else "empty"] += 1
            self._owe(Packet(ACK))
            return []
        self._answer = b""  # a complaint about noise before it is void: the read itself is answered
        self._hold(packet.data)
        data, length = _tagged(bytes(self._message)), self._length
        self._message.clear()
        self._length = 0
        same, self._last = data == self._last, data
        again: Again = "" if not resent else "perhaps" if self._damaged else "surely"
        self._damaged = False
        frame = framed(data, max(length, len(data)), limit=self.length_max)
        self.counters["retransmits" if resent and same else frame.fault or "frames"] += 1
        return [Frame(frame.data, frame.fault, frame.length, again)]

    def _hold(self, part: bytes) -> None:
        """Add a packet's data to the message; where each packet repeats the code type, the message keeps one."""
        self._part = part
        added = part[1:] if self._length and part[:1] == self._message[:1] else part
        self._length += len(added)
        self._message += added[: max(0, self.length_max + 2 - len(self._message))]

    def _break_off(self) -> list[Frame]:
        data, length = _tagged(bytes(self._message)), self._length
        self._message.clear()
        self._length = 0
        frame = framed(data, max(length, len(data)), TRUNCATED, limit=self.length_max)
        self.counters[frame.fault] += 1
        return [frame]


def _tagged(message: bytes) -> bytes:
    """The text of a message behind its symbology identifier: the scanner's own, or the one of Zebra's code type."""
    kind, text = message[0], message[1:]
    if symbology.peek(text):
        return text
    if kind == _UPC_A and len(text) == 12:
        return b"]E00" + text
    if kind == _UPC_E and len(text) == 8:
        return _expanded(text)
    if kind == _EAN_13 and len(text) != 13:
        return text
    return IDENTIFIERS.get(kind, "").encode() + text


def _expanded(text: bytes) -> bytes:
    """UPC-E as the identifier means it, in 13 digits; as it came when it is none. The eight digits alone could be an
    EAN-8 as well."""
    try:
        return b"]E00" + expand_upc_e(text.decode("ascii")).encode()
    except (Rejected, UnicodeDecodeError):
        return text
