"""Pages are rendered faster than Jinja does it by itself, and say the very same."""

from __future__ import annotations

from collections import OrderedDict, UserDict

import pytest
from flask import Flask
from flask.templating import Environment
from jinja2 import UndefinedError
from markupsafe import Markup, escape

from web import languages
from web.rendering import Pages


class Loud(str):
    def __html__(self) -> str:
        return "<b>loud</b>"


class Named:
    name = "by <its> attribute"


class Both(dict[str, str]):
    name = "by <its> attribute"


VALUES = (
    "",
    "plain",
    "<&'\">",
    "Ä ⁨x⁩",
    Loud("<x>"),
    Markup("<i>&amp;</i>"),
    0,
    -1,
    2.5,
    True,
    None,
    ["<"],
    ("&",),
    b"<",
)
THINGS = (
    {"name": "<n>"}, {"name": None}, {}, {"items": "<mine>", "get": 1}, OrderedDict(name="<o>"), Both(name="member"),
    UserDict(name="<u>"), Named(), None, "text", [1],
)  # fmt: skip
SAYS = (
    "{{ value }}", "{{ value ~ ' · ' ~ value }}",
    "{% macro m(x) %}<p>{{ x }}{% endmacro %}{{ m(value) }}{{ m(m(value)) }}",
    "{{ [value, value]|join('<') }}", "{% autoescape false %}{{ value }}{% endautoescape %}{{ value|safe }}",
    "{% set kept %}{{ value }}{% endset %}{{ kept }}",
)  # fmt: skip
ASKS = (
    "{{ thing.name }}",
    "{{ thing.items }}",
    "{{ thing.get is callable }}",
    "{{ thing.name.name }}",
    "{{ thing.none is defined }}",
)


def rendered(kind: type[Environment], text: str, **values: object) -> str:
    pages = kind(Flask(__name__), autoescape=True)
    try:
        # What has an address in memory is of the same kind with both.
        return str(pages.from_string(text).render(**values)).partition(" at 0x")[0]
    except UndefinedError as error:
        return f"refused: {error}"


@pytest.mark.parametrize("text", SAYS)
def test_a_value_stands_in_a_page_as_jinja_puts_it(text: str) -> None:
    for value in (*VALUES, *VALUES):
        assert rendered(Pages, text, value=value) == rendered(Environment, text, value=value), value


def test_a_sentence_has_its_values_as_markup_has_them() -> None:
    text = "100 %% of %(value)s at <b>%(place)s</b>"
    for value in (*VALUES, *VALUES):
        found = languages._in_page(text, value=value, place="<A>")
        assert type(found) is Markup and found == Markup(text) % {"value": value, "place": "<A>"}
        assert languages._in_page_counted(text, text, 1, value=value, place="B") == Markup(text) % {
            "value": value, "place": "B",
        }  # fmt: skip
        assert languages.bdi(value) == f"<bdi>{escape(value)}</bdi>"


@pytest.mark.parametrize("text", ASKS)
def test_a_member_of_a_thing_is_what_jinja_finds(text: str) -> None:
    for thing in THINGS:
        assert rendered(Pages, text, thing=thing) == rendered(Environment, text, thing=thing), thing
