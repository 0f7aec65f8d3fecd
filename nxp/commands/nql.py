"""`nxp nql`: raw operations on saved queries, one client call each."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.errors import ExportFailedError, UnavailableError, UnknownExportError, UsageError
from connectors.nexthink import Compression, ExportState, ExportStatus, QueryResult
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from nxp.answers import nql as answers
from nxp.client import open_client
from nxp.options import Json, Parameters, QueryId, Tenant, parse_parameters
from nxp.output import print_json, print_table, print_text, say, text

if TYPE_CHECKING:
    from connectors.ledger import Ledger
    from connectors.nexthink.client import NexthinkClient


def execute(
    query_id: QueryId,
    *,
    parameter: Parameters = (),
    version: Annotated[Literal[1, 2], Parameter(help="Version of the API operation.")] = 2,
    csv: Annotated[bool, Parameter(negative="", help="Print the tenant's CSV unchanged.")] = False,
    local_times: Annotated[
        bool, Parameter(negative="", help="Show date-times in the tenant's zone, not in UTC.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Run the saved query QUERY_ID and print its rows; beyond 1,000 rows, use an export."""
    if csv and as_json:
        raise UsageError("--csv and --json: use one of them")
    values = parse_parameters(parameter)
    with open_client(tenant) as client:
        if csv:
            rows = client.nql.execute_csv(
                query_id, values, version=version, utc_times=not local_times
            )
            # To a file or a program, exactly what the tenant has sent.
            print_text(rows, "") if sys.stdout.isatty() else sys.stdout.write(rows)
            return
        result = client.nql.execute(query_id, values, version=version, utc_times=not local_times)
    answer = _executed(result)
    if as_json:
        print_json(answer)
        return
    names = [column.name for column in answer.columns]
    print_table(names, [[row.get(name) for name in names] for row in result.data])
    say(number_of(result.rows, "row"))


def _executed(result: QueryResult) -> answers.ExecutedQuery:
    from connectors.catalogue import declared_types  # noqa: PLC0415 - not for --help

    found = result.described(declared_types(load_settings().catalog, result.query_id))
    return answers.ExecutedQuery(
        query_id=result.query_id,
        executed_query=result.executed_query,
        executed_at=result.executed_at.isoformat(),
        total_count=result.rows,
        columns=tuple(
            answers.QueryColumn(each.name, each.type, each.type_from.value)
            for each in found.columns
        ),
        columns_from=found.names_from.value,
        rows=result.data,
    )


def export(
    query_id: QueryId,
    *,
    parameter: Parameters = (),
    compression: Annotated[
        Compression, Parameter(help="How the tenant compresses the result.")
    ] = Compression.ZSTD,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Start an export of the saved query QUERY_ID, and print the export's id."""
    with open_client(tenant) as client:
        started = client.nql.start_export(query_id, parse_parameters(parameter), compression)
    if as_json:
        print_json(answers.StartedExport(started.export_id, started.state))
    else:
        print_text(started)


def status(
    export_id: Annotated[str, Parameter(help="The id that nxp nql export has printed.")],
    *,
    url: Annotated[
        bool,
        Parameter(
            negative="", help="Print the result's URL too: it needs no login for 15 minutes."
        ),
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show the state of the export EXPORT_ID, and its rows once they are known.

    The number of rows is known after `nxp nql download`.
    """
    with _opened(tenant) as (client, ledger):
        found = _status(client, export_id)
        rows = ledger.downloads.rows(export_id)
    results_url = found.results_url if url else None
    if as_json:
        print_json(
            answers.ExportProgress(
                export_id=export_id,
                state=found.state,
                unknown_word=found.unknown_word,
                truncated=found.truncated,
                rows=rows,
                error_description=found.error_description,
                results_url=results_url,
            )
        )
        return
    own = f" (the tenant says {found.unknown_word})" if found.unknown_word else ""
    cut = " (truncated at the row limit)" if found.truncated else ""
    print_text(f"{found.state}{own}{cut}")
    if results_url:
        print_text(results_url)
    elif url:
        say("there is no URL: the export is not COMPLETED")
    if rows is not None:
        say(number_of(rows, "row"))
    if found.error_description:
        say(text(found.error_description))


def download(
    export: Annotated[str, Parameter(help="The id of an export, or its URL.")],
    *,
    to: Annotated[Path, Parameter(help="The CSV file to write.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write the complete result of EXPORT to a file, decompressed, and count its rows.

    EXPORT is an id, or the URL that `nxp nql status --url` prints.
    """
    from connectors.nexthink.nql import is_url  # noqa: PLC0415 - httpx

    with _opened(tenant) as (client, ledger):
        found = None if is_url(export) else _status(client, export)
        if found:
            _check_completed(found)
        if to.exists():
            raise UsageError(f"--to {to}: the file exists already")
        part = to.with_name(f".{to.name}.part")
        try:
            result = client.nql.download(export, part, url=found.results_url if found else None)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        rows = result.rows or 0
        if found:
            ledger.downloads.record(export, rows)
    truncated = found.truncated if found else None
    if as_json:
        print_json(
            answers.DownloadedResult(
                path=str(to),
                export_id=export if found else None,
                rows=rows,
                csv_bytes=result.csv_bytes,
                wire_bytes=result.wire_bytes,
                compression=result.compression.value,
                truncated=truncated,
            )
        )
    else:
        say(f"{number_of(rows, 'row')}, {result.csv_bytes:,} bytes in {to}")
    if result.ragged:
        say(f"{result.ragged:,} rows have more or fewer fields than the header")
    if truncated:
        say("the tenant cut this result at its row limit")


def _status(client: "NexthinkClient", export_id: str) -> ExportStatus:
    try:
        return client.nql.export_status(export_id)
    except UnknownExportError as error:
        raise UsageError(
            f"the tenant has no export {export_id[:80]!r}, or no longer has it: nxp nql export "
            "starts one and prints its id",
            exchange=error.exchange,
        ) from None


def _check_completed(found: ExportStatus) -> None:
    if found.state is ExportState.ERROR:
        raise ExportFailedError(
            "the tenant ended the export with an error: nxp nql status shows its words; export "
            "again once the query works in Nexthink"
        )
    if found.state is not ExportState.COMPLETED:
        word = found.unknown_word or found.state
        raise UnavailableError(f"the export is {word}: ask nxp nql status again later")


@contextmanager
def _opened(tenant: str | None) -> "Iterator[tuple[NexthinkClient, Ledger]]":
    from tasks.runs.counted import counted_client  # noqa: PLC0415 - httpx

    settings = load_settings()
    with counted_client(settings, load_tenant(settings, tenant)) as opened:
        yield opened
