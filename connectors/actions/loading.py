"""Reading the catalogue's actions; all problems of all files are reported at once."""

from collections.abc import Mapping
from pathlib import Path

from connectors.actions.specification import ActionKind, ActionSpecification
from connectors.catalogue import (
    ACTIONS,
    SYNCS,
    query_path,
    read_specifications,
)
from connectors.errors import ConfigurationError, UsageError


def load_actions(catalog: Path) -> dict[str, ActionSpecification]:
    """Return all actions, by name; a catalogue without the folder has none.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    read, problems = read_specifications(catalog / ACTIONS, ActionSpecification)
    by_name = {action.action: action for action in read.values()}
    taken = _names_taken(catalog)
    for path, action in read.items():
        if action.action != path.stem:
            problems.append(f"{path.name}: action {action.action!r} is not the file's name")
        found = [*_query_problems(action, catalog), *_consent_problems(action, by_name)]
        if action.action in taken:
            # Reports and changes are kept by name.
            found.append(f"action: {action.action} is the name of a {taken[action.action]} too")
        if action.lands and taken.get(action.lands) != "dataset":
            found.append(f"lands: {action.lands!r} is not a dataset of the catalogue")
        problems += [f"{path.name}: {problem}" for problem in found]
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return by_name


def load_action(catalog: Path, name: str) -> ActionSpecification:
    """Return one action.

    Raises:
        UsageError: no such action; the message lists those there are.
    """
    actions = load_actions(catalog)
    if name not in actions:
        known = ", ".join(actions) or "none"
        raise UsageError(f"unknown action {name!r}: the catalogue has {known}")
    return actions[name]


def _names_taken(catalog: Path) -> dict[str, str]:
    """Return the kind of each name, by the files' names: their text is checked elsewhere."""
    syncs, datasets = (catalog / SYNCS).glob("*.yaml"), (catalog / "datasets").glob("*.yaml")
    names = dict.fromkeys((path.stem for path in syncs), "sync")
    return names | dict.fromkeys((path.stem for path in datasets), "dataset")


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
        return [f"targets.consent.campaign: {action.targets.consent.campaign!r} is not a campaign"]
    if campaign.targets.query_id is None:
        return [f"targets.consent.campaign: {campaign.action} has no targets.query_id"]
    return []
