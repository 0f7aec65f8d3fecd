"""Answers of `nxp nql`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from connectors.nexthink import ExportState
from nxp.answers.sources import api, derived, ours


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """One column of a result."""

    name: Annotated[str, api("headers` or `data", "The tenant's name of the column.")]
    type: Annotated[
        str | None, derived("the catalogue, or the values", "As in a dataset; null if unknown.")
    ]
    type_from: Annotated[
        Literal["declared", "inferred", "unknown"],
        derived(
            "the catalogue",
            "Declared by a dataset with this query, inferred from the values, or unknown.",
        ),
    ]


@dataclass(frozen=True, slots=True)
class ExecutedQuery:
    """The rows of a saved query, and what the tenant says about them."""

    query_id: Annotated[str, api("queryId", "Id of the saved query.")]
    executed_query: Annotated[str, api("executedQuery", "Its text, with the parameters in it.")]
    executed_at: Annotated[
        str, api("executionDateTime", "When it ran; without a zone if the tenant sends none.")
    ]
    total_count: Annotated[int, api("rows", "Number of rows.")]
    columns: Annotated[
        tuple[QueryColumn, ...], derived("headers or data", "The columns of the rows, in order.")
    ]
    columns_from: Annotated[
        Literal["answer", "catalogue", "query", "unknown"],
        derived(
            "the answer, or without rows and headers the catalogue or executedQuery",
            "Where the names are known from; those of a query may lack their prefix.",
        ),
    ]
    rows: Annotated[list[dict[str, Any]], api("data", "The rows, by column.")]


@dataclass(frozen=True, slots=True)
class StartedExport:
    """An export that the tenant has accepted."""

    export_id: Annotated[str, api("exportId", "Id of the export.")]
    state: Annotated[
        ExportState,
        derived("the tenant has accepted it", "The API returns only the id."),
    ]


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far an export is."""

    export_id: Annotated[str, ours("Id of the export, as asked for.")]
    state: Annotated[
        ExportState, api("status", "The word FAILED of some tenants is ERROR, COMPLETE COMPLETED.")
    ]
    unknown_word: Annotated[
        str | None, api("status", "The tenant's word, if it is another: IN_PROGRESS then.")
    ]
    truncated: Annotated[bool, derived("HTTP status 206", "Whether the licence's limit cut it.")]
    rows: Annotated[
        int | None,
        derived("the file, counted by nxp nql download", "Null before that: the API has no count."),
    ]
    error_description: Annotated[
        str | None, api("errorDescription", "The tenant's words about an error.")
    ]
    results_url: Annotated[
        str | None, api("resultsFileUrl", "Null without --url: who has it can read the result.")
    ]


@dataclass(frozen=True, slots=True)
class DownloadedResult:
    """A result written to a file."""

    path: Annotated[str, ours("The file.")]
    export_id: Annotated[str | None, ours("Id of the export; null if a URL was given.")]
    rows: Annotated[int, derived("the file", "Number of rows, without the header.")]
    csv_bytes: Annotated[int, derived("the file", "Its size, decompressed.")]
    wire_bytes: Annotated[int, derived("the transfer", "Bytes received.")]
    compression: Annotated[
        Literal["NONE", "GZIP", "ZSTD"], derived("the file's first bytes", "As it was sent.")
    ]
    truncated: Annotated[
        bool | None, derived("HTTP status 206", "Null if a URL was given: its status is unknown.")
    ]


@dataclass(frozen=True, slots=True)
class QueryToPaste:
    """A saved query of the catalogue, as a person creates it in Nexthink."""

    query_id: Annotated[str, ours("Id of the saved query, with its #.")]
    name: Annotated[str, ours("The name to type.")]
    description: Annotated[str, ours("The description to type.")]
    used_by: Annotated[tuple[str, ...], ours("The datasets, syncs and actions that run it.")]
    nql: Annotated[str, ours("Its text.")]
