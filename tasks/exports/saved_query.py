"""A saved query's whole result, for what is not a dataset: read-backs, targets, identities.

Always by export: the execute call truncates silently at its row limit.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from connectors.catalogue import Column, DatasetSpecification, Mode
from connectors.errors import DataRefusedError, ResultTruncatedError, UnknownQueryError
from connectors.limits import MB, Limits, read_limits, setting
from connectors.nexthink.results.result_file import ResultFile
from tasks.exports.export import FetchedFile, fetch_result
from tasks.exports.request import Request
from tasks.runs.recorded import unrecorded
from tasks.runs.tools import Tools


def export_query(
    tools: Tools,
    subject: str,
    unit: str,
    query_id: str,
    folder: Path,
    parameters: dict[str, str] | None = None,
) -> FetchedFile:
    """Start a new export of a saved query and download its result to a file in `folder`.

    Args:
        tools: client, ledger, clock, sleep.
        subject: what it is for, in errors and in the journal of exports.
        unit: distinguishes the exports of one subject.
        query_id: the saved query.
        folder: the run's folder.
        parameters: the query's parameters.

    Raises:
        ResultTruncatedError: the tenant cut the result at its row limit.
        UnknownQueryError: the tenant lacks the query, or refuses its parameters.
        PipelineError: as `fetch_result`.
    """
    asked = {
        "dataset": "query",
        "query_id": query_id,
        "mode": Mode.SNAPSHOT,
        "columns": [Column(nql="any")],
    }
    # An export begun by an earlier run may be older than what this one looks for.
    tools.ledger.journal.forget(subject, None)
    try:
        # The step that needs the rows is what an operator sees; it may read back many times.
        with unrecorded():
            return fetch_result(
                tools,
                DatasetSpecification.model_validate(asked),
                Request(subject, unit, query_id, parameters or {}, "ZSTD"),
                folder,
            )
    except UnknownQueryError as error:
        raise error.retold(
            f"{subject}: the tenant has no saved query {query_id}, or refuses its parameters: "
            f"save it in Nexthink as an NQL API query of that id (nxp nql queries '{query_id}' "
            f"prints it, if the catalogue has it; {error.exchange})"
        ) from None
    except ResultTruncatedError as error:
        raise error.retold(
            f"{subject}: the tenant truncated what {query_id} returns at its row limit (HTTP 206): "
            "a missing row may still exist, so nothing was decided from it"
        ) from None
    finally:
        tools.ledger.journal.forget(subject, None)


def query_rows(
    tools: Tools,
    subject: str,
    unit: str,
    query_id: str,
    folder: Path,
    parameters: dict[str, str] | None = None,
) -> pl.DataFrame:
    """Return a saved query's whole result: text under lower-case headers, null where empty.

    Raises:
        DataRefusedError: rows that do not fit the header, or more than are held in memory.
        PipelineError: as `export_query`.
    """
    result = export_query(tools, subject, unit, query_id, folder, parameters)
    file = ResultFile(result.path)
    names = [name.lower() for name in file.header]
    try:
        batches = list(_within(file.frames(), subject, read_limits()))
    finally:
        result.path.unlink(missing_ok=True)
    if file.take_ragged():
        raise DataRefusedError(f"{subject}: the result has damaged rows; nothing was decided")
    if not batches:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.concat(batches).rename(dict(zip(file.header, names, strict=True)))


def _within(
    batches: Iterator[pl.DataFrame], subject: str, limits: Limits
) -> Iterator[pl.DataFrame]:
    size = 0.0
    for batch in batches:
        size += batch.estimated_size()
        if size > limits.max_query_mb * MB:
            raise DataRefusedError(
                f"{subject}: the result is larger than {limits.max_query_mb:g} MiB, and it is held "
                f"in memory: narrow the query, or raise {setting('max_query_mb')}; nothing was "
                "decided"
            )
        yield batch


def require_columns(rows: pl.DataFrame, names: tuple[str, ...], query_id: str) -> None:
    """Raise unless a query lists the columns that are needed.

    Raises:
        DataRefusedError: columns are missing; the message names them.
    """
    missing = [name for name in names if name not in rows.columns]
    # A result without any row may come without its header.
    if missing and rows.width:
        raise DataRefusedError(
            f"the saved query {query_id} does not list {', '.join(missing)}: add what is missing "
            "to its list in Nexthink; nothing was decided"
        )
