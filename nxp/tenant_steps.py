"""What a real tenant needs, in order, each with the page of Nexthink's administration to open.

The names of pages are those of docs/tenant.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from connectors.counting import first_of
from nxp.answers.steps import State, Step

_CREDENTIAL: Final = "Administration → API credentials (part Account Management)"
_QUERIES: Final = "Administration → NQL API queries (part Content Management)"
_SHOWN: Final = 5
# How a problem of a setting begins: a variable, or a place and a key.
_ABOUT: Final = r"(?:^|[:. ])(?:NEXTHINK_)?(?:{})(?:_FILE)?: "


def steps(
    *,
    problems: Iterable[str],
    refused: str | None,
    connected: bool,
    outcomes: Mapping[str, str],
    uses: Mapping[str, Sequence[str]],
    retention: bool,
) -> list[Step]:
    """Return what a tenant needs, in the order in which to do it.

    Args:
        problems: of the settings.
        refused: why the tenant let nobody in, if it was asked and did not.
        connected: whether it was asked.
        outcomes: how saved queries compare with their files, by id, as far as it is known.
        uses: the names of what the catalogue has: datasets, syncs, actions, and `queries`, the ids
            of saved queries that datasets need.
        retention: whether it is set how long the tenant keeps its data.
    """
    listed = list(problems)
    found = [
        _address(listed),
        _credential(listed, refused, connected=connected),
        _permissions(uses, outcomes),
        _datasets(uses),
        _saved_queries(uses["queries"], outcomes),
        *_to_act(uses),
    ]
    state = State.OK if retention else State.UNKNOWN
    do = "Administration → data retention shows how long data is kept: set tenant_retention to it"
    return [*found, Step("data retention", state, "" if retention else do)]


def lines(found: Sequence[Step]) -> Iterator[str]:
    """Yield the steps for a person, numbered."""
    yield "what a real tenant needs, in order:"
    for number, each in enumerate(found, 1):
        do = f": {each.do}" if each.do else ""
        yield f"  {number}. {each.step} - {each.state.value}{do}"


def _address(problems: Iterable[str]) -> Step:
    is_missing = _any_about(problems, "INSTANCE|REGION|API_URL|LOGIN_URL")
    do = (
        "both are in the address that you open in the browser, such as acme.eu.nexthink.cloud: set "
        "instance and region in nxp.toml, or NEXTHINK_INSTANCE and NEXTHINK_REGION"
    )
    return Step("instance and region", *_is(missing=is_missing, do=do))


def _credential(problems: Iterable[str], refused: str | None, *, connected: bool) -> Step:
    name = "credential"
    if _any_about(problems, "CLIENT_ID|CLIENT_SECRET|BLOCK"):
        do = (
            f"{_CREDENTIAL} → New OAuth client credentials; set NEXTHINK_CLIENT_ID and "
            "NEXTHINK_CLIENT_SECRET, or NEXTHINK_CLIENT_SECRET_FILE"
        )
        return Step(name, State.MISSING, do)
    if refused and not connected:
        do = f"no token was issued; if the credential is wrong: {_CREDENTIAL} → a new one"
        return Step(name, State.MISSING, do)
    if connected:
        return Step(name, State.OK, "")
    return Step(name, State.UNKNOWN, "it is set; nxp check --connect tries it")


def _permissions(uses: Mapping[str, Sequence[str]], outcomes: Mapping[str, str]) -> Step:
    ticks = ["NQL API"]
    ticks += ["Enrichment API (for syncs)"] if uses["syncs"] else []
    if uses["actions"]:
        ticks.append(
            "Remote Actions API, Campaigns API, Workflows API (for actions of these kinds)"
        )
    do = f"{_CREDENTIAL} → the credential → tick {', '.join(ticks)}"
    known = set(outcomes.values()) - {"failed"}
    if "not permitted" in known:
        return Step("permissions", State.MISSING, do)
    if known and len(ticks) == 1:
        return Step("permissions", State.OK, "")
    return Step("permissions", State.UNKNOWN, do)


def _datasets(uses: Mapping[str, Sequence[str]]) -> Step:
    do = "nxp add lists the library, nxp add devices copies a dataset of it"
    return Step("datasets", *_is(missing=not uses["datasets"], do=do))


def _saved_queries(query_ids: Sequence[str], outcomes: Mapping[str, str]) -> Step:
    name = "saved queries"
    missing = [each for each in query_ids if outcomes.get(each) == "missing"]
    asked = [each for each in query_ids if each in outcomes]
    do = f"{_QUERIES} → New NQL API query; nxp nql queries --to-paste prints what to paste"
    if missing:
        return Step(name, State.MISSING, f"{first_of(missing, _SHOWN)}: {do}")
    if query_ids and len(asked) == len(query_ids):
        return Step(name, State.OK, "")
    return Step(name, State.UNKNOWN, f"{do}; nxp nql diff compares them")


def _to_act(uses: Mapping[str, Sequence[str]]) -> Iterator[Step]:
    if uses["syncs"]:
        do = (
            f"for {first_of(uses['syncs'], _SHOWN)}: Administration → create each custom field "
            "of the sync's YAML as a manual custom field"
        )
        yield Step("custom fields", State.UNKNOWN, do)
    if uses["actions"]:
        do = (
            "Remote Actions → Manage remote actions, Workflows → Manage workflows, Campaigns → "
            "Manage campaigns: edit each one that is used → General → tick API"
        )
        yield Step("what actions run", State.UNKNOWN, do)


def _is(*, missing: bool, do: str) -> tuple[State, str]:
    return (State.MISSING, do) if missing else (State.OK, "")


def _any_about(problems: Iterable[str], names: str) -> bool:
    about = re.compile(_ABOUT.format(names), re.IGNORECASE)
    return any(about.search(problem) for problem in problems)
