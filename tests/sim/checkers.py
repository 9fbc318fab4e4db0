"""The oracles: what must be true of every history, each under the name by which a failure is reported.

Others look at every signature as it is made (`watching`), at every answer as it is given (`tablets`), and along the
way (`looking`); those here look at the end, after everything has healed. `ALL` names them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub import streams
from hub.auditing import Auditor
from ledger import calls, checkpoint, receipt
from ledger.db import Connection
from ledger.errors import Corrupt, LedgerError
from ledger.ids import IN_TRANSIT, OpId, Origin
from ledger.moves import STATUSES
from ledger.receipt_file import Receipt
from ledger.transactions import parse as parse_transaction
from node import audit, proofs, sealing
from tests.sim.books import real, tagged
from tests.sim.looking import prefix, real_stock, stock_rows
from tests.sim.machines import UNEXPECTED
from tests.sim.watching import ONE_BLOCK, ONE_ROOT, TRUE_COSIGNATURES

if TYPE_CHECKING:
    from tests.sim.machines import NodeMachine
    from tests.sim.world import World

# Calls of the chain that no person's act stands behind, or that a log-in makes by itself.
BY_ITSELF = ("apply", "bind", "record")
# Discrepancies that accuse a machine, and no honest company ever has.
ACCUSING = (
    "site fork", "site rollback", "clone suspicion", "failed re-execution", "control record refused", "anchor lost",
)  # fmt: skip
# Those that time alone makes, and a wrong clock even when nothing happened.
OF_TIME = ("transfer late", "silent site", "unanchored too long")
RECEIPTS_TRIED = 4
REPEATS_TRIED = 3
HUB_AUDITED_EVERY = 3
ALONG = ("stock is as acknowledged", "the hub holds a prefix", "blocks never change", "block times follow the clock")


@dataclass(frozen=True, slots=True)
class Oracle:
    """One thing that must be true at the end."""

    name: str
    check: Callable[[World], Iterator[str]]


# ---------------------------------------------------------------- at the end


def at_the_end(world: World) -> None:
    """After everything has healed. The last oracle disturbs the peace once more, so it comes last."""
    for oracle in AT_THE_END:
        for text in oracle.check(world):
            world.fail(oracle.name, text)


def _acts(world: World) -> Iterator[str]:
    """Every acknowledged act stands once, in the order of acknowledgement, with its movements; nothing else does."""
    for site, books in world.ledger.sites.items():
        machine = world.nodes[site]
        with machine.parts.site.reading() as connection:
            rows = connection.execute("SELECT op_id, call FROM operations ORDER BY height, place").fetchall()
            moves = _moves(connection)
            in_blocks = list(_in_blocks(connection))
        found = [(bytes(op_id).hex(), call) for op_id, call in rows if call not in BY_ITSELF]
        expected = list(books.calls.items())
        if found != expected:
            lost, extra = set(expected) - set(found), set(found) - set(expected)
            yield f"{site}: lost {sorted(lost)[:3]}, not acknowledged {sorted(extra)[:3]}, or in another order"
        if len(in_blocks) != len(set(in_blocks)) or set(in_blocks) != {bytes(op_id).hex() for op_id, _ in rows}:
            yield f"{site}: the blocks hold other operations than the table"
        if world.ledger.refused & set(in_blocks):
            yield f"{site}: refused and recorded: {sorted(world.ledger.refused & set(in_blocks))[:3]}"
        wanted = {
            name: [(*flow.thing, flow.quantity, flow.source, flow.target) for flow in flows]
            for name, flows in books.acts.items()
            if flows
        }
        if {name: each for name, each in moves.items() if name in books.acts} != wanted:
            wrong = [name for name in books.acts if moves.get(name, []) != wanted.get(name, [])]
            yield f"{site}: {wrong[:2]} moved {moves.get(wrong[0])}: expected {wanted.get(wrong[0])}"
        with world.hub.hub.store.read() as session:
            at_hub = session.all(
                "SELECT op_id, call FROM operations WHERE origin = :origin ORDER BY height, tx_index",
                origin=machine.origin,
            )
        if [(row["op_id"], row["call"]) for row in at_hub if row["call"] not in BY_ITSELF] != expected:
            yield f"{site}: the hub has other operations than were acknowledged"


def _moves(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for op_id, item, lot, status, *line in connection.execute(
        "SELECT o.op_id, m.item, m.lot, m.status, m.serial, m.quantity, m.source, m.target FROM movements m"
        " JOIN operations o ON o.height = m.height AND o.place = m.place ORDER BY m.height, m.place, m.line"
    ):
        found.setdefault(bytes(op_id).hex(), []).append((item, tagged(lot, STATUSES[status]), *line))
    return found


def _in_blocks(connection: Connection) -> Iterator[str]:
    for height in range(2, proofs.block_count(connection)):
        block = sealing.read_block(connection, height)
        assert block is not None
        for raw in block.transactions:
            yield calls.decode(parse_transaction(raw).data)[0].raw.hex()


def _stock(world: World) -> Iterator[str]:
    """Stock and serials at node and hub are what the acknowledged acts and the hub's outcomes make of them."""
    for site, machine in world.nodes.items():
        expected = world.ledger.stock(site)
        with machine.parts.site.reading() as connection:
            at_node = {(row[0], row[1], row[2]): row[3] for row in stock_rows(connection)}
            yield from real_stock(world, site, connection)
        with world.hub.hub.store.read() as session:
            rows = session.all("SELECT * FROM stock WHERE site = :site AND quantity <> 0", site=site)
        at_hub = {
            (row["location"], row["item"], tagged(row["lot"], STATUSES[row["status"]])): row["quantity"]
            for row in rows
        }
        for who, found in (("the node", at_node), ("the hub", at_hub)):
            if found != expected:
                wrong = sorted(set(found.items()) ^ set(expected.items()))
                yield f"{site}: {who} and the books differ in {wrong[:6]}"


def _conserved(world: World) -> Iterator[str]:
    """Every item sums to nothing over a site's places, no real place is below nothing, and transit adds up."""
    transit: dict[str, int] = {}
    for site, machine in world.nodes.items():
        sums: dict[tuple[str, str], int] = {}
        with machine.parts.site.reading() as connection:
            for place, item, lot, quantity in stock_rows(connection):
                sums[item, lot] = sums.get((item, lot), 0) + quantity
                if real(place) and quantity < 0:
                    yield f"{site} has {quantity} of {item} at {place}"
                if place == IN_TRANSIT:
                    transit[item] = transit.get(item, 0) + quantity
        if any(sums.values()):
            yield f"{site}: {[key for key, total in sums.items() if total]} do not sum to nothing"
    for transfer in world.hub.hub.transfers():
        for line in transfer.lines:
            # The sender's side ends as settled, the receiver's as accepted.
            transit[line.item] = transit.get(line.item, 0) - (line.dispatched - line.settled) + line.accepted
    if any(transit.values()):
        yield f"goods in transit do not add up over the sites: {transit}"


def _cosignatures(world: World) -> Iterator[str]:
    """Every cosignature ever made is of blocks that node and hub hold."""
    for machine in world.nodes.values():
        with machine.parts.site.reading() as connection:
            size = proofs.block_count(connection)
            for (origin, at), root in world.watch.cosigned.items():
                if origin != machine.origin:
                    continue
                if at > size:
                    yield f"{at} blocks of {origin} were cosigned, there are {size}"
                elif _root_text(proofs.checkpoint_at(connection, machine.parts.site.identity, at)) != root:
                    yield f"the cosignature of {origin} at {at} is of another root"
            kept = [row[0] for row in connection.execute("SELECT size FROM cosignatures")]
        made = {at for origin, at in world.watch.cosigned if origin == machine.origin}
        yield from (f"{machine.name} keeps a cosignature at {at} that nobody made" for at in kept
                    if at not in made and at > world.company.sizes[machine.name])  # fmt: skip


def _root_text(found: checkpoint.Checkpoint) -> str:
    return found.body.decode().split("\n")[2]


def _signed(world: World) -> Iterator[str]:
    """Every signed block is in its site's chain: none was signed and dropped."""
    for (origin, height), block_hash in world.watch.blocks.items():
        site = origin.split("/")[2]
        with world.nodes[site].parts.site.reading() as connection:
            block = sealing.read_block(connection, height)
        if block is None or block.hash != block_hash:
            yield f"block {height} of {origin} was signed as {block_hash.hex()[:16]} and is another or none"


def _roots(world: World) -> Iterator[str]:
    """The hub's log is the one whose heads were signed."""
    with world.hub.hub.store.read() as session:
        heads = {row["size"]: bytes(row["note"]) for row in session.all("SELECT size, note FROM log_heads")}
    for (log, size), root in world.watch.roots.items():
        if log == world.hub.hub.config.name and size in heads:
            stated = _root_text(checkpoint.Note.parse(heads[size]).checkpoint)
            if stated != root:
                yield f"the hub's head at {size} is {stated}, signed was {root}"


def _rebuilt(world: World) -> Iterator[str]:
    """Chains and derived tables of nodes and hub are what the blocks give when all is made again."""
    for machine in world.nodes.values():
        try:
            audit.verify(machine.folder, machine.parts.site.identity)
        except Corrupt as error:
            yield f"{machine.name}: {error}"
    if world.seed % HUB_AUDITED_EVERY:
        return  # the hub's own audit costs as much as all other oracles together
    hub = world.hub.hub
    folder = world.folder / "audit"
    folder.mkdir()
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    for complaint in auditor.run(folder, 1).complaints:
        yield f"the hub: {complaint}"


def _projection(world: World) -> Iterator[str]:
    """The hub's picture of a site equals the site's own, movement by movement."""
    for machine in world.nodes.values():
        with machine.parts.site.reading() as connection:
            own = [
                tuple(row)
                for row in connection.execute(
                    "SELECT height, place, item, lot, serial, status, quantity, source, target FROM movements"
                    " ORDER BY height, place, line"
                )
            ]
            serials = {(row[0], row[1]): row[2] for row in connection.execute("SELECT * FROM serials")}
        with world.hub.hub.store.read() as session:
            rows = session.all(
                "SELECT height, tx_index, item, lot, serial, status, quantity, source, target FROM movements"
                " WHERE origin = :origin ORDER BY height, tx_index, log_index",
                origin=machine.origin,
            )
            pieces = session.all("SELECT item, serial, location FROM serials WHERE site = :site", site=machine.name)
        theirs = [tuple(row.values()) for row in rows]
        if theirs != own:
            wrong = sorted(set(theirs) ^ set(own))
            yield f"{machine.name}: the hub has {len(rows)} movements, the node {len(own)}; different: {wrong[:4]}"
        yield from _same_goods(world, machine)
        if {(row["item"], row["serial"]): row["location"] for row in pieces} != serials:
            yield f"{machine.name}: hub and node differ in where serials are"


def _same_goods(world: World, machine: NodeMachine) -> Iterator[str]:
    """What is promised, and where handling units stand."""
    with machine.parts.site.reading() as connection:
        promised = {
            (bytes(row[0]).hex(), *row[1:])
            for row in connection.execute(
                "SELECT reservation, location, item, lot, status, quantity, rest FROM reservations"
            )
        }
        units = set(
            connection.execute(
                "SELECT location, parent FROM locations l WHERE kind = 3 AND NOT EXISTS"
                " (SELECT 1 FROM streams s WHERE s.stream = 'locations' AND s.key = l.location)"
            ).fetchall()
        )
    with world.hub.hub.store.read() as session:
        theirs = session.all(
            "SELECT reservation, location, item, lot, status, quantity, rest FROM reservations WHERE site = :site",
            site=machine.name,
        )
        standing = session.all("SELECT unit, parent FROM units WHERE site = :site", site=machine.name)
    books = world.ledger.sites[machine.name]
    if {(row[0], row[1:4]): row[6] for row in promised if row[6]} != {
        (name, key): left for name, each in books.lists.items() for key, left in each.left.items()
    }:
        yield f"{machine.name}: {promised} is promised, the lists are {books.lists}"
    if {tuple(row.values()) for row in theirs} != promised:
        yield f"{machine.name}: hub and node differ in what is promised"
    if units != set(world.ledger.sites[machine.name].units.items()):
        yield f"{machine.name}: its handling units are not where they were put"
    if {tuple(row.values()) for row in standing} != units:
        yield f"{machine.name}: hub and node differ in where handling units stand"


def _streams(world: World) -> Iterator[str]:
    """What came down to each site is all that the hub has for it, and nothing else."""
    for machine in world.nodes.values():
        origin = Origin.parse(machine.origin)
        with world.hub.hub.store.read() as session:
            sent = {
                (stream, row["key"]): bytes(row["value"])
                for stream in streams.ORDER
                for row in session.all(
                    "SELECT key, value FROM stream_entries WHERE stream = :stream AND site = :scope"
                    " AND value IS NOT NULL",
                    stream=stream,
                    scope=streams.scope(stream, origin),
                )
            }
        with machine.parts.site.reading() as connection:
            came = {(row[0], row[1]): bytes(row[2]) for row in connection.execute("SELECT * FROM streams")}
        if came != sent:
            wrong = sorted(key for key, _ in set(came.items()) ^ set(sent.items()))
            yield f"{machine.name} has {len(came)} entries, the hub {len(sent)}; they differ in {wrong[:4]}"


def _receipts(world: World) -> Iterator[str]:
    """Receipts verify with the public keys alone, are anchored in the end, and never contradict earlier ones."""
    hub_key = world.company.hub_key.raw
    seen: dict[tuple[str, bytes], tuple[int, int, bytes]] = {}
    for site, machine in world.nodes.items():
        acts = list(world.ledger.sites[site].acts)
        for name in world.dice.sample(acts, min(RECEIPTS_TRIED, len(acts))):
            world.memory.receipts.append((site, machine.parts.site.receipt(OpId.parse(name))))
            world.memory.receipts.append((site, world.hub.hub.receipt(OpId.parse(name))))
            if receipt.strength(Receipt.parse(world.memory.receipts[-2][1])) != receipt.ANCHORED:
                yield f"{site}: the receipt of {name} is not anchored"
    for site, raw in world.memory.receipts:
        key = world.company.keys[world.nodes[site].origin].raw
        try:
            found = receipt.verify(raw, [key], [hub_key]).receipt
        except LedgerError as error:
            yield f"{site}: a receipt does not verify: {error}"
            continue
        place = (found.height, found.tx_index, found.header)
        if seen.setdefault((site, found.op_id), place) != place:
            yield f"{site}: two receipts of {found.op_id.hex()} name different places"
        with world.nodes[site].parts.site.reading() as connection:
            block = sealing.read_block(connection, found.height)
        if block is None or block.header != found.header:
            yield f"{site}: a receipt names block {found.height}, which is another one now"


def _discrepancies(world: World) -> Iterator[str]:
    """Open are exactly those that the work made; none accuses a machine."""
    origins = {site: machine.origin for site, machine in world.nodes.items()}
    expected = world.ledger.discrepancies(origins)
    found = {(each.kind, each.subject) for each in world.hub.hub.discrepancies() if each.kind not in OF_TIME}
    if found != expected:
        yield f"not reported: {sorted(expected - found)[:4]}; reported without reason: {sorted(found - expected)[:4]}"
    for each in world.hub.hub.discrepancies(everything=True):
        if each.kind in ACCUSING:
            yield f"{each.kind}: {each.subject}: {each.summary}"


def _quiet(world: World) -> Iterator[str]:
    """What arrives late, and what is asked again, changes nothing."""
    before = _core(world)
    for _ in range(REPEATS_TRIED):
        world.network.late(world.dice.randrange(1_000))
    for site, past in world.work.past.items():
        for act in world.dice.sample(past, min(REPEATS_TRIED, len(past))):
            world.work.put(act)
            if site in world.work.doubt:
                yield f"{site}: {act.verb} {act.op_id} is not answered again"
        if world.nodes[site].parts.site.pending_count() > world.nodes[site].logins:
            yield f"{site}: a repeated act was recorded again"
    after = _core(world)
    yield from (f"{name} changed by what came late or again" for name in before if before[name] != after[name])


def _core(world: World) -> dict[str, Any]:
    with world.hub.hub.store.read() as session:
        return {
            table: [repr(row) for row in session.all(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in ("blocks", "checkpoints", "stock", "operations", "log", "evidence", "discrepancies")
        }


AT_THE_END = (
    Oracle("nothing acknowledged is lost or doubled", _acts),
    Oracle("stock is as acknowledged", _stock),
    Oracle("stock is conserved", _conserved),
    Oracle("the hub holds a prefix", lambda world: (
        text for machine in world.nodes.values() for text in prefix(world, machine))),
    Oracle(TRUE_COSIGNATURES, _cosignatures),
    Oracle(ONE_BLOCK, _signed),
    Oracle(ONE_ROOT, _roots),
    Oracle("everything can be made again", _rebuilt),
    Oracle("the hub's picture is the node's", _projection),
    Oracle("streams are the hub's", _streams),
    Oracle("receipts verify and agree", _receipts),
    Oracle("discrepancies are those that were made", _discrepancies),
    Oracle("repeats do nothing", _quiet),
)  # fmt: skip
ALL = sorted(
    {oracle.name for oracle in AT_THE_END}
    | set(ALONG)
    | {"acknowledged is durable", "books predict answers", "everything converges", "node keeps working", "healing",
       UNEXPECTED}
)  # fmt: skip


def everything(world: World) -> Iterator[bytes]:
    """Every block hash, and everything that nodes and hub have stored, for the digest."""
    for machine in world.nodes.values():
        with machine.parts.site.reading() as connection:
            for table in ("blocks", "journal", "cosignatures", "stock", "operations", "acts", "facts", "cursors"):
                for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
                    yield repr(row).encode()
    with world.hub.hub.store.read() as session:
        names = session.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for name in names:
            for line in sorted(repr(list(row.values())) for row in session.all(f"SELECT * FROM {name['name']}")):
                yield f"{name['name']} {line}".encode()
    yield json.dumps(world.work.counts, sort_keys=True).encode()
