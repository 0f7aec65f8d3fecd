"""What killed runs left in their folders is removed by the next run, and nothing else is."""

import os
import time
from pathlib import Path

from connectors.ledger import open_ledger
from tasks.runs.leftovers import clear_leftovers

REPORT = {"units": 0, "rows_landed": 0, "rows_rejected": 0, "error": None}
TWO_DAYS = 2 * 86_400


def test_only_folders_of_runs_that_have_ended_and_old_unknown_ones_go(tmp_path: Path) -> None:
    spool, staging = tmp_path / "spool", tmp_path / "staging"
    old = time.time() - TWO_DAYS
    for name in ("ended", "running", "elsewhere", "unknown", "forgotten"):
        for folder in (spool, staging):
            (folder / name / "unit").mkdir(parents=True)
            if name in {"forgotten", "running"}:
                os.utime(folder / name, (old, old))
    for name in ("fresh.new", "lost.new"):
        (staging / name).write_text("rows", "utf-8")
    os.utime(staging / "lost.new", (old, old))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_ledger(url, "other.eu") as other:
        other.begin_run("elsewhere", "d", "manual")
    with open_ledger(url, "acme.eu") as ledger:
        for name in ("ended", "running"):
            ledger.begin_run(name, "d", "manual")
        ledger.finish_run("ended", "completed", REPORT)
        clear_leftovers(ledger, spool, staging, None, tmp_path / "missing")
    assert {path.name for path in spool.iterdir()} == {"elsewhere", "running", "unknown"}
    left = {path.name for path in staging.iterdir()}
    assert left == {"elsewhere", "fresh.new", "running", "unknown"}
