"""`python -m tests.web.fuzz --seconds 45 --seed 1`: schemathesis over the whole description, against a real node.

The node has goods, counts, proposals and transfers and stands behind its own server. Half of what is generated is
made to name things that exist (`tests/web/fuzz_hooks.py`), because a request about nothing is refused at the door.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ledger.people import ADMIN, ROLES
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, introduce
from tests.web import kit
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
    introduce(stage.world, stage.site, "every", tuple(name for name, bit in ROLES.items() if bit < ADMIN))
    answer = stage.floor.people.activate(stage.op(), "every", code_of("every"), PIN, TABLET)
    return str(answer["token"])


def run(url: str, token: str, names: object, seconds: int, seed: int, *words: str) -> int:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/api/v1/openapi.json"]
    command += ["--header", f"Authorization:Bearer {token}", "--checks", ",".join(CHECKS), "--seed", str(seed)]
    command += ["--max-time", str(seconds), "--continue-on-failure", "--request-timeout", "20", "--no-color", *words]
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


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.web.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        stage, app = kit.node(Path(folder) / "node", watched=False)
        names, token = furnish(stage), everybody(stage)
        server = Server(app, "127.0.0.1", 0)
        _, port = server.start()
        url = f"http://127.0.0.1:{port}"
        with kit.closing(stage):
            try:
                all_but = [word for path in (*ENDING, STREAM) for word in ("--exclude-path", path)]
                failed = run(url, token, names, wish.seconds, wish.seed, *all_but)
                only = [word for path in ENDING for word in ("--include-path", path)]
                only += ["--exclude-checks", "ignored_auth"]  # each request brings a log-in of its own
                failed |= run(url, token, names, wish.seconds // 4, wish.seed, *only)
                # Whatever was thrown at it: the books still agree with the chain, and it still works.
                stage.site.seal()
                stage.receive({"item": "BOLT", "quantity": 1})
            finally:
                server.stop()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
