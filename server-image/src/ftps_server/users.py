"""Who may log in. A session keeps the user it logged in as; a change counts from the next login on."""

from ftps_server.config import UserConfig, UsersConfig


class Users:
    """The users by name."""

    def __init__(self, config: UsersConfig) -> None:
        self._by_name: dict[str, UserConfig] = {}
        self.replace(config)

    def replace(self, config: UsersConfig) -> None:
        """Take a new list."""
        self._by_name = {user.name: user for user in config.users}

    def find(self, name: str) -> UserConfig | None:
        """The user of a name."""
        return self._by_name.get(name)

    @property
    def decoy_hash(self) -> str | None:
        """The hash of any user: verified for a name that is nobody's, it takes the time of a real one."""
        return next((user.password_hash for user in self._by_name.values()), None)
