"""What is not seen in a word is refused by its name, what languages need is taken, and there is one form of each."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spelling
from ledger.errors import Rejected

UNSEEN = {
    "L\u200b1": "U+200B (ZERO WIDTH SPACE)",
    "L\u200d1": "U+200D (ZERO WIDTH JOINER)",
    "L1\u202e": "U+202E (RIGHT-TO-LEFT OVERRIDE)",
    "\u2066L1": "U+2066 (LEFT-TO-RIGHT ISOLATE)",
    "L\u00ad1": "U+00AD (SOFT HYPHEN)",
    "\ufeffL1": "U+FEFF (ZERO WIDTH NO-BREAK SPACE)",
    "L\u00a01": "U+00A0 (NO-BREAK SPACE)",
    "L\u20281": "U+2028 (LINE SEPARATOR)",
    "L\u31641": "U+3164 (HANGUL FILLER)",
    "L\ufe0f1": "U+FE0F (VARIATION SELECTOR-16)",
    "L\ue0001": "U+E000",  # private use
    "L\u03781": "U+0378",  # nobody was given it
    "L\ud8001": "U+D800",  # half of a character
    "L\x851": "U+0085",
}


def test_digits_count_in_whichever_way_a_keyboard_writes_them() -> None:
    assert spelling.digits("٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹ ١٢٫٥") == "0123456789 0123456789 12.5"
    assert spelling.digits("12,5 kg １² L-1") == "12,5 kg １² L-1"


@pytest.mark.parametrize("text", UNSEEN)
def test_what_is_not_seen_is_named(text: str) -> None:
    with pytest.raises(Rejected, match="which nobody sees") as refused:
        spelling.code(text)
    assert UNSEEN[text] in str(refused.value) and str(refused.value).isprintable()


@pytest.mark.parametrize("text", ["\u0301L1", "L \u03081"])
def test_a_mark_without_its_letter_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="without a letter"):
        spelling.code(text)


@pytest.mark.parametrize("text", ["Cafe\u0301", "\u212b-1", "\u1112\u1161\u11ab"])
def test_of_two_that_look_alike_one_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="another way than is usual") as refused:
        spelling.code(text)
    assert text != "Cafe\u0301" or "U+0301 (COMBINING ACUTE ACCENT)" in str(refused.value)
    usual = unicodedata.normalize("NFC", text)
    assert spelling.code(usual) == usual


@pytest.mark.parametrize(
    "text", ["", "L-1/A 2", "Ål", "Größe", "批次-7", "Партия", "دفعة ١", "ชุดที่", "किताब", "한", "🔩"]
)
def test_words_of_all_languages_are_codes(text: str) -> None:
    assert spelling.code(text) == text


def test_names_and_prose_keep_what_languages_need_and_get_one_form() -> None:
    assert spelling.name("می\u200cخواهم") == "می\u200cخواهم" and spelling.name("Rene\u0301") == "René"
    assert spelling.prose("one\nCafe\u0301 \u200f(دفعة)") == "one\nCafé \u200f(دفعة)"
    for text in ("\u200d", "Bo\u00adlt", "two\nlines", "a\u202eb"):
        with pytest.raises(Rejected):
            spelling.name(text)
    for text in ("a\u202eb", "a\u2067b", "a\x00b", "a\x1bb", "a\ud800b"):
        with pytest.raises(Rejected, match="which nobody sees"):
            spelling.prose(text)


@given(st.text())
def test_whatever_is_taken_is_seen_and_has_one_form(text: str) -> None:
    try:
        taken = spelling.code(text)
    except Rejected as error:
        assert str(error).isprintable()
    else:
        assert taken == text and text.isprintable() and unicodedata.normalize("NFC", text) == text
