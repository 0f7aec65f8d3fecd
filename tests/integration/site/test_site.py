"""The site of a landed lake: what its pages show, whom they never name, how they are replaced."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import yaml

from connectors.catalogue import read_datasets
from connectors.errors import StorageError, UsageError
from connectors.lake.records import write_action_changes, write_changes, write_run
from connectors.ledger import open_ledger
from tasks.land.plan import Plan
from tasks.site.facts import AnsweredQuestion
from tasks.site.folder import MARKER, checked_place, replacing
from tasks.site.questions import questions_of
from tasks.stories.site import make_site
from tests.commands import called
from tests.landing import CATALOG, Place

STRETCHES = (("2026-11-16", "2026-11-18"), ("2026-11-19", "2026-11-20"))
REPEATED = r"<caption>Rows that have the key.*?<td>(\w+)</td><td class=\"n\">(\d+)</td>"
PERSON = "Ann Canary-Approver"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def land_some(here: Place) -> set[str]:
    """Land three datasets, with a day missing; return all values of their personal columns."""
    here.land(here.plan("users"))
    here.land(keyed(here.plan("devices"), "platform"))
    for start, end in STRETCHES:
        here.land(here.plan("crashes", window_from=start, window_to=end))
    values: set[str] = {PERSON}
    for name in ("users", "devices", "crashes"):
        read = yaml.safe_load((CATALOG / "datasets" / f"{name}.yaml").read_text("utf-8"))
        landed = here.landed(name)
        personal = [each for each in read["columns"] if each.get("personal")]
        for column in personal:
            series = landed[column.get("name") or column["nql"].replace(".", "_")]
            values |= set(series.drop_nulls().cast(pl.String))
    # A short text may be a part of any word.
    return {each for each in values if len(each) > 4}


def keyed(plan: Plan, key: str) -> Plan:
    """Return a plan whose dataset has another key: one that several rows have."""
    columns = tuple(
        each.model_copy(update={"key": each.name == key}) for each in plan.specification.columns
    )
    return replace(plan, specification=plan.specification.model_copy(update={"columns": columns}))


def record_act(here: Place) -> None:
    """Record a run of an action as the product does, with the people that it names."""
    with open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu", here.clock()) as ledger:
        report = {
            "approved_by": PERSON,
            "asked_by": PERSON,
            "error": f"declined by {PERSON}",
            "units": 7,
            "rows_landed": 0,
            "rows_rejected": 0,
            "targets": 7,
            "requested": 6,
            "outcomes": {"success": 5, "failure": 1},
        }
        ledger.begin_run("r-1", "free_disk_space", "run")
        ledger.finish_run("r-1", "done", report)
        ledger.begin_run("r-2", f"device {PERSON}", "raw")
        ledger.finish_run("r-2", "done", report)
        change = (
            "adds volume, stops filling gone, changes seen from timestamp[us, tz=UTC] to string"
        )
        landing = {
            "warnings": [
                f"accepted_values: {PERSON} (warn)",
                f"{change}, nxp lake rewrite crashes",
            ],
            "columns_absent": ["crash.lost"],
            "columns_dropped": [],
        }
        for run in ("r-3", "r-4"):
            ledger.begin_run(run, "crashes", "manual")
            ledger.finish_run(run, "landed", {**report, "outcomes": [landing]})
            here.tenant.clock.advance(timedelta(minutes=1))
            landing["warnings"] = []


def record_objects(here: Place) -> None:
    """Write the records of a sync, an action and a raw operation, with a person in each."""
    names = ("key", "before", "after", "set_by")
    write_changes(here.lake, "vip", "r-1", 1, NOW, pa.table({each: [PERSON] for each in names}))
    people = ("target", "device", "person", "details", "answers")
    write_action_changes(here.lake, "ask", "r-2", NOW, pa.table({e: [PERSON] for e in people}))
    raw = {"run_id": "r-3", "dataset": f"device {PERSON}", "error": PERSON, "asked_by": PERSON}
    write_run(here.lake, {**raw, "started_at": NOW, "finished_at": NOW, "seconds": {}})


def ask(catalog: Path, here: Place, personal: set[str]) -> None:
    """Ask questions of the lake, some of which would name people, and check the answers."""
    (catalog / "questions").mkdir(parents=True)
    asked = {
        "platforms": "SELECT platform, count(*) AS devices FROM devices GROUP BY ALL ORDER BY 1;",
        "people": "SELECT last_login_user_name AS who, count(*) AS n FROM devices GROUP BY ALL",
        "around": "SELECT last_login_user_name FROM main.devices",
        "files": "FROM devices, \"parquet_metadata\" /* */ ('*')",
        "function": "SELECT last_login_user_name FROM query/**/('FROM ma' || 'in.devices')",
        "file": f'FROM "{here.lake.folder}/data/devices/**/*.parquet"',
        "folder": f"FROM read_parquet/**/('{here.lake.folder}/data/devices/**/*.par' || 'quet')",
        "writing": "DROP VIEW devices",
        "waiting": "FROM boots",
        "personal": "SELECT sum(last_login_user_name) FROM devices",
        "catalog": "WITH sqlite_master AS (FROM sqlite_master) FROM sqlite_master, devices",
        "changes": "SELECT key, before, after, set_by FROM _changes",
        "targets": "SELECT target, device, person, details, answers FROM _targets",
        "runs": "SELECT dataset, error, asked_by FROM _runs",
        "uids": "SELECT user_uid, count(*) AS n FROM crashes GROUP BY ALL",
        "joined": "SELECT count(*) AS n FROM crashes JOIN users USING (user_uid)",
        "wrong": "SELECT count(*) FROM devices WHERE last_login_user_name = 'PERSON",
        "literal": "SELECT count(*) FROM devices WHERE last_login_user_name = 'PERSON'",
        "renamed": "WITH d(w) AS (SELECT last_login_user_name FROM devices) "
        "SELECT count(*) FROM d WHERE w = 'X' OR lower(w) IN ('PERSON')",
        "pivot": "PIVOT (FROM devices WHERE last_login_user_name <> 'O''PERSON') "
        "ON last_login_user_name USING count(*)",
        "long": "SELECT unnest(range(501)) AS platform, device_uid FROM devices LIMIT 501",
    }
    record_objects(here)
    head = "-- title: How many\n-- text: Of\n--   each.\n-- chart: bar x=platform y=devices\n"
    for name, sql in asked.items():
        (catalog / "questions" / f"{name}.sql").write_text(head + sql.replace("PERSON", PERSON))
    known = dict(read_datasets(CATALOG).valid)
    # The column refers to one that is personal, and does not say so itself.
    crashes = known["crashes"]
    plain = [each.model_copy(update={"personal": False}) for each in crashes.columns]
    known["crashes"] = crashes.model_copy(update={"columns": tuple(plain)})
    found = {each.name: each for each in questions_of(catalog, here.lake, known, 64)}
    platforms = found["platforms"]
    assert (platforms.title, platforms.text, platforms.x) == ("How many", "Of each.", "platform")
    counts = here.landed("devices").group_by("platform").len().sort("platform").rows()
    assert [*platforms.rows] == counts
    assert (platforms.is_cut, platforms.lacking) == (False, ())
    # A page shows the first rows of a long answer, and says so.
    long = found["long"]
    assert (len(long.rows), long.is_cut, long.lacking) == (500, True, ("devices",))
    assert len(found["people"].rows) > 10
    assert not personal & {str(cell) for row in found["people"].rows for cell in row}
    only = "; a site answers what reads views by their plain names only"
    assert found["around"].problem == f"questions/around.sql: it reads main.devices{only}"
    assert found["files"].problem == f"questions/files.sql: it reads parquet_metadata{only}"
    assert found["writing"].problem == "questions/writing.sql:5: SQL: write exactly one SELECT"
    assert (found["waiting"].missing, found["waiting"].problem) == (("boots",), "")
    # What DuckDB says may have a value.
    assert "Could not" not in found["personal"].problem
    assert found["personal"].problem.startswith("questions/personal.sql: its SQL fails on the site")
    for name in ("function", "file", "folder", "catalog"):
        assert found[name].problem.endswith(only)
    check_nobody_is_named(here, found, personal)


def check_nobody_is_named(
    here: Place, found: Mapping[str, AnsweredQuestion], personal: set[str]
) -> None:
    """Check that answers count people and show none, not in their SQL either."""
    assert PERSON not in found["wrong"].problem
    for name in ("changes", "targets", "runs", "uids", "literal", "renamed", "pivot"):
        assert found[name].rows, found[name].problem
        everything = f"{found[name].sql} {found[name].columns} {found[name].rows}"
        assert not [each for each in personal if each in everything], name
    assert found["literal"].sql.endswith("last_login_user_name = '…'")
    assert "other" in {row[0] for row in found["runs"].rows}
    users = set(here.landed("users")["user_uid"])
    joined = here.landed("crashes").filter(pl.col("user_uid").is_in(users)).height
    assert found["joined"].rows == ((joined,),)
    assert joined


ODD = {
    "odd": "-- tittle: Odd\n",
    "waiting": "-- title: Hm\nFROM boots",
    "damaged": "-- title: Damaged\nSELECT count(*) AS n FROM users",
    "long": "-- title: Long\n-- chart: bar x=n y=m\nFROM devices, range(501) AS r(n) SELECT n",
}


def catalogue_with_a_person(catalogue: Path) -> Path:
    """Make a catalogue whose files name a person, as values that personal columns may have."""
    for folder in CATALOG.iterdir():
        if folder.is_dir() and folder.name != "questions":
            shutil.copytree(folder, catalogue / folder.name)
    (catalogue / "questions").mkdir()
    for name, sql in ODD.items():
        (catalogue / "questions" / f"{name}.sql").write_text(sql)
    devices = catalogue / "datasets" / "devices.yaml"
    check = f"{{check: allowed, column: last_login_user_name, values: [{PERSON}], severity: warn}}"
    read = yaml.safe_load(devices.read_text("utf-8"))
    read["checks"] = [*read.get("checks", ()), yaml.safe_load(check)]
    read["derive"] = {"login": "last_login_user_name", "collector": "UPPER(collector_uid)"}
    devices.write_text(yaml.safe_dump(read, sort_keys=False), "utf-8")
    query = catalogue / "queries" / "devices.nql"
    text = query.read_text("utf-8")
    where = f'where login.last_login_user_name in ["{PERSON}"] and device.name == "X1"'
    query.write_text(text.replace("| list", f"| {where}\n| list", 1), "utf-8")
    broken = catalogue / "datasets" / "startup_reports.yaml"
    broken.write_text(f"{broken.read_text('utf-8')}where: user_name = '{PERSON}' AND (\n", "utf-8")
    for kind in ("syncs", "actions"):
        path = next((catalogue / kind).glob("*.yaml"))
        path.write_text(f"{path.read_text('utf-8')}odd: {PERSON}\n", "utf-8")
    return catalogue


class Links(HTMLParser):
    """What a page refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value:
                self.links.append(value)
            if name == "id" and value:
                self.ids.append(value)


def broken(folder: Path) -> Iterator[str]:
    """Yield what pages refer to that is not in the folder, and ids that stand twice in a page."""
    pages = {path: Links(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    for path, found in pages.items():
        yield from (f"{path}: {one} twice" for one in found.ids if found.ids.count(one) > 1)
        for link in found.links:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.is_file() or (anchor and anchor not in pages[target].ids):
                yield f"{path}: {link}"


def test_a_site_shows_what_landed_and_names_nobody(
    here: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    personal = land_some(here)
    record_act(here)
    ask(tmp_path / "catalogue", here, personal)
    damaged = here.lake.folder / "_manifests" / "users" / "_manifest.json"
    damaged.write_text("{")
    out, catalogue = tmp_path / "site", catalogue_with_a_person(tmp_path / "clone")
    monkeypatch.setenv("NXP_CATALOG", str(catalogue))

    made = make_site(out, clock=here.clock())

    assert made.damaged == ["startup_reports", "users"]
    assert list(broken(out)) == []
    everything = "\n".join(path.read_text("utf-8") for path in out.rglob("*") if path.is_file())
    assert [each for each in personal if each in everything] == []
    assert "https://" not in everything.replace("https://www.w3.org", "")
    users = (out / "datasets" / "users.html").read_text("utf-8")
    assert "This dataset has a problem" in users
    assert "_manifest.json" in users
    crashes = (out / "datasets" / "crashes.html").read_text("utf-8")
    assert "2026-11-18: missing" in crashes
    assert re.search(r"2 landed|3 landed", crashes)
    changes = re.findall(r'<th scope="row"><code>([\w.]+)</code></th><td>(.*?)</td>', crashes)
    assert [f"{name}: {what}" for name, what in changes] == [
        "volume: appeared",
        "gone: no longer filled",
        "seen: from timestamp[us, tz=UTC] to string",
        "crash.lost: not sent by the tenant, last on 2026-11-20 09:31",
    ]
    assert "nxp sql &#34;FROM crashes LIMIT 10&#34;" in crashes
    assert "during past" in crashes  # the saved query
    devices = (out / "datasets" / "devices.html").read_text("utf-8")
    row = re.search(r'<tr id="c-last_login_user_name">.*?</tr>', devices, re.DOTALL)
    assert row is not None
    assert "personal" in row[0]
    assert "not shown" in row[0]
    assert "Windows" in devices  # a frequent value
    assert "in [&#34;…&#34;] and device.name == &#34;X1&#34;" in devices
    index = (out / "search.js").read_text("utf-8")
    found = json.loads(index.removeprefix("window.SITE_INDEX=").rstrip(";\n"))
    assert {"d": "crashes", "c": "binary_name"}.items() <= next(
        each for each in found if each["d"] == "crashes" and each.get("c") == "binary_name"
    ).items()
    actions = (out / "actions.html").read_text("utf-8")
    assert "7 targets" in actions
    assert "5 success" in actions
    assert "5 runs" not in (out / "runs.html").read_text("utf-8")
    # As a command, over the site that is there now.
    answer = called("site", "--out", str(out), "--json", capsys=capsys)
    assert answer.returncode == 0, answer.stderr
    wrong = "questions/odd.sql:1: unknown key 'tittle': the keys are title, text, chart"
    assert json.loads(answer.stdout)["damaged"] == ["startup_reports", "users"]
    failed = json.loads(answer.stdout)["questions_failed"]
    assert (failed[0].partition(":")[0], failed[1:]) == ("questions/damaged.sql", [wrong])
    questions = (out / "questions.html").read_text("utf-8")
    said = (wrong.replace("'", "&#39;"), "reads boots", "only its first 500 are here")
    said_too = ("There is no chart: the answer has no column m.", "Made of devices as of 2026-11-")
    for each in (*said, *said_too):
        assert each in questions
    assert wrong in called("site", "--out", str(out), capsys=capsys).stderr


def test_only_a_site_or_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "site"
    with replacing(place, {"tenant": "a"}) as folder:
        (folder / "index.html").write_text("first")
    with replacing(checked_place(place), {}) as folder:
        (folder / "index.html").write_text("second")
    assert (place / "index.html").read_text() == "second"

    with pytest.raises(ZeroDivisionError), replacing(place, {}):
        raise ZeroDivisionError
    assert (place / "index.html").read_text() == "second"
    assert [each.name for each in tmp_path.iterdir()] == ["site"]

    # A build that was killed between its two renames has left the site under another name.
    place.rename(tmp_path / ".site.old-1")
    with pytest.raises(ZeroDivisionError), replacing(place, {}):
        raise ZeroDivisionError
    assert (place / "index.html").read_text() == "second"

    (place / MARKER).unlink()
    with pytest.raises(UsageError, match="not of a site"):
        checked_place(place)
    with pytest.raises(UsageError, match="is not a folder"):
        checked_place(place / "index.html")
    with pytest.raises(StorageError), replacing(place / "index.html" / "below", {}):
        pass
