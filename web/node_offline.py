"""What a tablet needs to open its pages without the node: a service worker, a manifest, and empty pages.

The worker keeps files under their versioned addresses. The empty pages hold no name, no bin and no quantity: a page
takes them from the node's stream and from the tablet's own disk.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, render_template

from web import kit
from web.languages import ENGLISH, LANGUAGES
from web.node_app import FOLDER, NodeParts
from web.node_pages import count_page

PAGES = tuple(f"/offline/{language}{page}" for language in LANGUAGES for page in ("", "/count"))
WORKER = "worker.js"


def blueprint(parts: NodeParts, version: kit.Version) -> Blueprint:
    routes = Blueprint("node_offline", __name__)

    @routes.get("/sw.js")
    def worker() -> Response:
        files = [version.address(path) for path in version.files() if path != WORKER]
        files += [version.address(f"words/{language}.json") for language in LANGUAGES if language != ENGLISH]
        said = {"VERSION": version.now(), "FILES": files, "PAGES": PAGES}
        constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in said.items())
        text = constants + (FOLDER / "static" / WORKER).read_text("utf-8")
        return Response(text, mimetype="text/javascript", headers={"Cache-Control": "no-cache"})

    @routes.get("/manifest.webmanifest")
    def manifest() -> Response:
        icon = {"src": version.address("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
        content = {
            "name": f"Tallyman {parts.site.config.site}",
            "short_name": "Tallyman",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#0b0f14",
            "theme_color": "#141b23",
            "icons": [icon],
        }
        return Response(json.dumps(content), mimetype="application/manifest+json")

    @routes.get(f"/offline/<any({', '.join(LANGUAGES)}):language>")
    def offline(language: str) -> str:
        return render_template("node/offline.html", who=None, roles=[], empty=True)

    @routes.get(f"/offline/<any({', '.join(LANGUAGES)}):language>/count")
    def count(language: str) -> str:
        return count_page(parts, who=None, roles=[], empty=True)

    return routes
