"""`tablets/…`: the tablets that were used here, what they say of themselves, and what one of them lost."""

from __future__ import annotations

from ledger.people import ADMIN, APPROVE
from node.tablets import PERCENT_MAX, UNSENT_MAX
from web.node_app import tablet
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import OP_ID, WHEN, WORDS, array, flag, or_null, record, text, whole

_MAY = ADMIN | APPROVE
NUMBER = whole("The number on its label")
UNSENT = whole("Acts of all its people that wait in its outbox", most=UNSENT_MAX)
KEPT = flag("Its browser promises to keep its store")
BATTERY = or_null(
    record(
        "Battery",
        {"percent": whole(most=PERCENT_MAX), "charging": flag()},
        doc="Null where the browser does not know",
    )
)
TABLET = record(
    "Tablet",
    {
        "tablet": NUMBER,
        "heard_ms": WHEN,
        "acts": whole(),
        "missing": whole("Acts that never came"),
        "alerts": array(WORDS, None),
        "codes": array(text("The same, as in `alerts/`"), None),
        "told": or_null(
            record(
                "TabletTold",
                {"at_ms": WHEN, "unsent": UNSENT, "kept": KEPT, "battery": BATTERY},
                doc="What it said of itself last",
            )
        ),
    },
)


def _tablets(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    with ask.reading() as connection:
        found = ask.parts.floor.tablets.overview(connection)
    rows = sorted((each for each in found if each["tablet"] > int(after)), key=lambda each: int(each["tablet"]))
    return ask.page([((each["tablet"],), each) for each in rows])


def _tell(ask: Ask) -> object:
    return ask.parts.floor.tablets.tell(tablet(ask.parts), ask.body)


def _settle(ask: Ask) -> object:
    return ask.parts.floor.tablets.settle(ask.op_id, ask.who, ask.body)


ROUTES = (
    Route(
        method="GET", path="/api/v1/tablets/", allow=_MAY, answer=TABLET, keys=(int,), handle=_tablets,
        summary="The tablets that were ever used here, how they are, and whether one lost something",
    ),
    Route(
        method="PUT", path="/api/v1/tablets/this", allow=ANYONE, by_itself=True, handle=_tell,
        summary="How the asker's tablet is, as it says itself; the last word is kept, and keeps nobody logged in",
        body=record("TellTablet", {"unsent": UNSENT, "kept": KEPT}, {"battery": BATTERY}),
        answer=record("TabletHeard", {"tablet": NUMBER}),
    ),
    Route(
        method="POST", path="/api/v1/tablets/settle", allow=_MAY, act=True, handle=_settle,
        summary="Accept that what a tablet has not sent is gone",
        body=record("SettleTablet", {"tablet": whole(least=1)}),
        answer=record("TabletSettled", {"op_id": OP_ID, "tablet": whole(), "gone": whole()}),
    ),
)  # fmt: skip
