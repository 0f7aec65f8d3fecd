"""Putting a site in its place at once: it is written next to the folder, then takes its name."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from connectors.errors import StorageError, UsageError

# By this file a folder is known to be a site, which the next one may replace.
MARKER: Final = "nxp-site.json"
_VERSION: Final = 1
# What a killed build left next to the folder goes with the next one, when it is surely over.
_LEFT_SECONDS: Final = 24 * 3600


def checked_place(out: Path) -> Path:
    """Return the folder's real path, if a site may be written there.

    Raises:
        UsageError: something else is there, or the folder cannot be replaced.
    """
    place = out.expanduser().resolve()
    if place.exists() and not place.is_dir():
        raise UsageError(f"--out {place} is not a folder")
    if place == place.parent or place == Path.cwd() or os.path.ismount(place):
        raise UsageError(f"--out {place} cannot be replaced: name a folder below it")
    try:
        is_foreign = place.is_dir() and any(place.iterdir()) and not (place / MARKER).is_file()
    except OSError as error:
        raise StorageError(f"--out {place} cannot be read: {error.strerror}") from None
    if is_foreign:
        raise UsageError(
            f"--out {place} has files that are not of a site: name an empty folder, or a new one"
        )
    return place


@contextmanager
def replacing(place: Path, marks: Mapping[str, object]) -> Iterator[Path]:
    """Yield an empty folder; when the block ends, it is the site. A failure leaves the old one.

    Args:
        place: as `checked_place` has returned it.
        marks: what the marker says of the site, for JSON.

    Raises:
        StorageError: the folder cannot be written or replaced.
    """
    new = _next_to(place, "new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _clear(place)
        new.mkdir()
        try:
            yield new
            (new / MARKER).write_text(json.dumps({"site": _VERSION, **marks}) + "\n", "utf-8")
            _swap(new, place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the site cannot be written to {place}: {error.strerror or error}"
        ) from None


def _swap(new: Path, place: Path) -> None:
    old = _next_to(place, "old")
    with suppress(FileNotFoundError):
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        # The old site is better than none.
        with suppress(OSError):
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _next_to(place: Path, what: str) -> Path:
    return place.with_name(f".{place.name}.{what}-{secrets.token_hex(6)}")


def _clear(place: Path) -> None:
    """Remove what killed builds have left; bring a site back that one has moved away."""
    for what in ("new", "old"):
        for left in sorted(place.parent.glob(f".{place.name}.{what}-*")):
            if what == "old" and not place.exists() and (left / MARKER).is_file():
                left.rename(place)
            elif time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
