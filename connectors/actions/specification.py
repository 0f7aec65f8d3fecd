"""One action of the catalogue: whether its file is consistent, and what follows from it."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any, Final, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from connectors.actions.kinds import (
    EXPIRY,
    MINUTE,
    READ_BACK,
    ActionKind,
    Approval,
    RunAs,
    Scenario,
)
from connectors.actions.targets import Choice, TargetSpecification
from connectors.catalogue import DAY, Specification
from connectors.catalogue.specification import Duration
from connectors.nexthink import NQL_ID, QUERY_ID
from connectors.nexthink.acting.limits import (
    CAMPAIGN_DEFAULT_EXPIRY_MINUTES,
    EXPIRY_MINUTES,
    MOST_CAMPAIGN_PARAMETERS,
    MOST_TARGETS,
)
from connectors.nexthink.acting.limits import LONGEST_REASON as LONGEST
from connectors.nexthink.acting.requests import intent_reason

ACTION_PATTERN: Final = "^[a-z][a-z0-9_]*$"
# The intent id takes up the beginning of a reason.
LONGEST_REASON: Final = LONGEST - len(intent_reason(str(uuid.UUID(int=0)))) - 1
_DIGEST_BYTES: Final = 8
# The keys of a campaign whose answers choose actions.
_OF_ANSWERS: Final = ("questions", "answers", "question", "within")


class ActionLimits(Specification):
    """How many targets at once, how fast, how often.

    Attributes:
        targets: the most targets of a plan; a plan with more is refused as a whole.
        per_request: the most targets of a request, up to 10,000.
        per_minute: devices or people per minute; None: as fast as the tenant accepts them.
        cool_down: how long a target does not get the same action again, no matter who started it;
            counted from the request, or from the action's end if that is later.
    """

    targets: int = Field(default=100, ge=1)
    per_request: int = Field(default=MOST_TARGETS, ge=1, le=MOST_TARGETS)
    per_minute: int | None = Field(default=None, ge=1)
    cool_down: Duration = DAY

    @property
    def batch(self) -> int:
        """The number of targets in one request: never more than allowed per minute."""
        return min(self.per_request, self.per_minute or self.per_request)


class OutcomeSpecification(Specification):
    """How outcomes are read back and judged.

    Attributes:
        query_id: the saved query; takes `nql_id` and `from`, as those in deployments/queries do.
        wait: how long a run waits for outcomes; outcomes still missing do not make it fail.
        max_failure_share: share of the finished targets; above it a run ends as partly done.
        poll: the longest pause between two polls, as far as `exports` allows.
        exports: how many polls one run of a plan may make; each is an export, the last one comes
            when `wait` is over.
    """

    query_id: str | None = None
    wait: Duration = timedelta(hours=1)
    max_failure_share: float = Field(default=0.1, ge=0, le=1)
    poll: Duration = Field(default=5 * MINUTE)
    exports: int = Field(default=4, ge=1, le=1_000)

    @field_validator("poll")
    @classmethod
    def _not_too_often(cls, poll: timedelta) -> timedelta:
        if poll < timedelta(seconds=1):
            raise ValueError("must be at least a second: each poll is an export")
        return poll


class ActionSpecification(Specification):
    """One file of deployments/actions.

    Attributes:
        id: the NQL id in the tenant.
        dry_run: plan and report only; the default until a person has reviewed the action.
        allow: users and groups that may plan and run it; None: everybody who can start it.
        allow_claimed: whether a name counts that was only typed, such as that of a form.
        run_as: for a remote action; must match the tenant's setting.
        expires: how long an offline device, or a person, may take.
        questions: of a campaign: its questions with their options, since the API describes none.
        answers: of a campaign: the action that each answer chooses; other answers choose nothing.
        question: the question that `answers` are about, if there are several.
        within: how long such an answer stays valid.
        effect_after: how long after the last outcome the targets' query runs again, to count how
            many are still in it; None: not at all.
        lands: a dataset to export once the outcomes have arrived (on-demand data).
    """

    action: str = Field(pattern=ACTION_PATTERN)
    kind: ActionKind
    id: str
    scenario: Scenario | None = None
    dry_run: bool = True
    allow: tuple[str, ...] | None = Field(default=None, min_length=1)
    allow_claimed: bool = True
    targets: TargetSpecification = TargetSpecification()
    parameters: dict[str, str] = Field(default_factory=dict)
    run_as: RunAs | None = None
    expires: Duration | None = None
    reason: str = Field(default="", max_length=LONGEST_REASON)
    source: str = "nexthink-pipelines"
    limits: ActionLimits = ActionLimits()
    approval: Approval = Approval.REQUIRED
    outcome: OutcomeSpecification = OutcomeSpecification()
    questions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    answers: dict[str, Choice] = Field(default_factory=dict)
    question: str | None = None
    within: Duration = 14 * DAY
    effect_after: Duration | None = None
    lands: str | None = None
    _cool_down_of_id: timedelta = PrivateAttr(default=timedelta(0))

    @property
    def cool_down(self) -> timedelta:
        """The strictest cool-down of all actions of the catalogue with this kind and id."""
        return max(self.limits.cool_down, self._cool_down_of_id)

    def share_cool_down(self, strictest: timedelta) -> None:
        """Set the strictest cool-down of all actions of this kind and id."""
        self._cool_down_of_id = strictest

    @property
    def fingerprint(self) -> str:
        """A digest that differs for other actions and after an edit: 16 hexadecimal digits."""
        # Who may run it, and what answers choose, changes nothing that is sent.
        left_out: dict[str, Any] = dict.fromkeys(
            ("dry_run", "outcome", "allow", "allow_claimed", *_OF_ANSWERS), True
        )
        text = self.model_dump_json(exclude=left_out | {"targets": {"answers_to"}})
        return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()

    @property
    def expires_in_minutes(self) -> int | None:
        """The expiry in the API's unit, minutes."""
        if self.expires is None:
            is_campaign = self.kind is ActionKind.CAMPAIGN
            return CAMPAIGN_DEFAULT_EXPIRY_MINUTES if is_campaign else None
        return self.expires // MINUTE

    @property
    def lifetime(self) -> timedelta:
        """How long a target may take: a week or more, since others' requests have other limits."""
        return max(self.expires_in_minutes or 0, EXPIRY_MINUTES[-1]) * MINUTE

    @property
    def read_back(self) -> str:
        """The saved query that returns the outcomes."""
        return self.outcome.query_id or READ_BACK[self.kind]

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The saved queries that the action needs."""
        return tuple(filter(None, (self.targets.query_id, self.read_back)))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._kind_problems(), *self._scenario_problems(), *self._allow_problems()]
        problems += self._answer_problems()
        if not NQL_ID.fullmatch(self.id):
            problems.append("id: must be # and up to 254 of A-Z, a-z, 0-9 and _")
        if not QUERY_ID.fullmatch(self.read_back):
            problems.append("outcome.query_id: must be # and 2 to 254 of a-z, 0-9 and _")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _kind_problems(self) -> list[str]:
        problems = []
        if (self.kind is ActionKind.REMOTE_ACTION) != (self.run_as is not None):
            problems.append("run_as: set it for a remote action, and only there")
        bounds, minutes = EXPIRY[self.kind], self.expires_in_minutes
        if bounds is None and self.expires is not None:
            problems.append("expires: a workflow's request has no expiry")
        if bounds and minutes is not None and minutes not in bounds:
            problems.append(f"expires: must be {bounds[0]:,} to {bounds[-1]:,} minutes")
        if self.expires is not None and self.expires % MINUTE:
            problems.append("expires: must be whole minutes")
        is_campaign = self.kind is ActionKind.CAMPAIGN
        if is_campaign and len(self.parameters) > MOST_CAMPAIGN_PARAMETERS:
            problems.append(f"parameters: at most {MOST_CAMPAIGN_PARAMETERS} for a campaign")
        if self.targets.consent and self.kind is not ActionKind.REMOTE_ACTION:
            problems.append(
                "targets.consent: only for remote actions, on the devices of those who agree"
            )
        if self.targets.answers_to and self.kind is not ActionKind.REMOTE_ACTION:
            problems.append(
                "targets.answers_to: only for remote actions, on the devices of those who choose it"
            )
        return problems

    def options_of(self, question: str | None) -> set[str]:
        """Return the options of one question, or of all, in lower case; empty if none are known."""
        return {
            option.strip().lower()
            for asked, options in self.questions.items()
            if question is None or asked.strip().lower() == question.strip().lower()
            for option in options
        }

    def _answer_problems(self) -> list[str]:
        given = [name for name in _OF_ANSWERS if name in self.model_fields_set]
        if self.kind is not ActionKind.CAMPAIGN:
            return [f"{name}: only a campaign has answers" for name in given]
        if not self.answers:
            return [f"{name}: needs answers" for name in given if name in ("question", "within")]
        problems = []
        if self.targets.query_id is None:
            problems.append("answers: need targets.query_id, which lists each person's device")
        answers = [answer.strip().lower() for answer in self.answers]
        if len(set(answers)) < len(answers):
            problems.append("answers: two differ by case or white space only")
        if self.question is None and len(self.questions) > 1:
            problems.append("question: say which of questions the answers are about")
        known = self.options_of(self.question)
        if self.questions and not known:
            problems.append("question: is not among the questions")
        if known and (
            others := [each for each in self.answers if each.strip().lower() not in known]
        ):
            problems.append(f"answers: not among the options of the question: {', '.join(others)}")
        return problems

    def _allow_problems(self) -> list[str]:
        if self.allow is None and not self.allow_claimed:
            return ["allow_claimed: needs allow, the users and groups that may run it"]
        names = self.allow or ()
        if any(not name or name != name.strip() or not name.isprintable() for name in names):
            return ["allow: a name must not be empty, or have white space around it"]
        if len(set(names)) < len(names):
            return ["allow: names somebody twice"]
        return []

    def _scenario_problems(self) -> list[str]:
        problems = []
        targets = self.targets
        if self.scenario is Scenario.SELF_HELP and not (
            targets.consent or targets.answers_to or self.answers
        ):
            problems.append("targets.consent: self-help acts for people who agreed to a campaign")
        if self.effect_after is not None and not self.targets.query_id:
            problems.append("effect_after: needs targets.query_id, which runs again")
        if self.scenario is Scenario.SELF_HEALING and not self.targets.query_id:
            problems.append("targets.query_id: self-healing finds its devices itself")
        if self.scenario is Scenario.ON_DEMAND_DATA and not self.lands:
            problems.append("lands: on-demand data needs the dataset that lands it")
        return problems
