"""How fresh the datasets of a tenant are, according to the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.catalogue import DatasetSpecification
from connectors.ledger import Extent, Ledger
from tasks.runs.emptiness import conspicuous


class Light(StrEnum):
    """Whether a dataset is as fresh as its schedule should make it."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NONE = "never landed"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a dataset is. `age` is the time since the end of what has landed.

    `empty` windows have no rows where their neighbours have thousands.
    """

    dataset: str
    watermark: datetime | None
    landed_to: datetime | None
    landed_at: datetime | None
    age: timedelta | None
    units: int
    rows: int
    last_error: str | None
    light: Light
    empty: int = 0


def freshness_of(
    specifications: Iterable[DatasetSpecification], ledger: Ledger, now: datetime
) -> list[Freshness]:
    """Return how fresh each dataset is, and whether that is as fresh as it should be."""
    extents, watermarks = ledger.marks.extents(), ledger.marks.watermarks()
    found = []
    for each in specifications:
        extent = extents.get(each.dataset, Extent())
        fresh = _freshness(each, extent, watermarks.get(each.dataset), now)
        # All units are read only of a dataset that has some without rows.
        if each.window and extent.empty:
            fresh = replace(fresh, empty=len(conspicuous(ledger.units(each.dataset))))
        found.append(fresh)
    return found


def _freshness(
    specification: DatasetSpecification, extent: Extent, watermark: datetime | None, now: datetime
) -> Freshness:
    # For a snapshot the time of its export counts: its slot ends in the future.
    reached = (watermark or extent.landed_to) if specification.window else extent.landed_at
    age = now - reached if reached else None
    return Freshness(
        dataset=specification.dataset,
        watermark=watermark,
        landed_to=extent.landed_to,
        landed_at=extent.landed_at,
        age=age,
        units=extent.units,
        rows=extent.rows,
        last_error=extent.last_error,
        light=_light(specification, age, has_landed=extent.landed_at is not None),
    )


def _light(
    specification: DatasetSpecification, age: timedelta | None, *, has_landed: bool
) -> Light:
    if age is None:
        return Light.NONE
    if age > specification.lasts:
        return Light.RED
    if not has_landed:
        # The watermark of a first export that failed is where counting begins.
        return Light.NONE
    # A dataset may miss one landing before it counts as stale.
    due = max(specification.period, specification.lasts - specification.period)
    return Light.GREEN if age <= due else Light.AMBER
