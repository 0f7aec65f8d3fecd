"""Builds the wheel and uses it as somebody would who has nothing but Python; prints what it takes.

Two environments, each from the wheel alone: a plain one, and one with the extra `server`. Commands
run in a folder with packages of a user's own that have our names, with an empty home.

Usage: python scripts/try_wheel.py [--newest]. The versions are those of requirements.lock; with
--newest they are the newest that pyproject.toml allows.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.check_lock import EVERYTHING, PIN  # noqa: E402 - the path comes first

MB: Final = 1_000_000
# Every installation has them, or can do without.
NOT_COUNTED: Final = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "__pycache__")
# The interpreter that runs this is tried; for the others we see that every wheel exists.
PYTHONS: Final = ("3.11", "3.12", "3.13")
EXTRAS: Final = ("server", "stack", "delta", "otel", "mysql", "sqlite")
OWN: Final = ("flows", "tasks", "connectors")
FILES: Final = ("LICENSE", "SECURITY.md")
SECONDS: Final = 300


class Environment:
    """An empty environment with our wheel in it, and a folder that commands run in."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.folder = place / "work"
        self._home = place / "home"
        self._home.mkdir(parents=True)
        for name in OWN:
            package = self.folder / name
            package.mkdir(parents=True)
            text = 'raise ImportError("a package of the user\'s own was imported")\n'
            (package / "__init__.py").write_text(text, "utf-8")
        run([sys.executable, "-m", "venv", str(place / "venv")])

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.place / "venv" / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a new user's shell, whose PYTHONPATH has the current folder."""
        path = f"{self.place / 'venv' / 'bin'}{os.pathsep}{os.defpath}"
        return {"PATH": path, "HOME": str(self._home), "PYTHONPATH": "."}

    def nxp(
        self,
        *words: str,
        code: int = 0,
        more: Mapping[str, str] | None = None,
        project: str = "",
    ) -> str:
        """Run a command to its expected end; return what it wrote, and show how long it took."""
        began = os.times()
        wrote = run(
            ["nxp", *words],
            cwd=self.folder / project,
            env=self.variables | dict(more or {}),
            code=code,
            search=True,
        )
        say(f"  nxp {' '.join(words)}", began)
        return wrote

    def measure(self) -> tuple[int, float]:
        """Return the number of packages, and the MB of site-packages without compiled files."""
        (site,) = (self.place / "venv" / "lib").glob("python*/site-packages")
        counted = [path for path in site.iterdir() if not path.name.startswith(NOT_COUNTED)]
        packages = sum(path.suffix == ".dist-info" for path in counted)
        files = (path for top in counted for path in (top, *top.rglob("*")) if path.is_file())
        size = sum(path.stat().st_size for path in files if path.parent.name != "__pycache__")
        return packages, size / MB


def run(
    command: Sequence[str],
    *,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    code: int = 0,
    search: bool = False,
) -> str:
    """Run a program to its expected end; return what it wrote.

    Args:
        command: the program and its words.
        cwd: the folder it runs in.
        env: its variables, by default ours.
        code: how it has to end.
        search: find the program on the PATH of `env`, not on ours.
    """
    words = ["/usr/bin/env", *command] if search else list(command)
    done = subprocess.run(  # noqa: S603 - programs of ours
        words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if done.returncode != code:
        sys.exit(
            f"{' '.join(command)} ended with {done.returncode}, not {code}:\n"
            f"{done.stdout}{done.stderr}"
        )
    return done.stdout + done.stderr


def say(what: str, began: os.times_result) -> None:
    """Print what took how long since then: seconds, and those of a processor."""
    ended = os.times()
    used = ended.children_user + ended.children_system
    used -= began.children_user + began.children_system
    print(f"{what:60.60} {ended.elapsed - began.elapsed:6.1f} s {used:6.1f} s CPU", flush=True)


def build(folder: Path) -> Path:
    """Return the wheel, built with the source archive; both must have what has to go along."""
    run([sys.executable, "-m", "hatchling", "build", "--directory", str(folder)])
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as other:
        for names in (archive.namelist(), other.getnames()):
            for file in (*FILES, "datasets/devices.yaml", "grammar.lark", "0001_first.py"):
                if not any(name.endswith(f"/{file}") for name in names):
                    sys.exit(f"{file} is missing in a built archive")
    print(f"{wheel.name}: {wheel.stat().st_size / MB:.1f} MB")
    return wheel


def versions() -> list[str]:
    """Return the versions to install, without their hashes: the wheel itself has none."""
    lines = EVERYTHING.path.read_text("utf-8").splitlines()
    return [line.rstrip(" \\") for line in lines if PIN.match(line)]


def install(environment: Environment, wheel: str, constraints: Path, *, fast: bool) -> None:
    """Install the wheel, and print what it takes."""
    began = os.times()
    options = ["--constraint", str(constraints), wheel]
    python = str(environment.python)
    if fast:
        words = ["uv", "pip", "install", "-q", "--system-certs", "--python", python]
        run([sys.executable, "-m", *words, *options])
    else:
        run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *options])
    which = wheel.rpartition(".whl")[2] or "plain"
    say(f"{which}, with {'uv' if fast else 'pip'}", began)
    packages, size = environment.measure()
    print(f"{which}: {packages} packages, {size:.0f} MB")


@contextmanager
def sandbox(environment: Environment) -> Iterator[dict[str, str]]:
    """Serve a stand-in tenant from the environment; yield the variables that point at it."""
    words = ["nxp", "sandbox", "--json", "--devices", "50", "--days", "3"]
    with subprocess.Popen(  # noqa: S603 - the command of our wheel
        ["/usr/bin/env", *words],
        cwd=environment.folder,
        env=environment.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            tenant = json.loads(process.stdout.readline() if process.stdout else "")
            names = ("instance", "region", "client_id", "client_secret", "api_url", "login_url")
            yield {f"NEXTHINK_{name.upper()}": tenant[name] for name in names}
        finally:
            process.terminate()


def expect(words: str, wrote: str) -> None:
    """End with what was written unless it has these words."""
    if words not in wrote:
        sys.exit(f"expected {words!r}, got:\n{wrote}")


def use_plain(environment: Environment) -> None:
    """Do what works without any extra, and see what is said where one is missing."""
    environment.nxp("--version")
    expect("nexthink-pipelines[server]", environment.nxp("demo"))
    with sandbox(environment) as tenant:
        environment.nxp("check", more=tenant)
        environment.nxp("export", "crashes", "users", more=tenant)
        environment.nxp("sql", "SELECT count(*) FROM users", more=tenant)
        # A worker's run must not take the library for the project's catalogue.
        expect("NXP_CATALOG", environment.nxp("check", code=3, more={"PREFECT__FLOW_RUN_ID": "x"}))
    environment.nxp("init", "shop", "--sandbox")
    environment.nxp("check", project="shop")
    for words in ("worker", "deploy", "server start", "stack status"):
        expect("pip install 'nexthink-pipelines[", environment.nxp(*words.split(), code=3))
    module = [str(environment.python), "-m", "nxp", "datasets"]
    run(module, cwd=environment.folder, env=environment.variables)


def use_server(environment: Environment) -> None:
    """Run flows on a server that lives as long as the command."""
    environment.nxp("deploy", "--help")
    expect("the flow nql-export", environment.nxp("demo"))


def resolve() -> None:
    """See that every package has a wheel for each Python, with and without extras."""
    for python in PYTHONS:
        began = os.times()
        command = [
            "uv",
            "pip",
            "compile",
            "-q",
            "--system-certs",
            "--only-binary",
            ":all:",
            "pyproject.toml",
        ]
        extras = [word for extra in EXTRAS for word in ("--extra", extra)]
        run([sys.executable, "-m", *command, "--python-version", python, *extras])
        is_run = python == f"{sys.version_info.major}.{sys.version_info.minor}"
        tried = "run above" if is_run else "not run"
        say(f"Python {python}: wheels for all extras exist; {tried}", began)


def main() -> None:
    """Try everything, and print what it takes."""
    with tempfile.TemporaryDirectory(prefix="nxp-wheel-") as temporary:
        place = Path(temporary)
        wheel = str(build(place / "dist"))
        constraints = place / "constraints.txt"
        constraints.write_text("\n".join([] if "--newest" in sys.argv else versions()), "utf-8")
        plain = Environment(place / "plain")
        install(plain, wheel, constraints, fast=False)
        use_plain(plain)
        server = Environment(place / "server")
        install(server, f"{wheel}[server]", constraints, fast=True)
        use_server(server)
    resolve()


if __name__ == "__main__":
    main()
