"""One function of a compiled contract while it is being written: its words, its gas, its memory, its lines.

Words are texts: a decimal number where the word is known, the name of a local (x1, x2 … came from the stack, v1, v2 …
were computed) where it is not. Lines without an effect are left out in the end unless a later line uses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LOCAL = re.compile(r"\b[vx]\d+\b")


@dataclass(slots=True)
class Line:
    """One line of the function. Without an effect it is left out unless its target is used later."""

    text: str
    target: str = ""
    effect: bool = True


@dataclass(slots=True)
class Trace:
    """A function being written."""

    code: bytes
    targets: frozenset[int]
    lines: list[Line] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)
    taken: int = 0
    names: int = 0
    charge_at: int = -1
    charge: int = 0
    checked: int = 0
    conditions: dict[str, str] = field(default_factory=dict)
    memory: dict[int, str] = field(default_factory=dict)
    memory_end: int = 0

    # ------------------------------------------------------------ words

    def pop(self) -> str:
        if self.stack:
            return self.stack.pop()
        self.taken += 1
        name = f"x{self.taken}"
        self.lines.append(Line(f"{name} = s[-{self.taken}]", name, effect=False))
        return name

    def reach(self, depth: int) -> None:
        """Have the topmost `depth` words as locals."""
        missing = depth - len(self.stack)
        if missing > 0:
            held, self.stack = self.stack, []
            below = [self.pop() for _ in range(missing)]
            self.stack = below[::-1] + held

    def let(self, expression: str, *, effect: bool = False) -> str:
        """A new local with the value of `expression`."""
        self.names += 1
        name = f"v{self.names}"
        self.lines.append(Line(f"{name} = {expression}", name, effect))
        return name

    def do(self, text: str) -> None:
        self.lines.append(Line(text))

    # ------------------------------------------------------------ stretches

    def open_stretch(self) -> None:
        """From here on fixed gas is gathered, to be charged at this place."""
        self.charge_at, self.charge = len(self.lines), 0
        self.lines.append(Line(""))
        self.lines.append(Line(""))

    def close_stretch(self) -> None:
        if self.charge:
            self.lines[self.charge_at].text = f"g -= {self.charge}\nif g < 0: raise OutOfGas"
        if self.taken > self.checked:
            self.lines[self.charge_at + 1].text = f"if len(s) < {self.taken}: raise StackUnderflow"
            self.checked = self.taken

    def leave(self, to: str, indent: str = "") -> str:
        """Text that puts the words on the stack and returns `to`."""
        kept = 0
        while kept < min(self.taken, len(self.stack)) and self.stack[kept] == f"x{self.taken - kept}":
            kept += 1
        gone, words = self.taken - kept, self.stack[kept:]
        text = ""
        if gone and words:
            text = f"s[-{gone}:] = ({', '.join(words)},)\n"
        elif gone:
            text = f"del s[-{gone}:]\n"
        elif len(words) == 1:
            text = f"s.append({words[0]})\n"
        elif words:
            text = f"s += ({', '.join(words)})\n"
        text += f"f.gas = g\nreturn {to}"
        return "\n".join(indent + line for line in text.split("\n"))

    # ------------------------------------------------------------ memory

    def ensure(self, start: str, size: str) -> None:
        """Make the memory reach over `size` bytes from `start`, and pay for it."""
        known_start, known_size = constant(start), constant(size)
        if known_size == 0:
            return
        if known_start is not None and known_size is not None:
            end = known_start + known_size
            if end > self.memory_end:
                self.do(f"if len(m) < {end}: g = grow(m, {end}, g)")
                self.memory_end = end
        elif known_size is not None:
            self.do(f"if len(m) < {start} + {size}: g = grow(m, {start} + {size}, g)")
        else:
            self.do(f"if {size} and len(m) < {start} + {size}: g = grow(m, {start} + {size}, g)")

    def written(self, start: str, size: str) -> None:
        """Forget what is known of memory that is written over."""
        at, count = constant(start), constant(size)
        if at is None or count is None:
            self.memory.clear()
        else:
            self.memory = {
                known: word for known, word in self.memory.items() if known + 32 <= at or known >= at + count
            }

    def live_lines(self) -> list[str]:
        """The text, without what nobody uses."""
        live: set[str] = set()
        kept: list[str] = []
        for line in reversed(self.lines):
            if line.text and (line.effect or line.target in live):
                live.update(_LOCAL.findall(line.text))
                kept.append(line.text)
        return kept[::-1]


def constant(word: str) -> int | None:
    """The number that a word is known to be, None if it is only known when it runs."""
    return int(word) if word[0] not in "vx" else None
