"""A plan on one card: what is done, as whom, with what, on whom, until when, and what stays.

The card has counts and nobody's name; a ledger keeps it with its plan. Names are in the plan's
file, and in the page next to it, which are for their owner only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from connectors.actions import ActionKind
from connectors.catalogue.specification import describe
from connectors.counting import first_of, number_of
from connectors.errors import UsageError
from connectors.ledger import ActionPlanRecord
from tasks.act.checks import ActionDescription
from tasks.act.plan_file import PLAN_LIFE, Sending
from tasks.act.run import ActionRun
from tasks.runs import page

CARD: Final = "card"
_UNKNOWN: Final = "unknown"
# More entities than anybody compares; the others are one number.
_MOST_ENTITIES: Final = 12
_OTHERS: Final = "others"
_NAMES_SHOWN: Final = 10
_LONGEST_TEXT: Final = 300
# By kind: what the program cannot take back, since the API has no request for it.
_STAYS: Final = {
    ActionKind.REMOTE_ACTION.value: (
        "a request cannot be recalled: a device that is offline runs the script when it is back, "
        "until the request expires; what a script has changed stays changed"
    ),
    ActionKind.CAMPAIGN.value: (
        "a request cannot be recalled: people see the campaign until it expires, and answers stay"
    ),
    ActionKind.WORKFLOW.value: (
        "an execution cannot be stopped from here; steps that were carried out stay carried out"
    ),
}
_ACCOUNTS: Final = {
    "LOCAL_SYSTEM": "the system's own account",
    "INTERACTIVE_USER": "the user who is logged in",
    "DELEGATE_TO_SERVICE": "a service that the script is handed to",
}
SHOWN_ROWS: Final = ("device", "name", "person", "platform", "entity", "reason")


def account_of(run_as: str) -> str:
    """Return the account that a remote action runs as, in words."""
    return f"{run_as} ({_ACCOUNTS.get(run_as, 'an account that is not documented')})"


def card_of(
    run: ActionRun, described: ActionDescription, sending: Sending, rows: pl.DataFrame
) -> dict[str, Any]:
    """Return the card of a plan that is being made, in a form that JSON holds.

    Args:
        run: of the action.
        described: the tenant's description of the action.
        sending: what each request carries.
        rows: of the plan's file.
    """
    specification = run.specification
    wanted = rows.filter(pl.col("ordinal").is_not_null())
    has_script = specification.kind is ActionKind.REMOTE_ACTION
    scripts = (("Windows", described.windows), ("macOS", described.mac))
    return {
        "title": described.title,
        "description": described.description[:_LONGEST_TEXT],
        "scripts": [name for name, has in scripts if has] if has_script else [],
        "parameters": dict(sending.parameters),
        "reason": sending.reason,
        "source": sending.source,
        "expires_in_minutes": sending.expires_in_minutes,
        "platforms": _counted(wanted, "platform"),
        "entities": _counted(wanted, "entity"),
        "devices": wanted["device"].drop_nulls().n_unique(),
        "people": wanted["person"].drop_nulls().n_unique(),
        "cool_down": describe(specification.cool_down),
        "per_minute": specification.limits.per_minute,
        "max_failure_share": specification.outcome.max_failure_share,
        "is_dry": specification.dry_run,
        "before": run.ledger.actions.history.of(*run.key).plain(),
    }


def card_lines(record: ActionPlanRecord, names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return a plan's card as names and texts.

    Args:
        record: of the plan.
        names: of devices, if they may be shown.

    Raises:
        UsageError: a release before the card made the plan.
    """
    summary, card = record.summary, record.summary.get(CARD)
    if card is None:
        raise UsageError(f"plan {record.plan_id} was made by an earlier release: plan again")
    lines = [
        ("what", _what(record, card)),
        ("runs as", account_of(summary["run_as"]) if summary.get("run_as") else ""),
        ("with", ", ".join(f"{name} = {text}" for name, text in card["parameters"].items())),
        ("on", _on(summary, card, names)),
        ("platforms", _said(card["platforms"])),
        ("entities", _said(card["entities"])),
        ("left out", _said(summary["excluded"])),
        ("until", _until(record, card)),
        ("again", f"nobody within {card['cool_down']} of the last time"),
        ("pace", f"{card['per_minute']:,} a minute" if card["per_minute"] else ""),
        ("before", _before(card["before"])),
        ("cannot be undone", _STAYS.get(record.kind, "")),
        ("asked by", _asked(record)),
        ("reason", card["reason"]),
        ("ticket", record.ticket or ""),
        ("state", f"{record.state}{', a dry run: nothing is sent' if card['is_dry'] else ''}"),
    ]
    return [(name, text) for name, text in lines if text]


def card_markdown(record: ActionPlanRecord) -> str:
    """Return a card for the Prefect UI; it names nobody. Nothing for plans without one."""
    if CARD not in record.summary:
        return ""
    rows = [(name, text) for name, text in card_lines(record) if name != "asked by"]
    cells = (f"| {name} | {_cell(text)} |" for name, text in rows)
    return "\n".join(["| | |", "|---|---|", *cells])


def card_page(record: ActionPlanRecord, rows: pl.DataFrame) -> str:
    """Return a plan's page: the card, then everybody it names. For its owner only."""
    wanted = rows.filter(pl.col("ordinal").is_not_null())
    left = rows.filter(pl.col("ordinal").is_null())
    verdict = (
        f"{record.summary['targets']:,} of {record.summary['candidates']:,} candidates are acted "
        f"on, in {number_of(record.summary['requests'], 'request')}."
    )
    return page.page(
        f"{record.action}: plan {record.plan_id}",
        page.paragraph(verdict, "verdict"),
        page.facts(card_lines(record)),
        page.counts("platform", "targets", record.summary[CARD]["platforms"]),
        page.counts("entity", "targets", record.summary[CARD]["entities"]),
        page.counts("left out because", "candidates", record.summary["excluded"]),
        page.heading("Acted on"),
        page.table(SHOWN_ROWS[:-1], wanted.select(SHOWN_ROWS[:-1]).iter_rows()),
        page.heading("Left out"),
        page.table(SHOWN_ROWS, left.select(SHOWN_ROWS).iter_rows()),
        page.paragraph(
            "The targets and what is sent are in the plan's file; its hash covers that file, and "
            "this page is made from it. Names are personal data.",
            "note",
        ),
    )


def _counted(rows: pl.DataFrame, column: str) -> dict[str, int]:
    """Count targets by a column, the most frequent first; nothing if the query does not list it."""
    if rows[column].is_null().all():
        return {}
    counted = (
        rows.select(pl.col(column).fill_null(_UNKNOWN))
        .group_by(column)
        .len()
        .sort("len", column, descending=[True, False])
    )
    found = {str(name): int(count) for name, count in counted.iter_rows()}
    shown = dict(list(found.items())[:_MOST_ENTITIES])
    rest = sum(found.values()) - sum(shown.values())
    return {**shown, _OTHERS: rest} if rest else shown


def _what(record: ActionPlanRecord, card: Mapping[str, Any]) -> str:
    titled = f" “{card['title']}”" if card["title"] else ""
    scripts = f", scripts for {' and '.join(card['scripts'])}" if card["scripts"] else ""
    said = f": {card['description']}" if card["description"] else ""
    return f"{record.kind.replace('_', ' ')} {record.action_id}{titled}{scripts}{said}"


def _on(summary: Mapping[str, Any], card: Mapping[str, Any], names: Sequence[str]) -> str:
    parts = [
        f"{count:,} {one if count == 1 else name}"
        for name, one in (("devices", "device"), ("people", "person"))
        if (count := int(card[name] or 0))
    ]
    said = " and ".join(parts) or number_of(summary["targets"], "target")
    if not names:
        return said
    return f"{said}: {first_of(names, _NAMES_SHOWN)}"


def _until(record: ActionPlanRecord, card: Mapping[str, Any]) -> str:
    minutes = card["expires_in_minutes"]
    sent = f"the plan can be sent until {record.created_at + PLAN_LIFE:%Y-%m-%d %H:%M} UTC"
    if minutes is None:
        default = "with the tenant's own expiry" if card["scripts"] else "without an expiry"
        return f"{sent}; its requests are {default}"
    return f"{sent}; a request expires {describe(timedelta(minutes=minutes))} after it was sent"


def _before(before: Mapping[str, Any]) -> str:
    if not before["requests"]:
        return "never by this ledger"
    first, last = (datetime.fromisoformat(before[name]) for name in ("first", "last"))
    return (
        f"{number_of(before['requests'], 'request')} for "
        f"{number_of(before['targets'], 'target')} by this ledger, from "
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d %H:%M} UTC: {_said(before['outcomes'])}"
    )


def _asked(record: ActionPlanRecord) -> str:
    return f"{record.asked_by} ({record.asked_how})" if record.asked_by else "nobody in person"


def _said(counts: Mapping[str, int]) -> str:
    # Names of entities may have commas.
    return "; ".join(f"{count:,} {name}" for name, count in counts.items())


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
