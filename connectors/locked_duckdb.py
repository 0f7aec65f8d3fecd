"""DuckDB for SQL that others wrote: it downloads nothing, and can be locked to a few files."""

from collections.abc import Iterable

import duckdb

from connectors.quoting import quoted_text

Config = dict[str, str | bool | int | float | list[str]]

# Extensions are downloads, tried for any scheme or function that a statement names; and a name
# that is not a view must not become a variable of our Python code.
CLOSED: Config = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
# For a statement that is only parsed: it can open no file at all.
BLIND: Config = {**CLOSED, "enable_external_access": "false"}


def lock_down(
    connection: duckdb.DuckDBPyConnection, root: str | None = None, files: Iterable[str] = ()
) -> None:
    """Leave `root` and `files` as all that a statement can read, and make that final.

    Settings that need more access, and views over other files, have to be made before. The
    folder for spilling stays open too.

    Args:
        connection: opened with CLOSED.
        root: a folder with `/` at its end.
        files: single files.
    """
    connection.execute("SET TimeZone = 'UTC'")
    if root is not None:
        connection.execute(f"SET allowed_directories = [{quoted_text(root)}]")
    connection.execute(f"SET allowed_paths = [{', '.join(map(quoted_text, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def first_line(error: Exception) -> str:
    """Return DuckDB's message without the statement that it quotes below it."""
    return str(error).splitlines()[0]
