"""A lake in a bucket, on a real S3 service on loopback: races, kills, refusals, SQL."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import obstore
import pyarrow as pa
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from connectors.errors import (
    ConfigurationError,
    HeldError,
    PipelineError,
    StorageError,
    UnavailableError,
    UsageError,
)
from connectors.lake import Lake
from connectors.lake.query import query_lake
from connectors.lake.records import write_rejects, write_run
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from tests.forks import fork
from tests.lakes import (
    DAY,
    START,
    TENANT,
    Site,
    counted,
    publish,
    publish_snapshot,
    staged_entry,
)
from tests.landing import Place
from tests.object_store import SECRET, Answer, ObjectStore

KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "6"))
DENIED = ("403 Forbidden", "AccessDenied")


def process(site: Site, run: str, first: int, windows: int, days: int) -> subprocess.Popen[str]:
    """Start a publisher and wait until it only has to publish."""
    words = [site.root, str(site.scratch / run), run, str(first), str(windows), str(days)]
    started = fork(
        "tests.publish_once",
        *words,
        env=os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def go(*publishers: subprocess.Popen[str], wait: bool = True) -> list[list[str]]:
    """Start publishers at the same time; return what each printed until its end."""
    for publisher in publishers:
        assert publisher.stdin is not None
        publisher.stdin.write("\n")
        publisher.stdin.flush()
    if not wait:
        return []
    return [publisher.communicate(timeout=60)[0].split() for publisher in publishers]


def test_the_service_enforces_conditions(s3: ObjectStore) -> None:
    store = S3Store(s3.bucket())
    first = obstore.put(store, "x", b"1", mode="create")["e_tag"]
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "x", b"2", mode="create")
    obstore.put(store, "x", b"2", mode={"e_tag": first})
    with pytest.raises(PreconditionError):
        obstore.put(store, "x", b"3", mode={"e_tag": first})


def test_a_service_that_ignores_conditions_is_refused_before_anything_is_published(
    bucket_site: Site,
) -> None:
    assert bucket_site.service is not None
    bucket_site.service.ignores_conditions = True
    with pytest.raises(StorageError, match="ignores conditional writes"):
        publish(bucket_site.lake, "a")
    assert bucket_site.paths() == []


@pytest.mark.slow
def test_two_processes_that_publish_different_windows_lose_nothing(bucket_site: Site) -> None:
    publishers = [process(bucket_site, name, 8 * number, 8, 1) for number, name in enumerate("ab")]
    assert go(*publishers) == [["done"] * 8] * 2
    expected = sorted(f"{name}-{number}" for name in "ab" for number in range(8) for _ in "123")
    assert bucket_site.named() == bucket_site.globbed() == expected


def test_of_two_processes_at_one_window_every_publish_is_whole_or_says_who_won(
    bucket_site: Site,
) -> None:
    publishers = [process(bucket_site, name, 0, 3, 2) for name in "ab"]
    said = go(*publishers)
    assert {word for words in said for word in words} <= {"done", "held"}
    runs = bucket_site.named()
    assert bucket_site.globbed() == runs
    assert len(runs) == 18
    assert bucket_site.lake.manifest("events").version == sum(  # type: ignore[union-attr]
        words.count("done") for words in said
    )


def at_manifest(do: Callable[[], object]) -> Callable[[str, str], Answer | None]:
    """Return a `refuse` that calls `do` once, just before the first manifest is written."""
    did: list[bool] = []

    def refuse(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("_manifest.json") and not did:
            did.append(True)
            do()

    return refuse


def at_request(number: int, do: Callable[[], object]) -> Callable[[str, str], Answer | None]:
    """Return a `refuse` that calls `do` once, just before a request is carried out."""
    seen = count(1)

    def refuse(_method: str, _path: str) -> None:
        if next(seen) == number:
            do()

    return refuse


def test_a_publisher_that_was_overtaken_at_its_own_window_gives_up_and_leaves_nothing(
    bucket_site: Site,
) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before", end=START + 2 * DAY)
    bucket_site.service.refuse = at_manifest(
        lambda: publish(bucket_site.lake, "winner", end=START + 2 * DAY)
    )
    with pytest.raises(HeldError, match="published by another run"):
        publish(bucket_site.lake, "zombie", end=START + 2 * DAY)
    assert bucket_site.named() == bucket_site.globbed() == ["winner"] * 6


def test_a_publisher_that_was_overtaken_at_another_window_tries_again(bucket_site: Site) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before")
    bucket_site.service.refuse = at_manifest(
        lambda: publish(bucket_site.lake, "other", START + DAY)
    )
    publish(bucket_site.lake, "mine")
    assert bucket_site.named() == bucket_site.globbed() == ["mine"] * 3 + ["other"] * 3


def test_a_manifest_whose_answer_was_lost_is_known_to_be_written(bucket_site: Site) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before")
    lost: list[str] = []

    def swallow(method: str, path: str) -> bool:
        if method == "PUT" and path.endswith("_manifest.json") and not lost:
            lost.append(path)
            return True
        return False

    bucket_site.service.swallow = swallow
    publish(bucket_site.lake, "mine")
    assert lost
    assert bucket_site.named() == bucket_site.globbed() == ["mine"] * 3


@pytest.mark.slow
def test_without_end_overtaken_it_gives_up(bucket_site: Site) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before")
    bucket_site.service.refuse = lambda method, path: (
        ("412 Precondition Failed", "PreconditionFailed")
        if method == "PUT" and path.endswith("_manifest.json")
        else None
    )
    with pytest.raises(HeldError, match="many runs at once"):
        publish(bucket_site.lake, "mine")
    assert bucket_site.named() == bucket_site.globbed() == ["before"] * 3


def test_kills_in_mid_publish_leave_old_or_new_and_the_next_publish_is_exact(
    bucket_site: Site,
) -> None:
    chance = random.Random(1)
    publish(bucket_site.lake, "first", end=START + 4 * DAY)
    service = bucket_site.service
    assert service is not None
    counting = process(bucket_site, "undisturbed", 0, 1, 4)
    before = len(service.requests)
    assert go(counting) == [["done"]]
    requests = len(service.requests) - before
    for number in range(KILLS):
        victim = process(bucket_site, f"run{number}", 0, 1, 4)
        service.refuse = at_request(chance.randint(1, requests), victim.kill)
        go(victim, wait=False)
        assert "done" not in victim.communicate(timeout=60)[0]
        runs = bucket_site.named()
        assert (len(runs), len(set(runs))) == (12, 1)
    service.refuse = lambda _method, _path: None
    publish(bucket_site.lake, "last", end=START + 4 * DAY)
    assert (
        bucket_site.named() == bucket_site.globbed() == counted(bucket_site.lake) == ["last"] * 12
    )


@pytest.mark.parametrize(
    "answered", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4, 6)), 3, 5, 7]
)
def test_a_service_that_goes_away_in_mid_publish_leaves_old_or_new(
    bucket_site: Site, answered: int
) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before", end=START + 2 * DAY)
    asked = len(bucket_site.service.requests)
    service = bucket_site.service
    service.refuse = lambda _method, _path: (
        ("503 Slow Down", "SlowDown") if len(service.requests) > asked + answered else None
    )
    with pytest.raises(UnavailableError, match="answers 503"):
        publish(bucket_site.lake, "after", end=START + 2 * DAY)
    service.refuse = lambda _method, _path: None
    assert bucket_site.named() == ["before"] * 6
    publish(bucket_site.lake, "again", end=START + 2 * DAY)
    assert bucket_site.named() == bucket_site.globbed() == ["again"] * 6


@pytest.mark.parametrize("what", ["events/date=", "_manifest.json", "_old/"])
def test_a_refused_step_is_one_line_and_leaves_nothing(bucket_site: Site, what: str) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before")
    bucket_site.service.refuse = lambda method, path: (
        DENIED if method == "PUT" and what in path else None
    )
    with pytest.raises(
        StorageError, match=r"access denied \(AccessDenied\).*nothing was"
    ) as caught:
        publish(bucket_site.lake, "mine")
    assert_one_line(caught.value)
    assert bucket_site.named() == bucket_site.globbed() == ["before"] * 3


def test_what_cannot_be_deleted_does_not_undo_a_publish(
    bucket_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    assert bucket_site.service is not None
    publish(bucket_site.lake, "before")
    bucket_site.service.refuse = lambda method, _path: DENIED if method == "POST" else None
    publish(bucket_site.lake, "mine")
    assert bucket_site.named() == ["mine"] * 3
    assert "left next to it until nxp maintain" in caplog.text
    bucket_site.service.refuse = lambda _method, _path: None
    publish(bucket_site.lake, "next")
    assert bucket_site.globbed() == ["next"] * 3


def assert_one_line(error: PipelineError) -> None:
    """Assert that an error is one line, names the place, and holds no secret."""
    assert "\n" not in str(error)
    assert "s3://" in str(error)
    assert SECRET not in str(error)
    assert "loopback" not in str(error)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("403 Forbidden", "AccessDenied", "access denied"),
        ("400 Bad Request", "ExpiredToken", "has expired"),
        ("403 Forbidden", "InvalidAccessKeyId", "does not accept the credential"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock"),
        ("404 Not Found", "NoSuchBucket", "no such bucket"),
        ("301 Moved Permanently", "PermanentRedirect", "another region"),
        ("418 Teapot", "Odd", "answers 418"),
    ],
)
@pytest.mark.parametrize("act", ["read", "publish", "list", "sql"])
def test_every_refusal_is_one_line_that_says_what_to_do(
    bucket_site: Site, status: str, code: str, words: str, act: str
) -> None:
    assert bucket_site.service is not None
    lake = bucket_site.lake
    publish(lake, "a")
    bucket_site.service.refuse = lambda _method, _path: (status, code)
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: lake.manifest("events"),
        "publish": lambda: publish(lake, "b"),
        "list": lake.datasets,
        "sql": lambda: counted(lake),
    }
    with pytest.raises(StorageError, match=words) as caught:
        acts[act]()
    assert_one_line(caught.value)


def test_a_missing_bucket_is_told_by_every_way_in(s3: ObjectStore, tmp_path: Path) -> None:
    del s3
    lake = Lake("s3://no-such-bucket/lake", TENANT, tmp_path)
    for act in (
        lambda: publish(lake, "a"),
        lambda: lake.manifest("events"),
        lambda: query_lake(lake, "SELECT 1"),
        lambda: write_rejects(lake, "events", "u", "r", pa.table({"record": [1]}), ["x"]),
    ):
        with pytest.raises(StorageError, match="no such bucket") as caught:
            act()
        assert_one_line(caught.value)


def test_a_wrong_endpoint_plain_http_and_no_credential_are_told(
    s3: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = s3.bucket()

    def read() -> object:
        return Lake(f"s3://{bucket}/lake", TENANT, tmp_path).manifest("events")

    assert read() is None
    with monkeypatch.context() as changed:
        changed.delenv("AWS_ALLOW_HTTP")
        with pytest.raises(StorageError, match="AWS_ALLOW_HTTP"):
            read()
    with monkeypatch.context() as changed:
        changed.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        with pytest.raises(UnavailableError, match="cannot be reached"):
            read()
    with monkeypatch.context() as changed:
        changed.delenv("AWS_ACCESS_KEY_ID")
        changed.delenv("AWS_SECRET_ACCESS_KEY")
        changed.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        with pytest.raises(StorageError, match="no usable credential"):
            read()


def test_snapshots_are_a_view_of_the_latest_and_a_history(bucket_site: Site) -> None:
    for day in range(3):
        publish_snapshot(bucket_site.lake, str(day), START + day * DAY)
    publish_snapshot(bucket_site.lake, "again", START + 2 * DAY, rows=5)
    assert counted(bucket_site.lake, "devices") == ["again"] * 5
    assert counted(bucket_site.lake, "devices_history") == ["0"] * 3 + ["1"] * 3 + ["again"] * 5
    _, rows = query_lake(bucket_site.lake, "SELECT DISTINCT snapshot FROM devices")
    assert rows == [("20261120T000000Z",)]


FORBIDDEN = [
    "SELECT * FROM 's3://{other}/x.parquet'",
    "SELECT * FROM read_parquet('s3://{bucket}/lake/acme.eu/events/*/*.parquet')",
    "SELECT * FROM read_text('nxplake://_rejects_raw/dataset=events/u-r.parquet')",
    "SELECT * FROM read_text('nxplake://../other.us/x')",
    "SELECT * FROM read_text('nxplake:///etc/hostname')",
    "SELECT * FROM glob('nxplake://**')",
    "SELECT * FROM glob('s3://{other}/**')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM glob('/etc/*')",
    "COPY (SELECT 1) TO 'nxplake://events/x.parquet'",
    "COPY (SELECT 1) TO 's3://{bucket}/x.parquet'",
    "SET allowed_directories = ['/']",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "LOAD httpfs",
]


def test_sql_reads_the_views_and_nothing_else(bucket_site: Site, s3: ObjectStore) -> None:
    other = s3.bucket()
    publish(bucket_site.lake, "a")
    write_rejects(bucket_site.lake, "events", "u", "r", pa.table({"record": [1]}), ["x"])
    (known,) = bucket_site.data()
    s3.request("PUT", f"{other}/x.parquet", content=bucket_site.get(known))
    before = bucket_site.paths()
    for sql in FORBIDDEN:
        statement = sql.format(other=other, bucket=bucket_site.root.split("/")[2])
        for asked in {statement, statement.replace("FROM", "FROM events,", 1)}:
            with pytest.raises(UsageError) as caught:
                query_lake(bucket_site.lake, asked)
            assert "Traceback" not in str(caught.value), asked
        assert bucket_site.paths() == before, statement
    assert counted(bucket_site.lake) == ["a"] * 3


def test_what_duckdb_gets_opens_the_named_objects_and_writes_none(bucket_site: Site) -> None:
    publish(bucket_site.lake, "a")
    write_rejects(bucket_site.lake, "events", "u", "r", pa.table({"record": [1]}), ["x"])
    (known,), (raw,) = bucket_site.data(), bucket_site.parquet("_rejects_raw")
    files = bucket_site.lake.store.filesystem(frozenset({known}))
    assert files is not None
    assert files.open(f"nxplake://{known}").read() == bucket_site.get(known)
    for path, mode in ((raw, "rb"), (known, "wb"), ("../x", "rb")):
        with pytest.raises(UsageError):
            files.open(f"nxplake://{path}", mode)


def test_the_command_reads_a_bucket_and_finds_its_only_tenant(
    bucket_site: Site, tmp_path: Path
) -> None:
    publish(bucket_site.lake, "a")
    environment = {**os.environ, "NXP_LAKE": bucket_site.root, "NXP_HOME": str(tmp_path / "home")}
    settings = load_settings(environment)
    with pytest.raises(ConfigurationError, match="no data yet"):
        tenant_name(settings, environ={})
    report = {"run_id": "r", "started_at": datetime.now(UTC), "seconds": {}}
    write_run(bucket_site.lake, report)
    assert tenant_name(settings, environ={}) == TENANT
    done = subprocess.run(
        [sys.executable, "-m", "nxp", "sql", "--json", "SELECT count(*) AS n FROM events"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (json.loads(done.stdout), done.stderr) == ([{"n": 3}], "")


def test_a_reader_beside_a_publisher_and_a_drop_never_sees_a_mixture(bucket_site: Site) -> None:
    publish(bucket_site.lake, "0", end=START + 2 * DAY)
    done = threading.Event()

    def write() -> None:
        for number in range(1, 8):
            publish(bucket_site.lake, str(number), end=START + 2 * DAY)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        runs = counted(bucket_site.lake)
        assert (len(runs), len(set(runs))) == (6, 1)
    writer.join()


def test_a_dataset_lands_in_a_bucket_from_end_to_end(
    here: Place, s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"s3://{s3.bucket()}/lake"
    monkeypatch.setenv("NXP_LAKE", root)
    lake = Lake(root, "sandbox.eu")
    for _ in range(2):
        (landed,) = here.land(
            here.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
        )
        _, rows = query_lake(lake, "SELECT count(*), min(date)::VARCHAR FROM crashes")
        assert rows == [(landed.rows_landed, "2026-11-18")]
    here.land(here.plan("devices"))
    _, rows = query_lake(lake, "SELECT trigger, state, rows_landed FROM _runs ORDER BY started_at")
    assert len(rows) == 3
    assert list((here.folder / "home" / "staging").glob("*")) == []


def test_a_bucket_that_goes_away_is_told_by_what_did_not_land_not_by_the_lost_report(
    here: Place, s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NXP_LAKE", f"s3://{s3.bucket()}/lake")
    plan = here.plan("crashes", window_from="2026-11-18", window_to="2026-11-19")
    s3.refuse = lambda method, _path: ("503 Slow Down", "SlowDown") if method == "PUT" else None
    try:
        with pytest.raises(UnavailableError) as caught:
            here.land(plan)
    finally:
        s3.refuse = lambda _method, _path: None
    assert "crashes" in str(caught.value)
    assert "_runs" not in str(caught.value)


def test_a_large_file_goes_up_in_parts_and_comes_back_whole(bucket_site: Site) -> None:
    entry = publish(bucket_site.lake, "large", rows=20_000)
    assert counted(bucket_site.lake) == ["large"] * 20_000
    assert entry.rows == 20_000
    staged, entry, schema = staged_entry(bucket_site.lake, "random", 900_000)
    assert staged[0].bytes > 6 << 20
    bucket_site.lake.publish("events", "window", entry, staged, schema)
    assert len(counted(bucket_site.lake)) == 900_000


@pytest.mark.parametrize("endpoint", ["", "minio:9000", "not a url"])
def test_an_endpoint_that_is_no_url_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL is not the URL"):
        Lake("s3://lake/prefix", "acme.eu").manifest("crashes")
