"""Keys, certificate and founding: made once, never overwritten, and the same again after being cut short."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import chain, seams
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.keys import SigningKey, TxKey
from ledger.seams import DiskStorage
from node import audit, enrolling, identity, mark, sealing, store
from node.mark import MARK_FILE
from sync.client import Transport, WsgiTransport
from tests.node.world import CountingRandom, World, receive
from tests.sync.hub_kit import Hub, SyncApi
from web import kit
from web.hub_sync import blueprint


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def transport(hub: Hub, tmp_path: Path) -> WsgiTransport:
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    return WsgiTransport(app)


def die(name: str) -> None:
    raise seams.Killed(name)


# ---------------------------------------------------------------- init


def test_init_makes_everything_for_its_owner_alone(made: World) -> None:
    config = made.init()
    names = sorted(path.name for path in made.folder.rglob("*") if path.is_file())
    assert [name for name in names if "-" not in name] == [
        "block.key", "node.toml", "pepper.key", "reads.db", "site.db", "transaction.key",
    ]  # fmt: skip
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    for name in (config.keys.block_file, config.keys.transaction_file, config.keys.pepper_file, store.DATABASE_FILE):
        assert stat.S_IMODE(config.path(name).stat().st_mode) == 0o600
    keys = identity.load_keys(config)
    assert "seed" not in repr(keys) and keys.pepper.hex() not in repr(keys)


def test_init_refuses_a_folder_in_use_and_changes_nothing(made: World, tmp_path: Path) -> None:
    made.init()
    before = {path: path.read_bytes() for path in made.folder.rglob("*.key")}
    with pytest.raises(Rejected, match="not empty"):
        made.init()
    assert {path: path.read_bytes() for path in made.folder.rglob("*.key")} == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(Rejected, match="not a folder"):
        identity.init(tmp_path / "file", "oslo", CountingRandom(), DiskStorage())
    with pytest.raises(Rejected, match="not a site name"):
        identity.init(tmp_path / "other", "Oslo!", CountingRandom(), DiskStorage())
    assert not (tmp_path / "other").exists()
    (tmp_path / "empty").mkdir()
    identity.init(tmp_path / "empty", "oslo", CountingRandom(), DiskStorage())


@pytest.mark.parametrize("trouble", ["missing", "open", "link", "short"])
def test_a_key_file_that_is_not_right_stops_the_start_in_one_line(made: World, trouble: str) -> None:
    config = made.init()
    path = config.path(config.keys.pepper_file)
    if trouble == "missing":
        path.unlink()
    elif trouble == "open":
        path.chmod(0o640)
    elif trouble == "link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to(path.with_name("elsewhere"))
    else:
        path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(Rejected) as refused:
        identity.load_keys(config)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


# ---------------------------------------------------------------- enrolment


def enrol(made: World, hub: Hub, transport: Transport, site: str = "oslo") -> chain.Head:
    code = hub.enrolment.make_code(site, hub.clock.now_ms(), url="http://hub.test")
    return enrolling.enrol(made.config, code.encode(), made.clock, DiskStorage(), connect=lambda _: transport)


def test_a_code_makes_the_node_the_sites(made: World, hub: Hub, transport: WsgiTransport) -> None:
    made.init()
    head = enrol(made, hub, transport)
    assert (str(head.origin), head.height) == ("acme/site/oslo/1", 1)
    known = enrolling.identity_of(made.config)
    assert known.hub_key == hub.enrolment.key.verify_key
    assert known.not_before_s * 1000 <= hub.clock.now_ms()
    assert audit.verify(made.folder, known).blocks == 2
    assert mark.read(made.folder / MARK_FILE).hash == head.hash
    connection = store.open_reader(made.folder)
    assert store.fact(connection, store.FACT_HUB_URL) == "http://hub.test"
    connection.close()


def test_before_enrolment_nothing_opens(made: World) -> None:
    config = made.init()
    connection = store.open_reader(made.folder)
    with pytest.raises(Rejected, match="not enrolled yet"):
        identity.require(connection, config)


class Silence:
    """A network on which nobody answers; it remembers whether anything was said."""

    def __init__(self) -> None:
        self.said = 0

    def post(self, path: str, body: bytes, media_type: str) -> object:
        self.said += 1
        raise Unavailable("nobody answers")


def test_a_failed_enrolment_leaves_the_node_as_it_was(made: World, hub: Hub, transport: WsgiTransport) -> None:
    made.init()
    quiet = Silence()
    code = hub.enrolment.make_code("oslo", hub.clock.now_ms())
    wrongs: list[tuple[str, Transport, type[Exception], str]] = [
        ("TM1NONSENSE", transport, Rejected, "enrolment code"),
        (hub.enrolment.make_code("bergen", hub.clock.now_ms()).encode(), quiet, Rejected, "for site 'bergen'"),  # type: ignore[list-item]
        (code.encode(), quiet, Unavailable, "nobody answers"),  # type: ignore[list-item]
    ]
    for text, way, kind, words in wrongs:
        with pytest.raises(kind, match=words):
            enrolling.enrol(
                made.config, text, made.clock, DiskStorage(), url="http://x", connect=lambda _, way=way: way
            )
    assert quiet.said == 1
    older, _ = code, hub.enrolment.make_code("oslo", hub.clock.now_ms())
    with pytest.raises(Rejected, match="the hub does not enrol this node"):
        enrolling.enrol(
            made.config, older.encode(), made.clock, DiskStorage(), url="http://x", connect=lambda _: transport
        )
    assert not (made.folder / MARK_FILE).exists()
    enrol(made, hub, transport)


def test_an_enrolled_node_stays_who_it_is(made: World, hub: Hub, transport: WsgiTransport) -> None:
    made.init()
    head = enrol(made, hub, transport)
    other = made.certify()
    connection = store.open_writer(made.folder)
    with pytest.raises(Rejected, match="enrolled already"):
        identity.remember(connection, other)
    connection.close()
    code = hub.enrolment.make_code("bergen", hub.clock.now_ms())
    (made.folder / "node.toml").write_text('site = "bergen"\n')
    with pytest.raises(Rejected, match="enrolled already, as acme/site/oslo/1"):
        enrolling.enrol(
            made.config, code.encode(), made.clock, DiskStorage(), url="http://x", connect=lambda _: transport
        )
    with pytest.raises(Rejected, match="the settings say site 'bergen'"):
        enrolling.identity_of(made.config)
    (made.folder / "node.toml").write_text('site = "oslo"\n')
    assert enrolling.identity_of(made.config).origin == head.origin


def test_foreign_keys_are_refused(made: World) -> None:
    made.init()
    made.enrol()
    known = made.identity
    keys = identity.load_keys(made.config)
    for wrong in (
        identity.NodeKeys(SigningKey(b"\x01" * 32), keys.transaction, keys.pepper),
        identity.NodeKeys(keys.block, TxKey(b"\x01" * 32), keys.pepper),
    ):
        with pytest.raises(Rejected, match="not those that the hub certified"):
            identity.check_keys(known, wrong)


def test_a_stored_certificate_that_was_changed_is_noticed(made: World) -> None:
    made.init()
    made.enrol()
    connection = store.open_writer(made.folder)
    text = store.fact(connection, store.FACT_CERTIFICATE) or ""
    for at in range(0, len(text), 7):
        changed = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        store.set_fact(connection, store.FACT_CERTIFICATE, changed)
        with pytest.raises((Corrupt, Invalid)):
            identity.recall(connection)


# ---------------------------------------------------------------- founding


@pytest.mark.parametrize("where", ["found.genesis", "mark.before", "mark.taken", "found.signed", "db.before_commit"])
def test_a_founding_cut_short_is_repeated_to_the_same_blocks(made: World, tmp_path: Path, where: str) -> None:
    made.init()
    seams.arm_failpoint(where, die)
    with pytest.raises(seams.Killed):
        made.enrol()
    seams.disarm_failpoints()
    made.enrol()
    site = made.open()
    receive_nothing = site.head
    assert receive_nothing.height == 1 and site.stopped == ""
    again = World(tmp_path / "again")
    again.init()
    again.enrol()
    assert again.open().head.hash == receive_nothing.hash, "the same keys and certificate give the same chain"


def test_a_chain_is_founded_once(made: World) -> None:
    made.init()
    made.enrol()
    with pytest.raises(Rejected, match="founded"):
        made.enrol()


def test_a_folder_that_has_signed_otherwise_founds_nothing(made: World) -> None:
    """A database that was emptied under a living mark must not start again from genesis."""
    site = made.ready()
    receive(site, 1)
    made.clock.advance(2_000)
    site.seal()
    site.close()
    for path in made.folder.glob("site.db*"):
        path.unlink()
    store.create(made.folder, DiskStorage()).close()
    with pytest.raises(Corrupt, match="two different signed blocks"):
        made.enrol()
    reader = store.open_reader(made.folder)
    assert sealing.read_head(reader, made.identity.chain) is None
