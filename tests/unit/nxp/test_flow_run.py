"""The process of a flow run, with a stand-in for Prefect's engine."""

import os
import subprocess
import sys
from pathlib import Path

# As after a flow: something that outlives the interpreter still holds DuckDB's objects.
ENGINE = """
import sys, threading, time
import duckdb

connection = duckdb.connect()
kept = connection.sql("SELECT 1")
threading.Thread(target=lambda: time.sleep(60), daemon=True).start()
sys.kept = duckdb
print("the engine's last words", file=sys.stderr)
sys.exit(7)
"""


def test_nothing_is_written_after_the_last_words_of_a_flow_run(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "__init__.py").touch()
    (tmp_path / "prefect" / "engine.py").write_text(ENGINE)
    root = str(Path(__file__).resolve().parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])}

    def ended(program: str) -> tuple[int, list[str]]:
        command = [sys.executable, "-m", program]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr.splitlines()

    code, lines = ended("prefect.engine")
    assert (code, lines[0], len(lines) > 20) == (7, "the engine's last words", True), lines
    assert ended("nxp.flow_run") == (7, ["the engine's last words"])
