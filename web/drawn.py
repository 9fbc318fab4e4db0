"""What a page draws by itself."""

from __future__ import annotations

from devices.output.page import qr_rows


def qr(text: str) -> tuple[int, str]:
    """A QR Code as a page draws it: modules on a side, and the path of its dark ones; a quiet zone is around it."""
    rows = qr_rows(text)
    dark = (f"M{x},{y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module)
    return len(rows), "".join(dark)
