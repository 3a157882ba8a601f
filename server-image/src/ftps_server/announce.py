"""The address that PASV announces to a client."""

import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import AddressValueError, IPv4Address, ip_address

from ftps_server.config import AddressConfig
from ftps_server.logs import event, warn

REFRESH_SECONDS = 30.0
"""How often host names are looked up again: the addresses of a cloud's load balancer change."""


def look_up(name: str) -> str:
    """An IPv4 address of a host name. Blocks. Raises OSError."""
    return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


class Announcer:
    """Knows what to announce to whom. Host names are looked up in a thread; the last good answer stands."""

    def __init__(
        self,
        config: AddressConfig,
        *,
        post: Callable[[Callable[[], None]], None],
        resolve: Callable[[str], str] = look_up,
    ) -> None:
        self._post = post
        self._resolve = resolve
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="resolver")
        self._resolved: dict[str, str] = {}
        self._config = config
        self.replace(config)

    def replace(self, config: AddressConfig) -> None:
        """Take a new configuration."""
        self._config = config
        self.refresh()

    def address_for(self, client: str) -> str | None:
        """The IPv4 address for a client, None while it is not known."""
        peer = ip_address(client)
        for override in self._config.overrides:
            if any(peer in network for network in override.cidrs):
                return self._known(override.address)
        default = self._config.default
        if default is None:
            return None
        return self._known(default.address or os.environ.get(default.environment or "", ""))

    def refresh(self) -> None:
        """Look every host name up again."""
        for name in sorted(self._names()):
            self._pool.submit(self._resolve, name).add_done_callback(
                lambda done, name=name: self._post(lambda: self._resolution(name, done))  # type: ignore[misc]
            )

    def close(self) -> None:
        """Look nothing up any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _known(self, address: str) -> str | None:
        return address if _is_ipv4(address) else self._resolved.get(address)

    def _names(self) -> set[str]:
        addresses = {override.address for override in self._config.overrides}
        if self._config.default is not None and self._config.default.address is not None:
            addresses.add(self._config.default.address)
        return {address for address in addresses if not _is_ipv4(address)}

    def _resolution(self, name: str, done: "Future[str]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            warn("lookup failed", name=name, error=str(error))
            return
        if self._resolved.get(name) != done.result():
            event("lookup", name=name, address=done.result())
        self._resolved[name] = done.result()


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
