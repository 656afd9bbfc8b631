"""Fetches one picture from the web, trusting nothing: scheme, address, size, time and content are all checked."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from carharvest.harvest.connect import Gate, RefusedAddress, UnknownHost, gated_pools

MAX_REDIRECTS = 5
_CHUNK = 64 * 1024
_DRAINED = 16 * 1024  # a body that nobody wants is read to its end if it is this short: the connection stays
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # a moment later the same request may succeed
# Not to be used for training or in picture search: Google's X-Robots-Tag words, and DeviantArt's noai.
_UNWANTED = {"noai", "noimageai", "noindex", "noimageindex", "none"}
_OUR_NAME = "carharvest"
_WATCH_S = 0.1


class FetchFailed(Exception):
    """A picture that could not be fetched. `reason` is the failure's code.

    `retryable`: a later run may try again. `soon`: this run may, `after_s` seconds from now if the server said so.
    """

    def __init__(
        self, reason: str, detail: str, *, retryable: bool, soon: bool = False, after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retryable = retryable
        self.soon = soon
        self.after_s = after_s


@dataclass
class _Request:
    """A request at work, so that it can be cut off from outside."""

    deadline: float
    connection: HTTPConnection | None = None
    cut: bool = False

    def cut_off(self) -> None:
        self.cut = True
        connected = self.connection.sock if self.connection else None
        if connected is not None:
            with contextlib.suppress(OSError):  # it may be closed by itself in the meantime
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # the plain one: TLS' own is not for other threads


@dataclass
class Fetcher:
    """Downloads with limits, from many threads at once. `trusted_origins` may be private addresses.

    `timeout_s` bounds a picture to its last byte, redirects included, however slowly bytes drip in (a lookup of a name
    that hangs is the system's to end); `connect_s` bounds a connect, `read_s` the silence between two bytes.
    """

    max_bytes: int
    timeout_s: float
    user_agent: str
    allow_private_hosts: bool = False
    trusted_origins: frozenset[str] = frozenset()
    connect_s: float = 10.0
    read_s: float = 20.0
    per_host: int = 8
    heed_robots_tag: bool = True
    _pools: PoolManager = field(init=False, repr=False)
    _here: threading.local = field(init=False, repr=False, default_factory=threading.local)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)
    _requests: dict[int, _Request] = field(init=False, repr=False, default_factory=dict)
    _watcher: threading.Thread | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        gate = Gate(self.allow_private_hosts, self.trusted_origins)
        self._pools = gated_pools(gate, self.user_agent, self.per_host, self._using)

    def get(self, url: str) -> bytes:
        """The bytes at a URL, at most `max_bytes`. Raises FetchFailed."""
        request = _Request(time.monotonic() + self.timeout_s)
        with self._lock:
            self._requests[id(request)] = request
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="fetch-watcher", daemon=True)
                self._watcher.start()
        self._here.request = request
        try:
            return self._followed(url, request)
        except FetchFailed:
            if request.cut:
                raise self._too_slow() from None
            raise
        finally:
            with self._lock:
                del self._requests[id(request)]

    def cut_all(self) -> None:
        """Ends every request at work, at once."""
        with self._lock:
            for request in self._requests.values():
                request.cut_off()

    def _followed(self, url: str, request: _Request) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            _check_scheme(url)
            response = self._ask(url)
            if response.status in _REDIRECTS and response.headers.get("Location"):
                url = urljoin(url, _as_utf8(response.headers["Location"]))
                _drop(response)
                continue
            if response.status != 200:
                after_s = retry_after_s(response.headers.get("Retry-After"), time.time())
                _drop(response)
                raise FetchFailed(
                    f"http-{response.status}",
                    f"the server answered {response.status}",
                    retryable=response.status in _PASSING,
                    soon=response.status in _PASSING,
                    after_s=after_s if response.status in {429, 503} else None,
                )
            unwanted = unwanted_use(response.headers.getlist("X-Robots-Tag")) if self.heed_robots_tag else None
            if unwanted:
                response.close()
                raise FetchFailed("robots-tag", f"the server asks for {unwanted}", retryable=False)
            return self._body(response, request)
        raise FetchFailed("too-many-redirects", f"more than {MAX_REDIRECTS} redirects", retryable=False)

    def _ask(self, url: str) -> BaseHTTPResponse:
        timeout = Timeout(connect=min(self.connect_s, self.timeout_s), read=min(self.read_s, self.timeout_s))
        try:
            return self._pools.request(
                "GET", url, redirect=False, preload_content=False, decode_content=True, timeout=timeout
            )
        except RefusedAddress as error:
            raise FetchFailed("private-address", str(error), retryable=False) from error
        except UnknownHost as error:
            raise FetchFailed("unknown-host", str(error), retryable=True) from error
        except NewConnectionError as error:
            raise FetchFailed("no-connection", "the server cannot be reached", retryable=True, soon=True) from error
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            raise FetchFailed("timeout", "no answer in time", retryable=True, soon=True) from error
        except SSLError as error:
            raise FetchFailed("tls", "the server's certificate does not hold", retryable=False) from error
        except (LocationParseError, UnicodeError) as error:
            raise FetchFailed("bad-url", "not a usable address", retryable=False) from error
        except HTTPError as error:
            detail = f"the connection broke before an answer ({type(error).__name__})"
            raise FetchFailed("broken-off", detail, retryable=True, soon=True) from error

    def _body(self, response: BaseHTTPResponse, request: _Request) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > self.max_bytes:
            response.close()
            raise self._too_large()
        body = bytearray()
        try:
            while chunk := response.read1(_CHUNK):
                body += chunk
                if len(body) > self.max_bytes:
                    raise self._too_large()
                if time.monotonic() > request.deadline:
                    raise self._too_slow()
        except ReadTimeoutError as error:
            raise FetchFailed("timeout", f"no byte for {self.read_s:g} s", retryable=True, soon=True) from error
        except DecodeError as error:
            raise FetchFailed("broken-off", "its compression is damaged", retryable=False) from error
        except (HTTPError, OSError, ValueError) as error:
            detail = f"the body broke off ({type(error).__name__})"
            raise FetchFailed("broken-off", detail, retryable=True, soon=True) from error
        finally:
            response.close()  # a no-op for the connection where the body was read to its end
        if not body:
            raise FetchFailed("empty", "the body is empty", retryable=True)
        return bytes(body)

    def _too_large(self) -> FetchFailed:
        return FetchFailed("too-large", f"more than {self.max_bytes:,} bytes", retryable=False)

    def _too_slow(self) -> FetchFailed:
        return FetchFailed("timeout", f"not done after {self.timeout_s:g} s", retryable=True, soon=True)

    def _using(self, connection: HTTPConnection) -> None:
        request: _Request = self._here.request
        request.connection = connection

    def _watch(self) -> None:
        """Cuts off what is over its time, also where bytes come one by one; ends when nothing is at work."""
        while True:
            time.sleep(_WATCH_S)
            with self._lock:
                if not self._requests:
                    self._watcher = None
                    return
                now = time.monotonic()
                for request in self._requests.values():
                    if now > request.deadline:
                        request.cut_off()


def unwanted_use(robots_tags: Iterable[str]) -> str | None:
    """The word of the X-Robots-Tag headers that forbids what we do, if it is meant for all or for us.

    "noai, noimageai" is for all, "otherbot: noindex" is not.
    """
    for header in robots_tags:
        agent, colon, rest = header.lower().partition(":")
        if not colon or "," in agent or agent.strip() == "unavailable_after":
            agent, rest = "*", header.lower()
        if agent.strip() in {"*", _OUR_NAME}:
            for word in rest.split(","):
                if word.strip() in _UNWANTED:
                    return word.strip()
    return None


def retry_after_s(text: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, given in seconds or as a date. None where there is none that makes sense."""
    if text is None:
        return None
    text = text.strip()
    if text.isdecimal() and len(text) < 9:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise FetchFailed("bad-url", f"not an address: {error}", retryable=False) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise FetchFailed("bad-url", "only http and https addresses are fetched", retryable=False)


def _as_utf8(header: str) -> str:
    """Headers arrive as Latin-1; a Location with other letters is UTF-8."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def _drop(response: BaseHTTPResponse) -> None:
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:20]) <= _DRAINED:
        response.drain_conn()
    response.close()
