"""The targets of requests without a plan: as the journal names them, and without some of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TypeAlias, assert_never

import polars as pl

from connectors.ledger.action_requests import TARGETS
from connectors.nexthink.acting.devices import DeviceDeletionRequest
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    EventRequest,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.acting.spark import HandoffRequest

AnyRequest: TypeAlias = (
    RemoteActionRequest
    | WorkflowRequest
    | WorkflowIdsRequest
    | CampaignRequest
    | EventRequest
    | DeviceDeletionRequest
    | HandoffRequest
)


def without(request: AnyRequest, targets: set[str]) -> AnyRequest | None:
    """Return a request without some targets; None if no target is left."""
    if not targets:
        return request
    left: AnyRequest
    match request:
        case RemoteActionRequest():
            devices = [each for each in request.devices if each.lower() not in targets]
            left, is_empty = replace(request, devices=devices or request.devices), not devices
        case DeviceDeletionRequest():
            entries = [each for each in request.devices if each.uid.lower() not in targets]
            left, is_empty = replace(request, devices=entries or request.devices), not entries
        case HandoffRequest():
            left, is_empty = request, request.user.lower() in targets
        case CampaignRequest():
            sids = [each for each in request.sids if each not in targets]
            left, is_empty = replace(request, sids=sids or request.sids), not sids
        case WorkflowRequest() | WorkflowIdsRequest() if not (request.devices and request.users):
            left = _without_names(request, targets)
            is_empty = not (left.devices or left.users)
        case _:
            # Devices with users, or one execution: this is one request, and never interrupted.
            return request
    return None if is_empty else left


def _without_names(
    request: WorkflowRequest | WorkflowIdsRequest, targets: set[str]
) -> WorkflowRequest | WorkflowIdsRequest:
    if isinstance(request, WorkflowRequest):
        return replace(
            request,
            devices=[each for each in request.devices if f"{each.lower()}|" not in targets],
            users=[each for each in request.users if f"|{each}" not in targets],
        )
    return replace(
        request,
        devices=[each for each in request.devices if f"{_device_name(each)}|" not in targets],
        users=[each for each in request.users if f"|{_user_name(each)}" not in targets],
    )


def targets_of(  # noqa: PLR0911 - one return for each kind
    request: AnyRequest,
) -> pl.DataFrame:
    """Return the targets of a request, each once: a frame of `TARGETS`."""
    match request:
        case RemoteActionRequest():
            rows = [(each.lower(), each.lower(), None) for each in request.devices]
            return _frame(rows)
        case CampaignRequest():
            return _frame((each, None, each) for each in request.sids)
        case WorkflowRequest():
            devices = [each.lower() for each in request.devices]
            return _pairs(devices, request.users)
        case WorkflowIdsRequest():
            # It is not known here which objects the tenant will find by these names.
            devices = [_device_name(each) for each in request.devices]
            return _pairs(devices, [_user_name(each) for each in request.users])
        case DeviceDeletionRequest():
            ids = [each.uid.lower() for each in request.devices]
            return _frame((each, each, None) for each in ids)
        case HandoffRequest():
            return _frame([(request.user.lower(), None, request.user)])
        case EventRequest():
            return _frame([(request.execution_uuid.lower(), None, None)])
        case _:
            assert_never(request)


def _pairs(devices: Sequence[str], users: Sequence[str]) -> pl.DataFrame:
    pairs = list(zip_longest(devices, users)) or [(None, None)]
    return _frame((f"{device or ''}|{user or ''}", device, user) for device, user in pairs)


def _device_name(ids: DeviceIds) -> str:
    return ids.collector_uid.lower() if ids.collector_uid else f"{ids.uid or ids.name}".lower()


def _user_name(ids: UserIds) -> str:
    return ids.sid or f"{ids.uid or ids.upn}".lower()


def _frame(rows: Iterable[tuple[str | None, str | None, str | None]]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=dict(TARGETS), orient="row")
    return frame.unique("target", keep="first", maintain_order=True)
