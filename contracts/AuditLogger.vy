#pragma version 0.4.3
#pragma evm-version shanghai
"""
@title  AuditLogger: facts without stock
@notice Log-ins, overrides, configuration, verdicts: one event each, chained by a running hash.
"""

interface Registry:
    def claim_note(sender: address, op_id: bytes32, actor: bytes32, effect: bytes32): nonpayable


event Noted:
    op_id: indexed(bytes32)
    actor: indexed(bytes32)
    kind: indexed(bytes32)
    subject: bytes32
    document: bytes32
    running: bytes32


registry: public(immutable(address))
running: public(bytes32)


@deploy
def __init__(registry_: address):
    registry = registry_


@external
def record(op_id: bytes32, actor: bytes32, document: bytes32, kind: bytes32, subject: bytes32):
    """
    @notice Note a fact seen by a person, or with an empty actor by the node itself.
    """
    effect: bytes32 = keccak256(abi_encode(actor, document, kind, subject))
    extcall Registry(registry).claim_note(msg.sender, op_id, actor, effect)
    self._note(op_id, actor, document, kind, subject)


@external
def note(op_id: bytes32, document: bytes32, kind: bytes32, subject: bytes32):
    """
    @notice Note a fact from a control record of the hub, which has claimed the op_id.
    """
    assert msg.sender == registry, "only the registry"
    self._note(op_id, empty(bytes32), document, kind, subject)


@internal
def _note(op_id: bytes32, actor: bytes32, document: bytes32, kind: bytes32, subject: bytes32):
    running: bytes32 = keccak256(abi_encode(self.running, op_id, actor, document, kind, subject))
    self.running = running
    log Noted(op_id=op_id, actor=actor, kind=kind, subject=subject, document=document, running=running)
