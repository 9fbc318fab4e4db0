"""How much nobody believes is asked back by one rule wherever it is said, and never when it has happened already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger import control
from ledger.ids import OpId
from node import streams
from tests.node.floor_kit import BOX, PIN, Stage
from tests.node.test_contact import late

HAM = "09506000134376"
MANY = {"item": "BOLT", "quantity": 501}
ASKS = "501 pc of Bolt 8: is that right?"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """501 bolts are more than anybody believes; a thousand of them lie in A-01."""
    with stage.site.writing() as connection:
        bolt = streams.get(connection, "catalogue", "BOLT")
        streams.put(connection, "catalogue", "BOLT", {**bolt, "quantity_asked": 500})
    for _ in range(2):
        stage.receive({"item": "BOLT", "quantity": 500})
    return stage


def from_a01(**more: Any) -> dict[str, Any]:
    return {"lines": [{**MANY, "source": "A-01", **more}]}


def standing(**more: Any) -> dict[str, Any]:
    return {"lines": [{**MANY, "location": "A-01"}], "reasons": ["damaged"], **more}


# By verb of the stock: the wish, and whose.
WISHES: dict[str, tuple[str, dict[str, Any]]] = {
    "receive": ("mona", {"lines": [{**MANY, "target": "A-02"}]}),
    "move": ("mona", from_a01(target="A-02")),
    "adjust": ("mona", {"lines": [{"item": "BOLT", "change": -501, "location": "A-01"}], "reasons": ["lost"]}),
    "hold": ("mona", standing(held="damage")),
    "issue": ("mona", {**from_a01(), "order": "SO-1", "reasons": ["urgent"]}),
    "scrap": ("mona", {**from_a01(), "reasons": ["damaged"]}),
    "send_back": ("mona", {**from_a01(), "supplier": "ACME", "origin": "DN-1", "reasons": ["damaged"]}),
}


@pytest.mark.parametrize("verb", WISHES)
def test_a_document_is_asked_back_and_done_when_confirmed(stage: Stage, verb: str) -> None:
    who, wish = WISHES[verb]
    act: Callable[..., dict[str, Any]] = getattr(stage.floor.stock, verb)
    op, person = stage.op(), stage.as_(who)
    before = stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")
    assert act(op, person, wish) == {"op_id": str(op), "ask": ASKS}
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == before
    done = act(op, person, {**wish, "confirm": True})
    assert done["state"] in ("recorded", "proposed")
    assert act(op, person, wish) == done, "asked again about what is done"


@pytest.mark.parametrize("verb", ["receive", "move", "hold", "issue"])
def test_what_waited_on_a_tablet_is_done_without_a_question(stage: Stage, verb: str) -> None:
    who, wish = WISHES[verb]
    act: Callable[..., dict[str, Any]] = getattr(stage.floor.stock, verb)
    assert act(stage.op(), late(stage, who), wish)["state"] == "recorded"


def test_a_transfer_is_asked_back_at_both_ends(stage: Stage) -> None:
    wish, op = {"receiver": "bergen", **from_a01()}, stage.op()
    dispatch = stage.floor.transfers.dispatch
    assert dispatch(op, stage.as_("sven"), wish, PIN) == {"op_id": str(op), "ask": ASKS}
    assert dispatch(op, stage.as_("sven"), {**wish, "confirm": True}, PIN)["state"] == "recorded"
    told = {"sender": "bergen", "receiver": "oslo", "document": "00" * 32, "state": "in transit", "dispatched_s": 1,
            "arrived_s": 0, "lines": [[0, "BOLT", "", "", 0, 501, 0, 0, 0]]}  # fmt: skip
    transfer = OpId(b"from bergen 0001")
    with stage.site.writing() as connection:
        streams.put(connection, "transfers", f"bergen/{transfer}", told)
    came = {"transfer": str(transfer), "target": "DOCK", "lines": [{"index": 0, "quantity": 501}]}
    accept, op = stage.floor.transfers.accept, stage.op()
    assert accept(op, stage.as_("sven"), came, PIN) == {"op_id": str(op), "ask": ASKS}
    assert accept(op, stage.as_("sven"), {**came, "confirm": True}, PIN)["state"] == "recorded"


def test_a_line_of_a_receipt_is_asked_back_by_hand_and_by_label(stage: Stage) -> None:
    mona, stock = stage.as_("mona"), stage.floor.stock
    stock.begin(stage.op(), mona, {"kind": "receive", "target": "A-02"})
    op = stage.op()
    assert stock.enter(op, mona, MANY) == {"op_id": str(op), "ask": ASKS}
    assert stock.enter(op, mona, {**MANY, "confirm": True})["counted"] == 501
    assert stock.enter(stage.op(), late(stage, "mona"), {**MANY, "quantity": 502})["counted"] == 502
    stage.floor.people.bind_device(mona, "gun")
    parked = stage.scan(f"]C101{BOX}3099")
    assert parked["outcome"] == "parked" and "1188 pc of Bolt 8: is that right?" in parked["why"]
    stage.floor.parking.dismiss(stage.op(), mona, {"park": parked["park"], "reason": "misread"})
    assert stock.finish(stage.op(), mona, {})["state"] == "recorded", "what was confirmed is asked once"


def test_a_pick_is_asked_back(stage: Stage) -> None:
    mona, picking = stage.as_("mona"), stage.floor.picking
    order = {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 600}]}
    name = picking.open(stage.op(), mona, order)["list"]
    picking.begin(stage.op(), mona, {"list": name, "tote": "DOCK"})
    wish, op = {"list": name, **MANY, "source": "A-01"}, stage.op()
    assert picking.pick(op, mona, wish) == {"op_id": str(op), "ask": ASKS}
    assert picking.pick(op, mona, {**wish, "confirm": True})["left"] == 99
    assert picking.pick(op, mona, wish)["left"] == 99


def test_a_count_that_waited_is_taken_without_a_question(stage: Stage) -> None:
    body = {"name": "Count", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    assert "ask" in stage.floor.counting.enter(stage.op(), stage.as_("cora"), MANY)
    assert stage.floor.counting.enter(stage.op(), late(stage, "cora"), MANY)["counted"] == 501


def test_a_label_without_an_amount_is_no_gram(stage: Stage) -> None:
    ham = control.Item(item="HAM", tracking=control.TRACK_NONE, unit="KG", decimals=3)
    assert stage.world.send(stage.site, control.ItemsPayload(items=(ham,))) == 1
    with stage.site.writing() as connection:
        entry = {"name": "Ham", "gtins": [[HAM, 1]], "unit": "KG", "decimals": 3, "tracking": 0}
        streams.put(connection, "catalogue", "HAM", entry)
    mona = stage.as_("mona")
    stage.floor.people.bind_device(mona, "gun")
    stage.floor.stock.begin(stage.op(), mona, {"kind": "receive", "target": "A-02"})
    scan = stage.scan(f"]E0{HAM[1:]}")
    assert (scan["outcome"], scan["measure"]) == ("parked", {"unit": "KG", "decimals": 3}), scan
    assert "does not say how much" in scan["why"]
    resolved = {"park": scan["park"], "item": "HAM", "amount": "1.25"}
    assert stage.floor.parking.resolve(stage.op(), mona, resolved)["counted"] == 1250
    assert stage.scan(f"]C101{HAM}3103000001")["counted"] == 1251, "a gram that is printed is one"
    stage.floor.stock.finish(stage.op(), mona, {})
    assert stage.stock("A-02", "HAM") == 1251


def test_what_is_added_piece_by_piece_is_asked_by_what_it_comes_to(stage: Stage) -> None:
    body = {"name": "Week", "bins": ["A-02"]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-02"})

    def enter(quantity: int, mode: str = "add", **more: Any) -> Any:
        wish = {"item": "BOLT", "quantity": quantity, "mode": mode, **more}
        return stage.floor.counting.enter(stage.op(), stage.as_("cora"), wish).get("ask", "")

    assert (enter(400), enter(100)) == ("", "")
    assert enter(1) == ASKS
    assert enter(1, confirm=True) == ""
    assert (enter(499), enter(0)) == ("", "")  # said once for as much again
    assert enter(1) == ASKS.replace("501", "1001")
    assert (enter(900, "take"), enter(100), enter(500, "set")) == ("", "", "")
    assert enter(501, "set") == ASKS
