"""What every kind of source does, each against the real thing."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from connectors.errors import AccessError, ConfigurationError, PipelineError, UnavailableError
from connectors.sources import AnySource, Completeness
from connectors.sources.source import BATCH_ROWS
from tests.databases import Server
from tests.object_store import ObjectStore
from tests.sources import (
    AWKWARD,
    COLUMNS,
    SECRET,
    BucketKind,
    CsvKind,
    Kind,
    ParquetKind,
    PostgresKind,
    ServiceNowKind,
    SqliteKind,
    awkward_people,
    by_id,
    instance,
    opened,
    people,
    rows_of,
)

KINDS = ("servicenow", "sqlite", "postgres", "csv", "parquet", "bucket")
WITH_CREDENTIAL = ("servicenow", "postgres", "bucket")


@pytest.fixture(scope="module")
def shared_instance() -> Iterator[ServiceNowKind]:
    with instance() as served:
        yield served


@pytest.fixture
def servicenow_kind(shared_instance: ServiceNowKind) -> ServiceNowKind:
    return ServiceNowKind(shared_instance.tenant)


@pytest.fixture
def sqlite_kind(tmp_path: Path) -> SqliteKind:
    return SqliteKind(tmp_path)


@pytest.fixture
def postgres_kind(postgres: Server) -> PostgresKind:
    return PostgresKind(postgres)


@pytest.fixture
def csv_kind(tmp_path: Path) -> CsvKind:
    return CsvKind(tmp_path)


@pytest.fixture
def parquet_kind(tmp_path: Path) -> ParquetKind:
    return ParquetKind(tmp_path)


@pytest.fixture
def bucket_kind(s3: ObjectStore) -> BucketKind:
    return BucketKind(s3)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.getfixturevalue(f"{request.param}_kind")
    return made


every_kind = pytest.mark.parametrize("kind", KINDS, indirect=True)


@every_kind
def test_a_full_pull_is_the_truth_value_by_value(kind: Kind) -> None:
    truth = awkward_people()
    kind.fill(truth)
    with opened(kind) as source:
        assert source.check() == COLUMNS
        pull = source.pull()
        assert by_id(rows_of(pull)) == truth
    assert pull.schema.names == list(COLUMNS)
    assert pull.rows == len(AWKWARD)
    assert pull.outcome.completeness is Completeness.COMPLETE


@every_kind
def test_batches_are_bounded_and_read_as_they_are_asked_for(kind: Kind) -> None:
    truth = people(2 * BATCH_ROWS + 7)
    kind.fill(truth)
    with opened(kind) as source:
        pull = source.pull()
        batches = iter(pull)
        first = next(batches)
        assert 0 < first.num_rows == pull.rows <= BATCH_ROWS
        with pytest.raises(RuntimeError, match="after its last batch"):
            _ = pull.outcome
        rest = list(batches)
        assert max(batch.num_rows for batch in rest) <= BATCH_ROWS
        assert pull.rows == len(truth)
        read = [value for batch in (first, *rest) for value in batch.column("id").to_pylist()]
        assert sorted(read) == [row["id"] for row in truth]
        with pytest.raises(RuntimeError, match="once"):
            next(iter(pull))


@every_kind
def test_a_pull_that_is_left_in_the_middle_lets_go(kind: Kind) -> None:
    kind.fill(people(2 * BATCH_ROWS))
    with opened(kind) as source:
        batches = iter(source.pull())
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        kind.fill(people(3))
        assert len(rows_of(source.pull())) == 3


@every_kind
def test_a_key_scan_gives_the_keys_alone(kind: Kind) -> None:
    kind.fill(people(30))
    with opened(kind) as source:
        pull = source.keys()
        keys = rows_of(pull)
    assert by_id(keys) == [{"id": f"{n:06}"} for n in range(30)]
    assert pull.outcome.completeness is Completeness.COMPLETE
    assert pull.outcome.cursor is None


@every_kind
def test_chosen_fields_come_in_the_order_they_are_listed(kind: Kind) -> None:
    kind.fill(people(3))
    with opened(kind, fields=["name", "id"]) as source:
        pull = source.pull()
        assert pull.schema.names == ["name", "id"]
        assert sorted(rows_of(pull)[0]) == ["id", "name"]


@every_kind
def test_all_missing_fields_are_named_before_any_row_is_given(kind: Kind) -> None:
    # A ServiceNow instance does not reveal the fields of an empty table.
    for height in (3,) if kind.name == "servicenow" else (0, 3):
        kind.fill(people(height))
        with opened(kind, fields=["id", "nmae", "name", "tilte"]) as source:
            for act in (source.check, source.pull, source.keys):
                with pytest.raises(ConfigurationError) as raised:
                    act()
                told = str(raised.value)
                assert told.startswith("source here")
                assert "nmae" in told
                assert "tilte" in told
                assert " name" not in told


@every_kind
def test_an_empty_source_has_its_columns_and_no_rows(kind: Kind) -> None:
    kind.fill([])
    with opened(kind) as source:
        pull = source.pull()
        assert rows_of(pull) == []
        assert rows_of(source.keys()) == []
    assert pull.schema.names == list(COLUMNS)
    assert pull.outcome.completeness is Completeness.COMPLETE


@every_kind
def test_a_source_out_of_reach_is_no_empty_source(kind: Kind) -> None:
    kind.fill(people(3))
    kind.hide()
    with opened(kind) as source, pytest.raises(UnavailableError) as raised:
        source.pull()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", WITH_CREDENTIAL, indirect=True)
def test_a_wrong_credential_is_told_and_not_shown(kind: Kind) -> None:
    kind.fill(people(3))
    kind.refuse()
    with opened(kind) as source, pytest.raises(PipelineError) as raised:
        source.pull()
    assert isinstance(raised.value, AccessError)
    assert str(raised.value).startswith("source here")
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


@every_kind
def test_no_value_and_no_secret_reaches_a_log(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    kind.fill([{"id": "0", "name": "Marked Person", "description": "marked@example.com"}] * 3)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    with opened(kind) as source:
        pull = source.pull()
        rows_of(pull)
        rows_of(source.keys())
        rows_of(source.pull(pull.outcome.cursor))
    told = "\n".join(record.getMessage() for record in caplog.records)
    secrets = {value for name, value in kind.environ.items() if not name.endswith(("URL", "USER"))}
    for hidden in {"Marked", "marked@", *secrets}:
        assert hidden not in told


def test_every_kind_of_source_is_in_this_suite(tmp_path: Path) -> None:
    kinds = get_args(get_args(AnySource)[0])
    tried = {SqliteKind(tmp_path).specification["kind"], CsvKind(tmp_path).specification["kind"]}
    declared = {get_args(each.model_fields["kind"].annotation)[0] for each in kinds}
    assert declared == tried | {"servicenow"}
