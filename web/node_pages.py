"""The tablet's pages: log in, start, count a bin, an operation's proof, the node itself."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ledger import people
from ledger.ids import OpId
from web import kit
from web.node_api import newest_operations
from web.node_app import NodeParts
from web.node_words import call_words, ladder, state_words


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_pages", __name__)

    @routes.context_processor
    def shared() -> dict[str, object]:
        try:
            who = parts.person()
        except kit.LoginNeeded:
            return {"site": parts.site.config.site, "who": None, "roles": [], "ladder_of": ladder}
        roles = people.role_names(who.roles)
        return {"site": parts.site.config.site, "who": who, "roles": roles, "ladder_of": ladder}

    @routes.get("/login")
    def login() -> str:
        return render_template("node/login.html")

    @routes.get("/")
    def home() -> Response | str:
        try:
            who = parts.person()
        except kit.LoginNeeded:
            return redirect(url_for("node_pages.login"))
        with parts.site.reading() as connection:
            bins = parts.floor.counting.mine(connection, who)
            operations = newest_operations(connection, 12)
        return render_template("node/home.html", bins=bins, operations=operations)

    @routes.get("/count")
    def count() -> Response | str:
        try:
            parts.person()
        except kit.LoginNeeded:
            return redirect(url_for("node_pages.login"))
        return render_template("node/count.html")

    @routes.get("/operations/<op_id>")
    def operation(op_id: str) -> str:
        parts.person()
        wanted = OpId.parse(op_id)
        state = parts.site.proof_state(wanted)
        with parts.site.reading() as connection:
            row = connection.execute(
                "SELECT height, place, call FROM operations WHERE op_id = ?", (wanted.raw,)
            ).fetchone()
            lines = [] if row is None else connection.execute(
                "SELECT item, lot, serial, quantity, source, target FROM movements WHERE height = ? AND place = ?"
                " ORDER BY line LIMIT 200", (row[0], row[1]),
            ).fetchall()  # fmt: skip
        if state is None or row is None:
            raise kit.NotFound(f"operation {op_id} was not recorded at this site")
        return render_template(
            "node/operation.html",
            op_id=op_id,
            height=row[0],
            what=call_words(row[2]),
            state=state,
            words=state_words(state),
            rungs=ladder(state),
            lines=lines,
        )

    @routes.get("/node")
    def node() -> str:
        parts.person()
        return render_template("node/node.html", status=parts.status(), devices=parts.devices())

    return routes
