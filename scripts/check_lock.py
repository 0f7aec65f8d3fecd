"""Checks that the lock files match the requirements they were made from.

--renew renews them, and --upgrade also takes the newest versions.

requirements.lock is for developers: everything, with all extras. The lock files in
deployments/images are for what the product needs to run, for what builds it, for what checks the
files there, and for what makes a site of docs. The check needs no network: a lock carries a digest
of its requirements, and every pin must satisfy them and carry hashes.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "deployments" / "images"
IMAGE_EXTRAS = ("object-storage", "otel", "postgresql", "server", "site", "sqlite")
MARK = "# made from requirements "
HEAD = "# Pinned with hashes, for Python 3.11 to 3.13. Renew it with: make lock\n"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file and its requirements; `within` is a lock whose versions it must share."""

    path: Path
    requirements: Callable[[], list[str]]
    within: Path | None = None

    @property
    def mark(self) -> str:
        """The line of a lock file that identifies the requirements it was made from."""
        text = json.dumps([sorted(self.requirements()), _pyproject()["project"]["requires-python"]])
        return f"{MARK}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n"

    def problems(self, lock: str) -> list[str]:
        """Return the problems of its text."""
        name, found = self.path.name, []
        if self.mark not in lock:
            found.append(f"{name} was made from other requirements: run make lock")
        locked = pins(lock)
        for text in self.requirements():
            requirement = Requirement(text)
            versions = locked.get(canonicalize_name(requirement.name), set())
            if not any(requirement.specifier.contains(version) for version in versions):
                found.append(f"{name} has no version of {text}: run make lock")
        entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", lock) if "==" in entry]
        found += [f"no hash: {entry.split()[0]}" for entry in entries if "--hash=" not in entry]
        if re.search(r"https?://|^--|^-f ", lock, re.MULTILINE):
            found.append(f"{name} names an index or an address")
        return found + self._differences(locked)

    def _differences(self, locked: dict[str, set[str]]) -> list[str]:
        if self.within is None:
            return []
        known = pins(self.within.read_text("utf-8"))
        return [
            f"{self.path.name} has another version of {name} than {self.within.name}: run make lock"
            for name, versions in locked.items()
            if not versions <= known.get(name, set())
        ]


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock has of each package."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _with_extras(names: Iterable[str]) -> list[str]:
    """Return what the product needs with these extras, without extras that name others."""
    project = _pyproject()["project"]
    listed = [text for name in names for text in project["optional-dependencies"][name]]
    return [*project["dependencies"], *(text for text in listed if _is_of_others(text))]


def _is_of_others(requirement: str) -> bool:
    own: str = _pyproject()["project"]["name"]
    return Requirement(requirement).name != own


def _all() -> list[str]:
    return _with_extras(_pyproject()["project"]["optional-dependencies"])


def _image() -> list[str]:
    # Metrics are sent if a collector is set; without one none of these packages is loaded.
    return _with_extras(IMAGE_EXTRAS)


def _build() -> list[str]:
    return list(_pyproject()["build-system"]["requires"])


def _named_in(file: str) -> Callable[[], list[str]]:
    def requirements() -> list[str]:
        lines = (IMAGES / file).read_text("utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    return requirements


EVERYTHING = Lock(ROOT / "requirements.lock", _all)
LOCKS = (
    EVERYTHING,
    Lock(IMAGES / "runtime.lock", _image, EVERYTHING.path),
    Lock(IMAGES / "build.lock", _build, EVERYTHING.path),
    Lock(IMAGES / "tools.lock", _named_in("tools.in")),
    Lock(IMAGES / "site.lock", _named_in("site.in")),
)


def renew(lock: Lock, *, upgrade: bool = False) -> None:
    """Resolve a lock again with uv, for all supported Pythons at once.

    Versions that still fit stay, unless all are to be upgraded.
    """
    command = [
        "uv",
        "pip",
        "compile",
        "-",
        "--system-certs",
        "--universal",
        "--python-version",
        "3.11",
        "-q",
    ]
    options = ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"]
    within = ["--constraint", str(lock.within)] if lock.within else []
    with tempfile.TemporaryDirectory() as folder:
        # What is in the file that uv writes is what it prefers.
        resolved = Path(folder) / lock.path.name
        if not upgrade:
            shutil.copy(lock.path, resolved)
        subprocess.run(  # noqa: S603 - fixed words
            [sys.executable, "-m", *command, *options, *within, "--output-file", str(resolved)],
            cwd=ROOT,
            input="\n".join(lock.requirements()),
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        lock.path.write_text(f"{HEAD}{lock.mark}{resolved.read_text('utf-8')}", "utf-8")


def main() -> int:
    """Check the locks; with --renew, first renew all of them or those named."""
    if sys.argv[1:2] in (["--renew"], ["--upgrade"]):
        for lock in LOCKS:
            if lock.path.name in sys.argv[2:] or not sys.argv[2:]:
                renew(lock, upgrade=sys.argv[1] == "--upgrade")
    found = [problem for lock in LOCKS for problem in lock.problems(lock.path.read_text("utf-8"))]
    print("\n".join(found) or "the lock files match their requirements")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
