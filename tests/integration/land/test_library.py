"""The library's datasets of devices, software and experience land as other readings have them.

Each dataset is compared row by row with a client and a reader of their own, and by sums with the
stand-in's tables, which know neither queries nor CSV.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

from connectors.catalogue import DatasetSpecification, Mode, load_dataset
from nxp.cli import run
from nxp.library.contents import Library
from nxp.project.copying import plan_copies, write_copies
from sandbox.model.tables import find
from sandbox.nql.timeframe import Frame
from tests.landing import NOW, Place, Use, foreign_csv, place

MIDNIGHT: Final = NOW.replace(hour=0, minute=0)
DAY: Final = timedelta(days=1)
MOMENT: Final = timedelta(microseconds=1)
# The datasets, each with the table of the data model that it reads.
DATASETS: Final[Mapping[str, str]] = {
    "devices": "devices",
    "users": "users",
    "binaries": "binaries",
    "packages": "packages",
    "installed_packages": "package.installed_packages",
    "package_installations": "package.installations",
    "antiviruses": "device.antiviruses",
    "volumes": "device.volumes",
    "hard_resets": "device_performance.hard_resets",
    "crashes": "execution.crashes",
    "execution_events": "execution.events",
    "execution_daily": "execution.events",
    "device_performance": "device_performance.events",
    "device_performance_events": "device_performance.events",
    "boots": "device_performance.boots",
    "logins": "session.logins",
    "sessions": "session.events",
    "dex_scores_device": "dex.scores",
    "dex_scores_application": "dex.application_scores",
}
# What is rare in a small estate, by how many days of it land; otherwise yesterday.
DAYS: Final[Mapping[str, int]] = {"hard_resets": 3, "package_installations": 3}
# A field in quotes, with quotes doubled, or without any; then its end.
FIELD: Final = re.compile(r'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)')


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": str,
    "int": int,
    "bytes": int,
    "float": float,
    "duration": float,
    "bool": lambda text: {"true": True, "false": False}[text],
    "datetime": instant,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One tenant for all, and a project that has the whole library."""
    folder = tmp_path_factory.mktemp("library")
    library, catalog = Library(), folder / "catalog"
    planned = plan_copies(library, library.complete(library.datasets), catalog)
    write_copies(library, planned, catalog)
    with place(folder, devices=20, days=3, export_time=0) as made:
        yield made


def begin(dataset: str) -> datetime:
    """Return from when on rows of a dataset land."""
    return MIDNIGHT - DAYS.get(dataset, 1) * DAY


def parsed(text: str) -> Iterator[dict[str, str | None]]:
    """Yield the rows of a CSV: an empty field is null, one that is quoted is an empty text."""
    records: list[list[str | None]] = [[]]
    for match in FIELD.finditer(text):
        field, end = match.groups()
        quoted = field[1:-1].replace('""', '"') if field.startswith('"') else field or None
        records[-1].append(quoted)
        if end != ",":
            records.append([])
    head, *rows = (record for record in records if record and record != [None])
    for row in rows:
        yield dict(zip(map(str, head), row, strict=True))


def exported(made: Place, dataset: DatasetSpecification) -> list[tuple[Any, ...]]:
    """Return yesterday's rows, or all of an inventory, as plain HTTP and plain Python read them."""
    window = dataset.window if dataset.mode is Mode.WINDOW else None
    bounds = {"from": begin(dataset.dataset), "to": MIDNIGHT} if window else {}
    text = {name: f"{value:%Y-%m-%d %H:%M:%S}" for name, value in bounds.items()}
    rows = []
    for row in parsed(foreign_csv(made, dataset.query_id_of(1), text)):
        assert len(row) == len(dataset.columns)
        read: dict[str, Any] = {
            column.name: value and READ[column.type](value)
            for column in dataset.columns
            for value in (row[column.nql],)
        }
        # NQL cannot exclude the end of a window.
        if window is None or read[window.column] < MIDNIGHT:
            rows.append(tuple(read.values()))
    return rows


def of_the_estate(made: Place, dataset: DatasetSpecification) -> pl.DataFrame:
    """Return the same columns of the stand-in's table, without any query."""
    table = find(DATASETS[dataset.dataset])
    assert table is not None
    if dataset.mode is Mode.SNAPSHOT:
        frame = Frame(NOW - 30 * DAY, made.tenant.clock.now())
    else:
        first = begin(dataset.dataset)
        frame = Frame(first, MIDNIGHT - MOMENT, daily=dataset.mode is Mode.SLICES)
    headers = tuple(column.nql for column in dataset.columns)
    estate = made.tenant.engine._estate
    pieces = estate.pieces(table, headers, frame, made.tenant.clock.now(), newest=None)
    return pl.concat(pieces).rename({column.nql: column.name for column in dataset.columns})


def figures(frame: pl.DataFrame) -> dict[str, Any]:
    """Return for each column how many values there are, and their sum or their extremes."""
    made: dict[str, Any] = {"rows": frame.height}
    for series in frame:
        made[f"{series.name} known"] = series.count()
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            made[f"{series.name} sum"] = pytest.approx(series.sum(), rel=1e-9)
        elif series.dtype.is_temporal():
            made[f"{series.name} first"] = series.dt.epoch("s").min()
            made[f"{series.name} last"] = series.dt.epoch("s").max()
        elif series.dtype == pl.String:
            made[f"{series.name} distinct"] = series.n_unique()
    return made


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_lands_as_other_readings_have_it(project: Place, use: Use, name: str) -> None:
    use(project)
    dataset = load_dataset(project.folder / "catalog", name)
    asked: dict[str, Any] = {}
    if name in DAYS:
        asked = {"window_from": str(begin(name).date()), "window_to": str(MIDNIGHT.date())}
    outcomes = project.land(project.plan(name, **asked))
    assert sum(outcome.rows_rejected for outcome in outcomes) == 0
    assert sum(outcome.rows_landed for outcome in outcomes) > 0
    landed = project.landed(name)
    assert landed.columns == [column.name for column in dataset.columns]
    assert sorted(landed.rows(), key=repr) == sorted(exported(project, dataset), key=repr)
    assert figures(landed) == figures(of_the_estate(project, dataset))
    if keys := dataset.key_columns:
        assert not landed.select(keys).is_duplicated().any()


def test_the_whole_library_has_no_problem(
    project: Place, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    use(project)
    assert run(["check"]) == 0
    # One line: nothing is noted.
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["nql", "lint", str(project.folder / "catalog" / "queries")]) == 0
    assert "no problems" in capsys.readouterr().err
