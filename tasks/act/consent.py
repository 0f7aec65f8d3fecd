"""Self-help: acting on the devices of people who agreed to a campaign, as long as they need it.

The journal has the campaign's targets with the device that each person was asked about; the answers
are read back. Nothing else is kept, so that one run can end and another can continue.
"""

from typing import Final

import polars as pl

from connectors.actions import ActionSpecification, Consent, load_action
from tasks.act.answers import acted_on
from tasks.act.candidates import CANDIDATES, queried
from tasks.act.outcomes import refresh
from tasks.act.readback import answers_of
from tasks.act.run import ActionRun

WAITING: Final = "not_answered"
DECLINED: Final = "not_agreed"
USED: Final = "consent_used"
# An answer that chooses another action.
OTHER: Final = "other_answer"
NOT_AFFECTED: Final = "not_affected"
_ANSWERED: Final = "answered"
# A question that expired was answered neither yes nor no.
_SILENT: Final = ("targeted", "expired")
# If several people use a device, one no is enough, and one yes counts if the others are silent.
_RANK: Final = pl.col("reason").replace_strict(
    {USED: 0, DECLINED: 1, OTHER: 2, NOT_AFFECTED: 3, WAITING: 5}, default=4, return_dtype=pl.Int8
)


def campaign_of(run: ActionRun) -> ActionRun:
    """Return a run of the campaign that asks for consent to a run's action."""
    return run.of(_campaign(run))


def consenting(run: ActionRun) -> pl.DataFrame:
    """Return the devices that people were asked about, as CANDIDATES with a reason if not agreed.

    A consent counts for one action on the device, within its time, while the campaign's query still
    finds the device.
    """
    consent = run.specification.targets.consent
    if consent is None:
        raise AssertionError("only for actions with a consent")
    campaign = campaign_of(run)
    since = run.now - consent.within
    refresh(campaign, since)
    asked = run.ledger.actions.recent(*campaign.key, since)
    asked = asked.filter(pl.col("device").is_not_null(), pl.col("action") == campaign.action)
    if asked.is_empty():
        return pl.DataFrame(schema=CANDIDATES)
    affected = queried(campaign).filter(pl.col("device").is_not_null())
    acted = (
        run.ledger.actions.recent(*run.key, since)
        .group_by("device")
        .agg(pl.col("requested_at").max().alias("acted_at"))
    )
    answered = acted_on(run, campaign.action, since)
    latest = asked.sort("requested_at", descending=True).unique(
        ["device", "person"], keep="first", maintain_order=True
    )
    judged = (
        latest.join(acted, on="device", how="left")
        .join(answered, on="device", how="left")
        .with_columns(reason=_reason(consent, campaign, affected["device"]))
    )
    known = affected.select("device", "name", "platform", "entity").unique("device", keep="first")
    return (
        judged.sort(_RANK, maintain_order=True)
        .unique("device", keep="first", maintain_order=True)
        .join(known, on="device", how="left")
        .select(*CANDIDATES)
    )


def _reason(consent: Consent, campaign: ActionRun, affected: pl.Series) -> pl.Expr:
    """Say why a device must not be acted on, by what one person answered; null if it may be."""
    others = {*campaign.specification.answers} - {*consent.agree}
    has_chosen_another = _gives(consent.model_copy(update={"agree": tuple(others)}))
    is_used = pl.any_horizontal(pl.col("acted_at", "done_at") >= pl.col("requested_at"))
    return (
        pl.when(is_used.fill_null(value=False))
        .then(pl.lit(USED))
        .when(pl.col("status").is_null() | pl.col("status").is_in(_SILENT))
        .then(pl.lit(WAITING))
        .when((pl.col("status") == _ANSWERED) & has_chosen_another)
        .then(pl.lit(OTHER))
        .when((pl.col("status") != _ANSWERED) | ~_gives(consent))
        .then(pl.lit(DECLINED))
        .when(~pl.col("device").is_in(affected.implode()))
        .then(pl.lit(NOT_AFFECTED))
    )


def agrees(text: str | None, consent: Consent) -> bool:
    """Return whether a campaign's answers agree: to the question that asks, or all of them."""
    agree = {answer.strip().lower() for answer in consent.agree}
    question = consent.question.strip().lower() if consent.question else None
    given = {answer for asked, answer in answers_of(text) if question in (None, asked)}
    return bool(given) and given <= agree


def _gives(consent: Consent) -> pl.Expr:
    """Match those whose answers agree."""
    return (
        pl.col("answers")
        .map_elements(lambda text: agrees(text, consent), return_dtype=pl.Boolean)
        .fill_null(value=False)
    )


def _campaign(run: ActionRun) -> ActionSpecification:
    consent = run.specification.targets.consent
    if consent is None:
        raise AssertionError("only for actions with a consent")
    return load_action(run.chosen.settings.catalog, consent.campaign)
