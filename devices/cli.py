"""`tallyman devices`: what is plugged in, what a read means, labels, and devices made of software.

Exit codes: 0 done, 1 no (a read that is not ok, a wish refused), 2 usage, 3 try later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from devices import cli_live, cli_paper, cli_read
from devices.settings import SETTINGS
from ledger import commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)

    def act() -> int:
        try:
            return int(arguments.run(arguments))
        except KeyboardInterrupt:
            if arguments.run in cli_live.ENDLESS:
                return commands.DONE  # they run until somebody ends them
            raise

    return commands.run(act, lambda said, _: print(f"tallyman devices: {said}", file=sys.stderr))


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(f"  {name:10}{text}" for name, text in SETTINGS.items())
    parser = argparse.ArgumentParser(
        prog="tallyman devices",
        description="Scanners, scales and label printers: from trigger pull to decoded read, and back to paper.",
        epilog=f"settings of a device address (serial:///dev/…?name=value&…):\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    named: Any = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_paper.doctor_command(named)
    cli_live.list_command(named)
    cli_read.decode_command(named)
    cli_live.monitor_command(named)
    cli_read.replay_command(named)
    cli_read.undecided_command(named)
    cli_paper.calibrate_command(named)
    cli_paper.label_command(named)
    cli_live.sim_command(named)
    return parser
