"""The day of which the examples in the description of the API tell (`web/node_examples`): everything up to them.

It comes about through the API itself; only what the hub, another site or a scanner sends is put where the node finds
it. Then each example can be asked once, in any order, since each has an aisle's bin, document or person of its own.
What the examples call A happens in any aisle, so that there are as many days at one node as are wanted.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from devices.reads import NewRead
from ledger import control
from ledger.announced import ORDERS
from ledger.ids import OpId, Origin
from ledger.keys import SigningKey
from ledger.people import ADMIN, APPROVE, AUDIT, COUNT, STOCK_ROLES, role_names
from node import streams
from node.agents.vitals import DeviceVitals
from node.dispatch_paper import DispatchPaper, Sent
from node.health import Health
from node.store import FACT_HUB, set_fact
from tests.node.floor_kit import GTINS, PIN, Stage, actor_of, code_of, introduce
from tests.web import walk
from web import node_examples
from web.node_examples import op_id
from web.openapi import Example
from web.routes import Route

# Who asks what nobody in particular has to ask, and who asks for the rest; they are the same on each day.
PEOPLE = {"every": STOCK_ROLES, "ada": ADMIN, "audrey": AUDIT}
# Operations that no request ends well of here, and why.
NEVER = {
    "put_users_actor_roles": "roles are the hub's: always refused, with where it can be done",
    "post_devices_beep": "needs a scanner on a wire (tests/web/test_devices_api)",
    "post_scales_weigh": "needs a scale on a wire (tests/web/test_devices_api)",
    "get_events": "goes on for minutes (tests/web/test_events)",
}
BINS = (*range(1, 3), *range(11, 40))
SAMPLED = 13
NO_RECOUNT = {"control_percent": 0, "rounds_max": 1}
RECOUNT = {"control_percent": 0, "line_quantity_max": 0, "rounds_max": 2}
BERGEN = SigningKey(b"\x77" * 32)
_ID = re.compile("[0-9a-f]{32}")
_AISLE = re.compile(r"\bA(?=-\d\d\b|\d*$)")
ROUTES = {walk.short(route): route for route in walk.ROUTES if route.unsafe}


@dataclass
class Day:
    """One aisle's day. `given`: what only this node could say, by the example's operation and member; `askers`: the
    tokens of those who alone can ask for it."""

    stage: Stage
    app: Flask
    aisle: str
    tokens: dict[str, str] = field(default_factory=dict)
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    askers: dict[str, str] = field(default_factory=dict)

    def here(self, value: Any) -> Any:
        """What an example says, said of this aisle."""
        if isinstance(value, dict):
            return {name: self.here(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.here(each) for each in value]
        if not isinstance(value, str) or self.aisle == "A":
            return value
        if _ID.fullmatch(value):
            return hashlib.sha256(f"{self.aisle} {value}".encode()).hexdigest()[:32]
        return _AISLE.sub(self.aisle, value)

    def op(self, word: str) -> str:
        return str(self.here(op_id(word)))

    def person(self, word: str, roles: int = STOCK_ROLES) -> str:
        """Somebody of this day, who has logged in for the first time; answers their login."""
        login = f"{word}-{self.aisle.lower()}"
        self.tokens[login] = new_person(self.stage, login, roles)
        return login

    def act(self, who: str, path: str, op: str = "", **body: Any) -> dict[str, Any]:
        """Something that happens on this day."""
        named = {"op_id": self.op(op) if op else str(self.stage.op())} if ROUTES[path].act else {}
        answer = asked(self.app, ROUTES[path], self.tokens[who], Example({}, {**named, **body}))
        found: dict[str, Any] = answer.json
        assert answer.status_code == 200 and "ask" not in found, f"{path} {body}: {found}"
        return found

    def of(self, path: str) -> dict[str, Any]:
        """The example's body, here."""
        return dict(self.here(node_examples.BODIES[path]))

    def give(self, path: str, who: str = "every", **members: Any) -> None:
        """What the example at `path` needs to be this node's own."""
        self.given[path] = members
        self.askers[path] = who

    def request(self, route: Route) -> tuple[str, Example]:
        """The login of who can ask, and the example as they ask it here."""
        path, shown = walk.short(route), node_examples.example(route)
        given = self.given.get(path, {})
        names = {name: str(given.get(name, self.here(value))) for name, value in shown.path.items()}
        body = None if shown.body is None else {**self.here(shown.body), **given}
        if body is not None:
            body = {name: value for name, value in body.items() if name not in shown.path or name in shown.body}
        may = "every" if not route.roles or route.roles & STOCK_ROLES else "ada"
        return self.askers.get(path, may), Example(names, body)


def new_person(stage: Stage, login: str, roles: int) -> str:
    """The token of somebody who has logged in for the first time."""
    introduce(stage.world, stage.site, login, tuple(role_names(roles)))
    return str(stage.floor.people.activate(stage.op(), login, code_of(login), PIN, "tablet-7")["token"])


def asked(app: Flask, route: Route, token: str, how: Example) -> TestResponse:
    address = walk.address(route, **how.path)
    headers = {"Authorization": f"Bearer {token}"}
    return app.test_client(use_cookies=False).open(address, method=route.method, json=how.body, headers=headers)


def ask(day: Day, route: Route) -> TestResponse:
    """One example, asked once."""
    who, how = day.request(route)
    return asked(day.app, route, day.tokens[who], how)


def until_then(stage: Stage, app: Flask, aisles: str = "A") -> list[Day]:
    """A day in each of these aisles, up to its examples."""
    tokens = {login: new_person(stage, login, roles) for login, roles in PEOPLE.items()}
    days = [Day(stage, app, aisle, dict(tokens)) for aisle in aisles]
    for day in days:
        for happens in (_people, _furniture, _goods, _counts, _counting, _papers, _documents, _tasks, _transfers):
            happens(day)
        _picks(day)
        _kept(day)
    stage.site.seal()
    # From now on supervisors give a code when they log in.
    stage.site.config = replace(stage.site.config, web=replace(stage.site.config.web, second_factor=True))
    _alerts(days)
    for day in days:
        _given_out(day)
    return days


def _furniture(day: Day) -> None:
    """What the hub sends of the aisle, and the order that it announces."""
    aisle, place = day.aisle, control.Location
    areas = [place(location=f"{word}-{aisle}", kind=control.AREA) for word in ("AISLE", "DRAW")]
    bins = [
        place(location=_bin(day, n), kind=control.BIN, parent=f"{'DRAW' if n == SAMPLED else 'AISLE'}-{aisle}")
        for n in BINS
    ]
    units = [place(location=f"TOTE-{aisle}{n}", kind=control.UNIT) for n in range(1, 6)]
    units.append(place(location=f"LPN-{aisle}1", kind=control.UNIT, parent=_bin(day, 1)))
    day.stage.world.send(
        day.stage.site,
        control.LocationsPayload(locations=tuple(areas)),
        control.LocationsPayload(locations=(*bins, *units)),
        control.ItemsPayload(items=(control.Item(item="NUT", tracking=0, unit="pc", decimals=0),)),
    )
    with day.stage.site.writing() as connection:
        streams.put(connection, ORDERS, day.of("documents/issue")["order"], {"lines": [["BOLT", 2]]})


def _bin(day: Day, number: int) -> str:
    return f"{day.aisle}-{number:02}"


def _mona(day: Day) -> str:
    return f"mona-{day.aisle.lower()}"


def _goods(day: Day) -> None:
    lines = [{"item": "BOLT", "quantity": 10, "target": _bin(day, n)} for n in BINS if n != 1]
    lines.append({"item": "BOLT", "quantity": 900, "target": _bin(day, 1)})
    lines.append({"item": "PAINT", "lot": "L1", "quantity": 90, "target": _bin(day, 1)})
    lines.append({"item": "DRILL", "serial": f"S-{day.aisle}1", "quantity": 1, "target": _bin(day, 1)})
    day.act(_mona(day), "documents/receive", lines=lines)


# ---------------------------------------------------------------- counts


def _session(day: Day, name: str, *bins: int, **more: Any) -> None:
    wish = {"name": name.title(), "rule": NO_RECOUNT, **({"bins": [_bin(day, n) for n in bins]} if bins else {})}
    day.act("every", "counts/", name, **{**wish, **more})


def _count(day: Day, number: int, quantity: int, who: str = "cora", op: str = "") -> None:
    bin_, who = _bin(day, number), f"{who}-{day.aisle.lower()}"
    day.act(who, "counts/open", bin=bin_)
    day.act(who, "counts/enter", item="BOLT", quantity=quantity, bin=bin_)
    day.act(who, "counts/close", op, bin=bin_, confirm=True)


def _counts(day: Day) -> None:
    """Sessions in each of their states."""
    _session(day, "draft", 12, draft=True)
    with day.stage.site.writing() as connection:
        # The hub has just answered: a sample waits for its secret, and for none when it is away.
        set_fact(connection, FACT_HUB, json.dumps({"at_ms": day.stage.world.clock.now_ms()}))
    _session(day, "sample", plan={"areas": [f"DRAW-{day.aisle}"], "sample": 1})
    with day.stage.site.writing() as connection:
        set_fact(connection, FACT_HUB, None)
    _session(day, "not needed", 14)
    _session(day, "unassigned", 15)
    _session(day, "blocked", 17)
    _session(day, "doubtful", 18)
    _count(day, 18, 8)
    _session(day, "relocated", 19, 20)
    _count(day, 19, 8)
    _count(day, 20, 12)
    _session(day, "once more", 28)
    _count(day, 28, 8)
    _session(day, "differs", 29, rule=RECOUNT)
    _count(day, 29, 8)
    _session(day, "twice", 30, rule=RECOUNT)
    _count(day, 30, 8)
    _count(day, 30, 7, "carl")
    _session(day, "review", 31)
    _count(day, 31, 8, op="counted")
    _session(day, "all well", 32)
    _count(day, 32, 10)
    day.give("counts/assign", assignee=str(actor_of(f"cora-{day.aisle.lower()}")))


def _open(day: Day, number: int, path: str, login: str = "") -> str:
    """Somebody who has this bin open; they ask for `path`."""
    who = login or day.person(path.partition("/")[2].replace("-", "") + str(number), COUNT)
    day.act(who, "counts/open", bin=_bin(day, number))
    day.give(path, who)
    return who


def _counting(day: Day) -> None:
    """Bins that are open, each with a person of its own."""
    numbers = (16, 21, 22, 23, 24, 25, 26, 27, 36, 37, 38)
    _session(day, "at work", *(n for n in numbers if n != 16))
    _session(day, "left open", 16)
    _open(day, 16, "counts/free")
    day.give("counts/free")
    day.give("counts/open", day.person("opener", COUNT))
    owner = _open(day, 22, "counts/share")
    second = day.person("second", COUNT)
    area = day.act(second, "counts/open", bin=_bin(day, 22), how="share", area="upper shelf")["area"]
    day.give("counts/share", owner, area=area)
    for number, path in ((23, "counts/leave"), (24, "counts/enter"), (26, "counts/empty")):
        _open(day, number, path)
    for number, path in ((25, "counts/undo"), (27, "counts/close")):
        day.act(_open(day, number, path), "counts/enter", item="BOLT", quantity=9, bin=_bin(day, number))
    for number, path in ((36, "scans/resolve"), (37, "scans/dismiss")):
        who = _open(day, number, path)
        parked = day.act(who, "scans/", text="]E05449000000996", bin=_bin(day, number))
        day.give(path, who, park=parked["park"])
    day.give("reads/count", _open(day, 38, "reads/count"), read=_doubtful(day, day.askers["reads/count"]))
    day.give("reads/dismiss", read=_doubtful(day, "every"))


def _doubtful(day: Day, login: str) -> str:
    """A read that its scanner may have sent again."""
    stage, said = day.stage, {"actor": str(actor_of(login)), "bin": _bin(day, 38)}
    raw = f"]E0{GTINS['BOLT'][1:]}".encode()
    for again in ("", "perhaps"):
        stage.world.clock.advance(1_000)
        [read] = stage.journal.record([NewRead("gun", raw, context=said, again=again)])  # type: ignore[arg-type]
    stage.floor.scanning.drain(stage.journal)
    return read.read_id


def _papers(day: Day) -> None:
    _session(day, "on paper", 33, 34, 35)
    sheets = [
        day.act("every", "counts/sheets", session=day.op("on paper"), bins=[_bin(day, n)])["sheet"] for n in (34, 35)
    ]
    day.give("counts/sheets/settle", sheet=sheets[0])
    csv = day.of("counts/sheets/return")["csv"].replace("\n1,", f"\n{sheets[1]},")
    counter, at_ms = str(actor_of(f"cora-{day.aisle.lower()}")), day.stage.world.clock.now_ms()
    day.give("counts/sheets/return", sheet=sheets[1], csv=csv, counter=counter, counted_ms=at_ms)
    for path in ("counts/sheets/{number}", "counts/sheets/{number}.csv"):
        day.give(path, number=sheets[1])


# ---------------------------------------------------------------- goods


def _documents(day: Day) -> None:
    mona, bolt = _mona(day), [{"item": "BOLT", "quantity": 1}]
    there = {"lines": bolt, "source": _bin(day, 1), "target": _bin(day, 2)}
    day.act("every", "documents/move", "moved", **there)
    day.act(mona, "documents/receive", "received twice", lines=bolt, target=_bin(day, 1))
    change = {"lines": [{"item": "BOLT", "location": _bin(day, 1), "change": -1}], "reasons": ["lost"]}
    for name in ("wrong proposal", "right proposal"):
        day.act(mona, "documents/adjust", name, **change)
    day.act(mona, "documents/hold", "held", **day.of("documents/hold"))
    for name in ("noted", "noted wrongly"):
        day.act(mona, "documents/receive", name, lines=bolt, target=_bin(day, 39), note="Bo took it")
    day.act(mona, "deliveries/", **{**day.of("deliveries/"), "delivery": day.of("deliveries/close")["delivery"]})


def _tasks(day: Day) -> None:
    """Receipts that somebody is at, each with a person of its own."""
    day.give("tasks/begin", day.person("begin"))
    for word in ("enter", "part", "finish", "drop"):
        who = day.person(word)
        task = day.act(who, "tasks/begin", kind="receive", target=_bin(day, 2))["task"]
        if word in ("part", "finish"):
            day.act(who, "tasks/enter", item="BOLT", quantity=12)
        day.give(f"tasks/{word}", who, task=task)


def _transfers(day: Day) -> None:
    site = day.stage.site
    bergen = Origin("acme", "bergen", 1)
    paper = DispatchPaper(
        OpId.parse(day.op("on paper")), bergen, site.config.site, (Sent(0, "BOLT", "", "", 0, 5),)
    ).signed(BERGEN.sign)
    with site.writing() as connection:
        streams.put(connection, "sites", "bergen", {"origin": str(bergen), "key": str(BERGEN.verify_key)})
        for name in ("coming", "accepted"):
            told = {
                "sender": "bergen", "receiver": site.config.site, "document": "00" * 32, "state": "in transit",
                "dispatched_s": 1_700_000_000, "arrived_s": 0, "lines": [[0, "BOLT", "", "", 0, 5, 0, 0, 0]],
            }  # fmt: skip
            streams.put(connection, "transfers", f"bergen/{day.op(name)}", told)
    accepted = {**day.of("transfers/accept"), "transfer": day.op("accepted")}
    day.act("every", "transfers/accept", "accepted wrongly", **accepted)
    day.act("every", "transfers/dispatch", "sent wrongly", **day.of("transfers/dispatch"))
    day.give("transfers/paper", scanned=[paper])


def _picks(day: Day) -> None:
    names = ("to begin", "begun", "short", "picked", "withdrawn")
    for number, name in enumerate(names, 11):
        day.act("every", "picks/", name, order=f"SO-{day.aisle}{number}", lines=[{"item": "BOLT", "quantity": 2}])
    nut = {"lines": [{"item": "NUT", "quantity": 1}], "target": _bin(day, 39)}
    day.act(_mona(day), "documents/receive", **nut)
    day.act("every", "picks/", "in part", order=f"SO-{day.aisle}20", lines=[{"item": "NUT", "quantity": 2}])
    day.act(_mona(day), "documents/receive", **nut)
    for number, name in enumerate(("begun", "short", "picked"), 2):
        day.act("every", "picks/begin", list=day.op(name), tote=f"TOTE-{day.aisle}{number}")
    shown = next(route for route in walk.ROUTES if walk.short(route) == "picks/{list}")
    where = {}
    for name in ("begun", "short", "picked"):
        answer = asked(day.app, shown, day.tokens["every"], Example({"list": day.op(name)}))
        where[name] = answer.json["lines"][0]["location"]
    day.give("picks/pick", source=where["begun"])
    day.give("picks/short", location=where["short"])
    day.act("every", "picks/pick", list=day.op("picked"), item="BOLT", quantity=2, source=where["picked"])


# ---------------------------------------------------------------- the rest


def _kept(day: Day) -> None:
    photos = [
        day.act("every", "attachments/", **{**day.of("attachments/"), "name": name})["attachment"]
        for name in ("pallet", "face")
    ]
    for path in ("attachments/{attachment}", "attachments/{attachment}/content"):
        day.give(path, attachment=photos[0])
    day.give("attachments/erase", attachment=photos[1])


def _people(day: Day) -> None:
    """Those who do all this, and those of whom log-in and its second factor tell."""
    day.person("cora", COUNT)
    day.person("carl", COUNT)
    day.person("mona", STOCK_ROLES & ~APPROVE)
    day.give("auth/login", login=day.person("lena", COUNT))
    nora, sven, otto = f"nora-{day.aisle.lower()}", day.person("sven", APPROVE), day.person("otto", APPROVE)
    introduce(day.stage.world, day.stage.site, nora, ("COUNT",))
    day.give("auth/register", login=nora, code=code_of(nora))
    day.give("auth/second-factor", login=sven)
    for path in ("auth/refresh", "auth/logout"):
        day.give(path, day.person(path.rpartition("/")[2], COUNT))
    for path, login in (("unlock", sven), ("reset-second-factor", otto)):
        day.give(f"users/{{actor}}/{path}", "ada", actor=str(actor_of(login)))
    for path in ("users/{actor}", "users/{actor}/roles", "audit/users/{actor}"):
        day.give(path, actor=str(actor_of(sven)))


def _alerts(days: list[Day]) -> None:
    """Two lamps of each aisle are away; somebody has seen so of one."""
    stage = days[0].stage
    away = [DeviceVitals(f"{word}-{day.aisle}", "absent", None, 0, 0) for day in days for word in ("lamp", "seen")]
    Health(stage.site, lambda: away, stage.floor.alerts.notice).sample()
    for day in days:
        alert = {"code": "device_away", "severity": "warning"}
        day.act("every", "alerts/seen", subject=f"seen-{day.aisle}", **alert)
        day.give("alerts/seen", subject=f"lamp-{day.aisle}", **alert)
        day.give("alerts/unseen", subject=f"seen-{day.aisle}", code="device_away")


def _given_out(day: Day) -> None:
    """What there is to see and to check of all this. Who counts is not told what may say something of a bin."""
    for path in (
        "notes/{op_id}",
        *(f"operations/{{op_id}}/{what}" for what in ("receipt", "events/", "events/{number}")),
    ):
        day.give(path, "audrey")
    certificate = day.act("every", "counts/certificate", zone=f"AISLE-{day.aisle}")["certificate"]
    day.give("counts/certificate/check", **certificate)
    day.act(f"otto-{day.aisle.lower()}", "auth/second-factor", login=f"otto-{day.aisle.lower()}", pin=PIN)
