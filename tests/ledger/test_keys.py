"""Signatures (promise S9), key files and secrets under a PIN.

The hostile Ed25519 cases are made here with plain curve arithmetic: small-order and mixed-order keys and R, S + L,
non-canonical points. The honest vectors are those of RFC 8032, section 7.1.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium

from ledger import keyfiles, keys
from ledger.errors import Invalid, Rejected
from ledger.keys import ED25519_ORDER as L
from ledger.keys import ED25519_PRIME as P
from ledger.keys import Signature, SigningKey, TxKey, VerifyKey, recover
from ledger.seams import SystemRandom

RANDOM = SystemRandom()
PEPPER = bytes(range(32))

RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

Point = tuple[int, int]
D = -121665 * pow(121666, -1, P) % P


def add(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    cross = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + cross, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - cross, -1, P) % P,
    )


def times(count: int, point: Point) -> Point:
    total: Point = (0, 1)
    while count:
        if count & 1:
            total = add(total, point)
        point, count = add(point, point), count >> 1
    return total


def pack(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def unpack(raw: bytes) -> Point:
    number = int.from_bytes(raw, "little")
    y = number & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 != number >> 255 else x, y)


BASE = unpack(bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666"))
# Any point times L lies in the group of eight; this one generates it.
ORDER_8 = times(L, unpack((3).to_bytes(32, "little")))
SMALL = [times(count, ORDER_8) for count in range(8)]


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def test_the_arithmetic_of_this_test_is_ed25519() -> None:
    assert times(L, BASE) == (0, 1)
    assert len(set(SMALL)) == 8
    seed, public, *_ = RFC8032[0]
    half = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest()[:32])
    half[0] &= 248
    half[31] = half[31] & 127 | 64
    assert pack(times(int.from_bytes(half, "little"), BASE)).hex() == public


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC8032)
def test_the_published_vectors(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert str(key.verify_key) == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    VerifyKey.parse(public).verify(bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.parametrize("point", SMALL)
def test_keys_of_small_order_are_refused_in_every_writing(point: Point) -> None:
    for y in (point[1], point[1] + P):
        for sign in (0, 1):
            if y < 1 << 255:
                with pytest.raises(Invalid):
                    VerifyKey((y | sign << 255).to_bytes(32, "little"))


def test_keys_of_mixed_order_or_off_the_curve_are_refused() -> None:
    for small in SMALL[1:]:
        with pytest.raises(Invalid, match="main group"):
            VerifyKey(pack(add(times(12345, BASE), small)))
    with pytest.raises(Invalid):
        VerifyKey((2).to_bytes(32, "little"))
    with pytest.raises(Invalid, match="canonical"):
        VerifyKey((P + 3).to_bytes(32, "little"))
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(Invalid):
            VerifyKey(wrong)


def test_small_and_mixed_order_in_r_are_refused() -> None:
    secret = 987654321
    key = VerifyKey(pack(times(secret, BASE)))
    for small in SMALL:
        # R of small order alone: S = h * a satisfies the equation multiplied by the cofactor.
        r = pack(small)
        s = challenge(r, key.raw, b"m") * secret % L
        with pytest.raises(Invalid):
            key.verify(b"m", r + s.to_bytes(32, "little"))
    for small in SMALL[1:]:
        r = pack(add(times(77, BASE), small))
        s = (77 + challenge(r, key.raw, b"m") * secret) % L
        with pytest.raises(Invalid):
            key.verify(b"m", r + s.to_bytes(32, "little"))
    r = pack(times(77, BASE))
    s = (77 + challenge(r, key.raw, b"m") * secret) % L
    key.verify(b"m", r + s.to_bytes(32, "little"))


def test_s_plus_l_is_refused_as_often_as_it_fits() -> None:
    key = SigningKey(bytes(32))
    signature = key.sign(b"block")
    s = int.from_bytes(signature[32:], "little")
    for count in range(1, 8):
        if s + count * L < 1 << 256:
            with pytest.raises(Invalid, match="canonical form"):
                key.verify_key.verify(b"block", signature[:32] + (s + count * L).to_bytes(32, "little"))


@settings(max_examples=60)
@given(st.integers(0, 511), st.binary(max_size=20))
def test_a_changed_bit_is_refused(bit: int, message: bytes) -> None:
    key = SigningKey(bytes([1]) * 32)
    signature = bytearray(key.sign(message))
    key.verify_key.verify(message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Invalid):
        key.verify_key.verify(message, bytes(signature))
    with pytest.raises(Invalid):
        key.verify_key.verify(message + b"\0", key.sign(message))


def test_signatures_of_wrong_length_and_of_other_keys_are_refused() -> None:
    key, other = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)
    for wrong in (b"", bytes(63), key.sign(b"m") + b"\0", other.sign(b"m"), bytes(64)):
        with pytest.raises(Invalid):
            key.verify_key.verify(b"m", wrong)


def test_key_texts_have_one_writing() -> None:
    text = str(SigningKey(bytes([1]) * 32).verify_key)
    assert str(VerifyKey.parse(text)) == text
    for wrong in (text.upper(), text[:-1], text + "0", "0x" + text[2:], "é" * 64):
        with pytest.raises(Invalid):
            VerifyKey.parse(wrong)


def test_secrets_stay_out_of_representations() -> None:
    seed = bytes([0xAB]) * 32
    for key in (SigningKey(seed), TxKey(seed)):
        assert "abab" not in repr(key).replace(str(getattr(key, "verify_key", "")), "")
        assert "\\xab\\xab" not in repr(key)


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.integers(1, keys.SECP256K1_ORDER - 1))
def test_secp256k1_agrees_with_a_general_library(digest: bytes, secret: int) -> None:
    key = TxKey(secret.to_bytes(32, "big"))
    account = Account.from_key(key.secret)
    assert "0x" + key.address.hex() == account.address.lower()
    signature = key.sign_digest(digest)
    assert signature.raw == bytes(account.unsafe_sign_hash(digest).signature)
    assert recover(digest, Signature.parse(signature.raw)) == key.address


def test_high_s_and_foreign_forms_are_refused() -> None:
    key = TxKey(bytes([3]) * 32)
    good = key.sign_digest(bytes(32))
    order = keys.SECP256K1_ORDER
    for parity, r, s in (
        (good.parity, good.r, order - good.s),
        (2, good.r, good.s),
        (0, 0, 1),
        (0, 1, 0),
        (0, order, 1),
    ):
        with pytest.raises(Invalid):
            Signature(parity, r, s)
    for raw in (good.raw[:64], good.raw[:64] + b"\0", good.raw + b"\0"):
        with pytest.raises(Invalid):
            Signature.parse(raw)
    with pytest.raises(Invalid, match="no key"):
        # 5 is not the x coordinate of any point.
        recover(bytes(32), Signature(0, 5, 1))
    for secret in (bytes(32), order.to_bytes(32, "big"), bytes(31)):
        with pytest.raises(Rejected):
            TxKey(secret)


# --- secrets under a PIN


def test_a_sealed_key_opens_with_pin_pepper_and_person_together() -> None:
    sealed = keys.seal_personal_key(b"s" * 32, "482913", PEPPER, b"ann", RANDOM)
    assert b"s" * 32 not in sealed
    assert keys.open_personal_key(sealed, "482913", PEPPER, b"ann") == b"s" * 32
    for pin, pepper, person in (
        ("482914", PEPPER, b"ann"),
        ("482913", bytes(32), b"ann"),
        ("482913", PEPPER, b"bob"),
    ):
        with pytest.raises(Rejected, match="PIN is wrong"):
            keys.open_personal_key(sealed, pin, pepper, person)
    with pytest.raises(Rejected):
        keys.open_personal_key(sealed[:-1] + bytes([sealed[-1] ^ 1]), "482913", PEPPER, b"ann")
    for wrong in (b"", b"\x02" + sealed[1:], sealed[:20]):
        with pytest.raises(Invalid):
            keys.open_personal_key(wrong, "482913", PEPPER, b"ann")


def test_a_pin_hash_checks_one_pin() -> None:
    stored = keys.hash_pin("482913", PEPPER, b"ann", RANDOM)
    assert keys.verify_pin(stored, "482913", PEPPER, b"ann")
    assert not keys.verify_pin(stored, "482914", PEPPER, b"ann")
    assert not keys.verify_pin(stored, "482913", bytes(32), b"ann")
    assert stored != keys.hash_pin("482913", PEPPER, b"ann", RANDOM)


# --- key files


def test_a_key_file_keeps_its_secret_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    keyfiles.write_key_file(path, bytes([7]) * 32)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyfiles.read_key_file(path) == bytes([7]) * 32
    with pytest.raises(Rejected, match="never overwritten"):
        keyfiles.write_key_file(path, bytes([8]) * 32)
    assert keyfiles.read_key_file(path) == bytes([7]) * 32


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o660, 0o601])
def test_a_key_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    keyfiles.write_key_file(path, bytes([7]) * 32)
    path.chmod(mode)
    with pytest.raises(Rejected, match="chmod 600"):
        keyfiles.read_key_file(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"07" * 31 + b"\n",
        b"07" * 32,
        b"07" * 33 + b"\n",
        b"0G" * 32 + b"\n",
        b"AB" * 32 + b"\n",
        b"\xff" * 65,
    ],
)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Rejected, match="does not hold a key") as refusal:
        keyfiles.read_key_file(path)
    assert "0707" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    real, link, fifo, dangling = (tmp_path / name for name in ("real", "link", "fifo", "dangling"))
    keyfiles.write_key_file(real, bytes(32))
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "nowhere")
    os.mkfifo(fifo, 0o600)
    with pytest.raises(Rejected, match="symbolic link"):
        keyfiles.read_key_file(link)
    with pytest.raises(Rejected, match="not a plain file"):
        keyfiles.read_key_file(fifo)
    with pytest.raises(Rejected, match="not a plain file"):
        keyfiles.read_key_file(tmp_path)
    with pytest.raises(Rejected, match="is missing"):
        keyfiles.read_key_file(tmp_path / "absent")
    with pytest.raises(Rejected, match="never overwritten"):
        keyfiles.write_key_file(dangling, bytes(32))


def test_small_order_list_agrees_with_the_library() -> None:
    for point in SMALL:
        assert not sodium.crypto_core_ed25519_is_valid_point(pack(point))
        assert point[1] in keys._SMALL_ORDER_Y
