"""Settings from the environment, files and profiles."""

from pathlib import Path

import pytest

from connectors.errors import ConfigurationError, StorageError
from connectors.settings.installation import load_settings, prepare_home
from connectors.settings.tenants import load_tenant, tenant_name

TENANT = {
    "NEXTHINK_INSTANCE": "acme",
    "NEXTHINK_REGION": "eu",
    "NEXTHINK_CLIENT_ID": "id",
    "NEXTHINK_CLIENT_SECRET": "very-secret",
}


def test_the_origins_come_from_instance_and_region_unless_given(tmp_path: Path) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    tenant = load_tenant(settings, environ=TENANT)
    assert tenant.api_url == "https://acme.api.eu.nexthink.cloud"
    assert tenant.login_url == "https://acme-login.eu.nexthink.cloud"
    assert tenant.name == "acme.eu"
    given = load_tenant(settings, environ=TENANT | {"NEXTHINK_API_URL": "http://127.0.0.1:8/"})
    assert given.api_url == "http://127.0.0.1:8"
    assert given.login_url == tenant.login_url


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("United States", "us"),
        (" european union\n", "eu"),
        ("Asia-Pacific", "pac"),
        ("asia pacific", "pac"),
        ("Middle East, Turkey and Africa", "meta"),
        ("MIDDLE EAST, TURKEY, AND AFRICA", "meta"),
        ("META", "meta"),
    ],
)
def test_a_region_is_known_by_code_and_name(tmp_path: Path, region: str, code: str) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    environ = TENANT | {"NEXTHINK_REGION": region}
    tenant = load_tenant(settings, environ=environ)
    assert (tenant.region, tenant.name) == (code, f"acme.{code}")
    assert tenant.api_url == f"https://acme.api.{code}.nexthink.cloud"
    assert tenant_name(settings, environ=environ) == tenant.name
    values = {**TENANT, "NEXTHINK_REGION": region.strip()}
    lines = (f'{name[9:].lower()} = "{value}"' for name, value in values.items())
    (tmp_path / "profiles.toml").write_text("[lab]\n" + "\n".join(lines))
    assert load_tenant(settings, "lab").region == code


@pytest.mark.parametrize("region", ["and", "", "europe", "u.s", "us eu"])
def test_other_regions_are_refused_with_all_that_exist(tmp_path: Path, region: str) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="NEXTHINK_REGION"):
        load_tenant(settings, environ=TENANT | {"NEXTHINK_REGION": region})


def test_all_problems_are_named_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    wrong = {
        "NEXTHINK_REGION": "mars",
        "NEXTHINK_CLIENT_SECRET_FILE": str(tmp_path / "nowhere"),
        "NEXTHINK_API_URL": "https://user:very-secret@host/path",
        "NEXTHINK_TIME_ZONE": "Nowhere/City",
    }
    with pytest.raises(ConfigurationError) as caught:
        load_tenant(load_settings({"NXP_HOME": str(tmp_path)}), environ=wrong)
    text = str(caught.value)
    for name in ("INSTANCE", "REGION", "CLIENT_ID", "CLIENT_SECRET_FILE", "API_URL", "TIME_ZONE"):
        assert f"NEXTHINK_{name}" in text
    assert "very-secret" not in text


def test_every_setting_may_be_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n")
    environ = {**TENANT, "NEXTHINK_CLIENT_SECRET": "", "NEXTHINK_CLIENT_SECRET_FILE": str(secret)}
    tenant = load_tenant(load_settings({"NXP_HOME": str(tmp_path)}), environ=environ)
    assert tenant.client_secret.get_secret_value() == "from-file"
    assert "from-file" not in repr(tenant)


def test_a_profile_names_a_tenant_and_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        '[lab]\ninstance = "lab"\nregion = "us"\nclient_id = "a"\nclient_secret = "b"\n'
        '[half]\ninstance = "half"\n'
    )
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    lab = load_tenant(settings, "lab", TENANT)
    assert (lab.name, lab.region, lab.client_id) == ("lab", "us", "a")
    with pytest.raises(ConfigurationError, match=r"half\.client_secret: not set"):
        load_tenant(settings, "half", TENANT)
    with pytest.raises(ConfigurationError, match="known: half, lab"):
        load_tenant(settings, "nope", TENANT)


def test_a_worker_must_be_told_lake_and_ledger(tmp_path: Path) -> None:
    worker = {"NXP_HOME": str(tmp_path), "PREFECT__FLOW_RUN_ID": "x"}
    with pytest.raises(ConfigurationError, match=r"NXP_LAKE.*NXP_LEDGER_URL"):
        load_settings(worker)
    load_settings({**worker, "NXP_LAKE": "/lake", "NXP_LEDGER_URL": "sqlite:///x.db"})


def test_paths_are_absolute_and_default_below_the_home(tmp_path: Path) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path / "state")})
    assert settings.lake == str(tmp_path / "state" / "lake")
    assert settings.catalog.is_absolute()
    assert prepare_home(settings).stat().st_mode & 0o777 == 0o700


def test_the_memory_of_a_landing_is_a_number_of_mb(tmp_path: Path) -> None:
    assert load_settings({"NXP_HOME": str(tmp_path), "NXP_MEMORY_MB": "64"}).memory_mb == 64
    with pytest.raises(ConfigurationError, match="NXP_MEMORY_MB"):
        load_settings({"NXP_HOME": str(tmp_path), "NXP_MEMORY_MB": "few"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NXP_HOME", "/a?b"),
        ("NXP_LAKE", "/a[1]/lake"),
        ("NXP_LAKE", "s3://bucket/a*"),
        ("NXP_LAKE", "gs://bucket/lake"),
        ("NXP_LAKE", "https://bucket.example/lake"),
        ("NXP_LAKE", "file:///lake"),
        ("NXP_LAKE", "S3://bucket/lake"),
        ("NXP_LAKE", "s3:/bucket/lake"),
        ("NXP_LAKE", "s3://"),
        ("NXP_LAKE", "s3:///lake"),
        ("NXP_LAKE", "s3://bucket/../lake"),
        ("NXP_LAKE", "s3://bucket//lake"),
        ("NXP_LAKE", "s3://bucket/lake#x"),
        ("NXP_LAKE", "s3://bucket:9000/lake"),
        ("NXP_LAKE", "gs:/bucket/lake"),
        ("NXP_LAKE", "file:/lake"),
    ],
)
def test_a_path_that_a_reader_would_misread_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gs://hidden/lake", "Google Cloud Storage is not supported"),
        ("GCS://hidden/lake", "Google Cloud Storage is not supported"),
        ("gs:hidden", "Google Cloud Storage is not supported"),
        ("abfss://hidden@account.dfs.core.windows.net/lake", "az://container/prefix"),
        ("wasbs://hidden@account/lake", "az://container/prefix"),
        ("r2://hidden/lake", "s3://bucket/prefix, with AWS_ENDPOINT_URL"),
        ("s3a://hidden/lake", "s3://bucket/prefix, with AWS_ENDPOINT_URL"),
        ("hdfs://hidden/lake", "HDFS is not supported"),
        ("file:///hidden/lake", "write a folder as its path"),
        ("ftp://hidden/lake", "must be a folder, s3://bucket/prefix"),
    ],
)
def test_a_place_that_cannot_hold_a_lake_is_refused_with_what_can(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"NXP_LAKE: ") as refused:
        load_settings({"NXP_LAKE": url})
    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("folder", ["gs", "file", "r2/lake", "C:\\lake"])
def test_a_folder_of_such_a_name_is_a_folder(folder: str) -> None:
    assert load_settings({"NXP_LAKE": folder}).lake.endswith(folder)


@pytest.mark.parametrize("url", ["s3://key:hidden@bucket/lake", "az://c/lake?sig=hidden"])
def test_a_credential_within_the_lakes_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="NXP_LAKE") as refused:
        load_settings({"NXP_LAKE": url})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/a/b=c/", "s3://my.bucket-1/a/b=c"),
        ("az://container/lake", "az://container/lake"),
    ],
)
def test_the_lake_may_lie_on_object_storage(given: str, kept: str) -> None:
    assert load_settings({"NXP_LAKE": given}).lake == kept


def test_profiles_are_read_strictly_and_cannot_take_anothers_name(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(
        '[typo]\ninstance = "lab"\nregion = "us"\nclient_id = "a"\nclient_secret = "b"\n'
        'timezone = "Europe/Zurich"\n'
        '["acme.eu"]\ninstance = "lab"\nregion = "us"\nclient_id = "a"\nclient_secret = "b"\n'
        "[ok]\n"
    )
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="timezone: not a setting; did you mean time_zone"):
        load_tenant(settings, "typo")
    with pytest.raises(ConfigurationError, match="belongs to another instance"):
        load_tenant(settings, "acme.eu")


def test_a_home_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="NXP_HOME"):
        prepare_home(load_settings({"NXP_HOME": str(tmp_path / "file")}))


def test_the_only_tenant_of_the_lake_needs_no_naming(tmp_path: Path) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="no data yet"):
        tenant_name(settings, environ={})
    (tmp_path / "lake" / "acme.eu" / "_runs").mkdir(parents=True)
    (tmp_path / "lake" / "lost+found").mkdir()
    assert tenant_name(settings, environ={}) == "acme.eu"
    # One that is named by half is another one.
    with pytest.raises(ConfigurationError, match="NEXTHINK_REGION: not set"):
        tenant_name(settings, environ={"NEXTHINK_INSTANCE": "lab"})
    (tmp_path / "lake" / "lab.us" / "_runs").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"acme\.eu, lab\.us"):
        tenant_name(settings, environ={})
    assert tenant_name(settings, "lab.us", {}) == "lab.us"


@pytest.mark.parametrize("rate", ["0", "1e-300", "inf", "nan"])
def test_a_rate_of_calls_is_one_that_can_be_waited_for(tmp_path: Path, rate: str) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="NEXTHINK_CALLS_PER_SECOND"):
        load_tenant(settings, environ=TENANT | {"NEXTHINK_CALLS_PER_SECOND": rate})


def test_landing_in_the_ledgers_own_file_is_refused(tmp_path: Path) -> None:
    environ = {
        "NXP_HOME": str(tmp_path),
        "NXP_DATABASE_URL": f"sqlite:///{tmp_path}/../{tmp_path.name}/ledger.db",
    }
    with pytest.raises(ConfigurationError, match="the ledger's SQLite file"):
        load_settings(environ)
    environ["NXP_DATABASE_URL"] = f"sqlite:///{tmp_path}/landed.db"
    assert load_settings(environ).database_url is not None
