"""`counts/…` on paper and in figures: sheets, the variance of a session, the programme, certificates of a zone."""

from __future__ import annotations

from flask import Response

from ledger.errors import Invalid
from ledger.ids import OpId
from ledger.people import APPROVE, COUNT
from ledger.wording import shown
from node import counting_csv, counting_reports
from node.desk import Answer
from web import kit
from web.node_api_count_words import BIN_STATE, BINS_MAX, OF_SESSION, SESSION_STATE
from web.node_api_words import ASKED, MEASURE, REASON
from web.node_api_work import verb
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import (
    ACTOR,
    CODE,
    HASH,
    HEIGHT,
    NAME,
    OP_ID,
    QUANTITY,
    SIGNED,
    STATUS,
    WHEN,
    WORDS,
    Schema,
    array,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

CSV = "text/csv"
CSV_CHARACTERS_MAX = 500_000
SHEET_DIGITS_MAX = 12
SINCE_DIGITS_MAX = 15
NUMBER = text("The number printed on the sheet", pattern=f"^[0-9]{{1,{SHEET_DIGITS_MAX}}}$")
SINCE = {
    "since": text("Only what was counted from this moment on, UTC milliseconds", pattern="^[0-9]{1,15}$", most=15)
}
SHEET_STATE = one_of("issued", "returned", "void", "missing")


def _csv(content: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(content, mimetype=CSV, headers=headers)


# ---------------------------------------------------------------- sheets


def sheet_number(said: str) -> int:
    """The number of a sheet out of an address."""
    if not (said.isascii() and said.isdecimal() and len(said) <= SHEET_DIGITS_MAX):
        raise kit.NotFound(f"there is no sheet {shown(said)}")
    return int(said)


def _number(ask: Ask) -> int:
    return sheet_number(ask.path["number"])


def _sheets(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    session = OpId.parse(ask.path["session"])
    with ask.reading() as connection:
        found = ask.parts.floor.counting.sheets.of_session(connection, ask.who, session)
    return ask.page([((each["sheet"],), each) for each in found if each["sheet"] > int(after)])


def _sheets_out(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    with ask.reading() as connection:
        found = ask.parts.floor.counting.sheets.out(connection, ask.who, int(after), ask.limit + 1)
    return ask.page([((each["sheet"],), each) for each in found])


def _sheet(ask: Ask) -> Answer:
    found: Answer = ask.named(lambda: ask.parts.floor.counting.sheets.show(ask.who, _number(ask)))
    return found


def _sheet_csv(ask: Ask) -> Response:
    return _csv(counting_csv.blank(_sheet(ask)), f"sheet-{_number(ask)}")


# ---------------------------------------------------------------- figures


def _variance(ask: Ask) -> Answer:
    session = OpId.parse(ask.path["session"])
    found: Answer = ask.named(lambda: ask.parts.floor.counting.reports.variance(ask.who, session))
    return found


def _report(ask: Ask) -> object:
    """A session's variance, its lines a page at a time; the totals are of all of them."""
    (after,) = ask.after or (0,)
    first = max(0, int(after))
    end = first + ask.limit
    ask.seen = found = _variance(ask)
    more = ask.next_after((end,)) if len(found["lines"]) > end else None
    return {**found, "lines": found["lines"][first:end], "next": more}


def _report_csv(ask: Ask) -> Response:
    rows = counting_reports.as_rows(_variance(ask))
    return _csv(counting_csv.write(rows, counting_reports.LINE_COLUMNS), f"variance-{ask.path['session'][:8]}")


def _programme(ask: Ask) -> Answer:
    value = ask.query.get("since")
    if value is not None and not (value.isascii() and value.isdecimal() and len(value) <= SINCE_DIGITS_MAX):
        raise Invalid(f"since is {shown(value)}: expected Unix milliseconds")
    return ask.parts.floor.counting.reports.programme(ask.who, None if value is None else int(value))


def _programme_page(ask: Ask) -> object:
    """The programme, with those bins that were never counted a page at a time."""
    (after,) = ask.after or ("",)
    ask.seen = found = _programme(ask)
    page = ask.page([((bin_,), bin_) for bin_ in found["never"] if bin_ > after])
    return {**found, "never": page["rows"], "next": page["next"]}


def _programme_csv(ask: Ask) -> Response:
    return _csv(counting_csv.write(_programme(ask)["months"], counting_reports.MONTH_COLUMNS), "programme")


def _check(ask: Ask) -> object:
    with ask.reading() as connection:
        return ask.parts.floor.counting.certificates.check(connection, ask.body)


# ---------------------------------------------------------------- shapes

_FIGURES: dict[str, Schema] = {
    name: SIGNED for name in counting_reports.MONTH_COLUMNS if name != "month"
}  # whole numbers, in pairs: how many of how many
_LINE: dict[str, Schema] = {"item": CODE, "lot": CODE, "serial": CODE, "status": STATUS}
REPORT = record(
    "VarianceReport",
    {
        **OF_SESSION,
        "name": NAME,
        "state": SESSION_STATE,
        "open": array(CODE, BINS_MAX, "Bins still to be counted"),
        "left_out": array(CODE, None, "Bins that its plan chose and did not get: they were in another count"),
        "lines": array(
            record(
                "VarianceLine",
                {
                    **_LINE,
                    "bin": CODE,
                    "state": BIN_STATE,
                    "counted": QUANTITY,
                    "expected": SIGNED,
                    "difference": SIGNED,
                    "name": NAME,
                    "unit": text(),
                    "decimals": whole(),
                    "value_minor": or_null(SIGNED),
                    "reasons": text(),
                    "round": whole(),
                    "stable": flag(),
                    "blind": flag(),
                    "sheet": or_null(whole()),
                    "counter": text("A name, or empty"),
                    "approver": text("A name, or empty"),
                    "count": OP_ID,
                    "posted": text("What posted it, or empty"),
                },
            )
        ),
        "totals": {"type": "object", "additionalProperties": {"type": "integer"}},
        "next": or_null(text()),
    },
)
PROGRAMME = record(
    "Programme",
    {
        "months": array(record("Month", {"month": text(), **_FIGURES}), None),
        "all": record("Figures", _FIGURES),
        "classes": array(record("ClassFigures", {"class": text(), "lines": whole(), "lines_right": whole()}), None),
        "never": array(CODE, doc="Bins that no posted whole count ever covered"),
        "samples": record(
            "Samples",
            {
                "bins": whole("How many bins the samples drew"),
                "left_out": whole("How many of these were left out: they were in another count"),
            },
        ),
        "next": or_null(text()),
    },
)
SHEET_ROW = record(
    "SheetRow",
    {"sheet": whole(), "state": SHEET_STATE, "reason": text(), "blind": flag(), "bins": array(CODE, 50)},
)
SHEET_OUT = record(
    "SheetOut", {"sheet": whole(), **OF_SESSION, "name": NAME, "blind": flag(), "bins": array(CODE, 50)}
)
SHEET = record(
    "Sheet",
    {
        "sheet": whole(),
        **OF_SESSION,
        "name": NAME,
        "state": SHEET_STATE,
        "blind": flag("It says nothing of what is expected"),
        "bins": array(
            record(
                "SheetBin",
                {
                    "bin": CODE,
                    "items": array(CODE, 50),
                    "expected": array(
                        record("SheetLine", {**_LINE, **MEASURE, "expected": SIGNED}),
                        None,
                    ),
                },
            ),
            50,
        ),
    },
)
_READ: dict[str, Schema] = {
    "bins": array(record("SheetCount", {"bin": CODE, "lines": whole(), "empty": flag()}), 50),
    "left": array(CODE, 50, "Bins of the sheet that it says nothing about"),
}
_LATE: dict[str, Schema] = {
    "late": array(
        CODE, 50, "Bins that do not wait for it any more: what it says of them is kept, and they are counted"
    )
}
RETURNED = record(
    "SheetReturned", {"op_id": OP_ID, "sheet": whole(), "state": one_of("returned"), **_READ}, may=_LATE
)
TRIED = record(
    "SheetTried",
    {
        "op_id": OP_ID,
        "sheet": whole(),
        "dry_run": flag(),
        **_READ,
        "problems": array(WORDS, None, "Each refuses the whole sheet"),
        "asked": array(WORDS, None, "Doubts"),
        **_LATE,
    },
)
CERTIFICATE = record(
    "ZoneCertificate",
    {
        "format": text(),
        "origin": text(),
        "zone": CODE,
        "since": HEIGHT,
        "height": HEIGHT,
        "block": HASH,
        "complete": flag(),
        "bins": array({"type": "object"}, None, "Each bin that is covered, with the count that covers it"),
        "sealed": array({"type": "object"}, None, "Units that nobody opened, each with its confirmation"),
        "missing": array(CODE, None),
    },
)

ROUTES = (
    verb(
        "counts/sheets", APPROVE, "Issue a count sheet", lambda floor: floor.counting.sheets.issue,
        record("SheetIssued", {"op_id": OP_ID, **OF_SESSION, "sheet": whole(), "bins": array(CODE, 50)}), OF_SESSION,
        {"bins": or_null(array(CODE, 50, "Absent: all that wait and are on no sheet")), "blind": flag()},
    ),
    verb(
        "counts/sheets/settle", APPROVE | COUNT, "Account for a sheet that brought no count",
        lambda floor: floor.counting.sheets.settle,
        record("SheetSettled", {"op_id": OP_ID, "sheet": whole(), "state": one_of("void", "missing")}),
        {"sheet": whole(least=1), "state": one_of("void", "missing"), "reason": REASON},
    ),
    verb(
        "counts/sheets/return", APPROVE | COUNT, "What a sheet says, tried first with dry_run",
        lambda floor: floor.counting.sheets.take_back,
        either(RETURNED, TRIED, record("SheetAsked", {**ASKED["properties"], "sheet": whole()})),
        {"sheet": whole(least=1), "csv": text(most=CSV_CHARACTERS_MAX), "counter": ACTOR, "counted_ms": WHEN},
        {
            "paper": or_null({**HASH, "description": "SHA-256 of its scan or photo"}), "dry_run": flag(),
            "confirm": flag(),
        },
    ),
    verb(
        "counts/certificate", APPROVE, "Certify that a zone was counted completely, or say which bins are missing",
        lambda floor: floor.counting.certificates.issue,
        record("Certified", {"op_id": OP_ID, "certificate": CERTIFICATE}), {"zone": CODE},
        {"since": {**HEIGHT, "description": "Only counts recorded after this block cover", "minimum": 0}},
    ),
    Route(
        method="POST", path="/api/v1/counts/certificate/check", allow=ANYONE, body=CERTIFICATE, handle=_check,
        summary="Whether a certificate of a zone is what the blocks here give",
        answer=record(
            "CertificateChecked",
            {
                "true": flag(), "complete": flag(), "faults": array(WORDS, None),
                "not_blind": array(CODE, None, "Bins of it whose counter was told what the books had"),
                "noted": text("The operation that noted it on the chain, or empty"),
            },
        ),
    ),
    Route(
        method="GET", path="/api/v1/counts/programme", allow=APPROVE, query=SINCE, answer=PROGRAMME, keys=(str,),
        shaped=True, summary="How far and how well was counted, by month and class", handle=_programme_page,
    ),
    Route(
        method="GET", path="/api/v1/counts/programme.csv", allow=APPROVE, query=SINCE, answer={"type": "string"},
        media=CSV, summary="The months of it as CSV", handle=_programme_csv,
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/report", allow=APPROVE, params=OF_SESSION, answer=REPORT,
        keys=(int,), shaped=True, summary="The variance of a session, line by line", handle=_report,
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/report.csv", allow=APPROVE, params=OF_SESSION, media=CSV,
        answer={"type": "string"}, summary="All of it as CSV", handle=_report_csv,
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/sheets", allow=APPROVE, params=OF_SESSION, answer=SHEET_ROW,
        keys=(int,), summary="The sheets of a session", handle=_sheets,
    ),
    Route(
        method="GET", path="/api/v1/counts/sheets", allow=APPROVE | COUNT, answer=SHEET_OUT, keys=(int,),
        summary="The sheets of all counts that are still to come back", handle=_sheets_out,
    ),
    Route(
        method="GET", path="/api/v1/counts/sheets/{number}", allow=APPROVE | COUNT, params={"number": NUMBER},
        answer=SHEET, summary="A sheet as it is printed; with quantities for approvers only", handle=_sheet,
    ),
    Route(
        method="GET", path="/api/v1/counts/sheets/{number}.csv", allow=APPROVE | COUNT, params={"number": NUMBER},
        media=CSV, answer={"type": "string"}, summary="A sheet to fill in as CSV", handle=_sheet_csv,
    ),
)  # fmt: skip
