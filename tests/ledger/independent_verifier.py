"""A second verifier of receipts, written from the format's page alone and importing nothing of the product.

Standard library, PyNaCl for Ed25519 and one Keccak. It shares no code, no data types and no decoders with the
product, so that both agreeing on every receipt and every damaged receipt says something about the page.

    python -m tests.ledger.independent_verifier RECEIPT [site key hex …]
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from typing import Any

from Crypto.Hash import keccak as keccak_of_pycryptodome
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import VerifyKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
NAME = r"[a-z0-9.-]{1,31}"

SHAPE: dict[str, Any] = {
    "version": int,
    "origin": str,
    "operation": {"op_id": 16, "tx_index": int, "tx": bytes},
    "block": {
        "height": int,
        "header": bytes,
        "meta": bytes,
        "key": 32,
        "signature": 64,
        "tx_proof": [bytes],
        "receipt": bytes,
        "receipt_proof": [bytes],
    },
    "site": {"checkpoint": str, "key": 32, "index": int, "size": int, "path": [32]},
    "hub": {"checkpoint": str, "key": 32, "index": int, "size": int, "path": [32]},
    "anchor": {
        "chain_id": int,
        "contract": 20,
        "tx_hash": 32,
        "block_number": int,
        "log_index": int,
        "size": int,
        "root": 32,
    },
}
OPTIONAL = {"hub", "anchor"}
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Refused(Exception):
    """The receipt is not what it says."""


def need(truth: bool, why: str) -> None:
    if not truth:
        raise Refused(why)


def verify(data: bytes, site_keys: set[bytes] | None = None, hub_keys: set[bytes] | None = None) -> str:
    """The receipt's strength; raises Refused for anything the page does not allow."""
    r = typed(strict_json(data), SHAPE, "receipt")
    need(r["version"] == 1, "version")
    match = re.fullmatch(rf"({NAME})/site/{NAME}/([1-9][0-9]*)", r["origin"], re.ASCII)
    need(match is not None, "origin")
    assert match is not None
    origin, block, operation = r["origin"], r["block"], r["operation"]

    header = rlp(block["header"])
    need(isinstance(header, list) and len(header) == 17, "a header has 17 fields")
    need(all(isinstance(field, bytes) for field in header), "header fields are byte strings")
    height = number(header[8])
    need(height == block["height"] and height > 0, "height")
    need(header[12] == sha(block["meta"]), "extra data")
    meta, rest = cbor(block["meta"], 0)
    need(rest == len(block["meta"]) and isinstance(meta, dict), "meta")
    need(meta.get(1) == origin and meta.get(2) == height, "meta is about another block")
    manager = meta.get(8)
    need(isinstance(manager, bytes) and len(manager) == 20, "manager")

    block_hash = keccak(block["header"])
    signed = b"tallyman/block/v1\n" + origin.encode() + b"\n" + str(height).encode() + b"\n" + block_hash
    known(block["key"], site_keys)
    ed25519(block["key"], signed, block["signature"])

    index = operation["tx_index"]
    need(trie_value(header[4], index, block["tx_proof"]) == operation["tx"], "transaction")
    need(trie_value(header[5], index, block["receipt_proof"]) == block["receipt"], "EVM receipt")
    kind, fields = typed_rlp(operation["tx"])
    data_at, count = {0: (5, 9), 1: (6, 11), 2: (7, 12)}[kind]
    need(isinstance(fields, list) and len(fields) == count, "transaction fields")
    call = fields[data_at]
    need(isinstance(call, bytes) and call[4:20] == operation["op_id"], "operation")
    receipt_kind, outcome = typed_rlp(block["receipt"])
    need(receipt_kind == kind, "transaction and receipt are of one type")
    need(isinstance(outcome, list) and len(outcome) == 4 and outcome[0] == b"\x01", "status")
    topic = operation["op_id"] + bytes(16)
    need(any(entry[0] == manager and topic in entry[1] for entry in outcome[3]), "no event of the operation")

    site = r["site"]
    known(site["key"], site_keys)
    size, root = note(site["checkpoint"], origin, site["key"])
    need(size == site["size"] and site["index"] == height, "site log")
    need(audit(sha(b"\x00" + block_hash), height, size, site["path"]) == root, "site path")
    if "hub" in r:
        hub = r["hub"]
        known(hub["key"], hub_keys)
        size, root = note(hub["checkpoint"], match[1] + "/hub", hub["key"])
        need(size == hub["size"], "hub log")
        need(audit(sha(b"\x00" + site["checkpoint"].encode()), hub["index"], size, hub["path"]) == root, "hub path")
    if "anchor" in r:
        need("hub" in r, "an anchor needs a hub")
        need((r["anchor"]["size"], r["anchor"]["root"]) == (size, root), "anchor")
    return "anchored" if "anchor" in r else "hub-held" if "hub" in r else "site-signed"


# --- the file ---


def strict_json(data: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({name for name, _ in pairs}) == len(pairs), "repeated name")
        return dict(pairs)

    def never(text: str) -> Any:
        raise Refused(f"number {text}")

    try:
        text = data.decode("utf-8")
        need(not re.search(r"[\[{]\s*" * 8, text), "nested too deep")
        value = json.loads(text, object_pairs_hook=once, parse_float=never, parse_constant=never)
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    need(canonical(value).encode("utf-8", "surrogatepass") == data, "not RFC 8785")
    return value


def canonical(value: Any) -> str:
    """RFC 8785 of what a receipt may hold: no other type comes this far."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if type(value) is int:
        need(0 <= value < 2**53, "number out of range")
        return str(value)
    need(isinstance(value, str), f"a {type(value).__name__} has no place here")
    return '"' + re.sub(r'[\x00-\x1f"\\]', escape, value) + '"'


def escape(found: re.Match[str]) -> str:
    return ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}"


def typed(value: Any, shape: Any, where: str) -> Any:
    """The value in the form that the shape says: int, text, hex of any or of a fixed length, lists and objects."""
    if isinstance(shape, dict):
        need(isinstance(value, dict), where)
        optional = OPTIONAL if shape is SHAPE else set()
        need(set(value) <= set(shape) and set(shape) - set(value) <= optional, f"names of {where}")
        return {name: typed(item, shape[name], f"{where}.{name}") for name, item in value.items()}
    if isinstance(shape, list):
        need(isinstance(value, list), where)
        return [typed(item, shape[0], where) for item in value]
    if shape is int or shape is str:
        need(type(value) is shape, where)
        return value
    need(isinstance(value, str) and re.fullmatch(r"([0-9a-f]{2})*", value, re.ASCII) is not None, f"hex of {where}")
    raw = bytes.fromhex(value)
    need(shape is bytes or len(raw) == shape, f"length of {where}")
    return raw


# --- RLP, CBOR, tries ---


def rlp(data: bytes) -> Any:
    value, end = rlp_item(data, 0)
    need(end == len(data), "RLP goes on after its end")
    return value


def rlp_item(data: bytes, at: int) -> tuple[Any, int]:
    need(at < len(data), "RLP ends early")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    short, is_list = (first - 0xC0, True) if first >= 0xC0 else (first - 0x80, False)
    at += 1
    length = short
    if short > 55:
        digits = data[at : at + short - 55]
        need(len(digits) == short - 55 and digits[0] != 0, "RLP length")
        length = int.from_bytes(digits, "big")
        need(length > 55, "RLP length is not the shortest")
        at += short - 55
    end = at + length
    need(end <= len(data), "RLP ends early")
    if not is_list:
        need(length != 1 or data[at] >= 0x80, "RLP byte is not the shortest")
        return data[at:end], end
    items = []
    while at < end:
        item, at = rlp_item(data[:end], at)
        items.append(item)
    return items, end


def typed_rlp(value: bytes) -> tuple[int, Any]:
    need(bool(value), "empty value")
    if value[0] >= 0xC0:
        return 0, rlp(value)
    need(value[0] in (1, 2), "unknown type")
    return value[0], rlp(value[1:])


def number(raw: bytes) -> int:
    need(raw[:1] != b"\x00", "leading zero")
    return int.from_bytes(raw, "big")


def rlp_key(index: int) -> list[int]:
    raw = index.to_bytes((index.bit_length() + 7) // 8, "big")
    if not (len(raw) == 1 and raw[0] < 0x80):
        raw = bytes([0x80 + len(raw)]) + raw
    return [nibble for byte in raw for nibble in (byte >> 4, byte & 15)]


def trie_value(root: bytes, index: int, nodes: list[bytes]) -> bytes:
    """The value at rlp(index): from the root down, each node must be the one its parent names; none is left."""
    left = list(nodes)
    path = rlp_key(index)
    here: Any = root
    first = True
    while True:
        if isinstance(here, bytes):
            need(len(here) == 32 and bool(left), "a proof ends early")
            encoded = left.pop(0)
            need(keccak(encoded) == here and (first or len(encoded) >= 32), "a node is not the one named")
            here = rlp(encoded)
        first = False
        need(isinstance(here, list) and len(here) in (2, 17), "not a trie node")
        if len(here) == 17:
            if not path:
                value = here[16]
                break
            here, path = here[path[0]], path[1:]
            continue
        need(isinstance(here[0], bytes) and bool(here[0]), "path of a node")
        flag = here[0][0] >> 4
        need(flag < 4 and (flag & 1 == 1 or here[0][0] & 15 == 0), "path of a node")
        steps = [nibble for byte in here[0] for nibble in (byte >> 4, byte & 15)][1 if flag & 1 else 2 :]
        if flag >= 2:
            need(steps == path, "another key")
            value = here[1]
            break
        need(bool(steps) and path[: len(steps)] == steps, "another key")
        here, path = here[1], path[len(steps) :]
    need(not left, "nodes to spare")
    need(isinstance(value, bytes) and bool(value), "no value")
    return bytes(value)


def cbor(data: bytes, at: int) -> tuple[Any, int]:
    """Deterministic CBOR of what a meta holds."""
    need(at < len(data), "CBOR ends early")
    major, small = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        need(small == 22, "CBOR value")
        return None, at
    argument = small
    if small >= 24:
        need(small < 28, "CBOR length")
        width = 1 << (small - 24)
        need(at + width <= len(data), "CBOR ends early")
        argument, at = int.from_bytes(data[at : at + width], "big"), at + width
        need(argument >= (24, 2**8, 2**16, 2**32)[small - 24], "CBOR number is not the shortest")
    if major == 0:
        return argument, at
    if major in (2, 3):
        need(at + argument <= len(data), "CBOR ends early")
        raw = data[at : at + argument]
        try:
            return (raw if major == 2 else raw.decode("utf-8")), at + argument
        except UnicodeDecodeError as error:
            raise Refused("CBOR text") from error
    need(major in (4, 5) and argument <= len(data), "CBOR type")
    items, keys = [], []
    for _ in range(argument):
        if major == 5:
            start = at
            key, at = cbor(data, at)
            keys.append((data[start:at], key))
        item, at = cbor(data, at)
        items.append(item)
    if major == 4:
        return items, at
    written = [raw for raw, _ in keys]
    need(written == sorted(set(written)), "CBOR map order")
    return dict(zip([key for _, key in keys], items, strict=True)), at


# --- hashes, signatures, logs ---


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def keccak(data: bytes) -> bytes:
    return keccak_of_pycryptodome.new(digest_bits=256, data=data).digest()


def known(key: bytes, keys: set[bytes] | None) -> None:
    need(not keys or key in keys, "the key is not one of those given")


def ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    need(int.from_bytes(key, "little") & (2**255 - 1) < P, "key is not canonical")
    need(crypto_core_ed25519_is_valid_point(key), "key is of small order or no point")
    need(len(signature) == 64 and int.from_bytes(signature[32:], "little") < L, "signature is not canonical")
    try:
        VerifyKey(key).verify(message, signature)
    except Exception as error:
        raise Refused("signature") from error


def note(text: str, name: str, key: bytes) -> tuple[int, bytes]:
    """Size and root of a checkpoint with exactly one signature line, by the log's own key."""
    need(text.endswith("\n"), "a note ends with a newline")
    lines = text[:-1].split("\n")
    need(len(lines) == 5 and lines[0] == name and lines[3] == "", "the lines of a note")
    need(re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1], re.ASCII) is not None, "size of a note")
    mark, _, rest = lines[4].partition(" ")
    signer, _, encoded = rest.partition(" ")
    need(mark == "\u2014" and signer == name, "signer of a note")
    raw = base64_of(encoded)
    key_id = sha(name.encode() + b"\n\x01" + key)[:4]
    need(len(raw) == 68 and raw[:4] == key_id, "key id of a note")
    root = base64_of(lines[2])
    need(len(root) == 32, "root of a note")
    ed25519(key, "\n".join([*lines[:3], ""]).encode(), raw[4:])
    return int(lines[1]), root


def base64_of(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("base64") from error
    need(base64.b64encode(raw).decode() == text, "base64 is not canonical")
    return raw


def audit(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root by the recursive definition of RFC 6962: the last hash of the path joins at the top."""
    need(0 <= index < size, "index")
    if size == 1:
        need(not path, "audit path is too long")
        return leaf
    need(bool(path), "audit path is too short")
    left = 1 << ((size - 1).bit_length() - 1)
    if index < left:
        return sha(b"\x01" + audit(leaf, index, left, path[:-1]) + path[-1])
    return sha(b"\x01" + path[-1] + audit(leaf, index - left, size - left, path[:-1]))


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    try:
        print(verify(content, {bytes.fromhex(item) for item in sys.argv[2:]}))
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
