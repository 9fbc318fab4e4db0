"""The last signed head: never contradicted, whatever happened to the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.heads import Heads
from ledger import seams
from ledger.errors import Corrupt, Rejected

ROOT = b"\1" * 32
OTHER = b"\2" * 32


def test_a_head_grows_and_is_never_contradicted(tmp_path: Path) -> None:
    heads = Heads.create(tmp_path / "heads.db")
    heads.advance("acme/hub", 5, ROOT, [b"5"])
    heads.advance("acme/hub", 5, ROOT, [b"5"])
    heads.advance("acme/site/oslo/1", 1, OTHER)
    for size, root in ((5, OTHER), (4, ROOT), (4, OTHER)):
        with pytest.raises(Corrupt, match="signed already"):
            heads.advance("acme/hub", size, root)
    heads.close()
    again = Heads.open(tmp_path / "heads.db")
    head = again.get("acme/hub")
    assert head is not None and (head.size, head.root, again.kept("acme/hub", 4, 5)) == (5, ROOT, [b"5"])
    again.advance("acme/hub", 6, OTHER)
    assert again.get("nobody") is None
    again.close()


def test_a_promise_is_kept_after_a_kill(tmp_path: Path) -> None:
    heads = Heads.create(tmp_path / "heads.db")

    def die(name: str) -> None:
        raise seams.Killed(name)

    seams.arm_failpoint("hub.head_promised", die)
    with pytest.raises(seams.Killed):
        heads.advance("acme/hub", 5, ROOT)
    seams.disarm_failpoints()
    with pytest.raises(Corrupt):
        heads.advance("acme/hub", 5, OTHER)
    heads.advance("acme/hub", 5, ROOT)
    heads.close()


def test_an_existing_file_is_never_started_anew(tmp_path: Path) -> None:
    Heads.create(tmp_path / "heads.db").close()
    with pytest.raises(Rejected):
        Heads.create(tmp_path / "heads.db")
    (tmp_path / "heads.db").unlink()
    with pytest.raises(Rejected, match="put back its newest copy"):
        Heads.open(tmp_path / "heads.db")
