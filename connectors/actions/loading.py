"""Reading the catalogue's actions: what is wrong with one stops only that one."""

from pathlib import Path

from connectors.actions.specification import ActionKind, ActionSpecification
from connectors.catalogue import (
    ACTIONS,
    SYNCS,
    Loaded,
    query_problems,
    read_specifications,
)


def read_actions(catalog: Path) -> Loaded[ActionSpecification]:
    """Return the actions, with the problems of each file; without the folder there are none.

    A problem of a campaign counts for the actions that act for those who agreed to it.
    """
    loaded = read_specifications(catalog / ACTIONS, ActionSpecification)
    taken = _names_taken(catalog) if loaded.names else {}
    for name, action in loaded.found.items():
        problems = query_problems(catalog, action.query_ids)
        if action.action != name:
            problems.insert(0, f"action {action.action!r} is not the file's name")
        if action.action in taken:
            # Reports and changes are kept by name.
            problems.append(f"action: {action.action} is the name of a {taken[action.action]} too")
        if action.lands and taken.get(action.lands) != "dataset":
            problems.append(f"lands: {action.lands!r} is not a dataset of the catalogue")
        loaded.add(name, [f"{name}.yaml: {problem}" for problem in problems])
    for name, action in loaded.found.items():
        if action.targets.consent:
            loaded.add(name, _consent_problems(name, action.targets.consent.campaign, loaded))
    return loaded


def load_actions(catalog: Path) -> dict[str, ActionSpecification]:
    """Return all actions, by name; a catalogue without the folder has none.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    return read_actions(catalog).all()


def load_action(catalog: Path, name: str) -> ActionSpecification:
    """Return one action; problems of others do not matter, except of its own campaign.

    Raises:
        UsageError: no such action; the message lists those there are.
        ConfigurationError: with every problem of this action.
    """
    return read_actions(catalog).one(name, "action")


def _names_taken(catalog: Path) -> dict[str, str]:
    """Return the kind of each name, by the files' names: their text is checked elsewhere."""
    syncs, datasets = (catalog / SYNCS).glob("*.yaml"), (catalog / "datasets").glob("*.yaml")
    names = dict.fromkeys((path.stem for path in syncs), "sync")
    return names | dict.fromkeys((path.stem for path in datasets), "dataset")


def _consent_problems(name: str, asks: str, loaded: Loaded[ActionSpecification]) -> list[str]:
    if asks in loaded.problems:
        return loaded.problems[asks]
    campaign = loaded.found.get(asks)
    if campaign is None or campaign.kind is not ActionKind.CAMPAIGN:
        return [f"{name}.yaml: targets.consent.campaign: {asks!r} is not a campaign"]
    if campaign.targets.query_id is None:
        return [f"{name}.yaml: targets.consent.campaign: {asks} has no targets.query_id"]
    return []
