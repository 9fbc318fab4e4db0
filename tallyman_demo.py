"""The main job from scan to anchored receipt, on real processes: `tallyman demo`.

Hub and two sites run as they would on their own machines; scans leave a simulated scanner as bytes on a
pseudo-terminal; everything else goes through the nodes' API as a tablet does it. `--headless` plays the story alone,
checks every step and writes its figures; without it the stage is set and left to whoever opens the pages.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from devices.decoders.presentation import TOGETHER_MS, together
from devices.decoders.scan import Scan, decode
from devices.simulated import SimulatedScanner, scan_bytes
from hub.catalogue_file import Item, read_items
from ledger import commands, db
from ledger.clock import SystemClock
from ledger.commands import contents
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX
from ledger.policy import QUANTITY_ASKED
from ledger.wording import counted
from node import proofs
from node.presenting import is_companion
from tallyman_stage import Api, Link, Process, command, extend_settings, free_port, stopping, wait_for

PIN = "270481"
SCANS_PER_BIN = 100
SCAN_EVERY_S, LOOK_EVERY_S = 4.0, 0.5
LINES_MAX = 200
SYNC_MS = 1_000
ANCHORS_MAX = 4
ITEMS_PER_S_MIN = 250

PORTS, HUB_PORT = {"oslo": 8471, "bergen": 8472}, 8480
OWN_CODES = 6
OWN_ITEMS = """sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals
DEMO-MARKER,Marker blue,9521234500018,EA,none,1,250,EUR,0
DEMO-MARKER,Marker blue,9521234500025,EA,none,12,250,EUR,0
DEMO-TAPE,Packing tape 50 m,9521234500032,EA,none,1,180,EUR,0
DEMO-YOGHURT,Yoghurt plain 500 g,9521234500049,EA,lot,1,120,EUR,0
DEMO-DRILL,Cordless drill,9521234500056,EA,serial,1,8900,EUR,0
DEMO-GLOVES,Work gloves size 10,9521234500063,PR,none,1,640,EUR,0
"""

PEOPLE = {
    "oslo": (
        ("ana", "Ana Berg", "COUNT"),
        ("ben", "Ben Dahl", "COUNT"),
        ("rita", "Rita Lund", "RECEIVE,MOVE,ADJUST"),
        ("kim", "Kim Holt", "APPROVE"),
        ("tor", "Tor Vik", "TRANSFER"),
    ),
    "bergen": (("bo", "Bo Nes", "TRANSFER,RECEIVE,COUNT"), ("eli", "Eli Moe", "APPROVE")),
}
BINS = {"oslo": ("DOCK-1", "A-01", "A-02", "A-03", "A-04", "A-05"), "bergen": ("DOCK-1", "B-01")}

Thing = tuple[str, str, str]  # item, lot, serial


def main(argv: list[str]) -> int:
    """`tallyman demo`; exit code 0 done, 1 a step went wrong, 2 usage, 3 something was not there in time."""
    parser = argparse.ArgumentParser(
        prog="tallyman demo",
        description="A hub, two sites and a simulated scanner on this machine.",
        epilog="exit codes: 0 every step was checked, 1 a step went wrong, 2 usage, 3 try later",
    )
    parser.add_argument("--headless", action="store_true", help="play the whole story without a person and end")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where everything is kept (default: a new folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures of a headless run are written")
    parser.add_argument(
        "--items", type=Path, metavar="CSV", help="a catalogue to work with, beside our own six items"
    )
    parser.add_argument("--scans", type=Path, metavar="FILE", help="scanner lines to count with; {GS} is byte 29")
    wish = parser.parse_args(argv)
    if wish.json is not None and not wish.json.absolute().parent.is_dir():
        parser.error(f"--json {wish.json}: there is no folder {wish.json.absolute().parent}")

    def act() -> int:
        items, scans = (None if each is None else contents(each) for each in (wish.items, wish.scans))
        if not wish.headless:
            for port in (HUB_PORT, *PORTS.values()):
                _refuse_taken(port)
        # Whoever ends the demonstration ends its servers too, at any moment.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        play = Play(_folder(wish.dir, wish.headless), items, scans)
        with stopping(play.processes):
            result = play.headless() if wish.headless else play.open_house()
        if wish.json is not None:
            wish.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return commands.DONE

    how = {commands.NO: "wrong", commands.LATER: "not finished"}
    return commands.run(act, lambda said, code: print(f"{how.get(code, 'tallyman demo')}: {said}", file=sys.stderr))


class Mismatch(Corrupt):
    """A step of the story did not give what it must."""


def expect(holds: object, what: str) -> None:
    """Check one thing of the story."""
    if not holds:
        raise Mismatch(what)


@dataclass(slots=True)
class Place:
    """One site on stage: its node's process, its line to the hub, its people's log-ins."""

    name: str
    folder: Path
    port: int
    link: Link
    codes: dict[str, str] = field(default_factory=dict)
    people: dict[str, Api] = field(default_factory=dict)

    def status(self) -> dict[str, Any]:
        return Api(self.port).get("status")


@dataclass(slots=True)
class Bin:
    """What a person scans in one bin, and what must come of it."""

    code: str
    scans: list[bytes]
    expected: Counter[Thing]
    expiries: dict[Thing, str]
    parked: int


class Play:
    """The story. Each step prints a line and raises when something is not as it must be."""

    def __init__(self, folder: Path, items: bytes | None, scans: bytes | None) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self.seconds: dict[str, float] = {}
        self.hub_port = 0
        self.hub_key = ""
        self.password = ""
        self.sites: dict[str, Place] = {}
        self.session = ""
        self.transfer = ""
        self._operations: dict[str, str] = {}
        given = set() if items is None else {code for item in read_items(items)[0] for code in item.gtins}
        self._moved = _moved(given)
        own = self._own(OWN_ITEMS.encode())
        self._catalogues = [own] if items is None else [items, own]
        known = [item for raw in self._catalogues for item in read_items(raw)[0]]
        self.catalogue = {code: (item, pack) for item in known for code, pack in item.gtins.items()}
        self.skus = {item.sku: item for item in known}
        # Both sites book every item and the hub executes it again, before anything of the story can follow.
        self.patience_s = 90 + len(self.skus) / ITEMS_PER_S_MIN
        self.bins = list(self._bins([] if scans is None else scan_lines(scans)))

    def _own(self, raw: bytes) -> bytes:
        """A text of the story, with its barcodes as they are in this run."""
        for old, new in self._moved.items():
            raw = raw.replace(old, new)
        return raw

    # ------------------------------------------------------------ the two plays

    def headless(self) -> dict[str, Any]:
        """Everything, checked; answers the figures."""
        started = time.monotonic()
        with self._scanner() as scanner:
            self.set_up({"oslo": free_port(), "bergen": free_port()}, free_port())
            self._step("log in", self.log_in)
            self._step("receive", self.receive)
            self._step("open count", self.open_count)
            self._step("cut the link", self.cut)
            self._step("count offline", lambda: self.count(scanner))
            self._step("recount", self.recount)
            self._step("approve", self.approve)
            self._step("restore the link", self.restore)
        self._step("transfer", self.send_short)
        self._step("anchor", self.anchor)
        receipts = self._step("receipts", self.receipts)
        found = command("hub", "discrepancies", "--dir", str(self.folder / "hub"))["discrepancies"]
        kinds = {each["kind"] for each in found}
        expect({"transfer short", "count variance over limit"} <= kinds, f"the hub found only {sorted(kinds)}")
        self._step("verify", self.verify)
        self.seconds["total"] = round(time.monotonic() - started, 2)
        states = self._states()
        done = f"{states['anchored']} of {counted(states['recorded'], 'operation')} anchored"
        print(f"✓ done in {self.seconds['total']} s: {done}")
        return {**states, "receipts": receipts, "discrepancies": found, "seconds": self.seconds}

    def open_house(self) -> dict[str, Any]:
        """Set the stage, print where to go, and keep running until interrupted."""
        with self._scanner() as scanner:
            self.set_up(PORTS, HUB_PORT)
            self._step("log in", self.log_in)
            self._step("receive", self.receive)
            self._step("open count", self.open_count)
            self.sites["oslo"].people["ana"].post("devices/bind", device="scanner")
            print(
                f"\nHub console   http://127.0.0.1:{self.hub_port}/   login admin, password {self.password}\n"
                + "".join(
                    f"{place.name:13} http://127.0.0.1:{place.port}/   "
                    + ", ".join(f"{login} ({roles})" for login, _, roles in PEOPLE[place.name])
                    + "\n"
                    for place in self.sites.values()
                )
                + f"PIN of everyone: {PIN}\n"
                "Log in at oslo as ana and count bin A-01: a simulated scanner scans for her every few seconds.\n"
                "What is killed (" + ", ".join(f"{each.name}: kill -9 {each.pid}" for each in self.processes) + ") "
                "starts again.\nCtrl-C ends everything.",
                flush=True,
            )
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            story = self.bins[0].scans
            turn = 0
            away: set[str] = set()
            next_s = time.monotonic() + SCAN_EVERY_S
            while not stop.wait(LOOK_EVERY_S):
                self._look_after(away)
                if time.monotonic() < next_s:
                    continue
                next_s = time.monotonic() + SCAN_EVERY_S
                with suppress(Unavailable):  # nobody scans at a node that is away
                    if self.sites["oslo"].people["ana"].get("counts/mine")["screen"]:
                        scanner.scan(story[turn % len(story)])
                        turn += 1
        return {}

    def _look_after(self, away: set[str]) -> None:
        """Start what died again, as a service manager would, and say so: somebody may try it with kill -9."""
        ports = {"hub": self.hub_port, **{place.name: place.port for place in self.sites.values()}}
        for process in self.processes:
            if said := process.revive(time.monotonic()):
                print(said, flush=True)
                away.add(process.name)
            elif process.name in away:
                with suppress(OSError):
                    _listening(ports[process.name])
                    print(f"{process.name} is back, with everything it had acknowledged", flush=True)
                    away.discard(process.name)

    # ------------------------------------------------------------ stage

    def set_up(self, ports: dict[str, int], hub_port: int) -> None:
        """Found hub and sites, enter items, places and people, enrol, and start everything."""
        self._step("hub", lambda: self._found_hub(hub_port))
        self._step("sites", lambda: self._found_sites(ports))
        self._step("catalogue", self._wait_for_catalogue)

    def _found_hub(self, port: int) -> None:
        folder = str(self.folder / "hub")
        made = command("hub", "init", "--dir", folder, "--org", "acme", "--port", str(port))
        self.password, self.hub_key, self.hub_port = made["password"], made["log_key"], port
        settings = self.folder / "hub" / "hub.toml"
        text = settings.read_text("utf-8")
        settings.write_text(text.replace("[web]\n", "[web]\nannounce = false\n"), "utf-8")
        extend_settings(settings, f"\n[sync]\ninterval_ms = {SYNC_MS}\n")
        for number, raw in enumerate(self._catalogues):
            file = self.folder / f"items-{number}.csv"
            file.write_bytes(raw)
            command("hub", "import-items", str(file), "--dir", folder)
        self._run("hub", ["hub", "run", "--dir", folder])
        wait_for("the hub to answer", lambda: _listening(port), 40)

    def _found_sites(self, ports: dict[str, int]) -> None:
        hub = str(self.folder / "hub")
        for name, port in ports.items():
            folder, link = self.folder / name, Link(self.hub_port)
            place = self.sites[name] = Place(name, folder, port, link)
            command("node", "init", "--dir", str(folder), "--site", name)
            url = f"http://127.0.0.1:{link.port}"
            device = f"serial://{self.folder}/scanner?baud=9600&protocol=line&name=scanner"
            extend_settings(
                folder / "node.toml",
                f'devices = ["{device}"]\n'
                * (name == "oslo")
                + f'\n[web]\nport = {port}\n\n[hub]\nurl = "{url}"\ndiscover = false\ninterval_ms = {SYNC_MS}\n'
                "\n[sealing]\nage_ms_max = 1000\n",
            )
            code = command("hub", "enrol", name, "--dir", hub, "--url", url)["code"]
            codes = [
                *BINS[name],
                *(each.code for each in self.bins if name == "oslo" and each.code not in BINS[name]),
            ]
            command("hub", "add-location", name, *codes, "--dir", hub)
            for login, full, roles in PEOPLE[name]:
                added = command("hub", "add-person", name, login, full, roles, "--dir", hub)
                place.codes[login] = added["code"]
            command("node", "enrol", code, "--dir", str(folder))
            self._run(name, ["node", "run", "--dir", str(folder)])
        for place in self.sites.values():
            wait_for(f"{place.name} to answer", place.status, 40)

    def _wait_for_catalogue(self) -> None:
        """Until both sites know every item, place and person on their chains."""
        for place in self.sites.values():
            wait_for(f"the catalogue at {place.name}", partial(self._knows, place, len(self.skus)), self.patience_s)

    def _knows(self, place: Place, items: int) -> bool:
        with _reading(place) as connection:
            (known,) = connection.execute("SELECT count(*) FROM items").fetchone()
            (people,) = connection.execute("SELECT count(*) FROM people").fetchone()
            (places,) = connection.execute("SELECT count(*) FROM locations WHERE kind = 1").fetchone()
        return bool(known >= items and people >= len(PEOPLE[place.name]) and places >= len(BINS[place.name]))

    # ------------------------------------------------------------ acts

    def log_in(self) -> None:
        """First log-in of everybody: their own key is made, sealed by their PIN, and bound on chain."""
        for place in self.sites.values():
            for login, code in place.codes.items():
                api = Api(place.port)
                api.token = api.act("auth/register", login=login, code=code, pin=PIN)["token"]
                place.people[login] = api

    def receive(self) -> None:
        """Goods come in: what the story and the scans will find, and fifteen markers that nobody will."""
        rita = self.sites["oslo"].people["rita"]
        lines = [
            {"item": "DEMO-MARKER", "quantity": 40, "target": "A-01"},
            {"item": "DEMO-TAPE", "quantity": 40, "target": "DOCK-1"},
            {"item": "DEMO-GLOVES", "quantity": 30, "target": "A-04"},
        ]
        for each in self.bins:
            for thing, quantity in each.expected.items():
                if thing == ("DEMO-MARKER", "", "") or each.code == "A-04":
                    continue
                line = {"item": thing[0], "quantity": quantity, "target": each.code}
                line |= {"lot": thing[1]} if thing[1] else {}
                line |= {"serial": thing[2]} if thing[2] else {}
                line |= {"expiry": each.expiries[thing]} if thing in each.expiries else {}
                lines.append(line)
        for start in range(0, len(lines), LINES_MAX):
            note = f"DN-{1000 + start // LINES_MAX}"
            answer = rita.act(
                "documents/receive",
                lines=lines[start : start + LINES_MAX],
                supplier="ACME-SUPPLY",
                delivery_note=note,
                confirm=True,
            )
            self._operations.setdefault("receive", answer["op_id"])
        moved = rita.act(
            "documents/move", lines=[{"item": "DEMO-TAPE", "quantity": 40, "source": "DOCK-1", "target": "A-05"}]
        )
        self._operations["move"] = moved["op_id"]
        stock = self.sites["oslo"].people["rita"].get("locations/A-05/inventory")["rows"]
        expect(any(row["item"] == "DEMO-TAPE" and row["quantity"] == 40 for row in stock), "the move did not arrive")

    def open_count(self) -> None:
        """The supervisor opens a session over every bin of the story."""
        kim = self.sites["oslo"].people["kim"]
        rule = {"line_quantity_max": 0, "control_percent": 0}
        opened = kim.act("counts", name="Week 47", bins=[each.code for each in self.bins], rule=rule)
        self.session = opened["session"]

    def cut(self) -> None:
        """The link to the hub goes."""
        link = self.sites["oslo"].link
        link.cut()
        if self.sites["oslo"].people["kim"].post("sync/now")["code"] != "unreachable":
            raise Mismatch("the hub answered over a line that is cut")

    def count(self, scanner: SimulatedScanner) -> None:
        """Ana counts every bin with the scanner; somebody moves goods out of one of them meanwhile."""
        ana = self.sites["oslo"].people["ana"]
        ana.post("devices/bind", device="scanner")
        scanner.wait_opened(30_000)
        for each in self.bins:
            scanner.scan(f"BIN:{each.code}")
            wait_for(f"{each.code} to open", partial(_is_open, ana, each.code))
            before: Scan | None = None
            for raw in each.scans:
                scan = decode(raw, on=datetime.now(UTC).date())
                if before is not None and _one_thing(before, scan):
                    time.sleep(2 * TOGETHER_MS / 1000)
                scanner.scan(raw)
                before = scan
            wait_for(f"the scans in {each.code}", partial(self._tallied, ana, each), 120)
            if not each.scans:
                ana.act("counts/empty")
            if each.code == "A-04":
                gone = [{"item": "DEMO-GLOVES", "quantity": 2, "source": "A-04", "target": "A-05"}]
                self.sites["oslo"].people["rita"].act("documents/move", lines=gone)
            for read in ana.get("scans/parked")["rows"]:
                ana.act("scans/dismiss", park=read["park"], reason="not-stock")
            closed = ana.act("counts/close", bin=each.code, confirm=True)
            expect(closed["state"] == "counted", f"{each.code} is {closed['state']} after closing")
            self._operations.setdefault("count", closed["operations"][0])

    def recount(self) -> None:
        """What was over tolerance or unstable, another person counts again, by hand."""
        ben = self.sites["oslo"].people["ben"]
        again = [each["bin"] for each in ben.get("counts/mine")["bins"]]
        expect({"A-01", "A-04"} <= set(again), f"only {again} are to be counted again")
        by_code = {each.code: each for each in self.bins}
        for code in again:
            ben.act("counts/open", bin=code)
            for (item, lot, serial), quantity in by_code[code].expected.items():
                left = 28 if code == "A-04" and item == "DEMO-GLOVES" else quantity
                keyed = {name: value for name, value in (("lot", lot), ("serial", serial)) if value}
                ben.act("counts/enter", item=item, quantity=left, confirm=True, **keyed)
            ben.act("counts/close", bin=code, confirm=True)

    def approve(self) -> None:
        """The supervisor sees each variance as of its count and posts with a signature of her own."""
        kim = self.sites["oslo"].people["kim"]
        for each in kim.get(f"counts/{self.session}")["bins"]:
            if each["state"] != "review":
                expect(each["state"] == "posted", f"{each['bin']} is {each['state']} when it should be in review")
                continue
            answer = kim.act("counts/approve", session=self.session, bin=each["bin"], reason="lost", pin=PIN)
            expect(answer["state"] == "posted", f"{each['bin']} was not posted")
            self._operations["post"] = answer["op_id"]
        stock = self.sites["oslo"].people["rita"].get("locations/A-01/inventory")["rows"]
        counted = next(bin_.expected[("DEMO-MARKER", "", "")] for bin_ in self.bins if bin_.code == "A-01")
        expect(
            [row["quantity"] for row in stock if row["item"] == "DEMO-MARKER"] == [counted],
            f"A-01 holds {stock} after posting, {counted} markers were counted",
        )

    def restore(self) -> None:
        """The link is back: what was recorded offline arrives."""
        place = self.sites["oslo"]
        before = place.status()
        expect(before["delivered"] < before["sealed"] or before["unsealed"], "something was delivered without a link")
        place.link.restore()
        place.people["kim"].post("seal")
        wait_for("the blocks of oslo to be held by the hub", lambda: _delivered(place), self.patience_s)

    def send_short(self) -> None:
        """Ten rolls of tape leave oslo, eight arrive at bergen."""
        tor, bo = self.sites["oslo"].people["tor"], self.sites["bergen"].people["bo"]
        line = {"item": "DEMO-TAPE", "quantity": 10, "source": "A-05"}
        sent = tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=PIN)
        self.transfer = self._operations["dispatch"] = sent["op_id"]
        wait_for("the dispatch to be announced at bergen", lambda: _coming(bo, self.transfer), self.patience_s)
        arrived = {"index": 0, "quantity": 8, "missing": 2, "target": "B-01", "reasons": ["short"]}
        accepted = bo.act("transfers/accept", transfer=self.transfer, lines=[arrived], pin=PIN)
        self._operations["accept"] = accepted["op_id"]
        wait_for("the hub to see that two are missing", self._short_is_known, self.patience_s)

    def anchor(self) -> None:
        """Everything is delivered, verified, and its log anchored on the main chain.

        Once more when something followed in between: the hub's outcome of the transfer is an operation too.
        """
        for turn in range(ANCHORS_MAX):
            for place in self.sites.values():
                next(iter(place.people.values())).post("seal")
                wait_for(f"{place.name} to be verified", partial(_caught_up, place, "verified"), self.patience_s)
            command("hub", "anchor", "--dir", str(self.folder / "hub"))
            with suppress(Unavailable):
                wait_for("every operation to be anchored", self._all_anchored, 5 + 10 * turn)
                return
        raise Mismatch(f"after {ANCHORS_MAX} anchors not everything is anchored: {self._states()}")

    def receipts(self) -> list[str]:
        """A receipt for one operation of each kind, verified by the command that a stranger would use."""
        folder = self.folder / "receipts"
        folder.mkdir(exist_ok=True)
        found = []
        for kind, op_id in self._operations.items():
            place = self.sites["bergen" if kind == "accept" else "oslo"]
            api = place.people["bo" if kind == "accept" else "kim"]
            file = folder / f"{kind}-{op_id}.json"
            file.write_bytes(api.raw(f"operations/{op_id}/receipt"))
            answer = command("verify", str(file), "--hub-key", self.hub_key)
            expect(answer["strength"] == "anchored", f"the receipt of {kind} is only {answer['strength']}")
            found.append(str(file.relative_to(self.folder)))
        return found

    def verify(self) -> None:
        """Every chain is executed again from genesis, at the hub and at the sites."""
        command("hub", "verify", "--dir", str(self.folder / "hub"))
        for place in self.sites.values():
            command("node", "verify", "--dir", str(place.folder))

    # ------------------------------------------------------------ inside

    def _bins(self, lines: list[bytes]) -> Iterator[Bin]:
        marker, pack, gloves = (
            self._own(b"]E0" + code) for code in (b"9521234500018", b"9521234500025", b"9521234500063")
        )
        yogurt = self._own(scan_bytes("]C10109521234500049" + "10L2611{GS}17270630"))
        drills = [self._own(scan_bytes(f"]C1010952123450005621SN-{number}")) for number in range(1, 4)]
        seen: set[tuple[str, str]] = set()
        yield self._bin("A-01", [pack, pack, marker], b"]C0WHAT-IS-THIS", seen=seen)
        yield self._bin("A-02", [yogurt] * 4 + drills, seen=seen)
        yield self._bin("A-03", [], seen=seen)
        yield self._bin("A-04", [gloves] * 30, seen=seen)
        usable = [raw for raw in lines if _of_goods(raw)]
        if len(usable) < len(lines):
            print(f"  {len(lines) - len(usable)} of {len(lines)} given scans are our own labels and are left out")
        for start in range(0, len(usable), SCANS_PER_BIN):
            yield self._bin(f"S-{start // SCANS_PER_BIN + 1:03}", usable[start : start + SCANS_PER_BIN], seen=seen)

    def _bin(self, code: str, scans: list[bytes], *unknown: bytes, seen: set[tuple[str, str]]) -> Bin:
        """What the books will hold if every scan means what the catalogue says, told apart from what parks."""
        expected: Counter[Thing] = Counter()
        expiries: dict[Thing, str] = {}
        pieces: set[tuple[str, str]] = set()  # a serial is one piece of its item, whatever lot a label says
        parked, today = 0, datetime.now(UTC).date()
        for raw in [*scans, *unknown]:
            scan = decode(raw, on=today)
            item, quantity = self._meant(scan)
            thing = ("" if item is None else item.sku, scan.lot, scan.serial)
            if item is None or scan.warnings or not _fits(item, scan.lot, scan.serial, quantity):
                parked += 1
            elif not scan.serial:
                expected[thing] += quantity
            elif thing not in expected and (quantity > 1 or (item.sku, scan.serial) in seen | pieces):
                parked += 1
            else:
                expected[thing] = 1
                pieces.add((item.sku, scan.serial))
            if thing in expected and scan.expiry is not None:
                expiries[thing] = scan.expiry.isoformat()
        seen |= pieces
        return Bin(code, [*scans, *unknown], expected, expiries, parked)

    def _meant(self, scan: Scan) -> tuple[Item | None, int]:
        """The item and the base units of a scan by the catalogue alone, apart from the node's own reckoning."""
        if scan.problems or scan.kind == "unit":
            return None, 0
        if scan.gtin is None:
            return self.skus.get(scan.text), 1
        item, pack = self.catalogue.get(scan.gtin.value, (None, 0))
        if item is None:
            return None, 0
        for measure in scan.amounts:
            if measure.unit.lower() == item.unit.lower():
                exact = Decimal(measure.digits).scaleb(item.decimals - measure.decimals)
                return item, int(exact) if exact == int(exact) else 0
        return item, pack * (1 if scan.count is None else scan.count)

    def _tallied(self, ana: Api, each: Bin) -> bool:
        screen = ana.get("counts/mine")["screen"]
        if screen is None:
            return False
        counted = Counter({_thing(line): line["counted"] for line in screen["lines"] if line["counted"]})
        return counted == each.expected and screen["parked"] == each.parked

    def _short_is_known(self) -> bool:
        found = command("hub", "discrepancies", "--dir", str(self.folder / "hub"))["discrepancies"]
        return any(each["kind"] == "transfer short" and each["subject"].endswith(self.transfer) for each in found)

    def _all_anchored(self) -> bool:
        states = self._states()
        return states["anchored"] == states["recorded"]

    def _states(self) -> dict[str, int]:
        """How many operations of both sites have come at least so far."""
        found: Counter[str] = Counter()
        for place in self.sites.values():
            with _reading(place) as connection:
                for (op_id,) in connection.execute("SELECT op_id FROM operations").fetchall():
                    state = proofs.state_of(connection, OpId(bytes(op_id)))
                    reached = proofs.LADDER.index(state) if state in proofs.LADDER else -1
                    found.update(proofs.LADDER[: reached + 1])
        return {name: found[name] for name in proofs.LADDER}

    @contextmanager
    def _scanner(self) -> Iterator[SimulatedScanner]:
        with SimulatedScanner(self.folder / "scanner", clock=SystemClock()) as scanner:
            yield scanner

    def _run(self, name: str, words: list[str]) -> None:
        process = Process(name, words, self.folder / f"{name}.log")
        self.processes.append(process)
        process.start(time.monotonic())

    def _step(self, name: str, act: Callable[[], Any]) -> Any:
        started = time.monotonic()
        print(f"… {name}", end="", flush=True)
        try:
            result = act()
        except BaseException:
            print(f"\r✕ {name}", flush=True)
            for process in self.processes:
                process.check()
            raise
        self.seconds[name] = round(time.monotonic() - started, 2)
        print(f"\r✓ {name:20} {self.seconds[name]:6.2f} s", flush=True)
        return result


def _moved(given: set[str]) -> dict[bytes, bytes]:
    """Other barcodes for those of the story that a given catalogue uses itself: they are meant for demonstrations."""
    found = {}
    for number in range(1, OWN_CODES + 1):
        other = next(each for each in range(number, 1_000, OWN_CODES) if f"0{_gtin(each)}" not in given)
        if other != number:
            found[_gtin(number).encode()] = _gtin(other).encode()
    return found


def _gtin(number: int) -> str:
    """A GTIN-13 of GS1's range for demonstrations."""
    digits = f"952123450{number:03}"
    return digits + str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10)


def _folder(wish: Path | None, headless: bool) -> Path:
    if wish is None:
        return Path(tempfile.mkdtemp(prefix="tallyman-")) if headless else _fresh(Path(".demo").absolute())
    if wish.exists() and any(wish.iterdir()):
        raise Rejected(f"{wish} is not empty: name a new folder")
    wish.mkdir(parents=True, exist_ok=True)
    return wish.absolute()


def _refuse_taken(port: int) -> None:
    """Before anything is touched: the folder of a demonstration that runs must not be emptied under it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Rejected(
                f"port {port} is taken: another demonstration runs, or another program has it; end that one first"
            ) from error


def _fresh(folder: Path) -> Path:
    # Only our own demonstration folder is ever emptied, never one that somebody named.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def _reading(place: Place) -> Iterator[db.Connection]:
    connection = db.open_reader(place.folder / "site.db")
    try:
        yield connection
    finally:
        connection.close()


def _listening(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def scan_lines(raw: bytes) -> list[bytes]:
    """The scans of a file, a line each: bytes as a scanner sends them, with `{GS}` for byte 29.

    Only a line feed, with or without a carriage return, ends a line; a raw GS belongs to its scan.
    """
    lines = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    return [scan_bytes(line.decode("utf-8", "surrogateescape")) for line in lines if line]


def _of_goods(raw: bytes) -> bool:
    return decode(raw, on=datetime.now(UTC).date()).kind in ("item", "unit", "unknown")


def _one_thing(before: Scan, scan: Scan) -> bool:
    """Whether a scanner that sends both at once has them on one thing. Ours goes from thing to thing."""
    whole = None if before.raw == scan.raw else together((before, scan), datetime.now(UTC).date())
    return whole is not None and (whole.ok or is_companion(scan))


def _fits(item: Item, lot: str, serial: str, quantity: int) -> bool:
    """Whether a scan counts at once: more than the node's policy takes unasked waits for an answer."""
    tracked = bool(lot) == bool(item.tracking & 1) and bool(serial) == bool(item.tracking & 2)
    return tracked and 0 < quantity <= min(QUANTITY_MAX, QUANTITY_ASKED * 10**item.decimals)


def _thing(line: dict[str, Any]) -> Thing:
    return (line["item"], line.get("lot", ""), line.get("serial", ""))


def _is_open(api: Api, code: str) -> bool:
    screen = api.get("counts/mine")["screen"]
    return screen is not None and screen["target"] == code


def _delivered(place: Place) -> bool:
    status = place.status()
    return bool(status["delivered"] >= status["sealed"] and not status["unsealed"])


def _caught_up(place: Place, state: str) -> bool:
    status = place.status()
    return bool(status[state] >= status["sealed"] and not status["unsealed"])


def _coming(api: Api, transfer: str) -> bool:
    return any(each["transfer"] == transfer for each in api.get("transfers/?direction=coming")["rows"])


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    sys.exit(main(sys.argv[1:]))
