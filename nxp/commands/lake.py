"""`nxp lake`: work on files that have landed."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.lake import Lake
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.offered import offered
from nxp.options import Dataset, Json, Tenant
from nxp.output import print_json, say


def rewrite(
    dataset: Dataset,
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
    units, files = number_of(done["units"], "unit"), number_of(done["files"], "file")
    say(f"{dataset}: {units}, {files} {did} for {columns}")


def duckdb(
    file: Annotated[Path, Parameter(help="The file to write; an old one is replaced.")],
    *,
    relative: Annotated[
        bool,
        Parameter(
            negative="",
            help="Name the lake's files relative to FILE, so that both can be moved together; "
            "start the program that opens it in FILE's folder.",
        ),
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write FILE, a DuckDB database of views over the lake, for BI tools and DuckDB itself.

    It holds no rows: each view looks up which files count whenever it is queried, so the file is
    written once, and again when datasets are added.
    """
    from connectors.lake.duckdb_file import write_database  # noqa: PLC0415 - duckdb, not for --help

    settings = load_settings()
    name = tenant_name(settings, tenant)
    lake = Lake(settings.lake, name)
    known = offered(settings, name, tenant)
    views = write_database(lake, file, relative=relative, offered=known, note=say)
    if as_json:
        print_json({"file": str(file.resolve()), "views": views})
        return
    say(f"{file}: {len(views)} views over {lake.location()}: {', '.join(views)}")
