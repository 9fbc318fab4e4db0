"""A part of a transaction that a rule may refuse: its writes go, its reason stays, and the rest of it is kept."""

from __future__ import annotations

from ledger.db import Connection
from ledger.errors import Rejected


class Kept:
    """How the part ended. `why`: what refused it; "" when nothing did."""

    def __init__(self) -> None:
        self.why = ""


class refusable:
    """The part is what stands under `with`. Other errors than `Rejected` end the whole transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept = Kept()

    def __enter__(self) -> Kept:
        self._connection.execute("SAVEPOINT part")
        return self._kept

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if kind is None:
            self._connection.execute("RELEASE part")
            return False
        self._connection.execute("ROLLBACK TO part")
        self._connection.execute("RELEASE part")
        if isinstance(error, Rejected):
            self._kept.why = str(error)
            return True
        return False
