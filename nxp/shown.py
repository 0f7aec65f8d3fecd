"""Printing the tenant's records of an action: executions, or a campaign's responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.errors import UsageError
from nxp.options import Json, Parameters, Query, Since, Tenant, Wide, parse_parameters
from nxp.output import print_json, print_table, say

# By kind: the columns that are printed, under short names.
SHORT: Final[Mapping[str, Mapping[str, str]]] = {
    "remote_action": {
        "remote_action.execution.request_time": "requested",
        "device.name": "device",
        "remote_action.execution.status": "status",
        "remote_action.execution.status_details": "details",
    },
    "workflow": {
        "workflow.execution.request_time": "requested",
        "device.name": "device",
        "user.sid": "user",
        "workflow.execution.status": "status",
        "workflow.execution.outcome": "outcome",
        "workflow.execution.execution_id": "execution",
    },
    "campaign": {
        "campaign.response.first_targeted": "targeted",
        "user.sid": "user",
        "campaign.response.state": "state",
        "campaign.response.answers": "answers",
    },
}


@dataclass(frozen=True)
class RecordOptions:
    """Which records of an action a command prints, and how: the options of all such commands."""

    query: Query = None
    parameter: Parameters = ()
    since: Since = None
    wide: Wide = False
    tenant: Tenant = None
    as_json: Json = False


# Its fields are options of their own.
Read = Annotated[RecordOptions | None, Parameter(name="*")]


def show_rows(kind: str, action_id: str | None, how: RecordOptions | None) -> None:
    """Export the records of an action since a point in time and print them, newest first.

    Without `wide` the table has the columns of `SHORT`, if the query lists them.

    Raises:
        UsageError: neither an id nor a saved query is given, or parameters without a saved query.
        PipelineError: as `tasks.act.shown.read_shown`.
    """
    how = how or RecordOptions()
    if action_id is None and how.query is None:
        raise UsageError("name an id, or a saved query with --query")
    if how.parameter and how.query is None:
        raise UsageError("-p gives parameters of a saved query: name it by --query")
    query_id = None if how.query is None else f"#{how.query.removeprefix('#')}"
    parameters = parse_parameters(how.parameter)
    import polars as pl  # noqa: PLC0415 - not for --help

    from connectors.actions import ActionKind  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.act.shown import newest_first, read_shown  # noqa: PLC0415
    from tasks.exports.windows import parse_instant  # noqa: PLC0415

    begin = parse_instant(how.since, "--since") if how.since else None
    read = read_shown(
        ActionKind(kind), action_id, begin, how.tenant, query_id=query_id, parameters=parameters
    )
    rows = newest_first(read)
    if how.as_json:
        print_json(rows.to_dicts())
        return
    short = {} if how.wide else SHORT[kind]
    shown = rows.select(pl.col(name).alias(to) for name, to in short.items() if name in rows)
    # A query of other columns is printed as it is.
    is_short = shown.width > 1
    print_table(*((shown.columns, shown.rows()) if is_short else (rows.columns, rows.rows())))
    more = "; --wide prints all columns" if is_short and rows.height else ""
    unsure = ""
    if kind == "campaign" and action_id and rows.is_empty():
        unsure = ": nobody was asked, or there is no such campaign; the API cannot say which"
    say(f"{number_of(rows.height, 'row')}{more}{unsure}")
