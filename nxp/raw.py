"""What the raw commands that act have in common: sending requests and printing the answers."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from connectors.nexthink import MOST_TARGETS
from connectors.nexthink.acting.models import CampaignAnswer, RemoteActionAnswer, WorkflowAnswer
from connectors.nexthink.acting.requests import CampaignRequest
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.act.raw import RawReport, Request, Sent

# Messages of the tenant are printed without the names of the people they are about.
_PEOPLE: Final = re.compile(r"S(?:-[0-9]+){2,}|[^\s@]+@[^\s@]+")
_SHOWN: Final = 20


def send(
    requests: "Sequence[Request]",
    tenant: str | None,
    *,
    duplicates: int = 0,
    as_json: bool = False,
    read_back: str,
) -> None:
    """Send requests of one action and print the answer to each.

    Args:
        requests: each with no more targets than the API accepts.
        tenant: a profile.
        duplicates: how many targets were dropped because they were named before.
        as_json: print JSON.
        read_back: the command that shows the outcomes.

    Raises:
        PipelineError: not all requests were accepted, see `RawReport.raise_unless_complete`.
    """
    from tasks.act.raw import opened, send_raw  # noqa: PLC0415 - polars, not for --help

    with opened(tenant) as (client, ledger):
        report = send_raw(client, ledger, requests)
    if as_json:
        print_json(_as_json(report, duplicates))
    else:
        _print(report)
        if duplicates:
            say(f"{duplicates:,} targets were named more than once: each is asked for once")
        if any(each.is_taken for each in report.sent):
            say(f"see the outcomes with: {read_back}")
    report.raise_unless_complete()


def _as_json(report: "RawReport", duplicates: int) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "action_id": report.action_id,
        "targets": sum(each.record.targets for each in report.sent),
        "duplicates": duplicates,
        "requests": [
            {
                "intent_id": each.record.intent_id,
                "state": each.record.state,
                "request_id": each.record.request_id,
                "targets": each.record.targets,
                "code": each.record.code,
                **_answered(each),
            }
            for each in report.sent
        ],
    }


def _answered(sent: "Sent") -> dict[str, Any]:
    match sent.answer:
        case RemoteActionAnswer():
            return {"expires_in_minutes": sent.answer.expires_in_minutes}
        case WorkflowAnswer():
            return {"execution_ids": sent.answer.execution_ids}
        case _:
            return {"users": _users(sent)} if sent.users else {}


def _users(sent: "Sent") -> list[dict[str, Any]]:
    """Return users by their position among the targets, so that their names are not printed."""
    sids = sent.request.sids if isinstance(sent.request, CampaignRequest) else ()
    begin = sent.record.ordinal * MOST_TARGETS
    positions = {sid: begin + position for position, sid in enumerate(sids)}
    return [
        {
            "position": positions.get(each.user_sid),
            "request_id": each.request_id,
            "message": _without_people(each),
        }
        for each in sent.users
    ]


def _without_people(answer: CampaignAnswer) -> str | None:
    if answer.message is None:
        return None
    return _PEOPLE.sub("...", answer.message.replace(answer.user_sid, "..."))


def _print(report: "RawReport") -> None:
    names = ["intent_id", "state", "request_id", "targets", "code"]
    rows = [[getattr(each.record, name) for name in names] for each in report.sent]
    print_table(names, rows)
    users = [user for sent in report.sent for user in _users(sent)]
    refused = [[user["position"], user["message"]] for user in users if user["request_id"] is None]
    if refused:
        print()
        print_table(["position", "message"], refused[:_SHOWN])
    if len(refused) > _SHOWN:
        say(f"and {len(refused) - _SHOWN:,} more: --json shows all")
