"""The judge: true chains pass, each wrong field has its own refusal, and lies about execution are found."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import artifacts
from ledger import calls, chain, checkpoint, control, db, deployment, evm, merkle
from ledger.block import (
    CONTROL,
    REBASED,
    Block,
    Header,
    Meta,
    Previous,
    document_hash,
    signing_bytes,
)
from ledger.chain import Head
from ledger.codec import abi_encode, cbor_encode, keccak256, rlp_encode, rlp_int
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.ids import Origin
from ledger.transactions import sign
from tests.ledger.chain_kit import (
    ANN,
    CONTROL_KEY,
    DOCUMENT,
    IDENTITY,
    KEY,
    NODE,
    ORIGIN,
    OTHER_KEY,
    SITE_KEY,
    START_S,
    STRANGER,
    Site,
    furnished,
    line,
    op,
    resigned,
)

AT = 6  # the block that most tests bend: four operations, its head is that of block 5


def block() -> Block:
    return furnished().blocks[AT]


def head() -> Head:
    return furnished().links[AT - 1].head


def header_with(**changes: Any) -> Block:
    return resigned(block(), header=replace(Header.parse(block().header), **changes))


def meta_with(**changes: Any) -> Block:
    return resigned(block(), meta=replace(Meta.decode(block().meta), **changes))


def transactions_with(*new: bytes, documents: tuple[bytes, ...] | None = None, **changes: Any) -> Block:
    """A block of exactly these transactions, by default all with the usual document."""
    given = (DOCUMENT,) * len(new) if documents is None else documents
    return resigned(block(), transactions=tuple(new), documents=given, **changes)


def call(to: bytes | None = None, data: bytes | None = None, nonce: int = 8, **changes: Any) -> bytes:
    """One signed transaction; by default a move with the usual document."""
    move = calls.Move(actor=ANN, document=document_hash(DOCUMENT), lines=(line(1, source="A-01", target="A-02"),))
    arguments = {"key": NODE, "chain_id": ORIGIN.chain_id, "gas": 1_000_000, **changes}
    target = IDENTITY.contracts.manager if to is None else to or None
    return sign(nonce=nonce, to=target, data=move.encode(op(999)) if data is None else data, **arguments)


# --- what is true passes ---


def test_a_chain_links_accepts_and_replays_to_the_same_head() -> None:
    site = furnished()
    connection = db.memory()
    genesis = chain.link_genesis(IDENTITY, site.blocks[0], KEY)
    with db.transaction(connection):
        executor = evm.Executor.create(connection, ORIGIN.chain_id, genesis.block.header)
        accepted = list(chain.replay(genesis.head, site.blocks[1:], executor, KEY))
    assert accepted[-1].head == site.head
    assert [item.receipts for item in accepted] == site.receipts[1:]
    assert all(outcome.status == 1 for item in accepted for outcome in item.outcomes)
    assert executor.head.hash == site.head.hash


def test_the_heads_log_is_the_tree_over_all_block_hashes() -> None:
    site = furnished()
    leaves = [merkle.leaf_hash(item.hash) for item in site.blocks]
    assert site.head.log.root() == merkle.root_of(leaves)
    assert site.head.checkpoint == checkpoint.Checkpoint(str(ORIGIN), len(leaves), merkle.root_of(leaves))
    stored = {(node.level, node.index): node.hash for item in site.links for node in item.nodes}
    path = merkle.inclusion_path(2, len(leaves), lambda level, index: stored[level, index])
    merkle.verify_inclusion(leaves[2], 2, len(leaves), path, site.head.log.root())


def test_a_head_survives_storage() -> None:
    site = furnished()
    for item in site.links:
        assert Head.decode(IDENTITY, item.head.encode()) == item.head
    stored = site.head.encode()
    for bad in (b"", stored[:-1], stored + b"\x00", cbor_encode([1, 2]), cbor_encode(7)):
        with pytest.raises(Corrupt):
            Head.decode(IDENTITY, bad)
    with pytest.raises(Corrupt, match="fit together"):
        Head.decode(IDENTITY, replace(site.head, height=site.head.height + 1).encode())


def test_the_draft_is_shown_before_the_block_is_signed() -> None:
    site = furnished()
    for draft, item in zip(site.drafts, site.links[1:], strict=True):
        assert (draft.height, draft.hash) == (item.head.height, item.head.hash)
        assert (draft.timestamp, draft.meta) == (item.head.timestamp, item.block.meta)


def test_a_mark_that_cannot_be_taken_stops_the_signature() -> None:
    site = Site.new()
    for code in deployment.init_codes(ORIGIN, CONTROL_KEY.address, NODE.address):
        site.send(None, code, calls.GAS_DEPLOY)
    meta = chain.next_meta(site.head, site.waiting, clock_quality=1, hub_seen=None)

    def refuse(_: chain.Draft) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError), db.transaction(site.connection):
        chain.seal(site.head, site.executor, site.waiting, meta, SITE_KEY, refuse)
    site.executor.discard()
    assert site.executor.head.height == 0
    site.waiting.clear()
    assert site.deploy().head.height == 1


def test_our_own_wrong_block_is_corrupt_not_invalid() -> None:
    """Sealing operations other than those executed would sign an untruth."""
    site = Site.new()
    site.deploy()
    site.control(control.LocationsPayload(locations=(control.Location(location="A-01", kind=control.BIN),)))
    meta = chain.next_meta(site.head, site.waiting, clock_quality=1, hub_seen=None)
    with pytest.raises(Corrupt, match="our own block 2"), db.transaction(site.connection):
        chain.seal(site.head, site.executor, [*site.waiting, *site.waiting], meta, SITE_KEY, site.drafts.append)


def test_a_note_may_have_no_document_and_rebased_is_a_free_flag() -> None:
    site = Site.new()
    site.deploy()
    site.furnish()
    site.call(op(1), calls.Note(actor=None, kind="clock", subject=bytes(32)))
    sealed = site.seal(flags=REBASED, quality=2)
    assert (sealed.link.meta.flags, sealed.link.meta.clock_quality) == (REBASED, 2)
    assert sealed.block.documents == (b"",)


# --- a wrong field has its own refusal ---

HEADER_FAULTS: dict[str, tuple[Callable[[], Block], str]] = {
    "parent": (lambda: header_with(parent=bytes(32)), "parent hash"),
    "ommers": (lambda: header_with(ommers=bytes(32)), "ommers hash"),
    "coinbase": (lambda: header_with(coinbase=b"\x01" * 20), "coinbase"),
    "transactions root": (lambda: header_with(transactions_root=bytes(32)), "transactions root"),
    "difficulty": (lambda: header_with(difficulty=1), "difficulty"),
    "height": (lambda: header_with(height=AT + 1), "height is 7: expected 6"),
    "gas limit": (lambda: header_with(gas_limit=60_000_001), "gas limit"),
    "gas used": (lambda: header_with(gas_used=60_000_001), "used 60000001 gas"),
    "time of the parent": (lambda: header_with(timestamp=head().timestamp), "time"),
    "time before": (lambda: header_with(timestamp=0), "time"),
    "extra data": (lambda: header_with(extra_data=bytes(32)), "extra data"),
    "mix hash": (lambda: header_with(mix_hash=b"\x01" * 32), "mix hash"),
    "nonce": (lambda: header_with(nonce=b"\x01" * 8), "header nonce"),
    "base fee": (lambda: header_with(base_fee=1), "base fee"),
    "withdrawals": (lambda: header_with(withdrawals_root=bytes(32)), "withdrawals root"),
    "no header": (lambda: replace(block(), header=b""), "RLP"),
    "long header": (lambda: replace(block(), header=block().header + b"\x00"), "RLP"),
}
META_FAULTS: dict[str, tuple[Callable[[], Block], str]] = {
    "origin": (lambda: meta_with(origin="acme/site/oslo/2"), "origin"),
    "height": (lambda: meta_with(height=AT - 1), "height in meta"),
    "rule set": (lambda: meta_with(rule_set="site-shanghai-2"), "rule set"),
    "key number": (lambda: meta_with(key_number=1), "key number"),
    "manager": (lambda: meta_with(manager=b"\x01" * 20), "calls"),
    "control flag": (lambda: meta_with(flags=CONTROL), "control flag"),
    "previous": (lambda: meta_with(previous=Previous("acme/site/oslo/1", 1, bytes(32))), "previous incarnation"),
    "manager that nothing calls": (lambda: _unused_manager(), "InventoryManager address"),
    "not CBOR": (lambda: _meta_bytes(b"\xff"), "CBOR"),
    "too long": (lambda: _meta_bytes(bytes(2000)), "meta has 2000 bytes"),
}
SIGNATURE_FAULTS: dict[str, tuple[Callable[[], Block], str]] = {
    "zero": (lambda: replace(block(), signature=bytes(64)), "block signature"),
    "short": (lambda: replace(block(), signature=bytes(63)), "block signature"),
    "another key": (lambda: _signed(OTHER_KEY.sign, ORIGIN, AT), "block signature"),
    "another origin": (lambda: _signed(SITE_KEY.sign, Origin("acme", "oslo", 2), AT), "block signature"),
    "another height": (lambda: _signed(SITE_KEY.sign, ORIGIN, AT + 1), "block signature"),
}
CALL_FAULTS: dict[str, tuple[Callable[[], Block], str]] = {
    "no transactions": (lambda: transactions_with(), "no transactions"),
    "another chain": (lambda: transactions_with(call(chain_id=7)), "transaction 0: chain id"),
    "another sender": (lambda: transactions_with(call(key=STRANGER)), "transaction 0: sender"),
    "a gap": (lambda: transactions_with(call(nonce=8), call(nonce=10)), "transaction 1: nonce"),
    "twice": (lambda: transactions_with(call(), call()), "transaction 1: nonce"),
    "type 0": (lambda: transactions_with(_legacy()), "transaction type"),
    "a byte more": (lambda: transactions_with(call() + b"\x00"), "RLP"),
    "the ledger": (lambda: transactions_with(call(to=IDENTITY.contracts.ledger)), "not a contract that"),
    "a stranger's contract": (lambda: transactions_with(call(to=b"\x01" * 20)), "not a contract that"),
    "creation": (lambda: transactions_with(call(to=b"", data=b"\x00"), documents=(b"",)), "creates a contract"),
    "no call data": (lambda: transactions_with(call(data=b"")), "call data"),
    "op_id of 32 bytes": (lambda: transactions_with(call(data=b"\x01" * 100)), "op_id padded"),
    "no document": (lambda: transactions_with(call(), documents=(b"",)), "hash of the document"),
    "another document": (lambda: transactions_with(call(), documents=(DOCUMENT + b"\x00",)), "hash of the document"),
    "document beside a control call": (lambda: _control_with_document(), "names none"),
    "document beside a note": (lambda: _note_with_document(), "note without one"),
    "a missing list entry": (lambda: transactions_with(call(), documents=()), "expected 1, one each"),
    "a further document": (lambda: transactions_with(call(), documents=(DOCUMENT, b"")), "expected 1, one each"),
    "document not CBOR": (lambda: _documented(b"plain text"), "CBOR"),
    "document not a map": (lambda: _documented(cbor_encode([1, 2])), "not a map"),
    "document too long": (lambda: _documented(cbor_encode({1: bytes(70_000)})), "at most 65536"),
    "too much": (lambda: _documented(bytes(4_000_000)), "at most"),
    "too many": (lambda: transactions_with(*[b"\x02"] * 1001), "at most 1000"),
    "control without flag": (lambda: _control_without_flag(), "control flag"),
    "not an Apply": (lambda: _strange_apply(), "ABI"),
}


@pytest.mark.parametrize("faults", [HEADER_FAULTS, META_FAULTS, SIGNATURE_FAULTS, CALL_FAULTS])
def test_each_wrong_field_has_its_own_refusal(faults: dict[str, tuple[Callable[[], Block], str]]) -> None:
    for name, (make, words) in faults.items():
        with pytest.raises(Invalid) as refusal:
            chain.link(head(), make(), KEY)
        assert re.search(re.escape(words), str(refusal.value)), f"{name}: {refusal.value}"


def test_the_bent_block_is_refused_for_the_bend_alone() -> None:
    """The tool that bends blocks gives a good one when nothing is bent."""
    assert chain.link(head(), block(), KEY) == furnished().links[AT]
    assert chain.link(head(), header_with(), KEY) == furnished().links[AT]
    assert chain.link(head(), meta_with(), KEY) == furnished().links[AT]
    assert chain.link(head(), transactions_with(call()), KEY).transactions[0].to == IDENTITY.contracts.manager


def test_a_block_follows_its_own_parent_only() -> None:
    site = furnished()
    for at, after in itertools.product(range(len(site.blocks)), range(1, len(site.blocks))):
        if after != at + 1:
            with pytest.raises(Invalid):
                chain.link(site.links[at].head, site.blocks[after], KEY)
    with pytest.raises(Invalid):
        chain.link(site.head, site.blocks[0], KEY)


def test_every_header_field_is_bound() -> None:
    """Whatever the signature covers, bending any field without signing again is refused."""
    parsed = Header.parse(block().header)
    for field in fields(Header):
        value = getattr(parsed, field.name)
        other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
        with pytest.raises(Invalid):
            chain.link(head(), replace(block(), header=replace(parsed, **{field.name: other}).encode()), KEY)


# --- genesis and deployment ---


def test_genesis_is_the_executors_genesis() -> None:
    """The header that the chain states is the one that the engine computes."""
    genesis = furnished().links[0]
    assert genesis.block.header == evm.genesis(ORIGIN.chain_id, START_S, genesis.header.extra_data)
    assert genesis.head.log.size == 1
    assert genesis.before is None


def _genesis(**changes: Any) -> Block:
    first = furnished().blocks[0]
    return resigned(first, header=replace(Header.parse(first.header), **changes))


def _genesis_meta(**changes: Any) -> Block:
    first = furnished().blocks[0]
    return resigned(first, meta=replace(Meta.decode(first.meta), **changes))


GENESIS_FAULTS: dict[str, tuple[Callable[[], Block], str]] = {
    "parent": (lambda: _genesis(parent=b"\x01" * 32), "parent hash of genesis"),
    "height": (lambda: _genesis(height=1), "height of genesis"),
    "state": (lambda: _genesis(state_root=bytes(32)), "state root of genesis"),
    "transactions": (lambda: _genesis(transactions_root=bytes(32)), "transactions root of genesis"),
    "receipts": (lambda: _genesis(receipts_root=bytes(32)), "receipts root of genesis"),
    "bloom": (lambda: _genesis(bloom=b"\x01" * 256), "bloom of genesis"),
    "gas": (lambda: _genesis(gas_used=1), "gas used by genesis"),
    "content": (lambda: replace(_genesis(), transactions=(b"x",), documents=(b"",)), "transactions in genesis"),
    "origin": (lambda: _genesis_meta(origin="acme/site/bergen/1"), "origin"),
    "meta height": (lambda: _genesis_meta(height=1), "height in meta"),
    "manager": (lambda: _genesis_meta(manager=bytes(20)), "InventoryManager address"),
    "flags": (lambda: _genesis_meta(flags=CONTROL), "flags of genesis"),
    "previous site": (lambda: _genesis_meta(previous=Previous("acme/site/bergen/1", 1, bytes(32))), "incarnation"),
    "itself": (lambda: _genesis_meta(previous=Previous("acme/site/oslo/1", 1, bytes(32))), "incarnation"),
    "signature": (lambda: replace(_genesis(), signature=bytes(64)), "block signature"),
}


def test_each_wrong_field_of_genesis_has_its_own_refusal() -> None:
    assert chain.link_genesis(IDENTITY, _genesis(), KEY).head == furnished().links[0].head
    for name, (make, words) in GENESIS_FAULTS.items():
        with pytest.raises(Invalid) as refusal:
            chain.link_genesis(IDENTITY, make(), KEY)
        assert words in str(refusal.value), f"{name}: {refusal.value}"
    with pytest.raises(Rejected):
        chain.accept(chain.link_genesis(IDENTITY, _genesis(), KEY), furnished().executor)


def _deployment(codes: list[bytes], first: int = 0, documents: tuple[bytes, ...] | None = None, **meta: Any) -> Block:
    good = furnished().blocks[1]
    raw = [sign(NODE, ORIGIN.chain_id, first + at, None, code, 14_000_000) for at, code in enumerate(codes)]
    given = (b"",) * len(raw) if documents is None else documents
    return resigned(
        good,
        meta=replace(Meta.decode(good.meta), **meta),
        transactions=tuple(raw),
        documents=given,
    )


def test_block_1_is_exactly_the_deployment() -> None:
    before = furnished().links[0].head
    codes = list(deployment.init_codes(ORIGIN, CONTROL_KEY.address, NODE.address))
    assert chain.link(before, _deployment(codes), KEY).head.deployed
    stranger = list(deployment.init_codes(ORIGIN, STRANGER.address, NODE.address))
    faults = {
        "three": (_deployment(codes[:3]), "number of transactions"),
        "five": (_deployment([*codes, codes[0]]), "number of transactions"),
        "order": (_deployment([codes[1], codes[0], *codes[2:]]), "does not create UserRegistry"),
        "another control key": (_deployment(stranger), "does not create UserRegistry"),
        "other code": (_deployment([*codes[:3], codes[3] + b"\x00"]), "does not create AuditLogger"),
        "nonce": (_deployment(codes, first=1), "first nonce"),
        "documents": (_deployment(codes, documents=(DOCUMENT,) * 4), "documents of the deployment"),
        "flags": (_deployment(codes, flags=CONTROL), "control flag"),
        "manager": (_deployment(codes, manager=bytes(20)), "InventoryManager address"),
    }
    for name, (bent, words) in faults.items():
        with pytest.raises(Invalid) as refusal:
            chain.link(before, bent, KEY)
        assert words in str(refusal.value), f"{name}: {refusal.value}"


# --- execution ---


def _standing_at(height: int) -> tuple[db.Connection, evm.Executor]:
    site = furnished()
    connection = db.memory()
    with db.transaction(connection):
        executor = evm.Executor.create(connection, ORIGIN.chain_id, site.blocks[0].header)
        for _ in chain.replay(site.links[0].head, site.blocks[1 : height + 1], executor, KEY):
            pass
    return connection, executor


def test_each_untrue_field_of_execution_is_found_and_leaves_nothing() -> None:
    connection, executor = _standing_at(AT - 1)
    parsed = Header.parse(block().header)
    lies: dict[str, Any] = {
        "state root": {"state_root": bytes(32)},
        "receipts root": {"receipts_root": bytes(32)},
        "bloom": {"bloom": bytes(256)},
        "gas used": {"gas_used": parsed.gas_used + 1},
    }
    for words, change in lies.items():
        linked = chain.link(head(), header_with(**change), KEY)
        with pytest.raises(Invalid, match=words), db.transaction(connection):
            chain.accept(linked, executor)
        executor.discard()
    with db.transaction(connection):
        assert chain.accept(furnished().links[AT], executor).head == furnished().links[AT].head


def test_a_transaction_that_fails_enters_no_block() -> None:
    """The same operation twice: linked, because bytes cannot tell, and refused by execution."""
    connection, executor = _standing_at(AT)
    site = furnished()
    again = calls.Move(actor=ANN, document=document_hash(DOCUMENT), lines=(line(1, source="A-01", target="A-02"),))
    nonce = site.links[AT].transactions[-1].nonce + 1
    raw = sign(NODE, ORIGIN.chain_id, nonce, IDENTITY.contracts.manager, again.encode(op(41)), 1_000_000)
    meta = replace(site.links[AT].meta, height=AT + 1)
    parsed = replace(
        site.links[AT].header,
        parent=site.head.hash,
        height=AT + 1,
        timestamp=site.head.timestamp + 1,
    )
    bent = resigned(block(), header=parsed, meta=meta, transactions=(raw,), documents=(DOCUMENT,))
    linked = chain.link(site.head, bent, KEY)
    with pytest.raises(Invalid, match="reverts"), db.transaction(connection):
        chain.accept(linked, executor)
    executor.discard()
    assert executor.head.height == AT


def test_an_executor_that_stands_elsewhere_is_our_own_fault() -> None:
    connection, executor = _standing_at(2)
    with pytest.raises(Corrupt, match="rebuild its state"), db.transaction(connection):
        chain.accept(furnished().links[AT], executor)


def _release(site: Site, true_hash: bool) -> None:
    """A new InventoryManager is created and released in the pending block."""
    contracts = IDENTITY.contracts
    nonce = site.executor.nonce(NODE.address)
    code = artifacts.load("InventoryManager").bytecode + abi_encode(
        ("address", "address"), (contracts.registry, contracts.ledger)
    )
    site.send(None, code, calls.GAS_DEPLOY)
    address = deployment.create_address(NODE.address, nonce)
    code_hash = keccak256(site.executor.code(address)) if true_hash else bytes(32)
    site.control(control.ReleasePayload(manager=address, code_hash=code_hash))


def _small() -> Site:
    site = Site.new()
    site.deploy()
    site.furnish()
    return site


def test_a_release_changes_the_manager_that_meta_names() -> None:
    site = _small()
    _release(site, true_hash=True)
    sealed = site.seal()
    assert sealed.link.meta.manager == deployment.create_address(NODE.address, 7) == site.head.manager
    assert sealed.link.meta.manager != IDENTITY.contracts.manager
    replayed = _replayed(site)
    assert replayed.head == site.head
    # Calls go to the new one from here on, and the old one is no longer a contract that the node may call.
    move = calls.Receive(actor=ANN, document=document_hash(DOCUMENT), lines=(line(3),))
    site.send(site.head.manager, move.encode(op(77)), calls.gas_limit(move), DOCUMENT)
    site.seal()
    assert _replayed(site).head == site.head
    old = resigned(site.blocks[-1], meta=replace(site.links[-1].meta, manager=IDENTITY.contracts.manager))
    with pytest.raises(Invalid, match="calls"):
        chain.link(site.links[-2].head, old, KEY)


def test_a_refused_release_changes_nothing() -> None:
    site = _small()
    _release(site, true_hash=False)
    sealed = site.seal()
    assert sealed.link.meta.manager == IDENTITY.contracts.manager == site.head.manager
    assert _replayed(site).head == site.head


@pytest.mark.parametrize("released", [True, False])
def test_meta_must_name_the_manager_that_execution_leaves_in_force(released: bool) -> None:
    """Both names link, because the block names a release; only the true one is accepted."""
    site = _small()
    _release(site, true_hash=released)
    sealed = site.seal()
    new = deployment.create_address(NODE.address, 7)
    lie = IDENTITY.contracts.manager if released else new
    bent = resigned(sealed.block, meta=replace(sealed.link.meta, manager=lie))
    linked = chain.link(site.links[-2].head, bent, KEY)
    connection = db.memory()
    with pytest.raises(Invalid, match="InventoryManager address"), db.transaction(connection):
        executor = evm.Executor.create(connection, ORIGIN.chain_id, site.blocks[0].header)
        for _ in chain.replay(site.links[0].head, site.blocks[1:-1], executor, KEY):
            pass
        chain.accept(linked, executor)


def _replayed(site: Site) -> chain.Accepted:
    connection = db.memory()
    with db.transaction(connection):
        executor = evm.Executor.create(connection, ORIGIN.chain_id, site.blocks[0].header)
        *_, last = chain.replay(site.links[0].head, site.blocks[1:], executor, KEY)
    return last


# --- hostile bytes ---


def test_one_changed_bit_anywhere_in_a_block_is_refused() -> None:
    """Sampled over the whole encoding with a step that meets every byte."""
    raw = block().encode()
    before = head()
    for at in range(0, len(raw) * 8, 5):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(Invalid):
            chain.link(before, Block.decode(bytes(changed)), KEY)


@settings(max_examples=150)
@given(st.binary(max_size=80), st.integers(0, 2**20), st.sampled_from([field.name for field in fields(Block)]))
def test_hostile_parts_raise_nothing_but_invalid(raw: bytes, at: int, name: str) -> None:
    good = getattr(block(), name)
    if isinstance(good, bytes):
        at %= len(good)
        changed: Any = good[:at] + raw + good[at + len(raw) :]
    else:
        changed = (*good[:-1], good[-1][: at % len(good[-1])] + raw)
    if changed == good:
        return
    with pytest.raises(Invalid):
        chain.link(head(), replace(block(), **{name: changed}), KEY)
    # Signed by a site gone mad: the judge reads further, and still raises nothing else.
    parts = {name: changed} if name in ("transactions", "documents") else {}
    if parts:
        with pytest.raises(Invalid):
            chain.link(head(), resigned(block(), **parts), KEY)


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=60), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_hostile_blocks_raise_nothing_but_invalid(transactions: list[bytes], documents: list[bytes]) -> None:
    bent = replace(block(), transactions=tuple(transactions), documents=tuple(documents))
    with pytest.raises(Invalid):
        chain.link(head(), bent, KEY)
    signed = resigned(block(), transactions=tuple(transactions), documents=tuple(documents))
    with pytest.raises(Invalid):
        chain.link(head(), signed, KEY)


# --- how the bent blocks are made ---


def _meta_bytes(raw: bytes) -> Block:
    return resigned(
        replace(block(), meta=raw), header=replace(Header.parse(block().header), extra_data=document_hash(raw))
    )


def _signed(signer: Callable[[bytes], bytes], origin: Origin, height: int) -> Block:
    return replace(block(), signature=signer(signing_bytes(origin, height, block().hash)))


def _legacy() -> bytes:
    return rlp_encode([rlp_int(8), b"", rlp_int(21000), bytes(20), b"", b"", b"\x1b", b"\x01", b"\x01"])


def _documented(document: bytes) -> Block:
    move = calls.Move(actor=ANN, document=document_hash(document), lines=(line(1, source="A-01", target="A-02"),))
    return transactions_with(call(data=move.encode(op(999))), documents=(document,))


def _apply() -> bytes:
    record = control.ControlRecord.make(
        str(ORIGIN), 9, control.NotePayload(kind="x", subject=bytes(32), document=bytes(32))
    )
    return call(to=IDENTITY.contracts.registry, data=record.call(bytes(65)).encode(record.op_id(bytes(65))))


def _control_with_document() -> Block:
    return transactions_with(_apply())


def _control_without_flag() -> Block:
    return transactions_with(_apply(), documents=(b"",))


def _strange_apply() -> Block:
    data = calls.selector(calls.Apply) + op(1).word + bytes(32)
    return transactions_with(call(to=IDENTITY.contracts.registry, data=data), documents=(b"",))


def _unused_manager() -> Block:
    """Only a note is in the block, so that no call gives the wrong manager away."""
    data = calls.Note(actor=None, kind="clock", subject=bytes(32)).encode(op(5))
    note = call(to=IDENTITY.contracts.audit, data=data)
    return transactions_with(note, documents=(b"",), meta=replace(furnished().links[AT].meta, manager=b"\x01" * 20))


def _note_with_document() -> Block:
    data = calls.Note(actor=ANN, kind="log-in", subject=bytes(32)).encode(op(5))
    return transactions_with(call(to=IDENTITY.contracts.audit, data=data))
