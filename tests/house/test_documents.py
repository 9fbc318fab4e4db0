"""Commands and settings are documented, and the README is true about them."""

from __future__ import annotations

import re

import pytest

import tallyman
from tests.house import documents
from tests.house.source import PACKAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_page_is_the_settings() -> None:
    assert documents.SETTINGS.read_text("utf-8") == documents.settings_page(), "run python -m tests.house.documents"


def test_the_api_page_is_the_api() -> None:
    assert documents.API.read_text("utf-8") == documents.api_page(), "run python -m tests.house.documents"


@pytest.mark.parametrize("words", documents.commands(), ids=" ".join)
def test_every_command_has_help_and_stands_in_the_readme(words: tuple[str, ...]) -> None:
    assert len(documents.help_of(*words)) > 60
    # The README lists sub-commands as `tallyman node init | enrol CODE | …`.
    row = next((line for line in README.splitlines() if line.startswith(f"tallyman {words[0]}")), "")
    assert len(words) == 1 or re.search(rf"\b{words[1]}\b", row), f"`tallyman {' '.join(words)}` is not in the README"


def test_commands_of_the_readme_exist() -> None:
    known = {" ".join(words) for words in documents.commands()}
    named = set(re.findall(r"`tallyman ((?:node|hub|devices) [a-z-]+)", README))
    assert named <= known, f"the README names {sorted(named - known)}"


def test_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`| {2,})make ([a-z]+)", README, re.MULTILINE))
    assert named and named <= targets


def test_a_wrong_command_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert tallyman.main(["counting"]) == 2
    assert "node" in capsys.readouterr().err


def test_files_the_readme_names_exist() -> None:
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|vy))`", README):
        assert (ROOT / path).exists(), f"the README names {path}"
    assert all((ROOT / package).is_dir() for package in PACKAGES)


def test_the_version_is_the_one_of_setup(capsys: pytest.CaptureFixture[str]) -> None:
    assert tallyman.main(["--version"]) == 0
    said = capsys.readouterr().out.strip()
    assert said == "tallyman " + re.findall(r'version="([^"]+)"', (ROOT / "setup.py").read_text())[0]


def test_the_pictures_of_the_readme_are_taken_by_tests() -> None:
    shown = re.findall(r"\(docs/screenshots/([a-z-]+)\.png\)", README)
    kept = {path.stem for path in (ROOT / "docs" / "screenshots").iterdir()}
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    taken = set(re.findall(r'picture\([a-z]+, "([a-z-]+)"\)', sources))
    assert len(shown) >= 5 and set(shown) == kept == taken
