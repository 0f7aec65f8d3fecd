"""`nxp sql`: DuckDB over the lake, for one statement or as a shell."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.errors import UsageError
from connectors.lake import Lake
from connectors.lake.sql_room import Room
from connectors.lake.sql_versions import version_hint
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from connectors.text_files import decode_text, read_text
from nxp.offered import offered
from nxp.options import Json, Tenant, Whole
from nxp.output import say
from nxp.sql_formats import OutputFormat, StatementSource, fetched, format_of, show, write

STDIN = "-"


def sql(
    query: Annotated[str | None, Parameter(help="One SELECT of DuckDB.")] = None,
    *,
    file: Annotated[Path | None, Parameter(help="Read the statement from this file.")] = None,
    format_: Annotated[
        OutputFormat | None,
        Parameter(name="--format", help="How to write the result; by default as a table."),
    ] = None,
    out: Annotated[
        Path | None,
        Parameter(help="Write to this file, replacing it; its name says the format (.parquet)."),
    ] = None,
    limit: Annotated[Whole | None, Parameter(help="Stop after this many rows.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Run one SELECT over what has landed, read-only; in a terminal without one, open a shell.

    A window dataset is one view. A snapshot dataset is more: NAME has the latest snapshot,
    NAME_history all of them, and NAME_changes what each object was, with valid_from and valid_to.
    _datasets, _units, _gaps, _runs, _rejects, _changes (what syncs wrote) and _targets (whom
    actions reached) are views too. SHOW TABLES lists them, DESCRIBE NAME shows columns. The
    statement may come from standard input.
    """
    how = _format(format_, out, as_json=as_json)
    if limit is not None and limit < 0:
        raise UsageError("--limit: must be 0 or more")
    is_shell = query is None and file is None and out is None
    if is_shell and sys.stdin.isatty() and sys.stdout.isatty():
        from nxp.sql_shell import shell  # noqa: PLC0415 - readline, only for the shell

        shell(_source(tenant), how, limit)
        return
    statement = _statement(query, file)
    source = _source(tenant)
    if out is None:
        result = source.read(statement, lambda rows: fetched(rows, limit))
        show(result, how)
        has_more = result.has_more
    else:
        was = out.exists()
        count, has_more = source.read(statement, lambda rows: write(rows, how, out, limit))
        say(f"{'replaced' if was else 'wrote'} {out}: {number_of(count, 'row')}")
    if hint := version_hint(statement):
        say(hint)
    if has_more:
        say(f"there are more rows than the limit of {limit:,}")


def _format(asked: OutputFormat | None, out: Path | None, *, as_json: bool) -> OutputFormat:
    if as_json and asked not in {None, OutputFormat.JSON}:
        raise UsageError("--json and --format: use one of them")
    how = format_of(OutputFormat.JSON if as_json else asked, out)
    if how is OutputFormat.PARQUET and out is None:
        raise UsageError("--format parquet needs --out FILE")
    if out is not None and out.is_dir():
        raise UsageError(f"--out {out}: it is a folder: name a file")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    return how


def _source(tenant: str | None) -> StatementSource:
    settings = load_settings()
    name = tenant_name(settings, tenant)
    room = Room(settings.home, settings.memory_mb, settings.sql_spill_mb)
    return StatementSource(Lake(settings.lake, name), room, lambda: offered(settings, name, tenant))


def _statement(query: str | None, file: Path | None) -> str:
    """Return the statement, from wherever it is given.

    Raises:
        UsageError: it is given twice, not at all, or cannot be read.
    """
    if query is not None and file is not None:
        raise UsageError("give the statement, or --file with it, not both")
    try:
        if file is not None and str(file) != STDIN:
            statement = read_text(file)
        elif file is not None or (query is None and not sys.stdin.isatty()):
            statement = decode_text(sys.stdin.buffer.read())
        else:
            statement = query or ""
    except UnicodeDecodeError:
        raise UsageError(f"{file or 'standard input'}: it is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"--file {file}: {error.strerror or error}") from None
    if not statement.strip():
        raise UsageError('there is no statement: write one in quotes, such as "SHOW TABLES"')
    return statement
