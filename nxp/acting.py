"""How `nxp act` shows plans, reports and the journal: tables on stdout, sums on stderr."""

from typing import TYPE_CHECKING, Any

from connectors.counting import number_of
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.output import at_second, print_json, print_table, say

if TYPE_CHECKING:
    from connectors.ledger import Ledger
    from connectors.ledger.action_requests import ActionRequest
    from tasks.act.status import ShownPlan

NEWEST = 20
# Plan, send, outcomes and effect are all that a run may have.
STAGES = 4
_PLAN_SHOWN = ("plan_id", "created_at", "state", "asked_by", "asked_how", "approved_by", "ticket")
_REQUEST_SHOWN = (
    "intent_id",
    "state",
    "targets",
    "created_at",
    "sent_at",
    "request_id",
    "code",
    "asked_by",
    "asked_how",
)


def print_plan(report: dict[str, Any], *, as_json: bool) -> None:
    """Print the sums of a plan."""
    if as_json:
        print_json(report)
        return
    _print_counts("left out because", report["excluded"])
    if not report["plan_id"]:
        return
    say(
        f"{number_of(report['candidates'], 'candidate')}, "
        f"{number_of(report['targets'], 'target')} in {number_of(report['requests'], 'request')}"
    )
    _say_context(report)
    if not report["targets"]:
        return
    say(f"plan {report['plan_id']}, hash {report['sha256'][:12]}: valid for 24 hours")
    say(
        f"see its targets with: nxp act status {report['dataset']} --plan {report['plan_id']} "
        "--targets"
    )


def print_card(shown: "ShownPlan") -> None:
    """Print a plan's card, and where the page with all names is."""
    record = shown.record
    print_table([record.action, f"plan {record.plan_id}"], shown.card)
    say(f"with all names, for its owner only: {shown.page}")


def card_as_json(shown: "ShownPlan", *, full: bool) -> dict[str, Any]:
    """Return a plan's card for programs; with `full`, everybody that it names."""
    record = shown.record
    counts = {name: record.summary[name] for name in ("candidates", "targets", "requests")}
    kept = ("plan_id", "action", "kind", "action_id", "sha256", "state", "created_at", "ticket")
    return {
        **{name: getattr(record, name) for name in kept},
        **counts,
        "excluded": record.summary["excluded"],
        "run_as": record.summary.get("run_as"),
        "asked_by": record.asked_by,
        "asked_how": record.asked_how,
        "card": record.summary["card"],
        "page": shown.page,
        **({"rows": shown.rows} if full else {}),
    }


def _say_context(report: dict[str, Any]) -> None:
    """Print the account that the action runs as, and how it is known who asks; it names nobody."""
    from tasks.act.card import account_of  # noqa: PLC0415 - polars

    if report["run_as"]:
        say(f"runs on the devices as {account_of(report['run_as'])}")
    if report["allow"]:
        asked = "nobody yet" if report["asked_how"] is None else f"a {report['asked_how']} name"
        say(f"allowed for {len(report['allow']):,} users or groups; asked for by {asked}")


def print_report(report: dict[str, Any], *, as_json: bool) -> None:
    """Print how a run ended."""
    if as_json:
        print_json(report)
        return
    print_plan(report, as_json=False)
    _print_counts("outcome", report["outcomes"])
    _print_counts("failed because", report["reasons"])
    if report["state"] == "dry_run":
        say("dry run: nothing was sent (dry_run: false in its YAML lets it act)")
        return
    if report["state"] == "planned":
        return
    say(
        f"{report['dataset']} {report['state']}: {report['requested']:,} requested, "
        f"{report['refused']:,} refused, {report['in_doubt']:,} in doubt, "
        f"{report['not_sent']:,} not sent"
    )
    if effect := report["effect"]:
        say(
            f"of {effect['ended']:,} targets that have ended, the query still finds "
            f"{effect['still']:,}"
        )


def _print_counts(title: str, counts: dict[str, int]) -> None:
    if counts:
        print_table([title, "targets"], list(counts.items()))


def print_overview(plans: list[dict[str, Any]]) -> None:
    """Print plans, and the requests of the first one."""
    columns = [*_PLAN_SHOWN, "targets", "requests", "outcomes"]
    print_table(columns, [[at_second(each[name]) for name in columns] for each in plans])
    requests = [
        [at_second(request[name]) for name in _REQUEST_SHOWN]
        for each in plans[:1]
        for request in each["sent"]
    ]
    if requests:
        print()
        print_table(_REQUEST_SHOWN, requests)


def print_journal(ledger: "Ledger", *, as_json: bool) -> None:
    """Print the newest requests of all actions, and all that are not settled."""
    from connectors.ledger.action_requests import UNSETTLED  # noqa: PLC0415 - polars

    open_requests = ledger.actions.requests(states=UNSETTLED)
    newest = ledger.actions.requests(limit=NEWEST)
    rows = [
        _row(each) for each in {each.intent_id: each for each in open_requests + newest}.values()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        list(_row_names()), [[at_second(row[name]) for name in _row_names()] for row in rows]
    )
    if open_requests:
        say(f"{len(open_requests):,} requests are not settled: nxp act resolve REQUEST")


def _row_names() -> tuple[str, ...]:
    return ("action", "action_id", *_REQUEST_SHOWN)


def _row(request: "ActionRequest") -> dict[str, Any]:
    return {name: getattr(request, name) for name in _row_names()}


def open_own_ledger(tenant: str | None) -> "Ledger":
    """Return the ledger of a tenant, the only one if none is named."""
    from connectors.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy, not for --help

    settings = load_settings()
    return open_ledger(settings.ledger_url.get_secret_value(), tenant_name(settings, tenant))
