"""What a changed contract does to landed data, in words: columns that come, go, or change type."""

from collections.abc import Iterator, Mapping

from connectors.catalogue import ColumnType, DatasetSpecification, Drift

# Names of landed types as Arrow writes them; text and JSON land alike.
_LANDED: Mapping[ColumnType, str] = {
    ColumnType.STRING: "string",
    ColumnType.INT: "int64",
    ColumnType.FLOAT: "double",
    ColumnType.BOOL: "bool",
    ColumnType.DATETIME: "timestamp[us, tz=UTC]",
    ColumnType.DATE: "date32[day]",
    ColumnType.BYTES: "int64",
    ColumnType.DURATION: "double",
    ColumnType.LIST: "list",
    ColumnType.JSON: "string",
}
# The same types as the catalogue names them; of two that land alike, the first.
_NAMES: Mapping[str, str] = {text: kind for kind, text in reversed([*_LANDED.items()])}
_OWN = "_nxp_"


def difference(dataset: str, landed: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """Return what a landing changes, compared with what has landed; None if nothing.

    Args:
        dataset: its name.
        landed: the columns so far, and their types as Arrow writes them.
        new: the columns from now on.
    """
    if not landed:
        return None
    parts = [f"adds {name}" for name in new if name not in landed]
    parts += [f"stops filling {name}" for name in landed if name not in new]
    changed = [name for name in new if name in landed and _plain(new[name]) != _plain(landed[name])]
    parts += [
        f"changes {name} from {_named(landed[name])} to {_named(new[name])}" for name in changed
    ]
    if changed:
        parts.append(f"nxp lake rewrite {dataset} brings earlier files to the new types")
    return ", ".join(parts) or None


def announced(specification: DatasetSpecification, landed: Mapping[str, str]) -> str | None:
    """Return what the next landing of a dataset changes, as far as its YAML says; None if nothing.

    With drift evolve, a landed column that is not declared may be one that the tenant just sends.
    What a transform returns is known only to the first run with it.
    """
    if specification.transform:
        return None
    new = {column.name: _LANDED[column.type] for column in specification.known_columns}
    known = dict(_without_own(landed))
    change = difference(specification.dataset, known, new)
    if change and specification.drift is Drift.EVOLVE and known.keys() - new.keys():
        change += " (drift evolve: what the tenant sends undeclared still lands)"
    return change


def _without_own(columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, kind) for name, kind in columns.items() if not name.startswith(_OWN))


def _named(kind: str) -> str:
    """Return a type as the catalogue names it."""
    return _NAMES.get(_plain(kind), kind)


def _plain(kind: str) -> str:
    """Return a type's name: of lists, versions of Arrow have named the values differently."""
    return "list" if kind.startswith(("list<", "large_list<")) else kind
