"""Numbers and their nouns."""

from ledger.wording import counted


def test_one_is_not_many() -> None:
    assert [counted(number, "block") for number in (0, 1, 2, 12_345)] == [
        "0 blocks",
        "1 block",
        "2 blocks",
        "12,345 blocks",
    ]
    assert counted(1, "log entry", "log entries") == "1 log entry"
    assert counted(3, "log entry", "log entries") == "3 log entries"
