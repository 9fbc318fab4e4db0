"""What stands in the frames, as values. Each is parsed once here and trusted after; what is not right is `Invalid`.

Signatures: Ed25519 over "tallyman/frame/v1\\n" ‖ decimal type ‖ "\\n" ‖ context ‖ "\\n" ‖ the payload's map without
its `sig`. What a node says is bound to its origin, beside the HELLO to that HELLO's nonce; what the hub answers is
bound to the SHA-256 of the HELLO it answers. So nothing said once can be said again to someone else, or later.

Maps may hold names that this program does not know: they are covered by the signature and otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.keys import SigningKey, VerifyKey
from sync import frames
from sync.frames import Frame

STREAMS = ("catalogue", "users", "locations", "transfers", "receipts", "control", "policy")

# Status codes. What each means to a node stands in `sync.cycle`.
OK = "OK"
PARTIAL = "PARTIAL"
NOT_NEXT = "NOT_NEXT"
BEHIND = "BEHIND"
FORKED = "FORKED"
CHECK_LEASE = "CHECK_LEASE"
CLONE_SUSPECT = "CLONE_SUSPECT"
STALE_INCARNATION = "STALE_INCARNATION"
HEAD_MISMATCH = "HEAD_MISMATCH"
BAD_BLOCK = "BAD_BLOCK"
REVOKED = "REVOKED"
UNKNOWN_ORIGIN = "UNKNOWN_ORIGIN"
BAD_SIGNATURE = "BAD_SIGNATURE"
QUARANTINED = "QUARANTINED"
RECOVERING = "RECOVERING"
UPGRADE_HUB = "UPGRADE_HUB"
UPGRADE_NODE = "UPGRADE_NODE"
BUSY = "BUSY"

BLOCKS_PER_FRAME_MAX = 256
# About 14 kB packed, two seconds of a 64 kbit/s link: what a cut loses. Twice as much would save 3 % of the bytes.
RAW_BYTES_PER_FRAME = 32 * 1024
PART_BYTES = 60 * 1024
PARTS_MAX = 64
TRIED_MAX = 32
NONCE_BYTES = 16
LEASE_BYTES_MAX = 64
TEXT_MAX = 500
_NUMBER_END = 2**63

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """How a node begins: who it is, where it stands, and the lease of its last answer.

    `size` blocks end in the hash `head` (32 bytes, or none for an empty chain); `cosigned` is the largest size the
    hub acknowledged. `tried`: for each earlier request with this same lease the first 16 bytes of its HELLO's hash,
    whether or not it arrived. `down`: the node's cursor (generation, sequence) in each stream.
    """

    origin: str
    nonce: bytes
    lease: bytes
    size: int
    head: bytes
    proto: int = frames.PROTOCOL
    min_proto: int = frames.PROTOCOL_MIN
    version: str = ""
    tried: tuple[bytes, ...] = ()
    challenge: bytes = b""
    cosigned: int = 0
    down: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    manifest: int = 0
    backlog: Mapping[str, int] = field(default_factory=dict)
    device: str = ""
    at_ms: int = 0

    def frame(self, key: SigningKey) -> Frame:
        """The signed HELLO."""
        body = {
            "proto": self.proto,
            "min_proto": self.min_proto,
            "version": self.version,
            "origin": self.origin,
            "nonce": self.nonce,
            "lease": self.lease,
            "tried": list(self.tried),
            "challenge": self.challenge,
            "size": self.size,
            "head": self.head,
            "cosigned": self.cosigned,
            "down": {name: list(cursor) for name, cursor in self.down.items()},
            "manifest": self.manifest,
            "backlog": dict(self.backlog),
            "device": self.device,
            "at_ms": self.at_ms,
        }
        return signed(frames.HELLO, self.origin.encode(), body, key)


@dataclass(frozen=True, slots=True)
class Greeting:
    """A HELLO as it arrived: well-formed, its signature still to be checked with the key of `hello.origin`."""

    hello: Hello
    digest: bytes
    body: Mapping[str, Any]

    @classmethod
    def read(cls, frame: Frame) -> Greeting:
        raw = frame.unpacked(frames.PACKED_BYTES_MAX)
        body = _map(cbor_decode(raw, depth_max=4), "HELLO")
        hello = Hello(
            origin=_origin(body),
            nonce=_bytes(body, "nonce", NONCE_BYTES),
            lease=_bytes(body, "lease", 0, LEASE_BYTES_MAX),
            size=_uint(body, "size"),
            head=_bytes(body, "head", 0, 32),
            proto=_uint(body, "proto"),
            min_proto=_uint(body, "min_proto"),
            version=_text(body, "version"),
            tried=tuple(_each_bytes(body, "tried", 16, TRIED_MAX)),
            challenge=_bytes(body, "challenge", 0, 64),
            cosigned=_uint(body, "cosigned"),
            down={name: _cursor(value) for name, value in _texts(body, "down", 32)},
            manifest=_uint(body, "manifest"),
            backlog={name: _whole(value, "backlog") for name, value in _texts(body, "backlog", 16)},
            device=_text(body, "device"),
            at_ms=_uint(body, "at_ms"),
        )
        if len(hello.head) != (32 if hello.size else 0):
            raise Invalid(f"HELLO: a chain of {hello.size} blocks has a head of {len(hello.head)} bytes")
        return cls(hello, sha256(raw).digest(), body)

    def verify(self, key: VerifyKey) -> None:
        """Return if the HELLO is by `key`; raise `Invalid` otherwise."""
        check_signature(frames.HELLO, self.hello.origin.encode(), self.body, key)

    @property
    def context(self) -> bytes:
        """What the other signed frames of the same bundle are bound to."""
        return self.hello.origin.encode() + b"\n" + self.hello.nonce


@dataclass(frozen=True, slots=True)
class Head:
    """The node's signed checkpoint; `old_size` is what it believes the hub cosigned last."""

    old_size: int
    note: bytes

    def frame(self) -> Frame:
        return frames.make(frames.HEAD, {"old_size": self.old_size, "note": self.note})

    @classmethod
    def read(cls, frame: Frame) -> Head:
        body = _map(frame.body(frames.PACKED_BYTES_MAX), "HEAD")
        return cls(_uint(body, "old_size"), _bytes(body, "note", 1, 4096))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the hub answers: what it holds of this chain, what it thinks of it, and the lease for the next request.

    `next` blocks are held and end in `head_hash`; `cosigned_size`, `logged_size` and `anchored_size` are how far the
    later steps have come; `budget` is how many bytes the hub takes at once; `more`: there is more for the node.
    """

    code: str
    origin: str
    next: int = 0
    head_hash: bytes = b""
    cosigned_size: int = 0
    logged_size: int = 0
    anchored_size: int = 0
    lease: bytes = b""
    challenge: bytes = b""
    budget: int = 0
    next_sync_after_s: int = 0
    hub_time_ms: int = 0
    more: bool = False
    message: str = ""
    proto: int = frames.PROTOCOL
    min_proto: int = frames.PROTOCOL_MIN

    def frame(self, request: bytes, key: SigningKey) -> Frame:
        """The signed STATUS in answer to the HELLO with hash `request`."""
        body = {name: getattr(self, name) for name in self.__slots__}
        return signed(frames.STATUS, request, body, key)

    @classmethod
    def read(cls, frame: Frame, request: bytes, key: VerifyKey) -> Status:
        """Invalid unless this is the answer of `key` to that very request."""
        body = verified(frame, request, key, "STATUS")
        return cls(
            code=_text(body, "code"),
            origin=_text(body, "origin"),
            next=_uint(body, "next"),
            head_hash=_bytes(body, "head_hash", 0, 32),
            cosigned_size=_uint(body, "cosigned_size"),
            logged_size=_uint(body, "logged_size"),
            anchored_size=_uint(body, "anchored_size"),
            lease=_bytes(body, "lease", 0, LEASE_BYTES_MAX),
            challenge=_bytes(body, "challenge", 0, 64),
            budget=_uint(body, "budget"),
            next_sync_after_s=_uint(body, "next_sync_after_s"),
            hub_time_ms=_uint(body, "hub_time_ms"),
            more=body.get("more") is True,
            message=_text(body, "message"),
            proto=_uint(body, "proto"),
            min_proto=_uint(body, "min_proto"),
        )


@dataclass(frozen=True, slots=True)
class Cosignature:
    """The hub's acknowledgement: the site's own note with the hub's cosignature as its last line."""

    size: int
    note: bytes

    def frame(self) -> Frame:
        return frames.make(frames.COSIGNATURE, {"size": self.size, "note": self.note})

    @classmethod
    def read(cls, frame: Frame) -> Cosignature:
        body = _map(frame.body(frames.PACKED_BYTES_MAX), "COSIG")
        return cls(_uint(body, "size"), _bytes(body, "note", 1, 4096))


@dataclass(frozen=True, slots=True)
class Delta:
    """A step of one stream: `operations` are (key, value), or (key, None) for a key that is gone.

    It leads a node that stands at `start` to `end` in `generation`. With `reset` the node drops what it has first.
    """

    stream: str
    generation: int
    start: int
    end: int
    reset: bool
    operations: tuple[tuple[str, Any], ...]

    def frame(self, request: bytes, key: SigningKey) -> Frame:
        """The signed DOWN; `Rejected` if the operations do not fit one frame."""
        ops = [[0, name] if value is None else [1, name, value] for name, value in self.operations]
        body = {
            "stream": self.stream,
            "generation": self.generation,
            "from": self.start,
            "to": self.end,
            "reset": self.reset,
            "ops": ops,
        }
        return signed(frames.DOWN, request, body, key)

    @classmethod
    def read(cls, frame: Frame, request: bytes, key: VerifyKey) -> Delta:
        body = verified(frame, request, key, "DOWN")
        reset = body.get("reset")
        if not isinstance(reset, bool):
            raise Invalid("DOWN: reset is neither true nor false")
        delta = cls(
            _text(body, "stream"),
            _uint(body, "generation"),
            _uint(body, "from"),
            _uint(body, "to"),
            reset,
            tuple(_operation(item) for item in _list(body, "ops")),
        )
        if delta.end < delta.start or (delta.reset and delta.start):
            raise Invalid(f"DOWN: a step of {delta.stream} from {delta.start} to {delta.end} makes no sense")
        return delta


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where every stream of this site stands. The version never falls; by `expires_ms` a newer one should be here."""

    version: int
    expires_ms: int
    streams: Mapping[str, tuple[int, int]]

    def frame(self, request: bytes, key: SigningKey) -> Frame:
        body = {
            "version": self.version,
            "expires_ms": self.expires_ms,
            "streams": {name: list(cursor) for name, cursor in self.streams.items()},
        }
        return signed(frames.MANIFEST, request, body, key)

    @classmethod
    def read(cls, frame: Frame, request: bytes, key: VerifyKey) -> Manifest:
        body = verified(frame, request, key, "MANIFEST")
        streams = {name: _cursor(value) for name, value in _texts(body, "streams", 64)}
        return cls(_uint(body, "version"), _uint(body, "expires_ms"), streams)


@dataclass(frozen=True, slots=True)
class Advice:
    """A hint ahead of the blocks, such as a dispatch under way. It changes no stock picture."""

    kind: str
    op_id: str
    body: Mapping[str, Any]

    def frame(self, context: bytes, key: SigningKey) -> Frame:
        body = {"kind": self.kind, "op_id": self.op_id, "body": dict(self.body)}
        return signed(frames.ADVICE, context, body, key)

    @classmethod
    def read(cls, frame: Frame, context: bytes, key: VerifyKey) -> Advice:
        body = verified(frame, context, key, "ADVICE")
        return cls(_text(body, "kind"), _text(body, "op_id"), _map(body.get("body"), "ADVICE"))


def health_frame(body: Mapping[str, Any], context: bytes, key: SigningKey) -> Frame:
    """What the node says about itself, signed."""
    return signed(frames.HEALTH, context, {"body": dict(body)}, key, skippable=True)


def read_health(frame: Frame, context: bytes, key: VerifyKey) -> Mapping[str, Any]:
    """The inverse of `health_frame`; Invalid unless signed by `key` for this bundle."""
    return _map(verified(frame, context, key, "HEALTH").get("body"), "HEALTH")


# --- blocks ----------------------------------------------------------------------------------------------------


def pack_blocks(start: int, lean: Iterable[list[Any]], kind: int = frames.BLOCKS) -> Iterator[tuple[int, Frame]]:
    """Consecutive travelling blocks from height `start` as frames, each as full as pays off.

    With each frame comes the height up to which the blocks are complete by then. A block too large for one frame
    goes into several, which only count when they are all there.
    """
    batch: list[list[Any]] = []
    size = 0
    for value in lean:
        raw = len(cbor_encode(value))
        if batch and (size + raw > RAW_BYTES_PER_FRAME or len(batch) == BLOCKS_PER_FRAME_MAX):
            yield from _pack_batch(start, batch, kind)
            start, batch, size = start + len(batch), [], 0
        batch.append(value)
        size += raw
    if batch:
        yield from _pack_batch(start, batch, kind)


def unpack_blocks(found: Sequence[Frame]) -> Iterator[tuple[int, list[Any]] | Invalid]:
    """The other way, for the BLOCKS frames of one bundle in order: (start, travelling blocks) for each run.

    A frame that is not right gives its `Invalid` as a value: the frames after it are still good.
    """
    parts: list[bytes] = []
    expected: tuple[int, int, int] | None = None
    for frame in found:
        try:
            body = _map(frame.body(), "BLOCKS")
            start = _uint(body, "start")
            if "part" not in body:
                parts, expected = [], None
                yield start, _list(body, "blocks", BLOCKS_PER_FRAME_MAX)
                continue
            number, count = _pair(body.get("part"), "part")
            raw = _bytes(body, "raw", 1, frames.UNPACKED_BYTES_MAX)
            if not 0 <= number < count <= PARTS_MAX:
                raise Invalid(f"BLOCKS: part {number} of {count}")
            if number == 0:
                parts, expected = [], (start, 0, count)
            if expected != (start, number, count):
                parts, expected = [], None
                raise Invalid(f"BLOCKS: part {number} of the block at {start} comes without the one before it")
            parts.append(raw)
            expected = (start, number + 1, count)
            if sum(map(len, parts)) > frames.UNPACKED_BYTES_MAX:
                raise Invalid("BLOCKS: the parts of a block are too large together")
            if number + 1 == count:
                whole, parts, expected = b"".join(parts), [], None
                yield start, [cbor_decode(whole, size_bytes_max=frames.UNPACKED_BYTES_MAX)]
        except Invalid as error:
            yield error


def _pack_batch(start: int, batch: list[list[Any]], kind: int) -> Iterator[tuple[int, Frame]]:
    try:
        yield start + len(batch), frames.make(kind, {"start": start, "blocks": batch})
        return
    except Rejected:
        if len(batch) > 1:
            middle = len(batch) // 2
            yield from _pack_batch(start, batch[:middle], kind)
            yield from _pack_batch(start + middle, batch[middle:], kind)
            return
    raw = cbor_encode(batch[0])
    # Slices of this size fit even if nothing can be deflated.
    pieces = [raw[at : at + PART_BYTES] for at in range(0, len(raw), PART_BYTES)]
    for number, piece in enumerate(pieces):
        end = start + (number + 1 == len(pieces))
        yield end, frames.make(kind, {"start": start, "part": [number, len(pieces)], "raw": piece})


# --- signatures ------------------------------------------------------------------------------------------------


def signed(kind: int, context: bytes, body: Mapping[str, Any], key: SigningKey, *, skippable: bool = False) -> Frame:
    """A frame of type `kind` whose map carries `key`'s signature over itself and `context`."""
    signature = key.sign(_signing_bytes(kind, context, body))
    return frames.make(kind, {**body, "sig": signature}, skippable=skippable)


def verified(frame: Frame, context: bytes, key: VerifyKey, what: str) -> Mapping[str, Any]:
    """The map of a signed frame; Invalid unless `key` signed it for `context`."""
    body = _map(frame.body(), what)
    check_signature(frame.type, context, body, key)
    return body


def check_signature(kind: int, context: bytes, body: Mapping[str, Any], key: VerifyKey) -> None:
    """Invalid unless the map's `sig` is by `key` over the rest of the map and `context`."""
    signature = _bytes(body, "sig", 64)
    rest = {name: value for name, value in body.items() if name != "sig"}
    key.verify(_signing_bytes(kind, context, rest), signature)


def _signing_bytes(kind: int, context: bytes, body: Mapping[str, Any]) -> bytes:
    return f"tallyman/frame/v1\n{kind}\n".encode() + context + b"\n" + cbor_encode(body)


# --- reading maps ----------------------------------------------------------------------------------------------


def _map(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Invalid(f"{what} is not a map with names")
    return value


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < _NUMBER_END:
        raise Invalid(f"{name} is {value!r}: expected a whole number below 2^63")
    return value


def _uint(body: Mapping[str, Any], name: str) -> int:
    return _whole(body.get(name), name)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise Invalid(f"{name} is not a text of at most {TEXT_MAX} characters")
    return value


def _bytes(body: Mapping[str, Any], name: str, least: int, most: int | None = None) -> bytes:
    value = body.get(name)
    if not isinstance(value, bytes) or not least <= len(value) <= (least if most is None else most):
        raise Invalid(f"{name} is not a byte string of the right length")
    return value


def _list(body: Mapping[str, Any], name: str, most: int = 1 << 20) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise Invalid(f"{name} is not a list of at most {most}")
    return value


def _each_bytes(body: Mapping[str, Any], name: str, size: int, most: int) -> Iterator[bytes]:
    for item in _list(body, name, most):
        if not isinstance(item, bytes) or len(item) != size:
            raise Invalid(f"{name} holds something else than {size} bytes")
        yield item


def _texts(body: Mapping[str, Any], name: str, most: int) -> Iterator[tuple[str, Any]]:
    value = _map(body.get(name), name)
    if len(value) > most:
        raise Invalid(f"{name} has {len(value)} entries: at most {most}")
    return iter(value.items())


def _pair(value: Any, name: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise Invalid(f"{name} is not a pair of numbers")
    return _whole(value[0], name), _whole(value[1], name)


def _cursor(value: Any) -> tuple[int, int]:
    return _pair(value, "a stream's cursor")


def _operation(value: Any) -> tuple[str, Any]:
    if isinstance(value, list) and len(value) in (2, 3) and type(value[0]) is int and isinstance(value[1], str):
        if value[0] == 0 and len(value) == 2:
            return value[1], None
        if value[0] == 1 and len(value) == 3 and value[2] is not None:
            return value[1], value[2]
    raise Invalid("DOWN: an operation is neither [1, key, value] nor [0, key]")


def _origin(body: Mapping[str, Any]) -> str:
    try:
        return str(Origin.parse(body.get("origin")))
    except Rejected as error:
        raise Invalid(str(error)) from error
