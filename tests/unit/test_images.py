"""What Dockerfile, compose.yaml and the Kubernetes files say must be true of this project."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from connectors.sources.connection import read_connection
from sandbox.options import SandboxOptions
from sandbox.servicenow.options import ServiceNowOptions

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = ROOT / "deployments"
DOCKERFILE = (DEPLOYMENTS / "images" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
MANIFESTS = [
    manifest
    for path in sorted((DEPLOYMENTS / "kubernetes" / "base").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]
GIVEN = {
    "NEXTHINK_INSTANCE": "acme",
    "NEXTHINK_REGION": "eu",
    "NEXTHINK_CLIENT_ID": "id",
    "NXP_IMAGE": "registry.example/nxp:1",
}


def interpolated(text: str) -> str:
    """Fill in values where compose.yaml asks for them, as Compose does."""

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2] or ""
        return GIVEN.get(name, default[2:] if default.startswith(":-") else "text")

    return re.sub(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}", value, text)


def compose_environment(service: str) -> dict[str, str]:
    """Return the variables of a service's container, including those of the image."""
    own = {key: interpolated(str(value)) for key, value in SERVICES[service]["environment"].items()}
    return image_environment() | own


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    block = re.search(r"^ENV (PATH=(?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)
    assert block
    return dict(pair.split("=", 1) for pair in re.findall(r"[A-Z_]+=\S+", block[1]))


def kubernetes_environment(config: str) -> dict[str, str]:
    """Return what a container has from a ConfigMap and the Secret of the same name."""
    kustomization = next(each for each in MANIFESTS if each["kind"] == "Kustomization")
    maps = {each["name"]: each["literals"] for each in kustomization["configMapGenerator"]}
    secrets: dict[str, dict[str, str]] = {
        each["metadata"]["name"]: each["stringData"]
        for each in MANIFESTS
        if each["kind"] == "Secret"
    }
    return dict(pair.split("=", 1) for pair in maps[config]) | secrets[config]


def all_variables() -> set[str]:
    found = set(image_environment())
    for service in SERVICES.values():
        found |= set(service.get("environment", {}))
    return found | set(kubernetes_environment("nxp")) | set(kubernetes_environment("server"))


def test_every_variable_of_ours_is_one_that_the_settings_know() -> None:
    known = {f"NXP_{field.upper()}" for field in Settings.model_fields}
    known |= {f"NEXTHINK_{field.upper()}" for field in TenantSettings.model_fields}
    known |= {f"NXP_SOURCE_CMDB_{end}" for end in ("URL", "USER", "PASSWORD")}
    ours = {name for name in all_variables() if name.startswith(("NXP_", "NEXTHINK_"))}
    assert ours
    assert {name.removesuffix("_FILE") for name in ours} <= known


def test_every_variable_of_prefect_is_one_that_it_knows() -> None:
    from prefect.settings.legacy import _get_settings_fields  # noqa: PLC0415 - 2 s
    from prefect.settings.models.root import Settings as PrefectSettings  # noqa: PLC0415

    theirs = {name for name in all_variables() if name.startswith("PREFECT_")}
    assert theirs
    assert theirs <= set(_get_settings_fields(PrefectSettings))


@pytest.mark.parametrize("service", ["worker", "sandbox-worker"])
def test_the_settings_loader_takes_a_workers_environment(service: str, tmp_path: Path) -> None:
    environ = compose_environment(service) | {"PREFECT__FLOW_RUN_ID": "a run"}
    if "NEXTHINK_CLIENT_SECRET_FILE" in environ:
        (tmp_path / "secret").write_text("s")
        environ["NEXTHINK_CLIENT_SECRET_FILE"] = str(tmp_path / "secret")
    settings = load_settings(environ)
    assert settings.lake == "s3://lake/nxp"
    assert (
        settings.ledger_url.get_secret_value()
        == "postgresql+psycopg://nxp:text@postgres:5432/ledger"
    )
    assert load_tenant(settings, None, environ).name in {"acme.eu", "sandbox.eu"}


def test_the_settings_loader_takes_the_environment_of_kubernetes() -> None:
    environ = kubernetes_environment("nxp") | {"NXP_HOME": "/var/lib/nxp"}
    environ |= {"NEXTHINK_INSTANCE": "acme", "NXP_LAKE": "s3://bucket/nxp"}
    assert load_settings(environ | {"PREFECT__FLOW_RUN_ID": "a run"}).lake == "s3://bucket/nxp"
    assert load_tenant(load_settings(environ), None, environ).name == "acme.eu"


def test_the_sandbox_of_compose_gives_its_worker_the_credentials_that_it_knows() -> None:
    environ = compose_environment("sandbox-worker")
    options = SandboxOptions(queries=DEPLOYMENTS / "queries").resolved()
    assert environ["NEXTHINK_CLIENT_ID"] == options.client_id
    assert environ["NEXTHINK_CLIENT_SECRET"] == options.client_secret
    connection, problems = read_connection("cmdb", environ)
    assert not problems
    account = ServiceNowOptions().resolved(options.seed)
    assert connection.password is not None
    assert connection.user == account.user
    assert connection.password.get_secret_value() == account.password


def test_what_the_dockerfile_copies_is_there_and_let_in() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert "deployments/images/runtime.lock" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        # The last rule that matches decides.
        fits = [rule for rule in rules if _fits(rule.removeprefix("!"), source)]
        assert fits[-1].startswith("!"), source
    assert not {"tests", ".git", ".env", ".nxp", "docs"} & {
        rule.removeprefix("!") for rule in rules
    }


def _fits(rule: str, path: str) -> bool:
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return not rule.startswith("#") and any(fnmatch(each, rule) for each in above)


def test_no_container_is_roots_and_every_image_of_others_has_a_version() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
    for name, service in SERVICES.items():
        image = interpolated(service["image"])
        assert re.search(r":[A-Za-z0-9.-]*\d", image), f"{name}: {image}"
    pods = [
        each["spec"]["template"]["spec"]
        for each in MANIFESTS
        if each["kind"] in {"Deployment", "Job"}
    ]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_no_secret_is_in_the_files() -> None:
    """The only ones are the sandbox's, which are derived from its seed."""
    for each in MANIFESTS:
        if each["kind"] == "Secret":
            assert all(value.endswith("CHANGE-ME") for value in each["stringData"].values())
    example = (DEPLOYMENTS / "images" / "env.example").read_text()
    assert not re.search(r"^(.*(PASSWORD|SECRET|AUTH).*)=.+$", example, re.MULTILINE)


def test_workers_reach_no_addresses_of_their_node() -> None:
    (policy,) = (
        each["spec"]
        for each in MANIFESTS
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "worker"
    )
    assert "Egress" in policy["policyTypes"]
    outside = next(rule for rule in policy["egress"] if "ipBlock" in rule.get("to", [{}])[0])
    excluded = [text for block in outside["to"] for text in block["ipBlock"]["except"]]
    assert {"169.254.0.0/16", "127.0.0.0/8", "fe80::/10", "fd00:ec2::254/128"} <= set(excluded)
    assert {"port": 443} in outside["ports"]
