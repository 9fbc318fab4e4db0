"""Enrolment codes: once, in time, for one site, and the secret never travels."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import blocks, streams
from hub.enrolment import Enrolment
from hub.heads import Heads
from hub.store import Store
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid, LedgerError, Rejected
from ledger.keys import SigningKey, TxKey
from sync.enrolment import Certificate, Code, Request, make_answer, make_request, read_answer

NOW_MS = 1_800_000_000_000
HOUR_MS = 3600 * 1000


class Seeded:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


CHANCE = Seeded(1)
HUB = SigningKey.generate(CHANCE)
CONTROL = TxKey.generate(CHANCE)


@pytest.fixture
def enrolment(store: Store, tmp_path: Path) -> Iterator[Enrolment]:
    heads = Heads.create(tmp_path / "heads.db")
    yield Enrolment(store, heads, HUB, CONTROL, "acme", CHANCE)
    heads.close()


class Node:
    """A machine with keys of its own."""

    def __init__(self) -> None:
        self.key = SigningKey.generate(CHANCE)
        self.transaction_key = TxKey.generate(CHANCE)

    def request(self, code: Code) -> bytes:
        return make_request(code, self.key, self.transaction_key)


def test_a_code_makes_a_certificate_that_binds_both_sides(enrolment: Enrolment, store: Store) -> None:
    printed = enrolment.make_code("oslo", NOW_MS, url="https://hub.example.com:8480").encode()
    code = Code.parse(" ".join(printed[at : at + 5].lower() for at in range(0, len(printed), 5)))
    node = Node()
    request = node.request(code)
    certificate = read_answer(enrolment.redeem(request, NOW_MS + 5), code, request)
    assert certificate.origin == "acme/site/oslo/1"
    assert certificate.hub_key == HUB.verify_key
    assert certificate.control_address == CONTROL.address
    assert (certificate.node_key, certificate.node_address) == (node.key.verify_key, node.transaction_key.address)
    assert Certificate.decode(certificate.encode()) == certificate
    with store.read() as session:
        assert session.value("SELECT state FROM origins WHERE origin = 'acme/site/oslo/1'") == "active"
        assert session.value("SELECT block_key FROM nodes") == node.key.verify_key.raw
        # Every site hears by whose key the papers of this one are signed.
        said = {"origin": certificate.origin, "key": str(node.key.verify_key)}
        assert streams.get(session, streams.SITES, "", "oslo") == said
    with store.write() as session:
        blocks.set_state(session, certificate.origin, blocks.CLONE_SUSPECT, "two of them")
        assert streams.get(session, streams.SITES, "", "oslo") is None
    assert code.secret not in request, "the secret never travels"


def test_a_lost_answer_is_given_again_and_nothing_else_is(enrolment: Enrolment) -> None:
    code = enrolment.make_code("oslo", NOW_MS)
    node = Node()
    first = enrolment.redeem(node.request(code), NOW_MS)
    assert enrolment.redeem(node.request(code), NOW_MS + 30 * 24 * HOUR_MS) == first
    with pytest.raises(Rejected, match="used already"):
        enrolment.redeem(Node().request(code), NOW_MS)
    with pytest.raises(Rejected, match="is enrolled as"):
        enrolment.make_code("oslo", NOW_MS)


def test_late_unknown_replaced_and_foreign_codes_are_refused(enrolment: Enrolment, store: Store) -> None:
    late = enrolment.make_code("rome", NOW_MS, lasts_ms=HOUR_MS)
    with pytest.raises(Rejected, match="run out"):
        enrolment.redeem(Node().request(late), NOW_MS + HOUR_MS)
    old = enrolment.make_code("oslo", NOW_MS)
    new = enrolment.make_code("oslo", NOW_MS)
    with pytest.raises(Rejected, match="not known"):
        enrolment.redeem(Node().request(old), NOW_MS)
    foreign = Code("acme/site/lima/1", new.expires_s, new.hub_key_hash, new.secret)
    with pytest.raises(Rejected, match="enrols acme/site/oslo/1"):
        enrolment.redeem(Node().request(foreign), NOW_MS)
    guessed = Code(new.origin, new.expires_s, new.hub_key_hash, bytes(16))
    with pytest.raises(Rejected, match="not known"):
        enrolment.redeem(Node().request(guessed), NOW_MS)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM origins") == 0
        assert session.value("SELECT count(*) FROM nodes") == 0


def test_someone_who_only_saw_the_code_id_gets_nowhere(enrolment: Enrolment, store: Store) -> None:
    code = enrolment.make_code("oslo", NOW_MS)

    class Overheard(Code):
        """The right id, which travels in the open, without the secret behind it."""

        @property
        def id(self) -> bytes:
            return code.id

    thief = Node().request(Overheard(code.origin, code.expires_s, code.hub_key_hash, bytes(16)))
    assert Request.read(thief).code_id == code.id
    with pytest.raises(Rejected, match="not known"):
        enrolment.redeem(thief, NOW_MS)
    # Nor with somebody else's request in which only the keys are exchanged.
    mixed = {**cbor_decode(Node().request(code)), "key": Node().key.verify_key.raw}
    with pytest.raises(Invalid):
        enrolment.redeem(cbor_encode(mixed), NOW_MS)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM nodes") == 0


def test_an_impostor_hub_is_found_out(enrolment: Enrolment) -> None:
    code = enrolment.make_code("oslo", NOW_MS)
    raw = Node().request(code)
    asked = Request.read(raw)
    impostor = SigningKey.generate(CHANCE)
    fake = Certificate(
        code.origin, "acme/hub", impostor.verify_key, CONTROL.address, asked.key, asked.address, 0, 1
    ).signed(impostor)
    with pytest.raises(Invalid, match="does not come from the hub"):
        read_answer(make_answer(asked, bytes(16), fake), code, raw)
    # Even one that knows the secret cannot put its own key in place of the one the code names.
    with pytest.raises(Invalid, match="another key"):
        read_answer(make_answer(asked, code.secret, fake), code, raw)
    other = Node()
    theirs = Certificate(
        code.origin, "acme/hub", HUB.verify_key, CONTROL.address, other.key.verify_key, asked.address, 0, 1
    ).signed(HUB)
    with pytest.raises(Invalid, match="other keys"):
        read_answer(make_answer(asked, code.secret, theirs), code, raw)


def test_of_many_at_once_one_wins(enrolment: Enrolment, store: Store) -> None:
    code = enrolment.make_code("oslo", NOW_MS)
    requests = [Node().request(code) for _ in range(12)]
    won: list[bytes] = []
    lost: list[Exception] = []

    def race(request: bytes) -> None:
        try:
            won.append(enrolment.redeem(request, NOW_MS))
        except Rejected as error:
            lost.append(error)

    threads = [threading.Thread(target=race, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 11)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM nodes") == 1


def test_slips_in_a_code_are_told_apart_from_other_text() -> None:
    code = Code("acme/site/oslo/1", 1_800_000_000, bytes(16), bytes(range(16)), "")
    text = code.encode()
    assert Code.parse(text) == code
    for wrong in ("", "hello", "TM1", 5, None, text + "A", text[:-1], "TM2" + text[3:], "TM1" + "A" * 5000):
        with pytest.raises(Rejected, match="enrolment code"):
            Code.parse(wrong)
    for place in range(3, len(text)):
        swapped = text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]
        with pytest.raises(Rejected):
            Code.parse(swapped)


_SAMPLE = Node().request(Code("acme/site/oslo/1", 1_900_000_000, bytes(16), bytes(16), ""))


@settings(max_examples=150)
@given(st.integers(0, len(_SAMPLE) - 1), st.integers(1, 255))
def test_a_changed_request_is_no_request(place: int, flip: int) -> None:
    changed = _SAMPLE[:place] + bytes([_SAMPLE[place] ^ flip]) + _SAMPLE[place + 1 :]
    try:
        found = Request.read(changed)
    except LedgerError:
        return
    assert not found.knows(bytes(16))


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_garbage_is_refused_plainly(junk: bytes) -> None:
    for read in (Request.read, Certificate.decode):
        with pytest.raises(Invalid):
            read(junk)
