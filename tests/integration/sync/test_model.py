"""Random lives of a sync: sources change, answers get lost, processes die, people type.

Whatever happened, undisturbed runs afterwards bring the tenant to what the source says, and no
value is ever emptied that this sync has not set.
"""

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from connectors.ledger import PlanState, open_ledger
from connectors.ledger.enriched import KNOWN, ValueState
from tasks.sync.plan import load_plan, make_plan, retry_plan
from tasks.sync.plan_file import SyncPlan
from tests.planning import (
    ADMINISTRATORS,
    NOW,
    OWNER,
    SITE,
    Tenant,
    apply_plan,
    full,
    outcome_rows,
    passes,
    planning_at,
    sync_specification,
    tiled,
)

SYNC = "cmdb_devices"
NAMES, FIELDS = ("PC-1", "PC-2", "PC-3", "PC-4"), (OWNER, SITE)
REFUSED = "refused"
# None: no row of the select's column, which a mirror reads as empty.
VALUES = ("A", "B", "", None, REFUSED)
# What can happen to a value that is sent; the last two end the process.
TROUBLES = ("lost", "lost and taken", "killed", "killed and taken")
BOUNDS = ((), ("pc-2",), ("pc-1", "pc-3"))
DAY = timedelta(days=1)


class Killed(Exception):  # noqa: N818 - not an error: the test ends a process here
    """The process was killed."""


class Life:
    """A sync, its source, its tenant, and everything that can happen to them."""

    def __init__(self, mode: str, folder: Path) -> None:
        self.folder = folder
        self.ledger = open_ledger(f"sqlite:///{self.folder / 'ledger.db'}", "acme.eu", lambda: NOW)
        self.mode = mode
        specification = sync_specification(mode=mode, fields={name: {} for name in FIELDS})
        self.planning = planning_at(self.folder, self.ledger, specification)
        self.tenant = Tenant(refuses={REFUSED})
        self.source: dict[str, dict[str, str | None]] = {
            identity: {OWNER: "A", SITE: "B"} for identity in NAMES[:2]
        }
        self.changes = 1
        self.changed_at = dict.fromkeys(self.source, 1)
        self.last: SyncPlan | None = None

    # What happens to source and tenant -----------------------------------------------------------

    def the_source_changes(self, cells: dict[tuple[str, str], str | None]) -> None:
        for (identity, field), value in cells.items():
            self.source.setdefault(identity, {})[field] = value
            self.changes += 1
            self.changed_at[identity] = self.changes

    def an_object_leaves_the_source(self, identity: str) -> None:
        self.source.pop(identity, None)

    def a_device_is_removed_from_the_tenant(self, identity: str) -> None:
        key = identity.lower()
        self.tenant.unknown.add(key)
        for name in FIELDS:
            self.tenant.holds.pop((key, name), None)

    def a_device_enrols(self, identity: str) -> None:
        self.tenant.unknown.discard(identity.lower())

    def a_person_types_and_it_is_read_back(self, identity: str, field: str) -> None:
        cell = identity.lower(), field
        in_doubt = self.ledger.plans.of(SYNC, state=PlanState.APPLYING)
        if cell[0] in self.tenant.unknown or in_doubt:
            # Only the next run sorts out what a kill left, and it may come too late.
            return
        self.tenant.holds[cell] = ADMINISTRATORS
        self.read_back()

    def time_passes(self, days: int) -> None:
        self.planning = replace(self.planning, now=self.planning.now + days * DAY)

    # What the sync does --------------------------------------------------------------------------

    def it_is_planned_only(self, bounds: Sequence[str]) -> None:
        self.last = self.plan(bounds)

    def it_runs(self, bounds: Sequence[str], is_full: bool, fates: list[str]) -> None:
        self.last = self.plan(bounds, is_full=is_full)
        self.apply(self.last, fates)

    def it_retries(self, fates: list[str]) -> None:
        self.last = retry_plan(self.planning)
        self.apply(self.last, fates)

    def the_last_plan_is_gone_on_with(self, fates: list[str]) -> None:
        if self.last and self.ledger.plans.get(self.last.plan_id).state == "applying":  # type: ignore[union-attr]
            self.apply(
                load_plan(
                    replace(self.planning, now=self.last.record.created_at), self.last.plan_id
                ),
                fates,
            )

    def plan(self, bounds: Sequence[str] = (), *, is_full: bool = True) -> SyncPlan:
        seen = (self.ledger.syncs.read(SYNC).cursors or {}).get("cmdb", 0)
        estate: dict[str, dict[str, str]] = {}
        for identity, values in self.source.items():
            if is_full or self.changed_at[identity] > seen:
                mirrored = "" if self.mode == "mirror" else None
                said = {name: values.get(name) for name in FIELDS}
                filled = {
                    name: mirrored if value is None else value for name, value in said.items()
                }
                estate[identity] = {
                    name: value for name, value in filled.items() if value is not None
                }
        source = full(estate, is_full=is_full, is_complete=is_full)
        cursors = {"cmdb": self.changes}
        return make_plan(self.planning, tiled(estate, bounds), source, cursors=cursors)

    def apply(self, plan: SyncPlan, fates: list[str]) -> None:
        plans, remaining = self.ledger.plans, list(fates)
        record = plans.start(plan.plan_id)
        try:
            for chunk in plan.chunks(record.settled_to, most=2):
                plans.begin(plan.plan_id, chunk["key"][-1])
                settles, rest = passes(chunk)
                self.send(plan.plan_id, settles, remaining)
                self.send(plan.plan_id, self.allowed(settles, rest), remaining)
                plans.settle(plan.plan_id, chunk["key"][-1])
        except Killed:
            return
        plans.finish(plan.plan_id)

    def allowed(self, settles: pl.DataFrame, rest: pl.DataFrame) -> pl.DataFrame:
        """Return the rows without those that follow a settle that is not acknowledged."""
        known = self.ledger.enriched.read(SYNC)
        taken = known.filter(pl.col("state") == ValueState.ACKNOWLEDGED.value)
        held_back = settles.join(taken, on=["key", "field"], how="anti")
        return rest.join(held_back, on=["key", "field"], how="anti", maintain_order="left")

    def send(self, plan_id: str, rows: pl.DataFrame, fates: list[str]) -> None:
        for row in rows.iter_slices(1):
            key, field, after = row.select("key", "field", "after").row(0)
            fate = fates.pop(0) if fates else "answered"
            if fate == "killed":
                raise Killed
            state = ValueState.OPEN if fate == "lost" else self.tenant.send(key, field, after)
            if fate == "killed and taken":
                raise Killed
            if fate == "lost and taken":
                state = ValueState.OPEN
            known = self.ledger.enriched.read_keys(SYNC, row["key"])
            saved = outcome_rows(row, [state], known, self.planning, plan_id)
            later = pl.when(pl.col("state") == ValueState.UNKNOWN.value).then(
                pl.lit(self.planning.now + DAY, KNOWN["retry_at"])
            )
            self.ledger.enriched.save(SYNC, saved.with_columns(retry_at=later))

    def read_back(self) -> None:
        """Drop values that the tenant holds neither as acknowledged nor as possibly sent."""
        known = self.ledger.enriched.read(SYNC)
        state = pl.col("state")
        is_taken, is_open = state == ValueState.ACKNOWLEDGED.value, state == ValueState.OPEN.value
        holds = pl.Series(
            [
                self.tenant.holds.get((key, name), "")
                for key, name in known.select("key", "field").rows()
            ],
            dtype=pl.String,
        )
        differs = holds.ne_missing(pl.col("value").fill_null(""))
        differs &= ~(is_open & holds.eq_missing(pl.col("open_value")))
        lost = known.filter((pl.col("value").is_not_null() | is_open) & differs).with_columns(
            open_value=pl.when(is_taken).then("value").otherwise("open_value"),
            value=pl.lit(None, pl.String),
            state=pl.when(is_taken | is_open)
            .then(pl.lit(ValueState.UNKNOWN.value))
            .otherwise(state),
            retry_at=pl.when(is_taken).then(pl.lit(self.planning.now + DAY, KNOWN["retry_at"])),
        )
        self.ledger.enriched.save(SYNC, lost)

    # What must come of it -------------------------------------------------------------------------

    def converges(self) -> None:
        """Run without disturbance, and compare."""
        self.tenant.unknown.clear()
        self.read_back()
        self.planning = replace(self.planning, now=self.planning.now + 8 * DAY)
        # The second run empties a key that is gone.
        for _ in range(2):
            apply_plan(self.planning, self.plan(), self.tenant)
        again = self.plan()
        assert again.summary.rows == 0, "an unchanged source has nothing to send"
        assert apply_plan(self.planning, again, self.tenant) == 0
        for identity in NAMES:
            for field in FIELDS:
                self.check(identity, field)

    def check(self, identity: str, field: str) -> None:
        held = self.tenant.holds.get((identity.lower(), field))
        wants = self.source.get(identity, {}).get(field)
        if wants == REFUSED or (wants is None and self.mode == "upsert"):
            return
        if wants:
            assert held == wants
        else:
            # What a person typed must not be emptied.
            assert held in (None, ADMINISTRATORS)


def happenings(chance: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Choose what happens; Hypothesis alone would draw lives in which hardly anything does."""

    def fates() -> list[str]:
        trouble = chance.choice((0, 0.1, 0.3, 0.5))
        some = [chance.choice(TROUBLES) if chance.random() < trouble else "answered" for _ in NAMES]
        return some + some

    def cells() -> dict[tuple[str, str], str | None]:
        some = [(name, field) for name in NAMES for field in FIELDS if chance.random() < 0.4]
        return {cell: chance.choice(VALUES) for cell in some}

    def one() -> tuple[str, dict[str, Any]]:
        identity, field = chance.choice(NAMES), chance.choice(FIELDS)
        cell = {"identity": identity, "field": field}
        bounds = chance.choice(BOUNDS)
        choices: list[tuple[int, str, dict[str, Any]]] = [
            (8, "the_source_changes", {"cells": cells()}),
            (8, "it_runs", {"bounds": bounds, "is_full": chance.random() < 0.6, "fates": fates()}),
            (2, "an_object_leaves_the_source", {"identity": identity}),
            (1, "a_device_is_removed_from_the_tenant", {"identity": identity}),
            (2, "a_device_enrols", {"identity": identity}),
            (2, "a_person_types_and_it_is_read_back", cell),
            (2, "time_passes", {"days": chance.randrange(3)}),
            (1, "it_is_planned_only", {"bounds": bounds}),
            (1, "it_retries", {"fates": fates()}),
            (1, "the_last_plan_is_gone_on_with", {"fates": fates()}),
        ]
        _, name, arguments = chance.choices(choices, [weight for weight, *_ in choices])[0]
        return name, arguments

    return [one() for _ in range(chance.randint(10, 30))]


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its tables, to be copied, since making them takes longer than a life."""
    path = tmp_path_factory.mktemp("model") / "ledger.db"
    open_ledger(f"sqlite:///{path}", "acme.eu").close()
    return path


def live(mode: str, seed: int, empty_ledger: Path) -> None:
    """Make everything happen, and check that it converges."""
    with tempfile.TemporaryDirectory(prefix="nxp-model-") as folder:
        shutil.copy(empty_ledger, folder)
        life = Life(mode, Path(folder))
        try:
            for name, arguments in happenings(random.Random(seed)):
                note(f"{name} {arguments}")
                getattr(life, name)(**arguments)
            life.converges()
        finally:
            life.ledger.close()


@pytest.mark.parametrize("mode", ["mirror", pytest.param("upsert", marks=pytest.mark.slow)])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6)
def test_a_sync_converges_whatever_happens(mode: str, seed: int, empty_ledger: Path) -> None:
    live(mode, seed, empty_ledger)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", ["mirror", "upsert"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=400)
def test_many_syncs_converge_whatever_happens(mode: str, seed: int, empty_ledger: Path) -> None:
    live(mode, seed, empty_ledger)
