"""What a hub does by itself, as data: a name, a pace, a function. `hub/run` drives it, and so may a simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hub.hub import Hub

VERIFY_EVERY_MS = 1_000
SETTLE_EVERY_MS = 1_000
ANCHOR_EVERY_MS = 2_000
WATCH_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `every_ms`, and as soon as possible after `Hub.wake` when `wakes` is set."""

    name: str
    every_ms: int
    run: Callable[[], None]
    wakes: bool = False


def of_hub(hub: Hub) -> tuple[Job, ...]:
    """All jobs of a running hub. Each guards itself: a job that fails says so and tries again at its next turn."""

    def job(name: str, every_ms: int, step: Callable[[], Any], *, wakes: bool = False) -> Job:
        return Job(name, every_ms, partial(hub.guarded, name, step), wakes)

    shards = hub.config.verifiers
    verifiers = [
        job(f"verify-{shard}", VERIFY_EVERY_MS, partial(hub.verify, shard, shards), wakes=True)
        for shard in range(shards)
    ]
    return (
        *verifiers,
        job("settle", SETTLE_EVERY_MS, hub.settle, wakes=True),
        job("anchor", ANCHOR_EVERY_MS, hub.anchor),
        job("watch", WATCH_EVERY_MS, hub.watch),
    )


def run_all(hub: Hub) -> None:
    """Every job once, in order: for commands, tests and the simulation."""
    for job in of_hub(hub):
        job.run()
