"""The running node as a process of its own: scanner, pages, jobs, commands, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from devices.journal import FILE as READS_FILE
from ledger import control_socket, db
from node import audit, store
from tests.node.world import World, receive

ROOT = Path(__file__).resolve().parents[2]
READ = b"]C10104006381333931"


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def until(done: Callable[[], Any], what: str, timeout_s: float = 20) -> Any:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


@contextmanager
def running(
    made: World, *, settings: str = "", web: str = "", hub: str = 'url = "http://127.0.0.1:9"'
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`tallyman node run` with what it printed."""
    tables = f"[web]\nport = 0\n{web}\n[hub]\n{hub}\n[health]\ninterval_ms = 1000\n"
    (made.folder / "node.toml").write_text(f'site = "oslo"\n{settings}\n{tables}')
    command = [sys.executable, "tallyman.py", "node", "run", "--dir", str(made.folder), "--json"]
    with (made.folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (made.folder / "log").read_text()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.wait()


def reads(made: World) -> list[bytes]:
    connection = db.open_reader(made.folder / READS_FILE)
    try:
        return [bytes(raw) for (raw,) in connection.execute("SELECT raw FROM reads ORDER BY position")]
    finally:
        connection.close()


def test_a_scan_a_page_a_block_and_a_clean_end(made: World) -> None:
    # Written as of now, because the process that follows has the machine's own clock.
    made.clock.at_ms = time.time_ns() // 1_000_000 - 60_000
    site = made.ready()
    receive(site, 1)
    site.close()
    master, slave = os.openpty()
    tty.setraw(slave)
    scanner = f'devices = ["serial://{os.ttyname(slave)}?name=dock"]'
    with running(made, settings=scanner) as (process, said):
        assert said["origin"] == "acme/site/oslo/1" and said["pid"] == process.pid
        os.write(master, READ + b"\r")
        until(lambda: reads(made) == [READ], "the scan in the journal")
        assert requests.get(f"{said['url']}/login", timeout=10).status_code == 200
        # Nobody holds the scanner: the read waits until somebody takes it over or says why it does not count.
        reader = db.open_reader(made.folder / READS_FILE)
        until(lambda: reader.execute("SELECT count(*) FROM reads WHERE state = 'parked'").fetchone()[0] == 1, "drain")
        reader.close()
        status = control_socket.ask(made.folder, "status")
        assert status is not None and status["running"] and status["stopped"] == ""
        assert control_socket.ask(made.folder, "seal") is not None
        until(lambda: (control_socket.ask(made.folder, "status") or {}).get("health"), "a sample of vitals")
        health = (control_socket.ask(made.folder, "status") or {})["health"]
        assert health["vitals"]["devices"][0]["name"] == "dock"
        assert health["vitals"]["ledger"]["unsealed"] == 0
        second = subprocess.run(
            [sys.executable, "tallyman.py", "node", "run", "--dir", str(made.folder)],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert second.returncode == 3 and "another process" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    os.close(master)
    os.close(slave)
    assert not (made.folder / control_socket.SOCKET_FILE).exists()
    assert audit.verify(made.folder, made.identity).operations == 5
    reader = store.open_reader(made.folder)
    assert reader.execute("SELECT count(*) FROM journal").fetchone()[0] == 0


def test_killed_it_starts_again_where_it_was(made: World) -> None:
    made.clock.at_ms = time.time_ns() // 1_000_000 - 60_000
    site = made.ready()
    receive(site, 1)
    site.close()
    with running(made) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running(made, web=f"https_port = {port}") as (_, said):
        assert said["url"] == f"https://127.0.0.1:{port}"
        authority = made.folder / "keys/tls/ca.pem"
        assert requests.get(f"{said['url']}/setup", verify=str(authority), timeout=10).status_code == 200
        answer = control_socket.ask(made.folder, "seal")
        assert answer is not None and answer["height"] == said["height"] + answer["operations"] == 3
    audit.verify(made.folder, made.identity)


def test_a_start_that_can_never_sync_says_so_and_goes_on(made: World) -> None:
    made.ready().close()
    with running(made, hub="discover = false") as (_, said):
        shown = requests.get(f"{said['url']}/api/v1/status", timeout=5).json()
        log = (made.folder / "log").read_text()
        assert "will not sync until the hub's address is known" in log
        until(lambda: _hub_problem(said["url"]), "the reason on the node's page")
    assert shown["running"]


def _hub_problem(url: str) -> bool:
    return "will not sync" in str(requests.get(f"{url}/api/v1/status", timeout=5).json()["hub_problem"])


def test_it_creates_nothing(made: World) -> None:
    made.init()
    before = sorted(made.folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "tallyman.py", "node", "run", "--dir", str(made.folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "not enrolled yet" in done.stderr
    assert {path.name for path in set(made.folder.rglob("*")) - set(before)} <= {"lock", "site.db-shm", "site.db-wal"}
