"""One-time codes of authenticators: RFC 4226 (HOTP) and RFC 6238 (TOTP), and the address that an authenticator scans.

Names are the RFCs': K the shared secret, X the time step in seconds, T the number of steps since 1970.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote

STEP_S = 30  # X
DIGITS = 6
SECRET_BYTES = 20
# Steps before and after the expected one that count (RFC 6238 5.2: at most one for the delay of people and networks).
WINDOW = 1


def hotp(secret: bytes, counter: int, digits: int = DIGITS, digest: str = "sha1") -> str:
    """HOTP(K, C): HMAC, dynamic truncation, decimal digits (RFC 4226 5.3)."""
    made = hmac.digest(secret, counter.to_bytes(8, "big"), digest)
    offset = made[-1] & 15
    number = int.from_bytes(made[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_at(at_s: int) -> int:
    """T: the step of a moment."""
    return max(at_s, 0) // STEP_S


def matching(secret: bytes, code: str, expected: int) -> int | None:
    """The step around `expected` whose code this is; None when it is of none of them."""
    steps = range(max(expected - WINDOW, 0), expected + WINDOW + 1)
    found = [step for step in steps if hmac.compare_digest(hotp(secret, step), code)]
    return found[-1] if found else None


def address(secret: bytes, issuer: str, account: str) -> str:
    """What an authenticator scans: an `otpauth` address with the secret in base 32."""
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?secret={base32(secret)}&issuer={quote(issuer)}"


def base32(secret: bytes) -> str:
    """The secret as people type it."""
    return base64.b32encode(secret).decode().rstrip("=")
