"""`python -m tests.web.fuzz --seconds 45 --seed 1`: schemathesis over the whole description, against a real node.

The node has goods, counts, proposals and transfers and stands behind its own server. Half of what is generated is
made to name things that exist (`tests/web/fuzz_hooks.py`), because a request about nothing is refused at the door.
Three people ask, since no one may have all roles: one with those of a day's work, an ADMIN and an auditor, each what
they may ask. The node itself counts what it answered: an operation that nobody reached fails a long run.

A planted fault is an answer that is not described and that one person alone can get: `--planted` must see it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask, Response, request

from ledger.people import ADMIN, AUDIT, STOCK_ROLES, role_names
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, introduce
from tests.web import kit, walk
from tests.web.fuzz_hooks import TABLET
from web.server import Server

ROOT = Path(__file__).resolve().parents[2]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# What says no to a request that fits no description: 412 that it has changed, 413 that it is too large to be read.
NO = (400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429, "5xx")
# They end the log-in that everything else is asked with; a stream that goes on for minutes has tests of its own.
ENDING = ("/api/v1/auth/logout", "/api/v1/auth/refresh")
STREAM = "/events"
# Who asks, and how many twentieths of the time.
PEOPLE = (("every", STOCK_ROLES, 10), ("ada", ADMIN, 4), ("audrey", AUDIT, 2))
ENDING_SHARE = 4
# Within this time every operation is reached, also on a slow machine.
REACHED_S = 200
# What a planted fault is looked for with: a number and no time, so that it does not hang on the machine.
PLANTED_EXAMPLES = 100


def furnish(stage: Stage) -> dict[str, Sequence[str]]:
    """A bit of everything, and the names that lead there."""
    stage.receive(
        {"item": "BOLT", "quantity": 500},
        {"item": "PAINT", "lot": "L1", "quantity": 7},
        {"item": "DRILL", "serial": "S1", "quantity": 1},
    )
    sven, mona, cora = (stage.as_(login) for login in ("sven", "mona", "cora"))
    wish = {"name": "Week", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
    session = stage.floor.counting.open_session(stage.op(), sven, wish)["session"]
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 499})
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    change = {"lines": [{"item": "BOLT", "location": "A-02", "change": 1}], "reasons": ["found"]}
    proposal = stage.floor.stock.adjust(stage.op(), mona, change)["op_id"]
    line = {"item": "BOLT", "quantity": 3, "source": "A-01"}
    transfer = stage.floor.transfers.dispatch(stage.op(), sven, {"receiver": "bergen", "lines": [line]}, PIN)["op_id"]
    stage.site.seal()
    operation = str(stage.receive({"item": "BOLT", "quantity": 1}))
    return {
        "code": ("BOLT", "PAINT", "DRILL", "A-01", "DOCK"),
        "bin": ("A-01", "A-02", "DOCK"),
        "location": ("A-01", "A-02", "DOCK"),
        "source": ("A-01", "A-02", "DOCK"),
        "target": ("A-01", "A-02", "DOCK"),
        "item": ("BOLT", "PAINT", "DRILL"),
        "lot": ("L1", "L2"),
        "serial": ("S1", "S2"),
        "actor": [str(actor_of(login)) for login in ("cora", "mona", "every")],
        "assignee": [str(actor_of("cora"))],
        "session": (str(session),),
        "proposal": (str(proposal),),
        "of": (operation,),
        "transfer": (str(transfer),),
        "receiver": ("bergen",),
        "text": ("4006381333931", "BIN:A-02", "]C10104006381333931"),
        "pin": (PIN,),
    }


def everybody(stage: Stage) -> str:
    """The token of one person with every role that goes together."""
    return person(stage, "every", STOCK_ROLES)


def person(stage: Stage, login: str, roles: int) -> str:
    """The token of somebody new with these roles."""
    introduce(stage.world, stage.site, login, tuple(role_names(roles)))
    answer = stage.floor.people.activate(stage.op(), login, code_of(login), PIN, TABLET)
    return str(answer["token"])


@dataclass
class Tally:
    """How often the node answered which operation with which status."""

    answers: dict[str, Counter[int]] = field(default_factory=dict)

    def watch(self, app: Flask) -> None:
        routes = {(route.method, route.rule()): route for route in walk.ROUTES}

        def count(response: Response) -> Response:
            route = routes.get((request.method, str(request.url_rule)))
            if route is not None:
                self.answers.setdefault(route.name, Counter())[response.status_code] += 1
            return response

        app.after_request(count)

    def total(self) -> int:
        return sum(answers.total() for answers in self.answers.values())

    def unreached(self) -> list[str]:
        """Operations that nobody got further with than the question who asks."""
        reached = {name for name, answers in self.answers.items() if set(answers) - {401, 403}}
        return [route.name for route in walk.ROUTES if route.path != STREAM and route.name not in reached]


def run(url: str, token: str, names: object, seed: int, *words: str) -> int:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/api/v1/openapi.json"]
    command += ["--header", f"Authorization:Bearer {token}", "--checks", ",".join(CHECKS), "--seed", str(seed)]
    command += ["--continue-on-failure", "--request-timeout", "20", "--no-color", *words]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.web.fuzz_hooks",
        "TALLYMAN_FUZZ_NAMES": json.dumps(names),
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(NO)}\n"
        (Path(folder) / "schemathesis.toml").write_text(settings, "utf-8")
        return subprocess.run(command, env=environment, cwd=folder, check=False).returncode


def opened(roles: int) -> list[str]:
    """The operations that somebody with these roles may ask for; others answer 403 (test_permissions)."""
    return [
        route.name
        for route in walk.ROUTES
        if route.path not in (*ENDING, STREAM) and (not route.roles or route.roles & roles)
    ]


def only(names: Iterable[str]) -> list[str]:
    return [word for name in names for word in ("--include-operation-id", name)]


def fuzz(seconds: int, seed: int, planted: Callable[[Flask], None] | None = None) -> list[str]:
    """What is wrong after so long: who met what is not described, and the operations that nobody reached in a long
    run. A planted fault takes as long as it takes."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        stage, app = kit.node(Path(folder) / "node", watched=False)
        names, tally = furnish(stage), Tally()
        tally.watch(app)
        tokens = {login: person(stage, login, roles) for login, roles, _ in PEOPLE}
        turns = [(login, _for(seconds * share // 20) + only(opened(roles))) for login, roles, share in PEOPLE]
        ending = [word for path in ENDING for word in ("--include-path", path)]
        # Each of its requests brings a log-in of its own.
        turns.append(("every", [*_for(seconds * ENDING_SHARE // 20), *ending, "--exclude-checks", "ignored_auth"]))
        if planted is not None:
            planted(app)
            hers = only(sorted(set(opened(ADMIN)) - set(opened(STOCK_ROLES))))
            turns = [("ada", ["--max-examples", str(PLANTED_EXAMPLES), *hers])]
        server = Server(app, "127.0.0.1", 0)
        _, port = server.start()
        url = f"http://127.0.0.1:{port}"
        with kit.closing(stage):
            try:
                for login, words in turns:
                    if run(url, tokens[login], names, seed, *words):
                        found.append(login)
                # Whatever was thrown at it: the books still agree with the chain, and it still works.
                stage.site.seal()
                stage.receive({"item": "BOLT", "quantity": 1})
            finally:
                server.stop()
    refused = [route.name for route in walk.ROUTES if not any(s < 300 for s in tally.answers.get(route.name, {}))]
    print(f"{tally.total()} answers; only refused: {', '.join(refused) or 'none'}", flush=True)
    return found + tally.unreached() if planted is None and seconds >= REACHED_S else found


def _for(seconds: int) -> list[str]:
    return ["--max-time", str(seconds)]


def told_otherwise(app: Flask) -> None:
    """What only an ADMIN is told has a status that is not described."""

    def otherwise(response: Response) -> Response:
        if response.status_code == 409 and str(request.url_rule).endswith("/roles"):
            response.status_code = 410
        return response

    app.after_request(otherwise)


def failing_unsaid(app: Flask) -> None:
    """What only an ADMIN may do ends as a mistake of ours where nobody is meant by the name."""

    def failing(response: Response) -> Response:
        if response.status_code in (404, 422) and str(request.url_rule).endswith("/reset-second-factor"):
            response.status_code = 500
        return response

    app.after_request(failing)


PLANTED: dict[str, Callable[[Flask], None]] = {
    "an ADMIN is told what is not described": told_otherwise,
    "an ADMIN meets a mistake of ours": failing_unsaid,
}


def seen(name: str, seconds: int, seed: int) -> bool:
    found = fuzz(seconds, seed, PLANTED[name])
    print(f"{name}: {', '.join(found) or 'NOT SEEN'}", flush=True)
    return bool(found)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.web.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", action="store_true", help="run the planted faults; each must be seen")
    wish = parser.parse_args(argv)
    if wish.planted:
        unseen = [name for name in PLANTED if not seen(name, wish.seconds, wish.seed)]
        print(json.dumps({"planted": len(PLANTED), "not_seen": unseen}))
        return 1 if unseen else 0
    found = fuzz(wish.seconds, wish.seed)
    print(f"found by, or never reached: {', '.join(found) or 'nothing'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
