"""Pages about counts say how many bins a sample lacks because they were in another count."""

from __future__ import annotations

from pathlib import Path

from tests.web import kit


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
