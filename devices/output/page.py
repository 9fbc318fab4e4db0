"""The same labels as pictures (PNG) and as pages (PDF) for any other printer, with the standard library alone."""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Sequence

from devices.output import code128, font
from devices.output.labels import Bars, Label, Qr, Text
from devices.output.zpl import module_dots

PNG_DPI = 300
POINTS = 72 / 25.4
_WHITE_AND_BLACK = bytes.maketrans(b"\0\1", b"10")
_FONT_WIDTH = 0.56  # of Helvetica, on average, to its height


def qr_rows(text: str) -> list[list[bool]]:
    """A QR Code's modules, dark as True, with the four white ones that belong around it."""
    import segno

    made = segno.make_qr(text, error="m")
    return [[bool(module) for module in row] for row in made.matrix_iter(border=4)]


def png(label: Label, dpi: int = PNG_DPI) -> bytes:
    """One label as a black and white picture."""
    width, height = _dots(label.width, dpi), _dots(label.height, dpi)
    rows = [bytearray(width) for _ in range(height)]
    for part in label.parts:
        x, y = _dots(part.x, dpi), _dots(part.y, dpi)
        if isinstance(part, Bars):
            _draw_bars(rows, part, x, y, dpi)
        elif isinstance(part, Qr):
            modules = qr_rows(part.text)
            side = max(1, _dots(part.size, dpi) // len(modules))
            for number, line in enumerate(modules):
                for place, dark in enumerate(line):
                    _fill(rows, x + place * side, y + number * side, side, side, dark)
        else:
            _draw_text(rows, part, x, y, dpi)
    return _png_file(rows, width, dpi)


def _draw_bars(rows: list[bytearray], part: Bars, x: int, y: int, dpi: int) -> None:
    wide = module_dots(part, dpi)
    place = x + code128.QUIET * wide
    for number, width in enumerate(code128.widths(part.text)):
        _fill(rows, place, y, width * wide, _dots(part.height, dpi), number % 2 == 0)
        place += width * wide


def _draw_text(rows: list[bytearray], part: Text, x: int, y: int, dpi: int) -> None:
    columns = font.columns(part.text)
    scale = min(
        _dots(part.size, dpi) // (font.ROWS_ABOVE + font.ROWS), _dots(part.width, dpi) // max(1, len(columns))
    )
    scale = max(1, scale)
    for place, column in enumerate(columns):
        for row in range(font.HEIGHT):
            _fill(rows, x + place * scale, y + row * scale, scale, scale, bool(column >> row & 1))


def _fill(rows: list[bytearray], x: int, y: int, width: int, height: int, dark: bool) -> None:
    if dark:
        for row in rows[max(0, y) : y + height]:
            row[x : x + width] = b"\x01" * len(row[x : x + width])


def _png_file(rows: list[bytearray], width: int, dpi: int) -> bytes:
    packed = bytearray()
    for row in rows:
        packed.append(0)
        # White is 1: the row as a number in binary, padded to whole bytes.
        bits = row.translate(_WHITE_AND_BLACK) + b"1" * (-width % 8)
        packed += int(bits, 2).to_bytes(len(bits) // 8, "big")
    metre = round(dpi / 0.0254)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 1, 0, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", metre, metre, 1)),
        (b"IDAT", zlib.compress(bytes(packed), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def pdf(labels: Sequence[Label]) -> bytes:
    """A page a label, in the label's own size, with bars as shapes and text that can be searched."""
    pages = [zlib.compress(_content(label).encode("latin-1")) for label in labels]
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(count)), count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ]
    for number, (label, page) in enumerate(zip(labels, pages, strict=True)):
        box = f"[0 0 {label.width * POINTS:.2f} {label.height * POINTS:.2f}]"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents {5 + 2 * number} 0 R"
            " /Resources << /Font << /F 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(page) + page + b"\nendstream")
    made, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(made)


def _content(label: Label) -> str:
    lines = ["0 g"]
    for part in label.parts:
        top = label.height - part.y
        if isinstance(part, Text):
            size = min(part.size, part.width / max(1, len(part.text)) / _FONT_WIDTH)
            baseline = (top - size * 0.8) * POINTS
            lines.append(
                f"BT /F {size * POINTS:.2f} Tf {part.x * POINTS:.2f} {baseline:.2f} Td ({_pdf_text(part.text)}) Tj ET"
            )
        elif isinstance(part, Bars):
            module = module_dots(part, PNG_DPI) * 25.4 / PNG_DPI
            place = part.x + code128.QUIET * module
            for number, width in enumerate(code128.widths(part.text)):
                if number % 2 == 0:
                    lines.append(_box(place, top - part.height, width * module, part.height))
                place += width * module
        else:
            modules = qr_rows(part.text)
            side = part.size / len(modules)
            lines += [
                _box(part.x + place * side, top - (number + 1) * side, side, side)
                for number, row in enumerate(modules)
                for place, dark in enumerate(row)
                if dark
            ]
    return "\n".join(lines)


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"{x * POINTS:.3f} {y * POINTS:.3f} {width * POINTS:.3f} {height * POINTS:.3f} re f"


def _pdf_text(text: str) -> str:
    """Text in Windows' Latin alphabet, written so that it cannot end the string; what it lacks loses its accents."""
    plain = text.replace("→", "->")
    said = bytearray()
    for character in plain:
        made = character.encode("cp1252", "ignore")
        said += made or unicodedata.normalize("NFKD", character).encode("ascii", "ignore") or b"?"
    return "".join(f"\\{byte:03o}" if byte in b"()\\" or not 32 <= byte < 127 else chr(byte) for byte in said)


def _dots(millimetres: float, dpi: int) -> int:
    return round(millimetres / 25.4 * dpi)
