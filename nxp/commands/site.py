"""`nxp site`: static pages of what has landed, and how runs, syncs and actions went."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from connectors.counting import number_of
from connectors.settings.installation import load_settings
from nxp.engine import run_here
from nxp.options import Json, Prefect, Tenant
from nxp.output import print_json, print_text, say

if TYPE_CHECKING:
    from tasks.stories.site import SiteMade


def site(
    *,
    out: Annotated[
        Path, Parameter(help="A new or empty folder, or one that nxp site has made: replaced.")
    ],
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write a site of the tenant's datasets, runs, syncs and actions into a folder.

    It opens from a disk, without a server. The old site stays until the new one is complete. No
    value of a personal column is in it, and no name of who approved something.
    """

    def story() -> "SiteMade":
        from tasks.stories.site import make_site  # noqa: PLC0415 - not for --help

        return make_site(out, tenant)

    def flow() -> "SiteMade":
        from flows.site import site as run  # noqa: PLC0415 - prefect, 2 s

        return run(str(out.resolve()), tenant)

    made = run_here(load_settings(), prefect, story, flow)
    if as_json:
        print_json(made.plain())
        return
    print_text(str(Path(made.out) / "index.html"))
    say(f"{number_of(made.pages, 'page')}: {made.landed} of {made.datasets} datasets have landed")
    for name in made.damaged:
        say(f"{name} has a problem, which its page shows")
    for problem in made.questions_failed:
        say(problem)
