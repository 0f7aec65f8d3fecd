"""The page on readers: each of its programs counts the rows that have landed."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment
from tests.documents import DOCS
from tests.landing import Place

PAGE = (DOCS / "readers.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
IMPORTED = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)


@pytest.mark.slow
def test_every_program_counts_what_has_landed(here: Place, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".nxp").mkdir(parents=True)
    here.land(here.plan("devices"))
    landed = here.land(here.plan("crashes", window_from="2026-11-17", window_to="2026-11-19"))
    rows = sum(each.rows_landed for each in landed)
    Path(here.environment["NXP_LAKE"]).rename(project / ".nxp" / "lake")
    env = {**environment(here), "NXP_LAKE": str(project / ".nxp" / "lake")}
    subprocess.run(
        [sys.executable, "-m", "nxp", "lake", "duckdb", "lake.duckdb"],
        cwd=project,
        env=env,
        check=True,
    )
    tried = 0
    for program in PROGRAMS:
        missing = [name for name in IMPORTED.findall(program) if not importlib.util.find_spec(name)]
        if missing or "read_delta" in program:
            # A table of Delta has tests of its own.
            continue
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split()[:1] == [str(rows)], (program, done.stdout, done.stderr)
        tried += 1
    assert tried >= 5
