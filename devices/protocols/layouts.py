"""Keyboard layouts: which character a key of a scanner in keyboard mode stands for.

The scanner's own country setting decides, so a layout belongs to a device, not to the machine. Each level is 48
characters in the order of `POSITIONS`: the key left of 1, twelve keys from 1, twelve from Q, twelve from A with the
one beside Enter, the one right of the left shift key, ten from Z; a blank means nothing there. Dead keys, which
change the next character, are written ˋ ˊ ˆ ˜ ¨. The tables were compared with those of Debian's xkb-data 2.35.1;
where a maker's keyboard and that file differ, what Windows and so a scanner does counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ledger.errors import Rejected

# Key codes of linux/input-event-codes.h.
POSITIONS = (41, *range(2, 14), *range(16, 28), *range(30, 41), 43, 86, *range(44, 54))
DEAD = {"ˋ": "\u0300", "ˊ": "\u0301", "ˆ": "\u0302", "˜": "\u0303", "¨": "\u0308"}
ALONE = {"ˋ": "`", "ˊ": "´", "ˆ": "^", "˜": "~", "¨": "¨"}

# Layout -> plain, with Shift, with AltGr, with both.
_LEVELS = {
    "us": (
        "`1234567890-=qwertyuiop[]asdfghjkl;'\\\\zxcvbnm,./",
        '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"||ZXCVBNM<>?',
    ),
    "gb": (
        "`1234567890-=qwertyuiop[]asdfghjkl;'#\\zxcvbnm,./",
        '¬!"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~|ZXCVBNM<>?',
        "¦   €          é   úíó   á                      ",
    ),
    "de": (
        "ˆ1234567890ßˊqwertzuiopü+asdfghjklöä#<yxcvbnm,.-",
        "°!\"§$%&/()=?ˋQWERTZUIOPÜ*ASDFGHJKLÖÄ'>YXCVBNM;:_",
        "  ²³   {[]}\\ @ €        ~            |      µ   ",
    ),
    "fr": (
        "²&é\"'(-è_çà)=azertyuiopˆ$qsdfghjklmù*<wxcvbn,;:!",
        " 1234567890°+AZERTYUIOP¨£QSDFGHJKLM%µ>WXCVBN?./§",
        "  ˜#{[|ˋ\\^@]}  €        ¤                       ",
    ),
    "be": (
        "²&é\"'(§è!çà)-azertyuiopˆ$qsdfghjklmùµ<wxcvbn,;:=",
        "³1234567890°_AZERTYUIOP¨*QSDFGHJKLM%£>WXCVBN?./+",
        " |@#  ^  {}    €       []          ˊˋ\\         ˜",
    ),
    "es": (
        "º1234567890'¡qwertyuiopˋ+asdfghjklñˊç<zxcvbnm,.-",
        'ª!"·$%&/()=?¿QWERTYUIOPˆ*ASDFGHJKLÑ¨Ç>ZXCVBNM;:_',
        "\\|@#˜€¬        €       []          {}           ",
    ),
    "it": (
        "\\1234567890'ìqwertyuiopè+asdfghjklòàù<zxcvbnm,.-",
        '|!"£$%&/()=?^QWERTYUIOPé*ASDFGHJKLç°§>ZXCVBNM;:_',
        "     €         €       []         @#            ",
        "                       {}                       ",
    ),
    "ch": (
        "§1234567890'ˆqwertzuiopü¨asdfghjklöä$<yxcvbnm,.-",
        '°+"*ç%&/()=?ˋQWERTZUIOPè!ASDFGHJKLéà£>YXCVBNM;:_',
        " ¦@#°§¬|¢  ˊ˜  €       []          {}\\          ",
    ),
    "no": (
        "|1234567890+\\qwertyuiopå¨asdfghjkløæ'<zxcvbnm,.-",
        '§!"#¤%&/()=?ˋQWERTYUIOPÅˆASDFGHJKLØÆ*>ZXCVBNM;:_',
        "  @£$€ {[]} ˊ  €        ˜                   µ   ",
    ),
}
NAMES = tuple(_LEVELS)


@dataclass(frozen=True, slots=True)
class Layout:
    """One country's keys: `levels` maps a key code to its character, by shift state (Shift counts 1, AltGr 2)."""

    name: str
    levels: tuple[dict[int, str], ...]

    def character(self, code: int, *, shift: bool, altgr: bool, caps: bool = False) -> str:
        """What the key `code` stands for; an empty text when it stands for nothing."""
        plain = self.levels[0].get(code, "")
        if caps and plain.isalpha() and plain.upper() != plain and len(plain.upper()) == 1:
            shift = not shift
        number = shift + 2 * altgr
        return self.levels[number].get(code, "") if number < len(self.levels) else ""

    def keys(self, character: str) -> tuple[int, bool, bool, bool] | None:
        """(key code, Shift, AltGr, whether it is a dead key) that types `character`, or None when none does."""
        return _reverse(self.name).get(character)


@cache
def layout(name: str) -> Layout:
    """The layout of that name; raises Rejected when there is none."""
    if name not in _LEVELS:
        raise Rejected(f"{name} is not a keyboard layout: expected one of {', '.join(NAMES)}")
    levels = tuple(
        {code: character for code, character in zip(POSITIONS, level, strict=True) if character != " "}
        for level in _LEVELS[name]
    )
    return Layout(name, levels)


@cache
def _reverse(name: str) -> dict[str, tuple[int, bool, bool, bool]]:
    found: dict[str, tuple[int, bool, bool, bool]] = {}
    for number, level in enumerate(layout(name).levels):
        for code, character in level.items():
            shown = ALONE.get(character, character)
            found.setdefault(shown, (code, bool(number & 1), bool(number & 2), character in DEAD))
    return found
