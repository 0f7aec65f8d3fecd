"""The project of a command: the folder with nxp.toml, found from the current folder upward.

A key of nxp.toml is a variable's name without NXP_ or NEXTHINK_, in lower case: `lake` is NXP_LAKE.
A variable that is set, or its NAME_FILE, takes precedence over the file.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from connectors.errors import ConfigurationError
from connectors.text_files import read_text

FILE: Final = "nxp.toml"
PROFILES: Final = "profiles"
# Names the project's folder where the current one does not lead to it, as in runs of a worker.
VARIABLE: Final = "NXP_PROJECT"
# Values that are paths; in the file they are relative to its folder, as are those of `…_file` keys.
PATHS: Final = frozenset({"home", "lake", "catalog"})
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)
_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_KEY: Final = re.compile(r"""\s*(["']?)([\w.-]+)\1\s*=""")


@dataclass(frozen=True, slots=True)
class Project:
    """A project: its file nxp.toml, and what the file says.

    `table` is the file's content as TOML has it; `lines` has the number of each key's line.
    """

    file: Path
    table: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int]

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.file.parent

    @property
    def profiles(self) -> Mapping[str, Any]:
        """The tenants of `[profiles.NAME]`, by name."""
        profiles = self.table.get(PROFILES)
        return profiles if isinstance(profiles, dict) else {}

    def place(self, *keys: str) -> str:
        """Return the file, and the line of a key if it is known: /project/nxp.toml:12."""
        line = self.lines.get(keys)
        return f"{self.file}:{line}" if line else str(self.file)

    def text(self, key: str, value: Any) -> str:
        """Return a value as a variable would have it; a path is made absolute.

        What has no such form is "": `connectors.settings.project_keys` reports it.
        """
        match value:
            case bool():
                return str(value).lower()
            case int() | float():
                return str(value)
            case str() if key in PATHS or key.endswith("_file"):
                return self._absolute(value.strip())
            case str():
                return value.strip()
            case _:
                return ""

    def _absolute(self, path: str) -> str:
        if not path or _URL.match(path):
            return path
        return str(self.root / Path(path).expanduser())


@dataclass(frozen=True, slots=True)
class Completed:
    """Variables, completed by those of a project that are not set.

    Attributes:
        environ: the variables.
        names: for each field that the project sets, what an error message calls it.
    """

    environ: Mapping[str, str]
    names: Mapping[str, str]


def find_project(environ: Mapping[str, str] | None = None) -> Project | None:
    """Return the project of NXP_PROJECT, otherwise of the current folder or the nearest above it.

    Raises:
        ConfigurationError: its file cannot be read, is not TOML, or belongs to somebody else.
    """
    file = _find(os.environ if environ is None else environ)
    return _project(file) if file else None


def says(key: str, text: str) -> bool:
    """Return whether the project's file sets a key to a text, seen without parsing the file.

    For what every command has to know before it loads settings, which then report problems.
    """
    try:
        file = _find(os.environ)
        content = read_text(file) if file else ""
    except (ConfigurationError, OSError, UnicodeDecodeError):
        return False
    line = rf"""^\s*{key}\s*=\s*["']{re.escape(text)}["']\s*(#.*)?$"""
    settings = re.split(r"(?m)^\s*\[", content, maxsplit=1)[0]
    return re.search(line, settings, re.MULTILINE) is not None


def complete(environ: Mapping[str, str], prefix: str, fields: Iterable[str]) -> Completed:
    """Return variables with those of the project's file added where neither form is set."""
    project = find_project(environ)
    return Completed(environ, {}) if project is None else add(project, environ, prefix, fields)


def add(
    project: Project, environ: Mapping[str, str], prefix: str, fields: Iterable[str]
) -> Completed:
    """Return variables with those of a project added where neither form of a name is set."""
    # Each look into the process's own variables encodes the name and decodes the value.
    environ = dict(environ)
    added: dict[str, str] = {}
    names: dict[str, str] = {}
    for field in fields:
        variable = f"{prefix}{field.upper()}"
        if is_set(environ, variable):
            continue
        for key, name in ((field, variable), (f"{field}_file", f"{variable}_FILE")):
            if value := project.text(key, project.table.get(key)):
                added[name] = value
                names.setdefault(field, f"{project.place(key)}: {key}")
    return Completed({**environ, **added}, names)


def is_set(environ: Mapping[str, str], variable: str) -> bool:
    """Return whether a variable, or the one that names its file, has a value."""
    return any(environ.get(name, "").strip() for name in (variable, f"{variable}_FILE"))


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: it cannot be read, or is not TOML; the message names the line.
    """
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        return tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        last = read_text(path).count("\n") + 1
        what = str(error).replace("at end of document", f"at line {last}, where the file ends")
        raise ConfigurationError(f"{path}: {what}") from None
    except ValueError:
        # Python's limit of digits.
        raise ConfigurationError(f"{path}: has a number that is too long") from None


def _find(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the project, which may still be unreadable."""
    if named := environ.get(VARIABLE, "").strip():
        file = Path(os.path.abspath(Path(named).expanduser()))  # noqa: PTH100 - keeps symbolic links
        file = file if file.name == FILE and not file.is_dir() else file / FILE
        if not os.path.lexists(file):
            raise ConfigurationError(f"{VARIABLE}: there is no {file}")
        return file
    try:
        here = Path.cwd()
    except OSError:
        # The folder was deleted under the command.
        return None
    for folder in (here, *here.parents):
        file = folder / FILE
        if os.path.lexists(file):
            if folder != here:
                _check_owner(file)
            return file
    return None


def _check_owner(file: Path) -> None:
    """Raise unless the file is the user's own, or the administrator's.

    It decides which code runs (`allow_code`) and where data goes: in a folder that everybody may
    write, such as /tmp, anybody could put it above somebody else's folder.
    """
    try:
        owner = file.stat().st_uid
    except OSError:
        # Reading it says what is wrong.
        return
    ours = {0, os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        ours.add(int(os.environ["SUDO_UID"]))
    if owner not in ours:
        raise ConfigurationError(
            f"{file} belongs to another user, so it is not read from a folder below it: run nxp in "
            f"{file.parent}, or set {VARIABLE} to that folder"
        )


def _project(file: Path) -> Project:
    try:
        seen = file.stat()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror or error}") from None
    return _read(file, (seen.st_mtime_ns, seen.st_size, seen.st_ino))


# A run reads settings many times; a changed file is read again.
@lru_cache(8)
def _read(file: Path, _version: tuple[int, ...]) -> Project:
    try:
        table = read_toml(file)
        return Project(file, table, _lines(read_text(file)))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: cannot be read: it is gone") from None


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of each key and table, which tomllib does not say."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            parts = (key[2],) if key[1] else _parts(key[2])
            found.setdefault((*table, *parts), number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; any of them may be in quotes."""
    return tuple(
        plain or quoted[1:-1]
        for quoted, plain in re.findall(r"""("[^"]*"|'[^']*')|([^\s."']+)""", dotted)
    )
