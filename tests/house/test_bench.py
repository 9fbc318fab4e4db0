"""`make bench` says no when a bar is missed, and which."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.bench import __main__ as bench
from tests.bench.row import Row

MET = Row("P2", "journal a raw scan", 1.2, 1.0, "ms", "a commit", 1.5)
MISSED = Row("P14", "slowest answer p95: /names", 131.0, 2.0, "ms", "the smallest answer", 100, absolute=True)


@pytest.mark.parametrize(("rows", "code"), [([MET], 0), ([MISSED, MET], 1)])
@pytest.mark.parametrize("json", [[], ["--json"]])
def test_a_missed_bar_ends_in_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: list[Row], code: int, json: list[str]
) -> None:
    measured = SimpleNamespace(PROMISES=("P2", "P14"), rows=lambda: rows)
    monkeypatch.setattr(bench, "BENCHES", ("bench_some",))
    monkeypatch.setattr(bench.importlib, "import_module", lambda _: measured)
    assert bench.main(json) == code
    printed = capsys.readouterr().out
    if not json:
        last = "not met: P14 slowest answer p95: /names: 131, the bar is 100" if code else "1 of 1 bars met"
        assert printed.splitlines()[-1] == last
