"""Gathering all facts of one tenant's site, from the catalogue, the lake and the ledger."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from connectors.catalogue import read_datasets
from connectors.clock import utc_now
from connectors.errors import ConfigurationError, PipelineError
from connectors.lake import Lake
from connectors.ledger import open_ledger
from connectors.settings.installation import load_settings
from connectors.settings.tenants import TenantSettings, load_tenant, tenant_name
from tasks.site.changes import noting_runs, repeated_keys, schema_changes
from tasks.site.datasets import FactSources, dataset_facts, references_of
from tasks.site.facts import SiteFacts
from tasks.site.questions import questions_of
from tasks.site.rejects import Rejected, rejects_of
from tasks.site.runs import action_facts, limits_of, recent_runs, sync_facts

logger = logging.getLogger(__name__)

T = TypeVar("T")


def gather(tenant: str | None = None, clock: Callable[[], datetime] = utc_now) -> SiteFacts:
    """Return all that the site of a tenant shows.

    A damaged dataset, or a wrong file of the catalogue, is a fact of its own.

    Raises:
        ConfigurationError: settings have problems, or there is no catalogue.
        StorageError, UnavailableError: the lake cannot be listed, or the ledger not be read.
    """
    settings = load_settings()
    name = tenant_name(settings, tenant)
    loaded = read_datasets(settings.catalog)
    lake = Lake(settings.lake, name)
    notes: list[str] = []
    now = clock()
    with open_ledger(settings.ledger_url.get_secret_value(), name, clock) as ledger:
        of_tenant: TenantSettings | None = None
        with suppress(ConfigurationError):
            # Data can be read without a credential; what is missing is then not known.
            of_tenant = load_tenant(settings, tenant)
        if of_tenant is None:
            notes.append("Settings of the tenant are not complete: missing days are not shown.")
        none: dict[str, Rejected] = {}
        rejects = _unless_damaged("rejected rows", lambda: rejects_of(lake), none, notes)
        noting = noting_runs(ledger, now)
        changes, repeated = schema_changes(noting), repeated_keys(noting)
        sources = FactSources(
            settings.catalog, loaded, lake, ledger, of_tenant, rejects, changes, repeated, now
        )
        return SiteFacts(
            tenant=name,
            made_at=now,
            datasets=tuple(dataset_facts(sources)),
            references=references_of(loaded),
            runs=recent_runs(ledger, now),
            limits=limits_of(ledger, of_tenant),
            syncs=_unless_damaged(
                "syncs", lambda: tuple(sync_facts(settings.catalog, ledger)), (), notes
            ),
            actions=_unless_damaged(
                "actions", lambda: tuple(action_facts(settings.catalog, ledger)), (), notes
            ),
            questions=_unless_damaged(
                "questions",
                lambda: tuple(
                    questions_of(settings.catalog, lake, loaded.valid, settings.memory_mb)
                ),
                (),
                notes,
            ),
            notes=tuple(notes),
        )


def _unless_damaged(what: str, read: Callable[[], T], without: T, notes: list[str]) -> T:
    """Return what is read; a part of the site that cannot be read is noted, and left out."""
    try:
        return read()
    except PipelineError as error:
        logger.warning("the site is made without %s: %s", what, error)
        notes.append(f"The {what} cannot be read and are left out: {error}")
        return without
