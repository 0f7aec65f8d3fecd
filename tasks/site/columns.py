"""The columns of a dataset: what its YAML says of them, and what their profiles show.

A value is shown only of a column that the catalogue declares, that is not personal and has no
reference (values of those are ids, of people too), and is not derived from one that has. What a
profile of earlier days holds does not matter.
"""

from collections.abc import Mapping
from typing import Any, Final

from connectors.catalogue import Column, DatasetSpecification, private_columns
from tasks.site.facts import ColumnFacts

Profiles = Mapping[str, Mapping[str, Any]]

_OURS: Final = {
    "_nxp_run_id": "The run that landed the row: see nxp runs.",
    "_nxp_exported_at": "When the tenant was asked for the row.",
}


def columns_of(
    specification: DatasetSpecification | None, landed: Mapping[str, str], profiles: Profiles
) -> tuple[ColumnFacts, ...]:
    """Return the columns of a dataset, declared ones first.

    Args:
        specification: of the dataset; None if only the lake has it.
        landed: the columns of the manifest, with their types.
        profiles: of its newest units, in order of time, as `read_profiles` returns them.
    """
    known = specification.known_columns if specification else ()
    hidden = private_columns(known, {each.name for each in known if each.references})
    found = [_declared(each, profiles, shows=each.name not in hidden) for each in known]
    names = {each.name for each in known}
    found += [
        ColumnFacts(
            name,
            _short(kind),
            _OURS.get(name, ""),
            declared=name in _OURS,
            **_counted(profiles, name),
        )
        for name, kind in landed.items()
        if name not in names
    ]
    return tuple(found)


def _declared(column: Column, profiles: Profiles, *, shows: bool) -> ColumnFacts:
    return ColumnFacts(
        column.name,
        str(column.type),
        column.description or "",
        column.unit or "",
        column.key,
        column.personal,
        references=column.references or "",
        **_counted(profiles, column.name),
        **(_shown(profiles, column.name) if shows else {}),
    )


def _counted(profiles: Profiles, name: str) -> dict[str, Any]:
    """Return counts, which any column may show."""
    taken = [(each["rows"], each["columns"].get(name, {})) for each in profiles.values()]
    counted = [(rows, of["nulls"]) for rows, of in taken if "nulls" in of]
    rows = sum(each for each, _ in counted)
    distinct = [of["distinct"] for _, of in taken if "distinct" in of]
    return {
        "null_share": sum(nulls for _, nulls in counted) / rows if rows else None,
        "distinct": distinct[-1] if distinct else None,
    }


def _shown(profiles: Profiles, name: str) -> dict[str, Any]:
    """Return values: least and most of all kept units, the rest of the newest."""
    taken = [each["columns"].get(name, {}) for each in profiles.values()]
    shown: dict[str, Any] = {}
    for what, pick in (("least", min), ("most", max)):
        values = [of[what] for of in taken if of.get(what) is not None]
        # A column whose type was changed has numbers and times.
        if len({isinstance(value, str) for value in values}) == 1:
            shown[what] = pick(values)
    newest: Mapping[str, Any] = next((of for of in reversed(taken) if "distinct" in of), {})
    if newest.get("values"):
        shown["values"] = tuple((str(value), int(rows)) for value, rows in newest["values"])
    if newest.get("bins"):
        shown["bins"], shown["edges"] = tuple(newest["bins"]), tuple(newest["edges"])
    return shown


def _short(kind: str) -> str:
    """Return a type of Arrow in the words of the catalogue."""
    known = {"large_string": "string", "int64": "int", "double": "float", "date32[day]": "date"}
    if kind.startswith("timestamp"):
        return "datetime"
    return "list" if kind.startswith(("list<", "large_list<")) else known.get(kind, kind)
