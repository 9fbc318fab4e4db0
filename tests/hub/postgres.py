"""A PostgreSQL server for the length of a test session, as an ordinary user, on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "no PostgreSQL server here; add it with: apt-get install postgresql"


def binaries() -> Path | None:
    """The newest installed server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return found[-1] if found else None


@contextmanager
def server() -> Iterator[str]:
    """A running cluster; gives its address without a database name. Nothing survives it."""
    programs = binaries()
    if programs is None:
        raise FileNotFoundError(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="tallyman-pg-"))
    # The server refuses to run as root, so root hands the folder to the package's own user.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB -k {folder}"
    try:
        subprocess.run([*user, programs / "initdb", "-A", "trust", "-U", "tester", "--no-sync", "-D", data], **quiet)
        subprocess.run([*user, programs / "pg_ctl", "-D", data, "-o", options, "-w", "start"], **quiet)
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}"
        subprocess.run([*user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
