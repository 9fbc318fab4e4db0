"""Labels for ZPL printers. Whatever a text holds, it stays text: `^`, `~` and control characters travel in hex.

Source: Zebra, ZPL II programming guide; "Creating GS1 barcodes with Zebra printers" for the invocation codes.
"""

from __future__ import annotations

from devices.output import code128
from devices.output.labels import Bars, Label, Qr, Text
from ledger.errors import Rejected

DPI = 203
COPIES_MAX = 500
_HEXED = frozenset(b"^~_\\") | frozenset(range(32)) | frozenset(range(127, 256))


def job(label: Label, *, dpi: int = DPI, copies: int = 1) -> bytes:
    """One label as one print job; raises Rejected when it does not fit the paper."""
    if not 1 <= copies <= COPIES_MAX:
        raise Rejected(f"{copies} copies: expected 1 to {COPIES_MAX}")
    lines = ["^XA", "^CI28", "^LH0,0", f"^PW{_dots(label.width, dpi)}", f"^LL{_dots(label.height, dpi)}"]
    lines += [_part(part, dpi) for part in label.parts]
    lines += [f"^PQ{copies}", "^XZ"]
    return "\n".join(lines).encode("ascii")


def module_dots(part: Bars, dpi: int) -> int:
    """How many dots a module is wide so that the symbol fits; raises Rejected when not even two do."""
    count = code128.modules(part.text)
    fit = min(4 * dpi // DPI, int(part.width / 25.4 * dpi) // count)
    if fit * 25.4 / dpi < 0.24:
        raise Rejected(f"{part.says.decode('ascii', 'replace')}: {count} modules do not fit {part.width:g} mm")
    return fit


def _part(part: Text | Bars | Qr, dpi: int) -> str:
    place = f"^FO{_dots(part.x, dpi)},{_dots(part.y, dpi)}"
    if isinstance(part, Text):
        size = _dots(min(part.size, part.width / max(1, len(part.text)) * 1.7), dpi)
        return f"{place}^A0N,{size},{size}{_field(part.text)}"
    if isinstance(part, Bars):
        wide = module_dots(part, dpi)
        quiet = f"^FO{_dots(part.x, dpi) + code128.QUIET * wide},{_dots(part.y, dpi)}"
        return f"{quiet}^BY{wide}^BCN,{_dots(part.height, dpi)},N,N,N{_field(code128.zpl_data(part.text))}"
    magnify = max(2, min(10, _dots(part.size, dpi) // 60))
    return f"{place}^BQN,2,{magnify}{_field('MA,' + part.text)}"


def _field(text: str) -> str:
    said = "".join(f"_{byte:02X}" if byte in _HEXED else chr(byte) for byte in text.encode("utf-8"))
    return f"^FH_^FD{said}^FS"


def _dots(millimetres: float, dpi: int) -> int:
    return round(millimetres / 25.4 * dpi)
