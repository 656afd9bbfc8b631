"""Connections that go only where they may: the very address that is connected to was checked before."""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

_HOSTS_KEPT = 64  # connections to so many hosts stay open for their next pictures


class RefusedAddress(Exception):
    """A host whose address is loopback, private, link-local or otherwise not on the public internet."""


class UnknownHost(Exception):
    """A host that has no address."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Which addresses may be connected to. `trusted_origins` ("http://127.0.0.1:8080") may be any."""

    allow_private_hosts: bool
    trusted_origins: frozenset[str]

    def addresses(self, scheme: str, host: str, port: int) -> list[str]:
        """The numeric addresses of a host. Raises UnknownHost, and RefusedAddress if one of them is not public."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnknownHost(f"the host {host[:100]} has no address") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not (self.allow_private_hosts or f"{scheme}://{host}:{port}" in self.trusted_origins):
            for address in addresses:
                if not is_public(address):
                    raise RefusedAddress(f"the host {host[:100]} is a private address")
        return addresses


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the public internet; addresses inside IPv6 ones count as what they name."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            parsed = inner
        elif parsed in ipaddress.ip_network("64:ff9b::/96"):  # NAT64, RFC 6052
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed.is_global and not parsed.is_multicast


def gated_pools(gate: Gate, user_agent: str, per_host: int, using: Callable[[HTTPConnection], None]) -> PoolManager:
    """Pools of kept connections whose every connect passes the gate. `using` is told of each connection before use."""

    class _Gated(HTTPConnection):
        _scheme = "http"

        def _new_conn(self) -> socket.socket:
            using(self)
            failed: OSError | None = None
            for address in gate.addresses(self._scheme, self._dns_host.strip("[]"), self.port):
                try:
                    return create_connection((address, self.port), self.timeout, socket_options=self.socket_options)
                except OSError as error:
                    failed = error
            if isinstance(failed, TimeoutError):
                raise ConnectTimeoutError(self, f"no connection to {self.host[:100]} in time") from failed
            raise NewConnectionError(self, f"no connection to {self.host[:100]}") from failed

        def request(self, *args: Any, **options: Any) -> None:
            using(self)
            super().request(*args, **options)

    class _GatedTls(_Gated, HTTPSConnection):
        _scheme = "https"

    class _Pool(HTTPConnectionPool):
        ConnectionCls = _Gated

    class _TlsPool(HTTPSConnectionPool):
        ConnectionCls = _GatedTls

    pools = PoolManager(
        num_pools=_HOSTS_KEPT,
        headers={"User-Agent": user_agent, "Accept": "image/*", "Accept-Encoding": "identity"},
        maxsize=per_host,
        ca_certs=certifi.where(),
        retries=False,
    )
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools
