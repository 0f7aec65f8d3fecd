"""How a dataset's time is cut into windows, or into a tenant's days."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from connectors.catalogue.modes import DAYS_BACK
from connectors.catalogue.specification import (
    DAY,
    Duration,
    Specification,
    divides_days,
    parse_duration,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SMALLEST_SPLIT = timedelta(minutes=15)


def _instant(value: Any) -> Any:
    """Return a plain date as 00:00 UTC; a date-time needs an offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a date such as 2026-10-01, or 2026-10-01T06:00Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("a date-time needs an offset, such as 2026-10-01T06:00Z")
    return value.astimezone(UTC) if isinstance(value, datetime) else value


Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=date | datetime)]


class WindowSpecification(Specification):
    """How time is cut: half-open windows of `step`, with bounds counted from 00:00 UTC.

    Args:
        column: the landed column that places a row in time.
        from_: the query's parameter for the first instant; none in mode slices.
        to: the query's parameter for the last one; none in mode slices.
        start: where the history begins; by default at the first window ever scheduled.
        step: length of a window.
        min_step: how small a window may become when the tenant truncates it.
        lag: how long after its end a window is complete enough to be landed.
        lookback: how long, after end and lag, late rows may still come: until then the scheduled
            export lands the window again, once per step.
        reach: how far back the query selects.
    """

    column: str
    from_: str = Field(default="", alias="from")
    to: str = ""
    start: Instant | None = None
    step: Duration = DAY
    min_step: Duration = SMALLEST_SPLIT
    lag: Duration = timedelta(hours=1)
    lookback: Duration = timedelta(0)
    reach: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _smaller(cls, values: Any) -> Any:
        """Make a step below the smallest split its own smallest split."""
        if isinstance(values, dict) and "min_step" not in values and "step" in values:
            return {**values, "min_step": _lesser(values["step"])}
        return values

    @model_validator(mode="after")
    def _divides(self) -> Self:
        problems = []
        if not divides_days(self.step):
            problems.append("step must divide a day, or be whole days")
        elif self.start is not None and (self.start - EPOCH) % self.step:
            problems.append("start must be on a bound of the step, counted from 00:00 UTC")
        if not divides_days(self.min_step) or self.step % self.min_step:
            problems.append("min_step must divide the step")
        if self.reach is not None and self.reach < self.step + self.lag:
            problems.append("reach must be longer than step and lag: no window could be landed")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def slice_problems(self, query_id: str) -> list[str]:
        """Return what keeps a dataset with this window from being exported in slices of days."""
        problems = []
        if DAYS_BACK not in query_id:
            problems.append(f"query_id: mode slices needs {DAYS_BACK} in it, for the days back")
        if self.from_ or self.to:
            problems.append("window: from and to belong to mode window")
        if self.step != DAY:
            problems.append("window.step: slices are whole days of the tenant")
        if self.reach is None or self.reach % DAY:
            problems.append(
                "window.reach: slices need it, in whole days: one saved query for each day"
            )
        return problems


def _lesser(step: Any) -> Any:
    try:
        length = parse_duration(step)
    except ValueError:
        return SMALLEST_SPLIT
    is_smaller = isinstance(length, timedelta) and (
        length < SMALLEST_SPLIT or length % SMALLEST_SPLIT
    )
    return length if is_smaller else SMALLEST_SPLIT
