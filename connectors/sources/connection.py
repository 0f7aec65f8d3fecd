"""Named connections: address and account of a source, from the environment or secret files.

`connection: cmdb` in the YAML reads NXP_SOURCE_CMDB_URL, _USER, _PASSWORD, _CLIENT_ID and
_CLIENT_SECRET; each may instead be set as `…_FILE`, the path of a file that holds the value.
"""

from collections.abc import Mapping

from pydantic import BaseModel, SecretStr

from connectors.variables import read_value

PREFIX = "NXP_SOURCE_"
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
NAMES = ("url", "user", "password", "client_id", "client_secret")


class Connection(BaseModel, frozen=True):
    """Address and account of a source. The URL is secret too: it may hold a password."""

    name: str
    url: SecretStr = SecretStr("")
    user: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")

    def variable(self, field: str) -> str:
        """Return the name of the variable that a field is read from."""
        return variable(self.name, field)

    def unset(self, *fields: str) -> list[str]:
        """Return a problem for each of these fields that is not set."""
        return [f"{self.variable(field)}: not set" for field in fields if not self.has(field)]

    def has(self, field: str) -> bool:
        """Return whether a field is set."""
        value = getattr(self, field)
        return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def variable(connection: str, field: str) -> str:
    """Return the name of the variable of a connection's field."""
    return f"{PREFIX}{connection.upper()}_{field.upper()}"


def is_begun(connection: str, environ: Mapping[str, str]) -> bool:
    """Return whether any variable of a connection is set."""
    given = (variable(connection, field) for field in NAMES)
    return any(environ.get(name) or environ.get(f"{name}_FILE") for name in given)


def read_connection(name: str, environ: Mapping[str, str]) -> tuple[Connection, list[str]]:
    """Return a connection, and a problem for each file that could not be read."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for field in NAMES:
        value, problem = read_value(environ, variable(name, field))
        if value:
            values[field] = value
        if problem:
            problems.append(problem)
    return Connection.model_validate({"name": name, **values}), problems
