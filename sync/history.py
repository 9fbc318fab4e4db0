"""Blocks of earlier incarnations, asked for by the node that goes on from them.

    request   CBOR {origin, of, branch, start, sig}: `origin`'s node asks for `of`, an earlier chain of its site
    answer    CBOR {certificate, size, blocks}: the certificate of `of`, how many blocks there are, some from `start`

Without `branch` they are the blocks of the chain up to the one that was continued; with it those of any other branch
that the hub has seen, in no particular order: their operations are real acts too. A block is deflated CBOR, as
`Block.encode` writes it. Blocks and certificates speak for themselves, so the answer is not signed; the same question
always gets the same answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger.block import BLOCK_BYTES_MAX, Block
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid, Rejected, Unavailable
from ledger.keys import SigningKey, VerifyKey
from sync import fields
from sync.client import HISTORY_MEDIA_TYPE, HISTORY_PATH, PROBLEM_MEDIA_TYPE, Answer, Transport
from sync.enrolment import MESSAGE_BYTES_MAX, Certificate

ANSWER_BYTES = 256 * 1024
_INFLATED_BYTES_MAX = BLOCK_BYTES_MAX + 64 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What a node asks; `start` counts blocks."""

    origin: str
    of: str
    branch: bool
    start: int
    body: Mapping[str, Any]

    @classmethod
    def read(cls, raw: bytes) -> Question:
        """Well-formed; its signature is still to be checked by `verify`."""
        body = fields.mapping(cbor_decode(raw, size_bytes_max=MESSAGE_BYTES_MAX, depth_max=1), "the question")
        named = {"origin": body.get("of")}
        return cls(
            fields.origin(body), fields.origin(named), body.get("branch") is True, fields.uint(body, "start"), body
        )

    def verify(self, key: VerifyKey) -> None:
        """Invalid unless `key` asks this."""
        key.verify(_signing_bytes(self.body), fields.byte_string(self.body, "sig", 64))


def ask(key: SigningKey, origin: str, of: str, start: int, *, branch: bool) -> bytes:
    """The request of `origin`'s node."""
    body = {"origin": origin, "of": of, "branch": branch, "start": start}
    return cbor_encode({**body, "sig": key.sign(_signing_bytes(body))})


def make_answer(certificate: bytes, size: int, blocks: Iterator[bytes]) -> bytes:
    """The answer with as many of the encoded `blocks` as fit, at least one."""
    packed: list[bytes] = []
    room = ANSWER_BYTES
    for raw in blocks:
        packed.append(zlib.compress(raw, 9))
        room -= len(packed[-1])
        if room <= 0:
            break
    return cbor_encode({"certificate": certificate, "size": size, "blocks": packed})


def read_answer(raw: bytes) -> tuple[Certificate, int, list[Block]]:
    """The certificate of the chain that was asked for, how many blocks there are, and some of them, unjudged."""
    body = fields.mapping(cbor_decode(raw, depth_max=2), "the history")
    packed = fields.items(body, "blocks")
    certificate = Certificate.decode(fields.byte_string(body, "certificate", 1, MESSAGE_BYTES_MAX))
    return certificate, fields.uint(body, "size"), [Block.decode(_inflated(each)) for each in packed]


def fetch(
    transport: Transport, key: SigningKey, origin: str, of: str, start: int, *, branch: bool
) -> Iterator[tuple[Certificate, int, Sequence[Block]]]:
    """Ask until there is no more, from `start` on; one item an answer, at least one.

    Raises Unavailable when the hub cannot be reached, Rejected when it refuses.
    """
    while True:
        answer = transport.post(HISTORY_PATH, ask(key, origin, of, start, branch=branch), HISTORY_MEDIA_TYPE)
        if answer.status != 200 or answer.media_type != HISTORY_MEDIA_TYPE:
            raise _refusal(answer)
        certificate, size, blocks = read_answer(answer.body)
        if certificate.origin != of:
            raise Invalid(f"the hub answers with blocks of {certificate.origin}: {of} was asked for")
        yield certificate, size, blocks
        start += len(blocks)
        if start >= size or not blocks:
            return


def _refusal(answer: Answer) -> Exception:
    words = f"the hub does not give the site's earlier blocks: it answers {answer.status}"
    busy = answer.status in (429, 503) or answer.media_type != PROBLEM_MEDIA_TYPE
    return Unavailable(words) if busy else Rejected(words)


def _inflated(value: object) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(value, _INFLATED_BYTES_MAX)  # type: ignore[arg-type]
    except (zlib.error, TypeError) as error:
        raise Invalid(f"a block in the history cannot be unpacked: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise Invalid("a block in the history is cut short or too long")
    return raw


def _signing_bytes(body: Mapping[str, Any]) -> bytes:
    said = {name: value for name, value in body.items() if name != "sig"}
    return b"tallyman/history/v1\n" + sha256(cbor_encode(said)).digest()
