"""Codes in a photo, for a tablet without a scanner. The only importer of zxing-cpp, an extra of the installation.

A picture comes as plain grey, four bits a point, two points a byte, the left one in the high bits: the tablet makes
it so, and no parser of a picture format runs here. The reader is native code and the picture is whatever somebody
sent, so it runs in a process of its own: what crashes or hangs there is one photo without a code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ledger.errors import Rejected

SIDE_MAX = 1600
GREY_BYTES_MAX = 700 * 1024
CODES_MAX = 20
READS_S_MAX = 10
_HIGH = bytes((value >> 4) * 17 for value in range(256))
_LOW = bytes((value & 15) * 17 for value in range(256))


@dataclass(frozen=True, slots=True)
class Code:
    """A code in a picture: `text` as a scanner would send it, its symbology identifier (ISO/IEC 15424) before it."""

    text: str
    symbology: str


def is_there() -> bool:
    """Whether this installation can read pictures."""
    return find_spec("zxingcpp") is not None


def codes_in(grey: bytes, width: int, height: int) -> list[Code]:
    """The codes in a picture, from top to bottom; none where nothing can be read.

    Raises Rejected for a picture of another size than it says, where no reader is installed, and when it died: the
    person with the tablet has to do something else, and no machine by asking again.
    """
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX) or len(grey) != (width * height + 1) // 2:
        raise Rejected(f"a picture has at most {SIDE_MAX} points on a side and half a byte for each of them")
    if not is_there():
        raise Rejected("this node cannot read photos: install it with its extra camera, or type the code")
    command = [sys.executable, "-m", "devices.pictures", str(width), str(height)]
    try:
        done = subprocess.run(command, input=grey, capture_output=True, timeout=READS_S_MAX, check=True)
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Rejected("this photo could not be read: take another one, closer") from error
    return [Code(str(text), str(symbology)) for text, symbology in found[:CODES_MAX]]


def points(grey: bytes, width: int, height: int) -> memoryview:
    """A byte a point, in rows."""
    spread = bytearray(2 * len(grey))
    spread[0::2], spread[1::2] = grey.translate(_HIGH), grey.translate(_LOW)
    return memoryview(bytes(spread[: width * height])).cast("B", (height, width))


def read(picture: memoryview) -> list[tuple[str, str]]:
    """(text with its symbology identifier, the symbology's name) of each code, from top to bottom."""
    import zxingcpp

    found: Any = zxingcpp.read_barcodes(picture)
    codes = sorted(found, key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    return [
        (code.symbology_identifier + code.bytes.decode("utf-8", "replace"), code.format.name)
        for code in codes
        if code.valid
    ]


def main(arguments: Sequence[str]) -> int:
    """The process of its own: a picture on standard input, JSON on standard output."""
    width, height = int(arguments[0]), int(arguments[1])
    print(json.dumps(read(points(sys.stdin.buffer.read(), width, height))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
