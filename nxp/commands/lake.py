"""`nxp lake`: work on files that have landed."""

from typing import Annotated

from cyclopts import Parameter

from nxp.options import Json, Tenant
from nxp.output import print_json, say


def rewrite(
    dataset: str,
    *,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Try all values, and change nothing.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Bring the landed files of DATASET to the types that its YAML declares now.

    All values are tried first: if some do not fit, nothing is changed. Rows, units and the ledger
    stay; replaced files are kept in _old for the grace period of nxp maintain.
    """
    from tasks.stories.rewrite import rewrite_dataset  # noqa: PLC0415 - pyarrow, not for --help

    done = rewrite_dataset(dataset, tenant, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    if not done["units"]:
        say(f"{dataset}: all landed files have the declared types")
        return
    did = "would be rewritten" if dry_run else "rewritten"
    columns = ", ".join(done["columns"])
    say(f"{dataset}: {done['units']} units, {done['files']} files {did} for {columns}")
