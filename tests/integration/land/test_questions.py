"""The library's questions, on rows from the sandbox: each answer is worked out a second time.

The second time is plain Polars over the landed files, without SQL and without the lake's views.
"""

import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from connectors.catalogue import Mode, load_dataset
from connectors.lake.questions import Question, read_questions
from nxp.lake import open_lake
from nxp.library import LIBRARY
from nxp.library.contents import Library
from nxp.output import plain
from sandbox.actions.options import ActingOptions
from tests.acting import Client
from tests.answers import validated
from tests.commands import called
from tests.landing import Place, Use, place

# A Monday, when the test acts; it lands a day later, so that events are of two weeks.
ACTED: Final = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)
DAYS: Final = (("2026-11-13", "2026-11-14"), ("2026-11-16", "2026-11-17"))
SLICES: Final = (("2026-11-15", "2026-11-17"),)
# Windows of a week, and what was acted on one day only.
PERIODS: Final = {
    "software_metering": (("2026-11-05", "2026-11-12"),),
    "remote_action_executions": DAYS[1:],
    "package_installations": (("2026-11-11", "2026-11-15"),),
}
Answer = list[dict[str, Any]]
Frames = Callable[[str], pl.DataFrame]
# Their datasets land large results or many units.
SLOW: Final = {
    *("call_quality_by_network", "dex_score_by_country", "open_alerts", "software_to_reclaim"),
    "web_errors_by_application",
}
QUESTIONS: Final = {each.name: each for each in read_questions(LIBRARY)[0]}
RIGHT: Final[dict[str, Callable[[Frames], pl.DataFrame]]] = {}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A small tenant in which, a day ago, a remote action and a campaign were requested."""
    acting = ActingOptions(failure_share=0.3, offline_share=0.2, execution_time=60)
    options = {"devices": 20, "days": 5, "now": ACTED, "queries": LIBRARY / "queries"}
    options |= {"acting": acting, "export_time": 0}
    with place(tmp_path_factory.mktemp("questions"), **options) as made:
        with Client(made.tenant) as client:
            devices = [device["device.collector.uid"] for device in client.devices()]
            people = [user["user.sid"] for user in client.users() if user["user.upn"]]
            for path, body in (
                ("act/execute", {"remoteActionId": "#get_disk_usage", "devices": devices}),
                ("euf/campaign/trigger", {"campaignNqlId": "#device_feedback",
                                          "userSid": people, "expiresInMinutes": 60}),
            ):  # fmt: skip
                client.post(f"/api/v1/{path}", body).raise_for_status()
        made.tenant.clock.advance(timedelta(days=1))
        yield Place(made.tenant, made.folder, {**made.environment, "NXP_CATALOG": str(LIBRARY)})


def landed(here: Place, dataset: str) -> pl.DataFrame:
    """Land a dataset once in this module, and return its rows as the files have them."""
    if not len(here.landed(dataset)):
        by_mode = {Mode.SLICES: SLICES, Mode.WINDOW: DAYS, Mode.SNAPSHOT: (None,)}
        for period in PERIODS.get(dataset) or by_mode[load_dataset(LIBRARY, dataset).mode]:
            asked: dict[str, Any] = {}
            if period:
                asked = {"window_from": period[0], "window_to": period[1]}
            here.land(here.plan(dataset, **asked))
    return here.landed(dataset)


def right(function: Callable[[Frames], pl.DataFrame]) -> Callable[[Frames], pl.DataFrame]:
    """Register the right answer of the question that a function is named after."""
    RIGHT[function.__name__] = function
    return function


def week(column: str) -> pl.Expr:
    """Return the Monday before an instant."""
    day = pl.col(column).dt.date()
    return (day - pl.duration(days=day.dt.weekday() - 1)).alias("week")


def share(part: pl.Expr) -> pl.Expr:
    """Return which percentage of the rows a condition holds for."""
    return 100 * part.sum() / pl.len()


def joined(frames: Frames, dataset: str) -> pl.DataFrame:
    """Return rows with what the inventory says about their devices."""
    devices = frames("devices").select("device_uid", "entity", "model", "operating_system")
    return frames(dataset).join(devices, on="device_uid", how="left")


@right
def crashes_per_1000_devices(frames: Frames) -> pl.DataFrame:
    devices = frames("devices").height
    weeks = frames("crashes").group_by(week("crashed_at"))
    made = weeks.agg(crashes=pl.col("number_of_crashes").sum(), devices=pl.lit(devices))
    rate = (1000 * pl.col("crashes") / devices).alias("crashes_per_1000_devices")
    return made.with_columns(rate).sort("week")


@right
def devices_with_most_crashes(frames: Frames) -> pl.DataFrame:
    grouped = joined(frames, "crashes").group_by("device_uid")
    made = grouped.agg(
        pl.col("device_name", "model", "operating_system").first(),
        crashes=pl.col("number_of_crashes").sum(),
        programs=pl.col("binary_name").n_unique(),
        last_crash_at=pl.col("crashed_at").max(),
    )
    return made.sort("crashes", "device_uid", descending=[True, False]).head(20)


@right
def binaries_that_crash_most(frames: Frames) -> pl.DataFrame:
    made = frames("crashes").group_by("binary_name").agg(
        crashes=pl.col("number_of_crashes").sum(),
        devices=pl.col("device_uid").n_unique(),
        crashes_on_start=(pl.col("number_of_crashes") * pl.col("is_on_start")).sum(),
        last_crash_at=pl.col("crashed_at").max(),
    )  # fmt: skip
    return made.sort("crashes", "binary_name", descending=[True, False]).head(20)


@right
def crash_trend_across_versions(frames: Frames) -> pl.DataFrame:
    chosen = binaries_that_crash_most(frames)["binary_name"][0]
    ran = frames("execution_daily").with_columns(day=pl.col("started_at").dt.date())
    days = ran["day"].unique().to_list()
    ran = ran.filter(pl.col("binary_name") == chosen)
    crashed = frames("crashes").filter(pl.col("binary_name") == chosen)
    crashed = crashed.filter(pl.col("crashed_at").dt.date().is_in(days))
    rows = []
    for version in sorted(ran["binary_version"].unique().to_list()):
        of_it = ran.filter(pl.col("binary_version") == version)
        bad = crashed.filter(pl.col("binary_version") == version)
        device_days = len(set(of_it.select("device_uid", "day").rows()))
        crashes = sum(bad["number_of_crashes"].to_list())
        rows.append(
            {
                "binary_name": chosen,
                "binary_version": version,
                "first_seen": of_it["day"].min(),
                "devices": of_it["device_uid"].n_unique(),
                "device_days": device_days,
                "crashes": crashes,
                "devices_with_crashes": bad["device_uid"].n_unique(),
                "crashes_per_100_device_days": 100 * crashes / device_days,
            }
        )
    return pl.DataFrame(rows).sort("first_seen", "binary_version")


def quantile(column: str, part: float) -> pl.Expr:
    return pl.col(column).quantile(part, "linear")


@right
def boot_duration_by_week(frames: Frames) -> pl.DataFrame:
    full = frames("boots").filter(pl.col("boot_type") == "full_boot")
    made = full.drop_nulls("duration_seconds").group_by(week("booted_at")).agg(
        boots=pl.len(),
        median_seconds=pl.col("duration_seconds").median(),
        p90_seconds=quantile("duration_seconds", 0.9),
        p95_seconds=quantile("duration_seconds", 0.95),
    )  # fmt: skip
    return made.sort("week")


@right
def slow_logins(frames: Frames) -> pl.DataFrame:
    slow = pl.col("desktop_ready_seconds") > 60
    known = frames("logins").drop_nulls("desktop_ready_seconds")
    made = known.group_by(week("logged_in_at")).agg(
        logins=pl.len(),
        slow_logins=slow.sum(),
        slow_percent=share(slow),
        devices_with_slow_logins=pl.col("device_uid").filter(slow).n_unique(),
        median_seconds=pl.col("desktop_ready_seconds").median(),
    )
    return made.sort("week")


@right
def inactive_devices(frames: Frames) -> pl.DataFrame:
    columns = ["device_uid", "device_name", "entity", "model", "operating_system"]
    columns += ["collector_version", "last_seen_at", "days_since_last_seen"]
    unseen = frames("devices").filter(pl.col("days_since_last_seen") >= 7)
    return unseen.select(columns).sort(
        "days_since_last_seen", "device_uid", descending=[True, False]
    )


@right
def windows_builds(frames: Frames) -> pl.DataFrame:
    windows = frames("devices").filter(pl.col("platform") == "Windows")
    builds = ["operating_system", "operating_system_build"]
    made = windows.group_by(builds).agg(devices=pl.len(), percent=100 * pl.len() / windows.height)
    return made.sort("devices", *builds, descending=[True, False, False])


def inventory_by(frames: Frames, *columns: str) -> pl.DataFrame:
    devices = frames("devices")
    made = devices.group_by(columns).agg(
        devices=pl.len(),
        laptops=(pl.col("hardware_type") == "laptop").sum(),
        percent=100 * pl.len() / devices.height,
        memory_gb_median=pl.col("memory_bytes").median() / 10**9,
    )
    return made.sort("devices", *columns, descending=[True, *[False] * len(columns)])


@right
def collector_versions(frames: Frames) -> pl.DataFrame:
    made = inventory_by(frames, "collector_version")
    return made.select("collector_version", "devices", "percent")


@right
def operating_systems(frames: Frames) -> pl.DataFrame:
    made = inventory_by(frames, "platform", "operating_system")
    made = made.sort("devices", "operating_system", descending=[True, False])
    return made.select("platform", "operating_system", "devices", "laptops", "percent")


@right
def hardware_models(frames: Frames) -> pl.DataFrame:
    made = inventory_by(frames, "manufacturer", "model").head(20)
    return made.select("manufacturer", "model", "devices", "memory_gb_median")


@right
def new_devices_by_week(frames: Frames) -> pl.DataFrame:
    seen = frames("devices").drop_nulls("first_seen_at")
    return seen.group_by(week("first_seen_at")).agg(devices=pl.len()).sort("week")


@right
def restarts_overdue(frames: Frames) -> pl.DataFrame:
    bands: dict[str, list[dict[str, Any]]] = {}
    least = ((30, "30 or more"), (14, "14 to 29"), (7, "7 to 13"), (0, "0 to 6"))
    for device in frames("devices").sort("days_since_last_full_boot", nulls_last=True).to_dicts():
        days = device["days_since_last_full_boot"]
        band = "unknown" if days is None else next(name for most, name in least if days >= most)
        bands.setdefault(band, []).append(device)
    return pl.DataFrame(
        {
            "days_since_full_boot": band,
            "devices": len(found),
            "laptops": sum(device["hardware_type"] == "laptop" for device in found),
        }
        for band, found in bands.items()
    )


@right
def slow_boots_by_model(frames: Frames) -> pl.DataFrame:
    full = joined(frames, "boots").filter(pl.col("boot_type") == "full_boot").drop_nulls("model")
    made = full.drop_nulls("duration_seconds").group_by("model").agg(
        boots=pl.len(),
        devices=pl.col("device_uid").n_unique(),
        boot_seconds_median=pl.col("duration_seconds").median(),
    )  # fmt: skip
    return made.sort("boot_seconds_median", "model", descending=[True, False])


@right
def version_spread(frames: Frames) -> pl.DataFrame:
    ran = frames("execution_daily").drop_nulls("binary_version")
    last = ran.sort("started_at", "binary_version").group_by("binary_name", "device_uid").last()
    rows = []
    for (name,), of_it in last.group_by("binary_name"):
        counts = of_it["binary_version"].value_counts(name="n")
        counts = counts.sort("n", "binary_version", descending=[True, False])
        most, on_it = counts.row(0)
        rows.append(
            {
                "binary_name": name,
                "versions": counts.height,
                "devices": of_it.height,
                "most_common_version": most,
                "devices_on_it": on_it,
                "percent_on_it": 100 * on_it / of_it.height,
            }
        )
    return (
        pl.DataFrame(rows)
        .sort("versions", "devices", "binary_name", descending=[True, True, False])
        .head(50)
    )


@right
def cpu_by_entity(frames: Frames) -> pl.DataFrame:
    made = joined(frames, "device_performance").group_by("entity").agg(
        devices=pl.col("device_uid").n_unique(),
        device_days=pl.col("cpu_usage_percent").count(),
        average_cpu_percent=pl.col("cpu_usage_percent").mean(),
        p90_cpu_percent=quantile("cpu_usage_percent", 0.9),
    )  # fmt: skip
    return made.sort("average_cpu_percent", descending=True)


@right
def memory_pressure(frames: Frames) -> pl.DataFrame:
    devices = frames("device_performance").group_by("device_uid").agg(
        memory_gb=(pl.col("installed_memory_bytes").max() / 10**9).round().cast(pl.Int64),
        used=(pl.col("used_memory_bytes") / pl.col("installed_memory_bytes")).mean(),
    )  # fmt: skip
    short = pl.col("used") > 0.8
    made = devices.group_by("memory_gb").agg(
        devices=pl.len(),
        devices_short_of_memory=short.sum(),
        short_percent=share(short),
        average_used_percent=100 * pl.col("used").mean(),
    )
    return made.sort("memory_gb")


@right
def dex_score_by_country(frames: Frames) -> pl.DataFrame:
    scores = frames("dex_scores_device").drop_nulls("dex_score")
    made = scores.group_by(day=pl.col("scored_at").dt.date(), country=pl.col("country")).agg(
        devices=pl.col("device_uid").n_unique(), dex_score=pl.col("dex_score").mean()
    )
    return made.sort("day", "country")


@right
def remote_action_success(frames: Frames) -> pl.DataFrame:
    succeeded, failed = (pl.col("status") == each for each in ("success", "failure"))
    made = frames("remote_action_executions").group_by("remote_action_name").agg(
        executions=pl.len(),
        succeeded=succeeded.sum(),
        failed=failed.sum(),
        others=(~succeeded & ~failed).sum(),
        success_percent=100 * succeeded.sum() / (succeeded | failed).sum(),
    )  # fmt: skip
    return made.sort("executions", "remote_action_name", descending=[True, False])


@right
def campaign_answers(frames: Frames) -> pl.DataFrame:
    made = frames("campaign_responses").group_by("campaign_name", "state").agg(people=pl.len())
    percent = 100 * pl.col("people") / pl.col("people").sum().over("campaign_name")
    made = made.with_columns(percent=percent)
    return made.sort("campaign_name", "people", "state", descending=[False, True, False])


@right
def software_to_reclaim(frames: Frames) -> pl.DataFrame:
    used = frames("software_metering").group_by("application_name", "device_uid")
    totals = used.agg(seconds=pl.col("usage_seconds").sum())
    rarely = pl.col("seconds") < 3600
    made = totals.group_by("application_name").agg(
        devices=pl.len(),
        rarely_used_devices=rarely.sum(),
        rarely_used_percent=share(rarely),
        hours_used=pl.col("seconds").sum() / 3600,
    )
    return made.sort("rarely_used_devices", "application_name", descending=[True, False])


@right
def web_errors_by_application(frames: Frames) -> pl.DataFrame:
    errors, views = frames("web_errors"), frames("web_page_views")
    rows = []
    for name in {*errors["application_name"], *views["application_name"]}:
        wrong = errors.filter(pl.col("application_name") == name)
        seen = sum(views.filter(pl.col("application_name") == name)["number_of_page_views"])
        count = sum(wrong["number_of_errors"])
        rows.append(
            {
                "application_name": name,
                "errors": count,
                "page_views": seen,
                "errors_per_1000_page_views": 1000 * count / seen if seen else None,
                "devices_with_errors": wrong["device_uid"].n_unique(),
            }
        )
    return pl.DataFrame(rows).sort("errors", "application_name", descending=[True, False])


@right
def call_quality_by_network(frames: Frames) -> pl.DataFrame:
    poor = pl.col("call_quality") == "poor"
    made = frames("collaboration_sessions").group_by("connection_type").agg(
        calls=pl.len(),
        poor_calls=poor.sum(),
        poor_percent=share(poor),
        median_round_trip_milliseconds=1000 * pl.col("audio_round_trip_seconds").median(),
    )  # fmt: skip
    return made.sort("calls", "connection_type", descending=[True, False])


@right
def open_alerts(frames: Frames) -> pl.DataFrame:
    opened = frames("alerts").filter(pl.col("status") == "open")
    impacts = frames("alert_impacts")
    rows = []
    for (monitor,), alerts in opened.group_by("monitor_nql_id"):
        about = impacts.filter(
            (pl.col("monitor_nql_id") == monitor)
            & pl.col("raised_at").is_in(alerts["raised_at"].to_list())
        )
        rows.append(
            {
                "monitor_name": alerts["monitor_name"][0],
                "monitor_priority": alerts["monitor_priority"][0],
                "open_alerts": sum(alerts["number_of_alerts"]),
                "oldest_raised_at": min(alerts["raised_at"]),
                "devices": about["device_uid"].n_unique(),
            }
        )
    return pl.DataFrame(rows).sort("open_alerts", "monitor_name", descending=[True, False])


@right
def full_disks(frames: Frames) -> pl.DataFrame:
    daily = frames("device_performance").sort("started_at")
    last = daily.group_by("device_uid").last()
    free, capacity = pl.col("system_drive_free_bytes"), pl.col("system_drive_capacity_bytes")
    full = last.filter(free / capacity < 0.1).select(
        "device_uid",
        "device_name",
        day=pl.col("started_at").dt.date(),
        capacity_gb=capacity / 10**9,
        free_gb=free / 10**9,
        free_percent=100 * free / capacity,
    )
    return full.sort("free_percent", "device_uid")


@right
def crashes_after_updates(of: Frames) -> pl.DataFrame:
    crashes = of("crashes").select("device_uid", "crashed_at", "number_of_crashes")
    last = crashes["crashed_at"].dt.date().max()
    assert isinstance(last, date)
    made = of("package_installations").filter(
        pl.col("installation_type") == "installation",
        pl.col("status") == "success",
        pl.col("installed_at").dt.date() < last - timedelta(days=2),
    )
    counts: dict[tuple[str, str], tuple[set[str], list[int]]] = {}
    for one in made.to_dicts():
        devices, crashed = counts.setdefault(
            (one["package_name"], one["package_version"]), (set(), [0, 0])
        )
        devices.add(one["device_uid"])
        for crash in crashes.filter(device_uid=one["device_uid"]).to_dicts():
            apart = crash["crashed_at"] - one["installed_at"]
            if abs(apart) <= timedelta(days=3):
                crashed[apart >= timedelta(0)] += crash["number_of_crashes"]
    rows: list[tuple[Any, ...]] = [
        (name, version, len(devices), *crashed)
        for (name, version), (devices, crashed) in counts.items()
    ]
    rows.sort(key=lambda row: (row[3] - row[4], row[0], row[1]))
    columns = ["package_name", "package_version", "devices", "crashes_before", "crashes_after"]
    return pl.DataFrame(rows, columns, orient="row")


def in_answer(value: Any) -> Any:
    """Return a value as JSON has it; answers are rounded to one decimal place."""
    return pytest.approx(value, abs=0.0501) if isinstance(value, float) else plain(value)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] * (each in SLOW)) for each in QUESTIONS]
)
def test_the_answer_is_right(
    estate: Place, use: Use, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    use(estate)
    question = QUESTIONS[name]
    frames: Mapping[str, pl.DataFrame] = {
        dataset: landed(estate, dataset) for dataset in question.datasets()
    }
    done = called("ask", name, "--json", capsys=capsys)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answer = validated("ask", done.stdout)
    expected = RIGHT[name](frames.__getitem__)
    assert expected.height
    assert [*answer["rows"][0]] == expected.columns
    for row, other in zip(answer["rows"], expected.to_dicts(), strict=True):
        assert row == {key: in_answer(value) for key, value in other.items()}
    assert personal(question, frames).isdisjoint(words(done.stdout))
    assert {each["dataset"] for each in answer["reaches"]} == {*frames}


def test_an_answer_says_how_far_its_data_reach(
    estate: Place, use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    use(estate)
    assert len(landed(estate, "crashes"))
    assert len(landed(estate, "devices"))
    said = called("ask", "devices_with_most_crashes", capsys=capsys).stderr.splitlines()[-1]
    crashes = "crashes from 2026-11-13 00:00Z to 2026-11-17 00:00Z, with gaps"
    assert said == f"made of {crashes}; devices as of 2026-11-17 09:30Z"


def personal(question: Question, frames: Mapping[str, pl.DataFrame]) -> set[str]:
    """Return all values of personal columns that the question could have shown."""
    found: set[str] = set()
    for dataset in question.datasets():
        for column in load_dataset(LIBRARY, dataset).columns:
            if column.personal:
                found |= {str(each) for each in frames[dataset][column.name].drop_nulls()}
    return found


def words(printed: str) -> set[str]:
    """Return all texts in the rows of an answer."""
    return {str(value) for row in json.loads(printed)["rows"] for value in row.values()}


def cells(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> list[str]:
    """Run the library's notebook as a person does, and return what each cell shows, as HTML."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = runpy.run_path(str(LIBRARY / "notebooks" / "estate.py"))["app"]
    return [str(getattr(shown, "text", shown)) for shown in app.run()[0]]


def test_the_notebook_draws_five_answers(
    estate: Place, use: Use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(estate)
    need = Library().parts["estate"].wants
    assert {"boots", "crashes", "devices", "logins"} <= {*need}
    frames = {dataset: landed(estate, dataset) for dataset in need}
    shown = cells(monkeypatch, estate.environment)
    charts = [cell for cell in shown if "<marimo-vega" in cell]
    assert len(charts) == 5
    crashes = next(cell for cell in charts if QUESTIONS["crashes_per_1000_devices"].title in cell)
    assert "date_trunc" in crashes
    # What it draws is what nxp ask answers.
    right = RIGHT["crashes_per_1000_devices"](frames.__getitem__)
    answer = open_lake().ask("crashes_per_1000_devices")
    assert answer.frame["crashes"].to_list() == right["crashes"].to_list()
    assert answer.question.chart == QUESTIONS["crashes_per_1000_devices"].chart
    # In a new project each cell says what to do.
    empty = cells(monkeypatch, {**estate.environment, "NXP_LAKE": str(tmp_path)})
    assert sum("nxp export" in cell for cell in empty) == 6
