"""`nxp server`: it asks for a secret that commands know, and gets none of ours."""

import json
from pathlib import Path

import httpx
import psutil
import pytest

from tests.answers import validated
from tests.commands import environment, nxp

pytestmark = pytest.mark.prefect


def test_a_kept_server_asks_for_a_secret_and_has_none_of_ours(tmp_path: Path) -> None:
    planted = ("NEXTHINK_CLIENT_SECRET", "NXP_SOURCE_CMDB_PASSWORD", "AWS_SECRET_ACCESS_KEY")
    env = environment(NXP_HOME=str(tmp_path / "home")) | dict.fromkeys(planted, "planted-secret")
    started = nxp("server", "start", env=env)
    assert started.returncode == 0, started.stderr
    url = started.stdout.strip()
    try:
        record = json.loads((tmp_path / "home" / "server.json").read_text())
        theirs = psutil.Process(int(record["pid"])).environ()
        assert "planted-secret" not in theirs.values()
        assert not [name for name in theirs if name.startswith(("NXP_", "NEXTHINK_", "AWS_"))]
        secret = Path(record["auth_file"]).read_text()
        assert httpx.post(f"{url}/flows/filter", json={}).status_code == 401
        user, _, password = secret.partition(":")
        assert httpx.post(f"{url}/flows/filter", json={}, auth=(user, password)).is_success
        for mine in (env, env | {"PREFECT_API_URL": url}):
            planned = nxp("deploy", "--dry-run", "--json", env=mine)
            assert planned.returncode == 0, planned.stderr
        validated("server status", nxp("server", "status", "--json", env=env).stdout)
        validated("server start", nxp("server", "start", "--json", env=env).stdout)
        shown = nxp("server", "status", env=env)
        assert (shown.returncode, shown.stdout.strip()) == (0, url)
        assert record["auth_file"] in shown.stderr
        assert secret not in started.stdout + started.stderr + shown.stdout + shown.stderr
    finally:
        assert nxp("server", "stop", env=env).returncode == 0
