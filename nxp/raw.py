"""What the raw commands that act have in common: sending requests and printing the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nxp.acted import REFUSED, Places, acted, places_of
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.act.awaited import Awaited
    from tasks.act.raw import RawReport
    from tasks.act.raw_requests import Request

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a command sends and prints.

    Attributes:
        duplicates: how many targets were dropped because they were named before.
        positions: of each request's targets among those that were named; else in order.
        read_back: the command that shows the outcomes; empty where nothing shows them.
        wait: how long to wait for outcomes; None for not at all, 0 for reading back once.
        is_awaited: whether it counts as a failure if they are not all there then.
    """

    read_back: str
    duplicates: int = 0
    positions: Sequence[Sequence[int]] | None = None
    wait: timedelta | None = None
    is_awaited: bool = True


def send(
    requests: "Sequence[Request]", tenant: str | None, how: Sending, *, as_json: bool = False
) -> None:
    """Send requests of one action, print the answer to each, and wait for outcomes if asked to.

    Args:
        requests: each with no more targets than the API accepts.
        tenant: a profile.
        how: how to send and print.
        as_json: print JSON.

    Raises:
        PipelineError: not all requests were accepted, see `RawReport.raise_unless_complete`, or not
            everything that was awaited is done, see `Awaited.raise_unless_done`.
    """
    from tasks.act.raw import opened, send_raw  # noqa: PLC0415 - polars, not for --help

    places = places_of(requests, how.positions)
    with opened(tenant) as (client, ledger):
        report = send_raw(client, ledger, requests)
        if not as_json:
            _print(report, how, places)
        try:
            awaited = None
            if how.wait is not None and any(each.is_taken for each in report.sent):
                from tasks.act.awaited import await_sent  # noqa: PLC0415

                awaited = await_sent(client, ledger, report, how.wait, tenant=tenant)
        except BaseException:
            if as_json:
                print_json(_answer(report, how, places, None))
            raise
    if as_json:
        print_json(_answer(report, how, places, awaited))
    elif awaited:
        _print_executions(awaited)
        # Otherwise it is the error.
        if awaited.is_done or not how.is_awaited:
            say(str(awaited))
    report.raise_unless_complete()
    if awaited and how.is_awaited:
        awaited.raise_unless_done()


def _answer(report: "RawReport", how: Sending, places: Places, awaited: "Awaited | None") -> Any:
    return acted(report, awaited, duplicates=how.duplicates, places=places)


def _print(report: "RawReport", how: Sending, places: Places) -> None:
    answer = acted(report, duplicates=how.duplicates, places=places)
    names = ["intent_id", "state", "request_id", "targets", "reached", "code"]
    rows = [
        [*(getattr(each.record, name) for name in names[:4]), each.reached, each.record.code]
        for each in report.sent
    ]
    print_table(names, rows)
    refused = [[each.position, each.message] for each in answer.entries if each.state == REFUSED]
    if answer.kind == "campaign" and refused:
        print()
        print_table(["position", "message"], refused[:_SHOWN])
        if len(refused) > _SHOWN:
            say(f"and {len(refused) - _SHOWN:,} more: --json shows all")
    if how.duplicates:
        say(f"{how.duplicates:,} targets were named more than once: each is asked for once")
    if report.already_sent:
        say(
            f"{report.already_sent:,} targets were left out: an interrupted command had sent to "
            "them already"
        )
    if how.read_back and how.wait is None and any(each.is_taken for each in report.sent):
        say(f"see the outcomes with: {how.read_back}")


def _print_executions(awaited: "Awaited") -> None:
    if awaited.executions.height:
        empty = [
            name for name in awaited.executions.columns if awaited.executions[name].is_null().all()
        ]
        shown = awaited.executions.drop("request_id", *(set(empty) - {"request_id"}))
        print()
        print_table(shown.columns, shown.rows())
