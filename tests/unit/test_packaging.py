"""What has to be true of the project as a whole: packages, deployments, lock file, documents."""

import importlib
import re
from pathlib import Path

import pytest

from scripts.check_lock import problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["connectors", "flows", "nxp", "sandbox", "tasks"])
def test_packages_are_the_ones_of_this_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)
    assert module.__doc__


def test_no_module_of_a_flow_takes_the_name_of_a_package() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert not names & {"connectors", "tasks", "flows", "nxp", "sandbox", "prefect"}


def test_the_lock_file_is_checked_for_pins_hashes_and_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert problems(lock) == []
    assert problems(lock.replace("prefect==", "prefekt=="))
    assert problems(re.sub(r"(?m)^httpx==.*(\n    --hash.*)+", "httpx==0.28.1", lock))
    assert problems(f"--index-url https://example.org/simple\n{lock}")
    assert problems(lock.replace("# made from pyproject.toml ", "# made from pyproject.toml x"))


def test_links_in_the_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_readme_fits_on_two_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
