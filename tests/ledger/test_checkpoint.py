"""Signed notes: published examples, one accepted writing, the wrong signer, and hostile text."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import checkpoint, merkle
from ledger.checkpoint import COSIGNATURE, Checkpoint, Note, Signature
from ledger.errors import Invalid
from ledger.keys import SigningKey, VerifyKey

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "notes.json").read_text(encoding="utf-8"))
SITE, HUB = "acme/site/oslo/1", "acme/hub"
SITE_KEY, HUB_KEY, OTHER_KEY = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32), SigningKey(b"\x03" * 32)
HEAD = Checkpoint(SITE, 830, bytes(range(32)))
NOTE = checkpoint.sign(HEAD, SITE_KEY)
TIME_S = 1_700_000_000


# --- published examples ---


def test_the_published_checkpoint_is_read_and_written_back() -> None:
    raw = VECTORS["sofa"]["note"].encode()
    note = Note.parse(raw)
    assert note.encode() == raw
    assert note.checkpoint.size == VECTORS["sofa"]["size"]
    assert [line.name for line in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert int.from_bytes(note.signatures[1].value[:8], "big") == VECTORS["sofa"]["time_s"]


@pytest.mark.parametrize("example", VECTORS["plain"], ids=lambda example: str(example["name"]))
def test_published_signatures_fit_their_written_keys(example: dict[str, str]) -> None:
    key = checkpoint.parse_key(example["key"])
    raw = base64.b64decode(example["line"])
    assert checkpoint.key_id(example["name"], 1, key) == raw[:4]
    assert checkpoint.format_key(example["name"], key) == example["key"]
    key.verify(example["text"].encode(), raw[4:])
    with pytest.raises(Invalid):
        key.verify(example["text"].encode() + b"\n", raw[4:])


def test_a_published_cosigner_key_has_the_key_id_of_its_type() -> None:
    text = VECTORS["cosigner_key"]
    assert checkpoint.format_key(text.split("+")[0], checkpoint.parse_key(text), COSIGNATURE) == text


def test_a_published_log_with_its_consistency_proofs() -> None:
    """Another log's real notes and proofs, as its public witness test has them."""
    log = VECTORS["log"]
    key = VerifyKey.parse(log["key"])
    roots = {}
    for size, root, line in log["checkpoints"]:
        raw = f"{log['name']}\n{size}\n{root}\n\n— {log['name']} {line}\n".encode()
        found = checkpoint.verify(raw, log["name"], key)
        assert (found.size, found.root) == (size, base64.b64decode(root))
        roots[size] = found.root
    for old, new, path in log["consistency"]:
        proof = [base64.b64decode(item) for item in path]
        merkle.verify_consistency(old, new, roots[old], roots[new], proof)
        with pytest.raises(Invalid):
            merkle.verify_consistency(old, new, roots[new], roots[old], proof)


# --- our own notes ---


def test_a_signed_checkpoint_comes_back_as_it_was() -> None:
    assert checkpoint.verify(NOTE, SITE, SITE_KEY.verify_key) == HEAD
    assert NOTE.decode().splitlines()[:4] == [SITE, "830", base64.b64encode(HEAD.root).decode(), ""]


def test_an_acknowledgement_says_who_what_and_when() -> None:
    raw = checkpoint.cosign(NOTE, HUB, HUB_KEY, TIME_S)
    assert raw.startswith(NOTE)
    found = checkpoint.verify_cosigned(raw, SITE, SITE_KEY.verify_key, HUB, HUB_KEY.verify_key)
    assert (found.checkpoint, found.time_s, found.note) == (HEAD, TIME_S, NOTE)


def test_the_cosigned_message_is_that_of_the_specification() -> None:
    line = Note.parse(checkpoint.cosign(NOTE, HUB, HUB_KEY, TIME_S)).signatures[1]
    message = f"cosignature/v1\ntime {TIME_S}\n".encode() + HEAD.body
    HUB_KEY.verify_key.verify(message, line.value[8:])
    assert line.value[:8] == TIME_S.to_bytes(8, "big")


def test_a_note_is_refused_for_another_log_key_or_number_of_lines() -> None:
    twice = NOTE + NOTE.split(b"\n\n")[1]
    cosigned = checkpoint.cosign(NOTE, HUB, HUB_KEY, TIME_S)
    by_other = checkpoint.sign(HEAD, OTHER_KEY)
    for raw, name, key in (
        (NOTE, "acme/site/oslo/2", SITE_KEY),
        (NOTE, SITE, OTHER_KEY),
        (by_other, SITE, SITE_KEY),
        (twice, SITE, SITE_KEY),
        (cosigned, SITE, SITE_KEY),
    ):
        with pytest.raises(Invalid):
            checkpoint.verify(raw, name, key.verify_key)
    # A name of its own does not make a signature line the log's.
    renamed = Note(HEAD, (Signature(HUB, *_parts(NOTE)),)).encode()
    with pytest.raises(Invalid):
        checkpoint.verify(renamed, SITE, SITE_KEY.verify_key)


def test_an_acknowledgement_is_refused_in_any_other_arrangement() -> None:
    cosigned = checkpoint.cosign(NOTE, HUB, HUB_KEY, TIME_S)
    note = Note.parse(cosigned)
    site, hub = note.signatures
    later = Signature(HUB, hub.key_id, (TIME_S + 1).to_bytes(8, "big") + hub.value[8:])
    far = Signature(HUB, hub.key_id, (2**63).to_bytes(8, "big") + hub.value[8:])
    short = Signature(HUB, hub.key_id, hub.value[8:])
    # The hub's plain signature of the same text is not its cosignature.
    plain = Signature(HUB, checkpoint.key_id(HUB, 1, HUB_KEY.verify_key), HUB_KEY.sign(HEAD.body))
    for lines in ((hub, site), (site,), (site, site), (site, hub, hub), (site, later), (site, far), (site, short)):
        with pytest.raises(Invalid):
            _acknowledged(Note(HEAD, lines).encode())
    with pytest.raises(Invalid):
        _acknowledged(Note(HEAD, (site, plain)).encode())
    with pytest.raises(Invalid):
        checkpoint.verify_cosigned(cosigned, SITE, SITE_KEY.verify_key, HUB, OTHER_KEY.verify_key)
    with pytest.raises(Invalid):
        checkpoint.verify_cosigned(cosigned, SITE, SITE_KEY.verify_key, "beta/hub", HUB_KEY.verify_key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n830\n", "\n0830\n"),
        ("\n830\n", "\n+830\n"),
        ("\n830\n", "\n8_30\n"),
        ("\n830\n", "\n٨30\n"),
        ("\n830\n", "\n9223372036854775808\n"),
        ("\n830\n", "\n-1\n"),
        ("\n830\n", "\n\n"),
        ("\n\n", "\nextension\n\n"),
        ("\n\n", "\n\n\n"),
        ("\n\n", "\r\n\r\n"),
        ("— ", "- "),
        ("— ", "—"),
        ("— ", "—  "),
        ("=\n\n", "\n\n"),
        ("=\n\n", "==\n\n"),
        ("acme/site/oslo/1\n830", "acme/site oslo/1\n830"),
        ("acme/site/oslo/1\n830", "acme+site/oslo/1\n830"),
        ("acme/site/oslo/1\n830", "\n830"),
    ],
)
def test_another_writing_of_a_note_is_refused(old: str, new: str) -> None:
    text = NOTE.decode()
    assert old in text
    with pytest.raises(Invalid):
        checkpoint.verify(text.replace(old, new, 1).encode(), SITE, SITE_KEY.verify_key)


@pytest.mark.parametrize("tail", [b"\n", b" ", b"\x00", b"x", b"\n\n", "— x AAAA\n".encode()])
def test_bytes_after_a_note_are_refused(tail: bytes) -> None:
    with pytest.raises(Invalid):
        checkpoint.verify(NOTE + tail, SITE, SITE_KEY.verify_key)


def test_base64_has_one_writing() -> None:
    """The last digit of 32 bytes has two bits to spare, which must be zero."""
    lines = NOTE.decode().split("\n")
    loose = [lines[2][:-2] + digit + "=" for digit in string.ascii_letters + string.digits + "+/"]
    same = [text for text in loose if base64.b64decode(text) == HEAD.root]
    assert len(same) == 4
    for text in same:
        raw = "\n".join([*lines[:2], text, *lines[3:]]).encode()
        if raw != NOTE:
            with pytest.raises(Invalid):
                Note.parse(raw)


def test_an_empty_log_has_the_root_of_nothing() -> None:
    raw = checkpoint.sign(Checkpoint(HUB, 0, merkle.EMPTY_ROOT), HUB_KEY)
    assert checkpoint.verify(raw, HUB, HUB_KEY.verify_key).size == 0
    for size, root in ((0, bytes(32)), (-1, bytes(32)), (1, bytes(31)), (2**63, bytes(32))):
        with pytest.raises(Invalid):
            Checkpoint(HUB, size, root)


@pytest.mark.parametrize(
    "text",
    ["", "zz", "00" * 31, "AB" * 32, "00" * 32, "acme/hub+00000000+AQ==", "acme/hub+zz", "a+b+c+d", "é" * 64],
)
def test_a_mistyped_key_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        checkpoint.parse_key(text)


def test_a_written_key_comes_back_and_notices_a_slip() -> None:
    text = checkpoint.format_key(HUB, HUB_KEY.verify_key)
    assert checkpoint.parse_key(text) == checkpoint.parse_key(str(HUB_KEY.verify_key)) == HUB_KEY.verify_key
    for at in range(len(text)):
        with pytest.raises(Invalid):
            checkpoint.parse_key(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])


def test_every_changed_bit_of_a_note_is_refused() -> None:
    raw = checkpoint.cosign(NOTE, HUB, HUB_KEY, TIME_S)
    for at in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(Invalid):
            _acknowledged(bytes(changed))


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_hostile_bytes_raise_nothing_but_invalid(raw: bytes) -> None:
    for data in (raw, NOTE[:40] + raw, NOTE + raw + b"\n", raw + NOTE):
        if data != NOTE:
            with pytest.raises(Invalid):
                checkpoint.verify(data, SITE, SITE_KEY.verify_key)


def test_a_huge_note_is_refused_unread() -> None:
    with pytest.raises(Invalid, match="at most 4096"):
        Note.parse(NOTE * 100)


def _acknowledged(raw: bytes) -> None:
    checkpoint.verify_cosigned(raw, SITE, SITE_KEY.verify_key, HUB, HUB_KEY.verify_key)


def _parts(raw: bytes) -> tuple[bytes, bytes]:
    line = Note.parse(raw).signatures[0]
    return line.key_id, line.value
