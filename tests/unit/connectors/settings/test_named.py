"""What an error says to check: the variables that were used, or the keys of the profile."""

from pathlib import Path

import pytest

from connectors.errors import AccessError, ConfigurationError, UnavailableError
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from tests.unit.connectors.servers import TOKEN_PATH, Reply, Server, json_reply

PLAIN = {
    "NEXTHINK_INSTANCE": "acme",
    "NEXTHINK_REGION": "eu",
    "NEXTHINK_CLIENT_ID": "id",
    "NEXTHINK_CLIENT_SECRET": "secret",
}


def profile(home: Path, *more: str) -> TenantSettings:
    """Return the tenant of a profile; the variables name another one."""
    lines = ["[lab]", 'instance = "lab"', 'region = "eu"', 'client_id = "id"', *more]
    (home / "profiles.toml").write_text("\n".join(lines), "utf-8")
    return load_tenant(load_settings({"NXP_HOME": str(home)}), "lab", PLAIN)


def test_a_deeply_nested_file_of_profiles_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text("x = " + "[" * 100_000)
    with pytest.raises(ConfigurationError, match=r"profiles\.toml: nested too deeply"):
        load_tenant(load_settings({"NXP_HOME": str(tmp_path)}), "lab", PLAIN)


def test_variables_are_named(tmp_path: Path) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    both = "NEXTHINK_CLIENT_ID and NEXTHINK_CLIENT_SECRET"
    assert load_tenant(settings, None, PLAIN).named("client_id", "client_secret") == both
    secret = tmp_path / "secret"
    secret.write_text("x")
    given = {key: value for key, value in PLAIN.items() if key != "NEXTHINK_CLIENT_SECRET"}
    read = load_tenant(settings, None, given | {"NEXTHINK_CLIENT_SECRET_FILE": str(secret)})
    assert read.named("client_id", "client_secret") == f"{both}_FILE"


def test_a_profile_and_its_file_are_named(tmp_path: Path) -> None:
    where = f"of [lab] in {tmp_path / 'profiles.toml'}"
    found = profile(tmp_path, 'client_secret = "x"')
    assert found.named("client_id", "client_secret") == f"client_id and client_secret {where}"
    (tmp_path / "secret").write_text("x")
    read = profile(tmp_path, f'client_secret_file = "{tmp_path / "secret"}"')
    assert read.named("client_secret") == f"client_secret_file {where}"
    assert read.reread().named("client_secret") == f"client_secret_file {where}"


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (json_reply({"error": "x"}, 401), AccessError, "client_id and client_secret of [lab] in "),
        (Reply(404), UnavailableError, "login_url of [lab] in "),
        (Reply(200, body=b"<html>"), UnavailableError, "login_url of [lab] in "),
    ],
)
def test_a_refusal_names_what_the_user_has_written(
    tmp_path: Path, server: Server, reply: Reply, kind: type[Exception], said: str
) -> None:
    urls = (f'login_url = "{server.url}"', f'api_url = "{server.url}"')
    found = profile(tmp_path, 'client_secret = "x"', *urls)
    server.on("POST", TOKEN_PATH, reply)
    with NexthinkClient(found) as client, pytest.raises(kind) as caught:
        client.authenticate()
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "NEXTHINK_" not in str(caught.value)


def test_an_api_that_does_not_answer_is_named_by_the_profile_too(
    tmp_path: Path, server: Server
) -> None:
    urls = (f'login_url = "{server.url}"', f'api_url = "{server.url}"')
    found = profile(tmp_path, 'client_secret = "x"', *urls)
    server.on("GET", "/api/v1/nql/status/e1", Reply(200, body=b"<html>"))
    with NexthinkClient(found) as client, pytest.raises(UnavailableError) as caught:
        client.nql.export_status("e1")
    assert "check api_url of [lab] in " in str(caught.value)
