"""A furnished site with people who have logged in for the first time, and a scanner whose reads are in a journal."""

from __future__ import annotations

import atexit
import copy
import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.journal import Journal
from devices.reads import NewRead
from ledger import control
from ledger.ids import Actor, OpId
from ledger.people import activation_hash, new_code, on_chain, roles_of
from node import identity, streams
from node.desk import Person
from node.floor import Floor
from node.site import Site
from tests.node.world import World

PEOPLE = {
    "cora": ("COUNT", "RECEIVE", "MOVE"),
    "carl": ("COUNT", "MOVE", "ISSUE"),
    "mona": ("MOVE", "RECEIVE", "ADJUST", "ISSUE", "HOLD"),
    "sven": ("APPROVE", "ADJUST", "TRANSFER"),
    "tess": ("APPROVE", "COUNT", "TRANSFER"),
    "adam": ("ADMIN",),
}
PIN = "482913"
GTINS = {"BOLT": "04006381333931", "PAINT": "09506000134352", "DRILL": "05901234123457"}
BOX = "14006381333938"  # twelve bolts


@dataclass
class Stage:
    """One site at work. `as_` is who is logged in by name."""

    world: World
    site: Site
    floor: Floor
    journal: Journal
    tokens: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def op(self) -> OpId:
        """An op_id that nobody used yet."""
        return OpId(b"act" + next(self.numbers).to_bytes(13, "big"))

    def as_(self, login: str) -> Person:
        return self.floor.people.session(self.tokens[login])

    def scan(self, text: str | bytes, device: str = "gun") -> dict[str, Any]:
        """One trigger pull: journal, then floor. Answers what became of it."""
        raw = text.encode() if isinstance(text, str) else text
        self.world.clock.advance(1_000)
        self.journal.record([NewRead(device=device, raw=raw)])
        return self.floor.scanning.drain(self.journal)[-1][1]

    def stock(self, location: str, item: str) -> int:
        with self.site.reading() as connection:
            (total,) = connection.execute(
                "SELECT COALESCE(SUM(quantity), 0) FROM stock WHERE location = ? AND item = ?", (location, item)
            ).fetchone()
        return int(total)

    def receive(self, *lines: dict[str, Any], who: str = "mona") -> OpId:
        op = self.op()
        self.floor.stock.receive(op, self.as_(who), {"lines": list(lines), "target": "A-01"})
        return op

    def restart(self) -> Stage:
        """The process dies between two calls and starts again on the same disk."""
        self.close()
        return stage_on(self.world, self.tokens, self.numbers)

    def close(self) -> None:
        self.journal.close()
        self.site.close()


def stage_on(world: World, tokens: dict[str, str], numbers: Any) -> Stage:
    site = world.open()
    keys = identity.load_keys(world.config)
    floor = Floor(site, keys.pepper, world.random)
    floor.resume()
    journal = Journal(world.folder / "reads.db", clock=world.clock, random=world.random)
    return Stage(world, site, floor, journal, tokens, numbers)


def actor_of(login: str) -> Actor:
    return Actor(login.encode().ljust(32, b"\x01"))


def code_of(login: str) -> str:
    return new_code(login.encode().ljust(16, b"\x02"))


def introduce(stage_world: World, site: Site, login: str, roles: tuple[str, ...], **more: Any) -> None:
    """What the hub sends about a person: a users entry and a control record."""
    with site.writing() as connection:
        streams.put(
            connection,
            "users",
            str(actor_of(login)),
            {"login": login, "name": login.title(), "badge": f"badge-{login}", "roles": list(roles)},
        )
    sent = stage_world.send(
        site,
        control.PersonPayload(
            actor=actor_of(login),
            roles=on_chain(roles_of(roles)),
            activation=activation_hash(code_of(login)),
            valid_from=more.get("valid_from", 0),
            valid_until=more.get("valid_until", 0),
            revoked=more.get("revoked", False),
        ),
    )
    assert sent == 1


def furnished(folder: Path, name: str = "oslo", people: tuple[str, ...] = tuple(PEOPLE)) -> Stage:
    """A site where everyone in `people` is logged in and the scanner `gun` is Cora's.

    The first one of its kind is made from nothing; the others begin as a copy of its closed folder, so that people
    are logged in with their keys locked, as after a restart.
    """
    key = (name, people)
    if key not in _templates:
        made = fresh(Path(tempfile.mkdtemp(prefix="tallyman-stage-")) / "node", name, people)
        made.close()
        _templates[key] = made
    made = _templates[key]
    shutil.copytree(made.world.folder, folder)
    world = copy.deepcopy(made.world)
    world.folder = folder
    return stage_on(world, dict(made.tokens), itertools.count(1000))


_templates: dict[tuple[str, tuple[str, ...]], Stage] = {}


@atexit.register
def _sweep() -> None:
    for made in _templates.values():
        shutil.rmtree(made.world.folder.parent, ignore_errors=True)


def fresh(folder: Path, name: str = "oslo", people: tuple[str, ...] = tuple(PEOPLE)) -> Stage:
    """The same from nothing, with everyone's key open in memory."""
    world = World(folder, name=name)
    world.ready().close()
    stage = stage_on(world, {}, itertools.count(1))
    with stage.site.writing() as connection:
        for sku, gtin in GTINS.items():
            packs = [[gtin, 1], [BOX, 12]] if sku == "BOLT" else [[gtin, 1]]
            entry = {"name": f"{sku.title()} 8", "gtins": packs, "unit": "pc", "decimals": 0, "cost_minor": 250}
            streams.put(connection, "catalogue", sku, {**entry, "tracking": 0, "currency": "EUR"})
        streams.put(connection, "sites", "bergen", {"origin": "acme/site/bergen/1", "key": ""})
    for login in people:
        introduce(world, stage.site, login, PEOPLE[login])
        answer = stage.floor.people.activate(stage.op(), login, code_of(login), PIN, "tablet-1")
        stage.tokens[login] = answer["token"]
    if "cora" in people:
        stage.floor.people.bind_device(stage.as_("cora"), "gun")
    return stage


def begun_list(stage: Stage, quantity: int) -> OpId:
    """A list of so many bolts, promised from where they are, that mona has begun with the tote TOTE-1."""
    tote = control.Location(location="TOTE-1", kind=control.UNIT)
    stage.world.send(stage.site, control.LocationsPayload(locations=(tote,)))
    name = stage.op()
    wish = {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": quantity}]}
    stage.floor.picking.open(name, stage.as_("mona"), wish)
    stage.floor.picking.begin(stage.op(), stage.as_("mona"), {"list": str(name), "tote": "TOTE-1"})
    return name
