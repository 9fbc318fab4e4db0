"""A company to copy from: a hub, two or three enrolled sites, people who have logged in, and a catalogue.

It is founded once a process with a fixed seed and the product's own commands; every world begins as a copy of its
closed folders. The cost of a PIN is turned down here: it protects secrets, and changes no history.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hub import founding as hub_founding
from hub import jobs as hub_jobs
from hub.hub import Hub
from ledger import keys
from ledger.clock import ManualClock
from ledger.ids import OpId
from ledger.keys import SigningKey, VerifyKey
from ledger.seams import DiskStorage
from node import config as node_config
from node import enrolling, identity, wiring
from sync.client import WsgiTransport
from tests import MEMORY
from tests.sim.machines import PIN, Seeded
from web import hub_app

keys._ARGON_OPS, keys._ARGON_BYTES = 1, 8 * 1024

START_MS = 1_800_000_000_000
URL = "http://hub.test"
SITES = ("oslo", "bergen", "tromso")
BINS = ("DOCK", "A-01", "A-02", "A-03", "A-04")
TOTES = ("T-1", "T-2")
PEOPLE = {
    "ann": ("RECEIVE", "MOVE", "ADJUST", "HOLD", "TRANSFER", "ISSUE"),
    "bea": ("COUNT", "MOVE"),
    "cyd": ("COUNT",),
    "dan": ("COUNT", "RECEIVE"),
    "eve": ("APPROVE",),
    "ivy": ("AUDIT",),
}
COUNTERS, AUDITOR = ("bea", "cyd", "dan"), "ivy"
ITEMS = (
    b"sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals\n"
    b"BOLT,Bolt M8,4006381333931,pc,none,1,10,EUR,0\n"
    b"BOLT,,5012345678900,,,12,,,\n"
    b"NUT,Nut M8,9521234500018,pc,none,1,5,EUR,0\n"
    b"PAINT,White paint,,l,lot,1,500,EUR,0\n"
    b"DRILL,Drill,,pc,serial,1,9900,EUR,0\n"
)
HUB_SETTINGS = {"web.announce": False, "anchors.interval_ms": 120_000, "sync.interval_ms": 10_000}
NODE_SETTINGS = f'\n[hub]\nurl = "{URL}"\n\n[sealing]\noperations_max = 6\nage_ms_max = 8000\n'


@dataclass(slots=True)
class Company:
    """Folders to copy, and what lives outside of them: tablets' tokens, and public keys for whoever verifies."""

    folder: Path
    sites: tuple[str, ...]
    hub_key: VerifyKey
    end_ms: int = START_MS
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, VerifyKey] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


@cache
def company(count: int) -> Company:
    """A company of so many sites."""
    folder = Path(tempfile.mkdtemp(prefix="tallyman-sim-", dir=MEMORY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clock = ManualClock(START_MS)
    hub_founding.found(folder / "hub", "acme", clock, Seeded("hub"), DiskStorage(), values=HUB_SETTINGS)
    with Hub.open(folder / "hub", clock, Seeded("first hub")) as hub:
        made = Company(folder, SITES[:count], hub.keys.log.verify_key)
        hub.import_items(ITEMS)
        hub.set_policy("counting", {"rule": {"control_percent": 0}})  # no bin is drawn to be counted once more
        line = WsgiTransport(hub_app.create(hub))
        for name in made.sites:
            _found_site(made, name, hub, line, clock)
        for _ in range(3):
            clock.advance(121_000)
            hub_jobs.run_all(hub)
    made.end_ms = clock.now_ms()
    return made


def _found_site(made: Company, name: str, hub: Hub, line: WsgiTransport, clock: ManualClock) -> None:
    folder = made.folder / name
    code = hub.enrol(name, url=URL)
    first = identity.init(folder, name, Seeded(f"keys of {name}"), DiskStorage())
    enrolling.enrol(first, code.encode(), clock, DiskStorage(), connect=lambda _: line)
    with (folder / node_config.CONFIG_FILE).open("a", encoding="utf-8") as file:
        file.write(NODE_SETTINGS)
    hub.add_locations(name, (*BINS, *TOTES))
    codes = {login: hub.add_person(name, f"{login}.{name}", login, roles).code for login, roles in PEOPLE.items()}
    chance = Seeded(f"first start of {name}")
    with wiring.opened(node_config.load(folder), clock, chance, DiskStorage(), connect=lambda _: line) as parts:
        _settle(hub, parts, clock)
        made.keys[str(parts.site.identity.origin)] = parts.site.identity.block_key
        made.tokens[name] = {}
        for login, text in codes.items():
            answer = parts.floor.people.activate(OpId(chance.bytes(16)), f"{login}.{name}", text, PIN, "tablet")
            made.tokens[name][login] = answer["token"]
            if login in (*COUNTERS, AUDITOR):
                parts.floor.people.bind_device(parts.floor.people.session(answer["token"]), f"gun-{login}")
        _settle(hub, parts, clock)
        made.sizes[name] = parts.site.head.height + 1


def _settle(hub: Hub, parts: wiring.Parts, clock: ManualClock) -> None:
    for _ in range(3):
        hub.verify()
        hub.settle()
        clock.advance(2_000)
        parts.syncer.now()


def node_keys(made: Company, name: str) -> tuple[SigningKey, Any]:
    """The keys of a site, for the few who may look into its folder."""
    found = identity.load_keys(node_config.load(made.folder / name))
    return found.block, found.transaction
