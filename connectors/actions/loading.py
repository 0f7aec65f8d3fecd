"""Reading the actions of the catalogue, with all problems of all files told at once."""

from collections.abc import Mapping
from pathlib import Path

from connectors.actions.specification import ActionKind, ActionSpecification
from connectors.catalogue import (
    ACTIONS,
    SYNCS,
    load_datasets,
    query_path,
    read_specifications,
)
from connectors.errors import ConfigurationError, UsageError


def load_actions(catalog: Path) -> dict[str, ActionSpecification]:
    """Read all actions, by name; a catalogue without the folder has none.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    read, problems = read_specifications(catalog / ACTIONS, ActionSpecification)
    by_name = {action.action: action for action in read.values()}
    taken = _names_taken(catalog)
    for path, action in read.items():
        if action.action != path.stem:
            problems.append(f"{path.name}: action {action.action!r} is not the file's")
        found = [*_query_problems(action, catalog), *_consent_problems(action, by_name)]
        if action.action in taken:
            # Reports and changes are kept by name.
            found.append(f"action: {action.action} is the name of a {taken[action.action]} too")
        if action.lands and taken.get(action.lands) != "dataset":
            found.append(f"lands: {action.lands!r} is no dataset of the catalogue")
        problems += [f"{path.name}: {problem}" for problem in found]
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return by_name


def load_action(catalog: Path, name: str) -> ActionSpecification:
    """Read one action.

    Raises:
        UsageError: no such action; names those there are.
    """
    actions = load_actions(catalog)
    if name not in actions:
        known = ", ".join(actions) or "none"
        raise UsageError(f"unknown action {name!r}: the catalogue has {known}")
    return actions[name]


def _names_taken(catalog: Path) -> dict[str, str]:
    names = {path.stem: "sync" for path in (catalog / SYNCS).glob("*.yaml")}
    try:
        return names | dict.fromkeys(load_datasets(catalog), "dataset")
    except ConfigurationError:
        # Told by whoever reads the datasets; their files' names will do here.
        return names | {path.stem: "dataset" for path in (catalog / "datasets").glob("*.yaml")}


def _query_problems(action: ActionSpecification, catalog: Path) -> list[str]:
    paths = (query_path(catalog, query_id) for query_id in action.query_ids)
    return [f"no saved query queries/{path.name}" for path in paths if not path.is_file()]


def _consent_problems(
    action: ActionSpecification, actions: Mapping[str, ActionSpecification]
) -> list[str]:
    if not action.targets.consent:
        return []
    campaign = actions.get(action.targets.consent.campaign)
    if campaign is None or campaign.kind is not ActionKind.CAMPAIGN:
        return [f"targets.consent.campaign: {action.targets.consent.campaign!r} is no campaign"]
    if campaign.targets.query_id is None:
        return [f"targets.consent.campaign: {campaign.action} names no targets.query_id"]
    return []
