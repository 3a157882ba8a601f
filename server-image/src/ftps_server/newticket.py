"""A further session ticket on a connection that has TLS 1.3 already.

Some clients (curl, Java) use a ticket once only, and read no new one from a connection that they upload on. So the
control connection gives them a new one (SSL_new_session_ticket(3)).
"""

import ctypes
import ssl

from ftps_server import openssl

_new_session_ticket = openssl.function("SSL_new_session_ticket", ctypes.c_int, ctypes.c_void_p)


def issue(stream: ssl.SSLObject) -> bool:
    """Have a ticket sent together with what is written next; False where that cannot be had."""
    return _new_session_ticket is not None and _new_session_ticket(openssl.pointer(stream)) == 1
