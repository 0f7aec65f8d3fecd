"""Reading dataset specifications."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.catalogue import landed_name, load_dataset, load_datasets, parse_duration
from connectors.errors import ConfigurationError, UsageError
from tests.landing import CATALOG


def catalogue_with(tmp_path: Path, text: str, name: str = "things") -> Path:
    (tmp_path / "datasets").mkdir(exist_ok=True)
    (tmp_path / "queries").mkdir(exist_ok=True)
    (tmp_path / "queries" / "things.nql").write_text("devices")
    (tmp_path / "datasets" / f"{name}.yaml").write_text(text)
    return tmp_path


GOOD = """
dataset: things
query_id: "#things"
mode: snapshot
columns: [{nql: thing.uid}, {nql: thing.sha-256_hash_hex}]
"""


SHIPPED = [
    "crashes",
    "device_performance",
    "devices",
    "execution_events",
    "pulse_responses",
    "startup_reports",
    "users",
]


def test_the_shipped_catalogue_is_valid() -> None:
    assert sorted(load_datasets(CATALOG)) == SHIPPED


def test_columns_take_their_landed_name_from_the_header(tmp_path: Path) -> None:
    specification = load_dataset(catalogue_with(tmp_path, GOOD), "things")
    assert [c.name for c in specification.columns] == ["thing_uid", "thing_sha_256_hash_hex"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("mode: snapshot", "mode: weekly"),
        ("mode: snapshot", "mode: window"),
        ("mode: snapshot", "mode: snapshot\nunknown: 1"),
        ('"#things"', "things"),
        ('"#things"', '"#nothing"'),
        ("dataset: things", "dataset: others"),
        ("{nql: thing.uid}", "{nql: thing.uid, name: date}"),
        ("{nql: thing.uid}", "{nql: thing.uid, type: text}"),
        ("{nql: thing.uid}", "{nql: thing.sha.256.hash_hex}"),
        ("mode: snapshot", "mode: snapshot\nevery: 7h"),
        ("mode: snapshot", "mode: [snapshot"),
    ],
)
def test_a_wrong_specification_is_refused_with_its_file_named(
    tmp_path: Path, change: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"things\.yaml"):
        load_datasets(catalogue_with(tmp_path, GOOD.replace(change, words)))


EVENTS = """
dataset: things
query_id: "#things"
mode: window
window: {column: at, from: from, to: to, step: 6h}
columns: [{nql: at, type: datetime}, {nql: id, key: true}, {nql: kind}]
"""
WINDOW = "window: {column: at, from: from, to: to, step: 6h}"
SHARDS = "shards: [{name: one, parameters: {k: a}}, {name: rest, query_id: '#things'}]"


@pytest.mark.parametrize(
    ("change", "to", "words"),
    [
        ("column: at", "column: id", "'id' is not a datetime column"),
        ("from: from, to: to", "from: at, to: at", "two parameters"),
        ("from: from, to: to", "column2: x", "column2"),
        ("step: 6h", "step: 5h", "divide a day"),
        ("step: 6h", "step: soon", "must be a duration"),
        ("step: 6h", "step: 6h, min_step: 4h", "min_step must divide the step"),
        ("step: 6h", "step: 6h, start: 2026-11-20T05:00Z", "start must be on a bound"),
        ("step: 6h", "step: 6h, start: 2026-11-20T06:00", "needs an offset"),
        ("step: 6h", "step: 6h, start: today", "must be a date"),
        ("step: 6h", "step: 6h, reach: 6h", "no window could be landed"),
        ("mode: window", "mode: slices", "mode slices needs {days} in it"),
        ("{nql: kind}]", "{nql: kind}]\n" + SHARDS.replace("rest", "two"), "one is rest"),
        ("id, key: true}, {nql: kind}]", "id}]\n" + SHARDS, "need a key column"),
        ("{nql: kind}]", "{nql: kind}]\n" + SHARDS.replace("{k: a}", "{to: a}"), "belongs to"),
        ("{nql: kind}]", "{nql: kind}]\n" + SHARDS.replace("'#things'", "'#no-id'"), "query_id"),
        ("{nql: kind}]", "{nql: kind}]\n" + SHARDS.replace("one", "o" * 41), "at most 40"),
        ("{nql: kind}]", "{nql: kind}]\nchecks: [{check: rows, min: 5, max: 1}]", "below min"),
        ("{nql: kind}]", "{nql: kind}]\nchecks: [{check: size}]", "checks"),
        (
            "{nql: kind}]",
            "{nql: kind}]\nchecks: [{check: not_null, column: nope}]",
            "'nope', which is not a column",
        ),
        (
            "{nql: kind}]",
            "{nql: kind}]\nchecks: [{check: fresh, column: id, within: 1d}]",
            "fresh needs a datetime column",
        ),
        ("{nql: kind}]", "{nql: kind}]\nlandings: [csv]", "must be parquet, delta"),
        ("{nql: kind}]", "{nql: kind}]\nlandings: []", "landings"),
        ("{nql: kind}]", "{nql: kind}]\nlandings: [sql, sql: {table: x}]", "each kind only once"),
        ("{nql: kind}]", "{nql: kind}]\nlandings: [sql: {table: 'a b'}]", "63 letters"),
        ("{nql: kind}]", "{nql: kind}]\nlandings: [sql: {snapshot: append}]", "only in mode"),
        ("{nql: kind}]", "{nql: kind}]\nretention: 3h", "at least a day"),
        ("{nql: kind}]", "{nql: kind}]\nstale_after: 0h", "longer than 0"),
        ("{nql: kind}]", "{nql: kind}, {nql: kind, name: b}]", "the header 'kind' is used 2"),
    ],
)
def test_what_a_dataset_of_events_gets_wrong_is_named(
    tmp_path: Path, change: str, to: str, words: str
) -> None:
    assert change in EVENTS
    with pytest.raises(ConfigurationError) as caught:
        load_datasets(catalogue_with(tmp_path, EVENTS.replace(change, to)))
    assert words in str(caught.value)


def test_all_keys_of_a_dataset_are_read(tmp_path: Path) -> None:
    more = f"""
{SHARDS}
checks: [{{check: unique, columns: [at, id], severity: warn}}]
landings: [parquet, sql: {{schema: nexthink, table: Things}}]
retention: 90d
"""
    specification = load_dataset(catalogue_with(tmp_path, EVENTS + more), "things")
    assert specification.window is not None
    assert specification.window.min_step == timedelta(minutes=15)
    assert specification.key_columns == ("id",)
    assert specification.sql is not None
    assert (specification.sql.schema_, specification.sql.table) == ("nexthink", "Things")
    assert specification.in_lake
    assert specification.query_ids() == ["#things"]


def test_slices_need_a_saved_query_for_each_day_back(tmp_path: Path) -> None:
    slices = (
        EVENTS.replace("mode: window", "mode: slices")
        .replace('"#things"', '"#things_{days}"')
        .replace(WINDOW, "window: {column: at, reach: 3d}")
    )
    catalogue_with(tmp_path, slices)
    for days in (1, 2):
        (tmp_path / "queries" / f"things_{days}.nql").write_text("devices")
    with pytest.raises(ConfigurationError, match=r"no saved query queries/things_3\.nql"):
        load_datasets(tmp_path)
    (tmp_path / "queries" / "things_3.nql").write_text("devices")
    assert load_dataset(tmp_path, "things").query_ids() == ["#things_1", "#things_2", "#things_3"]


def test_two_datasets_do_not_land_in_one_table(tmp_path: Path) -> None:
    catalogue_with(tmp_path, GOOD + "landings: [sql: {table: same}]")
    other = GOOD.replace("dataset: things", "dataset: others") + "landings: [sql: {table: same}]"
    with pytest.raises(ConfigurationError, match="others lands in the same table"):
        load_datasets(catalogue_with(tmp_path, other, "others"))


def test_the_problems_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    catalogue_with(tmp_path, "dataset: 1")
    with pytest.raises(ConfigurationError) as caught:
        load_datasets(catalogue_with(tmp_path, "[]", "others"))
    assert any(problem.startswith("others.yaml") for problem in caught.value.problems)
    assert sum(problem.startswith("things.yaml") for problem in caught.value.problems) > 2


def test_an_unknown_dataset_names_those_there_are(tmp_path: Path) -> None:
    shutil.copytree(CATALOG, tmp_path, dirs_exist_ok=True)
    with pytest.raises(UsageError, match=", ".join(SHIPPED)):
        load_dataset(tmp_path, "nope")


def test_names_are_lowered_and_runs_of_other_signs_are_one_underscore() -> None:
    assert landed_name("binary.sha-256_hash_hex") == "binary_sha_256_hash_hex"
    assert landed_name("Device.#Custom Field") == "device_custom_field"


def test_durations_are_read_with_their_unit() -> None:
    assert parse_duration("15min") == timedelta(minutes=15)
    assert parse_duration("8d") == timedelta(days=8)
    with pytest.raises(ValueError, match="duration"):
        parse_duration("8 days")


@pytest.mark.parametrize("text", [" 6h", "6h\n", "999999999d"])
def test_a_duration_that_the_form_of_a_flow_refuses_or_no_calendar_holds_is_refused(
    text: str,
) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


def test_one_dataset_is_read_without_the_others(tmp_path: Path) -> None:
    catalogue_with(tmp_path, "columns: [", "others")
    assert load_dataset(catalogue_with(tmp_path, GOOD), "things").dataset == "things"


def test_one_dataset_that_lands_in_a_table_is_compared_with_all(tmp_path: Path) -> None:
    catalogue_with(tmp_path, GOOD + "landings: [sql: {table: same}]")
    other = GOOD.replace("dataset: things", "dataset: others") + "landings: [sql: {table: same}]"
    with pytest.raises(ConfigurationError, match="others lands in the same table"):
        load_dataset(catalogue_with(tmp_path, other, "others"), "things")


def test_a_path_is_not_the_name_of_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text(GOOD)
    with pytest.raises(UsageError, match="unknown dataset"):
        load_dataset(catalogue_with(tmp_path, GOOD), "../things")


def test_a_change_of_a_file_is_seen_however_soon(tmp_path: Path) -> None:
    assert load_dataset(catalogue_with(tmp_path, GOOD), "things").every == timedelta(days=1)
    catalogue_with(tmp_path, GOOD + "every: 6h")
    assert load_dataset(tmp_path, "things").every == timedelta(hours=6)
