"""`tallyman node run`: wires the parts of a node and keeps them going until the process is told to stop.

The order is chosen for the person with the scanner: devices come first and journal every read at once; only then is
the chain loaded, which takes longer. The only importer of APScheduler at the node.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from devices.journal import FILE as READS_FILE
from devices.journal import Journal
from devices.registry import Registry
from devices.supervisor import Supervisor
from ledger import commands, db, lock, logs, seams
from ledger.clock import SystemClock
from ledger.errors import Rejected
from ledger.seams import DiskStorage, SystemRandom
from node import store
from node.config import NodeConfig
from node.whereabouts import Whereabouts

if TYPE_CHECKING:
    from node.jobs import Job
    from node.wiring import Parts

log = logging.getLogger(__name__)


def serve(config: NodeConfig, *, json_lines: bool = False) -> None:
    """Run the node in `config.folder` until SIGTERM or SIGINT. Prints where it listens as soon as it does.

    Creates nothing: raises Rejected for a node that was not made or not enrolled, Unavailable when one runs already.
    """
    logs.configure(config.log_level)
    seams.arm_from_environment(dict(os.environ))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock, random, storage = SystemClock(), SystemRandom(), DiskStorage()
    with ExitStack() as stack:
        stack.enter_context(lock.hold(config.folder))
        kept = _require_enrolled(config)
        journal = Journal(config.path(READS_FILE), clock=clock, random=random, labels=config.own_labels())
        stack.callback(journal.close)
        whereabouts = Whereabouts(config.folder, clock)
        stack.callback(whereabouts.close)
        registry = Registry.parse(config.devices)
        supervisor = Supervisor(registry, journal, clock=clock, random=random, context=whereabouts)
        supervisor.start()
        stack.callback(supervisor.stop)
        # From here on every scan is kept, although nothing can be done with it yet: the engine is imported now.
        from ledger.control_socket import CommandServer
        from node import jobs, taking, wiring

        parts = stack.enter_context(
            wiring.opened(
                config, clock, random, storage, devices=lambda: [each.as_json() for each in supervisor.health()]
            )
        )
        log.info("node starts", extra={"origin": str(parts.site.identity.origin), "sqlite": db.library()})
        if unreachable := config.hub.unreachable(kept):
            log.warning(unreachable)
        if parts.site.stopped:
            log.critical("this node does not sign", extra={"reason": parts.site.stopped})
        stack.enter_context(taking.at_work(parts.floor.scanning, journal, clock, supervisor.signal))
        floor, sync = parts.floor, parts.syncer.turn
        own = (sync, floor.hub.apply_ready, floor.free_revoked, floor.erase_old, floor.counting.draw_ready)
        work = [*jobs.of_node(parts.site, parts.health, parts.shadow, *own)]
        if parts.certificates is not None:
            work.append(jobs.Job("certificate", jobs.CERTIFICATE_EVERY_MS, parts.certificates.renew))
        stack.enter_context(_scheduled(work))
        commands = CommandServer(config.folder, parts.handlers())
        commands.start()
        stack.callback(commands.stop)
        url = stack.enter_context(_served(parts, journal, supervisor))
        # The engine and its libraries stay as long as the process: walking over them takes the garbage collector
        # 50 ms, in the midst of whatever a tablet waits for.
        gc.collect()
        gc.freeze()
        _say(parts, url, json_lines)
        stop.wait()
    log.info("node stopped")


def _require_enrolled(config: NodeConfig) -> str:
    """Before any device is touched, and without the modules that take long to import; the hub's address as kept."""
    reader = store.open_reader(config.folder)
    try:
        if store.fact(reader, store.FACT_CERTIFICATE) is None:
            raise Rejected("this node is not enrolled yet: get a code at the hub and run `tallyman node enrol CODE`")
        return store.hub_url(reader)
    finally:
        reader.close()


@contextmanager
def _scheduled(every: Sequence[Job]) -> Iterator[None]:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    from node.jobs import Guarded

    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(len(every))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone=UTC,
    )
    # It warns of each turn that is skipped because the last one is still at work: that is how it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for job in every:
        scheduler.add_job(
            Guarded(job),
            "interval",
            seconds=job.every_ms / 1000,
            id=job.name,
            next_run_time=datetime.now(UTC) + timedelta(milliseconds=job.first_ms),
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=True)


@contextmanager
def _served(parts: Parts, journal: Journal, supervisor: Supervisor) -> Iterator[str]:
    from web import node_app
    from web.server import Server

    config = parts.site.config.web
    app = node_app.create(
        node_app.NodeParts(
            site=parts.site,
            floor=parts.floor,
            journal=journal,
            clock=parts.clock,
            random=parts.random,
            sync=parts.sync,
            devices=parts.devices,
            links=parts.links,
            status=parts.status,
            certificates=parts.certificates,
            weigh=supervisor.weigh,
            beep=lambda name: supervisor.signal(name, "good"),
        )
    )
    servers = [Server(app, config.host, config.port)]
    if parts.certificates is not None:
        context = parts.certificates.context()
        servers.append(Server(app, config.host, config.https_port, tls=context))
    addresses = []
    with ExitStack() as stack:
        for server in servers:
            addresses.append(server.start())
            stack.callback(server.stop)
        scheme, (host, port) = ("http" if len(addresses) == 1 else "https"), addresses[-1]
        yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _say(parts: Parts, url: str, json_lines: bool) -> None:
    origin = str(parts.site.identity.origin)
    facts: dict[str, Any] = {"url": url, "origin": origin, "height": parts.site.head.height, "pid": os.getpid()}
    commands.announce(json.dumps(facts) if json_lines else f"node {origin} at {url}")
