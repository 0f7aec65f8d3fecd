"""What `nxp check` says is missing for a tenant, in order, with the page to open."""

import json
import shutil
from pathlib import Path

import pytest

from sandbox.options import PERMISSIONS, Credential
from tests.commands import called
from tests.landing import CATALOG, Place, place

ACCOUNTS = "Administration → API credentials (part Account Management)"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without datasets in the current folder."""
    root = tmp_path / "project"
    (root / "datasets").mkdir(parents=True)
    (root / "nxp.toml").write_text("")
    monkeypatch.chdir(root)
    return root


def copy(root: Path, *names: str) -> None:
    for folder, end in (("datasets", "yaml"), ("queries", "nql")):
        (root / folder).mkdir(exist_ok=True)
        for name in names:
            shutil.copy(CATALOG / folder / f"{name}.{end}", root / folder)


def steps(text: str) -> dict[str, str]:
    """Return the state of each numbered step and what to do."""
    listed = [line.split(". ", 1)[1] for line in text.splitlines() if line.startswith("  ")]
    return dict(line.split(" - ", 1) for line in listed)


def test_an_empty_project_is_told_everything_in_order(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = called("check", capsys=capsys)
    assert done.returncode == 3
    found = steps(done.stderr)
    assert list(found) == [
        "instance and region",
        "credential",
        "permissions",
        "datasets",
        "saved queries",
        "data retention",
    ]
    assert found["credential"].startswith(f"missing: {ACCOUNTS} → New OAuth client credentials")
    assert found["permissions"].startswith(f"not known: {ACCOUNTS} → the credential → tick NQL API")
    assert found["datasets"].startswith("missing: nxp add")
    assert "Administration → NQL API queries (part Content Management)" in found["saved queries"]
    assert done.stderr.splitlines()[-1].startswith("nxp: check: NEXTHINK_INSTANCE: not set")
    (project / "nxp.toml").write_text('instance = "acme"\nregion = "mars"\nclient_id = "x"\n')
    copy(project, "devices")
    found = steps(called("check", capsys=capsys).stderr)
    assert found["instance and region"].startswith("missing: both are in the address")
    assert found["credential"].startswith("missing")
    assert found["datasets"] == "ok"
    (project / "nxp.toml").write_text('instance = "acme"\nregion = "eu"\nclient_id = "x"\n')
    monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "y")
    done = called("check", capsys=capsys)
    assert (done.returncode, steps(done.stderr)) == (0, {})


def pointed(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in made.environment.items():
        if name.startswith("NEXTHINK_"):
            monkeypatch.setenv(name, value)


def test_with_a_tenant_missing_queries_and_permissions_are_found(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(project, "devices", "users")
    less = Credential("less", "secret", PERMISSIONS - {"nql"})
    pasted = project.parent / "pasted"
    pasted.mkdir()
    shutil.copy(CATALOG / "queries" / "devices.nql", pasted)
    with place(project.parent, queries=pasted, devices=10, credentials=(less,)) as made:
        pointed(made, monkeypatch)
        done = called("check", "--connect", capsys=capsys)
        assert done.returncode == 0
        found = steps(done.stderr)
        assert found["credential"] == found["permissions"] == "ok"
        assert found["saved queries"].startswith("missing: #users: Administration → NQL API")
        # It is remembered, also where nobody asks the tenant.
        answer = json.loads(called("check", "--json", capsys=capsys).stdout)
        assert [each["step"] for each in answer["steps"] if each["state"] == "missing"] == [
            "saved queries"
        ]
        # An export before the query is pasted must not end the search for it.
        assert called("export", "users", capsys=capsys).returncode == 3
        shutil.copy(CATALOG / "queries" / "users.nql", pasted)
        done = called("check", "--connect", capsys=capsys)
        assert (done.returncode, steps(done.stderr)) == (0, {})
        (pasted / "users.nql").unlink()
        assert called("nql", "diff", "users", capsys=capsys).returncode == 8
        assert "saved queries" in steps(called("check", capsys=capsys).stderr)
        shutil.copy(CATALOG / "queries" / "users.nql", pasted)
        assert called("export", "users", capsys=capsys).returncode == 0
        # Rows that landed since show that the query is there.
        answer = json.loads(called("check", "--json", capsys=capsys).stdout)
        states = {each["step"]: each["state"] for each in answer["steps"]}
        assert states["saved queries"] == states["permissions"] == "ok"
        assert called("export", "devices", capsys=capsys).returncode == 0
        copy(project, "crashes")
        monkeypatch.setenv("NEXTHINK_CLIENT_ID", "less")
        monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "secret")
        done = called("check", "--connect", capsys=capsys)
        assert done.returncode == 4
        assert steps(done.stderr)["permissions"].startswith(f"missing: {ACCOUNTS}")
        monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "wrong")
        done = called("check", "--connect", capsys=capsys)
        assert done.returncode == 4
        assert steps(done.stderr)["credential"].startswith("missing: no token was issued")
