"""`nxp nql`: raw operations on saved queries, one client call each."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from connectors.catalogue.yaml_text import UNREADABLE, read_text, why_unreadable
from connectors.errors import ConfigurationError, UnavailableError, UsageError
from connectors.nexthink import Compression, ExportState
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from nxp.options import Json, Parameters, Tenant, parse_parameters
from nxp.output import print_json, print_table, print_text, say, text

if TYPE_CHECKING:
    from connectors.nexthink.client import NexthinkClient


def queries(query_id: str | None = None, *, as_json: Json = False) -> None:
    """List the catalogue's saved queries, or print the text of one, to paste into Nexthink.

    Datasets, actions and the read-back of syncs need their queries saved there, each under its id.
    """
    folder = load_settings().catalog / "queries"
    named = None if query_id is None else f"#{query_id.removeprefix('#')}"
    texts, problems = {}, []
    for path in sorted(folder.glob("*.nql")):
        if named in {None, f"#{path.stem}"}:
            try:
                texts[f"#{path.stem}"] = read_text(path)
            except UNREADABLE as error:
                problems.append(f"queries/{path.name}: {why_unreadable(error)}")
    if named is not None and not texts and not problems:
        raise UsageError(f"the catalogue has no saved query {named}: nxp nql queries lists them")
    if problems and not texts:
        raise ConfigurationError("saved queries", problems=tuple(problems))
    if as_json:
        print_json(texts)
    elif named is not None:
        print_text(texts[named].rstrip())
    elif texts:
        firsts = (line.splitlines()[0].strip("/* ") if line else "" for line in texts.values())
        print_table(["query_id", "what"], list(zip(texts, firsts, strict=True)))
    if problems:
        sys.stdout.flush()
        raise ConfigurationError("saved queries", problems=tuple(problems))


def execute(
    query_id: str,
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
    values = parse_parameters(parameter)
    with _client(tenant) as client:
        if csv:
            rows = client.nql.execute_csv(
                query_id, values, version=version, utc_times=not local_times
            )
            # To a file or a program, exactly what the tenant has sent.
            print_text(rows, "") if sys.stdout.isatty() else sys.stdout.write(rows)
            return
        result = client.nql.execute(query_id, values, version=version, utc_times=not local_times)
    if as_json:
        print_json(result.data)
    else:
        print_table(result.headers, [[row.get(h) for h in result.headers] for row in result.data])
        say(f"{result.rows} rows")


def export(
    query_id: str,
    *,
    parameter: Parameters = (),
    compression: Compression = Compression.ZSTD,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Start an export of the saved query QUERY_ID, and print the export's id."""
    with _client(tenant) as client:
        export_id = client.nql.start_export(query_id, parse_parameters(parameter), compression)
    if as_json:
        print_json({"export_id": export_id})
    else:
        print_text(export_id)


def status(export_id: str, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show the state of the export EXPORT_ID; its presigned URL is not shown."""
    with _client(tenant) as client:
        found = client.nql.export_status(export_id)
    if as_json:
        print_json(
            {
                "state": found.state,
                "truncated": found.truncated,
                "error_description": found.error_description,
            }
        )
    else:
        print_text(f"{found.state}{' (truncated at the row limit)' if found.truncated else ''}")
        if found.error_description:
            say(text(found.error_description))


def download(
    export_id: str,
    *,
    to: Annotated[Path, Parameter(help="The CSV file to write.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write the complete result of the export EXPORT_ID to a file, decompressed."""
    with _client(tenant) as client:
        found = client.nql.export_status(export_id)
        if found.state is not ExportState.COMPLETED:
            raise UnavailableError(f"the export is {found.state}: ask nxp nql status again later")
        if to.exists():
            raise UsageError(f"--to {to}: the file exists already")
        part = to.with_name(f".{to.name}.part")
        try:
            result = client.nql.download(export_id, part, url=found.results_url)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
    if as_json:
        print_json({"path": str(to), "csv_bytes": result.csv_bytes, "truncated": found.truncated})
    else:
        say(f"{result.csv_bytes:,} bytes in {to}")
    if found.truncated:
        say("the tenant cut this result at its row limit")


def _client(tenant: str | None) -> "NexthinkClient":
    from connectors.nexthink.client import NexthinkClient  # noqa: PLC0415 - httpx, not for the queries

    return NexthinkClient(load_tenant(load_settings(), tenant))
