"""Values in Nexthink that no sync of the catalogue looks after any more."""

from collections.abc import Iterator

from connectors.errors import PipelineError
from connectors.ledger import HEAD, Ledger, ledger_version, open_ledger
from connectors.ledger.orphans import HeldValues
from connectors.settings.installation import Settings
from connectors.syncs import SyncSpecification, read_syncs


def orphan_notes(settings: Settings, tenant: str) -> list[str]:
    """Return a note for each sync whose file is gone, and for fields that a sync no longer maps.

    A ledger of another release is not looked at: opening it would upgrade it.
    """
    url = settings.ledger_url.get_secret_value()
    try:
        if ledger_version(url) != HEAD:
            return []
        with open_ledger(url, tenant) as ledger:
            return list(_notes(settings, ledger))
    except PipelineError as error:
        return [f"values of deleted syncs cannot be looked for: {error}"]


def _notes(settings: Settings, ledger: Ledger) -> Iterator[str]:
    syncs = read_syncs(settings.catalog)
    for name in ledger.orphans.syncs():
        if name not in syncs.names:
            held = ledger.orphans.held(name)
            if held.values:
                yield (
                    f"sync {name}: its file is gone, and Nexthink still has {_counted(held)}: put "
                    f"the file back, or take the values over with nxp sync NAME --adopt {name}, or "
                    f"empty them with nxp sync {name} --retire"
                )
        elif (sync := syncs.valid.get(name)) and _may_have_unmapped(ledger, sync):
            held = ledger.orphans.held(name, sync.fields)
            if held.values:
                yield (
                    f"sync {name}: Nexthink still has {_counted(held)}, which it no longer maps: "
                    "they stay as they are until it does"
                )


def _may_have_unmapped(ledger: Ledger, sync: SyncSpecification) -> bool:
    """Return whether a sync was edited since its newest plan, or that plan counted such values.

    Counting them reads all rows of the sync.
    """
    newest = ledger.plans.of(sync.sync, limit=1)
    if not newest:
        return False
    is_edited = newest[0].specification != sync.fingerprint
    return is_edited or bool(newest[0].summary["counts"].get("unmapped"))


def _counted(held: HeldValues) -> str:
    fields = ", ".join(f"{name} {count:,}" for name, count in held.fields.items())
    return f"{held.values:,} values of it ({fields})"
