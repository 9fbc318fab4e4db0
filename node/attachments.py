"""Photos and files beside the stock: a salted hash of each is signed into a block, its bytes stay here, erasable.

An attachment says what it is about: an item, a location, an operation and one of its lines. Its note on the chain
carries the commitment (`ledger.documents.commit` over salt and content) as subject, and a document that names what it
is about. The bytes lie in a file named by their SHA-256, so the same photo twice takes its room once. Erasing removes
salt, name and bytes and is itself noted; the chain then holds a hash that nobody can guess back, and still verifies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
from pathlib import Path
from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.documents import commit
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.ids import Actor, OpId
from ledger.people import ADMIN, APPROVE, AUDIT
from ledger.seams import Storage, failpoint
from ledger.wording import shown
from node import catalogue
from node.desk import Answer, Desk, Person
from node.lookups import Lookups
from node.operators import Operators
from node.policies import retention_policy
from node.site import Site
from node.values import Fields

FOLDER = "attachments"
ATTACHED, ERASED = "attachment", "attachment-erased"
# What fits a request of 1 MiB in base64. Tablets make their photos smaller than that before they send them.
CONTENT_BYTES_MAX = 700 * 1024
FREE_SHARE_MIN = 0.2  # of the disk: the rest is for counting
_TEXT = "text/plain"
_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
)

COLUMNS = "number, digest, salt, content, name, media, size, item, location, operation, line, actor, op_id, at_ms"
_EMPTY = "UPDATE attachments SET salt = x'', content = '', name = '', size = 0"


class Attachments:
    """Keeping, showing and erasing them. `folder`: where the bytes lie."""

    def __init__(self, desk: Desk, operators: Operators, lookups: Lookups, storage: Storage) -> None:
        self._desk = desk
        self._operators = operators
        self._lookups = lookups
        self._storage = storage
        self.folder: Path = desk.site.config.folder / FOLDER

    def attach(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Keep `content` (base64, at most 700 KiB) under `name`, about an `item`, a `location`, an `operation` and
        its `line`, at least one of them. Answers {attachment}: the commitment, which names it from here on."""
        fields = Fields(body, "attachment")
        name, content = fields.name("name"), _content(fields.take("content"))
        about = _about(fields)
        fields.done()
        if who.has(AUDIT):
            raise Rejected("an auditor adds nothing to the records of this site but test counts")
        media = media_of(content)
        digest = hashlib.sha256(content).hexdigest()

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            whole = self._checked(connection, who, about)
            self._keep(digest, content)
            salt = self._desk.random.bytes(16)
            commitment = commit(salt, content)
            document = self._desk.document(
                references={kind: str(value) for kind, value in whole.items()}, commitments={"attachment": commitment}
            )
            note = calls.Note(actor=who.actor, kind=ATTACHED, subject=commitment)
            self._desk.site.record(note, op_id=op_id, document=document)
            values = (commitment, salt, digest, name, media, len(content), *(whole.get(kind) for kind in _ABOUT))
            connection.execute(
                f"INSERT INTO attachments ({COLUMNS.partition(', ')[2]}) VALUES (?{', ?' * 12})",  # noqa: S608
                (*values, who.actor.raw, op_id.raw, self._desk.now_ms()),
            )
            # The file is there and no row names it: the next start sweeps it away.
            failpoint("attachment.kept")
            return {"attachment": commitment.hex(), "media": media, "size": len(content)}

        return self._desk.once(op_id, who.actor, "attach", {"name": name, "content": digest, **about}, work)

    def erase(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Remove an attachment's bytes, name and salt for good, with a `reason`; its note stays in the chain."""
        who.need(ADMIN | APPROVE, "erase an attachment")
        fields = Fields(body, "erase")
        commitment, reasons = _hash(fields.take("attachment")), fields.reasons()
        fields.done()

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            retention_policy(connection).need_no_hold()
            row = connection.execute("SELECT content FROM attachments WHERE digest = ?", (commitment,)).fetchone()
            if row is None:
                raise Rejected(f"there is no attachment {commitment.hex()[:8]}… at this site")
            if not row[0]:
                raise Rejected("this attachment was erased before: there is nothing left of it here")
            document = self._desk.document(reasons=reasons)
            note = calls.Note(actor=who.actor, kind=ERASED, subject=commitment)
            self._desk.site.record(note, op_id=op_id, document=document)
            connection.execute(f"{_EMPTY} WHERE digest = ?", (commitment,))
            return {"attachment": commitment.hex(), "erased": True}

        with self._desk.site.erasing():
            answer = self._desk.once(op_id, who.actor, "erase", {"of": commitment, "reasons": list(reasons)}, work)
            # The row is empty already. Should we die now, the next start removes the bytes.
            failpoint("attachment.erased")
            sweep(self._desk.site)
        return answer

    @staticmethod
    def erase_again(connection: Connection) -> int:
        """Remove names and salts of those that the chain says were erased; answers how many. As `erase_before`."""
        return connection.execute(
            f"{_EMPTY} WHERE content <> '' AND digest IN (SELECT subject FROM notes WHERE kind = ?)",  # noqa: S608
            (ERASED,),
        ).rowcount

    @staticmethod
    def erase_before(connection: Connection, moment_ms: int) -> int:
        """Remove names and salts of what was attached before `moment_ms`; answers how many. Their bytes go with
        `sweep`, which the caller calls after the transaction."""
        return connection.execute(f"{_EMPTY} WHERE at_ms < ? AND content <> ''", (moment_ms,)).rowcount

    def of(self, connection: Connection, about: dict[str, Any], after: int | None, most: int) -> list[Answer]:
        """Attachments about all that is named in `about` ({} for every one), newest first, one more than `most`."""
        wish = "".join(f" AND {kind} = ?" for kind in about)
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM attachments WHERE number < ?{wish} ORDER BY number DESC LIMIT ?",  # noqa: S608
            (2**63 - 1 if after is None else after, *about.values(), most + 1),
        ).fetchall()
        return [self._shown(connection, row) for row in rows]

    def one(self, connection: Connection, who: Person, commitment: bytes) -> Answer:
        """An attachment with its `salt`, by which whoever has the file can compute the commitment in the block."""
        row = connection.execute(f"SELECT {COLUMNS} FROM attachments WHERE digest = ?", (commitment,)).fetchone()  # noqa: S608
        if row is None:
            raise Rejected(f"there is no attachment {commitment.hex()[:8]}… at this site")
        if row[9] is not None and not self._lookups.may_open(connection, who, OpId.parse(row[9])):
            raise Rejected("this attachment belongs to a bin that is being counted: later")
        return {**self._shown(connection, row), "salt": bytes(row[2]).hex()}

    def content(self, connection: Connection, who: Person, commitment: bytes) -> tuple[bytes, str, str]:
        """(its bytes, their media type, its name). Corrupt when the disk has other ones."""
        found = self.one(connection, who, commitment)
        if found["erased"]:
            raise Rejected("this attachment was erased: its hash is all that is left")
        (digest,) = connection.execute("SELECT content FROM attachments WHERE digest = ?", (commitment,)).fetchone()
        try:
            content = (self.folder / digest).read_bytes()
        except OSError as error:
            raise Unavailable(f"the file of this attachment cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise Corrupt("the file of this attachment is not the one that was attached")
        return content, found["media"], found["name"]

    def _checked(self, connection: Connection, who: Person, about: dict[str, Any]) -> dict[str, Any]:
        """What it is about, and with a line the line's item: so it stands in that item's history as well."""
        if "item" in about:
            catalogue.need_item(connection, about["item"])
        if "location" in about:
            catalogue.need_bin(connection, about["location"])
        if "operation" not in about:
            return about
        operation = OpId.parse(about["operation"])
        lines = self._lookups.operation(connection, who, operation).get("lines", ())
        number = about.get("line", 0)
        if not 0 <= number < max(1, len(lines)):
            raise Rejected(f"operation {operation} has no line {number}: the first one is line 0")
        return {"item": lines[number]["item"], **about} if "line" in about and lines else about

    def _keep(self, digest: str, content: bytes) -> None:
        """The bytes on the disk, durable before anything names them."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        disk = shutil.disk_usage(self.folder)
        if disk.free < FREE_SHARE_MIN * disk.total:
            raise Unavailable("the disk is nearly full: photos are not taken any more, so that counting can go on")
        try:
            self._storage.replace_file(self.folder / digest, content)
        except OSError as error:
            raise Unavailable(f"the photo cannot be written to the disk: {error.strerror}") from error

    def _shown(self, connection: Connection, row: tuple[Any, ...]) -> Answer:
        number, digest, _, content, name, media, size, item, location, operation, line, actor, op_id, at_ms = row
        return {
            "number": number,
            "attachment": bytes(digest).hex(),
            "name": name,
            "media": media,
            "size": size,
            "item": item,
            "location": location,
            "operation": operation,
            "line": line,
            "by": self._operators.name_of(connection, Actor(bytes(actor))),
            "op_id": bytes(op_id).hex(),
            "at_ms": at_ms,
            "erased": not content,
        }


def sweep(site: Site) -> None:
    """Remove every file that no attachment names: left by a death in between, or erased."""
    folder = site.config.folder / FOLDER
    if not folder.is_dir():
        return
    with site.writing() as connection:
        named = {row[0] for row in connection.execute("SELECT content FROM attachments WHERE content <> ''")}
        for path in folder.iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)
        site.storage.sync_directory(folder)


_ABOUT = ("item", "location", "operation", "line")


def _about(fields: Fields) -> dict[str, Any]:
    """What it is about, by kind."""
    about: dict[str, Any] = {
        "item": fields.text("item", need=False),
        "location": fields.text("location", need=False),
        "operation": str(OpId.parse(value)) if (value := fields.take("operation")) is not None else "",
    }
    about = {kind: value for kind, value in about.items() if value}
    if not about:
        raise Rejected("say what it is about: an item, a location or an operation")
    line = fields.take("line")
    if line is not None:
        if type(line) is not int or "operation" not in about:
            raise Rejected(f"line {shown(line)}: expected the number of a line of `operation`, from 0")
        about["line"] = line
    return about


def _content(value: object) -> bytes:
    if not isinstance(value, str):
        raise Rejected(f"content is {shown(value)}: expected the file in base64")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("content is not base64: send the file's bytes in base64, without line breaks") from error
    if not 0 < len(content) <= CONTENT_BYTES_MAX:
        raise Rejected(f"the file has {len(content)} bytes: expected 1 to {CONTENT_BYTES_MAX}; make it smaller")
    return content


def _hash(value: object) -> bytes:
    if isinstance(value, str) and len(value) == 64:
        try:
            return bytes.fromhex(value)
        except ValueError:
            pass
    raise Rejected(f"attachment is {shown(value)}: expected 64 hex digits")


def media_of(content: bytes) -> str:
    """What a file is, by its first bytes and not by its name: only what a browser can show without running it."""
    for beginning, media in _BEGINNINGS:
        if content.startswith(beginning):
            return media
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Rejected("this is no JPEG, PNG, WebP, PDF or plain text: nothing else is kept")
    return _TEXT
