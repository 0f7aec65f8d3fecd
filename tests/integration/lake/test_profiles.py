"""Profiles of columns, taken as units land: right for all rows, and silent about persons."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.catalogue import DatasetSpecification
from connectors.lake import Lake
from connectors.lake.lake import unit_name
from connectors.lake.landing import LakeLanding
from connectors.lake.manifest import Entry
from connectors.lake.profiles import NEWEST, read_profiles
from tests.lakes import DAY, START, Site

CANARY = "canary.person@example.com"
COLUMNS = [
    {"nql": "n", "type": "int"},
    {"nql": "seconds", "type": "float"},
    {"nql": "at", "type": "datetime"},
    {"nql": "os"},
    {"nql": "uid"},
    {"nql": "person", "personal": True},
    {"nql": "tags", "type": "list"},
]
SPECIFICATION = DatasetSpecification.model_validate(
    {
        "dataset": "events",
        "query_id": "#events",
        "mode": "window",
        "window": {"column": "at", "from": "from", "to": "to", "step": "1d"},
        "columns": COLUMNS,
        "derive": {"initial": "substr(person, 1, 20)"},
    }
)
SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("seconds", pa.float64()),
        ("at", pa.timestamp("us", "UTC")),
        ("os", pa.string()),
        ("uid", pa.string()),
        ("person", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("unknown", pa.string()),
        ("initial", pa.string()),
    ]
)


def land(lake: Lake, run: str, start: datetime = START, rows: int = 100) -> None:
    """Land a window; every tenth row has no number, and every row the same person."""
    unit = unit_name(start, start + DAY)
    with lake.stage("events", run, unit, SCHEMA) as stage:
        table = {
            "n": [None if n % 10 == 0 else n for n in range(rows)],
            "seconds": [n / 4 for n in range(rows)],
            "at": [start] * rows,
            "os": ["Windows" if n % 4 else "macOS" for n in range(rows - 1)] + ["rare"][:rows],
            "uid": [f"u{n}" for n in range(rows)],
            "person": [CANARY] * rows,
            "tags": [[CANARY]] * rows,
            "unknown": [CANARY] * rows,
            "initial": [CANARY] * rows,
        }
        stage.write(f"date={start:%Y-%m-%d}", pa.table(table, SCHEMA))
        entry = Entry(
            unit=unit,
            starts_at=start,
            ends_at=start + DAY,
            run_id=run,
            exported_at=start + DAY,
            rows=rows,
            files=(),
        )
        LakeLanding(lake, SPECIFICATION).publish(entry, stage.finish(), SCHEMA)


def test_a_profile_counts_all_rows_and_shows_the_values_that_say_nothing_of_a_person(
    site: Site,
) -> None:
    land(site.lake, "one")
    ((unit, found),) = read_profiles(site.lake, "events").items()
    assert (unit, found["run_id"], found["rows"]) == (
        "20261118T000000Z-20261119T000000Z",
        "one",
        100,
    )
    columns = found["columns"]
    number = {key: columns["n"][key] for key in ("nulls", "least", "most", "distinct", "edges")}
    assert number == {"nulls": 10, "least": 1, "most": 99, "distinct": 90, "edges": [1.0, 99.0]}
    assert sum(columns["n"]["bins"]) == 90
    assert columns["at"]["least"] == columns["at"]["most"] == "2026-11-18T00:00:00+00:00"
    # A value of a single row is left out, and so is text with too many values.
    assert columns["os"]["values"] == [["Windows", 74], ["macOS", 25]]
    assert "values" not in columns["uid"]
    assert columns["person"] == {"sample": 100, "nulls": 0, "distinct": 1}
    assert CANARY not in str(site.get("_profiles/events/profiles.json"))


def test_profiles_are_those_of_the_newest_units_that_count(folder_site: Site) -> None:
    lake = folder_site.lake
    for day in range(NEWEST + 2):
        land(lake, f"r{day}", START + day * DAY, rows=10)
    land(lake, "again", START + 9 * DAY, rows=20)
    # Older than all that are kept.
    land(lake, "old", START - DAY, rows=10)
    found = read_profiles(lake, "events")
    assert len(found) == NEWEST
    assert next(iter(found)) == "20261120T000000Z-20261121T000000Z"
    assert [one["rows"] for one in found.values() if one["run_id"] == "again"] == [20]
    # Only the newest unit of its time was looked at in full.
    assert (
        "distinct" not in next(o for o in found.values() if o["run_id"] == "again")["columns"]["n"]
    )


def test_the_newest_unit_that_has_rows_is_looked_at_in_full(folder_site: Site) -> None:
    land(folder_site.lake, "none", START + DAY, rows=0)
    land(folder_site.lake, "one")
    profiles = {each["run_id"]: each for each in read_profiles(folder_site.lake, "events").values()}
    assert profiles["one"]["columns"]["n"]["distinct"] == 90


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99, "units": {}}'])
def test_a_damaged_file_of_profiles_begins_again(folder_site: Site, content: bytes) -> None:
    folder_site.put("_profiles/events/profiles.json", content)
    land(folder_site.lake, "one")
    assert len(read_profiles(folder_site.lake, "events")) == 1


def test_a_profile_that_cannot_be_kept_does_not_fail_the_unit(
    folder_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = Path(folder_site.root) / "acme.eu" / "_profiles"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder is needed")
    land(folder_site.lake, "one")
    manifest = folder_site.lake.manifest("events")
    assert manifest is not None
    assert len(manifest.entries) == 1
    assert "has landed without a profile" in caplog.text
