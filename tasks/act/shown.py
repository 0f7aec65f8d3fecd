"""What the tenant shows of an action, as rows for a person or a flow."""

import shutil
import time
import uuid
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.actions import READ_BACK, ActionKind
from connectors.clock import utc_now
from connectors.errors import ResultTruncatedError, UsageError
from connectors.ledger import open_ledger
from connectors.nexthink.acting.requests import nql_id
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings, prepare_home
from connectors.settings.tenants import load_tenant
from tasks.act.readback import REACH
from tasks.exports.saved_query import query_rows
from tasks.exports.windows import literal
from tasks.runs.tools import Tools

# Long enough for devices that were away over a weekend.
DEFAULT_SINCE: Final = timedelta(days=7)


def read_shown(
    kind: ActionKind, action_id: str, since: datetime | None = None, tenant: str | None = None
) -> pl.DataFrame:
    """Export the executions, or a campaign's responses, of an action since a moment.

    Args:
        kind: of the action; its saved query is named in `READ_BACK`.
        action_id: NQL id, with or without #; for a workflow also its UUID.
        since: the earliest time of a request; a week ago by default.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.

    Returns:
        Text under the query's headers in lower case, null if empty. It may hold people's data.
        For a workflow also its UUID and name, which the query cannot return.

    Raises:
        UsageError: `since` is further back than the saved query goes, or the NQL id is invalid.
        ResultTruncatedError: there are more rows than the tenant returns.
        PipelineError: as `query_rows`.
    """
    settings = load_settings()
    chosen = load_tenant(settings, tenant)
    now = utc_now()
    begin = since or now - DEFAULT_SINCE
    if now - begin > REACH:
        raise UsageError(
            f"since: at most {REACH.days} days ago, which is as far back as the query goes"
        )
    folder = prepare_home(settings) / "spool" / str(uuid.uuid4())
    try:
        folder.mkdir(parents=True, mode=0o700)
        with (
            open_ledger(settings.ledger_url.get_secret_value(), chosen.name) as ledger,
            NexthinkClient(chosen) as client,
        ):
            named, known = _named(client, kind, action_id)
            rows = query_rows(
                Tools(client, ledger, utc_now, time.sleep),
                f"{kind.value} {named}",
                f"shown-{folder.name}",
                READ_BACK[kind],
                folder,
                {"nql_id": named, "from": literal(begin, chosen.zone)},
            )
        return rows.with_columns(pl.lit(value).alias(name) for name, value in known.items())
    except ResultTruncatedError as error:
        raise error.retold(f"{error.message}: ask for less, with a later since") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _named(client: NexthinkClient, kind: ActionKind, action_id: str) -> tuple[str, dict[str, str]]:
    """Return the NQL id of an action, and columns that its query lacks."""
    if kind is not ActionKind.WORKFLOW:
        return nql_id(action_id), {}
    workflow = client.workflows.details(action_id)
    return workflow.id, {"workflow.uuid": workflow.uuid, "workflow.name": workflow.name}


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows by the time of the request, whatever the query calls it."""
    begun = [name for name in rows.columns if name.endswith(("request_time", "first_targeted"))]
    return rows.sort(begun[0], descending=True, nulls_last=True) if begun else rows
