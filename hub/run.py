"""`tallyman hub run`: wires the parts of a hub and keeps them going until the process is told to stop.

The only importer of APScheduler at the hub, and the only place that knows both the hub and its web pages. Whatever
kills this process, the next start goes on: every job finds in the databases what is left to do.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from hub import config as hub_config
from hub import jobs
from hub.commands import COMMANDS
from hub.hub import Hub
from hub.jobs import Job
from ledger import commands, db, lock, logs, seams
from ledger.clock import SystemClock
from ledger.control_socket import CommandServer
from ledger.errors import Unavailable
from ledger.seams import SystemRandom

log = logging.getLogger(__name__)


def serve(folder: Path, config_file: Path | None = None, *, json_lines: bool = False) -> None:
    """Run the hub in `folder` until SIGTERM or SIGINT. Prints where it listens as soon as it does."""
    config = hub_config.load(folder, config_file)
    logs.configure(config.log_level)
    seams.arm_from_environment(dict(os.environ))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        stack.enter_context(lock.hold(folder))
        hub = stack.enter_context(Hub.open(folder, SystemClock(), SystemRandom(), config_file))
        log.info("hub starts", extra={"hub": config.name, "store": hub.store.dialect, "sqlite": db.library()})
        _lift_quarantine(hub)
        stack.enter_context(_scheduled(hub, jobs.of_hub(hub)))
        handlers = {name: partial(command, hub) for name, command in COMMANDS.items()}
        commands = CommandServer(folder, handlers)
        commands.start()
        stack.callback(commands.stop)
        url = hub.url = stack.enter_context(_served(hub))
        stack.enter_context(_announced(hub, url))
        _say(hub, url, json_lines)
        stop.wait()
    log.info("hub stopped")


def _lift_quarantine(hub: Hub) -> None:
    """A start may be a newer program: what the older one could not execute gets another chance."""
    for view in hub.sites():
        if view.state == "quarantined":
            hub.verifier.retry(view.origin)


@contextmanager
def _scheduled(hub: Hub, every: Sequence[Job]) -> Iterator[None]:
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(len(every))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone=UTC,
    )
    # It warns of each turn that is skipped because the last one is still at work: that is how it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for job in every:
        scheduler.add_job(
            job.run, "interval", seconds=job.every_ms / 1000, id=job.name, next_run_time=datetime.now(UTC)
        )
    woken = [job.name for job in every if job.wakes]

    def wake() -> None:
        for name in woken:
            with suppress(JobLookupError):
                scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    scheduler.start()
    hub.wake = wake
    try:
        yield
    finally:
        hub.wake = lambda: None
        scheduler.shutdown(wait=True)


@contextmanager
def _served(hub: Hub) -> Iterator[str]:
    from web import hub_app
    from web.server import Server

    server = Server(hub_app.create(hub), hub.config.web.host, hub.config.web.port)
    host, port = server.start()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.stop()


@contextmanager
def _announced(hub: Hub, url: str) -> Iterator[None]:
    if not hub.config.web.announce:
        yield
        return
    from sync.discovery import Announcement, own_addresses
    from sync.enrolment import key_hash

    host = hub.config.web.host
    announcement = Announcement(
        hub.config.org,
        own_addresses(host),
        int(url.rsplit(":", 1)[1]),
        key_hash(hub.keys.log.verify_key),
        loopback=host.startswith("127."),
    )
    try:
        announcement.start()
    except Unavailable as error:
        # Nodes that were given an address need no announcement.
        log.warning("not announced", extra={"reason": str(error)})
    try:
        yield
    finally:
        announcement.stop()


def _say(hub: Hub, url: str, json_lines: bool) -> None:
    facts: dict[str, Any] = {"url": url, "name": hub.config.name, "log_key": hub.log_key, "pid": os.getpid()}
    commands.announce(json.dumps(facts) if json_lines else f"hub {hub.config.name} at {url}")
