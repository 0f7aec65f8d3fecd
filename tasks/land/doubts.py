"""Whether a landed window has all the rows that there were, although the tenant forgets old ones.

No answer says what a tenant has forgotten: an export of such a window just has no rows. So a window
without rows is proven only if the tenant is known to keep such rows for longer, if it was exported
soon after its end, or if the tenant showed older rows in the same run or later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from connectors.catalogue import DAY
from connectors.ledger import Doubt, UnitRecord
from tasks.exports.windows import Window
from tasks.land.calendar import Calendar

# The shortest retention that the vendor documents. If a window was exported this soon after its
# end and lag, no rows means that there were none.
SHORTEST_RETENTION = 2 * DAY
# When runs began, by their ids.
Began: TypeAlias = Mapping[str, datetime]
NEVER_BEGAN: Final[Began] = {}
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is in doubt about a window, and from when on a partial one has all its rows."""

    doubt: Doubt | None = None
    complete_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class DoubtsFound:
    """The windows of a run that have expired, and the units that are partial or unproven."""

    expired: tuple[Window, ...] = ()
    partial: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.expired or self.partial or self.unproven)

    def said(self, dataset: str, setting: str = "NEXTHINK_TENANT_RETENTION") -> str | None:
        """Return what is in doubt and what to do, in one line; None if nothing is.

        `setting` is what sets how long the tenant keeps its data.
        """
        parts = []
        if self.expired:
            first, last = self.expired[0], self.expired[-1]
            parts.append(
                f"{len(self.expired)} missing windows, from {first} on, are expired: no row of "
                "them can come any more, and the watermark waits for them; accept the gap with "
                f"nxp state reset {dataset} --from {last.end:%Y-%m-%dT%H:%M:%SZ}"
            )
        if self.partial:
            parts.append(
                f"{len(self.partial)} windows are partial ({self.partial[0]} is the first): the "
                "tenant may have forgotten their beginning; accept them with "
                f"nxp state accept {dataset} --why TEXT"
            )
        if self.unproven:
            parts.append(
                f"{len(self.unproven)} windows have no rows ({self.unproven[0]} is the first), and "
                "the tenant may have forgotten them: set how long it keeps them "
                f"({setting}), or accept them with "
                f"nxp state accept {dataset} --why TEXT"
            )
        return f"{dataset}: {'; '.join(parts)}" if parts else None


def judge(
    window: Window,
    rows: int,
    exported_at: datetime,
    calendar: Calendar,
    known: Iterable[UnitRecord],
    run_id: str,
    began: Began = NEVER_BEGAN,
) -> Judgement:
    """Return what is in doubt about a window, exported at a moment and found to have some rows.

    Args:
        window: the window.
        rows: how many rows it has.
        exported_at: when its last export was started.
        calendar: the dataset's, with what is known about reach and retention.
        known: the dataset's other units.
        run_id: the run that landed it.
        began: when runs began, by their ids; an export that a run has resumed is older.
    """
    complete_from = calendar.complete_from(window, exported_at)
    if complete_from is not None:
        return Judgement(Doubt.PARTIAL, complete_from)
    if rows or _is_proven(window, exported_at, calendar, known, run_id, began):
        return Judgement()
    return Judgement(Doubt.UNPROVEN)


def is_forgetting(window: Window, now: datetime, calendar: Calendar) -> bool:
    """Return whether the tenant may already have forgotten rows of a window."""
    if calendar.complete_from(window, now) is not None:
        return True
    return calendar.kept is None and now - window.start > _surely_kept(calendar)


def changed_doubts(
    records: Sequence[UnitRecord], calendar: Calendar, began: Began = NEVER_BEGAN
) -> dict[str, Doubt | None]:
    """Return the units whose doubt is another one by now, with what it is.

    Other units may have proven since that a window had no rows, and a person may have set how long
    the tenant keeps them. The first window with rows after unproven ones may itself be cut; so may
    a later one, if those between have landed before and the tenant has forgotten more since.
    """
    changed: dict[str, Doubt | None] = {}
    ends_unproven, is_after_doubtful = None, False
    for record in records:
        window, exported_at = _window(record), record.exported_at
        if exported_at is None:
            continue
        if record.doubt is Doubt.UNPROVEN:
            if _is_proven(window, exported_at, calendar, records, record.run_id, began):
                changed[record.unit] = None
            else:
                ends_unproven = record.ends_at
                is_after_doubtful = is_after_doubtful or record.is_doubtful
        elif record.doubt is Doubt.PARTIAL:
            if calendar.kept is not None and not calendar.complete_from(window, exported_at):
                changed[record.unit] = None
        elif (is_after_doubtful or record.starts_at == ends_unproven) and not _is_proven(
            window,
            exported_at,
            calendar,
            [each for each in records if each is not record],
            record.run_id,
            began,
        ):
            changed[record.unit] = Doubt.PARTIAL
    return changed


def unjudged(
    records: Sequence[UnitRecord], calendar: Calendar, began: Began = NEVER_BEGAN
) -> dict[str, Doubt]:
    """Return landed units without rows that are in doubt, but were never judged to be.

    Earlier versions did not judge, and what is known about the tenant's retention may change.
    """
    found = {}
    for record in records:
        exported_at, window = record.exported_at, _window(record)
        if record.rows_landed != 0 or record.doubt is not None or exported_at is None:
            continue
        run_id = record.run_id or ""
        doubt = judge(window, 0, exported_at, calendar, records, run_id, began).doubt
        # What had already expired was not landed in part: it must not count as landed at all.
        has_expired = calendar.is_expired(window, exported_at)
        if doubt is not None:
            found[record.unit] = Doubt.UNPROVEN if has_expired else doubt
    return found


def _is_proven(
    window: Window,
    exported_at: datetime,
    calendar: Calendar,
    known: Iterable[UnitRecord],
    run_id: str | None,
    began: Began,
) -> bool:
    if calendar.kept is not None and window.start >= exported_at - calendar.kept:
        return True
    if exported_at - window.start <= _surely_kept(calendar):
        return True
    since = began.get(run_id or "", EARLIEST)
    return any(
        record.rows_landed
        and record.starts_at <= window.start
        and record.exported_at is not None
        # An earlier run proves nothing: the tenant's retention may have been shortened since. Nor
        # does an export that an earlier run had started, and that this one has resumed.
        and (
            record.exported_at >= exported_at
            or (record.run_id == run_id and record.exported_at >= since)
        )
        for record in known
    )


def _surely_kept(calendar: Calendar) -> timedelta:
    """Return the age up to which a window counts as exported soon after its end."""
    return SHORTEST_RETENTION + calendar.step + calendar.window.lag


def _window(record: UnitRecord) -> Window:
    return Window(record.starts_at, record.ends_at)
