"""The hub's policy of counts, as this node has it."""

from __future__ import annotations

from ledger import policy as ledger_policy
from ledger.db import Connection
from ledger.errors import Rejected, Unavailable
from ledger.policy import Counting
from node import streams

STREAM = "policy"


def policy(connection: Connection) -> Counting:
    """The policy in force. `Unavailable` when the hub sent one that this program cannot read: nothing is approved."""
    said = streams.get(connection, STREAM, ledger_policy.COUNTING)
    if said is None:
        return Counting()
    try:
        return ledger_policy.read(ledger_policy.COUNTING, said)  # type: ignore[no-any-return]
    except Rejected as error:
        raise Unavailable(f"the hub's policy for counts cannot be read: {error}") from error
