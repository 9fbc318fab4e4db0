"""A hub whose database was put back from a backup: what it has signed since is made whole, or it stands still."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub import cli, jobs, logbook, shown, views
from hub.auditing import Auditor
from hub.heads import Heads
from hub.hub import Hub
from ledger import control, db, merkle, receipt, seams
from ledger.clock import ManualClock
from ledger.errors import Corrupt, Rejected
from ledger.ids import OpId
from tests.hub import sitekit
from tests.hub.sitekit import Site


@dataclass
class World:
    """A hub with sites, its folder, and a copy of its database from an earlier day."""

    folder: Path
    clock: ManualClock
    hub: Hub
    sites: dict[str, Site]
    starts: int = 0

    def digest(self) -> None:
        self.hub.verify()
        self.hub.settle()

    def back_up(self, *names: str) -> None:
        self.hub.close()
        for name in names:
            shutil.copy(self.folder / name, self.folder.parent / name)
        self.open()

    def put_back(self, *names: str) -> None:
        """The hub stops, and these files become what they were."""
        self.hub.close()
        for name in names:
            for suffix in ("-wal", "-shm"):
                (self.folder / (name + suffix)).unlink(missing_ok=True)
            shutil.copy(self.folder.parent / name, self.folder / name)

    def open(self) -> None:
        self.starts += 1
        self.hub = sitekit.open_hub(self.folder, self.clock, seed=100 + self.starts)
        for site in self.sites.values():
            site.hub = self.hub

    def add(self, name: str) -> Site:
        site = self.sites[name] = Site(self.hub, name, self.clock, 7 + len(self.sites))
        site.furnish()
        site.receive(100)
        site.deliver()
        self.digest()
        return site

    def log(self) -> list[tuple[str, int]]:
        with self.hub.store.read() as session:
            return [(row["origin"], row["size"]) for row in session.all("SELECT * FROM log ORDER BY position")]

    def count(self, sql: str, **values: Any) -> int:
        with self.hub.store.read() as session:
            return int(session.value(sql, **values) or 0)

    def audit(self) -> list[str]:
        folder = self.folder.parent / "audit"
        folder.mkdir()
        keys = self.hub.keys
        auditor = Auditor(
            self.hub.store, self.hub.config, keys.control.address, keys.log.verify_key, self.hub.heads.get
        )
        found = auditor.run(folder, 1).complaints
        shutil.rmtree(folder)
        return found


@pytest.fixture
def world(tmp_path: Path) -> Any:
    clock, folder = ManualClock(sitekit.START_MS), tmp_path / "hub"
    sitekit.found_hub(folder)
    made = World(folder, clock, sitekit.open_hub(folder, clock), {})
    made.hub.import_items(sitekit.ITEMS)
    for name in ("oslo", "bergen"):
        made.add(name)
    made.hub.anchor_now()
    yield made
    seams.disarm_failpoints()
    made.hub.close()


def _work(world: World) -> OpId:
    """A day that no backup knows of: goods move, rights change, a site comes, and roots are anchored."""
    oslo, bergen = world.sites["oslo"], world.sites["bergen"]
    transfer = oslo.dispatch("bergen", ("BOLT", 40))
    oslo.deliver()
    world.digest()
    bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
    bergen.deliver()
    world.digest()
    world.hub.anchor_now()
    world.hub.revoke_person("oslo", "bob.oslo")
    world.hub.settle()
    oslo.sync()
    oslo.deliver()
    world.hub.add_person("oslo", "eva", "Eva", ["COUNT"])
    world.add("turku")
    world.hub.anchor_now()
    bergen.receive(1)
    bergen.deliver()
    world.digest()
    return transfer


def test_the_log_is_made_whole_and_everything_goes_on(world: World) -> None:
    world.back_up("hub.db")
    had = len(world.log())
    transfer = _work(world)
    log, signed, old = world.log(), world.hub.heads.get("acme/hub"), world.hub.receipt(transfer)
    settled = world.count("SELECT count(*) FROM controls WHERE kind = :kind", kind=control.SETTLE)
    assert signed is not None and signed.size == len(log) > had and settled == 1
    for site in world.sites.values():
        site.node.sync(sitekit.Direct(world.hub))  # type: ignore[arg-type]
    receipts = {name: dict(site.node.tables["receipts"]) for name, site in world.sites.items()}
    world.clock.advance(60_001)
    world.put_back("hub.db")
    world.open()
    assert world.log() == log and world.hub.heads.get("acme/hub") == signed
    (found,) = world.hub.discrepancies()
    assert found.kind == "hub restored" and "enter again" in found.summary
    evidence = world.hub.discrepancy(found.id).entries[0].evidence
    assert (evidence["log_had"], evidence["log_signed"]) == (had, signed.size)
    assert evidence["enrolled"] == ["acme/site/turku/1"]
    assert {each["origin"]: each["acknowledged"] for each in evidence["chains"]} == {
        site.origin: site.chain.size for site in world.sites.values()
    }
    assert [each["kind"] for each in evidence["records"] if each["origin"] == "acme/site/oslo/1"] == [
        "a transfer's outcome", "a person", "a person",
    ]  # fmt: skip
    jobs.run_all(world.hub)
    assert world.hub.troubles == {} and world.count("SELECT count(*) FROM origins") == 3
    # The sites bring their blocks again, and nothing that was signed happens twice.
    for _ in range(2):
        for site in world.sites.values():
            site.sync()
            if site.chain.waiting:
                site.deliver()
        world.digest()
    assert {view.site: (view.state, view.verified, view.logged) for view in world.hub.sites()} == {
        name: ("well", site.chain.size, site.chain.size) for name, site in world.sites.items()
    }
    # Every site is told that all of it is held and acknowledged: none calls again and again.
    for site in world.sites.values():
        site.sync()
        assert site.node.codes[-1] == "OK" and site.node.hub_cosigned == site.chain.size
    assert world.count("SELECT count(*) FROM controls WHERE kind = :kind", kind=control.SETTLE) == settled
    assert world.hub.transfers()[0].state == "short" and world.log()[: len(log)] == log
    for name, site in world.sites.items():
        assert receipts[name].keys() <= site.node.tables["receipts"].keys()
    # Whom the hub does not know any more has no rights; who had lost his stays without.
    with world.hub.store.read() as session:
        assert session.value("SELECT g.revoked FROM grants g JOIN people p ON p.actor = g.actor"
                             " WHERE p.login = 'bob.oslo'") == 1  # fmt: skip
        assert session.value("SELECT count(*) FROM grants g LEFT JOIN people p ON p.actor = g.actor"
                             " WHERE p.actor IS NULL AND g.revoked = 0") == 0  # fmt: skip
    # What was proven stays proven, by the log as it is now.
    proof = receipt.Receipt.parse(old).hub
    assert proof is not None and receipt.verify(old, [], [world.hub.keys.log.verify_key.raw]).hub_known
    with world.hub.store.read() as session:
        stated = logbook.head_at(session, signed.size)
        assert stated is not None and stated.root == signed.root
        root = merkle.tree_root(proof.size, logbook.reader(session))
    path = merkle.verify_inclusion  # the old path leads to the root of the new log at that size
    path(merkle.leaf_hash(receipt.Receipt.parse(old).site.checkpoint), proof.index, proof.size, proof.path, root)
    world.sites["oslo"].receive(5)
    world.sites["oslo"].deliver()
    world.digest()
    assert world.hub.anchor_now()["size"] == len(world.log()) > len(log)
    assert world.audit() == []


def test_a_death_while_the_log_is_made_whole_changes_nothing(world: World) -> None:
    world.back_up("hub.db")
    _work(world)
    log = world.log()
    for passing in range(1, 6):
        world.put_back("hub.db")
        left = [passing]

        def die(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise seams.Killed(name)

        seams.arm_failpoint("hub.before_commit", die)
        try:
            world.open()
        except seams.Killed:
            seams.disarm_failpoints()
            world.open()
        seams.disarm_failpoints()
        assert world.log() == log and [each.kind for each in world.hub.discrepancies()] == ["hub restored"]
    world.hub.settle()


def test_records_of_a_backup_that_caught_them_unsigned_are_signed_once(world: World) -> None:
    for login in ("eva", "max"):
        world.hub.add_person("oslo", login, login.title(), ["COUNT"])

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint("hub.head_promised", die)
    with pytest.raises(seams.Killed):
        world.hub.settle()
    seams.disarm_failpoints()
    world.back_up("hub.db")
    assert world.hub.discrepancies() == [], "a death is no restore"
    world.hub.settle()
    table = dict(world.sites["oslo"].node.tables["control"])
    world.sites["oslo"].sync()
    signed = dict(world.sites["oslo"].node.tables["control"])
    assert len(signed) == len(table) + 2
    world.clock.advance(1)
    world.put_back("hub.db")
    world.open()
    world.hub.settle()
    assert world.count("SELECT count(*) FROM controls WHERE state = 'cut'") == 0
    world.sites["oslo"].sync()
    assert {key: world.sites["oslo"].node.tables["control"][key] for key in signed} == signed


def _forget(world: World) -> None:
    """The file of signed heads as it was before it kept what they consist of."""
    connection = db.open_writer(world.folder / "heads.db")
    with db.transaction(connection):
        connection.execute("DELETE FROM kept")
    connection.close()


def test_what_cannot_be_made_whole_stands_still_and_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.back_up("hub.db")
    had = len(world.log())
    _work(world)
    signed = world.hub.heads.get("acme/hub")
    assert signed is not None
    told = world.hub.heads.get("acme/site/oslo/1#control")
    assert told is not None
    world.back_up("heads.db")
    world.put_back("hub.db")
    _forget(world)
    assert cli.main(["status", "--dir", str(world.folder)]) == 0
    assert f"older than what this hub has signed (log {had} of {signed.size})" in capsys.readouterr().out
    world.open()
    with pytest.raises(Corrupt, match="older than its signatures"):
        world.hub.settle()
    # Another record for the place in the sequence that another one has had.
    world.hub.add_person("oslo", "max", "Max", ["COUNT"])
    with pytest.raises(Corrupt):
        world.hub.settle()
    assert world.hub.heads.get("acme/site/oslo/1#control") == told
    assert world.count("SELECT count(*) FROM controls WHERE state = 'cut' AND origin = 'acme/site/oslo/1'") == 1
    assert len(world.log()) == had and world.hub.heads.get("acme/hub") == signed
    (found,) = world.hub.discrepancies()
    assert found.kind == "hub restored" and "put back" in found.summary
    with world.hub.reading() as session:
        status = views.status(session, world.hub.config, world.clock.now_ms())
    assert status["attention"] == [found.summary]
    text = shown.status({"running": False, "troubles": {}, **status})
    assert found.summary in text
    world.hub.close()
    world.open()
    assert len(world.hub.discrepancy(found.id).entries) == 1, "once more is nothing new"
    # Blocks are taken all the same, and the newest heads file ends it: what waited takes a later place.
    oslo = world.sites["oslo"]
    oslo.node.sync(sitekit.Direct(world.hub))  # type: ignore[arg-type]
    world.hub.verify()
    assert next(view for view in world.hub.sites() if view.site == "oslo").verified == oslo.chain.size
    world.put_back("heads.db")
    world.open()
    world.digest()
    assert len(world.log()) >= signed.size and world.hub.troubles == {}
    with world.hub.store.read() as session:
        rows = session.all(
            "SELECT subject, state FROM controls WHERE origin = :oslo ORDER BY sequence", oslo=oslo.origin
        )
        max_ = session.value("SELECT actor FROM people WHERE login = 'max'")
    assert max_ in {row["subject"] for row in rows[told.size :]} and all(row["state"] != "cut" for row in rows)


def test_the_main_chain_remembers_what_both_files_have_forgotten(world: World) -> None:
    world.back_up("hub.db", "heads.db")
    had = len(world.log())
    oslo = world.sites["oslo"]
    oslo.receive(5)
    oslo.deliver()
    world.digest()
    world.hub.anchor_now()
    anchored = len(world.log())
    world.put_back("hub.db", "heads.db")
    world.open()
    assert world.hub.discrepancies() == []
    oslo.receive(7)
    oslo.chain.seal()
    world.hub.guarded("anchor", lambda: world.hub.anchor(now=True))
    assert "older than its anchors" in world.hub.troubles["anchor"]
    (found,) = world.hub.discrepancies()
    assert (
        found.kind == "hub restored" and world.hub.discrepancy(found.id).entries[0].evidence["log_signed"] == anchored
    )
    # From here on the log does not grow into a second history.
    oslo.sync()
    world.hub.verify()
    with pytest.raises(Corrupt, match="older than its signatures"):
        world.hub.settle()
    assert len(world.log()) == had
    world.hub.close()
    world.open()
    world.hub.guarded("anchor", lambda: world.hub.anchor(now=True))
    assert len(world.hub.discrepancy(found.id).entries) == 1


def test_the_file_of_heads_keeps_what_was_signed_once(tmp_path: Path) -> None:
    heads = Heads.create(tmp_path / "heads.db")
    heads.advance("log", 2, b"\1" * 32, [b"a", b"b"])
    heads.advance("log", 2, b"\1" * 32, [b"a", b"b"])
    heads.advance("log", 3, b"\2" * 32, [b"c"])
    heads.advance("log", 5, b"\3" * 32)
    heads.advance("log", 6, b"\4" * 32, [b"f"])
    assert heads.kept("log", 0, 3) == [b"a", b"b", b"c"] and heads.kept("log", 2, 3) == [b"c"]
    assert heads.kept("log", 3, 6) is None and heads.kept("log", 5, 6) == [b"f"]
    assert heads.names() == ["log"]
    heads.close()


def test_a_site_that_went_on_as_its_next_incarnation_since_still_does(world: World) -> None:
    """The backup has the old chain whole, and knows neither that it ended nor what goes on from it."""
    oslo = world.sites["oslo"]
    world.back_up("hub.db")
    code = world.hub.reincarnate("oslo", "burnt", replace=True)
    heir = world.sites["oslo"] = Site.of(world.hub, code, oslo, world.clock)
    heir.move(30, "A-01", "A-02")
    heir.deliver()
    world.digest()
    world.put_back("hub.db")
    world.open()
    jobs.run_all(world.hub)
    assert {view.origin: view.state for view in world.hub.sites()}[oslo.origin] == "stopped"
    with pytest.raises(Rejected, match="acme/site/oslo/2 is well"):
        world.hub.reincarnate("oslo")
    for _ in range(3):
        heir.sync()
        world.digest()
    with world.hub.store.read() as session:
        stock = {row["location"]: row["quantity"] for row in views.stock(session, site="oslo")}
    assert stock == {"A-01": 70, "A-02": 30} and world.audit() == []
