"""Where the next page of a list begins: the list and its last row's key, as a text its sender need not understand.

A cursor is not signed. It only says after which key to go on, every value in it is checked for its type and bound,
and who may see which row is asked again for each page: a forged one shows its maker nothing new.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TypeAlias

from ledger import codec
from ledger.errors import Invalid

Key: TypeAlias = tuple[str | int, ...]
CHARACTERS_MAX = 400
NUMBER_MAX = 2**63 - 1


def encode(of: str, key: Key) -> str:
    """The cursor behind the row with this key in the list `of`, which is any name that no other list has."""
    raw = json.dumps([_mark(of), *key], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str, of: str, kinds: tuple[type, ...]) -> Key:
    """The key in a cursor that `encode` made for this list with keys of these types; raises Invalid for any other."""
    if not 0 < len(cursor) <= CHARACTERS_MAX:
        raise Invalid(f"the cursor has {len(cursor)} characters: take it from the `next` of the page before")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        said = codec.json_loads(raw, depth_max=2)
    except (binascii.Error, ValueError, Invalid) as error:
        raise Invalid("the cursor is not one of ours: take it from the `next` of the page before") from error
    key = said[1:] if isinstance(said, list) else []
    fits = [type(part) for part in key] == list(kinds) and encode(of, tuple(key)) == cursor
    if not fits or any(type(part) is int and abs(part) > NUMBER_MAX for part in key):
        raise Invalid("the cursor belongs to another list: take it from the `next` of the page before")
    return tuple(key)


def _mark(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:8]
