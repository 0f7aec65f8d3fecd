"""`nxp init`: what it writes, what it asks, and that it never overwrites anything."""

import io
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from connectors.catalogue import load_datasets
from connectors.limits import Limits
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenant import TenantSettings
from connectors.settings.tenants import load_tenant
from nxp.library import LIBRARY
from nxp.project.wanted import Wanted, of_address
from tests.commands import called
from tests.landing import CATALOG

ACME = ("--instance", "acme", "--region", "European Union")
SECRETS = {"NEXTHINK_CLIENT_ID": "id", "NEXTHINK_CLIENT_SECRET": "secret"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return tmp_path


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_project_for_a_tenant_is_complete_and_valid(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = called("init", "acme", *ACME, "--time-zone", "Europe/Zurich", capsys=capsys)
    assert done.returncode == 0
    assert done.stdout.strip() == str(folder / "acme")
    assert len(re.findall(r"(?m)^  nxp ", done.stderr)) == 3
    assert files_of(folder / "acme") >= {
        "nxp.toml",
        ".gitignore",
        ".env.example",
        "README.md",
        "prefect.yaml",
        "automations.yaml",
        ".github/workflows/check.yml",
        "questions/README.md",
    }
    monkeypatch.chdir(folder / "acme" / "datasets")
    settings = load_settings({})
    assert settings.lake == str(folder / "acme" / ".nxp" / "lake")
    assert load_datasets(settings.catalog) == {}
    tenant = load_tenant(settings, None, SECRETS)
    assert (tenant.name, tenant.time_zone) == ("acme.eu", "Europe/Zurich")


def test_the_example_of_each_setting_is_valid_and_the_defaults_are_the_defaults(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called("init", *ACME, capsys=capsys).returncode == 0
    file = folder / "nxp.toml"
    text = file.read_text("utf-8")
    active = re.sub(r"(?m)^# (\w+ = |\[profiles)", r"\1", text)
    file.write_text(active.replace('block = "nexthink-acme"\n', ""), "utf-8")
    table = tomllib.loads(active)
    fields = {*Settings.model_fields, *TenantSettings.model_fields, *Limits.model_fields}
    secrets = {"client_secret", "ledger_url", "database_url", "alert_url"}
    assert set(table) == fields - secrets - {"name"} | {"block", "profiles"}
    settings, tenant = load_settings({}), load_tenant(load_settings({}), None, SECRETS)
    plain = Settings()
    assert settings.model_dump(exclude={"catalog", "exports_per_worker", "worker", "prefect"}) == (
        plain.model_dump(exclude={"catalog", "exports_per_worker", "worker", "prefect"})
    )
    assert tenant.exports_at_once == 16
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("lake", "kept", "variable", "extra"),
    [
        ("files", None, "", ""),
        ("data/lake", "data/lake", "", ""),
        ("s3://bucket/lake", "s3://bucket/lake", "AWS_SECRET_ACCESS_KEY=", "object-storage"),
        ("az://container", "az://container", "AZURE_STORAGE_ACCOUNT_KEY=", "object-storage"),
        ("postgresql", None, "NXP_DATABASE_URL=", "postgresql"),
    ],
)
def test_rows_land_where_it_was_said(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    lake: str,
    kept: str | None,
    variable: str,
    extra: str,
) -> None:
    address = "https://acme.data.us.nexthink.cloud/portal"
    done = called("init", "--instance", address, "--lake", lake, "--yes", capsys=capsys)
    assert done.returncode == 0
    table = tomllib.loads((folder / "nxp.toml").read_text("utf-8"))
    # Without a place of its own the lake is in the home, also where NXP_HOME names another one.
    assert table.pop("lake", None) == kept
    assert table == {"instance": "acme", "region": "us", "time_zone": "UTC"}
    assert variable in (folder / ".env.example").read_text("utf-8")
    steps = yaml.safe_load((folder / ".github/workflows/check.yml").read_text("utf-8"))
    package = f"'nexthink-pipelines[{extra}]'" if extra else "nexthink-pipelines"
    assert {"run": f"pip install {package}"} in steps["jobs"]["check"]["steps"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--instance and --region not given"),
        (("--yes",), "--instance and --region not given"),
        (("--instance", "acme"), "--region not given"),
        (("--instance", "acme", "--region", "mars"), "--region 'mars': must be us or"),
        (("--instance", "Acme Corp", "--region", "eu"), "--instance 'Acme Corp': only lower-case"),
        (("--instance", "", "--region", "eu"), "--instance: it is empty: such as acme"),
        (("--instance", "https://x.org/", "--region", "eu"), "not an address of Nexthink, such as"),
        ((*ACME, "--time-zone", "Mars/City"), "--time-zone 'Mars/City': must be an IANA zone"),
        ((*ACME, "--lake", "gs://hush/x"), "--lake: Google Cloud Storage is not supported"),
        ((*ACME, "--lake", "postgresql://u:hush@h/d"), "set the variable NXP_DATABASE_URL"),
        (("--instance", "acme.eu", "--region", "us"), "acme.eu is not in the region us"),
        (("--sandbox", "--region", "eu"), "--sandbox is a tenant of its own"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    done = called("init", "new", *words, capsys=capsys)
    assert done.returncode == 2
    assert said in done.stderr
    assert "hush" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files_of(folder) == set()


@pytest.mark.parametrize("words", [ACME, ("--sandbox",)])
def test_no_existing_file_is_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (folder / "README.md").write_text("mine")
    (folder / ".gitignore").symlink_to("nowhere")
    done = called("init", *words, capsys=capsys)
    assert done.returncode == 2
    assert "README.md, .gitignore already: nothing was written" in done.stderr
    assert files_of(folder) == {"README.md"}
    assert called("init", "README.md", *words, capsys=capsys).returncode == 2


def test_what_was_written_is_removed_if_a_file_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queries").write_text("a file in place of a folder")
    done = called("init", *ACME, capsys=capsys)
    assert done.returncode == 3
    assert "cannot write" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["queries"]


def test_a_project_on_the_sandbox_has_all_that_it_needs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called("init", "try", "--sandbox", capsys=capsys).returncode == 0
    root = folder / "try"
    for name in ("datasets/devices.yaml", "queries/users.nql", "queries/crashes.nql"):
        assert (root / name).read_text() == (LIBRARY / name).read_text()
    secret = root / ".nxp" / "sandbox.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    assert secret.read_text().strip() not in (root / "nxp.toml").read_text()
    monkeypatch.chdir(root)
    tenant = load_tenant(load_settings({}), None, {})
    assert tenant.name == "sandbox.eu"
    port = tenant.api_url.rpartition(":")[2]
    assert f"nxp sandbox --port {port} " in (root / "README.md").read_text()
    assert called("check", capsys=capsys).returncode == 0


@pytest.mark.parametrize(
    "given",
    [
        "acme.pac",
        "acme.pac.nexthink.cloud",
        "https://acme.data.pac.nexthink.cloud/",
        "HTTPS://Acme-login.pac.nexthink.cloud/oauth2",
        "acme.api.pac.nexthink.cloud:443",
    ],
)
def test_a_tenant_may_be_named_by_any_of_its_addresses(given: str) -> None:
    assert of_address(given).checked() == Wanted(instance="acme", region="pac")


def test_in_a_terminal_it_asks_four_questions_again_after_a_wrong_answer(folder: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "nxp", "init", "asked"],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={"PATH": os.environ["PATH"]},
            cwd=folder,
        )
        os.write(ours, b"\nAcme\nmars\npac\nEurope/Zurich\ns3://bucket/lake\n")
        assert process.wait(60) == 0
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert [each for each in "1234" if f"{each}. " in shown] == list("1234")
    assert "   it is empty: such as acme" in shown
    assert shown.count("2. Which region?") == 2
    table = tomllib.loads((folder / "asked" / "nxp.toml").read_text("utf-8"))
    assert table == {
        "instance": "acme",
        "region": "pac",
        "time_zone": "Europe/Zurich",
        "lake": "s3://bucket/lake",
    }


def test_alerts_of_a_new_project_are_those_of_the_clone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("init", *ACME, capsys=capsys).returncode == 0
    made = yaml.safe_load((folder / "automations.yaml").read_text())["automations"]
    known = yaml.safe_load((CATALOG / "automations.yaml").read_text())["automations"]
    assert made
    assert all(each in known for each in made)
    workflow = yaml.safe_load((folder / ".github" / "workflows" / "check.yml").read_text())
    runs = " ".join(step.get("run", "") for step in workflow["jobs"]["check"]["steps"])
    assert "nxp check" in runs
    assert "nxp nql lint" in runs


@pytest.mark.slow
def test_the_deployments_of_a_new_project_load(capsys: pytest.CaptureFixture[str]) -> None:
    assert called("init", *ACME, capsys=capsys).returncode == 0
    code = (
        "from pathlib import Path\n"
        "from nxp.deployment.automations import load_automations\n"
        "from nxp.deployment.files import load_deployments\n"
        "here = Path()\n"
        "print(len(load_deployments(here)), len(load_automations(here, ())))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["3", "4"]
