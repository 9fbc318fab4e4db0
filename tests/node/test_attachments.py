"""Photos and files: a salted hash in a block, the bytes on the disk; erased, no trace is left and no proof broken."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections import namedtuple
from typing import Any

import pytest

from ledger import seams
from ledger.documents import commit
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.ids import OpId
from node import attachments, audit, proofs
from tests.node.floor_kit import Stage

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40


def attach(stage: Stage, content: bytes = JPEG, who: str = "mona", **about: Any) -> str:
    body = {"name": "dent.jpg", "content": base64.b64encode(content).decode(), **(about or {"item": "BOLT"})}
    return str(stage.floor.attachments.attach(stage.op(), stage.as_(who), body)["attachment"])


def files(stage: Stage) -> set[str]:
    return {path.name for path in stage.floor.attachments.folder.iterdir()}


def rows(stage: Stage, **about: Any) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.attachments.of(connection, about, None, 200)


def test_what_stands_in_the_block_is_the_salted_hash_of_the_file(stage: Stage) -> None:
    received = stage.receive({"item": "BOLT", "quantity": 5})
    digest = attach(stage, operation=str(received), line=0, item="BOLT")
    assert files(stage) == {hashlib.sha256(JPEG).hexdigest()}
    with stage.site.reading() as connection:
        found = stage.floor.attachments.one(connection, stage.as_("sven"), bytes.fromhex(digest))
        assert stage.floor.attachments.content(connection, stage.as_("sven"), bytes.fromhex(digest)) == (
            JPEG,
            "image/jpeg",
            "dent.jpg",
        )
        (kind, subject) = connection.execute("SELECT kind, subject FROM notes WHERE kind = 'attachment'").fetchone()
    assert (kind, bytes(subject).hex()) == ("attachment", digest)
    assert commit(bytes.fromhex(found["salt"]), JPEG).hex() == digest
    assert (found["by"], found["item"], found["line"], found["operation"]) == ("Mona", "BOLT", 0, str(received))
    stage.world.clock.advance(2_000)
    stage.site.seal()
    with stage.site.reading() as connection:
        (raw,) = connection.execute("SELECT document FROM notes n WHERE n.kind = 'attachment'").fetchone()
        assert bytes(raw) != bytes(32)
    assert stage.site.proof_state(OpId.parse(found["op_id"])) == proofs.SEALED
    assert JPEG not in (stage.world.folder / "site.db").read_bytes()
    audit.verify(stage.world.folder, stage.site.identity)


def test_the_same_photo_twice_takes_its_room_once_and_goes_with_the_last(stage: Stage) -> None:
    first, second = attach(stage), attach(stage, item="PAINT")
    assert first != second and len(files(stage)) == 1
    assert [each["attachment"] for each in rows(stage)] == [second, first]
    assert [each["attachment"] for each in rows(stage, item="BOLT")] == [first]
    erase(stage, first)
    assert len(files(stage)) == 1
    erase(stage, second)
    assert files(stage) == set()


def erase(stage: Stage, digest: str, who: str = "sven") -> dict[str, Any]:
    return stage.floor.attachments.erase(stage.op(), stage.as_(who), {"attachment": digest, "reasons": ["privacy"]})


def test_erased_nothing_of_it_is_left_but_the_hash_and_everything_verifies(stage: Stage) -> None:
    digest = attach(stage)
    (known,) = rows(stage)
    with stage.site.reading() as connection:
        (salt,) = connection.execute("SELECT salt FROM attachments").fetchone()
    with pytest.raises(Rejected, match="APPROVE"):
        erase(stage, digest, who="mona")
    erase(stage, digest)
    with pytest.raises(Rejected, match="erased before"):
        erase(stage, digest)
    (left,) = rows(stage)
    assert left == {**known, "name": "", "size": 0, "erased": True}
    with stage.site.reading() as connection:
        assert stage.floor.attachments.one(connection, stage.as_("sven"), bytes.fromhex(digest))["salt"] == ""
        with pytest.raises(Rejected, match="was erased"):
            stage.floor.attachments.content(connection, stage.as_("sven"), bytes.fromhex(digest))
    stage.world.clock.advance(2_000)
    stage.site.seal()
    stage.site.close()
    stage.journal.close()
    for path in stage.world.folder.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert salt not in held and b"dent.jpg" not in held and JPEG[:64] not in held, path
    audit.verify(stage.world.folder, stage.site.identity)


def test_the_same_act_again_is_the_same_and_other_content_under_it_is_refused(stage: Stage) -> None:
    body = {"name": "dent", "content": base64.b64encode(JPEG).decode(), "item": "BOLT"}
    op = stage.op()
    first = stage.floor.attachments.attach(op, stage.as_("mona"), body)
    assert stage.floor.attachments.attach(op, stage.as_("mona"), body) == first
    other = {**body, "content": base64.b64encode(JPEG + b"x").decode()}
    with pytest.raises(Rejected, match="already used"):
        stage.floor.attachments.attach(op, stage.as_("mona"), other)
    assert len(rows(stage)) == 1


@pytest.mark.parametrize("where", ["attachment.kept", "record.after_commit", "attachment.erased"])
def test_a_death_in_between_leaves_no_file_without_its_row_and_no_row_without_its_file(
    stage: Stage, where: str
) -> None:
    erased = attach(stage, JPEG + b"1")

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint(where, die)
    try:
        with pytest.raises(seams.Killed):
            if where == "attachment.erased":
                erase(stage, erased)
            else:
                attach(stage, JPEG + b"2")
    finally:
        seams.disarm_failpoints()
    stage = stage.restart()
    with stage.site.reading() as connection:
        named = {row[0] for row in connection.execute("SELECT content FROM attachments WHERE content <> ''")}
    assert files(stage) == named
    assert len(named) == (0 if where == "attachment.erased" else 1)
    audit.verify(stage.world.folder, stage.site.identity)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"content": "%%%"}, "base64"),
        ({"content": 7}, "base64"),
        ({"content": ""}, "expected 1 to"),
        ({"content": base64.b64encode(bytes(800_000)).decode()}, "make it smaller"),
        ({"content": base64.b64encode(b"\x00\x01\x02").decode()}, "nothing else is kept"),
        ({"content": base64.b64encode(b"MZ\x90\x00" + bytes(60)).decode()}, "nothing else is kept"),
        ({"item": None}, "what it is about"),
        ({"item": "NO-SUCH"}, "NO-SUCH"),
        ({"location": "NO-SUCH"}, "NO-SUCH"),
        ({"operation": "f" * 32}, "was not recorded here"),
        ({"line": 0}, "line 0"),
        ({"line": True}, "line true"),
        ({"name": "\x1b[31m"}, r"U\+001B"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_stays(stage: Stage, more: dict[str, Any], words: str) -> None:
    body = {"name": "dent", "content": base64.b64encode(JPEG).decode(), "item": "BOLT", **more}
    with pytest.raises(Rejected, match=words):
        stage.floor.attachments.attach(stage.op(), stage.as_("mona"), body)
    assert rows(stage) == [] and stage.site.pending_count() == stage.restart().site.pending_count()


def test_a_changed_file_is_not_shown_for_the_one_that_was_attached(stage: Stage) -> None:
    digest = bytes.fromhex(attach(stage))
    (path,) = stage.floor.attachments.folder.iterdir()
    path.write_bytes(JPEG[:-1] + b"!")
    with stage.site.reading() as connection:
        with pytest.raises(Corrupt, match="not the one"):
            stage.floor.attachments.content(connection, stage.as_("sven"), digest)
        path.unlink()
        with pytest.raises(Unavailable, match="cannot be read"):
            stage.floor.attachments.content(connection, stage.as_("sven"), digest)


def test_a_nearly_full_disk_keeps_its_room_for_counting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 81, 19))
    with pytest.raises(Unavailable, match="nearly full"):
        attach(stage)
    stage.receive({"item": "BOLT", "quantity": 1})


def test_a_counter_does_not_open_what_tells_the_expected(stage: Stage) -> None:
    received = stage.receive({"item": "BOLT", "quantity": 5})
    digest = bytes.fromhex(attach(stage, operation=str(received)))
    plan = {"name": "Week", "bins": ["A-01"], "rule": {"line_quantity_max": 1}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), plan)
    with stage.site.reading() as connection:
        with pytest.raises(Rejected, match="being counted"):
            stage.floor.attachments.one(connection, stage.as_("carl"), digest)
        assert stage.floor.attachments.one(connection, stage.as_("mona"), digest)["erased"] is False


def test_media_is_found_by_the_first_bytes() -> None:
    assert attachments.media_of(b"\x89PNG\r\n\x1a\n123") == "image/png"
    assert attachments.media_of(b"RIFF\x10\x00\x00\x00WEBPVP8 ") == "image/webp"
    assert attachments.media_of(b"%PDF-1.7") == "application/pdf"
    assert attachments.media_of(b"<script>alert(1)</script>") == "text/plain"
