"""A completeness certificate: every bin of a zone at a height, each with the posted whole count that covers it.

It is plain JSON in one writing, so that its SHA-256 names it. Whoever holds the site's blocks up to that height makes
the same certificate again (`complete` is a pure function) and compares; the node notes the hash on its chain, so that
its own signature stands under it. A bin without such a count is named as missing, never left out. It shows that the
bins were counted and posted; not that the shelf was counted honestly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import Invalid

FORMAT = "tallyman/zone-certificate/1"
SEALED_KIND = "unit-sealed"  # the kind of the note that an unopened unit was confirmed by its label


@dataclass(frozen=True, slots=True)
class Covered:
    """A posted whole count of a bin: op ids in hex, heights, whether the bin was stable while it was counted, and
    whether its counter was told nothing of what the books had."""

    bin: str
    counts: tuple[str, ...]
    posts: tuple[str, ...]
    recorded: int
    posted: int
    stable: bool
    blind: bool
    round: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """An unopened handling unit whose label was read in a count: the op id of that note in hex, and its height."""

    operation: str
    recorded: int


def sealed_subject(unit: str) -> bytes:
    """What a note of `SEALED_KIND` is about: SHA-256 of the unit's label."""
    return hashlib.sha256(unit.encode()).digest()


def complete(
    origin: str, zone: str, since: int, height: int, block: str, bins: Iterable[str], covered: Mapping[str, Covered],
    confirmed: Mapping[str, Confirmed],
) -> dict[str, Any]:  # fmt: skip
    """The certificate of a zone whose bins, and units with goods, at `height` are `bins`; `covered`: the newest
    posted whole count of each that was recorded after block `since`; `confirmed`: units that nobody opened. `block`:
    hash of the block at `height`, in hex."""
    rows: list[dict[str, Any]] = []
    sealed: list[dict[str, Any]] = []
    missing: list[str] = []
    for bin_ in sorted(bins):
        found, label = covered.get(bin_), confirmed.get(bin_)
        if found is None or found.recorded <= since:
            if label is not None and label.recorded > since:
                sealed.append({"unit": bin_, "operation": label.operation, "recorded": label.recorded})
            else:
                missing.append(bin_)
            continue
        rows.append(
            {
                "bin": bin_,
                "counts": list(found.counts),
                "posts": list(found.posts),
                "recorded": found.recorded,
                "posted": found.posted,
                "stable": found.stable,
                "blind": found.blind,
                "round": found.round,
            }
        )
    return {
        "format": FORMAT,
        "origin": origin,
        "zone": zone,
        "since": since,
        "height": height,
        "block": block,
        "complete": not missing and bool(rows),
        "bins": rows,
        "sealed": sealed,
        "missing": missing,
    }


def not_blind(certificate: Mapping[str, Any]) -> list[str]:
    """The bins of a certificate whose counter was told what the books had."""
    return [row["bin"] for row in certificate["bins"] if not row["blind"]]


def encode(certificate: Mapping[str, Any]) -> bytes:
    """The one writing of a certificate."""
    return json.dumps(certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest(certificate: Mapping[str, Any]) -> bytes:
    """What the site notes on its chain."""
    return hashlib.sha256(encode(certificate)).digest()


def parse(value: object) -> dict[str, Any]:
    """A certificate as somebody hands it in, its shape checked; raises `Invalid`. What it says may still be false."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise Invalid(f"this is no certificate of a zone: expected the format {FORMAT}")
    texts = all(isinstance(value.get(name), str) for name in ("origin", "zone", "block"))
    numbers = all(type(value.get(name)) is int and 0 <= value[name] < 2**63 for name in ("since", "height"))
    if (
        not texts
        or not numbers
        or not isinstance(value.get("bins"), list)
        or not isinstance(value.get("sealed"), list)
        or not isinstance(value.get("missing"), list)
    ):
        raise Invalid(
            "this certificate is damaged: origin, zone, block, since, height, bins, sealed or missing"
            " is not as it has to be"
        )
    return value


def faults(given: Mapping[str, Any], derived: Mapping[str, Any]) -> list[str]:
    """What a certificate says that the blocks do not give, in words; empty when every byte is the same."""
    found = [
        f"{name}: it says {given.get(name)!r}, the blocks give {derived[name]!r}"[:300]
        for name in ("origin", "zone", "since", "height", "block", "complete", "sealed", "missing")
        if given.get(name) != derived[name]
    ]
    said = {row.get("bin"): row for row in given["bins"] if isinstance(row, dict)}
    true = {row["bin"]: row for row in derived["bins"]}
    found += [f"{bin_} is not covered by such a count" for bin_ in sorted(map(str, said.keys() - true.keys()))]
    found += [f"{bin_} is left out" for bin_ in sorted(true.keys() - said.keys())]
    found += [
        f"{bin_}: another count covers it" for bin_ in sorted(true.keys() & said.keys()) if said[bin_] != true[bin_]
    ]
    if not found and encode(given) != encode(derived):
        found.append("it says more than a certificate does")
    return found
