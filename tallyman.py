"""The front door: `tallyman COMMAND …`. Each command's own modules are imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "node": ("node.cli", "one warehouse site: init, enrol, run, status, seal, sync, verify, rebuild, config"),
    "hub": ("hub.cli", "all sites: init, run, enrol, status, discrepancies, anchor, verify and more"),
    "devices": ("devices.cli", "scanners, scales, labels: doctor, list, decode, monitor, calibrate, label and more"),
    "verify": ("ledger.verify_cli", "check a receipt, without any network or vendor"),
    "demo": ("tallyman_demo", "hub, two sites and a simulated scanner on this machine"),
}
USAGE = 2
ANSWER_BYTES_MAX = 8 << 20
POST_TIMEOUT_S = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the rest of the line to the command; answers the exit code: 0 done, 1 no, 2 usage, 3 try later."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["--help"], ["-h"]):
        print(_help())
        return 0
    if words[:1] == ["--version"]:
        from ledger.version import version

        print(f"tallyman {version()}")
        return 0
    if not words or words[0] not in COMMANDS:
        named = f"{words[0]!r} is not a command" if words else "a command is missing"
        print(f"tallyman: {named}\n{_help()}", file=sys.stderr)
        return USAGE
    command = importlib.import_module(COMMANDS[words[0]][0])
    if words[0] == "verify":
        return int(command.main(words[1:], post=_post))
    return int(command.main(words[1:]))


def _help() -> str:
    lines = [f"  {name:<10}{what}" for name, (_, what) in COMMANDS.items()]
    return "usage: tallyman COMMAND … | --version\n\n" + "\n".join(lines) + "\n\n`tallyman COMMAND --help` says more."


def _post(url: str, body: bytes) -> bytes:
    """Ask a main chain's JSON-RPC, for `verify --rpc` alone: the user named the address, no file did."""
    import urllib.error
    import urllib.request

    from ledger.errors import Unavailable

    if not url.startswith(("http://", "https://")):
        raise Unavailable(f"{url} is not an address of a JSON-RPC: expected http:// or https://")
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    # Proxies of the environment are left aside: what is asked here is nobody else's business.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=POST_TIMEOUT_S) as answer:
            raw: bytes = answer.read(ANSWER_BYTES_MAX + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Unavailable(f"the main chain at {url} does not answer: {error}") from error
    if len(raw) > ANSWER_BYTES_MAX:
        raise Unavailable(f"the main chain at {url} answered more than {ANSWER_BYTES_MAX} bytes")
    return raw


if __name__ == "__main__":
    sys.exit(main())
