"""The tables: what their fields are called, what each holds, and how sure that is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from nql.kinds import Kind
from nql.vocabulary.events import DEFAULTS, EVENTS, FED, FED_HEADS, LINKS
from nql.vocabulary.notes import UNITS, Evidence, evidence_of, meaning_of, unit_of
from nql.vocabulary.objects import NESTED, OBJECTS, SINGULAR


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its full name (also its header in results), type, unit and evidence."""

    path: str
    kind: Kind
    unit: str
    evidence: Evidence


def prefix_of(namespace: str, entity: str) -> str:
    """Return the prefix of a table's own fields, such as `execution.crash`."""
    return entity if namespace == entity else f"{namespace}.{entity}"


@dataclass(frozen=True)
class TableWords:
    """One table: the names of its fields, and the objects that its rows belong to."""

    namespace: str
    name: str
    entity: str
    # Short name -> type of the table's own fields.
    own: Mapping[str, Kind]
    links: tuple[str, ...] = ()
    # What results show when a query lists nothing, beyond the time.
    defaults: tuple[str, ...] = ()
    # Fields of the action, workflow or campaign that a row belongs to.
    head: Mapping[str, Kind] | None = None
    # The id within the name of a dynamic table such as `remote_action.#restart.executions`.
    identity: str | None = None

    @property
    def path(self) -> str:
        """The name of the table in queries."""
        return f"{self.namespace}.{self.name}"

    @property
    def prefix(self) -> str:
        """The prefix of the table's own fields."""
        return prefix_of(self.namespace, self.entity)

    @property
    def meaning(self) -> str:
        """What a row stands for."""
        return meaning_of(self.path)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields by their full names, those of linked objects included."""
        own = ((f"{self.prefix}.{name}", kind) for name, kind in self.own.items())
        named = [(path, kind, evidence_of(self.path, path)) for path, kind in own]
        for name, kind in (self.head or {}).items():
            named.append((f"{self.namespace}.{name}", kind, Evidence.DOCUMENTED))
        for link in self.links:
            made = evidence_of(link)
            named += [(f"{link}.{name}", kind, made) for name, kind in OBJECTS[link].items()]
        return {
            path: Field(path, kind, UNITS.get(path) or unit_of(kind), found)
            for path, kind, found in named
        }

    @property
    def time(self) -> str:
        """The short name of the field to which time frames apply, or an empty text."""
        return next((name for name, kind in self.own.items() if kind is Kind.DATETIME), "")


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
_DYNAMIC = re.compile(r"(remote_action|workflow|campaign|custom_trend)\.#?([a-z0-9_]+)\.([a-z_]+)")


def singular(name: str) -> str:
    """Return the word for one row of a table, which is the prefix of its fields."""
    return SINGULAR.get(name, name.removesuffix("s"))


def find(path: str) -> TableWords | None:
    """Return a table by its path or shortcut in lower case, or as the table of one action."""
    table = TABLES.get(SHORTCUTS.get(path, path))
    if table is None and (match := _DYNAMIC.fullmatch(path)):
        # One published query writes the id without its #; it is taken to mean the same.
        whole = TABLES.get(f"{match[1]}.{match[3]}")
        if whole is not None and (whole.time or match[1] == "custom_trend"):
            return replace(whole, identity=f"#{match[2]}")
    return table


def joined_path(path: str, root: str) -> str:
    """Return the path of a table after with or include, in lower case.

    A list of the objects may stand without their namespace: `devices | with antiviruses`.
    """
    lower = path.lower()
    whole = f"{root}.{lower}"
    return whole if "." not in lower and whole in TABLES else lower


def _inventory() -> Iterator[TableWords]:
    for entity, (name, defaults) in _INVENTORIES.items():
        namespace, _, short = entity.rpartition(".")
        yield TableWords(
            namespace or entity, name, short, OBJECTS[entity], defaults=tuple(defaults.split())
        )


def _nested() -> Iterator[TableWords]:
    for name, kinds in NESTED.items():
        entity = singular(name)
        listed = ("device.name", *(f"device.{entity}.{field}" for field in kinds))
        yield TableWords("device", name, entity, kinds, ("device",), listed)


def _events() -> Iterator[TableWords]:
    for path, kinds in (EVENTS | FED).items():
        namespace, _, name = path.partition(".")
        head = FED_HEADS.get(namespace) if path in FED else None
        links = tuple(LINKS.get(path, "").split())
        defaults = tuple(DEFAULTS.get(path, "").split())
        yield TableWords(namespace, name, singular(name), kinds, links, defaults, head)


def _heads() -> Iterator[TableWords]:
    for namespace, kinds in FED_HEADS.items():
        yield TableWords(namespace, f"{namespace}s", namespace, kinds, defaults=("name", "nql_id"))


# Kind of object -> name of its table, and what it shows by default.
_INVENTORIES = {
    "device": ("devices", "name entity operating_system.name last_seen"),
    "user": ("users", "name type last_seen"),
    "binary": ("binaries", "name version platform company"),
    "application": ("applications", "name type"),
    "package": ("packages", "name version publisher"),
    "alert.monitor": ("monitors", "name priority"),
    "ai.tool": ("tools", "name type"),
    "application.guide": ("guides", "name type status"),
    "application.guide_step": ("guide_steps", "name"),
    "device.mobile_device": ("mobile_devices", "name model"),
}
_INSTALLED = TableWords(
    "package",
    "installed_packages",
    "installed_package",
    {"first_seen": Kind.DATETIME},
    ("device", "package"),
    ("device.name", "package.name", "package.version"),
)

TABLES: dict[str, TableWords] = {
    table.path: table for table in (*_inventory(), *_nested(), _INSTALLED, *_events(), *_heads())
}
