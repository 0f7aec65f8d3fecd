"""Planning a sync: known values against wanted ones, range by range, into a file and the ledger.

Nothing is sent, and nothing changes except the recorded absences. A run that plans or applies holds
the sync's lease.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from connectors.lake.plans import FILE, keep_plan, plan_path, staged_plan
from connectors.ledger import PlanRecord
from connectors.ledger.enriched import EnrichedCounts
from connectors.syncs import OnConflict, SyncMode
from tasks.sync.conflicts import unread_fields
from tasks.sync.diff import ComparisonSettings, SyncDifference, again, difference
from tasks.sync.draft import Draft, Look
from tasks.sync.guarding import Losses, lately, losses, numbers_of
from tasks.sync.guards import GuardFinding, findings, overwrite_findings, retire_finding
from tasks.sync.plan_file import SCHEMA, PlanSummary, SyncPlan, file_sha256
from tasks.sync.plan_pieces import check_texts, pieces, ranges
from tasks.sync.planning import Planning
from tasks.sync.recovery import open_plan, recover
from tasks.sync.swapped import swapped_findings
from tasks.sync.undo import plan_to_undo, undone
from tasks.sync.wanted import KEYS, ROWS, SourceCounts, WantedRange


def make_plan(
    planning: Planning,
    wanted: Iterable[WantedRange],
    source: SourceCounts,
    *,
    cursors: Mapping[str, Any] | None = None,
    inventory_at: datetime | None = None,
    accepted: Mapping[str, str] | None = None,
    made_by: str | None = None,
    look: Look | None = None,
) -> SyncPlan:
    """Plan a sync. A plan may have no rows; it still moves the cursors when it is applied.

    Guards that trip are in the summary's findings; they are checked when the plan is applied.

    Args:
        planning: the sync and its places.
        wanted: what the sources say, in ascending ranges that together cover all keys.
        source: counts of the sources. `is_complete` and `is_full` are read before the first range,
            the others after the last.
        cursors: the sync's cursors once the plan has been applied.
        inventory_at: when the inventory that lists the keys was exported.
        accepted: by guard, why a person accepts it.
        made_by: the run that plans; the sources' rejects are kept under its id.
        look: reads what the tenant holds; None plans by the ledger alone.

    Raises:
        DataRefusedError: the ledger cannot keep a key or a value; nothing was planned.
    """
    recover(planning)
    draft = _begin(planning)
    draft.made_by = made_by
    is_complete, is_full = source.is_complete, source.is_full
    view = ComparisonSettings(
        planning.specification.mode,
        planning.now,
        inventory_at,
        is_complete=is_complete,
        takes=planning.specification.on_conflict is OnConflict.TAKE,
    )

    draft.is_guarded = True
    found = _differences(planning, draft, wanted, view, is_whole=is_complete or is_full)
    plan_id, sha256 = _write(planning, draft, found, look)
    plan = _record(
        planning,
        draft,
        plan_id=plan_id,
        sha256=sha256,
        source=source,
        cursors=cursors,
        keys=draft.wanted_keys if is_full else None,
        accepted=accepted,
    )
    if is_complete:
        absent = pl.concat(draft.absent) if draft.absent else pl.Series("key", [], pl.String)
        planning.ledger.absences.record(planning.sync, absent, planning.now)
    return plan


def _differences(
    planning: Planning,
    draft: Draft,
    wanted: Iterable[WantedRange],
    view: ComparisonSettings,
    *,
    is_whole: bool,
) -> Iterator[SyncDifference]:
    """Yield how the sources differ from the known values, piece by piece of each range."""
    for each in wanted:
        check_texts(planning.sync, each)
        draft.wanted_keys += each.keys.height
        for piece, known in pieces(planning, draft, each, is_whole=is_whole):
            absences = planning.ledger.absences.read(planning.sync, piece.after, piece.up_to)
            yield difference(
                piece, known, fields=planning.fields, view=view, absent_before=absences["key"]
            )


def retry_plan(planning: Planning, look: Look | None = None) -> SyncPlan:
    """Plan open, unknown and rejected values again, unchanged; no source is read.

    Only the guard of overwrites applies: every row was in a plan that passed the others.
    """
    recover(planning)
    draft = _begin(planning)
    view = ComparisonSettings(planning.specification.mode, planning.now, waits=False)
    everything = WantedRange(None, None, pl.DataFrame(), pl.DataFrame())
    parts = ranges(planning, draft, everything, settled=False)
    differences = (
        again(
            planning.ledger.enriched.read(planning.sync, after, up_to, settled=False),
            planning.fields,
            view,
        )
        for after, up_to in parts
    )
    plan_id, sha256 = _write(planning, draft, differences, look)
    return _record(planning, draft, plan_id=plan_id, sha256=sha256)


def retire_plan(
    planning: Planning,
    *,
    accepted: Mapping[str, str] | None = None,
    made_by: str | None = None,
    look: Look | None = None,
) -> SyncPlan:
    """Plan to empty all values of a sync that can be emptied; no source is read.

    Args:
        planning: the sync, of all fields that it has ever sent.
        accepted: by guard, why a person accepts it.
        made_by: the run that plans.
        look: reads what the tenant holds; None plans by the ledger alone.
    """
    recover(planning)
    draft = _begin(planning)
    draft.made_by = made_by
    view = ComparisonSettings(SyncMode.MIRROR, planning.now, is_complete=True, waits=False)
    nothing = WantedRange(None, None, pl.DataFrame(schema=KEYS), pl.DataFrame(schema=ROWS))
    # Every key counts as absent for the second time.
    differences = (
        difference(
            piece, known, fields=planning.fields, view=view, absent_before=known["key"].unique()
        )
        for piece, known in pieces(planning, draft, nothing, is_whole=True)
    )
    plan_id, sha256 = _write(planning, draft, differences, look)
    if draft.rows:
        draft.found = (retire_finding(draft.keys, draft.known.keys, draft.rows),)
    return _record(planning, draft, plan_id=plan_id, sha256=sha256, accepted=accepted)


def undo_plan(planning: Planning, plan_id: str, look: Look) -> SyncPlan:
    """Plan to take a plan back: see `tasks.sync.undo`.

    No guards apply: a person asks for it, and sees the plan before it is applied.

    Raises:
        UsageError: there is no such plan, or it was never begun.
        StaleError: its file is gone.
    """
    recover(planning)
    draft, left = _begin(planning), Counter[str]()
    draft.undoes = plan_id
    with plan_to_undo(planning, plan_id) as plan:
        made, sha256 = _write(planning, draft, undone(planning, plan, left), look)
    draft.not_emptied = dict(left)
    return _record(planning, draft, plan_id=made, sha256=sha256)


def _begin(planning: Planning) -> Draft:
    base = planning.ledger.syncs.ensure(planning.sync)
    if base.identification not in (None, planning.identification):
        # Keys of another identification mean other objects; beginning the plan drops them.
        return Draft(base, EnrichedCounts())
    return Draft(base, planning.ledger.enriched.counts(planning.sync))


def _write(
    planning: Planning,
    draft: Draft,
    differences: Iterable[SyncDifference],
    look: Look | None = None,
) -> tuple[str, str]:
    """Write the plan's file and move it into place; return the plan's id and the sha-256."""
    plan_id = f"{planning.now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    path = planning.scratch / f"draft-{plan_id}.parquet"
    draft.write(differences, path)
    with staged_plan(planning.lake, plan_id, SCHEMA) as stage:
        for rows in draft.rows_of(planning, path, look):
            stage.write(FILE, rows.to_arrow().cast(SCHEMA))
        path.unlink()
        (file,) = stage.finish()
        sha256 = file_sha256(file.path)
        if draft.is_guarded and draft.rows > planning.specification.guards.few:
            draft.found += tuple(swapped_findings(planning.specification, file.path, draft.held))
        keep_plan(planning.lake, file.path, plan_path(planning.sync, plan_id))
    return plan_id, sha256


def _record(
    planning: Planning,
    draft: Draft,
    *,
    plan_id: str,
    sha256: str,
    source: SourceCounts | None = None,
    cursors: Mapping[str, Any] | None = None,
    keys: int | None = None,
    accepted: Mapping[str, str] | None = None,
) -> SyncPlan:
    summary = _summary(planning, draft, source, keys)
    record = PlanRecord(
        plan_id=plan_id,
        sync=planning.sync,
        sha256=sha256,
        location=plan_path(planning.sync, plan_id),
        created_at=planning.now,
        version=draft.base.version,
        identification=planning.identification,
        specification=planning.fingerprint,
        summary=summary.to_json(),
        cursors=cursors,
        keys=keys,
        accepted=dict(accepted or {}),
    )
    planning.ledger.plans.add(record)
    return replace(open_plan(planning, record), held=draft.held, checked=draft.checked)


def _summary(
    planning: Planning, draft: Draft, source: SourceCounts | None, keys: int | None
) -> PlanSummary:
    """Return what a plan says of itself; `keys` are those of complete sources, otherwise None."""
    specification, counts = planning.specification, draft.counts
    verify, missing, found = specification.verify, None, tuple(draft.found)
    if keys is not None:
        missing = losses(planning.ledger, planning.sync, counts, specification.mode)
    if source is not None:
        found = (*_guarded(planning, draft, source, missing), *found)
    others = counts.overwrite + counts.theirs + counts.same
    return PlanSummary(
        rows=draft.rows,
        keys=draft.keys,
        counts=counts,
        source=source,
        known_keys=draft.known.keys,
        valued_keys=draft.known.keys_with_value,
        last_keys=draft.base.keys,
        findings=(*found, *overwrite_findings(specification.guards, counts.overwrite, others)),
        made_by=draft.made_by,
        domain=specification.domain,
        read_back=verify.plain() if verify else None,
        lost=missing.lost if missing else None,
        still_lost=missing.still if missing else None,
        read_at=draft.held.read_at.isoformat() if draft.held else None,
        undoes=draft.undoes,
        not_emptied=draft.not_emptied,
        unread_fields=unread_fields(specification, draft.held) if draft.held else (),
    )


def _guarded(
    planning: Planning, draft: Draft, source: SourceCounts, missing: Losses | None
) -> Sequence[GuardFinding]:
    """Return the guards that the numbers of a plan trip."""
    guards = planning.specification.guards
    numbers = numbers_of(
        source,
        draft.counts,
        draft.known,
        keys=draft.wanted_keys,
        last_keys=draft.base.keys,
        found=missing,
        lately=lately(planning.ledger, planning.sync, planning.now, guards.over),
    )
    return findings(guards, numbers)
