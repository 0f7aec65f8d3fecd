"""Saved queries: what is sent, what comes back, and what each refusal means."""

from collections.abc import Callable
from datetime import UTC, datetime
from json import loads
from typing import Any

import pytest

from connectors.errors import (
    AccessError,
    DataRefusedError,
    IncompleteResultError,
    LimitReachedError,
    PipelineError,
    ResultTruncatedError,
    UnavailableError,
    UnknownExportError,
    UnknownQueryError,
    UsageError,
)
from connectors.http.policy import MAX_ATTEMPTS
from connectors.nexthink import Compression, ExportState, ExportStatus
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.executed import count_rows
from tests.unit.connectors.servers import START, Clock, Reply, Server, json_reply

V1 = "/api/v1/nql/execute"
V2 = "/api/v2/nql/execute"
EXPORT = "/api/v1/nql/export"
STATUS = "/api/v1/nql/status/e1"

ANSWER_V2: dict[str, Any] = {
    "queryId": "#devices",
    "executedQuery": "devices | list device.name",
    "rows": 2,
    "executionDateTime": "2023-03-07T15:56:02",
    "data": [{"device.name": "a", "device.cores": 4}, {"device.name": None, "device.cores": 8}],
}
ANSWER_V1: dict[str, Any] = {
    **ANSWER_V2,
    "executionDateTime": {
        "year": 2023,
        "month": 3,
        "day": 7,
        "hour": 15,
        "minute": 56,
        "second": 2,
    },
    "headers": ["device.name", "device.cores"],
    "data": [["a", 4], [None, 8]],
}


@pytest.mark.parametrize(("version", "answer"), [(1, ANSWER_V1), (2, ANSWER_V2)])
def test_both_versions_of_execute_give_the_same_result(
    server: Server, client: NexthinkClient, version: int, answer: dict[str, Any]
) -> None:
    server.on("POST", f"/api/v{version}/nql/execute", json_reply(answer))
    result = client.nql.execute("#devices", {"kind": "laptop"}, version=version)
    assert (result.query_id, result.rows) == ("#devices", 2)
    assert result.executed_at.isoformat() == "2023-03-07T15:56:02"
    assert result.headers == ["device.name", "device.cores"]
    assert result.data == ANSWER_V2["data"]
    assert [list(row) for row in result.data] == [result.headers] * 2
    sent = server.seen[-1]
    assert loads(sent.body) == {"queryId": "#devices", "parameters": {"kind": "laptop"}}
    assert (sent.headers["accept"], sent.headers["x-utc-times"]) == ("application/json", "true")


def test_times_of_the_tenant_s_zone_and_their_offset_are_kept(
    server: Server, client: NexthinkClient
) -> None:
    answer = {**ANSWER_V2, "executionDateTime": "2023-03-07T15:56:02Z", "rows": 0, "data": []}
    server.on("POST", V2, json_reply(answer))
    result = client.nql.execute("#devices", utc_times=False)
    assert result.executed_at == datetime(2023, 3, 7, 15, 56, 2, tzinfo=UTC)
    assert (result.headers, result.data) == ([], [])
    assert "x-utc-times" not in server.seen[-1].headers
    assert loads(server.seen[-1].body) == {"queryId": "#devices"}


def rows_of(count: int) -> Reply:
    return json_reply({**ANSWER_V2, "rows": count, "data": [{"n": 1}] * count})


@pytest.mark.parametrize(("rows", "limit"), [(1000, 1000), (1001, 1000), (5, 5)])
def test_as_many_rows_as_the_limit_may_be_a_part_only(
    server: Server, client: NexthinkClient, rows: int, limit: int
) -> None:
    server.on("POST", V2, rows_of(rows))
    server.on("POST", V1, Reply(200, b"n\n" + b"1\n" * rows, {"content-type": "text/csv"}))
    with pytest.raises(ResultTruncatedError, match="#devices"):
        client.nql.execute("#devices", row_limit=limit)
    with pytest.raises(ResultTruncatedError, match="#devices"):
        client.nql.execute_csv("#devices", version=1, row_limit=limit)
    assert client.nql.execute("#devices", row_limit=None).rows == rows
    assert client.nql.execute("#devices", row_limit=rows + 1).rows == rows
    assert client.nql.execute_csv("#devices", version=1, row_limit=rows + 1)


def test_fewer_rows_than_announced_are_refused(server: Server, client: NexthinkClient) -> None:
    server.on("POST", V2, json_reply({**ANSWER_V2, "rows": 3}))
    with pytest.raises(IncompleteResultError, match="announces 3 rows and returns 2"):
        client.nql.execute("#devices")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("form", [{"rows": 0, "data": None}, {"data": []}, {"rows": None}])
def test_a_result_without_rows_is_read_in_any_form(
    server: Server, client: NexthinkClient, version: int, form: dict[str, Any]
) -> None:
    answer = {**(ANSWER_V1 if version == 1 else ANSWER_V2), **form}
    answer = {
        name: each for name, each in answer.items() if name not in {"rows", "data"} - set(form)
    }
    server.on("POST", f"/api/v{version}/nql/execute", json_reply(answer))
    result = client.nql.execute("#devices", version=version)
    assert (result.rows, result.data) == (0, [])
    assert [each.name for each in result.columns] == [
        "device.name",
        *(["device.cores"] if version == 1 else []),
    ]
    without_count = {**answer, "data": ANSWER_V1["data"] if version == 1 else ANSWER_V2["data"]}
    if not without_count.get("rows"):
        without_count.pop("rows", None)
    server.on("POST", f"/api/v{version}/nql/execute", json_reply(without_count))
    assert client.nql.execute("#devices", version=version).rows == 2


def test_rows_that_are_announced_and_null_are_missing(
    server: Server, client: NexthinkClient
) -> None:
    server.on("POST", V2, json_reply({**ANSWER_V2, "data": None}))
    with pytest.raises(IncompleteResultError, match="announces 2 rows and returns 0"):
        client.nql.execute("#devices")


def test_csv_is_given_as_text(server: Server, client: NexthinkClient) -> None:
    body = '\ufeffdevice.name,n\r\n"a ""b""\nc",1\r\n'.encode()
    server.on("POST", V2, Reply(200, body, {"content-type": "text/csv;charset=UTF-8"}))
    assert client.nql.execute_csv("#devices", row_limit=2) == 'device.name,n\r\n"a ""b""\nc",1\r\n'
    assert server.seen[-1].headers["accept"] == "text/csv"


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        (b"<html>MARK</html>", "text/html", UnavailableError),
        (b'n\n"MARK', "text/csv", IncompleteResultError),
        (b"\xff\xfe", "text/csv", DataRefusedError),
        (b" <Error>MARK</Error>", "text/csv", UnavailableError),
    ],
)
def test_what_is_no_csv_is_refused(
    server: Server, client: NexthinkClient, body: bytes, kind: str, error: type[PipelineError]
) -> None:
    server.on("POST", V2, Reply(200, body, {"content-type": kind}))
    with pytest.raises(error) as caught:
        client.nql.execute_csv("#devices")
    assert type(caught.value) is error
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rows"),
    [("", 0), ("a", 0), ("a\n", 0), ("a\n1", 1), ("a\r\n1\r\n2\r\n", 2), ('a\n"1\n\n"\n"2"', 2)],
)
def test_rows_are_counted_by_records(text: str, rows: int) -> None:
    assert count_rows(text) == rows


@pytest.mark.parametrize(
    "query_id",
    ["", "#", "#a", "devices", "#Devices", "#a-b", "#a b", "#ab\n", "#ä_b", "#" + "a" * 255],
)
def test_a_query_id_of_another_form_is_not_sent(
    server: Server, client: NexthinkClient, query_id: str
) -> None:
    for call in (client.nql.execute, client.nql.execute_csv, client.nql.start_export):
        with pytest.raises(UsageError, match="query id"):
            call(query_id)
    assert server.seen == []


def test_the_longest_query_id_is_sent(server: Server, client: NexthinkClient) -> None:
    server.on("POST", EXPORT, json_reply({"exportId": "e1"}))
    assert client.nql.start_export("#" + "a" * 254) == "e1"


@pytest.mark.parametrize("parameters", [{"n": 1}, {"$kind": "laptop"}])
def test_parameters_are_text_without_dollar(
    server: Server, client: NexthinkClient, parameters: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="parameter"):
        client.nql.execute("#devices", parameters)
    assert server.seen == []


def test_execute_has_two_versions(client: NexthinkClient) -> None:
    with pytest.raises(UsageError, match="version 3"):
        client.nql.execute("#devices", version=3)


@pytest.mark.parametrize("compression", list(Compression))
def test_an_export_is_started_by_post(
    server: Server, client: NexthinkClient, compression: Compression
) -> None:
    server.on("POST", EXPORT, json_reply({"exportId": "e1"}))
    started = client.nql.start_export("#devices", {"a": "b"}, compression)
    assert (started, started.export_id, started.state) == ("e1", "e1", ExportState.SUBMITTED)
    assert loads(server.seen[-1].body) == {
        "queryId": "#devices",
        "parameters": {"a": "b"},
        "compression": compression.value,
    }


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "SUBMITTED"}, ExportStatus(state=ExportState.SUBMITTED)),
        (
            {"status": "IN_PROGRESS", "resultsFileUrl": None, "errorDescription": None, "new": 1},
            ExportStatus(state=ExportState.IN_PROGRESS),
        ),
        (
            {"status": "ERROR", "errorDescription": "bad"},
            ExportStatus(state=ExportState.ERROR, error_description="bad"),
        ),
        ({"status": "FAILED"}, ExportStatus(state=ExportState.ERROR)),
        ({"status": "Error"}, ExportStatus(state=ExportState.ERROR)),
        ({"status": "COMPLETE"}, ExportStatus(state=ExportState.COMPLETED)),
        ({"status": " completed "}, ExportStatus(state=ExportState.COMPLETED)),
        ({"status": "in progress"}, ExportStatus(state=ExportState.IN_PROGRESS)),
        ({"status": "InProgress"}, ExportStatus(state=ExportState.IN_PROGRESS)),
        (
            {"status": "Running"},
            ExportStatus(state=ExportState.IN_PROGRESS, unknown_word="Running"),
        ),
        (
            {"status": "MARK\x1b[2J" * 99},
            ExportStatus(state=ExportState.IN_PROGRESS, unknown_word="(not a word)"),
        ),
        (
            {"status": "COMPLETED", "resultsFileUrl": "https://s3/x?sig=1"},
            ExportStatus(state=ExportState.COMPLETED, results_url="https://s3/x?sig=1"),
        ),
    ],
)
def test_every_state_of_an_export_is_read(
    server: Server, client: NexthinkClient, answer: dict[str, Any], status: ExportStatus
) -> None:
    server.on("GET", STATUS, json_reply(answer), json_reply(answer, 206))
    assert client.nql.export_status("e1") == status
    assert client.nql.export_status("e1") == status.model_copy(update={"truncated": True})


def test_an_export_id_stays_inside_its_path(server: Server, client: NexthinkClient) -> None:
    with pytest.raises(UnknownExportError):
        client.nql.export_status("../../x?y#z")
    assert server.seen[-1].path == "/api/v1/nql/status/..%2F..%2Fx%3Fy%23z"
    for export_id in ("", ".", ".."):
        with pytest.raises(UsageError):
            client.nql.export_status(export_id)


def test_a_signed_url_and_rows_stay_out_of_reprs() -> None:
    status = ExportStatus(
        state=ExportState.ERROR, results_url="https://s3/x?MARK", error_description="MARK"
    )
    assert "MARK" not in repr(status) + str(status)


Call = Callable[[NexthinkClient], object]


def execute(client: NexthinkClient) -> object:
    return client.nql.execute("#devices")


def start_export(client: NexthinkClient) -> object:
    return client.nql.start_export("#devices")


def export_status(client: NexthinkClient) -> object:
    return client.nql.export_status("e1")


ROUTES = [(execute, "POST", V2), (start_export, "POST", EXPORT), (export_status, "GET", STATUS)]
ENVELOPE = {"message": "MARK-body", "code": 100, "source": "MARK-body"}


@pytest.mark.parametrize(("call", "method", "path"), ROUTES)
@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (json_reply(ENVELOPE, 403), AccessError, "NQL permission (code 100)"),
        (Reply(403), AccessError, "NQL permission:"),
        (json_reply({**ENVELOPE, "code": "MARK"}, 403), AccessError, "NQL permission:"),
        (Reply(429), LimitReachedError, "try again later"),
        (
            Reply(429, headers={"retry-after": "2026-11-23T00:00:00Z"}),
            LimitReachedError,
            "after 2026-11-23 00:00:00 UTC",
        ),
        (Reply(503, headers={"retry-after": "3600"}), LimitReachedError, "after 2026-11-22 13"),
        (json_reply(ENVELOPE, 500), UnavailableError, "is not working (code 100)"),
        (Reply(503), UnavailableError, "is not working"),
        (Reply(400, b"MARK-body"), DataRefusedError, "refuses the request"),
        (Reply(406), DataRefusedError, "refuses the request"),
        (Reply(408), UnavailableError, "try again later"),
        (Reply(301), UnavailableError, "does not answer as the API does"),
        (Reply(204), UnavailableError, "does not answer as the API does"),
        (Reply(200, b"<html>MARK-body</html>"), UnavailableError, "a proxy may answer"),
        (Reply(200, b'{"MARK-body": '), UnavailableError, "a proxy may answer"),
        (json_reply({"MARK-body": 1}), DataRefusedError, "shape this version does not know"),
        (json_reply(["MARK-body"]), DataRefusedError, "as a whole"),
        (Reply(reset=True), UnavailableError, "cannot reach 127.0.0.1"),
    ],
)
def test_a_failure_is_told_by_what_to_do(
    server: Server,
    client: NexthinkClient,
    call: Call,
    method: str,
    path: str,
    reply: Reply,
    kind: type[PipelineError],
    words: str,
) -> None:
    server.on(method, path, reply)
    with pytest.raises(kind) as caught:
        call(client)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "MARK" not in str(caught.value)
    assert caught.value.exchange
    assert (caught.value.exchange.method, caught.value.exchange.path) == (method, path)


@pytest.mark.parametrize("call", [execute, start_export])
def test_an_unknown_query_is_named_with_the_remedy(
    server: Server, client: NexthinkClient, call: Call
) -> None:
    for path in (V2, EXPORT):
        server.on("POST", path, json_reply(ENVELOPE, 404, x_request_id="r-7"))
    with pytest.raises(UnknownQueryError, match=r"#devices.*nxp nql queries '#devices'") as caught:
        call(client)
    assert "request id r-7" in str(caught.value)
    assert "MARK" not in str(caught.value)


def test_an_unknown_export_can_be_told_from_a_dead_tenant(
    server: Server, client: NexthinkClient
) -> None:
    server.on("GET", STATUS, Reply(404))
    with pytest.raises(UnknownExportError, match="export again"):
        client.nql.export_status("e1")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_export_is_never_started_twice_by_accident(
    server: Server, client: NexthinkClient, status: int
) -> None:
    server.on("POST", EXPORT, Reply(status), json_reply({"exportId": "e2"}))
    with pytest.raises(UnavailableError):
        client.nql.start_export("#devices")
    assert len(server.requests(EXPORT)) == 1


def test_execute_is_a_read_and_an_export_waits_for_its_turn(
    server: Server, client: NexthinkClient, clock: Clock
) -> None:
    server.on("POST", V2, *[Reply(500)] * (MAX_ATTEMPTS - 1), json_reply(ANSWER_V2))
    assert client.nql.execute("#devices").rows == 2
    clock.sleeps.clear()
    busy = Reply(429, headers={"retry-after": "7"})
    server.on("POST", EXPORT, busy, json_reply({"exportId": "e1"}))
    assert client.nql.start_export("#devices") == "e1"
    assert clock.sleeps == [7]


def test_a_daily_limit_says_when_to_come_back(
    server: Server, client: NexthinkClient, clock: Clock
) -> None:
    server.on("GET", STATUS, Reply(429, headers={"retry-after": "Mon, 23 Nov 2026 00:00:00 GMT"}))
    with pytest.raises(LimitReachedError) as caught:
        client.nql.export_status("e1")
    assert caught.value.not_before == datetime(2026, 11, 23, tzinfo=UTC)
    assert (clock.sleeps, clock.now) == ([], START)


@pytest.mark.parametrize(
    "change",
    [
        {"executionDateTime": {"year": 2023}},
        {"executionDateTime": {**ANSWER_V1["executionDateTime"], "month": 13}},
        {"executionDateTime": {**ANSWER_V1["executionDateTime"], "year": 10**30}},
        {"headers": ["a", "a"]},
        {"headers": ["a"]},
        {"rows": "2"},
        {"rows": -1},
        {"data": [{"a": 1}]},
        {"queryId": None},
    ],
)
def test_a_broken_v1_answer_is_refused(
    server: Server, client: NexthinkClient, change: dict[str, Any]
) -> None:
    server.on("POST", V1, json_reply({**ANSWER_V1, **change}))
    with pytest.raises(DataRefusedError, match="shape"):
        client.nql.execute("#devices", version=1)


@pytest.mark.parametrize(
    "change",
    [{"executionDateTime": "soon"}, {"data": [[1]]}, {"data": "x"}, {"rows": 1.5}],
)
def test_a_broken_v2_answer_is_refused(
    server: Server, client: NexthinkClient, change: dict[str, Any]
) -> None:
    server.on("POST", V2, json_reply({**ANSWER_V2, **change}))
    with pytest.raises(DataRefusedError, match="shape"):
        client.nql.execute("#devices")


@pytest.mark.parametrize(
    "answer",
    [
        {"status": None},
        {"status": 7},
        {},
        {"status": "COMPLETED", "resultsFileUrl": {"MARK": 1}},
    ],
)
def test_a_broken_status_is_refused(
    server: Server, client: NexthinkClient, answer: dict[str, Any]
) -> None:
    server.on("GET", STATUS, json_reply(answer))
    with pytest.raises(DataRefusedError, match="shape"):
        client.nql.export_status("e1")
