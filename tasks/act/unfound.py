"""Which targets of a raw workflow request the tenant does not know.

Its answer has one execution for each target that it has found, in no documented order. If there are
fewer than targets, the inventory shows which ones are missing: one export of devices or users.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.actions.columns import DEVICE, PERSON
from connectors.ledger import Ledger
from connectors.nexthink.acting.requests import DeviceIds, UserIds, WorkflowIdsRequest
from connectors.nexthink.client import NexthinkClient
from tasks.act.candidates import DEVICES, USERS
from tasks.act.raw import RawReport
from tasks.act.shown import ShownQuery, read_rows
from tasks.exports.saved_query import require_columns

# The column of the inventory for each kind of id, by the API's name for it.
_DEVICE_COLUMNS: Final = {"collectorUid": DEVICE, "uid": "device.uid", "name": "device.name"}
_USER_COLUMNS: Final = {"sid": PERSON, "uid": "user.uid", "upn": "user.upn"}


def unfound_targets(
    client: NexthinkClient, ledger: Ledger, report: RawReport, tenant: str | None = None
) -> list[DeviceIds | UserIds]:
    """Return targets of accepted requests that have no id in the tenant's inventory.

    Empty if the answers confirm all targets, or were not about targets by any of their ids. Case
    is ignored, so a target that is missing for its case alone is not among them.

    Raises:
        PipelineError: as the exports of #action_devices and #action_users.
    """
    short = [
        each.request
        for each in report.sent
        if each.unconfirmed and isinstance(each.request, WorkflowIdsRequest)
    ]
    devices = [each for request in short for each in request.devices]
    users = [each for request in short for each in request.users]
    found: list[DeviceIds | UserIds] = []
    for named, query_id, columns in (
        (devices, DEVICES, _DEVICE_COLUMNS),
        (users, USERS, _USER_COLUMNS),
    ):
        if named:
            query = ShownQuery(ActionKind.WORKFLOW, None, None, query_id)
            rows, _ = read_rows(client, ledger, query, tenant)
            require_columns(rows, tuple(columns.values()), query_id)
            found += _missing(named, rows, columns)
    return found


def _missing(
    named: Sequence[DeviceIds | UserIds], rows: pl.DataFrame, columns: dict[str, str]
) -> list[DeviceIds | UserIds]:
    known = {
        kind: set(rows[column].drop_nulls().str.to_lowercase()) if column in rows else set()
        for kind, column in columns.items()
    }
    return [
        each
        for each in named
        if not any(value.lower() in known[kind] for kind, value in each.body().items())
    ]
