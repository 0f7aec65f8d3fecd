"""What the raw commands that act have in common: sending requests and printing the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.errors import PipelineError
from nxp.acted import NOT_FOUND, REFUSED, Places, acted, key_of, places_of
from nxp.answers.acted import SentCampaign, SentRequest
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from connectors.ledger import Ledger
    from connectors.nexthink.client import NexthinkClient
    from tasks.act.awaited import Awaited
    from tasks.act.raw import RawReport
    from tasks.act.raw_requests import Request

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
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
    requests: "Sequence[Request]", tenant: str | None, how: SendOptions, *, as_json: bool = False
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
        unfound = _unfound(client, ledger, report, tenant)
        if not as_json:
            _print(report, how, places, unfound)
        try:
            awaited = None
            if how.wait is not None and any(each.is_taken for each in report.sent):
                from tasks.act.awaited import await_sent  # noqa: PLC0415 - polars

                awaited = await_sent(client, ledger, report, how.wait, tenant=tenant)
        except BaseException:
            if as_json:
                print_json(_answer(report, how, places, None, unfound))
            raise
    if as_json:
        print_json(_answer(report, how, places, awaited, unfound))
    elif awaited:
        _print_executions(awaited)
        # Otherwise it is the error.
        if awaited.is_done or not how.is_awaited:
            say(str(awaited))
    report.raise_unless_complete()
    if awaited and how.is_awaited:
        awaited.raise_unless_done()


def _answer(
    report: "RawReport",
    how: SendOptions,
    places: Places,
    awaited: "Awaited | None",
    unfound: frozenset[str],
) -> Any:
    return acted(report, awaited, duplicates=how.duplicates, places=places, unfound=unfound)


def _unfound(
    client: "NexthinkClient", ledger: "Ledger", report: "RawReport", tenant: str | None
) -> frozenset[str]:
    """Return the targets that the tenant does not know, by `key_of`."""
    if not any(each.unconfirmed for each in report.sent):
        return frozenset()
    from connectors.nexthink.acting.requests import DeviceIds  # noqa: PLC0415 - httpx
    from tasks.act.unfound import unfound_targets  # noqa: PLC0415 - polars, not for --help

    try:
        found = unfound_targets(client, ledger, report, tenant)
    except PipelineError as error:
        say(f"which targets are unknown cannot be read back: {error}")
        return frozenset()
    return frozenset(
        key_of(each.body(), None) if isinstance(each, DeviceIds) else key_of(None, each.body())
        for each in found
    )


def _print(report: "RawReport", how: SendOptions, places: Places, unfound: frozenset[str]) -> None:
    answer = acted(report, duplicates=how.duplicates, places=places, unfound=unfound)
    names = ["intent_id", "state", "request_id", "targets", "reached", "code"]
    rows = [
        [_request_id(each) if name == "request_id" else getattr(each, name) for name in names]
        for each in answer.sent
    ]
    print_table(names, rows)
    refused = [[each.position, each.message] for each in answer.entries if each.state == REFUSED]
    if answer.kind == "campaign" and refused:
        print()
        print_table(["position", "message"], refused[:_SHOWN])
        if len(refused) > _SHOWN:
            say(f"and {len(refused) - _SHOWN:,} more: --json shows all")
    if missing := [each.position for each in answer.entries if each.state == NOT_FOUND]:
        shown = ", ".join(map(str, missing[:_SHOWN])) + (", …" if missing[_SHOWN:] else "")
        say(
            f"unknown to the tenant: {len(missing):,} of the named targets, at the positions "
            f"{shown} (from 0)"
        )
    if how.duplicates:
        say(f"{how.duplicates:,} targets were named more than once: each is asked for once")
    if report.already_sent:
        say(
            f"{report.already_sent:,} targets were left out: an interrupted command had sent to "
            "them already"
        )
    if how.read_back and how.wait is None and any(each.is_taken for each in report.sent):
        say(f"see the outcomes with: {how.read_back}")


def _request_id(request: SentRequest) -> str | None:
    """Return a request's id; each user of a campaign has one of their own."""
    users = request.users if isinstance(request, SentCampaign) else ()
    ids = [each.request_id for each in users if each.request_id]
    more = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
    return f"{ids[0]}{more}" if ids else request.request_id


def _print_executions(awaited: "Awaited") -> None:
    if awaited.executions.height:
        empty = [
            name for name in awaited.executions.columns if awaited.executions[name].is_null().all()
        ]
        shown = awaited.executions.drop("request_id", *(set(empty) - {"request_id"}))
        print()
        print_table(shown.columns, shown.rows())
