"""Random results of every kind land exactly as an independent reading of them says, or not at all.

The number of cases is NXP_EQUALITY_CASES; a case is the same whenever it is made again.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from connectors.errors import DataRefusedError, IncompleteResultError, PartlyDoneError
from connectors.lake import Lake
from tasks.land.asked import Asked
from tasks.land.plan import plan_run
from tasks.stories.export import land_plan
from tests.hostile import Answer, HostileTenant
from tests.hostile_results import DAY, KINDS, LEFT_OUT, Case

CASES = range(int(os.environ.get("NXP_EQUALITY_CASES", "150")))
DATASET = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "window",
    "window": {"column": "at", "from": "from", "to": "to", "step": "1d"},
    "max_reject_share": 1,
    "where": f"number IS NULL OR number <> {LEFT_OUT}",
    "columns": [
        {"nql": name, "type": kind, "nullable": name != "at"}
        for name, kind in KINDS.items()
        if name != "new"
    ],
}


class Project:
    """A project whose tenant sends one case after the other."""

    def __init__(self, folder: Path, tenant: HostileTenant) -> None:
        for name, file, text in (
            ("datasets", "things.yaml", yaml.safe_dump(DATASET)),
            ("queries", "things.nql", "things"),
        ):
            (folder / "catalog" / name).mkdir(parents=True)
            (folder / "catalog" / name / file).write_text(text)
        self.tenant = tenant
        self.lake = Lake(str(folder / "lake"), "acme.eu")
        self.settings = {
            "NXP_HOME": str(folder / "home"),
            "NXP_LAKE": str(folder / "lake"),
            "NXP_CATALOG": str(folder / "catalog"),
            "NEXTHINK_INSTANCE": "acme",
            "NEXTHINK_REGION": "eu",
            "NEXTHINK_CLIENT_ID": "id",
            "NEXTHINK_CLIENT_SECRET": "secret",
            "NEXTHINK_API_URL": tenant.url,
            "NEXTHINK_LOGIN_URL": tenant.url,
        }

    def land(self, case: Case) -> Mapping[str, Any] | None:
        """Land a case; return its counts, None if it is refused."""
        self.tenant.replace("result", Answer(lambda: [case.body]))
        day, after = f"{case.day:%Y-%m-%d}", f"{case.end:%Y-%m-%d}"

        def clock() -> datetime:
            return case.end + DAY

        asked = Asked("things", window_from=day, window_to=after, accept_shrink=True)
        try:
            report: Mapping[str, Any] = land_plan(
                plan_run(asked, clock), clock, lambda _: None
            ).plain()
        except PartlyDoneError as error:
            # Some rows were rejected.
            report = error.report or {}
        except (DataRefusedError, IncompleteResultError):
            return None
        outcomes: list[Mapping[str, Any]] = report["outcomes"]
        return outcomes[0]

    def landed(self, case: Case) -> list[dict[str, Any]]:
        """Return the rows of the case's day, in their order."""
        manifest = self.lake.manifest("things")
        folder = self.lake.dataset_folder("things")
        entries = manifest.entries if manifest else ()
        files = [file for entry in entries if entry.starts_at == case.day for file in entry.files]
        rows = [row for file in files for row in pq.read_table(folder / file.path).to_pylist()]
        return [{name: in_utc(value) for name, value in row.items()} for row in rows]


def in_utc(value: object) -> object:
    """Return a date-time in the same words as an independent reading's."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.slow
def test_a_result_lands_as_an_independent_reading_says_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileTenant() as tenant:
        project = Project(tmp_path, tenant)
        for name, value in project.settings.items():
            monkeypatch.setenv(name, value)
        for number in CASES:
            case = Case(number)
            monkeypatch.setenv("NEXTHINK_TIME_ZONE", case.zone)
            check(project, case, f"case {number}: {case.change}, {case.packing}, {case.broken}")


def check(project: Project, case: Case, name: str) -> None:
    """Compare one case with its independent reading."""
    wanted, before = case.expected(), project.landed(case)
    counts = project.land(case)
    landed = project.landed(case)
    if wanted is None or counts is None:
        assert (wanted, counts) == (None, None), name
        assert landed == before, name
        return
    rows = [{key: row.get(key) for key in wanted.names} for row in landed]
    assert sorted(map(repr, rows)) == sorted(map(repr, wanted.rows)), name
    read = counts["rows_read"]
    assert counts["rows_rejected"] == wanted.rejected, name
    assert counts["rows_outside"] == wanted.outside, name
    assert counts["rows_filtered"] == wanted.filtered, name
    parts = ("rows_landed", "rows_rejected", "rows_outside", "rows_filtered")
    assert read == sum(counts[part] for part in parts) + counts.get("rows_duplicate", 0), name
