"""What Datalogic scanners understand on a serial line. Source: Datalogic programming guide, host commands.

ACK/NAK as an option of the same line (06, 15): the scanner then waits for it before its good tone. `R` (reset) is
not here: it throws away what the scanner still holds.
"""

from __future__ import annotations

from devices.protocols.base import Signal

ACCEPTED, REFUSED = b"\x06", b"\x15"
SIGNALS: dict[Signal, bytes] = {
    "good": b"B",
    "repeat": b"BB",
    "unknown": b"\x01",
    "error": b"\x01\x01",
    "enable": b"E",
    "disable": b"D",
}
