"""The check of saved queries: what the last `nxp nql diff` found; no query is run."""

from collections.abc import Iterator

from connectors.settings.installation import Settings
from nxp.doctor.finding import Finding, ok, warn
from tasks.upkeep.query_differences import Kept, LastDifferences, Outcome

SHOWN = 5
# What a tenant that could be asked has shown to be wrong.
_WRONG = (Outcome.DIFFERS, Outcome.MISSING, Outcome.NOT_PERMITTED)


def look_at_queries(settings: Settings, tenant: str) -> Iterator[Finding]:
    """Show which saved queries of the tenant differed from their files when last compared."""
    kept = LastDifferences(settings.home, tenant).read()
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


def _worded(kept: Kept) -> str:
    clauses = f" ({', '.join(kept.clauses)})" if kept.clauses else ""
    return f"{kept.query_id} {kept.outcome.value}{clauses}"
