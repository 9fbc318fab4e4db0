"""Keys, signatures and sealed secrets. The only importer of nacl and coincurve.

Ed25519 signs blocks, notes and messages; secp256k1 signs transactions, approvals and control records, because the
chain checks those. Secrets never appear in `repr` or in an error.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

import coincurve
import nacl.exceptions
from nacl import bindings as sodium

from ledger.codec import keccak256
from ledger.errors import Invalid, Rejected
from ledger.seams import Random

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ED25519_PRIME = 2**255 - 19
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# The y coordinates of the eight points of small order. Under such a key a signature says nothing about a message.
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        ED25519_PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """An Ed25519 public key that can be trusted to mean one signer: canonical, on the curve, of full order."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise Invalid(f"an Ed25519 public key has 32 bytes, not {len(self.raw)}")
        y = int.from_bytes(self.raw, "little") & ((1 << 255) - 1)
        if y >= ED25519_PRIME:
            raise Invalid(f"the Ed25519 public key {self.raw.hex()} is not in its canonical form")
        if y in _SMALL_ORDER_Y:
            raise Invalid(f"the Ed25519 public key {self.raw.hex()} has small order: it signs everything and nothing")
        if not sodium.crypto_core_ed25519_is_valid_point(self.raw):
            raise Invalid(f"the Ed25519 public key {self.raw.hex()} is not a point of the main group")

    @classmethod
    def parse(cls, text: str) -> VerifyKey:
        """From 64 lower-case hex digits."""
        if len(text) != 64 or any(digit not in "0123456789abcdef" for digit in text):
            raise Invalid(f"{text[:80]!r} is not an Ed25519 public key: expected 64 lower-case hex digits")
        return cls(bytes.fromhex(text))

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if `signature` (64 bytes) is this key's over `message`; raise `Invalid` otherwise."""
        if len(signature) != 64:
            raise Invalid(f"an Ed25519 signature has 64 bytes, not {len(signature)}")
        if int.from_bytes(signature[32:], "little") >= ED25519_ORDER:
            raise Invalid("the Ed25519 signature is not in its canonical form: S is not below the group order")
        try:
            sodium.crypto_sign_open(signature + message, self.raw)
        except nacl.exceptions.BadSignatureError as error:
            raise Invalid("the Ed25519 signature does not fit the message and key") from error

    def __str__(self) -> str:
        return self.raw.hex()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair, from its seed of 32 bytes."""

    seed: bytes = field(repr=False)
    verify_key: VerifyKey = field(init=False)
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise Rejected(f"an Ed25519 seed has 32 bytes, not {len(self.seed)}")
        public, secret = sodium.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "verify_key", VerifyKey(public))
        object.__setattr__(self, "_secret", secret)

    @classmethod
    def generate(cls, random: Random) -> SigningKey:
        return cls(random.bytes(32))

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes; the same for the same message."""
        signed: bytes = sodium.crypto_sign(message, self._secret)
        return signed[:64]


@dataclass(frozen=True, slots=True)
class Signature:
    """A recoverable secp256k1 signature. `parity` is 0 or 1; `s` is in the lower half."""

    parity: int
    r: int
    s: int

    def __post_init__(self) -> None:
        if self.parity not in (0, 1) or not 0 < self.r < SECP256K1_ORDER or not 0 < self.s <= SECP256K1_ORDER // 2:
            raise Invalid("the secp256k1 signature is not in its canonical form")

    @classmethod
    def parse(cls, raw: bytes) -> Signature:
        """From r ‖ s ‖ v, 65 bytes, v being 27 or 28."""
        if len(raw) != 65 or raw[64] not in (27, 28):
            raise Invalid("a secp256k1 signature has 65 bytes, the last being 27 or 28")
        return cls(raw[64] - 27, int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"))

    @property
    def v(self) -> int:
        """As contracts and EIP-712 wallets write it: 27 or 28."""
        return 27 + self.parity

    @property
    def raw(self) -> bytes:
        """r ‖ s ‖ v, 65 bytes."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.v])


@dataclass(frozen=True, slots=True)
class TxKey:
    """A secp256k1 key pair: the node's for transactions, a person's for approvals, the hub's for control records."""

    secret: bytes = field(repr=False)
    address: bytes = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret) != 32 or not 0 < int.from_bytes(self.secret, "big") < SECP256K1_ORDER:
            raise Rejected("a secp256k1 secret has 32 bytes and is a number from 1 below the group order")
        public = coincurve.PublicKey.from_valid_secret(self.secret)
        object.__setattr__(self, "address", _address(public))

    @classmethod
    def generate(cls, random: Random) -> TxKey:
        while True:
            secret = random.bytes(32)
            # One draw in 2**128 lies outside the group; drawing again keeps the choice even.
            if 0 < int.from_bytes(secret, "big") < SECP256K1_ORDER:
                return cls(secret)

    def sign_digest(self, digest: bytes) -> Signature:
        """Sign 32 bytes that are a hash already; the same signature for the same digest (RFC 6979)."""
        if len(digest) != 32:
            raise Rejected(f"a digest has 32 bytes, not {len(digest)}")
        raw = coincurve.PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return Signature(raw[64], int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"))


def recover(digest: bytes, signature: Signature) -> bytes:
    """The address (20 bytes) whose key signed `digest`; raises `Invalid` when there is none."""
    if len(digest) != 32:
        raise Invalid(f"a digest has 32 bytes, not {len(digest)}")
    raw = signature.raw[:64] + bytes([signature.parity])
    try:
        public = coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception as error:  # coincurve raises plain Exception for a point that does not exist
        raise Invalid("the secp256k1 signature belongs to no key") from error
    return _address(public)


def _address(public: coincurve.PublicKey) -> bytes:
    return keccak256(public.format(compressed=False)[1:])[12:]


# --- secrets under a PIN -----------------------------------------------------------------------------------------

_ARGON_OPS = 3
_ARGON_BYTES = 24 * 1024 * 1024
_SALT = 16
_NONCE = 24
_SEALED_VERSION = b"\x01"
PEPPER_BYTES = 32


def seal_personal_key(secret: bytes, pin: str, pepper: bytes, context: bytes, random: Random) -> bytes:
    """`secret` so that only PIN, pepper and context together open it: version ‖ salt ‖ nonce ‖ box.

    The PIN alone is guessable; the pepper lies in a key file apart from the database, so that a stolen database or
    backup yields nothing. `context` (the person's id) keeps a box from being passed off as another person's.
    """
    salt, nonce = random.bytes(_SALT), random.bytes(_NONCE)
    box: bytes = sodium.crypto_secretbox(secret, nonce, _pin_key(pin, pepper, context, salt))
    return _SEALED_VERSION + salt + nonce + box


def open_personal_key(sealed: bytes, pin: str, pepper: bytes, context: bytes) -> bytes:
    """The secret; raises `Rejected` for a wrong PIN (or another machine's pepper: the two cannot be told apart)."""
    if sealed[:1] != _SEALED_VERSION or len(sealed) < 1 + _SALT + _NONCE + 16:
        raise Invalid("the sealed key is not one that this program wrote")
    salt, nonce, box = sealed[1 : 1 + _SALT], sealed[1 + _SALT : 1 + _SALT + _NONCE], sealed[1 + _SALT + _NONCE :]
    try:
        opened: bytes = sodium.crypto_secretbox_open(box, nonce, _pin_key(pin, pepper, context, salt))
    except nacl.exceptions.CryptoError as error:
        raise Rejected("the PIN is wrong") from error
    return opened


def hash_pin(pin: str, pepper: bytes, context: bytes, random: Random) -> bytes:
    """What to store so that a PIN can be checked later: version ‖ salt ‖ hash."""
    salt = random.bytes(_SALT)
    return _SEALED_VERSION + salt + _pin_key(pin, pepper, context, salt)


def verify_pin(stored: bytes, pin: str, pepper: bytes, context: bytes) -> bool:
    """Whether `pin` is the one that `stored` was made of."""
    salt, known = stored[1 : 1 + _SALT], stored[1 + _SALT :]
    if stored[:1] != _SEALED_VERSION or len(known) != 32:
        raise Invalid("the stored PIN hash is not one that this program wrote")
    return hmac.compare_digest(known, _pin_key(pin, pepper, context, salt))


def _pin_key(pin: str, pepper: bytes, context: bytes, salt: bytes) -> bytes:
    if len(pepper) != PEPPER_BYTES:
        raise Rejected(f"the pepper has {len(pepper)} bytes: expected {PEPPER_BYTES}")
    slow: bytes = sodium.crypto_pwhash_alg(
        32, pin.encode(), salt, _ARGON_OPS, _ARGON_BYTES, sodium.crypto_pwhash_ALG_ARGON2ID13
    )
    return hmac.new(pepper, b"tallyman/pin/v1\n" + context + slow, hashlib.sha256).digest()
