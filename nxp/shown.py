"""Printing the tenant's records of an action: executions, or a campaign's responses."""

from nxp.output import print_json, print_table, say


def show_rows(
    kind: str, action_id: str, *, since: str | None, tenant: str | None, as_json: bool
) -> None:
    """Export the records of an action since a point in time and print them, newest first.

    Raises:
        PipelineError: as `tasks.act.shown.read_shown`.
    """
    from connectors.actions import ActionKind  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.act.shown import newest_first, read_shown  # noqa: PLC0415
    from tasks.exports.windows import parse_instant  # noqa: PLC0415

    begin = parse_instant(since, "--since") if since else None
    rows = newest_first(read_shown(ActionKind(kind), action_id, since=begin, tenant=tenant))
    if as_json:
        print_json(rows.to_dicts())
    else:
        print_table(rows.columns, rows.rows())
        say(f"{rows.height:,} rows")
