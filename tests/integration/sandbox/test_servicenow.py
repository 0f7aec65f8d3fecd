"""The ServiceNow instance over TCP, read by plain httpx instead of our own client."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.servicenow.options import ServiceNowOptions
from sandbox.tenant import Tenant

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
COMPUTERS = "/api/now/v2/table/cmdb_ci_computer"
USERS = "/api/now/v2/table/sys_user"
# The sandbox has no TLS, and reading certificates takes longer than its answers.
PLAIN: dict[str, Any] = {"trust_env": False, "verify": False}

Answer = dict[str, Any]


@contextmanager
def served(**changed: object) -> Iterator[tuple[Tenant, httpx.Client]]:
    options = SandboxOptions(
        queries=Path("unused"),
        now=NOW,
        devices=300,
        servicenow=ServiceNowOptions(**changed),  # type: ignore[arg-type]
    )
    with running(options) as tenant:
        described = tenant.describe()
        credential = (str(described["servicenow_user"]), str(described["servicenow_password"]))
        base = str(described["servicenow_url"])
        with httpx.Client(base_url=base, auth=credential, **PLAIN) as client:
            yield tenant, client


@pytest.fixture(scope="module")
def instance() -> Iterator[tuple[Tenant, httpx.Client]]:
    """An instance that no test changes."""
    with served() as both:
        yield both


@pytest.fixture
def client(instance: tuple[Tenant, httpx.Client]) -> httpx.Client:
    return instance[1]


@pytest.fixture
def tenant(instance: tuple[Tenant, httpx.Client]) -> Tenant:
    return instance[0]


def rows(client: httpx.Client, address: str, **asked: object) -> list[Answer]:
    answer = client.get(address, params={f"sysparm_{k}": str(v) for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["result"])


def keyset(
    client: httpx.Client, address: str, size: int, between: Callable[[], None] | None = None
) -> list[str]:
    """Page by the last id read."""
    found: list[str] = []
    last = ""
    while True:
        query = f"sys_id>{last}^ORDERBYsys_id"
        asked = {"sysparm_query": query, "sysparm_limit": str(size), "sysparm_fields": "sys_id"}
        answer = client.get(address, params=asked)
        keys = [row["sys_id"] for row in answer.json()["result"]]
        if not keys:
            return found
        found += keys
        last = keys[-1]
        if between:
            between()


def offsets(
    client: httpx.Client,
    address: str,
    size: int,
    between: Callable[[], None] | None = None,
    query: str = "",
) -> list[str]:
    """Follow the next links."""
    found: list[str] = []
    asked = {"sysparm_limit": str(size), "sysparm_fields": "sys_id", "sysparm_query": query}
    answer = client.get(address, params=asked)
    while True:
        found += [row["sys_id"] for row in answer.json()["result"]]
        if "next" not in answer.links:
            return found
        if between:
            between()
        answer = client.get(answer.links["next"]["url"])


def test_values_are_texts_and_references_are_objects(client: httpx.Client, tenant: Tenant) -> None:
    (row,) = rows(client, COMPUTERS, query="assigned_toISNOTEMPTY^assetISNOTEMPTY", limit=1)
    assert set(row) == set(tenant.servicenow.frame("cmdb_ci_computer").columns)
    link = row.pop("assigned_to")
    assert set(link) == {"link", "value"}
    assert link["link"] == f"{tenant.servicenow.url}{USERS}/{link['value']}"
    assert all(isinstance(row[name], str) for name in ("name", "ram", "virtual", "sys_updated_on"))
    assert client.get(row["asset"]["link"]).json()["result"]["ci"]["value"] == row["sys_id"]
    (empty,) = rows(client, COMPUTERS, query="assigned_toISEMPTY", limit=1)
    assert empty["assigned_to"] == ""


def test_display_values(client: httpx.Client) -> None:
    asked = {
        "query": "assigned_to.nameISNOTEMPTY^ORDERBYsys_id",
        "limit": 1,
        "fields": "sys_id,install_status,ram,cost,assigned_to,assigned_to.name,sys_updated_on",
    }
    (value,) = rows(client, COMPUTERS, **asked)
    (shown,) = rows(client, COMPUTERS, display_value="true", **asked)
    (both,) = rows(client, COMPUTERS, display_value="all", **asked)
    (bare,) = rows(client, COMPUTERS, display_value="all", exclude_reference_link="true", **asked)
    assert shown["install_status"] == {"1": "Installed", "7": "Retired"}[value["install_status"]]
    assert shown["ram"] == f"{int(value['ram']):,}"
    # The reader is in Zürich, the value in UTC.
    assert shown["sys_updated_on"] != value["sys_updated_on"]
    assert both["sys_updated_on"] == {
        "display_value": shown["sys_updated_on"],
        "value": value["sys_updated_on"],
    }
    assert shown["assigned_to"]["display_value"] == value["assigned_to.name"]
    assert both["assigned_to"] == {**shown["assigned_to"], **value["assigned_to"]}
    assert set(bare["assigned_to"]) == {"display_value", "value"}
    (plain,) = rows(client, COMPUTERS, exclude_reference_link="true", **asked)
    assert plain["assigned_to"] == value["assigned_to"]["value"]


def test_unknown_fields_are_dropped_without_a_word(client: httpx.Client) -> None:
    (row,) = rows(client, COMPUTERS, fields="sys_id, name,nmae,assigned_to.bogus", limit=1)
    assert list(row) == ["sys_id", "name"]
    assert rows(client, COMPUTERS, fields="nmae", limit=2) == [{}, {}]


def test_a_misspelt_watermark_is_a_full_pull(client: httpx.Client, tenant: Tenant) -> None:
    everything = tenant.servicenow.frame("cmdb_ci_computer").height
    fresh = rows(client, COMPUTERS, query="sys_updated_on>2026-11-19 12:00:00")
    wrong = rows(client, COMPUTERS, query="sys_updatd_on>2026-11-19 12:00:00")
    assert 0 < len(fresh) < everything == len(wrong)


def test_the_reader_has_an_account_and_can_ask_for_it(client: httpx.Client) -> None:
    (row,) = rows(client, USERS, query="sys_id=javascript:gs.getUserID()")
    assert row["user_name"] == "svc.reader"


def test_pages_are_linked_and_counted(client: httpx.Client, tenant: Tenant) -> None:
    height = tenant.servicenow.frame("cmdb_ci_computer").height
    asked = {"sysparm_limit": "100", "sysparm_query": "nameLIKE-^ORDERBYsys_id"}
    first = client.get(COMPUTERS, params=asked)
    assert first.headers["x-total-count"] == str(height)
    assert set(first.links) == {"first", "next", "last"}
    second = client.get(first.links["next"]["url"])
    assert set(second.links) == {"first", "prev", "next", "last"}
    last = client.get(first.links["last"]["url"])
    assert "next" not in last.links
    assert len(last.json()["result"]) == (height % 100 or 100)
    silent = client.get(
        COMPUTERS,
        params=asked | {"sysparm_no_count": "true", "sysparm_suppress_pagination_header": "true"},
    )
    assert "x-total-count" not in silent.headers
    assert "link" not in silent.headers
    whole = client.get(COMPUTERS)
    assert "link" not in whole.headers
    assert len(whole.json()["result"]) == height


def test_no_match_is_empty_in_v2_and_missing_in_v1(client: httpx.Client) -> None:
    asked = {"sysparm_query": "name=nobody"}
    for address in (COMPUTERS, "/api/now/table/cmdb_ci_computer"):
        answer = client.get(address, params=asked)
        assert (answer.status_code, answer.json()) == (200, {"result": []})
    old = client.get("/api/now/v1/table/cmdb_ci_computer", params=asked)
    assert old.status_code == 404
    assert old.json()["status"] == "failure"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{COMPUTERS}/{'0' * 32}", 404),
        ("GET", "/api/now/v2/table/no_such_table", 400),
        ("GET", "/api/now/v3/table/sys_user", 400),
        ("GET", "/api/now/stats/sys_user", 400),
        ("DELETE", USERS, 405),
        ("POST", USERS, 405),
    ],
)
def test_refusals_have_the_error_envelope(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    body = answer.json()
    assert body["status"] == "failure"
    assert set(body["error"]) == {"message", "detail"}


@pytest.mark.parametrize("header", [None, "Basic bm9ib2R5Ong=", "Bearer x", "Basic ?", "Digest x"])
def test_strangers_are_refused(client: httpx.Client, header: str | None) -> None:
    headers = {"authorization": header} if header else {}
    answer = httpx.get(client.base_url.join(USERS), headers=headers, **PLAIN)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "User Not Authenticated"
    assert answer.headers["www-authenticate"].startswith("BASIC")


def ask_token(tenant: Tenant, **form: str) -> httpx.Response:
    described = tenant.servicenow.describe()
    client = {
        "client_id": described["servicenow_client_id"],
        "client_secret": described["servicenow_client_secret"],
    }
    url = f"{tenant.servicenow.url}/oauth_token.do"
    return httpx.post(url, data=client | form, **PLAIN)


def test_tokens_open_the_tables_until_they_expire() -> None:
    with served(token_ttl=2.0) as (tenant, _):
        described = tenant.servicenow.describe()
        person = {
            "username": described["servicenow_user"],
            "password": described["servicenow_password"],
        }
        body = ask_token(tenant, grant_type="password", **person).json()
        assert {"token_type": "Bearer", "scope": "useraccount"}.items() <= body.items()
        headers = {"authorization": f"Bearer {body['access_token']}"}
        url = f"{tenant.servicenow.url}{USERS}"
        asked = {"sysparm_limit": "1"}
        assert httpx.get(url, params=asked, headers=headers, **PLAIN).status_code == 200
        # While a token is valid, the same one is returned.
        again = ask_token(tenant, grant_type="password", **person).json()
        while again["access_token"] == body["access_token"]:
            time.sleep(0.1)
            again = ask_token(
                tenant, grant_type="refresh_token", refresh_token=body["refresh_token"]
            ).json()
        assert httpx.get(url, params=asked, headers=headers, **PLAIN).status_code == 401


def test_grants_are_refused_alike(tenant: Tenant) -> None:
    machine = ask_token(tenant, grant_type="client_credentials")
    assert machine.status_code == 200
    assert "refresh_token" not in machine.json()
    for form in (
        {"grant_type": "password", "username": "x", "password": "y"},
        {"grant_type": "refresh_token", "refresh_token": "x"},
        {"grant_type": "implicit"},
        {"grant_type": "client_credentials", "client_secret": "x"},
        {},
    ):
        refused = ask_token(tenant, **form)
        assert refused.status_code == 401
        assert refused.json() == {"error": "server_error", "error_description": "access_denied"}
    as_json = httpx.post(
        f"{tenant.servicenow.url}/oauth_token.do",
        json={"grant_type": "client_credentials"},
        **PLAIN,
    )
    assert as_json.status_code == 401


def test_hidden_rows_shorten_pages_after_the_limit() -> None:
    with served(hidden_share=0.4) as (tenant, client):
        truth = tenant.servicenow.frame("cmdb_ci_computer")["sys_id"].to_list()
        visible = [key for key in truth if not tenant.servicenow.is_hidden(key)]
        assert 0 < len(visible) < len(truth)
        answer = client.get(COMPUTERS, params={"sysparm_limit": "50", "sysparm_fields": "sys_id"})
        assert 0 < len(answer.json()["result"]) < 50
        assert answer.headers["x-total-count"] == str(len(truth))
        assert sorted(offsets(client, COMPUTERS, 50)) == visible
        # With one row per page some pages are empty, and a client that stops there loses the rest.
        pages = [
            rows(client, COMPUTERS, limit=1, offset=n, query="ORDERBYsys_id", fields="sys_id")
            for n in range(20)
        ]
        assert [] in pages
        assert any(pages[pages.index([]) :])
        hidden = next(key for key in truth if key not in visible)
        assert client.get(f"{COMPUTERS}/{hidden}").status_code == 404


def test_a_denied_table_is_403() -> None:
    with served(denied_tables=("sys_user",)) as (_, client):
        answer = client.get(USERS)
        assert answer.status_code == 403
        assert answer.json()["status"] == "failure"
        assert client.get(COMPUTERS, params={"sysparm_limit": "1"}).status_code == 200


def test_too_many_requests_are_told_how_long_to_wait() -> None:
    with served(rate_limit=2, rate_window=3600.0) as (_, client):
        asked = {"sysparm_limit": "1"}
        answers = [client.get(USERS, params=asked) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].headers["x-ratelimit-limit"] == "2"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 3600
        assert answers[2].json()["status"] == "failure"
        assert "retry-after" not in answers[0].headers


def test_the_limit_ends_with_its_window() -> None:
    with served(rate_limit=1, rate_window=1.0) as (_, client):
        asked = {"sysparm_limit": "1"}
        codes = {client.get(USERS, params=asked).status_code for _ in range(5)}
        assert 429 in codes
        while client.get(USERS, params=asked).status_code == 429:
            continue


def test_offsets_lose_and_repeat_rows_that_change_and_keysets_do_not() -> None:
    with served() as (tenant, client):
        instance = tenant.servicenow
        there = set(instance.frame("cmdb_ci_computer")["sys_id"])

        def change() -> None:
            instance.mutate(updates=20, inserts=3, deletes=3)

        paged = Counter(offsets(client, COMPUTERS, 40, change))
        stayed = there & set(instance.frame("cmdb_ci_computer")["sys_id"])
        assert stayed - set(paged)
        assert max(paged.values()) > 1

        there = set(instance.frame("cmdb_ci_computer")["sys_id"])
        read = keyset(client, COMPUTERS, 40, change)
        stayed = there & set(instance.frame("cmdb_ci_computer")["sys_id"])
        assert len(read) == len(set(read))
        assert stayed <= set(read)


def test_updates_alone_shift_rows_without_an_order_and_not_with_one() -> None:
    with served() as (tenant, client):

        def change() -> None:
            tenant.servicenow.mutate(updates=30)

        everything = set(tenant.servicenow.frame("cmdb_ci_computer")["sys_id"])
        assert set(offsets(client, COMPUTERS, 50, change)) < everything
        ordered = offsets(client, COMPUTERS, 50, change, query="ORDERBYsys_id")
        assert Counter(ordered) == Counter(everything)


def test_an_incremental_pull_with_an_overlap_sees_every_change() -> None:
    with served() as (tenant, client):
        known = {row["sys_id"]: row for row in rows(client, COMPUTERS)}
        tenant.servicenow.mutate(updates=5, inserts=2, deletes=1)
        newer = "sys_updated_on>=2026-11-20 12:00:00^ORDERBYsys_updated_on^ORDERBYsys_id"
        for row in rows(client, COMPUTERS, query=newer):
            known[row["sys_id"]] = row
        truth = {row["sys_id"]: row for row in rows(client, COMPUTERS)}
        gone = known.keys() - truth.keys()
        # Deleted rows do not show in any increment.
        assert len(gone) == 1
        assert {key: row for key, row in known.items() if key not in gone} == truth


def test_rows_change_by_themselves_when_told_to() -> None:
    with served(change_every=2, change_rows=10) as (tenant, client):
        before = tenant.servicenow.frame("cmdb_ci_computer")
        rows(client, COMPUTERS, limit=1)
        assert tenant.servicenow.frame("cmdb_ci_computer").equals(before)
        rows(client, COMPUTERS, limit=1)
        assert not tenant.servicenow.frame("cmdb_ci_computer").equals(before)


def test_a_strict_instance_finds_nothing_for_an_invalid_query() -> None:
    with served(invalid_query_returns_no_rows=True) as (_, client):
        assert rows(client, COMPUTERS, query="sys_updatd_on>2026-11-19 12:00:00") == []
        assert rows(client, COMPUTERS, query="sys_updated_on>2026-11-19 12:00:00")


def test_many_read_at_once_while_rows_change() -> None:
    with served() as (tenant, client), ThreadPoolExecutor(4) as pool:
        there = set(tenant.servicenow.frame("sys_user")["sys_id"])
        reads = [pool.submit(keyset, client, USERS, 30) for _ in range(4)]
        for _ in range(10):
            tenant.servicenow.mutate("sys_user", updates=10, inserts=1, deletes=1)
        stayed = there & set(tenant.servicenow.frame("sys_user")["sys_id"])
        for read in reads:
            keys = read.result()
            assert len(keys) == len(set(keys))
            assert stayed <= set(keys)


def test_the_instance_joins_to_the_tenant_by_name_and_person(
    client: httpx.Client, tenant: Tenant
) -> None:
    fields = "sys_id,name,assigned_to.u_user_principal_name"
    read = pl.DataFrame(rows(client, COMPUTERS, fields=fields))
    prepared = tenant.engine.prepare("devices | list name", {}, tenant.clock.now())
    names = set(pl.concat(tenant.engine.rows(prepared))["device.name"])
    cleaned = {re.sub(r"\..*", "", name.strip()).upper() for name in read["name"]}
    assert len(names & cleaned) > 0.9 * len(names)
    prepared = tenant.engine.prepare("users | list upn", {}, tenant.clock.now())
    upns = set(pl.concat(tenant.engine.rows(prepared))["user.upn"])
    assert len(set(read["assigned_to.u_user_principal_name"]) & upns) > 0.4 * len(upns)


def test_credentials_of_the_tenant_sent_there_are_noted() -> None:
    with served() as (tenant, client):
        answer = client.get(USERS, auth=(tenant.client_id, tenant.client_secret))
        assert answer.status_code == 401
        assert [(leak.origin, leak.what) for leak in tenant.leaks] == [
            ("servicenow", "client secret")
        ]


def test_requests_are_counted_apart_from_the_tenants_own(
    client: httpx.Client, tenant: Tenant
) -> None:
    before = tenant.requests.copy()
    rows(client, USERS, limit=1)
    assert tenant.requests - before == Counter(servicenow=1)
    assert not tenant.leaks
