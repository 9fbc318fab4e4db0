"""What a person in gloves hears and feels, and that the screen stays lit while they work. Spied on are the browser's
own sounds, vibration and wake lock; everything between a scan and them is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import GLOVES, open_bin

SPIES = """
  window.spied = { tones: [], buzz: [], locks: [] };
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (when) {
    window.spied.tones.push([this.frequency.value, this.type]);
    return start.call(this, when);
  };
  navigator.vibrate = (pattern) => { window.spied.buzz.push([pattern].flat()); return true; };
  Object.defineProperty(navigator, "wakeLock", { value: { request: async (kind) => {
    const lock = { kind, released: false };
    window.spied.locks.push(lock);
    return lock;
  } } });
"""
# Nothing but the page's own visibility changes: the tablet went dark, and the browser took the lock away.
DARK = """(seen) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => seen });
  if (seen === "hidden") for (const lock of window.spied.locks) lock.released = true;
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def spied_on(pages: Pages, login: str, path: str) -> Any:
    page = pages.tablet(login, "/login")
    page.add_init_script(SPIES)
    page.goto(f"{pages.house.oslo.url}{path}")
    return page


def until(page: Any, what: str) -> None:
    """Wait for it. What a browser polls by itself would be compiled from a text, which the page's policy forbids."""
    wait_for(what, lambda: page.evaluate(what))


def felt(page: Any, work: Callable[[], None]) -> tuple[Any, Any]:
    """(tones, vibration) of what `work` brought about."""
    page.evaluate("Object.assign(window.spied, { tones: [], buzz: [] })")
    work()
    until(page, "window.spied.tones.length > 0 && window.spied.buzz.length > 0")
    said = page.evaluate("window.spied")
    return said["tones"], said["buzz"]


def test_good_doubtful_and_bad_sound_and_feel_different(pages: Pages, scanned: Callable[..., None]) -> None:
    stage.leave_all(pages.house)
    stage.open_count(pages.house, "Senses", "R-04")
    page = spied_on(pages, "ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    page.mouse.click(5, 790)  # a browser makes no sound before the first touch
    open_bin(page, scanned, "R-04")

    def scan(code: str, level: str) -> None:
        scanned(page, code)
        expect(page.locator("#answer")).to_have_attribute("data-level", level)

    good = felt(page, lambda: scan(GLOVES, "good"))
    warn = felt(page, lambda: (page.click("#undo"), expect(page.locator("#answer")).to_contain_text("Taken back")))
    bad = felt(page, lambda: scan("NO-SUCH-THING", "bad"))
    for each in (good, warn, bad):
        assert each[0] and each[1], (good, warn, bad)
    assert len({str(each[0]) for each in (good, warn, bad)}) == 3, (good, warn, bad)
    assert len({str(each[1]) for each in (good, warn, bad)}) == 3, (good, warn, bad)
    assert sum(bad[1][0]) > sum(warn[1][0]) > sum(good[1][0]), "worse is longer: through gloves nobody counts pulses"
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")
    stage.cancel_all(pages.house)


def test_a_page_that_nobody_touched_sounds_at_its_first_scan(pages: Pages, scanned: Callable[..., None]) -> None:
    """Its keys are what a browser waits for; every page that is opened is another one that nobody touched."""
    stage.leave_all(pages.house)
    stage.open_count(pages.house, "Untouched", "R-04")
    page = spied_on(pages, "ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    tones, buzz = felt(page, lambda: scanned(page, "NO-SUCH-THING"))
    assert tones and buzz
    stage.cancel_all(pages.house)


@pytest.mark.parametrize(
    ("login", "path"),
    [
        ("ana", "/count"), ("rita", "/receive"), ("rita", "/move"), ("pia", "/pick"), ("tor", "/bring-in"),
        ("tor", "/floor/dispatch"), ("rita", "/floor/scrap"), ("rita", "/floor/adjust"),
    ],
)  # fmt: skip
def test_the_screen_stays_on_wherever_work_is_done(pages: Pages, login: str, path: str) -> None:
    page = spied_on(pages, login, path)
    until(page, "window.spied.locks.length === 1")
    assert page.evaluate("window.spied.locks[0].kind") == "screen"
    page.evaluate(DARK, "visible")
    assert page.evaluate("window.spied.locks.length") == 1, "what is held is not asked for again"
    page.evaluate(DARK, "hidden")
    assert page.evaluate("window.spied.locks.length") == 1
    page.evaluate(DARK, "visible")
    until(page, "window.spied.locks.length === 2")


def test_a_page_nobody_works_on_lets_the_screen_go_dark(pages: Pages) -> None:
    page = spied_on(pages, "kim", "/node")
    page.wait_for_selector("#chip-node[data-level]")
    assert page.evaluate("window.spied.locks.length") == 0
