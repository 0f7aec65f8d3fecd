"""`nxp sandbox`: serve a stand-in tenant until stopped."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from connectors.errors import UnavailableError, UsageError
from connectors.settings.regions import REGIONS, region_code
from nxp.options import Json
from nxp.output import say
from sandbox.actions.options import ActingOptions
from sandbox.options import DEFAULT_CUSTOM_FIELDS, SandboxOptions, parse_reach
from sandbox.servicenow.options import ServiceNowOptions
from sandbox.tenant_options import TenantOptions

if TYPE_CHECKING:
    from sandbox.tenant import Tenant


# Of temporary folders, followed by the process that has it.
_FOLDER = "nxp-sandbox-"


def sandbox(
    *,
    tenant: Annotated[TenantOptions | None, Parameter(name="*", negative="")] = None,
    queries: Annotated[
        Path | None, Parameter(help="Folder of saved queries; by default the catalogue's.")
    ] = None,
    now: Annotated[
        str | None, Parameter(help="Where the tenant's clock starts, such as 2026-06-15T12:00:00Z.")
    ] = None,
    reach_limit: Annotated[
        str, Parameter(help="Longest span of a high-resolution query, or off.")
    ] = "8d",
    fault: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="KIND@ROUTE, optionally with :COUNT or :PERCENT%; repeatable."),
    ] = (),
    custom_field: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="device.x adds the field device.#x; repeatable."),
    ] = (),
    hr_out: Annotated[
        Path | None, Parameter(help="Also write HR tables of the same people to this folder.")
    ] = None,
    hr_form: Annotated[Literal["csv", "sql"], Parameter(help="Format of the HR tables.")] = "csv",
    servicenow: Annotated[
        ServiceNowOptions | None, Parameter(help="The ServiceNow instance next to the tenant.")
    ] = None,
    acting: Annotated[ActingOptions | None, Parameter(name="*")] = None,
    region: Annotated[
        str, Parameter(help="The region it pretends to be in: us, eu, pac, meta, or its name.")
    ] = "eu",
    as_json: Json = False,
) -> None:
    """Serve a stand-in tenant on loopback; print its address and credential when ready."""
    folder = _queries(queries)
    try:
        options = SandboxOptions(
            **asdict(tenant or TenantOptions()),
            queries=folder,
            region=_region(region),
            now=datetime.fromisoformat(now) if now else None,
            reach_limit=parse_reach(reach_limit),
            faults=fault,
            custom_fields=(*DEFAULT_CUSTOM_FIELDS, *map(_custom_field, custom_field)),
            servicenow=servicenow or ServiceNowOptions(),
            acting=acting or ActingOptions(),
        )
    except ValueError as error:
        raise UsageError(f"sandbox: {error}") from None
    if hr_out is not None:
        _write_hr(options, hr_out, hr_form)
    from sandbox.server import serve  # noqa: PLC0415 - polars and starlette, not for --help

    try:
        with _hr_database(options) as hr_url:
            serve(options, lambda tenant: _announce(tenant, hr_url, as_json=as_json))
    except ValueError as error:
        raise UsageError(f"sandbox: {error}") from None
    except OSError as error:
        message = f"cannot listen on port {options.port}: {error.strerror}"
        raise UnavailableError(message) from None


def _queries(given: Path | None) -> Path:
    if given is None:
        from connectors.settings.installation import load_settings  # noqa: PLC0415 - pydantic

        given = load_settings().catalog / "queries"
    if not given.is_dir():
        raise UsageError(f"--queries {given}: no such folder")
    return given.resolve()


def _region(given: str) -> str:
    if code := region_code(given):
        return code
    raise UsageError(f"--region {given!r}: must be one of {', '.join(REGIONS)}, or its name")


def _custom_field(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(".")
    return kind, name


def _write_hr(options: SandboxOptions, folder: Path, form: Literal["csv", "sql"]) -> None:
    from connectors.lake.storage import storage_errors  # noqa: PLC0415 - pyarrow, only here
    from sandbox.hr.writing import write_hr  # noqa: PLC0415 - polars, not for --help

    with storage_errors(folder):
        for path in write_hr(options, folder, form):
            say(f"wrote {path}")


@contextmanager
def _hr_database(options: SandboxOptions) -> Iterator[str]:
    """Yield the URL of a SQLite database with the HR tables, which lasts as long as the tenant."""
    from sandbox.hr.writing import write_database  # noqa: PLC0415 - polars, not for --help

    _remove_left_over()
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        yield f"sqlite:///{write_database(options, Path(folder))}"


def _remove_left_over() -> None:
    """Remove the folders of sandboxes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - not for --help

    try:
        # One that was killed stays in the list until its parent has asked how it ended.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _announce(tenant: "Tenant", hr_url: str, *, as_json: bool) -> None:
    tenant.hr_url = hr_url
    if as_json:
        print(json.dumps(tenant.describe()), flush=True)
        return
    say("a stand-in tenant is ready (Ctrl-C stops it); in another terminal, point nxp at it:")
    for name, value in {**tenant.environment(), **tenant.sources()}.items():
        print(f"export {name}={value}", flush=True)
    say(f"a ServiceNow instance runs at {tenant.servicenow.url} (--json shows its accounts)")
