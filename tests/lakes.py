"""A lake in a folder or in a bucket, inspected without the product's own code."""

import io
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from connectors.lake import Entry, Lake
from connectors.lake.lake import unit_name
from connectors.lake.query import query_lake
from connectors.lake.stage import StagedFile
from tests.object_store import ObjectStore

TENANT = "acme.eu"
SCHEMA = pa.schema([("n", pa.int64()), ("run", pa.string())])
DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Site:
    """Where a lake is. `service` is None for a folder."""

    root: str
    scratch: Path
    service: ObjectStore | None = None

    @property
    def lake(self) -> Lake:
        """One tenant's part of it."""
        return Lake(self.root, TENANT, self.scratch)

    def below(self, *names: str) -> "Site":
        """Return the same place some folders further down."""
        return Site("/".join((self.root, *names)), self.scratch, self.service)

    def _key(self, path: str) -> tuple[ObjectStore, str, str]:
        assert self.service is not None
        bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        return self.service, bucket, f"{prefix}/{TENANT}/{path}"

    def paths(self, folder: str = "") -> list[str]:
        """Return the files below a folder of the tenant's part."""
        if self.service is None:
            own = Path(self.root) / TENANT
            found = (path for path in (own / folder).rglob("*") if path.is_file())
            return sorted(path.relative_to(own).as_posix() for path in found)
        service, bucket, prefix = self._key(f"{folder}/" if folder else "")
        return [key.removeprefix(self._key("")[2]) for key in service.keys(bucket, prefix)]

    def parquet(self, folder: str) -> list[str]:
        """Return the Parquet files below a folder."""
        return [path for path in self.paths(folder) if path.endswith(".parquet")]

    def get(self, path: str) -> bytes:
        """Read a file."""
        if self.service is None:
            return (Path(self.root) / TENANT / path).read_bytes()
        service, bucket, key = self._key(path)
        return service.get(bucket, key)

    def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        if self.service is None:
            target = Path(self.root) / TENANT / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            return
        service, bucket, key = self._key(path)
        service.request("PUT", f"{bucket}/{key}", content=content).raise_for_status()

    def remove(self, path: str) -> None:
        """Delete a file."""
        if self.service is None:
            (Path(self.root) / TENANT / path).unlink()
            return
        service, bucket, key = self._key(path)
        service.request("DELETE", f"{bucket}/{key}").raise_for_status()

    def data(self, dataset: str = "events") -> list[str]:
        """Return the Parquet files of a dataset of the present layout."""
        return self.parquet(f"data/{dataset}")

    def globbed(self, dataset: str = "events") -> list[str]:
        """Return the runs of all rows that a plain glob of a dataset finds."""
        folder = self.lake.data_folder(dataset)
        depth = folder.count("/") + 2
        return self.runs(path for path in self.parquet(folder) if path.count("/") == depth)

    def named(self, dataset: str = "events") -> list[str]:
        """Return the runs of all rows in the manifest's files, each of which is complete."""
        manifest = self.lake.manifest(dataset)
        entries = manifest.entries if manifest else ()
        folder = manifest.folder if manifest else ""
        for entry in entries:
            for file in entry.files:
                frame = pl.read_parquet(io.BytesIO(self.get(f"{folder}/{file.path}")))
                assert (len(frame), set(frame["run"])) == (file.rows, {entry.run_id})
        return self.runs(f"{folder}/{file.path}" for entry in entries for file in entry.files)

    def runs(self, paths: object) -> list[str]:
        """Return the runs of all rows of these files."""
        assert hasattr(paths, "__iter__")
        return sorted(
            run for path in paths for run in pl.read_parquet(io.BytesIO(self.get(path)))["run"]
        )


def publish(
    lake: Lake,
    run: str,
    start: datetime = START,
    end: datetime | None = None,
    rows: int = 3,
    *,
    apart: bool = False,
) -> Entry:
    """Publish a window with `rows` rows on each of its dates."""
    end = end or start + DAY
    unit = unit_name(start, end)
    with lake.stage("events", run, unit, SCHEMA) as stage:
        day = start
        while day < end and rows:
            table = pa.table({"n": list(range(rows)), "run": [run] * rows}, SCHEMA)
            stage.write(f"date={day:%Y-%m-%d}", table)
            day += DAY
        staged = stage.finish()
    entry = _entry(unit, start, end, run, sum(file.rows for file in staged))
    return lake.publish("events", "window", entry, staged, SCHEMA, apart=apart)


def staged_entry(lake: Lake, run: str, rows: int) -> tuple[list[StagedFile], Entry, pa.Schema]:
    """Stage one window of rows that compress badly, without publishing it."""
    unit = unit_name(START, START + DAY)
    chance = random.Random(0)
    numbers = [chance.getrandbits(62) for _ in range(rows)]
    with lake.stage("events", run, unit, SCHEMA) as stage:
        table = pa.table({"n": numbers, "run": [run] * rows}, SCHEMA)
        stage.write(f"date={START:%Y-%m-%d}", table)
        staged = stage.finish()
    return staged, _entry(unit, START, START + DAY, run, rows), SCHEMA


def publish_snapshot(
    lake: Lake, run: str, slot: datetime = START, rows: int = 3, *, apart: bool = False
) -> Entry:
    """Publish a day's snapshot."""
    unit = unit_name(slot)
    with lake.stage("devices", run, unit, SCHEMA) as stage:
        table = pa.table({"n": list(range(rows)), "run": [run] * rows}, SCHEMA)
        stage.write(f"snapshot={unit}", table)
        staged = stage.finish()
    entry = _entry(unit, slot, slot + DAY, run, rows)
    return lake.publish("devices", "snapshot", entry, staged, SCHEMA, apart=apart)


def _entry(unit: str, start: datetime, end: datetime, run: str, rows: int) -> Entry:
    return Entry(
        unit=unit,
        starts_at=start,
        ends_at=end,
        run_id=run,
        exported_at=end,
        rows=rows,
        files=(),
    )


def counted(lake: Lake, view: str = "events") -> list[str]:
    """Return the runs of all rows that SQL finds."""
    _, rows = query_lake(lake, f"SELECT run FROM {view} ORDER BY run")  # noqa: S608
    return [row[0] for row in rows]
