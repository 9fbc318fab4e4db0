#pragma version 0.4.3
#pragma evm-version shanghai
"""
@title  StockLedger: what is where
@notice State without rules. One writer (the InventoryManager of the day) books; the UserRegistry alone changes
        the writer, the items and the locations. Whatever the writer's rules are, this contract itself never lets
        a real location hold less than nothing, a serial be in two places, or an op_id act twice.
@dev    Text ids are bytes32: UTF-8 up to 31 bytes, left-aligned, length in the last byte.
        The order of the storage variables is part of the format: add at the end only. This code stays for the life of
        a chain while managers come and go: what a later one must remember, it keeps as its own words.
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


struct SettledRow:
    index: uint256
    item: bytes32
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    target: bytes32


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


struct ItemRow:
    item: bytes32
    tracking: uint256
    unit: bytes32
    decimals: uint256


struct LocationRow:
    location: bytes32
    kind: uint256
    parent: bytes32


event Moved:
    op_id: indexed(bytes32)
    line: uint256
    item: indexed(bytes32)
    lot: bytes32
    serial: bytes32
    status: uint256
    quantity: uint256
    source: bytes32
    target: bytes32


event CountShort:
    op_id: indexed(bytes32)
    line: uint256
    missing: uint256


event SerialElsewhere:
    op_id: indexed(bytes32)
    line: uint256
    location: bytes32


event Reserved:
    op_id: indexed(bytes32)
    line: uint256
    item: indexed(bytes32)
    lot: bytes32
    status: uint256
    quantity: uint256
    location: bytes32


event Unreserved:
    op_id: indexed(bytes32)
    reservation: indexed(bytes32)
    line: uint256
    item: indexed(bytes32)
    lot: bytes32
    status: uint256
    quantity: uint256
    location: bytes32


event UnitMoved:
    op_id: indexed(bytes32)
    line: uint256
    unit: indexed(bytes32)
    source: bytes32
    target: bytes32


event WriterChanged:
    op_id: indexed(bytes32)
    writer: indexed(address)


MAX_LINES: constant(uint256) = 200
# One line, and the stock of one place: what is booked here must also fit the 64 bits of whoever keeps it in tables.
MAX_QUANTITY: constant(uint256) = 10**12
MAX_STOCK: constant(int256) = 10**18
MAX_DEPTH: constant(uint256) = 8
SEATS: constant(uint256) = 512

# What a place is, in the lowest byte of its word; the bits above count the changes of its stock.
# From VIRTUAL on a place may hold less than nothing and its changes are not counted.
BIN: constant(uint256) = 1
UNIT: constant(uint256) = 3
CLOSED: constant(uint256) = 4
AREA: constant(uint256) = 5
VIRTUAL: constant(uint256) = 8
ONE_CHANGE: constant(uint256) = 256

SUPPLIER: constant(bytes32) = 0x535550504c494552000000000000000000000000000000000000000000000008
CUSTOMER: constant(bytes32) = 0x435553544f4d4552000000000000000000000000000000000000000000000008
IN_TRANSIT: constant(bytes32) = 0x494e5f5452414e5349540000000000000000000000000000000000000000000a
SHRINKAGE: constant(bytes32) = 0x534852494e4b4147450000000000000000000000000000000000000000000009
# Goods pass through it when their status or lot becomes another; of an item it holds nothing in sum.
CHANGE: constant(bytes32) = 0x4348414e47450000000000000000000000000000000000000000000000000006

# An item's word: bytes 0 to 27 unit text, byte 28 decimals, byte 29 marks, byte 30 tracking, byte 31 length of the unit.
TRACKING_SHIFT: constant(uint256) = 8
KNOWN: constant(uint256) = 1 << 16
STOCKED: constant(uint256) = 1 << 17
DECIMALS_SHIFT: constant(uint256) = 24
UNIT_MASK: constant(uint256) = (2**224 - 1) * 2**32 + 255

# A status shares a byte with the length of a lot.
STATUS_END: constant(uint256) = 8

# The last byte of an effect says which call it was; this bit of it says that it was reversed, or booked later.
USED_UP: constant(uint256) = 128
CONTROL_CALL: constant(uint256) = 11

# How `book` is to take its lines; the marks add up.
REMEMBER: constant(uint256) = 1     # each line with what is left of it, for `take_off`
BACK: constant(uint256) = 2         # with source and target exchanged
SPARSE: constant(uint256) = 4       # a line of nothing is passed over
CONTROL: constant(uint256) = 8      # under the op_id of a control record, which is claimed already
FORCED: constant(uint256) = 16      # reserved stock goes like any other

# What `book` and `expect` answer, for the writer to judge.
TARGETS_SHIFT: constant(uint256) = 16
MISSING_SHIFT: constant(uint256) = 32
UNWANTED_SHIFT: constant(uint256) = 34
STATUS_SHIFT: constant(uint256) = 40

LOW_64: constant(uint256) = 2**64 - 1
LOW_128: constant(uint256) = 2**128 - 1

registry: public(immutable(address))

writer: public(address)
stock: HashMap[bytes32, int256]                              # keccak(location, item, lot, status) -> quantity
reserved: HashMap[bytes32, uint256]                          # same key -> what reservations promise of it
serials: HashMap[bytes32, bytes32]                           # keccak(item, serial) -> location
traits: HashMap[bytes32, uint256]                            # same key -> lot | status << 5
places: HashMap[bytes32, uint256]                            # location -> code | changes << 8
parents: HashMap[bytes32, bytes32]                           # location or handling unit -> where it stands
items: HashMap[bytes32, uint256]
used: HashMap[bytes32, bytes32]                              # op_id -> effect: hash of 31 bytes, then the call's number
counts: HashMap[bytes32, bytes32]                            # op_id of a count -> what it found
posted: HashMap[bytes32, uint256]                            # op_id of a count -> its posted lines, one bit each
remembered: HashMap[bytes32, HashMap[uint256, uint256]]      # op_id, line -> hash of 24 bytes, quantity left
promised: HashMap[bytes32, HashMap[bytes32, uint256]]        # reservation, key of stock -> quantity left
words: HashMap[bytes32, bytes32]                             # whatever the writer keeps, under keys it chooses


@deploy
def __init__(registry_: address, writer_: address):
    registry = registry_
    self.writer = writer_
    self.places[SUPPLIER] = VIRTUAL
    self.places[CUSTOMER] = VIRTUAL + 1
    self.places[IN_TRANSIT] = VIRTUAL + 2
    self.places[SHRINKAGE] = VIRTUAL + 3
    self.places[CHANGE] = VIRTUAL + 4


# ---------------------------------------------------------------- the writer's calls


@external
def book(
    op_id: bytes32, effect: bytes32, mode: uint256, of: bytes32, lines: DynArray[Line, MAX_LINES]
) -> uint256:
    """
    @notice Book every line or none.
    @param  mode marks REMEMBER, BACK, SPARSE, CONTROL, FORCED
    @param  of the reservation that the lines use up as far as it reaches, or nothing
    @return What the lines touched: bits 0-15 codes of the sources, 16-31 codes of the targets, 32 a lot is missing,
            33 a serial is missing, 34 a lot too many, 35 a serial too many, 40-42 all statuses together
    """
    assert msg.sender == self.writer, "only the writer"
    touched: uint256 = 0
    if mode & CONTROL != 0:
        assert convert(self.used[op_id], uint256) & 255 == CONTROL_CALL, "not a control record"
    else:
        self._claim(op_id, effect)
    index: uint256 = 0
    item: bytes32 = empty(bytes32)
    source: bytes32 = empty(bytes32)
    target: bytes32 = empty(bytes32)
    tracking: uint256 = max_value(uint256)
    source_code: uint256 = 0
    target_code: uint256 = 0
    statuses: uint256 = 0
    for line: Line in lines:
        giver: bytes32 = line.source
        taker: bytes32 = line.target
        if mode != 0:
            if mode & BACK != 0:
                giver = line.target
                taker = line.source
            if mode & REMEMBER != 0:
                self.remembered[op_id][index] = (
                    self._line_mark(line.item, line.lot, line.serial, line.status) | line.quantity
                )
            if mode & SPARSE != 0 and line.quantity == 0:
                index = unsafe_add(index, 1)
                continue
        assert unsafe_sub(line.quantity, 1) < MAX_QUANTITY, "quantity out of range"
        assert giver != taker, "same place twice"
        # Neighbouring lines often share item or place: each is read, and its change counted, once in a row.
        if line.item != item or tracking == max_value(uint256):
            item = line.item
            tracking = self._touch_item(item)
        if giver != source or source_code == 0:
            source = giver
            source_code = self._touch_place(source)
            touched |= 1 << source_code
        if taker != target or target_code == 0:
            target = taker
            target_code = self._touch_place(target)
            touched |= 1 << unsafe_add(target_code, TARGETS_SHIFT)
        statuses |= line.status
        shape: uint256 = 0
        if line.lot != empty(bytes32):
            assert self._is_text(line.lot), "bad lot"
            shape = 1
        if line.serial != empty(bytes32):
            shape |= 2
            assert line.quantity == 1, "a serial is one piece"
            self._move_serial(op_id, index, line.item, line.lot, line.serial, line.status, source, target)
        if shape != tracking:
            touched |= self._misfit(shape, tracking)
        quantity: int256 = convert(line.quantity, int256)
        key: bytes32 = keccak256(abi_encode(source, line.item, line.lot, line.status))
        rest: int256 = unsafe_sub(self.stock[key], quantity)
        if source_code < VIRTUAL:
            assert rest >= 0, "not enough stock"
            promised: uint256 = self.reserved[key]
            if promised != 0 and mode & FORCED == 0:
                self._use_reserved(op_id, index, of, key, promised, rest, line, source)
        else:
            assert rest >= -MAX_STOCK, "stock out of range"
        self.stock[key] = rest
        key = keccak256(abi_encode(target, line.item, line.lot, line.status))
        rest = unsafe_add(self.stock[key], quantity)
        assert rest <= MAX_STOCK, "stock out of range"
        self.stock[key] = rest
        log Moved(
            op_id=op_id,
            line=index,
            item=line.item,
            lot=line.lot,
            serial=line.serial,
            status=line.status,
            quantity=line.quantity,
            source=source,
            target=target,
        )
        index = unsafe_add(index, 1)
    assert statuses < STATUS_END, "unknown status"
    return touched | (statuses << STATUS_SHIFT)


@external
def use_up(of: bytes32, effect: bytes32) -> uint256:
    """
    @notice Mark an operation as reversed or booked, once: its effect has the same hash.
    @return The number of the call that it was
    """
    assert msg.sender == self.writer, "only the writer"
    first: uint256 = convert(self.used[of], uint256)
    assert first != 0, "unknown operation"
    assert first >> 8 == convert(effect, uint256) >> 8, "lines differ"
    assert first & USED_UP == 0, "used up already"
    self.used[of] = convert(first | USED_UP, bytes32)
    return first & 127


@external
def take_off(of: bytes32, lines: DynArray[SettledRow, MAX_LINES]):
    """
    @notice Strike lines of a remembered operation, never more of a line than it had.
    """
    assert msg.sender == self.writer, "only the writer"
    for line: SettledRow in lines:
        left: uint256 = self.remembered[of][line.index]
        mark: uint256 = self._line_mark(line.item, line.lot, line.serial, line.status)
        assert left != 0 and left & ~LOW_64 == mark, "no such line"
        assert line.quantity <= left & LOW_64, "more than is left"
        self.remembered[of][line.index] = unsafe_sub(left, line.quantity)


@external
def reserve(op_id: bytes32, effect: bytes32, rows: DynArray[StoredRow, MAX_LINES]):
    """
    @notice Promise free stock of real locations; the op_id is the reservation's name. Serials are not told apart.
    """
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)
    index: uint256 = 0
    for row: StoredRow in rows:
        assert unsafe_sub(row.quantity, 1) < MAX_QUANTITY, "quantity out of range"
        assert self._is_real(row.location), "not a real location"
        key: bytes32 = keccak256(abi_encode(row.location, row.item, row.lot, row.status))
        promised: uint256 = unsafe_add(self.reserved[key], row.quantity)
        assert convert(promised, int256) <= self.stock[key], "stock is reserved"
        self.reserved[key] = promised
        self.promised[op_id][key] = unsafe_add(self.promised[op_id][key], row.quantity)
        log Reserved(
            op_id=op_id,
            line=index,
            item=row.item,
            lot=row.lot,
            status=row.status,
            quantity=row.quantity,
            location=row.location,
        )
        index = unsafe_add(index, 1)


@external
def unreserve(op_id: bytes32, effect: bytes32, of: bytes32, rows: DynArray[StoredRow, MAX_LINES]):
    """
    @notice Give back what the reservation `of` still has.
    """
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)
    index: uint256 = 0
    for row: StoredRow in rows:
        assert unsafe_sub(row.quantity, 1) < MAX_QUANTITY, "quantity out of range"
        key: bytes32 = keccak256(abi_encode(row.location, row.item, row.lot, row.status))
        assert row.quantity <= self.promised[of][key], "more than is reserved"
        self._unreserve(op_id, index, of, key, row)
        index = unsafe_add(index, 1)


@external
def put_units(op_id: bytes32, effect: bytes32, rows: DynArray[UnitRow, MAX_LINES]):
    """
    @notice Put handling units, with all that stands in them, from one place into another. One without a source is
            made, one without a target stands nowhere. A place counts it as a change when a unit comes or goes.
    @dev    The depth is bounded where a unit is put, together with its parents; what stands in it comes along.
    """
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)
    index: uint256 = 0
    for row: UnitRow in rows:
        assert row.unit != empty(bytes32) and self._is_text(row.unit), "bad unit id"
        assert row.source != row.target, "same place twice"
        place: uint256 = self.places[row.unit]
        if place == 0:
            self.places[row.unit] = UNIT
        else:
            assert place & 255 == UNIT, "not a unit"
        assert self.parents[row.unit] == row.source, "unit is not there"
        self._check_parent(LocationRow(location=row.unit, kind=UNIT, parent=row.target))
        self.parents[row.unit] = row.target
        self._count_change(row.source)
        self._count_change(row.target)
        log UnitMoved(op_id=op_id, line=index, unit=row.unit, source=row.source, target=row.target)
        index = unsafe_add(index, 1)


@external
def keep_word(key: bytes32, word: bytes32):
    """
    @notice Keep anything under a key: what a manager without state of its own must remember.
    """
    assert msg.sender == self.writer, "only the writer"
    self.words[key] = word


@external
def keep_count(op_id: bytes32, effect: bytes32, found: bytes32):
    """
    @notice Keep the commitment to what a count found; it moves nothing.
    """
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)
    self.counts[op_id] = found


@external
def post(
    op_id: bytes32,
    effect: bytes32,
    count: bytes32,
    found: bytes32,
    select: uint256,
    bin: bytes32,
    lines: DynArray[Compared, MAX_LINES],
):
    """
    @notice Book the differences of selected lines of a count, each line once, between the bin and SHRINKAGE. Missing
            goods are taken as far as they are there; a serial found is taken in unless it is in a real place by now.
    @param  found the commitment kept when the count was recorded
    @param  select bit i stands for line i
    """
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)
    assert self.counts[count] == found and found != empty(bytes32), "count differs"
    before: uint256 = self.posted[count]
    assert before & select == 0, "already posted"
    self.posted[count] = before | select
    touched: bool = False
    index: uint256 = 0
    for line: Compared in lines:
        if line.counted != line.expected and (select >> index) & 1 != 0:
            more: bool = line.counted > line.expected
            quantity: uint256 = line.counted - line.expected if more else line.expected - line.counted
            booked: uint256 = quantity
            key: bytes32 = keccak256(abi_encode(bin, line.item, line.lot, line.status))
            if line.serial != empty(bytes32):
                booked = self._post_serial(op_id, index, more, bin, line.item, line.lot, line.serial, line.status)
            elif not more:
                booked = min(quantity, convert(self.stock[key], uint256))
            if booked != 0:
                if not touched:
                    touched = True
                    self._touch_place(bin)
                # An item without stock may still have been changed since it was counted.
                assert self._touch_item(line.item) == self._shape(line.lot, line.serial), "item changed since"
                change: int256 = convert(booked, int256) if more else -convert(booked, int256)
                found_now: int256 = self.stock[key] + change
                lost: bytes32 = keccak256(abi_encode(SHRINKAGE, line.item, line.lot, line.status))
                lost_now: int256 = self.stock[lost] - change
                assert found_now <= MAX_STOCK and abs(lost_now) <= MAX_STOCK, "stock out of range"
                self.stock[key] = found_now
                self.stock[lost] = lost_now
                log Moved(
                    op_id=op_id,
                    line=index,
                    item=line.item,
                    lot=line.lot,
                    serial=line.serial,
                    status=line.status,
                    quantity=booked,
                    source=SHRINKAGE if more else bin,
                    target=bin if more else SHRINKAGE,
                )
            if booked != quantity and not more:
                log CountShort(op_id=op_id, line=index, missing=unsafe_sub(quantity, booked))
        index = unsafe_add(index, 1)


@external
def claim(op_id: bytes32, effect: bytes32):
    """
    @notice Use up an op_id for an act without stock.
    """
    assert msg.sender == self.writer or msg.sender == registry, "only the writer"
    self._claim(op_id, effect)


# ---------------------------------------------------------------- the registry's calls


@external
def set_writer(op_id: bytes32, writer_: address):
    assert msg.sender == registry, "only the registry"
    self.writer = writer_
    log WriterChanged(op_id=op_id, writer=writer_)


@external
def put_items(rows: DynArray[ItemRow, MAX_LINES]):
    """
    @notice Make items known. What an item is counted in and how it is tracked is fixed by its first stock.
    """
    assert msg.sender == registry, "only the registry"
    for row: ItemRow in rows:
        assert row.item != empty(bytes32) and self._is_text(row.item), "bad item id"
        assert self._is_text(row.unit) and convert(row.unit, uint256) & 255 <= 28, "bad unit"
        assert row.tracking <= 3, "bad tracking"
        assert row.decimals <= 18, "bad decimals"
        before: uint256 = self.items[row.item]
        word: uint256 = (
            convert(row.unit, uint256) | (row.tracking << TRACKING_SHIFT) | KNOWN | (row.decimals << DECIMALS_SHIFT)
        )
        if before & STOCKED != 0:
            assert before == word | STOCKED, "item has stock"
        elif before != word:
            self.items[row.item] = word


@external
def put_locations(rows: DynArray[LocationRow, MAX_LINES]):
    """
    @notice Make locations known, close them, or hang them elsewhere. A location that has had stock never
            becomes an area.
    """
    assert msg.sender == registry, "only the registry"
    for row: LocationRow in rows:
        assert row.location != empty(bytes32) and self._is_text(row.location), "bad location id"
        assert row.kind == BIN or row.kind == UNIT or row.kind == CLOSED or row.kind == AREA, "bad kind"
        before: uint256 = self.places[row.location]
        assert before & 255 < VIRTUAL, "virtual location"
        assert row.kind != AREA or before < ONE_CHANGE, "location had stock"
        self._check_parent(row)
        word: uint256 = (before >> 8) << 8 | row.kind
        if word != before:
            self.places[row.location] = word
        if self.parents[row.location] != row.parent:
            self.parents[row.location] = row.parent


# ---------------------------------------------------------------- reading


@external
@view
def expect(bin: bytes32, lines: DynArray[Counted, MAX_LINES]) -> (uint256, uint256, uint256[MAX_LINES]):
    """
    @notice What the ledger holds of each counted line now; no line may come twice.
    @return What the lines touched, as `book` answers it, with the bin as the source; the bin's change counter; the
            quantity of each line
    """
    place: uint256 = self.places[bin]
    assert place != 0, "unknown location"
    assert place & 255 < VIRTUAL, "virtual location"
    touched: uint256 = 1 << (place & 255)
    expected: uint256[MAX_LINES] = empty(uint256[MAX_LINES])
    seats: uint256[SEATS] = empty(uint256[SEATS])
    index: uint256 = 0
    item: bytes32 = empty(bytes32)
    tracking: uint256 = max_value(uint256)
    statuses: uint256 = 0
    for line: Counted in lines:
        assert line.counted <= MAX_QUANTITY, "quantity out of range"
        if line.item != item or tracking == max_value(uint256):
            item = line.item
            word: uint256 = self.items[item]
            assert word != 0, "unknown item"
            tracking = (word >> TRACKING_SHIFT) & 3
        statuses |= line.status
        shape: uint256 = 0
        if line.lot != empty(bytes32):
            assert self._is_text(line.lot), "bad lot"
            shape = 1
        mark: uint256 = 0
        if line.serial != empty(bytes32):
            shape |= 2
            assert self._is_text(line.serial), "bad serial"
            assert line.counted <= 1, "a serial is one piece"
            key: bytes32 = keccak256(abi_encode(item, line.serial))
            if self.serials[key] == bin and self.traits[key] == self._traits(line.lot, line.status):
                expected[index] = 1
            mark = convert(key, uint256)
        else:
            key: bytes32 = keccak256(abi_encode(bin, item, line.lot, line.status))
            expected[index] = convert(self.stock[key], uint256)
            mark = convert(key, uint256)
        if shape != tracking:
            touched |= self._misfit(shape, tracking)
        # An open-addressed table in memory: a line twice would be compared twice with the same stock.
        seat: uint256 = mark & (SEATS - 1)
        for _: uint256 in range(MAX_LINES):
            if seats[seat] == 0:
                break
            assert seats[seat] != mark, "line twice"
            seat = unsafe_add(seat, 1) & (SEATS - 1)
        seats[seat] = mark
        index = unsafe_add(index, 1)
    assert statuses < STATUS_END, "unknown status"
    return (touched | (statuses << STATUS_SHIFT), place >> 8, expected)


@external
@view
def stock_of(location: bytes32, item: bytes32, lot: bytes32, status: uint256) -> int256:
    return self.stock[keccak256(abi_encode(location, item, lot, status))]


@external
@view
def serial_at(item: bytes32, serial: bytes32) -> bytes32:
    return self.serials[keccak256(abi_encode(item, serial))]


@external
@view
def changes_of(location: bytes32) -> uint256:
    """
    @notice Grows with every operation that changed the stock of a real location; 0 for a virtual one.
    """
    return self.places[location] >> 8


@external
@view
def kind_of(location: bytes32) -> uint256:
    """
    @return 0 unknown, 1 bin, 2 virtual, 3 handling unit, 4 closed, 5 area
    """
    code: uint256 = self.places[location] & 255
    return 2 if code >= VIRTUAL else code


@external
@view
def parent_of(location: bytes32) -> bytes32:
    return self.parents[location]


@external
@view
def item_of(item: bytes32) -> (bool, uint256, bytes32, uint256, bool):
    """
    @return known, tracking, unit, decimals, whether it ever had stock
    """
    word: uint256 = self.items[item]
    return (
        word & KNOWN != 0,
        (word >> TRACKING_SHIFT) & 3,
        convert(word & UNIT_MASK, bytes32),
        (word >> DECIMALS_SHIFT) & 255,
        word & STOCKED != 0,
    )


@external
@view
def effect_of(op_id: bytes32) -> bytes32:
    return self.used[op_id]


@external
@view
def count_of(op_id: bytes32) -> (bytes32, uint256):
    """
    @return The commitment to what the count found, and its posted lines
    """
    return (self.counts[op_id], self.posted[op_id])


@external
@view
def left_of(op_id: bytes32, index: uint256) -> uint256:
    """
    @return What of line `index` of a remembered operation, such as a dispatch, is not taken off yet
    """
    return self.remembered[op_id][index] & LOW_64


@external
@view
def reserved_of(reservation: bytes32, location: bytes32, item: bytes32, lot: bytes32, status: uint256) -> (
    uint256, uint256
):
    """
    @return What all reservations together, and this one, still have of the stock of a location
    """
    key: bytes32 = keccak256(abi_encode(location, item, lot, status))
    return (self.reserved[key], self.promised[reservation][key])


@external
@view
def word_of(key: bytes32) -> bytes32:
    return self.words[key]


# ---------------------------------------------------------------- inside


@internal
def _claim(op_id: bytes32, effect: bytes32):
    assert self.used[op_id] == empty(bytes32), "used"
    # Sixteen bytes, left-aligned: anything else would be a second name for the same operation.
    assert op_id != empty(bytes32) and convert(op_id, uint256) & LOW_128 == 0, "bad op_id"
    self.used[op_id] = effect


@internal
def _use_reserved(
    op_id: bytes32,
    index: uint256,
    of: bytes32,
    key: bytes32,
    promised: uint256,
    rest: int256,
    line: Line,
    source: bytes32,
):
    """
    @notice A line leaves stock of which some is promised: its own reservation covers it, or what stays is enough.
    """
    own: uint256 = 0
    if of != empty(bytes32):
        own = min(self.promised[of][key], line.quantity)
    if own != line.quantity:
        assert rest >= convert(unsafe_sub(promised, own), int256), "stock is reserved"
    if own != 0:
        row: StoredRow = StoredRow(
            item=line.item, lot=line.lot, status=line.status, quantity=own, location=source
        )
        self._unreserve(op_id, index, of, key, row)


@internal
def _unreserve(op_id: bytes32, index: uint256, of: bytes32, key: bytes32, row: StoredRow):
    """
    @dev The reservation has that much, and all reservations together are in `reserved`.
    """
    self.promised[of][key] = unsafe_sub(self.promised[of][key], row.quantity)
    self.reserved[key] = unsafe_sub(self.reserved[key], row.quantity)
    log Unreserved(
        op_id=op_id,
        reservation=of,
        line=index,
        item=row.item,
        lot=row.lot,
        status=row.status,
        quantity=row.quantity,
        location=row.location,
    )


@internal
def _move_serial(
    op_id: bytes32,
    index: uint256,
    item: bytes32,
    lot: bytes32,
    serial: bytes32,
    status: uint256,
    source: bytes32,
    target: bytes32,
):
    assert self._is_text(serial), "bad serial"
    key: bytes32 = keccak256(abi_encode(item, serial))
    traits: uint256 = self._traits(lot, status)
    at: bytes32 = self.serials[key]
    if self._is_real(source):
        assert at == source, "serial is not there"
        assert self.traits[key] == traits, "serial has another lot or status"
    elif self._is_real(at):
        assert not self._is_real(target), "serial is elsewhere"
        # A dispatched serial can be back, by another transfer, before the hub has settled the first: it stays here.
        log SerialElsewhere(op_id=op_id, line=index, location=at)
        return
    self._place_serial(key, target, traits)


@internal
def _post_serial(
    op_id: bytes32,
    index: uint256,
    more: bool,
    bin: bytes32,
    item: bytes32,
    lot: bytes32,
    serial: bytes32,
    status: uint256,
) -> uint256:
    """
    @return 1 when the serial was taken in or out, else 0
    """
    key: bytes32 = keccak256(abi_encode(item, serial))
    traits: uint256 = self._traits(lot, status)
    at: bytes32 = self.serials[key]
    if more:
        if self._is_real(at):
            log SerialElsewhere(op_id=op_id, line=index, location=at)
            return 0
        self._place_serial(key, bin, traits)
    else:
        if at != bin or self.traits[key] != traits:
            return 0
        self._place_serial(key, SHRINKAGE, traits)
    return 1


@internal
def _touch_item(item: bytes32) -> uint256:
    word: uint256 = self.items[item]
    assert word != 0, "unknown item"
    if word & STOCKED == 0:
        self.items[item] = word | STOCKED
    return (word >> TRACKING_SHIFT) & 3


@internal
def _touch_place(location: bytes32) -> uint256:
    place: uint256 = self.places[location]
    assert place != 0, "unknown location"
    code: uint256 = place & 255
    assert code != AREA, "an area holds no stock"
    if code < VIRTUAL:
        self.places[location] = unsafe_add(place, ONE_CHANGE)
    return code


@internal
def _count_change(location: bytes32):
    """
    @dev Areas hold nothing that is counted, virtual places count no changes, and the empty one does not exist.
    """
    place: uint256 = self.places[location]
    code: uint256 = place & 255
    if code != 0 and code != AREA and code < VIRTUAL:
        self.places[location] = unsafe_add(place, ONE_CHANGE)


@internal
def _place_serial(key: bytes32, location: bytes32, traits: uint256):
    self.serials[key] = location
    if self.traits[key] != traits:
        self.traits[key] = traits


@internal
@view
def _is_real(location: bytes32) -> bool:
    code: uint256 = self.places[location] & 255
    return code != 0 and code < VIRTUAL


@internal
@pure
def _shape(lot: bytes32, serial: bytes32) -> uint256:
    return (1 if lot != empty(bytes32) else 0) | (2 if serial != empty(bytes32) else 0)


@internal
@pure
def _misfit(shape: uint256, tracking: uint256) -> uint256:
    return ((tracking & ~shape) << MISSING_SHIFT) | ((shape & ~tracking) << UNWANTED_SHIFT)


@internal
@pure
def _traits(lot: bytes32, status: uint256) -> uint256:
    # A text's length needs five bits of its byte; the status takes the other three.
    return convert(lot, uint256) | (status << 5)


@internal
@pure
def _line_mark(item: bytes32, lot: bytes32, serial: bytes32, status: uint256) -> uint256:
    return convert(keccak256(abi_encode(item, lot, serial, status)), uint256) & ~LOW_64


@internal
@pure
def _is_text(word: bytes32) -> bool:
    bits: uint256 = convert(word, uint256)
    size: uint256 = bits & 255
    return size < 32 and bits << (8 * size) == size << (8 * size)


@internal
@view
def _check_parent(row: LocationRow):
    """
    @dev Bins and areas stand in areas, handling units in any place but a closed or virtual one; no circles.
    """
    if row.parent == empty(bytes32):
        return
    code: uint256 = self.places[row.parent] & 255
    if row.kind == UNIT:
        assert code == AREA or code == BIN or code == UNIT, "bad parent"
    else:
        assert code == AREA, "bad parent"
    above: bytes32 = row.parent
    for _: uint256 in range(MAX_DEPTH):
        assert above != row.location, "parents in a circle"
        above = self.parents[above]
        if above == empty(bytes32):
            return
    raise "parents too deep"
