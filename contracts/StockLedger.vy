#pragma version 0.4.3
#pragma evm-version shanghai
"""
@title  StockLedger: what is where
@notice State without rules. One writer (the InventoryManager of the day) books; the UserRegistry alone changes
        the writer, the items and the locations. Whatever the writer's rules are, this contract itself never lets
        a real location hold less than nothing, a serial be in two places, or an op_id act twice.
@dev    Text ids are bytes32: UTF-8 up to 31 bytes, left-aligned, length in the last byte.
        The order of the storage variables is part of the format: add at the end only.
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


struct ItemRow:
    item: bytes32
    tracking: uint256
    unit: bytes32
    decimals: uint256


struct LocationRow:
    location: bytes32
    kind: uint256
    parent: bytes32


event WriterChanged:
    op_id: indexed(bytes32)
    writer: indexed(address)


MAX_LINES: constant(uint256) = 200
MAX_QUANTITY: constant(uint256) = 2**63 - 1
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

# An item's word: bytes 0 to 27 unit text, byte 28 decimals, byte 29 marks, byte 30 tracking, byte 31 length of the unit.
TRACKING_SHIFT: constant(uint256) = 8
KNOWN: constant(uint256) = 1 << 16
STOCKED: constant(uint256) = 1 << 17
DECIMALS_SHIFT: constant(uint256) = 24
UNIT_MASK: constant(uint256) = (2**224 - 1) * 2**32 + 255

# The last byte of an effect says which call it was; this bit of it says that it has been reversed.
REVERSED: constant(uint256) = 128

LOW_64: constant(uint256) = 2**64 - 1
LOW_128: constant(uint256) = 2**128 - 1

# Answer of `post` for a serial that by now is in a real place.
ELSEWHERE: constant(uint256) = max_value(uint256)

registry: public(immutable(address))

writer: public(address)
stock: HashMap[bytes32, int256]                              # keccak(location, item, lot, status) -> quantity
reserved: HashMap[bytes32, uint256]                          # same key; its calls come with reservations
serials: HashMap[bytes32, bytes32]                           # keccak(item, serial) -> location
traits: HashMap[bytes32, uint256]                            # same key -> lot | status << 5
places: HashMap[bytes32, uint256]                            # location -> code | changes << 8
parents: HashMap[bytes32, bytes32]                           # location or handling unit -> where it stands
items: HashMap[bytes32, uint256]
used: HashMap[bytes32, bytes32]                              # op_id -> effect: hash of 31 bytes, then the call's number
counts: HashMap[bytes32, bytes32]                            # op_id of a count -> what it found
posted: HashMap[bytes32, uint256]                            # op_id of a count -> its posted lines, one bit each
transfers: HashMap[bytes32, HashMap[uint256, uint256]]       # dispatch, line -> hash of 24 bytes, quantity left


@deploy
def __init__(registry_: address, writer_: address):
    registry = registry_
    self.writer = writer_
    self.places[SUPPLIER] = VIRTUAL
    self.places[CUSTOMER] = VIRTUAL + 1
    self.places[IN_TRANSIT] = VIRTUAL + 2
    self.places[SHRINKAGE] = VIRTUAL + 3
    log WriterChanged(op_id=empty(bytes32), writer=writer_)


# ---------------------------------------------------------------- the writer's calls


@external
def book(op_id: bytes32, effect: bytes32, lines: DynArray[Line, MAX_LINES]) -> uint256:
    """
    @notice Book every line or none.
    @return What the lines touched, for the writer to judge: bits 0-15 codes of the sources, 16-31 codes of the
            targets, 32 a lot is missing, 33 a serial is missing, 34 a lot too many, 35 a serial too many.
    """
    self._claim_as_writer(op_id, effect)
    return self._book(lines)


@external
def book_dispatch(op_id: bytes32, effect: bytes32, lines: DynArray[Line, MAX_LINES]) -> uint256:
    """
    @notice As `book`, and remember what of each line is on its way under the transfer `op_id`.
    """
    self._claim_as_writer(op_id, effect)
    index: uint256 = 0
    for line: Line in lines:
        self.transfers[op_id][index] = self._way_mark(line) | line.quantity
        index = unsafe_add(index, 1)
    return self._book(lines)


@external
def book_settled(transfer: bytes32, indexes: DynArray[uint256, MAX_LINES], lines: DynArray[Line, MAX_LINES]) -> uint256:
    """
    @notice As `book` for lines of an earlier dispatch, never more of a line than is still on its way. The control
            record that ordered it has claimed the op_id.
    """
    assert msg.sender == self.writer, "only the writer"
    index: uint256 = 0
    for line: Line in lines:
        way: uint256 = self.transfers[transfer][indexes[index]]
        assert (way >> 64) << 64 == self._way_mark(line) and way != 0, "not a line of this transfer"
        assert line.quantity <= way & LOW_64, "more than was dispatched"
        self.transfers[transfer][indexes[index]] = unsafe_sub(way, line.quantity)
        index = unsafe_add(index, 1)
    return self._book(lines)


@external
def book_back(
    op_id: bytes32, effect: bytes32, of: bytes32, lines_hash: bytes32, lines: DynArray[Line, MAX_LINES]
) -> (uint256, uint256):
    """
    @notice Book lines that undo operation `of`, once.
    @param  lines_hash hash of the lines of `of`, as they were
    @return Number of the call that `of` was, and what the lines touched
    """
    self._claim_as_writer(op_id, effect)
    first: uint256 = convert(self.used[of], uint256)
    assert first != 0, "unknown operation"
    assert first >> 8 == convert(lines_hash, uint256) >> 8, "lines differ"
    assert first & REVERSED == 0, "already reversed"
    self.used[of] = convert(first | REVERSED, bytes32)
    return (first & 127, self._book(lines))


@external
def keep_count(op_id: bytes32, effect: bytes32, found: bytes32):
    """
    @notice Keep the commitment to what a count found; it moves nothing.
    """
    self._claim_as_writer(op_id, effect)
    self.counts[op_id] = found


@external
def post(
    op_id: bytes32,
    effect: bytes32,
    count: bytes32,
    found: bytes32,
    select: uint256,
    lines: DynArray[Line, MAX_LINES],
) -> DynArray[uint256, MAX_LINES]:
    """
    @notice Mark lines of a count as posted, each once, and book their differences as far as they can be booked.
    @return For each line the quantity booked, or all bits set when its serial is in a real place by now
    """
    self._claim_as_writer(op_id, effect)
    assert self.counts[count] == found and found != empty(bytes32), "count differs"
    before: uint256 = self.posted[count]
    assert before & select == 0, "already posted"
    self.posted[count] = before | select
    booked: DynArray[uint256, MAX_LINES] = []
    for line: Line in lines:
        booked.append(self._book_as_far_as_possible(line))
    return booked


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
def expect(
    bin: bytes32, lines: DynArray[Counted, MAX_LINES]
) -> (uint256, uint256, DynArray[uint256, MAX_LINES]):
    """
    @notice What the ledger holds of each counted line now; no line may come twice.
    @return What the lines touched (the bin as the source), the bin's change counter, the quantities
    """
    place: uint256 = self.places[bin]
    assert place != 0, "unknown location"
    touched: uint256 = 1 << (place & 255)
    expected: DynArray[uint256, MAX_LINES] = []
    seats: uint256[SEATS] = empty(uint256[SEATS])
    item: bytes32 = empty(bytes32)
    tracking: uint256 = max_value(uint256)
    for line: Counted in lines:
        if line.item != item or tracking == max_value(uint256):
            item = line.item
            word: uint256 = self.items[item]
            assert word != 0, "unknown item"
            tracking = (word >> TRACKING_SHIFT) & 3
        touched |= self._shape(tracking, line.lot, line.serial)
        key: bytes32 = empty(bytes32)
        if line.serial != empty(bytes32):
            key = keccak256(concat(line.item, line.serial))
            here: bool = self.serials[key] == bin and self.traits[key] == self._traits(line.lot, line.status)
            expected.append(1 if here else 0)
        else:
            key = keccak256(concat(bin, line.item, line.lot, convert(line.status, bytes32)))
            expected.append(convert(self.stock[key], uint256))
        # An open-addressed table in memory: a line twice would be compared twice with the same stock.
        mark: uint256 = convert(key, uint256)
        seat: uint256 = mark & (SEATS - 1)
        for _: uint256 in range(MAX_LINES):
            if seats[seat] == 0:
                break
            assert seats[seat] != mark, "line twice"
            seat = unsafe_add(seat, 1) & (SEATS - 1)
        seats[seat] = mark
    return (touched, place >> 8, expected)


@external
@view
def stock_of(location: bytes32, item: bytes32, lot: bytes32, status: uint256) -> int256:
    return self.stock[keccak256(concat(location, item, lot, convert(status, bytes32)))]


@external
@view
def serial_at(item: bytes32, serial: bytes32) -> bytes32:
    return self.serials[keccak256(concat(item, serial))]


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
def under_way(transfer: bytes32, index: uint256) -> uint256:
    """
    @return What of line `index` of the dispatch `transfer` is not settled yet
    """
    return self.transfers[transfer][index] & LOW_64


# ---------------------------------------------------------------- inside


@internal
def _claim_as_writer(op_id: bytes32, effect: bytes32):
    assert msg.sender == self.writer, "only the writer"
    self._claim(op_id, effect)


@internal
def _claim(op_id: bytes32, effect: bytes32):
    assert self.used[op_id] == empty(bytes32), "used"
    # Sixteen bytes, left-aligned: anything else would be a second name for the same operation.
    assert op_id != empty(bytes32) and convert(op_id, uint256) & LOW_128 == 0, "bad op_id"
    self.used[op_id] = effect


@internal
def _book(lines: DynArray[Line, MAX_LINES]) -> uint256:
    touched: uint256 = 0
    item: bytes32 = empty(bytes32)
    source: bytes32 = empty(bytes32)
    target: bytes32 = empty(bytes32)
    tracking: uint256 = max_value(uint256)
    source_code: uint256 = 0
    target_code: uint256 = 0
    for line: Line in lines:
        assert unsafe_sub(line.quantity, 1) < MAX_QUANTITY, "quantity out of range"
        # Neighbouring lines often share item or place: each is read, and its change counted, once in a row.
        if line.item != item or tracking == max_value(uint256):
            item = line.item
            tracking = self._touch_item(item)
        if line.source != source or source_code == 0:
            source = line.source
            source_code = self._touch_place(source)
            touched |= 1 << source_code
        if line.target != target or target_code == 0:
            target = line.target
            target_code = self._touch_place(target)
            touched |= 1 << unsafe_add(target_code, 16)
        touched |= self._shape(tracking, line.lot, line.serial)
        if line.serial != empty(bytes32):
            key: bytes32 = keccak256(concat(line.item, line.serial))
            traits: uint256 = self._traits(line.lot, line.status)
            if source_code < VIRTUAL:
                assert self.serials[key] == line.source, "serial is not there"
                assert self.traits[key] == traits, "serial has another lot or status"
            else:
                assert not self._is_real(self.serials[key]), "serial is elsewhere"
            self._place_serial(key, line.target, traits)
        quantity: int256 = convert(line.quantity, int256)
        left: bytes32 = keccak256(concat(line.source, line.item, line.lot, convert(line.status, bytes32)))
        rest: int256 = unsafe_sub(self.stock[left], quantity)
        assert rest >= 0 or source_code >= VIRTUAL, "not enough stock"
        self.stock[left] = rest
        self.stock[keccak256(concat(line.target, line.item, line.lot, convert(line.status, bytes32)))] += quantity
    return touched


@internal
def _book_as_far_as_possible(line: Line) -> uint256:
    """
    @dev One difference of a count. Missing goods are taken as far as they are there; a serial found here is taken
         in unless it is in a real place by now.
    """
    assert unsafe_sub(line.quantity, 1) < MAX_QUANTITY, "quantity out of range"
    source_real: bool = self.places[line.source] & 255 < VIRTUAL
    left: bytes32 = keccak256(concat(line.source, line.item, line.lot, convert(line.status, bytes32)))
    quantity: int256 = convert(line.quantity, int256)
    key: bytes32 = empty(bytes32)
    traits: uint256 = 0
    if line.serial != empty(bytes32):
        key = keccak256(concat(line.item, line.serial))
        traits = self._traits(line.lot, line.status)
        at: bytes32 = self.serials[key]
        if source_real:
            if at != line.source or self.traits[key] != traits:
                return 0
        elif self._is_real(at):
            return ELSEWHERE
    if source_real:
        quantity = min(quantity, self.stock[left])
        if quantity == 0:
            return 0
    self._touch_item(line.item)
    self._touch_place(line.source)
    self._touch_place(line.target)
    if key != empty(bytes32):
        self._place_serial(key, line.target, traits)
    self.stock[left] -= quantity
    self.stock[keccak256(concat(line.target, line.item, line.lot, convert(line.status, bytes32)))] += quantity
    return convert(quantity, uint256)


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
def _shape(tracking: uint256, lot: bytes32, serial: bytes32) -> uint256:
    shape: uint256 = (1 if lot != empty(bytes32) else 0) | (2 if serial != empty(bytes32) else 0)
    if shape == tracking:
        return 0
    return ((tracking & ~shape) << 32) | ((shape & ~tracking) << 34)


@internal
@pure
def _traits(lot: bytes32, status: uint256) -> uint256:
    # A text's length needs five bits of its byte; the status takes the other three.
    return convert(lot, uint256) | (status << 5)


@internal
@pure
def _way_mark(line: Line) -> uint256:
    words: bytes32 = keccak256(concat(line.item, line.lot, line.serial, convert(line.status, bytes32)))
    return (convert(words, uint256) >> 64) << 64


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
