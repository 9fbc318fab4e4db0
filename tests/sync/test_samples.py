"""A random sample with both real ends: the rule is sealed, then the hub sends the secret by which it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub import blocks, controls, discrepancies, projection, sampling
from ledger.calls import PlanCount, Receive, RecordCount
from ledger.control import ControlRecord, NotePayload
from ledger.documents import Document, part_op_id
from ledger.errors import Rejected
from ledger.ids import SUPPLIER, OpId, Origin
from ledger.moves import Line
from ledger.plans import DRAWN, Plan, Planned, Scope, drawn, seed_of
from node import counting_plans
from node.counting_plans import Plans
from node.sealing import read_block
from tests.hub.sitekit import START_MS, Seeded
from tests.sync.recovery_kit import DOCUMENT, Company
from tests.sync.test_hub_approvals import Small

HALL = tuple(f"H-{number:02}" for number in range(1, 13))
LONG_MS = 10 * 60_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    company = Company.found(tmp_path / "hub")
    made = Small(company, tmp_path / "oslo")
    made.hub.add_locations("oslo", HALL)
    made.settle()
    yield made
    made.machine.close()
    company.hub.close()


def ordered(small: Small, **more: Any) -> OpId:
    session = small.op()
    wish = {"name": "Sample", "plan": {"areas": list(HALL), "sample": 4}, **more}
    small.machine.seal()
    small.floor.counting.open_session(session, small.solo, wish)
    return session


def told(small: Small) -> int:
    """The hub answers, and the node draws."""
    small.settle()
    return small.floor.counting.draw_ready()


def plan(small: Small, session: OpId) -> Any:
    return small.floor.counting.plans.show(small.solo, session)


def bins(small: Small, session: OpId) -> list[str]:
    return [each["bin"] for each in plan(small, session)["bins"]]


def state(small: Small, session: OpId) -> str:
    with small.machine.site.reading() as connection:
        found = small.floor.counting.review.overview(connection, small.solo, session)
        [listed] = [
            each
            for each in small.floor.counting.review.sessions(connection, small.solo)
            if each["session"] == str(session)
        ]
    assert found["state"] == listed["state"] or found["state"] == "active"
    return str(listed["state"])


def sealed(small: Small, op_id: OpId) -> tuple[int, Plan]:
    """(height, plan) of the block that has this operation."""
    with small.machine.site.reading() as connection:
        row = connection.execute("SELECT height, place FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
        block = read_block(connection, int(row[0]))
    assert block is not None
    raw = Document.decode(block.documents[int(row[1])]).plan
    assert raw is not None
    return int(row[0]), Plan.decode(raw)


def test_the_secret_of_a_draw_is_chosen_after_the_rule_is_sealed(small: Small) -> None:
    session = ordered(small)
    assert state(small, session) == "drawing" and bins(small, session) == []
    assert plan(small, session)["seed_from"] == "hub-after" and plan(small, session)["derived"] is None
    assert small.floor.counting.draw_ready() == 0
    with pytest.raises(Rejected, match="not drawn yet"):
        small.floor.counting.start(small.op(), small.solo, {"session": str(session)})

    assert told(small) == 1 and told(small) == 0
    shown = plan(small, session)
    assert (state(small, session), shown["derived"], len(shown["bins"])) == ("counting", True, 4)
    small.machine.seal()
    asked_at, asked = sealed(small, session)
    made_at, made = sealed(small, part_op_id(session, DRAWN))
    with small.machine.site.reading() as connection:
        note = bytes.fromhex(shown["seed_from"].removeprefix("hub-after:"))
        at, secret = connection.execute("SELECT height, subject FROM notes WHERE op_id = ?", (note,)).fetchone()
    # In this order in the site's own chain; and what was fixed first is what was drawn from.
    assert asked_at < at <= made_at
    assert asked.bins == () and asked.seed == b"" and (asked.rule, asked.height) == (made.rule, made.height)
    assert bins(small, session) == sorted(drawn(HALL, seed_of(bytes(secret), session), 4))


def test_the_hub_gives_a_session_one_secret_however_often_it_reads_the_block(small: Small) -> None:
    session = ordered(small)
    told(small)
    before = bins(small, session)
    origin = small.machine.site.identity.origin
    height, asked = sealed(small, session)
    with small.hub.store.write(str(origin)) as opened:
        block = blocks.block_at(opened, str(origin), height)
        [document] = [each for each in block.documents if Document.decode(each).plan == asked.encode()]
        scope = hashlib.sha256(asked.encode()).digest()

        def again(op_id: OpId, named: bytes, said: bytes, of: Origin = origin) -> bool:
            return sampling.answer(opened, of, str(op_id), named, said, Seeded(3), 1)

        assert again(session, scope, document) is False
        # Nor for what the call does not name, for another session's plan, or for what cannot be read.
        other = small.op()
        assert again(other, scope, document) is False
        assert again(other, bytes(32), document) is False
        assert again(other, scope, b"\xff\x00") is False
    assert told(small) == 0 and bins(small, session) == before


def test_without_a_link_it_is_drawn_at_once_and_says_by_whose_secret(small: Small) -> None:
    small.company.clock.advance(LONG_MS)
    session = ordered(small)
    assert (state(small, session), plan(small, session)["seed_from"]) == ("counting", "site-chosen")
    assert plan(small, session)["derived"] is True and len(bins(small, session)) == 4
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(session), "reason": "again"})

    small.hub.issue_nonces("oslo", 1)
    small.settle()
    # A secret that was sent ahead is not what a session that asks is given.
    asking = ordered(small)
    assert state(small, asking) == "drawing"
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(asking), "reason": "again"})
    small.company.clock.advance(LONG_MS)
    ahead = ordered(small)
    assert plan(small, ahead)["seed_from"].startswith("hub-before:")
    assert told(small) == 0 and state(small, asking) == "cancelled" and bins(small, asking) == []


def test_whoever_does_not_want_to_wait_draws_without_the_hub_and_the_plan_says_so(small: Small) -> None:
    session = ordered(small, draft=True)
    op, body = small.op(), {"session": str(session)}
    answer = small.floor.counting.draw(op, small.solo, body)
    assert small.floor.counting.draw(op, small.solo, body) == answer
    assert state(small, session) == "draft" and answer["bins"] == bins(small, session)
    assert plan(small, session)["seed_from"] == "site-chosen"
    with pytest.raises(Rejected, match="do not wait to be drawn"):
        small.floor.counting.draw(small.op(), small.solo, body)
    # The hub's secret, which comes later, changes nothing.
    assert told(small) == 0 and answer["bins"] == bins(small, session)
    small.floor.counting.start(small.op(), small.solo, body)
    assert state(small, session) == "counting"


def test_a_draw_that_the_rules_refuse_waits_for_somebody_and_harms_nothing(small: Small) -> None:
    """All of its bins went into another count meanwhile."""
    session = ordered(small)
    other = small.op()
    small.floor.counting.open_session(other, small.solo, {"name": "All", "bins": list(HALL)})
    assert told(small) == 1 and told(small) == 0
    with small.machine.site.reading() as connection:
        found = small.floor.counting.review.overview(connection, small.solo, session)
    assert (found["state"], found["not_drawn"]) == (
        "drawing",
        "no bin fits this plan now; 4 that fit are in a count already",
    )
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(other), "reason": "again"})
    small.floor.counting.draw(small.op(), small.solo, {"session": str(session)})
    # By the hub's secret all the same: it is there.
    assert plan(small, session)["seed_from"].startswith("hub-after:")
    assert state(small, session) == "counting"


# ---------------------------------------------------------------- what the hub makes of it


def doubts(small: Small) -> list[str]:
    """What the hub says of samples, in full."""
    found = [each for each in small.hub.discrepancies() if each.kind == discrepancies.DOUBTFUL_SAMPLE]
    assert all(each.site == "oslo" for each in found)
    return [each.summary for each in found]


LINES = tuple(Line(item="BOLT", quantity=1, source=SUPPLIER, target=HALL[0]) for _ in range(50))
# What each rule gives of the site that `stocked` makes; the hub cannot derive the last two, and checks them as far as
# it knows.
RULES: dict[str, dict[str, Any]] = {
    "items": {"items": ["BOLT"], "areas": [*HALL, "OLD"], "sample": 3},
    "some items": {"items": ["BOLT"], "whole": False, "sample": 4},
    "an area": {"areas": ["OLD"], "sample": 9},
    "a unit that came": {"areas": ["NEW"], "sample": 2},
    "empty": {"empty": True, "sample": 5},
    "not counted": {"areas": list(HALL), "not_counted_since": "2027-01-01", "sample": 2},
    "expiring": {"expiring_before": "2027-06-01", "whole": False, "sample": 2},
}


def stocked(small: Small) -> None:
    """Bolts in five bins and on two units, one of which has changed its area; paint that expires."""
    small.hub.add_locations("oslo", ("OLD", "NEW"), kind="area")
    small.hub.add_locations("oslo", ("P-1", "P-2"), kind="unit", parent="OLD")
    small.hub.add_locations("oslo", ("Q-1", "Q-2"), parent="OLD")
    small.hub.add_locations("oslo", ("N-1",), parent="NEW")
    small.settle()
    for target in (*HALL[:5], "P-1", "P-2", "Q-2"):
        received(small, target, {"item": "BOLT", "quantity": 3})
    for target, expiry in ((HALL[1], "2027-03-01"), (HALL[6], "2027-04-01"), (HALL[7], "2028-01-01")):
        received(small, target, {"item": "PAINT", "lot": expiry, "quantity": 2, "expiry": expiry})
    small.floor.stock.move_units(small.op(), small.solo, {"units": [{"unit": "P-2", "target": "N-1"}]})


def received(small: Small, target: str, line: dict[str, Any]) -> None:
    small.floor.stock.receive(small.op(), small.solo, {"lines": [line], "target": target})


def test_the_hub_derives_an_honest_sample_again_and_says_nothing(small: Small, tmp_path: Path) -> None:
    stocked(small)
    for number, (name, rule) in enumerate(RULES.items()):
        session = ordered(small, plan=rule)
        # What is done and entered between the rule and the draw changes nothing of it.
        if number < 3:
            moved = {"lines": [{"item": "BOLT", "quantity": 1}], "source": "Q-2", "target": HALL[8 + number]}
            small.floor.stock.move(small.op(), small.solo, moved)
        small.floor.stock.move_units(
            small.op(), small.solo, {"units": [{"unit": "P-1", "target": f"Q-{number % 2 + 1}"}]}
        )
        small.hub.add_locations("oslo", (f"Q-9{number}",), parent="OLD")
        assert told(small) == 1 and plan(small, session)["derived"] is True, name
        small.settle()
        assert doubts(small) == [], name
        small.floor.counting.cancel(small.op(), small.solo, {"session": str(session), "reason": "again"})
    # Drawn at once: by the site's own block, and by a secret that was sent ahead.
    for at_hand in (0, 1):
        if at_hand:
            small.hub.issue_nonces("oslo", 1)
            small.settle()
        small.company.clock.advance(LONG_MS)
        session = ordered(small)
        assert state(small, session) == "counting"
        assert plan(small, session)["seed_from"].startswith(("site-chosen", "hub-before:")[at_hand])
        small.settle()
        small.floor.counting.cancel(small.op(), small.solo, {"session": str(session), "reason": "again"})
    assert doubts(small) == [] and small.company.audit(tmp_path / "audit") == []
    assert waiting(small) == 0
    # All of it projected again, with what the hub knows today beside it, says the same.
    with small.hub.store.write() as opened:
        projection.clear(opened)
    small.company.settle()
    assert doubts(small) == [] and waiting(small) == 0 and small.hub.troubles == {}


def waiting(small: Small) -> int:
    """How many samples the hub waits for."""
    with small.hub.store.read() as opened:
        return int(opened.value("SELECT count(*) FROM populations"))


def test_a_rule_looks_at_the_block_before_it_however_many_wait(small: Small) -> None:
    """As after a stop, when several blocks are full and not signed."""
    site = small.machine.site
    with site.writing():
        while len(site._keeper.unsealed()) < 3:
            small.machine.record(Receive(actor=small.solo.actor, lines=LINES))
    session = small.op()
    wish = {"name": "Sample", "plan": {"areas": list(HALL), "items": ["BOLT"], "sample": 4}}
    small.floor.counting.open_session(session, small.solo, wish)
    assert told(small) == 1
    height, asked = sealed(small, session)
    assert asked.height == height - 1 and bins(small, session) == [HALL[0]]
    small.settle()
    assert doubts(small) == [] and waiting(small) == 0


def test_a_sample_whose_site_goes_on_as_a_later_incarnation_is_derived_again(small: Small, tmp_path: Path) -> None:
    stocked(small)
    session = ordered(small, plan=RULES["items"])
    small.machine.sync()
    assert waiting(small) == 1
    small.machine.enrol(small.hub.reincarnate("oslo", "a new machine", replace=True))
    small.open()
    assert told(small) == 1 and plan(small, session)["seed_from"].startswith("hub-after:")
    small.settle()
    assert waiting(small) == 0
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(session), "reason": "again"})
    after = ordered(small, plan=RULES["an area"])
    assert told(small) == 1 and "P-1" in bins(small, after)
    small.settle()
    assert waiting(small) == 0 and doubts(small) == []
    # Projected again, the later one first: the hub derives nothing from a picture that is not whole.
    with small.hub.store.write() as opened:
        projection.clear(opened)
    small.hub.verifier.step(str(small.machine.site.identity.origin))
    small.company.settle()
    assert doubts(small) == [] and small.hub.troubles == {}
    assert small.company.audit(tmp_path / "audit") == []


def other_seed(asked: Plan, honest: Plan) -> Plan:
    seed = bytes(32)
    return replace(honest, seed=seed, bins=tuple(Planned(code) for code in sorted(drawn(HALL, seed, 4))))


def other_bin(asked: Plan, honest: Plan) -> Plan:
    [spare, *_] = [code for code in HALL if code not in {each.bin for each in honest.bins}]
    return replace(honest, bins=tuple(sorted((Planned(spare), *honest.bins[1:]), key=lambda each: each.bin)))


def some_items(asked: Plan, honest: Plan) -> Plan:
    return replace(honest, bins=(replace(honest.bins[0], items=("BOLT",)), *honest.bins[1:]))


def less(asked: Plan, honest: Plan) -> Plan:
    return replace(honest, bins=honest.bins[1:])


def other_rule(asked: Plan, honest: Plan) -> Plan:
    areas = HALL[:6]
    bins = tuple(Planned(code) for code in sorted(drawn(areas, honest.seed, 4)))
    return replace(honest, rule=Scope(areas=areas, sample=4).as_json(), bins=bins)


def own_secret(asked: Plan, honest: Plan) -> Plan:
    return replace(other_seed(asked, honest), seed_from="site-chosen")


def no_such_note(asked: Plan, honest: Plan) -> Plan:
    return replace(honest, seed_from=f"hub-after:{'7' * 32}")


SECOND = {
    other_seed: "its seed does not follow from the secret that it names",
    other_bin: "its bins are not those that its rule gives by its seed",
    some_items: "its bins are not those that its rule gives by its seed",
    less: "its bins are not those that its rule gives by its seed",
    other_rule: "it is not by the rule that was sealed before",
    own_secret: "it is drawn by another secret, and the hub's was there",
    no_such_note: "it names a secret that the hub had not sent",
}


@pytest.mark.parametrize("change", SECOND, ids=lambda change: change.__name__)
def test_the_hub_finds_out_a_site_that_draws_otherwise(
    small: Small, monkeypatch: pytest.MonkeyPatch, change: Callable[[Plan, Plan], Plan]
) -> None:
    session = ordered(small)
    with small.machine.site.reading() as connection:
        asked = Plan.decode(small.floor.counting.plans._kept(connection, session)[0])
    honest = Plans.drawn
    monkeypatch.setattr(
        Plans, "drawn", lambda self, connection, session: change(asked, honest(self, connection, session))
    )
    assert told(small) == 1
    small.settle()
    [said] = doubts(small)
    assert said == f"the sample of a count is not as it should be: {SECOND[change]}"
    [found] = [each for each in small.hub.discrepancies() if each.kind == discrepancies.DOUBTFUL_SAMPLE]
    evidence = small.hub.discrepancy(found.id).entries[-1].evidence
    assert evidence["session"] == str(session) and evidence["bins"] == bins(small, session)
    if change in (other_bin, less):
        assert evidence["by_the_rule"] == sorted(drawn(HALL, bytes.fromhex(evidence["seed"]), 4))
    # The count is sealed, and goes on; the hub goes on as well.
    assert small.machine.site.stopped == "" and small.hub.troubles == {}
    assert state(small, session) == "counting"


@pytest.mark.parametrize(("instead", "said"), [("A-01", ["it has bins that do not fit its rule"]), (HALL[0], [])])
def test_of_what_the_hub_does_not_know_it_checks_the_rest(
    small: Small, monkeypatch: pytest.MonkeyPatch, instead: str, said: list[str]
) -> None:
    """When a bin was last counted is in no table of the hub: only that what is drawn lies in the area."""
    session = ordered(small, plan={"areas": list(HALL), "not_counted_since": "2027-01-01", "sample": 1})
    honest = Plans.drawn
    monkeypatch.setattr(
        Plans,
        "drawn",
        lambda self, connection, session: replace(honest(self, connection, session), bins=(Planned(instead),)),
    )
    assert told(small) == 1 and bins(small, session) == [instead]
    small.settle()
    assert [each.rpartition(": ")[2] for each in doubts(small)] == said


def test_a_seed_of_the_site_is_the_block_that_the_plan_names(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_plans, "seed_here", lambda *_: (bytes(32), "site-chosen"))
    small.company.clock.advance(LONG_MS)
    session = ordered(small)
    assert state(small, session) == "counting"
    small.settle()
    assert doubts(small) == [
        "the sample of a count is not as it should be: its seed does not follow from the secret that it names"
    ]


def written(small: Small, made: Plan, op_id: OpId, document: bool = True) -> None:
    """Put a plan on the chain as it is."""
    raw = made.encode()
    call = PlanCount(actor=small.solo.actor, scope=hashlib.sha256(raw).digest(), rule=bytes(32), height=0)
    said = Document(occurred_ms=START_MS, business_date="2027-01-15", plan=raw if document else None)
    small.machine.site.record(call, op_id=op_id, document=said)
    small.settle()


def test_a_plan_that_breaks_its_reader_is_found_and_holds_nothing_up(small: Small) -> None:
    small.machine.seal()
    whole = Plan(session=small.op(), rule={"sample": 2, "areas": 5, "whole": True}, height=0, seed_from="site-chosen")
    written(small, whole, whole.session)
    rules: tuple[dict[str, Any], ...] = ({"sample": "x"}, {"sample": 2, "nothing": 1}, {"sample": 2, "most": 3})
    for rule in rules:
        session = small.op()
        written(small, replace(whole, session=session, rule=rule), session)
    assert set(doubts(small)) == {"the sample of a count is not as it should be: its rule cannot be read"}
    assert len(doubts(small)) == 4 and small.hub.troubles == {}
    assert small.hub.sites()[0].state == "well"


def test_a_sample_stands_under_its_session_and_after_its_rule(small: Small) -> None:
    rule = Scope(areas=HALL, sample=2).as_json()
    small.machine.seal()
    made = Plan(session=small.op(), rule=rule, height=small.machine.site.head.height, seed_from="site-chosen")
    written(small, made, small.op())
    written(small, made, part_op_id(made.session, DRAWN))
    late = replace(made, session=small.op(), height=1)
    written(small, late, late.session)
    nobodys = replace(made, session=small.op(), height=small.machine.site.head.height, seed_from="dice")
    written(small, nobodys, nobodys.session)
    early = replace(made, session=small.op(), height=small.machine.site.head.height, seed_from="hub-after")
    written(small, replace(early, bins=(Planned(HALL[0]),)), early.session)
    asked = replace(early, session=small.op(), height=small.machine.site.head.height)
    written(small, asked, asked.session)
    assert [each.rpartition(": ")[2] for each in doubts(small)] == [
        "it stands under another operation than its session's",
        "no rule was sealed for it before",
        "its rule looks at another block than the one before it",
        "it does not say whose secret it is drawn by",
        "it names bins before they are drawn",
    ]
    # The bins of a sample that was asked for, and nobody can read which.
    written(small, asked, part_op_id(asked.session, DRAWN), document=False)
    assert doubts(small)[5:] == ["the sample of a count is not as it should be: its plan cannot be read"]


def test_what_is_counted_of_a_sample_before_its_bins_are_said_is_found(small: Small) -> None:
    session = ordered(small)
    with small.machine.site.reading() as connection:
        asked = Plan.decode(small.floor.counting.plans._kept(connection, session)[0])
    # A plan that takes the place of the draw's does not end what is waited for.
    written(small, replace(asked, seed_from="site-chosen"), small.op())
    count = RecordCount(
        actor=small.solo.actor, session=session, bin=HALL[3], round=0, opened=0, whole=True, scans=bytes(32), lines=()
    )
    small.machine.site.record(count, op_id=small.op(), document=DOCUMENT)
    small.settle()
    written(small, asked, part_op_id(session, DRAWN))
    assert [each.rpartition(": ")[2] for each in doubts(small)] == [
        "it stands under another operation than its session's",
        "it is counted before it is drawn",
        "it names a secret that the hub had not sent",
    ]


def test_a_secret_that_has_not_come_to_the_chain_is_not_drawn_by(small: Small) -> None:
    """A site that reads what the hub sends, and draws by it before its chain has it, could still choose not to."""
    session = ordered(small)
    small.machine.sync()
    origin = str(small.machine.site.identity.origin)
    with small.hub.store.read() as opened:
        [row] = opened.all("SELECT * FROM controls WHERE subject = :about", about=f"count-nonce {session}")
    assert row["state"] == controls.SIGNED
    note = ControlRecord.decode(bytes(row["record"]))
    assert isinstance(note.content, NotePayload) and note.origin == origin
    seed = seed_of(note.content.subject, session)
    with small.machine.site.reading() as connection:
        asked = Plan.decode(small.floor.counting.plans._kept(connection, session)[0])
    made = replace(
        asked,
        seed=seed,
        seed_from=f"hub-after:{note.op_id(bytes(row['signature']))}",
        bins=tuple(Planned(code) for code in sorted(drawn(HALL, seed, 4))),
    )
    written(small, made, part_op_id(session, DRAWN))
    assert doubts(small) == [
        "the sample of a count is not as it should be: it names a secret that the hub had not sent"
    ]


@pytest.mark.parametrize("honest", [True, False])
def test_a_hub_that_was_upgraded_while_a_sample_waited_checks_what_it_can(
    small: Small, monkeypatch: pytest.MonkeyPatch, honest: bool
) -> None:
    """It had not looked at the site when the rule was sealed."""
    session = ordered(small)
    small.machine.sync()
    with small.hub.store.write() as opened:
        assert opened.run("DELETE FROM populations") == 1
    draw = Plans.drawn
    if not honest:
        monkeypatch.setattr(
            Plans, "drawn", lambda self, connection, session: replace(draw(self, connection, session), seed=bytes(32))
        )
    assert told(small) == 1 and len(bins(small, session)) == 4
    small.settle()
    assert bool(doubts(small)) is not honest
