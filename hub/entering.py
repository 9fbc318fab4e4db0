"""What people enter at the hub: catalogue, places, people, policies, orders. Each is one transaction, and wakes the
jobs that tell the sites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hub import announcing, approvers, approving, catalogue, controls, fleet, people, policies, sampling
from hub.announcing import Announced
from hub.catalogue import Imported
from hub.founding import HubKeys
from hub.heads import Heads
from hub.limits import NONCES_MAX
from hub.people import Added
from hub.store import Store
from ledger import control
from ledger.clock import Clock
from ledger.errors import Rejected
from ledger.plans import NONCE
from ledger.seams import Random


class Entering:
    """The part of a hub that takes in what people enter."""

    store: Store
    keys: HubKeys
    heads: Heads
    clock: Clock
    random: Random
    wake: Callable[[], None]

    def import_items(self, raw: bytes, *, dry_run: bool = False) -> Imported:
        """Take over a catalogue file, all or nothing."""
        result = catalogue.import_items(self.store, raw, self.clock.now_ms(), dry_run=dry_run)
        self.wake()
        return result

    def add_locations(
        self, site: str, codes: Iterable[str], kind: str = "bin", parent: str = "", name: str = ""
    ) -> None:
        """Add or change locations of a site, all of them or none."""
        with self.store.write() as session:
            for code in codes:
                catalogue.put_location(session, site, code, kind, parent, name, now_ms=self.clock.now_ms())
        self.wake()

    def add_person(
        self,
        site: str,
        login: str,
        name: str,
        roles: Iterable[str],
        *,
        badge: str = "",
        valid_until_s: int = 0,
        new_key: bool = False,
    ) -> Added:
        """Give a person roles at a site; the answer's activation code is shown once."""
        with self.store.write() as session:
            added = people.add_person(
                session,
                site,
                login,
                name,
                roles,
                self.random,
                now_ms=self.clock.now_ms(),
                badge=badge,
                valid_until_s=valid_until_s,
                new_key=new_key,
            )
        self.wake()
        return added

    def revoke_person(self, site: str, login: str) -> None:
        """Take a person's rights at a site."""
        with self.store.write() as session:
            people.revoke(session, site, login, self.clock.now_ms())
        self.wake()

    def erase_person(self, login: str) -> people.Erased:
        """Take away the name of somebody who has left: here, at the sites, and in every backup that comes back."""
        login = login.removesuffix(people.HUB_SUFFIX)
        with self.store.write() as session:
            now_ms = self.clock.now_ms()
            people.need_erasable(session, login, now_ms)
            self.heads.promise_erased(people.unnamed(login, self.keys.pepper), now_ms)
            erased = people.erase(session, login, self.random)
        self.wake()
        return erased

    def add_approver(self, site: str, login: str, password: str) -> str:
        """Let somebody with an account here approve at a site, with a new key of theirs; answers their id there."""
        with self.store.write() as session:
            account = people.log_in(session, login, password, self.keys.pepper)
            actor = approvers.add(
                session, site, account, password, self.keys.pepper, self.random, self.clock.now_ms()
            )
        self.wake()
        return actor

    def decide_approval(
        self, op_id: str, login: str, password: str, verdict: str, reason: str, origin: str = ""
    ) -> dict[str, Any]:
        """Approve or reject what waits for the hub; answers it as it was (`approving.as_json`)."""
        with self.store.write() as session:
            decided = approving.decide(
                session, op_id, login, password, verdict, reason, self.keys.control.address, self.keys.pepper,
                self.clock.now_ms(), origin,
            )  # fmt: skip
            return approving.as_json(session, decided)

    def set_policy(self, name: str, said: Any, site: str = policies.ALL_SITES) -> None:
        """Decide about the work at one site or, by default, at all; None takes that back."""
        with self.store.write() as session:
            if said is None:
                policies.clear(session, name, site)
            else:
                policies.put(session, name, site, said, self.clock.now_ms())
        self.wake()

    def announce(self, stream: str, site: str, raw: bytes, *, dry_run: bool = False) -> Announced:
        """Tell a site of the deliveries or orders in a file, all or nothing."""
        with self.store.write() as session:
            result = announcing.announce(session, stream, site, raw, dry_run=dry_run)
        self.wake()
        return result

    def withdraw(self, stream: str, site: str, number: str) -> None:
        """Take a delivery or order back."""
        with self.store.write() as session:
            announcing.withdraw(session, stream, site, number)
        self.wake()

    def issue_nonces(self, site: str, count: int) -> int:
        """Send a site secrets ahead, of which each draws the sample of one count that is ordered while there is no
        link; answers how many."""
        if not 1 <= count <= NONCES_MAX:
            raise Rejected(f"{count} nonces: expected 1 to {NONCES_MAX} at a time")
        with self.store.read() as session:
            origin = session.value(
                "SELECT origin FROM origins WHERE site = :site AND state = :active ORDER BY incarnation DESC LIMIT 1",
                site=site,
                active=fleet.ACTIVE,
            )
        if origin is None:
            raise Rejected(f"{site!r} has no chain that is alive: enrol its node first")
        with self.store.write(str(origin)) as session:
            for _ in range(count):
                note = control.NotePayload(
                    kind=NONCE, subject=self.random.bytes(sampling.SECRET_BYTES), document=bytes(32)
                )
                controls.cut(session, str(origin), note, NONCE, self.clock.now_ms())
        self.wake()
        return count
