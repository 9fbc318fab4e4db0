"""The receipt: proof that one operation stands in a site's signed log, and that a hub holds and anchored that log.

A receipt is a file that needs nothing else: whoever has it can follow the operation from its transaction to the
block, from the block to the site's log, from there to the hub's log and to the anchored root, with hashes and
signatures alone. The file's format is in `ledger.receipt_file`.

`steps` is the verification, one `Step` at a time and in the order in which a person would ask. What a receipt is
worth (its strength) follows from what verifies in it and is nowhere written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from ledger import checkpoint, merkle, trie
from ledger.block import Block, EvmReceipt, Header, Meta, signing_bytes, split_type
from ledger.codec import keccak256, rlp_decode
from ledger.errors import Invalid
from ledger.ids import OpId, Origin
from ledger.keys import VerifyKey
from ledger.receipt_file import VERSION, Anchor, LogProof, Receipt
from ledger.wording import shown

SITE_SIGNED = "site-signed"
HUB_HELD = "hub-held"
ANCHORED = "anchored"

# Where the call data stands among the fields of a transaction, by type (EIP-155, EIP-2930, EIP-1559).
_DATA_FIELD = {0: (9, 5), 1: (11, 6), 2: (12, 7)}
_ANCHORED_EVENT = keccak256(b"Anchored(uint256,bytes32,uint256,bytes32,bytes32,address)")

Rpc = Callable[[str, list[Any]], Any]
"""(method, parameters) -> result of an Ethereum JSON-RPC call; raises Unavailable when there is no answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked and holds."""

    name: str
    text: str


FORM = Step("form", f"the file is a receipt of version {VERSION} in its one canonical writing")
"""Holds for whatever `Receipt.parse` returns."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A receipt in which everything holds. The flags say whether its keys were among those the verifier gave."""

    receipt: Receipt
    strength: str
    steps: tuple[Step, ...]
    site_known: bool
    hub_known: bool


def build(
    *,
    origin: Origin,
    op_id: OpId,
    block: Block,
    tx_index: int,
    receipts: Sequence[bytes],
    key: VerifyKey,
    site: LogProof,
    hub: LogProof | None = None,
    anchor: Anchor | None = None,
) -> Receipt:
    """The receipt of the operation that transaction `tx_index` of `block` carries.

    `receipts` are the EVM receipts of the block's transactions as trie values, in order; `key` is the site's key
    that signed the block. What is built is not verified here.
    """
    return Receipt(
        origin=str(origin),
        op_id=op_id.raw,
        tx_index=tx_index,
        tx=block.transactions[tx_index],
        height=Header.parse(block.header).height,
        header=block.header,
        meta=block.meta,
        key=key.raw,
        signature=block.signature,
        tx_proof=tuple(trie.prove(block.transactions, tx_index)),
        receipt=receipts[tx_index],
        receipt_proof=tuple(trie.prove(receipts, tx_index)),
        site=site,
        hub=hub,
        anchor=anchor,
    )


def verify(raw: bytes, site_keys: Collection[bytes] = (), hub_keys: Collection[bytes] = ()) -> Verified:
    """Everything the page ledger.md demands of the receipt file `raw`; raise Invalid at the first thing wrong.

    The keys are raw Ed25519 keys that the caller trusts. Where none are given, the keys in the file are taken for
    what they are: then the receipt agrees with itself, but says nothing about who made it.
    """
    receipt = Receipt.parse(raw)
    checked = (FORM, *steps(receipt, site_keys, hub_keys))
    return Verified(receipt, strength(receipt), checked, bool(site_keys), bool(receipt.hub and hub_keys))


def strength(receipt: Receipt) -> str:
    """What a verified receipt is worth: who else than the site vouches for it."""
    if receipt.anchor:
        return ANCHORED
    return HUB_HELD if receipt.hub else SITE_SIGNED


def steps(receipt: Receipt, site_keys: Collection[bytes], hub_keys: Collection[bytes]) -> Iterator[Step]:
    """The verification of a well-formed receipt, step by step; raises Invalid instead of the step that fails."""
    header, meta = _check_header(receipt)
    yield Step("header", f"header and meta belong together and name block {receipt.height} of {receipt.origin}")
    block_hash = keccak256(receipt.header)
    _known(receipt.key, site_keys, "block")
    _key(receipt.key).verify(signing_bytes(receipt.origin, receipt.height, block_hash), receipt.signature)
    yield Step("block signature", f"the site's key {receipt.key.hex()} signed block {block_hash.hex()}")
    _check_transaction(receipt, header)
    yield Step("transaction", f"transaction {receipt.tx_index} of that block carries operation {receipt.op_id.hex()}")
    _check_evm_receipt(receipt, header, meta.manager)
    yield Step("execution", "it took effect there: its EVM receipt is a success with an event of the operation")
    _known(receipt.site.key, site_keys, "site checkpoint")
    _check_site(receipt, block_hash)
    yield Step(
        "site log", f"the block is leaf {receipt.height} of the {receipt.site.size} leaves the site signed for"
    )
    if receipt.hub:
        _known(receipt.hub.key, hub_keys, "hub checkpoint")
        _check_hub(receipt, receipt.hub)
        yield Step(
            "hub log",
            f"the hub's key {receipt.hub.key.hex()} signed for {receipt.hub.size} leaves, "
            f"and the site's checkpoint is leaf {receipt.hub.index}",
        )
    if receipt.anchor:
        _check_anchor(receipt.anchor, receipt.hub)
        yield Step("anchor", f"the anchor it names is of this very hub log: {receipt.anchor.size} leaves, same root")


def check_on_chain(anchor: Anchor, rpc: Rpc, contract: bytes | None = None) -> Step:
    """Find the anchor's event on the main chain, by block number and topics; raise Invalid unless it is there.

    Never looked up by transaction hash: after a reorganisation an old hash leads nowhere although the anchor stands.
    `contract` is the registry's address where the verifier knows it; the file's own is then not trusted.
    """
    if contract is not None and contract != anchor.contract:
        raise Invalid(f"the anchor names contract {anchor.contract.hex()}: expected {contract.hex()}")
    chain_id = _quantity(rpc("eth_chainId", []), "eth_chainId")
    if chain_id != anchor.chain_id:
        raise Invalid(f"the main chain that answered has id {chain_id}: the anchor is on {anchor.chain_id}")
    number = hex(anchor.block_number)
    block = rpc("eth_getBlockByNumber", [number, False])
    if not isinstance(block, dict):
        raise Invalid(f"the main chain has no block {anchor.block_number}")
    topics = [_ANCHORED_EVENT, anchor.size.to_bytes(32, "big"), anchor.root]
    wanted = ["0x" + topic.hex() for topic in topics]
    query = {"fromBlock": number, "toBlock": number, "address": "0x" + anchor.contract.hex(), "topics": wanted}
    found = rpc("eth_getLogs", [query])
    for log in found if isinstance(found, list) else []:
        if _is_event(log, anchor, wanted, block.get("hash")):
            time_s = _quantity(block.get("timestamp"), "the block's time")
            return Step(
                "main chain",
                f"contract 0x{anchor.contract.hex()} on chain {chain_id} anchored this root in block "
                f"{anchor.block_number}, whose time is {time_s} s since 1970",
            )
    raise Invalid(
        f"block {anchor.block_number} of chain {chain_id} holds no Anchored event of contract "
        f"0x{anchor.contract.hex()} with this size, root, transaction and log index"
    )


def _check_header(receipt: Receipt) -> tuple[Header, Meta]:
    header = Header.parse(receipt.header)
    if receipt.height == 0 or header.height != receipt.height:
        raise Invalid(f"the header is of block {header.height}: the receipt says {receipt.height}, and not genesis")
    if header.extra_data != sha256(receipt.meta).digest():
        raise Invalid("the header's extra data is not the hash of meta")
    meta = Meta.decode(receipt.meta)
    if (meta.origin, meta.height) != (receipt.origin, receipt.height):
        raise Invalid(
            f"meta is of block {meta.height} of {meta.origin}: expected {receipt.height} of {receipt.origin}"
        )
    return header, meta


def _check_transaction(receipt: Receipt, header: Header) -> None:
    if trie.verify(header.transactions_root, receipt.tx_index, receipt.tx_proof) != receipt.tx:
        raise Invalid(f"transaction {receipt.tx_index} of the block is another one")
    data = call_data(receipt)
    if data[4:20] != receipt.op_id:
        raise Invalid(f"the transaction carries operation {data[4:20].hex()}: expected {receipt.op_id.hex()}")


def call_data(receipt: Receipt) -> bytes:
    """What the transaction of a receipt calls; Invalid where it is none."""
    kind, body = split_type(receipt.tx, "the transaction")
    count, at = _DATA_FIELD[kind]
    fields = rlp_decode(body, depth_max=4)
    if not isinstance(fields, list) or len(fields) != count or not isinstance(fields[at], bytes):
        raise Invalid(f"the transaction is not one of type {kind} with {count} fields")
    return bytes(fields[at])


def _check_evm_receipt(receipt: Receipt, header: Header, manager: bytes) -> None:
    if trie.verify(header.receipts_root, receipt.tx_index, receipt.receipt_proof) != receipt.receipt:
        raise Invalid(f"EVM receipt {receipt.tx_index} of the block is another one")
    outcome = EvmReceipt.parse(receipt.receipt)
    if outcome.kind != split_type(receipt.tx, "the transaction")[0]:
        raise Invalid("the transaction and its EVM receipt are of different types")
    if outcome.status != 1:
        raise Invalid(f"the transaction failed: its EVM receipt has status {outcome.status}")
    topic = OpId(receipt.op_id).word
    if not any(log.address == manager and topic in log.topics for log in outcome.logs):
        raise Invalid(f"no event of InventoryManager {manager.hex()} names operation {receipt.op_id.hex()}")


def _check_site(receipt: Receipt, block_hash: bytes) -> None:
    site = receipt.site
    stated = checkpoint.verify(site.checkpoint, receipt.origin, _key(site.key))
    if stated.size != site.size:
        raise Invalid(f"the site's checkpoint is of {stated.size} leaves: the receipt says {site.size}")
    if site.index != receipt.height:
        raise Invalid(f"the site path is for leaf {site.index}: expected the block's height {receipt.height}")
    merkle.verify_inclusion(merkle.leaf_hash(block_hash), site.index, site.size, site.path, stated.root)


def _check_hub(receipt: Receipt, hub: LogProof) -> None:
    name = Origin.parse(receipt.origin).hub
    stated = checkpoint.verify(hub.checkpoint, name, _key(hub.key))
    if stated.size != hub.size:
        raise Invalid(f"the hub's checkpoint is of {stated.size} leaves: the receipt says {hub.size}")
    leaf = merkle.leaf_hash(receipt.site.checkpoint)
    merkle.verify_inclusion(leaf, hub.index, hub.size, hub.path, stated.root)


def _check_anchor(anchor: Anchor, hub: LogProof | None) -> None:
    if hub is None:
        raise Invalid("the receipt has an anchor but no hub part that it could anchor")
    stated = checkpoint.Note.parse(hub.checkpoint).checkpoint
    if (anchor.size, anchor.root) != (stated.size, stated.root):
        raise Invalid(f"the anchor is of {anchor.size} leaves with another root than the hub's checkpoint states")


@lru_cache(maxsize=256)
def _key(raw: bytes) -> VerifyKey:
    """A key once judged stays judged: the same few sign all receipts of a company."""
    return VerifyKey(raw)


def _known(key: bytes, keys: Collection[bytes], what: str) -> None:
    if keys and key not in keys:
        raise Invalid(f"the {what} is signed by key {key.hex()}, which is not among the {len(keys)} keys you gave")


def _is_event(log: Any, anchor: Anchor, topics: list[str], block_hash: Any) -> bool:
    """Whether a log as a server returned it is the anchor's: servers are asked, not believed."""
    return (
        isinstance(log, dict)
        and not log.get("removed")
        and _lower(log.get("address")) == "0x" + anchor.contract.hex()
        and isinstance(log.get("topics"), list)
        and [_lower(topic) for topic in log["topics"]] == topics
        and _lower(log.get("blockNumber")) == hex(anchor.block_number)
        and _lower(log.get("blockHash")) == _lower(block_hash)
        and _lower(log.get("transactionHash")) == "0x" + anchor.tx_hash.hex()
        and _lower(log.get("logIndex")) == hex(anchor.log_index)
    )


def _lower(value: Any) -> str:
    return value.lower() if isinstance(value, str) else ""


def _quantity(value: Any, what: str) -> int:
    """A number of JSON-RPC: hex digits behind 0x, 256 bits at most."""
    if not isinstance(value, str) or not re.fullmatch("0x[0-9A-Fa-f]{1,64}", value, re.ASCII):
        raise Invalid(f"{what} is {shown(value)}: expected a JSON-RPC quantity such as 0x1f")
    return int(value, 16)
