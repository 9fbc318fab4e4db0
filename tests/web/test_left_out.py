"""Pages about counts say how many bins a sample lacks because they were in another count."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tests.web import kit


def rows_of(client: Any, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(f"/api/v1/counts/{path}.csv").text)))


def test_the_pages_of_a_count_and_of_the_programme_say_what_a_sample_lacks(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        counting, sven = stage.floor.counting, stage.as_("sven")
        counting.open_session(stage.op(), sven, {"name": "Two of them", "bins": ["A-01", "A-02"]})
        wish = {"name": "A sample", "plan": {"sample": 3}}
        number = counting.open_session(stage.op(), sven, wish)["session"]
        client = kit.logged_in(app, "sven")
        assert "2 bins that the plan chose were left out" in client.get(f"/review/{number}").text
        assert "Of 3 bins that samples drew 2 were left out" in client.get("/review/programme").text
        assert client.get(f"/api/v1/counts/{number}/report").json["left_out"] == ["A-01", "A-02"]
        # And their files, which name the bins or say how many.
        rows = rows_of(client, f"{number}/report")
        assert [(row["bin"], row["state"], row["counted"]) for row in rows] == [
            ("A-01", "left_out", ""), ("A-02", "left_out", ""),
        ]  # fmt: skip
        (month,) = rows_of(client, "programme")
        assert (month["sample_bins"], month["sample_left_out"], month["rounds"]) == ("3", "2", "0")
        stage.world.clock.advance(40 * 86_400_000)
        counting.cancel(stage.op(), sven, {"session": number, "reason": "mistake"})
        counting.open_session(stage.op(), sven, wish)
        client = kit.logged_in(app, "sven")
        rows = rows_of(client, "programme")
        assert [(row["sample_bins"], row["sample_left_out"]) for row in rows] == [("3", "2"), ("3", "2")]
        found = client.get("/api/v1/counts/programme").json
        assert found["samples"] == {"bins": 6, "left_out": 4} and found["all"]["sample_left_out"] == 4
        assert "Nothing was counted and posted yet" in client.get("/review/programme").text
