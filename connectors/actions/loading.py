"""Reading the catalogue's actions: what is wrong with one stops only that one."""

from datetime import timedelta
from pathlib import Path

from connectors.actions.kinds import ActionKind, Approval
from connectors.actions.specification import ActionSpecification
from connectors.actions.targets import Consent
from connectors.catalogue import ACTIONS, SYNCS, Loaded, query_problems, read_specifications


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
            loaded.add(name, _consent_problems(name, action.targets.consent, loaded))
        if action.targets.answers_to:
            loaded.add(name, _chosen_problems(name, action.targets.answers_to, loaded))
    # A broken one must not run in part: what is wrong with an answer's action stops the campaign.
    for name, action in loaded.found.items():
        loaded.add(name, _answers_problems(name, action, loaded))
    _share_cool_downs(loaded)
    return loaded


def shared_ids(loaded: Loaded[ActionSpecification]) -> list[str]:
    """Return, in words, which actions have the same id and therefore the same cool-down."""
    notes = []
    for alike in _alike(loaded):
        if len({each.limits.cool_down for each in alike}) > 1:
            strictest = max(alike, key=lambda each: each.limits.cool_down)
            names = " and ".join(sorted(each.action for each in alike))
            hours = strictest.limits.cool_down / timedelta(hours=1)
            notes.append(
                f"{names} have the same id {strictest.id}: the longest limits.cool_down counts for "
                f"all of them, which is the {hours:g} h of {strictest.action}"
            )
    return notes


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


def _alike(loaded: Loaded[ActionSpecification]) -> list[list[ActionSpecification]]:
    """Return the actions in groups of equal kind and id; files that cannot be read have none."""
    groups: dict[tuple[ActionKind, str], list[ActionSpecification]] = {}
    for each in loaded.found.values():
        groups.setdefault((each.kind, each.id), []).append(each)
    return list(groups.values())


def _share_cool_downs(loaded: Loaded[ActionSpecification]) -> None:
    for alike in _alike(loaded):
        strictest = max(each.limits.cool_down for each in alike)
        for each in alike:
            each.share_cool_down(strictest)


def _names_taken(catalog: Path) -> dict[str, str]:
    """Return the kind of each name, by the files' names: their text is checked elsewhere."""
    syncs, datasets = (catalog / SYNCS).glob("*.yaml"), (catalog / "datasets").glob("*.yaml")
    names = dict.fromkeys((path.stem for path in syncs), "sync")
    return names | dict.fromkeys((path.stem for path in datasets), "dataset")


def _consent_problems(
    name: str, consent: Consent, loaded: Loaded[ActionSpecification]
) -> list[str]:
    asks = consent.campaign
    if asks in loaded.problems:
        return loaded.problems[asks]
    campaign = loaded.found.get(asks)
    if campaign is None or campaign.kind is not ActionKind.CAMPAIGN:
        return [f"{name}.yaml: targets.consent.campaign: {asks!r} is not a campaign"]
    if campaign.targets.query_id is None:
        return [f"{name}.yaml: targets.consent.campaign: {asks} has no targets.query_id"]
    known = campaign.options_of(consent.question)
    if campaign.questions and not known:
        return [f"{name}.yaml: targets.consent.question: is not among the questions of {asks}"]
    if known and (others := [each for each in consent.agree if each.strip().lower() not in known]):
        listed = ", ".join(others)
        return [f"{name}.yaml: targets.consent.agree: {asks} has no such option: {listed}"]
    return []


def _chosen_problems(name: str, asks: str, loaded: Loaded[ActionSpecification]) -> list[str]:
    campaign = loaded.found.get(asks)
    if campaign and name in {choice.action for choice in campaign.answers.values()}:
        return []
    if asks in loaded.problems and campaign is None:
        return loaded.problems[asks]
    return [f"{name}.yaml: targets.answers_to: no answer of {asks!r} chooses {name}"]


def _answers_problems(
    name: str, campaign: ActionSpecification, loaded: Loaded[ActionSpecification]
) -> list[str]:
    problems = []
    for answer, choice in campaign.answers.items():
        if choice.action in loaded.problems:
            problems += loaded.problems[choice.action]
            continue
        action = loaded.found.get(choice.action)
        where = f"{name}.yaml: answers.{answer}"
        if action is None or action.kind is not ActionKind.REMOTE_ACTION:
            problems.append(f"{where}: {choice.action!r} is not a remote action of the catalogue")
            continue
        if not action.targets.are_named and action.targets.answers_to != name:
            problems.append(
                f"{where}: {choice.action} finds its targets otherwise: it needs "
                f"targets: {{answers_to: {name}}}"
            )
        if action.approval is Approval.REQUIRED:
            problems.append(f"{where}: {choice.action} needs approval: none, as people have chosen")
        undeclared = [each for each in choice.parameters if each not in action.parameters]
        if undeclared:
            problems.append(f"{where}: {choice.action} has no parameters {', '.join(undeclared)}")
    return problems
