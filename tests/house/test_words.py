"""Whatever a tablet says is marked for translation, and every catalogue says all of it."""

from __future__ import annotations

import ast
import re

import pytest
from babel.messages.catalog import Catalog, Message

from tests.house import words
from web.languages import ENGLISH, LANGUAGES

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
# Names and units that are the same in every language.
SAME = {"Tallyman", "CSV", "T"}


def catalogue_faults(catalog: Catalog) -> list[str]:
    """What is missing, empty, fuzzy or differs in its placeholders, each as a sentence."""
    faults = []
    wanted = {message.id: message for message in words.template() if message.id}
    known = {message.id: message for message in catalog if message.id}
    faults += [
        f"{text!r} is missing: run `python -m tests.house.words` and translate it"
        for text in wanted.keys() - known.keys()
    ]
    faults += [f"{text!r} is said nowhere any more" for text in known.keys() - wanted.keys()]
    for text, message in known.items():
        if not words.complete(message):
            faults.append(f"{text!r} is not translated")
        elif message.fuzzy:
            faults.append(f"{text!r} is fuzzy")
        else:
            faults += placeholder_faults(message, catalog.num_plurals)
        if text in wanted and {path for path, _ in message.locations} != {path for path, _ in wanted[text].locations}:
            faults.append(f"{text!r} stands in other files by now: run `python -m tests.house.words`")
    return faults


def placeholder_faults(message: Message, forms: int) -> list[str]:
    """A plural form may leave out its number (Arabic says "two days" in one word), and nothing else."""
    plural = not isinstance(message.id, str)
    wanted = set(words.PLACEHOLDER.findall(" ".join(message.id) if plural else message.id))
    said = list(message.string) if plural else [message.string]
    found = [set(words.PLACEHOLDER.findall(each)) for each in said]
    faults = [f"{message.id!r}: {each!r} has other placeholders" for each, names in zip(said, found, strict=True)
              if not (wanted - {"num"} <= names <= wanted if plural else names == wanted)]  # fmt: skip
    if plural and len(said) != forms:
        faults.append(f"{message.id!r} has {len(said)} plural forms: expected {forms}")
    return faults


@pytest.mark.parametrize("language", OTHERS)
def test_every_catalogue_is_complete(language: str) -> None:
    assert catalogue_faults(words.read(language)) == []


# What stands there is met by whoever starts a process, types a command or calls the API wrongly, or reads at
# the hub what a site could not book: in English.
AT_A_COMMAND = {
    "node/certificates", "node/cli", "node/config", "node/enrolling", "node/founding", "node/hub_approvals",
    "node/identity",
    "web/languages", "web/node_api", "web/server",
}  # fmt: skip


def test_no_module_of_the_tablet_is_forgotten() -> None:
    """What a module of the node refuses or tells people is collected, or it is said why not."""
    known = {name.removesuffix(".py") for name in words.RULES}
    found = [path for folder in ("node", "web") for path in sorted((words.ROOT / folder).rglob("*.py"))]
    names = {path.relative_to(words.ROOT).with_suffix("").as_posix(): path for path in found}
    told = {name for name, path in names.items() if not name.startswith("web/hub")
            and any(words.sentences(ast.parse(path.read_text("utf-8"))))}  # fmt: skip
    assert told - known == AT_A_COMMAND


def test_an_incomplete_catalogue_is_found() -> None:
    catalog = words.read("de")
    messages = [message for message in catalog if message.id and "%(" in str(message.id)]
    gone, empty, other = messages[:3]
    catalog.delete(gone.id if isinstance(gone.id, str) else gone.id[0])
    empty.string = "" if isinstance(empty.id, str) else ("", "")
    other.string = "%(planted)s" if isinstance(other.id, str) else ("%(planted)s",) * 2
    catalog.add("planted", string="gepflanzt", locations=[("web/planted.js", None)])
    found = "\n".join(catalogue_faults(catalog))
    for fault in ("is missing", "is not translated", "other placeholders", "said nowhere"):
        assert fault in found


STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
MARKED = re.compile(rf"(?<![\w$.])(?:_|n_|ngettext)\(\s*(?:(?:{STRING})\s*,?\s*)+")
# What no person reads: keys of what a tablet keeps, a kind of refusal, names of keys of a keyboard.
KEYS = re.compile(r"held|basket|A reason is needed|Enter|Tab|Backspace|Escape|Date")


def reads_like_words(text: str) -> bool:
    """A caption or a sentence; not a code, a name of a file or a class, an address or a piece of HTML."""
    selectors = re.fullmatch(r"[A-Z]?[\w\-]*(, [\w\-\[\]:()]+)+", text)
    if KEYS.fullmatch(text.strip()) or text.startswith("<") or selectors:
        return False
    return bool(re.fullmatch(r"[A-Z][a-z]+[…:.?!]?|.*[A-Za-z]{2,}[,:;.]? [A-Za-z]{2,}.*", text, re.S))


def unmarked(template: str) -> list[str]:
    """Visible words of a template that stand there as they are: between tags, in attributes, in expressions."""
    template = re.sub(r"\{#.*?#\}", "", template, flags=re.S)
    expressions = re.findall(r"\{[{%](.*?)[%}]\}", template, flags=re.S)
    chosen = [text[1:-1] for each in expressions for text in re.findall(STRING, MARKED.sub("", each))]
    plain = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<script.*?</script>", "\x00", template, flags=re.S)
    told = re.findall(r'(?:aria-label|placeholder|title|alt|data-(?:done|scan|sure|words))="([^"]*)"', plain)
    text = re.sub(r"<[^>]*>", "\x00", plain).split("\x00")
    return [each.strip() for each in told + text if re.search(r"[A-Za-z]{2}", re.sub(r"&\w+;", "", each))
            and each.strip(" ·") not in SAME] + [each for each in chosen if reads_like_words(each)]  # fmt: skip


def unmarked_in_script(script: str) -> list[str]:
    """Texts of a script that read like a sentence or a caption and stand in no `_` or `n_`."""
    code = re.sub(r"(?m)(^|\s)//.*$", "", script)
    code = re.sub(r"(?<=[=(,\s])'[^'\n]*'", "", MARKED.sub("", code))
    code = re.sub(
        r'(?:className|class|import .*? from|querySelector(?:All)?|closest|getElementById)\s*[:(]?\s*"[^"]*"',
        "",
        code,
    )
    code = re.sub(r"console\.\w+\([^)]*\)|new Error\(\"the tablet's disk took nothing\"\)", "", code)
    found = [text for text in re.findall(r'"((?:[^"\\]|\\.)*)"', code) if reads_like_words(text)]
    return found + [piece for piece in pieces(code) if of_a_sentence(piece)]


def of_a_sentence(piece: str) -> bool:
    """What stands beside a value in a template literal: a word of its own, set off by a space."""
    word = re.search(r"(^|\s)[A-Za-z]{2,}[,:;.?!]?(\s|$)", piece)
    return word is not None and " " in piece and not KEYS.fullmatch(piece.strip())


def pieces(code: str) -> list[str]:
    """The constant parts of every template literal, also of those inside another."""
    found, open_, piece, at = [], [], "", 0
    while at < len(code):
        inside = bool(open_) and open_[-1] == "`"
        if code[at] == "`":
            if inside:
                found.append(piece)
                open_.pop()
            else:
                open_.append("`")
            piece = ""
        elif inside and code.startswith("${", at):
            found.append(piece)
            piece, at = "", at + 1
            open_.append("{")
        elif inside:
            piece += code[at]
        elif open_ and code[at] == "{":
            open_.append("{")
        elif open_ and code[at] == "}":
            open_.pop()
        at += 1
    return [each for each in found if each]


@pytest.mark.parametrize("path", words.files("templates", ".html"), ids=lambda path: path.name)
def test_every_text_of_a_template_is_marked(path) -> None:  # type: ignore[no-untyped-def]
    assert unmarked(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", words.files("static", ".js"), ids=lambda path: path.name)
def test_every_text_of_a_script_is_marked(path) -> None:  # type: ignore[no-untyped-def]
    assert unmarked_in_script(path.read_text("utf-8")) == []


def test_an_unmarked_text_is_found() -> None:
    assert unmarked('<p>Planted words</p><b title="Planted">{{ _("marked") }}</b>') == ["Planted", "Planted words"]
    chosen = """<p data-done="{{ 'Planted' if x else _('Marked words') }}">{% call w.framed("Planted words") %}</p>"""
    assert unmarked(chosen) == ["Planted", "Planted words"]
    assert unmarked("""<a class="{{ 'tile' }}" href="{{ asset('a.css') }}">{{ _("From", x='<b>'|safe) }}</a>""") == []
    assert unmarked_in_script('say("warn", "Planted words"); say("warn", _("marked words"));') == ["Planted words"]


@pytest.mark.parametrize(
    "planted",
    ["`${x} lines`", "`Into ${x}`", "`lot ${x}`", "`${x}: ${y ? `At ${y}: scan` : 1}`", "`${x} · ${y} over`",
     "{ textContent: `None of ${x} is here.` }"],
)  # fmt: skip
def test_an_unmarked_piece_of_a_script_is_found(planted: str) -> None:
    assert unmarked_in_script(f"say({planted})")


@pytest.mark.parametrize("path", words.files("static", ".js"), ids=lambda path: path.name)
def test_every_marked_text_of_a_script_reaches_the_catalogue(path) -> None:  # type: ignore[no-untyped-def]
    """Also one inside a template literal, which is easily overlooked by what collects them."""
    marked = set(re.findall(r'(?<![\w$.])(?:_|n_)\("((?:[^"\\]|\\.)*)"', path.read_text("utf-8")))
    where = path.relative_to(words.ROOT).as_posix()
    known = [each.text for each in words.marked() if each.where == where]
    assert marked <= {each if isinstance(each, str) else each[0] for each in known}


def test_what_is_no_text_of_a_script_is_let_alone() -> None:
    code = '`held ${bin}`, `/look?${kind}=${code}`, `${a} · ${b}`, `[data-x=${y}]`, `▲ ${_("%(number)s short")}`'
    assert unmarked_in_script(code) == []
