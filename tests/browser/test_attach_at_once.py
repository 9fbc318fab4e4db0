"""What was just counted, received or sent gets its photo with one tap, also while the node is out of reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, TABLET, UPRIGHT, Pages
from tests.browser.test_attachments import png
from tests.browser.test_count import MARKER, close_bin, open_bin
from tests.browser.test_floor import CABLE, put, ready, sign
from tests.browser.test_look import faults_of

Scan = Callable[..., None]
PHOTO = {"name": "crushed.png", "mimeType": "image/png", "buffer": png(40, 30)}


def of(page: Any) -> str:
    return str(page.locator("#proof-link").get_attribute("href")).rsplit("/", 1)[1]


def attached(house: stage.House, login: str, op_id: str) -> list[str]:
    rows = house.oslo.people[login].get(f"attachments/?operation={op_id}")["rows"]
    return [str(row["name"]) for row in rows]


def test_a_photo_of_a_counted_bin_waits_on_the_tablet_for_contact(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    pages.forgive(*OUT_OF_REACH)
    stage.open_count(house, "Photo", "N-01")
    page = pages.tablet("ana", "/count", theme="light", size=UPRIGHT)
    open_bin(page, scanned, "N-01")
    scanned(page, MARKER)
    close_bin(page)
    faults = faults_of(page, "attach to a count (light)")
    with page.expect_file_chooser() as choice:
        page.click("#proof-attach")
    choice.value.set_files(PHOTO)
    expect(page.locator("#answer")).to_contain_text("It is kept")
    op_id = of(page)
    page.context.set_offline(True)
    page.set_input_files("#proof-file", {**PHOTO, "name": "wet floor.png"})
    expect(page.locator("#outbox-open")).to_contain_text("1 to send")
    page.click("#outbox-open")
    expect(page.locator("#outbox-list")).to_contain_text("wet floor.png")
    page.keyboard.press("Escape")
    assert attached(house, "kim", op_id) == ["crushed.png"]
    page.context.set_offline(False)
    wait_for("the second photo", lambda: attached(house, "kim", op_id) == ["wet floor.png", "crushed.png"], 30)
    expect(page.locator("#outbox-open")).to_be_hidden()
    assert not faults, "\n".join(faults)


def test_a_file_on_slow_wifi_arrives_and_holds_up_nothing_for_ever(pages: Pages, scanned: Scan) -> None:
    """It takes twice as long as any small act is waited for, and meanwhile the page says what goes on."""
    house = pages.house
    stage.open_count(house, "Slow", "T-15", "T-16")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-15")
    scanned(page, MARKER)
    close_bin(page)
    op_id = of(page)
    slow = page.context.new_cdp_session(page)
    wifi = {"offline": False, "latency": 20, "downloadThroughput": -1, "uploadThroughput": 14 << 10}
    slow.send("Network.enable")
    slow.send("Network.emulateNetworkConditions", wifi)
    page.set_input_files("#proof-file", {"name": "log.txt", "mimeType": "text/plain", "buffer": b"dented\n" * 30_000})
    scanned(page, "BIN:T-16")
    expect(page.locator("#outbox-open")).to_contain_text("2 to send")
    page.click("#outbox-open")
    expect(page.locator("#outbox-list .line").first).to_contain_text("being sent")
    page.wait_for_timeout(11_000)
    expect(page.locator("#chip-node")).to_contain_text("Node ok")
    page.keyboard.press("Escape")
    wait_for("the file", lambda: attached(house, "kim", op_id) == ["log.txt"], 60)
    page.wait_for_selector("#counting:not([hidden])")
    expect(page.locator("#bin")).to_have_text("T-16")
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def test_a_photo_of_what_was_received_and_of_what_was_sent(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    page = pages.tablet("rita", "/receive", size=TABLET)
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:N-02", CABLE)
    expect(page.locator("#lines .count")).to_have_text("1")
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof")).to_be_visible()
    page.set_input_files("#proof-file", PHOTO)
    expect(page.locator("#answer")).to_contain_text("It is kept")
    assert attached(house, "rita", of(page)) == ["crushed.png"]
    put(house, "N-03", 2)
    page = pages.tablet("tor", "/floor/dispatch", size=TABLET)
    ready(page)
    scanned(page, "BIN:N-03", CABLE)
    expect(page.locator("#lines .count")).to_have_text("1")
    page.click("#done")
    page.fill("#said-receiver", "bergen")
    page.click("#papers button[type=submit]")
    sign(page)
    expect(page.locator("#proof-title")).to_have_text("Sent")
    faults = faults_of(page, "attach to a dispatch (dark)")
    page.set_input_files("#proof-file", PHOTO)
    expect(page.locator("#answer")).to_contain_text("It is kept")
    assert attached(house, "tor", of(page)) == ["crushed.png"]
    assert not faults, "\n".join(faults)
