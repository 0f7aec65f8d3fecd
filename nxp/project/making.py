"""Making a project: which files it has, and writing all of them or nothing."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from connectors.errors import StorageError, UsageError
from connectors.extras import EXTRAS, install
from connectors.project import FILE
from nxp.editors.files import KINDS, read_schema, schema_path
from nxp.project.settings_file import settings_text
from nxp.project.wanted import POSTGRESQL, Wanted

# Of each folder, what its README says.
FOLDERS: Final[Mapping[str, str]] = {
    "datasets": "What is exported: one YAML file for each dataset. `nxp add` copies some.",
    "queries": "The text of each saved query, NAME.nql. `nxp nql queries --to-paste` prints them.",
    "syncs": "What is written to Nexthink from other systems: one YAML file for each sync.",
    "actions": "What is run on devices and people: one YAML file for each action.",
    "questions": "Questions about what has landed, NAME.sql, for `nxp ask`.",
}
_CI: Final = ".github/workflows/check.yml"
_TEMPLATES: Final[Mapping[str, str]] = {
    ".gitignore": "gitignore",
    ".env.example": "env.example",
    "prefect.yaml": "prefect.yaml",
    "automations.yaml": "automations.yaml",
    _CI: "check.yml",
}
_LANDING: Final = """
# The database in which datasets with `landings: [parquet, sql]` land.
NXP_DATABASE_URL=postgresql://USER:PASSWORD@HOST:5432/DATABASE
"""
# In the template of the CI file.
_INSTALL: Final = "pip install nexthink-pipelines"
_BUCKET: Final = {
    "s3": "\n# The account of the lake's bucket.\nAWS_ACCESS_KEY_ID=\nAWS_SECRET_ACCESS_KEY=\n"
    "AWS_REGION=\n",
    "az": "\n# The account of the lake's container.\nAZURE_STORAGE_ACCOUNT_NAME=\n"
    "AZURE_STORAGE_ACCOUNT_KEY=\n",
}
_BEGIN: Final = """\
```
cp .env.example .env             # fill in the credential, then: set -a; . ./.env; set +a
nxp add devices                  # copies a dataset of the library with its saved query
nxp check --connect              # says what is missing, in order
nxp export devices
```"""


def tenant_files(name: str, wanted: Wanted) -> dict[str, str]:
    """Return the files of a project for a tenant, as texts by their paths."""
    chosen = {
        "instance": wanted.instance,
        "region": wanted.region,
        "time_zone": wanted.time_zone,
    } | ({"lake": wanted.lake_place} if wanted.lake_place else {})
    what = f"data of the Nexthink tenant {wanted.instance}.{wanted.region}"
    found = project_files(name, what, _BEGIN, chosen)
    found[".env.example"] += _LANDING if wanted.lake == POSTGRESQL else ""
    bucket = _BUCKET.get(wanted.lake_place.partition("://")[0], "")
    found[".env.example"] += bucket
    if module := "psycopg" if wanted.lake == POSTGRESQL else "obstore" if bucket else None:
        command = install(EXTRAS[module])
        found[".env.example"] += f"# Needs the extra: {command}\n"
        found[_CI] = found[_CI].replace(_INSTALL, command)
    return found


def project_files(name: str, what: str, begin: str, chosen: Mapping[str, object]) -> dict[str, str]:
    """Return the files of any project, as texts by their paths.

    Args:
        name: of the project.
        what: it exports.
        begin: the commands to begin with, for its README.
        chosen: the active lines of nxp.toml.
    """
    readme = _template("README.md")
    for mark, text in (("@NAME@", name), ("@WHAT@", what), ("@BEGIN@", begin)):
        readme = readme.replace(mark, text)
    return {
        FILE: settings_text(chosen),
        "README.md": readme,
        **{path: _template(template) for path, template in _TEMPLATES.items()},
        **{f"{folder}/README.md": f"{text}\n" for folder, text in FOLDERS.items()},
        **{str(schema_path(kind, Path())): read_schema(kind) for kind in KINDS},
    }


def check_free(folder: Path, paths: list[str]) -> None:
    """Raise if a file that is to be written is there already.

    Raises:
        UsageError: the message names those that are; nothing is written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"init: {folder} is not a folder")
    if found := [path for path in paths if os.path.lexists(folder / path)]:
        raise UsageError(
            f"init: {folder} has {', '.join(found)} already: nothing was written; choose another "
            "folder, or move them away"
        )


def write_files(folder: Path, wanted: Mapping[str, str], private: Mapping[str, str]) -> None:
    """Write the files of a project: all of them, or none if one fails.

    Args:
        folder: the project's, created if needed.
        wanted: texts by paths.
        private: likewise, of files that only their owner may read, each in such a folder.

    Raises:
        UsageError: a file is there already.
        StorageError: one cannot be written.
    """
    check_free(folder, [*wanted, *private])
    written: list[Path] = []
    made: list[Path] = []
    try:
        for path, text in {**wanted, **private}.items():
            file = folder / path
            _make_folders(file.parent, made, mode=0o700 if path in private else 0o777)
            mode = 0o600 if path in private else 0o666
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(file)
            with open(descriptor, "w", encoding="utf-8", newline="\n") as opened:  # noqa: PTH123 - a descriptor
                opened.write(text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        for each in reversed(made):
            if not any(each.iterdir()):
                each.rmdir()
        if isinstance(error, FileExistsError):
            raise UsageError(
                f"init: {error.filename} has just appeared: nothing was written"
            ) from None
        raise StorageError(f"init: cannot write {folder}: {error.strerror or error}") from None


def _make_folders(folder: Path, made: list[Path], mode: int) -> None:
    """Create a folder and those above it that are missing, and record which."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=mode)
        made.append(each)


def _template(name: str) -> str:
    return files("nxp.project").joinpath("templates", name).read_text("utf-8")
