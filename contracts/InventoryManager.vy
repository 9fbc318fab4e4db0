#pragma version 0.4.3
#pragma evm-version shanghai
"""
@title  InventoryManager: the rules
@notice Judges what people may book and hands it to the StockLedger; holds no state, so that the hub can release a
        successor while the stock stays. Every call names its op_id first, acts once, and is wholly done or not at all.
@dev    Only the node sends. `actor` is who did it; where a signature is asked for, the person named in the approval
        has signed (op_id, actor, call, payload) with the key bound to them.
"""

struct Line:
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    source: bytes32
    target: bytes32


struct Counted:
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    counted: uint256


struct Compared:
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    counted: uint256
    expected: uint256


struct AcceptedRow:
    index: uint256
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    missing: uint256
    target: bytes32


struct SettledRow:
    index: uint256
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    target: bytes32


struct Approval:
    actor: bytes32
    v: uint256
    r: bytes32
    s: bytes32


interface Registry:
    def authority(sender: address, actor: bytes32, approver: bytes32) -> (uint256, uint256, address): view


interface Ledger:
    def book(
        op_id: bytes32, effect: bytes32, mode: uint256, of: bytes32, lines: DynArray[Line, 200]
    ) -> uint256: nonpayable
    def take_off(transfer: bytes32, lines: DynArray[SettledRow, 200]): nonpayable
    def keep_count(op_id: bytes32, effect: bytes32, found: bytes32): nonpayable
    def post(
        op_id: bytes32,
        effect: bytes32,
        count: bytes32,
        found: bytes32,
        select: uint256,
        bin: bytes32,
        lines: DynArray[Compared, 200],
    ): nonpayable
    def claim(op_id: bytes32, effect: bytes32): nonpayable
    def expect(bin: bytes32, lines: DynArray[Counted, 200]) -> (uint256, uint256, uint256[200]): view
    def stock_of(location: bytes32, item: bytes32, lot: bytes32, status: uint256) -> int256: view
    def serial_at(item: bytes32, serial: bytes32) -> bytes32: view
    def changes_of(location: bytes32) -> uint256: view
    def effect_of(op_id: bytes32) -> bytes32: view


event Recorded:
    op_id: indexed(bytes32)
    call: indexed(bytes4)
    actor: indexed(bytes32)
    document: bytes32


event CountRecorded:
    op_id: indexed(bytes32)
    session: indexed(bytes32)
    bin: indexed(bytes32)
    round: uint256
    counter: bytes32
    stable: bool
    whole: bool
    scans: bytes32


event CountLine:
    op_id: indexed(bytes32)
    line: uint256
    item: indexed(bytes32)
    lot: bytes32
    serial: bytes32
    status: uint256
    counted: uint256
    expected: uint256


event CountPosted:
    op_id: indexed(bytes32)
    count: indexed(bytes32)
    approver: bytes32
    select: uint256


event Excepted:
    op_id: indexed(bytes32)
    location: indexed(bytes32)
    reason: bytes32


event ExceptedLine:
    op_id: indexed(bytes32)
    line: uint256
    item: indexed(bytes32)
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    source: bytes32
    target: bytes32


event Dispatched:
    op_id: indexed(bytes32)
    receiver: indexed(bytes32)


event Accepted:
    op_id: indexed(bytes32)
    transfer: indexed(bytes32)
    sender: bytes32


event AcceptedLine:
    op_id: indexed(bytes32)
    line: uint256
    index: uint256
    missing: uint256


event Settled:
    op_id: indexed(bytes32)
    transfer: indexed(bytes32)


event Reversed:
    op_id: indexed(bytes32)
    of: indexed(bytes32)


MAX_LINES: constant(uint256) = 200
WORDS: constant(uint256) = 7 + 6 * MAX_LINES
# As in the StockLedger, for what never comes before it: goods missing, and lines without effect.
MAX_QUANTITY: constant(uint256) = 10**12
MAX_STATUS: constant(uint256) = 3

# Roles
COUNT: constant(uint256) = 1
RECEIVE: constant(uint256) = 2
MOVE: constant(uint256) = 4
ADJUST: constant(uint256) = 16
APPROVE: constant(uint256) = 64
TRANSFER: constant(uint256) = 128
STOCK_ROLES: constant(uint256) = 255

# Numbers of the calls, kept in the last byte of an effect; 11 and above are the UserRegistry's.
RECEIVE_CALL: constant(uint256) = 1
MOVE_CALL: constant(uint256) = 2
ADJUST_CALL: constant(uint256) = 3
RECORD_COUNT_CALL: constant(uint256) = 4
POST_COUNT_CALL: constant(uint256) = 5
REVERSE_CALL: constant(uint256) = 6
EXCEPT_CALL: constant(uint256) = 7
DISPATCH_CALL: constant(uint256) = 8
ACCEPT_CALL: constant(uint256) = 9

# How the ledger is to take lines
PLAIN: constant(uint256) = 0
DISPATCH: constant(uint256) = 1
BACK: constant(uint256) = 2
ARRIVE: constant(uint256) = 3
SETTLE: constant(uint256) = 4

# The ledger's codes of places, one bit each.
BIN: constant(uint256) = 1 << 1
UNIT: constant(uint256) = 1 << 3
CLOSED: constant(uint256) = 1 << 4
FROM_SUPPLIER: constant(uint256) = 1 << 8
FROM_CUSTOMER: constant(uint256) = 1 << 9
UNDER_WAY: constant(uint256) = 1 << 10
LOST: constant(uint256) = 1 << 11
# A closed location takes nothing in, but it can be emptied and counted.
OPEN: constant(uint256) = BIN | UNIT
REAL: constant(uint256) = BIN | UNIT | CLOSED

SHRINKAGE: constant(bytes32) = 0x534852494e4b4147450000000000000000000000000000000000000000000009
IN_TRANSIT: constant(bytes32) = 0x494e5f5452414e5349540000000000000000000000000000000000000000000a

# A count without lines has one thing to post: that nothing was there.
NOTHING_THERE: constant(uint256) = 1 << 255

HALF_ORDER: constant(bytes32) = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
APPROVAL_TYPE: constant(bytes32) = keccak256("Approval(bytes32 op_id,bytes32 actor,bytes4 call,bytes32 payload)")
NAME: constant(bytes32) = keccak256("Tallyman")
VERSION: constant(bytes32) = keccak256("1")

registry: public(immutable(address))
ledger: public(immutable(address))


@deploy
def __init__(registry_: address, ledger_: address):
    registry = registry_
    ledger = ledger_


# ---------------------------------------------------------------- goods


@external
def receive(op_id: bytes32, actor: bytes32, document: bytes32, lines: DynArray[Line, MAX_LINES]):
    """
    @notice Goods come in from a supplier, or back from a customer.
    """
    self._begin(op_id, actor, document, RECEIVE)
    effect: bytes32 = self._effect(keccak256(abi_encode(lines)), RECEIVE_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, PLAIN, empty(bytes32), lines)
    self._judge(touched, FROM_SUPPLIER | FROM_CUSTOMER, OPEN)


@external
def move(op_id: bytes32, actor: bytes32, document: bytes32, lines: DynArray[Line, MAX_LINES]):
    """
    @notice Goods go from one real location to another.
    """
    self._begin(op_id, actor, document, MOVE)
    effect: bytes32 = self._effect(keccak256(abi_encode(lines)), MOVE_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, PLAIN, empty(bytes32), lines)
    self._judge(touched, REAL, OPEN)


@external
def adjust(
    op_id: bytes32, actor: bytes32, document: bytes32, lines: DynArray[Line, MAX_LINES], approval: Approval
):
    """
    @notice Goods are written off to SHRINKAGE or found from it, approved by another person.
    """
    payload: bytes32 = keccak256(abi_encode(lines))
    self._begin_approved(op_id, actor, document, ADJUST, approval, payload)
    effect: bytes32 = self._effect(payload, ADJUST_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, PLAIN, empty(bytes32), lines)
    self._judge(touched, REAL | LOST, OPEN | LOST)
    for line: Line in lines:
        assert (line.source == SHRINKAGE) != (line.target == SHRINKAGE), "one side must be SHRINKAGE"


@external
def reverse(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    of: bytes32,
    lines: DynArray[Line, MAX_LINES],
    approval: Approval,
):
    """
    @notice Undo a receive, move or adjust: the same lines backwards, once, approved by another person.
    @param  lines exactly the lines of the operation `of`
    """
    payload: bytes32 = keccak256(abi_encode(of, lines))
    roles: uint256 = self._begin_approved(op_id, actor, document, RECEIVE | MOVE | ADJUST, approval, payload)
    log Reversed(op_id=op_id, of=of)
    effect: bytes32 = self._effect(keccak256(abi_encode(lines)), REVERSE_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, BACK, of, lines)
    undone: uint256 = touched >> 64
    if undone == RECEIVE_CALL:
        assert roles & (RECEIVE | ADJUST) != 0, "role missing"
    elif undone == MOVE_CALL:
        assert roles & (MOVE | ADJUST) != 0, "role missing"
    else:
        assert undone == ADJUST_CALL, "cannot be reversed"
        assert roles & ADJUST != 0, "role missing"


@external
def except_document(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    location: bytes32,
    reason: bytes32,
    lines: DynArray[Line, MAX_LINES],
):
    """
    @notice State an act that happened but that the rules cannot book. It has no effect on stock.
    """
    self._begin(op_id, actor, document, STOCK_ROLES)
    content: bytes32 = keccak256(abi_encode(location, reason, lines))
    extcall Ledger(ledger).claim(op_id, self._effect(content, EXCEPT_CALL))
    log Excepted(op_id=op_id, location=location, reason=reason)
    index: uint256 = 0
    for line: Line in lines:
        assert line.quantity <= MAX_QUANTITY, "quantity out of range"
        assert line.status <= MAX_STATUS, "unknown status"
        log ExceptedLine(
            op_id=op_id,
            line=index,
            item=line.item,
            lot=line.lot,
            serial=line.serial,
            status=line.status,
            quantity=line.quantity,
            source=line.source,
            target=line.target,
        )
        index = unsafe_add(index, 1)


# ---------------------------------------------------------------- counts


@external
def record_count(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    session: bytes32,
    bin: bytes32,
    round: uint256,
    opened: uint256,
    whole: bool,
    scans: bytes32,
    lines: DynArray[Counted, MAX_LINES],
):
    """
    @notice Keep what was counted in a bin beside what the ledger holds of it at this moment. Moves nothing.
    @param  opened the bin's change counter when it was opened: equal now means nothing moved in between
    """
    self._begin(op_id, actor, document, COUNT)
    touched: uint256 = 0
    changes: uint256 = 0
    expected: uint256[MAX_LINES] = empty(uint256[MAX_LINES])
    touched, changes, expected = staticcall Ledger(ledger).expect(bin, lines)
    self._judge(touched, REAL, 0)
    stable: bool = changes == opened
    log CountRecorded(
        op_id=op_id, session=session, bin=bin, round=round, counter=actor, stable=stable, whole=whole, scans=scans
    )
    # abi_encode(session, bin, round, counter, stable, Compared[]), written word by word because the compiler would
    # copy each line by a call of its own.
    words: bytes32[WORDS] = empty(bytes32[WORDS])
    words[0] = session
    words[1] = bin
    words[2] = convert(round, bytes32)
    words[3] = actor
    words[4] = convert(stable, bytes32)
    words[5] = convert(6 * 32, bytes32)
    words[6] = convert(len(lines), bytes32)
    at: uint256 = 7
    index: uint256 = 0
    for line: Counted in lines:
        log CountLine(
            op_id=op_id,
            line=index,
            item=line.item,
            lot=line.lot,
            serial=line.serial,
            status=line.status,
            counted=line.counted,
            expected=expected[index],
        )
        words[at] = line.item
        words[unsafe_add(at, 1)] = line.lot
        words[unsafe_add(at, 2)] = line.serial
        words[unsafe_add(at, 3)] = convert(line.status, bytes32)
        words[unsafe_add(at, 4)] = convert(line.counted, bytes32)
        words[unsafe_add(at, 5)] = convert(expected[index], bytes32)
        at = unsafe_add(at, 6)
        index = unsafe_add(index, 1)
    found: bytes32 = keccak256(slice(abi_encode(words), 0, 32 * at))
    extcall Ledger(ledger).keep_count(op_id, self._effect(found, RECORD_COUNT_CALL), found)


@external
def post_count(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    count: bytes32,
    session: bytes32,
    bin: bytes32,
    round: uint256,
    counter: bytes32,
    stable: bool,
    lines: DynArray[Compared, MAX_LINES],
    select: uint256,
    approval: Approval,
):
    """
    @notice Book counted - its own expected for selected lines of a recorded count, each line once, approved by a
            person who is neither the actor nor the counter. Never fails for stock.
    @param  select bit i stands for line i; 0 for a count without lines
    """
    assert approval.actor != counter, "approver counted this"
    assert (select >> len(lines)) == 0 and (select != 0 or len(lines) == 0), "bad selection"
    payload: bytes32 = keccak256(abi_encode(count, select, lines))
    self._begin_approved(op_id, actor, document, COUNT | ADJUST | APPROVE, approval, payload)
    log CountPosted(op_id=op_id, count=count, approver=approval.actor, select=select)
    extcall Ledger(ledger).post(
        op_id,
        self._effect(payload, POST_COUNT_CALL),
        count,
        keccak256(abi_encode(session, bin, round, counter, stable, lines)),
        select if select != 0 else NOTHING_THERE,
        bin,
        lines,
    )


# ---------------------------------------------------------------- transfers


@external
def dispatch(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    receiver: bytes32,
    lines: DynArray[Line, MAX_LINES],
    approval: Approval,
):
    """
    @notice Goods leave for another site; the op_id is the name of the transfer. Signed by the actor.
    """
    payload: bytes32 = keccak256(abi_encode(receiver, lines))
    self._begin_signed(op_id, actor, document, TRANSFER, approval, payload)
    assert receiver != empty(bytes32), "no receiver"
    log Dispatched(op_id=op_id, receiver=receiver)
    effect: bytes32 = self._effect(payload, DISPATCH_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, DISPATCH, empty(bytes32), lines)
    self._judge(touched, REAL, UNDER_WAY)
    assert touched >> 40 == 0, "held stock stays"


@external
def accept_transfer(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    transfer: bytes32,
    sender: bytes32,
    lines: DynArray[AcceptedRow, MAX_LINES],
    approval: Approval,
):
    """
    @notice Goods of a transfer arrive; what did not is stated as missing. Signed by the actor.
    """
    payload: bytes32 = keccak256(abi_encode(transfer, sender, lines))
    self._begin_signed(op_id, actor, document, TRANSFER, approval, payload)
    assert len(lines) != 0, "no lines"
    assert transfer != empty(bytes32) and sender != empty(bytes32), "no transfer"
    log Accepted(op_id=op_id, transfer=transfer, sender=sender)
    arrived: DynArray[Line, MAX_LINES] = []
    index: uint256 = 0
    for row: AcceptedRow in lines:
        assert row.missing <= MAX_QUANTITY, "quantity out of range"
        assert row.quantity != 0 or row.missing != 0, "neither arrived nor missing"
        log AcceptedLine(op_id=op_id, line=index, index=row.index, missing=row.missing)
        arrived.append(
            Line(
                item=row.item,
                lot=row.lot,
                serial=row.serial,
                status=row.status,
                quantity=row.quantity,
                source=IN_TRANSIT,
                target=row.target,
            )
        )
        index = unsafe_add(index, 1)
    effect: bytes32 = self._effect(payload, ACCEPT_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, ARRIVE, empty(bytes32), arrived)
    # Nothing is touched when nothing of the transfer arrived.
    if touched != 0:
        self._judge(touched, UNDER_WAY, OPEN)


@external
def settle_transfer(op_id: bytes32, transfer: bytes32, lines: DynArray[SettledRow, MAX_LINES]):
    """
    @notice The hub's word on a dispatch of ours: taken over (CUSTOMER), lost (SHRINKAGE) or returned (a bin).
    """
    assert msg.sender == registry, "only the registry"
    log Settled(op_id=op_id, transfer=transfer)
    ends: DynArray[Line, MAX_LINES] = []
    for row: SettledRow in lines:
        ends.append(
            Line(
                item=row.item,
                lot=row.lot,
                serial=row.serial,
                status=row.status,
                quantity=row.quantity,
                source=IN_TRANSIT,
                target=row.target,
            )
        )
    extcall Ledger(ledger).take_off(transfer, lines)
    touched: uint256 = extcall Ledger(ledger).book(op_id, empty(bytes32), SETTLE, empty(bytes32), ends)
    self._judge(touched, UNDER_WAY, OPEN | FROM_CUSTOMER | LOST)


# ---------------------------------------------------------------- reading


@external
@view
def stock_of(location: bytes32, item: bytes32, lot: bytes32, status: uint256) -> int256:
    return staticcall Ledger(ledger).stock_of(location, item, lot, status)


@external
@view
def serial_at(item: bytes32, serial: bytes32) -> bytes32:
    return staticcall Ledger(ledger).serial_at(item, serial)


@external
@view
def changes_of(location: bytes32) -> uint256:
    return staticcall Ledger(ledger).changes_of(location)


@external
@view
def effect_of(op_id: bytes32) -> bytes32:
    return staticcall Ledger(ledger).effect_of(op_id)


# ---------------------------------------------------------------- inside


@internal
def _begin(op_id: bytes32, actor: bytes32, document: bytes32, any_of: uint256):
    roles: uint256 = 0
    other: uint256 = 0
    key: address = empty(address)
    roles, other, key = staticcall Registry(registry).authority(msg.sender, actor, empty(bytes32))
    assert roles & any_of != 0, "role missing"
    log Recorded(op_id=op_id, call=self._selector(), actor=actor, document=document)


@internal
def _begin_approved(
    op_id: bytes32, actor: bytes32, document: bytes32, any_of: uint256, approval: Approval, payload: bytes32
) -> uint256:
    """
    @return The actor's roles
    """
    assert approval.actor != actor, "approver is the actor"
    roles: uint256 = 0
    granted: uint256 = 0
    key: address = empty(address)
    roles, granted, key = staticcall Registry(registry).authority(msg.sender, actor, approval.actor)
    assert roles & any_of != 0, "role missing"
    assert granted & APPROVE != 0, "approver lacks role"
    self._check_signature(op_id, approval, payload, key)
    log Recorded(op_id=op_id, call=self._selector(), actor=actor, document=document)
    return roles


@internal
def _begin_signed(
    op_id: bytes32, actor: bytes32, document: bytes32, any_of: uint256, approval: Approval, payload: bytes32
):
    assert approval.actor == actor, "not the actor's own approval"
    roles: uint256 = 0
    again: uint256 = 0
    key: address = empty(address)
    roles, again, key = staticcall Registry(registry).authority(msg.sender, actor, actor)
    assert roles & any_of != 0, "role missing"
    self._check_signature(op_id, approval, payload, key)
    log Recorded(op_id=op_id, call=self._selector(), actor=actor, document=document)


@internal
@view
def _check_signature(op_id: bytes32, approval: Approval, payload: bytes32, key: address):
    s: uint256 = convert(approval.s, uint256)
    assert (approval.v == 27 or approval.v == 28) and s <= convert(HALF_ORDER, uint256), "bad signature"
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))
    content: bytes32 = keccak256(abi_encode(APPROVAL_TYPE, op_id, approval.actor, self._selector(), payload))
    signer: address = ecrecover(
        keccak256(concat(b"\x19\x01", domain, content)), approval.v, convert(approval.r, uint256), s
    )
    assert signer != empty(address) and signer == key, "not signed by the approver"


@internal
@view
def _selector() -> bytes4:
    return convert(slice(msg.data, 0, 4), bytes4)


@internal
@pure
def _effect(content: bytes32, call: uint256) -> bytes32:
    return convert((convert(content, uint256) >> 8) << 8 | call, bytes32)


@internal
@pure
def _judge(touched: uint256, sources: uint256, targets: uint256):
    """
    @dev The ledger has booked and says what the lines touched; what breaks a rule undoes the whole call.
    """
    assert touched & 65535 != 0, "no lines"
    assert touched & 65535 & ~sources == 0, "wrong source"
    assert (touched >> 16) & 65535 & ~targets == 0, "wrong target"
    misfit: uint256 = (touched >> 32) & 15
    if misfit != 0:
        assert misfit & 1 == 0, "lot missing"
        assert misfit & 2 == 0, "serial missing"
        assert misfit & 4 == 0, "item has no lots"
        raise "item has no serials"
    assert (touched >> 40) & 255 <= MAX_STATUS, "unknown status"
