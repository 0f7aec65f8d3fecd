"""One sync of the catalogue: its sources, the SELECT over them, and the fields it writes."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from pydantic import Field, model_validator

from connectors.catalogue import DAY, Specification
from connectors.catalogue.specification import Duration
from connectors.nexthink import QUERY_ID
from connectors.nexthink.fields import FieldError, check_field, check_identification
from connectors.nexthink.fields import WritableField as ApiField
from connectors.nexthink.models import DEFAULT_BYTES, DEFAULT_OBJECTS, MOST_OBJECTS
from connectors.sources import Sources
from connectors.sources.specification import ServiceNowSpecification, SqlSourceSpecification
from connectors.syncs.identity import Identification, InventorySpecification
from connectors.syncs.mapping import EmptyText, FieldMapping, digest
from connectors.syncs.statements import sql_problems

SYNC_PATTERN = "^[a-z][a-z0-9_]*$"


class SyncMode(StrEnum):
    """What a missing value does: upsert leaves the field, mirror empties what this sync has set."""

    UPSERT = "upsert"
    MIRROR = "mirror"


class OnConflict(StrEnum):
    """What happens to a value that others have set: it is left alone, or replaced."""

    KEEP = "keep"
    TAKE = "take"


class Guards(Specification):
    """Limits above which nothing is sent until a person accepts it: shares from 0 to 1, or counts.

    Attributes:
        shrink: share of the objects with a value that are missing from the sources.
        changes: share of the known objects that get another value.
        clears: share of the objects with a value that lose one.
        sets: share of the known objects that get a first value; without it that of `changes`.
        new: share of objects that get values for the first time; without it that of `changes`.
        first: the most objects that a first run writes to.
        cumulative: how many times `shrink` and `clears` may add up to within `over`.
        over: see `cumulative`.
        few: this many objects never trip a share in a list of fewer than 20.
        overwrites: share of the values of others that are overwritten.
        swapped: share of a field's values that the tenant holds in another field only.
    """

    shrink: float = Field(default=0.2, ge=0, le=1)
    changes: float = Field(default=0.5, ge=0, le=1)
    clears: float = Field(default=0.1, ge=0, le=1)
    sets: float | None = Field(default=None, ge=0, le=1)
    new: float | None = Field(default=None, ge=0, le=1)
    first: int = Field(default=200, ge=0)
    cumulative: float = Field(default=2.0, ge=1)
    over: Duration = timedelta(days=7)
    few: int = Field(default=2, ge=0)
    overwrites: float = Field(default=0, ge=0, le=1)
    swapped: float = Field(default=0.5, ge=0, le=1)


class PushSpecification(Specification):
    """How much goes into a request, how many run at once, how many start per minute."""

    objects: int = Field(default=DEFAULT_OBJECTS, ge=1, le=MOST_OBJECTS)
    bytes: int = Field(default=DEFAULT_BYTES, ge=1)
    concurrency: int = Field(default=2, ge=1, le=16)
    per_minute: float | None = Field(default=None, gt=0)


class VerifySpecification(Specification):
    """The saved query that reads the fields back, and how long after the push it runs.

    `blind` are custom fields that get first values although the query does not list them.
    """

    query_id: str
    after: Duration = timedelta(minutes=5)
    blind: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plans keep it: `after` in seconds."""
        return {"query_id": self.query_id, "after": self.after.total_seconds()}


class SyncSpecification(Specification):
    """One file of deployments/syncs: which values of which sources go to which fields.

    Attributes:
        incremental: the source from which only changes are pulled between full pulls. Each row
            of the select must derive from a single row of it.
        full_every: how often all rows are pulled anyway.
        on_conflict: what happens to values that others have set.
        max_reject_share: share of objects; above it a run ends as failed, after saving everything.
        retention: how long plans, changes and rejects are kept; None: for ever.
    """

    sync: str = Field(pattern=SYNC_PATTERN)
    domain: str = Field(min_length=1)
    mode: SyncMode = SyncMode.UPSERT
    sources: Sources
    incremental: str | None = None
    sql: str = Field(min_length=1)
    identification: Identification
    inventory: InventorySpecification | None = None
    fields: dict[str, FieldMapping] = Field(min_length=1)
    full_every: Duration = DAY
    on_conflict: OnConflict = OnConflict.KEEP
    guards: Guards = Guards()
    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    push: PushSpecification = PushSpecification()
    verify: VerifySpecification | None = None
    retention: Duration | None = None

    @property
    def fingerprint(self) -> str:
        """A digest that differs for other syncs and after an edit: 16 hexadecimal digits."""
        return digest(self.model_copy(update={"retention": None}))

    @property
    def object_type(self) -> str:
        """The kind of object: device, user, binary or package."""
        return self.identification.name.partition("/")[0]

    @cached_property
    def api_fields(self) -> Mapping[str, ApiField]:
        """The fields as the API defines them, by name, in the order of the YAML."""
        return {
            name: check_field(self.object_type, name, longest=mapping.longest)
            for name, mapping in self.fields.items()
        }

    @property
    def columns(self) -> Mapping[str, str]:
        """The select's column for each field."""
        return {
            name: mapping.column or name.rpartition("/")[2].removeprefix("#")
            for name, mapping in self.fields.items()
        }

    @property
    def named_columns(self) -> Mapping[str, str]:
        """The columns of the select that the sync names, by their use."""
        named = dict(self.columns)
        if self.identification.column is not None:
            named["identification"] = self.identification.column
        for column in self.inventory.match if self.inventory else ():
            named[f"match.{column}"] = column
        return named

    @property
    def not_clearable(self) -> tuple[str, ...]:
        """The fields that may have to be emptied but have no value that empties them."""
        return tuple(
            name
            for name, mapping in self.fields.items()
            if self.api_fields[name].clear is None
            and (
                self.mode is SyncMode.MIRROR
                or mapping.empty is EmptyText.KEEP
                or mapping.clear_when is not None
            )
        )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._identity_problems(), *self._field_problems(), *self._source_problems()]
        problems += self._sql_problems()
        if self.verify and not QUERY_ID.fullmatch(self.verify.query_id):
            problems.append("verify.query_id: must be # and 2 to 254 of a-z, 0-9 and _")
        for name in self.verify.blind if self.verify else ():
            if name not in self.fields or "#" not in name:
                problems.append(f"verify.blind: {name!r} is not a custom field of the sync")
        if self.full_every <= timedelta(0):
            problems.append("full_every: must be more than zero")
        if self.retention is not None and self.retention < 2 * DAY:
            problems.append("retention: must be at least two days, since plans live for one")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _sql_problems(self) -> list[str]:
        conditions = {
            name: mapping.clear_when
            for name, mapping in self.fields.items()
            if mapping.clear_when is not None
        }
        columns = {name: source.fields for name, source in self.sources.root.items()}
        return sql_problems(self.sql, conditions, self.named_columns, columns)

    def _identity_problems(self) -> list[str]:
        problems = []
        try:
            check_identification(self.object_type, self.identification.name)
        except FieldError as error:
            problems.append(f"identification.name: {error}")
        if (self.identification.column is None) == (self.inventory is None):
            problems.append(
                "identification.column: set either the column that identifies, or an inventory "
                "that supplies the identity"
            )
        return problems

    def _field_problems(self) -> list[str]:
        problems = []
        for name, mapping in self.fields.items():
            try:
                field = check_field(self.object_type, name, longest=mapping.longest)
            except FieldError as error:
                problems.append(f"fields: {error}")
                continue
            problems += mapping.problems(name, field)
        return problems

    def _source_problems(self) -> list[str]:
        if self.incremental is None:
            return []
        match self.sources.root.get(self.incremental):
            case None:
                return [f"incremental: {self.incremental!r} is not one of the sources"]
            case ServiceNowSpecification(incremental=True):
                return []
            case SqlSourceSpecification(incremental=str()):
                return []
        return [f"incremental: the source {self.incremental} cannot select what has changed"]
