"""`python -m tests.web.fuzz --seconds 45 --seed 1`: schemathesis over the whole description, against a real node.

The node has days of work behind it (`tests/web/day.py`) and stands behind its own server. Half of what is generated
is made to name things that exist, or is the example of its operation, changed a little (`tests/web/fuzz_hooks.py`),
because a request about nothing is refused at the door. Three people ask, since no one may have all roles: one with
those of a day's work, an ADMIN and an auditor, each what they may ask. The node itself counts what it answered: an
operation that nobody reached, or of which nothing ended well, fails a long run.

A planted fault is an answer that is not described and that one person alone can get: `--planted` must see it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from ledger.people import ADMIN, AUDIT, COUNT, STOCK_ROLES, role_names
from tests.node.floor_kit import PIN, Stage, code_of, introduce
from tests.web import day, kit, walk
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
# Whose log-ins end; no second factor is asked of them.
ENDING_LOGIN = "lasse"
# A day in each has what every operation acts on, once; a long run uses up more of them.
AISLES = "ABC"
AISLE_S = 100
# What names nothing, or would lock out who does the rest of the day.
UNNAMED = ("op_id", "content", "csv", "login", "note", "paper", "points", "scanned", "title")
TEXTS = ("4006381333931", "BIN:A-02", "]C10104006381333931")
ENDING_SHARE = 4
# Within this time every operation is reached and done, also on a slow machine: it begins with the examples as they
# are. They have a test of their own (tests/web/test_examples), and a short run has no time for them.
REACHED_S = 200
MADE_UP = ("--phases", "coverage,fuzzing,stateful")
# What a planted fault is looked for with: a number and no time, so that it does not hang on the machine.
PLANTED_EXAMPLES = 100


def known_here(days: Sequence[day.Day]) -> dict[str, object]:
    """What the hooks are told: `names`, what there is by the member that may name it, and `ready`, requests that can
    be done as they are, once, by operation: {asker, path, body}. `asker`: the token of who alone can, or ""."""
    ready: dict[str, list[dict[str, Any]]] = {}
    names: dict[str, list[str]] = {
        "ending": [ENDING_LOGIN],
        "serial": [f"S-{each.aisle}1" for each in days],
        "text": list(TEXTS),
    }
    for route in walk.ROUTES:
        if route.path in (*ENDING, STREAM) or route.name in day.NEVER:
            continue
        for each in days:
            login, how = each.request(route)
            ready.setdefault(route.name, []).append(
                {"asker": "" if login in day.PEOPLE else each.tokens[login], "path": how.path, "body": how.body}
            )
            for name, value in _said({**how.path, **(how.body or {})}):
                if name not in UNNAMED and value not in names.setdefault(name, []):
                    names[name].append(value)
    return {"names": names, "ready": ready}


def _said(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a request, with the member that says it; what `bins` lists are bins."""
    if isinstance(value, str):
        yield {"bins": "bin"}.get(name, name), value
    elif isinstance(value, dict):
        for inside, each in value.items():
            yield from _said(each, inside)
    elif isinstance(value, list):
        for each in value:
            yield from _said(each, name)


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

    def never_done(self) -> list[str]:
        """Operations of which no request ended well, other than those of which none can."""
        done = {name for name, answers in self.answers.items() if any(status < 300 for status in answers)}
        return [route.name for route in walk.ROUTES if route.name not in done and route.name not in day.NEVER]

    def unreached(self) -> list[str]:
        """Operations that nobody got further with than the question who asks."""
        reached = {name for name, answers in self.answers.items() if set(answers) - {401, 403}}
        return [route.name for route in walk.ROUTES if route.path != STREAM and route.name not in reached]


def run(url: str, token: str, known: object, seed: int, *words: str) -> int:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/api/v1/openapi.json"]
    command += ["--header", f"Authorization:Bearer {token}", "--checks", ",".join(CHECKS), "--seed", str(seed)]
    command += ["--continue-on-failure", "--request-timeout", "20", "--no-color", *words]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.web.fuzz_hooks",
        "PYTHONPATH": str(ROOT),
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(NO)}\n"
        (Path(folder) / "schemathesis.toml").write_text(settings, "utf-8")
        (Path(folder) / "known.json").write_text(json.dumps(known), "utf-8")
        environment["TALLYMAN_FUZZ_KNOWN"] = str(Path(folder) / "known.json")
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
    """What is wrong after so long: who met what is not described and, in a long run, the operations that nobody
    reached and those of which no request ended well. A planted fault takes as long as it takes."""
    found: list[str] = []
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        stage, app = kit.node(Path(folder) / "node", watched=False)
        tally = Tally()
        tally.watch(app)
        if planted is not None:
            planted(app)
        days = day.until_then(stage, app, AISLES[: max(1, seconds // AISLE_S)])
        person(stage, ENDING_LOGIN, COUNT)
        known, tokens = known_here(days), days[0].tokens
        tally.answers.clear()  # what follows is generated
        left_s = max(20, seconds - int(time.monotonic() - began_s))
        turns = [(login, _for(left_s * share // 20) + only(opened(roles))) for login, roles, share in PEOPLE]
        ending = [word for path in ENDING for word in ("--include-path", path)]
        # Each of its requests brings a log-in of its own.
        turns.append(("every", [*_for(left_s * ENDING_SHARE // 20), *ending, "--exclude-checks", "ignored_auth"]))
        if planted is not None:
            hers = only(sorted(set(opened(ADMIN)) - set(opened(STOCK_ROLES))))
            turns = [("ada", ["--max-examples", str(PLANTED_EXAMPLES), *hers])]
        server = Server(app, "127.0.0.1", 0)
        _, port = server.start()
        url = f"http://127.0.0.1:{port}"
        with kit.closing(stage):
            try:
                for login, words in turns:
                    if run(url, tokens[login], known, seed, *words, *(() if seconds >= REACHED_S else MADE_UP)):
                        found.append(login)
                # Whatever was thrown at it: the books still agree with the chain, and it still works.
                stage.site.seal()
                stage.receive({"item": "BOLT", "quantity": 1})
            finally:
                server.stop()
    told = {"answers": tally.total(), "unreached": tally.unreached(), "never_done": tally.never_done()}
    print(json.dumps(told), flush=True)
    if planted is not None:
        return found
    return found + (tally.unreached() + tally.never_done() if seconds >= REACHED_S else [])


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
