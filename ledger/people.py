"""People as chain, hub and node agree on them: roles, and the one-time code that ties a person to a key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from ledger import spelling
from ledger.codec import keccak256
from ledger.errors import Rejected

COUNT, RECEIVE, MOVE, ISSUE, ADJUST, HOLD, APPROVE, TRANSFER, ADMIN = (1 << bit for bit in range(9))
# An auditor reads. The chain knows nine roles and not this one: see `on_chain` and `held`.
AUDIT = 1 << 9
ROLES = {
    "COUNT": COUNT,
    "RECEIVE": RECEIVE,
    "MOVE": MOVE,
    "ISSUE": ISSUE,
    "ADJUST": ADJUST,
    "HOLD": HOLD,
    "APPROVE": APPROVE,
    "TRANSFER": TRANSFER,
    "ADMIN": ADMIN,
    "AUDIT": AUDIT,
}
STOCK_ROLES = ADMIN - 1

# Crockford's alphabet: nothing in it is taken for something else when read aloud or typed with gloves.
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 20
_LIKE = str.maketrans("OIL", "011")
_CODE = re.compile(f"[{CODE_ALPHABET}]{{{CODE_LENGTH}}}", re.ASCII)


def roles_of(names: Iterable[str]) -> int:
    """Role names as bits; raises `Rejected` for an unknown name, and for ADMIN or AUDIT beside another role."""
    bits = 0
    for name in names:
        if name not in ROLES:
            raise Rejected(f"{name!r} is not a role: expected {', '.join(ROLES)}")
        bits |= ROLES[name]
    if bits & ADMIN and bits != ADMIN:
        raise Rejected("ADMIN excludes every other role: give the two to two people")
    if bits & AUDIT and bits != AUDIT:
        raise Rejected("AUDIT excludes every other role: who audits a site does none of its work")
    return bits


def on_chain(roles: int) -> int:
    """What the chain is told of these roles: an auditor's record there has the one that recording a count needs."""
    return COUNT if roles == AUDIT else roles


def held(bits: int, marked: bool) -> int:
    """The roles of somebody with these bits on chain whom the hub has or has not marked as an auditor. The mark turns
    COUNT into AUDIT and changes no other rights, so it gives nobody an act that the chain does not let them do."""
    return AUDIT if marked and bits == COUNT else bits


def role_names(bits: int) -> list[str]:
    """Bits as names."""
    return [name for name, bit in ROLES.items() if bits & bit]


def new_code(raw: bytes) -> str:
    """A one-time activation code from 13 random bytes (100 bits of them), in groups of five."""
    number = int.from_bytes(raw[:13], "big")
    digits = [CODE_ALPHABET[number >> 5 * place & 31] for place in range(CODE_LENGTH)]
    return "-".join("".join(digits[start : start + 5]) for start in range(0, CODE_LENGTH, 5))


def activation_code(text: object) -> bytes:
    """What `bind` takes on chain (bytes32) from the code as a person types it; raises `Rejected`."""
    typed = spelling.digits(text).upper() if isinstance(text, str) else ""
    plain = typed.replace("-", "").replace(" ", "").translate(_LIKE)
    if not _CODE.fullmatch(plain):
        raise Rejected(f"this is not an activation code: expected {CODE_LENGTH} letters and digits in groups of five")
    return hashlib.sha256(b"tallyman/activation/v1\n" + plain.encode()).digest()


def activation_hash(text: object) -> bytes:
    """What the hub's record holds of the code: Keccak-256 of `activation_code`."""
    return keccak256(activation_code(text))
