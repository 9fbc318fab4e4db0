"""P12: what it costs to verify a receipt, against its hashes and signatures alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from ledger import checkpoint, receipt
from ledger.block import signing_bytes
from ledger.codec import keccak256
from ledger.keys import VerifyKey
from ledger.receipt_file import Receipt
from tests.bench.row import Row

PROMISES = ("P12",)
FOLDER = Path(__file__).parent.parent / "vectors" / "receipts"
ROUNDS = 1000


def rows() -> list[Row]:
    """One row a strength: milliseconds for one receipt."""
    found = []
    for name in ("second-of-three--site-signed", "third-of-four--anchored"):
        raw = (FOLDER / f"{name}.json").read_bytes()
        receipt.verify(raw)
        ours = _best_ms(lambda raw=raw: receipt.verify(raw))  # type: ignore[misc]
        theirs = _best_ms(_bare(Receipt.parse(raw)))
        what = f"verify a receipt, {name.rsplit('--', 1)[1]}, {len(raw)} bytes"
        found.append(Row("P12", what, ours, theirs, "ms", "its hashes and signatures", 3))
    return found


def _bare(parsed: Receipt) -> Callable[[], None]:
    """The same Ed25519 checks, Keccaks and SHA-256s on ready bytes, and nothing else."""
    block = signing_bytes(parsed.origin, parsed.height, keccak256(parsed.header))
    signed = [(VerifyKey(parsed.key), block, parsed.signature)]
    pairs, leaves = 0, [parsed.header]
    for proof in (parsed.site, parsed.hub):
        if proof:
            note = checkpoint.Note.parse(proof.checkpoint)
            signed.append((VerifyKey(proof.key), note.checkpoint.body, note.signatures[0].value))
            pairs += len(proof.path)
            leaves.append(proof.checkpoint)
    nodes = (parsed.header, *parsed.tx_proof, *parsed.receipt_proof)

    def run() -> None:
        for key, message, signature in signed:
            key.verify(message, signature)
        for node in nodes:
            keccak256(node)
        for leaf in leaves:
            sha256(leaf).digest()
        for _ in range(pairs):
            sha256(bytes(65)).digest()

    return run


def _best_ms(act: Callable[[], object]) -> float:
    """The quickest of many: whatever else runs on the machine can only add to it."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return min(times)
