"""A sync without a query that reads its fields back: what it cannot do, and what to add."""

from connectors.nexthink.fields import READ_BACK_TABLES, nql_name
from connectors.syncs.specification import SyncSpecification


def read_back_query(specification: SyncSpecification) -> str:
    """Return a saved query, on one line, that reads a sync's fields back."""
    names = (specification.identification.name, *specification.fields)
    table = READ_BACK_TABLES[specification.object_type]
    return f"{table} | list {', '.join(nql_name(name) for name in names)}"


def unreadable(specification: SyncSpecification) -> str | None:
    """Return what a sync cannot do without `verify`, and what to add; None if it has it."""
    if specification.verify is not None:
        return None
    name = specification.sync
    return (
        f"{name} has no verify query, so what Nexthink holds is not known: nxp sync is refused; "
        "nxp apply sets values, maybe over those of others, but changes and empties none: save "
        f"`{read_back_query(specification)}` in Nexthink as the NQL API query "
        f"#{name}_readback, put the same text into queries/{name}_readback.nql, and add to "
        f"syncs/{name}.yaml "
        f'`verify: {{query_id: "#{name}_readback"}}`'
    )
