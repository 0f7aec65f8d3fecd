"""The commands that pages of docs show do what the pages say."""

import re
import shutil
from pathlib import Path

import pytest

from nxp.cli import run
from sandbox.options import PERMISSIONS, Credential
from tests import documents
from tests.actions import acting
from tests.landing import CATALOG, place


def test_a_tenant_is_set_up_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = tmp_path / "queries"
    shutil.copytree(CATALOG / "queries", queries)
    less = Credential("less", "secret", PERMISSIONS - {"nql"})
    with place(tmp_path, queries=queries, devices=60, now=None, credentials=(less,)) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        full = {name: made.environment[f"NEXTHINK_CLIENT_{name}"] for name in ("ID", "SECRET")}

        def use(client_id: str, secret: str) -> None:
            monkeypatch.setenv("NEXTHINK_CLIENT_ID", client_id)
            monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", secret)

        def change_query() -> None:
            text = (queries / "devices.nql").read_text("utf-8")
            (queries / "devices.nql").write_text(text.replace("device.uid, ", ""), "utf-8")

        def unpaste() -> None:
            use(full["ID"], full["SECRET"])
            (queries / "users.nql").unlink()

        def limit() -> None:
            shutil.copy(CATALOG / "queries" / "devices.nql", queries)
            made.tenant.faults.add("429-seconds@export")
            made.tenant.faults.retry_after = 86_400

        prepare = {
            "a credential without NQL API": lambda: use("less", "secret"),
            "the query not pasted yet": unpaste,
            "another text pasted": change_query,
            "the limit reached": limit,
        }
        assert documents.check("tenant.md", prepare) > 10
        assert not made.tenant.leaks


def test_a_project_is_made_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert documents.check("projects.md", {}) == 1


VOLUMES = """device.volumes during past 7d
| where volume.is_system == true and volume.free_space <= 40GB
| list device.collector.uid, device.name, device.operating_system.platform
"""


@pytest.mark.slow
def test_scenarios_and_use_cases_run_as_the_pages_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VOLUMES in (documents.DOCS / "acting.md").read_text("utf-8")
    with acting(tmp_path, monkeypatch.setenv, devices=60, now=None) as made:
        for file in (tmp_path / "catalog" / "actions").glob("*.yaml"):
            text = file.read_text("utf-8").replace("effect_after: 35min", "effect_after: 1s")
            file.write_text(re.sub("poll: [0-9a-z]+", "poll: 1s", text), "utf-8")
        made.query("full_disks", VOLUMES)
        assert documents.check("acting.md", {}, "### Run on the sandbox") == 7
        accounts = made.tenant.servicenow.describe()
        monkeypatch.setenv("NXP_SOURCE_CMDB_URL", made.tenant.servicenow.url)
        monkeypatch.setenv("NXP_SOURCE_CMDB_USER", str(accounts["servicenow_user"]))
        monkeypatch.setenv("NXP_SOURCE_CMDB_PASSWORD", str(accounts["servicenow_password"]))
        assert run(["export", "users"]) == 0
        assert documents.check("syncs.md", {}, "### VIPs") == 2
        marked = made.tenant.frame("#vip_users_readback").drop_nulls("user.#vip")
        assert set(marked["user.#vip"]) == {"VIP"}
