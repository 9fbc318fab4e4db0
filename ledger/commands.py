"""What every command of the program does alike: its exit codes, its errors, and an output that can fail.

Codes: 0 done, 1 no (a refusal, or something is wrong), 2 usage, 3 try later; and as a shell has them, 130 interrupted
and 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ledger.errors import Corrupt, Invalid, Rejected, Unavailable

LARGEST = 2**63 - 1  # that a database can hold
DONE, NO, USAGE, LATER, INTERRUPTED, UNREAD = 0, 1, 2, 3, 130, 141


class Usage(Rejected):
    """The line as it was typed cannot be meant: exit code 2."""


class OutputLost(Exception):
    """Standard output takes no more. No OSError on purpose: whoever looks after a disk must not take it for that."""


def run(act: Callable[[], int], refuse: Callable[[str, int], None]) -> int:
    """The exit code of one command; `refuse` says why it is not 0."""
    try:
        return act()
    except Usage as error:
        said, code = str(error), USAGE
    except (Rejected, Invalid, Corrupt) as error:
        said, code = str(error), NO
    except Unavailable as error:
        said, code = str(error), LATER
    except OSError as error:  # what the disk or a folder refuses
        said, code = f"cannot use {error.filename}: {error.strerror}" if error.filename else str(error), NO
    except KeyboardInterrupt:
        said, code = "interrupted before it was done", INTERRUPTED
    refuse(said, code)
    return code


def whole(least: int = 0, most: int = LARGEST) -> Callable[[str], int]:
    """A whole number within these bounds, as a `type` for argparse, whose refusal is wrong usage."""

    def number(text: str) -> int:
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
        if value is None or not least <= value <= most:
            bounds = f"from {least} to {most:,}" if most < LARGEST else f"of {least} or more"
            raise argparse.ArgumentTypeError(f"{text[:40]!r}: expected a whole number {bounds}")
        return value

    return number


def contents(file: str | Path) -> bytes:
    """The file that the line names, or all of standard input for `-`. Raises Usage when it cannot be read."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Usage(f"cannot read {file}: {error.strerror}") from error


def announce(line: str) -> None:
    """Say something that need not be heard: a server goes on although nobody can read where it listens."""
    with suppress(OutputLost):
        print(line, flush=True)


def process(main: Callable[[], int]) -> int:
    """Run `main` as this process's program; answers its exit code.

    An output that is full, or whose reader has gone, ends it where it stands: in one line with code 3, or, when the
    reader went, without a word. A complaint that nobody can read changes nothing.
    """
    for _ in range(3):  # a file opened later must not become standard output because somebody closed that
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
    # A command says in its answer what is wrong; a server sends its log to standard error (ledger/logs).
    logging.getLogger().addHandler(logging.NullHandler())
    sys.stdin = sys.stdin or io.TextIOWrapper(io.BytesIO())
    output, complaints = _Stream(1), _Stream(2, silent=True)
    sys.stdout, sys.stderr = _text(output, sys.stdout), _text(complaints, sys.stderr)
    code = LATER
    with suppress(OutputLost):
        try:
            code = main()
        except SystemExit as stop:  # argparse, and whoever ends by a signal
            code = stop.code if isinstance(stop.code, int) else DONE if stop.code is None else NO
        except KeyboardInterrupt:  # while it still loads
            code = INTERRUPTED
        sys.stdout.flush()
    if output.lost is None:
        return code
    if output.lost.errno == errno.EPIPE:
        return UNREAD
    print(f"tallyman: the output cannot be written: {output.lost.strerror}", file=sys.stderr)
    return LATER


class _Stream(io.FileIO):
    """Standard output or error. Its first failure is kept, and what comes after it is dropped."""

    def __init__(self, descriptor: int, *, silent: bool = False) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._silent = silent
        self.lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                self.lost = error
                if not self._silent:
                    raise OutputLost(str(error)) from error
        return len(data)


def _text(stream: _Stream, like: Any) -> io.TextIOWrapper:
    """A text stream as Python chose it, but that what its encoding lacks, or a file's name that is no text, is shown
    escaped instead of ending the command."""
    buffered = io.BufferedWriter(stream)
    if like is None:
        return io.TextIOWrapper(buffered, "utf-8", "backslashreplace")
    errors = "backslashreplace" if like.errors == "strict" else like.errors
    by_line = like.line_buffering or like.write_through
    return io.TextIOWrapper(buffered, like.encoding, errors, line_buffering=by_line)
