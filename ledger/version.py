"""Which program this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The installed program's version; "unknown" when it runs from a folder that was never installed."""
    try:
        return metadata.version("tallyman")
    except metadata.PackageNotFoundError:
        return "unknown"
