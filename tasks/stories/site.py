"""A site: gather what has landed and how runs ended, make the pages, and put them in place."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.clock import utc_now
from connectors.extras import require
from tasks.runs.recorded import recorded


@dataclass(frozen=True, slots=True)
class SiteMade:
    """Where a site is, and how much it shows; `damaged` datasets have a page that says so.

    `questions_failed` has a sentence for each question whose file or SQL is wrong.
    """

    out: str
    tenant: str
    pages: int
    datasets: int
    landed: int
    damaged: list[str]
    questions_failed: list[str]

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@recorded("site", "{out}")
def make_site(
    out: Path, tenant: str | None = None, clock: Callable[[], datetime] = utc_now
) -> SiteMade:
    """Write the site of a tenant; return what it shows.

    Args:
        out: the folder. It may be new, empty, or a site, which is replaced as a whole.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        clock: returns the current time.

    Raises:
        UsageError: the folder has other files.
        ConfigurationError: settings have problems, or Jinja2 is not installed.
        StorageError, UnavailableError: lake or ledger cannot be read, or the folder not be written.
    """
    require("jinja2", "nxp site")
    from tasks.site.folder import checked_place, replacing  # noqa: PLC0415 - jinja2
    from tasks.site.gather import gather  # noqa: PLC0415
    from tasks.site.pages import write_pages  # noqa: PLC0415 - Jinja2

    place = checked_place(out)
    site = gather(tenant, clock)
    marks = {"tenant": site.tenant, "made_at": site.made_at.isoformat()}
    with replacing(place, marks) as folder:
        pages = write_pages(site, folder)
    return SiteMade(
        str(place),
        site.tenant,
        pages,
        len(site.datasets),
        sum(each.units > 0 for each in site.datasets),
        [each.name for each in site.datasets if each.problem],
        [each.problem for each in site.questions if each.problem],
    )
