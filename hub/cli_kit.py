"""How the commands of `tallyman hub` reach a hub: the running one, or its folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ledger.clock import SystemClock
from ledger.seams import SystemRandom

Result = dict[str, Any]
Run = Callable[[argparse.Namespace], Result]


def command(name: str, *fields: str) -> Run:
    return lambda arguments: write(arguments, name, {each: getattr(arguments, each) for each in fields})


def write(arguments: argparse.Namespace, name: str, wish: Result) -> Result:
    """Have the running hub do it, or do it here under the folder's lock."""
    from ledger import control_socket, lock

    answer = control_socket.ask(arguments.dir, name, wish)
    if answer is not None:
        return answer
    from hub.commands import COMMANDS
    from hub.hub import Hub

    with lock.hold(arguments.dir), Hub.open(arguments.dir, SystemClock(), SystemRandom(), arguments.config) as hub:
        return COMMANDS[name](hub, wish)


def reading(arguments: argparse.Namespace) -> tuple[Any, Any]:
    from hub import config as hub_config
    from hub import store

    config = hub_config.load(arguments.dir, arguments.config)
    return config, store.open_store(config.database_url(), now_ms=SystemClock().now_ms(), upgrade=False)
