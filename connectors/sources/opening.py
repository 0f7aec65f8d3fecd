"""Opening the sources of a sync, each with its connection.

Stands above the implementations, so that specifications do not need them. Each is imported only
for a source of its kind: SQLAlchemy alone takes half a second.
"""

import os
from collections.abc import Mapping

from connectors.errors import ConfigurationError
from connectors.sources.connection import Connection, read_connection
from connectors.sources.source import Source
from connectors.sources.specification import (
    AnySource,
    FileSpecification,
    ServiceNowSpecification,
    Sources,
    SqlSourceSpecification,
)


def open_sources(sources: Sources, environ: Mapping[str, str] | None = None) -> dict[str, Source]:
    """Open all sources of a sync; sends nothing yet.

    Raises:
        ConfigurationError: with every problem of every connection.
    """
    connections = load_connections(sources, environ)
    return {
        name: open_source(name, each, connections.get(each.connection_name or ""))
        for name, each in sources.root.items()
    }


def open_source(name: str, specification: AnySource, connection: Connection | None) -> Source:
    """Open one source; sends nothing yet."""
    match specification:
        case FileSpecification():
            from connectors.sources.file import FileSource  # noqa: PLC0415 - see the module

            return FileSource(name, specification)
        case ServiceNowSpecification() if connection:
            from connectors.sources.servicenow.source import ServiceNowSource  # noqa: PLC0415 - only for this kind

            return ServiceNowSource(name, specification, connection)
        case SqlSourceSpecification() if connection:
            from connectors.sources.sql import SqlSource  # noqa: PLC0415 - only for this kind

            return SqlSource(name, specification, connection)
    raise TypeError(f"a {specification.kind} source has a connection")


def load_connections(
    sources: Sources, environ: Mapping[str, str] | None = None
) -> dict[str, Connection]:
    """Read the connections that the sources name, by name.

    Raises:
        ConfigurationError: with every problem of every connection.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, Connection] = {}
    problems: list[str] = []
    for each in sources.root.values():
        name = each.connection_name
        if name is None:
            continue
        connection, unreadable = read_connection(name, environ)
        # A file that cannot be read is already a problem: do not report its value as missing too.
        lacking = [] if unreadable else each.lacking(connection)
        problems += [text for text in (*unreadable, *lacking) if text not in problems]
        found[name] = connection
    if problems:
        raise ConfigurationError("connections of sources", problems=tuple(problems))
    return found
