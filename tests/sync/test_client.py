"""The HTTP client against servers that are slow, wrong, in between, or not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ledger.errors import Invalid, Rejected, Unavailable
from sync import client, frames
from sync.bundle import BUNDLE_BYTES_MAX
from sync.client import EXCHANGE_PATH, PROBLEM_MEDIA_TYPE, Answer, HttpTransport, WsgiTransport
from sync.frames import MEDIA_TYPE
from tests.sync.chain_kit import Chain
from tests.sync.hub_kit import CONTROL, Hub, Node, SyncApi
from web import kit
from web.hub_sync import blueprint
from web.server import Server

Handle = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def serving(handle: Handle) -> Iterator[str]:
    """A server whose every answer `handle` writes by hand."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            handle(self, body)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status: int, content: bytes, **headers: str) -> Handle:
    def handle(request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return handle


def ask(url: str, body: bytes = b"x") -> Answer:
    transport = HttpTransport(url)
    try:
        return transport.post(EXCHANGE_PATH, body, MEDIA_TYPE)
    finally:
        transport.close()


def test_a_bundle_goes_there_and_back_on_one_connection() -> None:
    seen: list[tuple[str, str | None, bytes, object]] = []

    def handle(request: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append((request.path, request.headers["Content-Type"], body, request.client_address))
        reply(409, b"answer", Content_Type=MEDIA_TYPE, Retry_After="7")(request, body)

    with serving(handle) as url:
        transport = HttpTransport(url)
        body = bytes(range(256)) * 300
        for _ in range(2):
            assert transport.post(EXCHANGE_PATH, body, MEDIA_TYPE) == Answer(409, MEDIA_TYPE, b"answer", 7)
        transport.close()
    assert [each[:3] for each in seen] == [(EXCHANGE_PATH, MEDIA_TYPE, body)] * 2
    assert seen[0][3] == seen[1][3]


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (reply(302, b"", Location="http://login.hotel.example/"), "redirects to 'http://login.hotel.example/'"),
        (reply(308, b"", Location="/elsewhere"), "redirects"),
        (reply(200, b"<html>Log in</html>", Content_Type="text/html"), "log-in page"),
        (reply(502, b"<html>", Content_Type="text/html"), "502"),
        (reply(200, b"{}", Content_Type="application/json"), "application/json"),
        (reply(200, b"", Content_Type=""), "no type"),
        (reply(200, b"x", Content_Type=MEDIA_TYPE, Content_Encoding="gzip"), "packed"),
    ],
)
def test_what_is_not_our_hub_is_called_by_its_name(handle: Handle, words: str) -> None:
    with serving(handle) as url, pytest.raises(Unavailable, match=words):
        ask(url)


def test_a_problem_is_an_answer() -> None:
    content = b'{"detail": "no"}'
    with serving(reply(400, content, Content_Type=PROBLEM_MEDIA_TYPE)) as url:
        assert ask(url) == Answer(400, PROBLEM_MEDIA_TYPE, content)


def test_answers_are_bounded() -> None:
    with (
        serving(reply(200, bytes(BUNDLE_BYTES_MAX + 1), Content_Type=MEDIA_TYPE)) as url,
        pytest.raises(Invalid, match="longer than"),
    ):
        ask(url)
    with (
        serving(reply(400, bytes(client.PROBLEM_BYTES_MAX + 1), Content_Type=PROBLEM_MEDIA_TYPE)) as url,
        pytest.raises(Invalid, match="longer than"),
    ):
        ask(url)


def test_half_an_answer_is_half_an_answer() -> None:
    def handle(request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", MEDIA_TYPE)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        request.wfile.write(b"y" * 40_000)
        request.close_connection = True

    with serving(handle) as url:
        found = ask(url).body
        assert 16 * 1024 <= len(found) <= 40_000
        assert set(found) == {ord("y")}


def test_nobody_there_and_a_line_that_goes_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unavailable, match="does not answer"):
        ask(f"http://127.0.0.1:{port}")
    monkeypatch.setattr(client, "STALL_TIMEOUT_S", 0.3)
    released = threading.Event()
    with serving(lambda request, body: released.wait(5) and None) as url:
        with pytest.raises(Unavailable, match="does not answer"):
            ask(url)
        released.set()


def test_a_slow_line_is_not_a_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "STALL_TIMEOUT_S", 0.5)

    def handle(request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", MEDIA_TYPE)
        request.send_header("Content-Length", "6")
        request.end_headers()
        for _ in range(6):
            threading.Event().wait(0.2)
            request.wfile.write(b"z")
            request.wfile.flush()

    with serving(handle) as url:
        assert ask(url).body == b"zzzzzz", "longer than the stall time-out in all, never in one piece"


def test_the_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str | None] = []

    def handle(request: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append(request.headers.get("Authorization"))
        reply(200, b"", Content_Type=MEDIA_TYPE)(request, body)

    with serving(handle) as url:
        ask(url)
    assert seen == [None]


def test_addresses_that_are_none() -> None:
    for url in (
        "",
        "hub.example.com",
        "ftp://hub.example.com",
        "http://",
        "https://user:secret@hub",
        "http://hub?x=1",
    ):
        with pytest.raises(Rejected, match="address"):
            HttpTransport(url)


# ---------------------------------------------------------------- the hub's own addresses


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(hub: Hub, tmp_path: Path) -> Iterator[tuple[str, int]]:
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    running = Server(app, "127.0.0.1", 0)
    yield running.start()
    running.stop()


def test_a_cycle_over_real_sockets(hub: Hub, server: tuple[str, int]) -> None:
    chain = Chain.new("oslo", CONTROL.address).found().grow(40)
    hub.enrol(chain)
    node = Node(chain)
    transport = HttpTransport("http://{}:{}".format(*server))
    report = node.sync(transport, budget_bytes=64 * 1024)
    assert (report.code, report.cosigned) == ("OK", 42)
    transport.close()


def test_a_body_that_the_network_cuts_is_used_as_far_as_it_came(hub: Hub, server: tuple[str, int]) -> None:
    chain = Chain.new("oslo", CONTROL.address).found().grow(600)
    hub.enrol(chain)
    node = Node(chain)
    bodies: list[bytes] = []

    class Keep:
        def post(self, path: str, body: bytes, media_type: str) -> Answer:
            bodies.append(body)
            raise Unavailable("only looking")

    with pytest.raises(Unavailable):
        node.sync(Keep())
    (body,) = bodies
    head = (
        f"POST {EXCHANGE_PATH} HTTP/1.1\r\nHost: hub\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(server) as line:
        line.sendall(head.encode() + body[: len(body) // 2])
    for _ in range(100):
        if hub.held(chain).size > 50:
            break
        threading.Event().wait(0.05)
    assert 50 < hub.held(chain).size < 602


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        (EXCHANGE_PATH, {"Content-Type": "application/json"}, b"{}", 400),
        (EXCHANGE_PATH, {"Content-Type": MEDIA_TYPE, "Content-Encoding": "gzip"}, b"x", 400),
        (EXCHANGE_PATH, {"Content-Type": MEDIA_TYPE}, b"", 400),
        (EXCHANGE_PATH, {"Content-Type": MEDIA_TYPE}, b"\x00\xff garbage", 400),
        (EXCHANGE_PATH, {"Content-Type": MEDIA_TYPE}, bytes(BUNDLE_BYTES_MAX + 1), 413),
        (EXCHANGE_PATH, {"Content-Type": MEDIA_TYPE, "Origin": "https://evil.example"}, b"x", 403),
        (client.ENROL_PATH, {"Content-Type": client.ENROL_MEDIA_TYPE}, b"garbage", 400),
        (client.ENROL_PATH, {"Content-Type": client.ENROL_MEDIA_TYPE}, bytes(9000), 413),
        (client.ENROL_PATH, {"Content-Type": "text/plain"}, b"x", 400),
        ("/sync/v1/nothing", {"Content-Type": MEDIA_TYPE}, b"x", 404),
    ],
)
def test_bad_requests_get_a_plain_problem(
    hub: Hub, tmp_path: Path, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    answer = app.test_client().post(path, data=body, headers=headers)
    assert answer.status_code == status
    assert answer.mimetype == PROBLEM_MEDIA_TYPE
    assert len(answer.get_json()["detail"]) > 10
    assert app.test_client().get(path).status_code in (404, 405)


def test_the_codes_of_the_protocol_are_http_codes_too(hub: Hub, tmp_path: Path) -> None:
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    transport = WsgiTransport(app)
    stranger = Node(Chain.new("lima", CONTROL.address, seed=4).found())
    answers: list[Answer] = []

    class Spy:
        def post(self, path: str, body: bytes, media_type: str) -> Answer:
            answers.append(transport.post(path, body, media_type))
            return answers[-1]

    report = stranger.sync(Spy())
    assert report.code == "UNKNOWN_ORIGIN" and answers[0].status == 404
    assert answers[0].media_type == frames.MEDIA_TYPE
