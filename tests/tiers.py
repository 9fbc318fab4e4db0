"""Which tests `make test` leaves to `make thorough`: what takes two cores long, and is seldom what a change breaks.
Nothing else differs: both are tests like any other, and both run before anything is delivered.

Everything in a real browser is long but for the main path of a day: counting, floor work, what becomes of scans
without a node, and that every word can be translated.
"""

from __future__ import annotations

# Files and single tests.
LONG = frozenset({
    "tests/browser/test_floor.py::test_every_screen_of_floor_work",
    "tests/contracts/test_machine.py::test_a_planted_fault_is_found",
    "tests/hub/test_crashes.py",
    "tests/processes/test_demo.py",
    "tests/processes/test_kill_hub.py",
    "tests/processes/test_kill_node.py",
    "tests/sim/test_simulation.py",
    "tests/sync/test_interleaving.py",
    "tests/web/test_fuzz.py",
    "tests/web/test_large.py",
    "tests/web/test_large_pages.py",
    "tests/web/test_sentences.py",
})  # fmt: skip
EVERYDAY_PAGES = frozenset({
    "tests/browser/test_count.py",
    "tests/browser/test_faults.py",
    "tests/browser/test_floor.py",
    "tests/browser/test_home.py",
    "tests/browser/test_look.py",
    "tests/browser/test_offline.py",
    "tests/browser/test_outbox.py",
    "tests/browser/test_pseudo.py",
    "tests/browser/test_review.py",
    "tests/browser/test_wedge.py",
})  # fmt: skip


def is_long(node_id: str) -> bool:
    """Whether `make test` leaves this test (pytest's id: file, `::`, name, parameters) out."""
    test = node_id.partition("[")[0]
    file = test.partition("::")[0]
    page = file.startswith("tests/browser/") and file not in EVERYDAY_PAGES
    return page or file in LONG or test in LONG
