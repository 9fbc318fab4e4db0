"""`tallyman devices`: what is plugged in, what a read means, labels, and devices made of software.

Exit codes: 0 done, 1 no (a read that is not ok, a wish refused), 2 usage, 3 try later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from devices import cli_live, cli_paper, cli_read
from devices.cli_read import Usage
from devices.settings import SETTINGS
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable

INTERRUPTED = 130  # by Ctrl-C, as a shell has it: nothing was decided


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except Usage as error:
        print(f"tallyman devices: {error}; see --help", file=sys.stderr)
        return 2
    except (Rejected, Invalid, Corrupt) as error:
        print(f"tallyman devices: {error}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"tallyman devices: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        # Those that run until somebody ends them have done what they should.
        return 0 if arguments.run in cli_live.ENDLESS else INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"tallyman devices: cannot use {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(f"  {name:10}{text}" for name, text in SETTINGS.items())
    parser = argparse.ArgumentParser(
        prog="tallyman devices",
        description="Scanners, scales and label printers: from trigger pull to decoded read, and back to paper.",
        epilog=f"settings of a device address (serial:///dev/…?name=value&…):\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands: Any = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_paper.doctor_command(commands)
    cli_live.list_command(commands)
    cli_read.decode_command(commands)
    cli_live.monitor_command(commands)
    cli_read.replay_command(commands)
    cli_read.undecided_command(commands)
    cli_paper.calibrate_command(commands)
    cli_paper.label_command(commands)
    cli_live.sim_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
