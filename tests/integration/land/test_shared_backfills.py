"""Back-fills that several processes share: real ones, on one ledger, at a tenant that counts."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.catalogue import load_dataset
from connectors.ledger import Ledger, open_ledger
from tasks.land.asked import Only
from tasks.land.chunks import BackfillIdentity, Chunk, cut_chunks
from tests.landing import CATALOG, NOW, Place, place, truth
from tests.victims import start

FIRST, LAST = datetime(2026, 11, 11, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
EXPORT_SECONDS = 0.4
ORDER = ["crashed_at", "device_uid", "binary_uid", "user_uid"]


class Sharing:
    """A tenant, a ledger, and processes that share one back-fill of nine days."""

    def __init__(self, made: Place, ledger_url: str, only: Only, step: str) -> None:
        self.place = made
        self.only = only
        self.step = step
        self.windows = {"6h": 36, "40m": 324}[step]
        self.environment = {
            **made.environment,
            "NXP_LEDGER_URL": ledger_url,
            # Its days before the first row are known to have none.
            "NEXTHINK_TENANT_RETENTION": "30d",
        }
        self.ledger: Ledger = open_ledger(ledger_url, "sandbox.eu", made.tenant.clock.now)
        self.asked_at = made.tenant.clock.now()

    def chunk(self, number: int, of: int) -> Chunk:
        """Return one of the equal parts of the whole period."""
        part = (LAST - FIRST) / of
        return Chunk(
            starts_at=FIRST + number * part,
            ends_at=FIRST + (number + 1) * part,
            begun_at=self.asked_at,
            asked_at=self.asked_at,
        )

    def start(
        self, chunk: Chunk, *, concurrency: int = 4, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a run in a process, and wait until its imports are done."""
        asked = {
            "dataset": "crashes",
            "window_from": FIRST.isoformat(),
            "window_to": LAST.isoformat(),
            "step": self.step,
            "only": self.only.value,
            "concurrency": concurrency,
            "chunk": chunk.model_dump(mode="json"),
        }
        now = self.place.tenant.clock.now().isoformat()
        words = (now, json.dumps(asked))
        return start("tests.share_once", *words, env=self.environment | dict(env or {}))

    def landed(self) -> int:
        """Count the windows that have landed."""
        return sum(record.landed_at is not None for record in self.ledger.units("crashes"))

    def let_go(self) -> int:
        """Count the windows that have landed, and that nobody holds any more."""
        records = self.ledger.units("crashes")
        return sum(record.landed_at is not None and record.holder is None for record in records)

    def wait_for(self, windows: int) -> None:
        """Wait until so many windows have landed, and are held no more.

        A kill between the two leaves a lease on a window with which nobody has anything to do.
        """
        deadline = time.monotonic() + 120
        while self.let_go() < windows:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def exports(self) -> int:
        """Count the exports that were started at the tenant."""
        return self.place.tenant.requests["export"]

    def most_at_once(self) -> int:
        """Return the most exports that were under way at once, according to the tenant."""
        length = timedelta(seconds=EXPORT_SECONDS)
        begun = [export.created for export in self.place.tenant.exports._exports.values()]
        return max(sum(0 <= (at - each) / length < 1 for each in begun) for at in begun)

    def assert_complete(self) -> None:
        """Assert that exactly the rows of the period have landed, each window once."""
        specification = load_dataset(CATALOG, "crashes")
        bounds = {"from": "2026-11-11 00:00:00", "to": "2026-11-20 00:00:00"}
        time_of = pl.col("crashed_at").dt.truncate("1s").cast(pl.Datetime("us", "UTC"))
        there = truth(self.place, specification, bounds).with_columns(time_of)
        there = there.filter(pl.col("crashed_at") < LAST)
        landed = self.place.landed("crashes")
        assert_frame_equal(landed.select(ORDER).sort(ORDER), there.select(ORDER).sort(ORDER))
        assert self.landed() == self.windows


Share = Callable[..., Sharing]


@pytest.fixture
def share(tmp_path: Path, ledger_url: str) -> Iterator[Share]:
    """Return a function that makes a tenant whose exports take a while."""
    with ExitStack() as stack:

        def make(only: Only = Only.MISSING, step: str = "6h") -> Sharing:
            made = stack.enter_context(place(tmp_path, export_time=EXPORT_SECONDS))
            sharing = Sharing(made, ledger_url, only, step)
            stack.callback(sharing.ledger.close)
            return sharing

        yield make


def ended(process: subprocess.Popen[str], *, partly: bool = False) -> list[int]:
    """Wait for a run; return how many windows it reports as landed, skipped and failed."""
    out, err = process.communicate(timeout=120)
    assert partly or process.returncode == 0, err
    counts: list[int] = json.loads(out)
    return counts


# Its end depends on how long leases of the dead last, and takes minutes on a busy machine.
@pytest.mark.chaos
@pytest.mark.parametrize("ledger_url", ["postgres", "sqlite"], indirect=True)
def test_what_a_killed_process_leaves_is_landed_by_the_others_and_one_that_joins(
    share: Share,
) -> None:
    sharing = share()
    limits = {"NEXTHINK_EXPORTS_AT_ONCE": "2"}
    victim, other = (sharing.start(sharing.chunk(n, 3), env=limits) for n in range(2))
    sharing.wait_for(3)
    victim.kill()
    victim.communicate()
    joined = sharing.start(sharing.chunk(2, 3), env=limits)
    by_other, by_joined = ended(other), ended(joined)
    sharing.assert_complete()
    assert by_other[2] == by_joined[2] == 0
    assert by_other[0] > 0 < by_joined[0]
    # Nothing was exported twice, since others resumed what the victim had begun. Only the export
    # that it was starting when it died may be missing in the journal.
    assert 36 <= sharing.exports() <= 36 + 1
    assert sharing.most_at_once() <= 2
    (row,) = Counter(record.holder for record in sharing.ledger.units("crashes")).items()
    assert row == (None, 36)
    assert sharing.place.tenant.leaks == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "ledger_url", ["postgres", pytest.param("sqlite", marks=pytest.mark.chaos)], indirect=True
)
def test_the_exports_of_all_processes_stay_within_the_tenants_and_the_workers_limit(
    share: Share,
) -> None:
    sharing = share()
    limits = {"NEXTHINK_EXPORTS_AT_ONCE": "3", "NXP_EXPORTS_PER_WORKER": "2"}
    both = [sharing.start(sharing.chunk(n, 2), env=limits) for n in range(2)]
    counts = [ended(process) for process in both]
    assert sum(done for done, _, _ in counts) == 36
    assert sharing.most_at_once() == 3
    sharing.assert_complete()


@pytest.mark.chaos
def test_a_window_that_fails_is_tried_once_and_by_one_run_and_again_when_asked_again(
    share: Share,
) -> None:
    sharing = share()
    sharing.place.tenant.faults.add("404@export:1")
    both = [sharing.start(sharing.chunk(n, 2), concurrency=1) for n in range(2)]
    counts = [ended(process, partly=True) for process in both]
    assert sorted(failures for _, _, failures in counts) == [0, 1]
    (failed,) = (record for record in sharing.ledger.units("crashes") if record.last_error)
    assert failed.landed_at is None
    assert sharing.exports() == 36
    sharing.asked_at = sharing.place.tenant.clock.now()
    assert ended(sharing.start(sharing.chunk(1, 2))) == [1, 0, 0]
    sharing.assert_complete()


@pytest.mark.parametrize(
    "ledger_url", ["postgres", pytest.param("sqlite", marks=pytest.mark.chaos)], indirect=True
)
def test_all_windows_land_anew_once_whoever_comes_late(share: Share) -> None:
    sharing = share(Only.ALL)
    sharing.ledger.marks.begin_backfill("crashes", FIRST, LAST, timedelta(hours=6))
    (begun,) = sharing.ledger.marks.backfills("crashes")
    sharing.asked_at = begun.begun_at
    counts = [ended(sharing.start(sharing.chunk(0, 2))) for _ in range(2)]
    assert counts == [[36, 0, 0], [0, 0, 0]]
    assert sharing.exports() == 36
    assert sharing.ledger.marks.backfills("crashes") == []
    sharing.assert_complete()


def test_the_same_back_fill_has_the_same_chunks_and_keys_and_another_has_others() -> None:
    from tasks.exports.windows import Window  # noqa: PLC0415

    hours = [timedelta(hours=n) for n in range(7)]
    windows = [Window(FIRST + n, FIRST + n + timedelta(hours=1)) for n in hours]
    chunks = cut_chunks(windows, 3, NOW, NOW)
    assert [(each.ends_at - each.starts_at) // timedelta(hours=1) for each in chunks] == [3, 3, 1]
    identity = BackfillIdentity("acme.eu", "crashes", 3600, "all", FIRST, LAST, NOW)
    keys = {identity.key(chunk, attempt) for chunk in chunks for attempt in range(2)}
    assert len(keys) == 6
    later = cut_chunks(windows, 3, NOW, NOW + timedelta(hours=1))
    assert {identity.key(chunk, 0) for chunk in later} < keys
    begun_anew = BackfillIdentity("acme.eu", "crashes", 3600, "all", FIRST, LAST, LAST)
    assert begun_anew.digest() != identity.digest()


@pytest.mark.chaos
@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_324_windows_two_workers_two_killed_two_joined(share: Share) -> None:
    sharing = share(step="40m")
    limits = {"NEXTHINK_EXPORTS_AT_ONCE": "4", "NXP_EXPORTS_PER_WORKER": "2"}
    first, second = (sharing.start(sharing.chunk(n, 4), env=limits) for n in range(2))
    sharing.wait_for(80)
    first.kill()
    third = sharing.start(sharing.chunk(2, 4), env=limits)
    sharing.wait_for(200)
    second.kill()
    fourth = sharing.start(sharing.chunk(3, 4), env=limits)
    for killed in (first, second):
        killed.communicate()
    counts = [ended(process) for process in (third, fourth)]
    assert [failures for _, _, failures in counts] == [0, 0]
    sharing.assert_complete()
    assert 324 <= sharing.exports() <= 324 + 2
    assert sharing.most_at_once() <= 4
