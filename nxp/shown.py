"""Printing the tenant's records of an action: executions, or a campaign's responses."""

from connectors.errors import UsageError
from nxp.options import parse_parameters
from nxp.output import print_json, print_table, say


def show_rows(
    kind: str,
    action_id: str | None,
    *,
    since: str | None,
    tenant: str | None,
    as_json: bool,
    query: str | None = None,
    parameter: tuple[str, ...] = (),
) -> None:
    """Export the records of an action since a point in time and print them, newest first.

    Raises:
        UsageError: neither an id nor a saved query is given, or parameters without a saved query.
        PipelineError: as `tasks.act.shown.read_shown`.
    """
    if action_id is None and query is None:
        raise UsageError("name an id, or a saved query by --query")
    if parameter and query is None:
        raise UsageError("-p gives parameters of a saved query: name it by --query")
    query_id = None if query is None else f"#{query.removeprefix('#')}"
    parameters = parse_parameters(parameter)
    from connectors.actions import ActionKind  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.act.shown import newest_first, read_shown  # noqa: PLC0415
    from tasks.exports.windows import parse_instant  # noqa: PLC0415

    begin = parse_instant(since, "--since") if since else None
    read = read_shown(
        ActionKind(kind), action_id, begin, tenant, query_id=query_id, parameters=parameters
    )
    rows = newest_first(read)
    if as_json:
        print_json(rows.to_dicts())
    else:
        print_table(rows.columns, rows.rows())
        say(f"{rows.height:,} rows")
