"""`nxp enrich`: send one enrichment request as it is in a file."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
from cyclopts import Parameter

from connectors.errors import DataRefusedError, PartlyDoneError, UsageError
from connectors.nexthink import EnrichmentAnswer, Taken
from connectors.nexthink.enrichment import UNSPECIFIED, meaning
from connectors.nexthink.fields import LONGEST_TEXT
from connectors.nexthink.request import EnrichmentRequest, read_request
from nxp.answers.enrichment import CodeCount, EnrichmentOutcome, EntryOutcome, TenantError
from nxp.options import Json, Tenant, Whole
from nxp.output import print_json, print_table, say
from tasks.runs.counted import client_of
from tasks.sync.outcomes import ObjectOutcome, as_errors, errors_of, in_words, judge

STDIN = "-"
# Values that no tenant has, so that the template changes nothing if it is sent as it is.
TEMPLATE: Final[dict[str, Any]] = {
    "enrichments": [
        {
            "identification": [{"name": "device/device/name", "value": "NAME-OF-A-DEVICE"}],
            "fields": [
                {"name": "device/device/#asset_tag", "value": "TEXT"},
                {"name": "device/device/configuration_tag", "value": "TEXT"},
            ],
        },
        {
            "identification": [{"name": "user/user/upn", "value": "name@example.com"}],
            "fields": [{"name": "user/user/ad/department", "value": "TEXT"}],
        },
    ],
    "domain": "NAME-OF-THE-SOURCE",
}
POSITIONS_SHOWN = 10


def enrich(
    file: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="JSON; - reads stdin.")
    ] = None,
    *,
    template: Annotated[
        bool, Parameter(negative="", help="Print a request to fill in, instead of sending one.")
    ] = False,
    domain: Annotated[
        str | None, Parameter(help="The source that the tenant records, unless the file names one.")
    ] = None,
    max_length: Annotated[
        Whole, Parameter(help="Longest text of a field, in characters.")
    ] = LONGEST_TEXT,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Check the enrichment request in FILE, send it, and print the outcomes of its objects.

    FILE is a request with "enrichments", or only the list of them. Objects are shown by their
    position in it, from 0, because their names may be people's. The tenant's messages are shown.
    """
    if template:
        print_json(TEMPLATE if domain is None else TEMPLATE | {"domain": domain})
        return
    if file is None:
        raise UsageError("name the FILE of a request; --template prints one to fill in")
    request = read_request(_read(file), domain, longest=max_length)
    with client_of(tenant) as client:
        answer = client.enrichment.push(request.body)
    outcomes = _outcomes(request, answer)
    counts = {outcome: int((outcomes["outcome"] == outcome).sum()) for outcome in ObjectOutcome}
    codes = _codes(outcomes)
    if as_json:
        shown = EnrichmentOutcome(
            domain=request.domain,
            objects=outcomes.height,
            acknowledged=counts[ObjectOutcome.ACKNOWLEDGED],
            rejected=counts[ObjectOutcome.REJECTED],
            unknown=counts[ObjectOutcome.UNKNOWN],
            codes=[CodeCount(**each) for each in codes],
            entries=_entries(outcomes),
        )
        print_json(shown)
    else:
        _print(counts, codes, _entries(outcomes))
    _raise_unless_all(counts, outcomes.height)


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None


def _outcomes(request: EnrichmentRequest, answer: EnrichmentAnswer) -> pl.DataFrame:
    """Return the outcome of each object: its own, or the request's if the answer has none."""
    objects = pl.DataFrame(
        request.objects, schema={"name": pl.String, "value": pl.String}, orient="row"
    )
    refused = answer.taken is Taken.NOTHING
    rest = ObjectOutcome.REJECTED if refused else ObjectOutcome.UNKNOWN
    code = answer.code or UNSPECIFIED
    said = as_errors([(answer.code, answer.message)]) if answer.code else None
    shared = {"outcome": rest.value, "code": code, "reason": meaning(code), "errors": said}
    is_open = pl.col("outcome").is_null()
    return judge(objects, answer, request.fields).with_columns(
        pl.when(is_open).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in shared.items()
    )


def _codes(outcomes: pl.DataFrame) -> list[dict[str, Any]]:
    return (
        outcomes.with_row_index("position")
        .filter(pl.col("outcome") != ObjectOutcome.ACKNOWLEDGED)
        .group_by("outcome", "code", "reason", maintain_order=True)
        .agg(pl.len().alias("objects"), pl.col("position").alias("positions"))
        .to_dicts()
    )


def _entries(outcomes: pl.DataFrame) -> list[EntryOutcome]:
    """Return the outcome of each object, with all that the tenant says about it."""
    return [
        EntryOutcome(
            position=position,
            identified_by=row["name"],
            outcome=row["outcome"],
            code=row["code"],
            reason=row["reason"],
            errors=[TenantError(**each) for each in errors_of(row["errors"])],
        )
        for position, row in enumerate(outcomes.iter_rows(named=True))
    ]


def _print(
    counts: dict[ObjectOutcome, int], codes: list[dict[str, Any]], entries: list[EntryOutcome]
) -> None:
    print_table(["outcome", "objects"], [[outcome, count] for outcome, count in counts.items()])
    if codes:
        print()
        print_table(list(codes[0]), [[*list(each.values())[:-1], _shown(each)] for each in codes])
    told = [
        [each.position, in_words([asdict(error) for error in each.errors])]
        for each in entries
        if each.errors
    ]
    if told:
        print()
        print_table(["position", "the tenant says"], told[:POSITIONS_SHOWN])
    if len(told) > POSITIONS_SHOWN:
        say(f"and {len(told) - POSITIONS_SHOWN:,} more: --json shows all")
    if counts[ObjectOutcome.ACKNOWLEDGED]:
        say("acknowledged values show in Nexthink later: read them back to be sure")


def _shown(entry: dict[str, Any]) -> str:
    positions = entry["positions"]
    more = ", …" if len(positions) > POSITIONS_SHOWN else ""
    return ", ".join(map(str, positions[:POSITIONS_SHOWN])) + more


def _raise_unless_all(counts: dict[ObjectOutcome, int], objects: int) -> None:
    if counts[ObjectOutcome.REJECTED] == objects:
        raise DataRefusedError(f"the tenant refuses all {objects:,} objects")
    if counts[ObjectOutcome.ACKNOWLEDGED] < objects:
        raise PartlyDoneError(
            f"{counts[ObjectOutcome.ACKNOWLEDGED]:,} of {objects:,} objects acknowledged, "
            f"{counts[ObjectOutcome.REJECTED]:,} rejected, "
            f"{counts[ObjectOutcome.UNKNOWN]:,} unknown"
        )
