"""The node's own certificate, HTTPS with it, and handshakes that never end."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from ledger.clock import ManualClock, SystemClock
from ledger.errors import Unavailable
from ledger.seams import DiskStorage
from node.certificates import DAYS, Certificates, is_called, names_of
from tests.node.floor_kit import PIN, Stage
from tests.web import kit
from web import node_app
from web.server import Server

DAY_MS = 86_400_000
GREETING = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64  # the beginning of a TLS hello


def made(folder: Path, clock: object = None, *names: str, not_before_s: int = 0) -> Certificates:
    given = names or ("node7.local", "192.168.4.20")
    return Certificates(folder, "oslo", lambda: given, clock or SystemClock(), DiskStorage(), lambda: not_before_s)  # type: ignore[arg-type]


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificates.authority().der)


def shake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """A handshake in memory; raises SSLError when the client does not believe the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_tablet_that_trusts_the_site_believes_its_names_and_no_others(tmp_path: Path) -> None:
    certificates = made(tmp_path / "tls")
    context = certificates.context()
    client = trusting(certificates)
    for name in ("node7.local", "localhost", "192.168.4.20", "127.0.0.1", "::1"):
        shake(client, context, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client, context, "node8.local")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(ssl.create_default_context(), context, "node7.local")
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "tls").iterdir() if path.name != "ca.pem"] == [0, 0]


def test_a_stolen_authority_cannot_pass_for_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds its key signs what they like; the tablet believes only names of a local network."""
    real = made(tmp_path / "real")
    real.renew()
    (tmp_path / "thief").mkdir()
    for name in ("ca.key", "ca.pem"):
        (tmp_path / "thief" / name).write_bytes((tmp_path / "real" / name).read_bytes())
    with monkeypatch.context() as thief:
        thief.setattr("node.certificates.LOCAL_NAMES", ("example",))
        thief.setattr("node.certificates.LOCAL_NETS", ("0.0.0.0/0",))
        context = made(tmp_path / "thief", None, "bank.example", "93.184.216.34").context()
    for name in ("bank.example", "93.184.216.34"):
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
            shake(trusting(real), context, name)


def test_it_is_made_anew_in_time_and_for_new_names_under_the_same_authority(tmp_path: Path) -> None:
    clock = ManualClock(at_ms=1_800_000_000_000)
    certificates = made(tmp_path / "tls", clock)
    assert certificates.renew() and not certificates.renew()
    print_ = certificates.authority().fingerprint
    clock.advance(DAYS * DAY_MS // 2)
    assert not certificates.renew()
    clock.advance(DAYS * DAY_MS // 4)
    assert certificates.renew()
    assert made(tmp_path / "tls", clock, "node7.local", "10.0.0.9").renew()
    assert certificates.authority().fingerprint == print_


def test_a_clock_before_the_last_block_makes_no_certificate(tmp_path: Path) -> None:
    certificates = made(tmp_path / "tls", ManualClock(at_ms=1_000), not_before_s=1_700_000_000)
    with pytest.raises(Unavailable, match="clock"):
        certificates.context()


def test_what_is_not_local_is_never_asked_for() -> None:
    named = {str(each.value) for each in names_of(("node7.local", "example.com", "8.8.8.8", "10.1.2.3", "xlocal"))}
    assert named == {"localhost", "127.0.0.1", "::1", "node7.local", "10.1.2.3"}


# ------------------------------------------------------------ the server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Flask, Certificates, int]]:
    folder = tmp_path_factory.mktemp("https")
    stage, _ = kit.node(folder / "node")
    web = replace(stage.site.config.web, https_port=8443)
    stage.site.config = replace(stage.site.config, web=web)
    certificates = made(folder / "tls")
    app = node_app.create(replace(kit.parts(stage), certificates=certificates))
    server = Server(app, "127.0.0.1", 0, tls=certificates.context())
    _, port = server.start()
    with kit.closing(stage):
        yield stage, app, certificates, port
        server.stop()


def ask(certificates: Certificates, port: int, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
    line = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting(certificates))
    line.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"} if body else {})
    answer = line.getresponse()
    answer.peek()
    return answer


def test_https_answers_and_its_cookies_are_secure(served: tuple[Stage, Flask, Certificates, int]) -> None:
    _, _, certificates, port = served
    answer = ask(certificates, port, "/login")
    assert answer.status == 200 and b"Log in at" in answer.read()
    answer = ask(certificates, port, "/api/v1/auth/login", b'{"login": "cora", "pin": "%s"}' % PIN.encode())
    cookies = answer.headers.get_all("Set-Cookie") or []
    assert answer.status == 200 and len(cookies) == 2
    assert all("Secure" in each and "_tls=" in each for each in cookies), cookies
    big = b'{"op_id": "' + b"a" * 700_000 + b'"}'  # many TLS records
    assert ask(certificates, port, "/api/v1/seal", big).status in (401, 422)


def test_half_open_handshakes_stall_nobody(served: tuple[Stage, Flask, Certificates, int]) -> None:
    _, _, certificates, port = served
    with ExitStack() as stack:
        for number in range(80):  # more than there are threads
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            line.sendall((b"", GREETING, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff\x01")[number % 4])
        began = time.monotonic()
        for _ in range(5):
            assert ask(certificates, port, "/api/v1/status").status == 200
        assert time.monotonic() - began < 5


def test_plain_http_from_the_floor_is_for_set_up_only(served: tuple[Stage, Flask, Certificates, int]) -> None:
    _, app, certificates, _ = served
    floor = {"REMOTE_ADDR": "192.168.4.77"}
    client = app.test_client()
    page = client.get("/setup", environ_base=floor)
    assert page.status_code == 200
    assert certificates.authority().fingerprint[:4].upper() in page.text
    assert client.get("/setup/ca.crt", environ_base=floor).data == certificates.authority().der
    assert certificates.authority().der in _payload(client.get("/setup/ca.mobileconfig", environ_base=floor).data)
    for path, lands in (("/", "/setup"), ("/login", "/login"), ("/count", "/count")):
        answer = client.get(path, headers={"Accept": "text/html"}, environ_base=floor)
        assert answer.status_code == 302 and answer.location == f"https://localhost:8443{lands}"
    answer = client.post("/api/v1/auth/login", json={"login": "cora", "pin": PIN}, environ_base=floor)
    assert answer.status_code == 403 and "over HTTPS" in answer.text
    assert client.get("/login", headers={"Accept": "text/html"}).status_code == 200  # the machine itself


def _payload(raw: bytes) -> bytes:
    import plistlib

    return bytes(plistlib.loads(raw)["PayloadContent"][0]["PayloadContent"])


def test_without_https_there_is_no_certificate_to_install(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = app.test_client()
        assert client.get("/setup/ca.crt").status_code == 404
        assert "HTTPS is off" in client.get("/setup", headers={"Accept": "text/html"}).text


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("192.168.4.20", True), ("[fe80::1]", True), ("::1", True), ("node7", True), ("Node7.LAN", True),
        ("node7.local.", True), ("node7.acme.example", True), ("evil.example", False), ("local.evil.example", False),
        ("127.0.0.1.evil.example", False), ("evil.notlocal", False), ("other.acme.example", False),
    ],
)  # fmt: skip
def test_a_node_is_called_by_its_own_names_only(host: str, own: bool) -> None:
    assert is_called(host, ("node7.acme.example",)) is own
