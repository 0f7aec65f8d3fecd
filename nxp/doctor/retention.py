"""How far back the tenant keeps its data, by small saved queries, where the catalogue has them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.catalogue import DAY, RetentionClass, kept_for
from connectors.errors import PipelineError
from connectors.nexthink.client import NexthinkClient
from connectors.settings.tenants import TenantSettings
from nxp.doctor.finding import Finding, ok, warn

CHECK = "retention"
SETTING = "tenant_retention"


def look_at_retention(
    client: NexthinkClient, tenant: TenantSettings, catalog: Path, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Compare the age of the oldest row of each class of tables with what is set.

    The age proves that the tenant keeps at least so much. It does not prove that it keeps no more:
    a tenant may be young, or quiet.
    """
    for of in RetentionClass:
        name = f"retention_{of}"
        if (catalog / "queries" / f"{name}.nql").is_file():
            yield _compared(client, tenant, of, f"#{name}", clock())


def _compared(
    client: NexthinkClient, tenant: TenantSettings, of: RetentionClass, query_id: str, now: datetime
) -> Finding:
    try:
        rows = client.nql.execute(query_id).data
    except PipelineError as error:
        what = f"{of}: not probed, {error}"
        return warn(CHECK, what, do=f"save the query in Nexthink: nxp nql queries {query_id}")
    kept = kept_for(tenant.tenant_retention, of)
    oldest = _instant(rows)
    if oldest is None:
        return warn(
            CHECK, f"{of}: {query_id} has no rows, so nothing is known", do=_advice(of, tenant)
        )
    age = now - oldest
    shown = f"{of}: the oldest row is {age / DAY:.1f} days old, so at least that is kept"
    if kept is None:
        return warn(CHECK, f"{shown}; how long is not set", do=_advice(of, tenant))
    if age + DAY < kept:
        what = f"{shown}; {_days(kept)} are set, which a young or quiet tenant does not show"
        return warn(CHECK, what, do=_advice(of, tenant))
    return ok(CHECK, f"{shown}; {_days(kept)} are set")


def _instant(rows: Sequence[Mapping[str, object]]) -> datetime | None:
    """Return the only cell as an instant; None if there is no row."""
    cell = next((value for row in rows for value in row.values()), None)
    if cell is None:
        return None
    found = datetime.fromisoformat(str(cell))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _days(kept: timedelta) -> str:
    return f"{kept / DAY:.0f} days"


def _advice(of: RetentionClass, tenant: TenantSettings) -> str:
    name = tenant.named(SETTING)
    # A variable is written with its value; a key of a file has its place behind it.
    example = f"{name}={of}=30d" if name.isupper() else f'{SETTING} = "{of}=30d" ({name})'
    return f"see the data retention in Nexthink's administration, and set it, such as {example}"
