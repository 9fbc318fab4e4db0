"""A tablet between faults: every scan that it took is counted exactly once, and in its order.

    python -m tests.browser.faults --faults 50 --scans 10

A real node process, a real Chromium with a profile on disk, and one person who scans without ever waiting. In between
the node is killed, hangs, or commits a scan and dies before it answers; the tablet loses the network; its page is
reloaded or closed, or its browser is killed; and any of these three together. Each scan has a lot of its own, so that
one lost, doubled or out of order shows. Two thirds of the faults happen to who counts a bin, the others to who
receives goods.

A planted fault is a change of the tablet's own program: `--planted` runs them, and each must be seen.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallyman_stage import Api, free_port, wait_for
from tests.browser import stage
from tests.browser.conftest import CHROMIUM, FLAGS, PATIENCE_MS, typed_at_once

ROOT = Path(__file__).resolve().parents[2]
BIN = "A-06"
GTIN = "09521234500049"  # an item with lots
# One fault: what becomes of the node, of the line and of the page, at least one of them.
FAULTS = tuple(
    " ".join(filter(None, each))
    for each in itertools.product(("", "die", "kill", "hang"), ("", "offline"), ("", "reload", "close", "crash"))
    if any(each)
)
# Every kind of each, where there is no time for more.
FIRST = ("die reload", "hang crash", "offline close", "kill", "hang reload", "kill offline crash", "offline")
# Who works on which page, and what shows that it has begun.
WORKS = {"count": ("ana", "#counting:not([hidden])"), "receive": ("rita", "#working:not([hidden])")}
# Where the node dies with a scan that is durable and not answered: after the journal's commit, after the floor's.
DYING = ("journal.committed", "scan.taken")
PLANTED = {
    "a new op_id at each try": ("post(item.path, item.body,", "post(item.path, { ...item.body, op_id: newId() },"),
    "out of the store before the answer": (
        "    let answer = null, refusal",
        "    await change(({ items }, asked) => asked(items.delete(item.key)));\n    let answer = null, refusal",
    ),
}


# ---------------------------------------------------------------- the node


@dataclass
class Node:
    """The node as a process that can be killed. `acts`: how many its tablets have sent it."""

    folder: Path
    port: int
    acts: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, failpoint: str = "") -> None:
        more = {"TALLYMAN_TESTING": "1", "TALLYMAN_FAILPOINT": failpoint} if failpoint else {}
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tallyman", "node", "run", "--dir", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **more},
            )
        wait_for("the node", lambda: self._dead(failpoint) or Api(self.port).get("status"), 60)

    def _dead(self, failpoint: str) -> bool:
        """Whether it has died. A tablet that still holds scans sends them with the first answer: a node with a
        failpoint may have met it before it was seen to be up."""
        assert self.process is not None
        if self.process.poll() is None:
            return False
        assert failpoint, f"the node ended by itself, {self.process.returncode}: see {self.folder / 'node.log'}"
        return True

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def prepared(folder: Path) -> Iterator[tuple[Node, dict[str, str]]]:
    """A node with a bin to count, and the log-ins of those who work there."""
    with stage.house(folder) as house:
        stage.open_count(house, "Faults", BIN)
        tokens = {work: house.oslo.people[login].token for work, (login, _) in WORKS.items()}
    home, port = folder / "oslo", free_port()
    settings = home / "node.toml"
    text = re.sub(r"devices = \[.*?\]\n", "", settings.read_text(), flags=re.DOTALL)
    settings.write_text(text.replace("port = 0", f"port = {port}"))
    node = Node(home, port)
    node.start()
    try:
        yield node, tokens
    finally:
        if node.process is not None and node.process.poll() is None:
            node.signal(signal.SIGCONT)
        node.kill()


# ---------------------------------------------------------------- the tablet


@dataclass
class Tablet:
    """A browser with a profile on disk. `scanned` are the codes that were scanned, in order."""

    playwright: Any
    profile: Path
    node: Node
    token: str
    work: str = "count"
    planted: tuple[str, str] | None = None
    scanned: list[str] = field(default_factory=list)
    begun: int = 0  # the acts by which the work began
    context: Any = None
    page: Any = None
    reached: bool = True

    def start(self) -> None:
        self.context = self.playwright.chromium.launch_persistent_context(
            str(self.profile),
            executable_path=CHROMIUM,
            args=FLAGS,
            service_workers="block" if self.planted else "allow",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.set_offline(not self.reached)
        cookie = {"name": "tallyman_session", "value": self.token, "url": self.node.url}
        self.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Strict"}])
        if self.planted:
            self.context.route("**/outbox.js", self._plant)

    def _plant(self, route: Any) -> None:
        before, after = self.planted or ("", "")
        text = (ROOT / "web/static/outbox.js").read_text()
        assert before in text, f"the planted fault has no place any more: {before}"
        route.fulfill(body=text.replace(before, after), content_type="text/javascript")

    def open(self) -> None:
        """The page of this work; when it has loaded, its program listens."""
        self.page = self.context.new_page()
        self.page.goto(f"{self.node.url}/{self.work}")

    def begin(self) -> None:
        """The bin is scanned, and everything of that has its answer."""
        typed_at_once(self.page, f"BIN:{BIN}")
        self.page.wait_for_selector(WORKS[self.work][1])
        wait_for("the answer", lambda: not self.waiting())
        self.begun = int(self.page.evaluate(LANES))
        if not self.planted:
            wait_for("the worker", lambda: self.page.evaluate("navigator.serviceWorker.controller !== null"))

    def reach(self, reached: bool) -> None:
        """Whether there is a line to the node."""
        self.reached = reached
        self.context.set_offline(not reached)

    def scan(self, count: int) -> None:
        for _ in range(count):
            code = f"{self.work[0].upper()}{len(self.scanned) + 1:05}"
            self.scanned.append(code)
            typed_at_once(self.page, f"]C101{GTIN}10{code}")

    def accepted(self) -> None:
        """Wait until everything scanned is on the tablet's disk: only then has the person heard that it is."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while self.page.evaluate(LANES) < len(self.scanned) + self.begun:
            assert time.monotonic() < deadline, f"scans were not taken onto the tablet's disk: {self.situation()}"
            self.page.wait_for_timeout(20)

    def situation(self) -> str:
        """What the page shows and has taken, for whoever looks into a failure."""
        held = [item["body"].get("text", "")[-6:] for item in self.page.evaluate(f"({READ})('items')")]
        shown = self.page.evaluate("document.getElementById('answer')?.textContent")
        taken = f"{self.page.evaluate(LANES)} of {len(self.scanned) + self.begun}"
        return f"{taken}, {self.page.url} says {shown!r} and holds {held}"

    def waiting(self) -> int:
        return int(self.page.evaluate(WAITING))

    def kill(self) -> None:
        """The browser dies as with a flat battery: every process of this profile at once."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"--user-data-dir={self.profile}".encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
        with contextlib.suppress(Exception):
            self.context.close()


READ = """async (store) => {
  const db = await new Promise((resolve, reject) => {
    const wish = indexedDB.open("tallyman");
    wish.onsuccess = () => resolve(wish.result);
    wish.onerror = () => reject(wish.error);
  });
  const found = await new Promise((resolve, reject) => {
    const place = db.transaction(store).objectStore(store);
    const wish = store === "facts" ? place.get("lanes") : place.getAll();
    wish.onsuccess = () => resolve(wish.result);
    wish.onerror = () => reject(wish.error);
  });
  db.close();
  return found;
}"""
LANES = f"({READ})('facts').then((lanes) => Object.values(lanes || {{}}).reduce((sum, each) => sum + each, 0))"
WAITING = f"({READ})('items').then((items) => items.length)"
KEPT = f"({READ})('kept').then((kept) => kept.map((each) => each.why))"


# ---------------------------------------------------------------- faults


def inject(fault: str, node: Node, tablet: Tablet, dice: random.Random, scans: int) -> None:
    """One fault of `FAULTS` while `scans` scans are made, and the end of it."""
    kinds, before = fault.split(), dice.randint(0, scans)
    if "die" in kinds:
        node.kill()
        node.start(f"{dice.choice(DYING)}:{dice.randint(1, max(1, scans // 2))}")
    tablet.scan(before)
    if "kill" in kinds:
        node.kill()
    elif "hang" in kinds:
        node.signal(signal.SIGSTOP)
    tablet.reach("offline" not in kinds)
    tablet.scan(scans - before)
    tablet.accepted()
    if "reload" in kinds:
        tablet.page.reload()
    elif "close" in kinds:
        tablet.page.close()
        tablet.open()
    elif "crash" in kinds:
        tablet.kill()
        tablet.start()
        tablet.open()
    time.sleep(dice.uniform(0, 1))
    if "hang" in kinds:
        node.signal(signal.SIGCONT)
    elif "die" in kinds and "offline" not in kinds:
        assert node.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.process.wait(5)  # several scans may be one commit: then it dies at the end of this fault
    if "die" in kinds or "kill" in kinds:
        node.kill()
        node.start()
    tablet.reach(True)


def verdict(node: Node, tablet: Tablet) -> str:
    """What is wrong after all that; "" if nothing is."""
    deadline = time.monotonic() + 60
    while tablet.waiting():
        if time.monotonic() > deadline:
            return f"{tablet.waiting()} acts were never sent"
        tablet.page.wait_for_timeout(100)
    refused = tablet.page.evaluate(KEPT)
    connection = sqlite3.connect(f"file:{node.folder / 'site.db'}?mode=ro", uri=True)
    try:
        events = connection.execute(
            "SELECT lot FROM scan_events WHERE kind = 'scan' AND lot LIKE ? ORDER BY event",
            (f"{tablet.work[0].upper()}%",),
        ).fetchall()
        gaps = connection.execute(
            "SELECT SUM(newest - settled - came), SUM(twice), SUM(newest) FROM outbox_lanes"
        ).fetchone()
    finally:
        connection.close()
    counted = [lot for (lot,) in events]
    lost = sorted(set(tablet.scanned) - set(counted))
    doubled = sorted({lot for lot in counted if counted.count(lot) > 1})
    if lost or doubled:
        return f"lost {lost[:5]} ({len(lost)}), doubled {doubled[:5]} ({len(doubled)})"
    if counted != tablet.scanned:
        return "the scans were counted in another order"
    if refused:
        return f"refused: {refused[:3]}"
    node.acts += len(tablet.scanned) + tablet.begun
    return "" if gaps == (0, 0, node.acts) else f"the node's numbers say {gaps} after {node.acts} acts"


def scheduled(faults: int, dice: random.Random) -> list[str]:
    """So many faults: `FIRST`, then every other one, in any order, and again."""
    rest = [fault for fault in FAULTS if fault not in FIRST]
    dice.shuffle(rest)
    found = [*FIRST, *rest][:faults]
    return found + dice.choices(FAULTS, k=faults - len(found))


def run(works: Mapping[str, Sequence[str]], scans: int, seed: int = 1, planted: str = "") -> str:
    """Each work with its faults, in one life of a tablet; `scans` to a fault. What is wrong at the end, or ""."""
    from playwright.sync_api import sync_playwright

    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="tallyman-faults-") as place, contextlib.ExitStack() as stack:
        node, tokens = stack.enter_context(prepared(Path(place) / "stage"))
        playwright = stack.enter_context(sync_playwright())
        for work, schedule in works.items():
            tablet = Tablet(playwright, Path(place) / work, node, tokens[work], work, PLANTED.get(planted))
            tablet.start()
            stack.callback(tablet.kill)
            tablet.open()
            tablet.begin()
            for number, fault in enumerate(schedule):
                try:
                    inject(fault, node, tablet, dice, scans)
                except Exception as error:
                    error.add_note(f"{work}, fault {number + 1}: {fault}")
                    raise
            if words := verdict(node, tablet):
                return f"{work}: {words}"
            tablet.kill()
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--scans", type=int, default=10, help="to a fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", action="store_true", help="run the planted faults; each must be seen")
    arguments = parser.parse_args()
    if not CHROMIUM:
        print("chromium is not installed: add it with `make system`")
        return 1
    began = time.monotonic()
    if arguments.planted:
        unseen = [name for name in PLANTED if not seen(name)]
        print(json.dumps({"planted": len(PLANTED), "not_seen": unseen}))
        return 1 if unseen else 0
    faults = scheduled(arguments.faults, random.Random(arguments.seed))
    works = {
        "count": [fault for number, fault in enumerate(faults) if number % 3 != 2],
        "receive": [fault for number, fault in enumerate(faults) if number % 3 == 2],
    }
    words = run(works, arguments.scans, arguments.seed)
    scans = arguments.scans * len(faults)
    took_s = time.monotonic() - began
    print(f"{scans} scans over {arguments.faults} faults in {took_s:.0f} s: {words or 'every one exactly once'}")
    return 1 if words else 0


def seen(name: str) -> bool:
    """Whether a planted fault is noticed: by a wrong count, or by a number that never came."""
    words = run({"count": ("die", "kill")}, 4, planted=name)
    print(f"{name}: {words or 'NOT SEEN'}")
    return bool(words)


if __name__ == "__main__":
    sys.exit(main())
