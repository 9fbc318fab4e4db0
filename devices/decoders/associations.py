"""What GS1 elements may and must stand together on one item, over all the carriers that were read for it.

Warehouse labels often split an item number and its lot over two symbols, so a missing companion is a question and
not an error; two values for one identifier, or two identifiers that exclude each other, contradict themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.decoders.elements import Element
from devices.decoders.identifiers import AIS, Alternatives

SIGNATURE = "8030"
# A signature covers one thing, so a key that can name a whole class must name the one: key -> length without serial.
_SERIALISED = {"253": 13, "255": 13, "8003": 14}


def _fits(pattern: str, code: str) -> bool:
    return pattern == code or (
        pattern[-1] == "n" and len(pattern) == len(code) and code.startswith(pattern.rstrip("n"))
    )


def _present(pattern: str, codes: set[str]) -> bool:
    return pattern in codes or (pattern[-1] == "n" and any(_fits(pattern, code) for code in codes))


def _worded(needs: Alternatives) -> str:
    return " / ".join("+".join(f"({code})" for code in choice) for choice in needs)


def _two_values(ai: str, first: str, second: str) -> str:
    return f"({ai}) {AIS[ai].name} appears with two values: {first} and {second}"


def _excluded(ai: str, other: str) -> str:
    return f"({ai}) {AIS[ai].name} and ({other}) {AIS[other].name} exclude each other"


def _unserialised(ai: str) -> str:
    return f"({ai}) {AIS[ai].name} needs its serial part beside a signature"


def _lonely(ai: str) -> str:
    return f"({ai}) {AIS[ai].name} needs {_worded(AIS[ai].needs)} beside it"


def contradictions(elements: Sequence[Element]) -> list[str]:
    """Identifiers with two values, identifiers that exclude each other, and a signature beside no single thing."""
    seen: dict[str, str] = {}
    found = []
    for ai, value in elements:
        if seen.setdefault(ai, value) != value:
            found.append(_two_values(ai, seen[ai], value))
    for code in seen:
        for pattern in AIS[code].excludes:
            found += [_excluded(code, other) for other in seen if other != code and _fits(pattern, other)]
    if SIGNATURE in seen:
        # No other carrier can bring it: the serial is part of the very number.
        found += [_unserialised(ai) for ai, value in elements if len(value) == _SERIALISED.get(ai)]
    return found


def missing(elements: Sequence[Element]) -> list[str]:
    """Identifiers whose required companions are not there."""
    codes = {element.ai for element in elements}
    found = []
    for code in dict.fromkeys(element.ai for element in elements):
        needs = AIS[code].needs
        if needs and not any(all(_present(part, codes) for part in choice) for choice in needs):
            found.append(_lonely(code))
    return found
