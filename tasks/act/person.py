"""Who asks for an action, how that is known, and whether its YAML allows it.

The operating system vouches for the user and the groups of a process. A name in a form, or the
subject that a gateway passes in NXP_SUBJECT, is what somebody claims: open-source Prefect has no
users, and anybody who starts a process sets its variables.
"""

import grp
import os
import pwd
from dataclasses import dataclass, field
from typing import Final

from connectors.actions import ActionSpecification
from connectors.errors import ConfigurationError, NotAllowedError
from connectors.ledger.action_requests import NOBODY, HowKnown, Requester
from connectors.variables import read_value

SUBJECT: Final = "NXP_SUBJECT"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks for a run.

    Attributes:
        asker: what the journal keeps.
        groups: the groups of a verified user.
    """

    asker: Requester = NOBODY
    groups: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def is_named(self) -> bool:
        """Whether a person asks, rather than a schedule or an automation."""
        return self.asker.asked_by is not None

    @property
    def is_verified(self) -> bool:
        """Whether the operating system vouches for the name."""
        return self.asker.asked_how == HowKnown.VERIFIED

    def is_among(self, names: tuple[str, ...]) -> bool:
        """Return whether names have this person, or a group of a verified user.

        Case does not matter for claimed names, because people type them.
        """
        name = self.asker.asked_by
        if name is None:
            return False
        if self.is_verified:
            return not {name, *self.groups}.isdisjoint(names)
        return name.casefold() in {each.casefold() for each in names}


def person_here() -> Person:
    """Return who has started this process: its subject if it has one, otherwise its user.

    Raises:
        ConfigurationError: NXP_SUBJECT, or its file, cannot be read.
    """
    account, groups = _account()
    if subject := _subject():
        return Person(Requester(subject, HowKnown.CLAIMED.value, account))
    return Person(Requester(account, HowKnown.VERIFIED.value, account), groups)


def person_of_form(name: str | None) -> Person:
    """Return who has started a deployment's run: the process belongs to the worker, not to them.

    Args:
        name: what they gave as their name in a form; nobody, as in a schedule, without one.

    Raises:
        ConfigurationError: NXP_SUBJECT, or its file, cannot be read.
    """
    account, _ = _account()
    claimed = _subject() or (name or "").strip() or None
    return Person(Requester(claimed, HowKnown.CLAIMED.value if claimed else None, account))


def person_of_approval(person: Person, name: str) -> Person:
    """Return who asks once a form is filled in: who filled it in, if nobody was named before."""
    if person.is_named:
        return person
    return Person(Requester(name, HowKnown.CLAIMED.value, person.asker.run_by))


def check_allowed(specification: ActionSpecification, person: Person) -> None:
    """Raise unless an action's YAML lets a person run it. The message names nobody.

    Raises:
        NotAllowedError: it allows others, or counts no claimed names.
    """
    if specification.allow is None:
        return
    if person.is_verified or specification.allow_claimed:
        if person.is_among(specification.allow):
            return
        who = _described(person)
        reason = f"{who} is not among those that allow in its YAML names"
    else:
        reason = "allow_claimed in its YAML is false, and nothing verifies who asks"
    raise NotAllowedError(
        f"{specification.action}: {reason}: ask one of them to run it; nothing was planned or sent"
    )


def _described(person: Person) -> str:
    if not person.is_named:
        return "a run that no person asks for"
    return "the user of this process" if person.is_verified else "the claimed name"


def _subject() -> str:
    value, problem = read_value(os.environ, SUBJECT)
    if problem:
        raise ConfigurationError("settings", problems=(problem,))
    return value


def _account() -> tuple[str, frozenset[str]]:
    """Return the user of this process and the groups that the operating system gives it.

    Where a container has no name for an id, the id is the name.
    """

    def named(group: int) -> str:
        try:
            return grp.getgrgid(group).gr_name
        except KeyError:
            return str(group)

    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = str(user)
    return name, frozenset(map(named, {os.getgid(), *os.getgroups()}))
