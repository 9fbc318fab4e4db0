"""What Honeywell scanners understand: Host ACK, triggering and menu commands.

With Host ACK on, a scanner that sent a read stays silent and suspended until it hears ESC 7 (recorded: good tone) or
ESC 8 (refused: razz); after ten seconds of silence it sounds three error beeps and is ready again, without sending
the read a second time. Sources: 1900GHD user's guide, Host ACK; 3820 user's guide, Host ACK commands.
"""

from __future__ import annotations

from devices.protocols.base import Signal
from ledger.errors import Rejected

ESC, SYN = b"\x1b", b"\x16"
ACCEPTED, REFUSED = ESC + b"7", ESC + b"8"
TRIGGER_ON, TRIGGER_OFF, BEEP = SYN + b"T\r", SYN + b"U\r", SYN + b"\x07\r"
# ESC 1 to 3: green light for 135 ms, 2 s, 5 s. ESC 4 to 6: low, medium, high beep.
SIGNALS: dict[Signal, bytes] = {
    "good": ESC + b"6",
    "repeat": ESC + b"4" + ESC + b"4",
    "unknown": ESC + b"4" + ESC + b"6",
    "error": REFUSED,
    "light_on": ESC + b"2",
}


def menu(command: str) -> bytes:
    """A menu command such as `REVINF.`: ending with `.` it lasts until power-off, with `!` for good."""
    if not command or command[-1] not in ".!" or not command.isascii() or not command.isprintable():
        raise Rejected(f"{command!r} is not a menu command: expected text that ends with . or !")
    return SYN + b"M\r" + command.encode()


def over_hid(data: bytes) -> bytes:
    """A command as a report of the USB HID interface: FD, its length, itself."""
    if len(data) > 62:
        raise Rejected(f"a command of {len(data)} bytes does not fit one report of 62")
    return bytes((0xFD, len(data))) + data
