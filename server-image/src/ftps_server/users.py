"""Who may log in. A session keeps the user it logged in as; a change counts from the next login on."""

import hashlib
import secrets

from ftps_server.config import UserConfig, UsersConfig


class Users:
    """The users by name."""

    def __init__(self, config: UsersConfig) -> None:
        self._by_name: dict[str, UserConfig] = {}
        self._hashes: list[str] = []
        self._key = secrets.token_bytes()
        self.replace(config)

    def replace(self, config: UsersConfig) -> None:
        """Take a new list."""
        self._by_name = {user.name: user for user in config.users}
        self._hashes = [user.password_hash for user in config.users if user.password_hash is not None]

    def find(self, name: str) -> UserConfig | None:
        """The user of a name."""
        return self._by_name.get(name)

    def decoy_hash(self, name: str) -> str | None:
        """The hash of some user: verified for a name that is nobody's, it takes the time of a real one.

        The same name gets the same one, or asking again would tell.
        """
        if not self._hashes:
            return None
        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), key=self._key, digest_size=8).digest()
        return self._hashes[int.from_bytes(digest) % len(self._hashes)]
