"""Options that several commands share, so that they look alike everywhere."""

from typing import Annotated

from cyclopts import Parameter

from connectors.errors import UsageError

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Tenant = Annotated[
    str | None,
    Parameter(
        name="--tenant", help="A profile of profiles.toml; by default the NEXTHINK_* variables."
    ),
]
AcceptShrink = Annotated[
    bool, Parameter(negative="", help="Publish even if far fewer rows came than before.")
]
Concurrency = Annotated[int, Parameter(help="How many windows to land at once, 1 to 16.")]
DryRun = Annotated[bool, Parameter(negative="", help="Show what would be done, and stop.")]
Only = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="Only deployments and automations with such names ('maintain-*'); repeatable.",
    ),
]
Activate = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="Switch on the schedule of this deployment, or keep it on; repeatable.",
    ),
]
Prefect = Annotated[
    bool | None,
    Parameter(
        name="--prefect",
        negative="--no-prefect",
        help="Run as a flow; by default, if a Prefect server is known.",
    ),
]
Full = Annotated[
    bool, Parameter(negative="", help="Pull all rows, even if the changes would be enough.")
]
AcceptGuards = Annotated[
    tuple[str, ...],
    Parameter(
        name="--accept-guard",
        negative="",
        help="Continue if this guard trips: empty, shrink, changes or clears; repeatable.",
    ),
]
Why = Annotated[str | None, Parameter(help="The reason; it is kept with the plan.")]
NoVerify = Annotated[
    bool, Parameter(name="--no-verify", negative="", help="Do not read back afterwards.")
]
Parameters = Annotated[
    tuple[str, ...],
    Parameter(
        name=("-p", "--parameter"), negative="", help="A parameter, as key=value; repeatable."
    ),
]
Since = Annotated[
    str | None,
    Parameter(
        help="Show only those requested since then, such as 2026-11-20; by default a week ago."
    ),
]


def parse_parameters(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `key=value` pairs as a dictionary.

    Raises:
        UsageError: a pair has no equals sign or no key, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.removeprefix("$")
        if not key or not equals:
            raise UsageError(f"-p {pair!r}: write a parameter as key=value")
        if key in found:
            raise UsageError(f"-p {key}: given twice")
        found[key] = value
    return found
