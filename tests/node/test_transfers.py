"""A transfer between two real sites that arrives short, by the hub's stream and by paper alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import json_canonical
from ledger.errors import Rejected
from ledger.ids import OpId
from node import sent, streams
from node.dispatch_paper import PART_BYTES, DispatchPaper, Sent, joined, parts
from tests.node.floor_kit import PIN, Stage
from tests.node.test_contact import document_of

TWO = ("sven", "mona", "tess")


@pytest.fixture
def sites(furnish: Callable[..., Stage]) -> tuple[Stage, Stage]:
    return furnish("oslo", people=TWO), furnish("bergen", people=TWO)


def dispatch(oslo: Stage) -> OpId:
    oslo.receive({"item": "BOLT", "quantity": 30}, {"item": "PAINT", "lot": "L1", "quantity": 4})
    op = oslo.op()
    body = {
        "receiver": "bergen",
        "source": "A-01",
        "lines": [{"item": "BOLT", "quantity": 24}, {"item": "PAINT", "lot": "L1", "quantity": 4}],
    }
    for _ in range(2):
        assert oslo.floor.transfers.dispatch(op, oslo.as_("sven"), body, PIN)["transfer"] == str(op)
    return op


def tell(
    bergen: Stage, transfer: OpId, state: str = "in transit", sender: str = "oslo", bolts: int = 24,
    receiver: str = "bergen", accepted: int = 0, missing: int = 0, **more: Any,
) -> None:  # fmt: skip
    """What the hub's stream says once it has the dispatch."""
    value = {
        "sender": sender,
        "receiver": receiver,
        "document": "00" * 32,
        "state": state,
        "dispatched_s": 1_700_000_000,
        "arrived_s": 0,
        "lines": [[0, "BOLT", "", "", 0, bolts, accepted, missing, 0], [1, "PAINT", "L1", "", 0, 4, 0, 0, 0]],
        **more,
    }
    with bergen.site.writing() as connection:
        streams.put(connection, "transfers", f"{sender}/{transfer}", value)


def accept(
    stage: Stage, transfer: OpId, *lines: dict[str, Any], op: OpId | None = None, pin: str = PIN, **more: Any
) -> dict[str, Any]:
    body = {"transfer": str(transfer), "target": "DOCK", "lines": list(lines), **more}
    return stage.floor.transfers.accept(op or stage.op(), stage.as_("tess"), body, pin)


def test_a_transfer_arrives_short(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    assert (oslo.stock("A-01", "BOLT"), oslo.stock("IN_TRANSIT", "BOLT")) == (6, 24)
    with oslo.site.reading() as connection:
        assert oslo.floor.transfers.leaving(connection)[0]["quantity"] == 28
    with pytest.raises(Rejected, match="not known here yet"):
        accept(bergen, transfer, {"index": 0, "quantity": 20})
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(line["item"], line["open"]) for line in coming[0]["lines"]] == [("BOLT", 24), ("PAINT", 4)]
    with pytest.raises(Rejected, match="missing: give a reason"):
        accept(bergen, transfer, {"index": 0, "quantity": 20, "missing": 4})
    accept(bergen, transfer, {"index": 0, "quantity": 20, "missing": 4, "reasons": ["short"]})
    accept(bergen, transfer, {"index": 1, "quantity": 3})
    with pytest.raises(Rejected, match="more of PAINT than was dispatched"):
        accept(bergen, transfer, {"index": 1, "quantity": 2})
    accept(bergen, transfer, {"index": 1, "quantity": 2, "reasons": ["over"]})
    assert (bergen.stock("DOCK", "BOLT"), bergen.stock("DOCK", "PAINT")) == (20, 5)
    with bergen.site.reading() as connection:
        assert bergen.floor.transfers.coming(connection) == []
        missing = connection.execute("SELECT SUM(missing) FROM acceptance_lines").fetchone()
    assert missing == (4,)


def know(bergen: Stage, oslo: Stage, origin: str = "") -> None:
    """What the hub's stream says of the other sites."""
    said = {
        "origin": origin or str(oslo.site.identity.origin),
        "key": str(oslo.site.identity.block_key),
    }
    with bergen.site.writing() as connection:
        streams.put(connection, "sites", "oslo", said)


def paper_of(oslo: Stage, transfer: OpId) -> str:
    with oslo.site.reading() as connection:
        return oslo.floor.transfers.paper(connection, transfer)


def read(bergen: Stage, *scanned: object) -> dict[str, Any]:
    with bergen.site.reading() as connection:
        return bergen.floor.transfers.read_paper(connection, {"scanned": list(scanned)})


def test_the_paper_is_enough_when_nobody_can_be_reached(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    paper = paper_of(oslo, transfer)
    with pytest.raises(Rejected, match="no key of oslo is known here"):
        accept(bergen, transfer, {"index": 0, "quantity": 24}, paper=paper)
    know(bergen, oslo)
    said = json.loads(paper)
    for wrong in (
        paper.replace("24", "25"),
        paper[:-2],
        paper + " ",
        paper.replace("oslo", "rome"),
        paper.replace('"bergen"', '"oslo"'),
        json.dumps(said),
        "",
        5,
        "[" * 1000,
        "\ud800",
        paper.replace(str(transfer), str(OpId(bytes(16)))),
        json_canonical({**said, "signature": "00" * 64}).decode(),
        json_canonical({**said, "signature": said["signature"].upper()}).decode(),
        json_canonical({name: value for name, value in said.items() if name != "signature"}).decode(),
        json_canonical({**said, "form": "tallyman/dispatch/1"}).decode(),
    ):
        with pytest.raises(Rejected, match="paper"):
            accept(bergen, transfer, {"index": 0, "quantity": 24}, paper=wrong)
        with pytest.raises(Rejected, match="paper"):
            read(bergen, wrong)
    with pytest.raises(Rejected, match="is of oslo/"):
        accept(bergen, OpId(bytes(16)), {"index": 0, "quantity": 24}, paper=paper)
    assert [(line["item"], line["open"]) for line in read(bergen, paper)["lines"]] == [("BOLT", 24), ("PAINT", 4)]
    accept(bergen, transfer, {"index": 0, "quantity": 24}, paper=read(bergen, paper)["paper"])
    assert bergen.stock("DOCK", "BOLT") == 24
    assert [line["item"] for line in read(bergen, paper)["lines"]] == ["PAINT"]
    # When the hub tells of it later, only the rest is still open.
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(line["item"], line["open"]) for line in coming[0]["lines"]] == [("PAINT", 4)]


def test_a_paper_of_a_chain_that_has_ended_counts_no_more(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    paper = paper_of(oslo, dispatch(oslo))
    know(bergen, oslo, "acme/oslo/2")
    with pytest.raises(Rejected, match="goes on as acme/oslo/2: sync first"):
        read(bergen, paper)
    with pytest.raises(Rejected, match="no key"):
        read(oslo, paper)
    know(oslo, oslo)
    with pytest.raises(Rejected, match="ask the hub to rule that what comes back is returned"):
        read(oslo, paper)


@pytest.mark.parametrize("word", ["BOLT", "Schräubchen", "漢"])
def test_a_long_paper_is_scanned_in_parts_in_any_order(sites: tuple[Stage, Stage], word: str) -> None:
    oslo, bergen = sites
    know(bergen, oslo)
    lines = tuple(Sent(number, word, "", f"S{number}", 0, 1) for number in range(200))
    paper = DispatchPaper(OpId(b"p" * 16), oslo.site.identity.origin, "bergen", lines)
    text = paper.signed(oslo.site.sign_paper)
    found = parts(text)
    assert len(found) > 5 and all(len(part.encode()) <= PART_BYTES + 50 for part in found)
    shuffled = [*found[3:], found[4], *reversed(found[:3])]
    assert joined(shuffled) == text and len(read(bergen, *shuffled)["lines"]) == 200
    with pytest.raises(Rejected, match=f"part 2, 4 of {len(found)} is still missing"):
        joined([part for number, part in enumerate(found, 1) if number not in (2, 4)])
    other = parts(paper.signed(lambda _: bytes(64)))
    with pytest.raises(Rejected, match="parts of different papers"):
        joined([*found[:-1], other[-1]])
    with pytest.raises(Rejected, match="do not make the paper"):
        joined([*found[:-1], found[-1] + "x"])
    for wrong in ([], [5], [found[0], "BIN:A-01"], ["x"] * 9_999):
        with pytest.raises(Rejected):
            joined(wrong)


PARTLIKE = st.from_regex(r"tallyman/part/1 [0-9a-f]{16} [1-9]{1,3}/[1-9] x*")


@given(st.lists(st.one_of(st.text(max_size=80), PARTLIKE), max_size=6))
def test_no_texts_break_the_reader(scanned: list[str]) -> None:
    try:
        text = joined(scanned)
        DispatchPaper.read(text, lambda origin: pytest.fail(f"asked for the key of {origin}"))
    except Rejected:
        pass


def test_what_cannot_be_is_refused_in_words(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    sven, good = oslo.as_("sven"), [{"item": "BOLT", "quantity": 1}]
    for body, why in (
        ({"receiver": "oslo", "source": "A-01", "lines": good}, "another site"),
        ({"receiver": "bergen", "lines": good}, "source"),
        ({"receiver": "bergen", "source": "A-01", "lines": []}, "no lines"),
        ({"receiver": "bergen", "source": "A-01", "lines": [{"item": "BOLT", "quantity": 99}]}, "not enough stock"),
        ({"source": "A-01", "lines": good}, "receiver"),
        ({"receiver": "x" * 32, "source": "A-01", "lines": good}, "too long: 31"),
    ):
        with pytest.raises(Rejected, match=why):
            oslo.floor.transfers.dispatch(oslo.op(), sven, body, PIN)
    with pytest.raises(Rejected, match="TRANSFER"):
        oslo.floor.transfers.dispatch(oslo.op(), oslo.as_("mona"), {}, PIN)
    with pytest.raises(Rejected, match="PIN is wrong"):
        oslo.floor.transfers.dispatch(
            oslo.op(), sven, {"receiver": "bergen", "source": "A-01", "lines": good}, "000001"
        )
    for lines in (
        [],
        [{"index": 7, "quantity": 1}],
        [{"index": 0}],
        [{"index": 0, "quantity": 0}],
        [{"index": 0, "quantity": -1}],
        [{"index": True, "quantity": 1}],
        [{"index": 0, "quantity": 1, "target": "NOWHERE"}],
        [{"index": 0, "quantity": 1}, {"index": 0, "quantity": 1}],
        [{"index": 0, "quantity": 2**63}],
    ):
        with pytest.raises(Rejected):
            accept(bergen, transfer, *lines)
    with oslo.site.writing() as connection:
        value = streams.get(connection, "transfers", f"oslo/{transfer}")
    assert value is None
    tell(oslo, transfer)
    with pytest.raises(Rejected, match="was dispatched here"):
        accept(oslo, transfer, {"index": 0, "quantity": 1})
    assert bergen.stock("DOCK", "BOLT") == 0


def test_two_senders_of_one_id_have_a_transfer_each(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer, sender="turku", bolts=3)
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(each["sender"], each["lines"][0]["open"]) for each in coming] == [("oslo", 24), ("turku", 3)]
    with pytest.raises(Rejected, match=r"two sites.*oslo, turku.*name the sender"):
        accept(bergen, transfer, {"index": 0, "quantity": 1})
    with pytest.raises(Rejected, match="not known here yet"):
        accept(bergen, transfer, {"index": 0, "quantity": 1}, sender="rome")
    accept(bergen, transfer, {"index": 0, "quantity": 3}, sender="turku")
    # The paper says whose it is, and what was taken over from the other one is nothing of this.
    paper = paper_of(oslo, transfer)
    know(bergen, oslo)
    with pytest.raises(Rejected, match="is of oslo/"):
        accept(bergen, transfer, {"index": 0, "quantity": 1}, sender="rome", paper=paper)
    accept(bergen, transfer, {"index": 0, "quantity": 20}, paper=paper)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
        senders = connection.execute("SELECT sender FROM acceptances ORDER BY height").fetchall()
    assert [(each["sender"], [line["open"] for line in each["lines"]]) for each in coming] == [
        ("oslo", [4, 4]),
        ("turku", [4]),
    ]
    assert senders == [("turku",), ("oslo",)]


def test_a_transfer_that_makes_no_sense_hides_no_other(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    tell(bergen, transfer, sender="turku", bolts=2**62)
    with bergen.site.reading() as connection:
        assert [each["sender"] for each in bergen.floor.transfers.coming(connection)] == ["oslo"]
    accept(bergen, transfer, {"index": 0, "quantity": 24}, sender="oslo")


def test_the_sender_sees_what_became_of_it_newest_first(sites: tuple[Stage, Stage]) -> None:
    oslo, _ = sites
    first = dispatch(oslo)
    body = {"receiver": "bergen", "source": "A-01", "lines": [{"item": "BOLT", "quantity": 2}], "confirm": True}
    carried = {"vehicle": "DL 12 345", "seal": "S-0071"}
    second = oslo.op()
    oslo.floor.transfers.dispatch(second, oslo.as_("sven"), {**body, **carried}, PIN)
    with pytest.raises(Rejected, match="not a document number"):
        oslo.floor.transfers.dispatch(oslo.op(), oslo.as_("sven"), {**body, "seal": ""}, PIN)
    assert document_of(oslo, second).references == carried
    oslo.site.seal()

    def seen() -> list[tuple[str, int, str, int]]:
        with oslo.site.reading() as connection:
            rows = sent.newest(connection, "oslo")
            assert sent.count(connection) == 2 and sent.newest(connection, "oslo", 1, 1) == rows[1:]
        assert all(row["receiver"] == "bergen" and row["at_ms"] for row in rows)
        return [(row["transfer"], row["lines"], row["state"], row["missing"]) for row in rows]

    assert seen() == [(str(second), 1, "", 0), (str(first), 2, "", 0)]
    tell(oslo, first, "short", accepted=20, missing=4)
    assert seen()[1] == (str(first), 2, "short", 1)
    with oslo.site.reading() as connection:
        lines = oslo.floor.transfers.one(connection, first)["lines"]
    assert [(line.get("accepted"), line.get("missing")) for line in lines] == [(20, 4), (0, 0)]
    for nonsense in ({"state": 7, "lines": [[0], [0, "", "", "", 0, 1, True, -1, 0], None]}, [], "short"):
        with oslo.site.writing() as connection:
            streams.put(connection, "transfers", f"oslo/{first}", nonsense)
        assert seen()[1] == (str(first), 2, "", 0)


def test_an_acceptance_that_is_recorded_has_its_answer_whatever_the_hub_rules_later(
    sites: tuple[Stage, Stage],
) -> None:
    oslo, bergen = sites
    transfer, op = dispatch(oslo), bergen.op()
    body: dict[str, Any] = {"transfer": str(transfer), "target": "DOCK", "lines": [{"index": 0, "quantity": 20}]}

    def again(**more: Any) -> dict[str, Any]:
        return bergen.floor.transfers.accept(op, bergen.as_("tess"), {**body, **more}, PIN)

    tell(bergen, transfer)
    first = again()
    for ruled in (
        {"ruling": "returned", "accepted": 20},
        {"ruling": "returned", "accepted": 24, "state": "settled"},
        {"ruling": "diverted", "receiver": "rome"},
        {"ruling": "cancelled", "state": "settled"},
    ):
        tell(bergen, transfer, **ruled)  # type: ignore[arg-type]
        assert again() == first
        with pytest.raises(Rejected, match="already used for something else"):
            again(lines=[{"index": 0, "quantity": 21}])
    assert bergen.stock("DOCK", "BOLT") == 20
    # Where they went back to as well.
    back = oslo.op()
    body = {"transfer": str(transfer), "target": "A-01", "lines": [{"index": 0, "quantity": 4}]}
    tell(oslo, transfer, ruling="returned", accepted=20)
    first = oslo.floor.transfers.accept(back, oslo.as_("tess"), body, PIN)
    tell(oslo, transfer, ruling="returned", accepted=24, state="settled")
    assert oslo.floor.transfers.accept(back, oslo.as_("tess"), body, PIN) == first
