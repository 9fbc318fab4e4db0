"""A scanner that types: the kernel's key events become characters of its layout, and those become reads.

    struct input_event: time (two longs), type (u16), code (u16), value (s32): 1 down, 0 up, 2 held

Understood: both Shift keys, CapsLock, AltGr (or Ctrl with Alt), dead keys, the keypad, Ctrl+letter as a control
character (GS is Ctrl+]), and Alt with digits of the keypad (Alt+029 is GS). A key that means nothing in the layout
is counted. When the kernel had to drop events, what was begun is marked truncated.
"""

from __future__ import annotations

import struct
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from devices.protocols.base import Frame, OnlyHeard
from devices.protocols.layouts import ALONE, DEAD, layout
from devices.protocols.line import LineProtocol

EVENT = struct.Struct("@llHHi")
EV_SYN, EV_KEY, SYN_DROPPED = 0, 1, 3
UP, DOWN = 0, 1
LEFT_CTRL, RIGHT_CTRL, LEFT_SHIFT, RIGHT_SHIFT, LEFT_ALT, RIGHT_ALT, CAPS_LOCK = 29, 97, 42, 54, 56, 100, 58
MODIFIERS = frozenset((LEFT_CTRL, RIGHT_CTRL, LEFT_SHIFT, RIGHT_SHIFT, LEFT_ALT, RIGHT_ALT))
ENTER, KEYPAD_ENTER, TAB, SPACE = 28, 96, 15, 57
KEYPAD = {82: "0", 79: "1", 80: "2", 81: "3", 75: "4", 76: "5", 77: "6", 71: "7", 72: "8", 73: "9"}
PLAIN = {**KEYPAD, 55: "*", 74: "-", 78: "+", 83: ".", 98: "/", SPACE: " "}
ENDS = {ENTER, KEYPAD_ENTER, TAB}  # a read never holds a tabulator: no label does
_CODE_DIGITS_MAX = 4


@dataclass(slots=True)
class KeysProtocol(OnlyHeard):
    """State between events: the keys held, the dead key waiting, and the line begun."""

    layout_name: str = "us"
    line: LineProtocol = field(default_factory=LineProtocol)
    _held: bytearray = field(default_factory=bytearray)
    _down: set[int] = field(default_factory=set)
    _caps: bool = False
    _dead: str = ""
    _code: str = ""
    _silent_ms: int = 0

    @property
    def counters(self) -> Counter[str]:
        """Those of the line, and `keys` and `unknown_keys`."""
        return self.line.counters

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads completed by `chunk`; see `base.Framing`."""
        self._held += chunk
        self._silent_ms = 0
        whole = len(self._held) - len(self._held) % EVENT.size
        events = bytes(self._held[:whole])
        del self._held[:whole]
        frames: list[Frame] = []
        for _, _, kind, code, value in EVENT.iter_unpack(events):
            if kind == EV_KEY and value in (UP, DOWN):
                text = self._key(code, value == DOWN)
                frames += self.line.feed(text.encode("utf-8", "surrogatepass")) if text else []
            elif kind == EV_SYN and code == SYN_DROPPED:
                self.line.counters["dropped"] += 1
                frames += self._forget()
        return frames

    def tick(self, silent_ms: int) -> list[Frame]:
        """As the line does. A dead key that nothing follows stands for itself, and is not put on the next read."""
        self._silent_ms += silent_ms
        if self._dead and self._silent_ms >= self.line.idle_ms:
            return self.line.feed(self._flushed().encode()) + self.line.tick(self._silent_ms)
        return self.line.tick(silent_ms)

    def lost(self) -> list[Frame]:
        """What had begun; keys held are forgotten, since nobody hears them released."""
        self._held.clear()
        return self._forget()

    def _forget(self) -> list[Frame]:
        self._down.clear()
        self._caps, self._dead, self._code = False, "", ""
        return self.line.lost()

    def wait_ms(self) -> int | None:
        """As the line does, for a dead key too."""
        return max(1, self.line.idle_ms - self._silent_ms) if self._dead else self.line.wait_ms()

    def _key(self, code: int, down: bool) -> str:
        if code in MODIFIERS:
            return self._modifier(code, down)
        if not down:
            return ""
        self.line.counters["keys"] += 1
        if code == CAPS_LOCK:
            self._caps = not self._caps
            return ""
        if LEFT_ALT in self._down and not self._ctrl and code in KEYPAD:
            self._code = (self._code + KEYPAD[code])[-_CODE_DIGITS_MAX:]
            return ""
        if code in ENDS:
            return self._flushed() + "\r"
        text = self._character(code)
        if not text:
            self.line.counters["unknown_keys"] += 1
        return self._composed(text)

    @property
    def _ctrl(self) -> bool:
        return bool(self._down & {LEFT_CTRL, RIGHT_CTRL})

    def _modifier(self, code: int, down: bool) -> str:
        if down:
            self._down.add(code)
            self._code = "" if code == LEFT_ALT else self._code
            return ""
        self._down.discard(code)
        if code != LEFT_ALT or not self._code:
            return ""
        digits, self._code = self._code, ""
        number = int(digits) & 255
        page = "cp1252" if digits[0] == "0" else "cp437"
        return self._flushed() + (chr(number) if number < 128 else bytes((number,)).decode(page, "ignore"))

    def _character(self, code: int) -> str:
        shift = bool(self._down & {LEFT_SHIFT, RIGHT_SHIFT})
        ctrl, altgr = self._ctrl, RIGHT_ALT in self._down
        if ctrl and LEFT_ALT in self._down:
            ctrl, altgr = False, True
        if code in PLAIN:
            return PLAIN[code]
        own = layout(self.layout_name).character(code, shift=shift, altgr=altgr, caps=self._caps)
        if not ctrl:
            return own
        for text in (own, layout("us").character(code, shift=shift, altgr=False)):
            if len(text) == 1 and "@" <= text.upper() <= "_":
                return chr(ord(text.upper()) & 0x1F)
        return ""

    def _composed(self, text: str) -> str:
        """`text` with the dead key before it; a dead key itself waits for the next key."""
        if not text:
            return ""
        if not self._dead:
            if text not in DEAD:
                return text
            self._dead = text
            return ""
        waiting, self._dead = self._dead, ""
        if text == " " or text == waiting:
            return ALONE[waiting] * (1 if text == " " else 2)
        joined = unicodedata.normalize("NFC", text + DEAD[waiting]) if text not in DEAD else ""
        if len(joined) == 1:
            return joined
        return ALONE[waiting] + self._composed(text)

    def _flushed(self) -> str:
        waiting, self._dead = self._dead, ""
        return ALONE.get(waiting, "")
