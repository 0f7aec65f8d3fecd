"""The process of one flow run: Prefect's engine, started lightly.

`nxp.pool` starts it; variables of Prefect's in its environment say which run it is.
"""

import os
import runpy
import sys

from nxp.__main__ import end_quietly, start_lightly

ENGINE = "prefect.engine"

if __name__ == "__main__":
    # The worker's log gets what this process writes.
    end_quietly()
    start_lightly()
    # Flows of the user's own may lie in the folder of the run; what is installed comes first.
    sys.path.append(os.getcwd())  # noqa: PTH109 - text, and pathlib is not needed here
    runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)
