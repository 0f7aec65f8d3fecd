"""`nxp nql queries`: the catalogue's saved queries, to be pasted into Nexthink."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue.names import unknown_queries
from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text, why_unreadable
from connectors.errors import ConfigurationError, UsageError
from connectors.lake.storage import storage_errors
from connectors.settings.installation import load_settings
from nxp.options import Json
from nxp.output import print_json, print_table, print_text, say


def queries(
    query_id: Annotated[
        str | None, Parameter(help="The id of a saved query, such as devices.")
    ] = None,
    *,
    to_paste: Annotated[
        bool,
        Parameter(negative="", help="Print all as one page (Markdown), in the order to paste."),
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="With --to-paste, the file to write instead of stdout.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the catalogue's saved queries, or print the text of one, to paste into Nexthink.

    Datasets, actions and the read-back of syncs need their queries saved there, each under its id.
    """
    if to_paste:
        _print_page(query_id, out, as_json=as_json)
        return
    if out is not None:
        raise UsageError("--out needs --to-paste")
    folder = load_settings().catalog / "queries"
    named = None if query_id is None else f"#{query_id.removeprefix('#')}"
    texts, problems = _texts(folder, named)
    if named is not None and not texts and not problems:
        raise unknown_queries([named], [f"#{path.stem}" for path in sorted(folder.glob("*.nql"))])
    if problems and not texts:
        raise ConfigurationError("saved queries", problems=tuple(problems))
    if as_json:
        print_json(texts)
    elif named is not None:
        print_text(texts[named].rstrip())
    elif texts:
        firsts = (line.splitlines()[0].strip("/* ") if line else "" for line in texts.values())
        print_table(["query_id", "what"], list(zip(texts, firsts, strict=True)))
    if problems:
        sys.stdout.flush()
        raise ConfigurationError("saved queries", problems=tuple(problems))


def _texts(folder: Path, named: str | None) -> tuple[dict[str, str], list[str]]:
    """Return the texts of all saved queries or of one, by id, and why some cannot be read."""
    texts, problems = {}, []
    for path in sorted(folder.glob("*.nql")):
        if named in {None, f"#{path.stem}"}:
            try:
                texts[f"#{path.stem}"] = read_catalogue_text(path)
            except UNREADABLE as error:
                problems.append(f"queries/{path.name}: {why_unreadable(error)}")
    return texts, problems


def _print_page(query_id: str | None, out: Path | None, *, as_json: bool) -> None:
    """Print everything that can be pasted; problems of other files are an error afterwards."""
    from nxp.nql_page import page, queries_to_paste  # noqa: PLC0415 - specifications

    if query_id is not None:
        raise UsageError("--to-paste prints all queries: leave out QUERY_ID")
    if as_json and out:
        raise UsageError("--out writes Markdown: leave out --json")
    found = queries_to_paste(load_settings().catalog)
    if as_json:
        print_json(found.queries)
    elif out is None:
        print_text(page(found.queries).rstrip("\n"))
    else:
        with storage_errors(out):
            try:
                with out.open("x", encoding="utf-8") as opened:
                    opened.write(page(found.queries))
            except FileExistsError:
                raise UsageError(f"--out {out}: the file exists already") from None
        say(f"{len(found.queries)} saved queries are in {out}")
    if found.problems:
        sys.stdout.flush()
        raise ConfigurationError("saved queries", problems=found.problems)
