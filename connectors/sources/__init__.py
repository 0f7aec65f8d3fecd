"""Where a sync's rows come from: ServiceNow, SQL databases, files. One protocol for all kinds.

Only reads. How the rows of several sources are joined, and which of them are sent, is decided in
tasks/.
"""

from connectors.sources.connection import Connection
from connectors.sources.opening import load_connections, open_source, open_sources
from connectors.sources.source import Completeness, Pull, PullOutcome, Source
from connectors.sources.specification import AnySource, Sources, SourceSpecification

__all__ = [
    "AnySource",
    "Completeness",
    "Connection",
    "Pull",
    "PullOutcome",
    "Source",
    "SourceSpecification",
    "Sources",
    "load_connections",
    "open_source",
    "open_sources",
]
