"""What the server should have, checked against the flows: prefect.yaml and schedules of datasets.

The file is in Prefect's own format, so `prefect deploy` can read it too. What it schedules itself
takes the place of a dataset's own schedule, so that nothing runs twice.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from pydantic import ValidationError

from connectors.actions import load_actions
from connectors.catalogue import DatasetSpecification, load_datasets
from connectors.catalogue.yaml_text import UNREADABLE, read_yaml, why_unreadable
from connectors.errors import ConfigurationError
from connectors.syncs import load_syncs
from nxp.deployment.entries import DeploymentEntry, Pool
from nxp.deployment.scheduled import Made, SharedDefinitions, lands_on_schedule, made_by_schedules

FILE = "prefect.yaml"
# Every deployment and automation of ours carries this tag; others on the server are left alone.
OURS = "managed:nxp"
# The flows that act on devices and people, or write to a tenant; those with one of these endings
# only plan what another run sends.
ACTING_MODULES = frozenset({"flows.actions", "flows.enrichment"})
PLANNING = ("_plan", "_undo")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it is in the file, with its flow and the form made from the flow."""

    entry: DeploymentEntry
    flow: str
    form: dict[str, Any]
    # The datasets whose schedules it was made from; none for an entry of the file.
    made_from: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Prefect's name for it: flow/deployment."""
        return f"{self.flow}/{self.entry.name}"

    @property
    def tags(self) -> list[str]:
        """The tags, including the one that marks it as ours."""
        return [*self.entry.tags, OURS]

    @property
    def acts(self) -> bool:
        """Whether its runs act on devices and people, or write to a tenant."""
        return acts(self.entry.entrypoint)

    def is_named(self, name: str) -> bool:
        """Return whether this is its name, with or without the flow."""
        return name in {self.name, self.entry.name}

    def in_pool(self, pool: str) -> "Deployment":
        """Return the same deployment with its runs in another work pool."""
        moved = Pool(name=pool, job_variables=self.entry.work_pool.job_variables)
        return replace(self, entry=self.entry.model_copy(update={"work_pool": moved}))


def acts(entrypoint: str | None) -> bool:
    """Return whether a flow acts on devices and people, or writes to a tenant."""
    module, _, name = (entrypoint or "").rpartition(".")
    return module in ACTING_MODULES and not name.endswith(PLANNING)


def load_deployments(catalog: Path, pool: str | None = None) -> list[Deployment]:
    """Return all deployments, with their flows loaded and their parameters checked.

    Args:
        catalog: the folder of deployments.
        pool: the work pool for all of them; without it each has the one in the file.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    path = catalog / FILE
    problems: list[str] = []
    names_of = _names(catalog)
    read = _read(path)
    entries = read.get("deployments") or []
    found = [each for raw in entries if (each := _deployment(raw, names_of, problems))]
    # Of a file with problems, it is not known what it schedules itself.
    for made in () if problems else _scheduled(catalog, read, found, problems):
        flow = load_flow(made.entry.entrypoint)
        form = _form(flow, names_of)
        found.append(Deployment(made.entry, flow.name, form, made.datasets))
    names = [each.name for each in found]
    problems += [
        f"{name}: is defined twice" for name in sorted(set(names)) if names.count(name) > 1
    ]
    if problems:
        raise ConfigurationError(str(path), problems=tuple(problems))
    return [each.in_pool(pool) for each in found] if pool else found


def unused_schedules(
    deployments: Iterable[Deployment], datasets: Mapping[str, DatasetSpecification]
) -> list[str]:
    """Return in words which datasets have a schedule of their own that the file replaces."""
    deployments = list(deployments)
    made = {name for each in deployments for name in each.made_from}
    by = {
        name: each.entry.name
        for each in deployments
        if not each.made_from
        for name in lands_on_schedule(each.entry)
    }
    return [
        f"{name}: {FILE} schedules it as {by[name]}, so the schedule of its own file is not used"
        for name, each in datasets.items()
        if each.schedule and name not in made and name in by
    ]


def _read(path: Path) -> dict[str, Any]:
    """Return the file; an empty one if there is none, since schedules of datasets need none."""
    if not path.exists():
        return {}
    try:
        read: dict[str, Any] = read_yaml(path)
        if isinstance(read["deployments"], list | None):
            return read
    except UNREADABLE as error:
        raise ConfigurationError(f"{path}: {why_unreadable(error)}") from None
    except (KeyError, TypeError):
        pass
    raise ConfigurationError(f"{path}: has no list of deployments")


def _scheduled(
    catalog: Path, read: Mapping[str, Any], found: Iterable[Deployment], problems: list[str]
) -> list[Made]:
    """Return what the schedules of datasets make, in the file's pools and with its tags."""
    try:
        shared = SharedDefinitions.model_validate(read.get("definitions") or {})
    except ValidationError as error:
        problems += [f"definitions.{problem}" for problem in _listed(error)]
        return []
    entries = [each.entry for each in found]
    return made_by_schedules(load_datasets(catalog).values(), entries, shared)


def _names(catalog: Path) -> Mapping[str, list[str]]:
    """Return the catalogue's names by parameter, for the drop-downs of forms."""
    datasets, syncs = list(load_datasets(catalog)), list(load_syncs(catalog))
    return {
        "dataset": datasets,
        "datasets": datasets,
        "sync": syncs,
        "action": list(load_actions(catalog)),
        # Syncs leave plans and changes, which are maintained too.
        "maintain.dataset": datasets + syncs,
    }


def _with_choices(schema: Any, names: Sequence[str]) -> Any:
    """Return a parameter's schema in which each text is one of the names."""
    match schema:
        case {"type": "string"}:
            return {**schema, "enum": list(names)}
        case {"anyOf": list(choices)}:
            return {**schema, "anyOf": [_with_choices(each, names) for each in choices]}
        case {"items": items}:
            return {**schema, "items": _with_choices(items, names)}
        case _:
            return schema


def _form(flow: Flow[Any, Any], names_of: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the schema of a flow's form, with the catalogue's names to choose from."""
    form = flow.parameters.model_dump_for_openapi()
    form = {key: value for key, value in form.items() if key != "definitions" or value}
    properties = {}
    for parameter, schema in form["properties"].items():
        names = names_of.get(f"{flow.name}.{parameter}") or names_of.get(parameter)
        properties[parameter] = _with_choices(schema, names) if names else schema
    return {**form, "properties": properties}


def _deployment(
    raw: Any, names_of: Mapping[str, list[str]], problems: list[str]
) -> Deployment | None:
    name = raw.get("name", "a deployment without a name") if isinstance(raw, dict) else raw
    try:
        entry = DeploymentEntry.model_validate(raw)
        flow = load_flow(entry.entrypoint)
        _check_parameters(flow, entry.parameters)
    except ValidationError as error:
        problems += [f"{name}: {problem}" for problem in _listed(error)]
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        problems.append(f"{name}: {' '.join(str(error).split())}")
    else:
        return Deployment(entry, flow.name, _form(flow, names_of))
    return None


def _listed(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}"
        for each in error.errors(include_input=False)
    ]


def load_flow(entrypoint: str) -> Flow[Any, Any]:
    """Return the flow at a module path such as flows.export.nql_export.

    Raises:
        ImportError, AttributeError: there is no such module or name.
        TypeError: it is not a flow.
    """
    module, _, name = entrypoint.rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    if not isinstance(flow, Flow):
        raise TypeError(f"{entrypoint} is not a flow")
    return flow


def _check_parameters(flow: Flow[Any, Any], parameters: dict[str, Any]) -> None:
    """Raise unless the flow accepts the parameters; a form or the run asks for missing ones."""
    unknown = sorted(parameters.keys() - flow.parameters.properties.keys())
    if unknown:
        raise ValueError(f"parameters: the flow {flow.name} has no {', '.join(unknown)}")
    if set(flow.parameters.required) - parameters.keys():
        return
    try:
        flow.validate_parameters(parameters)
    except (ParameterTypeError, SignatureMismatchError) as error:
        raise ValueError(f"parameters: {error}") from None
