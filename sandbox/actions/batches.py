"""The executions of requests as a frame: their whole future, decided from the start.

Unknown targets leave no row. This is a guess, from reports that a wrong device id silently yields
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.actions import courses
from sandbox.actions.campaigns import CAMPAIGNS
from sandbox.actions.options import ActingOptions
from sandbox.actions.outputs import answers, outputs
from sandbox.actions.remote_actions import REMOTE_ACTIONS
from sandbox.actions.workflows import WORKFLOWS
from sandbox.estate.chance import at
from sandbox.estate.inventory import instants, micros
from sandbox.model.kinds import DATETIME

# Outcomes that tests may set for a target, overriding the seed.
FATES = ("success", "failure", "expired", "answered", "declined", "agreed", "disagreed")
# Followed by the answer that a person gives.
ANSWER = "answer:"
_ACTED_SHARE = 0.85

SCHEMA: dict[str, pl.DataType] = {
    "request_id": pl.String(),
    "execution_id": pl.String(),
    "nql_id": pl.String(),
    "uid": pl.String(),
    "device": pl.String(),
    "user": pl.String(),
    "request_time": DATETIME,
    "begin": DATETIME,
    "end": DATETIME,
    # How long a workflow takes, and also how long it takes after it is resumed.
    "takes": pl.Duration("us"),
    "waits": pl.Boolean(),
    "outcome": pl.String(),
    "details": pl.String(),
    # Outputs or answers.
    "result": pl.String(),
    "verdict": pl.String(),
    "trigger_method": pl.String(),
    "external_source": pl.String(),
    "external_reference": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True, slots=True)
class ExecutionTarget:
    """One future execution, for a device and a user that the tenant knows, or for neither."""

    request: str
    execution: str
    device: str | None
    user: str | None
    # Of the device.
    uid: str | None = None
    platform: str | None = None
    # 0 the first time it gets this action.
    turn: int = 0

    @property
    def key(self) -> str:
        """The key that identifies the target."""
        return f"{self.device or ''}|{self.user or ''}"


@dataclass(frozen=True, slots=True)
class RequestTerms:
    """What all targets of a request share."""

    kind: str
    nql_id: str
    taken: datetime
    expires_in_minutes: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    trigger_method: str = "api"
    source: str | None = None
    reason: str | None = None
    reference: str | None = None


def batch(
    seed: int,
    options: ActingOptions,
    fates: Mapping[str, str],
    asked: RequestTerms,
    targets: Sequence[ExecutionTarget],
) -> pl.DataFrame:
    """Return one row for each target."""
    drawn = courses.draws(f"{seed}|{asked.nql_id}|{each.key}|{each.turn}" for each in targets)
    course = _course(seed, options, asked, targets, drawn)
    course = _decreed(course, asked, targets, fates)
    result, verdict = _results(seed, options, asked, targets, drawn, course, fates)
    taken = micros(asked.taken)
    waits = asked.kind == "workflow" and WORKFLOWS[asked.nql_id].waits_for_event
    rows = pl.DataFrame(
        [
            pl.Series("request_id", [each.request for each in targets], dtype=pl.String),
            pl.Series("execution_id", [each.execution for each in targets], dtype=pl.String),
            pl.Series("uid", [each.uid for each in targets], dtype=pl.String),
            pl.Series("device", [each.device for each in targets], dtype=pl.String),
            pl.Series("user", [each.user for each in targets], dtype=pl.String),
            instants(taken + course.begin).alias("begin"),
            instants(taken + course.end).alias("end"),
            pl.Series("takes", course.end - course.begin).cast(pl.Duration("us")),
            pl.Series("outcome", course.outcome.tolist(), dtype=pl.String),
            pl.Series("details", course.details.tolist(), dtype=pl.String),
            result.alias("result"),
            verdict.alias("verdict"),
        ]
    )
    whole = rows.with_columns(
        pl.lit(asked.nql_id).alias("nql_id"),
        pl.lit(asked.taken, dtype=DATETIME).alias("request_time"),
        pl.lit(waits).alias("waits"),
        pl.col("details").replace({"": None}),
        pl.lit(asked.trigger_method).alias("trigger_method"),
        pl.lit(asked.source, dtype=pl.String).alias("external_source"),
        pl.lit(asked.reference, dtype=pl.String).alias("external_reference"),
        pl.lit(asked.reason, dtype=pl.String).alias("reason"),
    )
    return whole.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _course(
    seed: int,
    options: ActingOptions,
    asked: RequestTerms,
    targets: Sequence[ExecutionTarget],
    drawn: NDArray[np.float64],
) -> courses.Course:
    if asked.kind == "campaign":
        return courses.campaign(drawn, asked.expires_in_minutes, options)
    # The same devices are away for every request.
    away = courses.draws(f"{seed}|offline|{each.device}" for each in targets)[:, 0]
    has_device = np.array([each.device is not None for each in targets], dtype=bool)
    offline = has_device & (away < options.offline_share)
    if asked.kind == "workflow":
        return courses.workflow(drawn, offline, options)
    action = REMOTE_ACTIONS[asked.nql_id]
    mismatched = np.array([not action.runs_on(each.platform) for each in targets], dtype=bool)
    return courses.remote_action(drawn, offline, mismatched, asked.expires_in_minutes, options)


def _decreed(
    course: courses.Course,
    asked: RequestTerms,
    targets: Sequence[ExecutionTarget],
    fates: Mapping[str, str],
) -> courses.Course:
    """Return the courses with the outcomes that tests have set, which happen at once."""
    rows = [(n, fates[k]) for n, each in enumerate(targets) for k in _names(each) if k in fates]
    if not rows:
        return course
    begin, end = course.begin.copy(), course.end.copy()
    outcome, details = course.outcome.astype(object), course.details.astype(object)
    expiry = asked.expires_in_minutes * courses.MINUTE_US
    for row, fate in rows:
        is_answer = fate in ("agreed", "disagreed") or fate.startswith(ANSWER)
        outcome[row] = "answered" if is_answer else fate
        details[row] = {"failure": courses.FAILURES[0], "expired": courses.UNREACHABLE}.get(
            fate, ""
        )
        begin[row] = end[row] = expiry if fate == "expired" else 0
    return courses.Course(begin, end, outcome, details)


def _names(target: ExecutionTarget) -> list[str]:
    return [name.lower() for name in (target.device, target.user) if name]


def _results(
    seed: int,
    options: ActingOptions,
    asked: RequestTerms,
    targets: Sequence[ExecutionTarget],
    drawn: NDArray[np.float64],
    course: courses.Course,
    fates: Mapping[str, str],
) -> tuple[pl.Series, pl.Series]:
    """Return outputs or answers, and the outcome of workflows."""
    none = pl.Series([None] * len(targets), dtype=pl.String)
    if asked.kind == "workflow":
        acted = (drawn[:, 2] < _ACTED_SHARE).astype(np.int64)
        verdicts = np.where(course.outcome == "failure", 2, acted)
        return none, at(("no_action_taken", "action_taken", "failed"), verdicts)
    if asked.kind == "campaign":
        agreeing = drawn[:, 3] < options.agree_share
        given = {}
        for row, each in enumerate(targets):
            fate = fates.get((each.user or "").lower(), "")
            if fate in ("agreed", "disagreed"):
                agreeing[row] = fate == "agreed"
            if fate.startswith(ANSWER):
                given[row] = fate.removeprefix(ANSWER)
        made = answers(CAMPAIGNS[asked.nql_id].questions, drawn, agreeing, given)
        return _where(made, course.outcome == "answered"), none
    # Not keyed by the turn: a device reports the same about itself each time.
    own = courses.draws(f"{seed}|{asked.nql_id}|{each.device}|outputs" for each in targets)
    made = outputs(REMOTE_ACTIONS[asked.nql_id].outputs, own, asked.parameters, asked.taken)
    return _where(made, course.outcome == "success"), none


def _where(made: pl.Series, kept: NDArray[np.bool_]) -> pl.Series:
    frame = pl.DataFrame({"made": made, "kept": pl.Series(np.asarray(kept, dtype=bool))})
    return frame.select(pl.when("kept").then("made")).to_series()
