"""`nxp sandbox`: serve the stand-in tenant until stopped."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from connectors.errors import UnavailableError, UsageError
from connectors.lake.storage import storage_errors
from connectors.settings.installation import load_settings
from nxp.options import Json
from nxp.output import say
from sandbox.actions.options import ActingOptions
from sandbox.options import DEFAULT_CUSTOM_FIELDS, SandboxOptions, parse_reach
from sandbox.servicenow.options import ServiceNowOptions

if TYPE_CHECKING:
    from sandbox.tenant import Tenant


def sandbox(
    *,
    port: Annotated[
        int, Parameter(help="Of the API; login, results and ServiceNow take the next three.")
    ] = 0,
    devices: Annotated[int, Parameter(help="Known ever; the oldest are past retention.")] = 500,
    days: Annotated[int, Parameter(help="Days of events up to now.")] = 14,
    seed: Annotated[int, Parameter(help="The same seed gives the same data.")] = 1,
    now: Annotated[
        str | None, Parameter(help="Where the tenant's clock starts: 2026-06-15T12:00:00Z.")
    ] = None,
    time_zone: Annotated[str, Parameter(help="Of the tenant, an IANA name.")] = "UTC",
    datetime_format: Annotated[
        str, Parameter(help="local, iso, utc, each also -ms; or a strftime pattern.")
    ] = "local",
    row_limit: Annotated[int, Parameter(help="Exports beyond it are cut (206).")] = 1_000_000,
    execute_row_limit: Annotated[int, Parameter(help="Execute is cut there, silently.")] = 1000,
    token_ttl: Annotated[float, Parameter(help="Seconds.")] = 900.0,
    url_ttl: Annotated[float, Parameter(help="Seconds.")] = 900.0,
    export_time: Annotated[float, Parameter(help="Seconds until an export is done.")] = 0.0,
    latency: Annotated[float, Parameter(help="Seconds added to every answer.")] = 0.0,
    retention: Annotated[int, Parameter(help="Days.")] = 30,
    reach_limit: Annotated[str, Parameter(help="Longest high-resolution query, or off.")] = "8d",
    late_share: Annotated[float, Parameter(help="Share of events that arrive late.")] = 0.0,
    fine_retention: Annotated[
        int | None,
        Parameter(help="Days of high-resolution samples; 14, or all with --reach-limit off."),
    ] = None,
    null_form: Annotated[str, Parameter(help="Null in CSV: empty, or a text.")] = "empty",
    boolean_form: Annotated[str, Parameter(help="true/false, True/False or 1/0.")] = "true/false",
    fault: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="KIND@ROUTE, with :COUNT or :PERCENT%; repeatable."),
    ] = (),
    custom_field: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="device.x makes device.#x exist; repeatable."),
    ] = (),
    enrichment_limit: Annotated[int, Parameter(help="Objects in one request.")] = 10_000,
    enrichment_delay: Annotated[float, Parameter(help="Seconds until a value shows.")] = 0.0,
    enrichment_takes_unknown: Annotated[
        bool, Parameter(negative="", help="Accept unknown objects and lose them.")
    ] = False,
    strict_workflows: Annotated[
        bool, Parameter(negative="", help="Refuse lists without both filters.")
    ] = False,
    hr_out: Annotated[
        Path | None, Parameter(help="Also write HR tables of the same people to this folder.")
    ] = None,
    hr_form: Annotated[Literal["csv", "sql"], Parameter(help="Of the HR tables.")] = "csv",
    servicenow: Annotated[
        ServiceNowOptions | None, Parameter(help="The ServiceNow instance beside the tenant.")
    ] = None,
    acting: Annotated[ActingOptions | None, Parameter(name="*")] = None,
    queries: Annotated[
        Path | None, Parameter(help="Folder of saved queries; default the catalogue's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve a stand-in tenant on loopback; prints its address and credential when ready."""
    folder = queries or load_settings().catalog / "queries"
    if not folder.is_dir():
        raise UsageError(f"--queries {folder}: no such folder")
    try:
        options = SandboxOptions(
            queries=folder.resolve(),
            port=port,
            devices=devices,
            days=days,
            seed=seed,
            now=datetime.fromisoformat(now) if now else None,
            time_zone=time_zone,
            datetime_format=datetime_format,
            row_limit=row_limit,
            execute_row_limit=execute_row_limit,
            token_ttl=token_ttl,
            url_ttl=url_ttl,
            export_time=export_time,
            latency=latency,
            retention=retention,
            reach_limit=parse_reach(reach_limit),
            late_share=late_share,
            fine_retention=fine_retention,
            null_form=null_form,
            boolean_form=boolean_form,
            faults=fault,
            custom_fields=(*DEFAULT_CUSTOM_FIELDS, *map(_custom_field, custom_field)),
            enrichment_limit=enrichment_limit,
            enrichment_delay=enrichment_delay,
            enrichment_takes_unknown=enrichment_takes_unknown,
            strict_workflows=strict_workflows,
            servicenow=servicenow or ServiceNowOptions(),
            acting=acting or ActingOptions(),
        )
    except ValueError as error:
        raise UsageError(f"sandbox: {error}") from None
    if hr_out is not None:
        _write_hr(options, hr_out, hr_form)
    from sandbox.server import serve  # noqa: PLC0415 - polars and starlette, not for --help

    try:
        serve(options, lambda tenant: _announce(tenant, as_json=as_json))
    except ValueError as error:
        raise UsageError(f"sandbox: {error}") from None
    except OSError as error:
        raise UnavailableError(f"cannot listen on port {port}: {error.strerror}") from None


def _custom_field(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(".")
    return kind, name


def _write_hr(options: SandboxOptions, folder: Path, form: Literal["csv", "sql"]) -> None:
    from sandbox.hr.writing import write_hr  # noqa: PLC0415 - polars, not for --help

    with storage_errors(folder):
        for path in write_hr(options, folder, form):
            say(f"wrote {path}")


def _announce(tenant: "Tenant", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(tenant.describe()), flush=True)
        return
    say("a stand-in tenant is ready; in another terminal give these to nxp (Ctrl-C stops it):")
    for name, value in tenant.environment().items():
        print(f"export {name}={value}", flush=True)
    say(f"beside it: ServiceNow at {tenant.servicenow.url} (its accounts are in --json)")
