"""`nxp sql`: DuckDB over the lake."""

from connectors.lake import Lake
from connectors.lake.query import query_lake
from connectors.lake.sql_room import Room
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table


def sql(query: str, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Run one SELECT over what has landed, read-only.

    A window dataset is one view. A snapshot dataset is two: NAME has the latest snapshot, and
    NAME_history all of them. _runs and _rejects are views too.
    """
    settings = load_settings()
    lake = Lake(settings.lake, tenant_name(settings, tenant))
    room = Room(settings.home, settings.memory_mb, settings.sql_spill_mb)
    names, rows = query_lake(lake, query, room)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(names, rows)
