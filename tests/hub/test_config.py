"""Settings: everything has a reason, and nothing unknown or impossible starts a hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub import config
from hub.config import HubConfig
from ledger import settings
from ledger.errors import Rejected

FOLDER = Path("/srv/hub")


def _parse(text: str) -> HubConfig:
    return settings.parse(HubConfig, text.encode(), "hub.toml", FOLDER)


def test_the_first_file_is_enough_and_the_rendered_one_reads_back_to_the_same() -> None:
    parsed = _parse(config.first_file({"org": "acme", "web.port": 0, "chain.chain_id": 7}))
    assert (parsed.org, parsed.web.port, parsed.chain.chain_id, parsed.name) == ("acme", 0, 7, "acme/hub")
    assert _parse(settings.render(parsed)) == parsed
    assert parsed.path("keys/log.key") == FOLDER / "keys/log.key"
    assert parsed.database_url() == "sqlite:////srv/hub/hub.db"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'org' is missing"),
        ('org = "acme"\ncolour = "red"', "unknown setting 'colour'"),
        ('org = "acme"\n[web]\nport = 70000', "web.port"),
        ('org = "acme"\n[web]\nport = "8080"', "expected a whole number"),
        ('org = "acme"\n[web]\nport = true', "expected a whole number"),
        ('org = "acme"\nweb = 5', "expected a table"),
        ('org = "ACME"', "org"),
        ('org = "acme"\n[chain]\nkind = "geth"', "embedded, rpc"),
        ('org = "acme"\n[chain]\nurl = "file:///etc"', "chain.url"),
        ('org = "acme"\n[chain]\ncontract = "0x12"', "chain.contract"),
        ('org = "acme"\n[chain]\nconfirmations = -1', "from 0"),
        ('org = "acme"\n[rules]\nvariance_percent_max = 1.5', "whole number"),
        ('org = "acme"\ndatabase = "mysql://x"', "database"),
        ("org = acme", "is not TOML"),
        ('org = "a' + "[" * 100_000, "is not TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(Rejected) as refused:
        _parse(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_an_rpc_chain_without_address_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="hub init"):
        config.load(tmp_path)
    (tmp_path / "hub.toml").write_text('org = "acme"\n[chain]\nkind = "rpc"\n')
    with pytest.raises(Rejected, match=r"chain\.url"):
        config.load(tmp_path)
