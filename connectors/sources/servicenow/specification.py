"""What the YAML of a ServiceNow source says."""

from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from connectors.catalogue.specification import Duration
from connectors.sources.connection import NAME_PATTERN, Connection
from connectors.sources.servicenow.query import FIELD, conditions
from connectors.sources.servicenow.source import ServiceNowSource
from connectors.sources.source import FieldName, SourceSpecification

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
USER = ("user", "password")
CLIENT = ("client_id", "client_secret")


class ServiceNowSpecification(SourceSpecification):
    """A table of a ServiceNow instance.

    Attributes:
        fields: the fields, also through references: `assigned_to.email`.
        query: encoded query that limits the rows.
        key: without one, sys_id.
        page_rows: rows of one request.
        incremental: the table has sys_updated_on, so that changes can be asked for.
        overlap: what changed so shortly before the last pull's end is read again.
    """

    kind: Literal["servicenow"]
    connection: str = Field(pattern=NAME_PATTERN)
    table: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    key: tuple[FieldName, ...] = ()
    query: str = ""
    page_rows: int = Field(default=1_000, ge=1, le=10_000)
    incremental: bool = True
    overlap: Duration = timedelta(minutes=10)

    @field_validator("fields", "key")
    @classmethod
    def _paths(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if strange := [name for name in names if not FIELD.fullmatch(name)]:
            raise ValueError(f"no names of fields: {', '.join(strange)}")
        return names

    @field_validator("query")
    @classmethod
    def _usable(cls, query: str) -> str:
        conditions(query)
        return query.strip("^")

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        if not self.key:
            object.__setattr__(self, "key", ("sys_id",))
        return self

    @property
    def connection_name(self) -> str:
        """The connection to read."""
        return self.connection

    def lacking(self, connection: Connection) -> list[str]:
        """Ask for an https URL, and for a user or an OAuth client."""
        problems = connection.unset("url") or _url_problems(connection)
        is_client = any(connection.has(field) for field in CLIENT)
        is_user = any(connection.has(field) for field in USER)
        if is_client and is_user:
            both = f"{connection.variable('user')} and {connection.variable('client_id')}"
            return [*problems, f"{both}: give a user or an OAuth client, not both"]
        return problems + connection.unset(*(CLIENT if is_client else USER))

    def open(self, name: str, connection: Connection | None) -> ServiceNowSource:
        """Open the table."""
        if connection is None:
            raise TypeError("a ServiceNow source has a connection")
        return ServiceNowSource(name, self, connection)


def _url_problems(connection: Connection) -> list[str]:
    variable = connection.variable("url")
    try:
        parts = urlsplit(connection.url.get_secret_value())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        return [f"{variable}: must be an origin such as https://company.service-now.com"]
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        return [f"{variable}: must be https, since it is shown a credential"]
    return []
