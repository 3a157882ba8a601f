"""OpenSSL's functions for which the standard library has no API.

They are called with the pointers that CPython's objects hold. That is done only where the objects' layout is known, and
where a try at import shows that it is as it should be.
"""

import _ssl  # its shared object is linked with the OpenSSL that the objects belong to
import ctypes
import ssl
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

_LAYOUT_KNOWN = (
    sys.implementation.name == "cpython"
    and (3, 11) <= sys.version_info < (3, 15)
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
_POINTER = ctypes.sizeof(ctypes.c_void_p)
# Modules/_ssl.c: PyObject_HEAD, Socket, ssl in PySSLSocket; PyObject_HEAD, ctx in PySSLContext.
_SSL_OFFSET, _CONTEXT_OFFSET = object.__basicsize__ + _POINTER, object.__basicsize__


def pointer(stream: ssl.SSLObject) -> int | None:
    """Its `SSL *`. Only for what `function` has given."""
    return _read(stream._sslobj, _SSL_OFFSET)  # type: ignore[attr-defined]  # noqa: SLF001


def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any] | None:  # noqa: ANN401 - types of ctypes
    """A function that is called with the GIL held; None where it cannot be had."""
    found = getattr(_library, name, None)
    if found is not None:
        found.restype, found.argtypes = result, arguments
    return found


def _read(owner: object, offset: int) -> int | None:
    return ctypes.c_void_p.from_address(id(owner) + offset).value


def _load() -> ctypes.PyDLL | None:
    if not _LAYOUT_KNOWN:
        return None
    try:
        library = ctypes.PyDLL(_ssl.__file__)
        context_of = library.SSL_get_SSL_CTX
    except (AttributeError, OSError):
        return None
    context_of.argtypes, context_of.restype = [ctypes.c_void_p], ctypes.c_void_p
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stream = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    # Both pointers are what they are taken for, if the one leads to the other.
    return library if context_of(pointer(stream)) == _read(context, _CONTEXT_OFFSET) else None


_library = _load()
