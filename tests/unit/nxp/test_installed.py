"""An installation without extras, and one whose user has packages that are named like ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.errors import ConfigurationError
from connectors.extras import is_installed, require
from nxp.interpreter import NAMES, ROOT, claim_names
from tests.commands import environment, nxp
from tests.installed import EXTRAS, nxp_on, own_packages, site_without

TENANT = {
    "NEXTHINK_INSTANCE": "acme",
    "NEXTHINK_REGION": "eu",
    "NEXTHINK_CLIENT_ID": "x",
    "NEXTHINK_CLIENT_SECRET": "y",
}
# Prints where each of our names is found.
FOUND = f"""
import importlib, nxp
for name in {sorted(NAMES)}:
    print(name, importlib.import_module(name).__path__[0])
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site-packages without what the extras bring."""
    return site_without(tmp_path_factory.mktemp("plain") / "site", *EXTRAS)


@pytest.mark.parametrize(
    ("command", "variables", "extra"),
    [
        ("export devices", {"PREFECT_API_URL": "http://127.0.0.1:1/api"}, "server"),
        (
            "check",
            {"NXP_LAKE": "s3://bucket/lake", "NXP_LEDGER_URL": "postgresql://h/x"},
            "postgresql",
        ),
        pytest.param("worker", {}, "server", marks=pytest.mark.slow),
        pytest.param("deploy", {}, "server", marks=pytest.mark.slow),
        pytest.param("server start", {}, "server", marks=pytest.mark.slow),
        pytest.param("export devices --prefect", {}, "server", marks=pytest.mark.slow),
        pytest.param("stack up", {}, "stack", marks=pytest.mark.slow),
        pytest.param("stack status", {}, "stack", marks=pytest.mark.slow),
        pytest.param("stack down", {}, "stack", marks=pytest.mark.slow),
        pytest.param("stack env", {}, "stack", marks=pytest.mark.slow),
        pytest.param(
            "runs", {"NXP_LEDGER_URL": "postgresql://h/x"}, "postgresql", marks=pytest.mark.slow
        ),
        pytest.param(
            "sql SELECT(1)",
            {"NXP_LAKE": "az://bucket/lake"},
            "object-storage",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_command_that_lacks_an_extra_names_it_in_one_line(
    plain: Path, tmp_path: Path, command: str, variables: dict[str, str], extra: str
) -> None:
    ended = nxp_on(plain, *command.split(), cwd=tmp_path, **TENANT, **variables)
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1), ended.stderr
    assert f"pip install 'nexthink-pipelines[{extra}]'" in ended.stderr


@pytest.mark.slow
def test_the_demo_needs_no_extra(plain: Path, tmp_path: Path) -> None:
    ended = nxp_on(plain, "demo", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "binary_name" in ended.stdout
    assert "Prefect server\n" not in ended.stderr.partition("Try next")[0]
    assert "first: pip install 'nexthink-pipelines[server]'" in ended.stderr


@pytest.mark.slow
def test_the_doctor_looks_at_the_rest_where_prefect_is_not_installed(
    plain: Path, tmp_path: Path
) -> None:
    ended = nxp_on(plain, "doctor", cwd=tmp_path, **TENANT)
    assert "ledger" in ended.stdout
    assert "Prefect is not installed: nothing is scheduled" in ended.stdout
    known = nxp_on(plain, "doctor", cwd=tmp_path, **TENANT, PREFECT_API_URL="http://127.0.0.1:1")
    assert "a Prefect server is known, but Prefect is not installed" in known.stdout


def test_a_folder_that_is_named_like_a_package_is_not_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pymysqlx").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("pymysqlx")
    with pytest.raises(ConfigurationError, match=r"^this needs the Python package pymysqlx, which"):
        require("pymysqlx", "this", "mysql")
    require("prefect", "this")


def test_our_names_mean_ours_whatever_the_current_folder_and_pythonpath_have(
    tmp_path: Path,
) -> None:
    folder = own_packages(tmp_path / "project")
    # Python itself would import this one too, if it were left in the current folder.
    (folder / "calendar.py").write_text("raise ImportError('not ours')\n", "utf-8")
    env = environment(NXP_HOME=str(tmp_path / "home"))
    assert nxp("nql", "queries", env=env, cwd=folder).returncode == 0
    (folder / "calendar.py").unlink()
    ended = subprocess.run(
        [sys.executable, "-c", FOUND],
        cwd=folder,
        env=env | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f"{name} {Path(ROOT) / name}" for name in sorted(NAMES)]
    assert ended.stdout.splitlines() == expected


def test_the_names_are_claimed_once() -> None:
    before = list(sys.meta_path)
    claim_names()
    assert sys.meta_path == before
