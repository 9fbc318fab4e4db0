#pragma version 0.4.3
#pragma evm-version shanghai
"""
@title  UserRegistry: who may do what, and the hub's control records
@notice People are random ids; roles, validity and keys hang on them. Control records come signed by the hub, in one
        sequence. A record whose payload cannot be carried out takes its place in the sequence all the same.
"""

struct ItemRow:
    item: bytes32
    tracking: uint256
    unit: bytes32
    decimals: uint256


struct LocationRow:
    location: bytes32
    kind: uint256
    parent: bytes32


struct SettledRow:
    index: uint256
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    target: bytes32


interface Ledger:
    def claim(op_id: bytes32, effect: bytes32): nonpayable
    def set_writer(op_id: bytes32, writer: address): nonpayable
    def put_items(rows: DynArray[ItemRow, 200]): nonpayable
    def put_locations(rows: DynArray[LocationRow, 200]): nonpayable


interface Manager:
    def settle_transfer(op_id: bytes32, transfer: bytes32, lines: DynArray[SettledRow, 200]): nonpayable


interface Audit:
    def note(op_id: bytes32, document: bytes32, kind: bytes32, subject: bytes32): nonpayable


event ControlApplied:
    op_id: indexed(bytes32)
    sequence: uint256
    kind: uint256


event ControlRefused:
    op_id: indexed(bytes32)
    sequence: uint256
    kind: uint256


event Rebased:
    op_id: indexed(bytes32)
    origin: String[128]
    node: address


event Bound:
    op_id: indexed(bytes32)
    actor: indexed(bytes32)
    key: address


MAX_LINES: constant(uint256) = 200
MAX_PAYLOAD: constant(uint256) = 45_056
MAX_TIME: constant(uint256) = 2**64 - 1

ADMIN: constant(uint256) = 256
ALL_ROLES: constant(uint256) = 511

ITEMS: constant(uint256) = 1
LOCATIONS: constant(uint256) = 2
PERSON: constant(uint256) = 3
SETTLE: constant(uint256) = 4
RELEASE: constant(uint256) = 5
NOTE: constant(uint256) = 6

# Numbers of calls in the last byte of an effect; 1 to 10 are the InventoryManager's.
CONTROL_CALL: constant(uint256) = 11
BIND_CALL: constant(uint256) = 12
NOTE_CALL: constant(uint256) = 13
REBASE_CALL: constant(uint256) = 14

# A person's word: bits 0-15 roles, 16-79 valid from, 80-143 valid until, then marks.
FROM_SHIFT: constant(uint256) = 16
UNTIL_SHIFT: constant(uint256) = 80
REVOKED: constant(uint256) = 1 << 144
KNOWN: constant(uint256) = 1 << 145
BOUND: constant(uint256) = 1 << 146

HALF_ORDER: constant(bytes32) = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REBASE_TYPE: constant(bytes32) = keccak256("Rebase(string origin,address node)")
CONTROL_TYPE: constant(bytes32) = keccak256("Control(string origin,uint256 sequence,uint256 kind,bytes payload)")
NAME: constant(bytes32) = keccak256("Tallyman")
VERSION: constant(bytes32) = keccak256("1")

origin: public(String[128])
control_key: public(address)
node: public(address)
ledger: public(address)
manager: public(address)
audit: public(address)
sequence: public(uint256)
people: HashMap[bytes32, uint256]
keys: HashMap[bytes32, address]
activations: HashMap[bytes32, bytes32]
owners: HashMap[address, bytes32]           # key -> the one person it was ever bound to


@deploy
def __init__(
    origin_: String[128], control_key_: address, node_: address, ledger_: address, manager_: address, audit_: address
):
    assert control_key_ != empty(address) and node_ != empty(address), "empty key"
    self.origin = origin_
    self.control_key = control_key_
    self.node = node_
    self.ledger = ledger_
    self.manager = manager_
    self.audit = audit_


@external
def apply(op_id: bytes32, sequence: uint256, kind: uint256, payload: Bytes[MAX_PAYLOAD], signature: Bytes[65]):
    """
    @notice Carry out the hub's next control record.
    @param  op_id first 16 bytes of SHA-256 of the record (origin, sequence, kind, payload) and the signature: nobody
            can use it up before the hub has signed
    """
    assert msg.sender == self.node, "only the node"
    signed: bytes32 = sha256(concat(abi_encode(self.origin, sequence, kind, payload), signature))
    assert op_id == convert((convert(signed, uint256) >> 128) << 128, bytes32), "op_id is not the record's"
    extcall Ledger(self.ledger).claim(op_id, self._effect(signed, CONTROL_CALL))
    assert sequence == self.sequence + 1, "not the next in sequence"
    self._check_hub(
        keccak256(abi_encode(CONTROL_TYPE, keccak256(self.origin), sequence, kind, keccak256(payload))), signature
    )
    self.sequence = sequence
    before: uint256 = msg.gas
    # Its own call, so that a payload which fails half-way leaves nothing behind and blocks nothing after it.
    done: bool = raw_call(
        self,
        abi_encode(op_id, kind, payload, method_id=method_id("perform(bytes32,uint256,bytes)")),
        revert_on_failure=False,
    )
    if done:
        log ControlApplied(op_id=op_id, sequence=sequence, kind=kind)
    else:
        # A call that starved leaves a 64th of the gas at each level: that must not pass for a refusal.
        assert msg.gas > before // 16, "too little gas"
        log ControlRefused(op_id=op_id, sequence=sequence, kind=kind)


@external
def rebase(op_id: bytes32, origin_: String[128], node_: address, signature: Bytes[65]):
    """
    @notice The first transaction of a later incarnation, whose accounts were taken over: from here on the chain is
            origin_, its node is node_, and control records count from one again. The hub's signature holds on the new
            chain only, by its chain id; everything else stays as it was.
    @param  op_id first 16 bytes of SHA-256 of (origin, node)
    """
    assert msg.sender == node_, "only the new node"
    content: bytes32 = sha256(abi_encode(origin_, node_))
    assert op_id == convert((convert(content, uint256) >> 128) << 128, bytes32), "op_id is not the record's"
    extcall Ledger(self.ledger).claim(op_id, self._effect(content, REBASE_CALL))
    self._check_hub(keccak256(abi_encode(REBASE_TYPE, keccak256(origin_), node_)), signature)
    self.origin = origin_
    self.node = node_
    self.sequence = 0
    log Rebased(op_id=op_id, origin=origin_, node=node_)


@external
def perform(op_id: bytes32, kind: uint256, payload: Bytes[MAX_PAYLOAD]):
    assert msg.sender == self, "only by a control record"
    if kind == ITEMS:
        extcall Ledger(self.ledger).put_items(abi_decode(payload, DynArray[ItemRow, MAX_LINES]))
    elif kind == LOCATIONS:
        extcall Ledger(self.ledger).put_locations(abi_decode(payload, DynArray[LocationRow, MAX_LINES]))
    elif kind == PERSON:
        self._put_person(payload)
    elif kind == SETTLE:
        transfer: bytes32 = empty(bytes32)
        lines: DynArray[SettledRow, MAX_LINES] = []
        transfer, lines = abi_decode(payload, (bytes32, DynArray[SettledRow, MAX_LINES]))
        extcall Manager(self.manager).settle_transfer(op_id, transfer, lines)
    elif kind == RELEASE:
        writer: address = empty(address)
        code_hash: bytes32 = empty(bytes32)
        writer, code_hash = abi_decode(payload, (address, bytes32))
        assert writer.is_contract and writer.codehash == code_hash, "not the released code"
        self.manager = writer
        extcall Ledger(self.ledger).set_writer(op_id, writer)
    elif kind == NOTE:
        what: bytes32 = empty(bytes32)
        subject: bytes32 = empty(bytes32)
        document: bytes32 = empty(bytes32)
        what, subject, document = abi_decode(payload, (bytes32, bytes32, bytes32))
        extcall Audit(self.audit).note(op_id, document, what, subject)
    else:
        raise "unknown kind"


@external
def bind(op_id: bytes32, actor: bytes32, key: address, code: bytes32):
    """
    @notice Tie the key made for a person at first log-in to that person, once for each activation code.
    """
    assert msg.sender == self.node, "only the node"
    extcall Ledger(self.ledger).claim(op_id, self._effect(keccak256(abi_encode(actor, key)), BIND_CALL))
    person: uint256 = self.people[actor]
    assert person != 0, "unknown person"
    assert person & REVOKED == 0, "person is revoked"
    assert person & BOUND == 0, "activation is used"
    assert self.activations[actor] == keccak256(code), "wrong activation code"
    assert key != empty(address), "empty key"
    # A key shared by two people would let one of them be both.
    assert self.owners[key] == empty(bytes32), "key is taken"
    self.owners[key] = actor
    self.people[actor] = person | BOUND
    self.keys[actor] = key
    log Bound(op_id=op_id, actor=actor, key=key)


@external
def claim_note(sender: address, op_id: bytes32, actor: bytes32, effect: bytes32):
    """
    @notice The AuditLogger asks whether this note may be taken. An empty actor is the node itself.
    """
    assert msg.sender == self.audit, "only the audit log"
    assert sender == self.node, "only the node"
    assert actor == empty(bytes32) or self._roles(actor) != 0, "no valid role"
    extcall Ledger(self.ledger).claim(op_id, self._effect(effect, NOTE_CALL))


@external
@view
def authority(sender: address, actor: bytes32, approver: bytes32) -> (uint256, uint256, address):
    """
    @return Roles of the actor now, roles of the approver now, key of the approver
    """
    assert sender == self.node, "only the node"
    roles: uint256 = self._roles(actor)
    if approver == empty(bytes32):
        return (roles, 0, empty(address))
    return (roles, self._roles(approver), self.keys[approver])


@external
@view
def roles_of(actor: bytes32) -> uint256:
    """
    @return The roles a person has now: none outside the validity times or when revoked
    """
    return self._roles(actor)


@external
@view
def key_of(actor: bytes32) -> address:
    return self.keys[actor]


@external
@view
def person_of(actor: bytes32) -> (uint256, uint256, uint256, bool, bytes32, bool):
    """
    @return roles as given, valid from, valid until (0: without end), revoked, activation, whether it is used
    """
    person: uint256 = self.people[actor]
    return (
        person & 65535,
        (person >> FROM_SHIFT) & MAX_TIME,
        (person >> UNTIL_SHIFT) & MAX_TIME,
        person & REVOKED != 0,
        self.activations[actor],
        person & BOUND != 0,
    )


# ---------------------------------------------------------------- inside


@internal
def _put_person(payload: Bytes[MAX_PAYLOAD]):
    actor: bytes32 = empty(bytes32)
    roles: uint256 = 0
    activation: bytes32 = empty(bytes32)
    valid_from: uint256 = 0
    valid_until: uint256 = 0
    revoked: bool = False
    actor, roles, activation, valid_from, valid_until, revoked = abi_decode(
        payload, (bytes32, uint256, bytes32, uint256, uint256, bool)
    )
    assert actor != empty(bytes32), "empty actor"
    assert roles <= ALL_ROLES, "unknown role"
    assert roles & ADMIN == 0 or roles == ADMIN, "ADMIN excludes other roles"
    assert valid_from <= MAX_TIME and valid_until <= MAX_TIME, "bad time"
    assert valid_until == 0 or valid_from < valid_until, "bad time"
    person: uint256 = roles | (valid_from << FROM_SHIFT) | (valid_until << UNTIL_SHIFT) | KNOWN
    if revoked:
        person |= REVOKED
    if activation == empty(bytes32) or activation == self.activations[actor]:
        person |= self.people[actor] & BOUND
    else:
        # A new activation ends the old key at once: it is given after a loss or a forgotten PIN.
        self.activations[actor] = activation
        self.keys[actor] = empty(address)
    self.people[actor] = person


@internal
@view
def _roles(actor: bytes32) -> uint256:
    person: uint256 = self.people[actor]
    until: uint256 = (person >> UNTIL_SHIFT) & MAX_TIME
    if person & REVOKED != 0 or block.timestamp < (person >> FROM_SHIFT) & MAX_TIME:
        return 0
    if until != 0 and block.timestamp >= until:
        return 0
    return person & 65535


@internal
@view
def _check_hub(content: bytes32, signature: Bytes[65]):
    assert len(signature) == 65, "bad signature"
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    assert (v == 27 or v == 28) and s <= convert(HALF_ORDER, uint256), "bad signature"
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))
    signer: address = ecrecover(keccak256(concat(b"\x19\x01", domain, content)), v, r, s)
    assert signer != empty(address) and signer == self.control_key, "not signed by the hub"


@internal
@pure
def _effect(content: bytes32, call: uint256) -> bytes32:
    return convert((convert(content, uint256) >> 8) << 8 | call, bytes32)
