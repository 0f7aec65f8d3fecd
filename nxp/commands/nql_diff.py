"""`nxp nql diff`: whether the tenant runs what the catalogue's files say."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from connectors.catalogue.names import unknown_queries
from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text, why_unreadable
from connectors.clock import utc_now
from connectors.errors import AccessError, ConfigurationError, PipelineError, StaleError
from connectors.settings.installation import Settings, load_settings, prepare_home
from connectors.settings.tenants import TenantSettings, load_tenant
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from connectors.nexthink.client import NexthinkClient
    from tasks.upkeep.query_differences import Compared

DIFFERENT = ("differs", "missing")
HEADS = ("query_id", "outcome", "clause", "file", "tenant")


def diff(
    *name: Annotated[str, Parameter(help="A saved query; without any, all.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> int:
    """Compare saved queries of the tenant with the catalogue's files, by their meaning.

    Runs each saved query once (one call of the day's budget), over an empty window where it has
    one, and compares the text that the tenant says it ran. Rows are discarded. Blanks, comments,
    case and the order of clauses that do not depend on each other do not count. Without NAME, all
    queries of the catalogue. Exits with 8 if one differs or is missing, otherwise with 4 if one is
    not permitted and with 5 if one failed. nxp doctor shows the result without asking the tenant.
    """
    settings = load_settings()
    texts, problems = _texts(settings.catalog / "queries", name)
    if problems and not texts:
        raise ConfigurationError("saved queries", problems=tuple(problems))
    found = load_tenant(settings, tenant)
    prepare_home(settings)
    compared, stopped = _compared(settings, found, texts)
    if as_json:
        print_json([each.plain() for each in compared])
    else:
        print_table(HEADS, [row for each in compared for row in _rows(each)])
    different = sum(each.outcome.value in DIFFERENT for each in compared)
    say(
        f"{len(compared)} of {len(texts)} saved queries looked at, {different or 'none'} differing "
        "or missing"
    )
    sys.stdout.flush()
    if stopped is not None:
        raise stopped
    if problems:
        raise ConfigurationError("saved queries", problems=tuple(problems))
    return _exit_code({each.outcome.value for each in compared})


def _exit_code(outcomes: set[str]) -> int:
    if outcomes & set(DIFFERENT):
        return StaleError.exit_code
    if "not permitted" in outcomes:
        return AccessError.exit_code
    return 5 if "failed" in outcomes else 0


def _texts(folder: Path, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the texts of the saved queries by id, and which files cannot be read."""
    paths = {f"#{path.stem}": path for path in sorted(folder.glob("*.nql"))}
    wanted = [f"#{name.removeprefix('#')}" for name in names] or list(paths)
    if unknown := [query_id for query_id in wanted if query_id not in paths]:
        raise unknown_queries(unknown, list(paths))
    texts, problems = {}, []
    for query_id in dict.fromkeys(wanted):
        try:
            texts[query_id] = read_catalogue_text(paths[query_id])
        except UNREADABLE as error:
            problems.append(f"queries/{paths[query_id].name}: {why_unreadable(error)}")
    return texts, problems


def _compared(
    settings: Settings, tenant: TenantSettings, texts: dict[str, str]
) -> tuple[list["Compared"], PipelineError | None]:
    """Return the comparisons, which are kept, and the error that ended them early, if any."""
    from tasks.upkeep.query_differences import LastDifferences, compare  # noqa: PLC0415 - httpx

    compared: list[Compared] = []
    stopped = None
    with _client(settings, tenant) as client:
        try:
            for each in compare(client, texts):
                compared.append(each)  # noqa: PERF402 - what was compared before an error stays
        except PipelineError as error:
            stopped = error
    LastDifferences(settings.home, tenant.name).keep(compared, utc_now())
    return compared, stopped


@contextmanager
def _client(settings: Settings, tenant: TenantSettings) -> "Iterator[NexthinkClient]":
    """Open a client whose calls count among those of all processes, and come after theirs."""
    from connectors.ledger import Asker  # noqa: PLC0415 - only where the tenant is asked
    from tasks.runs.counted import counted_client  # noqa: PLC0415

    with counted_client(settings, tenant, Asker.DIFF) as (client, _):
        yield client


def _rows(compared: "Compared") -> list[tuple[str, str, str, str, str]]:
    head = (compared.query_id, compared.outcome.value)
    if compared.differences:
        return [(*head, each.clause, each.ours, each.theirs) for each in compared.differences]
    return [(*head, "", "", compared.message)]
