"""P11: how long a scan waits for its answer while 30 tablets listen and 8 of them scan; beside one tablet alone.

The node is a process of its own, its server and streams are the real ones, and every tablet has a line of its own
that it keeps. People scan at human speed: about three a second each, which is a hurry.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from ledger import control
from tallyman_stage import Api, free_port
from tests.bench.bench_start import ROOT, WAIT_S
from tests.bench.row import Row
from tests.node import floor_kit
from tests.web.large import percentile

PROMISES = ("P11",)
TABLETS, SCANNING = 30, 8
SCANS, ALONE = 60, 200  # of each tablet, and of the one alone
PACE_S = 0.3
CODE = "]E0" + floor_kit.GTINS["BOLT"][1:]


def prepare(folder: Path) -> None:
    """A node with eight counters, each with a bin to count, which hold what bins hold."""
    floor_kit.PEOPLE |= {f"c{number}": ("COUNT",) for number in range(SCANNING)}
    stage = floor_kit.fresh(folder, people=("mona", "sven", *(f"c{number}" for number in range(SCANNING))))
    bins = [f"P-{number}" for number in range(SCANNING)]
    spots = tuple(control.Location(location=code, kind=control.BIN) for code in bins)
    stage.world.send(stage.site, control.LocationsPayload(locations=spots))
    body = {"name": "P11", "bins": bins, "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.journal.close()
    stage.site.close()


@contextmanager
def node(folder: Path) -> Iterator[int]:
    """The node's process; gives its port."""
    port = free_port()
    settings = folder / "node.toml"
    text = "\n".join(line for line in settings.read_text().splitlines() if line.startswith("site"))
    settings.write_text(f'{text}\ndevices = []\n[web]\nport = {port}\n[hub]\nurl = "http://127.0.0.1:9"\n')
    command = [sys.executable, "-m", "tallyman", "node", "run", "--dir", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.perf_counter() + WAIT_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.perf_counter() > deadline:
                raise TimeoutError(f"the node does not listen within {WAIT_S} s")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(WAIT_S)


class Tablet:
    """A log-in of its own, its stream, and its line for scans."""

    def __init__(self, port: int, login: str) -> None:
        self.token = str(Api(port).post("auth/login", login=login, pin=floor_kit.PIN)["token"])
        self.port, self.heard = port, 0
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._stream = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)

    def listen(self) -> None:
        wish = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        self._stream.sendall(wish.encode())
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        with suppress(OSError):
            while piece := self._stream.recv(1 << 16):
                self.heard += piece.count(b"event: state")

    def scan(self, text: str) -> float:
        """Milliseconds until the answer was here."""
        body = json.dumps({"op_id": secrets.token_hex(16), "text": text})
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        began = time.perf_counter()
        self._line.request("POST", "/api/v1/scans/", body, headers)
        answer = self._line.getresponse()
        said = json.loads(answer.read())
        took_ms = (time.perf_counter() - began) * 1000
        assert answer.status == 200 and said["outcome"] in ("counted", "opened"), said
        return took_ms

    def close(self) -> None:
        self._line.close()
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()


def scans(tablets: list[Tablet], each: int) -> list[float]:
    """Milliseconds of `each` scans of every one of these tablets, all at once."""
    found: list[float] = []
    lock = threading.Lock()

    def work(number: int, tablet: Tablet) -> None:
        took = []
        due = time.perf_counter() + PACE_S * number / len(tablets)
        for _ in range(each):
            time.sleep(max(0.0, due - time.perf_counter()))
            took.append(tablet.scan(CODE))
            due += PACE_S
        with lock:
            found.extend(took)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(tablets)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == each * len(tablets), "a tablet gave up"
    return found


def measure(folder: Path) -> tuple[list[float], list[float]]:
    """(of eight among thirty, of one alone) milliseconds of each scan."""
    with node(folder) as port:
        one = Tablet(port, "c0")
        one.listen()
        one.scan("BIN:P-0")
        alone = scans([one], ALONE)
        tablets = [one, *(Tablet(port, f"c{number % SCANNING}") for number in range(1, TABLETS))]
        for tablet in tablets[1:]:
            tablet.listen()
        for number, tablet in enumerate(tablets[1:SCANNING], start=1):
            tablet.scan(f"BIN:P-{number}")
        together = scans(tablets[:SCANNING], SCANS)
        assert all(tablet.heard for tablet in tablets), "a stream was silent"
        for tablet in tablets:
            tablet.close()
    return together, alone


def rows(folder: Path | None = None) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        prepare(Path(name) / "node")
        together, alone = measure(Path(name) / "node")
    what = f"scan answer p99, {TABLETS} tablets listen, {SCANNING} scan (p50 {median(together):.0f} ms)"
    return [Row("P11", what, percentile(together, 99), percentile(alone, 99), "ms", "one tablet alone", 3.0)]
