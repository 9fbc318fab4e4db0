"""Settings: what is printed is what is read, and what cannot be stops the start with one plain line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import settings
from ledger.errors import Rejected
from node import config


def parse(text: str, folder: Path = Path("/srv/node")) -> config.NodeConfig:
    return settings.parse(config.NodeConfig, text.encode(), "node.toml", folder)


def test_the_first_file_is_a_complete_configuration(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(config.first_file("oslo"))
    loaded = config.load(tmp_path)
    assert loaded.site == "oslo"
    assert loaded.web.host == "127.0.0.1"
    assert loaded.path(loaded.keys.block_file) == tmp_path / "keys/block.key"


def test_what_is_printed_reads_back_to_the_same() -> None:
    text = 'site = "oslo"\ndevices = ["serial:///dev/ttyS0?baud=9600"]\n[web]\nport = 1234\n[hub]\ndiscover = false\n'
    loaded = parse(text)
    again = parse(settings.render(loaded))
    assert again == loaded
    assert settings.as_dict(loaded) == tomllib.loads(settings.render(loaded))
    assert "(default 8470)" in settings.render(loaded)


def test_labels_have_a_check_character_where_that_is_set() -> None:
    plain, checked = parse('site = "oslo"'), parse('site = "oslo"\n[labels]\ncheck_character = true\n')
    assert plain.own_labels().printed("bin", "A-01") == "BIN:A-01"
    label = checked.own_labels().printed("bin", "A-01")
    assert len(label) == 9 and checked.own_labels().match(label) == ("bin", "A-01")
    with pytest.raises(Rejected, match="check character"):
        checked.own_labels().match("BIN:A-01")


def test_every_setting_is_printed_with_a_reason() -> None:
    lines = settings.render(parse('site = "oslo"')).splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ") and len(lines[number - 1]) > 10, line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'site' is missing"),
        ('site = "Oslo"', "'Oslo'; expected a site name"),
        ('site = "oslo"\nsealing = 3', "expected a table"),
        ('site = "oslo"\ncolour = "red"', "unknown setting 'colour'"),
        ('site = "oslo"\n[web]\nprot = 1', "unknown setting 'web.prot'"),
        ('site = "oslo"\nfolder = "/"', "unknown setting 'folder'"),
        ('site = "oslo"\n[web]\nport = "80"', "expected a whole number"),
        ('site = "oslo"\n[web]\nport = true', "'web.port' is true; expected a whole number"),
        ("site = true", "'site' is true; expected text"),
        ("site = 2026-01-02", "'site' is 2026-01-02; expected text"),
        ('site = "oslo"\ndevices = [true, "x"]', "'devices' is [true, \"x\"]; expected a list of texts"),
        ('site = "oslo"\nweb = [false]', "'web' is [false]; expected a table"),
        ('site = "oslo"\n[web]\nport = 8.5', "expected a whole number"),
        ('site = "oslo"\n[web]\nport = 70000', "from 0 to 65535"),
        ('site = "oslo"\n[web]\nhost = "no such host"', "name or IP address"),
        ('site = "oslo"\n[web]\nhost = ""', "name or IP address"),
        ('site = "oslo"\n[hub]\ndiscover = 1', "expected true or false"),
        ('site = "oslo"\n[hub]\nurl = "ftp://hub"', "an address such as"),
        ('site = "oslo"\n[hub]\nurl = "http://user@hub"', "an address such as"),
        ('site = "oslo"\n[hub]\nurl = "http://user:pass@hub"', "an address such as"),
        ('site = "oslo"\n[hub]\nurl = "file:///etc/passwd"', "an address such as"),
        ('site = "oslo"\n[sealing]\nage_ms_max = 0', "from 1000 to"),
        ('site = "oslo"\n[sealing]\nage_ms_max = -1', "from 1000 to"),
        ('site = "oslo"\r\n[web]\r\nport =\t99999', "from 0 to 65535"),
        ('\ufeffsite = "oslo"', "is not TOML"),
        ('site = "oslo"\n[sealing]\ninterval_ms_min = 10', "from 1000 to"),
        ('site = "oslo"\ndevices = [1]', "expected a list of texts"),
        ('site = "oslo"\ndevices = ["/dev/ttyS0"]', "addresses of devices"),
        ('site = "oslo"\nlog_level = "loud"', "one of debug"),
        ("site = [", "is not TOML"),
        ('site = "oslo"\nsite = "bergen"', "is not TOML"),
        ('site = "oslo"\ndevices = ' + "[" * 5000, "is not TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(text)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_said_in_plain_words() -> None:
    with pytest.raises(Rejected, match="is not TOML: it is no UTF-8 text"):
        settings.parse(config.NodeConfig, b"site = \xff", "node.toml", Path("."))


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="tallyman node init"):
        config.load(tmp_path)


@given(st.text(max_size=40))
def test_init_writes_only_names_that_it_can_read(site: str) -> None:
    try:
        text = config.first_file(site)
    except Rejected:
        return
    assert parse(text).site == site


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_refused(raw: bytes) -> None:
    try:
        settings.parse(config.NodeConfig, raw, "node.toml", Path("."))
    except Rejected as refused:
        assert str(refused)
