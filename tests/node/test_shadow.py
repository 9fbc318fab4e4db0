"""The background audit: it judges every sealed block once, begins again when its file is lost, and stops a liar."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import seams
from ledger.errors import Corrupt, Unavailable
from ledger.seams import DiskStorage
from node import sealing, store
from node.shadow import FILE, Shadow
from node.site import Site
from tests.node.world import World, line, receive


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def grown(made: World, blocks: int = 4) -> Site:
    site = made.ready()
    for number in range(1, blocks + 1):
        receive(site, number, line(number))
        made.clock.advance(2_000)
        site.seal()
    return site


def shadow_of(made: World) -> Shadow:
    return Shadow(made.folder, made.identity, DiskStorage())


def test_it_follows_the_chain_a_few_blocks_at_a_time(made: World) -> None:
    site = grown(made)
    shadow = shadow_of(made)
    assert [site.audit(shadow) for _ in range(3)] == [5, 1, 0]
    assert shadow.head is not None and shadow.head.hash == site.head.hash
    receive(site, 9)
    assert site.audit(shadow) == 0, "what is only recorded is no block yet"
    made.clock.advance(2_000)
    site.seal()
    shadow.close()
    assert site.audit(shadow_of(made)) == 1, "a restart goes on where it was"


@pytest.mark.parametrize("damage", ["gone", "garbage", "state", "foreign"])
def test_its_file_is_worth_nothing(made: World, damage: str) -> None:
    site = grown(made)
    shadow = shadow_of(made)
    site.audit(shadow)
    shadow.close()
    path = made.folder / FILE
    if damage == "gone":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage" * 1000)
    else:
        from ledger import db

        connection = db.open_writer(path)
        connection.execute(
            "DELETE FROM state_change" if damage == "state" else "UPDATE audited SET head = zeroblob(9)"
        )
        connection.close()
    again = shadow_of(made)
    while site.audit(again):
        pass
    assert again.head is not None and again.head.hash == site.head.hash
    assert site.stopped == ""


def test_dying_in_it_is_harmless(made: World) -> None:
    site = grown(made)
    shadow = shadow_of(made)
    site.audit(shadow)

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint("db.before_commit", die)
    with pytest.raises(seams.Killed):
        site.audit(shadow)
    seams.disarm_failpoints()
    assert site.audit(shadow) == 1


def test_a_signed_block_that_is_not_true_stops_the_signing(made: World, tmp_path: Path) -> None:
    """A block whose header says another state: signed by our own key, so only execution can tell."""
    from dataclasses import replace

    from ledger.block import Block, Header, signing_bytes
    from node import identity

    site = grown(made, 1)
    key = identity.load_keys(made.config).block
    with site.writing() as connection:
        block = sealing.read_block(connection, 3)
        assert block is not None
        header = replace(Header.parse(block.header), state_root=b"\x01" * 32).encode()
        lie = Block(header, block.transactions, block.meta, b"", block.documents)
        signature = key.sign(signing_bytes(site.identity.origin, 3, lie.hash))
        lie = replace(lie, signature=signature)
        connection.execute(
            "UPDATE blocks SET body = ?, hash = ? WHERE height = 3", (store.pack(lie.encode()), lie.hash)
        )
    with pytest.raises(Corrupt, match="block 3, which this node signed, is not true"):
        site.audit(shadow_of(made))
    assert "is not true" in site.stopped
    with pytest.raises(Unavailable):
        receive(site, 9)
