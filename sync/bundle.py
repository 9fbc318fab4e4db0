"""A bundle: frames in a row, ended by a frame that counts and hashes them. The same bytes by HTTPS, file or relay.

Any beginning of a bundle is useful. A cut one gives the frames that are whole; the half one at its end is dropped and
the sender learns from the answer where to go on. Making and reading are pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import Invalid
from sync import frames
from sync.frames import Frame

BUNDLE_BYTES_MAX = 4 * 1024 * 1024
FRAMES_MAX = 4096
# All frames of a bundle together, unpacked: 64 KiB of deflate can announce 4 MiB, and there may be many.
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
END_BYTES = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be read, and why. The others are not touched by it."""

    index: int
    type: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was found in the bytes.

    `complete` says that the end frame is there and fits; `dropped_bytes` is the length of a half or unreadable tail.
    """

    frames: tuple[Frame, ...]
    failures: tuple[Failure, ...]
    complete: bool
    dropped_bytes: int = 0
    dropped_because: str = ""


def make_bundle(wanted: Iterable[Frame], budget_bytes: int, *, end: int = frames.END) -> bytes:
    """The frames in the given order (the order of the lanes) as far as they fit, and the end frame.

    A frame that does not fit ends the bundle, so that nothing overtakes: what follows may depend on it. The first one
    always travels, because without it nobody can answer.
    """
    parts: list[bytes] = []
    size = 0
    for frame in wanted:
        encoded = frame.encode()
        if parts and size + len(encoded) + END_BYTES > budget_bytes:
            break
        parts.append(encoded)
        size += len(encoded)
    body = b"".join(parts)
    return body + frames.make(end, {"frames": len(parts), "sha256": sha256(body).digest()}).encode()


def read_bundle(data: bytes, known: frozenset[int]) -> Bundle:
    """Every whole frame of `data` whose type is in `known`, in order, without the end frame.

    Nothing is raised: bytes that are no bundle at all give an empty one. A frame of an unknown type is ignored if it
    says that it may be, otherwise it is a failure; neither touches the frames around it.
    """
    found: list[Frame] = []
    failures: list[Failure] = []
    at = index = 0
    because = ""
    try:
        if len(data) > BUNDLE_BYTES_MAX:
            raise Invalid(f"a bundle of {len(data)} bytes: at most {BUNDLE_BYTES_MAX} are accepted")
        while (step := frames.read(data, at)) is not None:
            if index == FRAMES_MAX:
                raise Invalid(f"a bundle has more than {FRAMES_MAX} frames")
            frame, end = step
            if frame.type in (frames.END, frames.DOWN_END) and frame.type in known:
                complete = _fits(frame, index, data[:at])
                return Bundle(tuple(found), tuple(failures), complete, len(data) - end, "")
            if frame.type in known:
                found.append(frame)
            elif not frame.skippable:
                failures.append(Failure(index, frame.type, f"frame type 0x{frame.type:02x} is not known here"))
            at, index = end, index + 1
    except Invalid as error:
        because = str(error)
    return Bundle(tuple(found), tuple(failures), False, len(data) - at, because)


def _fits(end: Frame, count: int, before: bytes) -> bool:
    try:
        return bool(end.body(256) == {"frames": count, "sha256": sha256(before).digest()})
    except Invalid:
        return False
