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
from node.config import NodeConfig
from tests.house.source import ROOT

SETTINGS = ROOT / "docs" / "settings.md"


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
