"""Pages open without the node, and what the worker keeps for that tells nobody anything."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from devices.decoders.labels import Labels
from devices.decoders.scan import decode, rules
from ledger.errors import Rejected
from node.scanning import unit_of
from tallyman_stage import Api, wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_count import MARKER, TAPE, counted, open_bin
from tests.browser.test_floor import CABLE, lies, listens, put
from tests.browser.test_outbox import leave, nothing_to_send, scans_of, to_send
from web.node_events import STREAMS_PER_LOGIN
from web.node_floor import SCREENS

Scan = Callable[..., None]
NAMES = """new Promise((resolve) => {
  const wish = indexedDB.open("tallyman");
  wish.onsuccess = () => {
    const found = wish.result.transaction("facts").objectStore("facts").get("names");
    found.onsuccess = () => { wish.result.close(); resolve(Object.keys(found.result?.names || {}).length); };
  };
})"""
TOLD = """new Promise((resolve) => {
  const wish = indexedDB.open("tallyman");
  wish.onsuccess = () => {
    const found = wish.result.transaction("facts").objectStore("facts").getAllKeys();
    found.onsuccess = () => { wish.result.close(); resolve(found.result.filter((key) => key.startsWith("told:"))); };
  };
})"""
PALLET = "095212345000000025"
NO_ANSWER = "Unreachable: The node does not answer"


def kinds(keys: list[str]) -> set[str]:
    return {key.rsplit(":", 1)[1] for key in keys}


def kept(page: Any) -> None:
    """The worker is in charge of this page."""
    wait_for("the worker", lambda: page.evaluate("navigator.serviceWorker.controller !== null"), 90)


def test_a_shell_of_which_something_did_not_come_is_fetched_again(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another page being opened for it."""
    app, missed = pages.house.oslo.app, []
    real = app.wsgi_app

    def bad_link(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/offline/") and not missed:
            missed.append(environ["PATH_INFO"])
            environ["PATH_INFO"] = "/nowhere"
        return real(environ, start_response)

    monkeypatch.setattr(app, "wsgi_app", bad_link)
    page = pages.tablet("ana", "/count")
    wait_for("the first try", lambda: bool(missed))
    kept(page)


def test_a_page_that_was_opening_when_the_worker_began_is_in_its_charge(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, kept_pages, opening, asked = pages.house.oslo.app, threading.Event(), threading.Event(), threading.Event()
    real = app.wsgi_app

    def slow(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/offline/"):
            kept_pages.wait(30)
        elif environ["PATH_INFO"] == "/login" and not asked.is_set():
            asked.set()
            opening.wait(30)
        return real(environ, start_response)

    monkeypatch.setattr(app, "wsgi_app", slow)
    first = pages.open(f"{pages.house.oslo.url}/setup")
    second = first.context.new_page()
    second.evaluate("(url) => { setTimeout(() => { location.href = url; }); }", f"{pages.house.oslo.url}/login")
    wait_for("the second page's request", asked.is_set)
    kept_pages.set()
    kept(first)
    opening.set()
    second.wait_for_url("**/login")
    kept(second)


def test_the_open_bin_goes_on_after_a_reload_without_the_node(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    stage.open_count(pages.house, "Offline", "T-08")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-08")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    kept(page)
    page.context.set_offline(True)
    scanned(page, MARKER)
    to_send(page, 1)
    page.reload()
    expect(page.locator("#who")).to_have_text("Ana Berg")
    to_send(page, 1)
    scanned(page, MARKER)
    to_send(page, 2)
    again = page.context.new_page()
    page.close()
    again.goto(f"{pages.house.oslo.url}/node")
    expect(again.locator("h1")).to_have_text("The node is out of reach")
    again.get_by_role("link", name="Go on counting").click()
    to_send(again, 2)
    scanned(again, MARKER)
    to_send(again, 3)
    again.context.set_offline(False)
    wait_for("three scans at the node", lambda: scans_of(pages, "T-08") == 4)
    nothing_to_send(again)
    expect(counted(again, "Marker blue")).to_have_text("4")
    leave(again)


def test_a_tablet_without_power_and_node_knows_its_bin_at_once(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    stage.open_count(pages.house, "Power", "T-13")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-13")
    kept(page)
    page.context.set_offline(True)
    scanned(page, MARKER)
    to_send(page, 1)
    page.evaluate("localStorage.clear()")  # a browser that dies has written nothing of its last seconds there
    page.reload()
    scanned(page, MARKER)  # before the page has found out that there is no node
    to_send(page, 2)
    expect(page.locator("#bin")).to_have_text("T-13")
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(counted(page, "Marker blue")).to_have_text("2")
    leave(page)


def test_a_receipt_is_known_although_the_node_was_heard_and_lost_before_it_said_so(
    pages: Pages, scanned: Scan
) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("rita", "/receive")
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, "BIN:F-03")
    expect(page.locator("#from")).to_have_text("F-03")
    nothing_to_send(page)
    kept(page)
    page.context.set_offline(True)
    scanned(page, CABLE)
    to_send(page, 1)
    page.add_init_script("EventSource = class extends EventTarget { close() {} }")  # what is open comes by it
    page.reload()
    page.context.set_offline(False)
    nothing_to_send(page)
    page.wait_for_timeout(1_000)
    page.context.set_offline(True)
    scanned(page, CABLE)
    to_send(page, 1)
    expect(page.locator("#from")).to_have_text("F-03")
    page.context.set_offline(False)
    nothing_to_send(page)
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#lines .count")).to_have_text("2")
    page.click("#drop")
    page.click("#ask-yes")


@pytest.mark.parametrize("bin_", ["T-17", "CRATE-77", PALLET])
def test_a_bin_opens_without_the_node_by_any_label_that_the_node_takes(
    pages: Pages, scanned: Scan, alone: None, bin_: str
) -> None:
    pages.forgive(*OUT_OF_REACH)
    house = pages.house
    if bin_ != "T-17":
        house.oslo.people["rita"].act("units/move", units=[{"unit": bin_}], target="T-17")
    stage.open_count(house, f"By its label {bin_}", bin_)
    page = pages.tablet("ana", "/count")
    expect(page.locator("#bins .tile", has_text=bin_)).to_be_visible()
    kept(page)
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#bins .tile", has_text=bin_)).to_be_visible()
    scanned(page, {"T-17": "T-17", PALLET: f"]C100{PALLET}"}.get(bin_, f"LPN:{bin_}"), MARKER)
    expect(page.locator("#bin")).to_have_text(bin_)
    to_send(page, 2)
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(counted(page, "Marker blue")).to_have_text("1")
    assert scans_of(pages, bin_) == 1
    leave(page)


LABELS = (
    Labels(),
    Labels(bin_prefix="", bin_pattern=r"(?P<code>[A-Z]-\d{2})/[0-9]", check_character=False),
    Labels(bin_pattern=r"[A-Z]-\d+", unit_prefix="U#", control_prefix="", check_character=True),
)
# What patterns are made of, of which one in some is read alike by node and tablet.
PARTS = (
    *(
        "A",
        "B",
        "0",
        "-",
        "\\-",
        ".",
        "\\.",
        "\\d",
        "\\w",
        "\\W",
        "\\D",
        "[A-Z]",
        "[^A]",
        "[\\w-]",
        "(",
        "(?:",
        "(?P<code>",
    ),
    *(")", ")", ")", "|", "|", "?", "+", "*", "*?", "{1,2}", "{2}", "^", "$", "\\s", "\\b", "(?=", "é", "[a😀]"),
)
READS = (
    *("BIN:A-01", "]C0BIN:A-01", "]A0BIN:A-01F", "BIN:A-01F", "A-01", "]C0A-01", "A-01/3", "]E0A-01/3", "Q"),
    *(f"]C100{PALLET}", f"]C100{PALLET}02095212345000183712", f"00{PALLET}", PALLET, "]C1010952123450001810L1"),
    *("]C14149521234500018", "]C14149521234500018254UP", "LPN:C-1", "U#C-1", "BADGE:abcdef", "CTL:UNDO", "CTL:UNDOX"),
    *("9521234500063", "]E09521234500063", "MARK-BL", "]C1BIN:A-01", "]Q3BIN:A-01", "]Q1BIN:A-01"),
)


def test_the_tablet_reads_labels_as_the_node_does(pages: Pages) -> None:
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("html[data-scanner]", state="attached")
    tablet = page.evaluate(
        """async ([all, reads]) => {
          const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
          const { reader } = await import(loaded.find((name) => name.endsWith("/labels.js")));
          return all.map((rules) => reads.map((text) => {
            const { kind = "", code = "" } = reader(rules)(text) || {};
            return [kind, code];
          }));
        }""",
        [[rules(each) for each in LABELS], READS],
    )
    for each, read in zip(LABELS, tablet, strict=True):
        for text, (kind, code) in zip(READS, read, strict=True):
            scan = decode(text.encode(), on=date(2026, 3, 1), labels=each)
            if scan.problems:  # whether a label is right is the node's to say
                continue
            ours = scan.kind in ("bin", "unit", "badge", "control")
            assert (kind, code) == ((scan.kind, unit_of(scan)) if ours else ("", "")), (each, text)


def bins_by(pages: Pages, wishes: list[tuple[dict[str, Any], list[str]]]) -> list[list[str | None]]:
    """Which bin the tablet reads, by these rules, in each of these texts."""
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("html[data-scanner]", state="attached")
    found: list[list[str | None]] = page.evaluate(
        """async (wishes) => {
          const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
          const { reader } = await import(loaded.find((name) => name.endsWith("/labels.js")));
          return wishes.map(([rules, texts]) => texts.map((text) => reader(rules)(text)?.code ?? null));
        }""",
        wishes,
    )
    return found


def test_the_tablet_reads_a_pattern_as_the_node_does(pages: Pages) -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors/patterns.json").read_text())["read"]
    said = bins_by(pages, [(rules(Labels(bin_pattern=each["pattern"])), list(each["codes"])) for each in vectors])
    for each, codes in zip(vectors, said, strict=True):
        assert codes == list(each["codes"].values()), each["pattern"]


def test_the_tablet_reads_any_pattern_that_the_node_takes_as_the_node_does(pages: Pages) -> None:
    dice = random.Random(1)
    wishes: list[tuple[dict[str, Any], list[str]]] = []
    expected: list[list[str | None]] = []
    while len(wishes) < 1_000:
        pattern = "".join(dice.choice(PARTS) for _ in range(dice.randint(1, 9)))
        codes: dict[str, str | None] = {}
        with suppress(Rejected):
            labels = Labels(bin_pattern=pattern)
            for _ in range(40):
                text = "".join(dice.choice("ABab01-_é٣😀") for _ in range(dice.randint(1, 6)))
                with suppress(Rejected):  # whether a label is right is the node's to say
                    codes[text] = (labels.match(text) or (None, None))[1]
            wishes.append((rules(labels), list(codes)))
            expected.append(list(codes.values()))
    assert sum(code is not None for each in expected for code in each) > 1_000
    for (each, texts), node, tablet in zip(wishes, expected, bins_by(pages, wishes), strict=True):
        assert tablet == node, (each["pattern"], texts)


def test_the_caches_hold_no_name_and_no_quantity(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("kim", "/")
    kept(page)
    page.goto(f"{pages.house.oslo.url}/review/")
    page.goto(f"{pages.house.oslo.url}/count")
    found = page.evaluate(
        """async () => {
          const answers = [];
          for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const request of await cache.keys()) {
              const text = await (await cache.match(request)).text();
              answers.push([new URL(request.url).pathname, text]);
            }
          }
          return answers;
        }"""
    )
    paths = {path for path, _ in found}
    assert {"/offline/en", "/offline/en/count"} < paths and len(paths) > 20
    assert all(path.startswith(("/offline", "/s/", "/language")) for path in paths), paths
    told = [path for path, text in found for word in ("Kim", "Ana", "A-01", "MARK-BL", "GLOVE-10") if word in text]
    assert not told, told


def test_the_pages_without_the_node_are_in_the_languages_that_the_tablet_was_read_in(pages: Pages) -> None:
    pages.forgive(*OUT_OF_REACH)
    pages.forgive(NO_ANSWER)
    page = pages.tablet("kim", "/count")
    kept(page)
    has = "async (path) => Boolean(await caches.match(path))"
    assert page.evaluate(has, "/offline/en/count") and not page.evaluate(has, "/offline/ar/count")
    page.goto(f"{pages.house.oslo.url}/login")
    page.select_option("#language", "ar")
    page.wait_for_selector("html[lang=ar]")
    wait_for("the pages in Arabic", lambda: page.evaluate(has, "/offline/ar/count"))
    page.context.set_offline(True)
    page.goto(f"{pages.house.oslo.url}/count")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.evaluate("caches.open('language').then((kept) => kept.put('/language', new Response('de')))")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.context.set_offline(False)


def test_without_a_secure_connection_there_is_no_worker_and_the_page_says_so(pages: Pages) -> None:
    pages.forgive("The Cross-Origin-Opener-Policy header has been ignored")
    page = pages.tablet("ana", "/count", url=pages.house.oslo.url.replace("127.0.0.1", "tablet.test"))
    page.wait_for_selector("#choose:not([hidden])")
    expect(page.locator("#reduced")).to_contain_text("only while the node is in reach")
    page.goto(f"{pages.house.oslo.url}/count")


def test_a_node_that_fails_gives_way_to_the_kept_page(pages: Pages) -> None:
    pages.forgive("Failed to load resource: the server responded with a status of 503")
    page = pages.tablet("ana", "/")
    kept(page)
    page.context.route("**/count", lambda route: route.fulfill(status=503, body="stopping"))
    page.goto(f"{pages.house.oslo.url}/count")
    page.wait_for_selector("#choose:not([hidden])")


def test_counting_goes_on_without_the_node_and_shows_what_is_only_here(pages: Pages, scanned: Scan) -> None:
    """The open bin is finished, the next one opened and counted; then everything arrives, and both are marked."""
    house = pages.house
    pages.forgive(*OUT_OF_REACH)
    session = stage.open_count(house, "Long way", "T-09", "T-10")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-09")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    wait_for("the names", lambda: page.evaluate(NAMES) > 0)
    kept(page)
    page.context.set_offline(True)
    scanned(page, TAPE, TAPE)
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    scanned(page, "NOBODY-KNOWS")
    expect(page.locator("#answer")).to_contain_text("NOBODY-KNOWS")
    held = page.locator(".line.held")
    expect(held.filter(has_text="Packing tape").locator(".count")).to_have_text("2")
    expect(held).to_contain_text(["on this tablet", "on this tablet"])
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    page.reload()
    expect(page.locator("#bin")).to_have_text("T-09")
    expect(counted(page, "Marker blue")).to_have_text("1")
    expect(held).to_have_count(2)
    page.click("#done")
    expect(page.locator("#ask-words")).to_contain_text("not found")
    page.click("#ask-yes")
    expect(page.locator("#bins .tile", has_text="T-09")).to_have_count(0)
    page.locator("#bins .tile", has_text="T-10").click()
    expect(page.locator("#bin")).to_have_text("T-10")
    scanned(page, TAPE)
    expect(page.locator("#answer-figure")).to_have_text("1")
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 40_000; }")  # it took a while
    page.context.set_offline(False)
    expect(counted(page, "Packing tape")).to_have_text("1")
    expect(held).to_have_count(0)
    nothing_to_send(page)
    page.click("#done")
    page.click("#ask-yes")
    page.wait_for_selector("#proof:not([hidden])")
    with house.oslo.parts.site.reading() as connection:
        rows = connection.execute(
            "SELECT bin, stable FROM counts WHERE bin IN ('T-09', 'T-10') ORDER BY bin"
        ).fetchall()
    assert rows == [("T-09", 0), ("T-10", 0)]
    kim = house.oslo.people["kim"]
    assert {each["bin"]: each["parked"] for each in kim.get(f"counts/{session}")["bins"]} == {"T-09": 1, "T-10": 0}


# ---------------------------------------------------------------- floor work


def away(page: Any) -> None:
    expect(page.locator("#answer")).to_contain_text("The node is out of reach")


def test_every_page_of_floor_work_opens_without_the_node_and_says_so(pages: Pages) -> None:
    pages.forgive(*OUT_OF_REACH)
    pages.forgive(NO_ANSWER)
    url = pages.house.oslo.url
    page = pages.tablet("rita", "/")
    kept(page)
    page.context.set_offline(True)
    page.goto(f"{url}/review/")
    expect(page.locator("h1")).to_have_text("The node is out of reach")
    expect(page.get_by_role("link", name="Receive")).to_be_visible()
    expect(page.get_by_role("link", name="Pick and issue")).to_be_hidden()  # not hers
    for path in SCREENS:
        page.goto(url + path)
        away(page)
        expect(page.locator("#who")).to_have_text("Rita Lund")
        expect(page.locator("#chip-node")).to_contain_text("out of reach")
        if path == "/receive":
            expect(page.locator("#blind")).to_be_disabled()
    page.context.set_offline(False)


def on_disk(page: Any) -> str:
    """Every answer of the node that this tablet keeps."""
    return str(
        page.evaluate(
            """() => new Promise((resolve) => {
              const asked = indexedDB.open("tallyman");
              asked.onsuccess = () => {
                const facts = asked.result.transaction("facts").objectStore("facts").getAll();
                facts.onsuccess = () => resolve(JSON.stringify(facts.result));
              };
            })"""
        )
    )


def test_a_receipt_goes_on_without_the_node(pages: Pages, scanned: Scan) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    pages.forgive(*OUT_OF_REACH)
    rita.act("deliveries", delivery="PO-OFF", supplier="ACME", lines=[{"item": "CABLE-3", "quantity": 4}])
    page = pages.tablet("rita", "/receive")
    page.get_by_role("button", name="PO-OFF").click()
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:O-01", CABLE)
    expect(page.locator("#expected .count")).to_have_text("1 / 4")
    kept(page)
    before = lies(house, "O-01")
    page.context.set_offline(True)
    scanned(page, CABLE, CABLE)
    to_send(page, 2)
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    page.reload()
    expect(page.locator("#from")).to_have_text("O-01")
    expect(page.locator("#expected .count")).to_have_text("1 / 4")
    assert '"came"' not in on_disk(page), "how much came is how much stock lies somewhere"
    scanned(page, CABLE)
    to_send(page, 3)
    expect(page.locator("#answer")).to_contain_text("on this tablet")
    page.click("#done")
    page.fill("#note-number", "DN-OFF")
    page.click("#papers button[type=submit]")
    to_send(page, 4)
    expect(page.locator("#papers")).to_be_hidden()
    page.context.set_offline(False)
    nothing_to_send(page)
    wait_for("the receipt", lambda: lies(house, "O-01") == before + 4)


def test_goods_are_held_without_the_node_and_once(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    pages.forgive(*OUT_OF_REACH)
    pages.forgive(NO_ANSWER)
    put(house, "S-01", 5)
    page = pages.tablet("pia", "/floor/hold")
    scanned(page, "BIN:S-01", CABLE)
    expect(page.locator("#lines .count")).to_have_text("1")
    page.click("#undo")
    kept(page)
    page.context.set_offline(True)
    page.reload()
    away(page)
    scanned(page, "BIN:S-01", CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("2")
    scanned(page, "9521234500018")  # never asked about on this tablet
    expect(page.locator("#answer")).to_contain_text("does not answer")
    page.click("#done")
    page.click("#papers button[type=submit]")
    to_send(page, 1)
    expect(page.locator("#lines .line")).to_have_count(0)
    expect(page.locator("#answer")).to_contain_text("Hold goods CABLE-3: on this tablet")
    page.click("#outbox-open")
    expect(page.locator("#outbox-list")).to_contain_text("Hold goods CABLE-3")
    page.keyboard.press("Escape")
    page.context.set_offline(False)
    nothing_to_send(page)
    stock = house.oslo.people["rita"].get("locations/S-01")["stock"]
    assert sorted((line["status"], line["quantity"]) for line in stock) == [("damage", 2), ("free", 3)]
    kim = house.oslo.people["kim"]
    [row] = kim.get("holds/?location=S-01")["rows"]
    [held] = row["origins"]
    lines = [{"line": held["line"], "quantity": 2, "location": "S-01"}]
    kim.act("documents/release", hold=held["op_id"], lines=lines, pin=stage.PIN)


def test_a_pick_list_is_shown_as_it_was_and_picked_when_the_node_answers(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    pages.forgive(*OUT_OF_REACH)
    put(house, "S-02", 3)
    pia = house.oslo.people["pia"]
    made = pia.act("picks", order="SO-OFF", lines=[{"item": "CABLE-3", "quantity": 2}])
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-OFF").click()
    expect(page.locator("#order")).to_have_text("SO-OFF")
    scanned(page, "BIN:O-02")
    expect(page.locator("#tote")).to_have_text("O-02")
    go = page.locator("#go").inner_text()
    kept(page)
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#go")).to_have_text(go)
    expect(page.locator("#answer")).to_contain_text("old")
    for button in ("#pick", "#short", "#issue"):
        expect(page.locator(button)).to_be_disabled()
    scanned(page, f"BIN:{go}")
    expect(page.locator("#answer")).to_contain_text("out of reach")
    page.context.set_offline(False)
    expect(page.locator("#answer")).not_to_contain_text("out of reach")
    scanned(page, f"BIN:{go}")
    expect(page.locator("#pick")).to_be_enabled()
    page.goto(f"{house.oslo.url}/")
    pia.act("picks/cancel", list=made["op_id"], reason="withdrawn")


def test_whoever_logs_out_leaves_nothing_told_on_the_tablet(pages: Pages, scanned: Scan) -> None:
    oslo = pages.house.oslo
    login = Api(int(oslo.url.rsplit(":", 1)[1])).post("auth/login", login="pia", pin=stage.PIN)
    page = pages.known(oslo.url, "/pick", "tallyman_session", str(login["token"]), {})
    kept(page)
    expect(page.locator("#choose")).to_be_visible()
    scanned(page, CABLE)
    wait_for("what was told", lambda: kinds(page.evaluate(TOLD)) == {"codes", "picks/", "orders/"})
    page.click("#logout")
    page.wait_for_url("**/login")
    assert page.evaluate(TOLD) == []


@pytest.mark.parametrize("again", ["", "reload"])
def test_what_the_nodes_own_scanner_reads_while_the_line_is_broken_comes_when_it_is_back(
    pages: Pages, again: str
) -> None:
    """Nothing was scanned on this page before, and to the node its line looks whole."""
    pages.forgive(*OUT_OF_REACH)
    house = pages.house
    put(house, "F-03", 2)
    scanner, pia = house.oslo.scanner, house.oslo.people["pia"]
    pia.post("devices/bind", device="scanner")
    scanner.wait_opened(20_000)
    page = pages.tablet("pia", "/floor/scrap")
    kept(page)
    page.reload()  # so that the worker has the page too
    listens(page)
    page.context.set_offline(True)
    with half_dead(pia.token, house, "/floor/scrap"):
        for text in ("BIN:F-03", f"]E0{CABLE}", f"]E0{CABLE}"):
            scanner.scan(text)
        wait_for("the node to have them", lambda: not house.oslo.journal.waiting(1))
        if again:
            page.reload()
        page.wait_for_timeout(500)
        page.context.set_offline(False)
        expect(page.locator("#lines .count")).to_have_text("2", timeout=40_000)
    newest = house.oslo.journal.latest
    wait_for("its word that they came", lambda: [each.state for each in newest(3)] == ["taken"] * 3)
    page.reload()
    listens(page)
    expect(page.locator("#lines .count")).to_have_text("2")


@contextmanager
def half_dead(token: str, house: stage.House, path: str) -> Iterator[None]:
    """Lines of a page from which nothing is ever read; so many that its own one ends, as a broken line does."""
    port, asked = int(house.oslo.url.rsplit(":", 1)[1]), f"/events?{urlencode({'codes': 'always', 'page': path})}"
    with ExitStack() as lines:
        for _ in range(STREAMS_PER_LOGIN):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            line.sendall(f"GET {asked} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert line.recv(12) == b"HTTP/1.1 200"
        yield
