"""Projects: nxp.toml found from the current folder upward, its keys, and what it must not say."""

import os
from pathlib import Path

import pytest

from connectors.errors import ConfigurationError
from connectors.limits import read_limits
from connectors.settings.installation import Settings, load_settings
from connectors.settings.project_keys import SECRETS
from connectors.settings.tenant import TenantSettings
from connectors.settings.tenants import load_tenant, tenant_name
from nxp.output import is_json_asked

SECRET = {"NEXTHINK_CLIENT_SECRET": "very-secret"}
ACME = 'instance = "acme"\nregion = "eu"\nclient_id = "id"\n'
LAB = '[profiles.lab]\ninstance = "lab"\nregion = "us"\nclient_id = "a"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in whose folder a/b the command runs."""
    root = tmp_path / "project"
    (root / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(root / "a" / "b")
    return root


def write(root: Path, text: str) -> None:
    (root / "nxp.toml").write_text(text, "utf-8")


def refused(environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_project_is_found_from_below_and_is_its_own_catalogue(project: Path) -> None:
    write(project, "memory_mb = 64\nprefect = false\nstop_seconds = 1.5\nmax_columns = 7\n")
    settings = load_settings({})
    assert settings.home == project / ".nxp"
    assert settings.lake == str(project / ".nxp" / "lake")
    assert settings.catalog == project
    assert (settings.memory_mb, settings.prefect, settings.stop_seconds) == (64, False, 1.5)
    assert read_limits({}).max_columns == 7


def test_paths_are_relative_to_the_file_and_the_nearest_file_counts(project: Path) -> None:
    write(project, 'memory_mb = "none of this is read"')
    write(project / "a", 'home = "state"\nlake = "../lake"\ncatalog = "deployments"\n')
    settings = load_settings({})
    assert settings.home == project / "a" / "state"
    assert settings.lake == str(project / "lake")
    assert settings.catalog == project / "a" / "deployments"
    write(project / "a", 'lake = "s3://bucket/lake"\n')
    assert load_settings({}).lake == "s3://bucket/lake"


def test_variables_and_their_files_take_precedence(project: Path) -> None:
    write(project, 'lake = "lake"\nmemory_mb = 64\nmax_columns = 7\ncatalog = "c"\nhome = "h"\n')
    (project / "mb").write_text("32\n")
    given = {
        "NXP_LAKE": "/elsewhere",
        "NXP_MEMORY_MB_FILE": str(project / "mb"),
        "NXP_MAX_COLUMNS": "9",
        "NXP_HOME": "/h",
        "NXP_CATALOG": "/c",
    }
    settings = load_settings(given)
    assert (settings.lake, settings.memory_mb) == ("/elsewhere", 32)
    assert (str(settings.home), str(settings.catalog)) == ("/h", "/c")
    assert read_limits(given).max_columns == 9
    assert load_settings({"NXP_LAKE": " "}).lake == str(project / "lake")


def test_the_tenant_of_the_file_is_completed_by_variables_of_the_same_tenant(
    project: Path,
) -> None:
    write(project, ACME + 'time_zone = "Europe/Zurich"\ndaily_exports = 5\n')
    settings = load_settings({})
    assert tenant_name(settings, environ={}) == "acme.eu"
    given = {**SECRET, "NEXTHINK_CLIENT_ID": "other", "NEXTHINK_REGION": "European Union"}
    tenant = load_tenant(settings, None, given)
    assert (tenant.name, tenant.client_id, tenant.daily_exports) == ("acme.eu", "other", 5)
    where = f"region in {project / 'nxp.toml'}:2 and NEXTHINK_CLIENT_ID"
    assert (
        load_tenant(settings, None, {**SECRET, "NEXTHINK_CLIENT_ID": "x"}).named(
            "region", "client_id"
        )
        == where
    )


def test_variables_of_another_tenant_are_never_mixed_with_the_file(project: Path) -> None:
    write(project, ACME + "daily_exports = 5\n")
    settings = load_settings({})
    other = {**SECRET, "NEXTHINK_INSTANCE": "lab", "NEXTHINK_REGION": "us"}
    with pytest.raises(ConfigurationError, match="NEXTHINK_CLIENT_ID: not set"):
        load_tenant(settings, None, other)
    tenant = load_tenant(settings, None, {**other, "NEXTHINK_CLIENT_ID": "x"})
    assert (tenant.name, tenant.daily_exports) == ("lab.us", None)
    assert tenant_name(settings, environ=other) == "lab.us"


def test_a_profile_of_the_file_reads_its_secret_from_a_file_below_the_project(
    project: Path,
) -> None:
    write(project, LAB + 'client_secret_file = "lab.secret"\n')
    settings = load_settings({})
    with pytest.raises(ConfigurationError, match=r"nxp\.toml:5: lab\.client_secret_file: cannot"):
        load_tenant(settings, "lab", {})
    (project / "lab.secret").write_text("s\n")
    tenant = load_tenant(settings, "lab", SECRET)
    assert (tenant.name, tenant.client_secret.get_secret_value()) == ("lab", "s")
    where = f"client_secret_file of [profiles.lab] in {project / 'nxp.toml'}"
    assert tenant.named("client_secret") == where
    files = rf"{settings.home / 'profiles.toml'} or {project / 'nxp.toml'} \(known: lab\)"
    with pytest.raises(ConfigurationError, match=files):
        load_tenant(settings, "lba", {})


def test_a_profile_in_both_files_is_an_error_that_names_both(project: Path) -> None:
    write(project, LAB)
    (project / ".nxp").mkdir()
    profiles = project / ".nxp" / "profiles.toml"
    profiles.write_text('[north]\ninstance = "north"\n[lab]\ninstance = "lab"\n')
    said = refused({})
    assert f"{project / 'nxp.toml'}:1" in said
    assert str(profiles) in said
    profiles.write_text('[north]\ninstance = "north"\nregion = "mars"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_tenant(load_settings({}), "north", SECRET)
    assert f"{profiles}: north.client_id: not set" in str(caught.value)
    assert f"{profiles}: north.region: must be a region" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('client_secret = "hush"', "NEXTHINK_CLIENT_SECRET"),
        ('NEXTHINK_CLIENT_SECRET = "hush"', "NEXTHINK_CLIENT_SECRET"),
        ('"client-secret" = "hush"', "NEXTHINK_CLIENT_SECRET"),
        ('database_url = "postgresql://u:hush@h/d"', "NXP_DATABASE_URL"),
        ('ledger_url = "postgresql://u:hush@h/d"', "NXP_LEDGER_URL"),
        ('alert_url = "https://chat.example/hush"', "NXP_ALERT_URL"),
        ('password = "hush"', "set a variable"),
        ('[profiles.lab]\nclient_secret = "hush"', "NEXTHINK_CLIENT_SECRET"),
        ('profiles.lab.client_secret = "hush"', "client_secret_file"),
        ('profiles = {lab = {client_secret = "hush"}}', "client_secret_file"),
    ],
)
def test_a_secret_in_the_file_is_an_error_that_says_where_it_belongs(
    project: Path, line: str, said: str
) -> None:
    write(project, f"# a comment\n{line}\n")
    message = refused({})
    assert str(project / "nxp.toml") in message
    assert "a secret must not be in nxp.toml" in message
    assert said in message


def test_every_setting_that_is_masked_counts_as_a_secret() -> None:
    fields = {**Settings.model_fields, **TenantSettings.model_fields}
    assert {name for name, each in fields.items() if "SecretStr" in str(each.annotation)} == SECRETS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nmemory_md = 3", "nxp.toml:2: memory_md: not a setting; did you mean memory_mb?"),
        ("NXP_LAKE = 'x'", "nxp.toml:1: NXP_LAKE: not a setting; did you mean lake?"),
        ("[lab]\ninstance = 'x'", "nxp.toml:1: lab: not a table of nxp.toml"),
        ("[profiles.lab]\n\nlake = 'x'", "nxp.toml:3: profiles.lab.lake: not a setting"),
        ("profiles = 3", "nxp.toml:1: profiles: write a table [profiles.NAME]"),
        ("[profiles]\nlab = 3", "nxp.toml:2: profiles.lab: write a table [profiles.NAME]"),
        ("lake = ['x']", "nxp.toml:1: lake: must be a text"),
        ("lake = 2026-01-01", "nxp.toml:1: lake: must be a text"),
        ("memory_mb = 1", "nxp.toml:1: memory_mb: Input should be greater"),
        ("\n\nmax_columns = 0", "nxp.toml:3: max_columns: Input should be greater"),
        ("worker_file = 'none'", "nxp.toml:1: worker_file: cannot read the file"),
        ("worker = 'x'\nworker_file = 'y'", "nxp.toml:1: worker: worker_file is set too"),
        ("a = 1\nb 2", "nxp.toml: Expected '=' after a key in a key/value pair (at line 2"),
        (
            "a = 1\n[profiles.lab",
            "nxp.toml: Expected ']' at the end of a table declaration (at line",
        ),
        ("x = " + "[" * 100_000, "nxp.toml: nested too deeply"),
        ("daily_exports = " + "9" * 5_000, "nxp.toml: has a number that is too long"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(project: Path, text: str, said: str) -> None:
    write(project, text)
    assert f"{project}/{said}" in refused({})


def test_the_form_of_the_log_counts_before_settings_are_loaded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "log = 'json' # for machines\n[profiles.lab]\n")
    assert is_json_asked()
    monkeypatch.setenv("NXP_LOG", "text")
    assert not is_json_asked()
    monkeypatch.delenv("NXP_LOG")
    write(project, "# log = 'json'\n[profiles.lab]\nlog = 'json'\n")
    assert not is_json_asked()


def test_a_file_that_cannot_be_read_is_not_passed_by(project: Path) -> None:
    (project / "nxp.toml").symlink_to(project / "nowhere")
    assert f"{project / 'nxp.toml'}: cannot be read" in refused({})
    (project / "nxp.toml").unlink()
    (project / "nxp.toml").mkdir()
    assert "Is a directory" in refused({})
    (project / "nxp.toml").rmdir()
    (project / "nxp.toml").write_bytes(b"# first\r\nlake = '\xff'")
    assert "nxp.toml:2: is not text in UTF-8" in refused({})
    (project / "nxp.toml").write_bytes("\ufefflake = 's3://b2/lake'\r\n".encode("utf-16-le"))
    assert load_settings({}).lake == "s3://b2/lake"


def test_a_linked_file_makes_a_project_of_the_folder_with_the_link(project: Path) -> None:
    (project / "real.toml").write_text("memory_mb = 64")
    (project / "a" / "nxp.toml").symlink_to("../real.toml")
    settings = load_settings({})
    assert (settings.catalog, settings.memory_mb) == (project / "a", 64)


def test_a_changed_file_is_read_again(project: Path) -> None:
    write(project, "memory_mb = 64")
    assert load_settings({}).memory_mb == 64
    write(project, "memory_mb = 128")
    assert load_settings({}).memory_mb == 128


def test_a_variable_names_the_project_from_elsewhere(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(project, "")
    for given in (project, project / "nxp.toml"):
        assert load_settings({"NXP_PROJECT": str(given)}).catalog == project
    assert "NXP_PROJECT: there is no" in refused({"NXP_PROJECT": str(tmp_path)})
    assert load_settings({}).home == tmp_path / ".nxp"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator can give files away")
def test_somebody_elses_file_is_read_in_its_own_folder_only(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "")
    os.chown(project / "nxp.toml", 12345, -1)
    assert "belongs to another user" in refused({})
    assert load_settings({"NXP_PROJECT": str(project)}).catalog == project
    monkeypatch.setenv("SUDO_UID", "12345")
    assert load_settings({}).catalog == project
    monkeypatch.delenv("SUDO_UID")
    monkeypatch.chdir(project)
    assert load_settings({}).catalog == project


def ledger(home: Path) -> Path:
    home.mkdir(parents=True)
    (home / "ledger.db").touch()
    return home


def test_a_second_ledger_is_never_begun_in_silence(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "")
    below = ledger(project / "a" / "b" / ".nxp")
    said = refused()
    assert f"{below} is a home with a ledger" in said
    assert f"names the home {project / '.nxp'}" in said
    for home in (below, project):
        monkeypatch.setenv("NXP_HOME", str(home))
        assert load_settings().home == home
    monkeypatch.setenv("NXP_HOME", str(project / "new"))
    assert f"NXP_HOME names {project / 'new'}, which does not exist" in refused()
    monkeypatch.setenv("NXP_LEDGER_URL", "sqlite:////elsewhere.db")
    assert load_settings().home == project / "new"


def test_a_home_next_to_the_file_is_not_left_for_the_one_that_the_file_names(
    project: Path,
) -> None:
    own = ledger(project / ".nxp")
    write(project, 'home = "state"')
    assert f"{own} is a home with a ledger, but {project / 'nxp.toml'}:1 names" in refused()
    own.rename(project / "state")
    own.symlink_to("state")
    assert load_settings().home == project / "state"


def test_without_a_project_the_home_of_the_current_folder_is_watched_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ledger(project / "a" / "b" / ".nxp")
    assert load_settings().home == here
    monkeypatch.setenv("NXP_HOME", str(project / "new"))
    assert f"{here} is a home with a ledger, but NXP_HOME names {project / 'new'}" in refused()


def test_a_worker_may_use_a_projects_home_that_has_a_ledger(project: Path) -> None:
    worker = {"PREFECT__FLOW_RUN_ID": "x"}
    write(project, "")
    assert "NXP_LAKE: must be set for a Prefect worker" in refused(worker)
    ledger(project / ".nxp")
    assert load_settings(worker).lake == str(project / ".nxp" / "lake")
