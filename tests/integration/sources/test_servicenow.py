"""ServiceNow as a source, with everything that makes its tables hard to read."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.clock import utc_now
from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    LimitReachedError,
    UnavailableError,
)
from connectors.sources import Completeness, Sources, load_connections
from connectors.sources.servicenow.source import ServiceNowSource
from connectors.sources.specification import ServiceNowSpecification
from sandbox.servicenow.options import ServiceNowOptions
from tests.sources import SECRET, ServiceNowKind, instance, opened, people, rows_of

COMPUTERS: dict[str, Any] = {
    "table": "cmdb_ci_computer",
    "fields": ["sys_id", "name", "install_status", "assigned_to", "assigned_to.email"],
    "key": [],
    "page_rows": 25,
}


@pytest.fixture(scope="module")
def served() -> Iterator[ServiceNowKind]:
    """An instance whose computers no test changes."""
    with instance(devices=120) as made:
        yield made


@pytest.fixture
def kind(served: ServiceNowKind) -> ServiceNowKind:
    return ServiceNowKind(served.tenant)


def ids(rows: list[dict[str, str | None]]) -> list[str | None]:
    return [row["sys_id"] for row in rows]


class Instance(httpx.BaseTransport):
    """An instance with tokens that live for a minute of its own clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, tzinfo=UTC)
        self.tokens: list[datetime] = []
        self.refused = 0
        self.revoked: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth_token.do":
            self.tokens.append(self.now)
            token = f"t{len(self.tokens)}"
            body = {"access_token": token, "token_type": "Bearer", "expires_in": 60}
            return httpx.Response(200, json=body)
        name = request.headers["authorization"].removeprefix("Bearer ")
        issued = self.tokens[int(name[1:]) - 1]
        if name in self.revoked or self.now >= issued + timedelta(seconds=60):
            self.refused += 1
            return httpx.Response(401)
        return answer([ROW])

    def open(self) -> ServiceNowSource:
        return behind(self, {"CLIENT_ID": "id", "CLIENT_SECRET": SECRET}, clock=lambda: self.now)


class Answers(httpx.BaseTransport):
    """An instance with prepared answers, one after the other; it repeats the last one."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def answer(rows: list[dict[str, Any]], total: int | None = None) -> httpx.Response:
    headers = {"x-total-count": str(len(rows) if total is None else total)}
    return httpx.Response(200, json={"result": rows}, headers=headers)


def behind(
    transport: httpx.BaseTransport, credential: dict[str, str], clock: Callable[[], datetime]
) -> ServiceNowSource:
    """Open a table behind a transport."""
    return _opened(transport, credential, {}, clock)


def answering(*answers: httpx.Response, **changes: Any) -> ServiceNowSource:
    """Open a table of an instance with these answers."""
    return _opened(Answers(*answers), {"USER": "reader", "PASSWORD": SECRET}, changes, utc_now)


def _opened(
    transport: httpx.BaseTransport,
    credential: dict[str, str],
    changes: dict[str, Any],
    clock: Callable[[], datetime],
) -> ServiceNowSource:
    stated = {"kind": "servicenow", "connection": "cmdb", "table": "people", "fields": ["name"]}
    sources = Sources.model_validate({"here": stated | {"incremental": False} | changes})
    environ = {"NXP_SOURCE_CMDB_URL": "https://company.service-now.com"}
    environ |= {f"NXP_SOURCE_CMDB_{name}": value for name, value in credential.items()}
    specification = sources.root["here"]
    assert isinstance(specification, ServiceNowSpecification)
    connection = load_connections(sources, environ)["cmdb"]
    return ServiceNowSource(
        "here", specification, connection, transport, clock, sleep=lambda _seconds: None
    )


def test_values_are_those_of_the_database_and_references_are_ids(kind: ServiceNowKind) -> None:
    truth = {row["sys_id"]: row for row in kind.truth("cmdb_ci_computer")}
    emails = {row["sys_id"]: row["email"] for row in kind.truth("sys_user")}
    fields = ["sys_id", "name", "ram", "virtual", "assigned_to", "assigned_to.email"]
    with opened(kind, **COMPUTERS | {"fields": [*fields, "last_discovered"]}) as source:
        rows = rows_of(source.pull())
    assert len(rows) == len(truth) > 25
    for row in rows:
        expected = truth[str(row["sys_id"])]
        email = emails.get(expected["assigned_to"], "")
        assert row == {n: expected[n] for n in row if "." not in n} | {"assigned_to.email": email}


def test_by_an_oauth_client(kind: ServiceNowKind) -> None:
    kind.environ = kind.oauth
    with opened(kind, **COMPUTERS) as source:
        assert len(rows_of(source.pull())) == len(kind.truth("cmdb_ci_computer"))


def test_a_wrong_oauth_client_is_refused(kind: ServiceNowKind) -> None:
    kind.environ = kind.oauth | {"NXP_SOURCE_CMDB_CLIENT_SECRET": SECRET}
    with opened(kind) as source, pytest.raises(AccessError, match="CLIENT_ID") as raised:
        source.check()
    assert SECRET not in str(raised.value)


def test_a_token_that_expires_in_the_middle_is_renewed() -> None:
    with instance(devices=120, token_ttl=0.3) as kind:
        kind.environ = kind.oauth
        with opened(kind, **COMPUTERS | {"page_rows": 40}) as source:
            pull = source.pull()
            rows = []
            for batch in pull:
                rows += batch.to_pylist()
                time.sleep(0.35)
        assert len(rows) == len(kind.truth("cmdb_ci_computer"))
        assert kind.tenant.requests["servicenow_token"] > 2


def test_a_token_is_renewed_before_its_end() -> None:
    served = Instance()
    with served.open() as source:
        source.check()
        served.now += timedelta(seconds=47)
        source.check()
        assert len(served.tokens) == 1
        served.now += timedelta(seconds=2)
        source.check()
    assert len(served.tokens) == 2
    assert served.refused == 0


def test_a_token_that_is_refused_before_its_end_is_renewed_once() -> None:
    served = Instance()
    with served.open() as source:
        source.check()
        served.revoked = {"t1"}
        source.check()
        assert served.refused == 1
        served.revoked = {"t2", "t3"}
        with pytest.raises(AccessError, match="refuses the credential"):
            source.check()
    assert len(served.tokens) == 3


def test_hidden_rows_do_not_end_a_pull_and_take_its_completeness_away() -> None:
    with instance(devices=120, hidden_share=0.6) as kind:
        truth = {row["sys_id"] for row in kind.truth("cmdb_ci_computer")}
        visible = {key for key in truth if not kind.tenant.servicenow.is_hidden(key)}
        assert 0 < len(visible) < len(truth)
        # With two rows per page many pages are empty, often several in a row.
        for page_rows in (2, 25, 10_000):
            with opened(kind, **COMPUTERS | {"page_rows": page_rows}) as source:
                pull = source.pull()
                read = ids(rows_of(pull))
                assert Counter(read) == Counter(visible)
                assert pull.outcome.completeness is Completeness.VISIBLE


def test_a_key_scan_of_hidden_rows_is_an_error() -> None:
    with (
        instance(devices=60, hidden_share=0.2) as kind,
        opened(kind, **COMPUTERS) as source,
        pytest.raises(DataRefusedError, match="access rules hide about"),
    ):
        rows_of(source.keys())


def test_where_all_rows_are_hidden_nothing_is_read() -> None:
    with (
        instance(devices=20, hidden_share=1.0) as kind,
        opened(kind, **COMPUTERS) as source,
        pytest.raises(AccessError, match="hide all"),
    ):
        source.pull()


def test_a_denied_table_is_told() -> None:
    with (
        instance(denied_tables=("sys_user",)) as kind,
        opened(kind, table="sys_user", fields=["name"], key=[]) as source,
        pytest.raises(AccessError, match="may not read the table sys_user"),
    ):
        source.check()


def test_an_unknown_table_is_told(kind: ServiceNowKind) -> None:
    with (
        opened(kind, table="nowhere") as source,
        pytest.raises(ConfigurationError, match="nowhere"),
    ):
        source.check()


def test_rows_that_change_while_they_are_paged_are_neither_lost_nor_repeated() -> None:
    with instance(devices=200, change_every=1, change_rows=30) as kind:
        before = {row["sys_id"] for row in kind.truth("cmdb_ci_computer")}
        with opened(kind, **COMPUTERS) as source:
            pull = source.pull()
            read = ids(rows_of(pull))
        stayed = before & {row["sys_id"] for row in kind.truth("cmdb_ci_computer")}
        assert len(read) == len(set(read))
        assert stayed <= set(read)
        assert pull.outcome.completeness is Completeness.COMPLETE


def test_deletes_are_found_by_a_key_scan_alone() -> None:
    with instance(devices=60) as kind, opened(kind, **COMPUTERS) as source:
        first = source.pull()
        known = set(ids(rows_of(first)))
        gone = set(kind.tenant.servicenow.mutate(deletes=3).deleted)
        changes = source.pull(first.outcome.cursor)
        assert not gone & set(ids(rows_of(changes)))
        assert changes.outcome.completeness is Completeness.CHANGES
        assert known - set(ids(rows_of(source.keys()))) == gone


def test_a_cursor_that_is_fed_back_misses_nothing_and_repeats_nothing() -> None:
    """A copy kept only by increments equals the table, except for deleted rows."""
    with instance(devices=120) as kind, opened(kind, **COMPUTERS) as source:
        pull = source.pull()
        copy = {row["sys_id"]: row for row in rows_of(pull)}
        cursor, gone = pull.outcome.cursor, set[str]()
        for turn in range(6):
            changed = kind.tenant.servicenow.mutate(updates=5 * (turn % 3), inserts=turn, deletes=1)
            gone |= set(changed.deleted)
            pull = source.pull(cursor)
            rows = rows_of(pull)
            # Unchanged rows of the overlap do not come again.
            assert set(ids(rows)) <= {*changed.updated, *changed.inserted}
            assert set(changed.inserted) <= set(ids(rows))
            copy |= {row["sys_id"]: row for row in rows}
            cursor = pull.outcome.cursor
        assert rows_of(source.pull(cursor)) == []
        truth = rows_of(source.pull())
        assert {key: row for key, row in copy.items() if key not in gone} == {
            row["sys_id"]: row for row in truth
        }


def test_rows_that_change_during_an_increment_come_with_the_next() -> None:
    with instance(devices=200, change_every=3, change_rows=40) as kind:
        with opened(kind, **COMPUTERS | {"page_rows": 10}) as source:
            pull = source.pull()
            copy = {row["sys_id"]: row for row in rows_of(pull)}
            for _ in range(4):
                pull = source.pull(pull.outcome.cursor)
                rows = rows_of(pull)
                assert len(set(ids(rows))) == len(rows)
                copy |= {row["sys_id"]: row for row in rows}
            kind.tenant.servicenow.options = _quiet(kind)
            pull = source.pull(pull.outcome.cursor)
            copy |= {row["sys_id"]: row for row in rows_of(pull)}
            truth = {row["sys_id"]: row for row in rows_of(source.pull())}
        assert {key: copy[key] for key in truth} == truth


def test_a_change_that_is_committed_late_is_not_missed() -> None:
    with instance(devices=60) as kind, opened(kind, **COMPUTERS) as source:
        now = datetime.now(UTC)
        kind.change(now, updates=1)
        pull = source.pull()
        rows_of(pull)
        late = kind.change(now - timedelta(minutes=9), inserts=3).inserted
        changes = source.pull(pull.outcome.cursor)
        assert set(ids(rows_of(changes))) == set(late)
        assert rows_of(source.pull(changes.outcome.cursor)) == []


def test_an_increment_ends_at_the_moment_that_was_the_newest_when_it_began() -> None:
    with instance(devices=60) as kind, opened(kind, **COMPUTERS | {"page_rows": 5}) as source:
        now = datetime.now(UTC)
        first = source.pull()
        rows_of(first)
        kind.change(now, updates=30)
        pull = source.pull(first.outcome.cursor)
        batches = iter(pull)
        read = set(ids(next(batches).to_pylist()))
        changed = kind.change(now + timedelta(minutes=1), updates=50).updated
        for batch in batches:
            read |= set(ids(batch.to_pylist()))
        missed = set(ids(rows_of(source.pull(pull.outcome.cursor))))
        assert missed >= set(changed)
        assert not read >= set(changed)


def test_a_cursor_that_is_damaged_or_in_the_future_is_none() -> None:
    with instance(devices=20) as kind, opened(kind, **COMPUTERS) as source:
        first = source.pull()
        count = len(rows_of(first))
        kept = json.loads(first.outcome.cursor or "")
        for until, said in (("soon", "is damaged"), ("2999-01-01 00:00:00", "is later than every")):
            pull = source.pull(json.dumps(kept | {"until": until}))
            assert len(rows_of(pull)) == count
            assert (pull.outcome.unusable or "").startswith(said)
            assert rows_of(source.pull(pull.outcome.cursor)) == []


def _quiet(kind: ServiceNowKind) -> ServiceNowOptions:
    return replace(kind.tenant.servicenow.options, change_every=0)


def test_a_cursor_of_another_specification_leads_to_a_full_pull(kind: ServiceNowKind) -> None:
    with opened(kind, **COMPUTERS) as source:
        pull = source.pull()
        height = len(rows_of(pull))
    with opened(kind, **COMPUTERS | {"fields": ["sys_id", "serial_number"]}) as source:
        other = source.pull(pull.outcome.cursor)
        assert len(rows_of(other)) == height
        assert other.outcome.completeness is Completeness.COMPLETE
        for broken in ("", "x", "{}", json.dumps({"of": 1, "until": 2, "known": 3})):
            assert len(rows_of(source.pull(broken))) == height
    with opened(kind, **COMPUTERS | {"page_rows": 99, "overlap": "1h"}) as source:
        assert source.pull(pull.outcome.cursor).schema.names[0] == "sys_id"
        assert len(rows_of(source.pull(pull.outcome.cursor))) < height


def test_a_cursor_holds_no_value_of_a_row(kind: ServiceNowKind) -> None:
    kind.fill([{"id": "1", "name": "Marked Person", "description": "marked@example.com"}])
    with opened(kind) as source:
        pull = source.pull()
        rows_of(pull)
    assert pull.outcome.cursor
    assert "arked" not in pull.outcome.cursor


def test_the_query_limits_the_rows(kind: ServiceNowKind) -> None:
    truth = kind.truth("cmdb_ci_computer")
    with opened(kind, **COMPUTERS, query="install_status=7^ORinstall_status=3") as source:
        read = ids(rows_of(source.pull()))
        keys = ids(rows_of(source.keys()))
    expected = {row["sys_id"] for row in truth if row["install_status"] in {"3", "7"}}
    assert expected
    assert set(read) == set(keys) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("instal_status=7", "no such fields.*instal_status"),
        ("install_status=7^assigned_to.bogus=x", "no such fields.*assigned_to.bogus"),
        ("install_statusEQUALS7", "ignores.*install_status"),
        ("install_status=7^last_discovered>yesterday", "ignores.*last_discovered"),
        ("install_status=7^ORlast_discovered>javascript:gs.dayAgo(1)", "ignores.*last_disc"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_condition_that_the_instance_ignores_is_an_error(
    query: str, named: str, strict: bool
) -> None:
    with (
        instance(devices=20, invalid_query_returns_no_rows=strict) as kind,
        opened(kind, **COMPUTERS, query=query) as source,
        pytest.raises(ConfigurationError, match=named) as raised,
    ):
        source.pull()
    assert "yesterday" not in str(raised.value)


def test_a_good_query_that_finds_nothing_is_no_error(kind: ServiceNowKind) -> None:
    for query in ("name=nobody", "last_discovered>2999-01-01 00:00:00", "nameLIKEzzz^ORram=1"):
        with opened(kind, **COMPUTERS, query=query) as source:
            assert rows_of(source.pull()) == []


def test_too_many_requests_are_waited_out() -> None:
    with instance(devices=60, rate_limit=4, rate_window=1.0) as kind:
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            time.sleep(seconds)

        kind.sleep = wait
        # So many requests that more than four fall into some second, even on a slow machine.
        with opened(kind, **COMPUTERS | {"page_rows": 3}) as source:
            assert len(rows_of(source.pull())) == len(kind.truth("cmdb_ci_computer"))
        assert waits


def test_a_limit_of_an_hour_is_told_with_its_end() -> None:
    with instance(rate_limit=1, rate_window=1_000_000.0) as kind, opened(kind) as source:
        with pytest.raises(LimitReachedError) as raised:
            rows_of(source.pull())
        assert raised.value.not_before is not None


def test_the_credential_of_another_system_is_not_sent(kind: ServiceNowKind) -> None:
    with opened(kind) as source:
        source.check()
    assert not kind.tenant.leaks


ROW = {"sys_id": "a" * 32, "name": "n"}


def test_an_answer_that_was_cut_short_is_no_answer() -> None:
    """An instance that runs out of time adds an error to what it has sent with status 200."""
    failure = '"error":{"message":"cancelled","detail":"x"},"status": "failure"'
    for body in (f'{{"result":[],{failure}}}', f'{{"result":[{{"sys_id":"a"}},{failure}}}'):
        cut = httpx.Response(200, content=body, headers={"x-total-count": "1"})
        with pytest.raises(UnavailableError, match="page_rows"):
            answering(cut).pull()
    with answering(answer([ROW]), answer([ROW], 9), cut) as source:
        pull = source.pull()
        with pytest.raises(UnavailableError, match="page_rows"):
            rows_of(pull)
        with pytest.raises(RuntimeError):
            _ = pull.outcome


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (httpx.Response(200, html="<html>hibernating</html>"), "JSON"),
        (httpx.Response(200, json={"result": [ROW]}), "X-Total-Count"),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), "try again"),
        (httpx.Response(202), "try again"),
    ],
)
def test_what_is_no_answer_of_the_table_api_is_told(reply: httpx.Response, told: str) -> None:
    with answering(reply) as source, pytest.raises(UnavailableError, match=told):
        source.pull()


def test_a_field_that_is_missing_in_some_rows_is_told() -> None:
    rows = [ROW, {"sys_id": "b" * 32}]
    with answering(answer(rows)) as source, pytest.raises(AccessError, match="lack name"):
        rows_of(source.pull())


@pytest.mark.parametrize(
    "second",
    [
        [ROW],
        [{"sys_id": "c" * 32, "name": ""}, {"sys_id": "b" * 32, "name": ""}],
        [{"sys_id": "0" * 32, "name": ""}],
    ],
)
def test_an_instance_that_ignores_the_place_or_the_order_is_told(
    second: list[dict[str, Any]],
) -> None:
    pages = (answer([ROW]), answer([ROW], 3), answer(second, 2), answer([]))
    with answering(*pages, page_rows=1) as source:
        pull = source.pull()
        with pytest.raises(DataRefusedError, match="ignores"):
            rows_of(pull)


def test_a_row_that_goes_between_counting_and_reading_is_not_taken_for_hidden() -> None:
    with answering(answer([ROW]), answer([], 1), answer([])) as source:
        pull = source.keys()
        assert rows_of(pull) == []
        assert pull.outcome.completeness is Completeness.COMPLETE


def test_half_an_emoji_does_not_stop_a_pull() -> None:
    cut = httpx.Response(
        200,
        content=b'{"result":[{"sys_id":"a","name":"x\\ud83d"}]}',
        headers={"x-total-count": "1"},
    )
    with answering(cut) as source:
        assert rows_of(source.pull()) == [{"name": "x\N{REPLACEMENT CHARACTER}"}]


def test_pages_are_asked_for_one_after_the_other(kind: ServiceNowKind) -> None:
    kind.fill(people(500))
    with opened(kind, page_rows=50) as source:
        batches = iter(source.pull())
        next(batches)
        before = kind.requests
        next(batches)
        assert kind.requests == before + 1
        assert sum(batch.num_rows for batch in batches) == 400
