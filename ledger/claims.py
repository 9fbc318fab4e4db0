"""Acts that were acknowledged and that the rules refuse since, noted by their site so that they are not lost.

A node that goes on as a later incarnation records its missing operations again. One that the contracts then refuse
becomes a note of kind "claim" by the node itself. Its subject is the operation's id; its document is deterministic
CBOR {1: call data, deflated, 2: the operation's own document, 3: the refusal in words, 4: when it was recorded (ms)}.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from ledger.codec import cbor_decode, cbor_encode
from ledger.documents import SIZE_BYTES_MAX
from ledger.errors import Invalid
from ledger.ids import OpId

CLAIM = "claim"
DATA_BYTES_MAX = 1 << 20
REASON_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Claim:
    """One such act. `document` is left out where it would not fit."""

    data: bytes
    document: bytes
    reason: str
    recorded_at_ms: int

    def encode(self) -> bytes:
        """The document of the note."""
        fields = {1: zlib.compress(self.data, 9), 2: self.document, 3: self.reason[:REASON_CHARS_MAX]}
        raw = cbor_encode({**fields, 4: self.recorded_at_ms})
        return raw if len(raw) <= SIZE_BYTES_MAX else cbor_encode({**fields, 2: b"", 4: self.recorded_at_ms})

    @classmethod
    def decode(cls, raw: bytes) -> Claim:
        """The inverse of `encode`; Invalid for anything else."""
        fields = cbor_decode(raw, size_bytes_max=SIZE_BYTES_MAX, depth_max=1)
        try:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(fields[1], DATA_BYTES_MAX)
            claim = cls(data, bytes(fields[2]), str(fields[3]), int(fields[4]))
        except (zlib.error, TypeError, KeyError, ValueError) as error:
            raise Invalid(f"this is not the document of a claim: {error}") from error
        if not unpacker.eof:
            raise Invalid("the call of a claim is too long")
        return claim


def note_op_id(origin: str, op_id: OpId) -> OpId:
    """The operation that notes the claim about `op_id` in `origin`: one, however often it is tried."""
    return OpId(hashlib.sha256(b"tallyman/claim/v1\n" + origin.encode() + b"\n" + op_id.raw).digest()[:16])
