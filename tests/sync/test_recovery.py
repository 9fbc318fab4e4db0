"""From a fork, a cloned disk or a lost one to the next incarnation: every act ends in the books or is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import receipt, seams
from ledger.errors import Rejected, Unavailable
from ledger.ids import OpId
from node.replaying import record_missing
from tests.hub.sitekit import Seeded
from tests.sync.recovery_kit import Company, Machine

FIRST, SECOND = "acme/site/oslo/1", "acme/site/oslo/2"


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    made = Company.found(tmp_path / "hub")
    yield made
    made.hub.close()


@pytest.fixture
def machine(company: Company, tmp_path: Path) -> Iterator[Machine]:
    """A site that works: a hundred bolts, delivered and verified."""
    made = Machine(company, tmp_path / "oslo", 5).init()
    made.enrol(company.hub.enrol("oslo"))
    company.furnish()
    made.sync()
    made.sync()
    made.receive(100)
    made.settle()
    assert company.stock() == {"A-01": 100}
    yield made
    made.close()


def die(name: str) -> None:
    raise seams.Killed(name)


def forked(machine: Machine) -> tuple[list[str], list[str]]:
    """An old backup is put back and worked with: three acts that only the hub has, four that only the disk has."""
    backup = machine.copied("backup", 1)
    theirs = [machine.move(10), machine.move(5, "A-03"), machine.receive(1)]
    machine.settle()
    machine.put_back(backup)
    ours = [machine.move(20), machine.receive(2)]
    machine.seal()
    assert machine.sync() == "FORKED"
    ours += [machine.move(3, "A-03"), machine.receive(7)]
    assert machine.site.stopped and machine.site.pending_count() == 2, "it records on"
    return [str(each) for each in theirs], [str(each) for each in ours]


@pytest.mark.parametrize("damage", ["bent", "gone"])
def test_a_disk_without_its_signing_mark_goes_on_as_the_next_incarnation(
    company: Company, machine: Machine, damage: str
) -> None:
    """What the refusal to sign tells people to do."""
    machine.move(10)
    machine.seal()
    kept = machine.move(5, "A-03")
    machine.close()
    mark = machine.folder / "signing.mark"
    mark.write_bytes(mark.read_bytes()[:-1]) if damage == "bent" else mark.unlink()
    assert "tallyman hub reincarnate" in machine.site.stopped
    machine.enrol(company.hub.reincarnate("oslo", "its signing mark is damaged", replace=True))
    assert str(machine.site.identity.origin) == SECOND and not machine.site.stopped
    machine.settle()
    assert machine.stock() == company.stock() == {"A-01": 85, "A-02": 10, "A-03": 5}
    assert machine.found(kept) is not None and machine.claims() == {}
    machine.verify()


def test_both_branches_of_a_fork_end_in_one_stock(company: Company, machine: Machine, tmp_path: Path) -> None:
    theirs, ours = forked(machine)
    assert company.state(FIRST) == "forked" and company.stock() == {"A-01": 86, "A-02": 10, "A-03": 5}
    code = company.hub.reincarnate("oslo", "a backup was put back")
    machine.enrol(code)
    assert str(machine.site.identity.origin) == SECOND and not machine.site.stopped
    assert machine.stock() == {"A-01": 86, "A-02": 10, "A-03": 5}, "what the hub goes on from"
    assert machine.site.proof_state(_op(theirs[0])) == "verified"
    machine.settle()
    assert machine.stock() == company.stock() == {"A-01": 72, "A-02": 30, "A-03": 8}
    assert machine.claims() == {} and company.missing("site fork") == []
    for name in (*theirs, *ours):
        assert machine.found(_op(name)) is not None
    machine.move(1)
    machine.settle()
    assert company.stock()["A-02"] == 31
    machine.verify()
    machine.run_jobs()
    machine.close()
    assert machine.stock() == company.stock()
    assert company.audit(tmp_path / "audit") == []


def _op(name: str) -> OpId:
    return OpId.parse(name)


def test_receipts_of_both_incarnations_verify(company: Company, machine: Machine) -> None:
    old = machine.move(10)
    machine.settle()
    old_key = machine.site.identity.block_key
    company.hub.anchor_now()
    machine.sync()
    kept = machine.site.receipt(old)
    theirs, ours = forked(machine)
    machine.enrol(company.hub.reincarnate("oslo"))
    machine.settle()
    company.hub.anchor_now()
    machine.settle()
    keys, hub_keys = [machine.site.identity.block_key.raw, old_key.raw], [company.hub.keys.log.verify_key.raw]
    for raw, origin in (
        (kept, FIRST),
        (company.hub.receipt(old), FIRST),
        (company.hub.receipt(_op(theirs[0])), FIRST),
        (company.hub.receipt(_op(ours[0])), SECOND),
        (machine.site.receipt(_op(ours[3])), SECOND),
    ):
        checked = receipt.verify(raw, keys, hub_keys)
        assert (checked.strength, checked.receipt.origin) == (receipt.ANCHORED, origin)
    with pytest.raises(Rejected, match="its receipt is at the hub"):
        machine.site.receipt(old)


def test_what_the_kept_branch_refuses_is_a_claim_and_a_discrepancy(
    company: Company, machine: Machine, tmp_path: Path
) -> None:
    """The other branch took the goods first, or a person approved for the chain that ended."""
    machine.bind_bob()
    machine.settle()
    backup = machine.copied("backup", 1)
    machine.move(95)
    machine.settle()
    machine.put_back(backup)
    first, approved, last = machine.move(50), machine.adjust(4), machine.move(2, "A-03")
    machine.seal()
    assert machine.sync() == "FORKED"
    machine.enrol(company.hub.reincarnate("oslo"))
    machine.settle()
    assert machine.stock() == {"A-01": 3, "A-02": 95, "A-03": 2}
    assert set(machine.claims()) == {str(first), str(approved)}
    assert "not enough stock" in machine.claims()[str(first)]
    assert "approv" in machine.claims()[str(approved)]
    subjects = {each.subject for each in company.hub.discrepancies() if each.kind == "unbookable act"}
    assert subjects == {f"{SECOND}:{first}", f"{SECOND}:{approved}"}
    assert company.missing("site fork") == [] and machine.found(last) is not None
    again = machine.adjust(1)
    machine.settle()
    assert machine.found(again) is not None and machine.stock()["A-01"] == 2, "approved for this chain it holds"
    machine.verify()
    machine.receive(100)
    machine.settle()
    stock = machine.stock()
    heir = Machine(company, tmp_path / "new", 6).init()
    heir.enrol(company.hub.reincarnate("oslo", replace=True))
    heir.settle()
    assert heir.stock() == stock == company.stock() and heir.claims() == {}, "what people decide about stays theirs"
    assert subjects == {each.subject for each in company.hub.discrepancies() if each.kind == "unbookable act"}
    heir.verify()
    heir.close()


def test_what_an_act_stands_on_is_there_before_it_is_recorded_again(company: Company, machine: Machine) -> None:
    """The hub's record of a new bin is on the branch that ended only: it is carried over, and applied first."""
    backup = machine.copied("backup", 1)
    machine.move(10)
    machine.settle()
    company.hub.add_locations("oslo", ["A-09"])
    company.settle()
    machine.put_back(backup)
    machine.receive(2)
    machine.seal()
    assert machine.sync() == "FORKED"
    moved = machine.move(4, "A-09")
    machine.enrol(company.hub.reincarnate("oslo"))
    continued = machine.site.identity.certificate.continued
    assert continued is not None and continued.carried == 1
    assert record_missing(machine.site) == 0, "not yet: the bin is unknown here"
    machine.settle()
    assert machine.found(moved) is not None and machine.claims() == {}
    assert company.stock() == {"A-01": 88, "A-02": 10, "A-09": 4}


def test_of_a_cloned_disk_both_machines_acts_are_kept(company: Company, machine: Machine, tmp_path: Path) -> None:
    clone = machine.copied("clone", 77)
    mine = [machine.move(10), machine.receive(1)]
    machine.settle()
    clones = [clone.move(20, "A-03")]
    clone.seal()
    clone.sync()
    machine.sync()
    assert company.state(FIRST) == "clone_suspect"
    mine.append(machine.move(3))
    clones.append(clone.receive(5))
    assert machine.site.stopped and clone.site.stopped
    # The machine that goes gets its code first, so that its acts are in; then the one that stays.
    clone.enrol(company.hub.reincarnate("oslo", "the clone's work first"))
    clone.settle()
    assert machine.sync() == "STALE_INCARNATION"
    with pytest.raises(Rejected, match="acme/site/oslo/2 is well"):
        company.hub.reincarnate("oslo")
    machine.enrol(company.hub.reincarnate("oslo", "and now the one that stays", replace=True))
    machine.settle()
    assert str(machine.site.identity.origin) == "acme/site/oslo/3"
    assert machine.stock() == company.stock() == {"A-01": 73, "A-02": 13, "A-03": 20}
    for op_id in (*mine, *clones):
        assert machine.found(op_id) is not None
    assert clone.sync() == "STALE_INCARNATION"
    assert machine.claims() == {} and company.audit(tmp_path / "audit") == []
    machine.verify()
    clone.close()


def test_a_lost_disk_comes_back_from_the_hub(company: Company, machine: Machine, tmp_path: Path) -> None:
    delivered = machine.move(10)
    machine.settle()
    machine.receive(50)  # never delivered: gone with the disk
    machine.close()
    heir = Machine(company, tmp_path / "new", 6).init()
    heir.enrol(company.hub.reincarnate("oslo", "burnt", replace=True))
    heir.settle()
    assert heir.stock() == company.stock() == {"A-01": 90, "A-02": 10}
    assert heir.found(delivered) is not None
    assert heir.move(10, op_id=delivered) == delivered and heir.stock()["A-02"] == 10, "asked again, answered again"
    heir.move(5)
    heir.settle()
    heir.verify()
    assert company.kinds() == ["site rollback"] and company.audit(tmp_path / "audit") == []
    # The disk that was thought lost turns up: its act comes in by its own enrolment, once.
    assert machine.sync() == "STALE_INCARNATION"
    machine.enrol(company.hub.reincarnate("oslo", "found again", replace=True))
    machine.settle()
    assert machine.stock() == company.stock() == {"A-01": 135, "A-02": 15}
    machine.verify()
    heir.close()


DEATHS = (
    "hub.head_promised", "hub.enrolled", "recover.fetched", "found.genesis", "mark.before", "mark.taken",
    "found.signed", "recover.before_commit", "db.before_commit", "recover.committed",
)  # fmt: skip


@pytest.mark.parametrize("where", DEATHS)
def test_an_enrolment_cut_short_anywhere_is_repeated(company: Company, machine: Machine, where: str) -> None:
    _, ours = forked(machine)
    code = company.hub.reincarnate("oslo")
    seams.arm_failpoint(where, die)
    with pytest.raises(seams.Killed):
        machine.enrol(code)
    seams.disarm_failpoints()
    if where != "recover.committed":
        # Still the frozen node of the old chain, and it records on.
        ours.append(str(machine.receive(1)))
        assert str(machine.site.identity.origin) == FIRST and machine.site.stopped
        machine.enrol(code)
    else:
        with pytest.raises(Rejected, match="founded"):
            machine.enrol(code)
    machine.settle()
    assert all(machine.found(_op(name)) for name in ours) and machine.claims() == {}
    assert machine.stock() == company.stock()
    assert machine.stock()["A-02"] == 30
    machine.verify()


@pytest.mark.parametrize("where", ["record.before_commit", "db.before_commit", "record.after_commit", "seal.signed"])
def test_recording_again_cut_short_anywhere_goes_on(company: Company, machine: Machine, where: str) -> None:
    forked(machine)
    machine.enrol(company.hub.reincarnate("oslo"))
    for chosen in (1, 2, 4):
        count = 0

        def die_at(name: str, chosen: int = chosen) -> None:
            nonlocal count
            count += 1
            if count == chosen:
                raise seams.Killed(name)

        seams.arm_failpoint(where, die_at)
        try:
            record_missing(machine.site)
            machine.seal()
        except seams.Killed:
            pass
        seams.disarm_failpoints()
        machine.close()
    machine.settle()
    assert machine.stock() == company.stock() == {"A-01": 72, "A-02": 30, "A-03": 8}
    machine.verify()


def test_a_bad_link_costs_only_what_was_under_way(
    company: Company, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        machine.receive(1)
        machine.settle()
    machine.close()
    monkeypatch.setattr("sync.history.ANSWER_BYTES", 2_000)
    asked: list[str] = []
    dice = Seeded(4)
    real, company.transport.post = company.transport.post, None  # type: ignore[method-assign]

    def flaky(path: str, body: bytes, media_type: str):  # type: ignore[no-untyped-def]
        asked.append(path)
        if path.endswith("history") and dice.bytes(1)[0] % 3 == 0:
            raise Unavailable("the line is gone")
        return real(path, body, media_type)

    company.transport.post = flaky  # type: ignore[method-assign]
    heir = Machine(company, tmp_path / "new", 6).init()
    code = company.hub.reincarnate("oslo", replace=True)
    for attempt in range(30):
        try:
            heir.enrol(code)
            break
        except Unavailable:
            assert attempt < 29
    company.transport.post = real  # type: ignore[method-assign]
    heir.settle()
    assert heir.stock() == {"A-01": 112} and sum(path.endswith("history") for path in asked) < 40
    heir.verify()
    heir.close()


def test_a_disk_takes_only_a_code_of_its_own_site_and_a_later_chain(company: Company, machine: Machine) -> None:
    other = company.hub.enrol("bergen")
    with pytest.raises(Rejected, match="enrolled already, as acme/site/oslo/1: the code is for acme/site/bergen/1"):
        machine.enrol(other)
    assert str(machine.site.identity.origin) == FIRST
