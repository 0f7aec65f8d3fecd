"""Checks that requirements.lock is in step with pyproject.toml; --renew makes it so.

The check needs no network: the lock carries a digest of the requirements it was made from, and
every pin must satisfy them and carry hashes.
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
MARK = "# made from pyproject.toml "
HEAD = "# Pinned with hashes, for Python 3.11 to 3.13. Renew it with: make lock\n"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def requirements() -> list[str]:
    """Give all requirements of pyproject.toml, the dev extra's too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]


def digest() -> str:
    """Identify the requirements that the lock has to be made from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = json.dumps([sorted(requirements()), project["requires-python"]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def problems(lock: str) -> list[str]:
    """List what is wrong with the lock file."""
    found = []
    if f"{MARK}{digest()}\n" not in lock:
        found.append("requirements.lock was made from other requirements: run make lock")
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(lock):
        pins.setdefault(canonicalize_name(name), []).append(version)
    for text in requirements():
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name), [])
        if not any(requirement.specifier.contains(version) for version in versions):
            found.append(f"requirements.lock has no version of {text}: run make lock")
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", lock) if "==" in entry]
    found += [f"no hash: {entry.split()[0]}" for entry in entries if "--hash=" not in entry]
    if re.search(r"https?://|^--|^-f ", lock, re.MULTILINE):
        found.append("requirements.lock names an index or an address")
    return found


def renew() -> None:
    """Resolve anew with uv, for all supported Pythons at once."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal"]
    options = ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "-q"]
    resolved = subprocess.run(  # noqa: S603 - fixed words
        [sys.executable, "-m", *command, *options, "--python-version", "3.11"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    LOCK.write_text(f"{HEAD}{MARK}{digest()}\n{resolved}", "utf-8")


def main() -> int:
    """Check, or renew."""
    if sys.argv[1:] == ["--renew"]:
        renew()
    found = problems(LOCK.read_text("utf-8"))
    print("\n".join(found) or "requirements.lock is in step with pyproject.toml")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
