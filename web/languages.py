"""The languages that a tablet speaks: who is answered in which, and where the words come from.

English is the source and stands in the code; `web/words/*.po` hold the others and are read as they are, so that
nothing has to be compiled. Python and templates take their words by Flask-Babel, scripts by `static/words.js` from
the same catalogue. Digits are the ones on labels and keys in every language.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, tzinfo
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from babel import Locale, dates
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, g, request
from flask_babel import Babel, Domain, format_percent, get_locale, get_timezone, gettext, ngettext
from markupsafe import Markup

from ledger.wording import in_units
from web.rendering import put_out
from web.sentences import Sentences

if TYPE_CHECKING:
    from web.kit import Version

WORDS = Path(__file__).parent / "words"
ENGLISH = "en"
# By their own names, in the order in which they are offered.
LANGUAGES = {ENGLISH: "English", "nb": "Norsk", "de": "Deutsch", "ar": "العربية"}
RIGHT_TO_LEFT = frozenset({"ar"})
TURNED = str.maketrans("→⇉↗↙↶", "←⇇↖↘↷")  # arrows that go on, out or back, where lines run the other way
# What browsers call a language that we have under another name.
ALIASES = {"no": "nb", "nn": "nb"}
COOKIE = "tallyman_language"
SENTENCES = ("problems", "asked")  # lists of refusals and of questions
RULES = (
    "devices/",
    "ledger/",
    "node/",
    "sync/",
    "web/kit",
    "web/node_app",
    "web/node_ask",
    "web/node_api_",
    "web/node_certificates",
    "web/node_days",
    "web/node_events",
    "web/node_floor",
    "web/node_pages",
    "web/node_review",
    "web/node_setup",
)  # where what `by_rules` knows is written
WORDED = frozenset({"text/html", "application/json", "application/problem+json"})  # answers in which we speak
COOKIE_S = 400 * 86_400


def N_(text: str) -> str:
    """Marks a text that is translated where it is shown."""
    return text


# Words of the rules that stand at a place of their sentences: what is done, what became of a scan or a device, ...
OF_RULES = (
    N_("count"), N_("receive"), N_("move"), N_("dismissed"), N_("resolved"), N_("forward"), N_("back"),
    N_("returned"), N_("void"), N_("missing"),
    N_("absent"), N_("opening"), N_("degraded"), N_("backoff"), N_("ended"), N_("stopped"),
    # ... what a scale says of its weight, what the system says of a port or a connection, ...
    N_("in motion"), N_("overload"), N_("underload"), N_("out of range"), N_("not ready"),
    N_("No such file or directory"), N_("No such device"), N_("Permission denied"), N_("Input/output error"),
    N_("Device or resource busy"), N_("Connection refused"), N_("Connection reset by peer"), N_("Broken pipe"),
    N_("No route to host"), N_("Network is unreachable"), N_("Name or service not known"), N_("timed out"),
    # ... and what a label holds.
    N_("a GTIN"), N_("an SSCC"), N_("a GLN"), N_("UPC-E"), N_("UPC-A"), N_("short"), N_("long"),
    N_("hour"), N_("minute"), N_("second"), N_("latitude"), N_("longitude"),
    N_("a country number of ISO 3166-1"), N_("a country number of ISO 3166-1, or 999 for several"),
    N_("a country code of ISO 3166-1"), N_("a currency number of ISO 4217"),
    N_("a packaging code of UN Recommendation 21"), N_("0 (no) or 1 (yes)"), N_("a code of ISO 5218"),
    N_("a winding direction: 0, 1 or 9"), N_("the zero that belongs there"), N_("a minus sign"),
    N_("an importer index"), N_("a type of identification medium"),
    N_("GTIN of contained items"), N_("lot"), N_("serial"), N_("production date"), N_("packaging date"),
    N_("best before"), N_("sell by"), N_("expiry"), N_("variant"), N_("variable count"),
    N_("count of contained items"), N_("location"), N_("GLN extension"), N_("GTIN made to order"), N_("due date"),
    N_("additional item number"), N_("customer part number"), N_("customer order"), N_("consignment"), N_("shipment"),
    N_("ship to"), N_("country of origin"), N_("amount"), N_("price"), N_("document type"),
    N_("expiry date and time"), N_("production time"), N_("pieces contained"), N_("piece of an item"),
    N_("returnable asset"), N_("individual asset"), N_("agreed between partners"), N_("company internal"),
    N_("net weight in kg"), N_("gross weight in kg"), N_("length in m"), N_("width in m"), N_("height in m"),
    N_("net volume in l"),
)  # fmt: skip


@cache
def catalogue(language: str) -> Catalog:
    """The messages of a language; English has none, because its messages are the keys."""
    with (WORDS / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


@cache
def translations(language: str) -> NullTranslations:
    """The same as gettext reads it, with the plural rule of the language."""
    if language not in LANGUAGES or language == ENGLISH:
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def of_scripts(language: str) -> dict[str, str | list[str]]:
    """What scripts say, by its English: a text, or one form for each plural category in CLDR's order."""
    if language == ENGLISH:
        return {}
    found: dict[str, str | list[str]] = {}
    for message in catalogue(language):
        if message.id and any(path.endswith(".js") for path, _ in message.locations):
            key = message.id if isinstance(message.id, str) else message.id[0]
            found[key] = message.string if isinstance(message.string, str) else list(message.string or ())
    return found


class _Reader(NamedTuple):
    """Whom a request is answered: what is known in their language, and how moments are written there."""

    known: NullTranslations
    locale: Locale
    zone: tzinfo


def _reader() -> _Reader:
    """Of this request, which a page of two hundred rows asks a thousand times; without one English, which nobody
    asked for."""
    try:
        reader: _Reader = g.reader
    except RuntimeError:
        return _Reader(translations(ENGLISH), Locale(ENGLISH), UTC)
    except AttributeError:
        locale = get_locale() or Locale(ENGLISH)
        reader = g.reader = _Reader(translations(str(locale)), locale, get_timezone())
    return reader


def _known() -> NullTranslations:
    return _reader().known


class _Words(Domain):  # type: ignore[misc]
    def get_translations(self) -> NullTranslations:
        return _known()


class _Babel(Babel):  # type: ignore[misc]
    @cached_property
    def domain_instance(self) -> Domain:
        return _Words()


def asked(cookie: str) -> str:
    """The language of this request: the one in its address, the tablet's own, the browser's, else English."""
    for language in ((request.view_args or {}).get("language"), request.cookies.get(cookie)):
        if language in LANGUAGES:
            return str(language)
    best = request.accept_languages.best_match([*LANGUAGES, *ALIASES])
    return ENGLISH if best is None else ALIASES.get(best, best)


def labelled(answer: Response) -> Response:
    """Say of an answer in which language it is, unless it has, and that another reader is given another one, unless
    its address decides (RFC 9110, 8.5 and 12.5.5)."""
    redirects = 300 <= answer.status_code < 400 and answer.status_code != 304
    if answer.mimetype in WORDED and not redirects and "Content-Language" not in answer.headers:
        answer.headers["Content-Language"] = spoken()
        if "language" not in (request.view_args or {}):
            answer.vary.update(("Accept-Language", "Cookie"))
    return answer


def install(app: Flask, version: Version, choose: Callable[[], str], zone: str = "") -> None:
    """Let an application speak. `zone`: the IANA name of the time zone in which moments are shown, "" for the
    reader's own (the page's script knows it; until then, UTC)."""
    _Babel(app, locale_selector=choose, default_timezone=zone or "UTC")
    app.jinja_env.globals.update({"_": _in_page, "gettext": _in_page, "ngettext": _in_page_counted})
    app.jinja_env.filters.update(
        bdi=bdi,
        units=units,
        moment=moment,
        day=day,
        duration=duration,
        percent=percent,
        said=said,
        choices=choices,
        pointing=pointing,
    )

    def words(version: str, language: str) -> Response:
        return Response(json.dumps(of_scripts(language), ensure_ascii=False), mimetype="application/json")

    app.add_url_rule(f"/s/<version>/words/<any({', '.join(LANGUAGES)}):language>.json", "words", words)

    @app.context_processor
    def page() -> dict[str, Any]:
        language = str(get_locale())
        return {
            "language": language,
            "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
            "arrow": pointing("→"),
            "decimal_mark": decimal_mark(),
            "languages": LANGUAGES,
            "zone": zone,
            "words_address": "" if language == ENGLISH else version.address(f"words/{language}.json"),
        }


# A page of two hundred rows says two thousand words, nearly all of them the same few: what Jinja's own wrappers do
# with each (ask which function is meant, mark, put in nothing) is done once a text here. As there, what templates say
# is markup, and what they put in is escaped.
@lru_cache(maxsize=8192)
def _marked(known: NullTranslations, text: str) -> Markup:
    return Markup(known.gettext(text))  # noqa: S704


@lru_cache(maxsize=8192)
def _plain(known: NullTranslations, text: str) -> Markup:
    return _marked(known, text) % {}


def _in_page(text: str, **values: object) -> Markup:
    """A text in the reader's language with its values, each escaped unless it is markup."""
    known = _known()
    return _filled(_marked(known, text), values) if values else _plain(known, text)


def _in_page_counted(one: str, many: str, number: int, **values: object) -> Markup:
    """The same with the form that belongs to `number`, which is `num` among its values."""
    return _filled(Markup(_known().ngettext(one, many, number)), {"num": number, **values})  # noqa: S704


def _filled(text: Markup, values: dict[str, object]) -> Markup:
    """What `text % values` is, without a helper for each value."""
    return Markup(str(text) % {name: put_out(value) for name, value in values.items()})  # noqa: S704


def bdi(value: object) -> Markup:
    """A code, a name or a quantity inside a sentence: its own direction must not reorder the words around it."""
    return Markup(f"<bdi>{put_out(value)}</bdi>")  # noqa: S704 - escaped, unless it is markup already


def units(quantity: int, decimals: int = 0) -> str:
    """Base units as people write them here."""
    text = in_units(quantity, decimals)
    return text.replace(".", decimal_mark()) if decimals else text


def pointing(arrow: str) -> str:
    """An arrow that goes along with the reader's lines; any other shape as it is."""
    return arrow.translate(TURNED) if spoken() in RIGHT_TO_LEFT else arrow


def decimal_mark() -> str:
    """What stands before the decimals here."""
    return str(_reader().locale.number_symbols["latn"]["decimal"])


def choices(offered: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Codes and their words, in the reader's language, for a script."""
    return [(code, said(words)) for code, words in offered]


def said(sentence: object) -> str:
    """A sentence of the node's own, such as a refusal, in the reader's language where it is known there."""
    text = str(sentence) if sentence else ""
    known = _known().gettext(text) if text else ""
    return known if known != text else by_rules(text)


@cache
def sentences(language: str) -> Sentences:
    """What the rules say in a language."""
    known = {str(each.id): str(each.string) for each in catalogue(language) if each.id and isinstance(each.id, str)
             and any(path.startswith(RULES) for path, _ in each.locations)}  # fmt: skip
    apart = "\u2068{}\u2069" if language in RIGHT_TO_LEFT else "{}"
    return Sentences(known.items(), partial(_word, translations(language)), apart)


def _word(known: NullTranslations, value: str) -> str:
    """What stands at a place of a sentence: a word of the rules or a length of time is translated, a code is not."""
    length = re.fullmatch(r"(\d+) (day|hour|minute)s", value)
    if length is not None:
        one, many = f"%(num)s {length[2]}", f"%(num)s {length[2]}s"
        return str(known.ngettext(one, many, int(length[1]))) % {"num": length[1]}
    return str(known.gettext(value)) if value in OF_RULES else value


def spoken() -> str:
    """The reader's language."""
    return str(get_locale() or ENGLISH)


def by_rules(text: str, language: str = "") -> str:
    """A refusal or question of the rules in this language, or the reader's; anything else as it is."""
    language = language or spoken()
    return text if language == ENGLISH else sentences(language).said(text)


def in_words(content: Any, language: str = "") -> Any:
    """An answer of the API in which what a person reads stands in their language: why not, or what is asked back;
    also where several of them stand in a list.
    `language`: theirs, where no request says it."""
    if (language or spoken()) == ENGLISH:
        return content
    if isinstance(content, dict):
        return {name: by_rules(value, language) if name in ("why", "ask") and isinstance(value, str)
                else [by_rules(each, language) for each in value] if name in SENTENCES and _texts(value)
                else in_words(value, language)
                for name, value in content.items()}  # fmt: skip
    return [in_words(each, language) for each in content] if isinstance(content, list) else content


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def percent(share: float) -> str:
    """A share as people write it here: 97.5 %."""
    return str(format_percent(share, "#,##0.0 %"))


def moment(at_ms: int) -> str:
    """A moment as people write it here, with its time zone said."""
    reader = _reader()
    return _minute(at_ms // 60_000, reader.locale, reader.zone)


@lru_cache(maxsize=1024)
def _minute(minute: int, locale: Locale, zone: tzinfo) -> str:
    at = datetime.fromtimestamp(60 * minute, UTC)
    return str(dates.format_datetime(at, "d MMM y HH:mm z", tzinfo=zone, locale=locale))


def day(text: str) -> str:
    """A date YYYY-MM-DD as people write it here; anything else as it is."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return text
    return _day(found, _reader().locale)


@lru_cache(maxsize=1024)
def _day(found: date, locale: Locale) -> str:
    return str(dates.format_date(found, "d MMM y", locale=locale))


def duration(length_ms: int | None) -> str:
    """A duration in its largest whole unit: "3 hours"; "never" for none."""
    if length_ms is None:
        return str(gettext("never"))
    days, hours, minutes = (length_ms // step for step in (86_400_000, 3_600_000, 60_000))
    if days > 0:
        return str(ngettext("%(num)s day", "%(num)s days", days))
    if hours > 0:
        return str(ngettext("%(num)s hour", "%(num)s hours", hours))
    if minutes > 0:
        return str(ngettext("%(num)s minute", "%(num)s minutes", minutes))
    return str(gettext("under a minute"))
