"""A photo taken at the shelf: made small on the tablet, kept by the node, shown with its operation, erased."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_look import faults_of


def png(width: int, height: int) -> bytes:
    """A picture of coloured noise, which does not compress: larger than what the node takes."""
    state, rows = 1, bytearray()
    for _ in range(height):
        rows.append(0)
        for _ in range(width * 3 // 4):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            rows += state.to_bytes(4, "big")
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(rows), 1)),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_photo_is_made_small_kept_shown_and_erased(pages: Pages) -> None:
    rita, kim = pages.house.oslo.people["rita"], pages.house.oslo.people["kim"]
    op_id = rita.get("operations/?limit=20")["rows"][-1]["op_id"]
    page = pages.tablet("rita", f"/operations/{op_id}", theme="light", size=UPRIGHT)
    expect(page.locator("#attach-words")).to_have_text("Nothing is attached.")
    large = png(1800, 1200)
    assert len(large) > 6_000_000
    with page.expect_file_chooser() as choice:
        page.click("#attach")
    choice.value.set_files({"name": "dent at the back.png", "mimeType": "image/png", "buffer": large})
    expect(page.locator("#attach-words")).to_contain_text("It is kept", timeout=20_000)
    (kept,) = kim.get(f"attachments/?operation={op_id}")["rows"]
    assert kept["media"] == "image/jpeg" and kept["size"] <= 700 * 1024 and kept["by"] == "Rita Lund"
    assert page.locator(".photo img").evaluate("(each) => each.decode().then(() => each.naturalWidth)") == 1600
    assert not faults_of(page, "a photo (light)")
    assert page.locator("#photos button").count() == 0, "only who decides may erase"
    page = pages.tablet("kim", f"/operations/{op_id}", theme="dark", size=TABLET)
    page.get_by_role("button", name="Erase dent at the back.png").click()
    assert not faults_of(page, "erase (dark)")
    page.click("#erase-yes")
    expect(page.locator(".photo")).to_have_text("Erased")
    assert kim.get(f"attachments/{kept['attachment']}")["salt"] == ""


def test_what_is_no_picture_and_what_is_too_large_is_said(pages: Pages) -> None:
    rita = pages.house.oslo.people["rita"]
    op_id = rita.get("operations/?limit=20")["rows"][-2]["op_id"]
    page = pages.tablet("rita", f"/operations/{op_id}")
    expect(page.locator("#attach")).to_be_enabled()
    for name, media, content, words in (
        ("x.png", "image/png", b"not a picture", "cannot be read"),
        ("x.pdf", "application/pdf", b"%PDF-" + bytes(800_000), "larger than 700 KiB"),
        ("x.txt", "text/plain", b"\0\1\2", "nothing else is kept"),
    ):
        page.set_input_files("#attach-file", {"name": name, "mimeType": media, "buffer": content})
        expect(page.locator("#attach-words")).to_contain_text(words)
    assert rita.get(f"attachments/?operation={op_id}")["rows"] == []
    note = base64.b64encode(b"Pallet 7: broken").decode()
    rita.act("attachments/", name="note.txt", content=note, operation=op_id, line=0)
    page.reload()
    expect(page.locator(".photo")).to_contain_text("note.txt")


def test_a_photo_of_a_line_an_item_or_a_bin_stands_in_its_history(pages: Pages) -> None:
    rita = pages.house.oslo.people["rita"]
    lines = {
        row["op_id"]: rita.get(f"operations/{row['op_id']}").get("lines") or ()
        for row in rita.get("operations/?limit=50")["rows"]
    }
    op_id, moved = next((op_id, found) for op_id, found in lines.items() if len(found) > 1)
    page = pages.tablet("rita", f"/operations/{op_id}", theme="light", size=UPRIGHT)
    expect(page.locator("#attach")).to_be_enabled()
    page.select_option("#attach-line", "1")
    photo = {"name": "leak.png", "mimeType": "image/png", "buffer": png(40, 30)}
    page.set_input_files("#attach-file", photo)
    expect(page.locator("#photos")).to_contain_text("Line 2")
    assert not faults_of(page, "a photo of a line (light)")
    item = moved[1]["item"]
    page = pages.tablet("rita", f"/look?item={item}", theme="dark", size=TABLET)
    expect(page.locator("#photos")).to_contain_text("leak.png")
    expect(page.locator("#photos").get_by_role("link", name="what happened")).to_have_attribute(
        "href", f"/operations/{op_id}"
    )
    page.set_input_files("#attach-file", {**photo, "name": "box.png"})
    expect(page.locator("#photos li")).to_have_count(2)
    assert not faults_of(page, "photos of an item (dark)")
    page.fill("#what", "A-05")
    page.keyboard.press("Enter")
    expect(page.locator("#attach-words")).to_have_text("Nothing is attached.")
    page.set_input_files("#attach-file", {**photo, "name": "rack.png"})
    expect(page.locator("#photos")).to_contain_text("rack.png")

    def kept() -> dict[str, tuple[object, ...]]:
        rows = rita.get("attachments/")["rows"]
        return {row["name"]: (row["item"], row["location"], row["line"]) for row in rows}

    # It is shown as soon as it is on the tablet.
    wait_for("the photos at the node", lambda: {"leak.png", "box.png", "rack.png"} <= kept().keys())
    kinds = kept()
    assert kinds["leak.png"] == (item, None, 1)
    assert (kinds["box.png"], kinds["rack.png"]) == ((item, None, None), (None, "A-05", None))


def lost_answer(route: Any) -> None:
    route.fetch()
    route.abort()


def cards(page: Any) -> Any:
    return page.locator("#photos li")


def test_a_photo_that_the_node_did_not_answer_stays_on_the_tablet_and_is_sent_once(pages: Pages) -> None:
    """Out of reach, over a reload, and after an answer that was lost on its way: on the page where it was taken, and
    at an item as at an operation."""
    rita = pages.house.oslo.people["rita"]
    op_id = rita.get("operations/?limit=20")["rows"][-3]["op_id"]
    item = "TAPE-50"
    pages.forgive("Failed to load resource: net::ERR_FAILED", "Unreachable")
    photo = {"name": "wet.png", "mimeType": "image/png", "buffer": png(40, 30)}
    for path, asked in ((f"/operations/{op_id}", f"operation={op_id}"), (f"/look?item={item}", f"item={item}")):
        before = len(rita.get(f"attachments/?{asked}")["rows"])
        page = pages.tablet("rita", path)
        expect(page.locator("#attach")).to_be_enabled()
        page.context.route("**/api/v1/attachments/", lambda route: route.abort())
        page.context.route("**/api/v1/attachments/", lost_answer, times=1)  # the last one is asked first
        page.set_input_files("#attach-file", photo)
        expect(cards(page)).to_have_count(before + 1)
        expect(cards(page).first).to_contain_text("on this tablet")
        expect(page.locator("#outbox-open")).to_have_text("○ 1 to send")
        shown = cards(page).first.locator("img")
        assert shown.evaluate("(each) => each.decode().then(() => each.naturalWidth)") == 40
        page.reload()
        expect(cards(page).first).to_contain_text("on this tablet")
        expect(cards(page).first).to_contain_text("Rita Lund")
        assert len(rita.get(f"attachments/?{asked}")["rows"]) == before + 1, "the node has it, and nobody heard so"
        assert not faults_of(page, f"an unsent photo at {path}")
        page.context.unroute("**/api/v1/attachments/")
        expect(page.locator("#outbox-open")).to_be_hidden()
        expect(cards(page)).to_have_count(before + 1)
        expect(page.locator("#photos")).not_to_contain_text("on this tablet")
        rows = rita.get(f"attachments/?{asked}")["rows"]
        assert rows[0]["name"] == "wet.png" and len(rows) == before + 1
