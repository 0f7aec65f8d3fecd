"""What must be true of deployments/prefect.yaml and automations.yaml, and of the flows' forms."""

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow

import flows
from connectors.actions import load_actions
from connectors.catalogue import load_datasets
from connectors.syncs import load_syncs
from nxp.deployment.automations import load_automations
from nxp.deployment.files import Deployment, load_deployments

CATALOG = Path(__file__).resolve().parents[2] / "deployments"
DEPLOYMENTS = load_deployments(CATALOG)
SCHEDULED = [each for each in DEPLOYMENTS if each.entry.schedules]
FORMS = [each for each in DEPLOYMENTS if not each.entry.schedules]
DATASETS = load_datasets(CATALOG)
SYNCS = load_syncs(CATALOG)
ACTIONS = load_actions(CATALOG)
AUTOMATIONS = {each.name: each for each in load_automations(CATALOG, DATASETS.values())}
BEAT_SECONDS = 180

each_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each.name)


def all_flows() -> dict[str, Flow[Any, Any]]:
    """Return every flow of the package, by its entry point."""
    found = {}
    for module in pkgutil.iter_modules(flows.__path__, "flows."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Flow) and value.fn.__module__ == module.name:
                found[f"{module.name}.{name}"] = value
    return found


def test_every_flow_has_a_deployment() -> None:
    assert set(all_flows()) == {each.entry.entrypoint for each in DEPLOYMENTS}


@each_deployment
def test_every_deployment_is_owned_and_described_and_limited_or_says_why_not(
    deployment: Deployment,
) -> None:
    entry = deployment.entry
    assert sum(tag.startswith("owner:") for tag in entry.tags) == 1
    assert entry.description.endswith(".")
    if entry.concurrency_limit:
        assert entry.concurrency_limit.limit == 1
        assert entry.concurrency_limit.collision_strategy == "ENQUEUE"
    else:
        assert "Runs may overlap: " in entry.description


@pytest.mark.parametrize("deployment", SCHEDULED, ids=lambda each: each.name)
def test_what_is_scheduled_has_its_parameters_a_slug_and_a_time_zone(
    deployment: Deployment,
) -> None:
    assert not set(deployment.form.get("required", ())) - deployment.entry.parameters.keys()
    (schedule,) = deployment.entry.schedules
    assert schedule.slug == deployment.entry.name
    assert ZoneInfo(schedule.timezone)


@pytest.mark.parametrize("deployment", FORMS, ids=lambda each: each.name)
def test_what_is_started_from_a_form_asks_for_what_it_needs(deployment: Deployment) -> None:
    required = set(deployment.form["required"]) - deployment.entry.parameters.keys()
    assert required
    for name in required:
        assert deployment.form["properties"][name].keys() & {"pattern", "minLength", "minItems"}


@pytest.mark.parametrize("entrypoint", sorted(all_flows()))
def test_every_field_of_a_form_is_described_and_choices_are_offered(entrypoint: str) -> None:
    form = all_flows()[entrypoint].parameters.model_dump_for_openapi()
    for name, asked in form["properties"].items():
        assert asked["description"], name
        types = [kind.get("type") for kind in asked.get("anyOf", [asked])]
        references = "$ref" in str(asked)
        assert references or any(types), name
    for definition in form.get("definitions", {}).values():
        # A choice of values, except for the chunk of a shared back-fill, which no person fills in.
        assert definition.get("enum") or definition["title"] == "Chunk"


@each_deployment
def test_what_a_deployment_names_is_in_the_catalogue(deployment: Deployment) -> None:
    parameters = deployment.entry.parameters
    assert set(named(parameters)) <= {*DATASETS, *SYNCS}
    assert {parameters["sync"]} <= set(SYNCS) if "sync" in parameters else True
    assert {parameters["action"]} <= set(ACTIONS) if "action" in parameters else True


def named(parameters: Mapping[str, Any]) -> list[str]:
    """Return the datasets that parameters name: one, several or none."""
    given = parameters.get("dataset", [])
    return [given] if isinstance(given, str) else list(given)


def landed_by(deployment: Deployment) -> list[str]:
    """Return the datasets that a scheduled deployment lands."""
    parameters = deployment.entry.parameters
    match deployment.flow:
        case "nql-export":
            return named(parameters)
        case "on-demand-data":
            return [ACTIONS[parameters["action"]].lands or ""]
        case _:
            return []


def test_every_dataset_is_landed_by_one_schedule() -> None:
    landed = [name for each in SCHEDULED for name in landed_by(each)]
    assert sorted(landed) == sorted(DATASETS)


def test_forms_offer_the_names_of_the_catalogue() -> None:
    forms = {each.name: each.form["properties"] for each in DEPLOYMENTS}
    one, several = forms["nql-export/inventory-daily"]["dataset"]["anyOf"]
    assert one["enum"] == several["items"]["enum"] == list(DATASETS)
    assert forms["enrichment-plan/sync-plan"]["sync"]["enum"] == list(SYNCS)
    assert forms["action-plan/action-plan"]["action"]["enum"] == list(ACTIONS)
    assert forms["maintain/maintain-users"]["dataset"]["enum"] == [*DATASETS, *SYNCS]


def test_every_sync_and_every_action_that_finds_its_targets_is_deployed() -> None:
    syncs = [each.entry.parameters["sync"] for each in SCHEDULED if each.flow == "enrichment-sync"]
    assert sorted(syncs) == sorted(SYNCS)
    scenarios = {each.flow for each in DEPLOYMENTS}
    assert {"assisted-service", "self-help", "self-healing", "on-demand-data"} <= scenarios


def test_all_that_has_a_retention_or_leaves_files_aside_is_maintained() -> None:
    kept = [each.entry.parameters["dataset"] for each in SCHEDULED if each.flow == "maintain"]
    assert sorted(kept) == sorted([*DATASETS, *SYNCS])


def test_no_two_schedules_begin_at_the_same_minute() -> None:
    at: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for each in SCHEDULED:
        for schedule in each.entry.schedules:
            minute, hour, *_ = (schedule.cron or "").split()
            if hour == "*":
                assert minute not in {key[0] for key in at}, "an hourly minute meets another"
            at[minute, hour, schedule.timezone].append(each.name)
    assert all(len(names) == 1 for names in at.values()), at


def test_anchors_keep_the_file_from_saying_things_twice() -> None:
    text = (CATALOG / "prefect.yaml").read_text()
    assert text.count("collision_strategy") == 1
    assert text.count("name: nexthink}") == 1


def test_each_dataset_has_an_alert_when_it_is_stale_later_than_it_is_due() -> None:
    assert {f"nxp-stale-{name}" for name in DATASETS} <= AUTOMATIONS.keys()
    for name, dataset in DATASETS.items():
        within = AUTOMATIONS[f"nxp-stale-{name}"].trigger["within"]
        assert within == dataset.lasts.total_seconds() >= 2 * dataset.period.total_seconds()
    assert DATASETS["startup_reports"].lasts > timedelta(days=14), "it is collected once a week"


def test_a_zombie_has_missed_three_signs_of_life() -> None:
    trigger = AUTOMATIONS["nxp-zombies"].trigger
    assert trigger["within"] >= 3 * BEAT_SECONDS
    assert "prefect.flow-run.heartbeat" in set(trigger["after"]) & set(trigger["expect"])


def test_no_alert_tells_what_an_error_says() -> None:
    for automation in AUTOMATIONS.values():
        assert "message" not in (automation.notify or "")
        assert "payload" not in (automation.notify or "")


def test_every_alert_is_explained_in_the_operations_manual() -> None:
    manual = (CATALOG.parent / "docs" / "operations.md").read_text()
    for entry in yaml.safe_load((CATALOG / "automations.yaml").read_text())["automations"]:
        assert f"`{entry['name'].replace('{dataset}', 'DATASET')}`" in manual
