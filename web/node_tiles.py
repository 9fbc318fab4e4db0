"""The start page's tiles of floor work."""

from __future__ import annotations

from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, MOVE, RECEIVE, TRANSFER
from web.languages import N_

TILES = (
    ("/look", "⌕", N_("Look up"), N_("An item, a bin, a lot, an operation"), 0),
    ("/receive", "↓", N_("Receive"), N_("From a supplier"), RECEIVE),
    ("/move", "→", N_("Move"), N_("Put away, and handling units"), MOVE),
    ("/pick", "⇉", N_("Pick and issue"), N_("Orders to a customer"), ISSUE),
    ("/floor/dispatch", "↗", N_("Send out"), N_("To another site"), TRANSFER),
    ("/bring-in", "↙", N_("Bring in"), N_("From another site"), TRANSFER),
    ("/held", "■", N_("Held goods"), N_("Hold and release"), ADJUST | HOLD | APPROVE),
    ("/floor/return", "↺", N_("Customer return"), N_("Arrives held"), RECEIVE),
    ("/floor/scrap", "✕", N_("Scrap"), N_("With a second signature"), ADJUST),
    ("/floor/send-back", "↶", N_("Back to supplier"), N_("With a second signature"), ADJUST),
    ("/floor/adjust", "±", N_("Correct stock"), N_("With a second signature"), ADJUST),
    ("/floor/relabel", "✎", N_("Label anew"), N_("Another lot or expiry"), ADJUST),
    (
        "/floor/except",
        "!",
        N_("Exception"),
        N_("It happened and cannot be booked"),
        RECEIVE | MOVE | ISSUE | ADJUST | HOLD,
    ),
)


def floor_tiles(roles: int) -> list[tuple[str, str, str, str]]:
    """What somebody with these roles can do on the floor: address, shape, word, what it is for."""
    return [tile[:4] for tile in TILES if not tile[4] or roles & tile[4]]
