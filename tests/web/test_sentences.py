"""What the rules refuse or ask is said in the reader's language, and to programs in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import ReasonNeeded
from tests.house import words
from tests.web import kit
from web import languages
from web.kit import ERRORS
from web.languages import ENGLISH, LANGUAGES, OF_RULES, RULES
from web.sentences import PLACE, Sentences

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
KNOWN = (
    ("%(1)s is promised from another bin or lot: give a reason", "%(1)s ist anderswo zugesagt: Grund angeben"),
    ("%(1)s is promised", "%(1)s ist zugesagt"),
    ("%(1)s of %(2)s are still to be picked", "von %(2)s noch %(1)s"),
    ("the paper is not right: %(1)s", "der Schein stimmt nicht: %(1)s"),
    ("its check sum does not fit", "die Summe passt nicht"),
)


def test_a_sentence_keeps_what_stands_at_its_places() -> None:
    known = Sentences(KNOWN, lambda word: word)
    assert known.said("GLUE-1 is promised from another bin or lot: give a reason").startswith("GLUE-1 ist anderswo")
    assert known.said("3 of A of B are still to be picked") == "von A of B noch 3"
    nested = known.said("the paper is not right: its check sum does not fit")
    assert nested == "der Schein stimmt nicht: die Summe passt nicht"
    assert known.said("nobody foresaw this: 7") == "nobody foresaw this: 7"
    assert Sentences(KNOWN, lambda word: word, "<{}>").said("A is promised") == "<A> ist zugesagt"


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_of_the_rules_is_taken_for_another(language: str) -> None:
    known = languages.sentences(language)
    catalogue = languages.catalogue(language)
    rules = {each.text for each in words.marked() if each.where.startswith(RULES) and isinstance(each.text, str)}
    assert len(rules) > 150
    for text in rules:
        values = {name: f"X-{name}" for name in PLACE.findall(text)}
        message = catalogue.get(text)
        wanted = PLACE.sub(lambda place, values=values: values[place[1]], str(message.string))
        english = PLACE.sub(lambda place, values=values: values[place[1]], text)
        assert known.said(english).replace("\u2068", "").replace("\u2069", "") == wanted, text


def test_words_of_the_rules_are_translated_at_their_places_and_codes_are_not() -> None:
    assert "Zählung" in languages.sentences("de").said("you have no count open: begin one first")
    assert "COUNT" in languages.sentences("de").said("COUNT is not to be counted now")
    assert set(OF_RULES) <= {each.text for each in words.marked() if isinstance(each.text, str)}


def test_a_reason_that_is_needed_has_a_title_of_its_own() -> None:
    assert next(title for kind, _, title in ERRORS if issubclass(ReasonNeeded, kind)) == "A reason is needed"


def test_a_refusal_is_said_in_the_readers_language_and_to_a_program_in_english(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = kit.logged_in(app, "cora")
        wish = {"op_id": kit.NOBODY, "bin": "A-01"}
        plain = client.post("/api/v1/counts/close", json=wish).get_json()
        assert plain["detail"] == "you have not opened A-01"
        german = client.post("/api/v1/counts/close", json=wish, headers={"Accept-Language": "de"}).get_json()
        assert german == {**plain, "detail": "Sie haben A-01 nicht geöffnet"}
        scan = {"op_id": "1" * 32, "text": "NOBODY-KNOWS"}
        said = client.post("/api/v1/scans", json=scan, headers={"Accept-Language": "ar"}).get_json()
        assert said["outcome"] == "ignored" and said["why"] == "لا شيء مفتوح يمكن أن يخصه هذا"
