"""The `sources:` of a sync: which kinds there are, and how all of a sync's are opened."""

import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, RootModel

from connectors.errors import ConfigurationError
from connectors.sources.connection import Connection, read_connection
from connectors.sources.file import FileSpecification
from connectors.sources.servicenow import ServiceNowSpecification
from connectors.sources.source import Source
from connectors.sources.sql import SqlSpecification

# A new kind is added here: one name.
AnySource = Annotated[
    ServiceNowSpecification | SqlSpecification | FileSpecification, Field(discriminator="kind")
]
# The name that the sync's SQL knows the source by.
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Sources(RootModel[Annotated[dict[SourceName, AnySource], Field(min_length=1)]], frozen=True):
    """All sources of a sync, by name."""


def open_sources(sources: Sources, environ: Mapping[str, str] | None = None) -> dict[str, Source]:
    """Open all sources of a sync, each with its connection; sends nothing yet.

    Raises:
        ConfigurationError: with every problem of every connection.
    """
    connections = load_connections(sources, environ)
    return {
        name: each.open(name, connections.get(each.connection_name or ""))
        for name, each in sources.root.items()
    }


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
        # What could not be read is a problem already, not one that is lacking too.
        lacking = [] if unreadable else each.lacking(connection)
        problems += [text for text in (*unreadable, *lacking) if text not in problems]
        found[name] = connection
    if problems:
        raise ConfigurationError("connections of sources", problems=tuple(problems))
    return found
