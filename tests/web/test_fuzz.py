"""A bounded run of schemathesis in every test run; `make quick` has the long one."""

from __future__ import annotations

from tests.processes.trials import run_program
from tests.web import walk
from tests.web.fuzz import ENDING

SECONDS = 20  # `make quick` does it for ten minutes


def test_nothing_generated_gets_a_5xx_or_an_answer_that_is_not_described() -> None:
    said = run_program("tests.web.fuzz", "--seconds", str(SECONDS))
    total = len(walk.ROUTES) - 1  # it has read the description already
    for count in (total - len(ENDING) - 1, len(ENDING)):  # all but the stream
        assert f"{count} selected / {total} total" in said, "routes are left out"
