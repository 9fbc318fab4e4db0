"""`inventory/…` and `locations/…`: what there is, where it lies, what moved; blind to whoever counts."""

from __future__ import annotations

from typing import Any

from devices.reads import day_of
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.people import ADJUST, MOVE, TRANSFER
from ledger.wording import shown
from node import catalogue, listings, streams, transit
from node.desk import Answer
from node.kept import Kept
from node.values import LABEL_CHARS_MAX, text_id
from web import kit
from web.node_api_words import (
    ADJUSTED,
    ASKED,
    CONFIRM,
    DISPATCHED,
    DONE,
    DONE_BY,
    EXPIRY,
    MADE,
    MARKS,
    MEASURE,
    REASONS,
    STANDS_IN,
    UNHEARD_OF,
    signed,
)
from web.node_ask import Ask, need
from web.routes import ANYONE, Route
from web.schema import (
    CODE,
    HEIGHT,
    NAME,
    OP_ID,
    QUANTITY,
    SIGNED,
    STATE,
    STATUS,
    WHEN,
    Schema,
    array,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

NAMES_MAX = 50_000  # more are too much for a tablet on bad Wi-Fi: it shows the codes
BEGINNING = {
    "beginning": text("Only codes that begin so", most=31),
    "search": text("Only those whose code or name has each of these words", most=80),
}
COUNTED = flag("It is being counted, and the asker counts: nothing is told until that is over")
COUNTED_BINS = array(CODE, doc="Bins in an unfinished count, left out of everything here because the asker counts")
FACTS = {
    "item": CODE,
    "name": NAME,
    **MEASURE,
    "lots": flag("Every line names its lot"),
    "serials": flag("Every line is one piece and names its serial"),
    "by_weight": flag("Its unit is a weight, and its pieces are counted as well"),
}
MOVEMENT = record(
    "Movement",
    {
        "item": CODE,
        "lot": CODE,
        "serial": CODE,
        "status": STATUS,
        "quantity": QUANTITY,
        "source": CODE,
        "target": CODE,
        "height": HEIGHT,
        "op_id": OP_ID,
        "decimals": MEASURE["decimals"],
        "unit": text("The handling unit that went, with what was in it; or empty", most=31),
        "moved": flag("Else it is a count or an exception at that place: it states the quantity and moves nothing"),
        "call": text("What it was"),
        **DONE_BY,
        "state": STATE,
        "at_ms": or_null(WHEN),
        "marks": MARKS,
    },
)
ITEM = record("ItemTotal", {**FACTS, "quantity": SIGNED, "free": SIGNED})
STOCK_OF = record(
    "StockOfItem", {"location": CODE, "stands_in": STANDS_IN, "lot": CODE, "status": STATUS, "quantity": SIGNED}
)
STOCK_IN = record(
    "StockInLocation",
    {"item": CODE, "name": NAME, "lot": CODE, "status": STATUS, "quantity": SIGNED, "decimals": MEASURE["decimals"]},
)
PIECE = record("Piece", {"item": CODE, "serial": CODE, "lot": CODE, "status": STATUS})
PLACE = {
    "location": CODE,
    "kind": one_of(*listings.KINDS.values()),
    "parent": text("The location that it lies in, or empty", most=31),
    "name": text(),
}
CODE_OF = {"code": CODE}
OF_PART = {"lot": text("Only this lot", most=31), "serial": text("Only this piece", most=31)}
TRANSIT_WORDS = "What is on its way between sites, apart from what is here; null to a counter during a count"
IN_TRANSIT = record(
    "InTransit",
    {
        "to_here": QUANTITY,
        "back_here": QUANTITY,
        "from_here": QUANTITY,
        "transfers": array(
            record(
                "UnderWay",
                {
                    "transfer": OP_ID,
                    "site": text("The other site", most=31),
                    "comes": flag("To here; else it left from here"),
                    "back": flag("It left from here and returns"),
                    "lot": CODE,
                    "serial": CODE,
                    "quantity": QUANTITY,
                    "missing": QUANTITY,
                },
            ),
            transit.ROWS_MAX,
        ),
    },
    doc=TRANSIT_WORDS,
)
PIECE_WORDS = "Where the piece of `serial` is; null without one, and for a counter while any count is unfinished"


def _hidden(ask: Ask, connection: Connection) -> frozenset[str]:
    return ask.parts.floor.counting.blind_bins(connection, ask.who)


# ---------------------------------------------------------------- items


def _sku(ask: Ask, connection: Connection) -> str:
    return str(ask.named(lambda: ask.parts.floor.lookups.sku(connection, ask.path["code"])))


def _part(ask: Ask) -> tuple[str, str]:
    """The lot and the serial that the query names, "" for any."""
    return ask.query.get("lot", ""), ask.query.get("serial", "")


def _items(ask: Ask) -> object:
    with ask.reading() as connection:
        hidden = _hidden(ask, connection)
        found = listings.items(connection, hidden, ask.after, ask.limit, **_narrowed(ask))
    return ask.page(found, being_counted=sorted(hidden)[: ask.limit])


def _narrowed(ask: Ask) -> dict[str, str]:
    return {name: ask.query[name] for name in BEGINNING if name in ask.query}


def _item(ask: Ask) -> Answer:
    with ask.reading() as connection:
        sku, known = _sku(ask, connection), ask.parts.floor.lookups
        found: Answer = ask.named(lambda: known.item(connection, ask.who, sku, *_part(ask)))
    return found


def _item_places(ask: Ask) -> object:
    with ask.reading() as connection:
        hidden = _hidden(ask, connection)
        lot, _ = _part(ask)
        found = listings.stock_of(connection, _sku(ask, connection), hidden, ask.after, ask.limit, lot)
    return ask.page(found, being_counted=sorted(hidden)[: ask.limit])


def _item_moves(ask: Ask) -> object:
    with ask.reading() as connection:
        hidden = _hidden(ask, connection)
        sku = _sku(ask, connection)
        found = listings.moves_of(connection, sku, hidden, ask.after, ask.limit, *_part(ask))
        return ask.page(ask.parts.floor.lookups.named(connection, found))


def _one_line(ask: Ask, *others: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the document's own members, its one line about the path's item) out of a body that names both side by side."""
    with ask.reading() as connection:
        sku = _sku(ask, connection)
    if "item" in ask.body or "barcode" in ask.body or "lines" in ask.body:
        raise Rejected("the item stands in the address and is the only one: name several in a document of their own")
    document = {name: ask.body[name] for name in others if name in ask.body}
    return document, {"item": sku, **{name: value for name, value in ask.body.items() if name not in others}}


def _transfer(ask: Ask) -> Answer:
    """Within the site a move; to another site, named by `receiver`, a dispatch with the person's signature."""
    need(ask.who, TRANSFER if "receiver" in ask.body else MOVE)
    if "receiver" in ask.body:
        document, line = _one_line(ask, "receiver", "confirm", "occurred_ms", "happened", "note", "pin")
        pin = document.pop("pin", None)
        return ask.parts.floor.transfers.dispatch(ask.op_id, ask.who, {**document, "lines": [line]}, pin)
    document, line = _one_line(ask, "occurred_ms", "happened", "note", "reasons", "confirm")
    return ask.parts.floor.stock.move(ask.op_id, ask.who, {**document, "lines": [line]})


def _update(ask: Ask) -> Answer:
    document, line = _one_line(ask, "occurred_ms", "happened", "note", "reasons", "confirm")
    return ask.parts.floor.stock.adjust(ask.op_id, ask.who, {**document, "lines": [line]})


_kept: Kept[tuple[dict[str, str], dict[str, str]]] = Kept(1)


def _every_name(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
    """What every item is called, and which item every barcode means now."""
    now = "SELECT gtin, item FROM gtins WHERE until_ms = ? ORDER BY gtin"
    codes = dict(connection.execute(now, (streams.NO_END,)))
    return {sku: entry.name for sku, entry in catalogue.entries(connection)}, codes


def _names(ask: Ask) -> object:
    """What every item is called, for a tablet that will have to do without the node; nothing for who has it."""
    with ask.reading() as connection:
        version = "-".join(map(str, streams.cursor(connection, streams.CATALOGUE)))
        if ask.query.get("have") == version:
            return {}
        found, codes = _kept.get(connection, streams.changes(connection), lambda: _every_name(connection))
    if len(codes) + len(found) > NAMES_MAX:
        found, codes = {}, {}
    ask.seen = version
    return {"version": version, "names": found, "barcodes": codes}


def _lookup(ask: Ask) -> Answer:
    wish = kit.Fields(ask.body)
    spoken, typed = wish.text("text", most=LABEL_CHARS_MAX), wish.flag("typed")
    wish.done()
    raw, on = spoken.encode("utf-8", "surrogatepass"), day_of(ask.parts.clock.now_ms())
    with ask.reading() as connection:
        found: Answer = ask.named(lambda: ask.parts.floor.scanning.name(connection, ask.who, raw, on, typed=typed))
    return found


# ---------------------------------------------------------------- locations


def _locations(ask: Ask) -> object:
    with ask.reading() as connection:
        parent, hidden = ask.query.get("parent"), _hidden(ask, connection)
        found = listings.locations(connection, ask.after, ask.limit, parent=parent, hidden=hidden, **_narrowed(ask))
    return ask.page(found)


def _location(ask: Ask) -> Answer:
    """Any place by its code; one that can hold stock with what lies there."""
    with ask.reading() as connection:
        code, hidden = ask.named(lambda: text_id(ask.path["code"], "location")), _hidden(ask, connection)
        place = listings.location(connection, code, hidden)
        if place is None:
            raise kit.NotFound(f"location {shown(ask.path['code'])} is not known here")
        if place["kind"] in ("virtual", "area"):
            return {**place, "being_counted": False, "stock": [], "serials": [], "moves": []}
        found = ask.parts.floor.lookups.bin(connection, ask.who, place["location"])
    return {"stock": [], "serials": [], "moves": [], **place, **found}


def _bin(ask: Ask, connection: Connection) -> tuple[str, frozenset[str]]:
    """The bin of the path, and the bins of which the asker must learn nothing now."""
    bin_ = ask.named(lambda: catalogue.need_bin(connection, text_id(ask.path["code"], "location")))
    return str(bin_), _hidden(ask, connection)


def _contents(ask: Ask) -> object:
    with ask.reading() as connection:
        bin_, hidden = _bin(ask, connection)
        found = [] if bin_ in hidden else listings.stock_in(connection, bin_, ask.after, ask.limit)
    return ask.page(found, location=bin_, being_counted=bin_ in hidden)


def _pieces(ask: Ask) -> object:
    with ask.reading() as connection:
        bin_, hidden = _bin(ask, connection)
        found = [] if bin_ in hidden else listings.serials_in(connection, bin_, ask.after, ask.limit)
    return ask.page(found, location=bin_, being_counted=bin_ in hidden)


def _moves(ask: Ask) -> object:
    with ask.reading() as connection:
        bin_, hidden = _bin(ask, connection)
        found = [] if bin_ in hidden else listings.moves_at(connection, bin_, hidden, ask.after, ask.limit)
        found = ask.parts.floor.lookups.named(connection, found)
    return ask.page(found, location=bin_, being_counted=bin_ in hidden)


OF_BIN = {"location": CODE, "being_counted": COUNTED}
_LINE: dict[str, Schema] = {"lot": CODE, "serial": CODE}
ONE_MOVE = record(
    "MoveItem",
    {"quantity": QUANTITY, "source": CODE, "target": CODE},
    {**_LINE, "status": STATUS, "expiry": EXPIRY, "confirm": CONFIRM, **MADE, "reasons": REASONS},
)
ONE_DISPATCH = record(
    "DispatchItem",
    {"quantity": QUANTITY, "source": CODE, "receiver": text("Another site", most=31)},
    signed({**_LINE, "confirm": UNHEARD_OF, **MADE}),
)
ONE_CHANGE = record(
    "AdjustItem",
    {"location": CODE, "change": SIGNED, "reasons": REASONS},
    {**_LINE, "status": STATUS, "expiry": EXPIRY, "confirm": CONFIRM, **MADE},
)

NAMED_THING = either(
    record("NamedLocation", {"kind": one_of("location"), "location": CODE,
                             "known": flag("Else the label of a unit that nobody used yet"),
                             "unit": flag("The label is a handling unit's")}),
    record("NamedOperation", {"kind": one_of("operation"), "op_id": OP_ID}),
    record("NamedItem", {"kind": one_of("item"), **FACTS, "quantity": QUANTITY},
           {**_LINE, "expiry": EXPIRY, "pieces": whole(), "amount": text()}),
)  # fmt: skip
_NAMED: Schema = {"type": "object", "additionalProperties": text()}

ROUTES = (
    Route(
        method="GET", path="/api/v1/inventory/", allow=ANYONE, summary="Items with how much of each is here",
        query=BEGINNING, answer=ITEM, keys=(str,), beside={"being_counted": COUNTED_BINS}, handle=_items,
    ),
    Route(
        method="GET", path="/api/v1/inventory/{code}", allow=ANYONE, params=CODE_OF, handle=_item,
        query=OF_PART,
        summary="An item, by code or barcode, or a lot or piece of it: its first 200 places and its last 50 moves",
        answer=record(
            "Item",
            {
                **FACTS, "quantity": SIGNED, "free": SIGNED, "stock": array(STOCK_OF), "being_counted": COUNTED_BINS,
                "moves": array(MOVEMENT, 50), "in_transit": or_null(IN_TRANSIT),
                "piece": or_null(
                    record("PieceOfItem", {"location": CODE, "lot": CODE, "status": STATUS}, doc=PIECE_WORDS)
                ),
            },
        ),
    ),
    Route(
        method="GET", path="/api/v1/inventory/{code}/locations", allow=ANYONE, params=CODE_OF, handle=_item_places,
        summary="Where how much of an item lies", answer=STOCK_OF, keys=(str, str, int),
        query={"lot": OF_PART["lot"]}, beside={"being_counted": COUNTED_BINS},
    ),
    Route(
        method="GET", path="/api/v1/inventory/{code}/history", allow=ANYONE, params=CODE_OF, handle=_item_moves,
        summary="What happened to an item, or to a lot or piece of it, newest first", query=OF_PART,
        answer=MOVEMENT, keys=(int, int, int),
    ),
    Route(
        method="POST", path="/api/v1/inventory/{code}/transfer", allow=MOVE | TRANSFER, act=True, params=CODE_OF,
        summary="Move an item within the site (MOVE), or dispatch it to another one (TRANSFER)",
        body=either(ONE_MOVE, ONE_DISPATCH), answer=either(DONE, DISPATCHED, ASKED), handle=_transfer,
    ),
    Route(
        method="POST", path="/api/v1/inventory/{code}/update", allow=ADJUST, act=True, params=CODE_OF,
        summary="Propose to correct an item's stock; another person's signature books it",
        body=ONE_CHANGE, answer=either(ADJUSTED, ASKED), handle=_update,
    ),
    Route(
        method="GET", path="/api/v1/names", allow=ANYONE, query={"have": text("The version that is known", most=64)},
        summary="What every item is called, for a tablet without contact", handle=_names,
        answer=record("Names", {}, {"version": text(), "names": _NAMED, "barcodes": _NAMED}),
    ),
    Route(
        method="POST", path="/api/v1/lookup", allow=ANYONE, handle=_lookup, answer=NAMED_THING, problems=(404,),
        summary="What a scanned or typed code stands for; nothing is kept and nothing begins",
        body=record(
            "Lookup", {"text": text("As the scanner typed it", most=LABEL_CHARS_MAX)},
            {"typed": flag("By hand: a bin or an item may stand there in any case")},
        ),
    ),
    Route(
        method="GET", path="/api/v1/locations/", allow=ANYONE, summary="Places by code; what lies there is not told",
        query={**BEGINNING, "parent": text("Only those that lie in this one", most=31)},
        answer=record("Location", PLACE), keys=(str,), handle=_locations,
    ),
    Route(
        method="GET", path="/api/v1/locations/{code}", allow=ANYONE, params=CODE_OF, handle=_location,
        summary="A place, what lies there (the first 200 lines and pieces) and its last 50 moves",
        answer=record(
            "LocationContents",
            {
                **PLACE, "being_counted": COUNTED, "stock": array(STOCK_IN), "serials": array(PIECE),
                "moves": array(MOVEMENT, 50),
            },
        ),
    ),
    Route(
        method="GET", path="/api/v1/locations/{code}/inventory", allow=ANYONE, params=CODE_OF, handle=_contents,
        summary="What lies in a bin", answer=STOCK_IN, keys=(str, str, int), beside=OF_BIN,
    ),
    Route(
        method="GET", path="/api/v1/locations/{code}/serials", allow=ANYONE, params=CODE_OF, handle=_pieces,
        summary="The pieces in a bin", answer=PIECE, keys=(str, str), beside=OF_BIN,
    ),
    Route(
        method="GET", path="/api/v1/locations/{code}/history", allow=ANYONE, params=CODE_OF, handle=_moves,
        summary="Every booked line from or to a bin, and its counts, newest first", answer=MOVEMENT,
        keys=(int, int, int), beside=OF_BIN,
    ),
)  # fmt: skip
