"""`nxp settings` and docs/settings.md: all settings, where each comes from, and no secret."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.settings.described import SettingGroup, is_known, settings_of
from nxp.settings_page import COMMAND, page
from tests.commands import called

ROOT = Path(__file__).resolve().parents[3]
_VARIABLE = re.compile(r"\b(?:NXP|NEXTHINK|OTEL)_[A-Z0-9_]+[A-Z0-9]\b")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nxp.toml").write_text(
        'instance = "acme"\nregion = "eu"\nclient_secret_file = "hushed"\nlake = "lake"\n'
        '[profiles.lab]\ninstance = "lab"\nblock = "nexthink-lab"\n'
    )
    (tmp_path / "hushed").write_text("hush\n")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    done = called("settings", "--json", *words, capsys=capsys)
    assert "hush" not in done.stdout.replace("hushed", "") + done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)}


def test_each_setting_says_where_it_comes_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mb").write_text("64")
    for name, value in {
        "NXP_MEMORY_MB_FILE": str(project / "mb"),
        "NXP_MAX_COLUMNS": "9",
        "NXP_LEDGER_URL": "postgresql://u:hush@h/d",
        "NXP_SOURCE_CMDB_URL": "https://u:hush@cmdb",
        "NXP_SOURCE_HR_DB_PASSWORD_FILE": str(project / "hushed"),
        "NXP_SOURCE_CMDB_USER": "ann",
        "PREFECT_API_URL": "http://u:hush@h/api?key=hush",
    }.items():
        monkeypatch.setenv(name, value)
    found = shown(capsys)
    file = project / "nxp.toml"
    kept = {
        name: (each["value"], each["source"], each["place"])
        for name, each in found.items()
        if each["value"] is not None
    }
    for name, expected in {
        "NXP_MEMORY_MB": ("64", "file", f"NXP_MEMORY_MB_FILE {project / 'mb'}"),
        "NXP_MAX_COLUMNS": ("9", "variable", "NXP_MAX_COLUMNS"),
        "NXP_LAKE": (str(project / "lake"), "nxp.toml", f"{file}:4"),
        "NXP_HOME": (str(project / ".nxp"), "default", ""),
        "NXP_LEDGER_URL": ("***", "variable", "NXP_LEDGER_URL"),
        "NEXTHINK_INSTANCE": ("acme", "nxp.toml", f"{file}:1"),
        "NEXTHINK_CLIENT_SECRET": ("***", "nxp.toml", f"{file}:3"),
        "NEXTHINK_API_URL": ("https://acme.api.eu.nexthink.cloud", "default", ""),
        "NXP_SOURCE_CMDB_USER": ("ann", "variable", "NXP_SOURCE_CMDB_USER"),
        "NXP_SOURCE_CMDB_URL": ("***", "variable", "NXP_SOURCE_CMDB_URL"),
        "PREFECT_API_URL": ("http://***@h/api?***", "variable", "PREFECT_API_URL"),
    }.items():
        assert kept[name] == expected
    assert kept["NXP_SOURCE_HR_DB_PASSWORD"][:2] == ("***", "file")
    assert found["NEXTHINK_CLIENT_ID"]["source"] == "not set"


def test_a_profiles_settings_are_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTHINK_TIME_ZONE", "Europe/Zurich")
    found = shown(capsys, "--tenant", "lab")
    assert found["NEXTHINK_INSTANCE"]["value"] == "lab"
    assert found["NEXTHINK_INSTANCE"]["place"] == f"{project / 'nxp.toml'}:6: lab.instance"
    assert found["NEXTHINK_CLIENT_SECRET"]["source"] == "block"
    assert found["NEXTHINK_CLIENT_SECRET"]["place"] == "nexthink-lab"
    done = called("settings", "--tenant", "nope", capsys=capsys)
    assert done.returncode == 3
    assert "no tenant profile 'nope'" in done.stderr


def test_what_is_wrong_is_said_below_the_table_and_not_repeated(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NXP_LAKE", "s3://key:hush@bucket/lake")
    monkeypatch.setenv("NXP_LAEK", "x")
    monkeypatch.setenv("NEXTHINK_INSTANCE", "other")
    done = called("settings", capsys=capsys)
    assert done.returncode == 3
    assert re.search(r"(?m)^NXP_LAKE +\(not valid\) +NXP_LAKE$", done.stdout)
    assert re.search(r"(?m)^NEXTHINK_REGION +not set$", done.stdout)
    assert "no setting is named NXP_LAEK" in done.stderr
    assert f"the variables name another tenant than {project / 'nxp.toml'}" in done.stderr
    assert "NXP_LAKE: must not hold a credential" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_broken_file_is_named_and_the_rest_is_shown(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "nxp.toml").write_text("lake = \n")
    done = called("settings", capsys=capsys)
    assert done.returncode == 3
    assert "NXP_MAX_COLUMNS" in done.stdout
    assert f"{project / 'nxp.toml'}: Invalid value (at line 1" in done.stderr


def test_the_page_of_settings_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == page(), f"run: {COMMAND}"


def test_every_variable_in_the_code_is_on_the_page() -> None:
    others, text = {each.variable for each in settings_of(SettingGroup.OTHERS)}, page()
    for package in ("connectors", "flows", "nxp", "sandbox", "tasks"):
        for path in (ROOT / package).rglob("*.py"):
            for name in set(_VARIABLE.findall(path.read_text("utf-8"))):
                known = name in text or name in others or is_known(name)
                assert known, f"{path.name}: {name}"
