"""`nxp check` on the SQL of questions: names that nothing lands, charts of columns not there."""

from pathlib import Path

import pytest

from nxp.library import LIBRARY
from tests.commands import Result, called

TITLE = "-- title: A question\n"
COUNTED = "SELECT country, count(*) AS devices FROM devices GROUP BY ALL"


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with the library's devices and its questions about them."""
    for part in ("datasets/devices.yaml", "queries/devices.nql", "questions/windows_builds.sql"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).write_text((LIBRARY / part).read_text("utf-8"), "utf-8")
    given = {"NXP_HOME": str(tmp_path / "home"), "NXP_CATALOG": str(tmp_path)}
    given |= {"NEXTHINK_INSTANCE": "acme", "NEXTHINK_REGION": "eu"}
    given |= {"NEXTHINK_CLIENT_ID": "id", "NEXTHINK_CLIENT_SECRET": "s"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def checked(catalog: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> Result:
    (catalog / "questions" / "mine.sql").write_text(TITLE + sql, "utf-8")
    return called("check", capsys=capsys)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT\n  contry\nFROM devices",
            'mine.sql:3: SQL: Binder Error: Referenced column "co',
        ),
        ("FROM devces", "mine.sql: it reads devces, which neither landed nor is"),
        ("FROM devces", "did you mean devices?"),
        ("SELECT valid_frm FROM devices_changes", '"valid_frm"'),
        ("SELECT sum(device_name) FROM devices_history", "mine.sql:2: SQL: Binder Error"),
        (f"-- chart: bar x=contry y=devices\n{COUNTED}", "the answer has no column contry"),
        ("SELECT stat FROM _units", '"stat"'),
        ("SELECT duration FROM boots", '"duration"'),
    ],
)
def test_a_name_that_nothing_lands_is_noted_with_its_line(
    catalog: Path, capsys: pytest.CaptureFixture[str], sql: str, said: str
) -> None:
    done = checked(catalog, sql, capsys)
    assert done.returncode == 0
    assert said in done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        f"-- chart: bar x=country y=devices\n{COUNTED}",
        "SELECT c.device_name, valid_to, snapshot FROM devices_changes c, devices_history",
        "WITH b AS (FROM boots) SELECT max(version_parts(device_name)), date FROM b GROUP BY 2",
        "PIVOT devices ON platform USING count(*) GROUP BY country",
        "SELECT u.rows, t.action, d.grain FROM _units u, _targets t, _datasets d, _changes, _gaps",
    ],
)
def test_a_question_whose_names_land_is_not_noted(
    catalog: Path, capsys: pytest.CaptureFixture[str], sql: str
) -> None:
    assert "mine" not in checked(catalog, sql, capsys).stderr
