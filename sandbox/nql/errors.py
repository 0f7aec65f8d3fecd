"""The errors of a query, each with its place in the text."""


class NqlError(Exception):
    """A query that cannot be run, worded so that its author can fix it."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        """Keep the message and, if known, the place (line and column count from 1)."""
        self.message = message
        self.line = line
        self.column = column
        place = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{place}{message}")


class NqlSyntaxError(NqlError):
    """The text is not NQL."""


class NqlNameError(NqlError):
    """A table or field that does not exist."""


class NqlTypeError(NqlError):
    """An operator or value that does not suit a field."""


class NqlParameterError(NqlError):
    """A parameter without a value, or a value that cannot be read."""


class NqlReachError(NqlError):
    """A time frame longer than the tenant allows."""
