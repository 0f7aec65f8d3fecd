"""The answers of `nxp act show` and `nxp plan show`: plans for the person who approves them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class BeforeShown:
    """What the tenant has accepted of the action so far, by this ledger; outcomes by status."""

    requests: int
    targets: int
    first: datetime | None
    last: datetime | None
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Card:
    """What a person needs to know before approving a plan; it names nobody."""

    title: str
    description: str
    scripts: list[str]
    parameters: dict[str, str]
    reason: str
    source: str
    expires_in_minutes: int | None
    platforms: dict[str, int]
    entities: dict[str, int]
    devices: int
    people: int
    cool_down: str
    per_minute: int | None
    max_failure_share: float
    is_dry: bool
    before: BeforeShown


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOnCard:
    """A plan of an action. `page` is where the page with all names is, for its owner only."""

    plan_id: str
    action: str
    kind: str
    action_id: str
    sha256: str
    state: str
    created_at: datetime
    ticket: str | None
    candidates: int
    targets: int
    requests: int
    excluded: dict[str, int]
    run_as: str | None
    asked_by: str | None
    asked_how: str | None
    card: Card
    page: str


@dataclass(frozen=True, slots=True)
class NamedRow:
    """Somebody that a plan names: personal data. With `reason`, why it is left out."""

    device: str | None
    name: str | None
    person: str | None
    platform: str | None
    entity: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPlanOnCard(PlanOnCard):
    """The same with everybody that it names (--full)."""

    rows: list[NamedRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedPlan:
    """A plan of a sync: for each field, how many values each action has, wait or are rejected.

    `findings` are what its guards found, a line each.
    """

    plan_id: str
    sync: str
    state: str
    verdict: str
    fields: list[dict[str, Any]]
    findings: list[str]
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyReviewedPlan(ReviewedPlan):
    """The same with frequent changes and whole objects (--full): personal data."""

    pairs: list[dict[str, Any]]
    examples: list[dict[str, Any]]
