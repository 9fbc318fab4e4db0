"""Setting up a tablet: the page that tests it, and what HTTPS with the site's own certificate makes possible."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import expect

from node.certificates import PAIR, Certificates
from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import CHROMIUM, FLAGS, Pages
from tests.browser.test_look import faults_of
from web import node_app
from web.server import Server

COOP = "The Cross-Origin-Opener-Policy header has been ignored"


def test_a_tablet_tests_itself(pages: Pages, scanned: Callable[..., None]) -> None:
    page = pages.open(f"{pages.house.oslo.url}/setup")
    for name in ("secure", "worker", "clock"):
        expect(page.locator(f"#test-{name} .chip")).to_have_attribute("data-level", "good")
    scanned(page, *["9521234500018"] * 4)
    expect(page.locator("#test-wedge .word")).to_have_text("4 of 5")
    page.keyboard.type("12345678", delay=150)
    page.keyboard.press("Enter")
    expect(page.locator("#test-wedge .word")).to_have_text("4 of 5")
    scanned(page, "9521234500018")
    expect(page.locator("#test-wedge .word")).to_contain_text("ms between keys")
    page.click("#play")
    expect(page.locator("#test-sound .word")).to_have_text("played")
    page.click("[data-heard=no]")
    expect(page.locator("#test-sound .chip")).to_have_attribute("data-level", "bad")
    expect(page.locator("#test-sound")).to_contain_text("Turn up the volume")
    page.click("#play")
    faults = faults_of(page, "was it heard")
    page.click("[data-heard=yes]")
    expect(page.locator("#test-sound .word")).to_have_text("loud enough")
    faults += faults_of(page, "set up")
    assert not faults, "\n".join(faults)


def test_a_tablet_without_a_secure_connection_is_told_what_to_do(pages: Pages) -> None:
    pages.forgive(COOP)
    page = pages.open(f"{pages.house.oslo.url.replace('127.0.0.1', 'tablet.test')}/setup")
    expect(page.locator("#answer")).to_contain_text("Something is missing")
    expect(page.locator("#test-secure")).to_contain_text("Install the site's certificate")


def test_over_https_everything_is_possible(pages: Pages, tmp_path: Path) -> None:
    """A browser that trusts the node's key: the worker, the camera's context, Web Locks, a secure cookie."""
    oslo = pages.house.oslo
    parts = oslo.parts
    certificates = Certificates(tmp_path / "tls", "oslo", lambda: ("tablet.test",), stage.CLOCK, stage.STORAGE)
    app = node_app.create(
        node_app.NodeParts(
            site=parts.site,
            floor=parts.floor,
            journal=oslo.journal,
            clock=stage.CLOCK,
            random=stage.RANDOM,
            sync=parts.sync,
            devices=parts.devices,
            links=parts.links,
            status=parts.status,
            certificates=certificates,
        )
    )
    server = Server(app, "127.0.0.1", 0, tls=certificates.context())
    _, port = server.start()
    key = x509.load_pem_x509_certificate((tmp_path / "tls" / PAIR).read_bytes()).public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    trusted = f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(spki).digest()).decode()}"
    chromium = pages.browser.browser_type
    context = chromium.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=CHROMIUM, args=[*FLAGS, trusted]
    )
    try:
        page = context.new_page()
        page.goto(f"https://tablet.test:{port}/setup")
        for name in ("secure", "worker", "clock", "awake"):
            expect(page.locator(f"#test-{name} .chip")).to_have_attribute("data-level", "good")
        expect(page.locator("#fingerprint")).to_contain_text(certificates.authority().fingerprint[:4].upper())
        page.goto(f"https://tablet.test:{port}/login")
        page.fill("#name", "ana")
        page.fill("#pin", stage.PIN)
        page.click("button[type=submit]")
        page.wait_for_selector("#logout")
        assert all(each["secure"] and each["httpOnly"] for each in context.cookies())
        page.goto(f"https://tablet.test:{port}/count")
        page.wait_for_selector("#choose:not([hidden])")
        expect(page.locator("#reduced")).to_be_hidden()
        wait_for("the worker", lambda: page.evaluate("navigator.serviceWorker.controller !== null"))
        context.set_offline(True)
        page.reload()
        expect(page.locator("#who")).to_have_text("Ana Berg")
    finally:
        context.close()
        server.stop()
