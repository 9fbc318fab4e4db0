"""Receipts: two programs written apart agree on every true one and refuse every damaged one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import artifacts
from ledger import calls, checkpoint, control, merkle, receipt, trie
from ledger.block import Header, Meta, document_hash, signing_bytes
from ledger.codec import json_canonical, keccak256, rlp_encode, rlp_int
from ledger.errors import Invalid, Unavailable
from ledger.ids import OpId
from ledger.keys import SigningKey, TxKey
from ledger.merkle import MemoryLog, leaf_hash
from ledger.receipt import LogProof, Receipt
from tests.ledger import every_bit, independent_verifier
from tests.ledger.chain_kit import (
    ANN,
    DOCUMENT,
    HUB_KEY,
    ORIGIN,
    OTHER_KEY,
    SITE_KEY,
    Site,
    anchor_of,
    furnished,
    hub_proof,
    line,
    op,
    receipt_of,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "receipts"
HINTS = ("block_number", "chain_id", "contract", "log_index", "tx_hash")
SITE_RAW, HUB_RAW, OTHER_RAW = (key.verify_key.raw for key in (SITE_KEY, HUB_KEY, OTHER_KEY))


@cache
def full() -> bytes:
    """A receipt with every part: the third of four operations of a block."""
    return receipt_of(furnished(), 6, 2, anchored=True).encode()


def verdicts(raw: bytes, site: set[bytes] | None = None, hub: set[bytes] | None = None) -> tuple[str, str]:
    """What both verifiers say: a strength, or `refused`. Anything else raised is a failure of the test."""
    try:
        ours = receipt.verify(raw, site or (), hub or ()).strength
    except Invalid:
        ours = "refused"
    try:
        theirs = independent_verifier.verify(raw, site, hub)
    except independent_verifier.Refused:
        theirs = "refused"
    return ours, theirs


def assert_refused(raw: bytes, why: str, words: str = "") -> None:
    assert verdicts(raw) == ("refused", "refused"), why
    if words:
        with pytest.raises(Invalid) as refusal:
            receipt.verify(raw)
        assert words in str(refusal.value), f"{why}: {refusal.value}"


# --- what is true ---


def test_every_operation_of_a_chain_has_a_receipt_of_each_strength() -> None:
    site = furnished()
    for height in range(3, 7):
        for index in range(len(site.blocks[height].transactions)):
            signed = receipt_of(site, height, index)
            held = replace(signed, hub=hub_proof(signed.site.checkpoint, 0, 1))
            anchored = receipt_of(site, height, index, anchored=True)
            assert verdicts(signed.encode()) == ("site-signed",) * 2
            assert verdicts(held.encode()) == ("hub-held",) * 2
            assert verdicts(anchored.encode()) == ("anchored",) * 2
            for item in (signed, held, anchored):
                assert Receipt.parse(item.encode()) == item


def test_control_records_that_move_no_stock_have_no_receipt() -> None:
    """Their events are the registry's: the page asks for one of the InventoryManager."""
    assert_refused(receipt_of(furnished(), 2, 0).encode(), "control record", "no event of InventoryManager")


def test_a_control_record_that_moves_stock_has_a_receipt() -> None:
    """The hub's settlement of a transfer: the call goes to the registry, the event is the InventoryManager's."""
    site = Site.new()
    site.deploy()
    site.furnish()
    own = TxKey(b"\x31" * 32)
    site.call(op(1), calls.Bind(actor=ANN, key=own.address, code=bytes(32)))
    site.act(2, calls.Receive(actor=ANN, lines=(line(50),)))
    dispatch = calls.Dispatch(
        actor=ANN,
        document=document_hash(DOCUMENT),
        receiver="bergen",
        lines=(line(5, source="A-01", target="IN_TRANSIT"),),
    )
    signed = own.sign_digest(dispatch.digest(ORIGIN.chain_id, site.head.manager, op(3), ANN))
    approval = calls.Approval(actor=ANN, v=signed.v, r=signed.r.to_bytes(32, "big"), s=signed.s.to_bytes(32, "big"))
    site.act(3, calls.with_approval(dispatch, approval))
    settled = calls.Settled(index=0, item="BOLT", quantity=5, target="CUSTOMER")
    record = site.control(control.SettlePayload(transfer=op(3), lines=(settled,)))
    sealed = site.seal()
    assert [tx.to for tx in sealed.link.transactions].count(site.head.identity.contracts.registry) == 2
    for index, op_id in ((1, op(2)), (2, op(3)), (3, record)):
        item = receipt_of(site, sealed.head.height, index)
        assert item.op_id == op_id.raw
        assert verdicts(item.encode()) == ("site-signed",) * 2


@pytest.mark.parametrize("size", [6, 7, 8, 9, 40, 41, 64, 65, 1000])
def test_any_place_in_a_hub_log_of_any_size_verifies(size: int) -> None:
    signed = receipt_of(furnished(), 4, 1)
    for index in {0, 5, size // 2, size - 1}:
        hub = hub_proof(signed.site.checkpoint, index, size)
        assert verdicts(replace(signed, hub=hub).encode()) == ("hub-held",) * 2


def test_the_keys_a_verifier_gives_must_be_the_signers() -> None:
    raw = full()
    assert verdicts(raw, {SITE_RAW}, {HUB_RAW}) == ("anchored",) * 2
    assert verdicts(raw, {OTHER_RAW, SITE_RAW}, {HUB_RAW, OTHER_RAW}) == ("anchored",) * 2
    assert verdicts(raw, {OTHER_RAW}, {HUB_RAW}) == ("refused",) * 2
    assert verdicts(raw, {SITE_RAW}, {OTHER_RAW}) == ("refused",) * 2
    assert verdicts(raw, {HUB_RAW}, {SITE_RAW}) == ("refused",) * 2
    known = receipt.verify(raw, {SITE_RAW}, {HUB_RAW})
    assert (known.site_known, known.hub_known) == (True, True)
    unknown = receipt.verify(raw)
    assert (unknown.site_known, unknown.hub_known) == (False, False)


def test_steps_name_what_was_checked_in_order() -> None:
    names = [step.name for step in receipt.verify(full()).steps]
    assert names == [
        "form",
        "header",
        "block signature",
        "transaction",
        "execution",
        "site log",
        "hub log",
        "anchor",
    ]


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: str(path.stem))
def test_receipts_handed_out_long_ago_still_verify(path: Path) -> None:
    """These files are never made again: a change that refuses one of them breaks what people hold in their hands."""
    strength = path.stem.rsplit("--", 1)[1]
    assert verdicts(path.read_bytes(), {SITE_RAW}, {HUB_RAW}) == (strength, strength)


def test_there_are_such_receipts() -> None:
    assert len(list(VECTORS.glob("*.json"))) >= 5


# --- one changed bit ---


def test_every_changed_bit_is_refused_by_both() -> None:
    """All of every name, number, note and key, and a sample of the long hex strings (`every_bit` can do all)."""
    raw = full()
    for bit in every_bit.sample(raw):
        every_bit.check(raw, bit, both=bit % 5 == 0)


def test_every_bit_notices_a_verifier_that_looks_away(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = full()
    monkeypatch.setattr(receipt, "verify", lambda data: receipt.Receipt.parse(raw))
    with pytest.raises(AssertionError):
        every_bit.check(raw, 8 * raw.index(b'"version"') + 3, both=True)


@settings(max_examples=150)
@given(st.integers(0, 2**20), st.integers(0, 40), st.binary(max_size=40))
def test_cut_stretched_and_overwritten_files_are_refused(at: int, length: int, new: bytes) -> None:
    raw = full()
    at %= len(raw)
    changed = raw[:at] + new + raw[at + length :]
    if changed != raw and not set(range(at, at + max(length, 1))) & every_bit.hint_bytes(raw):
        assert_refused(changed, "overwritten")


# --- one changed value ---

Change = Callable[[dict[str, Any]], Any]


def _set(path: str, value: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        *way, last = path.split(".")
        for name in way:
            content = content[name]
        content[last] = value(content[last]) if callable(value) else value

    return change


def _drop(path: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        *way, last = path.split(".")
        for name in way:
            content = content[name]
        del content[last]

    return change


def _swap(first: str, second: str, name: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        content[first][name], content[second][name] = content[second][name], content[first][name]

    return change


NAMES = {
    "": ("version", "origin", "operation", "block", "site"),
    "operation.": ("op_id", "tx_index", "tx"),
    "block.": ("height", "header", "meta", "key", "signature", "tx_proof", "receipt", "receipt_proof"),
    "site.": ("checkpoint", "key", "index", "size", "path"),
    "hub.": ("checkpoint", "key", "index", "size", "path"),
    "anchor.": ("chain_id", "contract", "tx_hash", "block_number", "log_index", "size", "root"),
}
PATHS = [prefix + name for prefix, names in NAMES.items() for name in names]
LISTS = ("block.tx_proof", "block.receipt_proof", "site.path", "hub.path")
STRANGE: list[Any] = [None, True, False, "", 0, 1, -1, 2**53, [], {}, "zz", "0", [0], [None], ["zz"], "\u0000", "é"]


@pytest.mark.parametrize("path", PATHS)
def test_a_value_of_another_kind_is_refused(path: str) -> None:
    content = json.loads(full())
    before = content
    for name in path.split("."):
        before = before[name]
    for value in STRANGE:
        if value == before and type(value) is type(before):
            continue
        if path.rsplit(".")[-1] in HINTS and type(value) is int and 0 <= value < 2**53:
            continue
        assert_refused(_changed(_set(path, value)), f"{path} = {value!r}")


@pytest.mark.parametrize("path", [*PATHS, "hub"])
def test_a_missing_name_is_refused(path: str) -> None:
    assert_refused(_changed(_drop(path)), path)


@pytest.mark.parametrize("prefix", NAMES)
def test_an_unknown_or_repeated_name_is_refused(prefix: str) -> None:
    assert_refused(_changed(_add(prefix, "zzz")), f"unknown in {prefix}")
    raw = full()
    inside = prefix.rstrip(".")
    start = raw.index(b'"%s":{' % inside.encode()) + len(inside) + 4 if inside else 1
    end = raw.index(b",", start)
    assert_refused(raw[:start] + raw[start:end] + b"," + raw[start:], f"repeated in {prefix}")


def _add(prefix: str, name: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        (content[prefix.rstrip(".")] if prefix else content)[name] = 1

    return change


@pytest.mark.parametrize("path", LISTS)
def test_a_proof_of_another_length_or_order_is_refused(path: str) -> None:
    for name, change in {
        "shorter": lambda items: items[:-1],
        "without its first": lambda items: items[1:],
        "longer": lambda items: [*items, items[-1]],
        "one in front": lambda items: [items[0], *items],
        "stranger at the end": lambda items: [*items, "00" * 32],
        "reversed": lambda items: items[::-1] if len(items) > 1 else [],
        "empty": lambda items: [],
    }.items():
        assert_refused(_changed(_set(path, change)), f"{path} {name}")


CHANGES: dict[str, Change] = {
    "version 2": _set("version", 2),
    "another operation of the block": _set("operation.op_id", op(61).raw.hex()),
    "another index": _set("operation.tx_index", 1),
    "index beyond": _set("operation.tx_index", 200),
    "huge index": _set("operation.tx_index", 2**53 - 1),
    "another origin": _set("origin", "acme/site/oslo/2"),
    "another organisation": _set("origin", "beta/site/oslo/1"),
    "origin that is none": _set("origin", "acme/site/oslo"),
    "another height": _set("block.height", 5),
    "another site leaf": _set("site.index", 5),
    "another hub leaf": _set("hub.index", 6),
    "leaf beyond": _set("hub.index", 13),
    "site size": _set("site.size", 8),
    "hub size": _set("hub.size", 14),
    "anchor size": _set("anchor.size", 14),
    "anchor root": _set("anchor.root", "00" * 32),
    "notes swapped": _swap("site", "hub", "checkpoint"),
    "keys swapped": _swap("site", "hub", "key"),
    "paths swapped": _swap("site", "hub", "path"),
    "parts swapped": lambda content: content.update(site=content["hub"], hub=content["site"]),
    "hub is the site again": lambda content: content.update(hub=content["site"]),
    "proofs swapped": lambda content: content["block"].update(
        tx_proof=content["block"]["receipt_proof"], receipt_proof=content["block"]["tx_proof"]
    ),
    "upper case": _set("block.header", str.upper),
    "prefix": _set("operation.op_id", lambda text: "0x" + text),
    "odd digits": _set("operation.tx", lambda text: text + "0"),
    "blanks in hex": _set("site.key", lambda text: text[:32] + " " + text[32:]),
    "wide digits": _set("site.key", lambda text: "\uff10" + text[1:]),
    "signature of zeros": _set("block.signature", "00" * 64),
    "key of zeros": _set("block.key", "00" * 32),
    "key of small order": _set("site.key", "01" + "00" * 31),
    "tx wrapped as a string": _set("operation.tx", lambda text: rlp_encode(bytes.fromhex(text)).hex()),
    "receipt wrapped as a string": _set("block.receipt", lambda text: rlp_encode(bytes.fromhex(text)).hex()),
    "no newline at the end of a note": _set("site.checkpoint", lambda text: text[:-1]),
    "another newline": _set("hub.checkpoint", lambda text: text.replace("\n", "\r\n")),
    "a second signature line": _set("site.checkpoint", lambda text: text + text.split("\n\n")[1]),
    "a cosigned note": _set(
        "site.checkpoint", lambda text: checkpoint.cosign(text.encode(), ORIGIN.hub, HUB_KEY, 1).decode()
    ),
    "an extension line": _set("hub.checkpoint", lambda text: text.replace("\n\n", "\nmore\n\n")),
    "a size with a leading zero": _set("hub.checkpoint", lambda text: text.replace("\n13\n", "\n013\n")),
    "half a character": _set("origin", "\ud800"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_value_is_refused(name: str) -> None:
    assert_refused(_changed(CHANGES[name]), name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"{", b"{ "),
        (b",", b", "),
        (b":", b": "),
        (b"}", b"}\n"),
        (b'"version":1', b'"version":1.0'),
        (b'"version":1', b'"version":1e0'),
        (b'"version":1', b'"version":01'),
        (b'"version":1', b'"version":-1'),
        (b'"version":1', b'"version":NaN'),
        (b"\\n", b"\\u000a"),
        (b"\xe2\x80\x94", b"\\u2014"),
        (b"acme", b"\\u0061cme"),
        (b"/", b"\\/"),
        (b'"anchor"', b'"anchor"'),
    ],
)
def test_another_writing_of_the_same_content_is_refused(old: bytes, new: bytes) -> None:
    raw = full()
    assert old in raw
    changed = raw.replace(old, new, 1)
    if changed == raw:
        names = list(json.loads(raw))
        changed = json.dumps(
            {name: json.loads(raw)[name] for name in reversed(names)}, separators=(",", ":")
        ).encode()
    assert_refused(changed, f"{old!r} as {new!r}")


@pytest.mark.parametrize("extra", [b" ", b"\n", b"\x00", b"{}", b"\xef\xbb\xbf"])
def test_bytes_around_the_file_are_refused(extra: bytes) -> None:
    assert_refused(full() + extra, "after")
    assert_refused(extra + full(), "before")


def test_an_anchor_without_hub_is_refused() -> None:
    good = Receipt.parse(full())
    assert_refused(replace(good, hub=None).encode(), "no hub", "no hub part")


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=8) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(PATHS[:5]), inner, max_size=5),
        max_leaves=12,
    )
)
def test_hostile_json_is_refused(value: Any) -> None:
    assert_refused(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(), "hostile")


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 50_000, b'"' * 100_001, b"9" * 100_000, b"\xff" * 9, b""])
def test_a_hostile_nest_ends_nothing(raw: bytes) -> None:
    assert_refused(raw, "nest")


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(Invalid, match="at most"):
        receipt.verify(full() + b" " * (1 << 20))


# --- truly signed, and yet not what it says ---


def _forged(
    transaction: bytes,
    outcome: bytes,
    *,
    op_id: OpId | None = None,
    height: int = 6,
    leaf: int | None = None,
    header: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    key: SigningKey = SITE_KEY,
    site_key: SigningKey | None = None,
) -> Receipt:
    """A receipt over a block that a site's own key signed, whatever stands in it."""
    link = furnished().links[6]
    raw_meta = replace(link.meta, **{"height": height, **(meta or {})}).encode()
    changed: dict[str, Any] = {
        "height": height,
        "extra_data": document_hash(raw_meta),
        "transactions_root": trie.root([transaction]),
        "receipts_root": trie.root([outcome]),
    }
    parsed = replace(link.header, **{**changed, **(header or {})})
    place = height if leaf is None else leaf
    log = MemoryLog(leaf_hash(parsed.hash if at == place else b"%d" % at) for at in range(9))
    note = checkpoint.sign(checkpoint.Checkpoint(str(ORIGIN), 9, log.frontier.root()), site_key or key)
    path = merkle.inclusion_path(place, 9, log.read)
    return Receipt(
        origin=str(ORIGIN),
        op_id=(op_id or op(7)).raw,
        tx_index=0,
        tx=transaction,
        height=height,
        header=parsed.encode(),
        meta=raw_meta,
        key=key.verify_key.raw,
        signature=key.sign(signing_bytes(ORIGIN, height, parsed.hash)),
        tx_proof=tuple(trie.prove([transaction], 0)),
        receipt=outcome,
        receipt_proof=tuple(trie.prove([outcome], 0)),
        site=LogProof(note, (site_key or key).verify_key.raw, place, 9, path),
    )


def _tx(kind: int, data: bytes) -> bytes:
    shape: list[Any] = {
        0: [b"\x08", b"", b"\x52\x08", bytes(20), b"", data, b"\x1b", b"\x01", b"\x01"],
        1: [b"\x07", b"\x08", b"", b"\x52\x08", bytes(20), b"", data, [], b"", b"\x01", b"\x01"],
        2: [b"\x07", b"\x08", b"", b"", b"\x52\x08", bytes(20), b"", data, [], b"", b"\x01", b"\x01"],
    }[kind]
    return (bytes([kind]) if kind else b"") + rlp_encode(shape)


def _outcome(kind: int, status: bytes = b"\x01", *, address: bytes | None = None, topics: Any = None) -> bytes:
    manager = furnished().head.manager if address is None else address
    logs = [[manager, [bytes(32), op(7).word] if topics is None else topics, b"data"]]
    return (bytes([kind]) if kind else b"") + rlp_encode([status, rlp_int(50_000), bytes(256), logs])


CALL = b"\x01\x02\x03\x04" + op(7).word + bytes(64)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_each_type_of_transaction_verifies(kind: int) -> None:
    assert verdicts(_forged(_tx(kind, CALL), _outcome(kind)).encode()) == ("site-signed",) * 2


def test_a_signed_untruth_is_refused() -> None:
    good = _tx(2, CALL), _outcome(2)
    elsewhere = [bytes(32), op(8).word]
    forgeries = {
        "failed": (_forged(good[0], _outcome(2, b"")), "status 0"),
        "strange status": (_forged(good[0], _outcome(2, b"\x02")), "status 2"),
        "pre-Byzantium root": (_forged(good[0], _outcome(2, bytes(32))), "RLP number"),
        "another contract's event": (_forged(good[0], _outcome(2, address=b"\x05" * 20)), "no event"),
        "another operation's event": (_forged(good[0], _outcome(2, topics=elsewhere)), "no event"),
        "an event without topics": (_forged(good[0], _outcome(2, topics=[])), "no event"),
        "another manager": (_forged(*good, meta={"manager": b"\x05" * 20}), "no event"),
        "types differ": (_forged(good[0], _outcome(1)), "different types"),
        "types differ more": (_forged(_tx(0, CALL), _outcome(2)), "different types"),
        "another call": (_forged(_tx(2, b"\x01\x02\x03\x04" + op(8).word), good[1]), "carries operation"),
        "no call data": (_forged(_tx(2, b""), good[1]), "carries operation"),
        "type 3": (_forged(b"\x03" + _tx(2, CALL)[1:], good[1]), "of type 3"),
        "not a transaction": (_forged(b"\x02" + rlp_encode([b"a", b"b"]), good[1]), "with 12 fields"),
        "fields of type 1 as type 2": (_forged(b"\x02" + _tx(1, CALL)[1:], good[1]), "with 12 fields"),
        "genesis": (_forged(*good, height=0), "not genesis"),
        "meta of another block": (_forged(*good, meta={"height": 7}), "meta is of block"),
        "meta of another chain": (_forged(*good, meta={"origin": "acme/site/oslo/2"}), "meta is of block"),
        "meta that is not the header's": (
            replace(_forged(*good), meta=replace(furnished().links[6].meta, clock_quality=2).encode()),
            "extra data",
        ),
        "at another place of the log": (_forged(*good, leaf=5), "site path is for leaf 5"),
        "another transaction": (replace(_forged(*good), tx=_tx(2, CALL + b"\x01")), "is another one"),
        "another EVM receipt": (replace(_forged(*good), receipt=_outcome(2, address=bytes(20))), "is another one"),
        "header of another block": (_forged(*good, header={"height": 7}), "the header is of block 7"),
    }
    for name, (forged, words) in forgeries.items():
        assert_refused(forged.encode(), name, words)


def test_the_sizes_in_the_file_are_those_of_the_notes() -> None:
    """Leaf 6 has the same path in logs of 9 to 16 leaves, so only the comparison tells them apart."""
    good = _forged(_tx(2, CALL), _outcome(2))
    held = replace(good, hub=hub_proof(good.site.checkpoint, 5, 13))
    assert verdicts(held.encode()) == ("hub-held",) * 2
    assert held.hub is not None
    for size in (10, 12, 16):
        site, hub = replace(held.site, size=size), replace(held.hub, size=size)
        assert_refused(replace(held, site=site).encode(), "site size", "the site's checkpoint is of 9 leaves")
        assert_refused(replace(held, hub=hub).encode(), "hub size", "the hub's checkpoint is of 13 leaves")


def test_a_block_and_its_log_may_be_signed_by_different_keys_of_the_site() -> None:
    raw = _forged(_tx(2, CALL), _outcome(2), site_key=OTHER_KEY).encode()
    assert verdicts(raw) == ("site-signed",) * 2
    assert verdicts(raw, {SITE_RAW, OTHER_RAW}) == ("site-signed",) * 2
    assert verdicts(raw, {SITE_RAW}) == ("refused",) * 2
    assert verdicts(raw, {OTHER_RAW}) == ("refused",) * 2


def test_a_hub_of_another_company_holds_nothing_of_ours() -> None:
    signed = receipt_of(furnished(), 5, 0)
    log = MemoryLog([leaf_hash(signed.site.checkpoint)])
    stranger = checkpoint.sign(checkpoint.Checkpoint("beta/hub", 1, log.frontier.root()), HUB_KEY)
    hub = LogProof(stranger, HUB_RAW, 0, 1, ())
    assert_refused(replace(signed, hub=hub).encode(), "another hub", "beta/hub")


def test_the_hub_must_hold_this_very_note() -> None:
    """An older note of the same site, or the same one with its acknowledgement, is another leaf."""
    signed = receipt_of(furnished(), 5, 0)
    cosigned = checkpoint.cosign(signed.site.checkpoint, ORIGIN.hub, HUB_KEY, 5)
    for leaf in (cosigned, signed.site.checkpoint[:-1], checkpoint.Note.parse(cosigned).checkpoint.body):
        assert_refused(replace(signed, hub=hub_proof(leaf, 2, 5)).encode(), "another leaf", "gives root")


def test_an_anchor_of_a_newer_hub_log_is_not_this_ones() -> None:
    signed = receipt_of(furnished(), 5, 0)
    hub, newer = hub_proof(signed.site.checkpoint, 2, 5), hub_proof(signed.site.checkpoint, 2, 6)
    assert_refused(replace(signed, hub=hub, anchor=anchor_of(newer)).encode(), "newer", "with another root")


def test_a_header_in_another_writing_is_refused() -> None:
    """Signed over looser bytes: a leading zero in a number, a field too many."""
    link = furnished().links[6]
    fields = [getattr(link.header, name) for name in Header.__slots__]
    raw = [rlp_int(item) if isinstance(item, int) else item for item in fields]
    for loose in ([*raw[:7], b"\x00", *raw[8:]], [*raw, b""], raw[:16]):
        good = _forged(_tx(2, CALL), _outcome(2))
        assert_refused(replace(good, header=rlp_encode(loose)).encode(), "header")
    assert Meta.decode(link.block.meta) == link.meta


# --- the anchor on a main chain ---


class Server:
    """A JSON-RPC server of a main chain with one Anchored event, which a test may bend."""

    def __init__(self, raw: bytes = b"", **changes: Any) -> None:
        anchor = Receipt.parse(raw or full()).anchor
        assert anchor is not None
        self.log: dict[str, Any] = {
            "address": "0x" + "c0" * 20,
            "topics": [
                "0x" + receipt._ANCHORED_EVENT.hex(),
                "0x" + anchor.size.to_bytes(32, "big").hex(),
                "0x" + anchor.root.hex(),
            ],
            "blockNumber": "0x5f",
            "blockHash": "0x" + "be" * 32,
            "transactionHash": "0x" + "dd" * 32,
            "logIndex": "0x0",
            "removed": False,
            "data": "0x",
        } | changes.pop("log", {})
        self.answers: dict[str, Any] = {
            "eth_chainId": hex(1337),
            "eth_getBlockByNumber": {"hash": "0x" + "BE" * 32, "timestamp": "0x65530000"},
            "eth_getLogs": [self.log],
        } | changes
        self.asked: list[tuple[str, list[Any]]] = []

    def __call__(self, method: str, params: list[Any]) -> Any:
        self.asked.append((method, params))
        return self.answers[method]


def test_the_event_is_the_contracts() -> None:
    (event,) = (item for item in artifacts.load("AnchorRegistry").abi if item.get("name") == "Anchored")
    signature = f"Anchored({','.join(item['type'] for item in event['inputs'])})"
    assert keccak256(signature.encode()) == receipt._ANCHORED_EVENT
    assert [item["indexed"] for item in event["inputs"]] == [True, True, False, False, False, False]


def test_an_anchor_is_found_by_block_and_event() -> None:
    anchor = Receipt.parse(full()).anchor
    assert anchor is not None
    server = Server()
    step = receipt.check_on_chain(anchor, server, anchor.contract)
    assert "block 95" in step.text and "1337" in step.text
    assert [method for method, _ in server.asked] == ["eth_chainId", "eth_getBlockByNumber", "eth_getLogs"]
    query = server.asked[2][1][0]
    assert (query["fromBlock"], query["toBlock"], query["address"]) == ("0x5f", "0x5f", "0x" + "c0" * 20)
    assert anchor.tx_hash.hex() not in json.dumps(server.asked)


@pytest.mark.parametrize(
    "server",
    [
        Server(eth_chainId="0x1"),
        Server(eth_chainId=1337),
        Server(eth_chainId="1337"),
        Server(eth_chainId="0xzz"),
        Server(eth_getBlockByNumber=None),
        Server(eth_getBlockByNumber={"hash": None, "timestamp": "0x0"}),
        Server(eth_getBlockByNumber={"hash": "0x" + "be" * 32}),
        Server(eth_getLogs=[]),
        Server(eth_getLogs=None),
        Server(eth_getLogs={}),
        Server(eth_getLogs=[7, None, {}]),
        Server(log={"address": "0x" + "c1" * 20}),
        Server(log={"topics": []}),
        Server(log={"topics": None}),
        Server(log={"topics": [1, 2, 3]}),
        Server(log={"blockNumber": "0x60"}),
        Server(log={"blockHash": "0x" + "bf" * 32}),
        Server(log={"transactionHash": "0x" + "de" * 32}),
        Server(log={"logIndex": "0x1"}),
        Server(log={"removed": True}),
    ],
)
def test_a_server_that_shows_no_such_event_proves_nothing(server: Server) -> None:
    anchor = Receipt.parse(full()).anchor
    assert anchor is not None
    with pytest.raises(Invalid):
        receipt.check_on_chain(anchor, server)


def test_the_contract_that_a_verifier_names_counts_and_not_the_files() -> None:
    anchor = Receipt.parse(full()).anchor
    assert anchor is not None
    with pytest.raises(Invalid, match="expected " + "c1" * 20):
        receipt.check_on_chain(anchor, Server(), b"\xc1" * 20)


def test_a_server_out_of_reach_is_no_verdict() -> None:
    def away(method: str, params: list[Any]) -> Any:
        raise Unavailable("the main chain does not answer")

    anchor = Receipt.parse(full()).anchor
    assert anchor is not None
    with pytest.raises(Unavailable):
        receipt.check_on_chain(anchor, away)


def _changed(change: Change) -> bytes:
    """The full receipt with one change, written as canonically as its content allows."""
    content = copy.deepcopy(json.loads(full()))
    change(content)
    try:
        return json_canonical(content)
    except Exception:
        return json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
