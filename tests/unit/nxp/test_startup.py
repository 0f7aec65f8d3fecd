"""What small commands import: each runs in a fresh interpreter, which lists its modules at the end.

A time would depend on the machine; what is imported does not.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.landing import CATALOG

# Whole packages that take 0.05 s to 2 s to import, and that few commands need.
HEAVY = frozenset(
    {
        "alembic",
        "asyncio",
        "duckdb",
        "fsspec",
        "httpx",
        "importlib.metadata",
        "numpy",
        "obstore",
        "polars",
        "prefect",
        "psutil",
        "pyarrow",
        "rich.console",
        "sqlalchemy",
        "zstandard",
    }
)
LEDGER = frozenset({"sqlalchemy", "asyncio", "importlib.metadata"})
RUN = """
import atexit, json, os, sys

out = os.dup(1)
atexit.register(lambda: os.write(out, ("\\n" + json.dumps(sorted(sys.modules))).encode()))
sys.argv[0] = "nxp"
from nxp.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose ledger exists: only the first command of all makes its tables."""
    home = tmp_path_factory.mktemp("home")
    imported(home, "runs")
    return home


def imported(home: Path, *words: str, catalog: Path = CATALOG, code: int = 0) -> set[str]:
    """Run a command to its expected end and return the names of the modules it has imported."""
    named = {name: value for name, value in os.environ.items() if not name.startswith("NXP_")}
    environment = named | {
        "NXP_HOME": str(home),
        "NXP_CATALOG": str(catalog),
        "NEXTHINK_INSTANCE": "acme",
        "NEXTHINK_REGION": "eu",
        "NEXTHINK_CLIENT_ID": "x",
        "NEXTHINK_CLIENT_SECRET": "y",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("command", "allowed", "most"),
    [
        ("--help", {"rich.console"}, 270),
        ("export --help", {"rich.console", "importlib.metadata", "psutil"}, 510),
        ("nql queries", {"importlib.metadata"}, 430),
        ("datasets", LEDGER, 530),
        pytest.param("datasets devices", LEDGER, 530, marks=pytest.mark.slow),
        ("runs", LEDGER, 530),
        pytest.param("state show devices", LEDGER, 530, marks=pytest.mark.slow),
    ],
)
def test_a_small_command_imports_only_what_it_needs(
    home: Path, command: str, allowed: set[str], most: int
) -> None:
    names = imported(home, *command.split())
    assert names & HEAVY <= allowed
    assert len(names) <= most


@pytest.mark.parametrize(
    ("command", "allowed", "most"),
    [
        ("exprot devices", set(), 330),
        ("export devcies", {"importlib.metadata"}, 480),
        ("act run fre_disk_space", {"importlib.metadata"}, 480),
    ],
)
def test_a_typo_is_answered_without_importing_what_the_command_needs(
    home: Path, command: str, allowed: set[str], most: int
) -> None:
    names = imported(home, *command.split(), code=2)
    assert names & HEAVY <= allowed
    assert len(names) <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "server strat",
        "export --al",
        "export devices --tenat x",
        "backfill devcies --from 2026-01-01 --to 2026-01-02",
        "maintain devcies",
        "replay devcies --run x",
        "plan cmdb",
        "apply cmdb",
        "sync cmdb",
        "retry cmdb",
        "act plan fre_disk_space",
        "datasets devcies",
    ],
)
def test_other_typos_too(home: Path, command: str) -> None:
    names = imported(home, *command.split(), code=2)
    assert names & HEAVY <= LEDGER | {"psutil", "rich.console"}


def lake_in(home: Path) -> Path:
    """Give an installation a lake with one dataset, and return the installation."""
    manifest = {"dataset": "devices", "mode": "snapshot", "version": 1, "entries": []}
    folder = home / "lake" / "acme.eu" / "devices"
    folder.mkdir(parents=True)
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    return home


def test_reading_the_lake_with_sql_imports_duckdb_and_no_frames(tmp_path: Path) -> None:
    names = imported(lake_in(tmp_path), "sql", "select 1 as one")
    assert names & HEAVY <= {"duckdb", "importlib.metadata"}
    assert len(names) <= 480


def test_checking_datasets_and_actions_imports_no_ledger_and_no_client(tmp_path: Path) -> None:
    for folder in ("datasets", "queries", "actions"):
        shutil.copytree(CATALOG / folder, tmp_path / "catalog" / folder)
    names = imported(tmp_path / "new", "check", catalog=tmp_path / "catalog")
    assert names & HEAVY <= {"importlib.metadata"}
    assert len(names) <= 425
    used = imported(lake_in(tmp_path / "used"), "check", catalog=tmp_path / "catalog")
    assert used & HEAVY <= {"importlib.metadata"}
    assert len(used) <= 440


def test_checking_syncs_imports_duckdb_for_their_statements_and_no_frames(home: Path) -> None:
    names = imported(home, "check")
    assert names & HEAVY <= {"duckdb", "importlib.metadata"}
    assert len(names) <= 520


def test_a_catalogue_of_many_datasets_imports_no_more(home: Path, tmp_path: Path) -> None:
    shutil.copytree(CATALOG / "queries", tmp_path / "queries")
    (tmp_path / "datasets").mkdir()
    text = (CATALOG / "datasets" / "devices.yaml").read_text("utf-8")
    for number in range(20):
        named = text.replace("dataset: devices", f"dataset: devices_{number}")
        (tmp_path / "datasets" / f"devices_{number}.yaml").write_text(named, "utf-8")
    assert imported(home, "datasets", catalog=tmp_path) == imported(home, "datasets")


def test_listing_rejects_imports_pyarrow_and_neither_polars_nor_a_database(home: Path) -> None:
    assert imported(home, "rejects", "devices") & HEAVY <= {
        "importlib.metadata",
        "numpy",
        "pyarrow",
    }
