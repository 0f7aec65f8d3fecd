"""The `sources:` of a sync as its YAML states them: which kinds there are, and what each needs.

Knows no implementation: `opening` chooses one by the class of the specification.
"""

import codecs
import re
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, RootModel, field_validator, model_validator

from connectors.catalogue import Specification
from connectors.catalogue.specification import Duration
from connectors.databases.names import ALIKE, twins
from connectors.settings.places import URL
from connectors.sources.connection import NAME_PATTERN, Connection
from connectors.sources.servicenow_query import FIELD, conditions

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
USER = ("user", "password")
CLIENT = ("client_id", "client_secret")
# After comments and brackets. Others are refused early; the session could not write anyway.
READS = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
REMOTE = ("s3://", "az://")
PACKED = (".gz", ".gzip", ".zst", ".zstd")
ENCODINGS = "must be an encoding such as utf-8, cp1252 or utf-16"
NO_FILES = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7")

FieldName = Annotated[str, Field(min_length=1)]


class SourceSpecification(Specification):
    """What the YAML of every kind of source has.

    Attributes:
        fields: the columns to pull; if empty, all columns of the source.
        key: which of them identify a row.
    """

    fields: tuple[FieldName, ...] = ()
    key: tuple[FieldName, ...] = ()

    @model_validator(mode="after")
    def _plain_fields(self) -> Self:
        for name, listed in (("fields", self.fields), ("key", self.key)):
            if len(set(listed)) < len(listed):
                raise ValueError(f"{name}: a name is listed twice")
            if alike := twins(listed):
                raise ValueError(f"{name}: {', '.join(alike)}, {ALIKE}: list one of them")
        if self.fields and (strange := set(self.key) - set(self.fields)):
            raise ValueError(f"key: not among the fields: {', '.join(sorted(strange))}")
        return self

    @property
    def connection_name(self) -> str | None:
        """The connection to read from the environment; None for a kind that needs none."""
        return None

    def lacking(self, connection: Connection) -> list[str]:  # noqa: ARG002 - for kinds with one
        """Return what this kind needs of a connection and does not find, by variable."""
        return []


class ServiceNowSpecification(SourceSpecification):
    """A table of a ServiceNow instance.

    Attributes:
        fields: the fields, also through references: `assigned_to.email`.
        query: encoded query that limits the rows.
        key: sys_id unless set.
        page_rows: rows per request.
        incremental: whether the table has sys_updated_on, so that changes can be asked for.
        overlap: changes made this shortly before the end of the last pull are read again.
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
            raise ValueError(f"not names of fields: {', '.join(strange)}")
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
        """Require an https URL, and either a user or an OAuth client."""
        problems = connection.unset("url") or _url_problems(connection)
        is_client = any(connection.has(field) for field in CLIENT)
        is_user = any(connection.has(field) for field in USER)
        if is_client and is_user:
            both = f"{connection.variable('user')} and {connection.variable('client_id')}"
            return [*problems, f"{both}: set a user or an OAuth client, not both"]
        return problems + connection.unset(*(CLIENT if is_client else USER))


class SqlSourceSpecification(SourceSpecification):
    """The rows of a query; not `SqlSpecification`, a table that a dataset lands in.

    Attributes:
        query: one SELECT.
        incremental: the column that says when a row last changed; null means never.
        overlap: changes made this shortly before the end of the last pull are read again, where
            the column holds dates or date-times.
    """

    kind: Literal["sql"]
    connection: str = Field(pattern=NAME_PATTERN)
    query: str
    incremental: FieldName | None = None
    overlap: Duration = timedelta(minutes=10)

    @field_validator("query")
    @classmethod
    def _one_select(cls, query: str) -> str:
        query = query.strip().rstrip(";").rstrip()
        if not READS.match(query):
            raise ValueError("must be one SELECT statement")
        return query

    @model_validator(mode="after")
    def _keyless(self) -> Self:
        if self.incremental and not self.key:
            raise ValueError("key: needed for an incremental pull")
        return self

    @property
    def connection_name(self) -> str:
        """The connection to read."""
        return self.connection

    def lacking(self, connection: Connection) -> list[str]:
        """Require a URL; user and password may be part of it."""
        return connection.unset("url")


class FileFormat(StrEnum):
    """A format of files."""

    CSV = "csv"
    PARQUET = "parquet"


class FileSpecification(SourceSpecification):
    """Files that are delivered somewhere.

    Attributes:
        path: a file or a pattern (`*`, `**`, `?`), local or `s3://bucket/…`, `az://container/…`.
        format: taken from the file name's extension unless set.
        delimiter: of CSV.
        encoding: of CSV, as Python names it.
        quoted: whether CSV has values in double quotes.
    """

    kind: Literal["file"]
    path: str = Field(min_length=1)
    format: FileFormat | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    quoted: bool = True

    @field_validator("path")
    @classmethod
    def _known_place(cls, path: str) -> str:
        if URL.match(path) and not path.startswith(REMOTE):
            raise ValueError("must be a path, s3://bucket/… or az://container/…")
        if path.startswith(REMOTE) and {"@", "#"} & set(path):
            raise ValueError("must not hold a credential: set it in the AWS_* or AZURE_* variables")
        return path

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            # Fails for Python's encodings that are not of text, such as zlib.
            "a".encode(encoding)
            name = codecs.lookup(encoding).name
        except (LookupError, ValueError):
            raise ValueError(ENCODINGS) from None
        if name in NO_FILES:
            raise ValueError(ENCODINGS)
        return name

    @field_validator("delimiter")
    @classmethod
    def _usable_delimiter(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in '"\r\n\0':
            raise ValueError("must be an ASCII character, and no quote or line break")
        return delimiter

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.format is None:
            # people.csv.gz is CSV; so may be people.csv*, which finds both.
            named = PurePosixPath(self.path.lower().rstrip("*?"))
            packed = named.suffix in PACKED
            extension = PurePosixPath(named.stem if packed else named).suffix.removeprefix(".")
            if extension not in list(FileFormat):
                raise ValueError(
                    "format: set csv or parquet, since the path's extension is neither"
                )
            object.__setattr__(self, "format", FileFormat(extension))
        if self.format is FileFormat.PARQUET and self.path.lower().endswith(PACKED):
            raise ValueError("path: Parquet is compressed inside: deliver it without .gz or .zst")
        return self


# A new kind is added here, and to `opening.open_source`.
AnySource = Annotated[
    ServiceNowSpecification | SqlSourceSpecification | FileSpecification,
    Field(discriminator="kind"),
]
# The name by which the sync's SQL knows the source.
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Sources(RootModel[Annotated[dict[SourceName, AnySource], Field(min_length=1)]], frozen=True):
    """All sources of a sync, by name."""


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
        return [f"{variable}: must be https, since a credential is sent there"]
    return []
