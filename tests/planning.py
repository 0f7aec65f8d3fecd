"""Syncs for tests: specifications, what sources want, what the ledger knows, a tenant in memory."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from connectors.lake import Lake
from connectors.ledger import Ledger
from connectors.ledger.enriched import KNOWN, ValueState
from connectors.syncs import KEYS_IGNORE, SyncSpecification
from tasks.sync.plan_file import SyncPlan
from tasks.sync.planning import Planning
from tasks.sync.wanted import KEYS, ROWS, SourceCounts, WantedRange, compared

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAME, UID = "device/device/name", "device/device/uid"
OWNER, SITE = "device/device/#owner", "device/device/#site"
BROKER = "device/device/virtualization/desktop_broker"
# A field that no value empties.
TYPE = "device/device/virtualization/type"

# A value that a person typed into the tenant.
ADMINISTRATORS = "typed by hand"

# What a source wants: by identity and field, a value or "" (empty the field).
Estate = Mapping[str, Mapping[str, str]]


def sync_specification(**more: Any) -> SyncSpecification:
    """Return a sync of devices."""
    settings = {
        "sync": "cmdb_devices",
        "domain": "cmdb",
        "mode": "mirror",
        "sources": {"cmdb": {"kind": "file", "path": "/nowhere/devices.csv"}},
        "sql": "SELECT * FROM cmdb",
        "identification": {"name": NAME, "column": "name"},
        "fields": {name: {} for name in (OWNER, SITE, TYPE)},
        "guards": {"shrink": 1, "changes": 1, "clears": 1},
    }
    return SyncSpecification.model_validate(settings | more)


def wanted(
    estate: Estate,
    after: str | None = None,
    up_to: str | None = None,
    listed: Iterable[str] | None = None,
) -> WantedRange:
    """Return one range of what the sources want; `listed` keys are in the inventory."""
    keys = pl.DataFrame({"identity": list(estate)}, schema={"identity": pl.String})
    rows = [
        (identity.strip().lower(), name, value)
        for identity, values in estate.items()
        for name, value in values.items()
    ]
    return WantedRange(
        after,
        up_to,
        keys.select(compared(pl.col("identity"), KEYS_IGNORE).alias("key"), "identity")
        .sort("key")
        .cast(KEYS),  # type: ignore[arg-type]
        pl.DataFrame(rows, schema=ROWS, orient="row").sort("key", "field"),
        None if listed is None else pl.Series("key", list(listed), pl.String),
    )


def tiled(estate: Estate, bounds: Iterable[str] = ()) -> Iterator[WantedRange]:
    """Yield several ranges that together cover all keys."""
    edges = [None, *sorted(bounds), None]
    for after, up_to in itertools.pairwise(edges):
        within = {
            identity: values
            for identity, values in estate.items()
            if (after is None or identity.strip().lower() > after)
            and (up_to is None or identity.strip().lower() <= up_to)
        }
        yield wanted(within, after, up_to)


def known(*rows: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows of the ledger: key and value are given, the rest is as after a plain apply."""
    made = []
    for row in rows:
        plain = {
            "identity": str(row["key"]).upper(),
            "field": OWNER,
            "value": None,
            "state": ValueState.ACKNOWLEDGED.value,
            "attempts": 1,
            "tried_at": NOW,
            "mapping": "m",
        }
        made.append({name: (plain | dict(row)).get(name) for name in KNOWN})
    return pl.DataFrame(made, schema=dict(KNOWN)).sort("key", "field")


def full(estate: Estate, **more: Any) -> SourceCounts:
    """Return the counts of a full and complete pull."""
    rows = len(estate)
    return SourceCounts(
        **({"rows": rows, "keys": rows, "is_full": True, "is_complete": True} | more)
    )


def planning_at(
    folder: Path, ledger: Ledger, specification: SyncSpecification | None = None, **more: Any
) -> Planning:
    """Return a planning in a folder, at NOW."""
    places: dict[str, Any] = {
        "lake": Lake(str(folder / "lake"), "acme.eu", folder / "scratch"),
        "scratch": folder / "scratch",
        "now": NOW,
    }
    return Planning(specification or sync_specification(), ledger, **(places | more))


@dataclass
class Tenant:
    """What a tenant holds, and what reached it; it can refuse objects and lose answers.

    With `keeps`, a value of others must not be replaced. None is ever emptied.
    """

    holds: dict[tuple[str, str], str] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    # Keys and fields whose value others have set.
    theirs: set[tuple[str, str]] = field(default_factory=set)
    keeps: bool = False
    requests: int = 0

    def edit(self, key: str, name: str, value: str) -> None:
        """Write as an administrator does; "" empties the field."""
        if value == self.holds.get((key, name), ""):
            return
        self.theirs.discard((key, name))
        self.holds.pop((key, name), None)
        if value:
            self.holds[key, name] = value
            self.theirs.add((key, name))

    def send(self, key: str, name: str, value: str) -> ValueState:
        """Accept or refuse one value."""
        self.requests += 1
        if key in self.unknown:
            return ValueState.UNKNOWN
        if value in self.refuses:
            return ValueState.REJECTED
        if value:
            assert not (self.keeps and (key, name) in self.theirs), "replaced a value of others"
            self.holds[key, name] = value
        else:
            assert (key, name) not in self.theirs, "emptied what others have set"
            self.holds.pop((key, name), None)
        self.theirs.discard((key, name))
        return ValueState.ACKNOWLEDGED


def outcome_rows(
    rows: pl.DataFrame,
    states: list[ValueState],
    before: pl.DataFrame,
    planning: Planning,
    plan_id: str,
) -> pl.DataFrame:
    """Return what an apply saves for plan rows, by their states (docs/planning.md)."""
    values = {
        (key, name): value
        for key, name, value in before.select("key", "field", "value").iter_rows()
    }
    made = []
    for row, state in zip(rows.iter_rows(named=True), states, strict=True):
        is_taken = state is ValueState.ACKNOWLEDGED
        old = values.get((row["key"], row["field"]))
        kept = None if state is ValueState.UNKNOWN else old
        made.append(
            {
                "key": row["key"],
                "identity": row["identity"],
                "field": row["field"],
                "value": row["after"] if is_taken else kept,
                "acknowledged_at": planning.now if is_taken else None,
                "stood": row.get("held"),
                "stood_by": row.get("set_by"),
                "open_value": None if is_taken else row["after"],
                "state": state.value,
                "tried_at": planning.now,
                "retry_at": planning.now if state is ValueState.UNKNOWN else None,
                "mapping": planning.fields.mappings[row["field"]],
                "plan_id": plan_id,
                "attempts": 1,
            }
        )
    return pl.DataFrame(
        [{name: row.get(name) for name in KNOWN} for row in made], schema=dict(KNOWN)
    )


def apply_plan(planning: Planning, plan: SyncPlan, tenant: Tenant) -> int:
    """Apply a plan as in docs/planning.md, undisturbed, and return the number of sent values."""
    before = tenant.requests
    ledger = planning.ledger
    record = ledger.plans.start(plan.plan_id)
    for chunk in plan.chunks(record.settled_to, most=2):
        ledger.plans.begin(plan.plan_id, chunk["key"][-1])
        for rows in passes(chunk):
            send_rows(planning, plan.plan_id, rows, tenant)
        ledger.plans.settle(plan.plan_id, chunk["key"][-1])
    ledger.plans.finish(plan.plan_id)
    return tenant.requests - before


def passes(chunk: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split a chunk, settles first."""
    is_settle = pl.col("action") == "settle"
    return chunk.filter(is_settle), chunk.filter(~is_settle)


def send_rows(
    planning: Planning, plan_id: str, rows: pl.DataFrame, tenant: Tenant, *, save: bool = True
) -> None:
    """Send rows and save their outcomes, unless the process dies in between."""
    if rows.is_empty():
        return
    known_rows = planning.ledger.enriched.read_keys(planning.sync, rows["key"].unique())
    settled = {
        (row["key"], row["field"])
        for row in known_rows.iter_rows(named=True)
        if row["state"] == "acknowledged" and row["value"]
    }
    held = {(row["key"], row["field"]) for row in known_rows.iter_rows(named=True) if row["value"]}
    # A clear is sent where a value of ours is acknowledged, even one that was just settled.
    allowed = [
        row["action"] != "clear" or (row["key"], row["field"]) in settled | held
        for row in rows.iter_rows(named=True)
    ]
    sent = rows.filter(pl.Series(allowed, dtype=pl.Boolean))
    states = [
        tenant.send(row["key"], row["field"], row["after"]) for row in sent.iter_rows(named=True)
    ]
    if save:
        saved = outcome_rows(sent, states, known_rows, planning, plan_id)
        planning.ledger.enriched.save(planning.sync, saved)
