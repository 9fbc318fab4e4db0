"""What a tablet needs to open its pages without the node: a service worker, a manifest, and empty pages.

The worker keeps files under their versioned addresses. The empty pages hold no name, no bin and no quantity: a page
takes them from the node's stream and from the tablet's own disk.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, render_template

from ledger import people
from web import kit
from web.languages import ENGLISH, LANGUAGES
from web.node_app import FOLDER, NodeParts
from web.node_floor import SCREENS, screen
from web.node_pages import count_page
from web.node_tiles import TILES

PAGES = ("/count", *SCREENS)  # those with an empty page of their own, as `/offline/LANGUAGE/…`
SPOKEN = f"<any({', '.join(LANGUAGES)}):language>"
WORKER = "worker.js"


def blueprint(parts: NodeParts, version: kit.Version) -> Blueprint:
    routes = Blueprint("node_offline", __name__)

    @routes.get("/sw.js")
    def worker() -> Response:
        files = [version.address(path) for path in version.files() if path != WORKER]
        files += [version.address(f"words/{language}.json") for language in LANGUAGES if language != ENGLISH]
        said = {"VERSION": version.now(), "FILES": files, "PAGES": PAGES, "LANGUAGES": list(LANGUAGES)}
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

    @routes.get(f"/offline/{SPOKEN}")
    def offline(language: str) -> str:
        tiles = [(*tile[:4], " ".join(people.role_names(tile[4]))) for tile in TILES]
        return render_template("node/offline.html", tiles=tiles, who=None, roles=[], empty=True)

    @routes.get(f"/offline/{SPOKEN}/count")
    def count(language: str) -> str:
        return count_page(parts, who=None, roles=[], empty=True)

    @routes.get(f"/offline/{SPOKEN}/<path:name>")
    def page(language: str, name: str) -> str:
        return screen(f"/{name}", who=None, roles=[], empty=True)

    return routes
