"""The errors of a query that is NQL, but cannot be run on this tenant."""

from nql.errors import NqlError


class NqlNameError(NqlError):
    """A table or field that does not exist."""


class NqlTypeError(NqlError):
    """An operator or value that does not suit a field."""


class NqlParameterError(NqlError):
    """A parameter without a value, or a value that cannot be read."""


class NqlReachError(NqlError):
    """A time frame longer than the tenant allows."""
