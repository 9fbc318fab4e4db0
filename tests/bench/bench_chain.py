"""P3 to P6 and P13: the chain alone, against stock py-evm and plain SQLite on the same operations in the same run.

Ours is the executor as node and hub use it. The peer is stock py-evm with its own chain classes under the same rule
set, its nodes in one SQLite table. Both get the same signed transactions, the same SQLite settings (WAL, FULL) and
commit each block; they take turns block by block, so that a busy moment of the machine falls on both. The work is a
warehouse's: receipts and moves of one line over many items and bins, and counts of 200 lines.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ledger import calls, control, db
from ledger.block import Block, Header
from ledger.calls import Approval, Call
from ledger.codec import cbor_encode, keccak256
from ledger.counts import Compared, Counted
from ledger.evm import Executor, Sealed
from ledger.keys import TxKey
from ledger.moves import Line
from ledger.transactions import sign
from node.store import pack
from tests.bench.row import Row, table
from tests.ledger import chain_kit, stock
from tests.ledger.chain_kit import ANN, BOB, NODE, Site, op

PROMISES = ("P3", "P4", "P5", "P6", "P13")
ITEMS, BINS, SHELVES = 400, 60, 100
COUNT_LINES = 200
LONG_RUN = 10_000
BLOCKS = "CREATE TABLE blocks (height INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"
BOB_KEY, BOB_CODE = TxKey(b"\x32" * 32), b"\x42" * 32


def rows(folder: Path | None = None) -> list[Row]:
    """The figures; `folder` chooses the disk."""
    found = []
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for per_block, blocks in ((1, 150), (20, 12), (100, 3)):
            ours, theirs = _sealing(Path(name), per_block, blocks)
            what = f"operations sealed a second, {per_block} to a block"
            found.append(Row("P3", what, ours, theirs, "/s", "stock py-evm", 3, better="more"))
        ours, theirs = _counting(Path(name))
        what = f"count lines posted a second, {COUNT_LINES} to a document"
        found.append(Row("P4", what, ours, theirs, "/s", "stock py-evm", 3, better="more"))
        for per_block, blocks in ((1, 150), (20, 12)):
            ours, theirs = _replaying(Path(name), per_block, blocks)
            what = f"re-executed transactions a second a core, {per_block} to a block"
            found.append(Row("P5", what, ours, theirs, "/s", "stock import_block", 4, better="more"))
        for per_block in (1, 20):
            disk, raw, written, floor = _long_run(Path(name), per_block)
            what = f"disk bytes an operation, chain alone, {per_block} to a block"
            found.append(Row("P6", what, disk, raw, "B", "raw block bytes", 2))
            # The bar stands at 20 to a block; with 1 the figure is shown against the same bar.
            what = f"bytes written an operation, chain alone, {per_block} to a block"
            found.append(Row("P13", what, written, floor, "B", "one SQLite commit of the same bytes", 4))
    return found


# ---------------------------------------------------------------- the work


@dataclass
class Warehouse:
    """A furnished site and a stream of signed transactions for it, in order."""

    seed: int
    site: Site = field(init=False)
    dice: random.Random = field(init=False)
    number: int = 1_000
    counted: int = 0
    stocked: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.site = Site.new()
        self.site.deploy()
        self.site.furnish()
        items = [control.Item(item=_item(number), tracking=0, unit="pc", decimals=0) for number in range(ITEMS)]
        places = [_bin(number) for number in range(BINS)] + [_shelf(number) for number in range(SHELVES)]
        bins = [control.Location(location=place, kind=control.BIN) for place in places]
        for at in range(0, ITEMS, 200):
            self.site.control(control.ItemsPayload(items=tuple(items[at : at + 200])))
        self.site.control(control.LocationsPayload(locations=tuple(bins)))
        approver = control.PersonPayload(
            actor=BOB, roles=chain_kit.APPROVE, activation=keccak256(BOB_CODE), valid_from=0, valid_until=2**40
        )
        self.site.control(approver)
        self.site.call(op(1), calls.Bind(actor=BOB, key=BOB_KEY.address, code=BOB_CODE))
        self.site.seal()
        self.nonce = self.site.executor.nonce(NODE.address)

    @property
    def manager(self) -> bytes:
        return self.site.head.manager

    def operation(self) -> bytes:
        """One line: goods come in (one time in three), or a few of what a receipt has brought go elsewhere."""
        item, target = _item(self.dice.randrange(ITEMS)), _bin(self.dice.randrange(BINS))
        home = self.stocked.get(item)
        if home is None or home == target or self.dice.random() < 0.3:
            self.stocked[item] = target
            line = Line(item=item, quantity=100_000, source="SUPPLIER", target=target)
            return self.signed(calls.Receive(actor=ANN, document=self.dice.randbytes(32), lines=(line,)))
        line = Line(item=item, quantity=self.dice.randint(1, 9), source=home, target=target)
        return self.signed(calls.Move(actor=ANN, document=self.dice.randbytes(32), lines=(line,)))

    def signed(self, call: Call) -> bytes:
        self.number += 1
        raw = sign(
            NODE, self.site.head.origin.chain_id, self.nonce, self.manager, call.encode(op(self.number)),
            calls.gas_limit(call),
        )  # fmt: skip
        self.nonce += 1
        return raw

    def count(self) -> list[bytes]:
        """A shelf of 200 lines counted and posted, every line different from what was expected (nothing)."""
        place = _shelf(self.counted)
        self.counted += 1
        items = [_item(number) for number in self.dice.sample(range(ITEMS), COUNT_LINES)]
        counted = tuple(Counted(item=item, counted=self.dice.randint(500, 900)) for item in items)
        session = op(self.number + 500_000)
        record = calls.RecordCount(
            actor=ANN, document=self.dice.randbytes(32), session=session, bin=place, round=1, opened=0, whole=False,
            scans=self.dice.randbytes(32), lines=counted,
        )  # fmt: skip
        made = [self.signed(record)]
        compared = tuple(Compared(item=line.item, counted=line.counted, expected=0) for line in counted)
        post = calls.PostCount(
            actor=ANN, document=self.dice.randbytes(32), count=op(self.number), session=session, bin=place, round=1,
            counter=ANN, stable=True, lines=compared, select=2**COUNT_LINES - 1,
        )  # fmt: skip
        digest = post.digest(self.site.head.origin.chain_id, self.manager, op(self.number + 1), BOB)
        signature = BOB_KEY.sign_digest(digest)
        approval = Approval(
            actor=BOB, v=signature.v, r=signature.r.to_bytes(32, "big"), s=signature.s.to_bytes(32, "big")
        )
        return [*made, self.signed(replace(post, approval=approval))]


def _item(number: int) -> str:
    return f"SKU-{number:05d}"


def _bin(number: int) -> str:
    return f"B-{number:03d}"


def _shelf(number: int) -> str:
    """Where nothing but counts puts stock."""
    return f"S-{number:03d}"


class Ours:
    """The executor on a file of its own, standing where the warehouse stands."""

    def __init__(self, path: Path, warehouse: Warehouse) -> None:
        self.connection = db.create(path)
        genesis, *blocks = warehouse.site.blocks
        with db.transaction(self.connection):
            self.connection.execute(BLOCKS)
            self.executor = Executor.create(self.connection, warehouse.site.head.origin.chain_id, genesis.header)
        for block in blocks:
            self.replay(block.header, list(block.transactions))

    def make(self, raws: list[bytes], body: Callable[[Sealed], bytes] = lambda sealed: sealed.header) -> bytes:
        """Execute, seal and commit one block; its header."""
        self.executor.begin(self.executor.head.timestamp + 1)
        for raw in raws:
            outcome = self.executor.execute(raw)
            if not outcome.ok:
                raise AssertionError(outcome.reason)
        with db.transaction(self.connection):
            sealed = self.executor.seal(bytes(32))
            self.connection.execute("INSERT INTO blocks VALUES (?, ?)", (self.executor.head.height, body(sealed)))
        return sealed.header

    def replay(self, header: bytes, raws: list[bytes]) -> None:
        with db.transaction(self.connection):
            self.executor.reexecute(header, raws, Header.parse(header).extra_data)


class Theirs:
    """Stock py-evm on a file of its own, standing where the warehouse stands."""

    def __init__(self, path: Path, warehouse: Warehouse) -> None:
        self.connection = db.create(path)
        self.nodes = stock.NodeTable(self.connection)
        self.connection.execute(BLOCKS)
        genesis, *blocks = warehouse.site.blocks
        self.chain = stock.chain(warehouse.site.head.origin.chain_id, genesis.header, {}, self.nodes)
        for block in blocks:
            self.replay(block.header, list(block.transactions))

    def make(self, raws: list[bytes]) -> bytes:
        timestamp = self.chain.get_canonical_head().timestamp + 1
        with db.transaction(self.connection):
            header = stock.mine(self.chain, raws, timestamp, bytes(32))
            self.nodes.flush()
            self.connection.execute("INSERT INTO blocks VALUES (?, ?)", (Header.parse(header).height, header))
        return header

    def replay(self, header: bytes, raws: list[bytes]) -> None:
        with db.transaction(self.connection):
            stock.import_block(self.chain, header, raws)
            self.nodes.flush()


# ---------------------------------------------------------------- the figures


def _pair(folder: Path, warehouse: Warehouse) -> tuple[Ours, Theirs]:
    place = Path(tempfile.mkdtemp(dir=folder))
    return Ours(place / "ours.db", warehouse), Theirs(place / "theirs.db", warehouse)


def _blocks(warehouse: Warehouse, per_block: int, count: int) -> Iterator[list[bytes]]:
    for _ in range(count):
        yield [warehouse.operation() for _ in range(per_block)]


def _sealing(folder: Path, per_block: int, blocks: int) -> tuple[float, float]:
    """Operations sealed a second, durable."""
    warehouse = Warehouse(1)
    ours, theirs = _pair(folder, warehouse)
    mine = his = 0.0
    for raws in _blocks(warehouse, per_block, blocks):
        before = time.perf_counter()
        header = ours.make(raws)
        between = time.perf_counter()
        same = theirs.make(raws)
        after = time.perf_counter()
        if header != same:
            raise AssertionError("the two engines made different blocks")
        mine, his = mine + between - before, his + after - between
    return per_block * blocks / mine, per_block * blocks / his


def _counting(folder: Path, documents: int = 4) -> tuple[float, float]:
    warehouse = Warehouse(2)
    ours, theirs = _pair(folder, warehouse)
    mine = his = 0.0
    for _ in range(documents):
        raws = warehouse.count()
        before = time.perf_counter()
        header = ours.make(raws)
        between = time.perf_counter()
        same = theirs.make(raws)
        after = time.perf_counter()
        if header != same:
            raise AssertionError("the two engines made different blocks")
        mine, his = mine + between - before, his + after - between
    return documents * COUNT_LINES / mine, documents * COUNT_LINES / his


def _replaying(folder: Path, per_block: int, blocks: int) -> tuple[float, float]:
    """Transactions re-executed in a second of processor time."""
    warehouse = Warehouse(3)
    maker, _ = _pair(folder, warehouse)
    ours, theirs = _pair(folder, warehouse)
    mine = his = 0.0
    for raws in _blocks(warehouse, per_block, blocks):
        header = maker.make(raws)
        before = time.process_time()
        ours.replay(header, raws)
        between = time.process_time()
        theirs.replay(header, raws)
        after = time.process_time()
        mine, his = mine + between - before, his + after - between
    return per_block * blocks / mine, per_block * blocks / his


def _long_run(folder: Path, per_block: int) -> tuple[float, float, float, float]:
    """A chain of 10,000 operations: bytes an operation on disk, raw, written, and written by the floor."""
    warehouse = Warehouse(4)
    place = Path(tempfile.mkdtemp(dir=folder))
    ours = Ours(place / "ours.db", warehouse)
    floor = db.create(place / "floor.db")
    floor.execute(BLOCKS)
    blocks = LONG_RUN // per_block
    raw_bytes = written = floor_written = 0
    ours.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number, raws in enumerate(_blocks(warehouse, per_block, blocks)):
        documents = tuple(chain_kit.DOCUMENT + warehouse.dice.randbytes(32) for _ in raws)
        meta = warehouse.site.blocks[-1].meta
        unsealed = Block(b"", tuple(raws), meta, warehouse.dice.randbytes(64), documents)
        kept: list[bytes] = []

        def body(sealed: Sealed, unsealed: Block = unsealed, kept: list[bytes] = kept) -> bytes:
            """What a node stores of a block: itself and the receipts its proofs need, both deflated."""
            kept.append(replace(unsealed, header=sealed.header).encode())
            return pack(kept[0]) + pack(cbor_encode(list(sealed.receipts)))

        start = _written()
        ours.make(raws, body)
        written += _written() - start
        [raw] = kept
        raw_bytes += len(raw)
        start = _written()
        with db.transaction(floor):
            floor.execute("INSERT INTO blocks VALUES (?, ?)", (number, raw))
        floor_written += _written() - start
    start = _written()
    ours.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    written += _written() - start
    start = _written()
    floor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    floor_written += _written() - start
    disk = (place / "ours.db").stat().st_size
    return disk / LONG_RUN, raw_bytes / LONG_RUN, written / LONG_RUN, floor_written / LONG_RUN


def _written() -> int:
    """Bytes this process has handed to the system for writing so far (Linux)."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise OSError("this system does not say how much a process writes")


if __name__ == "__main__":
    print(table(rows()))
