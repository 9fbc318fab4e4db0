"""Founding a site's chain: genesis, and block 1 that creates the contracts, or makes inherited ones obey this node.

Both blocks are pure functions of the hub's certificate and the node's keys, so founding may be cut short and
repeated. The same bytes are then signed again, and the signing mark sees to it that nothing else is.
"""

from __future__ import annotations

from pathlib import Path

from ledger import calls, chain, control, db, deployment
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.evm import Executor
from ledger.seams import Storage, failpoint
from ledger.transactions import sign
from node import audit, mark, sealing, store
from node.identity import NodeIdentity, NodeKeys, check_keys
from node.timekeeping import CONFIRMED
from sync.enrolment import Continued


def found(
    folder: Path, connection: db.Connection, identity: NodeIdentity, keys: NodeKeys, storage: Storage, now_ms: int
) -> chain.Head:
    """Write blocks 0 and 1 in one transaction. Raises Rejected when there is a chain already."""
    if sealing.read_head(connection, identity.chain) is not None:
        raise Rejected(f"this node is enrolled already, as {identity.origin}, and its chain is founded")
    with db.transaction(connection):
        head = begin(folder, connection, identity, keys, storage, now_ms)
    # The chain stands. Whoever repeats the command because they saw no answer is told so.
    failpoint("found.committed")
    return head


def begin(
    folder: Path,
    connection: db.Connection,
    identity: NodeIdentity,
    keys: NodeKeys,
    storage: Storage,
    now_ms: int,
    executor: Executor | None = None,
) -> chain.Head:
    """Blocks 0 and 1 in the caller's transaction.

    A later incarnation goes on with the `executor` that stands on the block which it continues.
    """
    check_keys(identity, keys)
    path = folder / mark.file_of(identity.files)
    before = mark.read(path) if path.exists() else None
    # A mark without blocks is of an attempt that died before its commit: only the same block 1 may be signed again.
    mark_it = sealing.marker(path, 0, storage) if before is None else sealing.must_equal(before)
    genesis = chain.seal_genesis(
        identity.chain,
        keys.block,
        identity.not_before_s,
        key_number=identity.key_number,
        clock_quality=CONFIRMED,
    )
    if executor is None:
        executor = Executor.create(connection, identity.origin.chain_id, genesis.block.header)
    else:
        if identity.chain.previous is None or executor.head.hash != identity.chain.previous.hash:
            raise Invalid(f"the blocks do not lead to the one that {identity.origin} is to go on from")
        executor.inherit(identity.origin.chain_id, genesis.block.header)
    sealing.store_block(connection, genesis, (), 0, now_ms)
    # Genesis is signed, but nothing is stored: the next attempt makes the same one, signature included.
    failpoint("found.genesis")
    executor.begin(identity.not_before_s + 1)
    continued = identity.certificate.continued
    operations = [_rebase(executor, identity, keys, continued)] if continued else _deploy(executor, identity, keys)
    meta = chain.next_meta(genesis.head, operations, clock_quality=CONFIRMED, hub_seen=None)
    sealed = chain.seal(genesis.head, executor, operations, meta, keys.block, mark_it)
    # The mark holds block 1 and the database nothing: the next attempt must come to this very block.
    failpoint("found.signed")
    sealing.store_block(connection, sealed.link, sealed.receipts, 0, now_ms)
    audit.project(connection, sealed.link, sealed.receipts)
    store.set_fact(connection, store.FACT_TRUSTED_MS, str(identity.not_before_s * 1000))
    return sealed.head


def _rebase(executor: Executor, identity: NodeIdentity, keys: NodeKeys, continued: Continued) -> chain.Operation:
    """Make the inherited contracts obey this incarnation, by the hub's word."""
    origin, node = str(identity.origin), identity.chain.node
    call = calls.Rebase(origin=origin, node=node, signature=continued.rebase)
    data = call.encode(control.rebase_op_id(origin, node))
    raw = sign(
        keys.transaction, identity.origin.chain_id, 0, identity.contracts.registry, data, calls.gas_limit(call)
    )
    outcome = executor.execute(raw)
    if not outcome.ok:
        raise Corrupt(f"the inherited contracts do not take the hub's rebase: {outcome.reason}")
    return chain.Operation(raw)


def _deploy(executor: Executor, identity: NodeIdentity, keys: NodeKeys) -> list[chain.Operation]:
    """Execute the four transactions that create the contracts, in the order that fixes their addresses."""
    operations = []
    codes = deployment.init_codes(identity.origin, identity.chain.control_key, identity.chain.node)
    for nonce, code in enumerate(codes):
        raw = sign(keys.transaction, identity.origin.chain_id, nonce, None, code, calls.GAS_DEPLOY)
        outcome = executor.execute(raw)
        if not outcome.ok:
            raise Corrupt(f"{deployment.CONTRACTS[nonce]} cannot be created: {outcome.reason}")
        operations.append(chain.Operation(raw))
    return operations
