"""Where the targets of an action come from: a query, people who agreed, or answers."""

from typing import Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from connectors.catalogue import DAY, Specification
from connectors.catalogue.specification import Duration
from connectors.nexthink import QUERY_ID


class Consent(Specification):
    """People who agreed when a campaign asked them: the targets of self-help.

    Attributes:
        campaign: a campaign of deployments/actions whose query lists each person's device.
        agree: the answers that count as agreement; case does not matter.
        question: the question that asks for agreement; if not set, every answer must agree.
        within: how long an answer stays valid.
    """

    campaign: str
    agree: tuple[str, ...] = Field(min_length=1)
    question: str | None = None
    within: Duration = 14 * DAY


class Choice(Specification):
    """The action that an answer of a campaign chooses, and parameters that it sets there."""

    action: str
    parameters: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"action": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return what editors are shown: the action's name alone is enough."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}


class TargetSpecification(Specification):
    """Where targets come from; if nothing is set, they are named when a plan is made.

    Attributes:
        query_id: a saved query that lists `device.collector.uid`, and `user.sid` where people are
            asked; if possible also `device.name`, `device.operating_system.platform` and
            `device.entity`.
        parameters: parameters of the query.
        consent: the people who agreed to a campaign.
        answers_to: a campaign of deployments/actions whose `answers` choose this action.
    """

    query_id: str | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    consent: Consent | None = None
    answers_to: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(each is not None for each in (self.query_id, self.consent, self.answers_to)) > 1:
            raise ValueError("set one of query_id, consent and answers_to, not both")
        if self.query_id and not QUERY_ID.fullmatch(self.query_id):
            raise ValueError("query_id: must be # and 2 to 254 of a-z, 0-9 and _")
        return self

    @property
    def are_named(self) -> bool:
        """Whether a person names the targets for each plan."""
        return self.query_id is None and self.consent is None and self.answers_to is None
