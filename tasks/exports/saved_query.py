"""A saved query's whole result, for what is not a dataset: read-backs, targets, identities.

Always by export: execute cuts at its row limit without a word.
"""

from pathlib import Path

import polars as pl

from connectors.catalogue import Column, DatasetSpecification, Mode
from connectors.errors import DataRefusedError, ResultTruncatedError, UnknownQueryError
from connectors.nexthink.results.result_file import ResultFile
from tasks.exports.export import Request, Result, fetch_result
from tasks.runs.tools import Tools


def export_query(
    tools: Tools,
    subject: str,
    unit: str,
    query_id: str,
    folder: Path,
    parameters: dict[str, str] | None = None,
) -> Result:
    """Export a saved query anew and bring its result to a file in `folder`.

    Args:
        tools: client, ledger, clock, sleep.
        subject: what it is for, in errors and in the journal of exports.
        unit: tells exports of one subject apart.
        query_id: the saved query.
        folder: of the run.
        parameters: of the query.

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
    # One that an earlier run began may be of before what is looked for.
    tools.ledger.journal.forget(subject, None)
    try:
        return fetch_result(
            tools,
            DatasetSpecification.model_validate(asked),
            Request(subject, unit, query_id, parameters or {}, "ZSTD"),
            folder,
        )
    except UnknownQueryError as error:
        raise error.retold(
            f"{subject}: the tenant has no saved query {query_id}, or refuses its parameters: "
            f"paste what nxp nql queries '{query_id}' prints into Nexthink as an NQL API query of "
            f"that id ({error.exchange})"
        ) from None
    except ResultTruncatedError as error:
        raise error.retold(
            f"{subject}: the tenant cut what {query_id} returns at its row limit (HTTP 206): what "
            "is missing there cannot be told from what is not; nothing was decided from it"
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
    """Give a saved query's whole result: text under headers in lower case, null where empty.

    Raises:
        DataRefusedError: rows that are no rows of the header.
        PipelineError: as `export_query`.
    """
    result = export_query(tools, subject, unit, query_id, folder, parameters)
    file = ResultFile(result.path)
    names = [name.lower() for name in file.header]
    batches = list(file.batches())
    result.path.unlink(missing_ok=True)
    if file.take_ragged():
        raise DataRefusedError(f"{subject}: the result has damaged rows: nothing was decided")
    if not batches:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.concat(batches).rename(dict(zip(file.header, names, strict=True)))


def require_columns(rows: pl.DataFrame, names: tuple[str, ...], query_id: str) -> None:
    """Make sure that a query lists what is needed of it.

    Raises:
        DataRefusedError: names what is missing.
    """
    missing = [name for name in names if name not in rows.columns]
    # A result without any row may come without its header.
    if missing and rows.width:
        raise DataRefusedError(
            f"the saved query {query_id} does not list {', '.join(missing)}: add them to its list "
            "in Nexthink; nothing was decided"
        )
