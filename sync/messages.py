"""What stands in the frames, as values. Each is parsed once here and trusted after; what is not right is `Invalid`.

Signatures: Ed25519 over "tallyman/frame/v1\\n" ‖ decimal type ‖ "\\n" ‖ context ‖ "\\n" ‖ the payload's map without
its `sig`. What a node says is bound to its origin, beside the HELLO to that HELLO's nonce; what the hub answers is
bound to the SHA-256 of the HELLO it answers. So nothing said once can be said again to someone else, or later.

Maps may hold names that this program does not know: they are covered by the signature and otherwise ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid
from ledger.keys import SigningKey, VerifyKey
from sync import fields, frames
from sync.frames import Frame

STREAMS = (
    "catalogue", "users", "locations", "transfers", "receipts", "control", "policy", "sites", "orders", "deliveries",
    "decisions",
)  # fmt: skip

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

TRIED_MAX = 32
NONCE_BYTES = 16
LEASE_BYTES_MAX = 64
TEXT_MAX = fields.TEXT_MAX

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
        body = fields.mapping(cbor_decode(raw, depth_max=4), "HELLO")
        hello = Hello(
            origin=fields.origin(body),
            nonce=fields.byte_string(body, "nonce", NONCE_BYTES),
            lease=fields.byte_string(body, "lease", 0, LEASE_BYTES_MAX),
            size=fields.uint(body, "size"),
            head=fields.byte_string(body, "head", 0, 32),
            proto=fields.uint(body, "proto"),
            min_proto=fields.uint(body, "min_proto"),
            version=fields.text(body, "version"),
            tried=tuple(fields.byte_strings(body, "tried", 16, TRIED_MAX)),
            challenge=fields.byte_string(body, "challenge", 0, 64),
            cosigned=fields.uint(body, "cosigned"),
            down={name: fields.cursor(value) for name, value in fields.named(body, "down", 32)},
            manifest=fields.uint(body, "manifest"),
            backlog={name: fields.whole(value, "backlog") for name, value in fields.named(body, "backlog", 16)},
            device=fields.text(body, "device"),
            at_ms=fields.uint(body, "at_ms"),
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
        body = fields.mapping(frame.body(frames.PACKED_BYTES_MAX), "HEAD")
        return cls(fields.uint(body, "old_size"), fields.byte_string(body, "note", 1, 4096))


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
            code=fields.text(body, "code"),
            origin=fields.text(body, "origin"),
            next=fields.uint(body, "next"),
            head_hash=fields.byte_string(body, "head_hash", 0, 32),
            cosigned_size=fields.uint(body, "cosigned_size"),
            logged_size=fields.uint(body, "logged_size"),
            anchored_size=fields.uint(body, "anchored_size"),
            lease=fields.byte_string(body, "lease", 0, LEASE_BYTES_MAX),
            challenge=fields.byte_string(body, "challenge", 0, 64),
            budget=fields.uint(body, "budget"),
            next_sync_after_s=fields.uint(body, "next_sync_after_s"),
            hub_time_ms=fields.uint(body, "hub_time_ms"),
            more=body.get("more") is True,
            message=fields.text(body, "message"),
            proto=fields.uint(body, "proto"),
            min_proto=fields.uint(body, "min_proto"),
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
        body = fields.mapping(frame.body(frames.PACKED_BYTES_MAX), "COSIG")
        return cls(fields.uint(body, "size"), fields.byte_string(body, "note", 1, 4096))


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
            fields.text(body, "stream"),
            fields.uint(body, "generation"),
            fields.uint(body, "from"),
            fields.uint(body, "to"),
            reset,
            tuple(fields.operation(item) for item in fields.items(body, "ops")),
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
        streams = {name: fields.cursor(value) for name, value in fields.named(body, "streams", 64)}
        return cls(fields.uint(body, "version"), fields.uint(body, "expires_ms"), streams)


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
        return cls(fields.text(body, "kind"), fields.text(body, "op_id"), fields.mapping(body.get("body"), "ADVICE"))


def health_frame(body: Mapping[str, Any], context: bytes, key: SigningKey) -> Frame:
    """What the node says about itself, signed."""
    return signed(frames.HEALTH, context, {"body": dict(body)}, key, skippable=True)


def read_health(frame: Frame, context: bytes, key: VerifyKey) -> Mapping[str, Any]:
    """The inverse of `health_frame`; Invalid unless signed by `key` for this bundle."""
    return fields.mapping(verified(frame, context, key, "HEALTH").get("body"), "HEALTH")


# --- signatures ------------------------------------------------------------------------------------------------


def signed(kind: int, context: bytes, body: Mapping[str, Any], key: SigningKey, *, skippable: bool = False) -> Frame:
    """A frame of type `kind` whose map carries `key`'s signature over itself and `context`."""
    signature = key.sign(_signing_bytes(kind, context, body))
    return frames.make(kind, {**body, "sig": signature}, skippable=skippable)


def verified(frame: Frame, context: bytes, key: VerifyKey, what: str) -> Mapping[str, Any]:
    """The map of a signed frame; Invalid unless `key` signed it for `context`."""
    body = fields.mapping(frame.body(), what)
    check_signature(frame.type, context, body, key)
    return body


def check_signature(kind: int, context: bytes, body: Mapping[str, Any], key: VerifyKey) -> None:
    """Invalid unless the map's `sig` is by `key` over the rest of the map and `context`."""
    signature = fields.byte_string(body, "sig", 64)
    rest = {name: value for name, value in body.items() if name != "sig"}
    key.verify(_signing_bytes(kind, context, rest), signature)


def _signing_bytes(kind: int, context: bytes, body: Mapping[str, Any]) -> bytes:
    return f"tallyman/frame/v1\n{kind}\n".encode() + context + b"\n" + cbor_encode(body)
