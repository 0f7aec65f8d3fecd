"""A home of the last release before projects: homes/before_projects.tar.gz, opened in a project.

It was made on `nxp sandbox --devices 12 --days 3` by `nxp export devices crashes`.
"""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.commands import called
from tests.landing import CATALOG

HOME = Path(__file__).resolve().parents[2] / "homes" / "before_projects.tar.gz"
TENANT = "sandbox.eu"


def unpack(folder: Path) -> None:
    with tarfile.open(HOME) as archive:
        # Python 3.11.2 has no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - the archive is ours


@pytest.mark.parametrize("kind", ["clone", "project", "no project"])
def test_a_home_of_the_last_release_is_used_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    unpack(tmp_path)
    here = tmp_path if kind == "no project" else tmp_path / "docs"
    here.mkdir(exist_ok=True)
    if kind == "project":
        (tmp_path / "nxp.toml").write_text("")
        for folder in ("datasets", "queries"):
            shutil.copytree(CATALOG / folder, tmp_path / folder)
    else:
        (tmp_path / "deployments").symlink_to(CATALOG)
    if kind == "clone":
        shutil.copy(CATALOG.parent / "nxp.toml", tmp_path)
    monkeypatch.chdir(here)
    runs = json.loads(called("runs", "--json", capsys=capsys).stdout)
    assert [(each["dataset"], each["rows_landed"]) for each in runs] == [
        ("crashes", 0),
        ("devices", 11),
    ]
    rows = json.loads(
        called("sql", "SELECT count(*) AS n FROM devices", "--json", capsys=capsys).stdout
    )
    assert rows == [{"n": 11}]
    known = json.loads(called("datasets", "--json", capsys=capsys).stdout)
    assert {each["dataset"]: each["rows"] for each in known}["devices"] == 11
    assert not (here / ".nxp").exists() or here == tmp_path


def test_two_homes_of_the_last_release_are_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    below = tmp_path / "docs"
    below.mkdir()
    for folder in (tmp_path, below):
        unpack(folder)
    (tmp_path / "nxp.toml").write_text("")
    monkeypatch.chdir(below)
    for command in (("runs",), ("export", "devices"), ("check",)):
        done = called(*command, capsys=capsys)
        assert done.returncode == 3
        assert str(below / ".nxp") in done.stderr
        assert str(tmp_path / ".nxp") in done.stderr
        assert len(done.stderr.splitlines()) == 1
