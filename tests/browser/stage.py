"""A hub and two sites in one process behind their real web servers: what a browser is pointed at.

Everything is the product's own: databases on disk, keys, chains, bundles over HTTP on loopback, the embedded main
chain, a simulated scanner on a pseudo-terminal. Only the processes are threads, so that it starts in seconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask

from devices.journal import Journal
from devices.registry import Registry
from devices.simulated import SimulatedScanner
from devices.simulated_scale import ScaleSide
from devices.simulated_wire import serve
from devices.supervisor import Supervisor
from hub import founding as hub_founding
from hub import jobs as hub_jobs
from hub.hub import Hub
from ledger.clock import SystemClock
from ledger.seams import DiskStorage, SystemRandom
from node import config as node_config
from node import control, enrolling, identity, taking, wiring
from node.jobs import Guarded, Job
from node.whereabouts import Whereabouts
from tallyman_stage import Api, wait_for
from web import hub_app, node_app
from web.server import Server

PIN = "270481"
CLOCK, RANDOM, STORAGE = SystemClock(), SystemRandom(), DiskStorage()
TURN_S = 0.25
IDLE_MS_MAX = 24 * 60 * 60_000  # who logs in for all tests is still logged in at the last, however slow the machine
HUB_VALUES = {
    "web.announce": False,
    "web.session_idle_ms_max": IDLE_MS_MAX,
    "anchors.interval_ms": 2_000,
    "sync.interval_ms": 1_000,
}

ITEMS = """sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals
MARK-BL,Marker blue,9521234500018,EA,none,1,250,EUR,0
MARK-BL,Marker blue,9521234500025,EA,none,12,250,EUR,0
TAPE-50,Packing tape 50 m,9521234500032,EA,none,1,180,EUR,0
YOG-500,Yoghurt plain 500 g,9521234500049,EA,lot,1,120,EUR,0
DRILL-18,Cordless drill 18 V with two batteries and a very patient charger in its own case,9521234500056,EA,serial,1,8900,EUR,0
GLOVE-10,Work gloves size 10,9521234500063,PR,none,1,640,EUR,0
HAM-KG,Smoked ham by the kilogram,9521234500094,KG,none,1,1890,EUR,3
CABLE-3,Extension cable 3 m,9521234500070,EA,none,1,720,EUR,0
GLUE-1,Wood glue 1 l,9521234500087,EA,lot,1,990,EUR,0
ROPE-M,Rope by the metre,9521234500100,M,none,1,120,EUR,3
RAG-1,Cleaning rag,,EA,none,1,,,0
"""  # noqa: E501 - one line is one item
PEOPLE = {
    "oslo": (
        ("ana", "Ana Berg", ("COUNT",)),
        ("ben", "Ben Dahl", ("COUNT",)),
        ("kim", "Kim Holt", ("APPROVE",)),
        ("rita", "Rita Lund", ("RECEIVE", "MOVE", "ADJUST")),
        ("tor", "Tor Vik", ("TRANSFER",)),
        ("pia", "Pia Lie", ("ISSUE", "HOLD")),
        ("nia", "Nia Roth", ("COUNT",)),
        ("ada", "Ada Moe", ("ADMIN",)),
        ("eva", "Eva Moen", ("AUDIT",)),
        ("liv", "Liv Sand", ("COUNT", "ISSUE")),
    ),
    "bergen": (("bo", "Bo Nes", ("TRANSFER", "RECEIVE", "COUNT")),),
}
BINS = {
    "oslo": (
        "DOCK-1",
        *(f"A-{number:02}" for number in range(1, 11)),
        *(f"T-{number:02}" for number in range(1, 18)),
        "S-01",
        "S-02",
        "O-01",
        "O-02",
        "S-03",
        *(f"F-{number:02}" for number in range(1, 10)),
        *(f"R-{number:02}" for number in range(1, 5)),
        *(f"M-{number:02}" for number in range(1, 9)),
        *(f"L-{number:02}" for number in range(1, 6)),
        *(f"D-{number:02}" for number in range(1, 7)),
        *(f"H-{number:02}" for number in range(1, 7)),
        *(f"P-{number:02}" for number in range(1, 5)),
        "U-01",
        "U-02",
        *(f"N-{number:02}" for number in range(1, 18)),
        *(f"K-{number:02}" for number in range(1, 10)),
        *(f"J-{number:02}" for number in range(1, 4)),
        *(f"Q-{number:02}" for number in range(1, 7)),
    ),
    "bergen": ("DOCK-1", "B-01"),
}
NEW = "nia"  # has never logged in: the first log-in is hers


@dataclass
class Place:
    """One site at work. `people` by login; `codes` are activation codes nobody has used yet."""

    name: str
    parts: wiring.Parts
    journal: Journal
    url: str
    scanner: SimulatedScanner
    scale: ScaleSide
    codes: dict[str, str]
    app: Flask
    people: dict[str, Api] = field(default_factory=dict)


@dataclass
class House:
    """Everything on stage."""

    hub: Hub
    hub_url: str
    hub_app: Flask
    password: str
    places: dict[str, Place] = field(default_factory=dict)
    console_token: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def oslo(self) -> Place:
        return self.places["oslo"]

    @property
    def bergen(self) -> Place:
        return self.places["bergen"]


@contextlib.contextmanager
def house(folder: Path) -> Iterator[House]:
    """Set the stage in an empty folder; everything ends with the context."""
    with ExitStack() as stack:
        made = hub_founding.found(folder / "hub", "acme", CLOCK, RANDOM, STORAGE, values=HUB_VALUES)
        hub = stack.enter_context(Hub.open(folder / "hub", CLOCK, RANDOM))
        console = hub_app.create(hub)
        hub.url = stack.enter_context(_served(console))
        set_up = House(hub, hub.url, console, made.password)
        hub.import_items(ITEMS.encode())
        for name in BINS:
            _add_site(stack, set_up, folder, name)
        jobs = [job for place in set_up.places.values() for job in _node_jobs(place.parts)]
        jobs += [Job(each.name, each.every_ms // 2, each.run) for each in hub_jobs.of_hub(hub)]
        stack.enter_context(_at_work(set_up, jobs))
        for place in set_up.places.values():
            wait_for(f"the catalogue at {place.name}", lambda place=place: _furnished(place), 60)
        _log_in(set_up)
        yield set_up


def _add_site(stack: ExitStack, set_up: House, folder: Path, name: str) -> None:
    code = set_up.hub.enrol(name)
    set_up.hub.add_locations(name, BINS[name])
    codes = {login: set_up.hub.add_person(name, login, full, roles).code for login, full, roles in PEOPLE[name]}
    home = folder / name
    identity.init(home, name, RANDOM, STORAGE)
    scanner = stack.enter_context(SimulatedScanner(home / "scanner", clock=CLOCK))
    scale = ScaleSide("sics")
    stack.enter_context(_weighing(scale, stack.enter_context(SimulatedScanner(home / "scale", clock=CLOCK))))
    settings = home / node_config.CONFIG_FILE
    settings.write_text(
        f'site = "{name}"\ndevices = ["serial://{home}/scanner?baud=9600&protocol=line&name=scanner",\n'
        f'  "serial://{home}/scale?protocol=sics&name=scale"]\n'
        f"[web]\nport = 0\nsession_idle_ms_max = {IDLE_MS_MAX}\n"
        f'[hub]\nurl = "{set_up.hub_url}"\ndiscover = false\ninterval_ms = 1000\n'
        "[sealing]\nage_ms_max = 1000\n"
    )
    config = node_config.load(home)
    enrolling.enrol(config, code.encode(), CLOCK, STORAGE)
    journal = Journal(config.path("reads.db"), clock=CLOCK, random=RANDOM)
    stack.callback(journal.close)
    whereabouts = Whereabouts(home, CLOCK)
    stack.callback(whereabouts.close)
    registry = Registry.parse(config.devices)
    supervisor = Supervisor(registry, journal, clock=CLOCK, random=RANDOM, context=whereabouts)
    supervisor.start()
    stack.callback(supervisor.stop)
    parts = stack.enter_context(
        wiring.opened(
            config, CLOCK, RANDOM, STORAGE, devices=lambda: [each.as_json() for each in supervisor.health()]
        )
    )
    stack.enter_context(taking.at_work(parts.floor.scanning, journal, CLOCK, supervisor.signal))
    app = node_app.create(
        node_app.NodeParts(
            site=parts.site,
            floor=parts.floor,
            journal=journal,
            clock=CLOCK,
            random=RANDOM,
            sync=parts.sync,
            devices=parts.devices,
            beep=lambda name: supervisor.signal(name, "good"),
            links=parts.links,
            status=parts.status,
            weigh=supervisor.weigh,
        )
    )
    url = stack.enter_context(_served(app))
    set_up.places[name] = Place(name, parts, journal, url, scanner, scale, codes, app)


@contextlib.contextmanager
def _weighing(scale: ScaleSide, wire: SimulatedScanner) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: serve(scale, wire, clock=CLOCK, random=RANDOM, until=stop.is_set, timeout_ms=3_600_000),
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def _node_jobs(parts: wiring.Parts) -> Iterator[Job]:
    yield Job("seal", 250, parts.site.seal_if_due)
    yield Job("control", 500, lambda: control.apply_ready(parts.site))
    yield Job("sync", 500, parts.syncer.turn)
    yield Job("draws", 500, parts.floor.counting.draw_ready)
    yield Job("vitals", 10_000, parts.health.sample)


@contextlib.contextmanager
def _at_work(set_up: House, jobs: list[Job]) -> Iterator[None]:
    """What the schedulers of the processes do."""
    stop = threading.Event()

    def keep() -> None:
        guarded = [Guarded(job) for job in jobs]
        due = dict.fromkeys(range(len(guarded)), 0)
        while not stop.wait(TURN_S):
            for number, job in enumerate(guarded):
                if CLOCK.monotonic_ms() >= due[number]:
                    due[number] = CLOCK.monotonic_ms() + job.job.every_ms
                    job()
                    if job.problem == "unexpected":
                        set_up.failures.append(job.job.name)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@contextlib.contextmanager
def _served(app: Callable[..., Any]) -> Iterator[str]:
    server = Server(app, "127.0.0.1", 0)
    host, port = server.start()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _furnished(place: Place) -> bool:
    with place.parts.site.reading() as connection:
        (items,) = connection.execute("SELECT count(*) FROM items").fetchone()
        (people,) = connection.execute("SELECT count(*) FROM people").fetchone()
        (bins,) = connection.execute("SELECT count(*) FROM locations WHERE kind = 1").fetchone()
    return bool(items >= 5 and people >= len(PEOPLE[place.name]) and bins >= len(BINS[place.name]))


def _log_in(set_up: House) -> None:
    """First log-in of everybody but one, whose first log-in is a browser's."""
    for place in set_up.places.values():
        for login in [each for each in place.codes if each != NEW]:
            api = Api(int(place.url.rsplit(":", 1)[1]))
            api.token = api.act("auth/register", login=login, code=place.codes.pop(login), pin=PIN)["token"]
            place.people[login] = api


def console_token(set_up: House) -> str:
    """A console log-in of the administrator."""
    api = Api(int(set_up.hub_url.rsplit(":", 1)[1]))
    return str(api.post("auth/login", login="admin", password=set_up.password)["token"])


def furnish(set_up: House) -> None:
    """Goods in the bins, and a count of them opened by the supervisor."""
    rita = set_up.oslo.people["rita"]
    rita.act(
        "documents/receive",
        lines=[
            {"item": "MARK-BL", "quantity": 40, "target": "A-01"},
            {"item": "TAPE-50", "quantity": 40, "target": "A-05"},
            {"item": "GLOVE-10", "quantity": 30, "target": "A-04"},
            {"item": "GLOVE-10", "quantity": 30, "target": "A-09"},
            {"item": "YOG-500", "lot": "L2611", "expiry": "2027-06-30", "quantity": 4, "target": "A-02"},
            *({"item": "DRILL-18", "serial": f"SN-{n}", "quantity": 1, "target": "A-02"} for n in range(1, 4)),
        ],
        supplier="ACME-SUPPLY",
        delivery_note="DN-1000",
        confirm=True,
    )


def wait_for_item(set_up: House, item: str) -> None:
    """Until oslo has it with its labels, and can book goods of it: the two come by streams of their own."""
    both = "SELECT 1 FROM items JOIN streams ON stream = 'catalogue' AND key = item WHERE item = ?"

    def known() -> bool:
        with set_up.oslo.parts.site.reading() as connection:
            return connection.execute(both, (item,)).fetchone() is not None

    wait_for(f"item {item}", known, 60)


def open_count(set_up: House, name: str, *bins: str) -> str:
    """A session over these bins that tolerates nothing and repeats no clean bin; answers its id."""
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 2}
    opened = set_up.oslo.people["kim"].act("counts", name=name, bins=list(bins), rule=rule)
    return str(opened["session"])


def propose(set_up: House, kind: str, bin_: str, item: str = "GLOVE-10", quantity: int = 1, **more: Any) -> str:
    """Somebody wants to scrap these goods, or send them back; answers what waits for a signature by it."""
    line = {"item": item, "quantity": quantity, "source": bin_, **more.pop("line", {})}
    wish = {"lines": [line], "reasons": ["damaged"], **more}
    return str(set_up.oslo.people["rita"].act(f"documents/{kind}", **wish)["op_id"])


def leave_all(set_up: House) -> None:
    """Nobody has a bin or task open any more, nor anything begun or unsent, whatever a test left behind."""
    for place in set_up.places.values():
        with place.parts.site.writing() as connection:
            connection.execute("DELETE FROM drafts")
            connection.execute("UPDATE tablets SET unsent = 0, battery = NULL")  # its tablets are gone for good
    for login in ("ana", "ben"):
        api = set_up.oslo.people[login]
        screen = api.get("counts/mine")["screen"]
        if screen is not None:
            api.act("counts/leave", bin=screen["target"])
    rita = set_up.oslo.people["rita"]
    if rita.get("counts/mine")["screen"] is not None:
        rita.act("tasks/drop")


def cancel_all(set_up: House) -> None:
    """No count is under way any more, whatever a test left behind."""
    leave_all(set_up)
    kim = set_up.oslo.people["kim"]
    for each in kim.get("counts")["rows"]:
        if each["state"] not in ("closed", "cancelled", "rejected"):
            kim.act("counts/cancel", session=each["session"], reason="not-needed")


def send_short(set_up: House) -> str:
    """Ten rolls leave oslo, eight arrive at bergen; answers the transfer."""
    tor, bo = set_up.oslo.people["tor"], set_up.bergen.people["bo"]
    line = {"item": "TAPE-50", "quantity": 10, "source": "A-05"}
    transfer = str(tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=PIN)["op_id"])
    wait_for(
        "the dispatch at bergen",
        lambda: any(each["transfer"] == transfer for each in bo.get("transfers/?direction=coming")["rows"]),
        60,
    )
    arrived = {"index": 0, "quantity": 8, "missing": 2, "target": "B-01", "reasons": ["short"]}
    bo.act("transfers/accept", transfer=transfer, lines=[arrived], pin=PIN)
    return transfer
