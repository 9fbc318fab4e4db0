"""The heads of answers: under which name a file is kept, and for whose eyes a text is."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.web import kit
from web.kit import kept_as

JPEG = b"\xff\xd8\xff\xe0" + bytes(20)


@pytest.mark.parametrize(
    ("name", "plain", "kept"),
    [
        ("pallet.JPG", "pallet.JPG", "pallet.JPG"),
        ("Lieferschein für Öl", "Lieferschein f_r _l.jpg", "Lieferschein für Öl.jpg"),
        ("صورة", "____.jpg", "صورة.jpg"),
        ("run.exe", "run.exe.jpg", "run.exe.jpg"),
        ("../../.bashrc", "_.._.bashrc.jpg", "_.._.bashrc.jpg"),
        ('a";x="b\\c\r\nSet-Cookie: d', "a__x=_b_c__Set-Cookie_ d.jpg", "a__x=_b_c__Set-Cookie_ d.jpg"),
        ("\u202egpj.exe", "_gpj.exe.jpg", "_gpj.exe.jpg"),
        ("50 % off", "50 % off.jpg", "50 % off.jpg"),
        ("...", "file.jpg", "file.jpg"),
    ],
)
def test_a_file_is_kept_under_a_name_that_does_no_harm(name: str, plain: str, kept: str) -> None:
    said = kept_as(name, (".jpg", ".jpeg"))
    match = re.fullmatch(r"""attachment; filename="([^"\\%]*)"; filename\*=UTF-8''([!-~]+)""", said)
    assert match and match[1] == plain.replace("%", "_") and unquote(match[2]) == kept


def test_an_attachment_has_its_name_and_nothing_of_it_runs(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = kit.logged_in(app, "mona")
        for number, (name, content, media, way, ending) in enumerate(
            (
                ("Kante ß", JPEG, "image/jpeg", "inline", ".jpg"),
                ("x.html", b"<script>", "text/plain", "attachment", ".txt"),
            )
        ):
            wish = {"op_id": f"{number + 1:032x}", "name": name, "content": base64.b64encode(content).decode()}
            made = client.post("/api/v1/attachments/", json={**wish, "item": "BOLT"})
            assert made.status_code == 200, made.text
            answer = client.get(f"/api/v1/attachments/{made.get_json()['attachment']}/content")
            assert answer.data == content and answer.mimetype == media
            assert answer.headers["Content-Disposition"] == kept_as(name, (ending,), way)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_what_depends_on_the_reader_says_so(tmp_path: Path) -> None:
    """A cache, or a reader's own browser, must not show one reader what was said to another."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = kit.logged_in(app, "mona")
        for path in ("/", "/login", "/nothing", "/api/v1/nothing", "/api/v1/status", "/api/v1/inventory/", "/setup"):
            for language in ("de", "ar"):
                answer = client.get(path, headers={"Accept-Language": language, "Accept": "text/html"})
                assert answer.headers["Content-Language"] == language, path
                assert {"accept-language", "cookie"} <= answer.vary.as_set(), path
        tagged = client.get("/api/v1/inventory/")
        known = {"If-None-Match": tagged.headers["ETag"], "Accept-Language": "de"}
        same = client.get("/api/v1/inventory/", headers=known)
        assert same.status_code == 304 and same.vary.as_set() == {"authorization", "cookie", "accept-language"}
        # What has its language in its address, or none, is one and the same to everybody.
        with app.app_context():
            version = app.extensions["version"].now()
        alone = {"/offline/de": "de", f"/s/{version}/words/de.json": "de", "/api/v1/openapi.json": "en"}
        plain = dict.fromkeys((f"/s/{version}/tallyman.css", "/sw.js", "/manifest.webmanifest", "/metrics"))
        for path, said in {**alone, **plain}.items():
            answer = client.get(path, headers={"Accept-Language": "ar"})
            assert answer.headers.get("Content-Language") == said, path
            assert "accept-language" not in answer.vary.as_set(), path
