"""The tables of the sandbox tenant and their columns, named as in results."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from nql.kinds import Kind
from sandbox.model.events import EVENTS, FED, FED_HEADS
from sandbox.model.objects import NESTED, OBJECTS, SINGULAR


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its full path, which is also its header, and its type."""

    path: str
    kind: Kind


class Origin(Enum):
    """Where the rows of a table come from."""

    OBJECTS = auto()
    NESTED = auto()
    INSTALLED = auto()
    EVENTS = auto()
    FEED = auto()


@dataclass(frozen=True, slots=True)
class Table:
    """One table; the estate generates its rows."""

    namespace: str
    name: str
    entity: str
    columns: Mapping[str, Column]
    defaults: tuple[str, ...]
    time: str
    origin: Origin
    # The objects each row belongs to, by the prefix of their columns.
    links: tuple[str, ...] = ()
    # The NQL id of the remote action, workflow or campaign of a dynamic table.
    identity: str | None = None

    @property
    def path(self) -> str:
        """The name of the table in queries."""
        return f"{self.namespace}.{self.name}"

    @property
    def prefix(self) -> str:
        """The prefix of the table's own fields."""
        same = self.namespace == self.entity
        return self.entity if same else f"{self.namespace}.{self.entity}"

    @property
    def is_event(self) -> bool:
        """Whether rows are events with a time, rather than objects."""
        return self.origin in (Origin.EVENTS, Origin.FEED) and self.time != ""

    @property
    def samples(self) -> bool:
        """Whether rows are samples over a bucket of time, with daily ones for frames in days."""
        return f"{self.prefix}.bucket_duration" in self.columns

    @property
    def is_limited(self) -> bool:
        """Whether high-resolution samples have a shorter retention and a limit on time frames.

        Third parties report this for these two namespaces only.
        """
        return self.samples and self.namespace in ("execution", "connection")

    @property
    def is_open_ended(self) -> bool:
        """Whether a query without a time frame returns all rows, and none are ever removed."""
        return self.path == "campaign.responses"

    def owner(self, path: str) -> str:
        """Return the linked object that has a column, or an empty text for the table's own."""
        owners = [link for link in self.links if path.startswith(f"{link}.")]
        longest = max(owners, key=len, default="")
        own = path.startswith(f"{self.prefix}.") and len(self.prefix) > len(longest)
        return "" if own else longest

    def with_columns(self, columns: Iterable[Column]) -> "Table":
        """Return the table with additional columns."""
        return replace(self, columns={**self.columns, **{c.path: c for c in columns}})


def _columns(prefix: str, kinds: Mapping[str, Kind]) -> dict[str, Column]:
    return {f"{prefix}.{name}": Column(f"{prefix}.{name}", kind) for name, kind in kinds.items()}


def _singular(name: str) -> str:
    return SINGULAR.get(name, name.removesuffix("s"))


def _inventory(entity: str, name: str, defaults: str, time: str = "last_seen") -> Table:
    namespace, _, short = entity.rpartition(".")
    listed = tuple(f"{entity}.{field}" for field in defaults.split())
    return Table(
        namespace or entity,
        name,
        short,
        _columns(entity, OBJECTS[entity]),
        listed,
        f"{entity}.{time}" if time else "",
        Origin.OBJECTS,
    )


def _nested(name: str, kinds: Mapping[str, Kind]) -> Table:
    entity = _singular(name)
    own = _columns(f"device.{entity}", kinds)
    columns = own | _columns("device", OBJECTS["device"])
    listed = ("device.name", *own)
    return Table("device", name, entity, columns, listed, "", Origin.NESTED, ("device",))


def _event(path: str, links: str, defaults: str) -> Table:
    namespace, _, name = path.partition(".")
    kinds = (EVENTS | FED)[path]
    entity = _singular(name).replace("crashe", "crash")
    prefix = entity if namespace == entity else f"{namespace}.{entity}"
    columns = _columns(prefix, kinds)
    if path in FED and namespace in FED_HEADS:
        columns |= _columns(namespace, FED_HEADS[namespace])
    for link in links.split():
        columns |= _columns(link, OBJECTS[link])
    time = next(f"{prefix}.{field}" for field, kind in kinds.items() if kind is Kind.DATETIME)
    listed = [c if c in columns else f"{prefix}.{c}" for c in defaults.split()]
    origin = Origin.FEED if path in FED else Origin.EVENTS
    return Table(
        namespace, name, entity, columns, (time, *listed), time, origin, tuple(links.split())
    )


def _installed() -> Table:
    own = _columns("package.installed_package", {"first_seen": Kind.DATETIME})
    linked = _columns("device", OBJECTS["device"]) | _columns("package", OBJECTS["package"])
    return Table(
        "package",
        "installed_packages",
        "installed_package",
        own | linked,
        ("device.name", "package.name", "package.version"),
        "",
        Origin.INSTALLED,
        ("device", "package"),
    )


def _head(namespace: str, name: str) -> Table:
    columns = _columns(namespace, FED_HEADS[namespace])
    listed = (f"{namespace}.name", f"{namespace}.nql_id")
    return Table(namespace, name, namespace, columns, listed, "", Origin.FEED)


_PROCESS = "device user binary application"

TABLES: dict[str, Table] = {
    table.path: table
    for table in (
        _inventory("device", "devices", "name entity operating_system.name last_seen"),
        *(_nested(name, kinds) for name, kinds in NESTED.items()),
        _inventory("user", "users", "name type last_seen"),
        _inventory("binary", "binaries", "name version platform company"),
        _inventory("application", "applications", "name type", time=""),
        _inventory("package", "packages", "name version publisher"),
        _inventory("alert.monitor", "monitors", "name priority", time=""),
        _installed(),
        _event(
            "execution.events",
            _PROCESS,
            "end_time bucket_duration device.name binary.name cpu_time",
        ),
        _event("execution.crashes", _PROCESS, "device.name binary.name number_of_crashes"),
        _event("device_performance.events", "device", "device.name cpu_usage used_memory"),
        _event("device_performance.boots", "device", "device.name type duration"),
        _event("device_performance.hard_resets", "device", "device.name number_of_hard_resets"),
        _event("device_performance.system_crashes", "device", "device.name label error_code"),
        _event("session.events", "device user", "device.name user.name user_interaction_time"),
        _event("session.logins", "device user", "device.name user.name"),
        _event("connection.events", _PROCESS, "device.name binary.name destination.domain"),
        _event("connectivity.events", "device", "device.name primary_physical_adapter.type"),
        _event("web.events", "device user application", "device.name application.name duration"),
        _event("web.page_views", "device user application", "device.name application.name url"),
        _event("web.errors", "device user application", "device.name application.name label"),
        _event(
            "web.transactions",
            "device user application",
            "device.name application.name number_of_transactions",
        ),
        _event("collaboration.sessions", "device user", "device.name call.type call.quality"),
        _event("package.installations", "device package", "device.name package.name status"),
        _event("dex.scores", "device user", "user.name value"),
        _event("alert.alerts", "alert.monitor", "status alert.monitor.name"),
        _event("alert.impacts", "device alert.monitor", "device.name alert.monitor.name"),
        _event("remote_action.executions", "device user", "remote_action.name device.name status"),
        _event("workflow.executions", "device user", "workflow.name device.name status"),
        _event("campaign.responses", "user", "campaign.name user.name state"),
        _head("remote_action", "remote_actions"),
        _head("workflow", "workflows"),
        _head("campaign", "campaigns"),
        _event("platform.nql_api_logs", "", "query_id type status"),
    )
}

# The vendor's pages name the first five; published queries use the others.
SHORTCUTS = {
    "applications": "application.applications",
    "binaries": "binary.binaries",
    "campaigns": "campaign.campaigns",
    "devices": "device.devices",
    "users": "user.users",
    "packages": "package.packages",
    "alerts": "alert.alerts",
}

_DYNAMIC = re.compile(r"(remote_action|workflow|campaign)\.#?([a-z0-9_]+)\.([a-z_]+)")


def find(path: str) -> Table | None:
    """Return a table by its path or shortcut, or as the dynamic table of one action."""
    table = TABLES.get(SHORTCUTS.get(path, path))
    if table is None and (match := _DYNAMIC.fullmatch(path)):
        # One published query writes the id without its #; it is taken to mean the same.
        whole = TABLES.get(f"{match[1]}.{match[3]}")
        if whole is not None and whole.is_event:
            return replace(whole, identity=f"#{match[2]}")
    return table
