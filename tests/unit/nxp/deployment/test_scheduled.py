"""The deployments that schedules of datasets make, and an upgrade from those in prefect.yaml."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.catalogue import load_datasets
from connectors.errors import ConfigurationError, UsageError
from nxp.deployment.automations import load_automations
from nxp.deployment.changes import Verb
from nxp.deployment.comparison import differences
from nxp.deployment.entries import DeploymentEntry, Pool, Timetable
from nxp.deployment.files import Deployment, load_deployments, unused_schedules
from nxp.deployment.scheduled import SharedDefinitions, made_by_schedules
from nxp.library import LIBRARY
from tests.unit.nxp.deployment.test_switches import (
    CATALOG,
    SHIPPED,
    changes,
    on_server,
    server,
    shipped,
)

# The scheduled exports and two of the others, as the last release had them in prefect.yaml.
BEFORE: dict[str, tuple[Any, str]] = {
    "nql-export/inventory-daily": (["devices", "users"], "30 5 * * *"),
    "nql-export/execution-events-daily": ("execution_events", "30 2 * * *"),
    "nql-export/crashes-hourly": ("crashes", "20 * * * *"),
    "nql-export/device-performance-daily": ("device_performance", "50 2 * * *"),
    "nql-export/pulse-responses-daily": ("pulse_responses", "40 5 * * *"),
    "maintain/maintain-devices": ("devices", "14 4 * * 0"),
    "maintain/maintain-cmdb-devices": ("cmdb_devices", "22 4 * * 0"),
}


def deployed_before(name: str, dataset: Any, cron: str) -> Deployment:
    """Return a deployment as the last release had it."""
    flow, _, own = name.partition("/")
    entry = shipped(name).entry.model_copy(
        update={
            "name": own,
            "description": "As it was.",
            "parameters": {"dataset": dataset},
            "schedules": (Timetable(slug=own, cron=cron, timezone="UTC"),),
        }
    )
    return Deployment(entry, flow, shipped(name).form)


def catalogue(folder: Path, **schedules: dict[str, Any] | None) -> Path:
    """Return a copy of the catalogue in which datasets have these schedules."""
    made = folder / "catalogue"
    shutil.copytree(CATALOG, made)
    for name, schedule in schedules.items():
        file = made / "datasets" / f"{name}.yaml"
        source = file if file.exists() else made / "datasets" / "devices.yaml"
        kept = yaml.safe_load(source.read_text()) | {"dataset": name}
        kept.pop("schedule", None)
        file.write_text(yaml.safe_dump(kept | ({"schedule": schedule} if schedule else {})))
    return made


def exports(catalog: Path) -> dict[str, Any]:
    """Return the datasets of the exports that schedules made, by the deployment's name."""
    return {
        each.entry.name: each.entry.parameters["dataset"]
        for each in load_deployments(catalog)
        if each.made_from and each.flow == "nql-export"
    }


@pytest.mark.parametrize("paused", [(), ("nql-export/inventory-daily",), tuple(BEFORE)])
def test_an_upgrade_keeps_every_name_doubles_nothing_and_leaves_paused_what_was(
    paused: tuple[str, ...],
) -> None:
    was = {name: deployed_before(name, *given) for name, given in BEFORE.items()}
    found = server(
        **{name: on_server(each, active=name not in paused) for name, each in was.items()}
    )
    made = changes(found, *SHIPPED)
    assert not [name for name, each in made.items() if each.verb is Verb.REMOVE]
    assert all(made[name].verb is not Verb.CREATE for name in BEFORE)
    for name in BEFORE:
        if name in paused:
            assert "schedules switched" not in made[name].about
    created = [name for name, each in made.items() if each.verb is Verb.CREATE]
    assert not [name for name in created if made[name].datasets and name in BEFORE]
    exports_now = {each.name for each in SHIPPED if each.made_from and each.flow == "nql-export"}
    assert exports_now <= BEFORE.keys()
    assert made["nql-export/inventory-daily"].datasets == ("devices", "users")


def test_snapshots_of_one_time_run_as_one_and_windows_alone(tmp_path: Path) -> None:
    made = exports(
        catalogue(
            tmp_path,
            software={"cron": "30 5 * * *"},
            binaries={"cron": "30 5 * * *", "timezone": "Europe/Zurich"},
            licences={"every": "1d"},
            printers={"every": "1d"},
            racks={"cron": "30 5 * * *", "active": False},
            crashes={"cron": "30 5 * * *"},
            execution_events={"every": "6h"},
        )
    )
    assert made == {
        "inventory-daily": ["devices", "software", "users"],
        "inventory-daily-licences": ["licences", "printers"],
        "binaries-daily": "binaries",
        "racks-daily": "racks",
        "crashes-daily": "crashes",
        "execution-events-every-6h": "execution_events",
        "device-performance-daily": "device_performance",
        "pulse-responses-daily": "pulse_responses",
    }


def test_what_prefect_yaml_schedules_does_not_run_by_the_datasets_schedule_too(
    tmp_path: Path,
) -> None:
    catalog = catalogue(tmp_path)
    file = catalog / "prefect.yaml"
    own = (
        "  - <<: *export\n    name: mine\n    description: Mine.\n"
        "    parameters: {dataset: [crashes]}\n    schedules:\n"
        "      - {slug: mine, interval: 3600, timezone: UTC}\n"
        "  - <<: *maintain\n    name: upkeep\n    parameters: {dataset: crashes}\n    schedules:\n"
        "      - {slug: upkeep, cron: '1 1 * * *', timezone: UTC}\n"
    )
    text = file.read_text().replace("name: nexthink}", "name: theirs}")
    file.write_text(text.replace("deployments:\n", f"deployments:\n{own}", 1))
    loaded = load_deployments(catalog)
    assert "crashes-hourly" not in {each.entry.name for each in loaded}
    assert "maintain-crashes" not in {each.entry.name for each in loaded}
    assert {each.entry.work_pool.name for each in loaded} == {"theirs"}
    (note,) = unused_schedules(loaded, load_datasets(catalog))
    assert note.startswith("crashes: prefect.yaml schedules it as mine")
    assert not unused_schedules(SHIPPED, load_datasets(CATALOG))
    (mine,) = [each for each in loaded if each.entry.name == "mine"]
    assert differences(mine, on_server(mine)) == ["limit", "collision strategy"]


def test_without_the_files_schedules_of_datasets_are_deployed_with_their_alerts(
    tmp_path: Path,
) -> None:
    catalog = catalogue(tmp_path, devices=None)
    (catalog / "prefect.yaml").unlink()
    assert "users-daily" in exports(catalog)
    assert not [each for each in load_deployments(catalog) if "devices" in each.entry.datasets]
    (catalog / "automations.yaml").unlink()
    alerts = {
        each.name: each for each in load_automations(catalog, load_datasets(catalog).values())
    }
    assert {"nxp-failed-runs", "nxp-stale-devices"} <= alerts.keys()
    assert not [each for each in alerts.values() if each.run]
    (catalog / "prefect.yaml").write_text("deployments: [1\n")
    with pytest.raises(ConfigurationError, match="prefect"):
        load_deployments(catalog)


def test_a_dataset_that_gets_another_schedule_stays_paused_under_its_new_name(
    tmp_path: Path,
) -> None:
    new = catalogue(tmp_path, crashes={"every": "1d"}, users={"cron": "0 6 * * 1"})
    old = {
        name: on_server(shipped(name), active=False)
        for name in ("nql-export/crashes-hourly", "nql-export/inventory-daily")
    }
    made = changes(server(**old), *load_deployments(new))
    for name in ("crashes-daily", "devices-daily", "users-weekly"):
        assert made[f"nql-export/{name}"].verb is Verb.CREATE
        assert "starts paused" in made[f"nql-export/{name}"].about
    assert {made[name].verb for name in old} == {Verb.REMOVE}
    only = changes(server(**old), *load_deployments(new), only=("*s-weekly", "devices-daily"))
    assert only["nql-export/inventory-daily"].verb is Verb.REMOVE
    with pytest.raises(UsageError, match="add --only devices-daily"):
        changes(server(**old), *load_deployments(new), only=("users-weekly",))


def test_no_name_says_twice_how_often_it_runs() -> None:
    datasets = load_datasets(LIBRARY).values()
    names = [each.entry.name for each in made_by_schedules(datasets, (), SharedDefinitions())]
    assert {"execution-daily", "boots-daily"} <= set(names)
    assert len(names) == len(set(names))
    assert not [name for name in names if "daily-daily" in name]


def test_an_entry_has_a_cron_or_an_interval() -> None:
    for wrong in ({}, {"cron": "0 6 * * *", "interval": 60}, {"interval": 0}, {"cron": "x"}):
        with pytest.raises(ValueError, match=r"cron|interval"):
            Timetable(slug="s", timezone="UTC", **wrong)
    entry = DeploymentEntry(
        name="n", entrypoint="e", description="d", work_pool=Pool(name="p"), tags=()
    )
    assert entry.datasets == ()
