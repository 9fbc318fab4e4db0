"""Numbers and their nouns."""

from datetime import date

import pytest

from ledger.wording import counted, shown


def test_one_is_not_many() -> None:
    assert [counted(number, "block") for number in (0, 1, 2, 12_345)] == [
        "0 blocks",
        "1 block",
        "2 blocks",
        "12,345 blocks",
    ]
    assert counted(1, "log entry", "log entries") == "1 log entry"
    assert counted(3, "log entry", "log entries") == "3 log entries"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        (None, "nothing"),
        (8.5, "8.5"),
        (float("inf"), "inf"),
        ("Oslo", "'Oslo'"),
        ("é\n", "'\\xe9\\n'"),
        ([True, None, "a"], '[true, null, "a"]'),
        ({"port": False}, '{"port": false}'),
        ({"day": date(2026, 1, 2)}, '{"day": "2026-01-02"}'),
        (date(2026, 1, 2), "2026-01-02"),
        (b"ab", "2 bytes"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        pytest.param(10**5000, "more than can be shown", id="huge"),
        ({b"a": 1}, "more than can be shown"),
    ],
)
def test_a_value_is_shown_as_a_settings_file_says_it(value: object, words: str) -> None:
    assert shown(value) == words
