"""What an entry of prefect.yaml holds, and what one made from a dataset's schedule holds too."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.catalogue.windows import EPOCH


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pool(_Strict):
    """The work pool of a deployment's runs."""

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class ConcurrencyLimit(_Strict):
    """How many runs of a deployment may run at once, and what happens to one more."""

    limit: int = Field(ge=1)
    collision_strategy: str = "ENQUEUE"


class Timetable(_Strict):
    """When runs are scheduled. By its slug, a changed schedule replaces the old one."""

    slug: str
    cron: str | None = None
    interval: timedelta | None = None
    anchor_date: datetime = EPOCH
    timezone: str
    active: bool = True

    @property
    def schedule(self) -> CronSchedule | IntervalSchedule:
        """The schedule as Prefect has it."""
        if self.interval is None:
            return CronSchedule(cron=self.cron or "", timezone=self.timezone)
        return IntervalSchedule(
            interval=self.interval, anchor_date=self.anchor_date, timezone=self.timezone
        )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("needs either cron or interval")
        _ = self.schedule
        return self


class DeploymentEntry(_Strict):
    """One deployment in prefect.yaml."""

    name: str
    entrypoint: str
    description: str
    work_pool: Pool
    tags: tuple[str, ...]
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[Timetable, ...] = ()
    concurrency_limit: ConcurrencyLimit | None = None
    # Deployments of earlier releases, as flow/deployment: where one was paused, this starts paused.
    replaces: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_slug_each(self) -> Self:
        if len({each.slug for each in self.schedules}) < len(self.schedules):
            raise ValueError("schedules: two have the same slug")
        return self

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that its parameters name."""
        return datasets_in(self.parameters)


class DeploymentsFile(BaseModel):
    """The file prefect.yaml, in Prefect's own format; what else Prefect reads may be in it."""

    deployments: tuple[DeploymentEntry, ...]


def datasets_in(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the datasets that the parameters of a deployment name: one, several or none."""
    match parameters.get("dataset"):
        case str(name):
            return (name,)
        case list(names):
            return tuple(names)
        case _:
            return ()
