"""`nxp init`: a project of one's own, with settings, folders, and what comes next."""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.settings.regions import region_code
from nxp.output import say
from nxp.project.making import check_free, tenant_files, write_files
from nxp.project.wanted import Wanted, ask, of_address


def init(
    folder: Annotated[
        Path,
        Parameter(
            help="The project's folder; it is made if it is missing.", allow_leading_hyphen=False
        ),
    ] = Path(),
    *,
    instance: Annotated[
        str | None, Parameter(help="The tenant: its address in the browser, or its instance.")
    ] = None,
    region: Annotated[str | None, Parameter(help="us, eu, pac or meta, or the name.")] = None,
    time_zone: Annotated[
        str | None, Parameter(help="The zone in which it shows times; by default UTC.")
    ] = None,
    lake: Annotated[
        str | None,
        Parameter(help="Where rows land: files, a folder, s3://…, az://… or postgresql."),
    ] = None,
    sandbox: Annotated[
        bool, Parameter(negative="", help="Make a project that runs at once, on nxp sandbox.")
    ] = False,
    yes: Annotated[
        bool,
        Parameter(negative="", help="Ask nothing, and use defaults for what is not given."),
    ] = False,
) -> None:
    """Make a project in FOLDER, by default in the current one; no existing file is overwritten.

    In a terminal it asks for what is not given: tenant, region, time zone, and where rows land.
    Secrets are not asked for and never written: .env.example says which there are.
    """
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps symbolic links
    given = Wanted(region=region, time_zone=time_zone, lake=lake)
    if sandbox:
        if instance or given != Wanted():
            raise UsageError("init: --sandbox is a tenant of its own: give no other option")
        _make_sandbox(root)
        return
    if instance is not None:
        found = of_address(instance)
        if region and found.region not in {None, region_code(region)}:
            raise UsageError(f"init: --instance {instance} is not in the region {region}")
        given = Wanted(found.instance, region or found.region, time_zone, lake)
    given = given.checked()
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        # Answers would be lost if the files turned out to be there afterwards.
        check_free(root, list(tenant_files(root.name, given)))
        given = ask(given)
    wanted = given.completed()
    write_files(root, tenant_files(root.name, wanted), {})
    _say(
        root,
        (
            ("cp .env.example .env", "put the credential there; then: set -a; . ./.env; set +a"),
            ("nxp add devices", "copy a dataset of the library, with its saved query"),
            ("nxp check --connect", "what is still missing, in order: the credential, queries, …"),
            ("nxp export --all", "land all datasets of the project"),
        ),
    )


def _make_sandbox(root: Path) -> None:
    # Half a second for the library, only here.
    from nxp.project.sandbox_project import free_ports, sandbox_files  # noqa: PLC0415

    port = free_ports()
    write_files(root, *sandbox_files(root.name, root, port))
    _say(
        root,
        (
            (f"nxp sandbox --port {port}", "the tenant; leave it running, and elsewhere:"),
            ("nxp export --all", "land devices, users and crashes"),
            ('nxp sql "SELECT count(*) FROM devices"', "query what has landed"),
        ),
    )


def _say(root: Path, steps: tuple[tuple[str, str], ...]) -> None:
    """Print the project's folder, and the next commands."""
    print(root)
    sys.stdout.flush()
    here = root == Path.cwd()
    say(f"a project is in {root}" + ("; next:" if here else "; go there (cd), and next:"))
    width = max(len(command) for command, _ in steps)
    for command, meaning in steps:
        say(f"  {command:<{width}}   {meaning}")
