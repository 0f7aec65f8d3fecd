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
    """The text is not NQL as this parser knows it."""
