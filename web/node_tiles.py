"""The start page's tiles of floor work."""

from __future__ import annotations

from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, MOVE, RECEIVE, TRANSFER

TILES = (
    ("/look", "⌕", "Look up", "An item, a bin, a lot, an operation", 0),
    ("/receive", "↓", "Receive", "From a supplier", RECEIVE),
    ("/move", "→", "Move", "Put away, and handling units", MOVE),
    ("/pick", "⇉", "Pick and issue", "Orders to a customer", ISSUE),
    ("/floor/dispatch", "↗", "Send out", "To another site", TRANSFER),
    ("/bring-in", "↙", "Bring in", "From another site", TRANSFER),
    ("/held", "■", "Held goods", "Hold and release", HOLD | APPROVE),
    ("/floor/return", "↺", "Customer return", "Arrives held", RECEIVE),
    ("/floor/scrap", "✕", "Scrap", "With a second signature", ADJUST),
    ("/floor/send-back", "↶", "Back to supplier", "With a second signature", ADJUST),
    ("/floor/relabel", "✎", "Label anew", "Another lot or expiry", ADJUST),
)


def floor_tiles(roles: int) -> list[tuple[str, str, str, str]]:
    """What somebody with these roles can do on the floor: address, shape, word, what it is for."""
    return [tile[:4] for tile in TILES if not tile[4] or roles & tile[4]]
