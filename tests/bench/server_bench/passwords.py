"""One password, and a hash of it that costs every server the same 0.2 ms: the benchmark is not about hashes."""

import ctypes
import hmac

NAME = "bench"
PASSWORD = "correct horse"
# 1,000 rounds are the fewest that SHA-512-crypt knows; the usual 5,000 take five times as long.
_SALT = "$6$rounds=1000$ftpsbenchsalt"

_libcrypt = ctypes.CDLL("libcrypt.so.1")
_libcrypt.crypt.restype = ctypes.c_char_p


def crypt(password: str, salt: str) -> str:
    """As in crypt(3); the standard library's own is gone in Python 3.13."""
    hashed: bytes = _libcrypt.crypt(password.encode(), salt.encode())
    return hashed.decode()


def hashed() -> str:
    """The hash of PASSWORD."""
    return crypt(PASSWORD, _SALT)


def matches(password: str, password_hash: str) -> bool:
    """Check a password."""
    return hmac.compare_digest(crypt(password, password_hash), password_hash)
