"""What is said of how work goes says nothing of who did it: there are no figures per person."""

from __future__ import annotations

from pathlib import Path

from tests.node.floor_kit import PIN
from tests.web import kit

PATHS = (
    "/api/v1/counts/programme",
    "/api/v1/counts/programme.csv",
    "/review/programme",
    "/metrics",
    "/api/v1/admin/system/metrics",
    "/api/v1/admin/ai/status",
)


def test_no_figure_is_of_a_person(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        stage.receive({"item": "BOLT", "quantity": 20})
        counting, cora, sven = stage.floor.counting, stage.as_("cora"), stage.as_("sven")
        wish = {"name": "Week", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
        number = counting.open_session(stage.op(), sven, wish)["session"]
        counting.open_bin(stage.op(), cora, {"bin": "A-01"})
        counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 19})
        counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
        body = {"session": number, "bin": "A-01", "reason": "lost"}
        counting.posting.approve(stage.op(), sven, body, PIN)
        counted = kit.logged_in(app, "sven").get(f"/api/v1/counts/{number}/report").text
        assert "Cora" in counted, "the count itself says who counted"
        for path in PATHS:
            login = "adam" if "/admin/" in path else "sven"
            answer = kit.logged_in(app, login).get(path)
            assert answer.status_code == 200, (path, answer.text)
            for who, name in ((cora, "Cora"), (stage.as_("mona"), "Mona")):
                assert name not in answer.text and str(who.actor) not in answer.text, path
