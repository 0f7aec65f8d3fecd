"""Checks Dockerfile, compose.yaml and the Kubernetes files with the tools of tools.lock.

Only lint and schemas: nothing is built or started, and no network is used. `make check-images`
runs it in an environment of its own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
BASE = "deployments/kubernetes/base"
COMPOSE = "deployments/compose.yaml"
LINES = "{extends: relaxed, rules: {line-length: disable}}"
KUBERNETES = "1.37.0"
CHECKS = (
    ("hadolint", "deployments/images/Dockerfile"),
    ("yamllint", "--strict", "--config-data", LINES, COMPOSE, BASE),
    ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE),
)


def run(*words: str) -> tuple[int, str]:
    """Run one tool; return its exit code and its output."""
    ended = subprocess.run(  # noqa: S603 - tools from our own environment
        [BIN / words[0], *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def main() -> int:
    """Run all checks; the exit code is 1 if one fails."""
    results = [(words[0], *run(*words)) for words in CHECKS]
    code, rendered = run("kubectl", "kustomize", BASE)
    results.append(("kubectl kustomize", code, rendered if code else ""))
    if not code:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(rendered)
            file.flush()
            words = ("kubernetes-validate", "--strict", "-k", KUBERNETES, file.name)
            results.append(("kubernetes-validate", *run(*words)))
    for tool, code, output in results:
        print(f"{tool}: {'fine' if not code else 'FAILED'}")
        if code:
            print(output)
    return int(any(code for _, code, _ in results))


if __name__ == "__main__":
    sys.exit(main())
