"""A large site: 10,000 items, 5,000 bins, 100,000 operations, 2,000 counts and one of 500 bins under way, 5,000
deliveries and orders; and how fast each address answers.

The rows are written by the writers that write them always (`node/projection`, `node/streams`), from calls and events
as the chain would give them; only the execution is left out, which takes long and changes nothing here.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from flask import Flask

from ledger import calls, control, events
from ledger.announced import DELIVERIES, ORDERS
from ledger.db import Connection
from ledger.documents import Document
from ledger.ids import CUSTOMER, SUPPLIER, Actor, OpId
from ledger.merkle import leaf_hash
from ledger.moves import DAMAGE, Line
from node import deliveries, orders, projection, streams
from tests.node.floor_kit import GTINS, Stage, actor_of
from tests.web import kit, walk
from web.schema import ROWS_MAX
from web.server import Server

ITEMS, BINS, OPERATIONS = 10_000, 5_000, 100_000
COUNTED_BINS = 500
HALL = "HALL"  # the area in which all of them lie
TO_A_BLOCK = 20
HOT = 10  # every tenth operation is about one item, every second one about one bin
FIRST_HEIGHT = 100  # the stage's own operations stay below
OLD = 5_000  # the first operations have other papers than all that came later
BATCH = 50
PIECES = 5_000
HELD, HELD_ITEMS = 4_000, 500  # lines that came in damaged, and of how many items
LOTS = 5_000  # each in a bin
ANNOUNCED = 5_000  # deliveries, and as many orders; every second one is done
LONG, LINES = ROWS_MAX + 5, 2 * ROWS_MAX + 30  # longer than a screen: lists, and the lines of a bin
ROUNDS, LINES_A_ROUND = 2_000, 4  # posted counts, before the one that is under way

# What is typed while somebody looks for something: much, one thing, nothing.
SEARCHES = [f"/api/v1/{list_}/?search={words}" for list_ in ("inventory", "locations")
            for words in ("b-4", "item", "part+4711", "no+such+thing")]  # fmt: skip
SEARCHES += [
    f"{list_}?{asked}"
    for list_ in ("/api/v1/operations/", "/operations/")
    for asked in ("kind=move", "kind=dispatch", "kind=record_count", "beginning=4", "beginning=4a1b&kind=move",
                  "reference=dn-", "reference=dn-4711", "reference=dn-&kind=hold", "reference=old", "reference=none")
]  # fmt: skip
SEARCHES += [
    f"/api/v1/audit/?{asked}"
    for asked in ("from_ms=900000&until_ms=1900000", "until_ms=100000", "from_ms=1&kind=hold")
]
SEARCHES += [f"/operations/?{asked}" for asked in ("from=1970-01-01&to=1970-01-01", "to=1970-01-01&kind=hold")]
LAST_DAYS = [f"1970-01-{day:02}" for day in (1, 25)]  # of a first operation, and of the middle one
SEARCHES += [f"{report}?day={day}" for day in LAST_DAYS for report in (
             "/api/v1/audit/stock", "/api/v1/audit/cut-off", "/operations/stock", "/operations/cut-off")]  # fmt: skip
SEARCHES += ["/operations/stock?day=1970-01-25&item=ITEM-09"]

# What a browser does not show as a page, or what never ends.
FILES = {"static", "versioned", "node_setup.certificate", "node_setup.profile", "node_floor.paper_file", "words",
         "node_offline.worker", "node_offline.manifest",
         "node_api.get_metrics", "node_events.get_events"}  # fmt: skip
# All of a site as a file is as long as the site; no screen waits for it.
WHOLE = {"/api/v1/audit/stock.csv"}
# A sheet is paper: it has every bin it was issued for, and blank lines to write on.
PAPER = {"node_review.sheet"}


def item_code(number: int) -> str:
    return f"ITEM-{number:05}"


def bin_code(number: int) -> str:
    return f"B-{number:04}"


def lot_code(number: int) -> str:
    return f"LOT-{number:04}"


# What is scanned or typed on nearly every page of floor work, beside counting.
LOOK_UPS = {
    "barcode": {"text": f"]C101{GTINS['BOLT']}"},
    "SKU": {"text": item_code(4711).lower(), "typed": True},
    "bin": {"text": f"BIN:{bin_code(4000)}"},
    "lot": {"text": lot_code(4711)},
    "serial": {"text": "P4711"},
    "operation": {"text": hashlib.sha256(b"large 4711").digest()[:16].hex()},
    "unknown code": {"text": "NOBODY-KNOWS"},
}


def _places(connection: Connection, items: int, bins: int) -> None:
    """Items and bins as the hub's records and streams bring them."""
    sequence = 10_000

    def applied(payload: control.Payload) -> None:
        nonlocal sequence
        sequence += 1
        record = control.ControlRecord.make("", sequence, payload)
        call = calls.Apply(sequence=sequence, kind=record.kind, payload=record.payload, signature=b"")
        op_id = OpId(hashlib.sha256(f"record {sequence}".encode()).digest()[:16])
        happened = events.ControlApplied(op_id=op_id, sequence=sequence, kind=record.kind)
        projection.apply(connection, projection.Step(op_id, FIRST_HEIGHT - 1, sequence, call, (happened,)))

    for first in range(0, items, BATCH):
        named = [item_code(number) for number in range(first, min(first + BATCH, items))]
        things = tuple(control.Item(item=code, tracking=0, unit="pc", decimals=0) for code in named)
        applied(control.ItemsPayload(items=things))
        for code in named:
            number = int(code[-5:])
            entry = {
                "name": f"Thing {code}", "gtins": [[str(20_000_000 + number), 1]], "unit": "pc",
                "cost_minor": 1 + number % 997, "abc": "ABC"[number % 3],
            }  # fmt: skip
            streams.put(connection, "catalogue", code, entry)
    applied(control.LocationsPayload(locations=(control.Location(location=HALL, kind=control.AREA),)))
    for first in range(0, bins, BATCH):
        places = [bin_code(number) for number in range(first, min(first + BATCH, bins))]
        spots = tuple(control.Location(location=code, kind=control.BIN, parent=HALL) for code in places)
        applied(control.LocationsPayload(locations=spots))
        for code in places:
            streams.put(connection, "locations", code, {"name": f"Shelf {code}"})


def _operation(
    number: int, actor: Actor, line: Line, call: type[calls.Receive] | type[calls.Move]
) -> projection.Step:
    op_id = OpId(hashlib.sha256(f"large {number}".encode()).digest()[:16])
    moved = events.Moved(
        op_id=op_id, line=0, item=line.item, lot=line.lot, serial=line.serial, status=line.status,
        quantity=line.quantity, source=line.source, target=line.target,
    )  # fmt: skip
    height = FIRST_HEIGHT + number // TO_A_BLOCK
    paper = f"OLD-{number}" if number < OLD else f"DN-{number}"
    # Two thousand a day, and each fiftieth came in later for the first one.
    day = "1970-01-01" if number % 50 == 0 else (date(1970, 1, 1) + timedelta(number // 2_000)).isoformat()
    said = Document(occurred_ms=height * 1000, business_date=day, references={"delivery-note": paper}).encode()
    return projection.Step(op_id, height, number % TO_A_BLOCK, call(actor=actor, lines=(line,)), (moved,), said)


def _round(number: int, items: int, bins: int, people: list[Actor]) -> Iterator[projection.Step]:
    """A bin that was counted, and its difference booked by somebody else."""
    counted, posted, session = (
        OpId(hashlib.sha256(f"{what} {number}".encode()).digest()[:16]) for what in ("count", "post", "session")
    )
    height, bin_, every = (
        FIRST_HEIGHT + number,
        bin_code(COUNTED_BINS + number % (bins - COUNTED_BINS)),
        range(LINES_A_ROUND),
    )
    record = calls.RecordCount(
        actor=people[0], session=session, bin=bin_, round=0, opened=0, whole=True, scans=b"", lines=()
    )
    happened: list[events.Event] = [
        events.CountRecorded(
            op_id=counted, session=session, bin=bin_, round=0, counter=people[0], stable=True, whole=True, scans=b""
        )
    ]
    happened += [
        events.CountLine(
            op_id=counted, line=line, item=item_code((number * LINES_A_ROUND + line) % items), lot="", serial="",
            status=1, counted=3, expected=3 + number % 2,
        )
        for line in every
    ]  # fmt: skip
    yield projection.Step(counted, height, 50, record, tuple(happened))
    post = calls.PostCount(
        actor=people[1], count=counted, session=session, bin=bin_, round=0,
        counter=people[0], stable=True, lines=(), select=2**LINES_A_ROUND - 1,
    )  # fmt: skip
    booked = events.CountPosted(op_id=posted, count=counted, approver=people[1], select=2**LINES_A_ROUND - 1)
    yield projection.Step(posted, height, 51, post, (booked,))


def _announced(stage: Stage, connection: Connection, items: int) -> None:
    """What the hub told of, on a hundred days, the done ones among the others."""
    mona = stage.as_("mona")
    for number in range(ANNOUNCED):
        due = (date(2026, 1, 1) + timedelta(number % 100)).isoformat()
        pairs = [(item_code((number * 3 + line) % items), 2 + line) for line in range(LINES_A_ROUND)]
        lines = [[item, size, "", ""] for item, size in pairs]
        streams.put(connection, DELIVERIES, f"DEL-{number:05}", {"supplier": "ACME", "lines": lines, "due": due})
        streams.put(connection, ORDERS, f"ORD-{number:05}", {"lines": [list(each) for each in pairs], "due": due})
        if number % 2:
            came = [Line(item=item, quantity=size, source=SUPPLIER, target="DOCK") for item, size in pairs]
            deliveries.take_in(connection, mona, f"DEL-{number:05}", came, {}, "", happened=True, now_ms=1)
            went = [Line(item=item, quantity=size, source="DOCK", target=CUSTOMER) for item, size in pairs]
            orders.issued(connection, f"ORD-{number:05}", went)


def fill(stage: Stage, items: int = ITEMS, bins: int = BINS, operations: int = OPERATIONS) -> None:
    """Everything in one transaction; a receipt into the dock and a move out of it take turns."""
    people = [actor_of(login) for login in ("mona", "cora")]
    with stage.site.writing() as connection:
        _places(connection, items, bins)
        _announced(stage, connection, items)
        for number in range(operations):
            pair = number // 2
            item = item_code(0 if pair % HOT == 0 else pair * 7 % items)
            if number % 2 == 0:
                line, call = Line(item=item, quantity=5, source=SUPPLIER, target="DOCK"), calls.Receive
            else:
                target = bin_code(pair * 13 % bins)
                line, call = Line(item=item, quantity=3, source="DOCK", target=target), calls.Move
            projection.apply(connection, _operation(number, people[number % 3 % 2], line, call))
        for number in range(PIECES):
            line = Line(item="DRILL", serial=f"P{number}", quantity=1, source=SUPPLIER, target="A-02")
            projection.apply(connection, _operation(operations + number, people[0], line, calls.Receive))
        for number in range(HELD):
            bin_, item = bin_code(number * 7 % bins), item_code(number % HELD_ITEMS)
            line = Line(item=item, status=DAMAGE, quantity=2, source=SUPPLIER, target=bin_)
            projection.apply(connection, _operation(operations + PIECES + number, people[0], line, calls.Receive))
        for number in range(LOTS):
            line = Line(
                item="PAINT", lot=lot_code(number), quantity=1, source=SUPPLIER, target=bin_code(number % bins)
            )
            step = _operation(operations + PIECES + HELD + number, people[0], line, calls.Receive)
            projection.apply(connection, step)
        for number in range(ROUNDS):
            for step in _round(number, items, bins, people):
                projection.apply(connection, step)
        last = FIRST_HEIGHT + (operations + PIECES + HELD + LOTS) // TO_A_BLOCK
        head = stage.site.head
        for height in range(head.height + 1, last + 1):
            name = hashlib.sha256(f"block {height}".encode()).digest()
            log, _ = head.log.append(leaf_hash(name))
            head = replace(head, height=height, hash=name, log=log)
            row = (height, name, height, height * 1000, b"")
            connection.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("INSERT OR IGNORE INTO cosignatures VALUES (?, ?)", (height, b""))
            connection.execute("INSERT OR IGNORE INTO proofs VALUES (?, ?)", (height, height < last - 500))
        connection.execute("UPDATE head SET head = ?", (head.encode(),))
    wish = {"name": "All", "bins": [bin_code(number) for number in range(COUNTED_BINS)], "rule": {}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)


Get = Callable[..., tuple[int, bytes]]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[Stage, Flask, Get]]:
    """A large site behind its real server, and a line to it, by which Tess asks, or `who` does; with a `body` it is a
    POST. She approves and counts: she may ask nearly everything, and 500 bins have to be kept from her."""
    stage, app = kit.node(folder, watched=False)
    with kit.closing(stage):
        fill(stage)
        gc.collect()
        gc.freeze()  # as `node/run` does when it is ready
        server = Server(app, "127.0.0.1", 0)
        _, port = server.start()
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def get(path: str, body: object = None, who: str = "tess") -> tuple[int, bytes]:
            headers = {"Authorization": f"Bearer {stage.tokens[who]}", "Content-Type": "application/json"}
            line.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
            try:
                answer = line.getresponse()
            except http.client.RemoteDisconnected:  # nobody asked for a while: the server hung up
                line.close()
                return get(path, body, who)
            return answer.status, answer.read()

        try:
            yield stage, app, get
        finally:
            line.close()
            server.stop()
            gc.unfreeze()


def times(stage: Stage, get: Get, rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Milliseconds by `clock` of each good answer by route, and of each kind of code that is looked up: each address,
    and its second page, `rounds` times. What
    the first answer of all costs more, because entries of the catalogue are read for the first time, is not in it."""
    get("/api/v1/names")
    with stage.site.reading() as connection:
        (session,) = connection.execute("SELECT session FROM count_sessions").fetchone()
    names = {
        "code": (item_code(0), item_code(4711), "DOCK", "A-02", bin_code(4000), "20004711"),
        "session": (bytes(session).hex(),),
        "bin": (bin_code(3),),
        "op_id": (hashlib.sha256(b"large 4711").digest()[:16].hex(),),
        "actor": (str(actor_of("mona")), str(actor_of("tess"))),
    }
    found: dict[str, list[float]] = {}
    for route in walk.ASKS:
        for path in walk.addresses(route, names) if route.path not in WHOLE else ():
            following = path
            for _ in range(2 * rounds):
                began = clock()
                status, content = get(following)
                took_ms = (clock() - began) * 1000
                if status == 200:
                    found.setdefault(route.path, []).append(took_ms)
                cursor = json.loads(content).get("next") if route.keys is not None and following == path else None
                following = f"{path}?cursor={cursor}" if cursor else path
    for path in SEARCHES:
        for _ in range(2 * rounds):
            began = clock()
            assert get(path)[0] == 200
            found.setdefault(path, []).append((clock() - began) * 1000)
    for what, body in LOOK_UPS.items():
        # While bins are counted, a counter is told of no lot or piece: somebody who does not count is.
        for who in ("tess", "mona") * rounds:
            began = clock()
            status, content = get("/api/v1/lookup", body, who)
            took_ms = (clock() - began) * 1000
            assert who == "tess" or status == (404 if what == "unknown code" else 200), (what, content)
            found.setdefault(f"/api/v1/lookup of a {what}", []).append(took_ms)
    return found


def lengthened(stage: Stage) -> dict[str, str]:
    """Many counts, proposals and sheets, and a bin with many lines in review, each by the verbs that make them."""
    counting, stock = stage.floor.counting, stage.floor.stock
    with stage.site.reading() as connection:
        (large_session,) = connection.execute("SELECT session FROM count_sessions").fetchone()
    session = stage.op()
    # The chain itself knows a few bins and items only: what it executes is about those.
    wish = {"name": "Long", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    counting.open_session(session, stage.as_("sven"), wish)
    counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    for number in range(LINES):
        counting.enter(stage.op(), stage.as_("cora"), {"item": "PAINT", "lot": f"L{number}", "quantity": 1})
    counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    for number in range(LONG):
        op = stage.op()
        counting.open_session(op, stage.as_("sven"), {"name": f"Old {number}", "bins": ["A-02"], "rule": {}})
        counting.cancel(stage.op(), stage.as_("sven"), {"session": str(op), "reason": "late"})
        line = {"item": "DRILL", "serial": f"P{number}", "quantity": 1, "source": "A-02"}
        stock.scrap(stage.op(), stage.as_("mona"), {"lines": [line], "reasons": ["lost"]})
    return {"session": str(OpId(bytes(large_session))), "long": str(session)}


def pages(app: Flask, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each page with an address that leads to the longest of its kind."""
    values = {
        "session": known["session"], "bin_": bin_code(1), "number": "1", "kind": "hold", "language": "en",
        "name": "pick",
        "op_id": "0" * 32, "transfer": "0" * 32,
    }  # fmt: skip
    for rule in app.url_map.iter_rules():
        if rule.endpoint in FILES | PAPER or "GET" not in rule.methods or rule.rule.startswith("/api/"):
            continue
        yield rule.endpoint, re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", lambda found: values[found[1]], rule.rule)
    yield "a bin", f"/review/{known['long']}/A-01"
    yield "by hand", "/review/new?from=B"
    yield "a zone", f"/review/certificate?zone={HALL}"


def page_times(
    app: Flask, get: Get, known: dict[str, str], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Milliseconds by `clock` of each page, the first look at it left out."""
    found: dict[str, list[float]] = {}
    for name, path in pages(app, known):
        get(path)
        for _ in range(rounds):
            began = clock()
            status, _ = get(path)
            if status == 200:
                found.setdefault(name, []).append((clock() - began) * 1000)
    return found


def in_floors(measure: Callable[[Callable[[], float]], dict[str, list[float]]]) -> dict[str, float]:
    """The least processor time of each in floors: one is what 8,000 small rows take in the same minute to be made,
    sorted and written as JSON. A slow or busy machine changes both, so the figures say something on any."""

    def floor_ms() -> float:
        took = []
        for _ in range(5):
            began = time.process_time()
            rows = [{"item": f"I-{number}", "quantity": number, "at": str(number)} for number in range(8_000)]
            json.dumps(sorted(rows, key=lambda row: str(row["at"])))
            took.append((time.process_time() - began) * 1000)
        return min(took)

    before, found = floor_ms(), measure(time.process_time)
    floor = (before + floor_ms()) / 2
    return {name: min(took) / floor for name, took in found.items()}


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
