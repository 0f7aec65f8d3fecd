"""The NQL API: run a saved query now, or export its whole result to a file and fetch it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx

from connectors.errors import IncompleteResultError, ResultsExpiredError, UsageError
from connectors.http.exchanges import exchange_of
from connectors.http.policy import Retry
from connectors.logs import UNREPORTED
from connectors.nexthink.api import Api, read_answer
from connectors.nexthink.executed import EXECUTE_ROW_LIMIT, check_row_limit, count_rows, csv_text
from connectors.nexthink.models import (
    QUERY_ID,
    Compression,
    Download,
    ExecuteAnswerV1,
    ExecuteAnswerV2,
    ExportAnswer,
    ExportStatus,
    QueryResult,
    StartedExport,
    Transferred,
)
from connectors.nexthink.nql_outcomes import results_url, unknown_export, unknown_query
from connectors.nexthink.results.destination import CsvFile, CsvStream
from connectors.nexthink.results.download import Storage, Transfer
from connectors.nexthink.results.result_url import url_problem

log = logging.getLogger(__name__)

PERMISSION: Final = "NQL"
EXPORT_PATH: Final = "/api/v1/nql/export"
STATUS_PATH: Final = "/api/v1/nql/status/"

_WHOLE: Final = 200
_TRUNCATED: Final = 206
_EXECUTE_ANSWERS: Final[dict[int, type[ExecuteAnswerV1 | ExecuteAnswerV2]]] = {
    1: ExecuteAnswerV1,
    2: ExecuteAnswerV2,
}


class NqlApi:
    """The operations on saved queries, as `client.nql`."""

    def __init__(self, api: Api, storage: Storage) -> None:
        self._api = api
        self._storage = storage
        self._logged: set[str] = set()

    def execute(
        self,
        query_id: str,
        parameters: Mapping[str, str] | None = None,
        *,
        version: int = 2,
        utc_times: bool = True,
        row_limit: int | None = EXECUTE_ROW_LIMIT,
    ) -> QueryResult:
        """Run a saved query and return its rows.

        Raises:
            ResultTruncatedError: there are `row_limit` rows, so perhaps more; None allows it.
        """
        response = self._execute(
            query_id, parameters, version, utc_times=utc_times, accept="application/json"
        )
        result = read_answer(_EXECUTE_ANSWERS[version], response).result()
        check_row_limit(query_id, max(result.rows, len(result.data)), row_limit, response)
        if result.rows != len(result.data):
            raise IncompleteResultError(
                f"{query_id} announces {result.rows} rows and returns {len(result.data)}",
                exchange=exchange_of(response.request, response),
            )
        return result

    def execute_csv(
        self,
        query_id: str,
        parameters: Mapping[str, str] | None = None,
        *,
        version: int = 2,
        utc_times: bool = True,
        row_limit: int | None = EXECUTE_ROW_LIMIT,
    ) -> str:
        """Run a saved query and return its rows as CSV text with a header; raises as `execute`."""
        response = self._execute(
            query_id, parameters, version, utc_times=utc_times, accept="text/csv"
        )
        text = csv_text(response)
        check_row_limit(query_id, count_rows(text), row_limit, response)
        return text

    def start_export(
        self,
        query_id: str,
        parameters: Mapping[str, str] | None = None,
        compression: Compression = Compression.ZSTD,
    ) -> StartedExport:
        """Start the export of a saved query's whole result; return its id, with its state."""
        # POST, because tenants refuse the documented GET, and it would put parameters into a URL.
        response = self._api.call(
            "POST",
            EXPORT_PATH,
            permission=PERMISSION,
            retry=Retry.START,
            missing=unknown_query(query_id),
            json={**_query(query_id, parameters), "compression": compression.value},
        )
        return StartedExport(read_answer(ExportAnswer, response).export_id)

    def export_status(self, export_id: str) -> ExportStatus:
        """Return the status of an export; a completed one has a new URL for its result file.

        Raises:
            UnknownExportError: the tenant does not know the export: export again.
        """
        if not export_id.strip("."):
            raise UsageError("an export id is needed, as `start_export` returns it")
        response = self._api.call(
            "GET",
            STATUS_PATH + quote(export_id, safe=""),
            permission=PERMISSION,
            retry=Retry.READ,
            accepted=frozenset({_WHOLE, _TRUNCATED}),
            missing=unknown_export,
        )
        status = read_answer(ExportStatus, response)
        self._log_once(status.unknown_word)
        return status.model_copy(update={"truncated": response.status_code == _TRUNCATED})

    def _log_once(self, word: str | None) -> None:
        if word and word not in self._logged:
            self._logged.add(word)
            log.warning(
                "the tenant calls the state of an export %s, which is not documented: it counts as "
                "in progress until the time limit",
                word,
                extra=UNREPORTED,
            )

    def download(
        self,
        export_id: str,
        destination: Path,
        compression: Compression | None = None,
        *,
        url: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
        counted: bool = True,
    ) -> Download:
        """Write the result of a completed export to `destination`: decompressed, all or nothing.

        Args:
            export_id: used to request a URL if none is given, and again when one is refused. Or
                the URL itself, where the id is not known.
            destination: replaced; readable by its owner only.
            compression: what was requested; the file's own bytes decide.
            url: the URL of a recent `export_status`.
            on_bytes: called with the bytes received so far; these fall if the file starts over.
            counted: also read the file, to count its rows.

        Raises:
            ResultsExpiredError, UnknownExportError: export again.
            IncompleteResultError: the file was transferred completely but is itself incomplete.
            DataRefusedError: the text is not CSV, if its rows are counted.
            StorageError: the destination cannot be written.
        """
        with CsvFile(destination) as file:
            done = self._transfer(export_id, file, compression, url, on_bytes)
            rows, ragged = None, 0
            if counted and file.is_regular:
                from connectors.nexthink.results.counting import count_records  # noqa: PLC0415 - pyarrow

                rows, ragged = count_records(destination)
        return Download(path=destination, rows=rows, ragged=ragged, **asdict(done))

    def stream(
        self,
        export_id: str,
        stream: CsvStream,
        compression: Compression | None = None,
        *,
        url: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> Transferred:
        """Do as `download`, but pass the text to a reader of the stream while it arrives.

        The stream ends only after the result is proven to be whole.

        Raises:
            StartedOverError: the file changed during the transfer: what was read is not valid.
            StreamClosedError: the reader has stopped reading.
        """
        return self._transfer(export_id, stream, compression, url, on_bytes)

    def _transfer(
        self,
        export_id: str,
        file: CsvFile | CsvStream,
        compression: Compression | None,
        url: str | None,
        on_bytes: Callable[[int], None] | None,
    ) -> Transferred:
        seen: list[ExportStatus] = []

        def fresh_url() -> str:
            if is_url(export_id):
                raise ResultsExpiredError(
                    "the result's URL is refused: it is valid for 15 minutes; ask for a new one "
                    "with nxp nql status EXPORT_ID --url, or export again"
                )
            seen.append(self.export_status(export_id))
            return results_url(seen[-1])

        if is_url(export_id) and (problem := url_problem(export_id)):
            raise UsageError(f"{problem.rstrip(',')}: name an export, or the URL of its result")
        first_url = export_id if is_url(export_id) else url or fresh_url()
        transfer = Transfer(self._storage, file, compression, fresh_url, on_bytes or _ignore_bytes)
        transfer.run(first_url)
        return Transferred(
            wire_bytes=transfer.received,
            csv_bytes=file.size,
            compression=transfer.decoder.compression,
            resumed=transfer.resumed,
            restarted=transfer.restarted,
            truncated=seen[-1].truncated if seen else None,
        )

    def _execute(
        self,
        query_id: str,
        parameters: Mapping[str, str] | None,
        version: int,
        *,
        utc_times: bool,
        accept: str,
    ) -> httpx.Response:
        if version not in _EXECUTE_ANSWERS:
            raise UsageError(f"execute has no version {version}, only 1 and 2")
        headers = {"Accept": accept}
        if utc_times:
            headers["x-utc-times"] = "true"
        return self._api.call(
            "POST",
            f"/api/v{version}/nql/execute",
            permission=PERMISSION,
            # It is a POST, but it only reads.
            retry=Retry.READ,
            missing=unknown_query(query_id),
            json=_query(query_id, parameters),
            headers=headers,
        )


def is_url(export: str) -> bool:
    """Return whether a text is the URL of a result, not the id of an export."""
    return "://" in export


def _query(query_id: str, parameters: Mapping[str, str] | None) -> dict[str, object]:
    if not QUERY_ID.fullmatch(query_id):
        raise UsageError(
            "a query id must be # and 2 to 254 of a-z, 0-9 and _, as Nexthink shows it, "
            f"not {query_id[:80]!r}"
        )
    for name, value in (parameters or {}).items():
        if not isinstance(value, str):
            raise UsageError(f"parameter {name} of {query_id} is not text")
        if name.startswith("$"):
            raise UsageError(f"parameter {name} of {query_id} must be named without its $")
    return {"queryId": query_id, **({"parameters": dict(parameters)} if parameters else {})}


def _ignore_bytes(_: int) -> None:
    pass
