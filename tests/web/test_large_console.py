"""The console holds two hundred rows of a list as well, says what it leaves out, and leads to the rest of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from hub import discrepancies, founding
from hub.hub import Hub
from ledger.clock import ManualClock
from ledger.seams import DiskStorage
from tests.hub.sitekit import START_MS, Seeded, Site
from tests.web.test_large_pages import Rows
from web import hub_app
from web.schema import ROWS_MAX

LONG = "a long enough password"
MANY = ROWS_MAX + 30
TO_A_TRANSFER = 30  # lines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FlaskClient, str]]:
    """A hub where everything is long, and its auditor's browser; the site's chain."""
    folder, clock = tmp_path_factory.mktemp("hub") / "hub", ManualClock(START_MS)
    founding.found(folder, "acme", clock, Seeded(1), DiskStorage(), values={"web.announce": False})
    with Hub.open(folder, clock, Seeded(2)) as hub:
        site = Site(hub, "oslo", clock)
        site.sync()
        hub.verify()
        hub.settle()
        hub.add_account("audrey", "Audrey", LONG, ("AUDIT",))
        with hub.store.write() as session:
            for number in range(MANY):
                discrepancies.report(
                    session,
                    discrepancies.TRANSFER_SHORT,
                    f"{number:032x}",
                    "oslo",
                    f"No. {number} lacks",
                    {},
                    START_MS,
                )
                discrepancies.comment(session, 1, "audrey", f"look {number}", START_MS)
                session.run("INSERT INTO stock VALUES ('oslo', :bin, 'BOLT', '', 0, 5)", bin=f"R-{number:04}")
                session.run(
                    "INSERT INTO anchors (sequence, size, root, prev_size, prev_root, manifest, state, chain_id,"
                    " contract, made_ms) VALUES (:number, :number, :raw, 0, :raw, :raw, 'final', 1, :raw, 0)",
                    number=10_000 + number, raw=number.to_bytes(32, "big"),
                )  # fmt: skip
            for number in range(MANY // 10):
                name = f"{number:032x}"
                session.run("INSERT INTO transfers VALUES (:name, 'oslo', 'bergen', '', 1, '', 1)", name=name)
                for line in range(TO_A_TRANSFER):
                    session.run(
                        "INSERT INTO transfer_lines VALUES (:name, 'oslo', :line, 'BOLT', '', '', 0, 1, 'DOCK', '')",
                        name=name, line=line,
                    )  # fmt: skip
        client = hub_app.create(hub).test_client()
        assert client.post("/api/v1/auth/login", json={"login": "audrey", "password": LONG}).status_code == 200
        yield client, hub.sites()[0].origin


@pytest.mark.parametrize(
    ("page", "row", "total"),
    [
        ("/discrepancies", r'href="/discrepancies/(\d+)"', MANY),
        ("/discrepancies?all=true", r'href="/discrepancies/(\d+)"', MANY),
        ("/discrepancies/1", r"<p>(look \d+)</p>", MANY + 1),
        ("/sites/{origin}", r'<bdi dir="ltr">(R-\d{4})</bdi>', MANY),
        ("/anchors", r'<td class="number">(1\d{4})</td><td class="number">\1</td>', MANY),
        ("/transfers", r'aria-label="Lines of ([0-9a-f]{32})"', MANY // 10),
    ],
)
def test_a_long_list_of_the_console_goes_on_page_by_page(
    made: tuple[FlaskClient, str], page: str, row: str, total: int
) -> None:
    client, origin = made
    path, seen, pages = page.format(origin=origin), [], 0
    while path:
        text = client.get(path).text
        found = Rows(text)
        assert found.most <= ROWS_MAX and text.count("<tr>") <= ROWS_MAX + 10 and found.lists == {"from"}, path
        assert f" of {total}</span>" in text
        seen += re.findall(row, text)
        path = next(iter(found.following.values()), "").replace("&amp;", "&")
        pages += 1
    assert pages > 1 and len(seen) == len(set(seen)) and len(seen) in (total, total - 1)
