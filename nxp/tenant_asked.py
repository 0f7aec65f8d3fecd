"""What the tenant answers to `nxp check --connect`, and what earlier answers are still worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.catalogue import DatasetSpecification, query_path
from connectors.clock import utc_now
from connectors.errors import AccessError, PipelineError
from connectors.settings.installation import Settings
from connectors.settings.tenants import TenantSettings
from connectors.text_files import read_text

if TYPE_CHECKING:
    from connectors.ledger import Ledger
    from connectors.nexthink.client import NexthinkClient


@dataclass(slots=True)
class TenantAnswer:
    """What the tenant answered: why it let nobody in, and how its saved queries compare."""

    refused: PipelineError | None = None
    is_connected: bool = False
    notes: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)


def ask_tenant(
    tenant: TenantSettings,
    settings: Settings,
    datasets: Mapping[str, DatasetSpecification],
    *,
    queries: bool,
) -> TenantAnswer:
    """Log in to the tenant, and return what it answered.

    Args:
        tenant: the tenant.
        settings: the installation.
        datasets: those of the catalogue.
        queries: also run saved queries that never landed, or that were refused when last run.
    """
    from nxp.doctor.retention import look_at_retention  # noqa: PLC0415 - httpx, only to connect
    from tasks.runs.counted import counted_client  # noqa: PLC0415

    asked = TenantAnswer()
    try:
        with counted_client(settings, tenant) as (client, ledger):
            client.authenticate()
            asked.is_connected = True
            found = list(look_at_retention(client, tenant, settings.catalog, utc_now))
            asked.notes = [
                f"retention of {each.what}{each.do and f': {each.do}'}" for each in found
            ]
            if queries:
                asked.outcomes = _compared(client, ledger, settings, tenant, datasets)
    except PipelineError as error:
        if isinstance(error, AccessError) or not asked.is_connected:
            asked.refused = error
        else:
            asked.notes.append(f"saved queries were not looked at: {error}")
    return asked


def kept_outcomes(
    settings: Settings, tenant: str, datasets: Mapping[str, DatasetSpecification]
) -> dict[str, str]:
    """Return how saved queries last compared with their files; rows landed since count as run."""
    from nxp.doctor.queries import kept_comparisons  # noqa: PLC0415 - httpx, only if compared

    kept, landed = kept_comparisons(settings, tenant, datasets)
    return dict.fromkeys(landed, "landed") | {each.query_id: each.outcome.value for each in kept}


def _compared(
    client: "NexthinkClient",
    ledger: "Ledger",
    settings: Settings,
    tenant: TenantSettings,
    datasets: Mapping[str, DatasetSpecification],
) -> dict[str, str]:
    """Run the saved queries that never landed, or that have not landed since they were refused.

    Raises:
        AccessError: the credential may run none of them.
    """
    from connectors.ledger import Extent  # noqa: PLC0415 - SQLAlchemy
    from tasks.upkeep.query_differences import (  # noqa: PLC0415 - httpx, only to connect
        LastDifferences,
        QueryAgreement,
        compare,
        landings,
    )

    last = LastDifferences(settings.home, tenant.name)
    landed = landings(datasets.values(), ledger)
    wrong = {each.query_id for each in last.read() if each.is_wrong and each.is_true(landed)}
    extents = ledger.marks.extents()
    new = [each for name, each in datasets.items() if not extents.get(name, Extent()).units]
    ids = dict.fromkeys(each for one in new for each in one.query_ids())
    ids |= dict.fromkeys(
        each for one in datasets.values() for each in one.query_ids() if each in wrong
    )
    paths = {each: query_path(settings.catalog, each) for each in ids}
    texts = {each: read_text(path) for each, path in paths.items() if path.is_file()}
    compared = list(compare(client, texts))
    last.keep(compared, utc_now())
    if compared and {each.outcome for each in compared} == {QueryAgreement.NOT_PERMITTED}:
        raise AccessError(compared[0].message)
    return {each.query_id: each.outcome.value for each in compared}
