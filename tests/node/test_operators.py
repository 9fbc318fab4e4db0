"""Log-in: activation, PIN, throttle over restarts and clock jumps, keys that never lie open, rights that end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ledger import calls, control, keys
from ledger.errors import Rejected
from ledger.moves import Line
from ledger.people import activation_code, activation_hash, new_code, role_names, roles_of
from node.operators import checked_pin
from node.throttle import ADDRESSES_MAX, FREE, LOCKED, NOBODIES, Throttle, caller, nobody, person, waiting
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, fresh, introduce


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = fresh(tmp_path / "node", people=("sven", "mona"))
    yield made
    made.site.close()
    made.journal.close()


def test_a_first_log_in_binds_a_key_on_chain_and_survives_a_lost_answer(stage: Stage) -> None:
    introduce(stage.world, stage.site, "carl", ("COUNT",))
    op = stage.op()
    with pytest.raises(Rejected, match="6 to 12 digits"):
        stage.floor.people.activate(op, "carl", code_of("carl"), "123", "t")
    with pytest.raises(Rejected, match="login or activation code is wrong"):
        stage.floor.people.activate(op, "carl", code_of("mona"), PIN, "t")
    first = stage.floor.people.activate(op, "carl", code_of("carl").lower().replace("-", " "), PIN, "t")
    second = stage.floor.people.activate(op, "carl", code_of("carl"), PIN, "t")
    assert first["roles"] == ["COUNT"] and first["token"] != second["token"]
    with pytest.raises(Rejected, match="activation is used"):
        stage.floor.people.activate(stage.op(), "carl", code_of("carl"), "739164", "t")
    with stage.site.reading() as connection:
        bound, sealed = connection.execute(
            "SELECT p.key, k.sealed FROM people p JOIN personal_keys k ON k.address = p.key WHERE p.actor = ?",
            (actor_of("carl").raw,),
        ).fetchone()
    assert len(bound) == 20 and len(sealed) > 32
    assert stage.floor.people.log_in("badge-carl", PIN, "t")["name"] == "Carl"


def test_a_new_activation_ends_the_old_key(stage: Stage) -> None:
    world, site = stage.world, stage.site
    who = stage.as_("sven")
    fresh = new_code(b"another code now")
    world.send(
        site,
        control.PersonPayload(
            actor=actor_of("sven"), roles=roles_of(["APPROVE"]), activation=activation_hash(fresh), valid_from=0,
            valid_until=0,
        ),
    )  # fmt: skip
    call = calls.Adjust(
        actor=actor_of("mona"), lines=(Line(item="BOLT", quantity=1, source="A-01", target="SHRINKAGE"),)
    )
    with pytest.raises(Rejected, match="no longer valid"):
        stage.floor.people.approve(who, call, stage.op())
    with pytest.raises(Rejected, match="new activation code"):
        stage.floor.people.log_in("sven", PIN, "t")
    assert stage.floor.people.activate(stage.op(), "sven", fresh, "739164", "t")["roles"] == ["APPROVE"]


def test_wrong_pins_are_slowed_then_locked_whatever_the_clock_or_a_restart_does(stage: Stage) -> None:
    """Ten thousand guesses from many tablets, with clock jumps and restarts: 50 are tried, then nothing helps."""
    with stage.site.writing() as connection:
        throttle = Throttle(stage.world.clock)
        tried = 0
        for number in range(10_000):
            if number % 500 == 499:
                throttle = Throttle(stage.world.clock)  # what a restart forgets
            if number % 7 == 0:
                stage.world.clock.jump(86_400_000 if number % 14 else -86_400_000)
            stage.world.clock.advance(1_000)
            try:
                throttle.guess(connection, person("ab"), caller(connection, f"t{number}", f"10.0.{number}"))
                tried += 1
            except Rejected:
                pass
        assert 5 < tried <= LOCKED
        stage.world.clock.advance(10 * 86_400_000)
        for _ in range(LOCKED):
            stage.world.clock.advance(16 * 60_000)
            try:
                throttle.guess(connection, person("ab"))
                tried += 1
            except Rejected as refusal:
                last = str(refusal)
        assert tried == LOCKED and "locked" in last
        (rows,) = connection.execute("SELECT COUNT(*) FROM guesses").fetchone()
        assert rows <= 1_003


def test_digits_of_arabic_and_persian_keyboards_are_digits(stage: Stage) -> None:
    """In a PIN and in an activation code; in a badge, which is read and not typed, they are not."""
    arabic, persian = (str.maketrans("0123456789", each) for each in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"))
    introduce(stage.world, stage.site, "carl", ("COUNT",))
    code = code_of("carl")
    stage.floor.people.activate(stage.op(), "carl", code.translate(arabic), PIN.translate(persian), "t")
    for pin in (PIN, PIN.translate(arabic), PIN.translate(persian)):
        token = stage.floor.people.log_in("carl", pin, "t")["token"]
    who = stage.floor.people.session(token)
    assert stage.floor.people.signing_key(who, PIN.translate(arabic)) is not None
    with pytest.raises(Rejected, match="PIN is wrong"):
        stage.floor.people.log_in("sven\u0661", PIN, "t")


def test_a_log_in_is_found_whatever_its_case(stage: Stage) -> None:
    assert stage.floor.people.log_in("Sven", PIN, "t")["actor"] == str(actor_of("sven"))


def test_strangers_cannot_keep_the_tablets_of_the_site_out(stage: Stage) -> None:
    """A new name for each guess, from one address or from a thousand: who is a tablet of the site goes on."""
    stage.tokens["sven"] = stage.floor.people.log_in("sven", PIN, "ours", address="10.0.0.1")["token"]
    throttle, waits = Throttle(stage.world.clock), 0
    with stage.site.writing() as connection:
        for number in range(ADDRESSES_MAX + 60):
            address = "10.0.0.66" if number < 30 else f"10.1.0.{number}"
            try:
                throttle.guess(connection, caller(connection, f"stranger-{number}", address))
            except Rejected:
                waits += 1
        (rows,) = connection.execute("SELECT COUNT(*) FROM guesses").fetchone()
    assert waits == 10 + 11  # an address that guesses on, and all that came after a thousand of them
    assert rows <= ADDRESSES_MAX + 1
    with pytest.raises(Rejected, match="wait"):
        stage.floor.people.log_in("sven", PIN, "new", address="10.0.0.66")
    assert stage.floor.people.log_in("sven", PIN, "ours", address="10.0.0.66")["name"]


def test_guesses_count_before_they_are_tried_and_a_right_pin_forgives(stage: Stage) -> None:
    for _ in range(4):
        with pytest.raises(Rejected, match="PIN is wrong"):
            stage.floor.people.log_in("sven", "000001", "t")
    stage.floor.people.log_in("sven", PIN, "t")
    for _ in range(5):
        with pytest.raises(Rejected, match="PIN is wrong"):
            stage.floor.people.log_in("sven", "000001", "t")
    with pytest.raises(Rejected, match="wait 30 seconds"):
        stage.floor.people.log_in("sven", PIN, "t")
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    stage.world.clock.jump(3_600_000)
    with pytest.raises(Rejected, match="wait 30 seconds"):
        stage.floor.people.log_in("sven", PIN, "t")
    stage.world.clock.jump(-3_600_000)
    stage.world.clock.advance(30_000)
    stage.floor.people.log_in("sven", PIN, "t")


def test_a_locked_person_is_let_in_again_by_somebody_else(stage: Stage) -> None:
    with stage.site.writing() as connection:
        connection.execute("INSERT INTO guesses VALUES (?, ?)", (f"person:{actor_of('mona')}", LOCKED))
    stage.world.clock.advance(86_400_000)
    with pytest.raises(Rejected, match="locked"):
        stage.floor.people.log_in("mona", PIN, "t")
    stage.tokens["sven"] = stage.floor.people.log_in("sven", PIN, "t")["token"]
    with pytest.raises(Rejected, match="their own lock"):
        stage.floor.people.unlock(stage.op(), stage.as_("sven"), actor_of("sven"))
    stage.floor.people.unlock(stage.op(), stage.as_("sven"), actor_of("mona"))
    stage.floor.people.log_in("mona", PIN, "t")
    with stage.site.reading() as connection:
        kinds = {kind for (kind,) in connection.execute("SELECT kind FROM notes")}
    assert {"log-in", "unlock"} <= kinds


def test_unknown_people_and_bad_input_are_refused_alike(stage: Stage) -> None:
    for login in ("nobody", "", None, 5, "x" * 200, "sven\0", "'; --"):
        with pytest.raises(Rejected, match="badge, login or PIN is wrong"):
            stage.floor.people.log_in(login, PIN, f"t{login!r}"[:20])
    for number, pin in enumerate((None, 482913, "", "9" * 1000, "４８２９１３")):
        with pytest.raises(Rejected, match="badge, login or PIN is wrong"):
            stage.floor.people.log_in("mona", pin, f"p{number}")
    for token in ("", None, 5, "0" * 64, "é" * 64, stage.tokens["sven"].upper()):
        with pytest.raises(Rejected, match="log in again"):
            stage.floor.people.session(token)


def refusal_of(work: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as refused:
        work()
    return str(refused.value)


def test_nobody_learns_who_has_a_log_in(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is known, who never logged in and who is nobody are told the same, and wait after as many guesses."""
    people, slow = stage.floor.people, []
    real = keys._pin_key
    monkeypatch.setattr(keys, "_pin_key", lambda *values: (slow.append(1), real(*values))[1])
    introduce(stage.world, stage.site, "carl", ("COUNT",))
    introduce(stage.world, stage.site, "rita", ("COUNT",), revoked=True)

    def told(work: Callable[[], object]) -> tuple[str, int]:
        slow.clear()
        return refusal_of(work), len(slow)

    for number in range(FREE + 2):
        answers = {
            told(lambda login=login, at=f"{login}-{number}": people.log_in(login, "000001", "t", address=at))  # type: ignore[misc]
            for login in ("mona", "carl", "rita", "nobody")
        }
        assert len(answers) == 1, answers
    answers = {
        told(lambda login=login: people.activate(stage.op(), login, code_of("mona"), PIN, "t"))  # type: ignore[misc]
        for login in ("carl", "rita", "nobody")
    }
    assert len(answers) == 1, answers
    assert next(iter(answers))[0].startswith("login or activation code is wrong")
    assert "6 to 12 digits" in refusal_of(lambda: people.activate(stage.op(), "nobody", code_of("carl"), "1", "t"))
    assert "withdrawn" in refusal_of(lambda: people.activate(stage.op(), "rita", code_of("rita"), PIN, "t"))


def test_made_up_names_leave_few_traces(stage: Stage) -> None:
    guesses = Throttle(stage.world.clock)
    with stage.site.writing() as connection:
        for number in range(5_000):
            with suppress(Rejected):
                guesses.guess(connection, nobody(f"name-{number}"))
        assert connection.execute("SELECT COUNT(*) FROM guesses").fetchone()[0] <= NOBODIES
        assert waiting(connection) == 0


def test_a_log_in_ends_by_idling_by_age_by_logging_out_and_by_revocation(stage: Stage) -> None:
    idle_ms = stage.site.config.web.session_idle_ms_max
    assert stage.as_("sven").name == "Sven"
    for _ in range(12 * 3600 * 1000 // idle_ms + 1):
        stage.world.clock.advance(idle_ms - 1_000)
        try:
            stage.as_("sven")
        except Rejected:
            break
    else:
        raise AssertionError("a log-in lasts for ever")
    stage.tokens["sven"] = stage.floor.people.log_in("sven", PIN, "t")["token"]
    stage.world.clock.advance(idle_ms + 1)
    with pytest.raises(Rejected, match="has ended"):
        stage.as_("sven")
    token = stage.floor.people.log_in("sven", PIN, "t")["token"]
    stage.floor.people.log_out(token)
    with pytest.raises(Rejected, match="log in again"):
        stage.floor.people.session(token)
    token = stage.floor.people.log_in("sven", PIN, "t")["token"]
    introduce(stage.world, stage.site, "sven", ("APPROVE",), revoked=True)
    with pytest.raises(Rejected, match="withdrawn"):
        stage.floor.people.session(token)


def test_no_secret_lies_on_the_disk(stage: Stage) -> None:
    """S12: neither PIN, token, activation code nor any opened personal key is in a file of the node."""
    secrets = [PIN.encode(), code_of("sven").encode(), bytes.fromhex(stage.tokens["sven"])]
    secrets += [stage.tokens["sven"].encode(), *(key.secret for key in stage.floor.people._open.values())]
    secrets += [secret.hex().encode() for secret in secrets]
    stage.site.close()
    for path in stage.world.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path.name


def test_pins_that_everyone_tries_first_are_not_accepted() -> None:
    assert checked_pin("482913") == "482913"
    for pin in ("000000", "123456", "654321", "890123", "12345", "1234567890123", "abcdef", 482913, None, "482 913"):
        with pytest.raises(Rejected):
            checked_pin(pin)


def test_roles_and_activation_codes_have_one_reading() -> None:
    assert role_names(roles_of(["COUNT", "APPROVE"])) == ["COUNT", "APPROVE"]
    with pytest.raises(Rejected, match="excludes"):
        roles_of(["ADMIN", "COUNT"])
    with pytest.raises(Rejected, match="AUDIT excludes"):
        roles_of(["AUDIT", "COUNT"])
    assert role_names(roles_of(["AUDIT"])) == ["AUDIT"]
    with pytest.raises(Rejected, match="not a role"):
        roles_of(["count"])
    code = new_code(bytes(range(16)))
    assert activation_code(code) == activation_code(code.lower().replace("-", " "))
    assert activation_code("O" + code[1:]) == activation_code("0" + code[1:])
    for wrong in ("", code[:-1], code + "A", "U" * 20, None, 5):
        with pytest.raises(Rejected):
            activation_code(wrong)
