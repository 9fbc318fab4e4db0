"""The second factor of supervisors: RFC 6238 to the letter, codes that are good once, and what a lost phone means."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from ledger.errors import Rejected
from ledger.people import ADMIN
from node import totp
from node.desk import Person
from node.operators import Operators
from node.throttle import LOCKED
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, introduce

# RFC 6238, appendix B: seconds, then the codes of SHA-1, SHA-256 and SHA-512.
RFC_6238 = (
    (59, "94287082", "46119246", "90693936"),
    (1_111_111_109, "07081804", "68084774", "25091201"),
    (1_111_111_111, "14050471", "67062674", "99943326"),
    (1_234_567_890, "89005924", "91819424", "93441116"),
    (2_000_000_000, "69279037", "90698825", "38618901"),
    (20_000_000_000, "65353130", "77737706", "47863826"),
)
# RFC 4226, appendix D: the first ten counters.
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
SEED = b"1234567890" * 7


@pytest.mark.parametrize(("at_s", "sha1", "sha256", "sha512"), RFC_6238)
def test_the_vectors_of_rfc_6238(at_s: int, sha1: str, sha256: str, sha512: str) -> None:
    step = totp.step_at(at_s)
    assert totp.hotp(SEED[:20], step, 8) == sha1
    assert totp.hotp(SEED[:32], step, 8, "sha256") == sha256
    assert totp.hotp(SEED[:64], step, 8, "sha512") == sha512


def test_the_vectors_of_rfc_4226() -> None:
    assert [totp.hotp(SEED[:20], counter) for counter in range(10)] == RFC_4226


def test_one_step_before_and_after_counts_and_no_more() -> None:
    near = [totp.matching(SEED[:20], totp.hotp(SEED[:20], 50 + off), 50) for off in (-2, -1, 0, 1, 2)]
    assert near == [None, 49, 50, 51, None]


def test_the_address_is_what_authenticators_scan() -> None:
    found = totp.address(bytes(20), "Tallyman oslo", "sven å")
    assert found == f"otpauth://totp/Tallyman%20oslo:sven%20%C3%A5?secret={'A' * 32}&issuer=Tallyman%20oslo"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    config = stage.site.config
    stage.site.config = replace(config, web=replace(config.web, second_factor=True))
    return stage


def people(stage: Stage) -> Operators:
    return stage.floor.people


def enrol(stage: Stage, login: str = "sven") -> bytes:
    """Somebody's authenticator, set up and confirmed by its first code."""
    secret = new_secret(stage, login)
    assert "token" in people(stage).log_in(login, PIN, "t", code(stage, secret))
    stage.world.clock.advance(30_000)
    return secret


def new_secret(stage: Stage, login: str = "sven") -> bytes:
    text = people(stage).enrol_second(login, PIN, "t")["secret"]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def code(stage: Stage, secret: bytes, ahead_s: int = 0) -> str:
    """What the authenticator shows, whose clock is so far ahead of the node's."""
    return totp.hotp(secret, totp.step_at(stage.world.clock.now_ms() // 1000 + ahead_s))


def test_a_supervisor_enrols_and_gives_a_code_from_then_on(stage: Stage) -> None:
    asked = people(stage).log_in("sven", PIN, "t")
    assert asked["second"] == "missing" and "token" not in asked
    first, second = new_secret(stage), new_secret(stage)
    assert first != second  # until a code confirms it, each showing is a new secret
    with pytest.raises(Rejected, match="code is wrong"):
        people(stage).log_in("sven", PIN, "t", code(stage, first))
    arabic = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    assert "token" in people(stage).log_in("sven", PIN.translate(arabic), "t", code(stage, second).translate(arabic))
    assert people(stage).log_in("sven", PIN, "t")["second"] == "needed"
    with pytest.raises(Rejected, match="already"):
        people(stage).enrol_second("sven", PIN, "t")
    with pytest.raises(Rejected, match="PIN is wrong"):
        people(stage).enrol_second("sven", "111222", "t")
    with stage.site.reading() as connection:
        (sealed,) = connection.execute("SELECT sealed FROM second_factors").fetchone()
    assert second not in bytes(sealed)


def test_whoever_neither_approves_nor_administers_is_not_asked(stage: Stage) -> None:
    assert "token" in people(stage).log_in("mona", PIN, "t")
    assert people(stage).log_in("adam", PIN, "t")["second"] == "missing"
    with pytest.raises(Rejected, match="no second factor"):
        people(stage).enrol_second("mona", PIN, "t")
    stage.site.config = replace(stage.site.config, web=replace(stage.site.config.web, second_factor=False))
    assert "token" in people(stage).log_in("adam", PIN, "t")


def test_a_code_is_good_once_over_restarts_too(stage: Stage) -> None:
    secret = enrol(stage)
    now = code(stage, secret)
    assert "token" in people(stage).log_in("sven", PIN, "t", f"{now[:3]} {now[3:]}")
    with pytest.raises(Rejected, match="used already"):
        people(stage).log_in("sven", PIN, "t", now)
    config, again = stage.site.config, stage.restart()
    again.site.config = config
    try:
        with pytest.raises(Rejected, match="used already"):
            people(again).log_in("sven", PIN, "t", now)
        # Nor is an earlier one that was not used.
        with pytest.raises(Rejected, match="used already"):
            people(again).log_in("sven", PIN, "t", code(stage, secret, -30))
        again.world.clock.advance(30_000)
        assert "token" in people(again).log_in("sven", PIN, "t", code(again, secret))
    finally:
        again.site.close()
        again.journal.close()


def test_a_clock_that_drifts_away_slowly_is_followed(stage: Stage) -> None:
    secret = enrol(stage)
    for ahead_s in (25, 50, 75, 100):
        stage.world.clock.advance(3_600_000)
        assert "token" in people(stage).log_in("sven", PIN, "t", code(stage, secret, ahead_s))
    stage.world.clock.advance(3_600_000)
    with pytest.raises(Rejected, match="code is wrong"):
        people(stage).log_in("sven", PIN, "t", code(stage, secret, 300))


def test_codes_are_guessed_no_faster_than_pins(stage: Stage) -> None:
    secret = enrol(stage)
    for number in range(5):
        if number % 2:
            people(stage).log_in("sven", PIN, "t")  # the right PIN alone gives no guess back
            continue
        with pytest.raises(Rejected, match="code is wrong"):
            people(stage).log_in("sven", PIN, "t", "000000")
    with pytest.raises(Rejected, match="wait"):
        people(stage).log_in("sven", PIN, "t", code(stage, secret))
    for _ in range(LOCKED):
        stage.world.clock.advance(16 * 60_000)
        with pytest.raises(Rejected, match=r"code is wrong|locked"):
            people(stage).log_in("sven", PIN, "t2", "not a code")
    stage.world.clock.advance(16 * 60_000)
    with pytest.raises(Rejected, match="locked"):
        people(stage).log_in("sven", PIN, "t2", code(stage, secret))
    people(stage).unlock(stage.op(), Person(actor_of("adam"), ADMIN), actor_of("sven"))
    assert "token" in people(stage).log_in("sven", PIN, "t2", code(stage, secret))


def test_an_administrator_resets_a_lost_authenticator(stage: Stage) -> None:
    secret = enrol(stage)
    admin, op = people(stage), stage.op()
    with pytest.raises(Rejected, match="role ADMIN"):
        admin.second.reset(op, stage.as_("tess"), actor_of("sven"))
    with pytest.raises(Rejected, match="another administrator"):
        admin.second.reset(op, stage.as_("adam"), actor_of("adam"))
    with pytest.raises(Rejected, match="has no second factor"):
        admin.second.reset(op, stage.as_("adam"), actor_of("tess"))
    admin.second.reset(op, stage.as_("adam"), actor_of("sven"))
    assert admin.second.reset(op, stage.as_("adam"), actor_of("sven")) == {"op_id": str(op)}
    assert stage.site.find(op) is not None  # noted on chain
    assert people(stage).log_in("sven", PIN, "t", code(stage, secret))["second"] == "missing"
    assert enrol(stage) != secret


def test_a_first_log_in_asks_for_an_authenticator_when_the_key_is_bound(stage: Stage) -> None:
    introduce(stage.world, stage.site, "nora", ("APPROVE",))
    op = stage.op()
    for _ in range(2):  # the answer was lost
        assert people(stage).activate(op, "nora", code_of("nora"), PIN, "t")["second"] == "missing"
    assert "token" in people(stage).log_in("nora", PIN, "t", code(stage, new_secret(stage, "nora")))
