"""The receipt as a file: `application/vnd.tallyman.receipt+json`, version 1, one sequence of bytes for each content.

Other programs read this format, so it is stable. Reading is strict: exactly the known names, each value of its kind,
and the whole written again must give the very bytes that were read (RFC 8785: order of names, escapes, no spaces).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ledger.codec import JSON_INTEGER_MAX, json_canonical, json_loads
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.wording import shown

VERSION = 1
MEDIA_TYPE = "application/vnd.tallyman.receipt+json"
SIZE_BYTES_MAX = 1024 * 1024

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class LogProof:
    """A leaf in a log whose root a signed note states. `key` is the raw Ed25519 key that signed the note."""

    checkpoint: bytes
    key: bytes
    index: int
    size: int
    path: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "checkpoint": self.checkpoint.decode("utf-8"),
            "key": self.key.hex(),
            "index": self.index,
            "size": self.size,
            "path": [item.hex() for item in self.path],
        }

    @classmethod
    def from_json(cls, value: Any, what: str = "hub") -> LogProof:
        fields = _object(value, what, ("checkpoint", "key", "index", "size", "path"))
        return cls(
            checkpoint=_text(fields["checkpoint"], f"{what}.checkpoint").encode("utf-8"),
            key=_hex(fields["key"], f"{what}.key", 32),
            index=_number(fields["index"], f"{what}.index"),
            size=_number(fields["size"], f"{what}.size"),
            path=_hexes(fields["path"], f"{what}.path", 32),
        )


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where an anchored hub root should be found. All but `size` and `root` are hints that only --rpc checks."""

    chain_id: int
    contract: bytes
    tx_hash: bytes
    block_number: int
    log_index: int
    size: int
    root: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "chain_id": self.chain_id,
            "contract": self.contract.hex(),
            "tx_hash": self.tx_hash.hex(),
            "block_number": self.block_number,
            "log_index": self.log_index,
            "size": self.size,
            "root": self.root.hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Anchor:
        names = ("chain_id", "contract", "tx_hash", "block_number", "log_index", "size", "root")
        fields = _object(value, "anchor", names)
        return cls(
            chain_id=_number(fields["chain_id"], "anchor.chain_id"),
            contract=_hex(fields["contract"], "anchor.contract", 20),
            tx_hash=_hex(fields["tx_hash"], "anchor.tx_hash", 32),
            block_number=_number(fields["block_number"], "anchor.block_number"),
            log_index=_number(fields["log_index"], "anchor.log_index"),
            size=_number(fields["size"], "anchor.size"),
            root=_hex(fields["root"], "anchor.root", 32),
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The content of a receipt file, well-formed but not yet verified. Fields as on the page, keys and hashes raw."""

    origin: str
    op_id: bytes
    tx_index: int
    tx: bytes
    height: int
    header: bytes
    meta: bytes
    key: bytes
    signature: bytes
    tx_proof: tuple[bytes, ...]
    receipt: bytes
    receipt_proof: tuple[bytes, ...]
    site: LogProof
    hub: LogProof | None = None
    anchor: Anchor | None = None

    def encode(self) -> bytes:
        """The file: RFC 8785 canonical JSON."""
        value: dict[str, Any] = {
            "version": VERSION,
            "origin": self.origin,
            "operation": {"op_id": self.op_id.hex(), "tx_index": self.tx_index, "tx": self.tx.hex()},
            "block": {
                "height": self.height,
                "header": self.header.hex(),
                "meta": self.meta.hex(),
                "key": self.key.hex(),
                "signature": self.signature.hex(),
                "tx_proof": [item.hex() for item in self.tx_proof],
                "receipt": self.receipt.hex(),
                "receipt_proof": [item.hex() for item in self.receipt_proof],
            },
            "site": self.site.to_json(),
        }
        if self.hub:
            value["hub"] = self.hub.to_json()
        if self.anchor:
            value["anchor"] = self.anchor.to_json()
        return json_canonical(value)

    @classmethod
    def parse(cls, raw: bytes) -> Receipt:
        """The content of `raw`; Invalid unless `raw` is how `encode` writes it."""
        value = json_loads(raw, size_bytes_max=SIZE_BYTES_MAX)
        fields = _object(value, "receipt", ("version", "origin", "operation", "block", "site"), ("hub", "anchor"))
        if type(fields["version"]) is not int or fields["version"] != VERSION:
            raise Invalid(
                f"the receipt's version is {shown(fields['version'])}: this program reads version {VERSION}"
            )
        receipt = _assemble(fields)
        # By now names are ASCII, and values are texts, whole numbers, lists and objects: for these the plain encoder
        # with sorted names writes what RFC 8785 demands.
        if _CANONICAL.encode(value).encode() != raw:
            raise Invalid("the receipt is not written as RFC 8785 canonical JSON: spaces, order or escapes differ")
        return receipt


def _assemble(fields: dict[str, Any]) -> Receipt:
    operation = _object(fields["operation"], "operation", ("op_id", "tx_index", "tx"))
    block = _object(
        fields["block"],
        "block",
        ("height", "header", "meta", "key", "signature", "tx_proof", "receipt", "receipt_proof"),
    )
    try:
        origin = str(Origin.parse(fields["origin"]))
    except Rejected as error:
        raise Invalid(str(error)) from error
    return Receipt(
        origin=origin,
        op_id=_hex(operation["op_id"], "operation.op_id", 16),
        tx_index=_number(operation["tx_index"], "operation.tx_index"),
        tx=_hex(operation["tx"], "operation.tx"),
        height=_number(block["height"], "block.height"),
        header=_hex(block["header"], "block.header"),
        meta=_hex(block["meta"], "block.meta"),
        key=_hex(block["key"], "block.key", 32),
        signature=_hex(block["signature"], "block.signature", 64),
        tx_proof=_hexes(block["tx_proof"], "block.tx_proof"),
        receipt=_hex(block["receipt"], "block.receipt"),
        receipt_proof=_hexes(block["receipt_proof"], "block.receipt_proof"),
        site=LogProof.from_json(fields["site"], "site"),
        hub=LogProof.from_json(fields["hub"]) if "hub" in fields else None,
        anchor=Anchor.from_json(fields["anchor"]) if "anchor" in fields else None,
    )


def _object(value: Any, what: str, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{what} is {shown(value)}: expected an object")
    if len(value) == len(names) and all(name in value for name in names):
        return value
    missing = [name for name in names if name not in value]
    unknown = [name for name in value if name not in names and name not in optional]
    if missing or unknown:
        raise Invalid(f"{what} lacks {missing} and has the unknown {[name[:40] for name in unknown]}")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{what} is {shown(value)}: expected text")
    return value


def _number(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= JSON_INTEGER_MAX:
        raise Invalid(f"{what} is {shown(value)}: expected a whole number from 0 to 2^53 - 1")
    return value


def _hex(value: Any, what: str, size: int | None = None) -> bytes:
    try:
        raw = bytes.fromhex(_text(value, what))
    except ValueError as error:
        raise Invalid(f"{what} is not hexadecimal") from error
    if raw.hex() != value or (size is not None and len(raw) != size):
        raise Invalid(f"{what} is not {size if size is not None else 'some'} bytes in lower-case hex digits")
    return raw


def _hexes(value: Any, what: str, size: int | None = None) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise Invalid(f"{what} is {shown(value)}: expected a list")
    return tuple(_hex(item, what, size) for item in value)
