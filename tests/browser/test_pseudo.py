"""Every page of the tablet in a language that nobody speaks: each word in brackets, accented and longer by 40 %. What
stands outside brackets was never given to a translator, and what is cut off has no room for one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.support import Translations

from tests.browser.conftest import UPRIGHT, Pages
from tests.browser.stage import BINS, ITEMS, PEOPLE
from tests.browser.test_every_page import Screens, node_screens  # noqa: F401 - a fixture
from tests.browser.test_languages import HOLDERS, speaking
from web import languages

LANGUAGE = "nb"  # whose place it takes: also from left to right, and with the plural rule of English
ACCENTED = str.maketrans("aeiouyACEINOUSYcns", "áéíöüýÄÇÉÍÑÖÜŠÝçñš")
LONGER = 0.4
# What the stage and these tests call devices, sites and a count: nobody translates it.
OURS = {"tallyman", "oslo", "bergen", "scale", "scanner", "every", "page", "csv"}
# What holds a code, a name or a number that people or makers gave; and alerts, which are English (README, Decisions).
GIVEN = (
    "#alerts, bdi, code, .code, script, style, option[lang], [data-name], svg, input, textarea, time, #who, .reason,"
    " .qr"
)


def longer(text: str) -> str:
    """The text as a translator might return it, what is put into it untouched."""
    parts = re.split(r"(%\(\w+\)s|<[^>]*>)", text)
    words = "".join(part if number % 2 else part.translate(ACCENTED) for number, part in enumerate(parts))
    more = "~~~~~ " * round(len(text) * LONGER / 6) or "~" * round(len(text) * LONGER)
    return f"[{words}{more.strip()}]"


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue of a language is another one, for templates, scripts and rules."""
    found = Catalog(locale=LANGUAGE)
    for message in languages.catalogue(LANGUAGE):
        if message.id:
            said = longer(message.id) if isinstance(message.id, str) else tuple(map(longer, message.id))
            found.add(message.id, said, locations=message.locations)
    compiled = io.BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    known = Translations(compiled)
    plain = languages.translations
    monkeypatch.setattr(languages, "catalogue", lambda _: found)
    monkeypatch.setattr(languages, "translations", lambda name: known if name == LANGUAGE else plain(name))
    kept = (languages.sentences, languages.of_scripts)  # of the real one, whoever asked for it before
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


def names() -> set[str]:
    """The words of what the stage calls its things and people."""
    said = [ITEMS, *BINS["oslo"], *(" ".join((login, name, *roles)) for login, name, roles in PEOPLE["oslo"])]
    return OURS | {word.lower() for text in said for word in re.findall(r"[A-Za-z]+", text)}


def untranslated(page: Any) -> list[str]:
    """Texts that have a word outside brackets, without what people gave names to."""
    said: list[str] = page.evaluate(
        """(given) => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), said = [];
          while (walker.nextNode()) {
            const { parentElement: holder, textContent: text } = walker.currentNode;
            if (!holder.closest(given) && holder.checkVisibility()) said.push(text.trim());
          }
          for (const each of document.querySelectorAll("[aria-label], [title], [placeholder]"))
            for (const name of ["aria-label", "title", "placeholder"]) said.push(each.getAttribute(name) || "");
          return said.filter(Boolean);
        }""",
        GIVEN,
    )
    known, found = names(), []
    for text in said:
        outside = re.sub(r"\[[^\[\]]*\]", " ", text)
        while outside != (again := re.sub(r"\[[^\[\]]*\]", " ", outside)):
            outside = again
        words = [
            word for word in re.findall(r"(?<![\w-])[A-Za-z]{3,}(?![\w-])", outside) if word.lower() not in known
        ]
        found += [text[:90]] if words else []
    return found


@pytest.mark.usefixtures("pseudo")
def test_every_word_is_given_to_translators_and_has_room(pages: Pages, node_screens: Screens) -> None:  # noqa: F811
    url, faults, opened = pages.house.oslo.url, [], {}
    for login, path in sorted({screen for screens in node_screens.values() for screen in screens}):
        if path.startswith("/offline/") or not login:
            continue
        if login not in opened:
            opened[login] = speaking(pages, login, LANGUAGE, size=UPRIGHT)
        page = opened[login]
        page.goto(url + path)
        faults += [f"{path} for {login}: not translated: {text}" for text in untranslated(page)]
        cut = page.evaluate(
            """(holders) => [document.documentElement, ...document.querySelectorAll(holders)]
                 .filter((each) => each.checkVisibility() && !each.matches(".visually-hidden, .skip"))
                 .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth)
                 .map((each) => `${each.scrollWidth} > ${each.clientWidth} ${each.outerHTML.slice(0, 100)}`)""",
            HOLDERS,
        )
        faults += [f"{path} for {login}: cut off: {each}" for each in cut]
    assert not faults, "\n".join(sorted(set(faults)))
