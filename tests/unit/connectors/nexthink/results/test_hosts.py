"""Result files never come from this machine; hosts that are not known are warned about."""

import logging
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from connectors.errors import ConfigurationError, UnavailableError
from connectors.limits import Limits, read_limits
from connectors.logs import is_unreported
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.hosts import ResultHosts
from tests.unit.connectors.servers import Clock, FakeTenant, Reply, Server

API = "https://acme.api.eu.nexthink.cloud"
BUCKET = "https://nexthink-results.s3.eu-central-1.amazonaws.com/file.csv?X-Amz-Signature=MARK"
NAMES = {
    "inside.example.com": ["10.1.2.3"],
    "loop.example.com": ["127.0.0.1"],
    "mixed.example.com": ["52.1.2.3", "::1"],
    "meta.example.com": ["169.254.169.254"],
    "localhost": ["127.0.0.1"],
    "sandbox.example.com": ["127.0.0.1"],
}
LOCAL = [
    "127.0.0.1",
    "127.8.9.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "127.0.0.1.",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    "0.0.0.0",  # noqa: S104 - to refuse it
    "0",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[64:ff9b:1::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[fd20:ce::254]",
    "[ff02::1]",
    "loop.example.com",
    "mixed.example.com",
    "meta.example.com",
]


def known(host: str) -> Iterable[str]:
    return NAMES.get(host, ["52.1.2.3"] if host.endswith(".amazonaws.com") else [])


def check(url: str, api: str = API, **limits: str) -> None:
    hosts = ResultHosts(httpx.URL(api), Limits.model_validate(limits), known)
    hosts.check(httpx.Request("GET", url))


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("api", [API, "https://10.0.0.5"])
def test_local_hosts_are_refused_in_every_form(host: str, api: str) -> None:
    with pytest.raises(UnavailableError, match="no file store") as caught:
        check(f"https://{host}/x?MARK", api)
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize("host", [each for each in LOCAL if "169" in each or "fe80" in each])
def test_a_tenant_on_loopback_names_no_metadata_service(host: str) -> None:
    with pytest.raises(UnavailableError, match="no file store"):
        check(f"http://{host}/x", "http://127.0.0.1:8080")


@pytest.mark.parametrize("api", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"])
@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]", "loop.example.com"])
def test_a_sandbox_may_name_loopback_without_encryption(api: str, host: str) -> None:
    check(f"http://{host}/x", api, result_host_check="strict")


@pytest.mark.parametrize("api", [API, "http://10.0.0.5", "http://sandbox.invalid"])
def test_otherwise_files_come_encrypted(api: str) -> None:
    with pytest.raises(UnavailableError, match="without encryption"):
        check(BUCKET.replace("https", "http"), api)


@pytest.mark.parametrize(
    "host",
    [
        "b.s3.amazonaws.com",
        "b.s3.eu-central-1.amazonaws.com",
        "B.S3.EU-CENTRAL-1.amazonaws.com.",
        "a.b.s3.dualstack.us-east-1.amazonaws.com",
        "s3.eu-west-1.amazonaws.com",
        "b.s3-accelerate.amazonaws.com",
        "b.bucket.vpce-1a-2b.s3.us-east-1.vpce.amazonaws.com",
        "acme.api.eu.nexthink.cloud",
    ],
)
def test_the_vendor_s_hosts_pass_without_a_word(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    check(f"https://{host}/x", result_host_check="strict")
    assert caplog.records == []


@pytest.mark.parametrize(
    "host",
    [
        "inside.example.com",
        "10.1.2.3",
        "[fd12::1]",
        "s3.amazonaws.com.evil.test",
        "b.s3.evil.execute-api.amazonaws.com",
    ],
)
def test_other_hosts_warn_once_or_are_refused(host: str, caplog: pytest.LogCaptureFixture) -> None:
    hosts = ResultHosts(httpx.URL(API), Limits(), known)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            hosts.check(httpx.Request("GET", f"https://{host}/x?MARK"))
    (record,) = caplog.records
    assert "NXP_RESULT_HOSTS" in record.getMessage()
    assert is_unreported(record)
    assert "MARK" not in record.getMessage()
    with pytest.raises(UnavailableError, match="NXP_RESULT_HOSTS"):
        check(f"https://{host}/x", result_host_check="strict")


def test_hosts_and_their_check_are_settings() -> None:
    asked = {"NXP_RESULT_HOSTS": "*.example.com", "NXP_RESULT_HOST_CHECK": "strict"}
    hosts = ResultHosts(httpx.URL(API), read_limits(asked), known)
    hosts.check(httpx.Request("GET", "https://inside.example.com/x"))
    with pytest.raises(UnavailableError, match="NXP_RESULT_HOSTS"):
        hosts.check(httpx.Request("GET", BUCKET))
    for wrong in ({"NXP_RESULT_HOST_CHECK": "maybe"}, {"NXP_RESULT_HOSTS": "https://x/y"}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            read_limits(wrong)


def test_a_proxy_resolves_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "")
    check("https://loop.example.com/x")
    with pytest.raises(UnavailableError, match="no file store"):
        check("https://127.0.0.1/x")


class Redirecting(httpx.BaseTransport):
    """Answers every request with a redirect."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url.host))
        return httpx.Response(302, headers={"location": self.location})


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "127.1"])
def test_a_redirect_to_this_machine_is_not_followed(
    other_server: Server, clock: Clock, target: Path, host: str
) -> None:
    location = f"https://{host}:{other_server.url.rsplit(':', 1)[1]}/x"
    network = Redirecting(location)
    tenant = FakeTenant(API, API)
    with (
        NexthinkClient(tenant, network, clock, clock.sleep) as client,
        pytest.raises(UnavailableError, match="no file store"),
    ):
        client.nql.download("e1", target, url=BUCKET)
    assert len(network.asked) == 1
    assert not target.exists()


class Answered:
    """The connection of an answer."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return self.peer, 443


@pytest.mark.parametrize(
    ("peer", "passes"), [("127.0.0.1", False), ("::1", False), ("52.1.2.3", True)]
)
def test_who_answered_is_checked_too(peer: str, passes: bool) -> None:
    hosts = ResultHosts(httpx.URL(API), Limits(), known)
    answer = httpx.Response(
        200, request=httpx.Request("GET", BUCKET), extensions={"network_stream": Answered(peer)}
    )
    if passes:
        hosts.check_peer(answer)
        return
    with pytest.raises(UnavailableError, match="no file store"):
        hosts.check_peer(answer)


def test_a_sandbox_s_file_is_fetched(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", "/x", Reply(200, b"a\n1\n"))
    client.nql.download("e1", target, url=f"{other_server.url}/x")
    assert target.read_bytes() == b"a\n1\n"
