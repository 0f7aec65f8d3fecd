"""Waiting for the outcomes of raw requests: reading executions back until all have ended."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.actions import READ_BACK, ActionKind
from connectors.actions.columns import DEVICE, PERSON
from connectors.clock import utc_now
from connectors.errors import PartlyDoneError, PipelineError
from connectors.ledger import Asker, Ledger
from connectors.ledger.gate import asking
from connectors.nexthink.acting.requests import EventRequest
from connectors.nexthink.client import NexthinkClient
from tasks.act.outcomes import FIRST_POLL, POLL_GROWTH, keep_seen
from tasks.act.raw import RawReport, Sent
from tasks.act.raw_requests import EVENT
from tasks.act.readback import EARLIER, executions_of, is_final, require_read_back
from tasks.act.shown import ShownQuery, read_rows

LONGEST_POLL: Final = timedelta(minutes=5)
# Further ids of what an execution was for, by our names for them, if the query lists them.
OTHER_IDS: Final = {
    "name": "device.name",
    "device_uid": "device.uid",
    "user_uid": "user.uid",
    "upn": "user.upn",
}
# Not quite as far back as the saved queries reach.
_FAR: Final = timedelta(days=29)
# What was seen of each execution; `name` is the device's.
SEEN_COLUMNS: Final = (
    "request_id",
    "execution_id",
    "device",
    *OTHER_IDS,
    "person",
    "status",
    "details",
    "status_at",
)
# A person may let a campaign expire; a device or workflow that does has not done its work.
_FAILED: Final = ("failure", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Awaited:
    """What was read back of raw requests.

    Attributes:
        kind: of the action.
        action_id: its id.
        executions: one row for each device, user or execution: SEEN_COLUMNS.
        expected: how many rows there should be.
        exports: how many exports that took.
        listed: the columns that the saved query lists.
        problem: why reading back ended early, if it did.
    """

    kind: str
    action_id: str
    executions: pl.DataFrame = field(repr=False)
    expected: int
    exports: int
    problem: PipelineError | None = None
    listed: frozenset[str] = frozenset()

    @property
    def ended(self) -> int:
        """How many have a final status."""
        return int(self.executions.select(is_final(pl.col("status"))).to_series().sum())

    @property
    def failed(self) -> int:
        """How many have failed, or ended without having been done."""
        if self.kind == ActionKind.CAMPAIGN.value:
            return 0
        return self.executions.filter(pl.col("status").is_in(list(_FAILED))).height

    @property
    def waiting(self) -> int:
        """How many have not ended, or do not show yet."""
        return max(self.expected, self.executions.height) - self.ended

    @property
    def is_done(self) -> bool:
        """Whether all have ended, and none failed."""
        return not (self.failed or self.waiting or self.problem)

    def __str__(self) -> str:
        """Sum up for an operator."""
        said = (
            f"{self.action_id}: {self.ended - self.failed:,} of {self.expected:,} done, "
            f"{self.failed:,} failed, {self.waiting:,} not yet done"
        )
        return f"{said}; reading back ended: {self.problem}" if self.problem else said

    def raise_unless_done(self) -> None:
        """Raise unless all have ended and none failed.

        Raises:
            PartlyDoneError: some have not.
        """
        if not self.is_done:
            raise PartlyDoneError(str(self))


@asking(Asker.OUTCOME)
def await_sent(
    client: NexthinkClient,
    ledger: Ledger,
    report: RawReport,
    limit: timedelta,
    *,
    tenant: str | None = None,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Awaited:
    """Read back the executions of accepted requests until all have ended, and keep them.

    It waits before each export, at first 15 seconds and then twice as long as before, up to 5
    minutes, so that ten minutes take six exports.

    Args:
        client: of the tenant.
        ledger: of the tenant; each export counts in its limits.
        report: what was sent.
        limit: how long to wait; 0 for reading once, at once.
        tenant: its profile.
        clock: the present moment.
        sleep: how to wait.
    """
    taken = [each for each in report.sent if each.is_taken]
    kind, action_id = _named(client, report)
    expected = sum(_expected(each) for each in taken)
    found = pl.DataFrame(schema=dict.fromkeys(SEEN_COLUMNS, pl.String))
    deadline, pause, exports = clock() + limit, FIRST_POLL, 0
    begun = min((each.record.sent_at or clock() for each in taken), default=clock())
    # A workflow that waits for an event was started before the event.
    is_wide = report.kind == EVENT
    while True:
        query = ShownQuery(kind, action_id, begun - (_FAR if is_wide else EARLIER))
        sleep(max(min(pause, deadline - clock()), timedelta(0)).total_seconds())
        try:
            texts, zone = read_rows(client, ledger, query, tenant)
            require_read_back(texts, kind, READ_BACK[kind])
        except PipelineError as error:
            return Awaited(kind.value, action_id, found, expected, exports, error)
        exports += 1
        executions = executions_of(texts, kind, zone)
        if report.kind != EVENT:
            for each in taken:
                keep_seen(ledger.actions, each.record, executions)
        found = _mine(executions, texts, taken)
        listed = frozenset(texts.columns)
        awaited = Awaited(kind.value, action_id, found, expected, exports, listed=listed)
        # If nothing shows at all, the tenant's clock may be behind ours: look further back, once
        # more if the time is over.
        is_narrow, is_wide = not is_wide, is_wide or found.is_empty()
        if not awaited.waiting or (clock() >= deadline and not (is_narrow and is_wide)):
            return awaited
        pause = min(pause * POLL_GROWTH, LONGEST_POLL)


def _named(client: NexthinkClient, report: RawReport) -> tuple[ActionKind, str]:
    if report.kind != EVENT:
        return ActionKind(report.kind), report.action_id
    return ActionKind.WORKFLOW, client.workflows.details(report.action_id).nql_id


def _expected(sent: Sent) -> int:
    reached = sent.reached
    return sent.record.targets - sent.refused if reached is None else reached


def _mine(executions: pl.DataFrame, texts: pl.DataFrame, taken: Sequence[Sent]) -> pl.DataFrame:
    """Return the latest row of each execution of our requests."""
    ids = [each.record.request_id for each in taken]
    ids += [user.request_id for each in taken for user in each.users]
    resumed = [
        each.request.execution_uuid.lower()
        for each in taken
        if isinstance(each.request, EventRequest)
    ]
    is_mine = (
        pl.col("execution_id").str.to_lowercase().is_in(resumed)
        if resumed
        else pl.col("request_id").is_in([each for each in ids if each])
    )
    return (
        executions.filter(is_mine.fill_null(value=False))
        .unique(["request_id", "execution_id", "target"], keep="first", maintain_order=True)
        .with_columns(_other_ids(texts))
        .select(SEEN_COLUMNS)
    )


def _other_ids(texts: pl.DataFrame) -> list[pl.Expr]:
    """Return the further ids of each execution's device and user, as far as they are listed."""
    found = []
    for name, nql in OTHER_IDS.items():
        key, column = (PERSON, "person") if nql.startswith("user.") else (DEVICE, "device")
        known: dict[str, str] = {}
        if {key, nql} <= set(texts.columns):
            keys = pl.col(key) if key == PERSON else pl.col(key).str.to_lowercase()
            known = dict(texts.select(keys, nql).drop_nulls().iter_rows())
        of_key = pl.col(column).replace_strict(known, default=None, return_dtype=pl.String)
        found.append((of_key if known else pl.lit(None, pl.String)).alias(name))
    return found
