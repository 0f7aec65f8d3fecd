"""The outside world: HTTP APIs, files and SQL. Never imports prefect."""

import sys

# httpx looks for its command line on import, and with it for rich, pygments and click: 0.1 s of
# each start, for nothing. It does without where they are not installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
