"""When a dataset lands by itself: the `schedule` of its YAML, which `nxp deploy` deploys."""

from datetime import timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import field_validator, model_validator

from connectors.catalogue.cron import parse_cron
from connectors.catalogue.specification import DAY, Duration, Specification, divides_days

# More often than this, runs wait for each other; more rarely, `cron` says better when.
SHORTEST = timedelta(minutes=5)
LONGEST = 31 * DAY
UTC = "UTC"
# What this name means depends on the machine.
LOCAL = "localtime"
_FORMS = '{cron: "30 5 * * *", timezone: Europe/Zurich} or {every: 1h}'


class Schedule(Specification):
    """A schedule by the clock of a time zone, or at an interval counted from 00:00 UTC.

    Args:
        cron: minute, hour, day of the month, month and day of the week.
        timezone: whose clock `cron` reads, as an IANA name.
        every: the interval; it divides a day, or is whole days.
        active: whether the schedule is on as soon as it is deployed.
    """

    cron: str | None = None
    timezone: str = UTC
    every: Duration | None = None
    active: bool = True

    @property
    def key(self) -> tuple[str, ...]:
        """What two schedules that run at the same times have in common."""
        when = " ".join(self.cron.split()) if self.cron else f"every {self.every}"
        return when, self.timezone, str(self.active)

    @property
    def gaps(self) -> tuple[timedelta, timedelta]:
        """The shortest and the longest time between two runs."""
        if self.every:
            return self.every, self.every
        return parse_cron(self.cron or "").gaps

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
            is_known = zone != LOCAL
        except (ValueError, OSError, LookupError):
            is_known = False
        if not is_known:
            raise ValueError(_unknown_zone(zone))
        return zone

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict | Schedule):
            raise ValueError(f"write {_FORMS}")  # noqa: TRY004 - pydantic takes only these
        return value

    @field_validator("cron")
    @classmethod
    def _runs(cls, cron: str | None) -> str | None:
        shortest = parse_cron(cron).gaps[0] if cron is not None else SHORTEST
        if shortest < SHORTEST:
            least = shortest.seconds // 60
            raise ValueError(
                f"runs again after {least} min at the shortest, and at least 5 are "
                "needed (minutes begin again with each hour: */7 has a run at 56 and one at 0)"
            )
        return cron

    @field_validator("every")
    @classmethod
    def _sensible(cls, every: timedelta | None) -> timedelta | None:
        if every is not None and not (divides_days(every) and SHORTEST <= every <= LONGEST):
            raise ValueError("must divide a day, or be whole days, from 5min to 31d")
        return every

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError(f"needs either cron or every: {_FORMS}")
        if self.every is not None and "timezone" in self.model_fields_set:
            raise ValueError("timezone: only with cron; every is counted from 00:00 UTC")
        return self


def _unknown_zone(zone: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    zones = {each.lower(): each for each in available_timezones()}
    near = get_close_matches(zone.lower(), zones, n=1)
    meant = f"did you mean {zones[near[0]]}?" if near else "such as Europe/Zurich or UTC"
    return f"{zone!r} is not an IANA time zone: {meant}"
