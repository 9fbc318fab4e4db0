"""Enrolment: how a new node and the hub come to trust each other's keys, once, through a code that a person carries.

The hub prints a code: its address, the chain's name, when the code ends, the hash of the hub's key, and a secret. The
node answers with its public keys and signatures by them, under a keyed hash made with the secret. The secret itself
never travels, so that a machine that only pretends to be the hub learns nothing. The hub answers with a certificate,
under the same secret and signed with the key that the code names: from then on the node knows whose word counts.

    code         "TM1" ‖ base32(CBOR [origin, expires at (s), hub key hash (16), secret (16), address] ‖ check (4))
    request      CBOR {code, origin, key, address, pop, pop_tx, mac}
    answer       CBOR {certificate, mac}
    certificate  CBOR [CBOR map, signature]; map labels: 1 origin, 2 hub log name, 3 hub Ed25519 key, 4 hub control
                 address, 5 node Ed25519 key, 6 node secp256k1 address, 7 key number, 8 not before (s); in a later
                 incarnation 9 [origin, height, hash] of the block that it continues, 10 that block's state root,
                 11 the four contracts in force there (80), 12 how many control records are carried over, 13 the hub's
                 signature of the rebase (65)

The same keys and code always give the same request, byte for byte: a node that got no answer just asks again.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from ledger.block import Previous
from ledger.block_rules import Identity
from ledger.codec import cbor_decode, cbor_encode, keccak256
from ledger.deployment import CONTRACTS, Addresses
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.keys import Signature, SigningKey, TxKey, VerifyKey, recover
from ledger.wording import shown

MESSAGE_BYTES_MAX = 8 * 1024
SECRET_BYTES = 16
HASH_BYTES = 16
URL_MAX = 200

_PREFIX = "TM1"
_CHECK_BYTES = 4
_CODE = re.compile(r"TM1([A-Z2-7]{20,600})", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9._~/\-]*)?|", re.ASCII)
_NUMBER_END = 2**63
_REQUEST_PARTS = {"code", "origin", "key", "address", "pop", "pop_tx", "mac"}


def is_address(url: object) -> bool:
    """Whether a node can be sent to this address of a hub; "" leaves it to look around."""
    return isinstance(url, str) and len(url) <= URL_MAX and _URL.fullmatch(url) is not None


@dataclass(frozen=True, slots=True)
class Code:
    """What the hub prints. It is a secret until it has been used; `url` may be empty (the node then looks around)."""

    origin: str
    expires_s: int
    hub_key_hash: bytes
    secret: bytes
    url: str = ""

    @property
    def id(self) -> bytes:
        """By which the hub finds it again; says nothing about the secret."""
        return sha256(b"tallyman/code/v1\n" + self.secret).digest()[:HASH_BYTES]

    def encode(self) -> str:
        """In capitals and digits, as a QR code likes them."""
        raw = cbor_encode([self.origin, self.expires_s, self.hub_key_hash, self.secret, self.url])
        check = sha256(raw).digest()[:_CHECK_BYTES]
        return _PREFIX + base64.b32encode(raw + check).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: object) -> Code:
        """A code as typed or scanned: case, spaces and dashes do not matter. `Rejected` tells the person why not."""
        bare = re.sub(r"[\s-]", "", text).upper() if isinstance(text, str) and len(text) < 2000 else ""
        match = _CODE.fullmatch(bare)
        if match is None:
            raise Rejected("this is not an enrolment code: it starts with TM1 and has letters and digits only")
        body = match[1]
        try:
            raw = base64.b32decode(body + "=" * (-len(body) % 8))
            content, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
            if sha256(content).digest()[:_CHECK_BYTES] != check:
                raise Rejected("the enrolment code has a slip in it: its check sum does not fit; type it again")
            values = cbor_decode(content, size_bytes_max=512, depth_max=1)
            code = cls(*_checked_code(values))
        except (binascii.Error, Invalid) as error:
            raise Rejected("the enrolment code has a slip in it: it cannot be read; type it again") from error
        if code.encode() != _PREFIX + body:
            raise Rejected("the enrolment code has a slip in it: it is not written as the hub writes it")
        return code


@dataclass(frozen=True, slots=True)
class Continued:
    """What a later incarnation goes on from: a block of an earlier one that the hub has verified, its state root, the
    contracts in force there, how many control records open the new sequence because that block does not have them,
    and the hub's signature of the `rebase` (`control.rebase_digest`)."""

    previous: Previous
    state_root: bytes
    contracts: Addresses
    carried: int
    rebase: bytes

    def labels(self) -> dict[int, Any]:
        """Its part of a certificate."""
        block = [self.previous.origin, self.previous.height, self.previous.hash]
        return {9: block, 10: self.state_root, 11: self.contracts.raw, 12: self.carried, 13: self.rebase}

    @classmethod
    def read(cls, labels: Mapping[int, Any]) -> Continued:
        """The inverse of `labels`."""
        block = labels[9]
        if not isinstance(block, list) or len(block) != 3:
            raise Invalid("the block that a certificate continues is an origin, a height and a hash")
        return cls(
            Previous(str(_origin(block[0])), _uint(block[1], "height"), _bytes(block[2], 32, "block hash")),
            _bytes(labels[10], 32, "state root"),
            Addresses.parse(_bytes(labels[11], 20 * len(CONTRACTS), "contracts")),
            _uint(labels[12], "number of control records"),
            _bytes(labels[13], 65, "signature of the rebase"),
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """The hub's word on who may speak for a site chain, and on its own keys. `not_before_s`: genesis is not older."""

    origin: str
    hub_name: str
    hub_key: VerifyKey
    control_address: bytes
    node_key: VerifyKey
    node_address: bytes
    key_number: int
    not_before_s: int
    signature: bytes = b""
    continued: Continued | None = None

    @property
    def chain(self) -> Identity:
        """Who the chain is, for `ledger.chain`."""
        origin = Origin.parse(self.origin)
        if self.continued is None:
            return Identity.first(origin, self.node_address, self.control_address)
        return Identity(
            origin,
            self.node_address,
            self.control_address,
            self.continued.contracts,
            self.continued.previous,
            self.continued.state_root,
        )

    def body(self) -> bytes:
        """What the hub signs, without the tag."""
        return cbor_encode(
            {
                1: self.origin,
                2: self.hub_name,
                3: self.hub_key.raw,
                4: self.control_address,
                5: self.node_key.raw,
                6: self.node_address,
                7: self.key_number,
                8: self.not_before_s,
                **({} if self.continued is None else self.continued.labels()),
            }
        )

    def encode(self) -> bytes:
        """The signed certificate."""
        return cbor_encode([self.body(), self.signature])

    def signed(self, key: SigningKey) -> Certificate:
        """The same certificate, signed by the hub."""
        return replace(self, signature=key.sign(_certificate_bytes(self.body())))

    @classmethod
    def decode(cls, raw: bytes) -> Certificate:
        """A certificate signed by the hub key that it names; `Invalid` otherwise.

        That it is the right hub is known from elsewhere: from the code at enrolment, from the node's own disk later.
        """
        parts = cbor_decode(raw, size_bytes_max=MESSAGE_BYTES_MAX, depth_max=1)
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, bytes) for part in parts):
            raise Invalid("a certificate is a body and a signature")
        body, signature = parts
        labels = cbor_decode(body, size_bytes_max=MESSAGE_BYTES_MAX, depth_max=2)
        if not isinstance(labels, dict) or set(labels) not in (set(range(1, 9)), set(range(1, 14))):
            raise Invalid("a certificate is a map with the labels 1 to 8, and 9 to 13 in a later incarnation")
        origin = _origin(labels[1])
        if labels[2] != origin.hub:
            raise Invalid(f"the certificate of {origin} is by {labels[2]!r}: expected {origin.hub}")
        certificate = cls(
            str(origin),
            origin.hub,
            VerifyKey(_bytes(labels[3], 32, "hub key")),
            _bytes(labels[4], 20, "control address"),
            VerifyKey(_bytes(labels[5], 32, "node key")),
            _bytes(labels[6], 20, "node address"),
            _uint(labels[7], "key number"),
            _uint(labels[8], "not before"),
            signature,
            Continued.read(labels) if 9 in labels else None,
        )
        certificate.hub_key.verify(_certificate_bytes(body), signature)
        return certificate


@dataclass(frozen=True, slots=True)
class Request:
    """A node that asks to speak for `origin`: its keys, and that it holds them. Checked by `read`."""

    code_id: bytes
    origin: str
    key: VerifyKey
    address: bytes
    body: Mapping[str, Any]

    @classmethod
    def read(cls, raw: bytes) -> Request:
        """A well-formed request whose two signatures are right; `Invalid` otherwise. The secret is checked later."""
        body = cbor_decode(raw, size_bytes_max=MESSAGE_BYTES_MAX, depth_max=2)
        if not isinstance(body, dict) or set(body) != _REQUEST_PARTS:
            raise Invalid("the request for enrolment lacks a part")
        request = cls(
            _bytes(body["code"], HASH_BYTES, "code"),
            str(_origin(body["origin"])),
            VerifyKey(_bytes(body["key"], 32, "key")),
            _bytes(body["address"], 20, "address"),
            body,
        )
        said = request.said()
        request.key.verify(said, _bytes(body["pop"], 64, "signature"))
        if recover(keccak256(said), Signature.parse(_bytes(body["pop_tx"], 65, "signature"))) != request.address:
            raise Invalid("the node does not hold the key of the address that it names")
        return request

    def said(self) -> bytes:
        """What both node keys sign."""
        content = [self.code_id, self.origin, self.key.raw, self.address]
        return b"tallyman/enrol/v1\n" + cbor_encode(content)

    def knows(self, secret: bytes) -> bool:
        """Whether whoever wrote this holds the code's secret."""
        mac = self.body["mac"]
        return isinstance(mac, bytes) and hmac.compare_digest(mac, _keyed(secret, b"request", self.said()))


def make_request(code: Code, key: SigningKey, transaction_key: TxKey) -> bytes:
    """What a node with these keys sends for `code`."""
    request = Request(code.id, code.origin, key.verify_key, transaction_key.address, {})
    said = request.said()
    return cbor_encode(
        {
            "code": request.code_id,
            "origin": request.origin,
            "key": request.key.raw,
            "address": request.address,
            "pop": key.sign(said),
            "pop_tx": transaction_key.sign_digest(keccak256(said)).raw,
            "mac": _keyed(code.secret, b"request", said),
        }
    )


def make_answer(request: Request, secret: bytes, certificate: Certificate) -> bytes:
    """What the hub answers: the certificate, and that it too holds the secret."""
    raw = certificate.encode()
    return cbor_encode({"certificate": raw, "mac": _keyed(secret, b"answer", request.said() + raw)})


def read_answer(raw: bytes, code: Code, request: bytes) -> Certificate:
    """The certificate for the `request` that this node sent; `Invalid` unless the hub of the code made it for it."""
    asked = Request.read(request)
    body = cbor_decode(raw, size_bytes_max=MESSAGE_BYTES_MAX, depth_max=1)
    if not isinstance(body, dict):
        raise Invalid("the answer to the enrolment is not a map")
    signed = _bytes(body.get("certificate"), None, "certificate")
    mac = _bytes(body.get("mac"), 32, "mac")
    if not hmac.compare_digest(mac, _keyed(code.secret, b"answer", asked.said() + signed)):
        raise Invalid("the answer to the enrolment does not come from the hub that printed the code")
    certificate = Certificate.decode(signed)
    if key_hash(certificate.hub_key) != code.hub_key_hash:
        raise Invalid("the hub that answered has another key than the one the code names: do not trust this network")
    if (certificate.origin, certificate.node_key, certificate.node_address) != (
        asked.origin,
        asked.key,
        asked.address,
    ):
        raise Invalid("the certificate is for other keys or another site than this node asked for")
    return certificate


def key_hash(key: VerifyKey) -> bytes:
    """How a code names the hub's key: the first 16 bytes of its SHA-256."""
    return sha256(key.raw).digest()[:HASH_BYTES]


def _certificate_bytes(body: bytes) -> bytes:
    return b"tallyman/certificate/v1\n" + body


def _keyed(secret: bytes, purpose: bytes, message: bytes) -> bytes:
    return hmac.new(secret, b"tallyman/enrol/v1\n" + purpose + b"\n" + message, sha256).digest()


def _checked_code(values: Any) -> tuple[str, int, bytes, bytes, str]:
    if not isinstance(values, list) or len(values) != 5:
        raise Invalid("a code has five parts")
    origin, expires_s, hub_key_hash, secret, url = values
    if not is_address(url):
        raise Invalid("the address in the code is none")
    return (
        str(_origin(origin)),
        _uint(expires_s, "expiry"),
        _bytes(hub_key_hash, HASH_BYTES, "key hash"),
        _bytes(secret, SECRET_BYTES, "secret"),
        url,
    )


def _origin(value: Any) -> Origin:
    try:
        return Origin.parse(value)
    except Rejected as error:
        raise Invalid(str(error)) from error


def _bytes(value: Any, size: int | None, what: str) -> bytes:
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise Invalid(f"{what} is not a byte string of the right length")
    return value


def _uint(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < _NUMBER_END:
        raise Invalid(f"{what} is {shown(value)}: expected a whole number below 2^63")
    return value
