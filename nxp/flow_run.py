"""The process of one flow run: Prefect's engine, started lightly.

`nxp.pool` starts it; variables of Prefect's in its environment say which run it is.
"""

import runpy

from nxp.__main__ import end_quietly, start_lightly

ENGINE = "prefect.engine"

if __name__ == "__main__":
    # The worker's log gets what this process writes.
    end_quietly()
    start_lightly()
    runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)
