"""The chip of the node says since when it has not answered, as that of the hub does."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_look import faults_of
from web.languages import COOKIE

# A browser that is offline keeps the streams that it has: this one can be cut.
STREAMS = """window.streams = [];
window.EventSource = class extends EventSource { constructor(...said) { super(...said); streams.push(this); } };"""


def test_how_long_the_node_has_not_answered(pages: Pages) -> None:
    pages.forgive(*OUT_OF_REACH)
    page, faults = pages.open(), []
    page.clock.install()
    page.add_init_script(STREAMS)
    page.context.add_cookies(
        [{"name": "tallyman_session", "value": pages.house.oslo.people["ana"].token, "url": pages.house.oslo.url}]
    )
    for language, ago in (("en", "Node 2 minutes ago"), ("ar", "دقيقتين")):
        page.context.add_cookies([{"name": COOKIE, "value": language, "url": pages.house.oslo.url}])
        page.goto(f"{pages.house.oslo.url}/count")
        chip = page.locator("#chip-node")
        expect(chip).to_have_attribute("data-level", "good")
        page.context.set_offline(True)
        page.evaluate("streams.forEach((each) => each.close())")
        page.clock.fast_forward("00:15")
        expect(chip).to_have_attribute("data-level", "bad")
        if language == "en":
            expect(chip).to_contain_text("Node out of reach")
        page.clock.fast_forward("02:05")
        expect(chip).to_contain_text(ago)
        faults += faults_of(page, f"the node is away, {language} (light)")
        page.context.set_offline(False)
        page.clock.fast_forward("00:15")
        expect(chip).to_have_attribute("data-level", "good")
    assert not faults, "\n".join(faults)
