"""An acceptance is reversed: what it brought in is on its way again, and the transfer is open at its receiver."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.documents import reversal_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import Settled
from node import audit, sent
from tests.node.floor_kit import PIN, Stage, code_of, introduce
from tests.node.test_damaged import lies
from tests.node.test_short_split import coming
from tests.node.test_transfers import accept, dispatch, sites, tell  # noqa: F401 - a fixture
from tests.node.test_transit import in_transit

ALL = ({"index": 0, "quantity": 24}, {"index": 1, "quantity": 4})
WRONG = ["wrong-line"]
PALLET = "006141411234567890"


def reverse(stage: Stage, of: OpId, op: OpId | None = None, who: str = "tess", **more: Any) -> dict[str, Any]:
    body = {"of": str(of), "reasons": WRONG} | more
    return stage.floor.reversing.reverse(op or stage.op(), stage.as_(who), body, PIN)


def accepted(sites: tuple[Stage, Stage], *lines: dict[str, Any], **more: Any) -> tuple[OpId, OpId]:  # noqa: F811
    """Answers the transfer, and its acceptance at bergen."""
    oslo, bergen = sites
    transfer, op = dispatch(oslo), bergen.op()
    tell(bergen, transfer)
    accept(bergen, transfer, *lines, op=op, **more)
    return transfer, op


def looked_up(stage: Stage, op: OpId) -> dict[str, Any]:
    with stage.site.reading() as connection:
        found: dict[str, Any] = stage.floor.lookups.operation(connection, stage.as_("tess"), op)
    return found


def test_what_came_in_is_on_its_way_again_and_the_transfer_is_open(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    bergen = sites[1]
    transfer, op = accepted(sites, *ALL)
    tell(bergen, transfer, "settled", accepted=24)
    assert (coming(bergen), bergen.stock("IN_TRANSIT", "BOLT")) == ([], -24)
    act = bergen.op()
    for _ in range(2):
        answer = reverse(bergen, op, act, note="it was another lorry")
        assert answer == {
            "op_id": str(act), "state": "recorded", "transfer": str(transfer), "reversal": str(reversal_op_id(op)),
        }  # fmt: skip
    assert lies(bergen, "DOCK") == {}
    assert (bergen.stock("IN_TRANSIT", "BOLT"), bergen.stock("IN_TRANSIT", "PAINT")) == (0, 0)
    assert coming(bergen) == [(0, 24), (1, 4)]
    assert looked_up(bergen, op)["reversed_by"] == str(reversal_op_id(op))
    assert looked_up(bergen, reversal_op_id(op))["call"] == "reverse"
    with bergen.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM transfers").fetchone() == (0,)  # nothing was sent from here
    tell(bergen, transfer, accepted=24)  # the hub tells of others before it has heard of this
    assert in_transit(bergen)["to_here"] == 24
    with pytest.raises(Rejected, match="was reversed already"):
        reverse(bergen, op)
    accept(bergen, transfer, *ALL)
    assert (bergen.stock("DOCK", "BOLT"), coming(bergen)) == (24, [])


def test_it_is_the_same_after_the_tables_are_rebuilt(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    bergen = sites[1]
    _, op = accepted(sites, *ALL)
    reverse(bergen, op)
    bergen.site.seal()
    with bergen.site.writing() as connection:
        audit.rebuild(connection, bergen.site.identity)
    assert (coming(bergen), looked_up(bergen, op)["reversed_by"]) == ([(0, 24), (1, 4)], str(reversal_op_id(op)))
    assert looked_up(bergen, reversal_op_id(op))["call"] == "reverse"


def test_what_was_said_to_be_missing_is_taken_back_too(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    bergen = sites[1]
    _, op = accepted(sites, {"index": 0, "quantity": 0, "missing": 24, "reasons": ["returned"]})
    assert coming(bergen) == [(1, 4)]
    reverse(bergen, op)
    assert coming(bergen) == [(0, 24), (1, 4)]
    assert looked_up(bergen, op)["reversed_by"] == str(reversal_op_id(op))
    with pytest.raises(Rejected, match="was reversed already"):
        reverse(bergen, op)


def test_goods_that_are_gone_held_or_promised_stay_and_it_says_what_to_do(
    sites: tuple[Stage, Stage],  # noqa: F811
) -> None:
    bergen = sites[1]
    _, op = accepted(sites, {"index": 0, "quantity": 24, "damaged": 4})
    with pytest.raises(Rejected, match="20 of BOLT are free in DOCK and 24 came in: bring back what was moved on"):
        reverse(bergen, op)
    hold = bergen.op()
    bergen.floor.stock.move(
        bergen.op(), bergen.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 5, "source": "DOCK", "target": "A-02"}]},
    )  # fmt: skip
    with pytest.raises(Rejected, match="15 of BOLT are free in DOCK and 24 came in"):
        reverse(bergen, op)
    bergen.floor.stock.move(
        bergen.op(), bergen.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 5, "source": "A-02", "target": "DOCK"}]},
    )  # fmt: skip
    quality = {
        "held": "quality",
        "reasons": ["damaged"],
        "lines": [{"item": "BOLT", "quantity": 4, "status": "damage", "location": "DOCK"}],
    }
    bergen.floor.stock.hold(hold, bergen.as_("mona"), quality)
    freed = {"hold": str(hold), "lines": [{"line": 1, "quantity": 4, "location": "DOCK"}]}
    bergen.floor.holds.release(bergen.op(), bergen.as_("sven"), freed, PIN)
    reverse(bergen, op)
    assert (lies(bergen, "DOCK"), coming(bergen)) == ({}, [(0, 24), (1, 4)])


def test_a_piece_goes_back_from_where_it_was_put(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    oslo.receive({"item": "DRILL", "serial": "SN-1", "quantity": 1})
    transfer, op = oslo.op(), bergen.op()
    line = {"item": "DRILL", "serial": "SN-1", "quantity": 1, "source": "A-01"}
    oslo.floor.transfers.dispatch(transfer, oslo.as_("sven"), {"receiver": "bergen", "lines": [line]}, PIN)
    tell(bergen, transfer, lines=[[0, "DRILL", "", "SN-1", 0, 1, 0, 0, 0]])
    accept(bergen, transfer, {"index": 0, "quantity": 1}, op=op)
    moved = {"item": "DRILL", "serial": "SN-1", "quantity": 1, "source": "DOCK", "target": "A-02"}
    bergen.floor.stock.move(bergen.op(), bergen.as_("mona"), {"lines": [moved]})
    with pytest.raises(Rejected, match="DRILL SN-1 is not free in DOCK any more: bring it back there, or release it"):
        reverse(bergen, op)
    bergen.floor.stock.move(
        bergen.op(), bergen.as_("mona"), {"lines": [{**moved, "source": "A-02", "target": "DOCK"}]}
    )
    reverse(bergen, op)
    accept(bergen, transfer, {"index": 0, "quantity": 1})
    assert lies(bergen, "DOCK") == {("DRILL", "free"): 1}


def test_a_pallet_goes_out_of_use_and_comes_whole_again(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    _, bergen = sites
    transfer = OpId(b"pallet".ljust(16, b"\x01"))
    introduce(bergen.world, bergen.site, "lena", ("TRANSFER", "RECEIVE"))
    bergen.tokens["lena"] = bergen.floor.people.activate(bergen.op(), "lena", code_of("lena"), PIN, "t")["token"]
    lines = [[0, "BOLT", "", "", 0, 24, 0, 0, 0, PALLET]]
    tell(bergen, transfer, lines=lines)
    one = {"index": 0, "quantity": 24}
    for _ in range(2):
        op = bergen.op()
        body = {"transfer": str(transfer), "target": "DOCK", "lines": [one], "units": [PALLET]}
        bergen.floor.transfers.accept(op, bergen.as_("lena"), body, PIN)
        assert bergen.stock(PALLET, "BOLT") == 24
        reverse(bergen, op, who="lena")
        with bergen.site.reading() as connection:
            [(parent,)] = connection.execute("SELECT parent FROM locations WHERE location = ?", (PALLET,)).fetchall()
        assert (parent, bergen.stock(PALLET, "BOLT")) == ("", 0)


def test_who_may_not_and_what_is_none(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    transfer, op = accepted(sites, *ALL)
    with pytest.raises(Rejected, match="TRANSFER"):
        reverse(bergen, op, who="mona")
    for body, why in (
        ({"reasons": []}, "a reason is needed"),
        ({"happened": True}, "unknown field"),
    ):
        with pytest.raises(Rejected, match=why):
            reverse(bergen, op, **body)
    with pytest.raises(Rejected, match="is no acceptance of this site"):
        reverse(bergen, transfer)
    with pytest.raises(Rejected, match="PIN is wrong"):
        bergen.floor.reversing.reverse(bergen.op(), bergen.as_("tess"), {"of": str(op), "reasons": WRONG}, "000001")
    with pytest.raises(Rejected, match="is the acceptance of a transfer: transfers/reverse takes it back"):
        bergen.floor.stock.reverse(bergen.op(), bergen.as_("mona"), {"of": str(op), "reasons": WRONG})
    wish = {"name": "Week", "bins": ["DOCK"]}
    session = bergen.floor.counting.open_session(bergen.op(), bergen.as_("sven"), wish)["session"]
    with pytest.raises(Rejected, match="DOCK is being counted: wait until that count is finished"):
        reverse(bergen, op)
    bergen.floor.counting.cancel(bergen.op(), bergen.as_("sven"), {"session": session, "reason": "mistake"})
    reverse(bergen, op)
    with pytest.raises(Rejected, match="a reverse: that cannot be reversed"):
        bergen.floor.stock.reverse(bergen.op(), bergen.as_("mona"), {"of": str(reversal_op_id(op)), "reasons": WRONG})
    assert oslo.stock("IN_TRANSIT", "BOLT") == 24


def test_the_receiver_shows_at_once_that_it_is_open_again(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    bergen = sites[1]
    transfer, op = accepted(sites, *ALL)
    tell(bergen, transfer, "settled", accepted=24)

    def shown() -> tuple[str, bool]:
        with bergen.site.reading() as connection:
            one = bergen.floor.transfers.one(connection, transfer)
        return one["state"], one["reversed"]

    assert shown() == ("settled", False)
    reverse(bergen, op)
    assert shown() == ("in transit", True)
    again = bergen.op()
    accept(bergen, transfer, {"index": 0, "quantity": 20, "missing": 4, "reasons": ["short"]}, op=again)
    tell(bergen, transfer, "short", accepted=20, missing=4, reversed=True)
    assert shown() == ("short", True)  # the hub has heard of it by now
    accept(bergen, transfer, {"index": 1, "quantity": 4})
    tell(bergen, transfer, "settled", accepted=20, reversed=True)
    assert shown() == ("settled", True)
    reverse(bergen, again)  # and once more
    assert shown() == ("in transit", True)
    tell(bergen, transfer, "in transit", ruling="returned", reversed=True)
    assert shown() == ("in transit", True)
    tell(bergen, transfer, "returned", ruling="returned", reversed=True)
    assert shown() == ("returned", True)


def leaving(stage: Stage) -> list[tuple[int, int]]:
    with stage.site.reading() as connection:
        return [(row["quantity"], row["settled"]) for row in stage.floor.transfers.leaving(connection)]


def test_the_sender_sees_that_it_is_on_its_way_again(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo = sites[0]
    transfer = dispatch(oslo)
    settled = control.SettlePayload(
        transfer=transfer, lines=(Settled(index=0, item="BOLT", quantity=24, target="CUSTOMER"),)
    )
    assert oslo.world.send(oslo.site, settled) == 1
    tell(oslo, transfer, "in transit")
    assert (in_transit(oslo)["from_here"], leaving(oslo)) == (0, [(28, 24)])
    tell(oslo, transfer, "in transit", reversed=True)
    assert (in_transit(oslo)["from_here"], leaving(oslo)) == (24, [(28, 0)])
    tell(oslo, transfer, "in transit", accepted=20, reversed=True)
    assert (in_transit(oslo)["from_here"], leaving(oslo)) == (4, [(28, 20)])
    with oslo.site.reading() as connection:
        assert oslo.floor.transfers.one(connection, transfer)["reversed"]
        assert sent.newest(connection, "oslo")[0]["reversed"]


def test_what_was_wholly_settled_is_listed_while_it_is_open_again(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo = sites[0]
    transfer, other = dispatch(oslo), dispatch(oslo)
    lines = (
        Settled(index=0, item="BOLT", quantity=24, target="CUSTOMER"),
        Settled(index=1, item="PAINT", lot="L1", quantity=4, target="CUSTOMER"),
    )
    settled = [control.SettlePayload(transfer=each, lines=lines) for each in (transfer, other)]
    assert oslo.world.send(oslo.site, *settled) == 2
    assert leaving(oslo) == []
    for each, state in ((transfer, "in transit"), (other, "in transit"), (transfer, "short")):
        tell(oslo, each, state, reversed=each == transfer)
        assert leaving(oslo) == [(28, 0)]
    tell(oslo, transfer, "settled", accepted=24, reversed=True)
    assert leaving(oslo) == []


def test_what_was_reversed_and_then_lost_is_written_off_here_by_the_hub(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    bergen = sites[1]
    transfer, op = accepted(sites, *ALL)
    reverse(bergen, op)
    accept(bergen, transfer, {"index": 0, "quantity": 21, "missing": 3, "reasons": ["short"]})
    lost = Settled(index=0, item="BOLT", quantity=3, target="SHRINKAGE")
    payload = control.SettlePayload(transfer=reversal_op_id(op), lines=(lost,))
    assert bergen.world.send(bergen.site, payload) == 1
    assert (bergen.stock("SHRINKAGE", "BOLT"), bergen.stock("IN_TRANSIT", "BOLT")) == (3, -24)
    bergen.site.seal()
    with bergen.site.writing() as connection:
        audit.rebuild(connection, bergen.site.identity)
    assert (lies(bergen, "DOCK"), coming(bergen)) == ({("BOLT", "free"): 21}, [(1, 4)])
