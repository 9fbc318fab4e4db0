"""`admin/…`, status, devices, sync and sealing: how the node is, in words for people and numbers for machines."""

from __future__ import annotations

from typing import Any

from flask import Response

from ledger.errors import Unavailable
from ledger.people import ADMIN, APPROVE
from node import stations
from web import kit
from web.node_api_alerts import FINDING, SEVERITY
from web.node_app import tablet
from web.node_ask import Ask
from web.routes import ANYONE, OPEN, Route
from web.schema import (
    ACTOR,
    HASH,
    NAME,
    WHEN,
    WORDS,
    Schema,
    array,
    counts,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

METRICS_MEDIA = "text/plain"
LADDER = ("sealed", "delivered", "verified", "anchored")
_SIZES: dict[str, Schema] = {name: whole("Blocks") for name in LADDER}
_WAITING: dict[str, Schema] = {
    "unsealed": whole("Operations that wait for their block"),
    "stopped": text("Why this node does not sign, or empty"),
    "hub_problem": text("Why the last exchange with the hub failed, or empty"),
}
STATUS = record(
    "Status",
    {
        "site": NAME,
        "origin": text("The chain's name"),
        "height": whole(least=-1),
        "head": HASH,
        **_SIZES,
        **_WAITING,
        "unsealed_age_ms": or_null(whole("Since when the oldest of them waits")),
        "running": flag(),
        "enrolled": flag(),
        "database": text("Which SQLite is in use"),
    },
)
_COUNTER = counts("Since the start: frames, recorded, repeats, refused, noise …")
DEVICE = record(
    "Device",
    {
        "name": NAME,
        "kind": one_of("scanner", "scale"),
        "station": text("The station or tablet (`t3`) where it stands, or empty"),
        "state": text("`ready` is the good one"),
        "problem": text("What is wrong, or empty"),
        "url": text("How it is connected"),
        "since_ms": WHEN,
        "last_seen_ms": or_null(WHEN),
        "last_read_ms": or_null(WHEN),
        "last_read": or_null(
            record(
                "LastRead",
                {
                    "symbology": text(
                        "What kind of code it was, as people call it; empty where the scanner does not say"
                    ),
                    "ends": text("How it ends, of a longer code; else empty"),
                },
            )
        ),
        "counters": _COUNTER,
        "delivery": one_of("at-least-once", "at-most-once", "on-request"),
        "sounds": flag("The node can make it beep"),
        "odd": array(
            record("OddBytes", {"at_ms": WHEN, "hex": text("The last bytes up to then, at most 64")}),
            8,
            "Where bytes were no message, newest last; only for ADMIN, since a torn badge may be among them",
        ),
    },
)


def _status(ask: Ask) -> object:
    """Without what names people or scanners: anybody may ask."""
    found = ask.parts.status()
    return {name: found[name] for name in STATUS["properties"] if name in found}


def _sync_state(ask: Ask) -> object:
    found = ask.parts.status()
    return {**{name: found[name] for name in (*LADDER, *_WAITING)}, "hub_ms": ask.parts.links()["hub_ms"]}


def _sync_now(ask: Ask) -> object:
    kit.taken(ask.body)
    try:
        return dict(ask.parts.sync())
    except Unavailable as error:
        # That nobody answers is what came of it, and no failure of this node.
        return {"code": "unreachable", "message": str(error), "exit": 3}


def _seal(ask: Ask) -> object:
    kit.taken(ask.body)
    sealed = ask.parts.site.seal()
    return {"sealed": sealed is not None, "height": ask.parts.site.head.height}


def _devices(ask: Ask) -> object:
    (after,) = ask.after or ("",)
    found = sorted((each for each in ask.parts.devices()), key=lambda each: str(each["name"]))
    bytes_too = ask.who.has(ADMIN)
    shown = [{name: each[name] for name in DEVICE["properties"]} | ({} if bytes_too else {"odd": []})
             for each in found if each["name"] > after]  # fmt: skip
    return ask.page([((each["name"],), each) for each in shown])


def _bind(ask: Ask) -> object:
    """From now on `device`, and what stands at its station, belongs to whoever asks."""
    wish = kit.Fields(ask.body)
    device = wish.text("device", most=100)
    wish.done()
    taken = stations.with_neighbours(device, ask.parts.devices())
    for name in taken:
        ask.parts.floor.people.bind_device(ask.who, name)
    with ask.parts.site.writing() as connection:
        for name in taken:
            stations.stays_at(connection, name, tablet(ask.parts))
    return {"device": device, "devices": taken, "actor": str(ask.who.actor)}


# ---------------------------------------------------------------- admin


def _health_of(ask: Ask) -> dict[str, Any]:
    """The last look at the node's own vitals; "ok" with nothing found before the first."""
    found: dict[str, Any] = ask.parts.status().get("health") or {}
    return {"severity": "ok", "findings": [], "vitals": None, "age_ms": None, **found}


def _health(ask: Ask) -> object:
    return _health_of(ask)


def _agents(ask: Ask) -> object:
    found = _health_of(ask)
    state = "waiting" if found["age_ms"] is None else "watching"
    return {
        "agents": [
            {
                "name": "monitor",
                "state": state,
                "looked_age_ms": found["age_ms"],
                "severity": found["severity"],
                "findings": found["findings"],
            }
        ]
    }


def numbers(ask: Ask) -> dict[str, int]:
    """Every figure of the node by name: how far the chain has come, and the vitals. Nothing in it names anybody."""
    found = ask.parts.status()
    figures: dict[str, Any] = {f"blocks_{name}": found[name] for name in LADDER}
    figures |= {"height": found["height"], "unsealed": found["unsealed"], "stopped": bool(found["stopped"])}
    vitals = _health_of(ask)["vitals"] or {"ledger": {}, "machine": {}, "devices": []}
    figures |= {name: value for part in ("ledger", "machine") for name, value in vitals[part].items()}
    figures["devices"] = len(vitals["devices"])
    figures["devices_ready"] = sum(each["state"] == "ready" for each in vitals["devices"])
    figures["device_reads"] = sum(each["reads"] for each in vitals["devices"])
    figures["device_errors"] = sum(each["errors"] for each in vitals["devices"])
    return {name: int(value) for name, value in figures.items() if isinstance(value, int)}


def _metrics(ask: Ask) -> object:
    return {"metrics": numbers(ask)}


def _prometheus(ask: Ask) -> Response:
    lines = [f"# TYPE tallyman_{name} gauge\ntallyman_{name} {value}" for name, value in sorted(numbers(ask).items())]
    return Response("\n".join(lines) + "\n", mimetype=METRICS_MEDIA)


EMPTY = record("", {})
AGE = or_null(whole("Since the last look"))
_VITALS = {"type": ["object", "null"], "description": "The last sample of chain, machine and devices"}

ROUTES = (
    Route(
        method="GET", path="/api/v1/status", allow=OPEN, answer=STATUS, handle=_status,
        summary="Where the site stands; anybody may ask",
    ),
    Route(
        method="GET", path="/api/v1/sync", allow=ANYONE, handle=_sync_state,
        summary="How much the hub holds, has verified and anchored",
        answer=record("Sync", {**_SIZES, **_WAITING, "hub_ms": or_null(WHEN)}),
    ),
    Route(
        method="POST", path="/api/v1/sync/now", allow=ANYONE, body=EMPTY, handle=_sync_now,
        summary="Exchange with the hub now; answers what came of it",
        answer=record(
            "Exchanged",
            {
                "code": text("What the hub said; `unreachable` when nobody answered"), "message": text(),
                "exit": whole("0 when the hub holds what it was sent", most=3),
            },
            {
                "held": whole(), "cosigned": or_null(whole()), "rounds": whole(), "sent_bytes": whole(),
                "received_bytes": whole(), "problems": array(WORDS, None),
            },
        ),
    ),
    Route(
        method="POST", path="/api/v1/seal", allow=ANYONE, body=EMPTY, handle=_seal,
        summary="Sign what is recorded as a block now",
        answer=record("Sealed", {"sealed": flag(), "height": whole()}),
    ),
    Route(
        method="GET", path="/api/v1/devices/", allow=ANYONE, answer=DEVICE, keys=(str,), handle=_devices,
        summary="Scanners and scales, by name",
    ),
    Route(
        method="POST", path="/api/v1/devices/bind", allow=ANYONE, handle=_bind,
        summary="From now on this scanner or scale, and what stands at its station, is the asker's",
        body=record("Bind", {"device": text("Its name", least=1, most=80)}),
        answer=record("BoundDevice", {"device": text(), "devices": array(text()), "actor": ACTOR}),
    ),
    Route(
        method="GET", path="/api/v1/admin/system/health", allow=ADMIN | APPROVE, handle=_health,
        summary="How the node is and what to do about it",
        answer=record("Health", {"severity": SEVERITY, "findings": array(FINDING), "vitals": _VITALS, "age_ms": AGE}),
    ),
    Route(
        method="GET", path="/api/v1/admin/system/metrics", allow=ADMIN | APPROVE, handle=_metrics,
        summary="Every figure of the node by name",
        answer=record("Metrics", {"metrics": {"type": "object", "additionalProperties": {"type": "integer"}}}),
    ),
    Route(
        method="GET", path="/api/v1/admin/ai/status", allow=ADMIN | APPROVE, handle=_agents,
        summary="The agents that watch this node, and what each has found",
        answer=record(
            "Agents",
            {
                "agents": array(
                    record(
                        "Agent",
                        {
                            "name": text(), "state": one_of("waiting", "watching"), "looked_age_ms": AGE,
                            "severity": SEVERITY, "findings": array(FINDING),
                        },
                    )
                )
            },
        ),
    ),
    Route(
        method="GET", path="/metrics", allow=OPEN, media=METRICS_MEDIA, handle=_prometheus,
        answer={"type": "string"}, summary="The same figures for Prometheus; anybody may ask, and nobody is named",
    ),
)  # fmt: skip
