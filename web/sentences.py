"""What the rules say, in the reader's language.

Refusals and questions are written once, in English, where the rule stands, and many are stored or sent as text: with
a parked scan, in the journal, in the tablet's outbox. So they are not translated where they arise but recognised at
the door: a catalogue knows each by its constant parts (`tests.house.words` collects them from the code), and what
stood at its places is put into the translation as it is. What is not recognised is shown in English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

END = re.compile(r"[.?] ")
PLACE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Sentence:
    """One sentence of the rules: its English with numbered places, and its translation with the same ones."""

    text: str
    said: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = PLACE.split(self.text)
        return re.compile("".join("(.*?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL)

    @cached_property
    def constant(self) -> int:
        """How much of it is always the same: the more, the surer."""
        return len(PLACE.sub("", self.text))

    @cached_property
    def longest(self) -> str:
        """Its longest constant part: a text without it is another one, which is known sooner than by the pattern."""
        return max(PLACE.split(self.text)[::2], key=len)


class Sentences:
    """All sentences of one language. `word`: translates a single word of ours that stands at a place."""

    def __init__(self, known: Iterable[tuple[str, str]], word: Callable[[str], str], apart: str = "{}") -> None:
        # What begins with words of its own goes first: a place at the beginning takes any such words for a value.
        self._known = sorted(
            (Sentence(*each) for each in known), key=lambda each: (each.text.startswith("%("), -each.constant)
        )
        self._word = word
        self._apart = apart

    def said(self, english: str) -> str:
        """The sentence in this language, or as it is. A sentence may stand in another one, or follow one."""
        known = self._one(english)
        ends = [end.start() + 1 for end in END.finditer(english)] if known is None else []
        for end in reversed(ends):
            if (first := self._one(english[:end])) is not None:
                return f"{first} {self.said(english[end + 1 :])}"
        return english if known is None else known

    def _one(self, english: str) -> str | None:
        """One sentence, None where it is not known: what stands at its places asks nothing itself."""
        for each in self._known:
            match = each.pattern.fullmatch(english) if each.longest in english else None
            if match is not None and not any("? " in value for value in match.groups()):
                values = dict(zip(PLACE.findall(each.text), match.groups(), strict=True))
                return PLACE.sub(lambda place, values=values: self._at(values[place[1]]), each.said)  # type: ignore[misc]
        return None

    def _at(self, value: str) -> str:
        said = self.said(value) if " " in value else value
        return said if said != value else self._apart.format(self._word(value))
