"""Answers of `nxp devices`: a plan of deletions, and what became of each device."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from nxp.answers.sources import api, derived, ours

if TYPE_CHECKING:
    from tasks.act.deletion.report import DeletionReport

_QUERY = "the saved query #device_deletion"


@dataclass(frozen=True, slots=True)
class DeviceShown:
    """One device of the file."""

    position: Annotated[int, ours("Its place in the file, from 0.")]
    device: Annotated[
        str | None, derived(_QUERY, "Collector id; null where the file names no one device.")
    ]
    name: Annotated[str | None, derived(_QUERY)]
    last_seen: Annotated[
        datetime | None, derived(_QUERY, "When it was last seen as the plan was made, in UTC.")
    ]
    outcome: Annotated[
        str,
        api(
            "devices[].status",
            "`scheduled`, `refused` or `requested` (not in the answer); `deleted` once the "
            "inventory no longer has it; `planned`, `left_out`, `in_doubt` or `not_sent`.",
        ),
    ]
    reason: Annotated[
        str | None,
        ours("Why it was left out, refused (`invalid`, `failed`, or a code) or not sent."),
    ]
    intent_id: Annotated[
        str | None, ours("The request in the journal; null where the plan leaves it out.")
    ]


@dataclass(frozen=True, slots=True)
class DeletionShown:
    """A plan of deletions, and how far it is."""

    tenant: Annotated[str, ours("The tenant's name.")]
    plan_id: Annotated[str, ours("Its id.")]
    sha256: Annotated[str, ours("The hash of its file.")]
    plan_state: Annotated[
        str, ours("`planned`, `approved`, `declined`, `running`, `finished` or `stale`.")
    ]
    state: Annotated[
        str,
        ours("`planned`, `sent` (not all are gone yet), `done`, `partly` or `failed`."),
    ]
    created_at: Annotated[
        datetime, ours("When the inventory was read for it, in UTC; it is valid for 24 hours.")
    ]
    named: Annotated[int, ours("How many devices the file names.")]
    targets: Annotated[int, ours("How many of them are to be deleted.")]
    requests: Annotated[int, ours("In how many requests.")]
    inventory: Annotated[int, derived(_QUERY, "How many devices the tenant had.")]
    excluded: Annotated[dict[str, int], ours("How many the plan leaves out, by reason.")]
    outcomes: Annotated[dict[str, int], ours("How many of `targets` have which outcome.")]
    approved_by: Annotated[str | None, ours("Who approved or declined it.")]
    approved_why: Annotated[str | None, ours("The reason that was given.")]
    ticket: Annotated[str | None, ours("The ticket.")]
    asked_by: Annotated[str | None, ours("Who planned it.")]
    asked_how: Annotated[str | None, ours("`verified` by the system, or `claimed`.")]
    error: Annotated[str | None, ours("What went wrong, if anything.")]
    devices: Annotated[tuple[DeviceShown, ...], ours("One for each device of the file.")]


def deletion(report: "DeletionReport") -> DeletionShown:
    """Return a report as `nxp devices` prints it."""
    plain = report.plain()
    devices = tuple(DeviceShown(**each) for each in plain.pop("devices"))
    return DeletionShown(**plain, devices=devices)
