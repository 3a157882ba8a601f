"""A further session ticket on a connection that has TLS 1.3 already.

Some clients (curl, Java) use a ticket once only, and read no new one from a connection that they upload on. So the
control connection gives them a new one (SSL_new_session_ticket(3)) with each transfer, and data connections give none:
to make one takes as long as to decrypt a small file.
"""

import ctypes
import ssl

from ftps_server import openssl

_new_session_ticket = openssl.function("SSL_new_session_ticket", ctypes.c_int, ctypes.c_void_p)
is_available = _new_session_ticket is not None


def issue(stream: ssl.SSLObject) -> None:
    """Write a ticket, where that can be had."""
    if _new_session_ticket is not None and _new_session_ticket(openssl.pointer(stream)) == 1:
        stream.do_handshake()  # now, and not when the next answer is waited for
