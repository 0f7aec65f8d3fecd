"""How often and when each event table gets rows, and which objects they belong to."""

from dataclasses import dataclass
from enum import Enum, auto


class Rhythm(Enum):
    """When rows are dated."""

    SLOTS = auto()  # on the quarter hours, one per linked object
    INSTANTS = auto()  # at any millisecond
    DAILY = auto()  # once a day at a fixed hour
    WEEKLY = auto()  # on Mondays at 00:00 UTC, one per linked object


@dataclass(frozen=True, slots=True)
class TableShape:
    """One table: rows per device and day (or week), and the object linked with device and user."""

    per_day: float
    rhythm: Rhythm
    link: str | None = None
    # Whether a few devices have most of the rows, like devices that keep crashing.
    has_culprits: bool = False
    # Whether rows are counted for the estate as a whole, however many devices it has.
    is_of_estate: bool = False
    # The table whose rows these are about: each concerns a share `per_day` of the devices.
    about: str | None = None


SHAPES: dict[str, TableShape] = {
    "execution.events": TableShape(40.0, Rhythm.SLOTS, "binary"),
    "execution.crashes": TableShape(0.3, Rhythm.INSTANTS, "binary"),
    "device_performance.events": TableShape(30.0, Rhythm.SLOTS),
    "device_performance.boots": TableShape(0.8, Rhythm.INSTANTS),
    "device_performance.hard_resets": TableShape(0.02, Rhythm.INSTANTS, has_culprits=True),
    "device_performance.system_crashes": TableShape(0.03, Rhythm.INSTANTS, has_culprits=True),
    "session.events": TableShape(24.0, Rhythm.SLOTS),
    "session.logins": TableShape(1.2, Rhythm.INSTANTS),
    "connection.events": TableShape(30.0, Rhythm.SLOTS, "binary"),
    "connectivity.events": TableShape(20.0, Rhythm.SLOTS),
    "web.events": TableShape(12.0, Rhythm.SLOTS, "application"),
    "web.page_views": TableShape(25.0, Rhythm.INSTANTS, "application"),
    "web.errors": TableShape(1.5, Rhythm.INSTANTS, "application"),
    "web.transactions": TableShape(2.0, Rhythm.INSTANTS, "application"),
    "collaboration.sessions": TableShape(1.5, Rhythm.INSTANTS),
    "package.installations": TableShape(0.05, Rhythm.INSTANTS, "package"),
    # The vendor's pages say that scores are dated at 04:00 UTC.
    "dex.scores": TableShape(1.0, Rhythm.DAILY),
    "dex.application_scores": TableShape(1.0, Rhythm.DAILY, "application"),
    "custom_trend.snapshots": TableShape(1.0, Rhythm.DAILY),
    # Also where a query asks for 30 seconds: no finer samples are made.
    "session.vdi_events": TableShape(6.0, Rhythm.SLOTS),
    "ai.interactions_summary": TableShape(1.0, Rhythm.DAILY, "ai.tool"),
    "web.guide_executions": TableShape(0.3, Rhythm.INSTANTS, "application.guide"),
    "alert.alerts": TableShape(10.0, Rhythm.INSTANTS, "alert.monitor", is_of_estate=True),
    "alert.impacts": TableShape(0.02, Rhythm.INSTANTS, "alert.monitor", about="alert.alerts"),
    "software_metering.events": TableShape(4.0, Rhythm.WEEKLY, "application"),
    "platform.audit_logs": TableShape(12.0, Rhythm.INSTANTS, is_of_estate=True),
}
SCORE_HOUR = 4
