"""Operations are found by kind, by person and by day, in the lists and on their page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ledger import db
from ledger.seams import DiskStorage
from node import listings, store
from tests.node.floor_kit import Stage, actor_of
from tests.web import kit

Made = tuple[Stage, Flask, dict[str, str]]
MINUTE_MS, DAY_MS = 60_000, 86_400_000
MONA, SVEN = str(actor_of("mona")), str(actor_of("sven"))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Two receipts and a move, each a minute after the other; the move is not sealed yet."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        ids = {}
        for name, login in (("first", "mona"), ("second", "cora"), ("moved", "mona")):
            stage.world.clock.advance(MINUTE_MS)
            op = stage.op()
            line: dict[str, Any] = {"item": "BOLT", "quantity": 5, "target": "DOCK"}
            verb = stage.floor.stock.receive
            if name == "moved":
                line, verb = (
                    {"item": "BOLT", "quantity": 2, "source": "DOCK", "target": "A-01"},
                    stage.floor.stock.move,
                )
            verb(op, stage.as_(login), {"lines": [line]})
            ids[name] = str(op)
            if name != "moved":
                stage.site.seal()
        yield stage, app, ids


def sealed_on(stage: Stage, op_id: str, at_ms: int) -> None:
    with stage.site.writing() as connection:
        connection.execute(
            "UPDATE blocks SET sealed_at_ms = ? WHERE height = (SELECT height FROM operations WHERE op_id = ?)",
            (at_ms, bytes.fromhex(op_id)),
        )


def rows(app: Flask, path: str = "operations/", login: str = "mona", status: int = 200, **query: object) -> Any:
    answer = kit.logged_in(app, login).get(f"/api/v1/{path}", query_string=query)
    assert answer.status_code == status, answer.text
    return answer.json if status != 200 else answer.json["rows"]


def ids_of(found: Any) -> list[str]:
    return [row["op_id"] for row in found]


def test_kinds_people_and_days_narrow_the_lists(made: Made) -> None:
    _, app, ids = made
    assert ids_of(rows(app, kind="receive")) == [ids["second"], ids["first"]]
    assert ids_of(rows(app, kind="move")) == [ids["moved"]]
    assert rows(app, kind="dispatch") == []
    assert "expected" in rows(app, kind="dance", status=400)["detail"]
    assert ids_of(rows(app, f"audit/users/{MONA}", kind="receive")) == [ids["first"]]
    assert ids_of(rows(app, "audit/", "sven", kind="receive")) == [ids["second"], ids["first"]]
    every = {row["op_id"]: row["at_ms"] for row in rows(app)}
    for name in ("first", "second", "moved"):
        at = every[ids[name]]
        assert ids_of(rows(app, kind="receive" if name != "moved" else "move", from_ms=at, until_ms=at + 1)) == [
            ids[name]
        ]
        assert ids[name] not in ids_of(rows(app, from_ms=at + 1)) and ids[name] not in ids_of(rows(app, until_ms=at))
    assert ids_of(rows(app, kind="receive", from_ms=every[ids["second"]])) == [ids["second"]]
    assert rows(app, kind="move", from_ms=every[ids["moved"]] + 1) == rows(app, until_ms=0) == []
    assert ids_of(rows(app, f"audit/users/{MONA}", kind="move", from_ms=every[ids["moved"]])) == [ids["moved"]]
    for wrong in ("x", "-1", "1.5", "٣", "9" * 17, ""):
        assert "expected" in rows(app, from_ms=wrong, status=400)["detail"]
        assert rows(app, until_ms=wrong, status=400)


def test_the_beginning_of_an_operation_s_id_finds_it(made: Made) -> None:
    _, app, ids = made
    for wanted in ids.values():
        for length in (31, 32):  # the ids of a test differ at their end alone
            found = ids_of(rows(app, beginning=wanted[:length].upper() if length == 31 else wanted))
            assert wanted in found and all(each.startswith(wanted[:length]) for each in found)
    assert ids_of(rows(app, beginning=ids["first"][:8], kind="receive")) == [ids["second"], ids["first"]]
    assert ids_of(rows(app, "audit/users/" + MONA, beginning=ids["first"][:8], kind="receive")) == [ids["first"]]
    assert rows(app, beginning="0f0f0f0f0") == []
    assert rows(app, beginning="f", until_ms=0) == []
    for wrong in ("", "xyz", "a" * 33, "é", "٣"):
        assert rows(app, beginning=wrong, status=400)
    text = page(app, beginning=ids["moved"][:8], kind="move")
    assert shown(text) == [ids["moved"]] and f'value="{ids["moved"][:8]}"' in text
    none = page(app, beginning="0F0F")
    assert not shown(none) and "0f0f" in none and "Nothing fits" in none
    assert shown(page(app, beginning="no hex")) == shown(page(app))


def test_the_number_on_the_paper_finds_what_was_done_with_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, app, _ = made
    line = {"item": "BOLT", "quantity": 5, "target": "DOCK"}
    noted = []
    for number in (1, 2):
        noted.insert(0, str(op := stage.op()))
        body = {"lines": [line], "supplier": "ACME", "delivery_note": f"DN/{number} Ål"}
        stage.floor.stock.receive(op, stage.as_("mona"), body)
    for path, login in (("operations/", "cora"), ("audit/", "sven"), (f"audit/users/{MONA}", "mona")):
        listed = [row for row in rows(app, path, login) if row["op_id"] in noted]
        assert (
            rows(app, path, login, reference="dn/") == listed and ids_of(listed) == noted
        )  # no more is said of them
        assert ids_of(rows(app, path, login, reference="DN/1 åL", kind="receive")) == noted[1:]
        assert rows(app, path, login, reference="dn/3") == rows(app, path, login, reference="dn/", kind="move") == []
    client = kit.logged_in(app, "mona")
    first = client.get("/api/v1/operations/?reference=dn/&limit=1").json
    rest = client.get(f"/api/v1/operations/?reference=dn/&limit=1&cursor={first['next']}").json
    assert ids_of(first["rows"] + rest["rows"]) == noted and rest["next"] is None
    answer = client.get(f"/api/v1/operations/?reference=dn&cursor={first['next']}")
    assert answer.status_code == 400 and "another list" in answer.json["detail"]
    for wrong in ("", " ", "x" * 65, "DN\u200b", "DN\u00a01", "A\u030al", "\0", "\t"):
        assert "reference" in rows(app, reference=wrong, status=400)["detail"]
        assert page(app, reference=wrong)
    text = page(app, "cora", reference=" DN/1 ål ")
    assert shown(text) == noted[1:] and 'name="reference" value="DN/1 ål"' in text
    none = page(app, reference="DN/<3>", kind="move")
    assert not shown(none) and "Nothing fits" in none and none.count("DN/&lt;3&gt;") == 2
    assert none.count("Number on the paper") == 2
    monkeypatch.setattr("web.node_operations.ROWS_MAX", 1)
    text = page(app, reference="dn/")
    assert shown(text) == noted[:1]
    [link] = re.findall(r'rel="next" href="([^"]+)"', text)
    following = kit.logged_in(app, "sven").get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert shown(following) == noted[1:] and 'rel="next"' not in following and 'value="dn/"' in following
    assert shown(page(app, reference="dn", cursor=re.findall(r"cursor=([\w-]+)", link)[0])) == noted[:1]


def test_a_block_of_a_clock_that_went_back_is_found_on_its_day(made: Made) -> None:
    stage, app, ids = made
    sealed_on(stage, ids["second"], 5)
    assert ids_of(rows(app, kind="receive", until_ms=6)) == [ids["second"]]
    assert ids_of(rows(app, kind="receive", from_ms=6)) == [ids["first"]]


def test_a_cursor_keeps_to_its_search(made: Made) -> None:
    _, app, ids = made
    client = kit.logged_in(app, "mona")
    first = client.get("/api/v1/operations/?kind=receive&limit=1").json
    rest = client.get(f"/api/v1/operations/?kind=receive&limit=1&cursor={first['next']}").json
    assert ids_of(first["rows"] + rest["rows"]) == [ids["second"], ids["first"]] and rest["next"] is None
    for other in ("", "kind=move&", "kind=receive&from_ms=1&"):
        answer = client.get(f"/api/v1/operations/?{other}cursor={first['next']}")
        assert answer.status_code == 400 and "another list" in answer.json["detail"]


def page(app: Flask, login: str = "sven", status: int = 200, **query: object) -> str:
    answer = kit.logged_in(app, login).get("/operations/", query_string=query)
    assert answer.status_code == status, answer.text
    return answer.get_data(as_text=True)


def shown(text: str) -> list[str]:
    return re.findall(r'<a class="row" href="/operations/([0-9a-f]{32})"', text)


def test_the_page_finds_and_says_what_was_looked_for(made: Made) -> None:
    stage, app, ids = made
    sealed_on(stage, ids["second"], 2 * DAY_MS)
    sealed_on(stage, ids["first"], DAY_MS)
    text = page(app)
    assert [each for each in shown(text) if each in ids.values()] == [ids["moved"], ids["second"], ids["first"]]
    assert "Hub record applied" not in re.sub(r"<option.*?</option>", "", text)
    assert shown(page(app, kind="move")) == [ids["moved"]]
    assert ids["first"] in shown(page(app, who=MONA)) and ids["second"] not in shown(page(app, who=MONA))
    day = "1970-01-03"
    assert shown(page(app, kind="receive", **{"from": day, "to": day})) == [ids["second"]]
    assert shown(page(app, kind="receive", to=day)) == [ids["second"], ids["first"]]
    assert f'value="{day}"' in page(app, to=day)
    for wrong in ("x", "0000-00-00", "9999-12-31", "0001-01-01"):
        assert page(app, to=wrong) and page(app, **{"from": wrong})
    none = page(app, kind="dispatch", who=SVEN, to=day)
    assert not shown(none) and "Nothing fits" in none
    empty = none[none.index('class="card empty"') :]
    for said in ("Transfer sent", "Sven", 'href="/operations/"'):
        assert said in none or said in empty, said


def test_a_day_is_that_of_the_tablet_where_the_site_names_none(made: Made) -> None:
    stage, app, ids = made
    late = datetime(2025, 10, 9, 23, tzinfo=UTC)  # in Oslo it is the day after
    sealed_on(stage, ids["first"], int(late.timestamp()) * 1000)
    asked = {"kind": "receive", "from": "2025-10-10", "to": "2025-10-10"}
    assert shown(page(app, **asked)) == []
    assert shown(page(app, zone="Europe/Oslo", **asked)) == [ids["first"]]
    for wrong in ("../../etc/passwd", "Nowhere/Here", "a" * 300, "\0"):
        assert shown(page(app, zone=wrong, **asked)) == []


def test_who_may_not_see_others_sees_no_names(made: Made) -> None:
    stage, app, ids = made
    text = page(app, "cora")
    assert ids["first"] in shown(text) and "Mona" not in text
    assert page(app, "cora", 403, who=MONA)
    assert ids["first"] not in shown(page(app, "cora", who=str(actor_of("cora"))))
    audrey = kit.auditor(stage, app)
    answer = audrey.get("/operations/", query_string={"who": MONA})
    assert answer.status_code == 200 and ids["first"] in answer.text


def test_the_page_goes_on_by_links_that_keep_the_search(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    _, app, ids = made
    monkeypatch.setattr("web.node_operations.ROWS_MAX", 1)
    text = page(app, kind="receive")
    assert shown(text) == [ids["second"]]
    [link] = re.findall(r'rel="next" href="([^"]+)"', text)
    following = kit.logged_in(app, "sven").get(link.replace("&amp;", "&")).get_data(as_text=True)
    assert shown(following) == [ids["first"]] and 'rel="next"' not in following
    assert "From the beginning" in following and '<option value="receive" selected' in following
    # One that belongs to another search begins anew.
    assert shown(page(app, kind="move", cursor=re.findall(r"cursor=([\w-]+)", link)[0])) == [ids["moved"]]


def test_a_database_of_before_finds_the_same(made: Made, tmp_path: Path) -> None:
    stage, _, _ = made
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(store.LISTED_5)])
    reader = stage.site.reader()
    for table in ("operations", "blocks", "journal"):
        found = reader.execute(f"SELECT * FROM {table}").fetchall()
        old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})", found)
    db.migrate(old, store.STEPS)
    sought = listings.Sought(kinds=("receive",), from_ms=1)
    mine, theirs = ([key for key, _ in listings.operations(each, None, 200, sought)] for each in (old, reader))
    assert mine == theirs != []
    reader.close()
    old.close()
