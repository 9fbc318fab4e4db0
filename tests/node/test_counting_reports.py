"""Reports and certificates about counts on a real site: what they say, and that they cannot be made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import certificates, control
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from node import audit, cli, counting_certificates, counting_csv, counting_reports
from tests.node.floor_kit import PIN, Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    area = control.Location(location="ZONE", kind=control.AREA)
    bins = [control.Location(location=f"Z-{n}", kind=control.BIN, parent="ZONE") for n in (1, 2, 3)]
    assert stage.world.send(stage.site, control.LocationsPayload(locations=(area, *bins))) == 1
    seal(stage)
    return stage


def seal(stage: Stage) -> None:
    stage.world.clock.advance(2_000)
    stage.site.seal()


def session(stage: Stage, *bins: Any) -> OpId:
    op = stage.op()
    body = {"name": "Zone", "bins": list(bins), "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(op, stage.as_("sven"), body)
    return op


def count(stage: Stage, number: OpId, bin_: str, *lines: dict[str, Any], post: bool = True, **body: Any) -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": bin_})
    for line in lines:
        stage.floor.counting.enter(stage.op(), stage.as_("cora"), line)
    if not lines:
        stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": bin_, "confirm": True})
    if post:
        wish = {"session": str(number), "bin": bin_, **({"reason": "miscounted-before"} | body)}
        stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), wish, PIN)


def put(stage: Stage, bin_: str, item: str, quantity: int, **more: Any) -> None:
    line = {"item": item, "quantity": quantity, "target": bin_, **more}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})


# ---------------------------------------------------------------- variance and programme


def test_the_variance_report_says_everything_about_a_line_and_goes_into_a_spreadsheet(stage: Stage) -> None:
    put(stage, "Z-1", "BOLT", 20)
    put(stage, "Z-1", "PAINT", 4, lot="L1")
    number = session(stage, "Z-1", "Z-2", "Z-3")
    lines = ({"item": "BOLT", "quantity": 13}, {"item": "PAINT", "lot": "L1", "quantity": 4})
    count(stage, number, "Z-1", *lines, reasons={"0": [["lost", 3], ["damaged", 4]]})
    count(stage, number, "Z-2", {"item": "DRILL", "serial": "S9", "quantity": 1}, post=False)
    report = stage.floor.counting.reports.variance(stage.as_("sven"), number)
    assert report["open"] == ["Z-3"]
    bolt, paint, drill = report["lines"]
    assert (bolt["difference"], bolt["value_minor"], bolt["reasons"]) == (-7, -1750, "lost:3 damaged:4")
    assert (bolt["counter"], bolt["approver"], bolt["stable"], bolt["blind"]) == ("Cora", "Sven", True, True)
    assert (paint["difference"], paint["value_minor"], paint["reasons"]) == (0, 0, "")
    assert (drill["bin"], drill["state"], drill["posted"]) == ("Z-2", "review", "")
    assert report["totals"] == {
        "bins": 2, "lines": 3, "lines_right": 1, "lines_without_cost": 0,
        "plus_value": 250, "minus_value": 1750, "net_value": -1500,
    }  # fmt: skip
    seal(stage)
    assert stage.floor.counting.reports.variance(stage.as_("sven"), number)["lines"][0] == bolt
    text = counting_csv.write(report["lines"], counting_reports.LINE_COLUMNS)
    assert text.splitlines()[1].startswith(
        "Z-1,posted,BOLT,Bolt 8,,,free,pc,0,13,20,-7,-1750,lost:3 damaged:4,1,True"
    )
    assert counting_csv.write([{"a": "=1+1", "b": -5, "c": "@x"}], "abc").splitlines()[1] == "'=1+1,-5,'@x"


def test_whoever_may_count_and_reads_the_report_counts_no_bin_in_review(stage: Stage) -> None:
    number = session(stage, "Z-1", "Z-2")
    count(stage, number, "Z-1", {"item": "BOLT", "quantity": 1}, post=False)
    with pytest.raises(Rejected, match="APPROVE"):
        stage.floor.counting.reports.variance(stage.as_("cora"), number)
    stage.floor.counting.reports.variance(stage.as_("tess"), number)
    body = {"session": str(number), "bin": "Z-1", "reason": "doubtful"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), body)
    # While it is counted again, nobody is told any more.
    assert stage.floor.counting.reports.variance(stage.as_("sven"), number)["lines"] == []
    with pytest.raises(Rejected, match="knows nothing of what the books have"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "Z-1"})
    stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "Z-2"})


def test_the_programme_report_counts_coverage_and_accuracy_by_month(stage: Stage) -> None:
    put(stage, "Z-1", "BOLT", 10)
    number = session(stage, "Z-1", "Z-2")
    count(stage, number, "Z-1", {"item": "BOLT", "quantity": 9})
    count(stage, number, "Z-2")
    seal(stage)
    stage.world.clock.advance(31 * 86_400_000)
    for login in ("cora", "sven"):
        stage.tokens[login] = stage.floor.people.log_in(login, PIN, "tablet-1")["token"]
    count(stage, session(stage, "Z-1"), "Z-1", {"item": "BOLT", "quantity": 9})
    found = stage.floor.counting.reports.programme(stage.as_("sven"))
    first, second = found["months"]
    assert (first["month"], first["bins_counted"], first["bins"], first["rounds"], first["bins_right"]) == (
        "2023-11", 2, 6, 2, 1,
    )  # fmt: skip
    assert (first["lines"], first["lines_right"], first["expected_value"], first["gross_value"]) == (1, 0, 2500, 250)
    assert (second["month"], second["bins_counted"], second["lines_right"], second["gross_value"]) == (
        "2023-12",
        1,
        1,
        0,
    )
    assert (found["all"]["bins_counted"], found["all"]["rounds"]) == (2, 3)
    assert found["never"] == ["A-01", "A-02", "DOCK", "Z-3"]
    since = stage.world.clock.now_ms() - 86_400_000
    assert [each["month"] for each in stage.floor.counting.reports.programme(stage.as_("sven"), since)["months"]] == [
        "2023-12"
    ]


def shown_before(stage: Stage, number: OpId, bin_: str) -> None:
    """A sheet with the quantities of a bin that waits to be counted goes out, and its bin is counted on a tablet."""
    wish = {"session": str(number), "bins": [bin_], "blind": False}
    sheet = stage.floor.counting.sheets.issue(stage.op(), stage.as_("sven"), wish)["sheet"]
    void = {"sheet": sheet, "state": "void", "reason": "counted-on-tablet"}
    stage.floor.counting.sheets.settle(stage.op(), stage.as_("sven"), void)


def test_counts_that_were_not_blind_are_said_to_be_so_in_the_programme(stage: Stage) -> None:
    put(stage, "Z-1", "BOLT", 10)
    number = session(stage, "Z-1", "Z-2")
    shown_before(stage, number, "Z-1")
    count(stage, number, "Z-1", {"item": "BOLT", "quantity": 10})
    count(stage, number, "Z-2")
    found = stage.floor.counting.reports.programme(stage.as_("sven"))
    assert (found["all"]["rounds"], found["all"]["rounds_not_blind"]) == (2, 1)
    file = counting_csv.write(found["months"], counting_reports.MONTH_COLUMNS).splitlines()
    assert ",rounds,rounds_not_blind," in file[0] and ",2,1," in file[1]


# ---------------------------------------------------------------- certificates


def certify(stage: Stage, **body: Any) -> dict[str, Any]:
    return stage.floor.counting.certificates.issue(stage.op(), stage.as_("sven"), {"zone": "ZONE", **body})[
        "certificate"
    ]


def check(stage: Stage, value: Any) -> dict[str, Any]:
    with stage.site.reading() as connection:
        return stage.floor.counting.certificates.check(connection, value)


def test_a_zone_is_certified_when_every_bin_has_a_posted_whole_count(stage: Stage) -> None:
    put(stage, "Z-1", "BOLT", 3)
    put(stage, "Z-2", "BOLT", 1)
    put(stage, "Z-2", "PAINT", 1, lot="L1")
    number = session(stage, "Z-1", {"bin": "Z-2", "items": ["BOLT"]}, "Z-3")
    count(stage, number, "Z-1", {"item": "BOLT", "quantity": 3})
    count(stage, number, "Z-2", {"item": "BOLT", "quantity": 1})
    count(stage, number, "Z-3", post=False)
    made = certify(stage)
    # One bin was counted for an item only, one is not posted: both are named as missing.
    assert (made["complete"], [row["bin"] for row in made["bins"]], made["missing"]) == (
        False,
        ["Z-1"],
        ["Z-2", "Z-3"],
    )
    body = {"session": str(number), "bin": "Z-3"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), body, PIN)
    seal(stage)
    again = session(stage, "Z-2")
    count(stage, again, "Z-2", {"item": "BOLT", "quantity": 1}, {"item": "PAINT", "lot": "L1", "quantity": 1})
    stage.world.clock.advance(2_000)
    made = certify(stage)
    assert made["complete"] and made["missing"] == [] and len(made["bins"]) == 3
    assert made["bins"][2]["bin"] == "Z-3" and len(made["bins"][2]["counts"]) == len(made["bins"][2]["posts"]) == 1
    seal(stage)
    found = check(stage, json.loads(certificates.encode(made)))
    assert found["true"] and found["complete"] and found["faults"] == []
    with stage.site.reading() as connection:
        assert connection.execute(
            "SELECT kind FROM notes WHERE op_id = ?", (bytes.fromhex(found["noted"]),)
        ).fetchone() == (counting_certificates.NOTE_KIND,)
    # Counts of before the period do not cover.
    later = made["bins"][1]["recorded"] - 1
    assert [row["bin"] for row in certify(stage, since=later)["bins"]] == ["Z-2"]
    with pytest.raises(Rejected, match="APPROVE"):
        stage.floor.counting.certificates.issue(stage.op(), stage.as_("cora"), {"zone": "ZONE"})
    with pytest.raises(Rejected, match="no area or bin"):
        certify(stage, zone="NOWHERE")


def test_a_certificate_says_which_bins_were_not_counted_blind(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = session(stage, "Z-1", "Z-2", "Z-3")
    shown_before(stage, number, "Z-2")
    for bin_ in ("Z-1", "Z-2", "Z-3"):
        count(stage, number, bin_)
    made = certify(stage)
    seal(stage)
    assert made["complete"] and [row["blind"] for row in made["bins"]] == [True, False, True]
    assert check(stage, made)["true"] and check(stage, made)["not_blind"] == ["Z-2"]
    polished = {**made, "bins": [{**row, "blind": True} for row in made["bins"]]}
    assert check(stage, polished)["faults"] == ["Z-2: another count covers it"]
    file = tmp_path / "zone.json"
    file.write_bytes(certificates.encode(made))
    folder = str(stage.world.folder)
    assert cli.main(["certificate", "--check", str(file), "--dir", folder]) == 0
    assert "true and complete\nnot counted blind: Z-2" in capsys.readouterr().out
    assert cli.main(["certificate", "ZONE", "--dir", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith(", not blind") for line in lines] == [False, False, True, False]


def test_a_certificate_that_was_looked_at_is_what_the_blocks_of_now_give(stage: Stage) -> None:
    shown: dict[int, str] = {}

    def look(height: int | None = None) -> dict[str, Any]:
        with stage.site.reading() as connection:
            found = stage.floor.counting.certificates.show(connection, stage.as_("sven"), "ZONE", 0, height)
            made = found["certificate"]
            origin = str(stage.site.head.origin)
            assert made == counting_certificates.derive(connection, origin, "ZONE", 0, made["height"])
        assert found["digest"] == certificates.digest(made).hex()
        assert shown.setdefault(made["height"], found["digest"]) == found["digest"]
        return found

    for bin_ in ("Z-1", "Z-2", "Z-3"):
        before = look()
        assert bin_ in before["certificate"]["missing"]
        count(stage, session(stage, bin_), bin_)
        seal(stage)
        assert bin_ in [row["bin"] for row in look()["certificate"]["bins"]]
        look(before["certificate"]["height"])
    noted = certify(stage)
    assert look(noted["height"])["noted"]
    assert len(shown) >= 4


def test_a_certificate_that_says_anything_else_is_found_out(stage: Stage) -> None:
    number = session(stage, "Z-1", "Z-2", "Z-3")
    count(stage, number, "Z-1")
    count(stage, number, "Z-2")
    stage.world.clock.advance(2_000)
    made = certify(stage)
    seal(stage)
    assert check(stage, made)["true"]

    def changed(**more: Any) -> dict[str, Any]:
        return {**json.loads(json.dumps(made)), **more}

    rows = made["bins"]
    fakes = {
        "blocks give": changed(complete=True),
        "is left out": changed(bins=rows[:1], missing=["Z-3"]),
        "Z-3 is not covered": changed(bins=[*rows, {**rows[0], "bin": "Z-3"}], missing=[]),
        "another count covers": changed(bins=[{**rows[0], "counts": rows[1]["counts"]}, rows[1]]),
        "origin": changed(origin="acme/site/bergen/1"),
        "block: it says": changed(block="00" * 32),
        "says more": changed(note="and all is well"),
    }
    for why, fake in fakes.items():
        found = check(stage, fake)
        assert not found["true"] and not found["complete"] and any(why in fault for fault in found["faults"]), (
            why,
            found,
        )
        assert found["noted"] == ""
    for value in (None, [], {}, {"format": "x"}, changed(height="5"), changed(bins=None), changed(since=-1)):
        with pytest.raises(Invalid):
            check(stage, value)
    with pytest.raises(Rejected, match="no block"):
        check(stage, changed(height=made["height"] + 50))


def test_a_certificate_stays_true_when_the_zone_changes_and_the_tables_are_made_again(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = session(stage, "Z-1", "Z-2", "Z-3")
    for bin_ in ("Z-1", "Z-2", "Z-3"):
        count(stage, number, bin_)
    stage.world.clock.advance(2_000)
    made = certify(stage)
    assert made["complete"]
    more = control.Location(location="Z-4", kind=control.BIN, parent="ZONE")
    assert stage.world.send(stage.site, control.LocationsPayload(locations=(more,))) == 1
    seal(stage)
    with stage.site.writing() as connection:
        audit.rebuild(connection, stage.site.identity)
    assert check(stage, made)["complete"]
    assert certify(stage)["missing"] == ["Z-4"]
    seal(stage)
    # The same with the command, by somebody who has the node's folder.
    file = tmp_path / "zone.json"
    file.write_bytes(certificates.encode(made))
    folder = str(stage.world.folder)
    assert cli.main(["certificate", "--check", str(file), "--dir", folder]) == 0
    assert "true and complete" in capsys.readouterr().out
    file.write_bytes(certificates.encode({**made, "missing": ["Z-1"]}))
    assert cli.main(["certificate", "--check", str(file), "--dir", folder, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["true"] is False
    assert cli.main(["certificate", "ZONE", "--dir", folder, "--height", str(made["height"]), "--json"]) == 0
    assert certificates.encode(json.loads(capsys.readouterr().out)) == certificates.encode(made)
    assert cli.main(["certificate", "--dir", folder]) == 2
