"""Syncs whose file is gone: their values are emptied, or another sync takes them over."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from connectors.errors import ConfigurationError, UsageError
from connectors.ledger import Lease, Ledger, open_ledger
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from connectors.syncs import (
    Identification,
    SyncSpecification,
    VerifySpecification,
    load_sync,
    read_syncs,
)
from tasks.runs.chosen import Chosen
from tasks.sync.planning import Planning
from tasks.sync.recovery import recover
from tasks.sync.run import ChosenSync, SyncRun, lease_of

_SOURCE: Final = "retired"


def choose_retired(sync: str, tenant: str | None = None) -> ChosenSync:
    """Read settings, and what the ledger knows about a sync that is to be emptied.

    Its file is needed only for the domain and the query that reads its values back: without it,
    those of the newest plan are used.

    Raises:
        UsageError: the ledger knows no values of it.
        ConfigurationError: with every problem found; or nothing reads its values back, so that it
            cannot be seen which of them are still its own.
    """
    settings = load_settings()
    chosen_tenant = load_tenant(settings, tenant)
    found = read_syncs(settings.catalog)
    own = load_sync(settings.catalog, sync) if sync in found.names else None
    with open_ledger(settings.ledger_url.get_secret_value(), chosen_tenant.name) as ledger:
        specification = _retired(ledger, sync, own)
    return Chosen(settings, chosen_tenant, specification, tenant)


def _retired(ledger: Ledger, sync: str, own: SyncSpecification | None) -> SyncSpecification:
    """Return a sync of all fields that it has ever sent, with no source."""
    fields, identification = ledger.orphans.fields(sync), ledger.syncs.read(sync).identification
    if not fields or identification is None:
        raise unknown_values(ledger, sync)
    newest = ledger.plans.of(sync, limit=1)
    kept = newest[0].summary if newest else {}
    domain, verify = kept.get("domain"), _kept_query(kept)
    if own is not None:
        domain, verify = own.domain, own.verify or verify
    if verify is None:
        raise ConfigurationError(
            f"no query reads back the values of {sync}, so it cannot be seen which are still its "
            f"own, and none is emptied: put its file, with verify, into syncs, then again nxp sync "
            f"{sync} --retire"
        )
    return SyncSpecification.model_validate(
        {
            "sync": sync,
            "domain": domain or sync,
            "mode": "mirror",
            "sources": {_SOURCE: {"kind": "file", "path": f"/{_SOURCE}.csv"}},
            "sql": f"SELECT * FROM {_SOURCE}",  # noqa: S608 - a name of our own
            "identification": Identification.of_kept(identification, "key").model_dump(),
            "fields": {name: {} for name in fields},
            "push": own.push.model_dump() if own else {},
            "retention": own.retention if own else None,
            "verify": verify.model_dump(),
        }
    )


def _kept_query(summary: Mapping[str, Any]) -> VerifySpecification | None:
    kept = summary.get("read_back")
    if kept is None:
        return None
    return VerifySpecification(query_id=kept["query_id"], after=timedelta(seconds=kept["after"]))


def unknown_values(ledger: Ledger, sync: str) -> UsageError:
    """Return the error about an unknown sync."""
    held = [name for name in ledger.orphans.syncs() if ledger.orphans.held(name).values]
    return UsageError(
        f"the ledger knows no values of a sync {sync}: it knows those of "
        f"{', '.join(held) or 'no sync'}"
    )


def check_adoption(chosen: ChosenSync, old: str) -> None:
    """Raise if a sync cannot take over the values of another.

    Raises:
        UsageError: the catalogue has the other one, or the ledger knows no values of it.
        ConfigurationError: it identified its objects in another way.
    """
    settings, new = chosen.settings, chosen.specification
    if old in read_syncs(settings.catalog).names:
        raise UsageError(
            f"the catalogue still has the sync {old}: delete its file first, so that it does not "
            "set its values again"
        )
    with open_ledger(settings.ledger_url.get_secret_value(), chosen.tenant.name) as ledger:
        if not ledger.orphans.fields(old):
            raise unknown_values(ledger, old)
        identification = ledger.syncs.read(old).identification
    if identification != new.identification.kept:
        raise ConfigurationError(
            f"{new.sync} cannot take over {old}, which identified its objects by {identification} "
            f"and not by {new.identification.kept}: empty it with nxp sync {old} --retire"
        )


def adopt(run: SyncRun, old: str) -> int:
    """Take over the values of another sync; return how many. Call it under the run's lease.

    Raises:
        HeldError: another run holds the other sync.
    """
    with old_lease(run, old):
        specification = run.specification.model_copy(update={"sync": old})
        clock = run.tools.clock
        # Values that a killed run left in doubt are open, and stay so under the new name.
        recover(Planning(specification, run.ledger, run.lake, run.folder(), clock()))
        return run.ledger.orphans.adopt(old, run.sync)


def old_lease(run: SyncRun, old: str) -> Lease:
    """Take the sync that is adopted."""
    return lease_of(run.ledger, old, run.run_id)


def forget_emptied(run: SyncRun) -> bool:
    """Forget a retired sync if nothing that can be emptied is left of it; return whether it is."""
    clearable = run.specification.api_fields
    cannot = [name for name, field in clearable.items() if field.clear is None]
    if run.ledger.orphans.held(run.sync, cannot).values:
        return False
    run.ledger.orphans.forget(run.sync)
    return True
