"""`nxp sql`: DuckDB over the lake."""

from connectors.lake import Lake
from connectors.lake.query import query_lake
from connectors.lake.sql_room import Room
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.offered import offered
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table


def sql(query: str, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Run one SELECT over what has landed, read-only.

    A window dataset is one view. A snapshot dataset is more: NAME has the latest snapshot,
    NAME_history all of them, and NAME_changes what each object was, with valid_from and valid_to.
    _datasets, _units, _gaps, _runs and _rejects are views too.
    """
    settings = load_settings()
    name = tenant_name(settings, tenant)
    lake = Lake(settings.lake, name)
    room = Room(settings.home, settings.memory_mb, settings.sql_spill_mb)
    names, rows = query_lake(lake, query, room, offered(settings, name, tenant))
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(names, rows)
