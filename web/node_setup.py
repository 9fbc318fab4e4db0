"""Setting up a tablet: the site's certificate to install, and a page on which the tablet tests itself.

Where HTTPS is on, plain HTTP from the floor leads here and nowhere else: a PIN must not be typed over it. Loopback is
the machine itself and stays as it is.
"""

from __future__ import annotations

import hashlib
import ipaddress
import plistlib
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from devices import calibration
from sync.discovery import own_addresses
from web import drawn, kit
from web.node_app import NodeParts
from web.node_words import grouped

PLAIN = ("/setup", "/s/", "/static/")


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_setup", __name__)

    @routes.before_app_request
    def over_https() -> AnyResponse | None:
        if parts.certificates is None or request.is_secure or request.path.startswith(PLAIN) or _loopback():
            return None
        if not kit.wants_page():
            raise kit.Forbidden(f"this node is used over HTTPS: {_secure_url()}")
        return redirect(_secure_url() + "/setup" if request.path == "/" else _secure_url() + request.path)

    @routes.get("/setup")
    def setup() -> str:
        known = parts.certificates
        fingerprint = "" if known is None else known.authority().fingerprint.upper()
        own_url = _own_url()
        said = urlencode({"site": parts.site.config.site} | ({"ca": fingerprint} if fingerprint else {}))
        return render_template(
            "node/setup.html",
            fingerprint=grouped(fingerprint),
            secure_url=_secure_url() if known else "",
            own_url=own_url,
            own_code=drawn.qr(f"{own_url}#{said}"),
            letters=drawn.qr(calibration.LETTERS),
            layouts=calibration.garbled(),
        )

    @routes.get("/setup/ca.crt")
    def certificate() -> Response:
        return Response(_authority(), mimetype="application/x-x509-ca-cert", headers=_named("tallyman-ca.crt"))

    @routes.get("/setup/ca.mobileconfig")
    def profile() -> Response:
        """The same for iPads: a profile that holds nothing but the certificate."""
        name, raw = f"Tallyman {parts.site.config.site}", _authority()
        inner = {
            "PayloadType": "com.apple.security.root",
            "PayloadVersion": 1,
            "PayloadIdentifier": "tallyman.ca",
            "PayloadUUID": _uuid(raw, "certificate"),
            "PayloadDisplayName": name,
            "PayloadContent": raw,
        }
        content = {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": "tallyman",
            "PayloadUUID": _uuid(raw, "profile"),
            "PayloadDisplayName": name,
            "PayloadContent": [inner],
        }
        return Response(
            plistlib.dumps(content),
            mimetype="application/x-apple-aspen-config",
            headers=_named("tallyman-ca.mobileconfig"),
        )

    def _authority() -> bytes:
        if parts.certificates is None:
            raise kit.NotFound("HTTPS is off at this node: there is no certificate to install")
        return parts.certificates.authority().der

    def _secure_url() -> str:
        return f"https://{_host()}:{parts.site.config.web.https_port}"

    def _own_url() -> str:
        """Where a new tablet begins: this page, over plain HTTP while it trusts no certificate. Empty when nobody but
        this machine can come here."""
        host, web = _host(), parts.site.config.web
        if _is_loopback(host):
            host = next((each for each in (*web.https_names, *own_addresses(web.host)) if not _is_loopback(each)), "")
        # Behind HTTPS the port of plain HTTP is the one of the settings.
        port = f":{web.port}" if request.is_secure and web.port else request.host.removeprefix(_host())
        return f"http://{host}{port}/setup" if host else ""

    return routes


def _host() -> str:
    """How this node was called, without its port."""
    return request.host if request.host.endswith("]") else request.host.rsplit(":", 1)[0]


def _loopback() -> bool:
    return _is_loopback(request.remote_addr or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _uuid(raw: bytes, what: str) -> str:
    """The same certificate gives the same profile, so that installing it twice replaces it."""
    digest = hashlib.sha256(f"tallyman/profile/{what}\n".encode() + raw).hexdigest()
    return "-".join(digest[at:to] for at, to in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
