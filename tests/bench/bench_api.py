"""P14: every list and look-up of a node's API on a large site, and every page, as one waits for it, through the real
server.

10,000 items, 5,000 bins, 100,000 operations, 500 bins being counted. The peer is the smallest answer of the same run:
what the server, the log-in and the wire take by themselves.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.bench.row import Row
from tests.web import large

PROMISES = ("P14",)
ROUNDS = 20
SMALLEST = "/api/v1/users/me"
MS_MAX = 100


def rows(folder: Path | None = None) -> list[Row]:
    """The slowest route's figures; `folder` chooses the disk."""
    with tempfile.TemporaryDirectory(dir=folder) as name, large.served(Path(name) / "node") as (stage, app, get):
        found = large.times(stage, get, ROUNDS, time.perf_counter)
        pages = large.page_times(app, get, large.lengthened(stage), ROUNDS, time.perf_counter)
    slowest = max(found, key=lambda path: large.percentile(found[path], 95))
    ours, theirs = large.percentile(found[slowest], 95), large.percentile(found[SMALLEST], 95)
    page = max(pages, key=lambda name: large.percentile(pages[name], 95))
    of_page = large.percentile(pages[page], 95)
    typed = large.percentile(found["/api/v1/lookup of a SKU"], 95)
    what = f"slowest answer p95: {slowest.removeprefix('/api/v1')}"
    return [
        Row("P14", what, ours, theirs, "ms", "the smallest answer", MS_MAX, absolute=True),
        Row("P14", "a code that is typed p95", typed, theirs, "ms", "the smallest answer", MS_MAX, absolute=True),
        Row("P14", f"slowest page p95: {page}", of_page, theirs, "ms", "the smallest answer", MS_MAX, absolute=True),
    ]
