"""Fetches one picture from the web, trusting nothing: scheme, address, size and time are all checked."""

import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import Cookie, DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit
from urllib.request import Request

import requests

MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_RETRYABLE_STATUS = {408, 425, 429, 500, 502, 503, 504}


class FetchFailed(Exception):
    """A picture that could not be fetched. `reason` is the failure's code."""

    def __init__(self, reason: str, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retryable = retryable


def _no_more(_seconds: float) -> None:
    return None


@dataclass
class Fetcher:
    """Downloads with limits. `trusted_origins` ("http://127.0.0.1:8080") may be private addresses."""

    max_bytes: int
    timeout_s: float
    user_agent: str
    allow_private_hosts: bool = False
    trusted_origins: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.monotonic
    _session: requests.Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": self.user_agent, "Accept": "image/*"})
        self._session.cookies.set_policy(_NoCookies())
        adapter = requests.adapters.HTTPAdapter(pool_connections=32, pool_maxsize=32)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def get(self, url: str) -> bytes:
        """The bytes at a URL, at most `max_bytes`. Raises FetchFailed."""
        deadline = self.clock() + self.timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            self._check_address(url)
            response = self._ask(url)
            with response:
                if response.is_redirect:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status_code != requests.codes.ok:
                    raise FetchFailed(
                        f"http-{response.status_code}",
                        f"the server answered {response.status_code}",
                        retryable=response.status_code in _RETRYABLE_STATUS,
                    )
                return self._body(response, deadline)
        raise FetchFailed("too-many-redirects", f"more than {MAX_REDIRECTS} redirects", retryable=False)

    def _ask(self, url: str) -> requests.Response:
        try:
            return self._session.get(
                url, stream=True, allow_redirects=False, timeout=(min(10.0, self.timeout_s), self.timeout_s)
            )
        except requests.Timeout as error:
            raise FetchFailed("timeout", "no answer in time", retryable=True) from error
        except requests.exceptions.SSLError as error:
            raise FetchFailed("tls", "the server's certificate does not hold", retryable=False) from error
        except requests.ConnectionError as error:
            raise FetchFailed("no-connection", "the server cannot be reached", retryable=True) from error
        except (requests.RequestException, ValueError) as error:
            raise FetchFailed("bad-url", f"not a usable address: {type(error).__name__}", retryable=False) from error

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            raise FetchFailed("too-large", f"more than {self.max_bytes:,} bytes", retryable=False)
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self.max_bytes:
                    raise FetchFailed("too-large", f"more than {self.max_bytes:,} bytes", retryable=False)
                if self.clock() > deadline:
                    raise FetchFailed("timeout", f"not done after {self.timeout_s:g} s", retryable=True)
        except (requests.RequestException, OSError) as error:
            raise FetchFailed("broken-off", f"the body broke off ({type(error).__name__})", retryable=True) from error
        if not body:
            raise FetchFailed("empty", "the body is empty", retryable=True)
        return bytes(body)

    def _check_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise FetchFailed("bad-url", f"not an address: {error}", retryable=False) from error
        if parts.scheme not in {"http", "https"} or not host:
            raise FetchFailed("bad-url", "only http and https addresses are fetched", retryable=False)
        if self.allow_private_hosts or f"{parts.scheme}://{parts.netloc}" in self.trusted_origins:
            return
        try:
            found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise FetchFailed("unknown-host", f"the host {host[:100]} has no address", retryable=True) from error
        for entry in found:
            address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
            if not address.is_global or address.is_multicast:
                raise FetchFailed("private-address", f"the host {host[:100]} is a private address", retryable=False)


class _NoCookies(DefaultCookiePolicy):
    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        return False
