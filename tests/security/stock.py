"""pyftpdlib as it comes: `python -m security.stock PORT CERTIFICATE DIRECTORY FIRST_PORT LAST_PORT SLOW_HASH`.

Its administrator has read the manual: TLS is required for control and data, and there is a range of passive ports.
"""

import logging
import sys

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

from unit.ftps_server.harness import PASSWORD_HASH


class HashAuthorizer(DummyAuthorizer):
    """Checks hashes where pyftpdlib asks for it."""

    def validate_authentication(self, username, password, handler):  # noqa: ARG002 - pyftpdlib calls it
        try:
            PasswordHasher().verify(self.user_table[username]["pwd"], password)
        except (KeyError, VerificationError):
            raise AuthenticationFailed from None


def main() -> None:
    """Serve until killed."""
    port, certificate, directory, first, last, slow_hash = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    authorizer = HashAuthorizer()
    for name, password_hash in (("alice", PASSWORD_HASH), ("mallory", PASSWORD_HASH), ("slow", slow_hash)):
        authorizer.add_user(name, password_hash, f"{directory}/{name}", perm="elradfmwMT")
    handler = TLS_FTPHandler
    handler.certfile = certificate
    handler.authorizer = authorizer
    handler.tls_control_required = handler.tls_data_required = True
    handler.passive_ports = range(int(first), int(last) + 1)
    FTPServer(("127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main()
