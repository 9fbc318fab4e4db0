"""The front door: `tallyman COMMAND …`. Each command's own modules are imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ledger import commands
from ledger.commands import USAGE

COMMANDS = {
    "node": ("node.cli", "one warehouse site: init, enrol, run, status, seal, sync, verify, rebuild, config"),
    "hub": ("hub.cli", "all sites: init, run, enrol, status, discrepancies, anchor, verify and more"),
    "devices": ("devices.cli", "scanners, scales, labels: doctor, list, decode, monitor, calibrate, label and more"),
    "verify": ("ledger.verify_cli", "check a receipt, without any network or vendor"),
    "demo": ("tallyman_demo", "hub, two sites and a simulated scanner on this machine"),
}
ANSWER_BYTES_MAX = 8 << 20
POST_TIMEOUT_S = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the rest of the line to the command; answers the exit code: 0 done, 1 no, 2 usage, 3 try later.

    Without `argv` this is the program itself, with its own words and its own output.
    """
    if argv is None:
        return commands.process(lambda: main(sys.argv[1:]))
    words = list(argv)
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
    import http.client
    import urllib.request

    from ledger.errors import Unavailable

    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - verify takes http and https only
    # Proxies of the environment are left aside: what is asked here is nobody else's business.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=POST_TIMEOUT_S) as answer:
            raw: bytes = answer.read(ANSWER_BYTES_MAX + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unavailable(f"the main chain at {url} does not answer: {error}") from error
    if len(raw) > ANSWER_BYTES_MAX:
        raise Unavailable(f"the main chain at {url} answered more than {ANSWER_BYTES_MAX} bytes")
    return raw


if __name__ == "__main__":
    sys.exit(main())
