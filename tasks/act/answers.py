"""Self-help in which people choose: the answer to a campaign decides which action runs, and how.

Each action that answers choose, with the parameters that they set there, has a plan of its own: a
request has one set of parameters. What was done for whose answer is in the plan's summary and the
journal, so that an answer is acted on once, even if the YAML maps it to another action later.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from connectors.actions import ActionSpecification, Consent, TargetSpecification, load_action
from connectors.ledger.action_requests import UNSETTLED, RequestState
from tasks.act.run import ActionRun, ChosenAction
from tasks.runs.chosen import Chosen

# What a plan's summary has about the answers that it acts on.
CAMPAIGN = "campaign"
# In these states a request was done, or may have been.
_DONE = (RequestState.REQUESTED, *UNSETTLED)


def chosen_actions(campaign: ChosenAction) -> Iterator[ChosenAction]:
    """Yield each action that answers of a campaign choose, once for each set of parameters.

    Its targets are the devices of the people who gave one of these answers.

    Raises:
        ConfigurationError: with every problem of an action.
    """
    asking = campaign.specification
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for answer, choice in asking.answers.items():
        groups.setdefault((choice.action, tuple(choice.parameters.items())), []).append(answer)
    for (name, parameters), answers in groups.items():
        action = load_action(campaign.settings.catalog, name)
        consent = Consent(
            campaign=asking.action,
            agree=tuple(answers),
            question=asking.question or _only(asking),
            within=asking.within,
        )
        changes = {
            "parameters": {**action.parameters, **dict(parameters)},
            "targets": TargetSpecification(consent=consent),
            "effect_after": None,
        }
        specification = action.model_copy(update=changes)
        yield Chosen(campaign.settings, campaign.tenant, specification, campaign.profile)


def answers_of_plan(specification: ActionSpecification) -> dict[str, Any]:
    """Return what a plan's summary keeps about the answers that it acts on; nothing without."""
    consent = specification.targets.consent
    return {CAMPAIGN: consent.campaign, "answers": list(consent.agree)} if consent else {}


def acted_on(run: ActionRun, campaign: str, since: datetime) -> pl.DataFrame:
    """Return the devices on which something was done because of answers to a campaign.

    Returns:
        device, done_at: a row for each that was requested, or may have been, since a moment.
    """
    plans = run.ledger.action_plans.since(since)
    mine = [each.plan_id for each in plans if each.summary.get(CAMPAIGN) == campaign]
    rows = [run.ledger.actions.targets(plan_id=plan_id) for plan_id in mine]
    begun = {each.plan_id: each.begun_at for each in plans}
    found = [
        part.filter(
            pl.col("state").is_in([state.value for state in _DONE]), pl.col("code").is_null()
        ).select("device", pl.lit(begun[plan_id]).alias("done_at"))
        for plan_id, part in zip(mine, rows, strict=True)
    ]
    schema = pl.Schema({"device": pl.String(), "done_at": pl.Datetime("us", "UTC")})
    if not found:
        return pl.DataFrame(schema=schema)
    done = pl.concat([part.cast(schema) for part in found])
    return done.group_by("device").agg(pl.col("done_at").max())


def _only(asking: ActionSpecification) -> str | None:
    """Return the campaign's question if its YAML declares exactly one."""
    return next(iter(asking.questions)) if len(asking.questions) == 1 else None
