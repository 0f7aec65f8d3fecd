"""Random lives of a sync: sources change, answers get lost, processes die, people type.

Whatever happened, undisturbed runs afterwards bring the tenant to what the source says, except
where others have set a value. No value of others is ever emptied, nor replaced unless the sync
takes it.
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
from tasks.sync.comparison import compare
from tasks.sync.conflicts import divided, judged, rule_of
from tasks.sync.draft import Look
from tasks.sync.plan import make_plan, retry_plan
from tasks.sync.plan_file import SyncPlan
from tasks.sync.recovery import recover
from tasks.sync.staleness import load_plan
from tasks.sync.tenant_values import TenantValues, kept_values
from tasks.sync.verified import Verified
from tasks.sync.verify import no_longer_ours
from tests.planning import (
    ADMINISTRATORS,
    NOW,
    OWNER,
    SITE,
    Tenant,
    full,
    outcome_rows,
    passes,
    planning_at,
    sync_specification,
    tiled,
)
from tests.sampling import WHOLE

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

    def __init__(self, mode: str, conflict: str, folder: Path) -> None:
        self.folder = folder
        self.ledger = open_ledger(f"sqlite:///{self.folder / 'ledger.db'}", "acme.eu", lambda: NOW)
        self.mode = mode
        specification = sync_specification(
            mode=mode,
            fields={name: {} for name in FIELDS},
            on_conflict=conflict,
            verify={"query_id": "#readback", "after": "0s"},
        )
        self.planning = planning_at(self.folder, self.ledger, specification)
        self.tenant = Tenant(refuses={REFUSED}, keeps=conflict == "keep")
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
            self.tenant.edit(key, name, "")

    def a_device_enrols(self, identity: str) -> None:
        self.tenant.unknown.discard(identity.lower())

    def a_person_types(self, identity: str, field: str, value: str) -> None:
        key = identity.lower()
        if key in self.tenant.unknown:
            return
        known = self.ledger.enriched.read(SYNC).filter(key=key, field=field)
        ours = known.select("value", "open_value", "stood").rows()
        if value in (ours[0] if ours else ()) or self.ledger.plans.of(
            SYNC, state=PlanState.APPLYING
        ):
            # Nothing distinguishes it from a value of ours, or from one that may have been sent.
            value = ADMINISTRATORS
        self.tenant.edit(key, field, value)

    def time_passes(self, days: int) -> None:
        self.planning = replace(self.planning, now=self.planning.now + days * DAY)

    # What the sync does --------------------------------------------------------------------------

    def it_is_planned_only(self, bounds: Sequence[str]) -> None:
        self.last = self.plan(bounds)

    def it_runs(self, bounds: Sequence[str], is_full: bool, fates: list[str]) -> None:
        self.last = self.plan(bounds, is_full=is_full)
        self.apply(self.last, fates)

    def it_retries(self, fates: list[str]) -> None:
        self.last = retry_plan(self.planning, self.look())
        self.apply(self.last, fates)

    def the_last_plan_is_gone_on_with(self, fates: list[str]) -> None:
        record = self.last and self.ledger.plans.get(self.last.plan_id)
        if record and record.state == "applying":
            made_at = replace(self.planning, now=record.created_at)
            recover(self.planning)
            self.apply(load_plan(made_at, record.plan_id), fates)

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
        return make_plan(
            self.planning, tiled(estate, bounds), source, cursors=cursors, look=self.look()
        )

    def look(self) -> Look:
        return Look(self.read, self.verify)

    def read(self) -> TenantValues:
        """Return what the tenant holds; an object that it does not know is not among it."""
        rows = [
            (key, *(self.tenant.holds.get((key, name), "") for name in FIELDS))
            for key in (name.lower() for name in NAMES)
            if key not in self.tenant.unknown
        ]
        page = pl.DataFrame(rows, schema=["key", *FIELDS], orient="row")
        self.ledger.syncs.mark_read(SYNC, self.planning.now)
        return kept_values([page], FIELDS, self.planning.now, self.planning.scratch)

    def verify(self, values: TenantValues) -> Verified:
        """Drop what is no longer ours, as runs do."""
        known = self.ledger.enriched.read(SYNC)
        is_written = pl.col("value").is_not_null() | (pl.col("state") == ValueState.OPEN.value)
        found = compare(
            [known.filter(is_written)],
            values.pages(),
            fields=list(FIELDS),
            folder=self.planning.scratch,
            shows_since=values.read_at,
        )
        page = pl.read_parquet(found.differing).filter(~pl.col("is_young"))
        self.ledger.enriched.save(SYNC, no_longer_ours(page, self.planning.now))
        return Verified(values.read_at, found.rows, found.objects, 0, 0, 0, 0, 0, 0.0)

    def apply(self, plan: SyncPlan, fates: list[str]) -> None:
        plans, remaining, values = self.ledger.plans, list(fates), self.read()
        record = plans.start(plan.plan_id)
        rule = rule_of(self.planning.specification, values)
        try:
            for chunk in plan.chunks(record.settled_to, most=2):
                plans.begin(plan.plan_id, chunk["key"][-1])
                known = self.ledger.enriched.read_keys(SYNC, chunk["key"].unique())
                shown = values.of(chunk["key"].unique(), FIELDS)
                settles, rest = passes(divided(judged(chunk, known, shown, rule))[0])
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

    # What must come of it -------------------------------------------------------------------------

    def converges(self) -> None:
        """Run without disturbance, and compare."""
        self.tenant.unknown.clear()
        # What stands as before ours is first noticed and later tried again; what is gone from the
        # source is emptied when it is missing for the second time.
        for _ in range(4):
            self.planning = replace(self.planning, now=self.planning.now + 8 * DAY)
            self.apply(self.plan(), [])
            # At least once a day, also if there was nothing to send.
            self.verify(self.read())
        again, before = self.plan(), self.tenant.requests
        assert again.summary.rows == 0, "an unchanged source has nothing to send"
        self.apply(again, [])
        assert self.tenant.requests == before
        for identity in NAMES:
            for field in FIELDS:
                self.check(identity, field)

    def check(self, identity: str, field: str) -> None:
        cell = identity.lower(), field
        held, wants = self.tenant.holds.get(cell), self.source.get(identity, {}).get(field)
        if wants == REFUSED or (wants is None and self.mode == "upsert"):
            return
        if cell in self.tenant.theirs and (self.tenant.keeps or not wants):
            states = self.ledger.enriched.read(SYNC).filter(key=cell[0], field=field)["state"]
            assert not wants or states.to_list() in (["theirs"], ["same"]), "what differs is named"
            return
        assert held == (wants or None)


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
        typed = {**cell, "value": chance.choice((ADMINISTRATORS, "A", "B", ""))}
        bounds = chance.choice(BOUNDS)
        choices: list[tuple[int, str, dict[str, Any]]] = [
            (8, "the_source_changes", {"cells": cells()}),
            (8, "it_runs", {"bounds": bounds, "is_full": chance.random() < 0.6, "fates": fates()}),
            (2, "an_object_leaves_the_source", {"identity": identity}),
            (1, "a_device_is_removed_from_the_tenant", {"identity": identity}),
            (2, "a_device_enrols", {"identity": identity}),
            (3, "a_person_types", typed),
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


def live(mode: str, conflict: str, seed: int, empty_ledger: Path) -> None:
    """Make everything happen, and check that it converges."""
    with tempfile.TemporaryDirectory(prefix="nxp-model-") as folder:
        shutil.copy(empty_ledger, folder)
        life = Life(mode, conflict, Path(folder))
        try:
            chance = random.Random(seed)
            for name in FIELDS:
                # Values of others are there before the first run.
                life.tenant.edit(chance.choice(NAMES).lower(), name, ADMINISTRATORS)
                life.tenant.edit(chance.choice(NAMES).lower(), name, "A")
            for name, arguments in happenings(chance):
                note(f"{name} {arguments}")
                getattr(life, name)(**arguments)
            life.converges()
        finally:
            life.ledger.close()


@pytest.mark.parametrize(
    ("mode", "conflict"),
    [
        ("mirror", "keep"),
        pytest.param("mirror", "take", marks=pytest.mark.slow),
        pytest.param("upsert", "keep", marks=pytest.mark.slow),
    ],
)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=12 if WHOLE else 2)
def test_a_sync_converges_whatever_happens(
    mode: str, conflict: str, seed: int, empty_ledger: Path
) -> None:
    live(mode, conflict, seed, empty_ledger)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", ["mirror", "upsert"])
@pytest.mark.parametrize("conflict", ["keep", "take"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=200)
def test_many_syncs_converge_whatever_happens(
    mode: str, conflict: str, seed: int, empty_ledger: Path
) -> None:
    live(mode, conflict, seed, empty_ledger)
