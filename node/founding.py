"""Founding a site's chain: genesis, and block 1 that creates the contracts.

Both blocks are pure functions of the hub's certificate and the node's keys, so founding may be cut short and
repeated. The same bytes are then signed again, and the signing mark sees to it that nothing else is.
"""

from __future__ import annotations

from pathlib import Path

from ledger import calls, chain, db, deployment
from ledger.errors import Corrupt, Rejected
from ledger.evm import Executor
from ledger.seams import Storage, failpoint
from ledger.transactions import sign
from node import mark, projection, sealing, store
from node.identity import NodeIdentity, NodeKeys, check_keys
from node.mark import MARK_FILE
from node.timekeeping import CONFIRMED


def found(
    folder: Path, connection: db.Connection, identity: NodeIdentity, keys: NodeKeys, storage: Storage, now_ms: int
) -> chain.Head:
    """Write blocks 0 and 1 in one transaction. Raises Rejected when there is a chain already."""
    check_keys(identity, keys)
    if sealing.read_head(connection, identity.chain) is not None:
        raise Rejected(f"this node is enrolled already, as {identity.origin}, and its chain is founded")
    path = folder / MARK_FILE
    before = mark.read(path) if path.exists() else None
    # A mark without blocks is of an attempt that died before its commit: only the same block 1 may be signed again.
    mark_it = sealing.marker(path, 0, storage) if before is None else sealing.must_equal(before)
    with db.transaction(connection):
        genesis = chain.seal_genesis(
            identity.chain,
            keys.block,
            identity.not_before_s,
            key_number=identity.key_number,
            clock_quality=CONFIRMED,
        )
        executor = Executor.create(connection, identity.origin.chain_id, genesis.block.header)
        sealing.store_block(connection, genesis, (), 0, now_ms)
        # Genesis is signed, but nothing is stored: the next attempt makes the same one, signature included.
        failpoint("found.genesis")
        operations = _deploy(executor, identity, keys)
        meta = chain.next_meta(genesis.head, operations, clock_quality=CONFIRMED, hub_seen=None)
        sealed = chain.seal(genesis.head, executor, operations, meta, keys.block, mark_it)
        # The mark holds block 1 and the database nothing: the next attempt must come to this very block.
        failpoint("found.signed")
        sealing.store_block(connection, sealed.link, sealed.receipts, 0, now_ms)
        projection.apply_deployment(connection)
        store.set_fact(connection, store.FACT_TRUSTED_MS, str(identity.not_before_s * 1000))
    # The chain stands. Whoever repeats the command because they saw no answer is told so.
    failpoint("found.committed")
    return sealed.head


def _deploy(executor: Executor, identity: NodeIdentity, keys: NodeKeys) -> list[chain.Operation]:
    """Execute the four transactions that create the contracts, in the order that fixes their addresses."""
    executor.begin(identity.not_before_s + 1)
    operations = []
    codes = deployment.init_codes(identity.origin, identity.chain.control_key, identity.chain.node)
    for nonce, code in enumerate(codes):
        raw = sign(keys.transaction, identity.origin.chain_id, nonce, None, code, calls.GAS_DEPLOY)
        outcome = executor.execute(raw)
        if not outcome.ok:
            raise Corrupt(f"{deployment.CONTRACTS[nonce]} cannot be created: {outcome.reason}")
        operations.append(chain.Operation(raw))
    return operations
