"""The page on readers: each of its programs, in its own engine, counts the rows that have landed.

An engine is taken from .venv/readers (make readers), or from where the tests run.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import copytree, which
from typing import Any

import pytest

from tests.commands import environment
from tests.databases import Server
from tests.documents import DOCS
from tests.landing import Use, catalogue, place

PAGE = (DOCS / "readers.md").read_text("utf-8")
HEADINGS = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {
    heading: program
    for heading, text in HEADINGS.findall(PAGE)
    for program in PROGRAM.findall(text)
}
COMMANDS = re.findall(r"^ {4}((?:nxp|psql) .*)$", PAGE, re.MULTILINE)
IMPORTED = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)
READERS = DOCS.parent / ".venv" / "readers" / "bin" / "python"
DAYS: dict[str, Any] = {"window_from": "2026-11-16", "window_to": "2026-11-19"}


@dataclass(frozen=True)
class Project:
    """A project's folder in which rows of crashes have landed; its commands' variables."""

    folder: Path
    variables: dict[str, str]
    rows: int

    def run(self, *words: str) -> str:
        """Run a program in the folder, and return what it printed."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr[-2000:])
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which crashes landed as Parquet, and as a Delta table."""
    folder = tmp_path_factory.mktemp("readers")
    catalogue(folder, {}, crashes={"landings": ["parquet", "delta"]})
    with place(folder, days=5) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        made.land(made.plan("devices"))
        rows = sum(each.rows_landed for each in made.land(made.plan("crashes", **DAYS)))
        # As the page has it: the tests' own lake is not below NXP_HOME.
        home = folder / "project" / ".nxp"
        copytree(made.environment["NXP_LAKE"], home / "lake")
        variables = {**environment(made), "NXP_LAKE": str(home / "lake")}
        found = Project(home.parent, variables, rows)
        found.run(sys.executable, "-m", "nxp", "lake", "duckdb", "lake.duckdb")
        yield found


@cache
def has(python: Path, modules: tuple[str, ...]) -> bool:
    """Return whether a Python has modules."""
    if python == Path(sys.executable):
        return all(importlib.util.find_spec(each) for each in modules)
    code = f"from importlib.util import find_spec; exit(not all(map(find_spec, {modules})))"
    return python.exists() and not subprocess.run([python, "-c", code], check=False).returncode


def python_with(modules: tuple[str, ...]) -> str:
    """Return a Python that has modules, or skip the test."""
    for python in (Path(sys.executable), READERS):
        if has(python, modules):
            return str(python)
    pytest.skip(f"NOT TRIED: {', '.join(modules)} is not installed: make readers")


def test_five_programs_at_least_are_tried_without_make_readers() -> None:
    plain = [program for program in PROGRAMS.values() if "read_delta" not in program]
    here = [each for each in plain if has(Path(sys.executable), tuple(IMPORTED.findall(each)))]
    assert len(here) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("heading", PROGRAMS)
def test_every_program_counts_what_has_landed(project: Project, heading: str) -> None:
    program = PROGRAMS[heading]
    python = python_with(tuple(IMPORTED.findall(program)))
    assert project.run(python, "-c", program).split()[0] == str(project.rows)


@pytest.mark.slow
def test_psql_and_nxp_sql_count_them_too(
    postgres: Server, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not which("psql"):
        pytest.skip("NOT TRIED: psql is not installed")
    database = postgres.new_schema_url()
    catalogue(tmp_path, {}, crashes={"landings": ["parquet", "sql"]})
    monkeypatch.setenv("NXP_DATABASE_URL", database)
    with place(tmp_path, days=5) as made:
        use(made)
        rows = sum(each.rows_landed for each in made.land(made.plan("crashes", **DAYS)))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        variables = {**environment(made), "NXP_DATABASE_URL": database, "PATH": path}
        shell = Project(tmp_path, variables, rows)
        assert {command.partition(" ")[0] for command in COMMANDS} == {"nxp", "psql"}
        for command in COMMANDS:
            assert str(rows) in shell.run("bash", "-c", command).split(), command
        comments = shell.run("bash", "-c", 'psql "$NXP_DATABASE_URL" -c "\\d+ crashes"')
    assert "program" in comments.lower(), "the columns have comments"
