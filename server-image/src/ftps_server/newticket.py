"""A further session ticket on a connection that has TLS 1.3 already.

Some clients (curl, Java) use a ticket once only, and read no new one from a connection that they upload on. So the
control connection gives them a new one. The standard library has no API for that; OpenSSL has one
(SSL_new_session_ticket(3)), and is called with the pointer that CPython's object holds. That is done only where the
object's layout is known, and where a try at import shows that it is as it should be.
"""

import _ssl  # its shared object is linked with the OpenSSL that the objects belong to
import ctypes
import ssl
import sys
import sysconfig
from collections.abc import Callable

_LAYOUT_KNOWN = (
    sys.implementation.name == "cpython"
    and (3, 11) <= sys.version_info < (3, 15)
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
_POINTER = ctypes.sizeof(ctypes.c_void_p)
# Modules/_ssl.c: PyObject_HEAD, Socket, ssl in PySSLSocket; PyObject_HEAD, ctx in PySSLContext.
_SSL_OFFSET, _CONTEXT_OFFSET = object.__basicsize__ + _POINTER, object.__basicsize__


def issue(stream: ssl.SSLObject) -> bool:
    """Have a ticket sent together with what is written next; False where that cannot be had."""
    return _new_session_ticket is not None and _new_session_ticket(_pointer(stream)) == 1


def _pointer(stream: ssl.SSLObject) -> int | None:
    return _read(stream._sslobj, _SSL_OFFSET)  # type: ignore[attr-defined]  # noqa: SLF001


def _read(owner: object, offset: int) -> int | None:
    return ctypes.c_void_p.from_address(id(owner) + offset).value


def _load() -> Callable[[int | None], int] | None:
    if not _LAYOUT_KNOWN:
        return None
    try:
        library = ctypes.PyDLL(_ssl.__file__)
        function, context_of = library.SSL_new_session_ticket, library.SSL_get_SSL_CTX
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
    context_of.argtypes, context_of.restype = [ctypes.c_void_p], ctypes.c_void_p
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stream = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    # Both pointers are what they are taken for, if the one leads to the other.
    return function if context_of(_pointer(stream)) == _read(context, _CONTEXT_OFFSET) else None


_new_session_ticket = _load()
