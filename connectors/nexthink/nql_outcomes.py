"""What the tenant's answers about saved queries and exports mean: an error, or a result's URL."""

from collections.abc import Callable

from connectors.errors import (
    Exchange,
    ExportFailedError,
    ResultsExpiredError,
    UnavailableError,
    UnknownExportError,
    UnknownQueryError,
)
from connectors.nexthink.models import ExportState, ExportStatus


def unknown_query(query_id: str) -> Callable[[Exchange], UnknownQueryError]:
    """Return what makes the error of a saved query that the tenant does not run."""

    def missing(exchange: Exchange) -> UnknownQueryError:
        return UnknownQueryError(
            f"the tenant has no saved query {query_id}, or refuses its parameters: paste it into "
            f"Nexthink as an NQL API query (`nxp nql queries '{query_id}'` prints it, if the "
            "catalogue has it)",
            exchange=exchange,
        )

    return missing


def unknown_export(exchange: Exchange) -> UnknownExportError:
    """Return the error of an export that the tenant does not know."""
    return UnknownExportError(
        "the tenant does not know this export, or no longer does: export again", exchange=exchange
    )


def results_url(status: ExportStatus) -> str:
    """Return the URL of a completed export's result file.

    Raises:
        ExportFailedError, UnavailableError, ResultsExpiredError: there is none, or not yet.
    """
    if status.state is ExportState.ERROR:
        # The description is not shown: it may quote the query with its parameters.
        raise ExportFailedError("the tenant ended the export with an error: there is no result")
    if status.state is not ExportState.COMPLETED:
        word = status.unknown_word or status.state
        raise UnavailableError(f"the export is {word}, not COMPLETED: try again later")
    if not status.results_url:
        raise ResultsExpiredError("the tenant returns no URL for the result file: export again")
    return status.results_url
