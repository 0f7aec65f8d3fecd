"""Where a sync's rows come from: ServiceNow, SQL databases, files. One protocol for all kinds.

Only reads. What rows of several sources make together, and what of it is sent, is decided in
tasks/.
"""

from connectors.sources.connection import Connection
from connectors.sources.source import Completeness, Outcome, Pull, Source, SourceSpecification
from connectors.sources.specification import AnySource, Sources, load_connections, open_sources

__all__ = [
    "AnySource",
    "Completeness",
    "Connection",
    "Outcome",
    "Pull",
    "Source",
    "SourceSpecification",
    "Sources",
    "load_connections",
    "open_sources",
]
