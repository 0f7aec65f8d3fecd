"""The NQL tables of executions and responses: the state of each at the moment of a query."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from sandbox.actions.batches import SCHEMA
from sandbox.actions.campaigns import CAMPAIGNS, Campaign
from sandbox.actions.remote_actions import REMOTE_ACTIONS, RemoteActionDefinition
from sandbox.actions.workflows import WORKFLOWS, WorkflowDefinition
from sandbox.estate.feed import DeviceEffect
from sandbox.model.kinds import DATETIME

_Things = Mapping[str, RemoteActionDefinition | WorkflowDefinition | Campaign]
_CATALOGUES: Mapping[str, _Things] = {
    "remote_action": REMOTE_ACTIONS,
    "workflow": WORKFLOWS,
    "campaign": CAMPAIGNS,
}
_HEADS = {
    "remote_action.remote_actions": "remote_action",
    "workflow.workflows": "workflow",
    "campaign.campaigns": "campaign",
}
_WAITING_ON_DEVICE = "Waiting for the device to come online."
_WAITING_FOR_EVENT = "Waiting for an event."


class Executions:
    """Keeps accepted executions and reports their progress. Thread-safe."""

    def __init__(self, visibility_delay: float) -> None:
        """Start empty; the delay is in seconds."""
        self.visibility_delay = visibility_delay
        self._lock = threading.Lock()
        self._batches: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
        # When a waiting workflow was resumed, by execution.
        self._resumed: dict[str, datetime] = {}

    def add(self, kind: str, rows: pl.DataFrame) -> None:
        """Add the executions of a request."""
        with self._lock:
            self._batches[kind].append(rows)

    def resume(self, execution: str, moment: datetime) -> None:
        """Resume a waiting execution."""
        with self._lock:
            self._resumed[execution] = moment

    def rows(self, table: str, now: datetime) -> pl.DataFrame | None:
        """Return the rows of a table as of a moment."""
        if table in _HEADS:
            return _heads(_HEADS[table])
        kind, _, _ = table.partition(".")
        if kind not in _CATALOGUES:
            return None
        shown = pl.col("request_time") <= now - timedelta(seconds=self.visibility_delay)
        rows = _progressed(self._whole(kind).filter(shown), now)
        own = _responses() if kind == "campaign" else _executed(kind)
        return rows.select(
            *own,
            pl.col("device").alias("device.collector.uid"),
            pl.col("user").alias("user.sid"),
            pl.col("nql_id").alias(f"{kind}.nql_id"),
        ).join(_heads(kind), on=f"{kind}.nql_id", how="left", maintain_order="left")

    def ids(self, namespace: str) -> frozenset[str] | None:
        """Return the NQL ids of a kind."""
        things = _CATALOGUES.get(namespace)
        return None if things is None else frozenset(things)

    def effects(self, effect: DeviceEffect, now: datetime) -> pl.DataFrame:
        """Return which devices an effect happened to, and when."""
        found = []
        for kind in ("remote_action", "workflow"):
            ids = [each.id for each in _acting(kind).values() if each.effect is effect]
            rows = self._whole(kind).filter(pl.col("nql_id").is_in(ids))
            done = (pl.col("outcome") == "success") & (pl.col("end") <= now)
            found.append(rows.filter(done, pl.col("uid").is_not_null()).select("uid", at="end"))
        return pl.concat(found)

    def _whole(self, kind: str) -> pl.DataFrame:
        """Return everything accepted; executions that wait for an event have no end."""
        with self._lock:
            held = self._batches[kind]
            if len(held) > 1:
                held[:] = [pl.concat(held, rechunk=True)]
            rows = held[0] if held else pl.DataFrame(schema=SCHEMA)
            resumed = dict(self._resumed) if kind == "workflow" else {}
        if kind != "workflow":
            return rows
        moments = pl.DataFrame(
            {"execution_id": list(resumed), "resumed": list(resumed.values())},
            schema={"execution_id": pl.String(), "resumed": DATETIME},
        )
        rows = rows.join(moments, on="execution_id", how="left", maintain_order="left")
        end = pl.when("waits").then(pl.col("resumed") + pl.col("takes")).otherwise("end")
        return rows.with_columns(end.alias("end"))


def _acting(kind: str) -> Mapping[str, RemoteActionDefinition | WorkflowDefinition]:
    return WORKFLOWS if kind == "workflow" else REMOTE_ACTIONS


def _progressed(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the rows with the state, when it was reached and its details."""
    moment = pl.lit(now, dtype=DATETIME)
    done = (pl.col("end") <= moment).fill_null(value=False)
    begun = pl.col("begin") <= moment
    # It has reached the step that waits.
    halted = pl.col("waits") & (pl.col("begin") + pl.col("takes") <= moment)
    if "resumed" in rows.columns:
        halted &= ~(pl.col("resumed") <= moment).fill_null(value=False)
    going = pl.when(begun).then(pl.lit("in_progress")).otherwise(pl.lit("waiting_on_device"))
    said = (
        pl.when(halted)
        .then(pl.lit(_WAITING_FOR_EVENT))
        .when(~begun)
        .then(pl.lit(_WAITING_ON_DEVICE))
    )
    since = pl.when(begun).then("begin").otherwise("request_time")
    finished = ("result", "verdict")
    return rows.with_columns(
        pl.when(done).then("outcome").otherwise(going).alias("state"),
        pl.when(done).then("end").otherwise(since).alias("time"),
        pl.when(done).then("details").otherwise(said).alias("details"),
        pl.when(done).then(pl.col("end") - pl.col("request_time")).alias("lasted"),
        *(pl.when(done).then(name).alias(name) for name in finished),
    )


def _executed(kind: str) -> list[pl.Expr]:
    prefix = f"{kind}.execution"
    named = {
        "status": "state",
        "status_details": "details",
        **{
            name: name
            for name in (
                "request_id",
                "execution_id",
                "request_time",
                "time",
                "trigger_method",
                "external_source",
                "external_reference",
                "reason",
            )
        },
    }
    columns = [pl.col(source).alias(f"{prefix}.{name}") for name, source in named.items()]
    columns.append(pl.lit(1, dtype=pl.Int64).alias(f"{prefix}.number_of_executions"))
    if kind == "remote_action":
        purposes = {each.id: each.purpose[0].lower() for each in REMOTE_ACTIONS.values()}
        purpose = pl.col("nql_id").replace_strict(purposes, return_dtype=pl.String)
        return [
            *columns,
            pl.col("result").alias(f"{prefix}.outputs"),
            purpose.alias(f"{prefix}.purpose"),
        ]
    failed = pl.when(pl.col("verdict") == "failed").then("details")
    lasted = pl.col("lasted").dt.total_microseconds() / 1_000_000
    return [
        *columns,
        pl.col("verdict").alias(f"{prefix}.outcome"),
        failed.alias(f"{prefix}.outcome_details"),
        lasted.alias(f"{prefix}.duration"),
    ]


def _responses() -> list[pl.Expr]:
    prefix = "campaign.response"
    # Nobody has to come online: people who were not reached have not answered.
    state = pl.col("state").replace({"in_progress": "targeted", "waiting_on_device": "targeted"})
    named = {
        "time": "time",
        "first_targeted": "request_time",
        "request_id": "request_id",
        "answers": "result",
        "trigger_method": "trigger_method",
    }
    return [
        state.alias(f"{prefix}.state"),
        *(pl.col(source).alias(f"{prefix}.{name}") for name, source in named.items()),
    ]


def _heads(kind: str) -> pl.DataFrame:
    things = list(_CATALOGUES[kind].values())
    columns = {
        "nql_id": [each.id for each in things],
        "name": [each.name for each in things],
        "uid": [each.uuid for each in things],
        "description": [getattr(each, "description", "") for each in things],
    }
    return pl.DataFrame({f"{kind}.{name}": values for name, values in columns.items()})
