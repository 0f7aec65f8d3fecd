"""Values in the tenant's answers are checked before anything keeps them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.catalogue import Column, DatasetSpecification, Mode
from connectors.errors import DataRefusedError, PipelineError, UnknownOutcomeError
from connectors.ledger import open_ledger
from connectors.nexthink.acting.requests import CampaignRequest, RemoteActionRequest
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.download import MAX_REDIRECTS
from tasks.act.readback import answers_of
from tasks.exports.export import begin_or_attach
from tasks.exports.request import Request
from tasks.runs.tools import Tools
from tests.unit.connectors.results import STATUS
from tests.unit.connectors.servers import TOKEN_PATH, Clock, Server, json_reply, token_reply

EXPORT = "/api/v1/nql/export"
ACT = "/api/v1/act/execute"
DEVICE = "12345678-1234-1234-1234-123456789012"
BAD_IDS = ["", ".", "..", "a b", "a\n", "\x1b[2J", "é", "\0", "x" * 256, "x" * 1_000_000, 7, None]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_a_bad_export_id_is_refused_and_not_journalled(
    server: Server, client: NexthinkClient, clock: Clock, tmp_path: Path, bad: Any
) -> None:
    server.on("POST", EXPORT, json_reply({"exportId": bad}))
    asked = {"dataset": "things", "query_id": "#things", "mode": Mode.SNAPSHOT}
    specification = DatasetSpecification.model_validate(asked | {"columns": [Column(nql="any")]})
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu", clock) as ledger:
        tools = Tools(client, ledger, clock, clock.sleep)
        with pytest.raises(DataRefusedError, match="exportId") as caught:
            begin_or_attach(tools, specification, Request("things", "u", "#things", {}, "ZSTD"))
        assert ledger.journal.count("things") == 0
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("good", [DEVICE, "e1", "a.b", "x" * 255, "MjAyNg==/+"])
def test_ids_of_any_usual_form_are_taken(server: Server, client: NexthinkClient, good: str) -> None:
    server.on("POST", EXPORT, json_reply({"exportId": good}))
    assert client.nql.start_export("#things") == good


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "COMPLETED", "resultsFileUrl": "https://h/" + "x" * 9_000},
        {"status": "COMPLETED", "resultsFileUrl": "https://h/a b"},
        {"status": "COMPLETED", "resultsFileUrl": "https://h/\x1b[2J"},
        {"status": "COMPLETED", "resultsFileUrl": 7},
    ],
)
def test_a_bad_status_is_one_short_error(
    server: Server, client: NexthinkClient, answer: Any
) -> None:
    server.on("GET", STATUS, json_reply(answer))
    with pytest.raises(DataRefusedError, match=r"status|resultsFileUrl") as caught:
        client.nql.export_status("e1")
    assert len(str(caught.value)) < 300
    assert "\x1b" not in str(caught.value)


def test_a_long_description_is_cut(server: Server, client: NexthinkClient) -> None:
    server.on("GET", STATUS, json_reply({"status": "ERROR", "errorDescription": "x" * 999_999}))
    assert len(client.nql.export_status("e1").error_description or "") == 1_000


@pytest.mark.parametrize("rows", [-1, 10**13, 10**30, 1.5, "1"])
def test_a_bad_number_of_rows_is_refused(server: Server, client: NexthinkClient, rows: Any) -> None:
    answer = {"queryId": "#q", "executedQuery": "q", "rows": rows, "data": []}
    answer["executionDateTime"] = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    server.on("POST", "/api/v2/nql/execute", json_reply(answer))
    with pytest.raises(DataRefusedError, match="rows"):
        client.nql.execute("#query")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_after_an_accepted_action_a_bad_id_leaves_its_outcome_unknown(
    server: Server, client: NexthinkClient, bad: Any
) -> None:
    server.on("POST", ACT, json_reply({"requestId": bad}))
    with pytest.raises(UnknownOutcomeError) as caught:
        client.remote_actions.execute(RemoteActionRequest("#restart", (DEVICE,)))
    assert len(str(caught.value)) < 400


def test_a_bad_id_of_one_user_leaves_the_outcome_unknown(
    server: Server, client: NexthinkClient
) -> None:
    users = [{"userSid": "S-1-5-21-1", "requestId": "x" * 999}]
    server.on("POST", "/api/v1/euf/campaign/trigger", json_reply({"requests": users}))
    with pytest.raises(UnknownOutcomeError):
        client.campaigns.trigger(CampaignRequest("#hello", ("S-1-5-21-1",), 60))


@pytest.mark.parametrize("minutes", [-1, 10**9, "soon", 1.5])
def test_an_odd_expiry_does_not_hide_that_the_action_was_accepted(
    server: Server, client: NexthinkClient, minutes: Any
) -> None:
    server.on("POST", ACT, json_reply({"requestId": "r1", "expiresInMinutes": minutes}))
    answer = client.remote_actions.execute(RemoteActionRequest("#restart", (DEVICE,)))
    assert (answer.request_id, answer.expires_in_minutes) == ("r1", None)


def test_a_token_longer_than_a_header_is_refused(server: Server, client: NexthinkClient) -> None:
    server.on("POST", TOKEN_PATH, token_reply("x" * 100_000))
    with pytest.raises(PipelineError, match="access_token") as caught:
        client.authenticate()
    assert len(str(caught.value)) < 300


def test_answers_nested_without_end_are_one_text() -> None:
    text = "[" * 100_000
    assert answers_of(text) == [("", text)]


def test_redirects_have_a_ceiling() -> None:
    assert MAX_REDIRECTS < 10
