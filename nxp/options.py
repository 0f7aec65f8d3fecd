"""Options that several commands share, so that they look alike everywhere."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, NoReturn

from cyclopts import CoercionError, Parameter, Token

from connectors.errors import UsageError

_LONGEST_WAIT: Final = timedelta(days=1)


def dataset_names(_context: object) -> list[str]:
    """Return the catalogue's datasets, for a shell that completes one."""
    return _names("datasets")


def sync_names(_context: object) -> list[str]:
    """Return the catalogue's syncs, for a shell that completes one."""
    return _names("syncs")


def action_names(_context: object) -> list[str]:
    """Return the catalogue's actions, for a shell that completes one."""
    return _names("actions")


def _names(kind: str) -> list[str]:
    from connectors.catalogue.names import names_in  # noqa: PLC0415 - only for a shell
    from connectors.settings.installation import load_settings  # noqa: PLC0415

    return names_in(load_settings().catalog, kind)


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """Return a whole number; the parser's own conversion would round 2.7."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise CoercionError(token=tokens[0], target_type=int) from None


def query_id(_type: object, tokens: Sequence[Token]) -> str:
    """Return the id of a saved query; its `#` may be left out: shells read it as a comment."""
    return f"#{tokens[0].value.removeprefix('#')}"


Whole = Annotated[int, Parameter(converter=_whole)]
Dataset = Annotated[str, Parameter(completer=dataset_names, help="A dataset of the catalogue.")]
Sync = Annotated[str, Parameter(completer=sync_names, help="A sync of the catalogue.")]
Action = Annotated[str, Parameter(completer=action_names, help="An action of the catalogue.")]
QueryId = Annotated[
    str,
    Parameter(converter=query_id, help="The id of a saved query, such as devices or '#devices'."),
]
RemoteActionId = Annotated[str, Parameter(help="The NQL id of a remote action.")]
WorkflowId = Annotated[str, Parameter(help="The NQL id of a workflow, or its UUID.")]
CampaignId = Annotated[str, Parameter(help="The NQL id of a campaign.")]
Wait = Annotated[
    str | None,
    Parameter(
        name="--wait",
        help="Read outcomes back for up to this long (10m): code 7 unless all are done.",
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Tenant = Annotated[
    str | None,
    Parameter(
        name="--tenant",
        help="A profile of nxp.toml or profiles.toml; by default the NEXTHINK_* variables.",
    ),
]
AcceptShrink = Annotated[
    bool, Parameter(negative="", help="Publish even if far fewer rows came than before.")
]
Concurrency = Annotated[
    Whole, Parameter(help="How many windows to land, or datasets to export, at once: 1 to 16.")
]
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
        help="Continue if this guard trips, by the name that the message gives; repeatable.",
    ),
]
Why = Annotated[str | None, Parameter(help="The reason; it is kept with the plan.")]
NoVerify = Annotated[
    bool, Parameter(name="--no-verify", negative="", help="Do not read back afterwards.")
]
Parameters = Annotated[
    tuple[str, ...],
    Parameter(
        name=("-p", "--parameter"),
        negative="",
        help="A parameter: key=text, or key:=JSON for a number, boolean, list or object.",
    ),
]
Query = Annotated[
    str | None,
    Parameter(
        name="--query",
        help="Another saved query; with an id, that is its parameter nql_id. -p gives the others.",
    ),
]
Wide = Annotated[
    bool, Parameter(negative="", help="Print all columns, not only the most important ones.")
]
Since = Annotated[
    str | None,
    Parameter(
        help="Show only those requested since then, such as 2026-11-20; by default a week ago."
    ),
]


def parse_parameters(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `key=text` and `key:=JSON` pairs as a dictionary of texts, as the API takes them.

    Raises:
        UsageError: a pair has no equals sign or no key, a key comes twice, or what should be JSON
            is not.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        is_json = key.endswith(":")
        key = key.removeprefix("$").removesuffix(":")
        if not key or not equals:
            raise UsageError(f"-p {pair!r}: write a parameter as key=value, or as key:=JSON")
        if key in found:
            raise UsageError(f"-p {key}: given twice")
        found[key] = _json_text(key, value) if is_json else value
    return found


def read_wait(given: str | None) -> timedelta | None:
    """Return how long `--wait` waits, None if it is not given.

    Raises:
        UsageError: it is not a duration, or longer than a day.
    """
    if given is None:
        return None
    from connectors.catalogue.specification import parse_duration  # noqa: PLC0415 - pydantic

    try:
        wait: timedelta = parse_duration(given)
    except ValueError as error:
        raise UsageError(f"--wait {error}") from None
    if wait > _LONGEST_WAIT:
        raise UsageError("--wait is longer than 1d: ask for outcomes later instead")
    return wait


def _json_text(key: str, value: str) -> str:
    """Return a value of JSON as text: a text without its quotes, anything else compact."""
    try:
        read = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UsageError(
            f"-p {key}:= is not followed by JSON, such as 3, true or '[\"a\"]': "
            f"write {key}=text for a text"
        ) from None
    if isinstance(read, str):
        return read
    if isinstance(read, int | float) and not isinstance(read, bool):
        # As it is written: 1.10 and 1e400 are the same as they were.
        return value.strip()
    return json.dumps(read, ensure_ascii=False, separators=(",", ":"))


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
