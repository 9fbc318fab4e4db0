"""The hub's policies, as this node has them: what is in force of each entry (`ledger/policy`)."""

from __future__ import annotations

from typing import Any

from ledger import policy
from ledger.db import Connection
from ledger.errors import Rejected, Unavailable
from ledger.policy import Counting, DayLimit, Retention
from node import streams

STREAM = "policy"


def counting_policy(connection: Connection) -> Counting:
    """What holds for counts. `Unavailable` when this program cannot read it: nothing is approved."""
    return _in_force(connection, policy.COUNTING) or Counting()


def stock_policy(connection: Connection) -> dict[str, DayLimit]:
    """The limits of acts. `Unavailable` likewise: nothing that has limits is done."""
    return _in_force(connection, policy.STOCK) or {}


def retention_policy(connection: Connection) -> Retention:
    """How long what is kept. `Unavailable` likewise: nothing is erased, for a legal hold may be in force."""
    return _in_force(connection, policy.RETENTION) or Retention()


def _in_force(connection: Connection, name: str) -> Any | None:
    said = streams.get(connection, STREAM, name)
    if said is None:
        return None
    try:
        return policy.read(name, said)
    except Rejected as error:
        raise Unavailable(f"the hub's policy {name} cannot be read: {error}") from error
