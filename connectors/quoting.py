"""Names and texts as standard SQL writes them: DuckDB, SQLite and PostgreSQL read them alike."""


def quoted_name(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Return a text as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def mysql_text(text: str) -> str:
    """Return a text as a literal of MySQL, in which a backslash begins an escape."""
    return quoted_text(text.replace("\\", "\\\\"))
