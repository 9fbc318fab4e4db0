"""Twenty kinds of bad request at the real server, byte for byte: each a plain refusal, and nothing has changed.

What a client library would tidy up (two hosts, lying lengths, encoded slashes) is sent as it stands.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.node.floor_kit import PIN, Stage, actor_of
from tests.web import kit
from web.server import Server

OP, OTHER = "a1" * 16, "b2" * 16
JSON = "application/json"
ENTER, RECEIVE, MOVE = "/api/v1/counts/enter", "/api/v1/documents/receive", "/api/v1/documents/move"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    stage, app = kit.node(tmp_path_factory.mktemp("bad") / "node")
    server = Server(app, "127.0.0.1", 0)
    _, port = server.start()
    with kit.closing(stage):
        yield Asker(stage, app, port)
        server.stop()


class Asker:
    """Somebody who may receive, move and adjust, and is not careful."""

    def __init__(self, stage: Stage, app: Flask, port: int) -> None:
        self.stage, self.app, self.port = stage, app, port
        self.used = stage.receive({"item": "BOLT", "quantity": 10})
        self._others()
        self.token, self.approver = (
            str(self.json("POST", "/api/v1/auth/login", {"login": login, "pin": PIN})[1]["token"])
            for login in ("mona", "sven")
        )

    def _others(self) -> None:
        """What is somebody else's: a count, one that has ended, a proposal, a transfer that has left, a pick list."""
        floor, sven, line = (
            self.stage.floor,
            self.stage.as_("sven"),
            {"item": "BOLT", "quantity": 1, "source": "A-01"},
        )
        rule = {"line_quantity_max": 0, "control_percent": 0}

        def act(verb: Any, wish: object, *pin: str, key: str = "op_id") -> str:
            return str(verb(self.stage.op(), sven, wish, *pin)[key])

        wish = {"name": "Ended", "bins": ["A-02"], "rule": rule}
        self.ended = act(floor.counting.open_session, wish, key="session")
        act(floor.counting.cancel, {"session": self.ended, "reason": "late"})
        self.session = act(floor.counting.open_session, {**wish, "name": "Another one's"}, key="session")
        self.transfer = act(floor.transfers.dispatch, {"receiver": "bergen", "lines": [line]}, PIN)
        self.proposal = act(floor.stock.scrap, {"lines": [line], "reasons": ["damaged"]})

    def json(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        status, _, content = self.send(method, path, raw, [("Content-Type", JSON), *headers.items()])
        return status, json.loads(content or b"null")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: list[tuple[str, str]] | None = None, token: str = ""
    ) -> tuple[int, str, bytes]:
        """(status, media type, content) of exactly these bytes."""
        given = headers if headers is not None else [("Content-Type", JSON)]
        names = {name.lower().strip() for name, _ in given}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given), "Connection: close"]
        if "host" not in names:
            lines.append(f"Host: 127.0.0.1:{self.port}")
        if "content-length" not in names and "transfer-encoding" not in names:
            lines.append(f"Content-Length: {len(body)}")
        if "authorization" not in names and hasattr(self, "token"):
            lines.append(f"Authorization: Bearer {token or self.token}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line:
            line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            with contextlib.suppress(OSError):  # refused before all of it was sent
                line.sendall(body)
            answer = b""
            while True:
                try:
                    part = line.recv(1 << 16)
                except ConnectionResetError:
                    break
                if not part:
                    break
                answer += part
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        told = dict(each.lower().split(": ", 1) for each in rest if ": " in each)
        return int(first.split()[1]), told.get("content-type", "").partition(";")[0], content

    def state(self) -> str:
        folder = self.stage.world.folder
        return kit.digest(folder / "site.db", folder / "reads.db", but=frozenset({"guesses", "log_ins"}))


def received(quantity: str, item: str = '"BOLT"', more: str = "") -> bytes:
    line = f'{{"item": {item}, "quantity": {quantity}}}'
    return f'{{"op_id": "{OP}", "target": "A-01", "lines": [{line}]{more}}}'.encode()


QUANTITIES = {
    1: ("NaN",),
    2: ("Infinity", "-Infinity", "1e999"),
    3: ("-1", "0", str(2**63), "1" + "0" * 400),
    4: ('"12abc"', '"1e3"', "1.5", '"１２"', '" 12 "', '"12\\n"', "true", "null"),
    5: ('1, "quantity": 2',),
    6: ("[" * 100_000 + "]" * 100_000,),
    7: ("9" * 5_000,),
    8: ('"\\ud800"', '"\\u0000"'),
}
CODES = {
    8: ("\ud800", "BO\0LT", "BOLT\u202e", "BO\u200bLT", "🔩", "BO\u0308LT"),
    12: ("'; DROP TABLE items--", "%00", "../../etc/passwd", "{{7*7}}", "${jndi:ldap://x}"),
}


def refused(at: Asker, what: object, *request: Any, **more: Any) -> None:
    status, media, content = at.send(*request, **more)
    assert 400 <= status < 500, (what, status, content[:300])
    if media == "application/problem+json":
        problem = json.loads(content)
        assert problem["status"] == status and problem["detail"].isprintable(), (what, problem)
    assert b"Traceback" not in content, what


@pytest.fixture(autouse=True)
def nothing_changes(at: Asker) -> Iterator[None]:
    before = at.state()
    yield
    assert at.state() == before
    assert at.json("GET", "/api/v1/users/me")[0] == 200, "the node does not answer any more"


@pytest.mark.parametrize("number", QUANTITIES)
def test_01_to_08_quantities_that_are_none(at: Asker, number: int) -> None:
    for quantity in QUANTITIES[number]:
        refused(at, quantity[:40], "POST", RECEIVE, received(quantity))


@pytest.mark.parametrize("number", CODES)
def test_08_and_12_codes_that_nobody_has(at: Asker, number: int) -> None:
    for code in CODES[number]:
        refused(at, code, "POST", RECEIVE, received("1", json.dumps(code)))


UNSEEN = (
    "L\u200b1",
    "L1\u202e",
    "L\u00ad1",
    "\ufeffL1",
    "L\ue0001",
    "L\u03781",
    "\u0301L1",
    "Cafe\u0301",
    "L\u00a01",
)


@pytest.mark.parametrize("text", UNSEEN)
def test_08_words_that_look_like_others(at: Asker, text: str) -> None:
    """Where words come in, and no rule but this one would refuse them."""
    paint = {"item": "PAINT", "quantity": 1, "lot": "L1"}
    whole: dict[str, Any] = {"op_id": OP, "target": "A-01", "lines": [paint]}
    due = {"item": "PAINT", "quantity": 1}
    lifted = {"op_id": OP, "source": "A-01", "lines": [{"item": "BOLT", "quantity": 1}], "reasons": ["urgent"]}
    for path, body in (
        (RECEIVE, {**whole, "lines": [{**paint, "lot": text}]}),
        (RECEIVE, {**whole, "lines": [{**paint, "item": "DRILL", "lot": "", "serial": text}]}),
        (RECEIVE, {**whole, "supplier": text}),
        (RECEIVE, {**whole, "delivery_note": text}),
        (RECEIVE, {**whole, "target": text, "happened": True}),
        (RECEIVE, {**whole, "origin": "customer", "return_of": text}),
        (MOVE, {**whole, "source": "A-02", "lines": [{**paint, "lot": text}], "happened": True}),
        ("/api/v1/documents/issue", {**lifted, "order": text}),
        ("/api/v1/deliveries/", {"op_id": OP, "delivery": text, "supplier": "ACME", "lines": [due]}),
        ("/api/v1/deliveries/", {"op_id": OP, "delivery": "D-1", "supplier": text, "lines": [due]}),
        ("/api/v1/documents/adjust", {"op_id": OP, "lines": [
            {"item": "PAINT", "lot": text, "location": "A-01", "change": 1}], "reasons": ["found"]}),
        ("/api/v1/counts/open", {"op_id": OP, "bin": text}),
    ):  # fmt: skip
        refused(at, (path, text), "POST", path, json.dumps(body).encode())
    _, told = at.json("POST", RECEIVE, {**whole, "lines": [{**paint, "lot": text}]})
    odd = next(each for each in text if each not in "LCafe1")
    assert repr(text) in told["detail"] and f"U+{ord(odd):04X}" in told["detail"], told


def test_08_a_comment_that_would_read_backwards(at: Asker) -> None:
    for note in ("cheap\u202eexe", "a\u2067b", "a\u0000b", "a\ud800b"):
        refused(at, note, "POST", RECEIVE, received("1", more=', "note": ' + json.dumps(note)))


def test_09_bodies_that_lie_about_their_length(at: Asker) -> None:
    good = received("1")
    bomb = gzip.compress(bytes(50_000_000))
    for name, headers, body in (
        ("200 MB", [("Content-Length", "209715200")], good),
        ("in chunks", [("Transfer-Encoding", "chunked")], b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good)),
        ("too short", [("Content-Length", str(len(good) - 5))], good),
        ("negative", [("Content-Length", "-1")], good),
        ("twice", [("Content-Length", "3"), ("Content-Length", str(len(good)))], good),
        ("continued", [("Content-Length", f"{len(good)}\r\n 3")], good),
        ("spaced", [("Content-Length ", str(len(good)))], good),
        ("deflated", [("Content-Encoding", "gzip")], bomb),
    ):
        refused(at, name, "POST", RECEIVE, body, [("Content-Type", JSON), *headers])
    # Longer than what comes: its sender is gone before the end.
    with socket.create_connection(("127.0.0.1", at.port), timeout=30) as line:
        head = f"POST {RECEIVE} HTTP/1.1\r\nHost: 127.0.0.1:{at.port}\r\nAuthorization: Bearer {at.token}\r\n"
        line.sendall(f"{head}Content-Type: {JSON}\r\nContent-Length: {len(good) + 5}\r\n\r\n".encode() + good)
        line.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in line.recv(1 << 16)


def test_10_and_11_other_media_and_members_nobody_asked_for(at: Asker) -> None:
    for name, body, media in kit.broken_bodies(json.loads(received("1"))):
        refused(at, name, "POST", RECEIVE, body, [("Content-Type", media)] if media else [])
    for more in (', "__proto__": {"roles": 255}', ', "role": "admin"', ', "actor": "' + "0" * 64 + '"'):
        refused(at, more, "POST", RECEIVE, received("1", more=more))


def test_13_addresses_that_lead_elsewhere(at: Asker) -> None:
    for path in (
        "/items/..%2f..%2fkeys", "/api/v1/inventory/..%2f..%2fkeys", "/static/..%2f..%2fnode.toml", "/static/../keys",
        "//api//v1//inventory//BOLT", "/api/v1/inventory/" + "a" * 8_000, "/api/v1/inventory/%ff%fe", "/%00",
        "/api/v1/inventory/BOLT%00",
    ):  # fmt: skip
        refused(at, path[:60], "GET", path)


def test_14_pages_that_there_are_not(at: Asker) -> None:
    for query in (
        "page=-1",
        "limit=1000000000",
        "limit=0",
        "limit=-1",
        "limit=１",
        "cursor=forged",
        "cursor=W10",
        "x=1",
    ):
        path = "/api/v1/inventory/?" + query.encode().decode("latin-1")
        refused(at, query, "GET", path)


def test_15_other_hosts_and_where_somebody_says_to_be_from(at: Asker) -> None:
    own = f"127.0.0.1:{at.port}"
    cross = [("Content-Type", JSON), ("Host", own), ("Origin", "http://evil.example")]
    refused(at, "another origin", "POST", RECEIVE, received("1"), cross)
    for host in (
        "evil.example",
        f"evil.example:{at.port}",
        "evil.example.",
        "127.0.0.1.evil.example",
        "EVIL.Example",
    ):
        foreign = [("Content-Type", JSON), ("Host", host), ("Origin", f"http://{host}")]
        refused(at, host, "POST", RECEIVE, received("1"), foreign)
        refused(at, host, "GET", "/api/v1/status", b"", foreign[1:2])
    refused(
        at, "two hosts", "POST", RECEIVE, received("1"), [("Content-Type", JSON), ("Host", own), ("Host", "evil")]
    )
    wrong = json.dumps({"login": "cora", "pin": "000000"}).encode()
    for number in range(12):  # another address each time does not buy another guess
        forged = [("Content-Type", JSON), ("X-Forwarded-For", f"10.0.0.{number}"), ("Authorization", "")]
        refused(at, "a guess", "POST", "/api/v1/auth/login", wrong, forged)
    with at.stage.site.reading() as connection:
        (most,) = connection.execute("SELECT max(failures) FROM guesses").fetchone()
    assert most >= 5, "guesses are counted by an address that the guesser chooses"


def test_16_other_methods(at: Asker) -> None:
    for method in ("TRACE", "DELETE", "PATCH", "CONNECT", "BREW", *["OPTIONS"] * 100):
        refused(at, method, method, RECEIVE, received("1"))
    override = [("Content-Type", JSON), ("X-HTTP-Method-Override", "POST")]
    refused(at, "override", "GET", RECEIVE, received("1"), override)


def test_17_keys_that_were_used_or_are_none(at: Asker) -> None:
    body = {"op_id": str(at.used), "target": "A-01", "lines": [{"item": "BOLT", "quantity": 4}]}
    refused(at, "another wish", "POST", RECEIVE, json.dumps(body).encode())
    unkeyed = json.dumps({"target": "A-01", "lines": [{"item": "BOLT", "quantity": 4}]}).encode()
    for key in ("", " ", "k" * 300, "k" * 60_000, "k" * 1_000_000, "k\x01"):
        refused(at, key[:10], "POST", RECEIVE, unkeyed, [("Content-Type", JSON), ("Idempotency-Key", key)])
    refused(at, "no key", "POST", RECEIVE, unkeyed)


def test_18_ids_of_somebody_elses(at: Asker) -> None:
    for path in (f"/api/v1/transfers/{OTHER}", f"/api/v1/operations/{OTHER}", f"/api/v1/users/{'0' * 63}1",
                 "/api/v1/users/", "/api/v1/audit/", f"/api/v1/audit/users/{'0' * 63}1",
                 f"/api/v1/users/{actor_of('sven')}", f"/api/v1/users/{actor_of('sven')}/roles",
                 f"/api/v1/audit/users/{actor_of('sven')}", "/api/v1/inventory/ITEM-OF-BERGEN",
                 "/api/v1/locations/BIN-OF-BERGEN"):  # fmt: skip
        refused(at, path, "GET", path)
    for path, body in (
        # Others' work, by its true id: to decide, to end, to take over.
        ("counts/approve", {"session": at.session, "bin": "A-02", "pin": PIN}),
        ("counts/cancel", {"session": at.session, "reason": "late"}),
        ("counts/open", {"bin": "A-02"}),
        ("documents/approve", {"proposal": at.proposal, "pin": PIN}),
        ("documents/reject", {"proposal": at.proposal, "reason": "wrong"}),
        ("transfers/cancel", {"transfer": at.transfer, "target": "A-01"}),
        ("transfers/accept", {"transfer": at.transfer, "lines": [], "pin": PIN}),
        (f"users/{actor_of('sven')}/unlock", {}),
        (f"users/{actor_of('sven')}/reset-second-factor", {}),
        ("documents/receive", {"target": "A-01", "lines": [{"item": "ITEM-OF-BERGEN", "quantity": 1}]}),
        ("documents/receive", {"target": "BIN-OF-BERGEN", "lines": [{"item": "BOLT", "quantity": 1}]}),
    ):
        refused(at, path, "POST", f"/api/v1/{path}", json.dumps({"op_id": OP, **body}).encode())


# By the public key as if it were a secret, by a key that the token names itself, and without an end.
SIGNED = ({"alg": "HS256"}, {"alg": "HS256", "kid": "../../keys/block.key"}, {"alg": "EdDSA", "typ": "JWT"})


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_19_log_ins_that_are_none(at: Asker) -> None:
    none, head = (
        base64.urlsafe_b64encode(b'{"alg":"none"}').decode(),
        base64.urlsafe_b64encode(b'{"sub":"mona"}').decode(),
    )
    for token in (
        "x",
        at.token[:-1],
        at.token + "0",
        at.token.upper() + "g",
        f"{none}.{head}.",
        *(f"{encoded(each)}.{head}.{encoded({'signed': at.token})}" for each in SIGNED),
        "../../keys",
        "' OR 1=1--",
    ):
        status, _, _ = at.send("GET", "/api/v1/inventory/", token=token)
        assert status == 401, token


def test_20_moves_that_cannot_be(at: Asker) -> None:
    def move(quantity: int, source: str, target: str) -> bytes:
        line = {"item": "BOLT", "quantity": quantity, "source": source, "target": target}
        return json.dumps({"op_id": OP, "lines": [line]}).encode()

    refused(at, "to itself", "POST", MOVE, move(1, "A-01", "A-01"))
    refused(at, "from nowhere", "POST", MOVE, move(1, "NO-SUCH", "A-01"))
    refused(at, "more than there is", "POST", MOVE, move(10_000, "A-01", "A-02"))
    for path, body in (
        ("/api/v1/transfers/accept", {"transfer": OTHER, "lines": [], "pin": PIN}),
        ("/api/v1/counts/close", {"bin": "A-01", "confirm": True}),
    ):
        refused(at, path, "POST", path, json.dumps({"op_id": OP, **body}).encode())
    # By somebody who may: to one's own site, more than there is, what was sent from here, a count that has ended.
    line = {"item": "BOLT", "quantity": 1, "source": "A-01"}
    sent = {"index": 0, "quantity": 1, "target": "A-01"}
    for path, body in (
        ("transfers/dispatch", {"receiver": "oslo", "lines": [line], "pin": PIN}),
        ("transfers/dispatch", {"receiver": "bergen", "lines": [], "pin": PIN}),
        ("transfers/dispatch", {"receiver": "bergen", "lines": [{**line, "quantity": 9_999}], "pin": PIN}),
        ("transfers/accept", {"transfer": at.transfer, "lines": [sent], "pin": PIN}),
        ("transfers/accept", {"transfer": OTHER, "sender": "bergen", "lines": [sent], "pin": PIN}),
        ("transfers/cancel", {"transfer": OTHER, "target": "A-01"}),
        ("counts/approve", {"session": at.ended, "bin": "A-02", "pin": PIN}),
        ("counts/recount", {"session": at.ended, "bin": "A-02"}),
        ("counts/cancel", {"session": at.ended, "reason": "late"}),
        ("counts/uncounted", {"session": at.ended, "bin": "A-02", "reason": "late"}),
        ("documents/reverse", {"of": OTHER, "reasons": ["wrong"]}),
        ("documents/approve", {"proposal": at.proposal, "pin": PIN}),  # one's own
    ):
        refused(
            at, (path, body), "POST", f"/api/v1/{path}", json.dumps({"op_id": OP, **body}).encode(), token=at.approver
        )
