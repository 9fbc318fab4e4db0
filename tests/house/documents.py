"""Documents that follow from the code: `python -m tests.house.documents` writes them, a test compares them."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

import tallyman
from hub.config import HubConfig
from ledger import settings
from ledger.people import role_names
from node.config import NodeConfig
from tests.house.source import ROOT
from web import node_api, node_events
from web.routes import OPEN

SETTINGS = ROOT / "docs" / "settings.md"
API = ROOT / "docs" / "api.md"
API_WORDS = """# The node's API

Derived from the table that also makes the rules, the permission checks and `/api/v1/openapi.json`, where every member
is described. Written by `python -m tests.house.documents`.

- **Who asks**: `Authorization: Bearer TOKEN`, the token from `auth/login` or `auth/register`. It ends when it is not
  used, or twelve hours after badge and PIN; `auth/refresh` gives a new one for it.
- **op_id**: an act carries an `op_id` (32 hex digits) in its body, or an `Idempotency-Key`. The same one again gets
  the same answer; with other content it is refused (422).
- **pages**: `limit` (1 to 200) and `cursor`, the `next` of the page before. No list holds more than 200 rows.
- **ETag** stands on every JSON answer to GET; **If-Match** on a decision makes it hold only for what was seen. It is
  never passed over (RFC 9110): where nothing has an ETag that could be compared, only `*` holds, and others get 412.
- **Examples** of all requests stand in the description; they tell of one day and name each other.
- A slash in a code is written `%2F`. Refusals are RFC 9457 problems whose `detail` says what to do.

| | address | who | | what |
|---|---|---|---|---|
"""


def settings_page() -> str:
    """Every setting of node and hub with its default and reason."""
    return (
        "# Settings\n\n"
        "TOML. Every setting has the default shown; an unknown key, a value that cannot be, and a missing or too\n"
        "open key file stop the start with one plain line. `tallyman node config` and `tallyman hub config` print\n"
        "those in force. Written by `python -m tests.house.documents`.\n\n"
        f"## Node: `node.toml`\n\n```toml\n{settings.render(NodeConfig())}\n```\n\n"
        f"## Hub: `hub.toml`\n\n```toml\n{settings.render(HubConfig())}\n```\n"
    )


def api_page() -> str:
    """Every address of the node's API with who may ask."""
    rows = []
    for route in (*node_api.ROUTES, node_events.EVENTS):
        who = "everybody" if route.allow is OPEN else " or ".join(role_names(route.roles or 0)) or "logged in"
        marks = " · ".join(
            word
            for word, holds in (("op_id", route.act), ("pages", route.keys), ("If-Match", route.version))
            if holds
        )
        rows.append(f"| {route.method} | `{route.path}` | {who} | {marks} | {route.summary} |")
    return API_WORDS + "\n".join(rows) + "\n"


def help_of(*words: str) -> str:
    """What `tallyman WORDS --help` prints; raises AssertionError when it ends with another code than 0."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), mock.patch.dict(os.environ, {"COLUMNS": "100"}):
        try:
            code = tallyman.main([*words, "--help"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    assert code == 0, f"tallyman {' '.join(words)} --help ended with {code}"
    return out.getvalue()


def commands() -> list[tuple[str, ...]]:
    """Every command and sub-command, as its help names them."""
    found: list[tuple[str, ...]] = []
    for name in tallyman.COMMANDS:
        found.append((name,))
        text = help_of(name)
        part = text.partition("positional arguments:")[2].partition("options:")[0]
        found += [(name, word) for word in re.findall(r"^    ([a-z][a-z-]+)(?:\s|$)", part, re.MULTILINE)]
    return found


if __name__ == "__main__":
    Path(SETTINGS).write_text(settings_page(), encoding="utf-8")
    Path(API).write_text(api_page(), encoding="utf-8")
