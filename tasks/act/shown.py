"""What the tenant shows of an action, as rows for a person or a flow."""

import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.actions import READ_BACK, ActionKind
from connectors.clock import utc_now
from connectors.errors import AccessError, ResultTruncatedError, UsageError
from connectors.ledger import Ledger
from connectors.nexthink.acting.requests import nql_id
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings, prepare_home
from connectors.settings.tenants import load_tenant
from tasks.act.readback import REACH
from tasks.exports.saved_query import query_rows
from tasks.exports.windows import bound_before, literal
from tasks.runs.counted import counted_client
from tasks.runs.tools import Tools

# Long enough for devices that were away over a weekend.
DEFAULT_SINCE: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """What is read of an action: everything since a moment, by a saved query.

    Attributes:
        kind: of the action; its saved query is named in `READ_BACK`.
        action_id: NQL id with #; None with a query that needs none.
        since: the earliest time of a request; None with a query that needs none.
        query_id: another saved query.
        parameters: of that query, besides `nql_id` and `from`.
    """

    kind: ActionKind
    action_id: str | None
    since: datetime | None
    query_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_shown(
    kind: ActionKind,
    action_id: str | None,
    since: datetime | None = None,
    tenant: str | None = None,
    *,
    query_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Export the executions, or a campaign's responses, of an action since a moment.

    Args:
        kind: of the action; its saved query is named in `READ_BACK`.
        action_id: NQL id, with or without #; for a workflow also its UUID. It is the query's
            parameter `nql_id`; None with a query that has no such parameter.
        since: the earliest time of a request, the query's parameter `from`; a week ago by default,
            not sent by default with `query_id`.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        query_id: a saved query to use instead.
        parameters: its parameters.

    Returns:
        Text under the query's headers in lower case, null if empty. It may hold people's data.
        For a workflow also its UUID and name, which the query cannot return.

    Raises:
        UsageError: `since` is further back than the saved query goes, or the tenant has no such
            remote action or workflow. Campaigns cannot be looked up.
        ResultTruncatedError: there are more rows than the tenant returns.
        PipelineError: as `query_rows`.
    """
    settings = load_settings()
    chosen = load_tenant(settings, tenant)
    now = utc_now()
    begin = since if query_id else since or now - DEFAULT_SINCE
    if begin and now - begin > REACH:
        raise UsageError(
            f"since: at most {REACH.days} days ago, which is as far back as the query goes"
        )
    with counted_client(settings, chosen) as (client, ledger):
        named, known = _named(client, kind, action_id)
        query = ShownQuery(kind, named, begin, query_id, parameters or {})
        rows, _ = read_rows(client, ledger, query, tenant)
        if rows.is_empty() and named and kind is ActionKind.REMOTE_ACTION:
            _require_known(client, named)
    return rows.with_columns(pl.lit(value).alias(name) for name, value in known.items())


def read_rows(
    client: NexthinkClient, ledger: Ledger, query: ShownQuery, tenant: str | None = None
) -> tuple[pl.DataFrame, str]:
    """Export what is read of an action; return it as text, and the tenant's time zone.

    Raises:
        PipelineError: as `read_shown`.
    """
    settings = load_settings()
    chosen = load_tenant(settings, tenant)
    parameters = dict(query.parameters)
    if query.action_id is not None:
        parameters.setdefault("nql_id", query.action_id)
    if query.since is not None:
        # A time that the tenant's clock shows twice could be read as the later one.
        begin = bound_before(query.since, timedelta(minutes=1), chosen.zone)
        parameters.setdefault("from", literal(begin, chosen.zone))
    subject = f"{query.kind.value} {query.action_id or query.query_id}"
    folder = prepare_home(settings) / "spool" / str(uuid.uuid4())
    try:
        folder.mkdir(parents=True, mode=0o700)
        tools = Tools(client, ledger, utc_now, time.sleep)
        query_id, unit = query.query_id or READ_BACK[query.kind], f"shown-{folder.name}"
        rows = query_rows(tools, subject, unit, query_id, folder, parameters)
    except ResultTruncatedError as error:
        raise error.retold(f"{error.message}: ask for less, with a later since") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows, chosen.time_zone


def _named(
    client: NexthinkClient, kind: ActionKind, action_id: str | None
) -> tuple[str | None, dict[str, str]]:
    """Return the NQL id of an action, and columns that its query lacks."""
    if action_id is None:
        return None, {}
    if kind is not ActionKind.WORKFLOW:
        return nql_id(action_id), {}
    workflow = client.workflows.details(action_id)
    return workflow.nql_id, {"workflow.uuid": workflow.uuid, "workflow.name": workflow.name}


def _require_known(client: NexthinkClient, action_id: str) -> None:
    # A credential that may read executions need not be able to list actions.
    with suppress(AccessError):
        client.remote_actions.details(action_id)


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by the time of the request, whatever the query calls it."""
    begun = [name for name in rows.columns if name.endswith(("request_time", "first_targeted"))]
    return rows.sort(begun[0], descending=True, nulls_last=True) if begun else rows
