"""Exporting one whole result to a file outside of any run: to look at it, not to land it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from connectors.errors import ExportFailedError, UnavailableError
from connectors.nexthink import Compression, ExportState
from connectors.nexthink.client import NexthinkClient
from tasks.exports.polling import poll

TIMEOUT = timedelta(hours=1)


def export_to(
    path: Path,
    client: NexthinkClient,
    query_id: str,
    parameters: Mapping[str, str],
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> bool:
    """Export a saved query to a file that only its owner can read; return whether it was truncated.

    Raises:
        UnknownQueryError: the tenant has no such saved query, or refuses its parameters.
        ExportFailedError: the tenant reports an error for the query.
        UnavailableError: the export is not finished in time, or the tenant cannot be reached.
    """
    compression = Compression.ZSTD
    export_id = client.nql.start_export(query_id, parameters, compression)
    status = poll(lambda: client.nql.export_status(export_id), clock() + TIMEOUT, clock, sleep)
    if status.state is ExportState.ERROR:
        raise ExportFailedError(
            f"the export of {query_id} failed in the tenant: nxp nql status {export_id} shows why"
        )
    if status.state is not ExportState.COMPLETED:
        raise UnavailableError(f"the export of {query_id} has not finished within an hour")
    client.nql.download(export_id, path, compression, url=status.results_url, counted=False)
    return status.truncated
