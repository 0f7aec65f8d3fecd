"""The outside world: HTTP APIs, files and SQL. Never imports prefect."""

import sys

# On import httpx tries to load its command line, and with it rich, pygments and click: 0.1 s of
# every start for nothing. It works without them where they are not installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # None: never imported
