"""`nxp spark`: the raw operation of Spark."""

import base64
import mimetypes
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink.acting.spark import FilePart, HandoffRequest, Part, TextPart
from nxp.options import Json, Parameters, Tenant, parse_parameters
from nxp.targets import TargetFile, read_targets
from tasks.act.target_files import STDIN
from tasks.act.target_tables import read_content

_UNKNOWN_TYPE: Final = "application/octet-stream"


def handoff(
    *,
    user: Annotated[
        tuple[str, ...], Parameter(negative="", help="A user's UPN (user.upn); repeatable.")
    ] = (),
    users: TargetFile = None,
    message: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True, help=f"What the user says; {STDIN} reads it from stdin."
        ),
    ] = None,
    attach: Annotated[
        tuple[Path, ...],
        Parameter(negative="", help="A file that goes with the message; repeatable."),
    ] = (),
    time_zone: Annotated[
        str | None, Parameter(help="The user's time zone, such as Europe/Zurich.")
    ] = None,
    parameter: Parameters = (),
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Hand a message of users off to Spark, and journal it: Spark answers them in Microsoft Teams.

    Each user is one request; -p adds metadata to it.
    """
    from nxp.raw import SendOptions, send  # noqa: PLC0415 - polars, not for --help

    targets = read_targets(user, users, "--user or --users")
    if not targets.names:
        raise UsageError("--user or --users: no target is named")
    parts = [*_said(message), *map(_attached, attach)]
    if not parts:
        raise UsageError("--message or --attach: there is nothing to hand off")
    metadata = parse_parameters(parameter) or None
    requests = [HandoffRequest(each, parts, metadata, time_zone) for each in targets.names]
    how = SendOptions(read_back="", duplicates=targets.duplicates)
    send(requests, tenant, how, as_json=as_json)


def _said(message: str | None) -> list[Part]:
    text = read_content(STDIN).strip() if message == STDIN else message
    return [TextPart(text)] if text else []


def _attached(file: Path) -> FilePart:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None
    kind = mimetypes.guess_type(file.name)[0] or _UNKNOWN_TYPE
    return FilePart(kind, base64.b64encode(content).decode())
