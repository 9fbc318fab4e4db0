"""At the door: whose HELLO is this, may it come in, and is it the one machine that holds the lease?"""

from __future__ import annotations

from dataclasses import dataclass

from hub import blocks, forks
from hub.blocks import Held
from hub.leases import Leases, Ratchet, Verdict
from hub.store import Session, Store
from ledger.clock import Clock
from ledger.codec import cbor_encode
from ledger.errors import Invalid
from ledger.keys import SigningKey, VerifyKey
from ledger.seams import failpoint
from sync import frames, messages
from sync.messages import Cosignature, Greeting, Hello


class Stop(Exception):
    """This bundle ends here, with a code and a plain reason. What was committed before stays."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Visit:
    """One exchange with a node whose HELLO is genuine."""

    greeting: Greeting
    key: VerifyKey
    held: Held
    # Why the chain goes on no more; empty while it does. Such a node only delivers evidence.
    ended: str = ""
    lease: bytes = b""
    restored: bool = False
    cosignature: Cosignature | None = None

    @property
    def hello(self) -> Hello:
        return self.greeting.hello


@dataclass(frozen=True, slots=True)
class Door:
    """Judges who calls. `key` is the hub's own, from which the secret of the leases follows."""

    store: Store
    key: SigningKey
    control_address: bytes
    clock: Clock

    def admit(self, greeting: Greeting) -> Visit:
        """Who is this? Changes nothing."""
        hello = greeting.hello
        with self.store.read() as session:
            held = blocks.held(session, hello.origin, self.control_address)
            if held is None:
                raise Stop(messages.UNKNOWN_ORIGIN, f"{hello.origin} is not enrolled at this hub")
            key = _speaker(session, hello.origin)
        try:
            greeting.verify(key)
        except Invalid as error:
            raise Stop(messages.BAD_SIGNATURE, f"the HELLO is not signed by the key of {hello.origin}") from error
        if hello.min_proto > frames.PROTOCOL:
            raise Stop(
                messages.UPGRADE_HUB,
                f"this node speaks protocol {hello.min_proto} and newer, the hub {frames.PROTOCOL}: upgrade the hub",
            )
        if hello.proto < frames.PROTOCOL_MIN:
            raise Stop(
                messages.UPGRADE_NODE,
                f"this node speaks protocol {hello.proto}, the hub {frames.PROTOCOL_MIN} and newer: upgrade the node",
            )
        if held.state == blocks.REVOKED:
            raise Stop(messages.REVOKED, f"{hello.origin} is revoked: {held.state_reason}")
        ended = ""
        if held.state == blocks.RETIRED:
            ended = (
                f"{held.origin} has ended, {held.state_reason}. What only this disk has is in no book until it is "
                "enrolled again"
            )
        return Visit(greeting, key, held, ended)

    def check_lease(self, visit: Visit) -> None:
        """Is it the one machine? Moves the ratchet on, or freezes the chain."""
        held, hello, now_ms = visit.held, visit.hello, self.clock.now_ms()
        with self.store.write(held.origin) as session:
            issued = session.all(
                "SELECT lease FROM leases WHERE origin = :origin ORDER BY issued_ms, lease", origin=held.origin
            )
            ratchet = Ratchet(held.lease_prev, tuple(bytes(row["lease"]) for row in issued))
            found = Leases(self.key, held.origin).judge(
                ratchet, hello.lease, hello.tried, visit.greeting.digest, hello.challenge
            )
            if held.state == blocks.CLONE_SUSPECT or found.verdict is Verdict.CLONE:
                body = cbor_encode(dict(visit.greeting.body))
                forks.report_clone(session, held, hello.lease, body, now_ms)
            elif found.verdict is not Verdict.CHECK:
                _store_ratchet(session, held.origin, ratchet, found.ratchet, now_ms)
                visit.lease = found.lease
                visit.restored = found.verdict is Verdict.RESTORED
            frozen = blocks.held(session, held.origin, self.control_address)
        failpoint("hub.lease_moved")
        if frozen is not None and frozen.state == blocks.CLONE_SUSPECT:
            raise Stop(messages.CLONE_SUSPECT, frozen.state_reason)
        if found.verdict is Verdict.CLONE:
            raise Stop(messages.CLONE_SUSPECT, "another machine speaks with this node's keys")
        if found.verdict is Verdict.CHECK:
            raise Stop(messages.CHECK_LEASE, found.challenge.hex())


def readmit(session: Session, origin: str, lease: bytes) -> None:
    """An administrator has decided: the machine that holds `lease` goes on, every other one stays out."""
    session.run("DELETE FROM leases WHERE origin = :origin", origin=origin)
    session.run(
        "UPDATE origins SET state = :state, state_reason = '', lease_prev = :lease, version = version + 1"
        " WHERE origin = :origin AND state = :frozen",
        state=blocks.ACTIVE,
        lease=lease,
        origin=origin,
        frozen=blocks.CLONE_SUSPECT,
    )


def _speaker(session: Session, origin: str) -> VerifyKey:
    raw = session.value("SELECT block_key FROM nodes WHERE origin = :origin ORDER BY key_number DESC", origin=origin)
    return VerifyKey(bytes(raw))


def _store_ratchet(session: Session, origin: str, before: Ratchet, after: Ratchet, now_ms: int) -> None:
    if after.prev != before.prev:
        session.run(
            "UPDATE origins SET lease_prev = :lease, version = version + 1 WHERE origin = :origin",
            lease=after.prev,
            origin=origin,
        )
    for lease in set(before.issued) - set(after.issued):
        session.run("DELETE FROM leases WHERE origin = :origin AND lease = :lease", origin=origin, lease=lease)
    for lease in after.issued:
        if lease not in before.issued:
            session.run("INSERT INTO leases VALUES (:origin, :lease, :now)", origin=origin, lease=lease, now=now_ms)
