"""Recording steps: the plain function outside a flow run, a Prefect task inside one."""

import subprocess
import sys

from tasks.runs.recorded import flow_run, recorded


@recorded("double", "{number}", says=str)
def double(number: int) -> int:
    """Return twice a number."""
    return 2 * number


def test_outside_a_flow_run_a_step_is_the_function_itself() -> None:
    assert flow_run() is None
    assert double(number=2) == 4
    assert double.__name__ == "double"


def test_a_plain_run_never_imports_prefect() -> None:
    stories = "act, export, gaps, learn, maintain, replay, sync"
    code = f"import sys; from tasks.stories import {stories}; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
