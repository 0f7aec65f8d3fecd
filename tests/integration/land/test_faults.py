"""Landing with faults: the right rows land, or a message says why and nothing has changed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.catalogue import load_dataset
from connectors.errors import PipelineError
from connectors.lake.manifest import Manifest
from sandbox.faults import KINDS
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Plan
from tasks.land.run import open_run
from tasks.stories.export import land_unit
from tests.landing import CATALOG, Place, place, truth
from tests.sampling import WHOLE

ROUTES = ("token", "export", "status", "download")
DATASET = "crashes"
DAY: dict[str, Any] = {"window_from": "2026-11-18", "window_to": "2026-11-19"}
# How many pairs of faults `make test` tries.
SAMPLE = 8
BOUNDS = {"from": "2026-11-18 00:00:00", "to": "2026-11-19 00:00:00"}
# After these the client has reason to think that its export is lost, and exports again by design.
EXPORTS_AGAIN = {"404@status", "401@download", "403@download", "404@download"}
# After these an export runs that the client does not know about.
LOST_ANSWERS = {"timeout-after@export", "cut@export"}


class Scene:
    """One tenant and one installation, on which faults are tried one after the other."""

    def __init__(self, made: Place) -> None:
        self.place = made
        self.plan: Plan = made.plan(DATASET, **DAY)
        self.later = timedelta(0)
        self.expected = self._expected()
        self.land()
        assert self.rows().height == self.expected.height > 0

    def now(self) -> datetime:
        """Return the present time of the next run."""
        return self.place.tenant.clock.now() + self.later

    def _expected(self) -> pl.DataFrame:
        specification = load_dataset(CATALOG, DATASET)
        frame = truth(self.place, specification, BOUNDS)
        column = specification.window.column if specification.window else ""
        return frame.filter(pl.col(column).dt.truncate("1s") < self.plan.units[0].ends_at)

    def land(self) -> list[UnitOutcome]:
        """Land as the flow does, without waiting."""
        # Each run is later, so that the waiting time of an earlier fault is over.
        self.later += timedelta(seconds=2)
        self.plan = replace(self.plan, planned_at=self.now())
        with open_run(self.plan, clock=self.now, sleep=_no_time) as run:
            return [land_unit(run, unit) for unit in self.plan.units]

    def manifest(self) -> Manifest:
        """Return the current manifest."""
        manifest = self.place.lake.manifest(DATASET)
        assert manifest is not None
        return manifest

    def rows(self) -> pl.DataFrame:
        """Return the landed rows; manifest and plain glob must agree on them."""
        landed = self.place.landed(DATASET)
        assert_frame_equal(landed, self.place.globbed(DATASET), check_row_order=False)
        return landed

    def exports(self) -> int:
        """Return how many exports were really started."""
        return len(self.place.tenant.exports._exports)

    def check(self) -> None:
        """Compare the landed rows with the tenant's own, as the tests of landing do in full."""
        landed = self.rows()
        there = self.expected.select(landed.columns)
        dates = [c for c, kind in landed.schema.items() if isinstance(kind, pl.Datetime)]
        there = there.with_columns(
            pl.col(c).dt.truncate("1s").cast(landed.schema[c]) for c in dates
        ).cast(dict(landed.schema.items()))
        assert_frame_equal(
            landed.sort(landed.columns), there.sort(landed.columns), rel_tol=0, abs_tol=0
        )

    def suffer(self, *faults: str, then_without: bool = True) -> PipelineError | None:
        """Land under faults, then without; return the error of the first run, None if it landed."""
        tenant, before, started = self.place.tenant, self.manifest(), self.exports()
        tenant.faults.add(*faults)
        said: PipelineError | None = None
        try:
            self.land()
        except PipelineError as error:
            said = error
            assert self.manifest() == before, "a failed run has published"
        else:
            assert self.manifest().version == before.version + 1
        finally:
            tenant.faults.clear()
        self.check()
        names = {each.partition(":")[0] for each in faults}
        if not names & EXPORTS_AGAIN:
            assert self.exports() - started <= 1, "an export was started twice"
        if then_without:
            twice = bool(names & (EXPORTS_AGAIN | LOST_ANSWERS))
            self._land_afterwards(said, started, twice=twice)
        assert tenant.leaks == []
        assert not list((self.place.folder / "home" / "spool").iterdir())
        return said

    def _land_afterwards(self, said: PipelineError | None, started: int, *, twice: bool) -> None:
        version = self.manifest().version
        self.land()
        assert self.manifest().version == version + 1
        self.check()
        # A failed run leaves its export to the next one; a run that landed leaves none.
        if not twice:
            assert self.exports() - started == (1 if said else 2)


def _no_time(_seconds: float) -> None:
    """Do not wait."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patch, place(folder, devices=20) as made:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield Scene(made)


# How many in a row a run overcomes; any other fault ends it with a message.
PATIENT = ("token", "status", "download")
TEMPORARY = ("429-seconds", "429-date", "429-iso", "500", "503", "reset", "cut", "timeout-after")
OVERCOME = {
    **{f"{kind}@{route}": 3 for kind in TEMPORARY for route in PATIENT},
    **{f"{kind}@export": 3 for kind in ("429-seconds", "429-date", "429-iso", "503")},
    **{f"401@{route}": 1 for route in ("export", "status", "download")},
    **{f"{name}": 1 for name in ("403@download", "404@download", "404@status")},
}


# The exit codes of failed runs; all others are 5, try again later.
EXIT_CODES = {
    **{f"{kind}@{route}": 4 for kind in ("401", "403") for route in ("token", "export", "status")},
    "404@export": 3,
}


# `make test` lets these last for ever, each kind once and each route twice: all end alike.
ALWAYS = {
    *("429-date@token", "500@token", "429-seconds@export", "503@export"),
    *("429-iso@status", "reset@status", "cut@download", "timeout-after@download"),
}


def counts(name: str) -> tuple[int | None, ...]:
    """Return how often a fault comes; `make test` leaves out what follows from the others."""
    if WHOLE:
        return (1, 3, None)
    if name in ALWAYS:
        return (OVERCOME[name], None)
    return (OVERCOME.get(name, 0) or 1,)


# Left out by `make test`: there the client does with them what it does with 429-seconds and 503.
ALIKE = {
    "429-date": ("export", "status", "download"),
    "429-iso": ("token", "export", "download"),
    "500": ("status", "download"),
}
EACH = [
    pytest.param(kind, route, marks=pytest.mark.slow if route in ALIKE.get(kind, ()) else ())
    for kind, route in product(KINDS, ROUTES)
]


@pytest.mark.parametrize(("kind", "route"), EACH)
def test_one_fault_once_three_times_and_always(scene: Scene, kind: str, route: str) -> None:
    struck = scene.place.tenant.faults.struck
    name = f"{kind}@{route}"
    for count in counts(name):
        text = name if count is None else f"{name}:{count}"
        # The next fault is another run after this one.
        is_last = count == counts(name)[-1]
        said = scene.suffer(text, then_without=WHOLE or is_last)
        assert struck[text] > 0, "the fault did not happen"
        if count is None:
            assert said, "a route that never answers cannot have given any rows"
        elif count <= OVERCOME.get(name, 0):
            assert said is None
        if said:
            assert said.exit_code == EXIT_CODES.get(name, 5), said.message


def test_a_lost_answer_to_an_export_is_not_sent_again_and_says_so(scene: Scene) -> None:
    started = scene.exports()
    said = scene.suffer("timeout-after@export:1")
    assert said is not None
    assert said.exit_code == 5
    # The lost one, and that of the next run.
    assert scene.exports() - started == 2


def pairs(seed: int, count: int) -> list[tuple[str, str]]:
    """Choose pairs of faults on different routes, most of them temporary."""
    chance = random.Random(seed)
    chosen = []
    for _ in range(count):
        suffixes = chance.choices(("", ":1", ":2", ":3", ":30%"), (1, 3, 2, 2, 4), k=2)
        routes = chance.sample(ROUTES, 2)
        kinds = chance.choices(KINDS, k=2)
        first, second = (
            f"{kind}@{route}{suffix}"
            for kind, route, suffix in zip(kinds, routes, suffixes, strict=True)
        )
        chosen.append((first, second))
    return chosen


PAIRS = [
    pytest.param(*pair, marks=pytest.mark.slow if number >= SAMPLE else ())
    for number, pair in enumerate(pairs(seed=3, count=40))
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_faults_at_once(scene: Scene, first: str, second: str) -> None:
    scene.suffer(first, second)
