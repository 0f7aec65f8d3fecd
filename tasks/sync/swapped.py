"""Columns that look swapped: values planned for a field that the tenant holds in another one.

A first run has no earlier run to be measured by, but what others have set shows what belongs where.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import duckdb

from connectors.locked_duckdb import CLOSED
from connectors.nexthink.fields import FieldKind
from connectors.syncs import SyncSpecification
from tasks.sync.guards import Guard, GuardFinding
from tasks.sync.tenant_values import TenantValues

_MEMORY: Final = "512MB"
# A value is foreign to its field if the tenant holds it in another one and never in this one, and
# the sources do not have it for twin. A field without any value in the tenant shows nothing by
# itself: there the values planned for the other field must be foreign to that one too.
_FOREIGN: Final = """
WITH held AS (
  SELECT DISTINCT field, lower(trim(shown)) AS value
  FROM (UNPIVOT shown ON COLUMNS(* EXCLUDE key) INTO NAME field VALUE shown)
  WHERE shown <> '' AND field IN (SELECT unnest($fields))
), planned AS (
  SELECT field, lower(trim(after)) AS value, count(*) AS cells,
         count(*) FILTER (action <> 'theirs') AS sent
  FROM plan WHERE after <> '' AND action IN ('set', 'change', 'overwrite', 'theirs')
    AND field IN (SELECT unnest($fields)) GROUP BY ALL
), fields AS (
  SELECT field, sum(cells) AS cells, sum(sent) AS sent,
         sum(cells) FILTER (value IN (FROM held SELECT value WHERE held.field = planned.field))
           AS own
  FROM planned GROUP BY field
), found AS (
  SELECT planned.field, held.field AS other, sum(planned.sent) AS sent, count(*) AS kinds
  FROM planned JOIN held ON held.value = planned.value AND held.field <> planned.field
  WHERE planned.sent > 0
    AND NOT EXISTS (FROM held AS same
                    WHERE same.field = planned.field AND same.value = planned.value)
    AND NOT EXISTS (FROM planned AS twin
                    WHERE twin.field = held.field AND twin.value = planned.value)
  GROUP BY planned.field, held.field
)
SELECT found.field, found.other, found.sent, fields.sent AS whole
FROM found JOIN fields ON fields.field = found.field
LEFT JOIN fields AS others ON others.field = found.other
WHERE found.kinds > $few AND found.sent > $limit * fields.sent
  AND (found.field IN (FROM held SELECT held.field)
       OR coalesce(others.own, 0) < $limit * others.cells)
ORDER BY found.sent DESC, found.field, found.other
"""


def swapped_findings(
    specification: SyncSpecification, path: Path, held: TenantValues | None
) -> list[GuardFinding]:
    """Return the guard of swapped columns if a plan trips it.

    Args:
        specification: the sync, with its limits.
        path: the plan's file.
        held: what the tenant holds; without it nothing is found.
    """
    limit = specification.guards.swapped
    if held is None or limit >= 1:
        return []
    found = list(_foreign(specification, path, held))
    if not found:
        return []
    words = "; ".join(
        f"{count:,} of {whole:,} values for {field} are those that Nexthink holds in {other}"
        for field, other, count, whole in found
    )
    _, _, count, whole = found[0]
    text = f"{words}: look whether their columns are swapped (the limit is {limit:.0%})"
    return [GuardFinding(Guard.SWAPPED.value, count, whole, limit, text)]


def _foreign(
    specification: SyncSpecification, path: Path, held: TenantValues
) -> Iterator[tuple[str, str, int, int]]:
    kinds = specification.api_fields
    fields = [name for name in held.fields if kinds[name].kind is FieldKind.TEXT]
    if len(fields) <= 1:
        return
    spill = {"memory_limit": _MEMORY, "temp_directory": str(held.path.parent / "spill")}
    with closing(duckdb.connect(":memory:", config={**CLOSED, **spill})) as db:
        db.read_parquet(str(path)).create_view("plan")
        db.read_parquet(str(held.path)).create_view("shown")
        guards = specification.guards
        words = {"fields": fields, "few": guards.few, "limit": guards.swapped}
        yield from db.execute(_FOREIGN, words).fetchall()
