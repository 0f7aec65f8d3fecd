"""`nxp act self-help`: people are asked, and the action runs for those who agree."""

from typing import Any

from connectors.catalogue import ACTIONS, check_named
from connectors.settings.installation import load_settings
from nxp.acting import STAGES, print_report
from nxp.engine import run_reported
from nxp.options import Action, Json, Prefect, Tenant
from nxp.output import print_json


def self_help(
    action: Action,
    *,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Ask the people that ACTION's campaign finds, and act for all who have agreed so far.

    ACTION is an action with `targets.consent`, or a campaign whose `answers` choose actions.
    """
    check_named(load_settings().catalog, action, ACTIONS)
    from tasks.act.run import choose_action  # noqa: PLC0415 - polars and httpx, not for --help

    chosen = choose_action(action, tenant)
    reports: list[dict[str, Any]] = []

    def story() -> None:
        from tasks.stories.scenarios import ask_and_act  # noqa: PLC0415 - after the checks

        ask_and_act(action, tenant)

    def flow() -> None:
        from flows.actions import self_help as help_by_flow  # noqa: PLC0415 - prefect, 2 s

        help_by_flow(action, tenant)

    def show(report: dict[str, Any]) -> None:
        reports.append(report)
        if not as_json:
            print_report(report, as_json=False)

    try:
        run_reported(chosen.settings, prefect, stages=STAGES, story=story, flow=flow, show=show)
    finally:
        if as_json:
            print_json(reports)
