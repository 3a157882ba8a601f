"""The address that PASV announces to a client."""

import os
import socket
import threading
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, ip_address

from ftps_server.config import AddressConfig, Announced
from ftps_server.logs import event, warn

REFRESH_SECONDS = 30.0
"""How often host names are looked up again: the addresses of a cloud's load balancer change."""


def look_up(name: str) -> str:
    """An IPv4 address of a host name. Blocks. Raises OSError, ValueError for what is no host name."""
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
        self._resolved: dict[str, str] = {}
        self._looking_up: set[str] = set()
        self._config = config
        self.refresh()

    def replace(self, config: AddressConfig) -> None:
        """Take a new configuration."""
        self._config = config
        self.refresh()

    def address_for(self, client: str, *, local: str) -> str | None:
        """The IPv4 address for a client that has connected to `local`, None while it is not known."""
        peer = ip_address(client)
        for override in self._config.overrides:
            if any(peer in network for network in override.cidrs):
                return self._known(override.address)
        default = self._config.default
        return local if default is not None and default.local else self._known(_value(default))

    def refresh(self) -> None:
        """Look every host name up again."""
        for name in self._names() - self._looking_up:
            self._looking_up.add(name)
            # A daemon: a lookup may take half a minute, and a server that ends does not wait for it.
            threading.Thread(target=self._look_up, args=(name,), name="resolver", daemon=True).start()

    def _known(self, address: str) -> str | None:
        return address if _is_ipv4(address) else self._resolved.get(address)

    def _names(self) -> set[str]:
        addresses = {override.address for override in self._config.overrides} | {_value(self._config.default)}
        return {address for address in addresses if address and not _is_ipv4(address)}

    def _look_up(self, name: str) -> None:
        """In a thread of its own."""
        try:
            address = self._resolve(name)
        except (OSError, ValueError) as error:
            self._post(lambda error=error: self._on_failure(name, error))  # type: ignore[misc]
        else:
            self._post(lambda: self._on_answer(name, address))

    def _on_failure(self, name: str, error: Exception) -> None:
        self._looking_up.discard(name)
        warn("lookup failed", name=name, error=str(error))

    def _on_answer(self, name: str, address: str) -> None:
        self._looking_up.discard(name)
        if self._resolved.get(name) != address:
            event("lookup", name=name, address=address)
        self._resolved[name] = address


def _value(announced: Announced | None) -> str:
    """An address, a host name, or nothing."""
    if announced is None:
        return ""
    return announced.address or os.environ.get(announced.environment or "", "")


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
