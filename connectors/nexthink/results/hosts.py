"""Which hosts result files are fetched from: never this machine, its link, or metadata services.

The tenant names the URL, so a wrong or hostile one could make us read what only this machine can
reach. Address ranges alone decide nothing more: private endpoints and proxies exist. Other hosts
are compared with patterns (NXP_RESULT_HOSTS).
"""

import ipaddress
import logging
import re
import socket
import urllib.request
from collections.abc import Callable, Iterable
from typing import Final

import httpx

from connectors.errors import UnavailableError
from connectors.http.exchanges import exchange_of
from connectors.http.proxies import NEVER_PROXIED
from connectors.limits import Limits, setting
from connectors.logs import UNREPORTED

log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Iterable[str]]

HTTPS: Final = "https"
STRICT: Final = "strict"
# Services of clouds that hand out credentials or settings, and are not link-local.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
# Connecting to these reaches this machine.
_THIS_HOST: Final = ipaddress.ip_network("0.0.0.0/8")
# IPv6 addresses whose last four bytes are an IPv4 address: compatible, translated, and NAT64.
_EMBEDDING: Final = tuple(
    map(ipaddress.ip_network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"))
)


def resolve(host: str) -> list[str]:
    """Return the addresses of a name; none if it is not known, as the connection will report."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def literal(host: str) -> Address | None:
    """Return the address that a host's text is, in any form that a connection accepts."""
    try:
        # Also decimal, octal, hexadecimal and shortened forms, such as 2130706433 and 0x7f.1.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        pass
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(address: Address) -> bool:
    """Return whether an address reaches this machine."""
    return any(
        each.is_loopback or each in _THIS_HOST or each.is_unspecified
        for each in _with_embedded(address)
    )


def is_local(address: Address) -> bool:
    """Return whether an address reaches only this machine, its link, or a metadata service."""
    return any(
        is_loopback(each) or each.is_link_local or each.is_multicast or each in _METADATA
        for each in _with_embedded(address)
    )


def _with_embedded(address: Address) -> list[Address]:
    """Return an address, and the IPv4 addresses contained in it."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [each for each in (address.ipv4_mapped, address.sixtofour) if each]
        found += list(address.teredo or ())
        if any(address in network for network in _EMBEDDING) and int(address) > 1:
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


class ResultHosts:
    """Checks where result files come from.

    Args:
        api: the tenant's API. If it is itself on loopback, as a sandbox is, its files may be too.
        limits: the patterns of known hosts, and whether others are refused.
        resolve: returns the addresses of a name.
    """

    def __init__(self, api: httpx.URL, limits: Limits, resolve: Resolve = resolve) -> None:
        self._api = api
        self._strict = limits.result_host_check == STRICT
        self._known = [_pattern(each) for each in limits.result_hosts.split()]
        self._resolve = resolve
        self._warned: set[str] = set()

    def check(self, request: httpx.Request) -> None:
        """Check a request before it is sent, also one that follows a redirect.

        Raises:
            UnavailableError: the file is offered without encryption, or by a host that no file
                store has; with `strict`, also by a host that no pattern matches.
        """
        host = _plain(request.url)
        if request.url.scheme != HTTPS and not self._is_sandbox():
            raise self._refused(request, "offers the result file without encryption: not fetched")
        addresses = self._addresses(request.url)
        if addresses and all(map(is_loopback, addresses)) and self._is_sandbox():
            return
        if f".{host}".endswith(".localhost") or any(map(is_local, addresses)):
            raise self._refused(
                request,
                "is an address of this machine, its network link or a metadata service, and no "
                "file store: the result file is not fetched",
            )
        if host == _plain(self._api) or any(each.fullmatch(host) for each in self._known):
            return
        if self._strict:
            raise self._refused(
                request,
                "is not one of the hosts that result files may come from: not fetched; if it is "
                f"right, add it to {setting('result_hosts')}",
            )
        if host not in self._warned:
            self._warned.add(host)
            log.warning(
                "result files come from %s, which %s does not list: add it, or set %s=strict to "
                "refuse such hosts",
                host,
                setting("result_hosts"),
                setting("result_host_check"),
                extra=UNREPORTED,
            )

    def check_peer(self, response: httpx.Response) -> None:
        """Check who answered: a name may have got another address since it was checked.

        Raises:
            UnavailableError: it is an address that no file store has.
        """
        stream = response.extensions.get("network_stream")
        if stream is None or _is_proxied(response.request.url):
            return
        try:
            peer = stream.get_extra_info("server_addr")
        except OSError:
            # The connection is closed by now: nothing is read from it.
            return
        address = literal(str(peer[0])) if isinstance(peer, tuple) else None
        if address is None or not is_local(address):
            return
        if not (is_loopback(address) and self._is_sandbox()):
            raise self._refused(
                response.request, "led to an address that no file store has: not fetched"
            )

    def _is_sandbox(self) -> bool:
        addresses = self._addresses(self._api)
        return self._api.scheme != HTTPS and bool(addresses) and all(map(is_loopback, addresses))

    def _addresses(self, url: httpx.URL) -> list[Address]:
        host = _plain(url)
        if known := literal(host):
            return [known]
        # A proxy resolves names itself, and this machine may not know them.
        found = () if _is_proxied(url) else self._resolve(host)
        return [each for text in found if (each := literal(text))]

    def _refused(self, request: httpx.Request, why: str) -> UnavailableError:
        return UnavailableError(f"{request.url.host} {why}", exchange=exchange_of(request))


def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern of hosts: a star at the beginning stands for any names, others for one."""
    begin = ".*" if text.startswith("*") else ""
    return re.compile(begin + re.escape(text.lstrip("*")).replace(r"\*", "[^.]*"))


def _plain(url: httpx.URL) -> str:
    """Return a URL's host as it is connected to: in ASCII, lower case, without a final dot."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _is_proxied(url: httpx.URL) -> bool:
    if url.host in NEVER_PROXIED:
        return False
    proxies = urllib.request.getproxies()
    has_proxy = proxies.get(url.scheme) or proxies.get("all")
    return bool(has_proxy) and not urllib.request.proxy_bypass(url.host)
