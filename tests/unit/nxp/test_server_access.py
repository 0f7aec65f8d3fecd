"""What the local Prefect server gets: no secrets of ours, and one of its own."""

import json
from pathlib import Path

import pytest

from connectors.settings.installation import Settings, load_settings
from nxp import server_access
from nxp.server_access import ASKED, FILE, SENT

URL = "http://127.0.0.1:1/api"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"NXP_HOME": str(tmp_path)})


def test_only_what_a_server_needs_is_handed_on() -> None:
    needed = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "PYTHONPATH": ".",
        "https_proxy": "http://proxy",
        "SSL_CERT_FILE": "/ca",
        "PREFECT_SERVER_LOGGING_LEVEL": "INFO",
        "SystemRoot": "C:",
    }
    ours = {
        "NEXTHINK_CLIENT_SECRET": "x",
        "NEXTHINK_CLIENT_SECRET_FILE": "x",
        "NXP_LEDGER_URL": "x",
        "NXP_DATABASE_URL": "x",
        "NXP_SOURCE_CMDB_PASSWORD": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AZURE_STORAGE_KEY": "x",
        "GOOGLE_APPLICATION_CREDENTIALS": "x",
        "PREFECT_API_KEY": "x",
        "PREFECT_API_URL": "http://elsewhere/api",
        "PGPASSWORD": "x",
        "GITHUB_TOKEN": "x",
        "SSH_AUTH_SOCK": "x",
    }
    assert server_access.least(needed | ours) == needed


def test_a_secret_is_made_once_kept_for_its_owner_and_used_by_commands(settings: Settings) -> None:
    environ: dict[str, str] = {}
    path = server_access.protect(settings, environ)
    assert path == settings.home / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert environ[ASKED] == environ[SENT] == path.read_text()
    assert len(environ[ASKED]) > 30
    path.chmod(0o644)
    again: dict[str, str] = {}
    server_access.protect(settings, again)
    assert again == environ
    assert path.stat().st_mode & 0o777 == 0o600
    record = {"api_url": URL, "auth_file": str(path)}
    for mine in ({}, {"PREFECT_API_URL": URL}, {"PREFECT_API_URL": ""}, {SENT: "of:another"}):
        client = dict(mine)
        server_access.use(record, client)
        assert client == {"PREFECT_API_URL": URL, SENT: environ[ASKED]}
    assert environ[ASKED] not in json.dumps(record)
    assert environ[ASKED] not in " ".join(server_access.how_to_open(record))
    assert str(path) in " ".join(server_access.how_to_open(record))


@pytest.mark.parametrize("damaged", ["", "no colon", "\n", "a:b\nc:d"])
def test_a_damaged_secret_is_made_again(settings: Settings, damaged: str) -> None:
    (settings.home / FILE).write_text(damaged)
    environ: dict[str, str] = {}
    server_access.protect(settings, environ)
    assert environ[ASKED].startswith("nxp:")


def test_the_operators_own_choice_wins(settings: Settings) -> None:
    given = {ASKED: "ann:hers"}
    assert server_access.protect(settings, given) is None
    assert given == {ASKED: "ann:hers", SENT: "ann:hers"}
    none = {ASKED: ""}
    assert server_access.protect(settings, none) is None
    assert none == {}
    assert not (settings.home / FILE).exists()


def test_a_server_of_the_last_release_and_a_server_elsewhere_get_no_secret() -> None:
    old = {"api_url": URL, "pid": "1", "started": "1.0"}
    environ: dict[str, str] = {}
    server_access.use(old, environ)
    assert environ == {"PREFECT_API_URL": URL}
    assert server_access.how_to_open(old) == ["its pages: http://127.0.0.1:1"]
    elsewhere = {"PREFECT_API_URL": "http://elsewhere/api", SENT: "a:b"}
    server_access.use(old | {"auth_file": "/nowhere"}, elsewhere)
    assert elsewhere == {"PREFECT_API_URL": "http://elsewhere/api", SENT: "a:b"}
    server_access.use(None, environ)
    assert environ == {"PREFECT_API_URL": URL}
