"""Credentials from files, blocks and profiles; a new secret is used without a new deployment."""

import json
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import AccessError, ConfigurationError, UnavailableError
from connectors.settings.blocks import read_block
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant, tenant_name
from tests.commands import environment, nxp
from tests.landing import NOW, Place, place
from tests.victims import ended, start, until

PERIOD = ("crashes", "2026-11-12", "2026-11-20")
SECOND = "MARK-second-secret"


def with_file(made: Place, file: Path) -> dict[str, str]:
    """Return the environment with the secret in a file instead of the variable."""
    env = dict(made.environment)
    file.write_text(env.pop("NEXTHINK_CLIENT_SECRET"), "utf-8")
    return {**env, "NEXTHINK_CLIENT_SECRET_FILE": str(file)}


def replace(file: Path, secret: str) -> None:
    """Write another secret as Kubernetes and Vault do: to a new file, then renamed in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text(secret, "utf-8")
    fresh.replace(file)


def test_a_secret_file_that_changes_is_read_by_the_next_run(tmp_path: Path) -> None:
    with place(tmp_path) as made:
        file = tmp_path / "secret"
        env = with_file(made, file)
        words = ("tests.land_once", NOW.isoformat(), "devices")
        assert ended(start(*words, env=env)) == 0
        made.tenant.gate.rotate(SECOND)
        assert ended(start(*words, env=env)) != 0
        replace(file, SECOND)
        assert ended(start(*words, env=env)) == 0


def test_a_run_under_way_goes_on_with_the_secret_that_its_file_holds_by_then(
    tmp_path: Path,
) -> None:
    with place(tmp_path, export_time=0.5) as made:
        file = tmp_path / "secret"
        process = start("tests.land_once", NOW.isoformat(), *PERIOD, env=with_file(made, file))
        until(process, lambda: made.tenant.requests["export"] >= 3)
        # First the file, then the tenant, which refuses its earlier tokens from now on.
        replace(file, SECOND)
        made.tenant.gate.rotate(SECOND)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert made.tenant.requests["token"] == 2
        assert SECOND not in said


def test_a_file_that_is_away_for_a_moment_leaves_the_credential_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place(tmp_path) as made:
        file = tmp_path / "secret"
        for name, value in with_file(made, file).items():
            monkeypatch.setenv(name, value)
        tenant = load_tenant(load_settings())
        file.unlink()
        assert tenant.reread() is tenant
        replace(file, SECOND)
        assert tenant.reread().client_secret.get_secret_value() == SECOND


def save_block(name: str, made: Place, secret: str, api: str) -> None:
    """Save a block as a user does, through Prefect."""
    tenant = made.tenant
    program = (
        "import json, sys; from flows.credentials import NexthinkCredentials;"
        "given = json.load(sys.stdin); name = given.pop('name');"
        "NexthinkCredentials(**given).save(name, overwrite=True);"
        "client = NexthinkCredentials.load(name).get_client(); client.close()"
    )
    given = {
        "name": name,
        "instance": tenant.instance,
        "region": tenant.region,
        "client_id": tenant.client_id,
        "client_secret": secret,
        "api_url": tenant.api_url,
        "login_url": tenant.login_url,
    }
    subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(given),
        env=environment(PREFECT_API_URL=api, PREFECT_HOME=str(made.folder / "prefect")),
        text=True,
        check=True,
        cwd=Path.cwd(),
    )


def test_a_block_is_chosen_by_variable_or_profile_and_read_anew_under_way(
    tmp_path: Path, prefect_server: str
) -> None:
    with place(tmp_path, export_time=0.5) as made:
        registered = subprocess.run(
            [sys.executable, "-m", "prefect", "block", "register", "-m", "flows.credentials"],
            env=environment(PREFECT_API_URL=prefect_server, PREFECT_HOME=str(tmp_path / "prefect")),
            cwd=Path.cwd(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert registered.returncode == 0, registered.stderr
        assert "Nexthink Credentials" in registered.stdout
        save_block("acme", made, made.tenant.client_secret, prefect_server)
        plain = {k: v for k, v in made.environment.items() if not k.startswith("NEXTHINK_")}
        env = {**plain, "PREFECT_API_URL": prefect_server, "NEXTHINK_BLOCK": "acme"}
        checked = nxp("check", "--connect", env=environment() | env)
        assert checked.returncode == 0, checked.stderr
        assert made.tenant.client_secret not in checked.stdout + checked.stderr
        process = start("tests.land_once", NOW.isoformat(), *PERIOD, env=env)
        until(process, lambda: made.tenant.requests["export"] >= 3)
        save_block("acme", made, SECOND, prefect_server)
        made.tenant.gate.rotate(SECOND)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert SECOND not in said
        # The same with a profile, whose name is the tenant's.
        home = Path(env["NXP_HOME"])
        (home / "profiles.toml").write_text('[lab]\nblock = "acme"\n', "utf-8")
        del env["NEXTHINK_BLOCK"]
        checked = nxp("check", "--connect", "--tenant", "lab", env=environment() | env)
        assert checked.returncode == 0, checked.stderr
        missing = nxp("check", env=environment() | env | {"NEXTHINK_BLOCK": "nope"})
        assert missing.returncode == 3
        assert "no block nexthink-credentials/nope" in missing.stderr


@contextmanager
def keeping(status: int, data: Any) -> Iterator[tuple[str, list[str]]]:
    """Answer like a Prefect server asked for a block; also yield the credentials it was sent."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            body = json.dumps({"data": data}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/api", seen
        finally:
            server.shutdown()
            thread.join()


BLOCK = {"instance": "acme", "region": "eu", "client_id": "c", "client_secret": SECOND}


def test_a_server_that_wants_a_login_gets_the_one_that_prefect_uses() -> None:
    with keeping(200, BLOCK) as (url, seen):
        environ = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "admin:MARK:colon"}
        assert read_block("acme", environ) == BLOCK
        read_block("acme", {"PREFECT_API_URL": url, "PREFECT_API_KEY": "key"})
        basic = b64encode(b"admin:MARK:colon").decode()
        assert seen == [f"Basic {basic}", "Bearer key"]


@pytest.mark.parametrize(
    ("status", "data", "error"),
    [
        (401, None, AccessError),
        (404, None, ConfigurationError),
        (500, None, UnavailableError),
        (200, None, UnavailableError),
    ],
)
def test_a_block_that_cannot_be_had_is_one_line(
    status: int, data: Any, error: type[Exception]
) -> None:
    with (
        keeping(status, data) as (url, _),
        pytest.raises(error, match=r"block .?(nexthink-credentials/)?'?acme"),
    ):
        read_block("acme", {"PREFECT_API_URL": url})


def test_what_is_wrong_around_a_block_is_said(tmp_path: Path) -> None:
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL is not set"):
        load_tenant(settings, None, {"NEXTHINK_BLOCK": "acme"})
    with pytest.raises(UnavailableError, match="no Prefect server answers"):
        load_tenant(
            settings,
            None,
            {"NEXTHINK_BLOCK": "acme", "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        )
    with keeping(200, BLOCK) as (url, _):
        environ = {"NEXTHINK_BLOCK": "acme", "PREFECT_API_URL": url}
        assert load_tenant(settings, None, environ).name == "acme.eu"
        assert tenant_name(settings, None, environ) == "acme.eu"
        zoned = load_tenant(settings, None, {**environ, "NEXTHINK_TIME_ZONE": "Europe/Zurich"})
        assert zoned.time_zone == "Europe/Zurich"
        with pytest.raises(ConfigurationError, match="NEXTHINK_CLIENT_SECRET: NEXTHINK_BLOCK"):
            load_tenant(settings, None, {**environ, "NEXTHINK_CLIENT_SECRET": "x"})
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('[lab]\nblock = "acme"\n')
    with pytest.raises(ConfigurationError, match=f"{profiles}: lab.block: block 'acme' is on"):
        load_tenant(settings, "lab", {})
    with keeping(200, {**BLOCK, "region": "mars"}) as (url, _):
        where = f"{profiles}: region in the block acme of lab.block: must be a region"
        with pytest.raises(ConfigurationError, match=where):
            load_tenant(settings, "lab", {"PREFECT_API_URL": url})
