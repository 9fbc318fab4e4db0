"""REST of a node: what there is to read about plans, sheets, reports and certificates. Acts are `node_api.verbs`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ledger.errors import Rejected
from ledger.ids import OpId
from node import counting_csv, counting_reports
from web import kit
from web.node_app import NodeParts


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_counts", __name__, url_prefix="/api/v1/counts")
    counting = parts.floor.counting

    @routes.post("/preview")
    def preview() -> Response:
        """What a plan would cover now; nothing is changed, so it carries no op_id."""
        return kit.answer(counting.plans.preview(parts.person(), kit.body()))

    @routes.post("/certificate/check")
    def check() -> Response:
        """Whether a certificate of a zone is what the blocks here give. Anybody who is logged in may ask."""
        parts.person()
        wish = kit.body()
        with parts.site.reading() as connection:
            return kit.answer(counting.certificates.check(connection, wish))

    @routes.get("/<session>/plan")
    def plan(session: str) -> Response:
        return kit.answer(counting.plans.show(parts.person(), OpId.parse(session)))

    @routes.get("/<session>/report")
    def report(session: str) -> Response:
        return kit.answer(counting.reports.variance(parts.person(), OpId.parse(session)))

    @routes.get("/<session>/report.csv")
    def report_csv(session: str) -> Response:
        found = counting.reports.variance(parts.person(), OpId.parse(session))
        return _csv(counting_csv.write(found["lines"], counting_reports.LINE_COLUMNS), f"variance-{session[:8]}")

    @routes.get("/programme")
    def programme() -> Response:
        return kit.answer(counting.reports.programme(parts.person(), _since()))

    @routes.get("/programme.csv")
    def programme_csv() -> Response:
        found = counting.reports.programme(parts.person(), _since())
        return _csv(counting_csv.write(found["months"], counting_reports.MONTH_COLUMNS), "programme")

    @routes.get("/<session>/sheets")
    def sheets(session: str) -> Response:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            return kit.answer({"sheets": counting.sheets.of_session(connection, who, op_id)})

    @routes.get("/sheets/<number>")
    def sheet(number: str) -> Response:
        return kit.answer(counting.sheets.show(parts.person(), sheet_number(number)))

    @routes.get("/sheets/<number>.csv")
    def sheet_csv(number: str) -> Response:
        return _csv(
            counting_csv.blank(counting.sheets.show(parts.person(), sheet_number(number))),
            f"sheet-{sheet_number(number)}",
        )

    return routes


def _csv(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(text, mimetype="text/csv", headers=headers)


def sheet_number(text: str) -> int:
    """The number of a sheet out of an address."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise kit.NotFound(f"there is no sheet {kit.shown(text)}")
    return int(text)


def _since() -> int | None:
    """`since` of the address, Unix milliseconds."""
    value = request.args.get("since")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 15):
        raise Rejected(f"since is {kit.shown(value)}: expected Unix milliseconds")
    return int(value)
