"""Every dialog that a template or a script makes is opened by tests/browser/test_every_dialog."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.test_every_dialog import SCREENS

WEB = Path(__file__).parents[2] / "web"
OPENING = re.compile(r"<dialog\b([^>]*)>")
BY_SCRIPT = re.compile(r"""(?:createElement|element)\(["']dialog["']""")
NAMED = re.compile(r'\bid="([\w-]+)"')


def dialog_faults(files: dict[str, str], opened: set[tuple[str, str]]) -> list[str]:
    """`files`: text by name; `opened`: file and id of each dialog that the test opens."""
    found, faults = set(), []
    for file, text in files.items():
        for attributes in OPENING.findall(text):
            named = NAMED.search(attributes)
            if named:
                found.add((file, named[1]))
            else:
                faults.append(f"{file}: a dialog has no id, so that nothing can open it")
        if BY_SCRIPT.search(text):
            faults.append(f"{file}: a script makes a dialog: write it into a template")
    faults += [f"{file}: #{name} is not opened by test_every_dialog" for file, name in sorted(found - opened)]
    faults += [f"{file}: #{name} is opened by test_every_dialog and is not there" for file, name in opened - found]
    return faults


def test_every_dialog_is_opened_by_a_test() -> None:
    paths = [*WEB.glob("templates/**/*.html"), *WEB.glob("static/*.js")]
    files = {path.name if "hub" not in path.parts else f"hub/{path.name}": path.read_text() for path in paths}
    assert dialog_faults(files, {each for screen in SCREENS for each in screen.dialogs}) == []


def test_a_dialog_that_no_test_opens_is_found() -> None:
    known = {("a.html", "one")}
    assert dialog_faults({"a.html": '<dialog class="x" id="one">'}, known) == []
    [left] = dialog_faults({"a.html": '<dialog id="one"></dialog><dialog id="two">'}, known)
    assert "#two is not opened" in left
    [other] = dialog_faults({"a.html": '<dialog id="one">', "b.html": '<dialog id="one">'}, known)
    assert other.startswith("b.html")
    [gone] = dialog_faults({"a.html": ""}, known)
    assert "is not there" in gone
    assert len(dialog_faults({"a.html": '<dialog id="one"><dialog>', "c.js": 'element("dialog", {})'}, known)) == 2
