"""RFC 2217: a serial port behind a terminal server, spoken over telnet. The client's side, pure: bytes in, bytes out.

Byte 255 (IAC) begins a command and is doubled inside data. Of all options only binary transmission, suppressed
go-ahead and the COM port option are agreed to; every other offer is refused, so no negotiation can go round in
circles. Sources: RFC 854, 2217.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field

SE, SB, WILL, WONT, DO, DONT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44
OURS = frozenset((BINARY, SUPPRESS_GO_AHEAD, COM_PORT))
SET_BAUD, SET_BITS, SET_PARITY, SET_STOP, SET_CONTROL, PURGE = 1, 2, 3, 4, 5, 12
ANSWER = 100  # what a server adds to a command's number in its answer
PARITIES = {"N": 1, "O": 2, "E": 3, "M": 4, "S": 5}
FLOWS = {"none": 1, "xonxoff": 2, "rtscts": 3}
SUB_BYTES_MAX = 64


def escaped(data: bytes) -> bytes:
    """Data as it travels: IAC doubled."""
    return data.replace(b"\xff", b"\xff\xff")


def option(command: int, value: bytes) -> bytes:
    """A command of the COM port option."""
    return bytes((IAC, SB, COM_PORT, command)) + escaped(value) + bytes((IAC, SE))


@dataclass(slots=True, kw_only=True)
class Telnet(ABC):
    """What both sides have in common: the port's own bytes, and the commands between them."""

    _owed: bytearray = field(default_factory=bytearray)
    _agreed: set[tuple[int, int]] = field(default_factory=set)
    _state: str = "data"
    _verb: int = 0
    _sub: bytearray = field(default_factory=bytearray)

    @abstractmethod
    def _negotiate(self, verb: int, code: int) -> None:
        """The far side has said `verb` of an option."""

    @abstractmethod
    def _answered(self, sub: bytes) -> None:
        """The far side has said something about an option."""

    def feed(self, chunk: bytes) -> bytes:
        """The port's own bytes out of `chunk`."""
        data = bytearray()
        for byte in chunk:
            self._step(byte, data)
        return bytes(data)

    def owed(self) -> bytes:
        """What the far side must be told now."""
        owed = bytes(self._owed)
        self._owed.clear()
        return owed

    def _step(self, byte: int, data: bytearray) -> None:
        if self._state == "data":
            if byte == IAC:
                self._state = "command"
            else:
                data.append(byte)
        elif self._state == "command":
            self._command(byte, data)
        elif self._state == "option":
            self._negotiate(self._verb, byte)
            self._state = "data"
        elif self._state == "sub":
            if byte == IAC:
                self._state = "sub-command"
            else:
                self._gather(byte)
        elif byte == IAC:
            self._gather(byte)
            self._state = "sub"
        else:
            self._state = "data"
            self._answered(bytes(self._sub))
            self._sub.clear()

    def _command(self, byte: int, data: bytearray) -> None:
        self._state = "data"
        if byte == IAC:
            data.append(byte)
        elif byte == SB:
            self._state = "sub"
        elif byte in (WILL, WONT, DO, DONT):
            self._verb, self._state = byte, "option"

    def _gather(self, byte: int) -> None:
        if len(self._sub) < SUB_BYTES_MAX:
            self._sub.append(byte)


@dataclass(slots=True)
class PortClient(Telnet):
    """State between chunks, and the settings that the far port must have before its bytes mean anything."""

    baud: int
    bits: int
    parity: str
    stop: int
    flow: str
    counters: Counter[str] = field(default_factory=Counter)
    confirmed: set[int] = field(default_factory=set)
    refusal: str = ""

    def hello(self) -> bytes:
        """Offer the option and set the port."""
        begin = b"".join(bytes((IAC, WILL, code, IAC, DO, code)) for code in (BINARY, SUPPRESS_GO_AHEAD))
        begin += bytes((IAC, WILL, COM_PORT))
        self._agreed |= {(verb, code) for code in OURS for verb in ((WILL,) if code == COM_PORT else (WILL, DO))}
        return begin + b"".join(option(command, value) for command, value in self._wishes().items())

    def ready(self) -> bool:
        """Whether the far side has confirmed speed, bits, parity and stop bits."""
        return self.confirmed >= {SET_BAUD, SET_BITS, SET_PARITY, SET_STOP}

    def _wishes(self) -> dict[int, bytes]:
        return {
            SET_BAUD: self.baud.to_bytes(4, "big"),
            SET_BITS: bytes((self.bits,)),
            SET_PARITY: bytes((PARITIES[self.parity],)),
            SET_STOP: bytes((self.stop,)),
            SET_CONTROL: bytes((FLOWS[self.flow],)),
        }

    def _negotiate(self, verb: int, code: int) -> None:
        answer = {WILL: DO, DO: WILL}.get(verb)
        if answer is None:
            if code == COM_PORT:
                self.refusal = "the far side is not an RFC 2217 server; use tcp:// instead"
            self._agreed.discard((DO if verb == WONT else WILL, code))
            return
        if code not in OURS:
            answer = DONT if verb == WILL else WONT
        elif (answer, code) in self._agreed:
            return
        else:
            self._agreed.add((answer, code))
        if len(self._owed) < 1_000:
            self._owed += bytes((IAC, answer, code))

    def _answered(self, sub: bytes) -> None:
        if len(sub) < 3 or sub[0] != COM_PORT or not ANSWER < sub[1] < 2 * ANSWER:
            return
        command, value = sub[1] - ANSWER, sub[2:]
        wish = self._wishes().get(command)
        if wish is None:
            return
        if value == wish:
            self.confirmed.add(command)
        else:
            self.counters["settings_refused"] += 1
            if command != SET_CONTROL:
                self.refusal = f"the port behind it does not take setting {command} as {int.from_bytes(wish, 'big')}"
