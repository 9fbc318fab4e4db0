"""Vitals and monitor: a healthy node is silent, each trouble has its one finding, and no network is asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import ManualClock
from ledger.codec import cbor_encode
from ledger.errors import Invalid
from node.agents import monitor, vitals
from node.agents.vitals import DeviceVitals, LedgerVitals, MachineVitals, Vitals
from node.config import HealthConfig
from node.health import Report

LIMITS = HealthConfig()
LEDGER = LedgerVitals(812, 4_000, 3, 900, 2, 30_000, 1, 60_000, "", "", "", 10 << 20, 1 << 20)
MACHINE = MachineVitals(50 << 30, 100 << 30, 90 << 20, 0)
SCANNER = DeviceVitals("dock scanner", "ready", 5_000, 400, 1)
HEALTHY = Vitals(1_700_000_000_000, LEDGER, MACHINE, (SCANNER,))


def ledger(**changes: Any) -> Vitals:
    return dataclasses.replace(HEALTHY, ledger=dataclasses.replace(LEDGER, **changes))


def machine(**changes: Any) -> Vitals:
    return dataclasses.replace(HEALTHY, machine=dataclasses.replace(MACHINE, **changes))


def device(**changes: Any) -> Vitals:
    return dataclasses.replace(HEALTHY, devices=(SCANNER, dataclasses.replace(SCANNER, **changes)))


def test_a_healthy_node_is_silent() -> None:
    assert monitor.examine(HEALTHY, LIMITS) == ()
    assert monitor.worst(()) == "ok"


def test_an_empty_node_is_healthy() -> None:
    fresh = ledger(head_height=1, unsealed=0, unsealed_age_ms=None, undelivered=0, undelivered_age_ms=None)
    assert monitor.examine(dataclasses.replace(fresh, devices=()), LIMITS) == ()


@pytest.mark.parametrize(
    ("sample", "code", "severity"),
    [
        (ledger(stopped="the database is older than the signing mark"), "signing_stopped", "urgent"),
        (ledger(database_complaint="row 3 missing from index"), "database_damaged", "urgent"),
        (machine(disk_free_bytes=(1 << 30) - 1), "disk_low", "warning"),
        (machine(disk_free_bytes=1 << 20), "disk_low", "urgent"),
        (machine(clock_step_ms=-6_000), "clock_stepped", "warning"),
        (machine(clock_step_ms=3_600_000), "clock_stepped", "warning"),
        (ledger(clock_quality=2), "clock_doubtful", "warning"),
        (ledger(unsealed_age_ms=120_001), "unsealed_backlog", "urgent"),
        (ledger(undelivered_age_ms=8 * 86_400_000), "undelivered_backlog", "warning"),
        (ledger(control_problem="not signed by the hub"), "control_stuck", "warning"),
        (device(state="backoff"), "device_away", "warning"),
        (device(last_read_age_ms=2 * 86_400_000), "device_silent", "info"),
        (device(errors=41), "device_errors", "warning"),
        (machine(memory_bytes=1 << 30), "memory_high", "warning"),
    ],
)
def test_each_trouble_has_its_finding(sample: Vitals, code: str, severity: str) -> None:
    findings = monitor.examine(sample, LIMITS)
    assert [(each.code, each.severity) for each in findings] == [(code, severity)]
    assert len(findings[0].words) > 10 and len(findings[0].action) > 10
    assert monitor.worst(findings) == severity


def test_the_most_urgent_comes_first() -> None:
    both = dataclasses.replace(ledger(stopped="x"), machine=dataclasses.replace(MACHINE, disk_free_bytes=0))
    both = dataclasses.replace(both, devices=(dataclasses.replace(SCANNER, last_read_age_ms=10**12),))
    severities = [each.severity for each in monitor.examine(both, LIMITS)]
    assert severities == ["urgent", "urgent", "info"]


numbers = st.integers(-(2**40), 2**40)
samples = st.builds(
    Vitals,
    taken_at_ms=numbers,
    ledger=st.builds(LedgerVitals, *([numbers] * 8), *([st.text(max_size=9)] * 3), numbers, numbers),
    machine=st.builds(MachineVitals, numbers, numbers, numbers, numbers),
    devices=st.lists(
        st.builds(DeviceVitals, st.text(max_size=9), st.text(max_size=9), numbers, numbers, numbers)
    ).map(tuple),
)


def test_the_hub_hears_the_worst_findings_and_no_name_of_a_device() -> None:
    sample = dataclasses.replace(
        ledger(control_problem="x" * 999), devices=(dataclasses.replace(SCANNER, state="lost"),) * 9
    )
    report = Report(sample, monitor.examine(sample, LIMITS))
    told = report.frame()["findings"]
    assert told[0]["code"] == "control_stuck" and len(told[0]["words"]) == vitals.TEXT_MAX
    assert told[1:] == [{"code": "device_away", "severity": "warning"}] * 3
    assert SCANNER.name not in repr(report.frame()) and len(cbor_encode(report.frame())) < 2_048


@given(samples)
def test_any_sample_can_be_kept_examined_and_sent(sample: Vitals) -> None:
    assert Vitals.decode(sample.encode()) == sample
    for finding in monitor.examine(sample, LIMITS):
        assert finding.severity in monitor.SEVERITIES
    assert all(type(value) in (int, str) for value in vitals.summary(sample).values())


@given(st.text(max_size=200))
def test_a_foreign_sample_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Vitals.decode(text)


def test_the_machine_notices_a_step_of_the_clock(tmp_path: Path) -> None:
    clock = ManualClock()
    gauge = vitals.Machine(tmp_path, clock)
    assert gauge.measure().clock_step_ms == 0
    clock.advance(30_000)
    assert gauge.measure().clock_step_ms == 0
    clock.advance(30_000)
    clock.jump(-86_400_000)
    measured = gauge.measure()
    assert measured.clock_step_ms == -86_400_000
    assert gauge.measure().clock_step_ms == 0
    assert 0 < measured.disk_free_bytes <= measured.disk_total_bytes
    assert measured.memory_bytes > 1 << 20
