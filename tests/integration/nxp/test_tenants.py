"""Two tenants side by side: one catalogue, lake, ledger and database, and nothing shared."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from connectors.errors import ConfigurationError, LimitReachedError
from connectors.lake import Lake
from connectors.ledger import Ledger, open_ledger
from tasks.land.asked import Asked
from tasks.stories import sync as sync_stories
from tasks.stories.export import export_dataset
from tasks.sync.asked import SyncAsked
from tasks.sync.run import choose_sync
from tests.commands import called
from tests.landing import NOW, Place, catalogue, place
from tests.syncing import READ_BACK, SYNC_NAME, sync_yaml

PROFILES = ("north", "south")
OWNER = "#asset_owner"


@dataclass(frozen=True)
class Both:
    """Two stand-ins, and one installation for both."""

    places: dict[str, Place]
    folder: Path

    def land(self, name: str, dataset: str, **asked: Any) -> None:
        """Land a dataset of one tenant, as the flow does."""
        clock = self.places[name].tenant.clock.now
        export_dataset(Asked(dataset, tenant=name, **asked), clock)

    def sync(self, name: str) -> dict[str, Any]:
        """Sync one tenant, as the flow does."""
        rows = [f"{uid},{name},,,," for uid in sorted(self.devices(name))]
        text = "\n".join(["uid,owner,tag,broker,pool,updated", *rows])
        (self.folder / "register.csv").write_text(text, "utf-8")
        clock = self.places[name].tenant.clock.now
        chosen, asked = choose_sync(SYNC_NAME, name), SyncAsked(verify=False)
        return sync_stories.sync(chosen, asked, clock=clock, sleep=lambda _: None)

    @contextmanager
    def ledger(self, name: str) -> Iterator[Ledger]:
        """Open one tenant's ledger."""
        opened = open_ledger(f"sqlite:///{self.folder / 'ledger.db'}", name)
        try:
            yield opened
        finally:
            opened.close()

    def landed(self, name: str, dataset: str) -> pl.DataFrame:
        """Return a tenant's rows in the lake, by a plain glob."""
        folder = Lake(str(self.folder / "lake"), name).dataset_folder(dataset)
        return pl.read_parquet(folder / "*" / "*.parquet", hive_partitioning=False)

    def devices(self, name: str) -> set[str]:
        """Return the ids of a tenant's devices, as the tenant knows them."""
        return set(self.places[name].tenant.frame("#devices", {})["device.uid"])


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Tenants with different devices, secrets and time zones."""
    sql = {"landings": ["parquet", {"sql": {"table": "{tenant}_crashes"}}]}
    catalog = catalogue(tmp_path, {"assets_readback": READ_BACK}, crashes=sql)
    for other in (catalog / "syncs").glob("*.yaml"):
        other.unlink()
    source = tmp_path / "register.csv"
    (catalog / "syncs" / f"{SYNC_NAME}.yaml").write_text(yaml.safe_dump(sync_yaml(source)), "utf-8")
    given: dict[str, dict[str, Any]] = {
        "north": {"seed": 1, "devices": 30, "time_zone": "Europe/Zurich"},
        "south": {"seed": 2, "devices": 50, "time_zone": "America/Sao_Paulo"},
    }
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(
                place(tmp_path, instance=name, client_secret=f"MARK-of-{name}", now=NOW, **options)
            )
            for name, options in given.items()
        }
        home = tmp_path / "home"
        home.mkdir()
        profiles = "\n".join(
            f"[{name}]\n"
            + "\n".join(
                f"{key.removeprefix('NEXTHINK_').lower()} = {json.dumps(value)}"
                for key, value in made.environment.items()
                if key.startswith("NEXTHINK_")
            )
            for name, made in places.items()
        )
        (home / "profiles.toml").write_text(profiles, "utf-8")
        for name, value in places["north"].environment.items():
            if name.startswith("NXP_"):
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("NXP_DATABASE_URL", f"sqlite:///{tmp_path / 'landed.db'}")
        made = Both(places, tmp_path)
        yield made


def test_exports_of_the_same_datasets_at_once_stay_apart(both: Both) -> None:
    asked = [(name, dataset) for dataset in ("crashes", "devices") for name in PROFILES]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(both.land, *each) for each in asked]:
            done.result()
    for name in PROFILES:
        assert set(both.landed(name, "devices")["device_uid"]) == both.devices(name)
        crashed = both.landed(name, "crashes")
        assert crashed.height > 0
        assert set(crashed["device_uid"]) <= both.devices(name)
        with both.ledger(name) as ledger:
            runs = {run["run_id"] for run in ledger.runs()}
            assert len(runs) == 2
            assert set(crashed["_nxp_run_id"]) <= runs
            assert sum(unit.rows_landed or 0 for unit in ledger.units("crashes")) == crashed.height
        with sqlite3.connect(both.folder / "landed.db") as database:
            ((rows,),) = database.execute(f"SELECT count(*) FROM {name}_crashes")  # noqa: S608
        database.close()
        assert rows == crashed.height
        assert both.places[name].tenant.leaks == []
    assert both.devices("north").isdisjoint(both.devices("south"))


def test_a_table_without_the_tenants_name_is_refused_to_the_second(both: Both) -> None:
    path = both.folder / "catalog" / "datasets" / "crashes.yaml"
    plain = yaml.safe_load(path.read_text("utf-8")) | {"landings": ["parquet", "sql"]}
    path.write_text(yaml.safe_dump(plain), "utf-8")
    both.land("north", "crashes")
    with pytest.raises(ConfigurationError, match=r"crashes of north lands in this table.*{tenant}"):
        both.land("south", "crashes")
    assert both.places["south"].tenant.requests["export"] == 0


def test_a_sync_of_one_leaves_the_other_alone(both: Both) -> None:
    held = {name: made.tenant.enrichment for name, made in both.places.items()}
    assert both.sync("north")["acknowledged"] == len(both.devices("north"))
    assert not held["south"].received
    with both.ledger("south") as ledger:
        assert ledger.enriched.read(SYNC_NAME).is_empty()
        assert ledger.runs(SYNC_NAME) == []
    # Keys acknowledged by one tenant are neither known nor considered absent for the other.
    assert both.sync("south")["acknowledged"] == len(both.devices("south"))
    for name in PROFILES:
        values = held[name].values("device", OWNER)
        assert {uid for uid, value in values.items() if value == name} == both.devices(name)
        assert set(values.values()) <= {name, None}


def test_a_limit_of_one_does_not_hold_the_other_back(both: Both) -> None:
    with both.ledger("north") as ledger:
        lease = ledger.lease("devices", "x", NOW, NOW + timedelta(days=1), "another")
        with lease:
            later = both.places["north"].tenant.clock.now() + timedelta(hours=3)
            ledger.limits.limit_until(later)
            with pytest.raises(LimitReachedError):
                both.land("north", "crashes")
            # Nor does a unit of the same name that the other holds.
            both.land("south", "crashes")
            both.land("south", "devices")
    assert both.places["north"].tenant.requests["export"] == 0


def test_commands_show_and_reset_the_tenant_that_is_named(
    both: Both, capsys: pytest.CaptureFixture[str]
) -> None:
    both.land("north", "crashes")
    both.land("south", "crashes")
    both.land("south", "devices")

    def asked(*words: str) -> Any:
        result = called(*words, "--json", capsys=capsys)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    for name, datasets in (("north", {"crashes"}), ("south", {"crashes", "devices"})):
        assert {run["dataset"] for run in asked("runs", "--tenant", name)} == datasets
        listed = asked("datasets", "--tenant", name)
        assert {row["dataset"] for row in listed if row["units"]} == datasets
        found = asked("sql", "SELECT count(*) AS n FROM crashes", "--tenant", name)
        assert found == [{"n": both.landed(name, "crashes").height}]
    before = asked("state", "show", "crashes", "--tenant", "south")
    assert asked("state", "reset", "crashes", "--tenant", "north")["watermark"] is None
    assert asked("state", "show", "crashes", "--tenant", "south") == before
    assert before["watermark"] is not None
    unsaid = called("runs", capsys=capsys)
    assert unsaid.returncode == 3
    assert "set tenant to one of those in the lake: north, south" in unsaid.stderr


def test_a_wrong_tenant_touches_nobody(both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    both.land("north", "crashes")
    asked = both.places["north"].tenant.requests.copy()
    files = sorted((both.folder / "lake").rglob("*"))
    for words in (
        ("export", "crashes"),
        ("backfill", "crashes", "--from", "2026-11-18", "--to", "2026-11-19"),
        ("sync", SYNC_NAME),
        ("act", "run", "free_disk_space"),
        ("nql", "execute", "#devices"),
    ):
        result = called(*words, "--tenant", "nroth", capsys=capsys)
        assert (result.returncode, result.stdout) == (3, "")
        assert "no tenant profile 'nroth'" in result.stderr
        assert "known: north, south" in result.stderr
    assert called("state", "reset", "crashes", "--tenant", "nroth", capsys=capsys).returncode == 0
    assert called("runs", "--tenant", "nroth", "--json", capsys=capsys).stdout == "[]\n"
    assert both.places["north"].tenant.requests == asked
    assert sorted((both.folder / "lake").rglob("*")) == files
    with both.ledger("north") as ledger:
        assert ledger.marks.watermark("crashes")


def test_variables_of_one_tenant_never_complete_the_profile_of_another(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    (both.folder / "home" / "profiles.toml").write_text(
        '[half]\ninstance = "north"\nregion = "eu"\n', "utf-8"
    )
    for name, value in both.places["south"].environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"half\.client_secret: not set"):
        export_dataset(Asked("crashes", tenant="half"))
