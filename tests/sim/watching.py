"""Every signature made in a world, and what must be true of each at the moment it is made.

What was signed cannot be taken back, so it is judged here and not by what the databases say at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger.keys import SigningKey

if TYPE_CHECKING:
    from tests.sim.world import World

ONE_BLOCK = "one signed block a height"
TRUE_COSIGNATURES = "every cosignature is true"
ONE_ROOT = "one signed root a size"
CHECKPOINT = re.compile(rb"([a-z0-9./-]+)\n([0-9]+)\n([A-Za-z0-9+/=]{44})\n")


class Watch:
    """The collector. `blocks` by (origin, height), `roots` by (log, size), `cosigned` by (origin, size)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.blocks: dict[tuple[str, int], bytes] = {}
        self.roots: dict[tuple[str, int], str] = {}
        self.cosigned: dict[tuple[str, int], str] = {}
        self.signatures = 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """See what every key signs."""
        real = SigningKey.sign
        watch = self

        def sign(key: SigningKey, message: bytes) -> bytes:
            watch.signed(message)
            return real(key, message)

        SigningKey.sign = sign  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            SigningKey.sign = real  # type: ignore[method-assign]

    def signed(self, message: bytes) -> None:
        self.signatures += 1
        tag, _, rest = message.partition(b"\n")
        if tag == b"tallyman/block/v1":
            named, height, block_hash = rest.split(b"\n", 2)
            self._block(named.decode(), int(height), block_hash)
        elif tag == b"cosignature/v1":
            _, log, size, root, _ = rest.decode().split("\n")
            self._cosignature(log, int(size), root)
        elif (found := CHECKPOINT.fullmatch(message)) is not None:
            self._same_root(found[1].decode(), int(found[2]), found[3].decode())

    def _block(self, origin: str, height: int, block_hash: bytes) -> None:
        first = self.blocks.setdefault((origin, height), block_hash)
        if first != block_hash:
            self.world.fail(
                ONE_BLOCK, f"{origin} signed {first.hex()[:16]} and {block_hash.hex()[:16]} at height {height}"
            )

    def _cosignature(self, origin: str, size: int, root: str) -> None:
        first = self.cosigned.setdefault((origin, size), root)
        if first != root:
            self.world.fail(TRUE_COSIGNATURES, f"two roots were cosigned for {origin} at {size}: {first} and {root}")
        self._same_root(origin, size, root)
        held = self.world.hub.durable_size(origin)
        if held < size:
            self.world.fail(TRUE_COSIGNATURES, f"{size} blocks of {origin} were cosigned when {held} were durable")

    def still_true(self) -> None:
        """After anything that the hub did, and after each of its starts: what it acknowledged, it holds."""
        largest: dict[str, int] = {}
        for origin, size in self.cosigned:
            largest[origin] = max(size, largest.get(origin, 0))
        for origin, size in largest.items():
            held = self.world.hub.durable_size(origin)
            if held < size:
                self.world.fail(TRUE_COSIGNATURES, f"{size} blocks of {origin} were cosigned, the hub has {held} now")

    def _same_root(self, log: str, size: int, root: str) -> None:
        first = self.roots.setdefault((log, size), root)
        if first != root:
            self.world.fail(ONE_ROOT, f"{log} signed two roots at size {size}: {first} and {root}")
