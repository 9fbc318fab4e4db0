"""What the rules refuse or ask is said in the reader's language, and to programs in English."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from devices.decoders.scan import decode
from devices.registry import Device
from devices.simulated import scan_bytes
from ledger.errors import ReasonNeeded, Unavailable
from node.counting_close import SURE
from tests.devices.test_vectors import OWN
from tests.house import words
from tests.node.test_counting_sheets import BAD_ROWS, issue, session, wish
from tests.web import kit
from web import languages
from web.kit import ERRORS
from web.languages import ENGLISH, LANGUAGES, OF_RULES, RULES
from web.sentences import PLACE, Sentences

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
KNOWN = (
    ("%(1)s is promised from another bin or lot: give a reason", "%(1)s ist anderswo zugesagt: Grund angeben"),
    ("%(1)s is promised", "%(1)s ist zugesagt"),
    ("%(1)s of %(2)s are still to be picked", "von %(2)s noch %(1)s"),
    ("the paper is not right: %(1)s", "der Schein stimmt nicht: %(1)s"),
    ("its check sum does not fit", "die Summe passt nicht"),
    ("in row %(1)s: %(2)s", "Zeile %(1)s: %(2)s"),
)


def test_a_sentence_keeps_what_stands_at_its_places() -> None:
    known = Sentences(KNOWN, lambda word: word)
    assert known.said("GLUE-1 is promised from another bin or lot: give a reason").startswith("GLUE-1 ist anderswo")
    assert known.said("3 of A of B are still to be picked") == "von A of B noch 3"
    nested = known.said("the paper is not right: its check sum does not fit")
    assert nested == "der Schein stimmt nicht: die Summe passt nicht"
    assert known.said("in row 2: 3 of A of B are still to be picked") == "Zeile 2: von A of B noch 3"
    assert known.said("nobody foresaw this: 7") == "nobody foresaw this: 7"
    assert Sentences(KNOWN, lambda word: word, "<{}>").said("A is promised") == "<A> ist zugesagt"


def test_several_questions_are_said_one_after_the_other() -> None:
    german = languages.sentences("de")
    many = (
        "501 pc of Bolt 8: is that right?",
        "Lot L1 of PAINT is known with another expiry than 2024-02-01: is it on the label?",
    )
    said = [german.said(each) for each in (*many, SURE)]
    assert german.said(" ".join((*many, *many, SURE))) == " ".join((*said[:2], *said))
    relabel = (
        "Lot L1 of PAINT expires on 2028-01-01, not on 2024-02-01: is that right? Relabel changes it, this does not."
    )
    assert german.said(f"{relabel} {relabel}") == f"{german.said(relabel)} {german.said(relabel)}"


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_of_the_rules_is_taken_for_another(language: str) -> None:
    known = languages.sentences(language)
    catalogue = languages.catalogue(language)
    rules = {each.text for each in words.marked() if each.where.startswith(RULES) and isinstance(each.text, str)}
    assert len(rules) > 150
    for text in rules:
        values = {name: f"X-{name}" for name in PLACE.findall(text)}
        message = catalogue.get(text)
        wanted = PLACE.sub(lambda place, values=values: values[place[1]], str(message.string))
        english = PLACE.sub(lambda place, values=values: values[place[1]], text)
        assert known.said(english).replace("\u2068", "").replace("\u2069", "") == wanted, text


def test_words_of_the_rules_are_translated_at_their_places_and_codes_are_not() -> None:
    assert "Zählung" in languages.sentences("de").said("you have no count open: begin one first")
    assert "COUNT" in languages.sentences("de").said("COUNT is not to be counted now")
    assert set(OF_RULES) <= {each.text for each in words.marked() if isinstance(each.text, str)}


ON = date(2026, 1, 15)


@pytest.mark.parametrize(
    ("raw", "german"),
    [
        (b"]C1010950110153000317991301", ["im Element (17) Verfall: Datum 991301 hat Monat 13: erwartet wird 01"]),
        (b"]E05901234123450", ["'5901234123450' ist nicht eine GTIN: Die letzte Ziffer müsste 7 sein"]),
        (b"]C110" + b"A" * 21, ["(10) Charge: 'AAAAAAAAAAAAAAAAAAAAA' passt nicht, erwartet werden 1-20 Buchstaben"]),
        (b"]C110AB-1", ["(10) Charge braucht (01) / (02) / (03) / (8006) / (8026) daneben"]),
        (b"]C1422999", ["im Element (422) Ursprungsland: '999' ist kein bekannter Code: erwartet wird eine"]),
        (b"\x00\x01", ["Zeichen, die auf keinem Etikett stehen"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_label_is_said_in_the_readers_language(raw: bytes, german: list[str]) -> None:
    scan = decode(raw, on=ON)
    said = [languages.sentences("de").said(each) for each in (*scan.problems, *scan.warnings)]
    assert [each[: len(start)] for each, start in zip(said, german, strict=True)] == german


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_about_a_label_stays_english(language: str) -> None:
    """Whatever the decoders find in the vectors; names of rare identifiers inside a sentence may stay."""
    raws = [scan_bytes(case["input"]) for case in OWN]
    scans = [decode(raw, on=ON) for raw in raws]
    found = {each for scan in scans for each in (*scan.problems, *scan.warnings)}
    assert len(found) > 40
    assert [each for each in found if languages.sentences(language).said(each) == each] == []


def test_what_is_wrong_with_a_device_is_said_in_the_readers_language(tmp_path: Path) -> None:
    problems = []
    for device in (f"serial://{tmp_path}/none", "tcp://127.0.0.1:1", f"hidraw://{tmp_path}"):
        transport = Device.parse(device).transport()
        with pytest.raises(Unavailable) as refused:
            transport.open()
        problems.append(languages.sentences("de").said(str(refused.value)))
        transport.end()
    assert problems[0].endswith("lässt sich nicht öffnen: Gerät nicht vorhanden; ist der Scanner eingesteckt?")
    assert problems[1] == "keine Verbindung zu 127.0.0.1:1: Verbindung abgewiesen"
    german = languages.sentences("de").said
    assert german("the scale s-1 gives no weight: in motion; wait until it stands still and ask again").startswith(
        "die Waage s-1 gibt kein Gewicht: in Bewegung; warten Sie"
    )
    assert german("the device gun is absent") == "das Gerät gun ist nicht da"
    told = "the scanner sent this read again: it had heard no answer"
    assert german(told).startswith("der Scanner sandte")


def test_a_reason_that_is_needed_has_a_title_of_its_own() -> None:
    assert next(title for kind, _, title in ERRORS if issubclass(ReasonNeeded, kind)) == "A reason is needed"


def test_a_refusal_is_said_in_the_readers_language_and_to_a_program_in_english(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = kit.logged_in(app, "cora")
        wish = {"op_id": kit.NOBODY, "bin": "A-01"}
        plain = client.post("/api/v1/counts/close", json=wish).get_json()
        assert plain["detail"] == "you have not opened A-01"
        german = client.post("/api/v1/counts/close", json=wish, headers={"Accept-Language": "de"}).get_json()
        assert german == {**plain, "detail": "Sie haben A-01 nicht geöffnet"}
        receipt = {"op_id": "2" * 32, "supplier": "شركة التوريدات العامة", "delivery_note": "1"}
        line = {"item": "BOLT", "quantity": 1, "target": "A-01"}
        too_long = client.post("/api/v1/documents/receive", json={**receipt, "lines": [line]}).get_json()
        assert "is too long: 31 plain letters and digits fit" in too_long["detail"]
        scan = {"op_id": "1" * 32, "text": "NOBODY-KNOWS"}
        said = client.post("/api/v1/scans", json=scan, headers={"Accept-Language": "ar"}).get_json()
        assert said["outcome"] == "ignored" and said["why"] == "لا شيء مفتوح يمكن أن يخصه هذا"


@pytest.mark.parametrize("language", OTHERS)
def test_no_refusal_of_an_address_stays_english(tmp_path: Path, language: str) -> None:
    """What is refused before anything is asked of it, and for a role that is missing: on a page and to a program."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client = kit.logged_in(app, "cora")
        asked: tuple[tuple[int, str, str, dict[str, Any]], ...] = (
            (404, "GET", "/nothing", {}),
            (405, "POST", "/look", {}),
            (400, "GET", "/", {"headers": {"Host": "elsewhere.example"}}),
            (422, "GET", "/review/", {}),
            (404, "GET", "/api/v1/nothing", {}),
            (405, "POST", "/api/v1/status", {}),
            (413, "POST", "/api/v1/seal", {"data": bytes(2 << 20), "content_type": kit.JSON}),
            (415, "POST", "/api/v1/seal", {"data": b"{}", "content_type": "text/plain"}),
            (403, "GET", "/api/v1/users/", {}),
        )
        for status, method, path, more in asked:
            words = []
            for each in (ENGLISH, language):
                headers = {"Accept-Language": each, "Accept": "text/html", **more.get("headers", {})}
                answer = client.open(path, method=method, **{**more, "headers": headers})
                assert answer.status_code == status, path
                text = json.loads(answer.text)["detail"] if path.startswith("/api/") else main_of(answer.text)
                assert "?" not in text, text
                words.append(set(re.findall(r"\b[a-z]{2,}\b", re.sub(KEPT, "", text))))
            # A word may be the same in two languages; two are a sentence that was left.
            assert len(words[0] & words[1]) <= 1, (path, words)


LINE = {"item": "PAINT", "quantity": 1, "target": "A-01"}
# What people write into fields of pages, and what no field takes: nothing that is sent for them by itself.
TYPED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("mona", "documents/receive", {"supplier": "?", "lines": [LINE]}),
    ("mona", "documents/receive", {"delivery_note": "?", "lines": [LINE]}),
    ("mona", "documents/receive", {"lines": [{**LINE, "lot": "?"}]}),
    ("mona", "documents/receive", {"lines": [{**LINE, "serial": "?"}]}),
    ("mona", "documents/issue", {"order": "?", "lines": [{"item": "BOLT", "quantity": 1, "source": "A-01"}]}),
    ("mona", "documents/scrap", {"lines": [], "reasons": ["crushed"], "note": "?"}),
    ("mona", "units/move", {"units": [{"unit": "PAL-7", "target": "?"}]}),
    ("mona", "units/move", {"units": [{"unit": "?", "target": "A-01"}]}),
    ("mona", "attachments/", {"name": "?", "content": "aGVsbG8=", "item": "BOLT"}),
    ("sven", "counts/", {"name": "?", "bins": ["A-01"]}),
    ("sven", "counts/", {"name": "Week", "plan": {"items": ["?"]}}),
    ("sven", "deliveries/", {"delivery": "?", "supplier": "ACME", "lines": [{"item": "BOLT", "quantity": 1}]}),
    ("cora", "counts/share", {"bin": "A-01", "area": 1, "agree": True, "own": "?"}),
)
ODD = ("L\u200b1", "Cafe\u0301", "\u0301a", "x" * 600, "a\u202eb", " ")
NUMBERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sven", "counts/preview", {"most": 501}),
    ("sven", "counts/preview", {"sample": 10**15}),
    *(
        ("sven", "counts/", {"name": "Week", "bins": ["A-01"], "rule": rule})
        for rule in (
            {"control_percent": 101},
            {"control_percent": None},
            {"open_percent": 101},
            {"rounds_max": 10},
            {"counters": 4},
            {"line_quantity_max": 2**53},
        )
    ),
    ("mona", "documents/receive", {"lines": [{**LINE, "quantity": 10**13}]}),
    ("mona", "documents/receive", {"lines": [LINE] * 1_001}),
)
FIELD = re.compile(r": expected|_max|_percent|\b(line|unit) [0-9]+: |^[a-z /]+: [a-z_]+(:| is )")


def put_in(wish: Any, text: str) -> Any:
    if isinstance(wish, dict):
        return {name: put_in(value, text) for name, value in wish.items()}
    if isinstance(wish, list):
        return [put_in(value, text) for value in wish]
    return text if wish == "?" else wish


def test_no_refusal_of_what_somebody_typed_names_a_field_or_stays_english(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    wishes = [(login, path, put_in(wish, text)) for login, path, wish in TYPED for text in ODD]
    found: list[str] = []
    with kit.closing(stage):
        clients = {login: kit.logged_in(app, login) for login in ("mona", "sven", "cora")}
        for number, (login, path, wish) in enumerate([*wishes, *NUMBERS]):
            act = {} if path == "counts/preview" else {"op_id": f"{number:032x}"}
            answers = [
                clients[login].post(f"/api/v1/{path}", json={**act, **wish}, headers={"Accept-Language": language})
                for language in (ENGLISH, *OTHERS)
            ]
            if answers[0].status_code == 200:
                continue  # it is taken as it is
            english, *others = [str(answer.get_json()["detail"]) for answer in answers]
            if FIELD.search(english) or any(said == english for said in others):
                found.append(f"{path} {str(wish)[:80]}: {english}")
    assert not found, "\n".join(found)


KEPT = r"'.*?'|web.https_names|application/json"  # what stands in every language as it is


def main_of(page: str) -> str:
    """What a page says, without its frame."""
    return re.sub(r"<[^>]*>", " ", page[page.index("<main") : page.index("</main>")]).replace("&#39;", "'")


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_wrong_with_a_sheet_is_said_in_the_readers_language(tmp_path: Path, language: str) -> None:
    left = re.compile(r"\b(row|the|is|it|not|its|write|this|which|has|say)\b")
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        client, sheet = kit.logged_in(app, "tess"), issue(stage, session(stage, "A-01"), "A-01")
        wrong = [row.format(n=sheet) for row, _ in BAD_ROWS if row.count("\r") == 0] + [
            f"{sheet},A-01,BOLT,,,,,9999999,"
        ]
        texts = [*wrong, f"{sheet},A-01,BOLT,,,,,1,\r\n{sheet},A-01,,,,,,0,"]
        bodies = [wish(stage, sheet, text) for text in texts] + [wish(stage, sheet, heading="a,b")]
        for number, body in enumerate(bodies):
            asked = {**body, "op_id": f"{number:032x}", "dry_run": True}
            answer = client.post(
                "/api/v1/counts/sheets/return", json=asked, headers={"Accept-Language": language}
            ).get_json()
            assert answer["problems"] or answer["asked"], body["csv"]
            for said in (*answer["problems"], *answer["asked"]):
                assert not left.search(re.sub("\u2068.*?\u2069|'.*?'", "", said)), said
