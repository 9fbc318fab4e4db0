"""What scanners and scales leave to people: reads to decide about, and weights."""

from __future__ import annotations

import base64
import binascii

from devices.pictures import CODES_MAX, GREY_BYTES_MAX, SIDE_MAX, codes_in
from ledger.errors import Rejected, Unavailable
from ledger.people import ADMIN, APPROVE, COUNT, MOVE, RECEIVE
from node import catalogue
from node.listening import AT_ONCE
from node.values import Fields, amount
from node.weighing import in_unit, scale_of
from web import kit
from web.node_api_words import REASON
from web.node_app import tablet
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import CODE, NAME, OP_ID, WHEN, WORDS, array, flag, one_of, or_null, record, text, whole

READ = text("The raw read's id", least=32, most=32)
_POINTS_CHARACTERS_MAX = (GREY_BYTES_MAX + 2) // 3 * 4
_DECIDERS = COUNT | RECEIVE | MOVE | APPROVE | ADMIN
UNDECIDED = record(
    "UndecidedRead",
    {
        "read": READ,
        "position": whole("Its place in the journal"),
        "device": NAME,
        "at_ms": WHEN,
        "raw": text("Its bytes, in hex"),
        "text": text("Its bytes, readable"),
        "symbology": text(),
        "why": WORDS,
        "bin": text("Where its owner was counting, or empty"),
        "before_ms": or_null({**WHEN, "description": "When the same code was read before"}),
    },
)
WEIGHT = record(
    "Weighed",
    {
        "scale": NAME,
        "weight": text("As exact as the scale shows it"),
        "unit": text("Of the scale"),
        "net": flag("A tare was taken off"),
        "amount": or_null(text("The same in the item's unit, for `amount` of a line")),
    },
)


def _undecided(ask: Ask, *, owned: bool = True) -> object:
    (after,) = ask.after or (0,)
    floor, journal = ask.parts.floor, ask.parts.journal
    with ask.reading() as connection:
        found = floor.undecided.rows(connection, journal, ask.who, int(after), ask.limit + 1, owned=owned)
    return ask.page([((each["position"],), each) for each in found])


def _unclaimed(ask: Ask) -> object:
    return _undecided(ask, owned=False)


def _count(ask: Ask) -> object:
    return ask.parts.floor.undecided.count(ask.parts.journal, ask.op_id, ask.who, ask.body)


def _dismiss(ask: Ask) -> object:
    return ask.parts.floor.undecided.dismiss(ask.parts.journal, ask.op_id, ask.who, ask.body)


def _came(ask: Ask) -> object:
    """Said again, it changes nothing; a number that is not known any more is settled."""
    wish = Fields(ask.body, "codes")
    numbers = [amount(each, "numbers", least=1) for each in wish.objects("numbers", AT_ONCE)]
    wish.done()
    ask.parts.floor.scanning.came(ask.who, numbers)
    return {"numbers": numbers}


def _weigh(ask: Ask) -> object:
    """Waits until the scale stands still, three seconds at most."""
    wish = kit.Fields(ask.body)
    sku, named = wish.text("item", most=31, need=False), wish.text("scale", most=31, need=False)
    wish.done()
    with ask.reading() as connection:
        item = catalogue.need_item(connection, sku) if sku else None
        scale = named or scale_of(connection, ask.who, tablet(ask.parts), ask.parts.devices())
    if not scale:
        raise Rejected("no scale is yours: take one under This node, or have one set up for this station")
    try:
        weight = ask.parts.weigh(scale)
    except Unavailable as error:
        # The person at the scale has to act, and no machine by repeating it.
        raise Rejected(str(error)) from error
    amount = None if item is None else in_unit(weight, item)
    return {"scale": scale, "weight": f"{weight.value:f}", "unit": weight.unit, "net": weight.net, "amount": amount}


def _beep(ask: Ask) -> object:
    """It sounds as soon as its own thread has a moment for it; of one that is away nobody hears anything."""
    wish = kit.Fields(ask.body)
    name = wish.text("device", most=100)
    wish.done()
    known = next((each for each in ask.parts.devices() if each["name"] == name), None)
    if known is not None and not known["sounds"]:
        raise Rejected(f"{name} does not sound when the node tells it to: its own beep says only that it read a code")
    ask.parts.beep(name)
    return {"device": name}


def _picture(ask: Ask) -> object:
    """Nothing is kept and nothing is scanned yet: the tablet asks its owner which of the codes was meant."""
    wish = Fields(ask.body, "picture")
    width, height = (amount(wish.take(side), side, least=1) for side in ("width", "height"))
    points = wish.take("points")
    wish.done()
    try:
        grey = base64.b64decode(points, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Rejected("points is not base64") from error
    return {"codes": [{"text": code.text, "symbology": code.symbology} for code in codes_in(grey, width, height)]}


ROUTES = (
    Route(
        method="GET", path="/api/v1/reads/undecided", allow=ANYONE, answer=UNDECIDED, keys=(int,), handle=_undecided,
        summary="Reads that may have been sent twice, or came too late: a person decides",
    ),
    Route(
        method="GET", path="/api/v1/reads/unclaimed", allow=_DECIDERS, answer=UNDECIDED, keys=(int,),
        handle=_unclaimed, summary="Reads of scanners that were nobody's: whoever counts one has scanned it",
    ),
    Route(
        method="POST", path="/api/v1/reads/count", allow=_DECIDERS, act=True, handle=_count,
        summary="An undecided read is one more piece: it counts now", body=record("CountRead", {"read": READ}),
        answer=record(
            "ReadCounted",
            {
                "op_id": OP_ID, "read": READ,
                "outcome": one_of(
                    "counted", "sealed", "parked", "late", "opened", "taken", "steered", "badge", "control", "joined",
                    "handed",
                ),
            },
        ),
    ),
    Route(
        method="POST", path="/api/v1/reads/dismiss", allow=_DECIDERS, act=True, handle=_dismiss,
        summary="An undecided read does not count", body=record("DismissRead", {"read": READ, "reason": REASON}),
        answer=record("ReadDismissed", {"op_id": OP_ID, "read": READ}),
    ),
    Route(
        method="POST", path="/api/v1/reads/came", allow=ANYONE, handle=_came,
        summary="A page has taken these codes of the node's own scanners; others are shown to its person",
        body=record("CodesCame", {"numbers": array(whole("The id of a `code` event", least=1), AT_ONCE)}),
        answer=record("CodesKnown", {"numbers": array(whole(), AT_ONCE)}),
    ),
    Route(
        method="POST", path="/api/v1/scans/picture", allow=ANYONE, handle=_picture,
        summary="The codes in a photo, for a tablet without a scanner; nothing is kept and nothing begins",
        body=record(
            "Picture",
            {
                "width": whole("Points", most=SIDE_MAX), "height": whole("Points", most=SIDE_MAX),
                "points": text("Rows of grey, 4 bits a point, left one high, base64", most=_POINTS_CHARACTERS_MAX),
            },
        ),
        answer=record(
            "CodesFound",
            {
                "codes": array(
                    record(
                        "CodeFound",
                        {"text": text("As a scanner sends it, symbology identifier first"), "symbology": text()},
                    ),
                    CODES_MAX,
                )
            },
        ),
    ),
    Route(
        method="POST", path="/api/v1/devices/beep", allow=ANYONE, handle=_beep,
        summary="Make a scanner sound, to hear which one it is and whether it is loud enough",
        body=record("BeepDevice", {"device": NAME}), answer=record("DeviceBeeps", {"device": NAME}),
    ),
    Route(
        method="POST", path="/api/v1/scales/weigh", allow=ANYONE, handle=_weigh, answer=WEIGHT,
        summary="A stable weight from the asker's scale, or from the one named",
        body=record("Weigh", {}, {"item": CODE, "scale": NAME}),
    ),
)  # fmt: skip
