"""Places that settings name and that cannot be used."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.settings.installation import load_settings
from connectors.settings.place_problems import place_problems

NOBODY = 65_534
DENIED = "{}: no permission to write in {}, or it is read-only"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("a text that is longer than the beginning of a database")
    (tmp_path / "folder").mkdir()
    for name in ("spool", "staging"):
        (tmp_path / f"home_{name}").mkdir()
        (tmp_path / f"home_{name}" / name).touch()
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "acme.eu").touch()
    return tmp_path


def problems(folder: Path, **given: str) -> list[str]:
    values = {name: value.replace("DIR", str(folder)) for name, value in given.items()}
    settings = load_settings({"NXP_HOME": str(folder / "home"), **values})
    found = place_problems(settings, "acme.eu")
    return [
        problem.replace(str(folder), "DIR").partition(": choose")[0].partition(" choose")[0]
        for problem in found
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"NXP_LAKE": "DIR/file"}, "NXP_LAKE: DIR/file is a file, where a folder is needed"),
        ({"NXP_LAKE": "DIR/file/x"}, "NXP_LAKE: DIR/file is a file, where a folder is needed"),
        ({"NXP_LAKE": "DIR/lake"}, "NXP_LAKE: DIR/lake/acme.eu is a file, where"),
        ({"NXP_HOME": "DIR/file"}, "NXP_HOME: DIR/file is a file, where a folder is needed"),
        ({"NXP_HOME": "DIR/file/x"}, "NXP_HOME: DIR/file is a file, where a folder is needed"),
        ({"NXP_HOME": "DIR/home_spool"}, "NXP_HOME: DIR/home_spool/spool is a file, where"),
        ({"NXP_HOME": "DIR/home_staging"}, "NXP_HOME: DIR/home_staging/staging is a file, where"),
        ({"NXP_LEDGER_URL": "sqlite:///DIR/folder"}, "NXP_LEDGER_URL: DIR/folder is not a file"),
        (
            {"NXP_LEDGER_URL": "sqlite:///DIR/file/l.db"},
            "NXP_LEDGER_URL: DIR/file is a file, where",
        ),
        (
            {"NXP_LEDGER_URL": "sqlite+pysqlite:///DIR/file?timeout=9"},
            "NXP_LEDGER_URL: DIR/file is not a SQLite database",
        ),
        (
            {"NXP_DATABASE_URL": "duckdb:///DIR/folder"},
            "NXP_DATABASE_URL: DIR/folder is not a file",
        ),
    ],
)
def test_a_place_that_cannot_be_used_is_one_line_with_its_setting(
    folder: Path, given: dict[str, str], problem: str
) -> None:
    (found,) = problems(folder, **given)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"NXP_LAKE": "s3://bucket/lake", "NXP_LEDGER_URL": "postgresql://host/ledger"},
        {"NXP_LAKE": "DIR/none/yet", "NXP_LEDGER_URL": "sqlite:///DIR/none/at/all/l.db"},
        {"NXP_DATABASE_URL": "sqlite:///:memory:", "NXP_HOME": "DIR/folder"},
    ],
)
def test_what_can_be_made_and_what_is_elsewhere_is_no_problem(
    folder: Path, given: dict[str, str]
) -> None:
    assert problems(folder, **given) == []
    assert not (folder / "none").exists()


@pytest.fixture
def another() -> Iterator[Path]:
    """A folder that others may only read, while this process is somebody else."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "ledger.db").touch(0o644)
        place.chmod(0o755)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        else:
            place.chmod(0o555)
        try:
            yield place
        finally:
            os.seteuid(os.getuid())
            place.chmod(0o755)


def test_a_folder_without_permission_to_write_is_a_problem(another: Path) -> None:
    elsewhere = tempfile.gettempdir()
    ledger = f"sqlite:///{elsewhere}/nxp-none/ledger.db"
    home = problems(another, NXP_LAKE=elsewhere, NXP_LEDGER_URL=ledger)
    assert home == [f"{DENIED.format('NXP_HOME', 'DIR')}, so DIR/home cannot be made: allow it, or"]
    lake = problems(another, NXP_HOME=elsewhere, NXP_LAKE="DIR/lake", NXP_LEDGER_URL=ledger)
    assert lake == [
        f"{DENIED.format('NXP_LAKE', 'DIR')}, so DIR/lake/acme.eu cannot be made: allow it, or"
    ]
    file = problems(another, NXP_HOME=elsewhere, NXP_LEDGER_URL="sqlite:///DIR/ledger.db")
    assert file[0].startswith("NXP_LEDGER_URL: no permission to write DIR/ledger.db, or")
