"""A later incarnation: it takes over the accounts of a named block, and the hub's rebase makes them obey its node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import calls, chain, control, db, receipt
from ledger.block import EvmReceipt, Previous
from ledger.block_rules import Identity
from ledger.errors import Invalid
from ledger.events import Rebased, decode_logs
from ledger.ids import Origin
from ledger.merkle import MemoryLog, leaf_hash
from tests.ledger.chain_kit import (
    ANN,
    CONTROL_KEY,
    IDENTITY,
    ORIGIN,
    OTHER_KEY,
    START_S,
    STRANGER,
    Site,
    furnished,
    line,
    op,
    receipt_of,
)

SECOND = Origin("acme", "oslo", 2)
NODE_2 = STRANGER


def heir_of(site: Site) -> Identity:
    """Who goes on from the head of `site`."""
    previous = Previous(str(site.head.origin), site.head.height, site.head.hash)
    root = site.links[-1].header.state_root
    return Identity(SECOND, NODE_2.address, CONTROL_KEY.address, IDENTITY.contracts, previous, root)


def inheriting(site: Site) -> Site:
    """The chain that goes on from the head of `site`, at its genesis."""
    genesis = chain.seal_genesis(heir_of(site), OTHER_KEY, START_S + 1000)
    with db.transaction(site.connection):
        site.executor.inherit(SECOND.chain_id, genesis.block.header)
    log = MemoryLog([leaf_hash(genesis.head.hash)])
    return Site(
        site.connection, site.executor, genesis.head, [genesis.block], [genesis], [()], log, [], [],
        key=OTHER_KEY, node=NODE_2,
    )  # fmt: skip


def rebase(node: bytes, chain_id: int = SECOND.chain_id) -> calls.Rebase:
    digest = control.rebase_digest(chain_id, IDENTITY.contracts.registry, str(SECOND), node)
    return calls.Rebase(origin=str(SECOND), node=node, signature=CONTROL_KEY.sign_digest(digest).raw)


def worked() -> Site:
    site = Site.new()
    site.deploy()
    site.furnish()
    site.act(1, calls.Receive(actor=ANN, lines=(line(50),)))
    site.seal()
    return site


def test_genesis_names_the_block_that_it_continues_and_has_its_state() -> None:
    later = heir_of(furnished())
    genesis = chain.seal_genesis(later, OTHER_KEY, START_S + 1000)
    assert genesis.head.deployed and genesis.meta.previous == later.previous
    assert genesis.header.state_root == furnished().links[-1].header.state_root
    assert chain.link_genesis(later, genesis.block, OTHER_KEY.verify_key) == genesis
    assert later.previous is not None
    wrongs = [
        ("previous incarnation", replace(later, previous=replace(later.previous, height=5))),
        ("previous incarnation", replace(later, previous=None)),
        ("state root of genesis", replace(later, state_root=bytes(32))),
    ]
    for words, wrong in wrongs:
        with pytest.raises(Invalid, match=words):
            chain.link_genesis(wrong, genesis.block, OTHER_KEY.verify_key)
    for other in ("acme/site/bergen/1", "acme/site/oslo/2", "acme/site/oslo/3"):
        named = replace(later, previous=replace(later.previous, origin=other))
        with pytest.raises(Invalid, match="expected an earlier incarnation"):
            chain.seal_genesis(named, OTHER_KEY, START_S + 1000)


def test_only_the_hubs_rebase_makes_the_inherited_contracts_obey_the_new_node() -> None:
    heir = inheriting(worked())
    with pytest.raises(AssertionError, match="only the node"):
        heir.control(control.ItemsPayload(items=()))
    op_id, good = control.rebase_op_id(str(SECOND), NODE_2.address), rebase(NODE_2.address)
    wrongs = [
        ("not signed by the hub", op_id, replace(good, signature=rebase(CONTROL_KEY.address).signature)),
        # Signed for the chain that was left: an old node cannot put its own chain under a new name either.
        ("not signed by the hub", op_id, rebase(NODE_2.address, ORIGIN.chain_id)),
        ("bad signature", op_id, replace(good, signature=good.signature[:64])),
        ("only the new node", op_id, rebase(CONTROL_KEY.address)),
        ("op_id is not the record", op(9), good),
    ]
    for words, name, wrong in wrongs:
        with pytest.raises(AssertionError, match=words):
            heir.call(name, wrong)
    heir.call(op_id, good)
    with pytest.raises(AssertionError, match="used"):
        heir.call(op_id, good)


def test_a_later_incarnation_goes_on_where_the_other_was_left() -> None:
    old = worked()
    raw_old = receipt_of(old, 3, 0).encode()
    heir = inheriting(old)
    heir.sequence = 0
    op_id = control.rebase_op_id(str(SECOND), NODE_2.address)
    heir.call(op_id, rebase(NODE_2.address))
    with pytest.raises(AssertionError, match="used"):
        heir.act(1, calls.Receive(actor=ANN, lines=(line(50),)))
    heir.act(2, calls.Move(actor=ANN, lines=(line(7, source="A-01", target="A-02"),)))
    heir.control(control.LocationsPayload(locations=(control.Location(location="A-03", kind=control.BIN),)))
    sealed = heir.seal()
    assert decode_logs(EvmReceipt.parse(sealed.receipts[0]).logs) == [
        Rebased(op_id=op_id, origin=str(SECOND), node=NODE_2.address)
    ]
    # Anyone who executes the old chain comes to the same heir.
    again = inheriting(worked())
    with db.transaction(again.connection):
        accepted = chain.accept(chain.link(again.head, sealed.block, OTHER_KEY.verify_key), again.executor)
    assert accepted.head == sealed.head
    for raw, key, origin in (
        (raw_old, old.key, ORIGIN),
        (receipt_of(heir, 1, 1).encode(), OTHER_KEY, SECOND),
    ):
        assert receipt.verify(raw, [key.verify_key.raw]).receipt.origin == str(origin)
