"""The route to a host: direct, or through the proxies of the environment or the system."""

import ssl
import threading
import urllib.request
from typing import Final

import httpx

from connectors.errors import ConfigurationError
from connectors.http.certificates import trusted
from connectors.http.pace import paced

# A proxy cannot reach this machine's loopback, where the sandbox listens.
NEVER_PROXIED: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SystemProxies(httpx.BaseTransport):
    """Uses the proxies of the environment or the system.

    httpx can do this too, but only for a client without a transport of its own. `tls` sets which
    certificates are trusted; by default those of the system, SSL_CERT_FILE and SSL_CERT_DIR.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        proxies = urllib.request.getproxies()
        # A proxy's URL that is not usable is an error now, not at the first request.
        self._through = {
            scheme: self._proxy(url)
            for scheme in ("http", "https")
            if (url := proxies.get(scheme) or proxies.get("all"))
        }
        self._direct: dict[str, httpx.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request by the route for its host."""
        host, scheme = request.url.host, request.url.scheme
        if (
            host in NEVER_PROXIED
            or scheme not in self._through
            or urllib.request.proxy_bypass(host)
        ):
            return self._route(scheme).handle_request(request)
        return self._through[scheme].handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        for transport in (*self._direct.values(), *self._through.values()):
            transport.close()

    def _route(self, scheme: str) -> httpx.HTTPTransport:
        """Return the direct route; certificates are read only where they are looked at."""
        with self._lock:
            if scheme not in self._direct:
                trust = (self._tls or trusted()) if scheme == "https" else False
                self._direct[scheme] = paced(httpx.HTTPTransport(verify=trust))
            return self._direct[scheme]

    def _proxy(self, url: str) -> httpx.HTTPTransport:
        tls = self._tls or trusted()
        try:
            # httpcore accepts a TLS context only for an https proxy.
            proxy = httpx.Proxy(
                url if "://" in url else f"http://{url}",
                ssl_context=tls if url.startswith("https://") else None,
            )
            return paced(httpx.HTTPTransport(verify=tls, proxy=proxy))
        except (httpx.InvalidURL, ValueError, ImportError):
            # The fault's text would show the proxy's password.
            raise ConfigurationError(
                "the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not a usable http(s) URL"
            ) from None
