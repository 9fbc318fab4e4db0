"""The tablet in its other languages: mirrored where it has to be, nothing cut off, plural forms, choice."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_look import faults_of
from web.languages import COOKIE, RIGHT_TO_LEFT, of_scripts

SCREENS = (
    ("ana", "/"), ("ana", "/count"), ("ana", "/node"), ("kim", "/review/"), ("kim", "/review/new"),
    ("kim", "/review/programme"), ("kim", "/setup"), ("ana", "/operations/" + "0" * 32),
)  # fmt: skip
LOOKS = [(language, theme, size) for language in ("nb", "de", "ar")
         for theme, size in (("dark", TABLET), ("light", UPRIGHT))]  # fmt: skip


NUMBERS = (0, 1, 2, 3, 11, 100)  # one of each category of Arabic


def speaking(pages: Pages, login: str, language: str, **options: Any) -> Any:
    page = pages.tablet(login, "/login", **options)
    page.context.add_cookies([{"name": COOKIE, "value": language, "url": pages.house.oslo.url}])
    return page


@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_every_screen_in_every_language(pages: Pages, language: str, theme: str, size: tuple[int, int]) -> None:
    faults = []
    for login in ("ana", "kim"):
        page = speaking(pages, login, language, theme=theme, size=size)
        for path in [path for whose, path in SCREENS if whose == login]:
            page.goto(pages.house.oslo.url + path)
            assert page.locator("html").get_attribute("dir") == ("rtl" if language in RIGHT_TO_LEFT else "ltr")
            faults += faults_of(page, f"{path} in {language} ({theme})")
    assert not faults, "\n".join(faults)


def test_the_language_is_chosen_on_the_tablet_and_follows_its_person(pages: Pages) -> None:
    page = pages.tablet("ben")
    page.select_option("#language", "de")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.get_by_role("link", name="Zählen").is_visible()
    other = pages.open(f"{pages.house.oslo.url}/login")
    other.fill("#name", "ben")
    other.fill("#pin", stage.PIN)
    other.click("#login button[type=submit]")
    expect(other.locator("html")).to_have_attribute("lang", "de")
    other.select_option("#language", "en")
    expect(other.locator("html")).to_have_attribute("lang", "en")


def test_scripts_choose_plural_forms_as_their_language_does(pages: Pages) -> None:
    page = speaking(pages, "ana", "ar")
    page.goto(pages.house.oslo.url + "/count")
    forms = of_scripts("ar")["%(num)s day"]
    said = page.evaluate(
        """async () => {
          const script = document.querySelector("script[type=module]").src;
          const { n_ } = await import(script.replace(/[^/]+$/, "words.js"));
          return [0, 1, 2, 3, 11, 100].map((number) => n_("%(num)s day", "%(num)s days", number));
        }"""
    )
    isolated = [form.replace("%(num)s", f"\u2068{number}\u2069") for number, form in zip(NUMBERS, forms, strict=True)]
    assert said == isolated
