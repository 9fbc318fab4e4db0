"""A serial port behind a terminal server made of software: the far side of `protocols.telnet`. Pure, bytes to bytes.

Sources: RFC 854, 2217.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.protocols import telnet
from devices.protocols.telnet import ANSWER, COM_PORT, DO, DONT, IAC, OURS, WILL, WONT, Telnet, option


@dataclass(slots=True)
class PortServer(Telnet):
    """State between chunks. It takes every setting that it is asked for, and says so."""

    set_to: dict[int, bytes] = field(default_factory=dict)

    escaped = staticmethod(telnet.escaped)

    def is_set_up(self) -> bool:
        """Whether speed, bits, parity and stop bits were set."""
        return self.set_to.keys() >= {telnet.SET_BAUD, telnet.SET_BITS, telnet.SET_PARITY, telnet.SET_STOP}

    def _negotiate(self, verb: int, code: int) -> None:
        if verb not in (WILL, DO):
            return
        answer = {WILL: DO, DO: WILL}[verb] if code in OURS else {WILL: DONT, DO: WONT}[verb]
        if (answer, code) not in self._agreed:
            self._agreed.add((answer, code))
            self._owed += bytes((IAC, answer, code))

    def _answered(self, sub: bytes) -> None:
        if len(sub) >= 3 and sub[0] == COM_PORT and sub[1] < ANSWER:
            self.set_to[sub[1]] = sub[2:]
            self._owed += option(sub[1] + ANSWER, sub[2:])
