"""A function of the project over the rows of a dataset, if the installation allows code.

The function takes the rows that would land as a LazyFrame, batch by batch, and returns a LazyFrame.
It is tried without rows before anything is exported: what it returns then is what lands.
"""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import polars as pl

from connectors.catalogue import Column, DatasetSpecification
from connectors.catalogue.columns import LANDED_NAME, RESERVED
from connectors.catalogue.frame_types import FRAME_TYPES, column_type, landed, refused_type
from connectors.errors import ConfigurationError, DataRefusedError
from tasks.columns.derived import unfit

FOLDER: Final = "transforms"
SETTING: Final = "NXP_ALLOW_CODE"
_INSTEAD: Final = "nothing was published"
# Rows of a run with which is tried whether the function treats each on its own.
_SAMPLE: Final = 200
# What code of others may raise; a panic of Polars is not an Exception.
_ANY: Final = (Exception, SystemExit, pl.exceptions.PanicException)


@dataclass(frozen=True, slots=True)
class Transform:
    """A dataset's function, loaded."""

    specification: DatasetSpecification
    function: Callable[[pl.LazyFrame], Any]
    path: Path | None = None
    _tried: list[int] = field(default_factory=list, compare=False, repr=False)

    def columns(self, of: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns that land if the function gets these, by trying it without rows.

        Raises:
            ConfigurationError: it fails, or returns what cannot land.
        """
        given = {column.name: column for column in of}
        empty = pl.LazyFrame(schema={name: FRAME_TYPES[each.type] for name, each in given.items()})
        try:
            schema = self._called(empty).collect().schema
        except _NotAFrameError as error:
            raise self._refused(str(error)) from None
        except _ANY as error:
            what = where_raised(error, self.path)
            raise self._refused(f"raises {what} on a frame without rows") from None
        if problems := [*self._problems(given, schema)]:
            raise self._refused("; ".join(problems))
        return tuple(self._column(given.get(name), name, kind) for name, kind in schema.items())

    def apply(
        self,
        rows: pl.DataFrame,
        columns: Sequence[Column],
        within: tuple[datetime, datetime] | None = None,
    ) -> pl.DataFrame:
        """Return what the function makes of a batch, in the columns that land.

        Args:
            rows: the batch.
            columns: what `columns` has returned.
            within: the bounds of the window, which rows must not leave.

        Raises:
            DataRefusedError: it fails, adds rows, or returns values that cannot land.
        """
        typed = self._result(rows)
        if len(rows) > 1 and not self._tried:
            self._try_halves(rows.head(_SAMPLE))
            self._tried.append(len(rows))
        if len(typed) > len(rows):
            raise self._refused_rows("returned more rows than it got")
        if typed.schema != {column.name: FRAME_TYPES[column.type] for column in columns}:
            raise self._refused_rows("returned other columns or types than on a frame without rows")
        for column in columns:
            values = typed[column.name]
            is_required = column.key or not column.nullable or column.name in self._placing
            if is_required and values.null_count():
                raise self._refused_rows(f"made the required {column.name} null")
            if unfit(values, column.type) is not None:
                raise self._refused_rows(f"returned values of {column.name} that cannot land")
        if within is not None:
            start, end = within
            for name in self._placing:
                if not typed[name].is_between(start, end, closed="left").all():
                    raise self._refused_rows(f"moved rows out of their window by changing {name}")
        return typed

    def _result(self, rows: pl.DataFrame) -> pl.DataFrame:
        try:
            result = self._called(rows.lazy()).collect()
            return result.select(
                landed(pl.col(name), kind).alias(name) for name, kind in result.schema.items()
            )
        except _ANY as error:
            raise self._refused_rows(f"raised {where_raised(error, self.path)}") from None

    def _try_halves(self, rows: pl.DataFrame) -> None:
        """Raise if the function makes other rows of two halves than of the whole."""
        half = len(rows) // 2
        whole, *halves = map(self._result, (rows, rows[:half], rows[half:]))
        if any(part.schema != whole.schema for part in halves):
            return
        if not whole.hash_rows().sort().equals(pl.concat(halves).hash_rows().sort()):
            raise self._refused_rows(
                "gives a row other values when other rows come with it, or every time: it must "
                "treat each row on its own, as rows come in batches of any size"
            )

    @property
    def _placing(self) -> set[str]:
        """The column that places rows in time; none in a snapshot."""
        window = self.specification.window
        return {window.column} if window else set()

    def _called(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        result = self.function(rows)
        if not isinstance(result, pl.LazyFrame):
            raise _NotAFrameError(f"returns {type(result).__name__}, not a LazyFrame")
        return result

    def _problems(self, given: dict[str, Column], schema: pl.Schema) -> list[str]:
        problems = []
        for column in given.values():
            if column.key or column.name in self._placing:
                if column.name not in schema:
                    problems.append(f"drops {column.name}, which is a key or places the rows")
                elif schema[column.name] != FRAME_TYPES[column.type]:
                    problems.append(f"changes the type of {column.name}")
        for name, kind in schema.items():
            if not LANDED_NAME.fullmatch(name) or RESERVED.fullmatch(name):
                problems.append(
                    f"returns a column whose name is reserved or not a-z, 0-9, _: {name}"
                )
            elif column_type(kind) is None:
                problems.append(f"returns {name}, but {refused_type(kind, in_python=True)}")
        problems += [
            f"drops {name}, which a check names"
            for check in self.specification.checks
            for name in check.named
            if name not in schema
        ]
        return problems

    def _column(self, known: Column | None, name: str, kind: pl.DataType) -> Column:
        if known is not None and kind == FRAME_TYPES[known.type]:
            return known
        lands_as = column_type(kind)
        if lands_as is None:
            raise AssertionError(f"{name} was checked")
        return Column(nql=str(self.specification.transform), name=name, type=lands_as)

    def _refused(self, why: str) -> ConfigurationError:
        named = f"{self.specification.dataset}: transform {self.specification.transform}"
        return ConfigurationError(f"{named} {why}")

    def _refused_rows(self, what: str) -> DataRefusedError:
        named = f"{self.specification.dataset}: transform {self.specification.transform}"
        return DataRefusedError(f"{named} {what}; {_INSTEAD}")


class _NotAFrameError(Exception):
    pass


def load_transform(
    specification: DatasetSpecification, catalog: Path, *, allow_code: bool
) -> Transform | None:
    """Return a dataset's function, from `transforms/` of the catalogue or an installed module.

    Raises:
        ConfigurationError: code is not allowed, or there is no such function.
    """
    if specification.transform is None:
        return None
    named = f"{specification.dataset}: transform {specification.transform}"
    if not allow_code:
        raise ConfigurationError(
            f"{named} is code, and code is not allowed here: set {SETTING}=1 if you trust the "
            "catalogue and its authors"
        )
    module, _, name = specification.transform.partition(":")
    path = catalog / FOLDER / f"{module}.py"
    try:
        found = _from_file(module, path) if path.is_file() else importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"{named}: there is no {path} and no installed module {module}"
            ) from None
        raise ConfigurationError(f"{named}: it needs the module {error.name}") from None
    except _ANY as error:
        raised = where_raised(error, path)
        raise ConfigurationError(f"{named}: importing it raises {raised}") from None
    function = getattr(found, name, None)
    if not callable(function):
        raise ConfigurationError(f"{named}: {module} has no function {name}")
    return Transform(specification, function, path if path.is_file() else None)


def _from_file(module: str, path: Path) -> ModuleType:
    """Import a file of the catalogue under a name of its own: it hides no installed module."""
    made = importlib.util.spec_from_file_location(f"nxp_{FOLDER}_{module}", path)
    if made is None or made.loader is None:
        raise ImportError(str(path))
    loaded = importlib.util.module_from_spec(made)
    # stdout has the command's data.
    loaded.__dict__["print"] = partial(print, file=_Stderr())
    made.loader.exec_module(loaded)
    return loaded


class _Stderr:
    """The stderr of the moment: a test or a notebook may replace it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def where_raised(error: BaseException, path: Path | None) -> str:
    """Return the class of an error, with the line of the file that raised it; never its text."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if path is not None and frame.filename == str(path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"{type(error).__name__}{f' ({path.name}, line {line})' if path and line else ''}"
