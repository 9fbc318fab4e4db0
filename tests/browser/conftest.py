"""One stage and one Chromium for the whole folder, and pages that complain about everything a console would."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.browser import stage

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in PROGRAMS if (found := shutil.which(name))), "")
MISSING = "chromium is not installed: add it with `make system`"
# What Chromium does beside the pages: no address is changed to https, and the suggestions under its address bar, two
# further pages with a process each, are not loaded with every page: they are half of what a page costs the machine.
# The last list of features that are off is the one that counts, so this one stands instead of Playwright's own.
FEATURES_OFF = (
    *("HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "PaintHolding", "MediaRouter", "OptimizationHints"),
    *(
        "AvoidUnnecessaryBeforeUnloadCheckSync",
        "DestroyProfileOnBrowserClose",
        "LensOverlay",
        "NetworkTimeServiceQuerying",
    ),
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP tablet.test 127.0.0.1",  # a name that is not loopback, so that nothing is secure there
    f"--disable-features={','.join(FEATURES_OFF)}",
]
KEY_S = 0.001
PATIENCE_MS = 20_000  # a busy machine is slow, not wrong
TABLET, UPRIGHT, DESK = (1280, 800), (800, 1280), (1440, 900)
# What a refused wish looks like in a console: the answer is shown to the person, so it is no fault of the page.
EXPECTED = "Failed to load resource: the server responded with a status of 4"
# Of a tablet that is out of reach; the second: the service worker was about to look for a newer one of itself.
OUT_OF_REACH = (
    "Failed to load resource: net::ERR_INTERNET_DISCONNECTED",
    "An unknown error occurred when fetching the script.",
)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stage.House]:
    if not CHROMIUM:
        pytest.skip(MISSING)
    with stage.house(tmp_path_factory.mktemp("stage")) as set_up:
        stage.furnish(set_up)
        yield set_up
        assert not set_up.failures, f"jobs failed in a way nobody foresaw: {set_up.failures}"


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip(MISSING)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Pages:
    """Opens pages, each in a browser profile of its own, and collects what goes wrong in them."""

    browser: Any
    house: stage.House
    faults: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=lambda: [EXPECTED])

    def forgive(self, *beginnings: str) -> None:
        """Such complaints are what the test is about."""
        self.forgiven += beginnings

    def open(self, url: str = "", *, size: tuple[int, int] = TABLET, theme: str = "dark") -> Any:
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, timezone_id="Europe/Oslo", locale="en-GB"
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(
            f"localStorage.setItem('theme', localStorage.getItem('theme') || '{theme}');"
            "addEventListener('securitypolicyviolation', (event) => console.error('CSP ' + event.violatedDirective));"
        )
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._said(page, message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        if url:
            page.goto(url)
        return page

    def tablet(self, login: str, path: str = "/", *, place: str = "oslo", **options: Any) -> Any:
        """A tablet on which somebody is logged in already."""
        where = self.house.places[place]
        return self.known(options.pop("url", where.url), path, "tallyman_session", where.people[login].token, options)

    def console(self, path: str = "/", **options: Any) -> Any:
        """The console of somebody who is logged in already."""
        if not self.house.console_token:
            self.house.console_token = stage.console_token(self.house)
        url, token = self.house.hub_url, self.house.console_token
        return self.known(url, path, "tallyman_console", token, {"size": DESK, **options})

    def known(self, url: str, path: str, cookie: str, token: str, options: dict[str, Any]) -> Any:
        """A page of a browser that has this log-in."""
        page = self.open(**options)
        known = {cookie: token, "tallyman_tablet": secrets.token_hex(16)}  # each profile is a tablet of its own
        page.context.add_cookies(
            [
                {"name": name, "value": value, "url": url, "httpOnly": True, "sameSite": "Strict"}
                for name, value in known.items()
            ]
        )
        page.goto(url + path)
        return page

    def _said(self, page: Any, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(tuple(self.forgiven)):
            self.faults.append(f"{page.url}: {kind}: {text}")


@pytest.fixture
def pages(browser: Any, house: stage.House) -> Iterator[Pages]:
    opened = Pages(browser, house)
    yield opened
    for context in opened.contexts:
        context.close()
    stage.leave_all(house)
    assert not opened.faults, "\n".join(opened.faults)


@pytest.fixture
def alone(house: stage.House) -> Iterator[None]:
    """No other count is under way, before and after, whatever was left behind."""
    stage.cancel_all(house)
    yield
    stage.cancel_all(house)


NAMELESS = {"key": "Unidentified", "windowsVirtualKeyCode": 229}
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}


def typed_at_once(page: Any, text: str, *, key_s: float = KEY_S, ended: bool = True, nameless: bool = False) -> None:
    """What a keyboard scanner does: every key without waiting for any, then Enter, where it is `ended`.

    Each key says when it was pressed, as a real one does: otherwise a busy machine types like a slow hand. Through
    an input method the keys are `nameless`, each with its character in the field, if there is one.
    """
    session = page.context.new_cdp_session(page)
    send = partial(session._impl_obj.send, timeout=0)
    began_s, sends = time.time(), []
    strokes = [*text, *(["\r"] if ended else [])]
    for number, each in enumerate(strokes):
        at = {"timestamp": began_s + number * key_s}
        inserted = nameless and each != "\r"
        name = NAMELESS if inserted else ENTER if each == "\r" else {"key": each}
        pressed = {"type": "rawKeyDown"} if inserted else {"type": "keyDown", "text": each}
        sends.append(send("Input.dispatchKeyEvent", params={**pressed, **name, **at}))
        if inserted:
            sends.append(send("Input.insertText", params={"text": each}))
        sends.append(send("Input.dispatchKeyEvent", params={"type": "keyUp", **name, **at}))

    async def together() -> None:
        await asyncio.gather(*sends)

    session._sync(together())
    session.detach()
    page.wait_for_timeout(
        max(0.0, (began_s + len(strokes) * key_s - time.time()) * 1_000)
    )  # no key comes from tomorrow


@pytest.fixture
def scanned() -> Callable[..., None]:
    """Types each code as a keyboard scanner does."""

    def scan(page: Any, *codes: str) -> None:
        page.wait_for_selector("html[data-scanner]", state="attached")  # what is scanned before is not heard
        for code in codes:
            typed_at_once(page, code)

    return scan
