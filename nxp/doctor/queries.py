"""The check of saved queries: what the last `nxp nql diff` found; no query is run."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from connectors.catalogue import DatasetSpecification, read_datasets
from connectors.ledger import HEAD, ledger_version, open_ledger
from connectors.settings.installation import Settings
from nxp.doctor.finding import Finding, ok, warn
from tasks.upkeep.query_differences import LastComparison, LastDifferences, QueryAgreement, landings

SHOWN = 5
# What a tenant that could be asked has shown to be wrong.
_WRONG = (QueryAgreement.DIFFERS, QueryAgreement.MISSING, QueryAgreement.NOT_PERMITTED)


def look_at_queries(settings: Settings, tenant: str) -> Iterator[Finding]:
    """Show which saved queries of the tenant differed from their files when last compared."""
    datasets = read_datasets(settings.catalog).valid
    kept, _ = kept_comparisons(settings, tenant, datasets)
    # A file that is gone from the catalogue has nothing to differ from.
    folder = settings.catalog / "queries"
    kept = [each for each in kept if (folder / f"{each.query_id.removeprefix('#')}.nql").exists()]
    if not kept:
        yield ok("queries", "never compared with the tenant's: nxp nql diff does it")
        return
    since = f"{min(each.at for each in kept):%Y-%m-%d %H:%M} UTC"
    wrong = [each for each in kept if each.outcome in _WRONG]
    if not wrong:
        yield ok("queries", f"{len(kept)} saved queries compared since {since}, none differing")
        return
    more = f", and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    what = f"{', '.join(_worded(each) for each in wrong[:SHOWN])}{more} (compared since {since})"
    yield warn("queries", what, do="see nxp nql diff, and paste what nxp nql queries prints")


def kept_comparisons(
    settings: Settings, tenant: str, datasets: Mapping[str, DatasetSpecification]
) -> tuple[list[LastComparison], dict[str, datetime]]:
    """Return the last comparisons of saved queries, without those that rows disprove.

    And when rows landed by a query, if some query was not run when it was last compared.
    """
    kept = LastDifferences(settings.home, tenant).read()
    url = settings.ledger_url.get_secret_value()
    # A check upgrades no ledger.
    if not any(each.is_wrong for each in kept) or ledger_version(url) != HEAD:
        return kept, {}
    with open_ledger(url, tenant) as ledger:
        landed = landings(datasets.values(), ledger)
    return [each for each in kept if each.is_true(landed)], landed


def _worded(kept: LastComparison) -> str:
    clauses = f" ({', '.join(kept.clauses)})" if kept.clauses else ""
    return f"{kept.query_id} {kept.outcome.value}{clauses}"
