"""The lease ratchet: how two machines with one node's keys are told apart before their blocks differ.

Every answer carries a fresh lease, and the next request must show it. The hub remembers `prev`, the lease that was
shown last, and the leases it has answered that one with. Whoever first shows one of these moves the ratchet on, and
its siblings die. A node whose answer was lost shows `prev` again and names the earlier requests it made with it, so
that an answer given to somebody else stands out at once.

A lease that is dead or unexplained proves nothing yet: a request held up by the network looks the same, but nobody
waits for its answer any more. So the hub asks the question once (a challenge bound to that very lease); only a live
second holder can bring the answer back.

A lease is 6 bytes of counter, 8 bytes from the request it answered, 12 bytes of a keyed hash. The same request gets
the same lease, so that a repeated one adds nothing. A genuine lease above every counter we know was given before the
hub's database was put back from a backup, and is taken up again.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from ledger.keys import SigningKey
from sync.messages import TRIED_MAX

LEASE_BYTES = 26
ISSUED_MAX = 256


class Verdict(Enum):
    """What a shown lease means."""

    GOOD = "good"
    RESTORED = "restored"  # good, and newer than anything this database remembers
    CHECK = "check"  # ask for the challenge
    CLONE = "clone"  # a second holder is alive


@dataclass(frozen=True, slots=True)
class Ratchet:
    """What the hub keeps for a chain: the lease shown last (none before the first contact), and its answers."""

    prev: bytes
    issued: tuple[bytes, ...]

    @property
    def counter(self) -> int:
        """The highest counter given out, as far as this database knows."""
        return max((_counter(lease) for lease in (self.prev, *self.issued)), default=0)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, the ratchet after it, and what to answer with."""

    verdict: Verdict
    ratchet: Ratchet
    lease: bytes = b""
    challenge: bytes = b""


class Leases:
    """Gives and judges leases of one chain. The secret follows from the hub's own key, so a backup cannot lose it."""

    def __init__(self, key: SigningKey, origin: str) -> None:
        self._secret = sha256(key.sign(b"tallyman/lease/v1\n" + origin.encode())).digest()

    def judge(
        self, ratchet: Ratchet, shown: bytes, tried: tuple[bytes, ...], digest: bytes, challenge: bytes
    ) -> Judgement:
        """Judge a request with hash `digest` that shows lease `shown`.

        `tried` are the first 16 bytes of the hashes of its earlier requests with that lease; `challenge` is what it
        answers to an earlier question.
        """
        if shown == ratchet.prev:
            if self._explained(ratchet, tried, digest):
                lease = self._given(ratchet, digest)
                issued = ratchet.issued if lease in ratchet.issued else (*ratchet.issued, lease)[-ISSUED_MAX:]
                return Judgement(Verdict.GOOD, Ratchet(shown, issued), lease)
        elif shown in ratchet.issued:
            lease = self._make(ratchet.counter + 1, digest)
            return Judgement(Verdict.GOOD, Ratchet(shown, (lease,)), lease)
        elif self._genuine(shown) and _counter(shown) > ratchet.counter:
            lease = self._make(_counter(shown) + 1, digest)
            return Judgement(Verdict.RESTORED, Ratchet(shown, (lease,)), lease)
        question = self._keyed(b"challenge", shown, ratchet.prev)[:16]
        if hmac.compare_digest(challenge, question):
            return Judgement(Verdict.CLONE, ratchet)
        return Judgement(Verdict.CHECK, ratchet, challenge=question)

    def _explained(self, ratchet: Ratchet, tried: tuple[bytes, ...], digest: bytes) -> bool:
        """Whether every answer given to `prev` was given to a request that this node says it made."""
        if len(tried) >= TRIED_MAX:
            # The node's list is full and may have lost its beginning; the ratchet alone decides then, one step later.
            return True
        own = {_part(seen) for seen in (*tried, digest[:16])}
        return all(_part_of(lease) in own for lease in ratchet.issued)

    def _given(self, ratchet: Ratchet, digest: bytes) -> bytes:
        for lease in ratchet.issued:
            if _part_of(lease) == _part(digest[:16]):
                return lease
        return self._make(ratchet.counter + 1, digest)

    def _make(self, counter: int, digest: bytes) -> bytes:
        body = counter.to_bytes(6, "big") + _part(digest[:16])
        return body + self._keyed(b"lease", body)[:12]

    def _genuine(self, lease: bytes) -> bool:
        return len(lease) == LEASE_BYTES and hmac.compare_digest(lease[14:], self._keyed(b"lease", lease[:14])[:12])

    def _keyed(self, purpose: bytes, *parts: bytes) -> bytes:
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose, *parts))
        return hmac.new(self._secret, message, sha256).digest()


def _counter(lease: bytes) -> int:
    return int.from_bytes(lease[:6], "big") if len(lease) == LEASE_BYTES else 0


def _part(seen: bytes) -> bytes:
    return sha256(seen).digest()[:8]


def _part_of(lease: bytes) -> bytes:
    return lease[6:14]
