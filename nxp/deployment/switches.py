"""Which schedules are on after a deploy, by what the file, the server and the operator say."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from prefect.client.schemas.responses import DeploymentResponse

from connectors.errors import UsageError
from nxp.deployment.automations import AutomationEntry
from nxp.deployment.comparison import active_schedules, paused_schedules
from nxp.deployment.entries import datasets_in
from nxp.deployment.files import Deployment
from nxp.deployment.server import ServerInventory


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRequest:
    """What the operator asks for.

    Attributes:
        resume: undo what was paused or switched by hand.
        only: patterns of names; what matches none of them is left alone. Empty: everything.
        activate: deployments whose schedules are switched on, or kept on.
    """

    resume: bool = False
    only: tuple[str, ...] = ()
    activate: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Return whether a deployment (flow/deployment) or automation is to be looked at."""
        names = (name, name.rpartition("/")[2])
        return not self.only or any(
            fnmatchcase(each, pattern) for each in names for pattern in self.only
        )

    def check(
        self, deployments: Iterable[Deployment], automations: Iterable[AutomationEntry]
    ) -> None:
        """Raise unless each pattern and each name is about something in the files.

        Raises:
            UsageError: a pattern matches nothing; a name is not that of a scheduled deployment.
        """
        deployments = list(deployments)
        names = [each.name for each in deployments] + [each.name for each in automations]
        for pattern in self.only:
            if not any(SwitchRequest(only=(pattern,)).covers(name) for name in names):
                raise UsageError(f"--only {pattern}: no deployment or automation has such a name")
        scheduled = [each for each in deployments if each.entry.schedules]
        for name in self.activate:
            chosen = [each for each in scheduled if each.is_named(name)]
            if not chosen:
                known = ", ".join(each.entry.name for each in scheduled if each.acts)
                raise UsageError(
                    f"--activate {name}: no deployment with a schedule has this name; inactive "
                    f"unless activated are {known}"
                )
            if not all(self.covers(each.name) for each in chosen):
                raise UsageError(f"--activate {name}: --only leaves it out: add --only {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The schedules of one deployment that are on after the deploy, and what that changes.

    Attributes:
        on: the slugs of the active schedules.
        ended: when those run that an operator has active and that are switched off.
        is_paused: a person has switched off what the file has active.
        is_changed: the server has other schedules active now.
        about: why schedules of the file are not active; "" if all are.
    """

    on: frozenset[str]
    ended: tuple[str, ...] = ()
    is_paused: bool = False
    is_changed: bool = False
    about: str = ""


def switches(
    deployment: Deployment,
    known: DeploymentResponse | None,
    found: ServerInventory,
    asked: SwitchRequest,
    gone: Collection[str] = (),
) -> Switches:
    """Return which schedules of a deployment are on after it is deployed.

    A schedule is on if its file says so and no person has switched it off, or if it is activated.
    A new deployment counts as switched off where one that it replaces is.

    Args:
        deployment: as the files have it.
        known: the same on the server.
        found: all that the server has.
        asked: what the operator asks for.
        gone: names of deployments of ours that the files no longer have.
    """
    slugs = frozenset(each.slug for each in deployment.entry.schedules)
    active = frozenset(each.slug for each in deployment.entry.schedules if each.active)
    was = [known] if known else _replaced(deployment, found, gone)
    before = {slug: when for each in was for slug, when in active_schedules(each).items()}
    off: frozenset[str] = frozenset()
    if any(deployment.is_named(name) for name in asked.activate):
        on = slugs
    else:
        off = frozenset() if asked.resume else _switched_off(known, was, slugs)
        on = active - off
    return Switches(
        on=on,
        ended=_ended(before, on, slugs),
        is_changed=known is not None and on != before.keys() & slugs,
        is_paused=bool(active & off),
        about=_why_off(bool(slugs - on), bool(active & off), known is None),
    )


def _ended(before: dict[str, str], on: frozenset[str], slugs: frozenset[str]) -> tuple[str, ...]:
    """Return when the schedules run that are active before and not afterwards."""
    gone, new = before.keys() - on, on - before.keys()
    if not gone & slugs and len(new) >= len(gone):
        # Under a new slug, it is still the same schedule.
        return ()
    return tuple(when for slug, when in before.items() if slug in gone)


def _why_off(is_off: bool, is_paused: bool, is_new: bool) -> str:
    if not is_off:
        return ""
    if not is_paused:
        return "its schedule is inactive: see --activate"
    return "its schedule starts paused, as what it replaces" if is_new else "its schedule is paused"


def _switched_off(
    known: DeploymentResponse | None, was: list[DeploymentResponse], slugs: frozenset[str]
) -> frozenset[str]:
    """Return the schedules that a person switched off, in this deployment or one it replaces."""
    if known is None:
        return slugs if any(each.paused or paused_schedules(each) for each in was) else frozenset()
    paused = frozenset(paused_schedules(known))
    # Under a new slug, a schedule is still the one that a person switched off.
    return slugs if known.paused or (paused and not active_schedules(known)) else paused


def replaced(deployment: Deployment, found: ServerInventory, gone: Collection[str]) -> list[str]:
    """Return the names of deployments on the server whose place a deployment takes.

    Those that its entry names; and if the schedules of datasets made it, those of the same flow
    that ran for one of these datasets and are gone: the name has a word for how often it runs.
    """
    names = [name for name in deployment.entry.replaces if name in found.deployments]
    if not deployment.made_from:
        return names
    before = {name: set(datasets_in(found.deployments[name].parameters)) for name in gone}
    return names + [
        name
        for name, datasets in before.items()
        if name not in names
        and name.partition("/")[0] == deployment.flow
        and datasets & set(deployment.made_from)
    ]


def _replaced(
    deployment: Deployment, found: ServerInventory, gone: Collection[str]
) -> list[DeploymentResponse]:
    return [found.deployments[name] for name in replaced(deployment, found, gone)]
