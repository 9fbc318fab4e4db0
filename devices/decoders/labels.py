"""The company's own labels: bins, badges, handling units and control codes, told apart by their prefix.

They are printed as plain Code 39, Code 128 or two-dimensional text and never read as GS1, nor is a GS1 carrier ever
read as one of them: a code printed by a stranger cannot act as a control code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from devices.decoders import patterns, symbology
from ledger import spelling
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, text_to_word
from ledger.wording import KINDS, shown

PREFIX_LENGTH_MAX = 16
PATTERN_LENGTH_MAX = 200
PATTERN_TEXT_MAX = 64
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"
_NEUTRAL = frozenset("-./:_ +#$%")
_CONTROL = re.compile(r"[A-Z0-9][A-Z0-9\-]{0,23}", re.ASCII)
_TOKEN = re.compile(r"[!-~]{4,64}", re.ASCII)
_UNSAID = "----"


@dataclass(frozen=True, slots=True)
class Labels:
    """How this company's labels look. An empty prefix or pattern means there are none of that kind.

    `bin_pattern` is a regular expression (`patterns`) for bins printed without a prefix; it must fit the whole text,
    and its group `code`, if it has one, is the bin's code. `untagged_gs1` lets a read without symbology identifier be
    GS1 when it begins with (00), (01) or (02), its check digit fits and all of it parses. With `check_character`
    every label of ours ends with one more character (ISO/IEC 7064, MOD 37-2) that finds a wrong keyboard layout and
    a Code 39 misread; a label without it is refused.
    """

    bin_prefix: str = "BIN:"
    bin_pattern: str = ""
    badge_prefix: str = "BADGE:"
    unit_prefix: str = "LPN:"
    control_prefix: str = "CTL:"
    untagged_gs1: bool = True
    check_character: bool = False
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)
    _in_a_browser: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        prefixes = [self.bin_prefix, self.badge_prefix, self.unit_prefix, self.control_prefix]
        used = [prefix for prefix in prefixes if prefix]
        for prefix in used:
            if len(prefix) > PREFIX_LENGTH_MAX or not re.fullmatch(r"[!-~]+", prefix, re.ASCII) or prefix[0] == "]":
                raise Rejected(f"label prefix {prefix!r}: expected up to {PREFIX_LENGTH_MAX} printable characters")
            if any(other.startswith(prefix) for other in used if other is not prefix) or used.count(prefix) > 1:
                raise Rejected(f"label prefix {prefix!r} also begins another one: they could not be told apart")
            if self.check_character:
                check_character(prefix)
        if self.bin_pattern:
            if len(self.bin_pattern) > PATTERN_LENGTH_MAX:
                length = len(self.bin_pattern)
                raise Rejected(f"labels.bin_pattern has {length} characters: expected at most {PATTERN_LENGTH_MAX}")
            compiled, written = patterns.parse(self.bin_pattern, "labels.bin_pattern")
            object.__setattr__(self, "_pattern", compiled)
            object.__setattr__(self, "_in_a_browser", written)

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Labels:
        """From a table of settings; raises Rejected for an unknown name or a value of the wrong type."""
        known = {item.name: item.type for item in fields(cls) if item.init}
        for name, value in values.items():
            if name not in known:
                raise Rejected(f"labels.{name} is not a setting: expected one of {', '.join(sorted(known))}")
            if type(value).__name__ != known[name]:
                expected = KINDS[bool if known[name] == "bool" else str]
                raise Rejected(f"labels.{name} is {shown(value)}: expected {expected}")
        return cls(**values)  # type: ignore[arg-type]

    def match(self, text: str) -> tuple[str, str] | None:
        """(kind, content) when `text` is one of our labels, else None. Raises Rejected for a malformed one."""
        if self.check_character and text.startswith(tuple(filter(None, self._prefixes().values()))):
            text = unchecked(text)
        if self.bin_prefix and text.startswith(self.bin_prefix):
            return "bin", _location(text[len(self.bin_prefix) :])
        if self.unit_prefix and text.startswith(self.unit_prefix):
            return "unit", _location(text[len(self.unit_prefix) :])
        if self.badge_prefix and text.startswith(self.badge_prefix):
            token = text[len(self.badge_prefix) :]
            if not _TOKEN.fullmatch(token):
                raise Rejected("a badge holds 4 to 64 printable characters: print it again")
            return "badge", token
        if self.control_prefix and text.startswith(self.control_prefix):
            command = text[len(self.control_prefix) :]
            if not _CONTROL.fullmatch(command):
                raise Rejected(f"{text[:40]!r} is not a control code: expected capital letters, digits and hyphens")
            return "control", command
        if self._pattern and len(text) <= PATTERN_TEXT_MAX and (found := self._pattern.fullmatch(text)):
            return "bin", _location(found.groupdict().get("code") or text)
        return None

    def printed(self, kind: str, code: str) -> str:
        """What a label of `kind` with that code holds; raises Rejected when labels of that kind have no prefix."""
        prefix = self._prefixes().get(kind, "")
        if not prefix:
            raise Rejected(f"labels.{kind}_prefix is empty: no {kind} label can be printed")
        text = prefix + code
        return text + check_character(text) if self.check_character else text

    def discreet(self, raw: bytes) -> bytes:
        """What of a read may be kept: all of it, but of a badge, torn ones and ones in another case too, only that it
        is one. Whoever knows what a badge reads can log in half-way, and can be told apart by it."""
        front = raw[: symbology.LENGTH] if raw[:1] == b"]" else b""
        prefix = self.badge_prefix.encode()
        if not prefix or raw[len(front) : len(front) + len(prefix)].upper() != prefix.upper():
            return raw
        return front + self.printed("badge", _UNSAID).encode()

    def rules(self) -> dict[str, object]:
        """How they are told apart, as data: for a program that cannot ask `match`."""
        rest = {"pattern": self._in_a_browser, "pattern_text_max": PATTERN_TEXT_MAX, "checked": self.check_character}
        return {"prefixes": self._prefixes(), **rest}

    def _prefixes(self) -> dict[str, str]:
        return {
            "bin": self.bin_prefix,
            "unit": self.unit_prefix,
            "badge": self.badge_prefix,
            "control": self.control_prefix,
        }


def check_character(text: str) -> str:
    """The check character of `text` by MOD 37-2 of ISO/IEC 7064, over its letters and digits in upper case.

    Of all other characters only those of `_NEUTRAL` may stand in a checked label; they do not count.
    """
    total = 0
    for character in text.upper():
        if character in _NEUTRAL:
            continue
        value = _ALPHABET.find(character)
        if not 0 <= value < 36:
            raise Rejected(f"{character!r} cannot stand in a label with a check character")
        total = (total + value) * 2 % 37
    return _ALPHABET[(38 - total) % 37]


def unchecked(text: str) -> str:
    """`text` without its check character; raises Rejected when that does not fit."""
    body, given = text[:-1], text[-1:]
    if check_character(body) != given:
        raise Rejected(f"{text[:40]!r}: its check character does not fit; scan it again, and check the layout")
    return body


def _location(code: str) -> str:
    if not code or code != code.strip():
        raise Rejected(f"{code!r} is not a location code: expected text without spaces around it")
    if code in VIRTUAL:
        raise Rejected(f"{code} is a virtual location: it cannot be scanned")
    text_to_word(code)
    return spelling.code(code)
