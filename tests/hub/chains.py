"""Real main chains for tests: anvil as a process, and a wire in front of it that can lose answers."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MISSING = "no anvil here; add it with: make tools (needs npm)"
ROOT = Path(__file__).resolve().parents[2]


def anvil_binary() -> str | None:
    """The program, from the search path or where `make tools` puts it."""
    for found in (ROOT / ".tools/node_modules/.bin/anvil", ROOT / "node_modules/.bin/anvil"):
        if found.exists():
            return str(found)
    return shutil.which("anvil")


_births = itertools.count(os.getpid() % 100_000)


class Anvil:
    """A running anvil without fees: `url`, and `rpc` to play tricks with it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            reply = json.load(answer)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def anvil(chain_id: int = 1337, port: int = 0) -> Iterator[Anvil]:
    """A chain of its own for as long as the block runs."""
    program = anvil_binary()
    if program is None:
        raise FileNotFoundError(MISSING)
    port = port or free_port()
    # Its genesis follows from its start in whole seconds: two chains of one second would be the same chain.
    born = str(1_700_000_000 + next(_births))
    command = [
        program,
        "--timestamp",
        born,
        "--port",
        str(port),
        "--chain-id",
        str(chain_id),
        "--base-fee",
        "0",
        "--gas-price",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--silent"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    chain = Anvil(port)
    try:
        for _ in range(200):
            try:
                chain.rpc("eth_chainId")
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise TimeoutError("anvil did not start")
        yield chain
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


Rule = Callable[[str], str]


class Wire:
    """A proxy before a chain. `rule(method)` says `pass`, `lose` (done, but no answer) or `cut` (not even asked)."""

    def __init__(self, target: str, rule: Rule | None = None) -> None:
        self.rule: Rule = rule or (lambda _: "pass")
        self.seen: list[tuple[str, Any]] = []
        wire, port = self, int(target.rsplit(":", 1)[1])

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = json.loads(body)
                wire.seen.append((call["method"], call.get("params")))
                verdict = wire.rule(call["method"])
                if verdict == "cut":
                    self.close_connection = True
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                answer = connection.getresponse().read()
                connection.close()
                if verdict == "lose":
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def sent(self) -> list[str]:
        """Every raw transaction that passed, in order."""
        return [params[0] for method, params in self.seen if method == "eth_sendRawTransaction"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
