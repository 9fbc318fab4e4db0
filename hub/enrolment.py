"""Enrolment at the hub: codes that work once, in time, for one site chain, and the certificates they turn into."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from hub import blocks, incarnations
from hub.heads import Heads
from hub.limits import CODE_LASTS_MS, CODE_LASTS_MS_MAX, HOUR_MS
from hub.store import Session, Store
from ledger.errors import Rejected, Unavailable
from ledger.ids import Origin
from ledger.keys import SigningKey, TxKey
from ledger.seams import Random, failpoint
from sync.enrolment import Certificate, Code, Request, is_address, key_hash, make_answer

OPEN_CODES_MAX = 1000
SILENT_AFTER_MS = 4 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Prints codes and redeems them. `key` is the hub's log key, `control` that of its control records."""

    store: Store
    heads: Heads
    key: SigningKey
    control: TxKey
    org: str
    random: Random

    def make_code(
        self,
        site: str,
        now_ms: int,
        *,
        url: str = "",
        lasts_ms: int = CODE_LASTS_MS,
        silent_after_ms: int = SILENT_AFTER_MS,
    ) -> Code:
        """A new code for the first node of `site`, which is added if it is new.

        Older codes of the site stop working: the one a person holds last is the one that counts.
        """
        with self.store.write() as session:
            last = incarnations.newest(session, site)
            if last is not None:
                raise Rejected(
                    f"{site} is enrolled as {last}: `tallyman hub reincarnate {site}` grants another node its place"
                )
            add_site(session, site, silent_after_ms, now_ms)
            return self._open_code(session, site, url, lasts_ms, now_ms)

    def reincarnate(
        self,
        site: str,
        now_ms: int,
        *,
        reason: str = "",
        replace: bool = False,
        url: str = "",
        lasts_ms: int = CODE_LASTS_MS,
    ) -> Code:
        """End the newest incarnation of `site` and make a code for the node of the next; see `incarnations.retire`.

        Before that code is used the same again makes a new one in its place.
        """
        with self.store.write() as session:
            origin = incarnations.next_origin(session, self.org, site)
            incarnations.retire(session, site, origin, self.control.address, reason, replace, now_ms)
            return self._open_code(session, site, url, lasts_ms, now_ms)

    def _open_code(self, session: Session, site: str, url: str, lasts_ms: int, now_ms: int) -> Code:
        if not 0 < lasts_ms <= CODE_LASTS_MS_MAX:
            most = CODE_LASTS_MS_MAX // HOUR_MS
            raise Rejected(f"a code cannot last {lasts_ms} ms: expected more than none, and up to {most} hours")
        if not is_address(url):
            raise Rejected(f"{url[:60]!r} is not the hub's address: expected one such as https://hub.example.com")
        session.run("DELETE FROM enrolments WHERE site = :site AND used_ms IS NULL", site=site)
        session.run("DELETE FROM enrolments WHERE used_ms IS NULL AND expires_ms < :now", now=now_ms)
        if int(session.value("SELECT count(*) FROM enrolments WHERE used_ms IS NULL")) >= OPEN_CODES_MAX:
            raise Unavailable(f"{OPEN_CODES_MAX} codes are open: let some be used or run out first")
        origin = incarnations.next_origin(session, self.org, site)
        secret = self.random.bytes(16)
        # Whole seconds, so that the code and the table cannot disagree about the last moment.
        expires_s = (now_ms + lasts_ms) // 1000
        code = Code(str(origin), expires_s, key_hash(self.key.verify_key), secret, url)
        session.run(
            "INSERT INTO enrolments(code_hash, site, incarnation, made_ms, expires_ms, origin, answer)"
            " VALUES (:id, :site, :incarnation, :now, :expires, :origin, :secret)",
            id=code.id,
            site=site,
            incarnation=origin.incarnation,
            now=now_ms,
            expires=expires_s * 1000,
            origin=str(origin),
            secret=secret,
        )
        return code

    def redeem(self, raw: bytes, now_ms: int) -> bytes:
        """Turn a node's request into the hub's answer.

        Exactly the same request gets the same answer again, because that may have been lost; anything else after it
        is refused. Raises `Invalid` for bytes that are no request, `Rejected` for a code that does not count.
        """
        request = Request.read(raw)
        answer = self._redeem(request, raw, now_ms)
        # From here on the site exists. If we die now the node asks again with the same bytes and gets this answer.
        self._promise(request.origin)
        return answer

    def _redeem(self, request: Request, raw: bytes, now_ms: int) -> bytes:
        seen = sha256(raw).digest()
        with self.store.write() as session:
            row = session.one("SELECT * FROM enrolments WHERE code_hash = :id", id=request.code_id)
            if row is None:
                raise Rejected("this enrolment code is not known here, or a newer one was made: ask for a new code")
            if row["used_ms"] is not None:
                return _again(bytes(row["answer"]), seen)
            secret = bytes(row["answer"])
            if not request.knows(secret):
                raise Rejected("this enrolment code is not known here, or a newer one was made: ask for a new code")
            if request.origin != row["origin"]:
                raise Rejected(f"this code enrols {row['origin']}, not {request.origin}: ask for a code of that site")
            if now_ms >= int(row["expires_ms"]):
                raise Rejected("this enrolment code has run out: ask for a new one")
            answer = make_answer(request, secret, self._certify(session, request, now_ms))
            session.run(
                "UPDATE enrolments SET used_ms = :now, answer = :answer WHERE code_hash = :id AND used_ms IS NULL",
                now=now_ms,
                answer=seen + answer,
                id=request.code_id,
            )
            failpoint("hub.enrolled")
        return answer

    def _promise(self, origin: str) -> None:
        """Before the certificate leaves the house: remember it where no backup of the database can forget it."""
        with self.store.read() as session:
            raw = bytes(
                session.value(
                    "SELECT certificate FROM nodes WHERE origin = :origin ORDER BY key_number DESC", origin=origin
                )
            )
        name, digest = promised(origin), sha256(raw).digest()
        last = self.heads.get(name)
        if last is None or last.root != digest:
            self.heads.advance(name, 1 if last is None else last.size + 1, digest, [raw])

    def _certify(self, session: Session, request: Request, now_ms: int) -> Certificate:
        origin = Origin.parse(request.origin)
        last = incarnations.newest(session, origin.site)
        before = None if last is None else blocks.held(session, last, self.control.address)
        if before is not None and before.state != blocks.RETIRED:
            raise Rejected(f"{before.origin} has not ended: ask for a code by `tallyman hub reincarnate`")
        continued, earliest_s = None, 0
        if before is not None:
            carried = incarnations.carry(session, before, origin, now_ms)
            continued = incarnations.continued(session, before, self.control, origin, request.address, carried)
            earliest_s = incarnations.earliest_s(session, before)
        certificate = Certificate(
            origin=str(origin),
            hub_name=origin.hub,
            hub_key=self.key.verify_key,
            control_address=self.control.address,
            node_key=request.key,
            node_address=request.address,
            key_number=0,
            not_before_s=max(now_ms // 1000, earliest_s),
            continued=continued,
        ).signed(self.key)
        register(session, certificate, now_ms)
        return certificate


def promised(origin: str) -> str:
    """The name under which the certificates of `origin` stand in `hub.heads`; the last one kept counts."""
    return f"{origin}#node"


def register(session: Session, certificate: Certificate, now_ms: int) -> None:
    """A chain that this hub has certified, with its node's keys. Earlier ones of its site have ended then."""
    origin = Origin.parse(certificate.origin)
    session.run(
        "INSERT INTO origins(origin, site, incarnation, chain_id, state, enrolled_ms)"
        " VALUES (:origin, :site, :incarnation, :chain, 'active', :now)",
        origin=str(origin),
        site=origin.site,
        incarnation=origin.incarnation,
        chain=origin.chain_id,
        now=now_ms,
    )
    session.run(
        "INSERT INTO nodes(origin, key_number, block_key, address, certificate, added_ms)"
        " VALUES (:origin, :number, :key, :address, :certificate, :now)",
        origin=str(origin),
        number=certificate.key_number,
        key=certificate.node_key.raw,
        address=certificate.node_address,
        certificate=certificate.encode(),
        now=now_ms,
    )
    incarnations.keep(session, origin, certificate.continued)
    blocks.tell_keys(session)


def add_site(session: Session, site: str, silent_after_ms: int, now_ms: int) -> None:
    """A warehouse, if it is new."""
    session.run(
        "INSERT INTO sites VALUES (:site, :site, :now, :silent) ON CONFLICT(site) DO NOTHING",
        site=site,
        now=now_ms,
        silent=silent_after_ms,
    )


def _again(stored: bytes, seen: bytes) -> bytes:
    if stored[:32] != seen:
        raise Rejected("this enrolment code has been used already: ask for a new code")
    return stored[32:]
