"""FTP over TLS (RFC 959, 2228, 2389, 2428, 3659, 4217) on pyftpdlib. Nothing outside this package knows of FTP."""

# Before pyftpdlib.handlers, as this one imports asyncore without its DeprecationWarning.
import pyftpdlib.ioloop  # noqa: F401
