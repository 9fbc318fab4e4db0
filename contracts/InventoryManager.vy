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


struct HeldRow:
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    location: bytes32


struct StoredRow:
    item: bytes32
    lot: bytes32
    status: uint256
    quantity: uint256
    location: bytes32


struct UnitRow:
    unit: bytes32
    source: bytes32
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
    def use_up(of: bytes32, effect: bytes32) -> uint256: nonpayable
    def take_off(of: bytes32, lines: DynArray[SettledRow, 200]): nonpayable
    def reserve(op_id: bytes32, effect: bytes32, rows: DynArray[StoredRow, 200]): nonpayable
    def unreserve(op_id: bytes32, effect: bytes32, of: bytes32, rows: DynArray[StoredRow, 200]): nonpayable
    def put_units(op_id: bytes32, effect: bytes32, rows: DynArray[UnitRow, 200]): nonpayable
    def keep_word(key: bytes32, word: bytes32): nonpayable
    def word_of(key: bytes32) -> bytes32: view
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


event CountPlanned:
    op_id: indexed(bytes32)
    scope: indexed(bytes32)
    rule: bytes32
    height: uint256


event Held:
    op_id: indexed(bytes32)
    status: uint256


event Released:
    op_id: indexed(bytes32)
    hold: indexed(bytes32)


event ReleasedLine:
    op_id: indexed(bytes32)
    line: uint256
    index: uint256


event Relabelled:
    op_id: indexed(bytes32)
    lot: indexed(bytes32)


event PartRecorded:
    op_id: indexed(bytes32)
    whole: indexed(bytes32)
    number: uint256
    count: uint256
    act: uint256


event PartBooked:
    op_id: indexed(bytes32)
    whole: indexed(bytes32)
    number: uint256


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
# Each line of these is booked as two.
MAX_CHANGES: constant(uint256) = 100
MAX_PARTS: constant(uint256) = 500
WORDS: constant(uint256) = 7 + 6 * MAX_LINES
# As in the StockLedger, for what never comes before it: goods missing, and lines without effect.
MAX_QUANTITY: constant(uint256) = 10**12
MAX_STATUS: constant(uint256) = 3

FREE: constant(uint256) = 0

# Roles
COUNT: constant(uint256) = 1
RECEIVE: constant(uint256) = 2
MOVE: constant(uint256) = 4
ISSUE: constant(uint256) = 8
ADJUST: constant(uint256) = 16
HOLD: constant(uint256) = 32
APPROVE: constant(uint256) = 64
TRANSFER: constant(uint256) = 128
STOCK_ROLES: constant(uint256) = 255

# Numbers of the calls, kept in the last byte of an effect; 11 to 31 are the UserRegistry's.
RECEIVE_CALL: constant(uint256) = 1
MOVE_CALL: constant(uint256) = 2
ADJUST_CALL: constant(uint256) = 3
RECORD_COUNT_CALL: constant(uint256) = 4
POST_COUNT_CALL: constant(uint256) = 5
REVERSE_CALL: constant(uint256) = 6
EXCEPT_CALL: constant(uint256) = 7
DISPATCH_CALL: constant(uint256) = 8
ACCEPT_CALL: constant(uint256) = 9
ISSUE_CALL: constant(uint256) = 10
PICK_CALL: constant(uint256) = 32
HOLD_CALL: constant(uint256) = 33
RELEASE_CALL: constant(uint256) = 34
RELABEL_CALL: constant(uint256) = 35
RESERVE_CALL: constant(uint256) = 36
UNRESERVE_CALL: constant(uint256) = 37
MOVE_UNIT_CALL: constant(uint256) = 38
PLAN_CALL: constant(uint256) = 39
PART_CALL: constant(uint256) = 40

# How the ledger is to take lines
PLAIN: constant(uint256) = 0
REMEMBER: constant(uint256) = 1
BACK: constant(uint256) = 2
SPARSE: constant(uint256) = 4
CONTROL: constant(uint256) = 8
FORCED: constant(uint256) = 16

# What the ledger keeps for us, under keccak(one of these, op_id).
HOLDER: constant(uint256) = 1       # who held the goods of this operation
PARTS: constant(uint256) = 2        # how many parts a document has << 16 | how many are recorded

# The ledger's codes of places, one bit each.
BIN: constant(uint256) = 1 << 1
UNIT: constant(uint256) = 1 << 3
CLOSED: constant(uint256) = 1 << 4
FROM_SUPPLIER: constant(uint256) = 1 << 8
FROM_CUSTOMER: constant(uint256) = 1 << 9
UNDER_WAY: constant(uint256) = 1 << 10
LOST: constant(uint256) = 1 << 11
CHANGING: constant(uint256) = 1 << 12
# A closed location takes nothing in, but it can be emptied and counted.
OPEN: constant(uint256) = BIN | UNIT
REAL: constant(uint256) = BIN | UNIT | CLOSED

SUPPLIER: constant(bytes32) = 0x535550504c494552000000000000000000000000000000000000000000000008
CUSTOMER: constant(bytes32) = 0x435553544f4d4552000000000000000000000000000000000000000000000008
CHANGE: constant(bytes32) = 0x4348414e47450000000000000000000000000000000000000000000000000006
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
    @notice Goods come in from a supplier, or back from a customer: these held. Who takes goods in held has held them.
    """
    self._begin(op_id, actor, document, RECEIVE)
    self._act(RECEIVE_CALL, op_id, actor, empty(bytes32), lines)


@external
def move(op_id: bytes32, actor: bytes32, document: bytes32, lines: DynArray[Line, MAX_LINES]):
    """
    @notice Goods go from one real location to another.
    """
    self._begin(op_id, actor, document, MOVE)
    self._act(MOVE_CALL, op_id, actor, empty(bytes32), lines)


@external
def pick(
    op_id: bytes32, actor: bytes32, document: bytes32, reservation: bytes32, lines: DynArray[Line, MAX_LINES]
):
    """
    @notice Free goods go from where they are reserved into a tote, or another real location; uses up the reservation.
    """
    self._begin(op_id, actor, document, ISSUE)
    self._act(PICK_CALL, op_id, actor, reservation, lines)


@external
def issue(
    op_id: bytes32, actor: bytes32, document: bytes32, reservation: bytes32, lines: DynArray[Line, MAX_LINES]
):
    """
    @notice Free goods leave to a customer.
    @param  reservation is used up as far as it reaches; empty for goods that were picked before, or without an order
    """
    self._begin(op_id, actor, document, ISSUE)
    self._act(ISSUE_CALL, op_id, actor, reservation, lines)


@external
def adjust(
    op_id: bytes32, actor: bytes32, document: bytes32, lines: DynArray[Line, MAX_LINES], approval: Approval
):
    """
    @notice Goods are written off to SHRINKAGE, found from it, or sent back to their SUPPLIER: of any status, reserved
            or not, approved by another person.
    """
    payload: bytes32 = keccak256(abi_encode(lines))
    self._begin_approved(op_id, actor, document, ADJUST, approval, payload)
    effect: bytes32 = self._effect(payload, ADJUST_CALL)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, FORCED, empty(bytes32), lines)
    self._judge(touched, REAL | LOST, OPEN | LOST | FROM_SUPPLIER)
    for line: Line in lines:
        out: bool = line.target == SHRINKAGE or line.target == SUPPLIER
        assert (line.source == SHRINKAGE) != out, "not an adjustment"


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
    @notice Undo a receive, move, pick, issue or adjust: the same lines backwards, once, approved by another person.
    @param  lines exactly the lines of the operation `of`
    """
    payload: bytes32 = keccak256(abi_encode(of, lines))
    roles: uint256 = self._begin_approved(
        op_id, actor, document, RECEIVE | MOVE | ISSUE | ADJUST, approval, payload
    )
    log Reversed(op_id=op_id, of=of)
    effect: bytes32 = self._effect(keccak256(abi_encode(lines)), REVERSE_CALL)
    undone: uint256 = extcall Ledger(ledger).use_up(of, effect)
    assert roles & (self._role_for(undone) | ADJUST) != 0, "role missing"
    extcall Ledger(ledger).book(op_id, effect, BACK, empty(bytes32), lines)


# ---------------------------------------------------------------- status, lots, reservations, units


@external
def hold(
    op_id: bytes32, actor: bytes32, document: bytes32, held: uint256, rows: DynArray[HeldRow, MAX_CHANGES]
):
    """
    @notice Goods get the status `held` where they stand, reserved or not. The op_id is the name of the hold.
    """
    self._begin(op_id, actor, document, HOLD)
    assert held != FREE, "not a held status"
    log Held(op_id=op_id, status=held)
    changes: DynArray[Line, MAX_LINES] = []
    for row: HeldRow in rows:
        assert row.status != held, "held already"
        changes.append(self._out(row))
        changes.append(self._in(row, row.lot, held))
    effect: bytes32 = self._effect(keccak256(abi_encode(held, rows)), HOLD_CALL)
    self._change(op_id, effect, REMEMBER | FORCED, changes)
    extcall Ledger(ledger).keep_word(self._key(HOLDER, op_id), actor)


@external
def release(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    hold_: bytes32,
    rows: DynArray[SettledRow, MAX_CHANGES],
    approval: Approval,
):
    """
    @notice Held goods become free where they stand (`target`), as many as the hold had of each line at most. Signed by
            the actor, who approves but did not hold them.
    @param  hold_ the hold, or the receipt that took them in held
    @param  rows `index` is the line that booked them as held: the second of each pair in a hold
    """
    payload: bytes32 = keccak256(abi_encode(hold_, rows))
    self._begin_signed(op_id, actor, document, APPROVE, approval, payload)
    holder: bytes32 = staticcall Ledger(ledger).word_of(self._key(HOLDER, hold_))
    assert holder != empty(bytes32), "not a hold"
    assert holder != actor, "releaser held this"
    log Released(op_id=op_id, hold=hold_)
    changes: DynArray[Line, MAX_LINES] = []
    index: uint256 = 0
    for row: SettledRow in rows:
        assert row.status != FREE, "not held"
        log ReleasedLine(op_id=op_id, line=index, index=row.index)
        held: HeldRow = HeldRow(
            item=row.item,
            lot=row.lot,
            serial=row.serial,
            status=row.status,
            quantity=row.quantity,
            location=row.target,
        )
        changes.append(self._out(held))
        changes.append(self._in(held, row.lot, FREE))
        index = unsafe_add(index, 1)
    extcall Ledger(ledger).take_off(hold_, rows)
    self._change(op_id, self._effect(payload, RELEASE_CALL), PLAIN, changes)


@external
def relabel(
    op_id: bytes32, actor: bytes32, document: bytes32, lot: bytes32, rows: DynArray[HeldRow, MAX_CHANGES]
):
    """
    @notice Goods are labelled anew where they stand, with the lot `lot`; the same lot when only the expiry changes,
            which the document says.
    """
    self._begin(op_id, actor, document, ADJUST)
    log Relabelled(op_id=op_id, lot=lot)
    changes: DynArray[Line, MAX_LINES] = []
    for row: HeldRow in rows:
        changes.append(self._out(row))
        changes.append(self._in(row, lot, row.status))
    self._change(op_id, self._effect(keccak256(abi_encode(lot, rows)), RELABEL_CALL), PLAIN, changes)


@external
def reserve(op_id: bytes32, actor: bytes32, document: bytes32, rows: DynArray[StoredRow, MAX_LINES]):
    """
    @notice Free goods are promised to an order; the op_id is the name of the reservation.
    """
    self._begin(op_id, actor, document, ISSUE)
    assert len(rows) != 0, "no lines"
    for row: StoredRow in rows:
        assert row.status == FREE, "held stock stays"
    extcall Ledger(ledger).reserve(op_id, self._effect(keccak256(abi_encode(rows)), RESERVE_CALL), rows)


@external
def unreserve(
    op_id: bytes32, actor: bytes32, document: bytes32, reservation: bytes32, rows: DynArray[StoredRow, MAX_LINES]
):
    """
    @notice What a reservation still has is free again, wholly or in part.
    """
    self._begin(op_id, actor, document, ISSUE | APPROVE)
    assert len(rows) != 0, "no lines"
    effect: bytes32 = self._effect(keccak256(abi_encode(reservation, rows)), UNRESERVE_CALL)
    extcall Ledger(ledger).unreserve(op_id, effect, reservation, rows)


@external
def move_unit(op_id: bytes32, actor: bytes32, document: bytes32, rows: DynArray[UnitRow, MAX_LINES]):
    """
    @notice Handling units go to another place with all that stands in them; one without a source is made by it.
    """
    self._begin(op_id, actor, document, RECEIVE | MOVE | ISSUE)
    assert len(rows) != 0, "no lines"
    extcall Ledger(ledger).put_units(op_id, self._effect(keccak256(abi_encode(rows)), MOVE_UNIT_CALL), rows)


# ---------------------------------------------------------------- documents in parts


@external
def record_part(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    whole: bytes32,
    number: uint256,
    count: uint256,
    act: uint256,
    lines: DynArray[Line, MAX_LINES],
):
    """
    @notice State part `number` of `count` of a larger receive, move or issue. Nothing is booked until all are stated.
    @param  op_id first 16 bytes of SHA-256 of (whole, 16 bytes; number, 4 bytes): each part is stated once
    @param  act number of the call that its lines are for
    """
    self._begin(op_id, actor, document, self._part_role(act))
    assert op_id == self._part(whole, number), "op_id is not the part's"
    assert len(lines) != 0, "no lines"
    assert count <= MAX_PARTS and unsafe_sub(number, 1) < count, "bad part"
    log PartRecorded(op_id=op_id, whole=whole, number=number, count=count, act=act)
    key: bytes32 = self._key(PARTS, whole)
    before: uint256 = convert(staticcall Ledger(ledger).word_of(key), uint256)
    assert before == 0 or before >> 16 == count, "another number of parts"
    now: uint256 = (count << 16) | ((before & 65535) + 1)
    extcall Ledger(ledger).keep_word(key, convert(now, bytes32))
    extcall Ledger(ledger).claim(op_id, self._effect(keccak256(abi_encode(act, lines)), PART_CALL))


@external
def book_part(
    op_id: bytes32,
    actor: bytes32,
    document: bytes32,
    whole: bytes32,
    number: uint256,
    act: uint256,
    lines: DynArray[Line, MAX_LINES],
):
    """
    @notice Book one part, once, after the last has been stated: as the call `act` would book the same lines.
    """
    self._begin(op_id, actor, document, self._part_role(act))
    stated: uint256 = convert(staticcall Ledger(ledger).word_of(self._key(PARTS, whole)), uint256)
    assert stated != 0 and stated >> 16 == stated & 65535, "parts are missing"
    log PartBooked(op_id=op_id, whole=whole, number=number)
    effect: bytes32 = self._effect(keccak256(abi_encode(act, lines)), PART_CALL)
    extcall Ledger(ledger).use_up(self._part(whole, number), effect)
    self._act(act, op_id, actor, empty(bytes32), lines)


# ---------------------------------------------------------------- what cannot be booked


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
def plan_count(
    op_id: bytes32, actor: bytes32, document: bytes32, scope: bytes32, rule: bytes32, height: uint256
):
    """
    @notice Fix what is to be counted before anyone does: the plan follows from scope, rule and the state at a height.
            Anyone who works with stock may find a reason to count.
    @param  scope hash of which places it is about; what it says travels beside the block, as that of the rule does
    """
    self._begin(op_id, actor, document, STOCK_ROLES)
    assert height < block.number, "height to come"
    log CountPlanned(op_id=op_id, scope=scope, rule=rule, height=height)
    content: bytes32 = keccak256(abi_encode(scope, rule, height))
    extcall Ledger(ledger).claim(op_id, self._effect(content, PLAN_CALL))


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
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, REMEMBER, empty(bytes32), lines)
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
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, SPARSE, empty(bytes32), arrived)
    # Nothing is touched when nothing of the transfer arrived.
    if touched != 0:
        self._judge(touched, UNDER_WAY, OPEN)


@external
def settle_transfer(op_id: bytes32, transfer: bytes32, lines: DynArray[SettledRow, MAX_LINES]):
    """
    @notice The hub's word on a dispatch of ours: taken over (CUSTOMER), lost (SHRINKAGE) or returned (a bin).
    """
    assert msg.sender == registry, "only the registry"
    dispatched: uint256 = convert(staticcall Ledger(ledger).effect_of(transfer), uint256)
    assert dispatched & 255 == DISPATCH_CALL, "not a dispatch"
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
    touched: uint256 = extcall Ledger(ledger).book(op_id, empty(bytes32), CONTROL, empty(bytes32), ends)
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
def _act(call: uint256, op_id: bytes32, actor: bytes32, of: bytes32, lines: DynArray[Line, MAX_LINES]):
    """
    @dev What the calls that only book lines have in common, and the parts that are booked as they are.
    """
    mode: uint256 = PLAIN
    if call == RECEIVE_CALL:
        for line: Line in lines:
            if line.status != FREE:
                mode = REMEMBER
            else:
                assert line.source != CUSTOMER, "returned goods arrive held"
    effect: bytes32 = self._effect(keccak256(abi_encode(lines)), call)
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, mode, of, lines)
    if call == RECEIVE_CALL:
        self._judge(touched, FROM_SUPPLIER | FROM_CUSTOMER, OPEN)
        if mode == REMEMBER:
            extcall Ledger(ledger).keep_word(self._key(HOLDER, op_id), actor)
    elif call == ISSUE_CALL:
        self._judge(touched, REAL, FROM_CUSTOMER)
    else:
        self._judge(touched, REAL, OPEN)
    assert touched >> 40 == 0 or call == RECEIVE_CALL or call == MOVE_CALL, "held stock stays"


@internal
def _change(op_id: bytes32, effect: bytes32, mode: uint256, changes: DynArray[Line, MAX_LINES]):
    touched: uint256 = extcall Ledger(ledger).book(op_id, effect, mode, empty(bytes32), changes)
    self._judge(touched, REAL | CHANGING, REAL | CHANGING)


@internal
@pure
def _out(row: HeldRow) -> Line:
    return Line(
        item=row.item,
        lot=row.lot,
        serial=row.serial,
        status=row.status,
        quantity=row.quantity,
        source=row.location,
        target=CHANGE,
    )


@internal
@pure
def _in(row: HeldRow, lot: bytes32, status: uint256) -> Line:
    return Line(
        item=row.item,
        lot=lot,
        serial=row.serial,
        status=status,
        quantity=row.quantity,
        source=CHANGE,
        target=row.location,
    )


@internal
@pure
def _role_for(call: uint256) -> uint256:
    """
    @return The role whose holders may do it, for what can be reversed
    """
    if call == RECEIVE_CALL:
        return RECEIVE
    if call == MOVE_CALL:
        return MOVE
    if call == ISSUE_CALL or call == PICK_CALL:
        return ISSUE
    assert call == ADJUST_CALL, "cannot be reversed"
    return ADJUST


@internal
@pure
def _part_role(act: uint256) -> uint256:
    assert act == RECEIVE_CALL or act == MOVE_CALL or act == ISSUE_CALL, "not in parts"
    return self._role_for(act)


@internal
@pure
def _part(whole: bytes32, number: uint256) -> bytes32:
    digest: bytes32 = sha256(concat(slice(whole, 0, 16), slice(convert(number, bytes32), 28, 4)))
    return convert((convert(digest, uint256) >> 128) << 128, bytes32)


@internal
@pure
def _key(kind: uint256, op_id: bytes32) -> bytes32:
    return keccak256(abi_encode(kind, op_id))


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
