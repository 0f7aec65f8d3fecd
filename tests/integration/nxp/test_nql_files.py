"""Saved queries as files: `nxp nql lint`, and `nxp nql diff` against a tenant."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.ledger import open_ledger
from connectors.settings.installation import load_settings
from nxp.doctor.queries import look_at_queries
from sandbox.options import Credential, SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant
from tasks.upkeep.query_differences import QueryAgreement, against, values_for
from tests.answers import validated
from tests.commands import Result, called
from tests.landing import CATALOG

Call = Callable[..., Result]
QUERIES = CATALOG / "queries"
WITHOUT_NQL = Credential("limited", "secret", frozenset({"enrichment"}))


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    folder = tmp_path_factory.mktemp("saved") / "queries"
    shutil.copytree(QUERIES, folder)
    options = SandboxOptions(queries=folder, devices=20, days=1, credentials=(WITHOUT_NQL,))
    with running(options) as made:
        yield made


@pytest.fixture
def call(
    tenant: Tenant,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Call]:
    said = tenant.describe()
    for name in ("api_url", "login_url", "client_id", "client_secret", "instance", "region"):
        monkeypatch.setenv(f"NEXTHINK_{name.upper()}", str(said[name]))
    monkeypatch.setenv("NXP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NXP_CATALOG", str(CATALOG))
    yield lambda *words: called("nql", *words, capsys=capsys)
    for path in QUERIES.glob("*.nql"):
        shutil.copy(path, tenant.options.queries / path.name)


def rewrite(tenant: Tenant, name: str, old: str, new: str) -> None:
    path = tenant.options.queries / f"{name}.nql"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_tenant_with_the_files_has_no_difference_and_each_costs_one_call(call: Call) -> None:
    done = call("diff", "--json")
    assert (done.returncode, {each["outcome"] for each in json.loads(done.stdout)}) == (0, {"same"})
    settings = load_settings()
    with open_ledger(settings.ledger_url.get_secret_value(), "sandbox.eu") as ledger:
        assert ledger.limits.calls_today() == len(json.loads(done.stdout))


def test_a_saved_query_that_was_edited_is_found_with_its_clause(call: Call, tenant: Tenant) -> None:
    rewrite(tenant, "crashes", "binary.version", "binary.version, binary.company")
    rewrite(tenant, "execution_events", ">= $from", "!= $from")
    rewrite(tenant, "users", "during past 30d", "during past 29d")
    rewrite(tenant, "full_disks", "| where", "\n/* only the worst */ | WHERE")
    (tenant.options.queries / "devices.nql").unlink()
    done = call("diff", "#crashes", "execution_events", "users", "full_disks", "devices", "--json")
    assert done.returncode == 8
    found = {each["query_id"]: each for each in validated("nql diff", done.stdout)}
    assert {name: each["outcome"] for name, each in found.items()} == {
        "#crashes": "differs", "#execution_events": "differs", "#users": "differs",
        "#full_disks": "same", "#devices": "missing",
    }  # fmt: skip
    assert [d["clause"] for d in found["#crashes"]["differences"]] == ["list"]
    assert [d["clause"] for d in found["#execution_events"]["differences"]] == ["where"]
    assert found["#users"]["differences"] == [
        {"clause": "time frame", "file": "users during past 30d", "tenant": "users during past 29d"}
    ]
    (shown,) = look_at_queries(load_settings(), "sandbox.eu")
    assert shown.level.value == "warn"
    assert "#crashes differs (list)" in shown.what
    assert "#devices missing" in shown.what


def test_without_the_permission_that_is_the_outcome(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTHINK_CLIENT_ID", WITHOUT_NQL.client_id)
    monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", WITHOUT_NQL.client_secret)
    done = call("diff", "devices", "--json")
    assert (done.returncode, json.loads(done.stdout)[0]["outcome"]) == (4, "not permitted")


def test_an_unknown_name_is_a_mistake_of_the_command(call: Call) -> None:
    assert call("diff", "no_such_query").returncode == 2


def test_text_that_is_not_understood_is_never_called_different() -> None:
    assert against("#q", "users", "users | top 5").outcome is QueryAgreement.NOT_UNDERSTOOD
    assert against("#q", "users | top 5", "users").outcome is QueryAgreement.NOT_UNDERSTOOD
    assert against("#q", "users | top  5", "users|top 5 ").outcome is QueryAgreement.SAME


def test_parameters_get_values_that_nothing_has() -> None:
    text = (
        "execution.crashes past 7d | where time >= $from and number_of_crashes > $n"
        " and binary.size < $size and binary.version = $v and binary.name in [$name]"
        " and time.hour() = $hour and crash_on_start = $flag and odd.field <= $to"
    )
    assert values_for(text) == {
        "from": "2000-01-01 00:00:00", "n": "0", "size": "0B", "v": "v0", "name": "nxp nql diff",
        "hour": "0", "flag": "true", "to": "2000-01-01 00:00:00",
    }  # fmt: skip


def test_lint_reads_files_and_standard_input(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("lint", *map(str, QUERIES.glob("*.nql"))).returncode == 0
    whole = call("lint", str(QUERIES))
    assert (whole.returncode, f"{len([*QUERIES.glob('*.nql')])} queries" in whole.stderr) == (
        0,
        True,
    )
    wrong = tmp_path / "wrong.nql"
    wrong.write_text("devices\n| list device.nmae, entity", encoding="utf-8")
    done = call("lint", str(wrong))
    assert done.returncode == 3
    assert f"{wrong}:2:8: misspelt" in done.stdout
    assert "did you mean device.name?" in done.stdout
    for words in (("lint",), ("lint", "-", "--json")):
        text = io.BytesIO(b"devices | list colour_of_the_sky | top 5")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(text))
        done = call(*words)
        assert done.returncode == 3
        assert "not understood" in done.stdout
        assert "wrong" not in done.stdout
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"devices | list odd_field")))
    done = call("lint", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["note"] is True
    assert call("lint", str(tmp_path / "none.nql")).returncode == 3
    # A job of a build has no terminal, and nothing to read: the project's queries are meant.
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert call("lint").stderr == whole.stderr
