"""Change one bit of a receipt and ask both verifiers: outside the anchor's hints every change must be refused.

python -m tests.ledger.every_bit RECEIPT        all bits of a file, about a minute for each 8 kB
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path

from ledger import receipt
from ledger.errors import Invalid
from tests.ledger import independent_verifier

HINTS = ("block_number", "chain_id", "contract", "log_index", "tx_hash")


def check(raw: bytes, bit: int, *, both: bool) -> None:
    """Raise AssertionError unless `raw` with this bit changed is refused, or the bit is a hint's and both agree."""
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    where = f"bit {bit % 8} of byte {bit // 8}, after {raw[max(0, bit // 8 - 40) : bit // 8]!r}"
    hint = bit // 8 in hint_bytes(raw)
    ours = _ours(bytes(changed))
    if not hint and ours:
        raise AssertionError(f"the product accepts {where}")
    if (both or hint) and _theirs(bytes(changed)) != ours:
        raise AssertionError(f"the verifiers disagree on {where}")


def sample(raw: bytes) -> list[int]:
    """All bits but those deep inside hex strings of more than 150 digits, and of these every 83rd."""
    spans = [match.span() for match in re.finditer(rb"[0-9a-f]{150,}", raw)]
    inside = {at for start, end in spans for at in range(start + 20, end - 20)}
    return [bit for bit in range(len(raw) * 8) if bit // 8 not in inside or bit % 83 == 0]


@lru_cache(maxsize=8)
def hint_bytes(raw: bytes) -> frozenset[int]:
    """The positions of the values of the anchor's hints."""
    found: set[int] = set()
    start = raw.find(b'"anchor":')
    for name in HINTS if start >= 0 else ():
        match = re.compile(rb'"%s":"?([0-9a-f]+)' % name.encode()).search(raw, start)
        if match is None:
            raise ValueError(f"the receipt has an anchor without {name}")
        found.update(range(*match.span(1)))
    return frozenset(found)


def _ours(raw: bytes) -> bool:
    try:
        receipt.verify(raw)
    except Invalid:
        return False
    return True


def _theirs(raw: bytes) -> bool:
    try:
        independent_verifier.verify(raw)
    except independent_verifier.Refused:
        return False
    return True


if __name__ == "__main__":
    content = Path(sys.argv[1]).read_bytes()
    for number in range(len(content) * 8):
        check(content, number, both=True)
    print(f"{len(content) * 8} one-bit changes refused by both, {len(hint_bytes(content))} bytes of hints apart")
