"""Whether a hash was made of a password: argon2id, bcrypt, SHA-512-crypt."""

import ctypes
import hmac
from collections.abc import Callable
from functools import cache

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

_BCRYPT_MAX_BYTES = 72
_CRYPT_DATA_BYTES = 32768  # sizeof(struct crypt_data)

_argon2 = PasswordHasher()


def matches(password_hash: str, password: str) -> bool:
    """Check a password. Takes its time, in which other threads run. A hash that cannot be used matches nothing.

    Bytes of a client that are no UTF-8 are expected as `surrogateescape` has them.
    """
    try:
        secret = password.encode("utf-8", "surrogateescape")
        if password_hash.startswith("$2"):
            # Whoever made the hash has cut the password there without a word.
            return bcrypt.checkpw(secret[:_BCRYPT_MAX_BYTES], password_hash.encode())
        if password_hash.startswith("$6$"):
            return _matches_crypt(password_hash.encode(), secret)
        return _argon2.verify(password_hash, secret)
    except (VerificationError, ValueError):
        return False


def _matches_crypt(password_hash: bytes, secret: bytes) -> bool:
    if b"\0" in secret:  # to C it would end there
        return False
    data = ctypes.create_string_buffer(_CRYPT_DATA_BYTES)
    result = _crypt()(secret, password_hash, data, len(data))
    return result is not None and hmac.compare_digest(result, password_hash)


@cache
def _crypt() -> Callable[..., bytes | None]:
    """The C library's function. Python had a module for it up to 3.12, which kept all other threads waiting."""
    try:
        library = ctypes.CDLL("libcrypt.so.1")
    except OSError:
        library = ctypes.CDLL("libcrypt.so.2")
    function = library.crypt_rn
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
    function.restype = ctypes.c_char_p
    return function
