"""What a tablet says: every text of templates, scripts and Python that is marked for translation, and every one that
should be. `python -m tests.house.words` brings the catalogues in `web/words` up to date: new messages stand there
empty and have to be translated by a person who knows the language.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_javascript, extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from tests.house.source import ROOT
from web.languages import LANGUAGES, WORDS

WEB = ROOT / "web"
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None, "gettext": None, "ngettext": (1, 2), "n_": (1, 2), "N_": None,
}  # fmt: skip
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# What is wrong with a label is for whoever holds it, also where it says what was expected.
DECODERS = tuple(
    f"devices/decoders/{name}"
    for name in ("associations", "content", "coupons", "dates", "elements", "identifiers", "labels", "link",
                 "numbers", "scan", "symbology")
)  # fmt: skip
OF_SETTINGS = re.compile(r"labels\.|label prefix|a label with a check character")
# Whose refusals and questions people on the floor meet; what programs alone can meet says what was "expected".
RULES = tuple(
    f"{name}.py"
    for name in [
        *DECODERS,
        "devices/journal",
        "devices/pictures",
        "devices/protocols/scales",
        "devices/protocols/telnet",
        "devices/rows",
        "devices/scales",
        "devices/supervisor",
        "devices/thread",
        "devices/transports/descriptor",
        "devices/transports/nodes",
        "devices/transports/pipe",
        "devices/transports/serial",
        "devices/transports/tcp",
        "ledger/counts",
        "ledger/documents",
        "ledger/ids",
        "ledger/people",
        "ledger/plans",
        "ledger/policy",
        "ledger/spelling",
        "node/agents/monitor",
        "node/alerts",
        "node/attachments",
        "node/notes",
        "node/audit",
        "node/catalogue",
        "node/control",
        "node/counting",
        "node/counting_amounts",
        "node/counting_certificates",
        "node/counting_choosing",
        "node/counting_close",
        "node/counting_csv",
        "node/counting_late",
        "node/counting_lines",
        "node/counting_plans",
        "node/counting_posting",
        "node/counting_relocations",
        "node/counting_reports",
        "node/counting_review",
        "node/counting_sessions",
        "node/counting_shared",
        "node/counting_sheets",
        "node/counting_units",
        "node/deliveries",
        "node/desk",
        "node/dispatch_paper",
        "node/drafts",
        "node/holds",
        "node/incoming",
        "node/keeper",
        "node/limits",
        "node/lookups",
        "node/operators",
        "node/orders",
        "node/parking",
        "node/parts",
        "node/picking",
        "node/picking_lists",
        "node/policies",
        "node/proofs",
        "node/proposals",
        "node/reversing",
        "node/rounds",
        "node/scanning",
        "node/second_factors",
        "node/sent",
        "node/site",
        "node/stations",
        "node/stock",
        "node/stock_documents",
        "node/stock_goods",
        "node/tablets",
        "node/tasks",
        "node/throttle",
        "node/transfers",
        "node/undecided",
        "node/uplink",
        "node/values",
        "node/units",
        "node/weighing",
        "node/wiring",
        "sync/client",
        "sync/cycle",
        "web/kit",
        "web/node_api_attachments",
        "web/node_api_notes",
        "web/node_api_audit",
        "web/node_api_devices",
        "web/node_api_people",
        "web/node_api_sheets",
        "web/node_api_stock",
        "web/node_app",
        "web/node_ask",
        "web/node_certificates",
        "web/node_days",
        "web/node_events",
        "web/node_floor",
        "web/node_pages",
        "web/node_review",
        "web/node_setup",
        "web/node_words",
    ]
)
NOT_FOR_PEOPLE = {"Corrupt", "Invalid", "RuntimeError", "ValueError"}
FOR_PROGRAMS = re.compile(
    r"= \?|\bt\.|: expected|op_id|base64|`|canonical|it says|characters: at most"
    r"|line \S+ of the transfer|a number that cannot be"
    r"|(?:16|32) bytes|plan is bytes|raw[- ]read|a part is two|an actor id|^incarnation|client's id|context of a read"
    r"|half a byte|references and|text id|share, a whole number"
)
SAID_AS = {
    "why",
    "ask",
    "trouble",
    "asked",
    "words",
    "action",
    "ASK",
    "ASK_SILENT",
    "ASK_BATTERY",
    "SURE",
    "SURE_OF_ITEMS",
    "WRONG",
}  # names under which a rule keeps what it says
HELD_AS = SAID_AS | {"_SENT_AGAIN", "doubt", "problem", "problems", "refusal", "warnings"}  # the same of values
ROLE_ASKED = {"need", "may_see"}  # take a role and what it is needed for
GIVEN_TO = {"Finding", "alerts.append", "problems.append"}  # what takes words
# The hub's console speaks English only.
ENGLISH_ONLY = ("templates/hub/", "static/console.js")


@dataclass(frozen=True, slots=True)
class Said:
    """A marked message: its English, or (one, many), and the file it stands in."""

    text: str | tuple[str, str]
    where: str


def files(folder: str, ending: str) -> list[Path]:
    """The sources that a tablet shows, in order."""
    found = sorted((WEB / folder).rglob(f"*{ending}")) if folder else sorted(WEB.glob(f"*{ending}"))
    return [path for path in found if not path.relative_to(WEB).as_posix().startswith(ENGLISH_ONLY)]


@cache
def marked() -> tuple[Said, ...]:
    """Every marked message of the tablet's sources, read once: no source changes while a program runs."""
    return tuple(_marked())


def _marked() -> Iterator[Said]:
    for path in files("templates", ".html"):
        with path.open("rb") as file:
            yield from _said(babel_extract(file, list(KEYWORDS), [], {"newstyle_gettext": "true"}), path)
    for path in files("static", ".js"):
        with path.open("rb") as file:
            yield from _said(extract_javascript(file, list(KEYWORDS), [], {"parse_template_string": True}), path)
    for path in files("", ".py"):
        with path.open("rb") as file:
            yield from _said(extract_python(file, list(KEYWORDS), [], {}), path)
    for name in RULES:
        for_others = OF_SETTINGS if name.removesuffix(".py") in DECODERS else FOR_PROGRAMS
        for text in sentences(ast.parse((ROOT / name).read_text("utf-8")), for_others):
            yield Said(text, name)


def sentences(tree: ast.Module, for_others: re.Pattern[str] = FOR_PROGRAMS) -> Iterator[str]:
    """What a module's rules say to people, with numbered places for what changes: refusals, `why` and `ask`, and what
    a function answers that gives words."""
    for node in ast.walk(tree):
        for root in _spoken(node):
            for each in _texts(root):
                words = PLACEHOLDER.sub("", each)
                if re.search(r"[a-z]{2,}[,:;.]? .*[a-z]{2,}", words) and not for_others.search(words):
                    yield each


def _spoken(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        yield from () if getattr(node.exc.func, "id", "") in NOT_FOR_PEOPLE else node.exc.args
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in GIVEN_TO:
        yield from node.args
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ROLE_ASKED and len(node.args) == 2:
        yield node.args[1]
    elif isinstance(node, ast.Dict):
        yield from (value for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in SAID_AS)  # fmt: skip
    elif (
        isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.keyword)
        and HELD_AS & _names(node)
        and node.value
    ):
        yield node.value
    elif isinstance(node, ast.FunctionDef) and getattr(node.returns, "id", "") == "str":
        yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None)


def _names(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.keyword) -> set[str]:
    """What a value is assigned to or given as."""
    if isinstance(node, ast.keyword):
        return {node.arg or ""}
    return {
        getattr(name, "id", getattr(name, "attr", ""))
        for name in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        places = iter(range(1, len(node.values) + 1))
        yield "".join(each.value if isinstance(each, ast.Constant) else f"%({next(places)})s" for each in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _said(found: object, path: Path) -> Iterator[Said]:
    where = path.relative_to(ROOT).as_posix()
    for _line, keyword, texts, _ in found:  # type: ignore[attr-defined]
        parts = [text for text in ([texts] if isinstance(texts, str) else texts or ()) if isinstance(text, str)]
        if keyword in ("ngettext", "n_") and len(parts) >= 2:
            yield Said((parts[0], parts[1]), where)
        elif parts:
            yield Said(parts[0], where)


def template() -> Catalog:
    """All messages with the files they stand in, without translations."""
    catalog = Catalog()
    for said in marked():
        known = catalog.get(said.text)
        if known is None or (said.where, None) not in known.locations:
            catalog.add(said.text, locations=[(said.where, None)], flags=_flags(said.text))
    return catalog


def _flags(text: str | tuple[str, str]) -> list[str]:
    joined = text if isinstance(text, str) else " ".join(text)
    return ["python-format"] if PLACEHOLDER.search(joined) else []


def read(language: str) -> Catalog:
    """The catalogue as it stands in the tree."""
    with (WORDS / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def written(catalog: Catalog) -> bytes:
    """A catalogue as it is kept: sorted, one message a line, with files and no line numbers."""
    text = io.BytesIO()
    write_po(text, catalog, width=0, sort_output=True, omit_header=False, ignore_obsolete=True, include_lineno=False)
    return text.getvalue()


def update(language: str) -> int:
    """Bring a catalogue up to date and say how many messages wait for a translation."""
    path, source = WORDS / f"{language}.po", template()
    old = read(language) if path.exists() else Catalog(locale=language)
    new = Catalog(
        locale=language,
        project="Tallyman",
        version="1",
        msgid_bugs_address="none",
        last_translator="the project",
        language_team=language,
        charset="utf-8",
        fuzzy=False,
        header_comment=f"# {language}",
    )
    for message in source:
        if not message.id:
            continue
        known = old.get(message.id if isinstance(message.id, str) else message.id[0])
        same = known is not None and known.id == message.id
        new.add(message.id, known.string if known is not None and same else "", locations=message.locations,
                flags=message.flags)  # fmt: skip
    _still(new)
    path.write_bytes(written(new))
    return sum(1 for message in new if message.id and not complete(message))


def _still(catalog: Catalog) -> None:
    """No dates: the same messages give the same file."""
    from datetime import UTC, datetime

    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)


def complete(message: Message) -> bool:
    """Whether every form is there."""
    return bool(message.string) and (isinstance(message.string, str) or all(message.string))


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != "en":
            print(f"{language}: {update(language)} to translate", file=sys.stderr)
