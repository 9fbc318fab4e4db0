"""One sync cycle from the node's side: call, deliver, apply what comes back, and again while there is more.

`UplinkSource` is what the node is to this module. A cycle may be cut short anywhere: whatever was not answered is
said again next time, and said twice it does nothing.

What a status means to the node:

    OK, QUARANTINED            everything is held
    PARTIAL, NOT_NEXT          go on from the hub's `next`
    RECOVERING                 the same; the hub was put back from a backup and asks for what it had
    BEHIND                     the hub has more of our own blocks than we: take them, go on as the same chain
    FORKED                     two histories: sign nothing more, deliver our branch as evidence, wait for a person
    CHECK_LEASE                say HELLO again with the challenge
    CLONE_SUSPECT              two machines with our keys: sign nothing more until an administrator has decided
    STALE_INCARNATION          the site goes on as a later incarnation: deliver what only we have as evidence
    REVOKED, UNKNOWN_ORIGIN, BAD_SIGNATURE
                               we may not speak any more; keep everything, say so
    BAD_BLOCK, HEAD_MISMATCH   the hub cannot follow our blocks; keep everything, say so
    UPGRADE_HUB, UPGRADE_NODE  the programs do not fit; keep working, say so
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ledger.block import Block
from ledger.codec import json_loads
from ledger.errors import Invalid, LedgerError, Unavailable
from ledger.keys import SigningKey, VerifyKey
from ledger.seams import Random, failpoint
from sync import frames, lean, messages, packing
from sync.bundle import BUNDLE_BYTES_MAX, make_bundle, read_bundle
from sync.client import EXCHANGE_PATH, PROBLEM_MEDIA_TYPE, Answer, Transport
from sync.frames import MEDIA_TYPE, Frame
from sync.lean import Parent
from sync.messages import Advice, Cosignature, Delta, Greeting, Head, Hello, Manifest, Status

ROUNDS_MAX = 500
# HELLO, HEAD, HEALTH and the end frame, when blocks are fitted beside them.
RESERVED_BYTES = 4 * 1024
GOES_ON = frozenset({messages.OK, messages.PARTIAL, messages.NOT_NEXT, messages.RECOVERING, messages.BEHIND})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the node is, when a request is made.

    `cosigned` is the largest size whose acknowledgement the node keeps. `next` is how many blocks the hub holds and
    `hub_cosigned` how many it knows to have acknowledged, by its last answer; after a restore it may know less.
    """

    origin: str
    size: int
    head: bytes
    cosigned: int
    next: int
    hub_cosigned: int
    lease: bytes
    tried: tuple[bytes, ...] = ()
    down: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    manifest: int = 0
    backlog: Mapping[str, int] = field(default_factory=dict)
    version: str = ""
    device: str = ""
    now_ms: int = 0


class UplinkSource(Protocol):
    """The node, as a cycle needs it. Every `take_…` is durable when it returns and harmless when repeated."""

    @property
    def key(self) -> SigningKey:
        """The node's own key."""

    @property
    def hub_key(self) -> VerifyKey:
        """The hub's key, pinned at enrolment."""

    def standing(self) -> Standing:
        """Where the node is now."""

    def will_ask(self, request: bytes) -> None:
        """Remember, before it is sent, a request by the first 16 bytes of its HELLO's hash."""

    def blocks(self, start: int) -> Iterator[tuple[Block, Parent | None]]:
        """The node's blocks from height `start` on, each with its parent."""

    def head_note(self, size: int) -> bytes:
        """The signed checkpoint of the site log at `size`."""

    def advice(self) -> Sequence[Advice]:
        """Hints that should not wait for their blocks."""

    def health(self) -> Mapping[str, Any] | None:
        """What the node says about itself; None for nothing new."""

    def take_cosignature(self, acknowledgement: Cosignature) -> None:
        """Verify and keep the hub's acknowledgement; raises Invalid."""

    def take_manifest(self, manifest: Manifest) -> None:
        """Keep a manifest; raises Invalid when its version is lower than the one that is known."""

    def take_deltas(self, stream: str, deltas: Sequence[Delta]) -> None:
        """Apply consecutive steps of one stream together with the cursor; raises Invalid."""

    def take_own_blocks(self, start: int, travelling: Sequence[list[Any]]) -> None:
        """Blocks of our own that we have lost: link, execute and keep them; raises Invalid."""

    def take_status(self, status: Status) -> None:
        """What the hub thinks. Called last: a lease in it ends the list of tried requests."""


@dataclass(slots=True)
class CycleReport:
    """What a cycle did. `problems` are plain sentences about parts of answers that could not be used."""

    code: str = ""
    message: str = ""
    rounds: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    held: int = 0
    cosigned: int = 0
    next_sync_after_s: int = 0
    more: bool = False
    problems: list[str] = field(default_factory=list)


def run_cycle(
    source: UplinkSource,
    transport: Transport,
    random: Random,
    *,
    budget_bytes: int = BUNDLE_BYTES_MAX,
    rounds_max: int = ROUNDS_MAX,
) -> CycleReport:
    """Exchange with the hub until there is nothing more to say, or the hub says to stop.

    Raises `Unavailable` when the hub cannot be reached or does not answer as our hub would; what was exchanged in
    earlier rounds of the cycle stays.
    """
    report = CycleReport()
    challenge = b""
    first = True
    before: tuple[object, ...] = ()
    while report.rounds < rounds_max:
        standing = source.standing()
        hello = _hello(standing, random.bytes(messages.NONCE_BYTES), challenge)
        body, digest = make_request(source, standing, hello, budget_bytes, with_words=first)
        source.will_ask(digest[:16])
        failpoint("sync.before_send")
        answer = transport.post(EXCHANGE_PATH, body, MEDIA_TYPE)
        failpoint("sync.answered")
        report.rounds += 1
        report.sent_bytes += len(body)
        report.received_bytes += len(answer.body)
        status = apply_answer(source, answer, digest, report)
        budget_bytes = (
            min(budget_bytes, max(status.budget, frames.PACKED_BYTES_MAX)) if status.budget else budget_bytes
        )
        first = False
        if status.code == messages.CHECK_LEASE and not challenge:
            challenge = status.challenge
            continue
        challenge = b""
        after = source.standing()
        report.more = _is_more(status, after)
        now = (after.size, after.next, after.cosigned, after.hub_cosigned, dict(after.down), after.manifest)
        # A round that changed nothing would be repeated for ever.
        if not report.more or now == before:
            break
        before = now
    return report


def make_request(
    source: UplinkSource, standing: Standing, hello: Hello, budget_bytes: int, *, with_words: bool = True
) -> tuple[bytes, bytes]:
    """The bundle for a HELLO, filled lane by lane, and the HELLO's hash. `with_words`: with advice and health."""
    first = hello.frame(source.key)
    greeting = Greeting.read(first)
    wanted = [first]
    words = [advice.frame(greeting.context, source.key) for advice in source.advice()] if with_words else []
    room = budget_bytes - RESERVED_BYTES - sum(len(frame.payload) for frame in words)
    reached, carried = _fill(source, standing, room)
    if reached > min(standing.cosigned, standing.hub_cosigned):
        wanted.append(Head(standing.cosigned, source.head_note(reached)).frame())
    wanted += words
    wanted += carried
    health = source.health() if with_words else None
    if health is not None:
        wanted.append(messages.health_frame(health, greeting.context, source.key))
    return make_bundle(wanted, BUNDLE_BYTES_MAX), greeting.digest


def apply_answer(source: UplinkSource, answer: Answer, request: bytes, report: CycleReport) -> Status:
    """Use an answer as far as it is whole and ours. Raises `Unavailable` when it is not our hub's at all."""
    if answer.media_type == PROBLEM_MEDIA_TYPE:
        raise Unavailable(f"the hub refuses with {answer.status}: {_detail(answer.body)}")
    bundle = read_bundle(answer.body, frames.FROM_HUB)
    try:
        if not bundle.frames or bundle.frames[0].type != frames.STATUS:
            raise Invalid(bundle.dropped_because or "it does not begin with a status")
        status = Status.read(bundle.frames[0], request, source.hub_key)
    except Invalid as error:
        raise Unavailable(f"the answer is not from the hub this node is enrolled at: {error}") from error
    deltas: dict[str, list[Delta]] = {}
    own: list[Frame] = []
    for frame in bundle.frames[1:]:
        try:
            if frame.type == frames.COSIGNATURE:
                source.take_cosignature(Cosignature.read(frame))
            elif frame.type == frames.MANIFEST:
                source.take_manifest(Manifest.read(frame, request, source.hub_key))
            elif frame.type == frames.DOWN:
                delta = Delta.read(frame, request, source.hub_key)
                deltas.setdefault(delta.stream, []).append(delta)
            elif frame.type == frames.OWN_BLOCKS:
                own.append(frame)
        except Invalid as error:
            report.problems.append(str(error))
    _apply_streams(source, deltas, report)
    if status.code == messages.BEHIND:
        _apply_own_blocks(source, own, report)
    # Last of all: if we die before this, the next HELLO shows the old lease and names this request among the tried.
    source.take_status(status)
    failpoint("sync.applied")
    report.code, report.message = status.code, status.message
    report.held, report.cosigned = status.next, status.cosigned_size
    report.next_sync_after_s = status.next_sync_after_s
    return status


def _hello(standing: Standing, nonce: bytes, challenge: bytes) -> Hello:
    return Hello(
        origin=standing.origin,
        nonce=nonce,
        lease=standing.lease,
        tried=standing.tried,
        challenge=challenge,
        size=standing.size,
        head=standing.head,
        cosigned=standing.cosigned,
        down=standing.down,
        manifest=standing.manifest,
        backlog=standing.backlog,
        version=standing.version,
        device=standing.device,
        at_ms=max(standing.now_ms, 0),
    )


def _fill(source: UplinkSource, standing: Standing, room: int) -> tuple[int, list[Frame]]:
    """Frames of blocks that fit, at least one block; and the size of the chain up to which they lead."""
    reached = min(standing.next, standing.size)
    carried: list[Frame] = []
    # After a request without an answer the hub may hold more than we know: ask before sending all of it again.
    if standing.next >= standing.size or standing.tried:
        return reached, carried
    travelling = (
        lean.encode(block, parent)
        for _, (block, parent) in zip(range(standing.size - reached), source.blocks(reached), strict=False)
    )
    waiting: list[Frame] = []
    for end, frame in packing.pack_blocks(reached, travelling):
        waiting.append(frame)
        if end == reached:
            continue
        # Parts of one block go together or not at all: only whole blocks count at the other side.
        size = sum(len(part.payload) + 16 for part in waiting)
        if carried and size > room:
            break
        carried += waiting
        waiting, reached, room = [], end, room - size
        if room <= 0:
            break
    return reached, carried


def _is_more(status: Status, after: Standing) -> bool:
    if status.code in (messages.FORKED, messages.STALE_INCARNATION):
        return status.next < after.size
    if status.code not in GOES_ON:
        return False
    delivered = min(after.next, after.cosigned, after.hub_cosigned)
    return status.more or status.code == messages.BEHIND or delivered < after.size


def _apply_streams(source: UplinkSource, deltas: Mapping[str, Sequence[Delta]], report: CycleReport) -> None:
    for stream, steps in deltas.items():
        try:
            source.take_deltas(stream, steps)
        except Invalid as error:
            report.problems.append(f"{stream}: {error}")


def _apply_own_blocks(source: UplinkSource, own: Sequence[Frame], report: CycleReport) -> None:
    for run in packing.unpack_blocks(own):
        try:
            if isinstance(run, Invalid):
                raise run
            source.take_own_blocks(*run)
        except LedgerError as error:
            report.problems.append(f"our own blocks back: {error}")
            return


def _detail(body: bytes) -> str:
    """The sentence in a problem answer, if there is one."""
    try:
        found = json_loads(body)
    except Invalid:
        return "no reason was given"
    detail = found.get("detail") if isinstance(found, dict) else None
    return detail[:300] if isinstance(detail, str) else "no reason was given"
