"""What a tablet shows of the layout test: the same as the node makes of the same keys, where no dead key is in it."""

from __future__ import annotations

from devices.calibration import LETTERS, garbled
from devices.protocols.keys import KeysProtocol
from devices.protocols.layouts import NAMES
from devices.protocols.line import LineProtocol
from devices.simulated_keys import typed
from ledger.errors import Rejected


def read(scanner: str, tablet: str) -> str:
    protocol = KeysProtocol(tablet, LineProtocol())
    return b"".join(frame.data for frame in protocol.feed(typed(LETTERS + "\r", scanner))).decode()


def test_every_pair_of_layouts_is_told_from_every_code_that_is_right() -> None:
    by_pair = {pair: text for text, pairs in garbled().items() for pair in pairs}
    assert garbled()[LETTERS] == () and LETTERS not in by_pair.values()
    agreed = 0
    for scanner in NAMES:
        for tablet in NAMES:
            try:
                seen = read(scanner, tablet)
            except Rejected:  # a character that this layout has no key for
                continue
            if seen == LETTERS:
                assert (scanner, tablet) not in by_pair
            elif not set(seen) & set("`´^~¨"):
                agreed += by_pair[scanner, tablet] == seen
    assert agreed > 30, "the table and the node's own reader of keys are about the same keys"
