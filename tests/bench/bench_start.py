"""P8: from process start to the first raw read journalled, to the first recorded document, and memory with
everything on; beside a bare Flask and SQLite process that answers one request.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from devices.journal import FILE as READS_FILE
from devices.simulated import SimulatedScanner
from ledger import db, people
from ledger.clock import SystemClock
from ledger.control import PersonPayload
from node import streams
from tallyman_stage import free_port
from tests.bench.row import Row
from tests.node.world import ANN, World

PROMISES = ("P8",)
RUNS = 3
WAIT_S = 30
ROOT = Path(__file__).resolve().parents[2]

BARE = """
import os, sqlite3, sys
from flask import Flask
from wsgiref.simple_server import make_server
app, base = Flask("bare"), sqlite3.connect(sys.argv[1])
base.execute("PRAGMA journal_mode=WAL")
base.execute("CREATE TABLE IF NOT EXISTS reads (raw BLOB)")
@app.post("/")
def read():
    base.execute("INSERT INTO reads VALUES ('x')")
    base.commit()
    return {"pid": os.getpid()}
make_server("127.0.0.1", int(sys.argv[2]), app).serve_forever()
"""


def prepare(folder: Path) -> str:
    """An enrolled node in `folder` with one person; answers the activation code."""
    world = World(folder)
    site = world.ready()
    code = people.new_code(bytes(range(16)))
    world.send(
        site,
        PersonPayload(
            actor=ANN, roles=people.COUNT, activation=people.activation_hash(code), valid_from=0, valid_until=2**40
        ),
    )
    with site.writing() as connection:
        value = {"login": "ann", "name": "Ann", "badge": "", "roles": ["COUNT"]}
        streams.put(connection, "users", str(ANN), value)
    site.close()
    return code


def measure(folder: Path, code: str, number: int) -> tuple[float, float, float]:
    """(seconds to the first read, seconds to the first document, resident MB) of one start."""
    port = free_port()
    with SimulatedScanner(folder / f"scanner-{number}", clock=SystemClock()) as scanner:
        settings = folder / "node.toml"
        text = "\n".join(line for line in settings.read_text().splitlines() if line.startswith("site"))
        settings.write_text(
            f'{text}\ndevices = ["{scanner.url}"]\n[web]\nport = {port}\n[hub]\nurl = "http://127.0.0.1:9"\n'
        )
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "tallyman", "node", "run", "--dir", str(folder)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            scanner.wait_opened(WAIT_S * 1000)
            scanner.scan("BIN:A-01")
            reads = db.open_reader(folder / READS_FILE)
            _until(lambda: reads.execute("SELECT count(*) FROM reads").fetchone()[0] > number)
            first_read = time.perf_counter() - began
            reads.close()
            wish = {"op_id": bytes([number + 1] * 16).hex(), "login": "ann", "code": code, "pin": "270481"}
            path, body = ("auth/register", wish) if number == 0 else ("auth/login", {"login": "ann", "pin": "270481"})
            _until(lambda: _post(port, f"/api/v1/{path}", body))
            document = time.perf_counter() - began
            resident = _resident_mb(process.pid)
        finally:
            process.terminate()
            process.wait(WAIT_S)
    return first_read, document, resident


def bare(folder: Path, number: int) -> tuple[float, float]:
    """(seconds to the first row, resident MB) of the bare process."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", BARE, str(folder / f"bare-{number}.db"), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: _post(port, "/", {}))
        return time.perf_counter() - began, _resident_mb(process.pid)
    finally:
        process.terminate()
        process.wait(WAIT_S)


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "node"
        code = prepare(folder)
        ours, theirs = [], []
        for number in range(RUNS):
            ours.append(measure(folder, code, number))
            theirs.append(bare(Path(place), number))
    peer = "a bare Flask and SQLite process"
    start, memory = median(time_s for time_s, _ in theirs), median(size for _, size in theirs)
    return [
        Row("P8", "process start to first raw read journalled", median(one[0] for one in ours), start, "s", peer, 0.6,
            absolute=True),
        Row("P8", "process start to first recorded document", median(one[1] for one in ours), start, "s", peer, 3.0,
            absolute=True),
        Row("P8", "resident memory with everything on", median(one[2] for one in ours), memory, "MB", peer, 100.0,
            absolute=True),
    ]  # fmt: skip


def _post(port: int, path: str, body: dict[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + WAIT_S
    while not holds():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not within {WAIT_S} s")
        time.sleep(0.005)


def _resident_mb(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
