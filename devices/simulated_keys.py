"""What a scanner in keyboard mode presses for a text: the key events that `protocols.keys` reads back."""

from __future__ import annotations

from devices.protocols.keys import (
    EV_KEY,
    EV_SYN,
    EVENT,
    LEFT_CTRL,
    LEFT_SHIFT,
    RIGHT_ALT,
    SPACE,
    TAB,
)
from devices.protocols.layouts import layout
from ledger.errors import Rejected

_CONTROLS = {"\r": 28, "\n": 28, "\t": TAB}
_GS_KEY = 27  # Ctrl with the key that is ] in the United States


def typed(text: str, name: str) -> bytes:
    """The events of `text` on the layout `name`; raises Rejected for a character that no key types."""
    return b"".join(_typed(character, name) for character in text)


def _typed(character: str, name: str) -> bytes:
    if character == " ":
        return pressed(SPACE)
    if character in _CONTROLS:
        return pressed(_CONTROLS[character])
    if character == "\x1d":
        return pressed(_GS_KEY, LEFT_CTRL)
    found = layout(name).keys(character)
    if found is None:
        raise Rejected(f"no key of layout {name} types {character!r}")
    code, shift, altgr, dead = found
    held = [LEFT_SHIFT] * shift + [RIGHT_ALT] * altgr
    return pressed(code, *held) + (pressed(SPACE) if dead else b"")


def pressed(code: int, *held: int) -> bytes:
    """One key down and up, while others are held."""
    downs = [(key, 1) for key in (*held, code)]
    ups = [(key, 0) for key in (code, *reversed(held))]
    return b"".join(
        EVENT.pack(0, 0, EV_KEY, key, value) + EVENT.pack(0, 0, EV_SYN, 0, 0) for key, value in downs + ups
    )
