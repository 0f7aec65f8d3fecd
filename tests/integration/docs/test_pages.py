"""How-to pages, followed from the first command to the last against a sandbox.

Each takes a second or more, so all are `slow`. `.ci/run` runs them: `make check-docs` those without
a Prefect server, `make test-prefect` the others.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nxp.library import LIBRARY
from sandbox.actions.options import ActingOptions
from tests.commands import environment, nxp
from tests.databases import Server
from tests.following import Walk
from tests.landing import place
from tests.object_store import ObjectStore

# What to do before commands with such comments, and what the page's addresses stand for.
Steps = tuple[Mapping[str, Callable[[], object]], Mapping[str, str]]


def project(folder: Path) -> Path:
    """Return a project with a few datasets of the library."""
    made = folder / "nexthink"
    for part in ("datasets", "queries"):
        (made / part).mkdir(parents=True)
    for name in ("devices", "users", "binaries", "crashes"):
        shutil.copy(LIBRARY / "datasets" / f"{name}.yaml", made / "datasets")
        shutil.copy(LIBRARY / "queries" / f"{name}.nql", made / "queries")
    return made


def edited(path: Path, *changes: tuple[str, str]) -> None:
    """Replace words of a file; each has to be there."""
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def nothing(_made: Path, _services: pytest.FixtureRequest) -> Steps:
    """Return no preparation: the page needs a tenant only."""
    return {}, {}


def dataset(_made: Path, services: pytest.FixtureRequest) -> Steps:
    """Let the page's Prefect server be one on which nothing has been deployed."""
    return {}, {"https://prefect.example.org/api": services.getfixturevalue("new_server")}


def repair(made: Path, _services: pytest.FixtureRequest) -> Steps:
    """Edit a file as the page says in words."""
    users = made / "datasets" / "users.yaml"
    wrong = ("name: upn\n", "name: upn\n    nullable: false\n")
    share = ("compression:", "max_reject_share: 0.1\ncompression:")
    return {
        "upn: nullable: false": lambda: edited(users, wrong, share),
        "upn: no nullable": lambda: edited(users, wrong[::-1]),
    }, {}


def source(made: Path, _services: pytest.FixtureRequest) -> Steps:
    """Fill a database of people."""

    def fill() -> None:
        with sqlite3.connect(made / "hr.db") as database:
            database.execute("CREATE TABLE people (upn TEXT, employee_id TEXT)")
            rows = [("anna.meier@example.com", "E1"), ("luca.rossi@example.com", "E2")]
            database.executemany("INSERT INTO people VALUES (?, ?)", rows)

    return {"your database": fill}, {}


def action(made: Path, _services: pytest.FixtureRequest) -> Steps:
    """Switch the dry run off where the page says so."""
    file = made / "actions" / "disk_usage.yaml"
    return {"dry_run is off": lambda: edited(file, ("dry_run: true", "dry_run: false"))}, {}


def postgresql(made: Path, services: pytest.FixtureRequest) -> Steps:
    """Let the page's addresses be those of a server of the tests."""
    server: Server = services.getfixturevalue("postgres")
    for name in ("nexthink", "ledger"):
        server.run(f"DROP DATABASE IF EXISTS {name}")
        server.run(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    devices = made / "datasets" / "devices.yaml"
    lands = ("compression:", "landings: [parquet, sql]\ncompression:")
    return {"landings: [parquet, sql]": lambda: edited(devices, lands)}, {
        f"postgresql://ann@db.example.org/{name}": server.url.replace("/postgres?", f"/{name}?")
        for name in ("nexthink", "ledger")
    }


def s3(_made: Path, services: pytest.FixtureRequest) -> Steps:
    """Let the page's bucket be one of an S3 service of the tests."""
    service: ObjectStore = services.getfixturevalue("s3")
    return {}, {"s3://acme-lake": f"s3://{service.bucket()}"}


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[str]:
    """Start a Prefect server for one test; return its API URL."""
    env = environment(NXP_HOME=str(tmp_path / "server"), PREFECT_SERVER_API_AUTH_STRING="")
    started = nxp("server", "start", env=env)
    assert started.returncode == 0, started.stderr
    yield started.stdout.strip()
    assert nxp("server", "stop", env=env).returncode == 0


PAGES = {
    "action": action,
    "backfill": nothing,
    "dataset": dataset,
    "move-lake": nothing,
    "postgresql": postgresql,
    "repair": repair,
    "s3": s3,
    "source": source,
    "sync": nothing,
}

ON_PREFECT = {"dataset"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.prefect] if page in ON_PREFECT else [])
        for page in PAGES
    ],
)
def test_a_page_does_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    made = project(tmp_path)
    acting = ActingOptions(execution_time=0, visibility_delay=0, offline_share=0, failure_share=0)
    options = {"queries": made / "queries", "devices": 60, "days": 20, "now": None}
    with place(tmp_path, **options, acting=acting) as here:
        for name, value in here.tenant.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NXP_CATALOG", str(made))
        prepare, meant = PAGES[page](made, request)
        # Prefect takes its settings when it is imported, maybe by a test before this one.
        apart = page in ON_PREFECT
        walk = Walk(f"howto/{page}.md", tmp_path, prepare, meant, apart=apart)
        assert walk.follow(made) > 2
        assert not here.tenant.leaks
