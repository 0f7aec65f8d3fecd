"""The targets of a raw command, as a person names them: by options, in a file or on stdin."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink.acting.requests import DeviceIds, UserIds
from tasks.act.target_files import STDIN
from tasks.act.target_tables import DEVICE_FIELDS, USER_FIELDS, read_content, table_of

_HELP: Final = f"A file with one per line; {STDIN} reads stdin."
TargetFile = Annotated[str | None, Parameter(allow_leading_hyphen=True, help=_HELP)]

Ids = TypeVar("Ids", bound=DeviceIds | UserIds)


@dataclass(frozen=True, slots=True)
class Targets:
    """The named targets, each once and in order, and how many repetitions were dropped."""

    names: Sequence[str]
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class TargetObjects(Generic[Ids]):
    """Devices or users: by plain ids (`names`), or by any of their ids (`ids`)."""

    names: Sequence[str] = ()
    ids: Sequence[Ids] = ()
    duplicates: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.names) + len(self.ids)


def read_targets(named: Iterable[str], file: str | None, options: str) -> Targets:
    """Return the targets that options name and a file lists, without blanks and repetitions.

    Args:
        named: by options.
        file: a path, or - for stdin.
        options: what the two options are called, for the error message.

    Raises:
        UsageError: no target is named, or the file cannot be read. The message quotes no line.
    """
    lines = read_content(file).splitlines() if file else []
    return _once([*named, *lines], options, is_asked=bool(file))


def read_devices(
    named: Iterable[str], file: str | None, *, by_id: bool
) -> TargetObjects[DeviceIds]:
    """Return devices: by collector id, or with `by_id` or a file with fields by any of their ids.

    Raises:
        UsageError: as `read_targets`, or an entry has no id; shows only its position.
    """
    return _objects(
        named,
        file,
        "--device or --devices",
        by_id=by_id,
        fields=DEVICE_FIELDS,
        of_lines=read_device_ids,
        of_row=lambda row: DeviceIds(**row),
        of_name=lambda name: DeviceIds(collector_uid=name),
    )


def read_users(named: Iterable[str], file: str | None, *, by_id: bool) -> TargetObjects[UserIds]:
    """Return users: by SID, or with `by_id` or a file with fields by any of their ids.

    Raises:
        UsageError: as `read_devices`.
    """
    return _objects(
        named,
        file,
        "--user or --users",
        by_id=by_id,
        fields=USER_FIELDS,
        of_lines=read_user_ids,
        of_row=lambda row: UserIds(**row),
        of_name=lambda name: UserIds(sid=name),
    )


def read_device_ids(names: Sequence[str]) -> list[DeviceIds]:
    """Return the ids written as name=, uid= or collector=; an error shows only the position."""
    kinds = {"name": "name", "uid": "uid", "collector": "collector_uid"}
    return [DeviceIds(**ids) for ids in _ids("device", names, kinds)]


def read_user_ids(names: Sequence[str]) -> list[UserIds]:
    """Return the ids written as sid=, upn= or uid=; an error shows only the position."""
    kinds = {"sid": "sid", "upn": "upn", "uid": "uid"}
    return [UserIds(**ids) for ids in _ids("user", names, kinds)]


def as_ids(objects: TargetObjects[Ids], of_name: Callable[[str], Ids]) -> Sequence[Ids]:
    """Return all objects by ids."""
    return [*map(of_name, objects.names), *objects.ids]


def _objects(
    named: Iterable[str],
    file: str | None,
    options: str,
    *,
    by_id: bool,
    fields: Mapping[str, str],
    of_lines: Callable[[Sequence[str]], list[Ids]],
    of_row: Callable[[Mapping[str, str]], Ids],
    of_name: Callable[[str], Ids],
) -> TargetObjects[Ids]:
    text = read_content(file) if file else ""
    table = table_of(file, text, fields) if file else None
    lines = [] if table else text.splitlines()
    found = _once([*named, *lines], options, is_asked=bool(file) and table is None)
    if table is None:
        if not by_id:
            return TargetObjects(names=found.names, duplicates=found.duplicates)
        return TargetObjects(ids=of_lines(found.names), duplicates=found.duplicates)
    empty = [number for number, row in zip(table.numbers, table.rows, strict=True) if not row]
    if empty:
        raise UsageError(f"{file}: row {empty[0]} has no id; nothing was sent")
    others = of_lines(found.names) if by_id else [of_name(name) for name in found.names]
    given = [*others, *map(of_row, table.rows)]
    once = {
        tuple((key, value.lower()) for key, value in each.body().items()): each for each in given
    }
    return TargetObjects(
        ids=list(once.values()), duplicates=found.duplicates + len(given) - len(once)
    )


def _once(given: Sequence[str], options: str, *, is_asked: bool) -> Targets:
    stripped = [name for each in given if (name := each.strip())]
    if not stripped and (given or is_asked):
        raise UsageError(f"{options}: no target is named")
    once: dict[str, str] = {}
    for name in stripped:
        once.setdefault(name.lower(), name)
    return Targets(list(once.values()), len(stripped) - len(once))


def _ids(what: str, names: Sequence[str], kinds: dict[str, str]) -> Iterable[dict[str, str]]:
    for position, each in enumerate(names):
        kind, equals, value = each.partition("=")
        if kind not in kinds or not equals or not value:
            known = ", ".join(f"{kind}=" for kind in kinds)
            raise UsageError(f"{what} {position} is not one of {known} followed by a value")
        yield {kinds[kind]: value}
