"""What is looked at while everything still goes wrong, and whether it has come to rest afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger.db import Connection
from ledger.ids import OpId
from ledger.moves import STATUSES
from node import control, proofs
from tests.sim.books import real, tagged

if TYPE_CHECKING:
    from tests.sim.machines import NodeMachine
    from tests.sim.world import World

SIZES = ("size", "cosigned_size", "projected_size", "logged_size", "anchored_size")


@dataclass(slots=True)
class Memory:
    """What was seen earlier and must still be so: block hashes by site and height, receipts that were handed out."""

    hashes: dict[tuple[str, int], bytes] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    receipts: list[tuple[str, bytes]] = field(default_factory=list)


def along_the_way(world: World) -> None:
    """While everything is still going wrong."""
    for site, machine in world.nodes.items():
        if not machine.up:
            continue
        with machine.parts.site.reading() as connection:
            _same_hashes(world, machine, connection)
            if site not in world.work.doubt:
                for text in real_stock(world, site, connection):
                    world.fail("stock is as acknowledged", text)
        if world.hub.up:
            for text in prefix(world, machine):
                world.fail("the hub holds a prefix", text)
        _take_receipt(world, machine)


def sealed(world: World, machine: NodeMachine) -> None:
    """A block was just committed: its time is its parent's next second, or what the clock said since the parent."""
    rows = machine.reading().execute("SELECT height, time_s FROM blocks ORDER BY height DESC LIMIT 2").fetchall()
    (height, time_s), (_, parent_s) = rows
    clock = machine.clock
    fits = clock.earliest_ms // 1000 <= time_s <= clock.latest_ms // 1000
    if time_s <= parent_s or not (fits or time_s == parent_s + 1):
        world.fail(
            "block times follow the clock",
            f"block {height} of {machine.name} is of {time_s} after {parent_s}; the clock said "
            f"{clock.earliest_ms // 1000} to {clock.latest_ms // 1000}",
        )
    clock.forget()


def _same_hashes(world: World, machine: NodeMachine, connection: Connection) -> None:
    for height, block_hash in connection.execute("SELECT height, hash FROM blocks ORDER BY height"):
        first = world.memory.hashes.setdefault((machine.name, height), bytes(block_hash))
        if first != bytes(block_hash):
            world.fail("blocks never change", f"block {height} of {machine.name} has another hash than before")


def real_stock(world: World, site: str, connection: Connection) -> Iterator[str]:
    books = world.ledger.sites[site]
    found = {(row[0], row[1], row[2]): row[3] for row in stock_rows(connection) if real(row[0])}
    expected = {key: held for key, held in books.stock.items() if held and real(key[0])}
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        yield f"{site} has {len(found)} rows of stock where {len(expected)} should be: {wrong[:6]}"
    pieces = {(row[0], row[1]): row[2] for row in connection.execute("SELECT item, serial, location FROM serials")}
    wanted = {key: at for key, at in books.serials.items() if real(at)}
    if {key: at for key, at in pieces.items() if real(at)} != wanted:
        yield f"serials of {site} are {pieces}: expected {wanted}"


def stock_rows(connection: Connection) -> list[Any]:
    """Place, item, lot as the books write it (with what the goods are held by), and how much."""
    rows = connection.execute("SELECT location, item, lot, status, quantity FROM stock")
    return [(place, item, tagged(lot, STATUSES[status]), size) for place, item, lot, status, size in rows]


def prefix(world: World, machine: NodeMachine) -> Iterator[str]:
    origin = machine.origin
    with world.hub.hub.store.read() as session:
        rows = session.all("SELECT height, hash FROM blocks WHERE origin = :origin ORDER BY height", origin=origin)
    held = [bytes(row["hash"]) for row in rows]
    with machine.parts.site.reading() as connection:
        own = [bytes(row[0]) for row in connection.execute("SELECT hash FROM blocks ORDER BY height")]
    if [row["height"] for row in rows] != list(range(len(rows))) or own[: len(held)] != held:
        yield f"the hub's {len(held)} blocks of {origin} do not begin the node's {len(own)}"
    if len(held) < world.memory.held.get(origin, 0):
        yield f"the hub held {world.memory.held[origin]} blocks of {origin} before, now {len(held)}"
    world.memory.held[origin] = len(held)


def _take_receipt(world: World, machine: NodeMachine) -> None:
    """Somebody asks for a receipt and keeps it."""
    sites = machine.parts.site
    acts = list(world.ledger.sites[machine.name].acts)
    if not acts:
        return
    op_id = OpId.parse(world.dice.choice(acts))
    if sites.proof_state(op_id) not in (None, "recorded"):
        world.memory.receipts.append((machine.name, sites.receipt(op_id)))


# ---------------------------------------------------------------- has it come to rest?


def unlogged(world: World) -> str:
    """Which site has blocks that the hub has not logged, or ""."""
    with world.hub.hub.store.read() as session:
        rows = {row["origin"]: row["logged_size"] for row in session.all("SELECT origin, logged_size FROM origins")}
    behind = [name for name, each in world.nodes.items() if rows[each.origin] <= each.parts.site.head.height]
    return " ".join(behind)


def unfinished(world: World) -> str:
    """What has not converged yet, or ""."""
    with world.hub.hub.store.read() as session:
        rows = {row["origin"]: row for row in session.all("SELECT * FROM origins")}
    if world.hub.hub.troubles:
        return f"the hub has troubles: {world.hub.hub.troubles}"
    for site, machine in world.nodes.items():
        if site in world.work.doubt:
            return f"{site} has not answered {world.work.doubt[site].verb}"
        with machine.parts.site.reading() as connection:
            size = proofs.block_count(connection)
            state = proofs.state_at(connection, size - 1)
            more = control.waiting(connection, control.next_sequence(connection)) is not None
        row = rows[machine.origin]
        sizes = {
            name: row[name] for name in ("size", "cosigned_size", "projected_size", "logged_size", "anchored_size")
        }
        if machine.parts.site.stopped or row["state"] != "active" or row["quarantine"]:
            return f"{site}: {machine.parts.site.stopped} {row['state']} {row['quarantine']}"
        if machine.parts.site.pending_count() or more or set(sizes.values()) != {size} or state != "anchored":
            return f"{site} has {size} blocks in state {state}, the hub {sizes}, control records wait: {more}"
    return "a decision is in doubt" if world.work.giving_up else ""
