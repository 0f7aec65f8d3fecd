"""Planning an action: its targets, which are left out and why, and the requests."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from connectors.actions import ActionKind, ActionSpecification
from connectors.counting import number_of
from connectors.errors import DataRefusedError, NothingDoneError, UsageError
from connectors.ledger import ActionPlanRecord
from connectors.ledger.action_requests import NOBODY, Requester
from connectors.nexthink.acting.intents import new_intent
from tasks.act.answers import answers_of_plan
from tasks.act.asked import ActionAsked
from tasks.act.candidates import find_candidates
from tasks.act.card import CARD, card_of, card_page
from tasks.act.checks import ActionDescription, describe_action
from tasks.act.consent import consenting
from tasks.act.exclusions import (
    COOL_DOWN,
    ELSEWHERE,
    PLATFORM,
    by_journal,
    cool_until,
    left_out,
    other_platform,
    targeted,
)
from tasks.act.plan_file import (
    COLUMNS,
    ActionPlan,
    Sending,
    batches_of,
    plan_path,
    write_page,
    write_plan,
)
from tasks.act.preconditions import acted_elsewhere
from tasks.act.run import ActionRun
from tasks.act.send import request_of
from tasks.runs.progress import Progress, tell
from tasks.runs.recorded import recorded


@recorded("plan", says=lambda plan: number_of(plan.record.summary["targets"], "target"))
def make_plan(run: ActionRun, asked: ActionAsked, asker: Requester = NOBODY) -> ActionPlan:
    """Find targets, leave some out for a reason, write the plan and record it.

    A plan may have no targets; it then says why.

    Raises:
        UsageError: no targets are named, or a request cannot be made with what was asked.
        ConfigurationError: the tenant's action does not fit the YAML.
        DataRefusedError: there are more targets than the action may have, or a request would have
            to be split but must not be.
        PipelineError: as the exports.
    """
    specification = run.specification
    parameters = {**specification.parameters, **asked.parameters}
    described = describe_action(run, parameters)
    version = run.ledger.actions.version(*run.key)
    tell(Progress(run.action, "plan", "finding targets"))
    rows = _excluded(run, _found(run, asked, described), described)
    wanted = rows.filter(pl.col("reason").is_null())
    _check_size(run, wanted.height, described)
    plan_id = f"{run.now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    batch = wanted.height if described.is_whole else specification.limits.batch
    sending = _sending(specification, parameters, asked.ticket)
    path = plan_path(run.action, plan_id)
    planned = _batched(rows, batch, run.ledger.identity.own)
    _check_requests(run, planned, sending)
    sha256 = write_plan(run.lake, path, planned, sending, run.folder())
    record = ActionPlanRecord(
        plan_id=plan_id,
        action=run.action,
        kind=specification.kind.value,
        action_id=specification.id,
        sha256=sha256,
        location=path,
        created_at=run.now,
        specification=specification.fingerprint,
        version=version,
        summary={
            **summary_of(planned),
            "run_as": described.run_as,
            **answers_of_plan(specification),
            CARD: card_of(run, described, sending, planned),
        },
        ticket=asked.ticket,
        **asdict(asker),
    )
    write_page(run.lake, path, card_page(record, planned), run.folder())
    run.ledger.action_plans.add(record)
    return ActionPlan(record, sending, planned)


def _sending(
    specification: ActionSpecification, parameters: Mapping[str, str], ticket: str | None
) -> Sending:
    return Sending(
        kind=specification.kind.value,
        action_id=specification.id,
        parameters=parameters,
        expires_in_minutes=specification.expires_in_minutes,
        reason=specification.reason,
        source=specification.source,
        ticket=ticket,
    )


def nothing_done(run: ActionRun, plan: ActionPlan) -> NothingDoneError:
    """Return the error of a plan that leaves out everybody that a person named."""
    cool_down = run.specification.limits.cool_down
    cooling = plan.rows.filter(pl.col("reason") == COOL_DOWN)["target"]
    until = None
    if cooling.len():
        reach = cool_down + run.specification.lifetime
        recent = run.ledger.actions.recent(*run.key, run.now - reach)
        until = cool_until(recent, cooling, cool_down)
    counts = plan.record.summary["excluded"]
    why = [
        f"cool-down until {until:%Y-%m-%d %H:%M:%S} UTC"
        if until and reason == COOL_DOWN
        else f"{count:,} {reason}"
        for reason, count in counts.items()
    ] or ["none of the targets was found"]
    return NothingDoneError(
        f"{run.action}: nothing done: {', '.join(why)}; nxp act status {run.action} --plan "
        f"{plan.plan_id} --targets shows who they are"
    )


def summary_of(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the counts of a plan's rows; they reveal nothing about a target."""
    excluded = rows.drop_nulls("reason").group_by("reason").len().sort("reason")
    return {
        "candidates": rows.height,
        "targets": int(rows["ordinal"].is_not_null().sum()),
        "requests": rows["ordinal"].drop_nulls().n_unique(),
        "excluded": dict(excluded.iter_rows()),
    }


def _found(run: ActionRun, asked: ActionAsked, described: ActionDescription) -> pl.DataFrame:
    if campaign := run.specification.targets.answers_to:
        raise UsageError(
            f"{run.action} acts for those who choose it in {campaign}: nxp act self-help {campaign}"
        )
    if run.specification.targets.consent is not None:
        if asked.names_targets:
            raise UsageError(f"{run.action} acts for people who agreed: name no targets")
        return consenting(run)
    return find_candidates(run, asked, devices=described.devices, people=described.people)


def _excluded(
    run: ActionRun, candidates: pl.DataFrame, described: ActionDescription
) -> pl.DataFrame:
    cool_down, kind = run.specification.cool_down, run.specification.kind
    rows = targeted(candidates, kind, devices=described.devices, people=described.people)
    if kind is ActionKind.REMOTE_ACTION:
        unfit = other_platform(described.windows, described.mac)
        rows = left_out(rows, [(PLATFORM, unfit)])
    others = pl.Series([], dtype=pl.String)
    if rows["reason"].null_count():
        # Reading back also shows which actions had no effect: their targets are free again.
        others = acted_elsewhere(run)
    reach = cool_down + run.specification.lifetime if cool_down else cool_down
    recent = run.ledger.actions.recent(*run.key, run.now - reach)
    return left_out(rows, [*by_journal(recent, run.now - cool_down), (ELSEWHERE, others)])


def _batched(rows: pl.DataFrame, batch: int, ledger_id: str) -> pl.DataFrame:
    """Divide the targets that are not left out into requests, each with its intent."""
    wanted = rows.filter(pl.col("reason").is_null()).sort("target", maintain_order=True)
    ordinal = (pl.int_range(pl.len()) // max(batch, 1)).cast(pl.Int32)
    numbered = wanted.with_columns(ordinal=ordinal)
    ordinals = numbered["ordinal"].unique(maintain_order=True)
    intents = pl.DataFrame(
        {"ordinal": ordinals, "intent_id": [new_intent(ledger_id) for _ in ordinals]},
        schema={"ordinal": pl.Int32, "intent_id": pl.String},
    )
    named = numbered.join(intents, on="ordinal", how="left", maintain_order="left")
    others = rows.filter(pl.col("reason").is_not_null())
    return pl.concat([named, others], how="diagonal").select(*COLUMNS)


def _check_size(run: ActionRun, targets: int, described: ActionDescription) -> None:
    limits = run.specification.limits
    if targets > limits.targets:
        raise DataRefusedError(
            f"{run.action}: {targets:,} targets are more than the {limits.targets:,} that "
            "limits.targets allows: narrow its query, or raise the limit after a review; nothing "
            "was planned"
        )
    if described.is_whole and targets > limits.batch:
        raise DataRefusedError(
            f"{run.action}: {targets:,} pairs of devices and people are more than one request or "
            f"one minute may have ({limits.batch:,}), and such a request cannot be split: narrow "
            "it; nothing was planned"
        )


def _check_requests(run: ActionRun, planned: pl.DataFrame, sending: Sending) -> None:
    """Raise unless every request can be made: a plan that cannot be sent must not exist."""
    try:
        for batch in batches_of(planned):
            request_of(run.specification.kind, batch.intent_id, batch.targets, sending)
        json.dumps(asdict(sending), ensure_ascii=False).encode()
    except UsageError as error:
        raise error.retold(f"{run.action}: {error.message}") from None
    except UnicodeEncodeError:
        raise UsageError(
            f"{run.action}: parameters or ticket have half a character; nothing was sent"
        ) from None
