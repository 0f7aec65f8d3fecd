"""`nxp doctor`: check everything that runs need, with one line for each check."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from connectors.settings.installation import load_settings
from nxp.doctor.traces import nothing_left
from nxp.engine import prepare
from nxp.options import Json, Only, Tenant
from nxp.output import print_json, print_table, say


def doctor(
    *,
    pool: Annotated[
        str | None, Parameter(help="The work pool given to nxp deploy, if any.")
    ] = None,
    only: Only = (),
    tenant: Tenant = None,
    as_json: Json = False,
) -> int:
    """Check for problems and say what to do next; nothing is changed.

    Checks settings, catalogue, disk, lake, ledger, stale datasets, tenant, clock, and the Prefect
    server: its version, workers, runs, and whether deployments and automations match the files.
    Exits with 0 if nothing fails, otherwise with the code of the first failure.
    """
    settings = load_settings()
    with nothing_left(settings.home / "prefect"):
        prepare(settings)
        from nxp.doctor.checks import all_checks  # noqa: PLC0415 - prefect, 2 s
        from nxp.doctor.finding import Level, examine, exit_code  # noqa: PLC0415

        findings = list(examine(all_checks(settings, profile=tenant, pool=pool, only=only)))
    if as_json:
        print_json([asdict(each) | {"level": each.level.value} for each in findings])
    else:
        rows = [(each.level.value, each.check, each.what, each.do) for each in findings]
        print_table(("", "check", "found", "what to do"), rows)
    failed = sum(each.level is Level.FAIL for each in findings)
    say(f"{failed} of {len(findings)} checks failed" if failed else "nothing fails")
    return exit_code(findings)
