"""Who is let in: counts sessions, in all, by address and by user."""

from collections import Counter

from ftps_server.config import LimitsConfig


class Admission:
    """Sessions at a time."""

    def __init__(self, limits: LimitsConfig) -> None:
        self._limits = limits
        self._by_user: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()
        self.draining = False

    def refuse(self, address: str) -> str | None:
        """Why another session from an address is not let in, or None."""
        if self.draining:
            return "This server is about to end; connect again."
        limits = self._limits
        if limits.max_sessions is not None and self._by_address.total() >= limits.max_sessions:
            return "Too many sessions; try again later."
        if limits.max_sessions_per_address is not None and self._by_address[address] >= limits.max_sessions_per_address:
            return "Too many sessions from your address; try again later."
        return None

    def enter(self, address: str) -> None:
        """Count a session."""
        self._by_address[address] += 1

    def leave(self, address: str) -> None:
        """Count it no more."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]

    def replace(self, limits: LimitsConfig) -> None:
        """Take new limits; who is in stays."""
        self._limits = limits

    def log_in(self, user: str) -> None:
        """Count a session as a user's."""
        self._by_user[user] += 1

    def log_out(self, user: str) -> None:
        """Count it as this user's no more."""
        self._by_user[user] -= 1
        if self._by_user[user] <= 0:
            del self._by_user[user]

    def logged_in(self, user: str) -> int:
        """How many sessions a user has."""
        return self._by_user[user]

    @property
    def sessions(self) -> int:
        """How many there are."""
        return self._by_address.total()
