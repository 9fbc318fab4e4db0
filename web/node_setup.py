"""Setting up a tablet: the site's certificate to install, and a page on which the tablet tests itself.

Where HTTPS is on, plain HTTP from the floor leads here and nowhere else: a PIN must not be typed over it. Loopback is
the machine itself and stays as it is.
"""

from __future__ import annotations

import hashlib
import ipaddress
import plistlib

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from web import kit
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
        fingerprint = "" if known is None else grouped(known.authority().fingerprint)
        return render_template("node/setup.html", fingerprint=fingerprint, secure_url=_secure_url() if known else "")

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
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        return f"https://{host}:{parts.site.config.web.https_port}"

    return routes


def _loopback() -> bool:
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _uuid(raw: bytes, what: str) -> str:
    """The same certificate gives the same profile, so that installing it twice replaces it."""
    digest = hashlib.sha256(f"tallyman/profile/{what}\n".encode() + raw).hexdigest()
    return "-".join(digest[at:to] for at, to in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
