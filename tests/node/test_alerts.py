"""An alert that somebody has seen is calm and still there; worse or come back, it is new."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node import health, status
from node.agents.vitals import DeviceVitals
from node.config import HealthConfig
from node.tablets import SILENT_MS, Sent
from tests.node.floor_kit import Stage, actor_of

GUN = DeviceVitals("gun", "ready", 1_000, 9, 0)
LAMP = DeviceVitals("lamp", "ready", 1_000, 9, 0)
AWAY = {"code": "device_away", "subject": "gun", "severity": "warning"}


class Watch:
    """A site with its monitor; `look` says how the scanners are and what the disk's limit is."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.devices: list[DeviceVitals] = []
        self.monitor = health.Health(stage.site, lambda: self.devices, stage.floor.alerts.notice)
        # What else this machine lacks is not this test's: the disk alone has a limit where a test sets one.
        self.limit(0)

    def limit(self, disk: int) -> None:
        site = self.stage.site
        limits = dataclasses.replace(HealthConfig(), disk_free_bytes_min=disk, memory_bytes_max=1 << 50)
        site.config = dataclasses.replace(site.config, health=limits)

    def look(self, *devices: DeviceVitals) -> list[tuple[str, str, str]]:
        """(subject, severity, who has seen it), as after the next look of the monitor."""
        self.devices = list(devices)
        self.stage.world.clock.advance(30_000)
        self.monitor.sample()
        return self.told()

    def all(self) -> list[dict[str, Any]]:
        with self.stage.site.reading() as connection:
            return self.stage.floor.alerts.standing(connection)

    def told(self) -> list[tuple[str, str, str]]:
        return [(each["subject"], each["severity"], each["seen"]["name"] if each["seen"] else "")
                for each in self.all()]  # fmt: skip

    def seen(self, who: str = "sven", op_id: OpId | None = None, **said: Any) -> dict[str, Any]:
        stage = self.stage
        return stage.floor.alerts.see(op_id or stage.op(), stage.as_(who), {**AWAY, **said})

    def unseen(self, who: str = "sven", **said: Any) -> dict[str, Any]:
        stage = self.stage
        body = {"code": AWAY["code"], "subject": AWAY["subject"], **said}
        return stage.floor.alerts.unsee(stage.op(), stage.as_(who), body)


def gone(device: DeviceVitals) -> DeviceVitals:
    return dataclasses.replace(device, state="absent")


@pytest.fixture
def watch(stage: Stage) -> Watch:
    return Watch(stage)


def test_who_has_seen_an_alert_stands_beside_it_and_it_stays(watch: Watch) -> None:
    assert watch.look(gone(GUN), gone(LAMP)) == [("gun", "warning", ""), ("lamp", "warning", "")]
    at_ms = watch.stage.world.clock.now_ms()
    op_id = watch.stage.op()
    for _ in range(2):
        watch.seen(op_id=op_id, note="charging until noon")
    # One device is seen, the other one is not; what is new comes first.
    assert watch.look(gone(GUN), gone(LAMP)) == [("lamp", "warning", ""), ("gun", "warning", "Sven")]
    (seen,) = [each["seen"] for each in watch.all() if each["seen"]]
    assert seen == {"actor": str(actor_of("sven")), "name": "Sven", "at_ms": at_ms, "note": "charging until noon"}
    assert all(each["action"] for each in watch.all())


def test_the_hub_hears_which_alert_somebody_has_seen(watch: Watch) -> None:
    assert watch.monitor.frame() is None
    watch.look(gone(GUN))
    away = {"code": "device_away", "severity": "warning"}
    assert (watch.monitor.frame() or {})["findings"] == [away]
    watch.seen()
    assert (watch.monitor.frame() or {})["findings"] == [{**away, "seen": True}]
    watch.unseen()
    assert (watch.monitor.frame() or {})["findings"] == [away]


def test_an_alert_that_went_and_came_back_is_new(watch: Watch) -> None:
    watch.look(gone(GUN))
    watch.seen()
    assert watch.look(gone(GUN)) == [("gun", "warning", "Sven")]
    assert watch.look(GUN) == []
    assert watch.look(gone(GUN)) == [("gun", "warning", "")]


def test_an_alert_that_gets_worse_is_new_and_one_that_gets_better_is_not(watch: Watch) -> None:
    disk = {"code": "disk_low", "subject": "disk"}
    free = watch.monitor.sample().sample.machine.disk_free_bytes
    watch.limit(free * 2)
    assert watch.look() == [("disk", "warning", "")]
    watch.seen(**disk)
    watch.limit(free * 50)
    assert watch.look() == [("disk", "urgent", "")]
    with pytest.raises(Rejected, match="got worse"):
        watch.seen(**disk)  # from a page on which it still was a warning
    watch.seen(**disk, severity="urgent")
    watch.limit(free * 2)
    assert watch.look() == [("disk", "warning", "Sven")]


def test_it_is_taken_back(watch: Watch) -> None:
    watch.look(gone(GUN))
    with pytest.raises(Rejected, match="nobody has said"):
        watch.unseen()
    watch.seen()
    watch.unseen(who="adam")
    assert watch.told() == [("gun", "warning", "")]


def test_only_supervisors_and_administrators_say_so_and_only_of_what_stands(watch: Watch) -> None:
    watch.look(gone(GUN))
    for refused in (watch.seen, watch.unseen):
        with pytest.raises(Rejected, match="APPROVE / ADMIN"):
            refused(who="cora")
    with pytest.raises(Rejected, match="not there any more"):
        watch.seen(subject="lamp")
    watch.seen(who="adam")
    with pytest.raises(Rejected, match="Adam has seen"):
        watch.seen()
    assert watch.told() == [("gun", "warning", "Adam")]


@pytest.mark.parametrize("said", [{"severity": "ok"}, {"severity": 1}, {"subject": 7}, {"note": "x" * 501},
                                  {"code": "x" * 5_000}, {"code": None}, {"more": 1}])  # fmt: skip
def test_what_is_not_an_alert_is_refused(watch: Watch, said: dict[str, Any]) -> None:
    watch.look(gone(GUN))
    with pytest.raises(Rejected):
        watch.seen(**said)
    assert watch.told() == [("gun", "warning", "")]


def test_what_a_tablet_lost_is_an_alert_like_others(watch: Watch) -> None:
    with watch.stage.site.writing() as connection:
        for number in (1, 3):
            sent = Sent(b"\x01" * 16, actor_of("cora"), number, OpId(number.to_bytes(16, "big")), 0)
            watch.stage.floor.tablets.came(connection, "a" * 32, sent)
    (alert,) = watch.all()
    assert (alert["code"], alert["words"]) == ("tablet_gap", "T1, Cora: number 2 never came")
    watch.seen(code=alert["code"], subject=alert["subject"])
    watch.look()
    assert watch.told() == [(alert["subject"], "warning", "Sven")]
    watch.stage.floor.tablets.settle(watch.stage.op(), watch.stage.as_("sven"), {"tablet": 1})
    assert watch.look() == []
    with watch.stage.site.reading() as connection:
        assert connection.execute("SELECT count(*) FROM seen_alerts").fetchone() == (0,)


def test_a_silent_tablet_stays_seen_however_long_it_is_silent(watch: Watch) -> None:
    def said() -> None:
        watch.stage.floor.tablets.tell("a" * 32, {"unsent": 12, "kept": True})

    said()
    sven = watch.stage.as_("sven")
    watch.stage.world.clock.advance(SILENT_MS)
    silent = ("T1", "warning", "")
    assert silent in watch.look()
    key = {"code": "tablet_silent", "subject": "T1", "severity": "warning"}
    watch.stage.floor.alerts.see(watch.stage.op(), sven, key)
    for _ in range(3):
        watch.stage.world.clock.advance(SILENT_MS)
        assert (*silent[:2], "Sven") in watch.look()
    said()
    assert "T1" not in {subject for subject, *_ in watch.look()}
    watch.stage.world.clock.advance(SILENT_MS)
    assert silent in watch.look()


def test_it_is_known_after_a_restart_and_to_the_command_line(watch: Watch) -> None:
    watch.look(gone(GUN))
    watch.seen()
    stage = watch.stage.restart()
    watch.stage = stage
    again = Watch(stage)
    assert again.told() == []  # before its first look a node knows of nothing
    assert again.look(gone(GUN)) == [("gun", "warning", "Sven")]
    said = status.read(stage.site.config, stage.world.clock.now_ms())
    assert "  seen by Sven" in status.show(said)
