"""Checks that the lock files are in step with pyproject.toml; --renew makes it so.

requirements.lock is for those who work here: everything, with all extras. requirements-runtime.lock
is for images: what the product needs to run, in the same versions. The check needs no network: a
lock carries a digest of the requirements it was made from, and every pin must satisfy them and
carry hashes.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
RUNTIME = ROOT / "requirements-runtime.lock"
MARK = "# made from pyproject.toml "
HEAD = "# Pinned with hashes, for Python 3.11 to 3.13. Renew it with: make lock\n"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def requirements(*, extras: bool = True) -> list[str]:
    """Give the requirements of pyproject.toml, those of all extras too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    more = project["optional-dependencies"].values() if extras else ()
    return [*project["dependencies"], *(text for extra in more for text in extra)]


def digest(*, extras: bool = True) -> str:
    """Identify the requirements that a lock has to be made from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = json.dumps([sorted(requirements(extras=extras)), project["requires-python"]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def problems(lock: str, *, extras: bool = True) -> list[str]:
    """List what is wrong with a lock file."""
    found = []
    if f"{MARK}{digest(extras=extras)}\n" not in lock:
        found.append("the lock was made from other requirements: run make lock")
    locked = pins(lock)
    for text in requirements(extras=extras):
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), set())
        if not any(requirement.specifier.contains(version) for version in versions):
            found.append(f"the lock has no version of {text}: run make lock")
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", lock) if "==" in entry]
    found += [f"no hash: {entry.split()[0]}" for entry in entries if "--hash=" not in entry]
    if re.search(r"https?://|^--|^-f ", lock, re.MULTILINE):
        found.append("the lock names an index or an address")
    return found


def pins(lock: str) -> dict[str, set[str]]:
    """Give the versions that a lock has of each package."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def differences(runtime: str, lock: str) -> list[str]:
    """List what the lock of images has in another version than the lock of those who work here."""
    known = pins(lock)
    return [
        f"{RUNTIME.name} has {name} {', '.join(sorted(versions))}: run make lock"
        for name, versions in pins(runtime).items()
        if not versions <= known.get(name, set())
    ]


def renew() -> None:
    """Resolve anew with uv, for all supported Pythons at once."""
    _compile(LOCK, ("--all-extras",), digest())
    _compile(RUNTIME, ("--constraint", LOCK.name), digest(extras=False))


def _compile(path: Path, words: tuple[str, ...], made_from: str) -> None:
    command = ["uv", "pip", "compile", "pyproject.toml", *words, "--universal"]
    options = ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "-q"]
    resolved = subprocess.run(  # noqa: S603 - fixed words
        [sys.executable, "-m", *command, *options, "--python-version", "3.11"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    path.write_text(f"{HEAD}{MARK}{made_from}\n{resolved}", "utf-8")


def main() -> int:
    """Check, or renew."""
    if sys.argv[1:] == ["--renew"]:
        renew()
    lock, runtime = LOCK.read_text("utf-8"), RUNTIME.read_text("utf-8")
    found = [f"{LOCK.name}: {problem}" for problem in problems(lock)]
    found += [f"{RUNTIME.name}: {problem}" for problem in problems(runtime, extras=False)]
    found += differences(runtime, lock)
    print("\n".join(found) or "the lock files are in step with pyproject.toml")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
