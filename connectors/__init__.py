"""The outside world: HTTP APIs, files and SQL. Never imports prefect."""
