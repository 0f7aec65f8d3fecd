"""Reading back the outcomes of requests (executions, responses) by exporting a saved query."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from connectors.actions import ActionKind
from connectors.actions.columns import DEVICE, PERSON, needed_columns
from connectors.ledger.action_requests import SEEN
from tasks.act.run import ActionRun, ask
from tasks.columns.times import UTC_TYPE, read_datetimes
from tasks.exports.saved_query import require_columns
from tasks.exports.windows import bound_before, literal

# Our clock and the tenant's differ, and the tenant may show a request before we have its answer.
SKEW: Final = timedelta(minutes=5)
# Reading from too early does no harm; an execution that is not read would never be found.
EARLIER: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
# How long it may take until a tenant shows a request.
SHOWS_WITHIN: Final = timedelta(minutes=30)
# How far back the saved queries of deployments/queries reach.
REACH: Final = timedelta(hours=720)

# By kind: our name for each column of the query; `needed_columns` says which it has to list.
COLUMNS: Final[dict[ActionKind, dict[str, str]]] = {
    ActionKind.REMOTE_ACTION: {
        DEVICE: "device",
        "remote_action.execution.request_id": "request_id",
        "remote_action.execution.request_time": "requested_at",
        "remote_action.execution.status": "status",
        "remote_action.execution.time": "status_at",
        "remote_action.execution.status_details": "details",
        "remote_action.execution.trigger_method": "trigger",
        "remote_action.execution.reason": "reason",
    },
    ActionKind.WORKFLOW: {
        "workflow.execution.request_id": "request_id",
        "workflow.execution.request_time": "requested_at",
        "workflow.execution.status": "status",
        "workflow.execution.time": "status_at",
        "workflow.execution.status_details": "details",
        "workflow.execution.trigger_method": "trigger",
        "workflow.execution.execution_id": "execution_id",
        DEVICE: "device",
        PERSON: "person",
    },
    ActionKind.CAMPAIGN: {
        PERSON: "person",
        "campaign.response.first_targeted": "requested_at",
        "campaign.response.state": "status",
        "campaign.response.request_id": "request_id",
        "campaign.response.time": "status_at",
        "campaign.response.state_details": "details",
        "campaign.response.trigger_method": "trigger",
        "campaign.response.answers": "answers",
    },
}
# As long as the ledger's columns.
LONGEST_STATUS: Final = 64
LONGEST_ID: Final = 255
_MOMENTS: Final = ("requested_at", "status_at")
# The columns of executions, whatever the kind.
EXECUTIONS: Final[dict[str, Any]] = {
    **dict.fromkeys(("target", "device", "person", "request_id", "execution_id"), pl.String),
    **dict.fromkeys(("status", "details", "answers", "trigger", "reason"), pl.String),
    **dict.fromkeys(_MOMENTS, UTC_TYPE),
}

# Final states: after these nothing more happens.
FINAL: Final = frozenset(
    {"success", "failure", "expired", "cancelled", "answered", "declined", "done", "failed"}
)


def read_executions(run: ActionRun, since: datetime) -> pl.DataFrame:
    """Return the executions of an action that the tenant shows since shortly before a moment.

    Rows are as EXECUTIONS; the latest of each target and request comes first.

    Raises:
        PipelineError: as `query_rows`; a query that lacks a column is refused.
    """
    specification, zone = run.specification, run.chosen.tenant.zone
    # A time that the tenant's clock shows twice could be read as the later one.
    begin = bound_before(max(since - EARLIER, run.now - REACH + SKEW), MINUTE, zone)
    parameters = {"nql_id": specification.id, "from": literal(begin, zone)}
    texts = ask(run, "read-back", specification.read_back, parameters)
    require_read_back(texts, specification.kind, specification.read_back)
    return executions_of(texts, specification.kind, run.chosen.tenant.time_zone)


def require_read_back(texts: pl.DataFrame, kind: ActionKind, query_id: str) -> None:
    """Raise unless a saved query lists what identifies executions and their status.

    Raises:
        DataRefusedError: columns are missing; the message names them.
    """
    require_columns(texts, needed_columns(kind), query_id)


def executions_of(texts: pl.DataFrame, kind: ActionKind, zone: str) -> pl.DataFrame:
    """Return the rows of a read-back as EXECUTIONS: typed, with their targets."""
    columns = {nql: name for nql, name in COLUMNS[kind].items() if nql in texts.columns}
    named = texts.select(pl.col(nql).alias(name) for nql, name in columns.items())
    moments = [
        read_datetimes(named[name], zone)[0].alias(name) for name in _MOMENTS if name in named
    ]
    known = named.with_columns(moments)
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in EXECUTIONS.items()
        if name not in known.columns and name != "target"
    ]
    return (
        known.with_columns(missing)
        .with_columns(
            pl.col("device").str.to_lowercase(),
            pl.col("status", "trigger")
            .str.to_lowercase()
            .str.replace_all("[ -]", "_")
            .str.slice(0, LONGEST_STATUS),
            # A text longer than the ledger's columns cannot be an id that a request was given.
            pl.when(pl.col("request_id", "execution_id").str.len_chars() <= LONGEST_ID).then(
                pl.col("request_id", "execution_id")
            ),
        )
        .with_columns(target_of(kind).alias("target"))
        .select(*EXECUTIONS)
        .sort(pl.coalesce("status_at", "requested_at"), descending=True, nulls_last=True)
    )


def target_of(kind: ActionKind) -> pl.Expr:
    """Return the canonical key of a target, from the columns `device` and `person`."""
    match kind:
        case ActionKind.REMOTE_ACTION:
            return pl.col("device")
        case ActionKind.CAMPAIGN:
            return pl.col("person")
        case ActionKind.WORKFLOW:
            both = (pl.col(name).fill_null("") for name in ("device", "person"))
            return pl.concat_str(*both, separator="|")


def seen_of(executions: pl.DataFrame) -> pl.DataFrame:
    """Return the latest row of each target in the journal's form."""
    return (
        executions.unique("target", keep="first", maintain_order=True)
        .filter(pl.col("target").is_not_null())
        .select(name for name in SEEN if name != "code")
    )


def is_final(status: pl.Expr) -> pl.Expr:
    """Return whether a status is final."""
    return status.is_in(list(FINAL)).fill_null(value=False)


def answers_of(text: str | None) -> list[tuple[str, str]]:
    """Return a campaign's answers as (question, answer), lower case; "" for an unknown question.

    They come as a JSON object of questions and answers, as a list of objects with the keys
    `question` and `answer`, or as one text.
    """
    if not text:
        return []
    try:
        read: Any = json.loads(text)
        found = list(_of(read))
    except (ValueError, RecursionError):
        found = [("", text)]
    found = [(question.strip().lower(), answer.strip().lower()) for question, answer in found]
    return [(question, answer) for question, answer in found if answer]


def _of(read: Any, question: str = "") -> Iterator[tuple[str, str]]:
    match read:
        case {"question": asked, "answer": answer}:
            yield from _of(answer, str(asked))
        case dict():
            for name, value in read.items():
                yield from _of(value, str(name))
        case list():
            for value in read:
                yield from _of(value, question)
        case None:
            return
        case _:
            yield question, str(read)
