"""Files that people write on Windows: byte order marks, UTF-16, carriage returns."""

import json
from pathlib import Path

import pytest

from connectors.catalogue import load_dataset
from connectors.errors import ConfigurationError
from connectors.limits import read_limits
from connectors.nexthink.request import read_request
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from connectors.sources.connection import read_connection
from connectors.text_files import decode_text
from tasks.act.target_files import read_pairs

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
PROFILE = '[acme]\r\ninstance = "acme"\r\nregion = "eu"\r\nclient_id = "Ğ"\r\n'
TENANT = {
    "NEXTHINK_INSTANCE": "acme\r",
    "NEXTHINK_REGION": "eu \r\n",
    "NEXTHINK_CLIENT_ID": " id",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_mark_is_no_part_of_a_secret_a_profile_or_a_target(tmp_path: Path, encoding: str) -> None:
    secret, targets = tmp_path / "secret", tmp_path / "targets.csv"
    secret.write_bytes("sécret\r\n".encode(encoding))
    text = f"{PROFILE}client_secret_file = '{secret}'\r\n"
    (tmp_path / "profiles.toml").write_bytes(text.encode(encoding))
    targets.write_bytes("PC-1,Ğ\r\nPC-2\r\n".encode(encoding))
    settings = load_settings({"NXP_HOME": str(tmp_path)})
    tenant = load_tenant(settings, "acme", {})
    assert tenant.client_id == "Ğ"
    assert tenant.client_secret.get_secret_value() == "sécret"
    tenant = load_tenant(settings, None, {**TENANT, "NEXTHINK_CLIENT_SECRET_FILE": str(secret)})
    assert (tenant.name, tenant.client_id) == ("acme.eu", "id")
    assert tenant.client_secret.get_secret_value() == "sécret"
    connection, problems = read_connection("hr", {"NXP_SOURCE_HR_PASSWORD_FILE": f"{secret}\r"})
    assert (connection.password.get_secret_value(), problems) == ("sécret", [])
    assert read_pairs(targets) == [("PC-1", "Ğ"), ("PC-2", "")]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_mark_is_no_part_of_yaml_or_json(tmp_path: Path, encoding: str) -> None:
    catalog = Path("deployments")
    for name in ("datasets/devices.yaml", "queries/devices.nql"):
        text = (catalog / name).read_text("utf-8").replace("\n", "\r\n")
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(text.encode(encoding))
    assert load_dataset(tmp_path, "devices") == load_dataset(catalog, "devices")
    content = (tmp_path / "queries/devices.nql").read_bytes()
    assert decode_text(content) == (catalog / "queries/devices.nql").read_text("utf-8")
    request = {
        "domain": "Ğ",
        "enrichments": [
            {
                "identification": [{"name": "device/device/name", "value": "PC-1"}],
                "fields": [{"name": "device/device/virtualization/desktop_pool", "value": "x"}],
            }
        ],
    }
    assert read_request(json.dumps(request).encode(encoding)).domain == "Ğ"


@pytest.mark.parametrize("value", ["se\rcret", "se\ncret", "se\0cret"])
def test_a_line_break_inside_a_value_is_named_without_the_value(value: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(value, newline="")
    given = {**TENANT, "NEXTHINK_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    with pytest.raises(ConfigurationError) as raised:
        load_tenant(load_settings({"NXP_HOME": str(tmp_path)}), None, given)
    problem = raised.value.problems[0]
    assert problem.startswith("NEXTHINK_CLIENT_SECRET_FILE: must not contain line breaks")
    assert "cret" not in problem.removeprefix("NEXTHINK_CLIENT_SECRET_FILE")


def test_a_secret_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes("sécret".encode("cp1252"))
    _, problems = read_connection("hr", {"NXP_SOURCE_HR_PASSWORD_FILE": str(tmp_path / "secret")})
    assert problems == [
        f"NXP_SOURCE_HR_PASSWORD_FILE: the file {tmp_path / 'secret'} is not text in UTF-8"
    ]


def test_a_ceiling_may_come_from_a_file_made_on_windows(tmp_path: Path) -> None:
    file = tmp_path / "limit"
    file.write_bytes(b"\xef\xbb\xbf8\r\n")
    assert read_limits({"NXP_MAX_ANSWER_MB_FILE": str(file)}).max_answer_mb == 8
