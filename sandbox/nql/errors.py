"""What can be wrong with a query, with the place where it is wrong."""


class NqlError(Exception):
    """A query that cannot be run, said so that its author can mend it."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        """Keep the sentence and, when known, the place (both counted from 1)."""
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
    """A time frame longer than the tenant answers."""
