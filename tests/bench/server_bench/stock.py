"""pyftpdlib as it comes: `python -m bench.server_bench.stock PORT CERTIFICATE HOME`."""

import logging
import sys

from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

from bench.server_bench import passwords
from bench.server_bench.scene import HOST


class Authorizer(DummyAuthorizer):
    """Checks the hash that all the servers check."""

    def validate_authentication(self, username, password, handler):  # noqa: ARG002 - pyftpdlib calls it
        if not passwords.matches(password, self.user_table[username]["pwd"]):
            raise AuthenticationFailed


def main() -> int:
    """Serve until killed."""
    port, certificate, home = sys.argv[1:]
    logging.basicConfig(level=logging.ERROR)
    authorizer = Authorizer()
    authorizer.add_user(passwords.NAME, passwords.hashed(), home, perm="elradfmwMT")
    handler = TLS_FTPHandler
    handler.certfile = certificate
    handler.authorizer = authorizer
    handler.tls_control_required = handler.tls_data_required = True
    handler.timeout = 0
    server = FTPServer((HOST, int(port)), handler)
    server.max_cons = 0
    server.serve_forever(handle_exit=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
