"""Finding windows of the last days that never landed, by what the ledger says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.catalogue import DatasetSpecification, load_dataset, read_datasets
from connectors.clock import utc_now
from connectors.errors import PartlyDoneError
from connectors.ledger import Ledger, open_ledger
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.exports.windows import Window
from tasks.land.calendar import Calendar
from tasks.land.remaining import landed_of
from tasks.land.schedule import Coverage

# As flows and commands take it. Not `short`: days in a tenant's zone read that differently.
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Gaps:
    """A dataset's windows that are not done; no row of the `expired` ones can come any more.

    `doubtful` ones have landed, in part or without rows that can be relied on.
    """

    dataset: str
    expected: int
    missing: tuple[Window, ...]
    expired: tuple[Window, ...]
    doubtful: tuple[Window, ...] = ()

    @property
    def stretch(self) -> tuple[str, str]:
        """From the first missing window to the last one that can be landed, as dates."""
        return f"{self.missing[0].start:{INSTANT}}", f"{self.missing[-1].end:{INSTANT}}"


def find_gaps(
    days: int,
    names: Sequence[str] = (),
    tenant: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> list[Gaps]:
    """Return the gaps in the last days of each dataset that lands windows.

    Windows are expected from where the watermark counts, otherwise from the dataset's `start`,
    otherwise from the first window that landed. A dataset without any of these has no gaps.

    Raises:
        ConfigurationError: settings or catalogue have problems.
        UsageError: unknown dataset.
    """
    settings = load_settings()
    loaded = load_tenant(settings, tenant)
    chosen = [load_dataset(settings.catalog, name) for name in names]
    chosen = chosen or list(read_datasets(settings.catalog).valid.values())
    now = clock()
    url = settings.ledger_url.get_secret_value()
    with open_ledger(url, loaded.name, clock) as ledger:
        return [
            _gaps(each, Calendar.of(each, loaded), ledger, now, now - timedelta(days=days))
            for each in chosen
            if each.window
        ]


def raise_unless_closed(gaps: Sequence[Gaps], failures: Sequence[str] = ()) -> None:
    """Raise if windows are missing.

    Raises:
        PartlyDoneError: windows of datasets are missing; the message says what to do.
    """
    open_ = [each for each in gaps if each.missing or each.expired or each.doubtful]
    if not open_ and not failures:
        return
    missing = [
        f"{each.dataset}: {len(each.missing)} windows never landed, {len(each.expired)} more are "
        f"expired{f', {len(each.doubtful)} in doubt' if each.doubtful else ''}"
        for each in open_
    ]
    raise PartlyDoneError(
        "; ".join([*missing, *failures])
        + ". See nxp datasets NAME; a gap that cannot be landed is "
        "accepted by nxp state reset NAME --from DATE"
    )


def markdown(gaps: Sequence[Gaps], landed: int) -> str:
    """Return what was found as Markdown for the Prefect UI."""
    lines = [
        f"# Gaps: {landed} windows landed now",
        "",
        "| dataset | windows | still missing | expired | in doubt | first |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for each in gaps:
        first = min([*each.missing[:1], *each.expired[:1], *each.doubtful[:1]], default="")
        lines.append(
            f"| {each.dataset} | {each.expected} | {len(each.missing)} | {len(each.expired)} "
            f"| {len(each.doubtful)} | {first} |"
        )
    return "\n".join(lines)


def _gaps(
    specification: DatasetSpecification,
    calendar: Calendar,
    ledger: Ledger,
    now: datetime,
    since: datetime,
) -> Gaps:
    name = specification.dataset
    units = ledger.units(name)
    records = landed_of(units)
    begin = _begin(calendar, ledger, name, [known.window.start for known in records])
    end = calendar.horizon(now)
    if begin is None or max(begin, since) >= end:
        return Gaps(name, 0, (), ())
    windows = [each for each in calendar.cut(max(begin, since), end) if each.end <= end]
    coverage = Coverage(known.window for known in records)
    missing = [window for window in windows if not coverage.covers(window)]
    in_doubt = Coverage(Window(unit.starts_at, unit.ends_at) for unit in units if unit.is_doubtful)
    doubtful = tuple(window for window in missing if in_doubt.covers(window))
    rest = [window for window in missing if not in_doubt.covers(window)]
    expired = tuple(window for window in rest if calendar.is_expired(window, now))
    within = tuple(window for window in rest if not calendar.is_expired(window, now))
    return Gaps(name, len(windows), within, expired, doubtful)


def _begin(
    calendar: Calendar, ledger: Ledger, name: str, landed: Sequence[datetime]
) -> datetime | None:
    mark = ledger.marks.watermark(name)
    if mark:
        return mark.starts_at
    return calendar.window.start or min(landed, default=None)
