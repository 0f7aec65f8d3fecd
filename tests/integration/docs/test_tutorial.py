"""The tutorial and the README, followed from the first command to the last."""

from pathlib import Path

import pytest

from nxp.project.sandbox_project import free_ports
from tests.commands import nxp
from tests.following import Walk


@pytest.mark.slow
@pytest.mark.prefect
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    home = tmp_path / "nexthink" / ".nxp"
    try:
        walk = Walk("tutorial.md", tmp_path, meant={"8480": str(free_ports())}, apart=True)
        assert walk.follow(tmp_path) > 15
    finally:
        stopped = nxp("server", "stop", env={"NXP_HOME": str(home), "PATH": "/usr/bin:/bin"})
    assert stopped.returncode == 0, stopped.stderr


@pytest.mark.slow
def test_the_readme_does_what_it_says(tmp_path: Path) -> None:
    walk = Walk("../README.md", tmp_path, meant={"8480": str(free_ports())}, apart=True)
    assert walk.follow(tmp_path) == 5
